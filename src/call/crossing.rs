//! What crosses between the legs. An allow-list: what is not named here stays on its side.
//!
//! So nothing a caller writes can pass for a word of ours: verstat, `Ringward-Trust`,
//! `P-Asserted-Identity`, `P-Attestation-*`, `Attestation-Info`, `Origination-Id`, `Call-Info` and
//! `Alert-Info` of the caller never cross. `Identity` crosses only where the configuration says so ([`identity`]): who
//! reads it there verifies it for himself.

use stir_shaken_verify::limits::{IDENTITY_HEADERS_MAX, IDENTITY_OCTETS_MAX};

use crate::screening::Facts;
use crate::sip::{Message, Request, Response};

use super::limits::{CROSSING_LINES_MAX, CROSSING_VALUE_OCTETS_MAX};

/// From the caller's INVITE to every phone.
const INVITE: &[&str] = &["Subject", "Accept-Language", "User-to-User", "Diversion"];

/// The same, and only from a trunk whose emergency marks we trust, or when a signature proves them (RFC 8443 §4.2 has
/// them taken off otherwise).
const EMERGENCY: &[&str] = &["Priority", "Resource-Priority"];

/// A priority that is signed: `rph` speaks of Resource-Priority, and of Priority only `sph` does, with one value
/// (RFC 9027 §5). A verified token beside `psap-callback` means that this is signed too.
const SIGNED: &[&str] = &["Resource-Priority"];

/// With INFO either way (RFC 6086).
const INFO: &[&str] = &["Info-Package", "Content-Disposition"];

/// With responses to requests inside the call.
const RESPONSE: &[&str] = &["Retry-After", "Recv-Info"];

pub(crate) fn invite(from: &Message, to: Request, facts: &Facts) -> Request {
    let to = copy(from, INVITE, to, Request::header);
    if facts.signalling.is_emergency_trunk {
        return copy(from, EMERGENCY, to, Request::header);
    }
    if !facts.bypasses_every_gate() {
        return to;
    }
    let to = copy(from, SIGNED, to, Request::header);
    if is_callback(from) {
        to.header("Priority", "psap-callback")
    } else {
        to
    }
}

/// A call back from those who were called for help (RFC 7090).
pub(crate) fn is_callback(invite: &Message) -> bool {
    invite
        .header("Priority")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("psap-callback"))
}

/// The caller's signatures and what they are read with, when the configuration passes them on. Whole or not at all.
pub(crate) fn identity(from: &Message, mut to: Request) -> Request {
    for (name, octets_max) in [
        ("Identity", IDENTITY_OCTETS_MAX),
        ("Date", CROSSING_VALUE_OCTETS_MAX),
    ] {
        for line in from.header_lines(name).into_iter().take(IDENTITY_HEADERS_MAX) {
            if line.len() <= octets_max {
                to = to.header(name, line);
            }
        }
    }
    to
}

pub(crate) fn info(from: &Message, to: Request) -> Request {
    copy(from, INFO, to, Request::header)
}

pub(crate) fn response(from: &Message, to: Response) -> Response {
    copy(from, RESPONSE, to, Response::header)
}

/// Max-Forwards for the next hop: one less, 70 when there was none. `None` = it was 0 (483).
pub(crate) fn hops_left(request: &Message) -> Option<u32> {
    let hops = request
        .header("Max-Forwards")
        .and_then(|value| value.trim().parse::<u32>().ok())
        .unwrap_or(70);
    hops.min(255).checked_sub(1)
}

/// Options a request insists on; `options` knows which of them we do.
pub(crate) fn required(request: &Message) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for option in request.header_values("Require") {
        let is_token = option
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        if is_token && !option.is_empty() && option.len() <= 64 && options.len() < CROSSING_LINES_MAX {
            options.push(option.to_string());
        }
    }
    options
}

fn copy<T>(from: &Message, names: &[&str], mut to: T, add: impl Fn(T, &str, String) -> T) -> T {
    for name in names {
        for line in from.header_lines(name).into_iter().take(CROSSING_LINES_MAX) {
            if line.len() <= CROSSING_VALUE_OCTETS_MAX {
                to = add(to, name, line.into_owned());
            }
        }
    }
    to
}
