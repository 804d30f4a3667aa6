//! A valid token in the wrong call.

use serde_json::json;

use crate::matrix::message::{CALLER, Invite, OTHER, date_line};
use crate::matrix::{Case, Must, Repeat, Scene, Stage, case};

const ORIG: &str = "RFC 8224 §6.2 step 2, §8: orig is compared with the caller that the message shows";
const DATE: &str =
    "RFC 8224 §6.2 step 4 holds Date against the window too, and prefers iat where they differ: policy";
const DEST: &str = "RFC 8224 §6.2 step 2: dest is compared with the called party; a token is for one call";

pub fn cases() -> Vec<Case> {
    let mut cases = callers();
    cases.extend(called());
    cases.extend(rest());
    cases.into_iter().map(Case::about_message).collect()
}

fn callers() -> Vec<Case> {
    vec![
        case(
            "wrong-caller",
            "a valid token of another caller's call",
            Must::Refuse(438),
            ORIG,
            |stage| stage.call(&stage.token().claim("orig", json!({"tn": OTHER}))),
        ),
        case(
            "from-matches-asserted-does-not",
            "From is the signed number, P-Asserted-Identity another",
            Must::Refuse(438),
            "ATIS-1000074 §5.3: P-Asserted-Identity counts, From does not",
            |stage| Scene::new(ordinary(stage).with_asserted(&format!("<tel:+{OTHER}>"))),
        ),
        case(
            "two-asserted-neither-matches",
            "two P-Asserted-Identity values, neither is the signed number",
            Must::Refuse(438),
            ORIG,
            |stage| {
                Scene::new(
                    ordinary(stage)
                        .with_asserted(&format!("<sip:+{OTHER}@carrier.example.com>"))
                        .with_asserted(&format!("<tel:+{OTHER}>")),
                )
            },
        ),
        case(
            "anonymous-without-asserted",
            "From is anonymous, and no number stands anywhere",
            Must::Refuse(438),
            "RFC 8224 §6.2: there is nothing to compare orig with",
            |stage| {
                Scene::new(
                    ordinary(stage)
                        .with_from("sip:anonymous@anonymous.invalid")
                        .with_line("Privacy: id".into()),
                )
            },
        ),
        case(
            "letters-in-from",
            "the number in From has letters",
            Must::Refuse(438),
            "RFC 8224 §8.3: then it is no telephone number",
            |stage| Scene::new(ordinary(stage).with_from("sip:+1404555CALL@carrier.example.com;user=phone")),
        ),
        case(
            "number-in-the-display-name",
            "the signed number is only the display name",
            Must::Refuse(438),
            ORIG,
            |stage| {
                let mut invite = ordinary(stage);
                invite.from = format!("\"+{CALLER}\" <sip:+{OTHER}@carrier.example.com;user=phone>;tag=1");
                Scene::new(invite)
            },
        ),
        case(
            "same-last-digits",
            "From ends in the signed number and has another country code",
            Must::Refuse(438),
            "RFC 8224 §8.3: the whole number is compared",
            |stage| Scene::new(ordinary(stage).with_from("sip:+494045550123@carrier.example.com;user=phone")),
        ),
    ]
}

fn called() -> Vec<Case> {
    vec![
        case(
            "wrong-called",
            "a valid token for a call to somebody else",
            Must::Refuse(438),
            DEST,
            |stage| stage.call(&stage.token().claim("dest", json!({"tn": [OTHER]}))),
        ),
        case(
            "to-matches-dialled-does-not",
            "a token for a call to the attacker's accomplice: To is the accomplice, dialled is the victim",
            Must::Diverted,
            "RFC 8946 §4.2: who is reached by another number than dest needs a div that says so",
            |stage| {
                let token = stage.token().claim("dest", json!({"tn": [OTHER]}));
                Scene::new(
                    Invite::new(&stage.sign(&token)).with_to(&format!("sip:+{OTHER}@example.com;user=phone")),
                )
            },
        ),
        case(
            "dialled-matches-to-does-not",
            "To names somebody for whom the token is not",
            Must::Refuse(438),
            DEST,
            |stage| Scene::new(ordinary(stage).with_to(&format!("sip:+{OTHER}@example.com;user=phone"))),
        ),
    ]
}

fn rest() -> Vec<Case> {
    const MKY: &str = "RFC 8225 §5.2.2, RFC 8224 §6.2: mky is compared with the fingerprints of the offer";
    vec![
        case(
            "date-old",
            "a fresh token, a Date header of last hour",
            Must::Refuse(403),
            DATE,
            |stage| Scene::new(ordinary(stage).with_line(date_line(stage.now - 3600))),
        )
        .open(),
        case(
            "date-future",
            "a fresh token, a Date header of next hour",
            Must::Refuse(403),
            DATE,
            |stage| Scene::new(ordinary(stage).with_line(date_line(stage.now + 3600))),
        )
        .open(),
        case(
            "date-unreadable",
            "a Date header that is no date",
            Must::Refuse(403),
            DATE,
            |stage| Scene::new(ordinary(stage).with_line("Date: yesterday".into())),
        )
        .open(),
        case(
            "media-key-matches",
            "`mky` with the fingerprint of the offer",
            Must::Verify,
            MKY,
            |stage| Scene::new(keyed(stage).with_body(Some(&format!("sha-256 {FINGERPRINT}")))),
        ),
        case("media-key-not-signed", "the offer has a fingerprint, the SHAKEN token no `mky`", Must::Verify, "RFC 8588 names no mky; RFC 8224 §4.1 wants it where keys are in the body: carriers that anchor media sign without", |stage| {
            Scene::new(ordinary(stage).with_body(Some(&format!("sha-256 {FINGERPRINT}"))))
        })
        .open(),
        case(
            "media-key-differs",
            "`mky` with another fingerprint: somebody sits in the media",
            Must::Refuse(438),
            MKY,
            |stage| {
                Scene::new(
                    keyed(stage).with_body(Some(&format!("sha-256 {}", FINGERPRINT.replace("4A", "4B")))),
                )
            },
        ),
        case(
            "media-key-taken-out",
            "`mky`, and the offer has lost its fingerprint",
            Must::Refuse(438),
            MKY,
            |stage| Scene::new(keyed(stage).with_body(None)),
        ),
        case("replay", "a valid token of a call that was answered, sent again in another call ten seconds later", Must::NoticeReuse, "RFC 8224 §12.1: within the window only what was seen before tells them apart", |stage| {
            stage.call(&stage.token()).repeated(Repeat::Answered)
        }),
        case("next-route", "the same while nobody has answered: the carrier tries its next route", Must::Verify, "RFC 3261 §16.6: a proxy may try one target after the other; that is no replay", |stage| {
            stage.call(&stage.token()).repeated(Repeat::Unanswered)
        }),
    ]
}

fn ordinary(stage: &Stage<'_>) -> Invite {
    Invite::new(&stage.sign(&stage.token()))
}

fn keyed(stage: &Stage<'_>) -> Invite {
    let digest: String = FINGERPRINT
        .chars()
        .filter(|character| *character != ':')
        .collect();
    let token = stage
        .token()
        .claim("mky", json!([{"alg": "sha-256", "dig": digest}]));
    Invite::new(&stage.sign(&token))
}

const FINGERPRINT: &str = "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:\
                           19:E5:7C:AB:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1";
