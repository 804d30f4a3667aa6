//! Which phones ring and which one talks with the caller, who sits there, and where the call stands in line: what queues share
//! calls out by, and records say.

use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::queue;
use crate::queue::limits::STAND_BELIEVED;
use crate::queue::{Attempt, DEVICE, Hunt, OUTSIDE, PERSON, Stand, Standing, What};
use crate::screening::Label;

use super::Output;
use super::case::{Case, Taker};
use super::desk::Desk;
use super::engine::Engine;
use super::limits::WAKES_MAX;
use super::stage::{Event, Stage};

impl Case {
    /// The phone of this attempt rings.
    pub(crate) fn rings_at(&mut self, attempt: Attempt, taker: Taker, until: Instant, desk: &mut Desk) {
        taker.used(What::Rung { until }, desk);
        self.rings.push((attempt, taker));
    }

    /// It rang for all its time, and nobody answered.
    pub(crate) fn is_ignored(&mut self, attempt: Attempt, hunt: &Hunt, desk: &mut Desk) {
        let patience = hunt.config().service.patience;
        if let Some((_, taker)) = self.rings.iter().find(|(rings, _)| *rings == attempt) {
            desk.used(&taker.whoever(), What::Ignored(patience));
        }
    }

    /// The phone of this attempt has answered; whoever talked before is free. The call is that person's who is signed in
    /// there at this moment; gives his name.
    pub(crate) fn talks_with(&mut self, attempt: Attempt, hunt: &Hunt, desk: &mut Desk) -> Option<String> {
        self.talks_no_more(desk);
        let mut target = hunt.phone_of(attempt)?.to_string();
        if target.starts_with(OUTSIDE) {
            // A number is no phone that queues share calls out by: the trunk is what rang, as the record says.
            let rings = self.rings.iter().find(|(rings, _)| *rings == attempt);
            target = rings.map(|(_, taker)| taker.target.clone())?;
        }
        let person = desk.registrants.person_at(&target);
        self.record.attempt_taken(attempt.0, person.as_deref());
        let taker = Taker {
            target,
            person: person.clone(),
        };
        taker.used(What::Answered, desk);
        self.phone = Some(taker);
        if let Some((stand, _)) = self.stand.take() {
            let took = desk.now().instant.saturating_duration_since(stand.place.since);
            leave(stand, Some(took), desk);
        }
        person
    }

    /// The phone that has the call, where it is a device by a name: its address may be anything.
    pub(crate) fn device(&self) -> Option<String> {
        let target = &self.phone.as_ref()?.target;
        target.strip_prefix(DEVICE).map(str::to_string)
    }

    /// The phone that answered has put down, or the call goes on without it.
    pub(crate) fn talks_no_more(&mut self, desk: &mut Desk) {
        let Some(taker) = self.phone.take() else { return };
        let queue = self.record.queue.as_deref();
        let config = desk
            .queues
            .iter()
            .find(|config| Some(config.name.as_str()) == queue);
        let rest = config.map_or(Duration::ZERO, |config| config.service.wrap_up);
        if taker.person.is_some() {
            // Whoever sits down there next has not had this call.
            desk.used(&taker.target, What::Freed { rest: Duration::ZERO });
        }
        desk.used(&taker.whoever(), What::Freed { rest });
    }

    /// This phone has the call from now on, and so has its person.
    pub(crate) fn is_taken_by(&mut self, name: String, person: Option<String>) {
        self.record.answered_by = Some(name);
        self.record.person = person;
    }

    /// A queue sent the call on to another one: nobody of it took the call, or it is closed.
    pub(crate) fn goes_on_to(&mut self, queue: &str, from: String, desk: &Desk) {
        let at_ms = self.at_ms(desk);
        self.record.add_next_queue(at_ms, queue.to_string(), from);
    }

    /// The queue that takes the call at this moment, past those that are closed; Err: none does, and what he is to hear. An
    /// emergency is taken at any hour.
    pub(crate) fn open_queue(&mut self, queue: &str, desk: &Desk) -> Result<String, Option<String>> {
        let label = self.record.banner.as_ref().map(|banner| banner.label);
        if label == Some(Label::Emergency) {
            return Ok(queue.to_string());
        }
        match queue::open_at(&desk.queues, queue, desk.now().unix_ms()) {
            Ok(open) => {
                if open != queue {
                    self.goes_on_to(open, queue.to_string(), desk);
                }
                Ok(open.to_string())
            }
            Err(words) => Err(words.map(str::to_string)),
        }
    }

    /// After every event: what rings no more is told of, and where the call stands.
    pub(crate) fn settle(&mut self, stage: &Stage, desk: &mut Desk) {
        let search = stage.search();
        if !self.rings.is_empty() {
            let is_on = |attempt: Attempt| {
                search.is_some_and(|search| search.hunt.attempts().any(|rings| rings == attempt))
            };
            let (on, over) = std::mem::take(&mut self.rings)
                .into_iter()
                .partition(|(attempt, _)| is_on(*attempt));
            self.rings = on;
            for (_, taker) in over {
                taker.used(What::Unrung, desk);
            }
        }
        let now = desk.now().instant;
        let stand = search.and_then(|search| search.stand());
        let is_told = match (&self.stand, &stand) {
            (None, None) => return,
            (Some((known, told)), Some(stand)) => {
                known == stand && now.saturating_duration_since(*told) < STAND_BELIEVED / 2
            }
            _ => false,
        };
        if is_told {
            return;
        }
        let known = self.stand.take().map(|(known, _)| known);
        if let Some(known) = &known
            && stand
                .as_ref()
                .is_none_or(|stand| stand.place != known.place || stand.queue != known.queue)
        {
            leave(known.clone(), None, desk);
        }
        let is_picky = |stand: &Stand| !stand.needs.is_empty();
        if stand.as_ref().is_some_and(is_picky) || known.is_some_and(|known| is_picky(&known)) {
            // Whom it lets pass now looks for a phone.
            desk.is_floor_news = true;
        }
        if let Some(stand) = stand {
            desk.line.put(&stand);
            desk.say(Output::Stands(Standing::Here {
                stand: stand.clone(),
                at: now,
            }));
            self.stand = Some((stand, now));
        }
    }
}

/// A call stands in line no more; `took`: how long until a person answered it.
fn leave(stand: Stand, took: Option<Duration>, desk: &mut Desk) {
    desk.line.leave(&stand, took);
    desk.is_floor_news = true;
    desk.say(Output::Stands(Standing::Gone { stand, took }));
}

impl Engine {
    /// A phone may be free: whoever waits looks for one, in the order of the line.
    pub(super) fn wake_the_waiting(&mut self) {
        // What one finds may free another for the next; whatever is left is looked at again soon.
        for _ in 0..WAKES_MAX {
            if !std::mem::take(&mut self.desk.is_floor_news) || self.desk.line.is_empty() {
                return;
            }
            for call in self.desk.line.next() {
                self.tell(CallId(call), Event::Due);
            }
            self.pump();
        }
    }
}

impl Taker {
    /// The phone and whoever sits there: a queue may name either.
    pub(crate) fn used(&self, what: What, desk: &mut Desk) {
        desk.used(&self.target, what);
        if self.person.is_some() {
            desk.used(&self.whoever(), what);
        }
    }

    /// Whom a rest is for: the person, or the phone where nobody is signed in.
    fn whoever(&self) -> String {
        match &self.person {
            Some(person) => format!("{PERSON}{person}"),
            None => self.target.clone(),
        }
    }
}
