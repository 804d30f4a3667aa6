//! What is wanted of a call while it lasts: by a person who watches it, or by policy now that they talk. Each order stands
//! in the record: when, who, what, why, and what came of it.

use serde::{Deserialize, Serialize};

use crate::media::Side;
use crate::policy::Action;
use crate::screening::{Challenge, Label};

use super::aside::Aside;
use super::case::Case;
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

/// Carries an order out as far as the stage of the call allows it.
pub(super) fn carry_out(stage: Stage, order: Order, case: &mut Case, desk: &mut Desk) -> Stage {
    if case.record.state == State::Ended {
        return stage;
    }
    let at_ms = case.at_ms(desk);
    let entry = case.record.add_order(at_ms, &order);
    let (stage, outcome) = match (stage, order.what) {
        (stage, What::End) => {
            case.record.end_order(entry, OrderOutcome::Done);
            return stage.handle(Event::HangUp, case, desk);
        }
        (stage, What::Relabel(label)) => {
            case.facts.relabelled = Some(label);
            // Before policy was asked at all it will hear of it in time.
            if !matches!(stage, Stage::Gathering(_)) {
                decide::again(case, desk, at_ms);
            }
            (stage, OrderOutcome::Done)
        }
        (Stage::Talking(mut talking), What::Whisper) => {
            let outcome = talking.whisper_now(entry, case, desk);
            (Stage::Talking(talking), outcome)
        }
        (Stage::Talking(mut talking), What::Challenge) => {
            let outcome = talking.challenge_now(entry, case, desk);
            (Stage::Talking(talking), outcome)
        }
        (Stage::Talking(talking), What::Move(queue)) => {
            case.record.end_order(entry, OrderOutcome::Begun);
            let (stage, is_begun) = talking.move_to(&queue, case, desk);
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

/// What policy wants of a call that talks, since it was last asked: each thing once. What cannot be done at this moment is
/// looked at again with the next event.
pub(super) fn by_policy(stage: Stage, case: &mut Case, desk: &mut Desk) -> Stage {
    let Stage::Talking(talking) = &stage else {
        return stage;
    };
    if !case.is_asked_live && talking.is_acknowledged {
        case.is_asked_live = true;
        if desk.lineup.judge(&case.facts).acts_live() {
            let at_ms = case.at_ms(desk);
            if decide::live(case, desk, at_ms) {
                case.changed(desk);
            }
        }
    }
    let what = match &case.wish {
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
    let is_known = case.record.direction == Direction::Outbound || case.done.contains(&deed);
    if is_known || case.done.len() >= ORDERS_KEPT || !talking.is_able_to(&deed.0, desk) {
        return stage;
    }
    let policy = desk.lineup.judge(&case.facts);
    let order = Order {
        by: format!("policy {}", policy.revision()),
        what: deed.0.clone(),
        why: policy.decided_by(&case.facts),
    };
    case.done.push(deed);
    case.wish = None;
    carry_out(stage, order, case, desk)
}

impl Talking {
    /// Nothing is under way that it would disturb.
    fn is_able_to(&self, what: &What, desk: &Desk) -> bool {
        match what {
            What::End | What::Relabel(_) => true,
            What::Whisper => self.is_acknowledged && self.aside.is_none(),
            What::Challenge => self.is_acknowledged && self.aside.is_none() && !self.is_moving(),
            What::Move(queue) => self.aside.is_none() && self.is_able_to_move(queue, desk),
        }
    }

    fn whisper_now(&mut self, entry: usize, case: &mut Case, desk: &mut Desk) -> OrderOutcome {
        let label = case.record.banner.as_ref().map(|banner| banner.label.name());
        let (true, Some(label)) = (self.is_able_to(&What::Whisper, desk), label) else {
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
        if !self.is_able_to(&What::Challenge, desk) {
            return OrderOutcome::NotNow;
        }
        let has_keys = case
            .spoken(Side::A)
            .is_some_and(|caller| caller.telephone_event().is_some());
        if !has_keys || !self.ask(entry, case, desk) {
            case.facts.talk.challenge = Challenge::Unable;
            let at_ms = case.at_ms(desk);
            decide::again(case, desk, at_ms);
            return OrderOutcome::Failed;
        }
        OrderOutcome::Begun
    }
}
