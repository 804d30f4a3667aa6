//! Every event of a call that talks passes here first: what belongs to a transfer is taken, the rest goes on.

use super::calling::{Calling, Progress};
use super::reinvite::Outcome;
use super::{Phase, Rest, Transfer};
use crate::call::Counter;
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::early;
use crate::call::ending::By;
use crate::call::index::Name;
use crate::call::limits::PARTING_MAX;
use crate::call::record::{self, TransferOutcome};
use crate::call::refusal::{self, Refusal};
use crate::call::stage::{Event, Stage};
use crate::call::talking::{Over, Talking};
use crate::media::{Side, Talk};
use crate::sip::{ClientTxn, Message, Method, Response, ServerTxn, TransportFault};

/// The next stage, or the event that is none of a transfer's.
type Taken = Result<Stage, (Box<Talking>, Event)>;

impl Talking {
    /// One event, and what follows from it.
    pub(crate) fn step(self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        let stage = match self.take(event, case, desk) {
            Ok(stage) => stage,
            Err((talking, event)) => talking.handle(event, case, desk),
        };
        match stage {
            Stage::Talking(mut talking) => {
                talking.excuse_held(case, desk);
                match talking.join_when_free(case, desk) {
                    Stage::Talking(mut talking) => {
                        talking.mind_hold(case, desk);
                        Stage::Talking(talking)
                    }
                    stage => stage,
                }
            }
            stage => stage,
        }
    }

    fn take(mut self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Taken {
        match event {
            Event::Request { txn, request } => self.take_request(txn, request, case, desk),
            Event::Response { txn, response } => self.take_response(txn, response, case, desk),
            Event::Failed { txn, status, fault } => self.take_failure(txn, status, fault, case, desk),
            Event::Due => {
                let now = desk.now().instant;
                match self.transfers.deadline().filter(|at| *at <= now) {
                    Some(_) => Ok(self.on_transfer_due(case, desk)),
                    None => Err((self, Event::Due)),
                }
            }
            // The phone that asked may be gone, and the caller on hold: nobody sends anything while another one rings.
            Event::MediaSilent if self.transfers.current.is_some() => Ok(Stage::Talking(self)),
            Event::Talk(Talk::Said { turn, side, over }) if self.is_last_word(turn) => {
                case.has_said(side, over, desk);
                Ok(self.transfer_failed(480, case, desk))
            }
            Event::Ack { txn, ack } => self.take_ack(txn, ack, case, desk),
            Event::AckMissing { txn } => match self.give_up_taking(txn, desk) {
                true => Ok(self.transfer_failed(408, case, desk)),
                false => Err((self, Event::AckMissing { txn })),
            },
            Event::Replace { txn, request, flow } => Ok(self.on_replace(txn, request, flow, case, desk)),
            Event::Renumbered { sip_call_id, cseq } => {
                self.transfers.renumber(&sip_call_id, cseq);
                Err((self, Event::Renumbered { sip_call_id, cseq }))
            }
            Event::Located { target } => {
                let progress = match self.calling() {
                    Some(calling) => calling.on_located(&target, case, desk),
                    None => Progress::Nothing,
                };
                Ok(self.on_progress(progress, case, desk))
            }
            // A request in a dialog waits for its answer, by whichever connection.
            Event::Lost { txn, fault } => {
                let progress = match self.calling() {
                    Some(calling) => calling.on_lost(txn, fault, case, desk),
                    None => Progress::Nothing,
                };
                Ok(self.on_progress(progress, case, desk))
            }
            Event::HandOver { replaces, is_far } => Ok(self.hand_over(&replaces, is_far, case, desk)),
            Event::HandedOver { transfer, handed } => {
                self.on_handed_over(transfer, handed, case, desk);
                // Without its leg; a late answer to an earlier wish says nothing of this one.
                match self.is_fetching(transfer) {
                    true => Ok(self.transfer_failed(481, case, desk)),
                    false => Ok(Stage::Talking(self)),
                }
            }
            other => Err((self, other)),
        }
    }

    fn is_last_word(&self, turn: u32) -> bool {
        let current = self.transfers.current.as_ref();
        current.is_some_and(|current| matches!(current.phase, Phase::Parting(last) if last == turn))
    }

    /// The phones that ring for a transfer.
    fn calling(&mut self) -> Option<&mut Calling> {
        match &mut self.transfers.current.as_mut()?.phase {
            Phase::Calling(calling) => Some(calling),
            _ => None,
        }
    }

    fn take_request(
        mut self: Box<Self>,
        txn: ServerTxn,
        request: Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Taken {
        let method = request.method();
        let leaving = self
            .transfers
            .leaving
            .iter()
            .position(|leaving| leaving.leg.dialog.owns(&request));
        if let Some(at) = leaving {
            self.on_request_of_leaving(at, txn, &request, desk);
            return Ok(Stage::Talking(self));
        }
        if self.is_of_ringing(&request) {
            // What a phone wants while it rings can wait until it has answered; a 481 would tell it to stop.
            early::refuse(txn, &request, desk);
            return Ok(Stage::Talking(self));
        }
        if self.is_of_newcomer(&request) {
            return Ok(self.on_request_of_newcomer(txn, &request, case, desk));
        }
        let is_gone = self
            .transfers
            .current
            .as_ref()
            .is_some_and(|current| current.is_transferor_gone);
        let is_phones = self.b.dialog.owns(&request);
        let may_refer = is_phones && !self.b.is_outside;
        if is_phones && is_gone {
            desk.refuse(txn, &request, &Refusal::NoDialog);
            return Ok(Stage::Talking(self));
        }
        match method {
            Method::Refer if may_refer => Ok(self.on_refer(txn, &request, case, desk)),
            Method::Refer => {
                // A stranger could send the call, and the bill, anywhere.
                desk.count(Counter::TransferRefused);
                Err((self, Event::Request { txn, request }))
            }
            Method::Bye if is_phones && self.transfers.current.is_some() => {
                self.on_transferor_bye(txn, &request, case, desk);
                Ok(Stage::Talking(self))
            }
            Method::Invite | Method::Update | Method::Info if is_gone => {
                // There is nobody to ask until the next phone has answered.
                if let Err(status) = self.a.dialog.on_request(&request) {
                    desk.refuse(txn, &request, &Refusal::Status(status));
                } else if method == Method::Info {
                    desk.refuse(txn, &request, &Refusal::NotNow);
                } else {
                    desk.refuse(txn, &request, &Refusal::Pending);
                }
                Ok(Stage::Talking(self))
            }
            _ => Err((self, Event::Request { txn, request })),
        }
    }

    /// The phone that asked, or had the call when it was ordered away, hangs up without waiting for the end of it (RFC 5589
    /// §6.1): the caller stays, and hears music.
    fn on_transferor_bye(&mut self, txn: ServerTxn, request: &Message, case: &mut Case, desk: &mut Desk) {
        if let Err(status) = self.b.dialog.on_request(request) {
            return desk.refuse(txn, request, &Refusal::Status(status));
        }
        desk.respond(txn, Response::new(request, 200, refusal::phrase(200)));
        if let Some(current) = &mut self.transfers.current {
            current.is_transferor_gone = true;
        }
        // Nobody is there any more whose session could be refreshed.
        self.b.drop_refresh(desk);
        self.b.terms.timer = None;
        self.abandon_exchanges(desk);
        self.drop_words(case, desk);
        // Whoever is being asked something hears it after that.
        if self.aside.is_none() {
            case.play(Side::A, "hold", desk);
        }
    }

    fn take_response(
        mut self: Box<Self>,
        txn: ClientTxn,
        response: Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Taken {
        let status = response.status().unwrap_or_default();
        if self.transfers.is_notify(txn) || self.transfers.is_bye(txn) {
            if status >= 200 {
                self.on_told(txn, status, desk);
            }
            return Ok(Stage::Talking(self));
        }
        if self
            .transfers
            .asking
            .as_ref()
            .is_some_and(|asking| asking.owns(txn))
        {
            return Ok(self.on_asked(
                |asking, a, desk| asking.on_response(&response, a, desk),
                case,
                desk,
            ));
        }
        let Some(mut current) = self.transfers.current.take() else {
            return Err((self, Event::Response { txn, response }));
        };
        match &mut current.phase {
            Phase::Calling(calling) if calling.owns(txn) => {
                let progress = calling.on_response(txn, &response, case, desk);
                self.transfers.current = Some(current);
                Ok(self.on_progress(progress, case, desk))
            }
            Phase::Moving(answered, reinvite) if reinvite.owns(txn) => {
                let outcome = reinvite.on_response(&response, &mut answered.leg, desk);
                self.transfers.current = Some(current);
                Ok(self.on_moved(outcome, case, desk))
            }
            _ => {
                self.transfers.current = Some(current);
                Err((self, Event::Response { txn, response }))
            }
        }
    }

    fn take_failure(
        mut self: Box<Self>,
        txn: ClientTxn,
        status: u16,
        fault: Option<TransportFault>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Taken {
        if self.transfers.is_notify(txn) || self.transfers.is_bye(txn) {
            self.on_told(txn, status, desk);
            return Ok(Stage::Talking(self));
        }
        if self
            .transfers
            .asking
            .as_ref()
            .is_some_and(|asking| asking.owns(txn))
        {
            return Ok(self.on_asked(
                |asking, leg, desk| asking.on_failed(status, leg, desk),
                case,
                desk,
            ));
        }
        let Some(mut current) = self.transfers.current.take() else {
            return Err((self, Event::Failed { txn, status, fault }));
        };
        match &mut current.phase {
            Phase::Calling(calling) if calling.owns(txn) => {
                let progress = calling.on_failed(txn, status, fault, case, desk);
                self.transfers.current = Some(current);
                Ok(self.on_progress(progress, case, desk))
            }
            Phase::Moving(answered, reinvite) if reinvite.owns(txn) => {
                let outcome = reinvite.on_failed(status, &mut answered.leg, desk);
                self.transfers.current = Some(current);
                Ok(self.on_moved(outcome, case, desk))
            }
            _ => {
                self.transfers.current = Some(current);
                Err((self, Event::Failed { txn, status, fault }))
            }
        }
    }

    fn on_transfer_due(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        let now = desk.now().instant;
        self.hurry_leaving(desk);
        if let Some(asking) = &mut self.transfers.asking {
            asking.on_due(&mut self.a, case, desk);
        }
        let Some(mut current) = self.transfers.current.take() else {
            return Stage::Talking(self);
        };
        let mut progress = Progress::Nothing;
        match &mut current.phase {
            _ if current.deadline <= now => progress = Progress::Failed(408),
            Phase::Calling(calling) => progress = calling.on_due(case, desk),
            Phase::Moving(answered, reinvite) => reinvite.on_due(&mut answered.leg, case, desk),
            _ => {}
        }
        self.transfers.current = Some(current);
        self.on_progress(progress, case, desk)
    }

    pub(super) fn on_progress(
        mut self: Box<Self>,
        progress: Progress,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        match progress {
            Progress::Nothing => {}
            Progress::Ringing(status) => {
                if let Some(current) = &mut self.transfers.current
                    && let Some(subscription) = &mut current.subscription
                {
                    subscription.tell(status, &mut self.b, desk);
                }
            }
            Progress::Answered(answered) => {
                if let Some(current) = &mut self.transfers.current {
                    current.phase = Phase::Answered(answered);
                }
            }
            Progress::Failed(status) => return self.transfer_failed(status, case, desk),
        }
        Stage::Talking(self)
    }

    fn on_moved(mut self: Box<Self>, outcome: Outcome, case: &mut Case, desk: &mut Desk) -> Stage {
        let status = match outcome {
            Outcome::Pending => return Stage::Talking(self),
            Outcome::Refused(status) => status,
            Outcome::Accepted(session) => {
                if let Some(current) = &mut self.transfers.current
                    && let Phase::Moving(answered, _) = std::mem::replace(&mut current.phase, Phase::Fetching)
                {
                    let mut answered = answered;
                    answered.session = *session;
                    current.phase = Phase::Answered(answered);
                }
                return Stage::Talking(self);
            }
        };
        self.transfer_failed(status, case, desk)
    }

    /// Nobody came: whoever asked is told, and the call goes on as it was. Without him it is over, once the caller was told.
    pub(in crate::call) fn transfer_failed(
        mut self: Box<Self>,
        status: u16,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let Some(current) = self.transfers.current.take() else {
            return Stage::Talking(self);
        };
        let is_gone = current.is_transferor_gone;
        let is_said = matches!(current.phase, Phase::Parting(_));
        let entry = current.entry;
        entry.end(TransferOutcome::Failed, status, case);
        let now = desk.now().instant;
        case.tolls_of_transfer.drain(..).for_each(|toll| toll.end(now));
        let mut rest = Rest::default();
        Self::drop_phase(current.phase, &mut rest, case, desk);
        // A transfer may take longer than an ACK can be on its way: nobody is left in `hang_up_after_ack`.
        for leg in rest.hang_up {
            self.leave(leg, None, desk);
        }
        if let Some(mut subscription) = current.subscription {
            subscription.tell(status, &mut self.b, desk);
            if !subscription.is_done() {
                self.transfers.fading.push(subscription);
            }
        }
        if is_gone && !is_said {
            self.drop_aside(case, desk);
            if let Some(turn) = case.say(Side::A, &["nobody"], desk) {
                self.transfers.current = Some(Box::new(Transfer {
                    phase: Phase::Parting(turn),
                    subscription: None,
                    is_transferor_gone: true,
                    deadline: desk.now().instant + PARTING_MAX,
                    entry,
                }));
                case.changed(desk);
                return Stage::Talking(self);
            }
        }
        if is_gone {
            let over = Over {
                ending: record::Ending::Completed,
                by: By::Called,
                hung_up: Some(Side::B),
                ..Over::failed("the phone had hung up and nobody took the call it transferred")
            };
            return self.end(over, case, desk);
        }
        case.changed(desk);
        Stage::Talking(self)
    }

    /// A NOTIFY or a BYE to a leaving phone was answered, or never will be.
    fn on_told(&mut self, txn: ClientTxn, status: u16, desk: &mut Desk) {
        if let Some(current) = &mut self.transfers.current
            && let Some(subscription) = current.subscription.as_mut().filter(|sub| sub.owns(txn))
        {
            return subscription.on_answer(status, &mut self.b, desk);
        }
        for subscription in self.transfers.fading.iter_mut().filter(|sub| sub.owns(txn)) {
            subscription.on_answer(status, &mut self.b, desk);
        }
        self.transfers
            .fading
            .retain(|subscription| !subscription.is_done());
        for leaving in &mut self.transfers.leaving {
            if leaving.bye == Some(txn) {
                leaving.bye = None;
                desk.index.remove(&Name::Client(txn));
            }
            if let Some(subscription) = leaving.subscription.as_mut().filter(|sub| sub.owns(txn)) {
                subscription.on_answer(status, &mut leaving.leg, desk);
            }
        }
        self.hurry_leaving(desk);
    }
}
