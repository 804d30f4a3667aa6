//! Which phone talks with the caller, and who sits there: the queues share calls out by it, and records say it.

use crate::queue::{Hunt, PERSON, What};

use super::case::{Case, Taker};
use super::desk::Desk;
use crate::queue::Attempt;

impl Case {
    /// The phone of this attempt has answered; whoever talked before is free. The call is that person's who is signed in
    /// there at this moment; gives his name.
    pub(crate) fn talks_with(&mut self, attempt: Attempt, hunt: &Hunt, desk: &mut Desk) -> Option<String> {
        self.talks_no_more(desk);
        let target = hunt.phone_of(attempt)?.to_string();
        let person = desk.registrants.person_at(&target);
        self.record.attempt_taken(attempt.0, person.as_deref());
        let taker = Taker {
            target,
            person: person.clone(),
        };
        taker.used(What::Answered, desk);
        self.phone = Some(taker);
        person
    }

    /// The phone that answered has put down, or the call goes on without it.
    pub(crate) fn talks_no_more(&mut self, desk: &mut Desk) {
        if let Some(taker) = self.phone.take() {
            taker.used(What::Freed, desk);
        }
    }

    /// This phone has the call from now on, and so has its person.
    pub(crate) fn is_taken_by(&mut self, name: String, person: Option<String>) {
        self.record.answered_by = Some(name);
        self.record.person = person;
    }
}

impl Taker {
    /// The phone and whoever sits there: a queue may name either.
    pub(crate) fn used(&self, what: What, desk: &mut Desk) {
        desk.used(&self.target, what);
        if let Some(person) = &self.person {
            desk.used(&format!("{PERSON}{person}"), what);
        }
    }
}
