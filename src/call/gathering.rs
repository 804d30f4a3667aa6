//! Facts are gathered: who signed the call, what the store knows. Until both are in, or the budget is over.

use std::time::Instant;

use crate::policy::Action;
use crate::queue::Hunt;

use super::Counter;
use super::case::Case;
use super::decide;
use super::desk::Desk;
use super::early;
use super::ending::{By, Ending};
use super::flood::{self, Overloaded};
use super::hunting::Hunting;
use super::orders;
use super::reception::{CLOSED, Reception};
use super::record;
use super::refusal::Refusal;
use super::stage::{Event, Stage};

pub(crate) struct Gathering {
    /// Arrival + budget.
    pub(crate) deadline: Instant,
    /// The store was asked about the caller.
    pub(crate) has_looked: bool,
}

impl Gathering {
    pub(crate) fn handle(mut self, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        match event {
            Event::Begun => {
                case.changed(desk);
                if !self.has_looked {
                    self.has_looked = true;
                    case.look(desk);
                }
            }
            Event::Reported(report) => {
                case.take_report(*report, desk);
                if !self.has_looked || !case.replay_keys.is_empty() {
                    self.has_looked = true;
                    case.look(desk);
                }
            }
            Event::Known { history, is_reused } => case.take_known(history, is_reused),
            Event::Due => {
                if !case.is_reported {
                    case.take_unchecked();
                }
                return Self::decide(case, desk);
            }
            Event::Cancelled { .. } => return early::gave_up(Vec::new(), None, case, desk),
            Event::HangUp => {
                case.refuse(&Refusal::Unavailable, desk);
                let note = orders::note_of_end(case);
                return Ending::failed(480, By::Us, &note, case, desk);
            }
            Event::Request { txn, request } => return early::request(txn, request, self, case, desk),
            _ => {}
        }
        let is_all_known = case.is_reported && case.looks == 0;
        // Whose priority is proven waits for nothing; what is still asked comes as a late fact.
        if self.has_looked && (is_all_known || case.facts.bypasses_every_gate()) {
            if !case.is_reported {
                case.take_unchecked();
            }
            return Self::decide(case, desk);
        }
        Stage::Gathering(self)
    }

    fn decide(case: &mut Case, desk: &mut Desk) -> Stage {
        let at_ms = case.at_ms(desk);
        let past = case.count_parties(desk);
        let action = decide::arrive(case, desk, at_ms);
        case.record.timings.decided_ms = Some(at_ms);
        if let Some(limit) = past {
            desk.count(Counter::Overloaded(Overloaded::Limit(limit)));
            desk.count(Counter::CallRefused);
            let answer = flood::answer(limit, desk.flood.refuse_with(), &desk.config);
            case.refuse(&answer, desk);
            let note = limit.words();
            let ending = record::Ending::Refused;
            return Ending::begin(ending, answer.status(), By::Us, Some(&note), case, desk);
        }
        let own = case.facts.called.queue.clone();
        if let Action::Refuse { .. } = action {
            desk.count(Counter::CallRefused);
        }
        if let Some(stage) = Reception::begin(&action, case, desk) {
            return stage;
        }
        if case.facts.talk.is_prompt_missing {
            // Written down as a finding; the call is refused without a word.
            decide::arrive(case, desk, at_ms);
        }
        let queue = match action {
            Action::Deliver
            | Action::Label
            | Action::Screen
            | Action::Challenge
            | Action::Whisper
            | Action::End => own.clone(),
            Action::Divert { queue } => queue,
            Action::Refuse { status, profile, .. } => {
                let answer = case.answer_of_policy(status, profile, desk);
                let status = answer.status;
                case.refuse(&Refusal::Policy(Box::new(answer)), desk);
                return Ending::begin(record::Ending::Refused, status, By::Us, None, case, desk);
            }
        };
        // A policy is checked against the queues when it is loaded; a queue that went since must not cost the call.
        let queues = case.queues(desk);
        let queue = match case.open_queue(&queue, desk) {
            Ok(queue) => queue,
            Err(words) => {
                if let Some(stage) = words.and_then(|words| Reception::closed(words, case, desk)) {
                    return stage;
                }
                case.refuse(&Refusal::Unavailable, desk);
                return Ending::begin(record::Ending::NoAnswer, 480, By::Us, Some(CLOSED), case, desk);
            }
        };
        if !case.may_ring(&queue, desk) {
            // What would become of a real call is seen in its decision; nobody who is not willing is rung for this one.
            case.refuse(&Refusal::Unavailable, desk);
            let note = format!("a training call, and queue {queue} takes none");
            return Ending::begin(record::Ending::NoAnswer, 480, By::Us, Some(&note), case, desk);
        }
        // A machine that sends a fax has nothing to hear.
        if !case.is_fax_offered()
            && queues
                .iter()
                .any(|known| known.name == queue && known.service.has_music)
        {
            return Reception::wait(&queue, case, desk);
        }
        match Hunt::new(queues.clone(), &queue).or_else(|| Hunt::new(queues, &own)) {
            Some(hunt) => Hunting::begin(hunt, case, desk),
            None => {
                case.refuse(&Refusal::NoQueue, desk);
                Ending::failed(404, By::Us, "no queue has this number", case, desk)
            }
        }
    }
}

impl From<Gathering> for Stage {
    fn from(stage: Gathering) -> Stage {
        Stage::Gathering(stage)
    }
}
