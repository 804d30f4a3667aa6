//! What is wanted of a call while it lasts: by a person who watches it, or by policy now that they talk. Each order stands
//! in the record: when, who, what, why, and what came of it.

use serde::{Deserialize, Serialize};

use crate::media::Side;
use crate::policy::Action;
use crate::screening::{Challenge, Label};

use super::aside::{self, Aside};
use super::case::{Case, Media};
use super::decide;
use super::desk::Desk;
use super::limits::ORDERS_KEPT;
use super::record::{Direction, OrderOutcome, State};
use super::stage::{Event, Stage};
use super::talking::Talking;

/// An order of a person, or of policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The user's name; `policy NAME@HASH` where nobody ordered it.
    pub by: String,
    pub what: What,
    /// In his own words, or the rule and its reason.
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The call ends for both parties.
    End,
    /// The banner says this, if it is worse than what was found.
    Relabel(Label),
    /// The person who has the call is told what it is.
    Whisper,
    /// The caller is asked to press two digits.
    Challenge,
    /// The phones of this queue ring; the call goes to the first that answers.
    Move(String),
}

impl What {
    /// As the record names it, and the label or the queue it is about.
    pub fn words(&self) -> (&'static str, Option<&str>) {
        match self {
            What::End => ("end", None),
            What::Relabel(label) => ("relabel", Some(label.name())),
            What::Whisper => ("whisper", None),
            What::Challenge => ("challenge", None),
            What::Move(queue) => ("move", Some(queue)),
        }
    }
}

impl Order {
    /// Who ordered it, where that was the policy of this revision (`NAME@HASH`).
    pub fn name_of_policy(revision: &str) -> String {
        format!("{BY_POLICY}{revision}")
    }
}

/// Before the revision of the policy whose order it is.
const BY_POLICY: &str = "policy ";

/// Carries an order out as far as the stage of the call allows it.
pub(super) fn carry_out(stage: Stage, order: Order, case: &mut Case, desk: &mut Desk) -> Stage {
    let at_ms = case.at_ms(desk);
    if case.record.state == State::Ended {
        // It came too late, and stands in the record as long as that is open.
        if case.media != Media::Closed {
            case.record.add_order(at_ms, &order);
        }
        return stage;
    }
    let Some(entry) = case.record.add_order(at_ms, &order) else {
        return stage;
    };
    let (stage, outcome) = match (stage, order.what) {
        (stage, What::End) => {
            case.record.end_order(entry, OrderOutcome::Done);
            return stage.handle(Event::HangUp, case, desk);
        }
        // Its sides are the other way round: side A, whom we would warn of and ask, is a person of this business.
        (stage, _) if case.record.direction == Direction::Outbound => (stage, OrderOutcome::NotNow),
        (stage, What::Relabel(label)) => {
            let outcome = relabel(&stage, label, case, desk);
            (stage, outcome)
        }
        (Stage::Talking(mut talking), What::Whisper) => {
            let outcome = talking.whisper_now(entry, case, desk);
            (Stage::Talking(talking), outcome)
        }
        (Stage::Talking(mut talking), What::Challenge) => {
            let outcome = talking.challenge_now(entry, case, desk);
            (Stage::Talking(talking), outcome)
        }
        // Whoever is called for help in a training call is not rung: that he was called is what the call was for.
        (stage, What::Move(_)) if case.record.drill => {
            if order.by.starts_with(BY_POLICY) || !matches!(stage, Stage::Talking(_)) {
                (stage, OrderOutcome::NotNow)
            } else {
                case.record.end_order(entry, OrderOutcome::Done);
                return stage.handle(Event::HangUp, case, desk);
            }
        }
        (Stage::Talking(talking), What::Move(queue)) => {
            case.record.end_order(entry, OrderOutcome::Begun);
            let (stage, is_begun) = talking.move_to(&queue, entry, case, desk);
            if !is_begun {
                case.record.end_order(entry, OrderOutcome::NotNow);
            }
            case.changed(desk);
            return stage;
        }
        (stage, _) => (stage, OrderOutcome::NotNow),
    };
    case.record.end_order(entry, outcome);
    case.changed(desk);
    stage
}

/// A person warns. What somebody said before is never made milder.
fn relabel(stage: &Stage, label: Label, case: &mut Case, desk: &Desk) -> OrderOutcome {
    if case
        .facts
        .relabelled
        .is_some_and(|said| label.severity() <= said.severity())
    {
        return OrderOutcome::Failed;
    }
    case.facts.relabelled = Some(label);
    // Before policy was asked at all it will hear of it in time.
    if matches!(stage, Stage::Gathering(_)) {
        return OrderOutcome::Done;
    }
    let shown = |case: &Case| case.record.banner.as_ref().map(|banner| banner.label);
    let before = shown(case);
    let at_ms = case.at_ms(desk);
    decide::again(case, desk, at_ms);
    match shown(case) == before {
        // What was found is as bad, or worse.
        true => OrderOutcome::Failed,
        false => OrderOutcome::Done,
    }
}

/// The note of a call that an order has ended.
pub(super) fn note_of_end(case: &Case) -> String {
    let mut orders = case.record.orders.iter().rev();
    let by = orders.find(|order| order.what == "end").map(|order| &order.by);
    match by.filter(|by| by.starts_with(BY_POLICY)) {
        Some(by) => format!("ended by {by}"),
        None => "ended from the console".to_string(),
    }
}

/// What policy wants of a call that rings or talks, since it was last asked: each thing once. What cannot be done at this
/// moment is looked at again with the next event.
pub(super) fn by_policy(stage: Stage, case: &mut Case, desk: &mut Desk) -> Stage {
    let is_acknowledged = match &stage {
        Stage::Talking(talking) => talking.is_acknowledged,
        Stage::Hunting(_) | Stage::Reception(_) if case.record.state == State::Ringing => false,
        _ => return stage,
    };
    // Our own people are not screened.
    if case.record.direction == Direction::Outbound {
        return stage;
    }
    let judge = desk.lineup.judge(&case.facts);
    let is_first = is_acknowledged && !case.is_asked_live;
    // What wished it judges no more, as when it was taken back: whoever judges now is asked.
    let is_stale = case
        .wish
        .as_ref()
        .is_some_and(|wish| wish.revision != judge.revision());
    case.is_asked_live |= is_acknowledged;
    if is_stale || (is_first && judge.acts_live()) {
        let at_ms = case.at_ms(desk);
        if decide::live(case, desk, at_ms) {
            case.changed(desk);
        }
    }
    let what = match case.wish.as_ref().map(|wish| &wish.action) {
        Some(Action::Challenge) => What::Challenge,
        Some(Action::Whisper) => What::Whisper,
        Some(Action::End) => What::End,
        Some(Action::Divert { queue }) if case.record.queue.as_ref() != Some(queue) => {
            What::Move(queue.clone())
        }
        _ => return stage,
    };
    // To be told something else is worth another word.
    let label = match what {
        What::Whisper => case.record.banner.as_ref().map(|banner| banner.label),
        _ => None,
    };
    let deed = (what, label);
    let is_able = match &stage {
        Stage::Talking(talking) => talking.is_able_to(&deed.0, case, desk),
        // Nobody is to answer a call that would be ended at once.
        _ => deed.0 == What::End,
    };
    if case.done.contains(&deed) || case.done.len() >= ORDERS_KEPT || !is_able {
        return stage;
    }
    let Some(wish) = case.wish.take() else {
        return stage;
    };
    let order = Order {
        by: Order::name_of_policy(&wish.revision),
        what: deed.0.clone(),
        why: wish.why,
    };
    case.done.push(deed);
    carry_out(stage, order, case, desk)
}

impl Talking {
    /// Nothing is under way that it would disturb. (A person's `end` waits for nothing.)
    fn is_able_to(&self, what: &What, case: &Case, desk: &Desk) -> bool {
        let is_quiet = self.is_acknowledged && self.aside.is_none() && !self.is_moving();
        match what {
            What::Relabel(_) => true,
            // What we say ourselves is said first.
            What::End => self.aside.is_none(),
            // The phone may be gone, or somebody on hold, who hears nothing and presses nothing; a fax does neither.
            What::Whisper => is_quiet && case.held_since.is_none() && !case.is_fax,
            What::Challenge => {
                is_quiet && case.held_since.is_none() && !case.is_fax && !case.facts.bypasses_every_gate()
            }
            What::Move(queue) => self.aside.is_none() && self.is_able_to_move(queue, case, desk),
        }
    }

    fn whisper_now(&mut self, entry: usize, case: &mut Case, desk: &mut Desk) -> OrderOutcome {
        let label = case.record.banner.as_ref().map(|banner| banner.label.name());
        let (true, Some(label)) = (self.is_able_to(&What::Whisper, case, desk), label) else {
            return OrderOutcome::NotNow;
        };
        let name = format!("whisper-{label}");
        match case.say(Side::B, &[&name], desk) {
            Some(turn) => {
                self.aside = Some(Aside::words(turn, Some(entry), desk));
                OrderOutcome::Begun
            }
            None => OrderOutcome::Failed,
        }
    }

    fn challenge_now(&mut self, entry: usize, case: &mut Case, desk: &mut Desk) -> OrderOutcome {
        if !self.is_able_to(&What::Challenge, case, desk) {
            return OrderOutcome::NotNow;
        }
        let has_keys = case.spoken(Side::A).is_some_and(|caller| caller.has_keys());
        if !has_keys {
            aside::learn(Challenge::Unable, case, desk);
            return OrderOutcome::Failed;
        }
        match self.ask(entry, case, desk) {
            true => OrderOutcome::Begun,
            false => OrderOutcome::Failed,
        }
    }
}
