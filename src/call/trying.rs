//! Which address of which place is tried next for a phone that is to ring: failover (RFC 3263 §4.3) and redirection (RFC 3261 §8.1.3.4).
//!
//! ```text
//!   target ─▶ where is it? ─▶ address 1 ── 503, silence, nothing can be sent ──▶ address 2 ─▶ …
//!                │ nowhere        │ any other answer but 2xx                        │ none left
//!                ▼                ▼                                                 ▼
//!            next place ◀──── 3xx: places it names (as configured) ────────▶ next place, or the attempt has failed
//! ```
//!
//! One of these runs for each phone that rings; [`Hunting`] hears only how the attempt as a whole ended.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::queue::limits::OUTSIDE_RING;
use crate::queue::{self, Attempt};
use crate::route::{Candidate, Cause, Target};
use crate::sip::{Message, TransportFault};

use super::case::{Case, Taker};
use super::course::{Course, Names};
use super::desk::Desk;
use super::hunting::Hunting;
use super::index::Name;
use super::leg::Ringing;
use super::limits::LOCATE_MAX;
use super::offer::Origin;
use super::redirect::{self, Place};
use super::routes::Whereabouts;
use super::{Counter, Output, shard};

impl Hunting {
    pub(super) fn ring(&mut self, attempt: Attempt, target: &str, case: &mut Case, desk: &mut Desk) {
        let sent_on = match self.send_on(attempt, target, case, desk) {
            Ok(sent_on) => sent_on,
            Err(status) => return self.end_attempt(attempt, status, case, desk),
        };
        let (target, diversion) = match &sent_on {
            Some(sent_on) => (sent_on.target.as_str(), Some(sent_on.diversion.clone())),
            None => (target, None),
        };
        let person = desk.registrants.person_at(target);
        case.record.add_attempt(target, person.clone(), case.at_ms(desk));
        let target_is = Taker {
            target: target.to_string(),
            person,
        };
        let ring = match sent_on {
            Some(_) => OUTSIDE_RING,
            None => self.hunt.config().ring,
        };
        let until = desk.now().instant + ring;
        case.rings_at(attempt, target_is, until, desk);
        case.is_one_phone = self.hunt.ringing() == 1;
        let outside = case.outside.clone().filter(|_| target.starts_with("trunk:"));
        let wanted = match &outside {
            Some(outside) => outside.srtp(desk),
            None => case.srtp_of(self.hunt.queue(), desk),
        };
        let mut origin = Origin::new(wanted, &desk.config, &mut desk.random);
        let offer = match (&case.offer, case.port(case.rung)) {
            (Some(offer), Some(port)) => origin.offer(offer, desk.config.media_address, port).map(Some),
            _ => Ok(None),
        };
        let (place, known) = match &outside {
            Some(outside) => outside.place(desk).ok().unzip(),
            None => (Place::of(target), None),
        };
        let mut devices = desk.registrants.places(target).unwrap_or_default().into_iter();
        let place = place.or_else(|| devices.next());
        let (offer, mut place) = match (offer, place) {
            (Ok(offer), Some(place)) => (offer, place),
            (Err(refusal), _) => return self.end_attempt(attempt, refusal.status(), case, desk),
            (_, None) if desk.registrants.is_away(target) => {
                return self.end_attempt(attempt, 480, case, desk);
            }
            (_, None) => return self.end_attempt(attempt, 503, case, desk),
        };
        if diversion.is_some() {
            place.diversion = diversion;
        }
        let names = Names {
            tag: desk.endpoint.token(),
            call_id: shard::leg_b_call_id(desk.config.shard, &desk.endpoint.token()),
            cseq: 1,
        };
        let mut course = Course::new(attempt, place, names, offer, origin, ring);
        let overflow = self.toll_outside.as_ref().filter(|(of, _)| *of == attempt);
        course.toll = match overflow {
            Some((_, toll)) => Some(toll.number()),
            None if outside.is_some() => case.toll_under_way(),
            None => None,
        };
        course.outside = outside;
        course.redirect(devices.collect());
        let known = known.unwrap_or_default();
        if !known.is_empty() && desk.routes.known(course.target(), |_| 0).is_empty() {
            course.candidates = known.into();
            return self.advance(course, case, desk);
        }
        self.locate(course, case, desk);
    }

    /// Asks where the place that this course is at can be found, and goes on as far as it can.
    fn locate(&mut self, mut course: Course, case: &mut Case, desk: &mut Desk) {
        if let Some(flow) = course.place.flow {
            course.candidates = VecDeque::from([Candidate {
                transport: flow.transport,
                address: flow.remote,
            }]);
            return self.advance(course, case, desk);
        }
        let now = desk.now().instant;
        let Desk { routes, random, .. } = &mut *desk;
        let found = routes.find(&course.place.target, case.id, now, |below| random.u64() % below);
        match found {
            Whereabouts::Here(candidates) => course.candidates = candidates.into(),
            Whereabouts::Wait(is_to_be_asked) => {
                if is_to_be_asked {
                    let target = course.place.target.clone();
                    desk.say(Output::Resolve { target });
                }
                course.wait_until = Some(now + LOCATE_MAX);
                return self.courses.push(course);
            }
            Whereabouts::Nowhere => {
                course.failed(503);
                case.record.add_try(course.attempt.0, String::new(), 503, None);
            }
        }
        self.advance(course, case, desk);
    }

    /// Rings the next address, or goes on to the next place; when nothing is left the attempt has failed.
    fn advance(&mut self, mut course: Course, case: &mut Case, desk: &mut Desk) {
        while let Some(candidate) = course.candidates.pop_front() {
            match Ringing::ring(&course, candidate, case, desk) {
                Ok(leg) => {
                    self.legs.push(leg);
                    return self.courses.push(course);
                }
                Err(_) => course.failed(503),
            }
        }
        if course.next_place() {
            return self.locate(course, case, desk);
        }
        self.end_attempt(course.attempt, course.verdict(), case, desk);
    }

    /// A try of this leg's attempt came to nothing: the next address, if the way was at fault (RFC 3263 §4.3), else the
    /// next place.
    fn try_next(&mut self, leg: &Ringing, status: u16, failure: Failure, case: &mut Case, desk: &mut Desk) {
        if let Failure::Way { cause, retry_after } = failure {
            desk.failed_at(leg.candidate, cause, retry_after);
        }
        let Some(mut course) = self.take_course(leg.attempt) else {
            return self.end_attempt(leg.attempt, status, case, desk);
        };
        course.failed(status);
        course.lost(leg.cseq());
        let address = leg.candidate.to_string();
        case.record.add_try(course.attempt.0, address, status, None);
        if matches!(failure, Failure::Person) {
            course.candidates.clear();
        } else if !course.candidates.is_empty() {
            desk.count(Counter::FailedOver);
        }
        self.advance(course, case, desk);
    }

    /// A target says where else to go.
    fn on_redirect(
        &mut self,
        leg: &Ringing,
        status: u16,
        response: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        // A carrier does not say where else our calls go, and what they cost there.
        let is_followed = |course: &Course| course.outside.is_none();
        let Some(mut course) = self.take_course(leg.attempt).filter(is_followed) else {
            return self.end_attempt(leg.attempt, status, case, desk);
        };
        let found = redirect::follow(response, &course.place, self.hunt.config(), &desk.routes);
        for _ in 0..found.refused {
            desk.count(Counter::RedirectRefused);
        }
        let address = leg.candidate.to_string();
        let to = found.places.first().map(|place| place.uri.clone());
        case.record
            .add_try(course.attempt.0, address, status, to.as_deref());
        course.failed(status);
        for _ in 0..course.redirect(found.places) {
            desk.count(Counter::Redirected);
        }
        course.candidates.clear();
        self.advance(course, case, desk);
    }

    /// The name service has answered.
    pub(super) fn on_located(&mut self, target: &Target, case: &mut Case, desk: &mut Desk) {
        let is_it = |course: &Course| course.wait_until.is_some() && course.target() == target;
        while let Some(at) = self.courses.iter().position(is_it) {
            let mut course = self.courses.swap_remove(at);
            course.wait_until = None;
            let now = desk.now().instant;
            let Desk { routes, random, .. } = &mut *desk;
            match routes.find(target, case.id, now, |below| random.u64() % below) {
                Whereabouts::Here(candidates) => course.candidates = candidates.into(),
                // It was asked, and this is the answer: nobody knows.
                Whereabouts::Wait(_) | Whereabouts::Nowhere => {
                    desk.routes.leave(target, case.id);
                    course.failed(503);
                    case.record.add_try(course.attempt.0, String::new(), 503, None);
                }
            }
            self.advance(course, case, desk);
        }
    }

    /// Addresses that have said nothing for too long, and a name service that says nothing.
    pub(super) fn give_up_waiting(&mut self, case: &mut Case, desk: &mut Desk) {
        let now = desk.now().instant;
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        while let Some(at) = self.legs.iter().position(|leg| is_over(leg.patience)) {
            let leg = self.legs.swap_remove(at);
            desk.index.remove(&Name::Client(leg.txn));
            desk.note_cancel(&leg.invite);
            desk.endpoint.cancel(leg.txn, None, desk.now());
            self.end_talk(Some(leg.attempt), desk);
            self.try_next(&leg, 408, Failure::of_the_way(Cause::Silent), case, desk);
            desk.strays.abandon(leg, None);
        }
        while let Some(at) = self.courses.iter().position(|course| is_over(course.wait_until)) {
            let mut course = self.courses.swap_remove(at);
            course.wait_until = None;
            desk.routes.leave(course.target(), case.id);
            course.failed(503);
            case.record.add_try(course.attempt.0, String::new(), 503, None);
            self.advance(course, case, desk);
        }
    }

    pub(super) fn end_attempt(&mut self, attempt: Attempt, status: u16, case: &mut Case, desk: &Desk) {
        case.record.end_attempt(attempt.0, status);
        self.end_toll_outside(attempt, desk);
        self.tell(queue::Input::Failed { attempt, status }, desk);
    }

    pub(super) fn take_course(&mut self, attempt: Attempt) -> Option<Course> {
        let at = self.courses.iter().position(|course| course.attempt == attempt)?;
        Some(self.courses.swap_remove(at))
    }

    pub(super) fn drop_course(&mut self, attempt: Attempt, case: &Case, desk: &mut Desk) {
        self.end_toll_outside(attempt, desk);
        if let Some(course) = self.take_course(attempt)
            && course.wait_until.is_some()
        {
            desk.routes.leave(course.target(), case.id);
        }
    }

    /// The call does without whatever is still looked up.
    pub(super) fn stop_waiting(&mut self, case: &mut Case, desk: &mut Desk) {
        if let Some((_, toll)) = self.toll_outside.take() {
            toll.end(desk.now().instant);
        }
        for course in self.courses.drain(..) {
            if course.wait_until.is_some() {
                desk.routes.leave(course.target(), case.id);
                case.record.end_attempt(course.attempt.0, 487);
            }
        }
    }

    /// No answer at all, or nothing could be sent.
    pub(super) fn on_unreachable(
        &mut self,
        leg: &Ringing,
        status: u16,
        fault: Option<TransportFault>,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        self.end_talk(Some(leg.attempt), desk);
        if let Some(fault) = fault {
            case.record.explain_attempt(leg.attempt.0, fault);
        }
        let failure = match fault {
            None => Failure::of_the_way(Cause::Silent),
            Some(fault) if is_theirs(fault) => Failure::of_the_way(Cause::Unreachable),
            Some(_) => Failure::Ours,
        };
        self.try_next(leg, status, failure, case, desk);
    }

    /// The connection that a phone was rung over is gone. It may ring all the same: it is told to stop, by another
    /// connection, and should it be answered first it is acknowledged and hung up (RFC 3261 §13.2.2.4).
    pub(super) fn on_lost(&mut self, leg: Ringing, fault: TransportFault, case: &mut Case, desk: &mut Desk) {
        desk.note_cancel(&leg.invite);
        desk.endpoint.cancel(leg.txn, None, desk.now());
        self.on_unreachable(&leg, 503, Some(fault), case, desk);
        desk.strays.abandon(leg, None);
    }

    /// A final answer that is no 2xx.
    pub(super) fn on_refused(
        &mut self,
        leg: &Ringing,
        status: u16,
        response: &Message,
        case: &mut Case,
        desk: &mut Desk,
    ) {
        self.end_talk(Some(leg.attempt), desk);
        if let Some(course) = self
            .courses
            .iter_mut()
            .find(|course| course.attempt == leg.attempt)
        {
            course.saw(response.cseq().0);
        }
        match status {
            300..=399 => self.on_redirect(leg, status, response, case, desk),
            503 => {
                let failure = Failure::Way {
                    cause: Cause::Refused,
                    retry_after: retry_after(response),
                };
                self.try_next(leg, status, failure, case, desk);
            }
            // RFC 3261 §16.7: whoever declines for good speaks for all his places.
            600.. => {
                self.take_course(leg.attempt);
                self.end_attempt(leg.attempt, status, case, desk);
            }
            _ => self.try_next(leg, status, Failure::Person, case, desk),
        }
    }
}

/// Why a try came to nothing.
pub(super) enum Failure {
    /// The address is at fault: the next one may do better.
    Way {
        cause: Cause,
        /// What a 503 asked for.
        retry_after: Option<Duration>,
    },
    /// Something of ours; the next address may do better, and nothing is held against this one.
    Ours,
    /// Somebody answered: the next address of the same place would say the same.
    Person,
}

impl Failure {
    fn of_the_way(cause: Cause) -> Failure {
        Failure::Way {
            cause,
            retry_after: None,
        }
    }
}

/// Whether a failure of the transport says something of the address; the others are ours.
fn is_theirs(fault: TransportFault) -> bool {
    !matches!(
        fault,
        TransportFault::Full
            | TransportFault::NoListener
            | TransportFault::NoTls
            | TransportFault::Overload
            | TransportFault::System
    )
}

/// Retry-After in seconds; what follows the number (a comment, a duration) does not matter here (RFC 3261 §20.33).
fn retry_after(response: &Message) -> Option<Duration> {
    let value = response.header("Retry-After")?;
    let digits = value.trim().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(Duration::from_secs)
}
