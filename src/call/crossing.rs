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

/// On which message a header crosses, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// From the caller's INVITE to every phone.
    Invite,
    /// The same, and only from a trunk whose emergency marks we trust, or when a signature proves them (RFC 8443 §4.2
    /// has them taken off otherwise).
    Emergency,
    /// The same, when a signature proves it: `rph` speaks of Resource-Priority, and of Priority only `sph` does, with
    /// one value (RFC 9027 §5). A verified token beside `psap-callback` means that this is signed too.
    Signed,
    /// The same, where the configuration passes signatures on.
    Signature,
    /// INFO, either way (RFC 6086).
    Info,
    /// Responses to requests inside the call, either way.
    Response,
}

/// Every header that crosses. `docs/headers.md` prints it.
const TABLE: &[(&str, On, &str)] = &[
    ("Subject", On::Invite, ""),
    ("Accept-Language", On::Invite, ""),
    ("User-to-User", On::Invite, ""),
    (
        "Diversion",
        On::Invite,
        "not when it asks for privacy itself (RFC 5806), nor when the caller does",
    ),
    ("Priority", On::Emergency, ""),
    ("Resource-Priority", On::Emergency, ""),
    ("Resource-Priority", On::Signed, ""),
    ("Priority", On::Signed, "`psap-callback` only"),
    (
        "Identity",
        On::Signature,
        "whole or not at all; not of a hidden caller",
    ),
    ("Date", On::Signature, "not of a hidden caller"),
    ("Info-Package", On::Info, ""),
    ("Content-Disposition", On::Info, ""),
    ("Content-Type", On::Info, "with the body"),
    ("Retry-After", On::Response, ""),
    ("Recv-Info", On::Response, ""),
];

fn names(on: On) -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(move |row| row.1 == on).map(|row| row.0)
}

pub(crate) fn invite(from: &Message, to: Request, facts: &Facts) -> Request {
    let is_hidden = facts.caller.is_hidden;
    let plain = names(On::Invite).filter(|name| !is_hidden || *name != "Diversion");
    let to = copy(from, plain, to, Request::header);
    if facts.signalling.is_emergency_trunk {
        return copy(from, names(On::Emergency), to, Request::header);
    }
    if !facts.bypasses_every_gate() {
        return to;
    }
    let signed = names(On::Signed).filter(|name| *name != "Priority");
    let to = copy(from, signed, to, Request::header);
    if is_callback(from) {
        to.header("Priority", "psap-callback")
    } else {
        to
    }
}

/// What calls itself an emergency. Anybody can write it.
pub(crate) fn claims_emergency(invite: &Message) -> bool {
    is_callback(invite) || invite.header("Resource-Priority").is_some()
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
    copy(
        from,
        names(On::Info).filter(|name| *name != "Content-Type"),
        to,
        Request::header,
    )
}

pub(crate) fn response(from: &Message, to: Response) -> Response {
    copy(from, names(On::Response), to, Response::header)
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

fn copy<T>(
    from: &Message,
    names: impl Iterator<Item = &'static str>,
    mut to: T,
    add: impl Fn(T, &str, String) -> T,
) -> T {
    for name in names {
        for line in from.header_lines(name).into_iter().take(CROSSING_LINES_MAX) {
            let is_private = name == "Diversion" && asks_for_privacy(&line);
            if line.len() <= CROSSING_VALUE_OCTETS_MAX && !is_private {
                to = add(to, name, line.into_owned());
            }
        }
    }
    to
}

/// `;privacy=full` and the like on a diversion (RFC 5806 §6): who diverted does not want to be shown.
fn asks_for_privacy(line: &str) -> bool {
    line.split(';').any(|param| {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        let value = value.split(',').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("privacy")
            && !value.trim().trim_matches('"').eq_ignore_ascii_case("off")
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// The table as `docs/headers.md` shows it.
    fn printed() -> String {
        let mut text = String::from("| header | crosses on | when |\n| --- | --- | --- |\n");
        for (name, on, when) in TABLE {
            let on = match on {
                On::Invite => "INVITE, caller to phones",
                On::Emergency => "INVITE from a trunk with `emergency = \"trusted\"`",
                On::Signed => "INVITE whose signature proves it (`rph`, `sph`)",
                On::Signature => "INVITE, where `[marks] identity = \"pass\"`",
                On::Info => "INFO, both ways",
                On::Response => "responses inside the call, both ways",
            };
            let when = if when.is_empty() { "always" } else { when };
            let _ = writeln!(text, "| {name} | {on} | {when} |");
        }
        text
    }

    #[test]
    fn the_page_about_headers_shows_this_table() {
        let page = include_str!("../../docs/headers.md");
        assert!(
            page.contains(&printed()),
            "docs/headers.md should hold:\n{}",
            printed()
        );
    }

    #[test]
    fn a_diversion_that_asks_for_privacy_stays() {
        assert!(asks_for_privacy("<sip:a@h>;reason=busy;privacy=full"));
        assert!(asks_for_privacy("<sip:a@h>; Privacy = \"uri\""));
        assert!(!asks_for_privacy("<sip:a@h>;privacy=off;reason=busy"));
        assert!(!asks_for_privacy("<sip:a@h>;reason=busy"));
    }
}
