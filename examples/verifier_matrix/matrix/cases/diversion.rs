//! Calls that were forwarded on the way (RFC 8946), and PASSporTs of other kinds.

use serde_json::json;

use crate::matrix::authority::{Holder, provider};
use crate::matrix::host::Page;
use crate::matrix::message::{CALLED, CALLER, Invite, OTHER, Token};
use crate::matrix::{Case, Must, Scene, Stage, case};

const CHAIN: &str =
    "RFC 8946 §4.2: the chain is built by values: div is the dest before, orig stays, dest is the next";

pub fn cases() -> Vec<Case> {
    let mut cases = diversions();
    cases.extend(others());
    cases.into_iter().map(Case::about_message).collect()
}

fn diversions() -> Vec<Case> {
    vec![
        case(
            "diverted",
            "signed for another number, and its holder has signed the diversion to us",
            Must::VerifyDiverted,
            CHAIN,
            |stage| {
                let (base, div) = (base(stage), stage.sign(&div(stage, OTHER, CALLED)));
                diverted(&[base, div])
            },
        ),
        case(
            "div-before-shaken",
            "the same, the div header first",
            Must::VerifyDiverted,
            "RFC 8946 §4.2: the order of the headers means nothing",
            |stage| {
                let (base, div) = (base(stage), stage.sign(&div(stage, OTHER, CALLED)));
                diverted(&[div, base])
            },
        ),
        case(
            "diverted-twice",
            "two diversions, the later one first",
            Must::VerifyDiverted,
            CHAIN,
            |stage| {
                let first = stage.sign(&div(stage, OTHER, THIRD));
                let second = stage.sign(&div(stage, THIRD, CALLED));
                diverted(&[second, base(stage), first])
            },
        ),
        case(
            "diversion-missing",
            "signed for another number, no diversion",
            Must::Diverted,
            CHAIN,
            |stage| diverted(&[base(stage)]),
        ),
        case(
            "div-without-base",
            "a diversion and no SHAKEN header",
            Must::Nothing,
            "RFC 8946 §4.2: a div alone vouches for no caller",
            |stage| diverted(&[stage.sign(&div(stage, OTHER, CALLED))]),
        ),
        case(
            "div-with-a-gap",
            "the diversion begins at a number for which nothing was signed",
            Must::Diverted,
            CHAIN,
            |stage| diverted(&[base(stage), stage.sign(&div(stage, THIRD, CALLED))]),
        ),
        case(
            "div-to-another",
            "the diversion ends at another number than the one dialled",
            Must::Diverted,
            CHAIN,
            |stage| diverted(&[base(stage), stage.sign(&div(stage, OTHER, THIRD))]),
        ),
        case(
            "div-of-another-caller",
            "the diversion was signed for another caller",
            Must::Diverted,
            CHAIN,
            |stage| {
                let div = div(stage, OTHER, CALLED).claim("orig", json!({"tn": "13125550199"}));
                diverted(&[base(stage), stage.sign(&div)])
            },
        ),
        case(
            "div-by-a-stranger",
            "the diversion is signed by somebody without a certificate",
            Must::Diverted,
            "RFC 8946 §4.2: every div is verified like any other",
            |stage| {
                let stranger = Holder::root(provider("SHAKEN 1234", stage.now));
                let url = stage.publish(Page::Text(stranger.pem.clone()));
                let div = kind_div(Token::new(&url, stage.now), OTHER, CALLED);
                diverted(&[base(stage), div.signed(&stranger.key)])
            },
        ),
        case(
            "div-loop",
            "two diversions that lead back to where they began, and none to us",
            Must::Diverted,
            CHAIN,
            |stage| {
                let (there, back) = (
                    stage.sign(&div(stage, OTHER, THIRD)),
                    stage.sign(&div(stage, THIRD, OTHER)),
                );
                diverted(&[base(stage), there, back])
            },
        ),
    ]
}

fn others() -> Vec<Case> {
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

/// The call as its caller made it: to somebody else.
fn base(stage: &Stage<'_>) -> String {
    stage.sign(&stage.token().claim("dest", json!({"tn": [OTHER]})))
}

/// A diversion from one number to another, signed by the ordinary provider, who may sign for every number.
fn div(stage: &Stage<'_>, from: &str, to: &str) -> Token {
    kind_div(stage.token(), from, to)
}

fn kind_div(token: Token, from: &str, to: &str) -> Token {
    let parameters = token.parameters.replace("shaken", "div");
    token
        .without_claim("attest")
        .without_claim("origid")
        .member("ppt", "div")
        .claim("orig", json!({"tn": CALLER}))
        .claim("dest", json!({"tn": [to]}))
        .claim("div", json!({"tn": from}))
        .parameters(parameters)
}

/// To keeps the number that the caller dialled; the Request-URI is where the call is now.
fn diverted(identities: &[String]) -> Scene {
    let mut invite = Invite::new("").with_to(&format!("sip:+{OTHER}@example.com;user=phone"));
    invite.lines = identities
        .iter()
        .map(|identity| format!("Identity: {identity}"))
        .collect();
    Scene::new(invite)
}

/// One more number on the way.
const THIRD: &str = "13125550166";
