//! Calls of ours over a trunk: transfers to the outside, calls from the phones, call-backs.
//!
//! Whatever asks for one, the caller that is shown is the business itself: nobody's number but our own may be claimed
//! towards a carrier.

use crate::route::Candidate;
use crate::sip::{Flow, Method, Request, Uri};

use super::case::Case;
use super::course::Course;
use super::desk::Desk;
use super::dialling::Outside;
use super::encryption::Wanted;
use super::error::Unringable;
use super::index::Name;
use super::leg::{Hop, Ringing};
use super::limits::NAME_CHARS_MAX;
use super::redirect::Place;
use super::refusal::ALLOW;
use super::{Peer, TrunkConfig, crossing, options, terms};

impl Outside {
    /// Whether the leg is to be encrypted.
    pub(crate) fn srtp(&self, desk: &Desk) -> Wanted {
        let trunk = desk.config.trunks.iter().find(|trunk| trunk.name == self.trunk);
        trunk.map(TrunkConfig::wanted).unwrap_or_default()
    }

    /// Where it goes, and the carrier's addresses that are known without the name service.
    ///
    /// # Errors
    ///
    /// [`Unringable::NoWayOut`] for a trunk without `to`; [`Unringable::NotAnAddress`] for a number that cannot stand in
    /// a URI.
    pub(crate) fn place(&self, desk: &Desk) -> Result<(Place, Vec<Candidate>), Unringable> {
        let (_, peer) = way_out(&self.trunk, desk)?;
        let user = dialable(&self.number).ok_or(Unringable::NotAnAddress)?;
        let place = Place::of(&peer.uri(&user)).ok_or(Unringable::NotAnAddress)?;
        let transport = peer.transport;
        let known = peer.addresses.iter().map(|address| Candidate {
            transport,
            address: *address,
        });
        Ok((place, known.collect()))
    }
}

fn way_out<'a>(trunk: &str, desk: &'a Desk) -> Result<(&'a TrunkConfig, &'a Peer), Unringable> {
    let trunk = desk.config.trunks.iter().find(|known| known.name == trunk);
    let trunk = trunk.ok_or(Unringable::NoWayOut)?;
    Ok((trunk, trunk.to.as_ref().ok_or(Unringable::NoWayOut)?))
}

impl Ringing {
    /// Sends an INVITE over a trunk that has `to`, to one address of the carrier's server.
    ///
    /// Its responses find the call like those of a phone. A challenge (401, 407) is answered with the trunk's
    /// credentials before anybody sees it.
    ///
    /// # Errors
    ///
    /// As [`Outside::place`], and when nothing can be sent to that address.
    pub(crate) fn over_trunk(
        course: &Course,
        outside: &Outside,
        candidate: Candidate,
        case: &Case,
        desk: &mut Desk,
    ) -> Result<Ringing, Unringable> {
        let (trunk, peer) = way_out(&outside.trunk, desk)?;
        let listener = desk.listener_towards(candidate.transport, candidate.address)?;
        let flow = Flow {
            transport: candidate.transport,
            local: listener.bound,
            remote: candidate.address,
            connection: None,
            peer: Uri::parse(&peer.uri(""))
                .ok()
                .and_then(|uri| desk.peer_name(&uri)),
        };
        let hop = Hop::new(flow, listener, false).with_login(desk.logins.of_trunk(trunk));
        let target = course.place.uri.clone();
        let us = match (&trunk.number, &trunk.credentials) {
            (Some(number), _) => Some(number.clone()),
            (None, Some(credentials)) => dialable(&credentials.user),
            (None, None) => None,
        };
        let us = format!("<{}>", peer.uri(us.as_deref().unwrap_or("anonymous")));

        let tag = course.names.tag.clone();
        let hops = crossing::hops_left(&case.invite).unwrap_or_default();
        let mut invite = Request::new(Method::Invite, target.clone());
        for route in desk.service_routes.get(&trunk.name).into_iter().flatten() {
            invite = invite.header("Route", route);
        }
        let mut invite = invite
            .header("Max-Forwards", hops.to_string())
            .header("From", format!("{us};tag={tag}"))
            .header("To", format!("<{target}>"))
            .header("Call-ID", &course.names.call_id)
            .header("CSeq", format!("{} INVITE", course.names.cseq))
            .header("Contact", &hop.contact)
            .header("Expires", course.expires().to_string())
            .header("P-Preferred-Identity", &us)
            .header("Allow", ALLOW);
        if let Some(diversion) = &course.place.diversion {
            invite = invite.header("Diversion", diversion);
        }
        invite = options::offer(invite, course.offer.is_some(), &desk.config);
        invite = terms::offer(invite, desk);
        if let Some(offer) = &course.offer {
            invite = invite.with_body("application/sdp", offer.clone());
        }
        let txn = desk.request(invite.clone(), hop.flow, &hop);
        desk.name(Name::Client(txn));
        desk.name(Name::Tag(tag));
        let mut origin = course.origin.clone();
        origin.signalled_from(hop.flow.remote.ip(), &desk.config);
        let mut leg = Ringing::new(course.attempt, txn, invite, hop, origin);
        leg.trunk = Some(outside.trunk.clone());
        leg.toll = course.toll;
        leg.patience = Some(desk.now().instant + desk.config.try_for);
        Ok(leg)
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
