//! What may be signed beside the numbers: media keys, a name to show, priority.

use super::arrangement::{Call, Token, Trial};
use super::scene::Scene;
use crate::signing::passport::with_altered_signature;
use crate::signing::pki::PkiError;

/// # Errors
///
/// When nothing can be signed.
pub(super) fn trials(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let mut trials = media_keys(scene)?;
    trials.extend(names(scene)?);
    trials.extend(priority(scene)?);
    Ok(trials)
}

/// The fingerprint in the body must be the one that was signed (RFC 8225 §5.2.2, I-13).
fn media_keys(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let digest = "4A".repeat(32);
    let claim = format!("\"mky\":[{{\"alg\":\"sha-256\",\"dig\":\"{digest}\"}}],\"orig\"");
    let identity = Token::shaken(&scene.carrier, scene)
        .payload("\"orig\"", &claim)
        .signed()?;
    let trial = |name, expected, octet: &str| {
        let fingerprint = vec![octet; 32].join(":");
        let call = Call::new(scene, &[&identity]).with(|call| {
            call.body = format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                 a=fingerprint:sha-256 {fingerprint}\r\nm=audio 4000 RTP/AVP 0\r\n"
            );
        });
        Trial::new(name, expected, call)
    };
    Ok(vec![
        trial("media key that was signed", "verified A", "4A"),
        trial("another media key", "failed: invalid 438 at mky", "4B"),
    ])
}

/// A name is shown when it was signed, and never because it was only sent (RFC 9795).
fn names(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let base = Token::shaken(&scene.carrier, scene).signed()?;
    let named = Token::beside(&scene.carrier, scene, "rcd", "\"rcd\":{\"nam\":\"Example Shop\"}").signed()?;
    let forged = with_altered_signature(&named);
    let trial = |name, expected, identity: &[&str]| {
        let call = Call::new(scene, identity).with(|call| call.is_told_briefly = true);
        Trial::new(name, expected, call)
    };
    Ok(vec![
        trial("signed name", "verified A named Example Shop", &[&base, &named]),
        trial("forged name", "verified A", &[&base, &forged]),
    ])
}

/// Only a signed priority skips the gates (RFC 8443).
fn priority(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let base = Token::shaken(&scene.carrier, scene).signed()?;
    let signed = Token::beside(&scene.carrier, scene, "rph", "\"rph\":{\"auth\":[\"esnet.1\"]}").signed()?;
    let trial = |name, expected, identity: &[&str], lines: &str| {
        let call = Call::new(scene, identity).with(|call| {
            call.is_told_briefly = true;
            call.lines = lines.into();
        });
        Trial::new(name, expected, call)
    };
    const ASKED: &str = "Resource-Priority: esnet.1\r\n";
    Ok(vec![
        trial(
            "signed emergency",
            "verified A emergency",
            &[&base, &signed],
            ASKED,
        ),
        trial("emergency only asked for", "verified A", &[&base], ASKED),
        trial(
            "emergency signed by a forger",
            "verified A",
            &[&base, &with_altered_signature(&signed)],
            ASKED,
        ),
        trial(
            "emergency signed and not asked for",
            "verified A",
            &[&base, &signed],
            "",
        ),
    ])
}
