//! The ladder of a call: which SIP messages passed between us and each party, as its record has it. Never what stood in them.
//!
//! What is said again for the slow is not seen here, nor what comes after the record was written.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::sip::{Message, Method, Request, Response};

use super::case::Case;
use super::desk::Desk;
use super::limits::{SIGNALS_KEPT, SIGNALS_NOTED};
use super::record::CallRecord;
use super::stage::Event;

/// One message of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Milliseconds since INVITE arrival.
    pub at_ms: u64,
    /// The party at the other end: 0 = the caller, else its place in [`Ladder::parties`], counted from 1.
    pub party: u8,
    /// We sent it; else it came from there.
    pub is_sent: bool,
    /// Its method; of a response that of the request.
    pub method: SignalMethod,
    /// Of a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// It had a body: a session description, mostly.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignalMethod {
    Invite,
    Ack,
    Bye,
    Cancel,
    Prack,
    Update,
    Info,
    Refer,
    Notify,
    Other,
}

/// What passed, in order; at most [`SIGNALS_KEPT`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Where each party but the caller is, in the order in which they were first spoken to.
    pub parties: Vec<SocketAddr>,
    pub signals: Vec<Signal>,
}

impl Ladder {
    /// Nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.signals.is_empty()
    }
}

impl SignalMethod {
    /// As it stands on the wire; `other` for what is none of these.
    pub fn as_str(self) -> &'static str {
        match self {
            SignalMethod::Invite => "INVITE",
            SignalMethod::Ack => "ACK",
            SignalMethod::Bye => "BYE",
            SignalMethod::Cancel => "CANCEL",
            SignalMethod::Prack => "PRACK",
            SignalMethod::Update => "UPDATE",
            SignalMethod::Info => "INFO",
            SignalMethod::Refer => "REFER",
            SignalMethod::Notify => "NOTIFY",
            SignalMethod::Other => "other",
        }
    }

    fn of(method: &Method) -> SignalMethod {
        match method {
            Method::Invite => SignalMethod::Invite,
            Method::Ack => SignalMethod::Ack,
            Method::Bye => SignalMethod::Bye,
            Method::Cancel => SignalMethod::Cancel,
            Method::Prack => SignalMethod::Prack,
            Method::Update => SignalMethod::Update,
            Method::Info => SignalMethod::Info,
            Method::Refer => SignalMethod::Refer,
            Method::Notify => SignalMethod::Notify,
            _ => SignalMethod::Other,
        }
    }
}

/// What was said while an event of a call was handled, until the call notes it.
pub(crate) struct Said {
    sip_call_id: String,
    /// Where a request of ours goes, or one that takes the call over came from.
    remote: Option<SocketAddr>,
    is_sent: bool,
    method: SignalMethod,
    status: Option<u16>,
    has_body: bool,
}

impl Desk {
    pub(super) fn note_request(&mut self, request: &Request, remote: SocketAddr) {
        let said = Said {
            sip_call_id: request.header_value("Call-ID").unwrap_or_default().to_string(),
            remote: Some(remote),
            is_sent: true,
            method: SignalMethod::of(&request.method),
            status: None,
            has_body: !request.body.is_empty(),
        };
        self.note(said);
    }

    pub(super) fn note_response(&mut self, response: &Response) {
        let method = response
            .header_value("CSeq")
            .and_then(|cseq| cseq.split_whitespace().last());
        let method = method.and_then(Method::parse);
        let said = Said {
            sip_call_id: response.header_value("Call-ID").unwrap_or_default().to_string(),
            remote: None,
            is_sent: true,
            method: method.map_or(SignalMethod::Other, |method| SignalMethod::of(&method)),
            status: Some(response.status),
            has_body: !response.body.is_empty(),
        };
        self.note(said);
    }

    /// A CANCEL of ours of what was asked with this Call-ID.
    pub(super) fn note_cancel(&mut self, invite: &Request) {
        self.note_cancel_of(invite.header_value("Call-ID").unwrap_or_default(), true);
    }

    /// A CANCEL of what came with this request.
    pub(super) fn note_cancelled(&mut self, request: &Message) {
        self.note_cancel_of(request.call_id(), false);
    }

    fn note_cancel_of(&mut self, sip_call_id: &str, is_sent: bool) {
        self.note(Said {
            sip_call_id: sip_call_id.to_string(),
            remote: None,
            is_sent,
            method: SignalMethod::Cancel,
            status: None,
            has_body: false,
        });
    }

    /// `remote`: where it came from, if nobody of the call is known by its Call-ID yet.
    fn note_came(&mut self, message: &Message, remote: Option<SocketAddr>) {
        let said = Said {
            sip_call_id: message.call_id().to_string(),
            remote,
            is_sent: false,
            method: SignalMethod::of(&message.method()),
            status: message.status(),
            has_body: !message.body().is_empty(),
        };
        self.note(said);
    }

    /// What this event brought from outside.
    pub(super) fn note_event(&mut self, event: &Event, case: &Case) {
        self.said.clear();
        match event {
            Event::Begun if case.has_caller() => self.note_came(&case.invite, None),
            Event::Request { request, .. } => self.note_came(request, None),
            // Its phone is of the call from now on, or is told why not.
            Event::Replace { request, flow, .. } => self.note_came(request, Some(flow.remote)),
            Event::Response { response, .. } => self.note_came(response, None),
            Event::Ack { ack, .. } => self.note_came(ack, None),
            Event::Pracked { prack, .. } => self.note_came(prack, None),
            // Any other is noted by whoever knows whose it was.
            Event::Cancelled { txn, .. } if *txn == case.invite_txn => self.note_cancelled(&case.invite),
            _ => {}
        }
    }

    fn note(&mut self, said: Said) {
        if self.said.len() < SIGNALS_NOTED {
            self.said.push(said);
        }
    }
}

impl Case {
    /// Writes down what was said since this was asked last.
    pub(super) fn note_said(&mut self, desk: &mut Desk) {
        let at_ms = self.at_ms(desk);
        for said in desk.said.drain(..) {
            let Some(party) = self.party_of(&said) else {
                continue;
            };
            let signal = Signal {
                at_ms,
                party,
                is_sent: said.is_sent,
                method: said.method,
                status: said.status,
                has_body: said.has_body,
            };
            self.record.add_signal(signal);
        }
    }

    /// Whom a message is from, or for. None = nobody of this call, or one more than are kept.
    fn party_of(&mut self, said: &Said) -> Option<u8> {
        if said.sip_call_id == self.invite.call_id() {
            return Some(0);
        }
        let known = self
            .parties
            .iter()
            .find(|(sip_call_id, _)| *sip_call_id == said.sip_call_id);
        if let Some((_, party)) = known {
            return Some(*party);
        }
        let remote = said.remote?;
        if self.parties.len() >= SIGNALS_KEPT {
            return None;
        }
        let party = self.record.party_at(remote);
        self.parties.push((said.sip_call_id.clone(), party));
        Some(party)
    }
}

impl CallRecord {
    fn add_signal(&mut self, signal: Signal) {
        let signals = &mut self.ladder.signals;
        // How it ended stands at its end, however much was said before.
        let is_end = matches!(signal.method, SignalMethod::Bye | SignalMethod::Cancel);
        let most = if is_end { SIGNALS_KEPT } else { SIGNALS_KEPT - ENDS };
        if signals.len() < most {
            signals.push(signal);
        }
    }

    fn party_at(&mut self, remote: SocketAddr) -> u8 {
        let parties = &mut self.ladder.parties;
        let place = parties.iter().position(|known| *known == remote);
        let place = place.unwrap_or_else(|| {
            parties.push(remote);
            parties.len() - 1
        });
        place as u8 + 1
    }
}

/// Places that are kept for the end of a call: BYE or CANCEL on both sides, and their answers.
const ENDS: usize = 8;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_false(value: &bool) -> bool {
    !value
}
