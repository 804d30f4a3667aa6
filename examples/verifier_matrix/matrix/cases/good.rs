//! Calls that are right and look odd. To refuse them is a fault as well: an honest caller loses his letter.

use serde_json::json;

use crate::matrix::authority::{extension, holder_of, provider, valid};
use crate::matrix::der::{self, TnEntry};
use crate::matrix::host::Page;
use crate::matrix::message::{CALLED, CALLER, Invite, OTHER, Token, date_line, mirrored, raw_signature};
use crate::matrix::{Case, Must, Scene, Stage, case};

pub fn cases() -> Vec<Case> {
    let mut cases = headers();
    cases.extend(numbers());
    cases.extend(tokens());
    cases.extend(certificates());
    cases
}

fn headers() -> Vec<Case> {
    vec![
        case(
            "plain",
            "an ordinary call, certificate on port 8443",
            Must::Verify,
            "RFC 8224 §6.2, RFC 8588 §4; ATIS-1000074 allows x5u ports 443 and 8443",
            |stage| stage.call(&stage.token()),
        ),
        case(
            "quoted-ppt",
            "`ppt=\"shaken\"` in quotes",
            Must::Verify,
            "RFC 8224 §4: generic-param values may be quoted; carriers send both",
            |stage| {
                let token = stage.token();
                let parameters = token.parameters.replace("ppt=shaken", "ppt=\"shaken\"");
                stage.call(&token.parameters(parameters))
            },
        ),
        case(
            "parameter-order-and-case",
            "`;PPT=shaken;Info=<...>`, no `alg`",
            Must::Verify,
            "RFC 3261 §7.3.1: names in any case and order; RFC 8224 §4: without alg it is ES256",
            |stage| {
                let token = stage.token();
                let url = token.header["x5u"].as_str().unwrap_or_default().to_string();
                stage.call(&token.parameters(format!(";PPT=shaken;Info=<{url}>")))
            },
        ),
        case(
            "unknown-parameter",
            "an unknown header parameter behind the others",
            Must::Verify,
            "RFC 8224 §4: ident-info-params may be any generic-param",
            |stage| {
                let token = stage.token();
                let parameters = format!("{};note=1", token.parameters);
                stage.call(&token.parameters(parameters))
            },
        ),
        case(
            "compact-name",
            "the header is called `y`",
            Must::Verify,
            "RFC 8224 §4: the compact form of Identity is y",
            |stage| named(stage, "y"),
        )
        .about_message(),
        case(
            "folded-line",
            "the header is folded before its parameters",
            Must::Verify,
            "RFC 3261 §7.3.1: folding is one blank",
            |stage| {
                let identity = stage.sign(&stage.token());
                Scene::new(Invite::new(&identity.replacen(';', "\r\n ;", 1)))
            },
        )
        .about_message(),
        case(
            "unknown-ppt-first",
            "a PASSporT of an unknown kind stands before the good one",
            Must::Verify,
            "RFC 8224 §6.2 step 1: what is not supported is passed over",
            |stage| {
                let identity = stage.sign(&stage.token());
                let unknown = stage.sign(&unknown_kind(stage.token()));
                Scene::new(Invite::new(&unknown).with_line(format!("Identity: {identity}")))
            },
        )
        .about_message(),
        case(
            "joined-by-a-comma",
            "both in one line, joined by a comma",
            Must::Verify,
            "RFC 3261 §7.3.1: the same as two lines",
            |stage| {
                let identity = stage.sign(&stage.token());
                let unknown = stage.sign(&unknown_kind(stage.token()));
                Scene::new(Invite::new(&format!("{unknown},{identity}")))
            },
        )
        .about_message(),
        case(
            "forged-one-beside",
            "a forged SHAKEN header stands before the good one",
            Must::VerifyBeside(438),
            "RFC 8224 §6.2: each header is judged; RFC 9410 gives each its own reason",
            |stage| {
                let identity = stage.sign(&stage.token());
                let forged = super::super::message::altered(&identity);
                Scene::new(Invite::new(&forged).with_line(format!("Identity: {identity}")))
            },
        )
        .about_message(),
    ]
}

fn numbers() -> Vec<Case> {
    vec![
        case(
            "visual-separators",
            "From is `+1-404-555-0123`",
            Must::Verify,
            "RFC 8224 §8.3: visual separators are taken out",
            |stage| from(stage, "sip:+1-404-555-0123@carrier.example.com;user=phone"),
        )
        .about_message(),
        case(
            "national-number",
            "From is `4045550123`, the number without its country",
            Must::Verify,
            "RFC 8224 §8.3: the country code is added",
            |stage| from(stage, "sip:4045550123@carrier.example.com;user=phone"),
        )
        .about_message(),
        case(
            "trunk-group",
            "`;tgrp=...;trunk-context=...` inside the user part of From",
            Must::Verify,
            "RFC 4904, RFC 3966 §3: parameters are no part of the number",
            |stage| {
                from(
                    stage,
                    "sip:+14045550123;tgrp=tg1;trunk-context=carrier.example.com@carrier.example.com;user=phone",
                )
            },
        )
        .about_message(),
        case(
            "percent-escapes",
            "the plus sign and a digit of From are written as `%2B` and `%31`",
            Must::Verify,
            "RFC 3261 §19.1.4: an escaped character is the character",
            |stage| from(stage, "sip:%2B%314045550123@carrier.example.com;user=phone"),
        )
        .about_message(),
        case(
            "phone-context",
            "From is a local `tel:` number with `phone-context=+1`",
            Must::Verify,
            "RFC 3966 §5.1.5: the context is the country code that is missing",
            |stage| from(stage, "tel:4045550123;phone-context=+1"),
        )
        .about_message(),
        case(
            "tel-uris",
            "From and To are `tel:` URIs",
            Must::Verify,
            "RFC 8224 §8.1: tel and sip URIs with numbers are alike",
            |stage| {
                let invite = Invite::new(&stage.sign(&stage.token()));
                Scene::new(
                    invite
                        .with_from(&format!("tel:+{CALLER}"))
                        .with_to(&format!("tel:+{CALLED}")),
                )
            },
        )
        .about_message(),
        case(
            "anonymous-from",
            "From is anonymous, the number stands in P-Asserted-Identity",
            Must::Verify,
            "ATIS-1000074 §5.3: P-Asserted-Identity, if there is one, is compared with orig",
            |stage| {
                let invite = Invite::new(&stage.sign(&stage.token()))
                    .with_from("sip:anonymous@anonymous.invalid")
                    .with_asserted(&format!("<sip:+{CALLER}@carrier.example.com;user=phone>"))
                    .with_line("Privacy: id".into());
                Scene::new(invite)
            },
        )
        .about_message(),
        case(
            "second-asserted-identity",
            "two P-Asserted-Identity values, the second one matches",
            Must::Verify,
            "RFC 3325 §9.1 allows two; ATIS-1000074: each is tried",
            |stage| {
                let invite = Invite::new(&stage.sign(&stage.token()))
                    .with_asserted("<sip:reception@carrier.example.com>")
                    .with_asserted(&format!("<tel:+{CALLER}>"));
                Scene::new(invite)
            },
        )
        .about_message(),
        case(
            "several-destinations",
            "`dest` names three numbers and a URI; ours is the second",
            Must::Verify,
            "RFC 8225 §5.2.1: dest is an array, tn and uri side by side",
            |stage| {
                let dest = json!({"tn": [OTHER, CALLED, "13125550178"], "uri": ["sip:desk@example.com"]});
                stage.call(&stage.token().claim("dest", dest))
            },
        ),
    ]
}

fn tokens() -> Vec<Case> {
    vec![
        case(
            "attestation-c",
            "attestation C",
            Must::Verify,
            "RFC 8588 §4: A, B and C are alike to the signature",
            |stage| stage.call(&stage.token().claim("attest", "C")),
        ),
        case(
            "unknown-claim",
            "a claim that nobody knows",
            Must::Verify,
            "RFC 7519 §4: claims that are not understood are ignored",
            |stage| stage.call(&stage.token().claim("x-mood", json!({"sunny": [1, 2, 3]}))),
        ),
        case(
            "nearly-too-old",
            "signed 50 seconds ago, with a Date header that says so",
            Must::Verify,
            "RFC 8224 §6.2 step 4 recommends 60 s",
            |stage| {
                let mut scene = stage.call(&stage.token().claim("iat", stage.now - 50));
                scene.invite = scene.invite.with_line(date_line(stage.now - 50));
                scene
            },
        ),
        case(
            "signer-clock-ahead",
            "signed by a clock that is 50 seconds ahead",
            Must::Verify,
            "RFC 8224 §6.2 step 4: the window is on both sides",
            |stage| stage.call(&stage.token().claim("iat", stage.now + 50)),
        ),
        case(
            "mirrored-signature",
            "the other valid signature (r, n - s)",
            Must::Verify,
            "FIPS 186-4 §6.4, RFC 7518 §3.4: s may be any number below n",
            |stage| {
                let key = &stage.world.signer.key;
                let identity = stage
                    .token()
                    .sealed(|octets| mirrored(raw_signature(key, octets)));
                Scene::new(Invite::new(&identity))
            },
        ),
    ]
}

fn certificates() -> Vec<Case> {
    vec![
        case(
            "critical-tn-auth-list",
            "TNAuthList is marked critical",
            Must::Verify,
            "RFC 5280 §4.2: critical means that it must be understood; RFC 8226 §9 is",
            |stage| {
                let mut params = provider("SHAKEN 1234", stage.now);
                params
                    .custom_extensions
                    .iter_mut()
                    .for_each(|list| list.set_criticality(true));
                stage.call_with_certificate(params)
            },
        ),
        case(
            "number-range",
            "a certificate for a range of numbers, ours among them",
            Must::Verify,
            "RFC 8226 §9: entry [1] is a first number and a count",
            |stage| {
                let entries = [TnEntry::Range("14045550100", 100)];
                stage.call_with_certificate(holder_of(&entries, "Numbers of a company", stage.now))
            },
        ),
        case(
            "one-number",
            "a certificate for our number alone",
            Must::Verify,
            "RFC 8226 §9: entry [2]",
            |stage| {
                let entries = [TnEntry::Number(CALLER)];
                stage.call_with_certificate(holder_of(&entries, "One number", stage.now))
            },
        ),
        case(
            "kept-constraints",
            "claim constraints that the token keeps",
            Must::Verify,
            "RFC 8226 §8, RFC 9118",
            |stage| {
                let mut params = provider("SHAKEN 1234", stage.now);
                params.custom_extensions.push(extension(
                    crate::matrix::authority::CLAIM_CONSTRAINTS,
                    der::permits_only("attest", "A"),
                    false,
                ));
                stage.call_with_certificate(params)
            },
        ),
        case(
            "text-around-the-certificates",
            "the file has explanations before each certificate, and the root at its end",
            Must::Verify,
            "RFC 7468 §2: text before the boundary is passed over; RFC 5280 §6.1: the anchor may stand there",
            |stage| {
                let world = stage.world;
                let file = format!(
                    "The provider's own\n{}\nIts authority\n{}\n{}",
                    world.signer.pem, world.issuing.pem, world.root.pem
                );
                let url = stage.publish(Page::Text(file));
                stage.call(&Token::new(&url, stage.now))
            },
        ),
        case(
            "short-lived-certificate",
            "a certificate of ten minutes",
            Must::Verify,
            "RFC 5280 §6.1.3: valid is valid, however short",
            |stage| {
                let mut params = provider("SHAKEN 1234", stage.now);
                valid(&mut params, stage.now - 300, stage.now + 300);
                stage.call_with_certificate(params)
            },
        ),
    ]
}

fn named(stage: &Stage<'_>, name: &str) -> Scene {
    let identity = stage.sign(&stage.token());
    let mut invite = Invite::new(&identity);
    invite.lines = vec![format!("{name}: {identity}")];
    Scene::new(invite)
}

fn from(stage: &Stage<'_>, uri: &str) -> Scene {
    Scene::new(Invite::new(&stage.sign(&stage.token())).with_from(uri))
}

fn unknown_kind(token: Token) -> Token {
    let parameters = token.parameters.replace("ppt=shaken", "ppt=msec");
    token.member("ppt", "msec").parameters(parameters)
}
