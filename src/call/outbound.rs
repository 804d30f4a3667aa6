//! Calls of ours over a trunk: transfers to the outside, calls from the phones, call-backs.
//!
//! Whatever asks for one, the caller that is shown is the business itself: nobody's number but our own may be claimed
//! towards a carrier.

use crate::queue::Attempt;
use crate::sip::{Flow, Method, Request, Uri};

use super::case::Case;
use super::desk::Desk;
use super::error::Unringable;
use super::index::Name;
use super::leg::{Hop, Ringing};
use super::limits::NAME_CHARS_MAX;
use super::offer::Origin;
use super::refusal::ALLOW;
use super::{crossing, options, shard, terms};

/// Where a call of ours goes.
pub(crate) struct Destination<'a> {
    /// The trunk's name.
    pub(crate) trunk: &'a str,
    /// Whom it is for: E.164 with `+`, or what the carrier knows besides (an extension, a service number).
    pub(crate) number: &'a str,
    /// Which of the trunk's addresses, from 0: the next one after 503, 408 or a transport that failed.
    pub(crate) way: usize,
}

impl Ringing {
    /// Sends an INVITE over a trunk that has `to`.
    ///
    /// Its responses find the call like those of a phone. A challenge (401, 407) is answered with the trunk's
    /// credentials before anybody sees it.
    ///
    /// # Errors
    ///
    /// [`Unringable::NoWayOut`] for a trunk without `to` and past its last address; [`Unringable::NotAnAddress`] for a
    /// number that cannot stand in a URI.
    pub(crate) fn over_trunk(
        attempt: Attempt,
        destination: &Destination<'_>,
        offer: Option<Vec<u8>>,
        origin: Origin,
        case: &Case,
        desk: &mut Desk,
    ) -> Result<Ringing, Unringable> {
        let trunk = desk
            .config
            .trunks
            .iter()
            .find(|trunk| trunk.name == destination.trunk);
        let trunk = trunk.ok_or(Unringable::NoWayOut)?;
        let peer = trunk.to.as_ref().ok_or(Unringable::NoWayOut)?;
        let remote = *peer.addresses.get(destination.way).ok_or(Unringable::NoWayOut)?;
        let user = dialable(destination.number).ok_or(Unringable::NotAnAddress)?;
        let listener = desk.listener_towards(peer.transport, remote)?;
        let flow = Flow {
            transport: peer.transport,
            local: listener.bound,
            remote,
            connection: None,
            peer: Uri::parse(&peer.uri(""))
                .ok()
                .and_then(|uri| desk.peer_name(&uri)),
        };
        let hop = Hop::new(flow, listener, false).with_login(desk.logins.of_trunk(trunk));
        let target = peer.uri(&user);
        let us = match (&trunk.number, &trunk.credentials) {
            (Some(number), _) => Some(number.clone()),
            (None, Some(credentials)) => dialable(&credentials.user),
            (None, None) => None,
        };
        let us = format!("<{}>", peer.uri(us.as_deref().unwrap_or("anonymous")));

        let tag = desk.endpoint.token();
        let call_id = shard::leg_b_call_id(desk.config.shard, &desk.endpoint.token());
        let hops = crossing::hops_left(&case.invite).unwrap_or_default();
        let mut invite = Request::new(Method::Invite, target.clone());
        for route in desk.service_routes.get(&trunk.name).into_iter().flatten() {
            invite = invite.header("Route", route);
        }
        let mut invite = invite
            .header("Max-Forwards", hops.to_string())
            .header("From", format!("{us};tag={tag}"))
            .header("To", format!("<{target}>"))
            .header("Call-ID", call_id)
            .header("CSeq", "1 INVITE")
            .header("Contact", &hop.contact)
            .header("P-Preferred-Identity", &us)
            .header("Allow", ALLOW);
        invite = options::offer(invite, offer.is_some(), &desk.config);
        invite = terms::offer(invite, desk);
        if let Some(offer) = offer {
            invite = invite.with_body("application/sdp", offer);
        }
        let txn = desk.request(invite.clone(), hop.flow, &hop);
        desk.name(Name::Client(txn));
        desk.name(Name::Tag(tag));
        Ok(Ringing::new(attempt, txn, invite, hop, origin))
    }
}

/// As it may stand in the user part of a URI: what a telephone number, an extension or an account is made of, and
/// nothing that means something there (RFC 3261 §25.1). A `#` is escaped.
fn dialable(number: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-_.!~*'()#".contains(c);
    let is_sound = !number.is_empty() && number.len() <= NAME_CHARS_MAX && number.chars().all(is_plain);
    is_sound.then(|| number.replace('#', "%23"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_dialled_becomes_part_of_a_uri() {
        for (written, expected) in [
            ("+14045550123", Some("+14045550123")),
            ("*21#", Some("*21%23")),
            ("desk", Some("desk")),
            ("", None),
            ("1@evil.example", None),
            ("1;transport=tcp", None),
            ("1>", None),
            ("1\r\nX: y", None),
        ] {
            assert_eq!(dialable(written).as_deref(), expected, "{written:?}");
        }
        assert_eq!(dialable(&"1".repeat(65)), None);
    }
}
