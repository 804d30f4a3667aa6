//! The door: messages from outside, and what strangers have to prove before anything is remembered of them.
//!
//! ```text
//!   address of a trunk or a phone ──────────────────────────────────────► in
//!   a trunk's password is asked for there ─┬─ part of what lives ───────► in
//!                                          ├─ INVITE, OPTIONS: right ───► in, as that trunk
//!                                          │                  not so ───► 401, without state
//!                                          └─ anything else, too many ──► no answer
//!   a phone may register from there ─── REGISTER only ──────────────────► the registrar
//!   any other address ──────────────────────────────────────────────────► no answer
//! ```

use std::net::IpAddr;

use crate::digest::{Guard, Question, Verdict, Why};
use crate::flood::Strike;
use crate::sip::{Flow, Message, Method, Response};
use crate::time::Now;

use super::admission::{Admission, Source};
use super::engine::Engine;
use super::index::Name;
use super::{Config, Counter, Overloaded, TrunkConfig, refusal};

/// The protection space of every trunk that proves itself with a password (RFC 7616 §3.3): before the user is known, there
/// can be only one.
pub(crate) const REALM: &str = "ringward";

pub(crate) struct Gate {
    guard: Guard,
    /// The trunks of the guard's credentials, by their place in the configuration.
    trunks: Vec<usize>,
    /// The request that is being handled, and whose it proved to be.
    proven: Option<Proven>,
}

struct Proven {
    trunk: usize,
    sip_call_id: String,
    cseq: u32,
}

impl Gate {
    pub(crate) fn new(config: &Config, seed: &[u8; 32]) -> Gate {
        let challenged = config
            .trunks
            .iter()
            .enumerate()
            .filter(|(_, trunk)| trunk.is_challenged);
        let (trunks, credentials): (Vec<_>, Vec<_>) = challenged
            .filter_map(|(index, trunk)| Some((index, trunk.credentials.clone()?)))
            .unzip();
        Gate {
            guard: Guard::new(REALM, &credentials, &config.digest_hashes, seed),
            trunks,
            proven: None,
        }
    }

    /// Whether an INVITE may make a call, and on which trunk it came.
    pub(crate) fn trunk<'a>(
        &self,
        invite: &Message,
        flow: &Flow,
        admission: &'a Admission,
    ) -> Option<&'a TrunkConfig> {
        match admission.source_of(flow) {
            Source::Trunk(trunk) => Some(trunk),
            Source::Stranger => {
                let proven = self.proven.as_ref().filter(|proven| {
                    proven.sip_call_id == invite.call_id() && proven.cseq == invite.cseq().0
                })?;
                admission.trunk(proven.trunk)
            }
            Source::Phone | Source::Registrant | Source::Unknown => None,
        }
    }

    /// Whether a stranger's message may be handed to another shard: its inbox is not to be filled by strangers.
    pub(crate) fn may_cross(&mut self, address: IpAddr, now: Now) -> bool {
        self.guard.may_pass_on(address, now)
    }

    /// The input has been handled.
    pub(crate) fn close(&mut self) {
        self.proven = None;
    }
}

impl Engine {
    pub(super) fn on_octets(&mut self, flow: Flow, octets: &[u8]) {
        if self.on_register_octets(flow, octets) {
            return;
        }
        match self.desk.admission.source_of(&flow) {
            Source::Registrant if self.is_of_a_call(octets) => {}
            Source::Registrant | Source::Unknown => return self.desk.count(Counter::UnknownSource),
            Source::Stranger => {
                if !self.lets_in(flow, octets) {
                    return;
                }
            }
            Source::Trunk(_) | Source::Phone => {}
        }
        self.take_octets(flow, octets);
    }

    /// A message of somebody who may speak.
    fn take_octets(&mut self, flow: Flow, octets: &[u8]) {
        let before = self.desk.endpoint.counts();
        let kept_out = self.receive(flow, octets);
        let desk = &mut self.desk;
        let after = desk.endpoint.counts();
        if after.malformed > before.malformed {
            desk.count(Counter::Malformed);
        }
        if after.overloaded > before.overloaded {
            desk.count(Counter::Overloaded(Overloaded::Transactions));
        }
        if let Some(limit) = kept_out {
            desk.count(Counter::Overloaded(Overloaded::Limit(limit)));
        }
    }

    /// Part of what goes on already: a phone whose registration ended in the middle of a call still hangs up.
    fn is_of_a_call(&self, octets: &[u8]) -> bool {
        let Ok(message) = Message::parse(octets) else {
            return false;
        };
        let to = message.to_address();
        let is_live = |tag: &str| self.desk.index.call(&Name::Tag(tag.to_string())).is_some();
        self.desk.endpoint.has(&message) || to.tag().is_some_and(is_live)
    }

    fn lets_in(&mut self, flow: Flow, octets: &[u8]) -> bool {
        if self.is_scan(&flow, octets) {
            return false;
        }
        let desk = &mut self.desk;
        let (now, source) = (desk.now(), flow.remote.ip());
        // Who cannot write SIP gets no answer here, and neither does who has been wrong too often.
        let Ok(message) = Message::parse(octets) else {
            desk.count(Counter::UnknownSource);
            return false;
        };
        if desk.endpoint.has(&message) {
            return true;
        }
        let method = message.method();
        if !message.is_request() || matches!(method, Method::Ack | Method::Cancel) {
            desk.count(Counter::UnknownSource);
            return false;
        }
        // Our tags are secrets of the dialogs they are of: who knows one was let in before (RFC 3261 §22.1).
        if let Some(tag) = message.to_address().tag() {
            let is_live = desk.index.call(&Name::Tag(tag.to_string())).is_some();
            if !is_live {
                desk.count(Counter::UnknownSource);
            }
            return is_live;
        }
        if !matches!(method, Method::Invite | Method::Options) {
            desk.count(Counter::UnknownSource);
            return false;
        }
        let lines = message.header_lines("Authorization");
        let answers: Vec<&str> = lines.iter().map(|line| &**line).collect();
        let question = Question {
            method: method.as_str(),
            uri: message.request_uri().unwrap_or_default(),
            body: message.body(),
            answers: &answers,
            source,
        };
        match desk.gate.guard.judge(&question, now) {
            Verdict::Passed(login) => self.pass(login, &message, flow),
            Verdict::Asked { challenges, why } => {
                desk.count(match why {
                    Why::Unproven => Counter::Challenged,
                    Why::Stale => Counter::ProofStale,
                    Why::Wrong | Why::Unusable(_) => Counter::ProofWrong,
                });
                match why {
                    Why::Stale => {}
                    Why::Wrong => desk.strike(&flow, Strike::WrongPassword),
                    Why::Unproven | Why::Unusable(_) => desk.strike(&flow, Strike::Unproven),
                }
                let mut response = Response::new(&message, 401, refusal::phrase(401));
                for challenge in challenges {
                    response = response.header("WWW-Authenticate", challenge);
                }
                desk.endpoint.respond_stateless(flow, &message, response);
                false
            }
            Verdict::Ignored => {
                desk.count(Counter::StrangerIgnored);
                false
            }
        }
    }

    fn pass(&mut self, login: usize, message: &Message, flow: Flow) -> bool {
        let desk = &mut self.desk;
        let trunk = desk.gate.trunks.get(login).copied();
        let found = trunk.and_then(|index| Some((index, desk.admission.trunk(index)?)));
        let Some((trunk, _)) = found.filter(|(_, trunk)| desk.admission.may_come_from(trunk, flow.remote))
        else {
            // The right password at the wrong address.
            desk.count(Counter::ProofWrong);
            return false;
        };
        desk.count(Counter::Proven);
        desk.proved(&flow);
        desk.gate.proven = Some(Proven {
            trunk,
            sip_call_id: message.call_id().to_string(),
            cseq: message.cseq().0,
        });
        true
    }
}
