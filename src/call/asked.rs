//! What a request that begins something may not ask of us: a URI scheme nobody here knows, or an answer in a language we do not write.

use crate::sip::{Message, Uri};

use super::refusal::Refusal;

/// RFC 3261 §8.2.2.1 and §8.2.3: 416 for a scheme we do not know, 406 when the caller would take no session description.
pub(crate) fn check(request: &Message) -> Result<(), Refusal> {
    if !is_known_scheme(request.request_uri().unwrap_or_default()) {
        return Err(Refusal::UnknownScheme);
    }
    if !takes_description(request) {
        return Err(Refusal::NothingAccepted);
    }
    Ok(())
}

/// `urn:service:sos` is how an emergency call names whom it wants (RFC 5031).
fn is_known_scheme(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.is_sip() || uri.is_tel() || uri.scheme().eq_ignore_ascii_case("urn"))
}

/// Without Accept everything is taken (RFC 3261 §20.1). Parameters are not looked at.
fn takes_description(request: &Message) -> bool {
    let mut is_asked = false;
    for line in request.header_lines("Accept") {
        is_asked = true;
        let mut kinds = line
            .split(',')
            .map(|kind| kind.split(';').next().unwrap_or_default().trim());
        if kinds.any(|kind| {
            ["application/sdp", "application/*", "*/*", "multipart/mixed"]
                .iter()
                .any(|ours| kind.eq_ignore_ascii_case(ours))
        }) {
            return true;
        }
    }
    !is_asked
}
