//! Where a call stands among those that wait, and what is known of a target at this moment.

use std::time::Instant;

use crate::queue::{self, PERSON, Place, Rest, Stand, Trust, Wants};
use crate::screening::Label;

use super::case::Case;
use super::desk::Desk;
use super::hunting::Hunting;

impl Hunting {
    /// Where the call stands in line; None = it does not wait.
    pub(super) fn stand(&self) -> Option<Stand> {
        let (since, is_choosing, left_alone) = self.hunt.stands()?;
        let class = match (self.class, self.hunt.config().service.is_by_trust) {
            (class, true) => class,
            // An emergency waits behind nobody.
            (EMERGENCY, false) => EMERGENCY,
            (_, false) => EMERGENCY + 1,
        };
        Some(Stand {
            queue: self.hunt.queue().into(),
            place: Place {
                class,
                since,
                call: self.call,
            },
            is_choosing,
            left_alone,
            needs: self.hunt.needs().to_vec(),
        })
    }
}

/// What is known of a target of a queue at this moment. What its person does counts wherever he sits.
pub(super) fn seen(target: &str, now: Instant, desk: &Desk) -> queue::Seen {
    let registrants = &desk.registrants;
    let phone = desk.usage.of(target);
    let person = match target.starts_with(PERSON) {
        true => None,
        false => registrants.roster.person_at(target),
    };
    let name = person.cloned();
    let person = person.map(|name| desk.usage.of(&format!("{PERSON}{name}")));
    let rest = match registrants.roster.pause_at(target) {
        Some(_) => Some(Rest::Paused),
        None => person
            .and_then(|person| person.rest(now))
            .or_else(|| phone.rest(now)),
    };
    let is_away = registrants.is_away(target);
    queue::Seen {
        is_down: is_away || desk.routes.is_down(target, now),
        is_away,
        is_taken: phone.is_taken(now) || person.is_some_and(|person| person.is_taken(now)),
        rest,
        devices: registrants.roster.devices_of(target),
        person: name,
        phone,
    }
}

/// The class of those who wait behind nobody.
const EMERGENCY: u8 = 0;

/// What decides which skills the call needs: the number that was dialled, and what policy made of the caller.
pub(super) fn wants(case: &Case) -> Wants {
    Wants {
        dialled: case.record.called.reveal().clone(),
        caller: match class(case) {
            EMERGENCY => None,
            1 => Some(Trust::Proven),
            2 => Some(Trust::Unproven),
            _ => Some(Trust::Suspect),
        },
    }
}

/// How a call stands where the line is by trust: proven callers first, those the banner warns of last.
pub(super) fn class(case: &Case) -> u8 {
    let label = case.record.banner.as_ref().map(|banner| banner.label);
    match label {
        Some(Label::Emergency) => EMERGENCY,
        Some(Label::Genuine | Label::Known) => 1,
        Some(Label::Unproven) | None => 2,
        Some(Label::Suspect | Label::Forged | Label::Synthetic | Label::Campaign) => 3,
    }
}
