//! PASSporTs of other kinds: rich call data (RFC 9795), none at all (RFC 8225), priority (RFC 8443).

use serde_json::json;
use stir_shaken_verify::ContentDigest;

use crate::matrix::authority::{CLAIM_CONSTRAINTS, Holder, extension, provider};
use crate::matrix::host::Page;
use crate::matrix::message::{Invite, OTHER, Token, date_line};
use crate::matrix::{Case, Must, Scene, Stage, case, der};

pub fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(plain_and_priority());
    cases.into_iter().map(Case::about_message).collect()
}

fn names() -> Vec<Case> {
    const WHOLE: &str =
        "RFC 9795: what rcdi does not vouch for is not shown, and a claim that contradicts itself is none";
    vec![
        case(
            "rich-call-data",
            "a SHAKEN token with the caller's name in an `rcd` claim",
            Must::VerifyNamed,
            "RFC 9795: rcd may stand in a shaken PASSporT",
            |stage| stage.call(&stage.token().claim("rcd", json!({"nam": "Example Bank"}))),
        ),
        case(
            "rcd-card-and-digest",
            "a card in `jcd`, and its digest in `rcdi`",
            Must::VerifyNamed,
            WHOLE,
            |stage| {
                stage.call(&with_card(
                    stage,
                    &ContentDigest::sha256(CARD.as_bytes()).to_string(),
                ))
            },
        ),
        case(
            "rcd-digest-differs",
            "the same with the digest of another card",
            Must::VerifyUnnamed,
            WHOLE,
            |stage| {
                stage.call(&with_card(
                    stage,
                    &ContentDigest::sha256(b"another card").to_string(),
                ))
            },
        ),
        case(
            "rcd-two-cards",
            "a card in `jcd` and the address of another in `jcl`",
            Must::VerifyUnnamed,
            WHOLE,
            |stage| {
                let card: serde_json::Value = serde_json::from_str(CARD).unwrap_or_default();
                stage.call(&stage.token().claim(
                    "rcd",
                    json!({"nam": "Example Bank", "jcd": card, "jcl": "https://example.com/card.json"}),
                ))
            },
        ),
        case(
            "rcd-of-another-caller",
            "a good SHAKEN header, and an rcd PASSporT of another caller beside it",
            Must::VerifyUnnamed,
            "RFC 9795: its orig is compared like any other",
            |stage| {
                let rcd = rcd_alone(stage).claim("orig", json!({"tn": OTHER}));
                Scene::new(
                    Invite::new(&stage.sign(&stage.token()))
                        .with_line(format!("Identity: {}", stage.sign(&rcd))),
                )
            },
        ),
        case(
            "rcd-not-permitted",
            "a name that the certificate does not permit",
            Must::Refuse(438),
            "RFC 8226 §8, RFC 9795: the certificate says which names may be signed",
            |stage| {
                let mut params = provider("SHAKEN 1234", stage.now);
                let permitted = der::permits_only("rcd", r#"{"nam":"Example Dental"}"#);
                params
                    .custom_extensions
                    .push(extension(CLAIM_CONSTRAINTS, permitted, false));
                let leaf = stage.world.issuing.issue(params);
                let url = stage.publish(Page::Text(stage.world.chain_of(&leaf)));
                let token = Token::new(&url, stage.now).claim("rcd", json!({"nam": "Example Bank"}));
                Scene::new(Invite::new(&token.signed(&leaf.key)))
            },
        ),
        case(
            "rcd-alone",
            "an rcd PASSporT and no SHAKEN header",
            Must::Nothing,
            "RFC 9795: it tells a name; nobody has attested the number",
            |stage| {
                let token = rcd_alone(stage);
                stage.call(&token)
            },
        ),
    ]
}

fn plain_and_priority() -> Vec<Case> {
    const REBUILT: &str = "RFC 8225 §7, RFC 8224 §4: the token is built again from the message";
    vec![
        case(
            "plain-passport",
            "a PASSporT without `ppt`: a number, and no attestation",
            Must::VerifyNumber,
            "RFC 8224 §6.2: it is valid; RFC 8588 adds the letter, and it is not there",
            |stage| stage.call(&plain(stage)),
        )
        .open(),
        case(
            "compact-plain",
            "the same in the compact form, `..signature`, with a Date header",
            Must::VerifyNumber,
            REBUILT,
            compact,
        )
        .open(),
        case(
            "compact-plain-other-caller",
            "the same, and From is another number",
            Must::Refuse(438),
            REBUILT,
            |stage| {
                let mut scene = compact(stage);
                scene.invite = scene
                    .invite
                    .with_from(&format!("sip:+{OTHER}@carrier.example.com;user=phone"));
                scene
            },
        ),
        case(
            "priority-alone",
            "an rph PASSporT and no SHAKEN header",
            Must::Nothing,
            "RFC 8443 §4: it authorizes a priority; nobody has attested the number",
            |stage| {
                let identity = stage.sign(&priority(stage.token()));
                Scene::new(Invite::new(&identity).with_line("Resource-Priority: ets.0".into()))
            },
        ),
        case(
            "priority-by-a-stranger",
            "a good SHAKEN header, and a priority that a stranger has signed",
            Must::VerifyBeside(437),
            "RFC 8443 §5: verified like any other, or it gives no priority",
            |stage| {
                let stranger = Holder::root(provider("SHAKEN 1234", stage.now));
                let url = stage.publish(Page::Text(stranger.pem.clone()));
                let forged = priority(Token::new(&url, stage.now)).signed(&stranger.key);
                let invite =
                    Invite::new(&stage.sign(&stage.token())).with_line(format!("Identity: {forged}"));
                Scene::new(invite.with_line("Resource-Priority: ets.0".into()))
            },
        ),
    ]
}

fn rcd_alone(stage: &Stage<'_>) -> Token {
    let token = stage.token();
    let parameters = token.parameters.replace("shaken", "rcd");
    token
        .without_claim("attest")
        .without_claim("origid")
        .member("ppt", "rcd")
        .claim("rcd", json!({"nam": "Example Bank"}))
        .parameters(parameters)
}

fn with_card(stage: &Stage<'_>, digest: &str) -> Token {
    let card: serde_json::Value = serde_json::from_str(CARD).unwrap_or_default();
    stage
        .token()
        .claim("rcd", json!({"nam": "Example Bank", "jcd": card}))
        .claim("rcdi", json!({"/jcd": digest}))
}

fn plain(stage: &Stage<'_>) -> Token {
    let token = stage.token();
    let parameters = token.parameters.replace(";ppt=shaken", "");
    token
        .without_member("ppt")
        .without_claim("attest")
        .without_claim("origid")
        .parameters(parameters)
}

fn compact(stage: &Stage<'_>) -> Scene {
    let identity = plain(stage).compact(&stage.world.signer.key);
    Scene::new(Invite::new(&identity).with_line(date_line(stage.now)))
}

fn priority(token: Token) -> Token {
    let parameters = token.parameters.replace("shaken", "rph");
    token
        .without_claim("attest")
        .without_claim("origid")
        .member("ppt", "rph")
        .claim("rph", json!({"auth": ["ets.0"]}))
        .parameters(parameters)
}

/// A jCard (RFC 7095) as its digest is made over: no white space.
const CARD: &str = r#"["vcard",[["fn",{},"text","Example Bank"]]]"#;
