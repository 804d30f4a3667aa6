//! The new phone and the caller are brought together, and the old one is released.

use super::calling::{self, Answered};
use super::reinvite::{Outcome, Reinvite};
use super::subscription::Subscription;
use super::{Leaving, Phase, Rest, Transfers};
use crate::call::Counter;
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::index::Name;
use crate::call::leg::{self, Leg};
use crate::call::limits::NOTIFY_PATIENCE;
use crate::call::record::TransferOutcome;
use crate::call::refusal::{self, Refusal};
use crate::call::stage::Stage;
use crate::call::talking::{Over, Talking};
use crate::media::Side;
use crate::sdp::{Direction, Session};
use crate::sip::{ClientTxn, Message, Method, Response, ServerTxn};

impl Talking {
    /// Somebody has answered, and no exchange of descriptions is on its way that belongs to the old phone.
    pub(super) fn join_when_free(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let is_answered = self
            .transfers
            .current
            .as_ref()
            .is_some_and(|current| matches!(current.phase, Phase::Answered(_)));
        let is_free =
            self.exchanges.is_empty() && self.transfers.asking.is_none() && self.a.terms.refresh.is_none();
        if is_answered && is_free {
            self.join(case, desk);
        }
        Stage::Talking(self)
    }

    /// The phone of `session` has just been brought together with a caller who was told `told` before: he is asked anew
    /// where the two do not suit.
    pub(in crate::call) fn suit_caller(
        &mut self,
        told: Option<&Session>,
        session: Session,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        case.hold(is_held(case), desk);
        self.widen_caller();
        if !suits(told, &session) || calling::is_held_by_phone(case) {
            self.transfers.asking = Some(Reinvite::begin(session, &mut self.a, case, desk));
        }
    }

    /// The phone was offered more than the caller had: he is asked for whatever can be translated.
    fn widen_caller(&mut self) {
        if self.b.origin.is_wide() {
            self.a.origin.widen();
        }
    }

    fn join(&mut self, case: &mut Case, desk: &mut Desk) {
        let Some(current) = self.transfers.current.take() else {
            return;
        };
        let Phase::Answered(answered) = current.phase else {
            return;
        };
        let Answered {
            leg,
            session,
            name,
            person,
            queue,
        } = *answered;
        let suits = suits(case.spoken(Side::B), &session);
        let needs_question = !suits || calling::is_held_by_phone(case);
        let mut old = std::mem::replace(&mut self.b, leg);
        old.drop_refresh(desk);
        self.widen_caller();
        self.transfers.fading.clear();
        case.describe(Side::B, &session, self.b.origin.travel.agreed(), desk);
        case.hold(is_held(case), desk);
        case.is_taken_by(name, person);
        let is_rung_in_queue = queue.is_some();
        if let Some(queue) = queue {
            case.record.queue = Some(queue);
        }
        current.entry.end(TransferOutcome::Completed, 200, case);
        if old.is_outside {
            case.end_tolls(desk);
        }
        case.pay(desk);
        // What was being said to the old phone, no longer.
        self.drop_words(case, desk);
        if self.aside.is_none() {
            let is_told = is_rung_in_queue && self.whisper(case, desk);
            if current.is_transferor_gone && !is_told {
                case.hush(Side::A, desk);
            }
        }
        if needs_question {
            self.transfers.asking = Some(Reinvite::begin(session, &mut self.a, case, desk));
        }
        if current.is_transferor_gone {
            self.leave_quietly(old, current.subscription, desk);
        } else {
            self.leave(old, current.subscription, desk);
        }
        case.changed(desk);
        desk.count(Counter::CallTransferred);
    }

    /// The caller has answered our question, or not.
    pub(super) fn on_asked(
        mut self: Box<Self>,
        answer: impl FnOnce(&mut Reinvite, &mut Leg, &mut Desk) -> Outcome,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let Some(mut asking) = self.transfers.asking.take() else {
            return Stage::Talking(self);
        };
        match answer(&mut asking, &mut self.a, desk) {
            Outcome::Pending => self.transfers.asking = Some(asking),
            Outcome::Accepted(session) => {
                case.describe(Side::A, &session, self.a.origin.travel.agreed(), desk);
                case.hold(is_held(case), desk);
                case.changed(desk);
            }
            // The caller's side no longer knows the call (RFC 5057 §5.1).
            Outcome::Refused(408 | 481 | 503) => {
                return self.end(
                    Over::failed("the other side no longer knows the call"),
                    case,
                    desk,
                );
            }
            // What it has goes on: most of it will be understood, and hanging up would help nobody.
            Outcome::Refused(_) => {}
        }
        Stage::Talking(self)
    }

    /// Tells the old phone how it ended, then releases it.
    pub(super) fn leave(&mut self, leg: Leg, subscription: Option<Subscription>, desk: &mut Desk) {
        let mut leaving = Leaving {
            leg,
            subscription,
            patience: None,
            bye: None,
        };
        match &mut leaving.subscription {
            Some(subscription) => {
                subscription.tell(200, &mut leaving.leg, desk);
                leaving.patience = Some(desk.now().instant + NOTIFY_PATIENCE);
            }
            None => leaving.bye = Some(leaving.leg.bye(desk)),
        }
        self.transfers.leaving.push(leaving);
    }

    /// The same for a phone that has hung up: only the last word is owed.
    fn leave_quietly(&mut self, leg: Leg, subscription: Option<Subscription>, desk: &mut Desk) {
        let mut leaving = Leaving {
            leg,
            subscription,
            patience: None,
            bye: None,
        };
        if let Some(subscription) = &mut leaving.subscription {
            subscription.tell(200, &mut leaving.leg, desk);
            self.transfers.leaving.push(leaving);
        }
    }

    /// BYE to those who have been told or have been waited for; those who are through are forgotten.
    pub(super) fn hurry_leaving(&mut self, desk: &mut Desk) {
        let now = desk.now().instant;
        for leaving in &mut self.transfers.leaving {
            let is_told = leaving.subscription.as_ref().is_none_or(Subscription::is_done);
            if leaving.patience.is_some_and(|until| is_told || until <= now) {
                leaving.patience = None;
                leaving.bye = Some(leaving.leg.bye(desk));
            }
        }
        self.transfers.leaving.retain(|leaving| !leaving.is_through());
    }

    pub(super) fn on_request_of_leaving(
        &mut self,
        at: usize,
        txn: ServerTxn,
        request: &Message,
        desk: &mut Desk,
    ) {
        if request.method() != Method::Bye {
            return desk.refuse(txn, request, &Refusal::NoDialog);
        }
        desk.respond(txn, Response::new(request, 200, refusal::phrase(200)));
        self.transfers.leaving[at].patience = None;
        self.transfers.leaving.retain(|leaving| !leaving.is_through());
    }

    /// Whether a request is of a phone that rings for a transfer.
    pub(super) fn is_of_ringing(&self, request: &Message) -> bool {
        let current = self.transfers.current.as_ref();
        current.is_some_and(
            |current| matches!(&current.phase, Phase::Calling(calling) if calling.is_rung_in(request)),
        )
    }

    /// Whether a message is of a leg that has answered but is not yet part of the call.
    pub(super) fn is_of_newcomer(&self, request: &Message) -> bool {
        self.newcomer()
            .is_some_and(|answered| answered.leg.dialog.owns(request))
    }

    fn newcomer(&self) -> Option<&Answered> {
        match &self.transfers.current.as_ref()?.phase {
            Phase::Moving(answered, _) | Phase::Taking(answered, _) | Phase::Answered(answered) => {
                Some(answered)
            }
            Phase::Calling(_) | Phase::Fetching | Phase::Parting(_) => None,
        }
    }

    pub(super) fn on_request_of_newcomer(
        mut self: Box<Self>,
        txn: ServerTxn,
        request: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        if request.method() != Method::Bye {
            desk.refuse(txn, request, &Refusal::NotNow);
            return Stage::Talking(self);
        }
        desk.respond(txn, Response::new(request, 200, refusal::phrase(200)));
        // It hung up before it was anybody's: nothing more to be ended there.
        if let Some(mut current) = self.transfers.current.take() {
            let phase = std::mem::replace(&mut current.phase, Phase::Fetching);
            if let Phase::Taking(_, invite) = &phase {
                desk.index.remove(&Name::Server(*invite));
            }
            let mut rest = Rest::default();
            Self::drop_phase(phase, &mut rest, case, desk);
            self.transfers.current = Some(current);
        }
        self.transfer_failed(480, case, desk)
    }

    /// Requests between the caller and the phone that is gone come to nothing.
    pub(super) fn abandon_exchanges(&mut self, desk: &mut Desk) {
        for exchange in std::mem::take(&mut self.exchanges) {
            let other = leg::other(exchange.from);
            let towards = match other {
                Side::A => &self.a,
                Side::B => &self.b,
            };
            exchange.abandon(towards, desk);
        }
    }

    /// What an unfinished transfer has under way is taken back; legs that are to be ended are handed out.
    pub(super) fn drop_phase(phase: Phase, rest: &mut Rest, case: &mut Case, desk: &mut Desk) {
        match phase {
            Phase::Calling(calling) => calling.abandon(None, case, desk),
            Phase::Fetching | Phase::Parting(_) => {}
            Phase::Moving(answered, reinvite) => {
                reinvite.abandon(&answered.leg, desk);
                rest.hang_up.push(answered.leg);
            }
            Phase::Taking(answered, txn) => rest.hang_up_after_ack.push((txn, answered.leg)),
            Phase::Answered(answered) => rest.hang_up.push(answered.leg),
        }
    }

    /// The call ends for everybody.
    pub(crate) fn end_transfers(&mut self, case: &mut Case, desk: &mut Desk) -> Rest {
        let mut rest = Rest::default();
        let Transfers {
            current,
            leaving,
            asking,
            ..
        } = std::mem::take(&mut self.transfers);
        if let Some(asking) = asking {
            asking.abandon(&self.a, desk);
        }
        for leaving in leaving {
            match leaving.patience {
                Some(_) => rest.hang_up.push(leaving.leg),
                None => rest.keep.push(leaving.leg),
            }
        }
        if let Some(current) = current {
            rest.is_b_gone = current.is_transferor_gone;
            current.entry.end(TransferOutcome::Abandoned, 487, case);
            if let Some(mut subscription) = current.subscription {
                subscription.tell(487, &mut self.b, desk);
            }
            Self::drop_phase(current.phase, &mut rest, case, desk);
        }
        rest
    }
}

impl Transfers {
    /// A NOTIFY of ours.
    pub(super) fn is_notify(&self, txn: ClientTxn) -> bool {
        let current = self
            .current
            .iter()
            .filter_map(|current| current.subscription.as_ref());
        let leaving = self
            .leaving
            .iter()
            .filter_map(|leaving| leaving.subscription.as_ref());
        current
            .chain(&self.fading)
            .chain(leaving)
            .any(|subscription| subscription.owns(txn))
    }

    /// A request in one of these dialogs was sent again, with credentials.
    pub(super) fn renumber(&mut self, sip_call_id: &str, cseq: u32) {
        if let Some(Phase::Calling(calling)) = self.current.as_mut().map(|current| &mut current.phase) {
            calling.renumber(sip_call_id, cseq);
        }
        let newcomer = self
            .current
            .iter_mut()
            .filter_map(|current| match &mut current.phase {
                Phase::Moving(answered, _) | Phase::Taking(answered, _) | Phase::Answered(answered) => {
                    Some(&mut answered.leg)
                }
                Phase::Calling(_) | Phase::Fetching | Phase::Parting(_) => None,
            });
        let leaving = self.leaving.iter_mut().map(|leaving| &mut leaving.leg);
        for leg in newcomer.chain(leaving) {
            leg.dialog.renumber(sip_call_id, cseq);
        }
    }

    /// A BYE to a phone that has handed its call on.
    pub(super) fn is_bye(&self, txn: ClientTxn) -> bool {
        self.leaving.iter().any(|leaving| leaving.bye == Some(txn))
    }
}

impl Leaving {
    fn is_through(&self) -> bool {
        let is_told = self.subscription.as_ref().is_none_or(Subscription::is_done);
        is_told && self.patience.is_none() && self.bye.is_none()
    }
}

/// Whether the caller, who was told `old`, speaks so that the author of `new` understands it.
fn suits(old: Option<&Session>, new: &Session) -> bool {
    let Some(old) = old else { return false };
    let codecs = new.codecs();
    let is_event_same = old
        .telephone_event()
        .is_none_or(|event| new.telephone_event() == Some(event))
        && old
            .wide_event()
            .is_none_or(|event| new.wide_event() == Some(event));
    old.codecs().iter().all(|codec| codecs.contains(codec)) && is_event_same
}

/// One of the two wants nothing sent to it, or sends nothing.
fn is_held(case: &Case) -> bool {
    [Side::A, Side::B]
        .into_iter()
        .filter_map(|side| case.spoken(side))
        .any(|session| session.direction() != Direction::SendRecv)
}
