//! PASSporTs of other kinds: rich call data (RFC 9795), none at all (RFC 8225), priority (RFC 8443).

use serde_json::json;

use crate::matrix::authority::{Holder, provider};
use crate::matrix::host::Page;
use crate::matrix::message::{Invite, OTHER, Token, date_line};
use crate::matrix::{Case, Must, Scene, Stage, case};

pub fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(plain_and_priority());
    cases.into_iter().map(Case::about_message).collect()
}

fn names() -> Vec<Case> {
    vec![
        case(
            "rich-call-data",
            "a SHAKEN token with a caller's name in an `rcd` claim",
            Must::Verify,
            "RFC 9795: rcd may stand in a shaken PASSporT",
            |stage| stage.call(&stage.token().claim("rcd", json!({"nam": "Example Bank"}))),
        ),
        case(
            "rcd-alone",
            "an rcd PASSporT and no SHAKEN header",
            Must::Nothing,
            "RFC 9795: it tells a name; nobody has attested the number",
            |stage| {
                let token = stage.token();
                let parameters = token.parameters.replace("shaken", "rcd");
                let token = token
                    .without_claim("attest")
                    .without_claim("origid")
                    .member("ppt", "rcd")
                    .claim("rcd", json!({"nam": "Example Bank"}));
                stage.call(&token.parameters(parameters))
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
            |stage| compact(stage),
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
