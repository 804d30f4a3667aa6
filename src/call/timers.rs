//! When each call wants to be looked at again.
//!
//! A call has one deadline at a time, and its stage owns it (budget, ring time, longest call, last
//! figures of the media): leaving the stage ends the timer, so no timer can outlive its reason.
//! Transaction timers live in the endpoint.

use std::collections::BTreeSet;
use std::time::Instant;

/// The deadlines of all calls, earliest first; calls due at the same instant come in order of their key.
#[derive(Default)]
pub(crate) struct Agenda {
    entries: BTreeSet<(Instant, usize)>,
}

impl Agenda {
    /// Moves the entry of `call` from `was` to `at`.
    pub(crate) fn set(&mut self, call: usize, was: Option<Instant>, at: Option<Instant>) {
        if was == at {
            return;
        }
        if let Some(was) = was {
            self.entries.remove(&(was, call));
        }
        if let Some(at) = at {
            self.entries.insert((at, call));
        }
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// The calls that are due at `now`. They stay listed until they are set anew.
    pub(crate) fn due(&self, now: Instant) -> Vec<usize> {
        self.entries
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, call)| *call)
            .collect()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The earlier of two deadlines, where `None` is never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moved_deadline_leaves_nothing_behind() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let mut agenda = Agenda::default();
        agenda.set(1, None, Some(start));
        agenda.set(2, None, Some(start));
        agenda.set(1, Some(start), Some(later));
        assert_eq!((agenda.first(), agenda.due(start)), (Some(start), vec![2]));
        agenda.set(2, Some(start), None);
        agenda.set(1, Some(later), None);
        assert_eq!((agenda.first(), agenda.len()), (None, 0));
    }
}
