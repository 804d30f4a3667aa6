//! One side of a call: a phone that rings, or a dialog that talks.

use std::time::Instant;

use crate::banner::{self, LegBHeaders, Marks, Placement, Proof};
use crate::media::Side;
use crate::queue::Attempt;
use crate::route::Candidate;
use crate::sdp::Session;
use crate::sip::{ClientTxn, Dialog, EarlyDialogs, Flow, LargeWay, Message, Method, Request, Transport, Uri};

use super::case::Case;
use super::course::Course;
use super::desk::Desk;
use super::error::Unringable;
use super::index::Name;
use super::logins::Login;
use super::offer::{self, Origin};
use super::redirect::Place;
use super::refusal::{ALLOW, ALLOW_PHONE, Refusal};
use super::reliable::{self, Spoken};
use super::terms::{self, Terms};
use super::{Listener, crossing, options};

/// Where a leg's messages go, and what we call ourselves there.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) flow: Flow,
    pub(crate) sent_by: String,
    /// Our Contact, with angle brackets.
    pub(crate) contact: String,
    /// What we prove ourselves with when requests of ours are challenged there.
    pub(crate) login: Option<Login>,
    /// Where the request that begins a dialog goes when it is too large for UDP.
    pub(crate) large: Option<LargeWay>,
}

impl Hop {
    /// `is_sips`: TLS on every hop was asked for, so our Contact says the same (RFC 3261 §8.1.1.8, §12.1.1).
    pub(crate) fn new(flow: Flow, listener: &Listener, is_sips: bool) -> Hop {
        let (scheme, transport) = match flow.transport {
            Transport::Tls if is_sips => ("sips", ""),
            Transport::Tls => ("sip", ";transport=tls"),
            Transport::Tcp => ("sip", ";transport=tcp"),
            Transport::Udp => ("sip", ""),
        };
        Hop {
            flow,
            sent_by: listener.advertised.clone(),
            contact: format!("<{scheme}:ringward@{}{transport}>", listener.advertised),
            login: None,
            large: None,
        }
    }

    /// Whether its messages go over this connection (`flow.connection` is its number).
    pub(crate) fn is_over(&self, flow: &Flow) -> bool {
        match self.flow.connection {
            Some(number) => flow.connection == Some(number),
            // We opened it: it has no number for us.
            None => {
                let own = (self.flow.transport, self.flow.remote, self.flow.peer);
                own == (flow.transport, flow.remote, flow.peer)
            }
        }
    }

    /// A request in its dialog came this way: a peer that had connected to us has done so again, and is reached by the
    /// new connection. Who it is, is known by then: by its address or certificate, and by our tag.
    pub(crate) fn follow(&mut self, came: &Flow) {
        let is_like_before = self.flow.connection.is_some()
            && (came.transport, came.peer) == (self.flow.transport, self.flow.peer);
        if is_like_before && came.connection.is_some() {
            (self.flow.connection, self.flow.remote) = (came.connection, came.remote);
        }
    }

    pub(crate) fn with_login(self, login: Option<Login>) -> Hop {
        Hop { login, ..self }
    }

    pub(crate) fn with_large(self, large: Option<LargeWay>) -> Hop {
        Hop { large, ..self }
    }

    /// Whether this request begins a dialog.
    pub(crate) fn is_at_its_beginning(&self, request: &Request) -> bool {
        !request.header_value("To").is_some_and(|to| to.contains(";tag="))
    }
}

/// A leg B that rings: an INVITE of ours without a final response.
#[derive(Debug)]
pub(crate) struct Ringing {
    pub(crate) attempt: Attempt,
    pub(crate) txn: ClientTxn,
    /// As we built it: what its answer is matched with.
    pub(crate) invite: Request,
    pub(crate) hop: Hop,
    pub(crate) origin: Origin,
    /// Over this trunk, and no phone of ours.
    pub(crate) trunk: Option<String>,
    /// What pays for it, as the ledger counts.
    pub(crate) toll: Option<u64>,
    /// The description of an early response, in case the answer has none.
    pub(crate) early: Option<Session>,
    /// Made by its reliable responses.
    pub(crate) early_dialogs: EarlyDialogs,
    /// Its last reliable response with a description.
    pub(crate) spoken: Option<Spoken>,
    /// A PRACK that waits for the caller's answer, with the tag of its dialog.
    pub(crate) owed: Option<(String, Request)>,
    /// How often it was asked again after a 422.
    pub(super) retries: u8,
    /// The address it rings at.
    pub(crate) candidate: Candidate,
    /// By when that address has to say something, were it only 100; `None` = it has.
    pub(crate) patience: Option<Instant>,
}

impl Ringing {
    /// Sends the INVITE of a new leg B to one address of the place that `course` is at.
    pub(crate) fn ring(
        course: &Course,
        candidate: Candidate,
        case: &Case,
        desk: &mut Desk,
    ) -> Result<Ringing, Unringable> {
        if let Some(outside) = &course.outside {
            return Self::over_trunk(course, outside, candidate, case, desk);
        }
        let Place {
            uri: target,
            target: way,
            route,
            diversion,
            flow: registered,
        } = &course.place;
        let uri = Uri::parse(target).map_err(|_| Unringable::NotAnAddress)?;
        let listener = desk.listener_towards(candidate.transport, candidate.address)?;
        let flow = Flow {
            transport: candidate.transport,
            local: listener.bound,
            remote: candidate.address,
            connection: None,
            peer: desk.peer_name(&uri),
        };
        // A registered phone is reached the way it came, and only that way.
        let flow = registered.unwrap_or(flow);
        let hop = Hop::new(flow, listener, uri.is_sips())
            // By where it goes: a phone may name any host in its Contact, and another in `maddr`.
            // What a registered phone wrote there is no place that we send to, and proves nothing of who it is.
            .with_login(match registered {
                Some(_) => None,
                None => desk.logins.of_host(Some(way.host()), candidate.address.ip()),
            })
            .with_large(match registered {
                Some(_) => None,
                None => desk.large_way(&uri, &flow),
            });

        let hops = crossing::hops_left(&case.invite).unwrap_or_default();
        let mut invite = Request::new(Method::Invite, target)
            .header("Max-Forwards", hops.to_string())
            .header("To", format!("<{}>", course.to))
            .header("Call-ID", &course.names.call_id)
            .header("CSeq", format!("{} INVITE", course.names.cseq))
            .header("Contact", &hop.contact)
            .header("Expires", course.expires().to_string())
            .header("Allow", ALLOW_PHONE);
        for (name, value) in [("Route", route), ("Diversion", diversion)] {
            if let Some(value) = value {
                invite = invite.header(name, value);
            }
        }
        // An offer in a reliable response needs the caller's answer before the call is answered: only when there is one
        // phone to be answered, and a caller who can.
        let takes_reliable = course.offer.is_some() || case.is_one_phone && reliable::can_take(&case.invite);
        let invite = options::offer(invite, takes_reliable, &desk.config);
        let invite = terms::offer(invite, desk).header("Supported", "replaces");
        let invite = case
            .extra
            .iter()
            .fold(invite, |invite, (name, value)| invite.header(name, value));
        let invite = announce(invite, case, desk, &hop.sent_by, &course.names.tag);
        let mut invite = crossing::invite(&case.invite, invite, &case.facts);
        if marks(case, desk).passes_identity && !case.facts.caller.is_hidden {
            invite = crossing::identity(&case.invite, invite);
        }
        if let Some(offer) = &course.offer {
            invite = invite.with_body("application/sdp", offer.clone());
        }
        let txn = desk.request(invite.clone(), hop.flow, &hop);
        desk.name(Name::Client(txn));
        desk.name(Name::Tag(course.names.tag.clone()));
        let mut origin = course.origin.clone();
        origin.signalled_from(hop.flow.remote.ip(), &desk.config);
        let mut leg = Ringing::new(course.attempt, txn, invite, hop, origin);
        leg.patience = Some(desk.now().instant + desk.config.try_for);
        Ok(leg)
    }

    /// An INVITE that has just gone out.
    pub(crate) fn new(
        attempt: Attempt,
        txn: ClientTxn,
        invite: Request,
        hop: Hop,
        origin: Origin,
    ) -> Ringing {
        let candidate = Candidate {
            transport: hop.flow.transport,
            address: hop.flow.remote,
        };
        Ringing {
            attempt,
            txn,
            invite,
            hop,
            origin,
            trunk: None,
            toll: None,
            early: None,
            candidate,
            patience: None,
            early_dialogs: EarlyDialogs::default(),
            spoken: None,
            owed: None,
            retries: 0,
        }
    }
}

impl Ringing {
    /// What a response of this phone says of its audio, or of a fax: the answer to our offer, or an offer when the caller made
    /// none. Fax is answered with fax, and audio with audio.
    ///
    /// # Errors
    ///
    /// As [`offer::read`] and [`offer::read_talking_offer`].
    pub(crate) fn heed(&self, response: &Message, case: &Case) -> Result<Option<Session>, Refusal> {
        match &case.offer {
            Some(offer) => offer::read_answer(response, offer),
            None => offer::read_talking_offer(response, &self.origin),
        }
    }

    /// Takes it as said: from now on the phone may send so.
    ///
    /// # Errors
    ///
    /// 488 where the answer is not encrypted as it should be.
    pub(crate) fn agree(&mut self, session: &Session, case: &Case) -> Result<(), Refusal> {
        match case.offer {
            Some(_) => self.origin.travel.take_answer(session)?,
            None => self.origin.travel.foresee(session),
        }
        Ok(())
    }

    /// The same for an early response; one that cannot be carried waits for a better one. So does an offer of fax: nobody
    /// sends a fax before the call is answered.
    pub(crate) fn hear(&mut self, response: &Message, case: &Case) -> Option<Session> {
        let session = self.heed(response, case).ok()??;
        if case.offer.is_none() && session.is_fax() {
            return None;
        }
        self.agree(&session, case).ok()?;
        Some(session)
    }

    /// The CSeq number of its INVITE, as we built it.
    pub(crate) fn cseq(&self) -> u32 {
        let number = self
            .invite
            .header_value("CSeq")
            .and_then(|value| value.split(' ').next());
        number.and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    /// What people call this phone: the target's user, else its address.
    /// A number outside stays out of it: by the trunk it was called over.
    pub(crate) fn phone_name(&self) -> String {
        if let Some(trunk) = &self.trunk {
            return trunk.clone();
        }
        let Ok(uri) = Uri::parse(&self.invite.uri) else {
            return self.invite.uri.clone();
        };
        let name = uri
            .user()
            .map(|user| user.into_owned())
            .filter(|user| !user.is_empty());
        name.or_else(|| uri.host().map(str::to_string))
            .unwrap_or_default()
    }
}

/// Who is calling, in our words: From, P-Asserted-Identity with verstat, and the banner's headers.
fn announce(invite: Request, case: &Case, desk: &Desk, sent_by: &str, tag: &str) -> Request {
    let host = host_of(sent_by);
    let invite = match case.announced_call_back(invite, host, tag) {
        Ok(announced) => return announced,
        Err(invite) => invite,
    };
    let marks = marks(case, desk);
    let dress = dress(case, desk, marks);
    let word = match &dress {
        Some(dress) => dress.verstat,
        None => Some("No-TN-Validation"),
    };
    let display = dress
        .as_ref()
        .map(|dress| dress.display_name.as_str())
        .unwrap_or_default();
    let display = quoted(display);
    let caller = &case.facts.caller;
    let placement = marks.placement;

    let mut invite = if caller.is_hidden {
        // RFC 3323 §4.1: nothing of the caller's; the verdict still rides on From, as there is no asserted identity.
        let from = marked("anonymous", "anonymous.invalid", "", word, placement);
        invite
            .header("From", format!("{display}{from};tag={tag}"))
            .header("Privacy", "id")
    } else {
        let (user, phone) = match &caller.number {
            Some(number) => (number.reveal().clone(), ";user=phone"),
            None => (plain_user(&case.invite), ""),
        };
        let (of_from, placement) = match placement {
            Placement::Both => (word, Placement::Uri),
            one => (None, one),
        };
        let from = marked(&user, host, phone, of_from, Placement::User);
        let asserted = marked(&user, host, phone, word, placement);
        invite
            .header("From", format!("{display}{from};tag={tag}"))
            .header("P-Asserted-Identity", format!("{display}{asserted}"))
    };
    if let Some(dress) = dress {
        invite = invite.header("Ringward-Trust", &dress.ringward_trust);
        for (name, value) in &dress.marks {
            invite = invite.header(name, value);
        }
        if let Some(card) = &dress.call_info {
            invite = invite.header("Call-Info", card);
        }
        if let Some(alert) = &dress.alert_info {
            invite = invite.header("Alert-Info", alert);
        }
    }
    invite
}

/// `<sip:user@host...>` with verstat where this placement has it; From of a hidden caller is both at once.
fn marked(user: &str, host: &str, phone: &str, verstat: Option<&str>, placement: Placement) -> String {
    let (name, word) = verstat.map_or(("", ""), |word| (";verstat=", word));
    match placement {
        Placement::Uri => ["<sip:", user, "@", host, phone, name, word, ">"].concat(),
        Placement::User | Placement::Both => ["<sip:", user, name, word, "@", host, phone, ">"].concat(),
    }
}

/// What the phones of the queue the call waits in are told.
fn marks<'d>(case: &Case, desk: &'d Desk) -> &'d Marks {
    let queue = case.record.queue.as_deref().unwrap_or_default();
    desk.config.queue_marks.get(queue).unwrap_or(&desk.config.marks)
}

fn dress(case: &Case, desk: &Desk, marks: &Marks) -> Option<LegBHeaders> {
    let banner = case.record.banner.as_ref()?;
    let card = desk
        .config
        .public_url
        .as_ref()
        .map(|url| format!("{}/card/{}", url.trim_end_matches('/'), case.id));
    let proof = Proof {
        origid: case.record.identity.origid.as_deref(),
        is_diverted: case.record.identity.is_diverted,
    };
    Some(banner::leg_b_headers(
        banner,
        &case.facts,
        marks,
        proof,
        case.id,
        card.as_deref(),
    ))
}

/// A display name as a quoted-string with the space that follows it (RFC 3261 §25.1); empty for an empty name.
pub(super) fn quoted(display: &str) -> String {
    if display.is_empty() {
        return String::new();
    }
    let mut out = String::with_capacity(display.len() + 3);
    out.push('"');
    for c in display.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str("\" ");
    out
}

/// The user of a caller without a number, reduced to characters that mean nothing in a URI.
fn plain_user(invite: &Message) -> String {
    let from = invite.from();
    let user = from.uri.user().unwrap_or_default();
    let plain: String = user
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.+".contains(*c))
        .take(64)
        .collect();
    if plain.is_empty() {
        "unknown".to_string()
    } else {
        plain
    }
}

/// `host:port` or `[v6]:port` without the port.
fn host_of(sent_by: &str) -> &str {
    match sent_by.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') =>
        {
            host
        }
        _ => sent_by,
    }
}

/// A side of a call that was answered.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) side: Side,
    pub(crate) dialog: Dialog,
    pub(crate) hop: Hop,
    pub(crate) origin: Origin,
    pub(crate) terms: Terms,
    /// Reached over a trunk: nothing is taken from there that only a person here may ask for.
    pub(crate) is_outside: bool,
}

/// Where a request of a dialog goes: by the book to its remote target or first route (RFC 3261 §12.2.1.1), but
/// only to an address we know, or to a peer that a certificate will have to name again; else back where its messages
/// came from. On TCP and TLS over the connection of the dialog while it is open; when it has been closed (idle, a
/// restart), a new one is opened to the remote target, because nobody listens on the port that the peer's system chose
/// for the old one.
pub(crate) fn way(dialog: &Dialog, hop: &Hop, desk: &Desk) -> Flow {
    let came = hop.flow;
    match dialog.next_hop() {
        // Many that speak TCP leave ;transport=tcp out of their Contact: the dialog stays on what it began with.
        Some((_, remote))
            if came.transport.is_reliable() && (desk.admission.is_known(remote) || came.peer.is_some()) =>
        {
            Flow { remote, ..came }
        }
        Some((Transport::Udp, remote)) if desk.admission.is_known(remote) => Flow { remote, ..came },
        _ => came,
    }
}

impl Leg {
    pub(crate) fn flow(&self, desk: &Desk) -> Flow {
        way(&self.dialog, &self.hop, desk)
    }

    /// Sends a request of this dialog; its responses find the call.
    pub(crate) fn send(&self, request: Request, desk: &mut Desk) -> ClientTxn {
        let flow = self.flow(desk);
        let txn = desk.request(request, flow, &self.hop);
        desk.name(Name::Client(txn));
        txn
    }

    /// What we take from this side: whoever comes in over a trunk cannot refer.
    pub(crate) fn allow(&self) -> &'static str {
        match self.side {
            Side::B if !self.is_outside => ALLOW_PHONE,
            _ => ALLOW,
        }
    }

    pub(crate) fn bye(&mut self, desk: &mut Desk) -> ClientTxn {
        let bye = self.dialog.request(Method::Bye);
        self.send(bye, desk)
    }

    /// ACK to the 2xx of our INVITE with this CSeq, with the answer when the offer came late.
    pub(crate) fn acknowledge(&self, txn: ClientTxn, cseq: u32, answer: Option<Vec<u8>>, desk: &mut Desk) {
        let mut ack = self.dialog.ack(cseq);
        if let Some(answer) = answer {
            ack = ack.with_body("application/sdp", answer);
        }
        let flow = self.flow(desk);
        let now = desk.now();
        desk.note_request(&ack, flow.remote);
        desk.endpoint.acknowledge(txn, ack, flow, &self.hop.sent_by, now);
    }
}

pub(crate) fn other(side: Side) -> Side {
    match side {
        Side::A => Side::B,
        Side::B => Side::A,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("FORGED \"Bank\" \\"), "\"FORGED \\\"Bank\\\" \\\\\" ");
        assert_eq!(quoted(""), "");
    }

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        assert_eq!(host_of("10.0.0.1:5060"), "10.0.0.1");
        assert_eq!(host_of("gw.example"), "gw.example");
        assert_eq!(host_of("[2001:db8::1]:5060"), "[2001:db8::1]");
        assert_eq!(host_of("[2001:db8::1]"), "[2001:db8::1]");
    }
}
