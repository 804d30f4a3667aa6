//! Leg C: the phone, or the phones of a queue, that a call is being transferred to, until one of them answers.

use std::sync::Arc;
use std::time::Instant;

use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::call::dialling::Outside;
use crate::call::early::abandon;
use crate::call::hunting::Hunting;
use crate::call::index::Name;
use crate::call::leg::{Hop, Leg, Ringing};
use crate::call::terms::Terms;
use crate::call::transport::Agreed;
use crate::call::{offer, refusal};
use crate::media::Side;
use crate::queue::{self, Hunt, Step};
use crate::route::Target;
use crate::sdp::{Direction, Session};
use crate::sip::{ClientTxn, Message, TransportFault};

/// Phones that ring for a call that two people already talk in.
pub(in crate::call) struct Calling {
    search: Box<Hunting>,
    /// Place of the first attempt in the record.
    first: usize,
}

/// A leg that answered and is not yet part of the call.
pub(in crate::call) struct Answered {
    pub(in crate::call) leg: Leg,
    pub(in crate::call) session: Session,
    pub(in crate::call) name: String,
    /// Who was signed in there.
    pub(in crate::call) person: Option<String>,
    /// The queue that was rung, when it was one.
    pub(in crate::call) queue: Option<String>,
}

/// What became of an input.
pub(in crate::call) enum Progress {
    Nothing,
    /// A phone said so: 180 or 183.
    Ringing(u16),
    Answered(Box<Answered>),
    Failed(u16),
}

impl Calling {
    /// Rings. The progress may be a failure at once; `None` when there is no such queue any more.
    pub(in crate::call) fn begin(
        (queues, queue): (Arc<[queue::Config]>, String),
        extra: Vec<(&'static str, String)>,
        outside: Option<Outside>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Option<(Calling, Progress)> {
        let first = case.record.attempts.len();
        let hunt = Hunt::new(queues, &queue)?.counting_from(first);
        // We offer from now on, whoever did so at first: a phone's early description is an answer.
        case.offer = asking(case);
        case.extra = extra;
        case.outside = outside;
        let mut calling = Calling {
            search: Box::new(Hunting::search(hunt, case, desk)),
            first,
        };
        calling.search.tell(queue::Input::Start, desk);
        let progress = calling.carry_on(case, desk);
        Some((calling, progress))
    }

    pub(in crate::call) fn deadline(&self) -> Option<Instant> {
        Some(self.search.deadline())
    }

    /// It has rung as long as phones may ring for one call.
    pub(in crate::call) fn is_over(&self, now: Instant) -> bool {
        self.search.is_over(now)
    }

    /// Where the phones that ring are reached.
    pub(in crate::call) fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.search.legs.iter().map(|leg| &leg.hop)
    }

    pub(in crate::call) fn search(&self) -> &Hunting {
        &self.search
    }

    /// The caller has been answered: he may wait for longer than an INVITE may.
    pub(in crate::call) fn may_wait(&mut self, desk: &Desk) {
        self.search.may_wait(desk);
    }

    /// What one of those that ring lets us hear before anybody answers, and how its packets travel.
    pub(in crate::call) fn early(&self) -> Option<(&Session, Agreed)> {
        let mut legs = self.search.legs.iter();
        legs.find_map(|leg| Some((leg.early.as_ref()?, leg.origin.travel.agreed())))
    }

    /// Whether a request comes from a phone that rings. Each is rung with a Call-ID of its own.
    pub(in crate::call) fn is_rung_in(&self, request: &Message) -> bool {
        let mut legs = self.search.legs.iter();
        legs.any(|leg| leg.invite.header_value("Call-ID") == Some(request.call_id()))
    }

    /// The queue that rings now.
    pub(in crate::call) fn queue(&self) -> &str {
        self.search.hunt.queue()
    }

    pub(in crate::call) fn owns(&self, txn: ClientTxn) -> bool {
        self.search.legs.iter().any(|leg| leg.txn == txn)
    }

    pub(in crate::call) fn on_due(&mut self, case: &mut Case, desk: &mut Desk) -> Progress {
        self.search.give_up_waiting(case, desk);
        self.search.tell(queue::Input::Tick, desk);
        self.carry_on(case, desk)
    }

    /// The name service has answered.
    pub(in crate::call) fn on_located(
        &mut self,
        target: &Target,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Progress {
        self.search.on_located(target, case, desk);
        self.carry_on(case, desk)
    }

    /// No answer at all: 408 or 503.
    pub(in crate::call) fn on_failed(
        &mut self,
        txn: ClientTxn,
        status: u16,
        fault: Option<TransportFault>,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Progress {
        let Some(leg) = self.take(txn, desk) else {
            return Progress::Nothing;
        };
        self.search.on_unreachable(&leg, status, fault, case, desk);
        self.carry_on(case, desk)
    }

    /// The connection that a phone was rung over is gone.
    pub(in crate::call) fn on_lost(
        &mut self,
        txn: ClientTxn,
        fault: TransportFault,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Progress {
        let Some(leg) = self.take(txn, desk) else {
            return Progress::Nothing;
        };
        self.search.on_lost(leg, fault, case, desk);
        self.carry_on(case, desk)
    }

    pub(in crate::call) fn on_response(
        &mut self,
        txn: ClientTxn,
        response: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Progress {
        let status = response.status().unwrap_or_default();
        let Some(leg) = self.search.legs.iter_mut().find(|leg| leg.txn == txn) else {
            return Progress::Nothing;
        };
        leg.patience = None;
        if status != 408 && status != 503 {
            desk.worked_at(leg.candidate);
        }
        match status {
            0..=100 => return Progress::Nothing,
            101..=199 => {
                if leg.on_provisional(response, case, desk)
                    && let Some(session) = leg.hear(response, case)
                {
                    leg.early = Some(session);
                }
                return match status {
                    180 | 183 => Progress::Ringing(status),
                    _ => Progress::Nothing,
                };
            }
            422 | 488 if leg.ring_again(response, desk) => return Progress::Nothing,
            _ => {}
        }
        let Some(leg) = self.take(txn, desk) else {
            return Progress::Nothing;
        };
        if (200..300).contains(&status) {
            return self.on_answer(leg, response, case, desk);
        }
        self.search.on_refused(&leg, status, response, case, desk);
        self.carry_on(case, desk)
    }

    /// A request of ours went out again with credentials.
    pub(in crate::call) fn renumber(&mut self, sip_call_id: &str, cseq: u32) {
        for leg in &mut self.search.legs {
            leg.early_dialogs.renumber(sip_call_id, cseq);
        }
    }

    /// Nobody is to answer any more.
    pub(in crate::call) fn abandon(mut self, reason: Option<&str>, case: &mut Case, desk: &mut Desk) {
        self.search.stop_waiting(case, desk);
        abandon(self.search.legs, reason, case, desk);
    }

    /// Does what the hunt says.
    fn carry_on(&mut self, case: &mut Case, desk: &mut Desk) -> Progress {
        while let Some(step) = self.search.hunt.poll_step() {
            match step {
                Step::Ring { attempt, target } => self.search.ring(attempt, &target, case, desk),
                Step::Cancel {
                    attempt,
                    was_answered_elsewhere,
                } => {
                    let reason = was_answered_elsewhere.then_some(refusal::ANSWERED_ELSEWHERE);
                    let status = if was_answered_elsewhere { 487 } else { 408 };
                    case.record.end_attempt(attempt.0, status);
                    self.search.drop_course(attempt, case, desk);
                    let legs = &mut self.search.legs;
                    if let Some(at) = legs.iter().position(|leg| leg.attempt == attempt) {
                        let leg = legs.swap_remove(at);
                        abandon(vec![leg], reason, case, desk);
                    }
                }
                Step::Ignored { attempt } => case.is_ignored(attempt, &self.search.hunt, desk),
                Step::Moved { from, queue } => case.goes_on_to(&queue, from, desk),
                Step::GiveUp { status } => return Progress::Failed(self.only_word(case).unwrap_or(status)),
            }
        }
        Progress::Nothing
    }

    /// How the only phone that was rung refused; with several the hunt has one word for all. What concerns only us and
    /// the phone stays here.
    fn only_word(&self, case: &Case) -> Option<u16> {
        match case.record.attempts.get(self.first..)? {
            [only] if !matches!(only.status, 0 | 300..=399 | 401 | 407 | 408 | 422) => Some(only.status),
            _ => None,
        }
    }

    fn on_answer(
        &mut self,
        mut leg: Ringing,
        response: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Progress {
        let attempt = leg.attempt;
        if leg.trunk.is_some() {
            let toll = self.search.take_toll_outside(attempt);
            case.tolls_of_transfer.extend(toll);
            case.outside_answered(desk);
        }
        let session = match leg.heed(response, case) {
            Ok(None) => leg.early.clone(),
            Ok(Some(session)) => leg.agree(&session, case).is_ok().then_some(session),
            Err(_) => None,
        };
        let session = session.filter(|session| session.audio_address().is_some());
        let dialog = leg.dialog(response);
        let now = desk.now();
        let (Some(session), Some(dialog)) = (session, dialog) else {
            // Acknowledged and ended; it counts as refused.
            self.search.take_course(attempt);
            let txn = leg.txn;
            desk.strays.abandon(leg, None);
            desk.on_stray_response(txn, response);
            self.search.end_attempt(attempt, 488, case, desk);
            return self.carry_on(case, desk);
        };
        let name = leg.phone_name();
        let mut answered = Leg {
            side: case.rung,
            dialog,
            hop: leg.hop.clone(),
            origin: leg.origin.clone(),
            is_outside: leg.trunk.is_some(),
            terms: Terms::new(response, leg.invite.body.clone()),
        };
        answered.terms.on_agreed(response, desk);
        answered.acknowledge(leg.txn, response.cseq().0, None, desk);
        desk.strays.watch(leg, answered.dialog.remote_tag(), now);
        case.record.end_attempt(attempt.0, 200);
        let (name, person) = match case.is_reaching_out() {
            true => (name, case.record.person.clone()),
            false => {
                let person = case.talks_with(attempt, &self.search.hunt, desk);
                (case.device().unwrap_or(name), person)
            }
        };
        let queue = desk
            .queues
            .iter()
            .map(|queue| &queue.name)
            .find(|name| *name == self.search.hunt.queue())
            .cloned();
        self.search.take_course(attempt);
        self.search.tell(queue::Input::Answered { attempt }, desk);
        self.carry_on(case, desk);
        self.search.stop_waiting(case, desk);
        Progress::Answered(Box::new(Answered {
            leg: answered,
            session,
            name,
            person,
            queue,
        }))
    }

    fn take(&mut self, txn: ClientTxn, desk: &mut Desk) -> Option<Ringing> {
        let at = self.search.legs.iter().position(|leg| leg.txn == txn)?;
        desk.index.remove(&Name::Client(txn));
        Some(self.search.legs.swap_remove(at))
    }
}

/// The caller's description as a new party is asked into the call with it: without the hold that the old one put him on.
///
/// Whoever calls back is asked with a description of ours: nobody else has said anything yet.
///
/// The first phone is asked for both ways even while the caller holds us: by the time it answers he may have resumed, and
/// it would go on saying nothing.
pub(in crate::call) fn asking(case: &Case) -> Option<Session> {
    if case.rung == Side::A {
        return offer::own();
    }
    let caller = case.spoken(Side::A)?;
    let is_first = case.spoken(Side::B).is_none();
    Some(if is_first || is_held_by_phone(case) {
        caller.resumed()
    } else {
        caller.clone()
    })
}

/// The phone wants nothing from the caller, or sends him nothing.
pub(in crate::call) fn is_held_by_phone(case: &Case) -> bool {
    case.spoken(Side::B)
        .is_some_and(|phone| phone.direction() != Direction::SendRecv)
}
