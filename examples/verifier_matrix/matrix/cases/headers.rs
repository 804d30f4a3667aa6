//! What can be wrong beside the token.

use crate::matrix::host::Page;
use crate::matrix::message::{Invite, Token};
use crate::matrix::{Case, Must, Scene, case};

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "no-identity",
            "no Identity header at all",
            Must::Nothing,
            "RFC 8224 §6.2.2: 428 only where signatures are required",
            |stage| {
                let mut invite = Invite::new(&stage.sign(&stage.token()));
                invite.lines.clear();
                Scene::new(invite)
            },
        )
        .about_message(),
        case(
            "empty-identity",
            "an empty Identity header",
            Must::Refuse(438),
            "RFC 8224 §4: signed-identity-digest is not empty",
            |_stage| Scene::new(Invite::new("")),
        )
        .about_message(),
        case(
            "info-missing",
            "no `info` parameter",
            Must::Refuse(436),
            "RFC 8224 §4, §6.2.2: info is mandatory, 436 Bad Identity Info",
            |stage| stage.call(&stage.token().parameters(";alg=ES256;ppt=shaken")),
        ),
        case(
            "info-differs",
            "`info` names another provider's good certificate, signed by that provider; x5u names ours",
            Must::Refuse(436),
            "RFC 8224 §4: info must be the URI of x5u",
            |stage| {
                let other = stage
                    .world
                    .issuing
                    .issue(crate::matrix::authority::provider("SHAKEN 9876", stage.now));
                let url = stage.publish(Page::Text(stage.world.chain_of(&other)));
                let token = stage
                    .token()
                    .parameters(format!(";info=<{url}>;alg=ES256;ppt=shaken"));
                Scene::new(Invite::new(&token.signed(&other.key)))
            },
        ),
        case(
            "info-twice",
            "`info` twice, the first one is the attacker's",
            Must::Refuse(438),
            "RFC 3261 §7.3.1: a parameter stands at most once",
            |stage| {
                let token = stage.token();
                let elsewhere = stage.publish(Page::Status(404));
                let parameters = format!(";info=<{elsewhere}>{}", token.parameters);
                stage.call(&token.parameters(parameters))
            },
        )
        .only_malformed(),
        case(
            "alg-parameter-rs256",
            "`alg=RS256` beside an ES256 token",
            Must::Refuse(437),
            "RFC 8224 §6.2.2: 437 for an algorithm that is not supported",
            |stage| {
                let token = stage.token();
                let parameters = token.parameters.replace("ES256", "RS256");
                stage.call(&token.parameters(parameters))
            },
        ),
        case(
            "ppt-parameter-missing",
            "a SHAKEN token without the `ppt` parameter",
            Must::Refuse(438),
            "RFC 8224 §4: ppt stands in the header when it stands in the token",
            |stage| {
                let token = stage.token();
                let parameters = token.parameters.replace(";ppt=shaken", "");
                stage.call(&token.parameters(parameters))
            },
        )
        .only_malformed(),
        case(
            "ppt-differs",
            "`ppt=shaken` beside a token of kind rcd",
            Must::Refuse(438),
            "RFC 8224 §4: both must agree",
            |stage| stage.call(&stage.token().member("ppt", "rcd")),
        ),
        case(
            "unknown-ppt-alone",
            "nothing but a PASSporT of an unknown kind",
            Must::Nothing,
            "RFC 8224 §6.2 step 1: as if there were none",
            |stage| {
                let token = stage.token().member("ppt", "msec");
                let parameters = token.parameters.replace("shaken", "msec");
                stage.call(&token.parameters(parameters))
            },
        ),
        case(
            "compact-shaken",
            "SHAKEN in the compact form, `..signature`",
            Must::Refuse(438),
            "ATIS-1000074 §5.3: SHAKEN takes the full form; the compact one cannot carry attest and origid",
            |stage| {
                let identity = stage.token().compact(&stage.world.signer.key);
                Scene::new(Invite::new(&identity))
            },
        ),
        case(
            "two-shaken-one-stranger",
            "two SHAKEN headers, both by strangers",
            Must::Refuse(437),
            "RFC 8224 §6.2: none is valid, so nothing is",
            |stage| {
                let stranger = crate::matrix::authority::Holder::root(crate::matrix::authority::provider(
                    "SHAKEN 1234",
                    stage.now,
                ));
                let url = stage.publish(Page::Text(stranger.pem.clone()));
                let identity = Token::new(&url, stage.now).signed(&stranger.key);
                Scene::new(Invite::new(&identity).with_line(format!("Identity: {identity}")))
            },
        )
        .about_message(),
    ]
}
