//! What limits and floods make of a call: kept out at the door, kept out once its caller is proven, or asked something first.
//!
//! ```text
//!   INVITE that begins something ─┬─ within the limits of all, trunk, address, queue ──► a call
//!                                 ├─ past one of all ──► 503 with Retry-After ─┐ before anything
//!                                 └─ past another ─────► 480, 603 or 608 ──────┘ is remembered of it
//!   its number proven, its signer known ── past their limits ──► 480, 603 or 608, with a record
//!   its number only shown, past the limit of a number ─────────► the tag OVER_LIMIT, and on it goes
//!   in a flood, nothing speaks for its caller ─────────────────► two digits, or name and reason; or 480
//!   everything else ───────────────────────────────────────────► as ever
//! ```

use std::time::Instant;

use crate::flood::{Limit, NewCall, Rest, Scope, Strike, is_scanner};
use crate::identity::Standing;
use crate::policy::Action;
use crate::screening::{Challenge, Facts, List, Upstream};
use crate::sip::{Flow, Message, Transport};

use super::admission::Source;
use super::case::Case;
use super::desk::Desk;
use super::engine::Engine;
use super::profile::Answer;
use super::record::Direction;
use super::refusal::Refusal;
use super::{Config, Counter, crossing, facts, refusal};

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overloaded {
    Limit(Limit),
    /// As many transactions as one shard holds are going on.
    Transactions,
}

/// Seconds of speech that a caller who is asked for name and reason during a flood has to answer with.
const SPEECH_SECONDS_LEAST: f64 = 0.5;

impl Engine {
    /// Hands a message to the transaction layer, which asks here about each INVITE that begins something; the limit that
    /// kept one out.
    pub(super) fn receive(&mut self, flow: Flow, octets: &[u8]) -> Option<Limit> {
        // One more leg for a call that is there: the room and the token are that call's.
        let is_take_over =
            octets.trim_ascii_start().starts_with(b"INVITE ") && self.is_take_over(&flow, octets);
        let now = self.desk.now();
        let Desk {
            endpoint,
            admission,
            gate,
            queues,
            numbers,
            config,
            flood,
            drills,
            ticket,
            own_numbers,
            ..
        } = &mut self.desk;
        let mut kept_out = None;
        let mut new_calls = |invite: &Message| {
            // A training call takes nobody's room.
            if is_take_over || drills.of(&flow, invite).is_some() {
                return None;
            }
            let trunk = gate.trunk(invite, &flow, admission);
            let is_trusted = trunk.is_some_and(|trunk| trunk.is_emergency_trusted);
            let queue = trunk
                .and_then(|trunk| numbers.get(&trunk.name))
                .and_then(|numbers| {
                    let (called, written) = facts::dialled(&numbers.dialled(invite), numbers);
                    crate::queue::find(queues, &called, &written)
                });
            // A phone's own call for help bears no mark but the number.
            let is_for_help = || {
                let (_, written) = facts::dialled(invite.request_uri().unwrap_or_default(), own_numbers);
                trunk.is_none() && config.outbound.emergency.contains(&written)
            };
            let new = NewCall {
                trunk: trunk.map_or("", |trunk| trunk.name.as_str()),
                source: flow.remote.ip(),
                queue: queue.map_or("", |queue| queue.name.as_str()),
                is_emergency: is_trusted || crossing::claims_emergency(invite) || is_for_help(),
            };
            match flood.admit(&new, now.instant) {
                Ok(taken) => {
                    *ticket = Some(taken);
                    None
                }
                Err(limit) => {
                    kept_out = Some(limit);
                    Some(answer(limit, flood.refuse_with(), config).answer(invite))
                }
            }
        };
        endpoint.receive(flow, octets, &mut new_calls, now);
        kept_out
    }

    /// Whether nothing of this address is looked at now. Never of a trunk's or a phone's.
    pub fn is_blocked(&self, flow: &Flow, now: Instant) -> bool {
        self.desk.blocks.is_blocked(flow.remote.ip(), now)
            && !matches!(
                self.desk.admission.source_of(flow),
                Source::Trunk(_) | Source::Phone
            )
    }

    /// A stranger who calls himself a scanner: he hears nothing.
    pub(super) fn is_scan(&mut self, flow: &Flow, octets: &[u8]) -> bool {
        let desk = &mut self.desk;
        let source = flow.remote.ip();
        if !is_scanner(octets)
            || desk.blocks.is_exempt(source)
            || desk.blocks.is_proven(source, desk.now().instant)
        {
            return false;
        }
        desk.count(Counter::Scanned);
        desk.strike(flow, Strike::Scanner);
        true
    }
}

impl Desk {
    /// A stranger did something that is held against his address, as far as it is known to be his.
    pub(crate) fn strike(&mut self, flow: &Flow, strike: Strike) {
        // Whose address a datagram bears is its writer's choice, but for an answer to what was sent to that address.
        if flow.transport == Transport::Udp && strike != Strike::WrongPassword {
            return;
        }
        let now = self.now().instant;
        if self.blocks.strike(flow.remote.ip(), strike, now).is_some() {
            self.count(Counter::Blocked);
        }
    }

    /// A stranger has proven who he is.
    pub(crate) fn proved(&mut self, flow: &Flow) {
        let now = self.now().instant;
        self.blocks.proved(flow.remote.ip(), now);
    }
}

impl Case {
    /// A person has answered, or nobody will.
    pub(crate) fn rings_no_more(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.rings_no_more();
        }
    }

    /// Its caller is as proven as he will be before anything rings: counts the call for his number and for who signed.
    /// `Some`: a proven one is past its limit. Calls that only show a number are counted apart, and are told by a fact.
    pub(crate) fn count_parties(&mut self, desk: &Desk) -> Option<Limit> {
        let now = desk.now().instant;
        self.facts.flood.is_on = desk.flood.rest(&self.record.trunk, now).is_some();
        if self.record.direction != Direction::Inbound || is_urgent(&self.facts) {
            return None;
        }
        let ticket = self.ticket.as_mut()?;
        let number = self.facts.caller.number.as_ref();
        let is_proven = self.facts.is_number_proven();
        if let Some(number) = number {
            let scope = match is_proven {
                true => Scope::Number,
                false => Scope::ShownNumber,
            };
            match ticket.also(scope, number.reveal(), now) {
                Err(limit) if is_proven => return Some(limit),
                counted => self.facts.flood.is_over_limit = counted.is_err(),
            }
        }
        let identity = &self.facts.identity;
        let is_signed = identity.standing == Standing::Verified && identity.is_reused == Some(false);
        let spc = identity.spc.as_ref().filter(|_| is_signed)?;
        if let Err(limit) = ticket.also(Scope::Signer, spc, now) {
            return Some(limit);
        }
        // One customer or gateway of the signer (RFC 8588 §5): told apart by it, so named with it.
        let origid = self.record.identity.origid.as_ref()?;
        ticket.also(Scope::Signer, &format!("{spc} {origid}"), now).err()
    }

    /// What becomes of `action`, which policy wants before anything rings or once the caller was asked something, during a
    /// flood. Only what would let him through is changed.
    pub(crate) fn in_flood(&self, action: Action, desk: &Desk) -> Action {
        let facts = &self.facts;
        let is_through = !matches!(action, Action::Refuse { .. } | Action::Screen | Action::Challenge);
        let rest = desk.flood.rest(&self.record.trunk, desk.now().instant);
        let rest = rest.filter(|_| facts.flood.is_on && is_through && !speaks_for_itself(facts));
        let refuse = || Action::Refuse {
            status: 480,
            profile: None,
            announce: None,
        };
        match (rest, facts.talk.challenge) {
            (None | Some(Rest::Label), _) => action,
            (Some(Rest::Refuse), _) => refuse(),
            (_, Challenge::None) => Action::Challenge,
            (_, Challenge::Passed) => action,
            (_, Challenge::Failed) => refuse(),
            // Our own fault is not the caller's.
            (_, Challenge::Unable) if facts.talk.is_prompt_missing => action,
            // His telephone sends no keys: then he says who he is.
            (_, Challenge::Unable) if !facts.talk.is_screened => Action::Screen,
            (_, Challenge::Unable) if facts.talk.speech_seconds >= SPEECH_SECONDS_LEAST => action,
            (_, Challenge::Unable) => refuse(),
        }
    }
}

/// What a call hears that `limit` keeps out. 503 stops a carrier's other calls too, so it is for when the whole gateway is
/// full and for nothing else.
pub(crate) fn answer(limit: Limit, refuse_with: u16, config: &Config) -> Refusal {
    let status = match limit.is_of_all() {
        true => return Refusal::Busy,
        false => refuse_with,
    };
    // With its Reason a 603 says that the network, and no person, has declined (ATIS-1000099 §5).
    let reason = (status == 603).then(|| config.refusal.block_reason()).flatten();
    Refusal::Policy(Box::new(Answer {
        status,
        phrase: match reason {
            Some(_) => "Network Blocked",
            None => refusal::phrase(status),
        },
        headers: reason.map(|reason| ("Reason", reason)).into_iter().collect(),
    }))
}

/// It may be somebody who calls for help.
pub(super) fn is_urgent(facts: &Facts) -> bool {
    facts.bypasses_every_gate() || facts.signalling.claims_emergency
}

/// The carrier answers for the number, the number was answered here before, or somebody here wrote it down as welcome.
/// Only the first cannot be borrowed; in a flood whoever knows whom we know is still let through.
fn speaks_for_itself(facts: &Facts) -> bool {
    let is_accused = facts.identity.is_forged || facts.identity.is_reused == Some(true);
    let is_known = facts.history.answered_before > 0 && facts.history.reported_scam == 0;
    let is_vouched = facts.is_number_proven() || facts.identity.upstream == Some(Upstream::Passed);
    is_urgent(facts) || (!is_accused && (is_vouched || is_known || facts.listed(List::Allow).is_some()))
}
