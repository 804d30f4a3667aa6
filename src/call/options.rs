//! Option tags: what we say we support, and what a request may insist on (RFC 3261 §19.2).

use crate::sip::{Message, RELIABLE, Request, TIMER};

use super::{Config, crossing};

/// Supported in INVITEs, their answers and OPTIONS: exactly what we do.
pub(crate) fn supported(config: &Config) -> &'static str {
    match config.session_expires {
        Some(_) => "100rel, timer",
        None => "100rel",
    }
}

/// What a request insists on and we do not do (420).
pub(crate) fn unknown(request: &Message, config: &Config) -> Vec<String> {
    let mut options = crossing::required(request);
    options.retain(|option| {
        let is = |known: &str| option.eq_ignore_ascii_case(known);
        !(is(RELIABLE) || is(TIMER) && config.session_expires.is_some())
    });
    options
}

/// Whether Allow names this method. A peer that sends no Allow has said nothing: false.
pub(crate) fn allows(message: &Message, method: &str) -> bool {
    message.header_values("Allow").iter().any(|value| value == method)
}

/// Supported of a request of ours. `takes_reliable`: it is an INVITE whose reliable responses would be acknowledged, which
/// those inside a call are not.
pub(crate) fn offer(invite: Request, takes_reliable: bool, config: &Config) -> Request {
    match (takes_reliable, config.session_expires) {
        (true, _) => invite.header("Supported", supported(config)),
        (false, Some(_)) => invite.header("Supported", TIMER),
        (false, None) => invite,
    }
}
