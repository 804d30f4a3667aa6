//! Calls that were forwarded on the way (RFC 8946).

use serde_json::json;

use crate::matrix::authority::{Holder, holder_of, provider};
use crate::matrix::der::TnEntry;
use crate::matrix::host::Page;
use crate::matrix::message::{CALLED, CALLER, Invite, OTHER, Token, altered};
use crate::matrix::{Case, Must, Scene, Stage, case};

const CHAIN: &str =
    "RFC 8946 §4.2: the chain is built by values: div is the dest before, orig stays, dest is the next";

pub fn cases() -> Vec<Case> {
    let mut cases = diversions();
    cases.extend(more_diversions());
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
            Must::Diverted,
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

fn more_diversions() -> Vec<Case> {
    const WINDOW: &str =
        "RFC 8224 §6.2 step 4 for each token; how long a telephone may ring before is a matter of policy";
    const ONE_WAY: &str =
        "RFC 8946 §4.2: one chain must explain the call; what else is signed contradicts it";
    vec![
        case(
            "forged-div-beside",
            "the complete chain, and a forged diversion beside it",
            Must::VerifyBeside(438),
            "RFC 8224 §6.2: each header is judged; a stranger must not be able to spoil a proven call",
            |stage| {
                let (base, div) = (base(stage), stage.sign(&div(stage, OTHER, CALLED)));
                let forged = altered(&div);
                diverted(&[forged, base, div])
            },
        ),
        case(
            "late-forward",
            "the call was signed three minutes ago, rang elsewhere, and was diverted now",
            Must::VerifyDiverted,
            WINDOW,
            |stage| {
                let base = stage
                    .token()
                    .claim("dest", json!({"tn": [OTHER]}))
                    .claim("iat", stage.now - 180);
                diverted(&[stage.sign(&base), stage.sign(&div(stage, OTHER, CALLED))])
            },
        )
        .open(),
        case(
            "old-div",
            "the diversion itself was signed three minutes ago",
            Must::Diverted,
            WINDOW,
            |stage| {
                let div = div(stage, OTHER, CALLED).claim("iat", stage.now - 180);
                diverted(&[base(stage), stage.sign(&div)])
            },
        ),
        case(
            "div-fork",
            "two diversions of one call, to us and to somebody else",
            Must::Diverted,
            ONE_WAY,
            |stage| {
                let (to_us, elsewhere) = (
                    stage.sign(&div(stage, OTHER, CALLED)),
                    stage.sign(&div(stage, OTHER, THIRD)),
                );
                diverted(&[base(stage), to_us, elsewhere])
            },
        ),
        case(
            "div-twice",
            "the same diversion in two headers",
            Must::Diverted,
            ONE_WAY,
            |stage| {
                let div = stage.sign(&div(stage, OTHER, CALLED));
                diverted(&[base(stage), div.clone(), div])
            },
        )
        .open(),
        case(
            "two-bases",
            "two calls, of two callers' attestations, and one diversion",
            Must::Diverted,
            ONE_WAY,
            |stage| {
                let weak = stage
                    .token()
                    .claim("dest", json!({"tn": [OTHER]}))
                    .claim("attest", "C");
                diverted(&[
                    stage.sign(&weak),
                    base(stage),
                    stage.sign(&div(stage, OTHER, CALLED)),
                ])
            },
        ),
        case(
            "div-without-authority",
            "signed by a company that has not got the number that diverts",
            Must::Diverted,
            "RFC 8946 §4.2, RFC 8226 §9: authority over the number in div",
            |stage| {
                let leaf =
                    stage
                        .world
                        .issuing
                        .issue(holder_of(&[TnEntry::Number(THIRD)], "A company", stage.now));
                let url = stage.publish(Page::Text(stage.world.chain_of(&leaf)));
                let div = kind_div(Token::new(&url, stage.now), OTHER, CALLED);
                diverted(&[base(stage), div.signed(&leaf.key)])
            },
        ),
        case(
            "div-by-its-holder",
            "signed by the company that has the number that diverts, and not the caller's",
            Must::VerifyDiverted,
            "RFC 8946 §4.2: the diverting party signs, with authority over div, not over orig",
            |stage| {
                let leaf =
                    stage
                        .world
                        .issuing
                        .issue(holder_of(&[TnEntry::Number(OTHER)], "A company", stage.now));
                let url = stage.publish(Page::Text(stage.world.chain_of(&leaf)));
                let div = kind_div(Token::new(&url, stage.now), OTHER, CALLED);
                diverted(&[base(stage), div.signed(&leaf.key)])
            },
        ),
        case(
            "nine-diversions",
            "nine diversions, one after the other",
            Must::Diverted,
            "ours: eight are followed (RFC 3261 §8.1.1.6 bounds hops likewise)",
            |stage| {
                let number = |hop: usize| match hop {
                    0 => OTHER.to_string(),
                    9 => CALLED.to_string(),
                    _ => format!("1312555020{hop}"),
                };
                let mut identities = vec![base(stage)];
                identities.extend((0..9).map(|hop| stage.sign(&div(stage, &number(hop), &number(hop + 1)))));
                diverted(&identities)
            },
        )
        .open(),
        case(
            "div-o",
            "the diverted PASSporT inside the diversion",
            Must::VerifyDiverted,
            "RFC 8946 §5: `div-o` carries what it diverts in `opt`",
            |stage| diverted(&[stage.sign(&div_o(stage, &base(stage)))]),
        ),
        case(
            "div-o-forged-inside",
            "the same with a forged PASSporT inside",
            Must::Refuse(438),
            "RFC 8946 §5: what is inside is verified like any other",
            |stage| diverted(&[stage.sign(&div_o(stage, &altered(&base(stage))))]),
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

/// A diversion to us with the token that it diverts inside.
fn div_o(stage: &Stage<'_>, inside: &str) -> Token {
    let token = div(stage, OTHER, CALLED);
    let parameters = token.parameters.replace("ppt=div", "ppt=div-o");
    let inside = inside.split(';').next().unwrap_or_default();
    token
        .member("ppt", "div-o")
        .claim("opt", inside)
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
