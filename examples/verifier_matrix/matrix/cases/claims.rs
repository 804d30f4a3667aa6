//! What can be wrong with the claims of a token that is signed as it should be.

use serde_json::json;

use crate::matrix::message::{CALLED, CALLER, OTHER};
use crate::matrix::{Case, Must, case};

const SHAKEN_CLAIMS: &str = "RFC 8588 §4";

pub fn cases() -> Vec<Case> {
    let mut cases = times();
    cases.extend(vec![
        case(
            "attest-abc",
            "`attest` is \"ABC\"",
            Must::Refuse(438),
            SHAKEN_CLAIMS,
            |stage| stage.call(&stage.token().claim("attest", "ABC")),
        )
        .only_malformed(),
        case(
            "attest-lower-case",
            "`attest` is \"a\"",
            Must::Refuse(438),
            SHAKEN_CLAIMS,
            |stage| stage.call(&stage.token().claim("attest", "a")),
        )
        .only_malformed(),
        case(
            "attest-missing",
            "no `attest`",
            Must::Refuse(438),
            SHAKEN_CLAIMS,
            |stage| stage.call(&stage.token().without_claim("attest")),
        )
        .only_malformed(),
        case(
            "origid-missing",
            "no `origid`",
            Must::Refuse(438),
            SHAKEN_CLAIMS,
            |stage| stage.call(&stage.token().without_claim("origid")),
        )
        .only_malformed(),
        case(
            "orig-missing",
            "no `orig`",
            Must::Refuse(438),
            "RFC 8225 §5.2.1",
            |stage| stage.call(&stage.token().without_claim("orig")),
        )
        .only_malformed(),
        case(
            "orig-string",
            "`orig` is a string, not an object",
            Must::Refuse(438),
            "RFC 8225 §5.2.1: an object with tn or uri",
            |stage| stage.call(&stage.token().claim("orig", CALLER)),
        )
        .only_malformed(),
        case(
            "orig-uri",
            "`orig` has a uri and no number",
            Must::Refuse(438),
            "RFC 8588 §4: SHAKEN speaks of numbers",
            |stage| {
                stage.call(
                    &stage
                        .token()
                        .claim("orig", json!({"uri": "sip:alice@example.com"})),
                )
            },
        )
        .only_malformed(),
        case(
            "orig-tn-and-uri",
            "`orig` has a number and a uri",
            Must::Refuse(438),
            "RFC 8225 §5.2.1: exactly one of them",
            |stage| {
                stage.call(
                    &stage
                        .token()
                        .claim("orig", json!({"tn": CALLER, "uri": "sip:alice@example.com"})),
                )
            },
        )
        .only_malformed(),
        case(
            "orig-letters",
            "`orig.tn` has letters",
            Must::Refuse(438),
            "RFC 8225 §5.2.1, RFC 8224 §8.3: digits only",
            |stage| stage.call(&stage.token().claim("orig", json!({"tn": "1404555CALL"}))),
        )
        .only_malformed(),
        case(
            "orig-plus",
            "`orig.tn` has a plus sign",
            Must::Refuse(438),
            "RFC 8225 §5.2.1, RFC 8224 §8.3: the canonical form has none",
            |stage| stage.call(&stage.token().claim("orig", json!({"tn": format!("+{CALLER}")}))),
        )
        .only_malformed(),
        case(
            "dest-missing",
            "no `dest`",
            Must::Refuse(438),
            "RFC 8225 §5.2.1",
            |stage| stage.call(&stage.token().without_claim("dest")),
        )
        .only_malformed(),
        case(
            "dest-strings",
            "`dest` is an array of strings, not an object",
            Must::Refuse(438),
            "RFC 8225 §5.2.1",
            |stage| stage.call(&stage.token().claim("dest", json!([CALLED]))),
        )
        .only_malformed(),
        case(
            "dest-empty",
            "`dest.tn` is empty",
            Must::Refuse(438),
            "RFC 8225 §5.2.1: at least one",
            |stage| stage.call(&stage.token().claim("dest", json!({"tn": []}))),
        )
        .only_malformed(),
        case(
            "names-in-capitals",
            "`IAT` and `Attest` in place of `iat` and `attest`",
            Must::Refuse(438),
            "RFC 8259 §8.3: names are compared as they stand, so the claims are missing",
            |stage| {
                let attest = json!("A");
                stage.call(
                    &stage
                        .token()
                        .without_claim("iat")
                        .without_claim("attest")
                        .claim("IAT", stage.now)
                        .claim("Attest", attest),
                )
            },
        )
        .only_malformed(),
        case(
            "duplicate-claims",
            "`orig` twice: another caller, then the one shown",
            Must::Refuse(438),
            "RFC 7519 §4: refuse, or take the last; two readers must not read two callers",
            |stage| {
                let twice = format!(r#"{{"orig":{{"tn":"{OTHER}"}},"#);
                stage.call(
                    &stage
                        .token()
                        .payload_by_hand(|text| text.replacen('{', &twice, 1)),
                )
            },
        )
        .open(),
        case(
            "text-behind-the-object",
            "something behind the JSON object",
            Must::Refuse(438),
            "RFC 8259 §2: one value",
            |stage| stage.call(&stage.token().payload_by_hand(|text| text + "{}")),
        )
        .only_malformed(),
        case(
            "payload-array",
            "the payload is an array",
            Must::Refuse(438),
            "RFC 7519 §7.2: an object",
            |stage| stage.call(&stage.token().payload_by_hand(|text| format!("[{text}]"))),
        )
        .only_malformed(),
        case(
            "deep-json",
            "a claim nested 2,000 deep",
            Must::Refuse(438),
            "RFC 8259 §9: a parser may limit the depth; it must not fall over",
            |stage| {
                let deep = format!(r#"{{"x-deep":{}{},"#, "[".repeat(2000), "]".repeat(2000));
                stage.call(&stage.token().payload_by_hand(|text| text.replacen('{', &deep, 1)))
            },
        )
        .open(),
    ]);
    cases
}

fn times() -> Vec<Case> {
    const FRESH: &str = "RFC 8224 §6.2 step 4: 403 Stale Date, both ways";
    const INTEGER: &str = "RFC 8225 §5.1.1, RFC 7519 §2 (NumericDate): an integer here; errata 5985 and 6656";
    vec![
        case(
            "iat-old",
            "signed two minutes ago",
            Must::Refuse(403),
            FRESH,
            |stage| stage.call(&stage.token().claim("iat", stage.now - 120)),
        ),
        case(
            "iat-future",
            "signed two minutes from now",
            Must::Refuse(403),
            FRESH,
            |stage| stage.call(&stage.token().claim("iat", stage.now + 120)),
        ),
        case(
            "iat-far-future",
            "`iat` is 2^53 + 1",
            Must::Refuse(403),
            FRESH,
            |stage| stage.call(&stage.token().claim("iat", 9_007_199_254_740_993_i64)),
        ),
        case("iat-negative", "`iat` is -1", Must::Refuse(403), FRESH, |stage| {
            stage.call(&stage.token().claim("iat", -1))
        }),
        case(
            "iat-string",
            "`iat` is a string",
            Must::Refuse(438),
            INTEGER,
            |stage| stage.call(&stage.token().claim("iat", stage.now.to_string())),
        )
        .only_malformed(),
        case(
            "iat-fraction",
            "`iat` has a fraction",
            Must::Refuse(438),
            INTEGER,
            |stage| {
                let iat = stage.now.to_string();
                stage.call(
                    &stage
                        .token()
                        .payload_by_hand(|text| text.replace(&iat, &format!("{iat}.5"))),
                )
            },
        )
        .only_malformed(),
        case("iat-missing", "no `iat`", Must::Refuse(438), INTEGER, |stage| {
            stage.call(&stage.token().without_claim("iat"))
        })
        .only_malformed(),
    ]
}
