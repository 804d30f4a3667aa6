//! Calls that were forwarded (RFC 8946): whole chains, and every way to break one.

use super::arrangement::{Call, Token, Trial};
use super::scene::{CALLED, CALLER, Scene};
use crate::signing::passport::with_altered_signature;
use crate::signing::pki::PkiError;

/// Where the call went after the number that was dialled first.
const SECOND: &str = "12125550177";
const THIRD: &str = "12125550188";

/// # Errors
///
/// When nothing can be signed.
pub(super) fn trials(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const UNPROVEN: &str = "diverted_unverified";
    let base = Token::shaken(&scene.carrier, scene).signed()?;
    let div = |from, to| Token::div(&scene.carrier, scene, from, to);
    let first = div(CALLED, SECOND).signed()?;
    let second = div(SECOND, THIRD).signed()?;
    let back = div(SECOND, CALLED).signed()?;
    let forged = with_altered_signature(&first);
    let of_a_stranger = scene
        .stranger
        .provider("Stranger SHAKEN", "709J", scene.now.utc)?;
    let strange = div(CALLED, SECOND).signed_by(&of_a_stranger).signed()?;
    let other_caller = div(CALLED, SECOND).payload(CALLER, "14045550199").signed()?;
    // One answer per header would say more than the standing, and less clearly.
    let trial = |name, expected, identity: &[&str], target: &str| {
        let target = format!("sip:+{target}@192.0.2.1;user=phone");
        let call = Call::new(scene, identity).with(|call| {
            call.target = target;
            call.is_told_briefly = true;
        });
        Trial::new(name, expected, call)
    };
    Ok(vec![
        trial(
            "diverted once",
            "verified A diverted 1 hop",
            &[&base, &first],
            SECOND,
        ),
        trial(
            "diverted twice, headers in any order",
            "verified A diverted 2 hops",
            &[&second, &base, &first],
            THIRD,
        ),
        trial("diversion not signed", UNPROVEN, &[&base], SECOND),
        trial("diversion with a gap", UNPROVEN, &[&base, &second], THIRD),
        trial(
            "diversion to another number than dialled",
            UNPROVEN,
            &[&base, &first],
            THIRD,
        ),
        trial("diversion in a circle", UNPROVEN, &[&base, &first, &back], SECOND),
        trial("diversion twice", UNPROVEN, &[&base, &first, &first], SECOND),
        trial(
            "diversion of another caller",
            UNPROVEN,
            &[&base, &other_caller],
            SECOND,
        ),
        trial("forged diversion", UNPROVEN, &[&base, &forged], SECOND),
        trial(
            "diversion signed by another key",
            UNPROVEN,
            &[&base, &strange],
            SECOND,
        ),
        trial("diversion without a call", UNPROVEN, &[&first], SECOND),
    ])
}
