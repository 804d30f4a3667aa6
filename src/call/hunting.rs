//! Phones ring. Provisional responses go to the caller, the first answer wins, everybody else is told to stop.

use std::time::Instant;

use crate::media::Side;
use crate::queue::{self, Attempt, Hunt, Step};
use crate::sip::{ClientTxn, Dialog, Message, Response};

use super::case::{Case, Media};
use super::course::Course;
use super::desk::Desk;
use super::early::{self, abandon, gave_up};
use super::early_talk::EarlyTalk;
use super::ending::{By, Ending};
use super::index::Name;
use super::leg::{Leg, Ringing};
use super::limits::{CROSSING_VALUE_OCTETS_MAX, RINGING_MAX, WAITING_MAX};
use super::orders;
use super::progress::Early;
use super::record::{self, State};
use super::refusal::{self, Refusal};
use super::stage::{Event, Stage};
use super::standing::{class, seen, wants};
use super::talking::Talking;
use super::terms::Terms;
use super::tolls::{RingsOutside, Toll};

pub(crate) struct Hunting {
    /// The call it is for.
    pub(super) call: u128,
    /// How the call stands in a line that is by trust, as it was known when it began to ring or wait.
    pub(super) class: u8,
    pub(super) hunt: Hunt,
    pub(super) legs: Vec<Ringing>,
    /// What is still to be tried for each attempt under way.
    pub(super) courses: Vec<Course>,
    /// Over all queues: [`RINGING_MAX`] after the decision.
    deadline: Instant,
    /// The caller was told 180.
    pub(super) is_ringing: bool,
    /// Early media of this phone went to the caller.
    pub(super) early: Option<Early>,
    /// What these two may say to each other before the answer.
    pub(super) talk: Option<Box<EarlyTalk>>,
    /// Whoever is rung asked for it himself: it does not matter whether he rests.
    is_own: bool,
    /// A number outside rings for it; until it has answered, or the search is over.
    pub(super) rings_outside: Option<RingsOutside>,
    /// What that costs: until it has answered, or its attempt is over.
    pub(super) toll_outside: Option<(Attempt, Toll)>,
}

impl Hunting {
    /// Asks for ports; the phones ring when they are there.
    pub(crate) fn begin(hunt: Hunt, case: &mut Case, desk: &mut Desk) -> Stage {
        case.open_media(desk);
        case.record.state = State::Ringing;
        case.record.queue = Some(hunt.queue().to_string());
        case.changed(desk);
        Stage::Hunting(Box::new(Hunting::search(hunt, case, desk)))
    }

    /// The search alone: for a call that has its ports, and somebody to talk to meanwhile.
    pub(super) fn search(hunt: Hunt, case: &Case, desk: &Desk) -> Hunting {
        Hunting {
            call: case.id.0,
            class: class(case),
            hunt: hunt.for_call(wants(case)),
            legs: Vec::new(),
            courses: Vec::new(),
            deadline: desk.now().instant + RINGING_MAX,
            is_ringing: false,
            early: None,
            talk: None,
            is_own: case.rung == Side::A,
            rings_outside: None,
            toll_outside: None,
        }
    }

    /// The caller has been answered: he may wait for longer than an INVITE may.
    pub(super) fn may_wait(&mut self, desk: &Desk) {
        self.deadline = desk.now().instant + WAITING_MAX;
    }

    /// Phones have rung for as long as they may for one call.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    pub(crate) fn deadline(&self) -> Instant {
        let legs = self.legs.iter().filter_map(|leg| leg.patience);
        let waiting = self.courses.iter().filter_map(|course| course.wait_until);
        let talk = self.talk.as_ref().and_then(|talk| talk.deadline());
        let all = legs.chain(waiting).chain(self.hunt.deadline()).chain(talk);
        all.fold(self.deadline, Instant::min)
    }

    pub(crate) fn handle(mut self: Box<Self>, event: Event, case: &mut Case, desk: &mut Desk) -> Stage {
        let event = match event.into_late_fact() {
            Ok(fact) => {
                case.on_late_fact(fact, desk);
                return Stage::Hunting(self);
            }
            Err(event) => event,
        };
        match event {
            Event::MediaOpened { a, b } if case.media == Media::Asked => {
                case.media = Media::Open { a, b };
                self.hunt(queue::Input::Start, case, desk)
            }
            Event::MediaRefused => {
                case.media = Media::Closed;
                case.refuse(&Refusal::Busy, desk);
                Ending::failed(503, By::Us, "no media port left", case, desk)
            }
            Event::Due if desk.now().instant >= self.deadline => self.nobody(480, case, desk),
            Event::Due => {
                if let Some(talk) = &mut self.talk {
                    talk.give_up_waiting(desk);
                }
                self.give_up_waiting(case, desk);
                self.hunt(queue::Input::Tick, case, desk)
            }
            Event::Located { target } => {
                self.on_located(&target, case, desk);
                self.carry_on(case, desk)
            }
            Event::Response { txn, response } => self.on_response(txn, response, case, desk),
            Event::Failed { txn, status, .. } if self.is_said_early(txn, status, None, case, desk) => {
                Stage::Hunting(self)
            }
            Event::Failed { txn, status, fault } => match self.take(txn, desk) {
                Some(leg) => {
                    self.on_unreachable(&leg, status, fault, case, desk);
                    self.carry_on(case, desk)
                }
                None => Stage::Hunting(self),
            },
            Event::Lost { txn, fault } => match self.take(txn, desk) {
                Some(leg) => {
                    self.on_lost(leg, fault, case, desk);
                    self.carry_on(case, desk)
                }
                None => Stage::Hunting(self),
            },
            Event::Cancelled { reason, .. } => {
                let reason = reason.filter(|reason| reason.len() <= CROSSING_VALUE_OCTETS_MAX);
                self.end_talk(None, desk);
                self.stop_waiting(case, desk);
                gave_up(self.legs, reason.as_deref(), case, desk)
            }
            Event::Renumbered { sip_call_id, cseq } => {
                for leg in &mut self.legs {
                    leg.early_dialogs.renumber(&sip_call_id, cseq);
                }
                if let Some(talk) = &mut self.talk {
                    talk.renumber(&sip_call_id, cseq);
                }
                Stage::Hunting(self)
            }
            Event::Pracked { txn, prack } => self.on_prack(txn, &prack, case, desk),
            Event::PrackMissing => {
                self.end_talk(None, desk);
                self.stop_waiting(case, desk);
                abandon(self.legs, None, case, desk);
                case.refuse(&Refusal::Status(504), desk);
                Ending::failed(
                    504,
                    By::Us,
                    "a reliable response was never acknowledged",
                    case,
                    desk,
                )
            }
            Event::HangUp => {
                self.end_talk(None, desk);
                self.stop_waiting(case, desk);
                abandon(self.legs, None, case, desk);
                case.refuse(&Refusal::Unavailable, desk);
                let note = orders::note_of_end(case);
                Ending::failed(480, By::Us, &note, case, desk)
            }
            Event::Request { txn, request } => {
                if early::is_callers_bye(&request, case) {
                    desk.respond(txn, Response::new(&request, 200, refusal::phrase(200)));
                    self.end_talk(None, desk);
                    self.stop_waiting(case, desk);
                    return gave_up(self.legs, None, case, desk);
                }
                if !self.is_talk(txn, &request, case, desk) {
                    early::refuse(txn, &request, desk);
                }
                Stage::Hunting(self)
            }
            _ => Stage::Hunting(self),
        }
    }

    /// Tells the hunt, and does what it says.
    fn hunt(mut self: Box<Self>, input: queue::Input, case: &mut Case, desk: &mut Desk) -> Stage {
        self.tell(input, desk);
        self.carry_on(case, desk)
    }

    pub(super) fn tell(&mut self, input: queue::Input, desk: &Desk) {
        let now = desk.now().instant;
        let at_ms = desk.now().unix_ms();
        self.hunt.close(|queue| {
            let closed = queue.service.closed.as_ref();
            closed.is_none_or(|closed| closed.hours.is_open(at_ms))
        });
        if let Some(stand) = self.stand() {
            self.hunt.stand_behind(desk.line.ahead(&stand.queue, stand.place));
        }
        let is_own = self.is_own;
        self.hunt.handle(input, now, &|target| {
            let mut seen = seen(target, now, desk);
            seen.rest = seen.rest.filter(|_| !is_own);
            seen
        });
    }

    /// Does what the hunt says.
    fn carry_on(mut self: Box<Self>, case: &mut Case, desk: &mut Desk) -> Stage {
        while let Some(step) = self.hunt.poll_step() {
            match step {
                Step::Ring { attempt, target } => self.ring(attempt, &target, case, desk),
                Step::Cancel {
                    attempt,
                    was_answered_elsewhere,
                } => {
                    self.end_talk(Some(attempt), desk);
                    let reason = was_answered_elsewhere.then_some(refusal::ANSWERED_ELSEWHERE);
                    let status = if was_answered_elsewhere { 487 } else { 408 };
                    case.record.end_attempt(attempt.0, status);
                    self.drop_course(attempt, case, desk);
                    if let Some(at) = self.legs.iter().position(|leg| leg.attempt == attempt) {
                        let leg = self.legs.swap_remove(at);
                        abandon(vec![leg], reason, case, desk);
                    }
                }
                Step::Ignored { attempt } => case.is_ignored(attempt, &self.hunt, desk),
                Step::Moved { from, queue } => {
                    case.goes_on_to(&queue, from, desk);
                    case.record.queue = Some(queue);
                    case.changed(desk);
                }
                Step::GiveUp { status } => return self.nobody(status, case, desk),
            }
        }
        Stage::Hunting(self)
    }

    fn on_response(
        mut self: Box<Self>,
        txn: ClientTxn,
        response: Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let status = response.status().unwrap_or_default();
        if self.is_said_early(txn, status, Some(&response), case, desk) {
            return Stage::Hunting(self);
        }
        if let Some(leg) = self.legs.iter_mut().find(|leg| leg.txn == txn) {
            leg.patience = None;
            let candidate = leg.candidate;
            if status != 408 && status != 503 {
                desk.worked_at(candidate);
            }
        }
        match status {
            0..=100 => Stage::Hunting(self),
            101..=199 => {
                self.on_provisional(txn, status, &response, case, desk);
                Stage::Hunting(self)
            }
            200..=299 => match self.take(txn, desk) {
                Some(leg) => self.on_answer(leg, response, case, desk),
                None => Stage::Hunting(self),
            },
            422 | 488 if self.leg(txn).is_some_and(|leg| leg.ring_again(&response, desk)) => {
                Stage::Hunting(self)
            }
            _ => {
                let Some(leg) = self.take(txn, desk) else {
                    return Stage::Hunting(self);
                };
                self.on_refused(&leg, status, &response, case, desk);
                self.carry_on(case, desk)
            }
        }
    }

    fn on_answer(
        mut self: Box<Self>,
        mut leg: Ringing,
        response: Message,
        case: &mut Case,
        desk: &mut Desk,
    ) -> Stage {
        let attempt = leg.attempt;
        if leg.trunk.is_some() {
            case.tolls.extend(self.take_toll_outside(attempt));
            case.outside_answered(desk);
        }
        // After an UPDATE the description of a 200 is an old one, said again for the slow.
        let is_changed = self
            .talk
            .as_ref()
            .is_some_and(|talk| talk.attempt == attempt && talk.is_changed);
        let described = match leg.heed(&response, case) {
            Ok(Some(session)) if !is_changed => leg.agree(&session, case).map(|()| session),
            Ok(_) => leg
                .early
                .clone()
                .ok_or(Refusal::NotAcceptable("an answer without a description")),
            Err(refusal) => Err(refusal),
        };
        let accepted = described.and_then(|session| {
            let sent = self.answer_for_caller(attempt, response.body(), &session, case, desk)?;
            Ok((session, sent))
        });
        let dialog_a = Dialog::as_server(&case.invite, &case.tag, &case.hop.contact);
        let legs = leg.dialog(&response).zip(dialog_a.ok());
        let ((session, sent), (dialog_b, dialog_a)) = match (accepted, legs) {
            (Ok(accepted), Some(legs)) => (accepted, legs),
            (accepted, _) => {
                // The phone answered with something we cannot carry: it is acknowledged and ended, and counts as refused.
                self.take_course(attempt);
                let txn = leg.txn;
                desk.strays.abandon(leg, None);
                desk.on_stray_response(txn, &response);
                let status = accepted.err().map_or(488, |refusal| refusal.status());
                return self.failed(attempt, status, case, desk);
            }
        };

        let person = case.talks_with(attempt, &self.hunt, desk);
        let name = case.device().unwrap_or_else(|| leg.phone_name());
        case.is_taken_by(name, person);
        let is_answered = self
            .early
            .as_ref()
            .is_some_and(|early| early.attempt == attempt && early.is_answered);
        let mut a = Leg {
            side: Side::A,
            dialog: dialog_a,
            hop: case.hop.clone(),
            origin: case.origin.clone(),
            terms: Terms::new(&case.invite, sent.clone()),
            is_outside: false,
        };
        let mut b = Leg {
            side: Side::B,
            dialog: dialog_b,
            hop: leg.hop.clone(),
            origin: leg.origin.clone(),
            terms: Terms::new(&response, leg.invite.body.clone()),
            is_outside: leg.trunk.is_some(),
        };
        b.terms.on_agreed(&response, desk);
        let (txn, cseq) = (leg.txn, response.cseq().0);
        let now = desk.now();
        desk.strays.watch(leg, b.dialog.remote_tag(), now);
        let exchange = self
            .talk
            .take()
            .and_then(|talk| talk.answered(&mut a, &mut b, desk));
        let late = case.offer.is_none().then_some((txn, cseq));
        if late.is_none() {
            b.acknowledge(txn, cseq, None, desk);
        }
        case.record.end_attempt(attempt.0, 200);
        if let Some(offer) = case.offer.clone() {
            case.describe_caller(&offer, desk);
        }
        case.describe(Side::B, &session, b.origin.travel.agreed(), desk);
        case.begin_hearing(&session, desk);
        let answer = case.dialog_response(200, (!is_answered).then_some(sent));
        let answer = a.terms.tell(&case.invite, answer, desk);
        case.respond(answer, desk);
        let is_answered = !desk.endpoint.holds_answer(case.invite_txn);
        if is_answered {
            case.answered(desk);
        }

        // The others are told after the caller is served.
        self.take_course(attempt);
        self.tell(queue::Input::Answered { attempt }, desk);
        if let Stage::Hunting(mut rest) = self.hunt(queue::Input::Tick, case, desk) {
            rest.stop_waiting(case, desk);
            abandon(rest.legs, Some(refusal::ANSWERED_ELSEWHERE), case, desk);
        }
        case.changed(desk);
        let mut stage = Talking::begin(a, b, late, is_answered, desk);
        if let Stage::Talking(talking) = &mut stage {
            talking.exchanges.extend(exchange);
            talking.whisper(case, desk);
        }
        stage
    }

    pub(super) fn leg(&mut self, txn: ClientTxn) -> Option<&mut Ringing> {
        self.legs.iter_mut().find(|leg| leg.txn == txn)
    }

    fn failed(mut self: Box<Self>, attempt: Attempt, status: u16, case: &mut Case, desk: &mut Desk) -> Stage {
        self.end_talk(Some(attempt), desk);
        self.legs.retain(|leg| leg.attempt != attempt);
        self.end_attempt(attempt, status, case, desk);
        self.carry_on(case, desk)
    }

    /// Nobody took the call.
    fn nobody(mut self: Box<Self>, status: u16, case: &mut Case, desk: &mut Desk) -> Stage {
        self.end_talk(None, desk);
        for leg in &self.legs {
            case.record.end_attempt(leg.attempt.0, 408);
        }
        self.stop_waiting(case, desk);
        abandon(self.legs, None, case, desk);
        case.refuse(&Refusal::Status(status), desk);
        Ending::begin(record::Ending::NoAnswer, status, By::Called, None, case, desk)
    }

    fn take(&mut self, txn: ClientTxn, desk: &mut Desk) -> Option<Ringing> {
        let at = self.legs.iter().position(|leg| leg.txn == txn)?;
        desk.index.remove(&Name::Client(txn));
        Some(self.legs.swap_remove(at))
    }
}
