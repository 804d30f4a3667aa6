//! What message and token say, right and wrong: most of it decides before any certificate is asked for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::arrangement::{Call, Token, Trial};
use super::scene::{CALLED, CALLER, Scene, URL};
use crate::signing::passport::with_altered_signature;
use crate::signing::pki::PkiError;

/// # Errors
///
/// When nothing can be signed.
pub(super) fn trials(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let mut trials = good(scene)?;
    trials.extend(forged(scene)?);
    trials.extend(malformed(scene)?);
    trials.extend(addressed(scene)?);
    trials.extend(fresh(scene)?);
    trials.extend(pointing(scene)?);
    Ok(trials)
}

fn token(scene: &Scene) -> Token<'_> {
    Token::shaken(&scene.carrier, scene)
}

/// A good call with `change` made to its token before signing.
fn altered<'s>(
    scene: &'s Scene,
    name: &'static str,
    expected: &'static str,
    change: impl FnOnce(Token<'s>) -> Token<'s>,
) -> Result<Trial, PkiError> {
    let identity = change(token(scene)).signed()?;
    Ok(Trial::new(name, expected, Call::new(scene, &[&identity])))
}

/// A good token on a message with `change` made to it.
fn shown(
    scene: &Scene,
    name: &'static str,
    expected: &'static str,
    change: impl FnOnce(&mut Call),
) -> Result<Trial, PkiError> {
    let identity = token(scene).signed()?;
    Ok(Trial::new(
        name,
        expected,
        Call::new(scene, &[&identity]).with(change),
    ))
}

/// What carriers really send, in all its shapes (I-01, I-03, I-09, I-10, P-07).
fn good(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let good = token(scene).signed()?;
    let unknown = token(scene)
        .header("shaken", "future")
        .parameters("ppt=shaken", "ppt=future")
        .signed()?;
    Ok(vec![
        Trial::new("good call", "verified A", Call::new(scene, &[&good])),
        altered(scene, "attestation B", "verified B", |token| {
            token.payload("\"A\"", "\"B\"")
        })?,
        altered(scene, "attestation C", "verified C", |token| {
            token.payload("\"A\"", "\"C\"")
        })?,
        shown(scene, "compact name, folded lines", "verified A", |call| {
            call.header_name = "y";
            call.identity = vec![good.replace(";info", "\r\n ;info")];
        })?,
        altered(
            scene,
            "quoted parameters in another order",
            "verified A",
            |mut token| {
                token.parameters = format!(";ppt=\"shaken\";alg=\"ES256\";info=<{URL}>");
                token
            },
        )?,
        Trial::new(
            "unknown kind beside a good one",
            "verified A: unsupported at passport",
            Call::new(scene, &[&unknown, &good]),
        ),
        Trial::new("unknown kind alone", "none", Call::new(scene, &[&unknown])),
        Trial::new("no signature", "none", Call::new(scene, &[])),
        shown(
            scene,
            "second asserted identity is the signed one",
            "verified A",
            |call| {
                call.lines = format!(
                    "P-Asserted-Identity: <sip:+14045550199@carrier.example.com>\r\nP-Asserted-Identity: <tel:+{CALLER}>\r\n"
                );
            },
        )?,
        shown(
            scene,
            "separators and trunk group in the number",
            "verified A",
            |call| {
                call.from =
                    "sip:+1-404-555-0123;tgrp=t1;trunk-context=carrier.example.com@carrier.example.com"
                        .into();
            },
        )?,
        altered(
            scene,
            "second destination is the called one",
            "verified A",
            |token| {
                token.payload(
                    &format!("[\"{CALLED}\"]"),
                    &format!("[\"12125550177\",\"{CALLED}\"]"),
                )
            },
        )?,
        altered(
            scene,
            "keys offered in the token are not looked at",
            "verified A",
            |token| {
                token.header(
                    "\"ppt\"",
                    "\"jku\":\"https://192.0.2.66/keys\",\"kid\":\"1\",\"ppt\"",
                )
            },
        )?,
    ])
}

fn forged(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const AT_SIGNATURE: &str = "failed: invalid 438 at signature";
    let good = token(scene).signed()?;
    let bent = with_altered_signature(&good);
    // The signature of one call on the claims of another.
    let stolen = with_payload(&good, &token(scene).payload(CALLER, "14045550188").payload);
    let raised = with_payload(
        &token(scene).payload("\"A\"", "\"C\"").signed()?,
        &token(scene).payload,
    );
    Ok(vec![
        Trial::new("signature altered", AT_SIGNATURE, Call::new(scene, &[&bent])),
        Trial::new(
            "calling number altered after signing",
            AT_SIGNATURE,
            Call::new(scene, &[&stolen])
                .with(|call| call.from = "sip:+14045550188@carrier.example.com;user=phone".into()),
        ),
        Trial::new(
            "attestation raised after signing",
            AT_SIGNATURE,
            Call::new(scene, &[&raised]),
        ),
        Trial::new(
            "forged header beside a good one",
            "verified A: invalid 438 at signature",
            Call::new(scene, &[&bent, &good]),
        ),
        altered(
            scene,
            "algorithm none",
            "failed: invalid 438 at passport",
            |token| token.header("ES256", "none"),
        )?,
        altered(
            scene,
            "signed as another type of token",
            "failed: invalid 438 at passport",
            |token| token.header("passport", "JWT"),
        )?,
    ])
}

/// P-02 to P-05, I-04, I-05, I-08.
fn malformed(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let good = token(scene).signed()?;
    // Only the signature and what follows it (RFC 8225 §7).
    let compact = format!("..{}", good.splitn(3, '.').nth(2).unwrap_or_default());
    Ok(vec![
        altered(scene, "iat as text", "failed: invalid 438 at iat", |token| {
            let seconds = scene.seconds();
            token.payload(&format!(":{seconds}"), &format!(":\"{seconds}\""))
        })?,
        altered(
            scene,
            "attestation ABC",
            "failed: invalid 438 at attest",
            |token| token.payload("\"A\"", "\"ABC\""),
        )?,
        altered(scene, "no origid", "failed: invalid 438 at origid", |token| {
            token.payload("\"origid\"", "\"origin\"")
        })?,
        altered(scene, "orig as text", "failed: invalid 438 at orig", |token| {
            token.payload(&format!("{{\"tn\":\"{CALLER}\"}}"), &format!("\"{CALLER}\""))
        })?,
        altered(
            scene,
            "a member twice",
            "failed: invalid 438 at passport",
            |token| token.payload("\"attest\"", "\"attest\":\"C\",\"attest\""),
        )?,
        altered(
            scene,
            "critical extension nobody knows",
            "failed: invalid 438 at passport",
            |token| token.header("\"alg\"", "\"crit\":[\"b64\"],\"alg\""),
        )?,
        Trial::new(
            "compact form",
            "failed: invalid 438 at passport",
            Call::new(scene, &[&compact]),
        ),
        Trial::new(
            "empty header",
            "failed: invalid 438 at header",
            Call::new(scene, &[""]),
        ),
    ])
}

/// Who calls and who is called, against what was signed (I-09, I-11, I-12).
fn addressed(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    Ok(vec![
        shown(
            scene,
            "another calling number shown",
            "failed: orig_mismatch 438 at orig",
            |call| {
                call.from = "sip:+14045550188@carrier.example.com;user=phone".into();
            },
        )?,
        shown(
            scene,
            "asserted identity outranks From",
            "failed: orig_mismatch 438 at orig",
            |call| call.lines = "P-Asserted-Identity: <tel:+14045550188>\r\n".into(),
        )?,
        shown(
            scene,
            "no calling number shown",
            "failed: orig_missing 438 at orig",
            |call| {
                call.from = "sip:anonymous@anonymous.invalid".into();
            },
        )?,
        shown(
            scene,
            "another number called",
            "failed: dest_mismatch 438 at dest",
            |call| {
                call.to = "sip:+12125550177@example.com".into();
                call.target = "sip:+12125550177@192.0.2.1".into();
            },
        )?,
        shown(
            scene,
            "dialled number is not the signed one",
            "diverted_unverified: dest_mismatch at request_uri",
            |call| call.target = "sip:+12125550177@192.0.2.1".into(),
        )?,
    ])
}

/// I-07, I-08: both edges, both directions.
fn fresh(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let signed_at = |name, expected, seconds: u64| {
        altered(scene, name, expected, |token| {
            token.payload(&format!(":{}", scene.seconds()), &format!(":{seconds}"))
        })
    };
    let now = scene.seconds();
    Ok(vec![
        signed_at("signed 60 s ago", "verified A", now.saturating_sub(60))?,
        signed_at(
            "signed 61 s ago",
            "failed: stale 403 at iat",
            now.saturating_sub(61),
        )?,
        signed_at("signed 60 s from now", "verified A", now + 60)?,
        signed_at("signed 61 s from now", "failed: stale 403 at iat", now + 61)?,
        shown(
            scene,
            "Date of another year",
            "failed: stale 403 at date",
            |call| {
                call.lines = "Date: Thu, 01 Jan 2015 00:00:00 GMT\r\n".into();
            },
        )?,
    ])
}

/// Where the certificate is said to be (I-06, C-08, C-09). None of these may cost a fetch.
fn pointing(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const REFUSED: &str = "failed: bad_info 436 at x5u";
    let at = |name, url: &str| altered(scene, name, REFUSED, |token| token.at(url));
    Ok(vec![
        altered(
            scene,
            "info names another URL",
            "failed: bad_info 436 at info",
            |token| token.parameters(URL, "https://certificates.example.com/other.pem"),
        )?,
        at(
            "certificate over http",
            "http://certificates.example.com/shaken.pem",
        )?,
        at(
            "certificate on another port",
            "https://certificates.example.com:444/shaken.pem",
        )?,
        at(
            "certificate URL with a query",
            "https://certificates.example.com/shaken.pem?a=b",
        )?,
        at(
            "certificate URL with a user",
            "https://a@certificates.example.com/shaken.pem",
        )?,
        at("certificate in a private network", "https://10.0.0.5/shaken.pem")?,
        at("certificate on this machine", "https://[::1]:8443/shaken.pem")?,
        at(
            "certificate at the metadata service",
            "https://169.254.169.254/shaken.pem",
        )?,
    ])
}

/// The same header with another payload between token header and signature.
fn with_payload(identity: &str, payload: &str) -> String {
    let mut parts = identity.splitn(3, '.');
    let (header, _payload, rest) = (parts.next(), parts.next(), parts.next());
    format!(
        "{}.{}.{}",
        header.unwrap_or_default(),
        URL_SAFE_NO_PAD.encode(payload),
        rest.unwrap_or_default()
    )
}
