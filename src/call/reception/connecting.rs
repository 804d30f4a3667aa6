//! Phones ring for a caller whom we have answered, and one of them takes him.

use crate::media::Side;

use super::{CLOSED, Parting, Reception, Step, Wish};
use crate::call::call_back;
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::dialling::Outside;
use crate::call::ending::By;
use crate::call::leg::Leg;
use crate::call::record::{self, State};
use crate::call::stage::Stage;
use crate::call::talking::Talking;
use crate::call::transfer::{Answered, Calling, Progress};
use crate::sdp::Session;

impl Reception {
    /// Phones ring, and he hears music.
    pub(super) fn ring(mut self: Box<Self>, queue: &str, case: &mut Case, desk: &mut Desk) -> Stage {
        case.record.state = State::Ringing;
        case.record.queue = Some(queue.to_string());
        self.turn = case.say(Side::A, &["wait"], desk);
        if self.turn.is_none() {
            case.play(Side::A, "hold", desk);
        }
        case.changed(desk);
        let own = case.facts.called.queue.clone();
        let queues = case.queues(desk);
        let mut begun = Calling::begin((queues.clone(), queue.to_string()), Vec::new(), None, case, desk);
        if begun.is_none() {
            // A policy is checked against the queues when it is loaded; a queue that went since must not cost the call.
            begun = Calling::begin((queues, own), Vec::new(), None, case, desk);
        }
        match begun {
            Some((mut calling, progress)) => {
                calling.may_wait(desk);
                self.step = Step::Calling(Box::new(calling));
                self.plan_announcement(desk);
                self.on_progress(progress, case, desk)
            }
            None => self.nobody(case, desk),
        }
    }

    /// The number outside rings for a person of ours whose phone has answered: he hears the ringing tone, or what is to be
    /// heard there.
    pub(in crate::call) fn dial(
        a: Leg,
        told: Session,
        way: Outside,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        case.play(Side::A, "ringing", desk);
        case.changed(desk);
        let begun = Calling::begin(way.queues(), Vec::new(), Some(way), case, desk);
        let mut reception = Reception::of_ours(a, told);
        match begun {
            Some((calling, progress)) => {
                reception.step = Step::Calling(Box::new(calling));
                reception.on_progress(progress, case, desk)
            }
            None => reception.nobody(case, desk),
        }
    }

    /// His phone has answered, and no number outside may be rung for him any more: it is hung up.
    pub(in crate::call) fn let_go(
        a: Leg,
        told: Session,
        why: &str,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let reception = Reception::of_ours(a, told);
        reception.end(record::Ending::Failed, By::Us, Some(why), case, desk)
    }

    /// A person of ours whose phone has answered, for whom nothing rings yet.
    fn of_ours(a: Leg, told: Session) -> Box<Reception> {
        Box::new(Reception {
            a: Some(a),
            step: Step::Answering,
            wish: Wish::Outside,
            is_acknowledged: true,
            told: Some(told),
            turn: None,
            questions_end: None,
            announce_at: None,
        })
    }

    /// What the carrier says before anybody answers is for whoever calls back: a tone of its own, or that there is no such number. Where
    /// nothing comes of it for a second, or nothing more, he hears our ringing tone again: silence would say that the call is gone.
    fn let_hear(&mut self, case: &mut Case, desk: &mut Desk) {
        let Step::Calling(calling) = &self.step else {
            return;
        };
        let Some((session, agreed)) = calling.early().filter(|_| matches!(self.wish, Wish::Outside)) else {
            return;
        };
        let session = session.clone();
        let heard = case.spoken(Side::B).map(Session::audio_address);
        // Another address of the carrier, or another telephone behind it, may speak after the first.
        if heard != Some(session.audio_address()) {
            case.describe(Side::B, &session, agreed, desk);
        }
        if heard.is_none() {
            case.play_behind(Side::A, "ringing", desk);
        }
    }

    pub(super) fn call_on(
        mut self: Box<Self>,
        case: &mut Case,
        desk: &mut Desk,
        go_on: impl FnOnce(&mut Calling, &mut Case, &mut Desk) -> Progress,
    ) -> Stage {
        let progress = match &mut self.step {
            Step::Calling(calling) => go_on(calling, case, desk),
            _ => Progress::Nothing,
        };
        self.on_progress(progress, case, desk)
    }

    fn on_progress(mut self: Box<Self>, progress: Progress, case: &mut Case, desk: &mut Desk) -> Stage {
        if let Step::Calling(calling) = &self.step
            && !calling.queue().is_empty()
            && case.record.queue.as_deref() != Some(calling.queue())
        {
            case.record.queue = Some(calling.queue().to_string());
            case.changed(desk);
            self.plan_announcement(desk);
        }
        match progress {
            Progress::Nothing => {}
            Progress::Ringing(_) => {
                self.let_hear(case, desk);
                if case.record.timings.ringing_ms.is_none() {
                    case.record.timings.ringing_ms = Some(case.at_ms(desk));
                    case.changed(desk);
                }
            }
            Progress::Failed(status) if matches!(self.wish, Wish::Outside) => {
                let note = call_back::not_reached(status);
                return self.end(record::Ending::NoAnswer, By::Called, Some(note), case, desk);
            }
            Progress::Failed(_) => return self.nobody(case, desk),
            Progress::Answered(answered) => match self.a.take() {
                Some(a) => return self.connect(a, *answered, case, desk),
                None => return Stage::Reception(self),
            },
        }
        Stage::Reception(self)
    }

    /// A person has answered: from now on the two hear each other.
    fn connect(self: Box<Self>, a: Leg, answered: Answered, case: &mut Case, desk: &mut Desk) -> Stage {
        let Answered {
            leg: b,
            session,
            name,
            person,
            queue,
        } = answered;
        case.is_taken_by(name, person);
        if let Some(queue) = queue {
            case.record.queue = Some(queue);
        }
        case.describe(Side::B, &session, b.origin.travel.agreed(), desk);
        case.answered(desk);
        let mut stage = Talking::begin(a, b, None, true, desk);
        if let Stage::Talking(talking) = &mut stage {
            talking.is_acknowledged = true;
            talking.suit_caller(self.told.as_ref(), session, case, desk);
            if !talking.whisper(case, desk) {
                case.hush(Side::A, desk);
            }
        }
        case.changed(desk);
        stage
    }

    /// Nobody took the call.
    pub(super) fn nobody(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        if matches!(self.wish, Wish::Outside) {
            let note = call_back::not_reached(408);
            return self.end(record::Ending::NoAnswer, By::Called, Some(note), case, desk);
        }
        let words = self.search().and_then(|search| search.hunt.last_words());
        let words = words.unwrap_or("nobody").to_string();
        self.stop_calling(case, desk);
        let parting = Parting {
            ending: record::Ending::NoAnswer,
            by: By::Called,
            note: Some("nobody took the call that we had answered"),
            refusal: None,
        };
        self.part(&[&words], parting, case, desk)
    }

    /// Nobody works at this hour.
    pub(super) fn part_closed(self: Box<Self>, words: &str, case: &mut Case, desk: &mut Desk) -> Stage {
        let parting = Parting {
            ending: record::Ending::NoAnswer,
            by: By::Us,
            note: Some(CLOSED),
            refusal: None,
        };
        self.part(&[words], parting, case, desk)
    }

    /// Nobody is to answer any more.
    pub(super) fn stop_calling(&mut self, case: &mut Case, desk: &mut Desk) {
        if let Step::Calling(calling) = std::mem::replace(&mut self.step, Step::Answering) {
            calling.abandon(None, case, desk);
        }
    }
}
