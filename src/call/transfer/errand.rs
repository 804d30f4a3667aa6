//! One call asks another for its leg: a person has two calls through us and joins them (RFC 5589 §7).

use std::time::Instant;

use super::calling::Answered;
use super::reinvite::Reinvite;
use super::{Phase, calling};
use crate::call::Output;
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::ending::{By, Ending};
use crate::call::engine::Engine;
use crate::call::index::Name;
use crate::call::leg::Leg;
use crate::call::limits::TRANSFER_MAX;
use crate::call::moved::{Asker, LegAsked};
use crate::call::record;
use crate::call::stage::{Event, Stage};
use crate::call::talking::Talking;
use crate::call::tolls::Toll;
use crate::media::Side;
use crate::sip::{Dialog, Replaces};

/// A question for another call.
pub(crate) struct Errand {
    pub(crate) asker: usize,
    /// For which of its transfers.
    pub(crate) transfer: usize,
    pub(crate) replaces: Replaces,
}

/// A leg that a call has given away, with what it last said.
pub struct Handed {
    answered: Box<Answered>,
    /// A leg to the outside is paid for as long as it lasts, in whichever call.
    tolls: Vec<Toll>,
}

impl Handed {
    pub(crate) fn dialog(&self) -> &Dialog {
        &self.answered.leg.dialog
    }

    /// Nobody has use for it.
    pub(crate) fn into_leg(self, now: Instant) -> Leg {
        self.tolls.into_iter().for_each(|toll| toll.end(now));
        self.answered.leg
    }
}

impl Engine {
    /// Carries questions between calls. Whoever asked gets an answer, whatever became of the other call.
    pub(crate) fn run_errands(&mut self) {
        while let Some(errand) = self.desk.errands.pop_front() {
            let Errand {
                asker,
                transfer,
                replaces,
            } = errand;
            let shard = self.desk.holder_of(&replaces);
            if shard != self.desk.config.shard {
                // The asker waits; `Input::LegHanded` is its answer.
                if let Some(call) = self.calls.get(asker) {
                    let asker = Asker {
                        call: call.case.id,
                        transfer,
                    };
                    let asked = LegAsked {
                        asker,
                        replaces,
                        hops: 0,
                    };
                    self.desk.say(Output::AskForLeg { shard, asked });
                }
                continue;
            }
            let other = self.desk.index.call(&Name::Tag(replaces.to_tag.clone()));
            if let Some(other) = other.filter(|other| *other != asker) {
                let is_far = false;
                self.dispatch(other, Event::HandOver { replaces, is_far });
            }
            let handed = self.desk.handed.take();
            self.dispatch(asker, Event::HandedOver { transfer, handed });
        }
    }
}

impl Talking {
    /// This call is the one that is replaced: its other leg goes where the person wants it. Only the side that called
    /// out may ask for that, by its own tag, which nobody else was told.
    pub(super) fn hand_over(
        self: Box<Self>,
        replaces: &Replaces,
        is_far: bool,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let dialog = &self.a.dialog;
        let is_meant = dialog.sip_call_id() == replaces.call_id
            && dialog.local_tag() == replaces.to_tag
            && dialog.remote_tag() == replaces.from_tag;
        // The ACK may still be on its way, by another shard or another connection than the REFER: the 200 was sent, and
        // the dialog is there (RFC 3261 §12.1). Only the BYE to that phone waits for it.
        let is_quiet = self.is_answered
            && self.late.is_none()
            && self.exchanges.is_empty()
            && self.transfers.current.is_none()
            && self.transfers.asking.is_none()
            && self.a.terms.refresh.is_none()
            && self.b.terms.refresh.is_none()
            && (!is_far || desk.may_leave(&self.b.dialog));
        let is_from_phone = desk.admission.is_phone(self.a.hop.flow.remote);
        let session = case.spoken(Side::B).cloned();
        let (true, true, true, false, Some(session)) =
            (is_meant, is_quiet, is_from_phone, replaces.is_early_only, session)
        else {
            return Stage::Talking(self);
        };
        let mut talking = self;
        let rest = talking.end_transfers(case, desk);
        let Talking {
            a,
            b,
            is_acknowledged,
            ..
        } = *talking;
        desk.index.remove(&Name::Tag(b.dialog.local_tag().to_string()));
        desk.index
            .remove(&Name::Guest(b.dialog.sip_call_id().to_string()));
        let tolls = match b.is_outside {
            true => std::mem::take(&mut case.tolls),
            false => Vec::new(),
        };
        let answered = Answered {
            leg: b,
            session,
            name: case.record.answered_by.clone().unwrap_or_default(),
            person: case.record.person.clone(),
            queue: None,
        };
        desk.handed = Some(Handed {
            answered: Box::new(answered),
            tolls,
        });
        case.tap(false, desk);
        let note = Some("joined with another call of the same phone");
        let mut ending = Ending::new(record::Ending::Completed, 200, By::Caller, note, case, desk);
        match is_acknowledged {
            true => ending.hang_up(a, desk),
            false => ending.hang_up_after_ack(case.invite_txn, a),
        }
        for leg in rest.hang_up {
            ending.hang_up(leg, desk);
        }
        for (invite, leg) in rest.hang_up_after_ack {
            ending.hang_up_after_ack(invite, leg);
        }
        for leg in rest.keep {
            ending.keep(leg);
        }
        ending.settle(case, desk)
    }

    /// Whether the transfer with this number still waits for its leg.
    pub(super) fn is_fetching(&self, transfer: usize) -> bool {
        let current = self.transfers.current.as_ref();
        transfer == self.transfers.count
            && current.is_some_and(|current| matches!(current.phase, Phase::Fetching))
    }

    /// The other call has answered. Without its leg the phase stays as it was, which the caller of this sees.
    pub(super) fn on_handed_over(
        &mut self,
        transfer: usize,
        handed: Option<Handed>,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        let Some(Handed { mut answered, tolls }) = handed else {
            return;
        };
        desk.name(Name::Tag(answered.leg.dialog.local_tag().to_string()));
        desk.take_in(answered.leg.dialog.sip_call_id());
        let is_waiting = self.is_fetching(transfer);
        let asking = calling::asking(case).filter(|_| is_waiting);
        match (asking, &mut self.transfers.current) {
            (Some(asking), Some(current)) => {
                case.tolls_of_transfer.extend(tolls);
                answered.leg.origin.travel.renew(|| desk.random.octets());
                let reinvite = Reinvite::begin(asking, &mut answered.leg, case, desk);
                current.phase = Phase::Moving(answered, reinvite);
                current.deadline = desk.now().instant + TRANSFER_MAX;
            }
            _ => {
                let now = desk.now().instant;
                tolls.into_iter().for_each(|toll| toll.end(now));
                self.leave(answered.leg, None, desk);
            }
        }
    }
}
