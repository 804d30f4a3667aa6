//! One record per call: the live view while it lasts, the kept record after.

mod keys;
mod transfers;

use serde::{Deserialize, Serialize};

use crate::banner::Banner;
use crate::call_id::CallId;
use crate::identity::Report;
use crate::media::{Side, Statistics};
use crate::policy::{Action, Decision};
use crate::redact::Redacted;
use crate::screening::{Facts, Label, Stage};
use crate::sip::TransportFault;
use crate::voice::{Opinion, Window};

pub use super::codecs::LegCodecs;
pub use super::signals::{Ladder, Signal, SignalMethod};
pub use keys::{LegKeys, LegSuites};
pub use transfers::{Transfer, TransferKind, TransferOutcome};

use super::limits::{
    ATTEMPTS_KEPT, BANNERS_KEPT, DECISIONS_KEPT, ORDERS_KEPT, SECOND_WINDOWS_KEPT, SPOKEN_KEPT, TRIES_KEPT,
    WINDOWS_KEPT,
};
use super::orders::{Order, What};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Screening,
    Ringing,
    Talking,
    Ended,
}

/// Who began the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Somebody over a trunk.
    #[default]
    Inbound,
    /// A phone of this business.
    Outbound,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    /// Counts up with every change; the highest one wins.
    pub revision: u32,
    pub state: State,
    /// Whole milliseconds since the Unix epoch at INVITE arrival.
    pub started_ms: u64,
    pub trunk: String,
    #[serde(default)]
    pub direction: Direction,
    /// Canonical number; None = hidden or not a number.
    pub caller: Option<Redacted<String>>,
    pub caller_name: Option<Redacted<String>>,
    pub called: Redacted<String>,
    pub queue: Option<String>,
    pub identity: Report,
    pub facts: Facts,
    /// One per stage that was asked (arrive, live, ...), in order. At most 32 kept.
    pub decisions: Vec<Decided>,
    /// None = no policy watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    pub banner: Option<Banner>,
    /// Each banner the person could see, with its time. At most 32 kept.
    pub banners: Vec<BannerChange>,
    /// The latest opinion and the windows behind it (at most 600 kept).
    pub opinion: Option<Opinion>,
    pub windows: Vec<Window>,
    /// The second opinions (at most 300 kept).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second_windows: Vec<Window>,
    pub model: Option<String>,
    pub attempts: Vec<Attempt>,
    /// Target URI's user or address of the phone that answered.
    pub answered_by: Option<String>,
    /// The account of the person who was signed in at that phone when it answered; None = nobody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The call that this one answers: somebody calls an organisation back. None = it answers none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_back: Option<CalledBack>,
    /// How each leg is encrypted now, or was last.
    #[serde(default)]
    pub srtp: LegSuites,
    /// What each leg's audio is coded with now, or was last.
    #[serde(default)]
    pub codecs: LegCodecs,
    /// Where it was sent on, in order; at most 16 kept, and those that were ordered.
    #[serde(default)]
    pub transfers: Vec<Transfer>,
    /// What we said ourselves, in order; at most 64 kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spoken: Vec<Spoken>,
    /// What people and policy ordered while it lasted, in order; at most 32, the last of them an `end`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Ordered>,
    /// The SIP messages that passed.
    #[serde(default, skip_serializing_if = "Ladder::is_empty")]
    pub ladder: Ladder,
    pub timings: Timings,
    pub outcome: Option<Outcome>,
    /// The status that policy wanted for a caller whom we had answered already: he was hung up instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_with: Option<u16>,
    pub media: Option<Statistics>,
    /// What the person said about it afterwards.
    pub report: Option<PersonReport>,
    /// A training call: made here, counted nowhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drill: bool,
    /// When everything it said of people was erased, Unix ms: what is left says when, through what and what it was taken
    /// for, and cannot be decided again. None = it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_ms: Option<u64>,
}

/// Why a call of ours went out: what a caller said is asked of the organisation itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledBack {
    /// The call that is answered.
    pub of: CallId,
    /// Whose published number was dialled, as the directory had it.
    pub organisation: String,
    /// The entry of the directory that it stood in.
    pub entry: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    pub at_ms: u64,
    pub stage: Stage,
    pub decision: Decision,
    /// What was known: with them and the policy of this revision the decision can be made again
    /// ([`CallRecord::facts_of`]). None for the last one, whose facts are the record's own, and in records of older
    /// gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<Facts>>,
}

/// What the policy that only watches would have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// Name and content hash.
    pub policy: String,
    /// When the call arrived.
    pub action: Action,
    /// At last.
    pub label: Label,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BannerChange {
    /// Milliseconds since INVITE arrival.
    pub at_ms: u64,
    pub banner: Banner,
}

/// One phone that was rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub target: String,
    /// The account of the person who is signed in there; None = nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    pub at_ms: u64,
    /// Final SIP status, 0 while ringing, 408 for no answer, 487 for cancelled by us.
    pub status: u16,
    /// Why it could not be reached ([`TransportFault`]), or may not be called, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where its INVITE went, address after address; empty when the first one answered. At most `TRIES_KEPT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<Try>,
}

/// An address that was tried for a target and did not ring, or a place it sent the call to (3xx).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// `udp:10.0.0.5:5060`; empty when no address was found.
    pub address: String,
    /// The final SIP status; 408 for silence, 503 when nothing could be sent.
    pub status: u16,
    /// Where the target said to go instead: the call was diverted (RFC 3261 §21.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverted_to: Option<Redacted<String>>,
}

/// Something that a person, or policy, ordered for a call while it lasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Milliseconds since INVITE arrival.
    pub at_ms: u64,
    /// Who: the user's name, or `policy NAME@HASH`.
    pub by: String,
    /// `end`, `relabel`, `whisper`, `challenge` or `move`.
    pub what: String,
    /// The label, or the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// In his own words, or the rule and its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub outcome: OrderOutcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderOutcome {
    /// Under way.
    Begun,
    Done,
    /// It came to nothing: nobody answered there, the caller pressed something else, or the call ended first.
    Failed,
    /// Not at this moment of a call, or something else is under way.
    NotNow,
}

/// Something that we said to a party. Never what he answered: digits are his.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// Milliseconds since INVITE arrival: from when.
    pub at_ms: u64,
    /// Until when; None = until the end of the call, or not over yet.
    pub until_ms: Option<u64>,
    /// `caller` or `called`.
    pub to: String,
    /// The recording; the digits of a challenge are left out.
    pub prompt: String,
}

/// Milliseconds since INVITE arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    pub identity_ms: Option<u64>,
    pub decided_ms: Option<u64>,
    pub ringing_ms: Option<u64>,
    pub answered_ms: Option<u64>,
    /// The two went over to fax (T.38) for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_ms: Option<u64>,
    pub ended_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Answered and hung up by a party.
    Completed,
    /// The caller gave up while it rang.
    Cancelled,
    NoAnswer,
    /// By policy.
    Refused,
    /// No queue, no port, no codec, transport failed, media silent.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub ending: Ending,
    /// Final status towards the caller (200 when answered).
    pub status: u16,
    /// `caller`, `called` or `us`.
    pub by: String,
    /// Plain words when something failed.
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonReport {
    /// `good`, `unsure` or `scam`.
    pub verdict: String,
    pub note: Option<String>,
    pub at_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_false(value: &bool) -> bool {
    !value
}

fn word(side: Side) -> &'static str {
    match side {
        Side::A => "caller",
        Side::B => "called",
    }
}

impl CallRecord {
    /// A call that just arrived.
    pub(crate) fn arriving(
        id: CallId,
        facts: &Facts,
        queue: Option<&str>,
        model: Option<&str>,
    ) -> CallRecord {
        CallRecord {
            id,
            revision: 0,
            state: State::Screening,
            started_ms: facts.arrived_ms,
            trunk: facts.trunk.clone(),
            direction: Direction::Inbound,
            caller: facts.caller.number.clone(),
            caller_name: facts.caller.name.clone(),
            called: facts.called.number.clone(),
            queue: queue.map(str::to_string),
            identity: Report::none(),
            facts: facts.clone(),
            decisions: Vec::new(),
            shadow: None,
            banner: None,
            banners: Vec::new(),
            opinion: None,
            windows: Vec::new(),
            second_windows: Vec::new(),
            model: model.map(str::to_string),
            attempts: Vec::new(),
            transfers: Vec::new(),
            spoken: Vec::new(),
            orders: Vec::new(),
            ladder: Ladder::default(),
            answered_by: None,
            person: None,
            call_back: None,
            srtp: LegSuites::default(),
            codecs: LegCodecs::default(),
            timings: Timings::default(),
            outcome: None,
            refused_with: None,
            media: None,
            report: None,
            drill: false,
            erased_ms: None,
        }
    }

    /// An order came; its place in the list, for its outcome. `None`: the list is full, and what cannot be written down is
    /// not done ([`CallRecord::has_room_for`]).
    pub(crate) fn add_order(&mut self, at_ms: u64, order: &Order) -> Option<usize> {
        if !self.has_room_for(&order.what) {
            return None;
        }
        let (what, to) = order.what.words();
        self.orders.push(Ordered {
            at_ms,
            by: order.by.clone(),
            what: what.to_string(),
            to: to.map(str::to_string),
            why: order.why.clone(),
            outcome: OrderOutcome::NotNow,
        });
        Some(self.orders.len() - 1)
    }

    /// Whether a further order can be written down; for an `end` there is always room.
    pub(crate) fn has_room_for(&self, what: &What) -> bool {
        let kept = match what {
            What::End => ORDERS_KEPT,
            _ => ORDERS_KEPT - 1,
        };
        self.orders.len() < kept
    }

    pub(crate) fn end_order(&mut self, entry: usize, outcome: OrderOutcome) {
        if let Some(ordered) = self.orders.get_mut(entry) {
            ordered.outcome = outcome;
        }
    }

    /// The call is over before what was under way.
    pub(crate) fn give_up_orders(&mut self) {
        for ordered in &mut self.orders {
            if ordered.outcome == OrderOutcome::Begun {
                ordered.outcome = OrderOutcome::Failed;
            }
        }
    }

    /// We begin to say something to this side, instead of what was being said there.
    pub(crate) fn begin_spoken(&mut self, side: Side, prompt: &str, at_ms: u64) {
        self.end_spoken(side, at_ms);
        if self.spoken.len() < SPOKEN_KEPT {
            self.spoken.push(Spoken {
                at_ms,
                until_ms: None,
                to: word(side).to_string(),
                prompt: prompt.to_string(),
            });
        }
    }

    /// What we were saying to this side is over.
    pub(crate) fn end_spoken(&mut self, side: Side, at_ms: u64) {
        let mut last = self.spoken.iter_mut().rev();
        if let Some(last) = last.find(|spoken| spoken.to == word(side)) {
            last.until_ms.get_or_insert(at_ms);
        }
    }

    /// What was known when the decision of this number (from 0) was made.
    pub fn facts_of(&self, number: usize) -> Option<&Facts> {
        match &self.decisions.get(number)?.facts {
            Some(facts) => Some(facts),
            None => (number + 1 == self.decisions.len()).then_some(&self.facts),
        }
    }

    /// Keeps a decision that says something new, and the facts it was made from; `at_ms` counts from INVITE arrival.
    pub(crate) fn add_decision(&mut self, at_ms: u64, decision: Decision, facts: &Facts) {
        let stage = facts.stage;
        let is_news = self
            .decisions
            .last()
            .is_none_or(|last| last.stage != stage || last.decision != decision);
        if is_news {
            if let Some(last) = self.decisions.last_mut() {
                // Until now they were the record's own.
                last.facts = Some(Box::new(self.facts.clone()));
            }
            if self.decisions.len() >= DECISIONS_KEPT {
                self.decisions.remove(1);
            }
            self.decisions.push(Decided {
                at_ms,
                stage,
                decision,
                facts: None,
            });
        }
        self.facts = facts.clone();
    }

    /// What the watching policy says now. What it would have done is what it said first.
    pub(crate) fn add_shadow(&mut self, decision: Decision) {
        let label = decision.verdict.label;
        match &mut self.shadow {
            Some(shadow) if shadow.policy == decision.policy => shadow.label = label,
            // It began to watch while they talk: what it would have done with the call nobody knows.
            _ if self.facts.stage == crate::screening::Stage::Live => {}
            _ => {
                self.shadow = Some(Shadow {
                    policy: decision.policy,
                    action: decision.action,
                    label,
                });
            }
        }
    }

    /// Keeps a banner that differs from the one shown. True when it does.
    pub(crate) fn add_banner(&mut self, at_ms: u64, banner: Banner) -> bool {
        if self.banner.as_ref() == Some(&banner) {
            return false;
        }
        if self.banners.len() >= BANNERS_KEPT {
            self.banners.remove(1);
        }
        self.banner = Some(banner.clone());
        self.banners.push(BannerChange { at_ms, banner });
        true
    }

    pub(crate) fn add_opinion(&mut self, opinion: Opinion) {
        if let Some(window) = opinion.window
            && self.windows.len() < WINDOWS_KEPT
        {
            self.windows.push(window);
        }
        if let Some(second) = opinion.second
            && self.second_windows.len() < SECOND_WINDOWS_KEPT
        {
            self.second_windows.push(second);
        }
        self.opinion = Some(opinion);
    }

    pub(crate) fn add_attempt(&mut self, target: &str, person: Option<String>, at_ms: u64) {
        if self.attempts.len() < ATTEMPTS_KEPT {
            self.attempts.push(Attempt {
                target: target.to_string(),
                person,
                at_ms,
                status: 0,
                why: None,
                tries: Vec::new(),
            });
        }
    }

    /// This phone has answered: who sits there now is who took the call.
    pub(crate) fn attempt_taken(&mut self, number: usize, person: Option<&str>) {
        if let Some(attempt) = self.attempts.get_mut(number) {
            attempt.person = person.map(Into::into);
        }
    }

    /// What became of one address of the attempt with this number.
    pub(crate) fn add_try(&mut self, number: usize, address: String, status: u16, diverted_to: Option<&str>) {
        if let Some(attempt) = self.attempts.get_mut(number)
            && attempt.tries.len() < TRIES_KEPT
        {
            let diverted_to = diverted_to.map(|uri| Redacted::new(uri.to_string()));
            attempt.tries.push(Try {
                address,
                status,
                diverted_to,
            });
        }
    }

    /// Why nobody was rung there, in plain words.
    pub(crate) fn why_not_rung(&mut self, number: usize, why: &str) {
        if let Some(attempt) = self.attempts.get_mut(number) {
            attempt.why.get_or_insert_with(|| why.to_string());
        }
    }

    /// Why this phone could not be reached; the first word stays.
    pub(crate) fn explain_attempt(&mut self, number: usize, fault: TransportFault) {
        if let Some(attempt) = self.attempts.get_mut(number) {
            attempt.why.get_or_insert_with(|| fault.to_string());
        }
    }

    /// How the attempt with this number ended; the first word stays. One past [`ATTEMPTS_KEPT`] is not listed: what it says of a
    /// number outside counts all the same, because nothing else rings beside that.
    pub(crate) fn end_attempt(&mut self, number: usize, status: u16) {
        let is_last = number + 1 == self.attempts.len();
        if number >= ATTEMPTS_KEPT {
            self.end_overflow(status);
        } else if let Some(attempt) = self.attempts.get_mut(number)
            && attempt.status == 0
        {
            attempt.status = status;
            if is_last && attempt.target.starts_with("trunk:") {
                self.end_overflow(status);
            }
        }
    }
}
