//! The checkers: what must hold after every event, and what must be true when the day is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use ringward::call::record::Ending;
use ringward::call::{CallRecord, Engine, LiveParts, limits};
use ringward::call_id::CallId;
use ringward::sip::limits::{CLIENT_TRANSACTIONS_MAX, SERVER_TRANSACTIONS_MAX};

use crate::leg::{Asked, Leg, Mark, Plan, State};
use crate::plan::{MILLI, SECOND};
use crate::wire::Message;

/// 64*T1: after it an answer that nobody acknowledged may be followed by BYE.
const PATIENCE: u64 = 32 * SECOND;
/// The budget for facts, and a little.
const FACTS_MAX: u64 = 802 * MILLI;
/// Three minutes of ringing after that.
const RINGING_MAX: u64 = 181 * SECOND;
/// Names of one call: itself, its transaction, its caller, two for each phone, its tags, its exchanges.
const NAMES_MAX: usize = 64;

#[derive(Default)]
pub struct Ledger {
    calls: HashMap<CallId, Call>,
    by_caller: HashMap<u32, CallId>,
    /// Callers whose call was joined with another, or taken over: which phone is in which call is not known here.
    loose: BTreeSet<u32>,
    /// Hosts that said nobody is there: what was under way to them is over for us.
    unreachable: BTreeSet<SocketAddr>,
}

#[derive(Default)]
struct Call {
    caller: Option<u32>,
    phones: Vec<u32>,
    revision: u32,
    ended: Option<Ended>,
    /// The first phone was rung (µs).
    rung: Option<u64>,
    has_no_port: bool,
    was_picked_by_console: bool,
}

struct Ended {
    ending: Ending,
    status: u16,
    by: String,
    note: String,
    was_answered: bool,
}

impl Ledger {
    pub fn call_of(&self, caller: u32) -> Option<CallId> {
        self.by_caller.get(&caller).copied()
    }

    pub fn loosen(&mut self, caller: u32) {
        self.loose.insert(caller);
    }

    pub fn is_loose(&self, caller: u32) -> bool {
        self.loose.contains(&caller)
    }

    pub fn console(&mut self, call: CallId) {
        self.calls.entry(call).or_default().was_picked_by_console = true;
    }

    pub fn media_refused(&mut self, call: CallId) {
        self.calls.entry(call).or_default().has_no_port = true;
    }

    pub fn unreachable(&mut self, remote: SocketAddr) {
        self.unreachable.insert(remote);
    }

    /// A message of a leg came to the shard that owns it.
    pub fn reached(&mut self, leg: &mut Leg, mark: Mark, now: u64) {
        match mark {
            Mark::Nothing | Mark::Provisional => {}
            Mark::Asked(at) => {
                leg.asked[at].reached.get_or_insert(now);
            }
            Mark::Answer => leg.treated.has_answer_reached = true,
            Mark::Ack => leg.treated.is_acknowledged = true,
        }
    }

    /// After every mutation: no table beyond its bound.
    pub fn check_bounds(&self, engine: &Engine) {
        let (calls, parts) = (engine.live_calls(), engine.live_parts());
        assert!(calls <= limits::LIVE_CALLS_MAX, "{calls} calls");
        assert!(
            parts.names <= calls * NAMES_MAX,
            "{} names of {calls} calls",
            parts.names
        );
        assert!(parts.strays <= limits::STRAYS_MAX, "{} strays", parts.strays);
        assert!(
            parts.waiting <= calls,
            "{} look-ups of {calls} calls",
            parts.waiting
        );
        assert!(
            parts.challengeable <= 2 * CLIENT_TRANSACTIONS_MAX,
            "{} requests that may be challenged",
            parts.challengeable
        );
        // A CANCEL is not bounded by the table: there is one at most for each INVITE in it.
        assert!(
            parts.transactions <= SERVER_TRANSACTIONS_MAX + 2 * CLIENT_TRANSACTIONS_MAX,
            "{} transactions",
            parts.transactions
        );
    }

    pub fn check_empty(&self, engine: &Engine) {
        assert_eq!(engine.live_calls(), 0, "a call leaks");
        assert_eq!(
            engine.live_parts(),
            LiveParts::default(),
            "something of a call leaks"
        );
    }

    /// The gateway sent this to a leg; `ports` are the media ports of its call while they are open.
    pub fn sent(&mut self, leg: &mut Leg, message: &Message, ports: Option<(u16, u16)>, now: u64) {
        match message.status() {
            Some(status) => self.answered(leg, status, message, now),
            None => self.asked(leg, message, now),
        }
        if let (Some((a, b)), true) = (ports, message.has_sdp()) {
            let port = if leg.is_caller() { a } else { b };
            let audio = message.audio().unwrap_or_default();
            assert!(
                audio == format!("10.0.0.1:{port}") || audio.ends_with(":0"),
                "leg {:x} was told {audio}, its port is {port}",
                leg.id
            );
        }
    }

    fn answered(&mut self, leg: &mut Leg, status: u16, message: &Message, now: u64) {
        let Some(at) = leg.asked_by(message) else {
            panic!("an answer to nothing leg {:x} asked: {}", leg.id, message.start);
        };
        let asked = &mut leg.asked[at];
        assert!(
            asked.reached.is_some(),
            "leg {:x}: {} was answered before it came",
            leg.id,
            asked.method
        );
        match asked.answered {
            // A repeat is the same; anything else is a second answer, or a 180 after the 200.
            Some((before, _)) => assert_eq!(
                status, before,
                "leg {:x}: {} {} was answered {before} and then {status}",
                leg.id, asked.cseq, asked.method
            ),
            None if status >= 200 => asked.answered = Some((status, now)),
            None => {}
        }
    }

    fn asked(&mut self, leg: &mut Leg, message: &Message, now: u64) {
        let id = leg.id;
        match message.method() {
            "ACK" if !leg.is_caller() => {
                leg.treated.is_acknowledged |= leg.treated.has_answer_reached;
            }
            "BYE" if leg.is_caller() => {
                // Of a copy that came when the first was over, and is a call of its own, too.
                let mut answers = leg.asked.iter().filter_map(answer_to_first);
                let Some((_, at)) = answers.find(|answer| is_success(*answer)) else {
                    panic!("BYE to caller {id:x}, whose call was not answered");
                };
                assert!(
                    leg.treated.is_acknowledged || now >= at + PATIENCE,
                    "BYE to caller {id:x} before its ACK"
                );
            }
            "BYE" => {
                assert!(
                    leg.treated.has_answer_reached,
                    "BYE to phone {id:x}, which did not answer"
                );
                assert!(leg.treated.is_acknowledged, "BYE to phone {id:x} before ACK");
            }
            "CANCEL" => {
                let is_first = !leg.treated.is_cancelled && message.tag("To").is_none();
                assert!(
                    !(is_first && leg.treated.has_answer_reached && message.cseq() == 1),
                    "CANCEL to phone {id:x}, whose answer had come"
                );
                leg.treated.is_cancelled = true;
            }
            _ => {}
        }
    }

    /// An INVITE to a phone.
    pub fn rings(&mut self, invite: &Message, now: u64) {
        if let Some(call) = card_of(invite).and_then(|call| self.calls.get_mut(&call)) {
            assert!(!call.has_no_port, "phones ring for a call that has no port");
            call.rung.get_or_insert(now);
        }
    }

    /// The caller that this INVITE rings for.
    pub fn add_phone(&mut self, invite: &Message, leg: u32) -> Option<u32> {
        let call = self.calls.get_mut(&card_of(invite)?)?;
        call.phones.push(leg);
        call.caller
    }

    /// True for a call's first record. `cause` is the leg whose message the engine was given.
    pub fn record(&mut self, record: &CallRecord, cause: Option<u32>, legs: &[Leg]) -> bool {
        let is_new = self.calls.get(&record.id).is_none_or(|call| call.revision == 0);
        let call = self.calls.entry(record.id).or_default();
        if is_new
            && let Some(cause) = cause
            && legs[cause as usize].is_caller()
            && !self.by_caller.contains_key(&cause)
        {
            call.caller = Some(cause);
            self.by_caller.insert(cause, record.id);
        }
        assert!(record.revision > call.revision, "revisions count up");
        call.revision = record.revision;
        assert!(call.ended.is_none(), "a record after the last");
        if record.timings.ended_ms.is_some() {
            let outcome = record.outcome.as_ref().expect("a last record has an outcome");
            call.ended = Some(Ended {
                ending: outcome.ending,
                status: outcome.status,
                by: outcome.by.clone(),
                note: outcome.note.clone().unwrap_or_default(),
                was_answered: record.timings.answered_ms.is_some(),
            });
        }
        is_new
    }

    /// Nobody sends audio: whoever should is gone.
    pub fn is_silent(&self, call: CallId, legs: &[Leg]) -> bool {
        let speaks = |id: &u32| {
            let leg = &legs[*id as usize];
            !leg.is_crashed && matches!(leg.state, State::Talking | State::Leaving)
        };
        self.calls
            .get(&call)
            .is_some_and(|call| !call.caller.iter().chain(&call.phones).any(speaks))
    }

    /// What must be true when the day is over, and how its calls ended.
    pub fn close(&self, legs: &[Leg], is_strict: bool, is_draining: bool) -> BTreeMap<String, u64> {
        let mut outcomes = BTreeMap::new();
        for (id, call) in &self.calls {
            let Some(ended) = &call.ended else {
                panic!("call {id} has no last record");
            };
            *outcomes.entry(ended.name()).or_default() += 1;
            if let (true, Some(caller)) = (is_strict, call.caller) {
                let is_loose = self.is_loose(caller);
                check_call(call, ended, &legs[caller as usize], legs, is_loose);
            }
        }
        if !is_strict {
            return outcomes;
        }
        for leg in legs {
            let id = leg.id;
            for asked in leg.asked.iter().filter(|asked| asked.reached.is_some()) {
                assert!(
                    asked.answered.is_some(),
                    "leg {id:x}: {} {} was never answered",
                    asked.cseq,
                    asked.method
                );
            }
            // Its host said that nobody is there: what was under way to it is over for us.
            let is_out_of_sight = !leg.is_caller() && self.unreachable.contains(&leg.address);
            // Nobody could open a connection to it.
            let is_beyond_reach = is_out_of_sight || leg.was_refused;
            assert!(
                is_beyond_reach || leg.is_crashed || !leg.was_forgotten,
                "the session of leg {id:x} was not refreshed, and it is still there"
            );
            // Whoever rings stops by himself when the INVITE expires (RFC 3261 §13.3.1), whatever became of its CANCEL.
            let must_have_stopped = !leg.is_caller() && leg.state == State::Ringing;
            assert!(
                leg.state == State::Over || leg.is_crashed || is_beyond_reach && !must_have_stopped,
                "leg {id:x} is left behind, {:?}",
                leg.state
            );
            // Not even where its connection broke: the ACK goes by another (RFC 3261 §13.2.2.4).
            assert!(
                leg.is_caller()
                    || leg.treated.is_acknowledged
                    || !leg.treated.has_answer_reached
                    || self.unreachable.contains(&leg.address),
                "the answer of phone {id:x} was never acknowledged"
            );
            // What a phone may not call has no record, and what it takes over has one.
            let is_trunk = matches!(&leg.plan, Plan::Caller(plan) if plan.replaces.is_none())
                && (!is_phone(leg) || leg.asked.iter().find_map(answer_to_first).is_some_and(is_success));
            let has_come = is_trunk && leg.asked.iter().any(|asked| asked.reached.is_some());
            assert!(
                !has_come || is_draining || self.by_caller.contains_key(&id),
                "the call of leg {id:x} has no record"
            );
        }
        outcomes
    }
}

/// The record against what both parties saw.
fn check_call(call: &Call, ended: &Ended, caller: &Leg, legs: &[Leg], is_loose: bool) {
    let id = caller.id;
    // The record is that of the copy that came first. Another may have been refused by itself, or have come when all was
    // over, and be a call of its own.
    let copies = caller
        .asked
        .iter()
        .filter(|asked| answer_to_first(asked).is_some());
    let first = copies.min_by_key(|asked| asked.reached);
    let Some((first, (status, at))) = first.and_then(|first| Some((first, answer_to_first(first)?))) else {
        panic!("caller {id:x} has a record and no answer");
    };
    let was_answered = (200..300).contains(&status);
    assert_eq!(
        (status, was_answered),
        (ended.status, ended.was_answered),
        "caller {id:x} heard {status}, its record says {}",
        ended.name()
    );
    let phones = || call.phones.iter().map(|phone| &legs[*phone as usize]);
    let is_true = match (ended.ending, ended.by.as_str()) {
        (Ending::Completed, _) if is_loose || is_phone(caller) => was_answered,
        (Ending::Completed, "caller") => was_answered && (caller.has_said_bye || caller.has_given_up),
        (Ending::Completed, "called") => was_answered && phones().any(|phone| phone.has_said_bye),
        (Ending::Completed, _) => was_answered && call.was_picked_by_console,
        (Ending::Cancelled, _) => status == 487 && caller.has_given_up,
        (Ending::NoAnswer, _) | (Ending::Refused, _) => !was_answered,
        (Ending::Failed, _) => !ended.note.is_empty(),
    };
    assert!(is_true, "caller {id:x}: {} is not what happened", ended.name());

    if is_phone(caller) {
        return; // its calls ring without anything being looked up
    }
    // Nobody hears a dead line: within the budget phones ring, or the caller knows why not.
    let came = first.reached.unwrap_or_default();
    let progress = call.rung.unwrap_or(at).min(at);
    assert!(
        progress <= came + FACTS_MAX,
        "caller {id:x} waited {} ms for anything to happen",
        (progress - came) / MILLI
    );
    assert!(
        at <= came + RINGING_MAX,
        "caller {id:x} waited {} s",
        (at - came) / SECOND
    );
}

/// The final answer to a caller's INVITE; not the one to its copy that came by a second way.
fn answer_to_first(asked: &Asked) -> Option<(u16, u64)> {
    let is_first = asked.method == "INVITE" && asked.cseq == 1;
    asked.answered.filter(|(status, _)| is_first && *status != 482)
}

fn is_success((status, _): (u16, u64)) -> bool {
    (200..300).contains(&status)
}

/// A call that a phone of ours began.
fn is_phone(leg: &Leg) -> bool {
    leg.is_caller() && leg.address.ip().to_string().starts_with("10.")
}

/// The call that an INVITE of the gateway is about, by the address of its card.
fn card_of(invite: &Message) -> Option<CallId> {
    let card = invite.header("Call-Info")?.split_once("/card/")?.1;
    card.get(..32)?.parse().ok()
}

impl Ended {
    fn name(&self) -> String {
        let note = if self.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.note)
        };
        format!("{:?} {} by {}{note}", self.ending, self.status, self.by)
    }
}
