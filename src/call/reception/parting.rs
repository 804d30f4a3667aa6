//! Our last words to a caller, and how the call ends after them.

use crate::media::Side;
use crate::policy::{Announcement, Profile};

use super::{Reception, Step, Wish};
use crate::call::Counter;
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::ending::{By, Ending};
use crate::call::limits::PARTING_MAX;
use crate::call::profile::Answer;
use crate::call::record;
use crate::call::refusal::Refusal;
use crate::call::stage::Stage;

/// How the call ends after our last words.
pub(super) struct Parting {
    pub(super) ending: record::Ending,
    pub(super) by: By,
    pub(super) note: Option<&'static str>,
    /// The caller was not answered: he hears this.
    pub(super) refusal: Option<Box<Answer>>,
}

impl Reception {
    /// Policy does not want him after all. He has been answered: he is told, and hung up.
    pub(super) fn refuse(
        self: Box<Self>,
        status: u16,
        profile: Option<Profile>,
        announce: Option<Announcement>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        desk.count(Counter::CallRefused);
        case.record.refused_with = Some(case.answer_of_policy(status, profile, desk).status);
        let parting = Parting {
            ending: record::Ending::Refused,
            by: By::Us,
            note: Some("refused by policy after the caller was heard"),
            refusal: None,
        };
        let prompt = announce.map_or("refused".to_string(), |announce| announce.prompt);
        self.part(&[&prompt], parting, case, desk)
    }

    /// We cannot speak to him at all. Whom policy refuses hears its refusal all the same, and anybody else why.
    pub(super) fn cannot_begin(
        self: Box<Self>,
        refusal: Refusal,
        by: By,
        note: &'static str,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let Wish::Refuse(answer, _) = self.wish else {
            case.refuse(&refusal, desk);
            return Ending::failed(refusal.status(), by, note, case, desk);
        };
        let status = answer.status;
        case.refuse(&Refusal::Policy(answer), desk);
        Ending::begin(record::Ending::Refused, status, by, Some(note), case, desk)
    }

    /// Our last words; without a recording it ends at once.
    pub(super) fn part(
        mut self: Box<Self>,
        names: &[&str],
        parting: Parting,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        self.step = Step::Parting(desk.now().instant + PARTING_MAX, parting);
        self.turn = case.say(Side::A, names, desk);
        match self.turn {
            Some(_) => {
                case.changed(desk);
                Stage::Reception(self)
            }
            None => self.over(case, desk),
        }
    }

    /// They have been said.
    pub(super) fn over(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let Step::Parting(_, parting) = std::mem::replace(&mut self.step, Step::Answering) else {
            return Stage::Reception(self);
        };
        match parting.refusal {
            Some(answer) if self.a.is_none() => {
                let status = answer.status;
                case.refuse(&Refusal::Policy(answer), desk);
                Ending::begin(parting.ending, status, parting.by, parting.note, case, desk)
            }
            _ => self.end(parting.ending, parting.by, parting.note, case, desk),
        }
    }

    /// The call ends after we have answered it: BYE, unless the caller has hung up himself.
    pub(super) fn end(
        mut self: Box<Self>,
        ending: record::Ending,
        by: By,
        note: Option<&str>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        self.stop_calling(case, desk);
        case.tap(false, desk);
        let mut stage = Ending::new(ending, 200, by, note, case, desk);
        if let Some(mut a) = self.a.take() {
            a.drop_refresh(desk);
            match by {
                By::Caller => stage.keep(a),
                _ if self.is_acknowledged => stage.hang_up(a, desk),
                _ => stage.hang_up_after_ack(case.invite_txn, a),
            }
        }
        stage.settle(case, desk)
    }
}
