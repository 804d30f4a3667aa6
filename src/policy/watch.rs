//! Keeps count of refusals against a policy's budget, and says when it is over.

use std::collections::VecDeque;

use super::Budget;

/// Parts of the window; a call is forgotten at most one part late.
const PARTS: u64 = 20;

/// Counts over a sliding window; a few hundred octets.
#[derive(Clone, Debug)]
pub struct Watch {
    budget: Budget,
    /// Number of the part since the epoch, calls, refusals; oldest first.
    parts: VecDeque<(u64, u32, u32)>,
}

/// More refused than expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    pub calls: u32,
    pub refused: u32,
}

impl Watch {
    pub fn new(budget: Budget) -> Watch {
        Watch {
            budget,
            parts: VecDeque::new(),
        }
    }

    /// A call was decided at this moment (Unix ms); Some = with it the budget is exceeded.
    pub fn note(&mut self, is_refused: bool, at_ms: u64) -> Option<Exceeded> {
        let length_ms = (self.budget.window.as_millis() as u64 / PARTS).max(1);
        // A clock that goes back counts as standing still.
        let part = (at_ms / length_ms).max(self.parts.back().map_or(0, |(part, ..)| *part));
        if self.parts.back().is_none_or(|(last, ..)| *last != part) {
            self.parts.push_back((part, 0, 0));
        }
        while self
            .parts
            .front()
            .is_some_and(|(first, ..)| first + PARTS <= part)
        {
            self.parts.pop_front();
        }
        if let Some((_, calls, refused)) = self.parts.back_mut() {
            *calls = calls.saturating_add(1);
            *refused = refused.saturating_add(u32::from(is_refused));
        }
        let sum = |of: fn(&(u64, u32, u32)) -> u32| self.parts.iter().map(of).fold(0u32, u32::saturating_add);
        let (calls, refused) = (sum(|part| part.1), sum(|part| part.2));
        let is_over = u64::from(refused) * 100 > u64::from(calls) * u64::from(self.budget.refusals_percent);
        (is_refused && calls >= self.budget.calls_min && is_over).then_some(Exceeded { calls, refused })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn watch() -> Watch {
        Watch::new(Budget {
            refusals_percent: 10,
            window: Duration::from_secs(600),
            calls_min: 20,
        })
    }

    #[test]
    fn refusals_past_the_share_are_told_once_there_are_enough_calls() {
        let mut watch = watch();
        for call in 0..19 {
            assert_eq!(watch.note(true, call * 1_000), None);
        }
        assert_eq!(
            watch.note(true, 19_000),
            Some(Exceeded {
                calls: 20,
                refused: 20
            })
        );
    }

    #[test]
    fn a_share_that_is_kept_is_never_told() {
        let mut watch = watch();
        for call in 0..10_000u64 {
            assert_eq!(watch.note(call % 10 == 9, call * 500), None, "{call}");
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_and_a_clock_may_go_back() {
        let mut watch = watch();
        for call in 0..19 {
            watch.note(true, call);
        }
        let later = 601_000;
        assert_eq!(watch.note(true, later), None, "the old ones are gone");
        assert_eq!(watch.note(true, 0), None);
        assert_eq!(watch.parts.len(), 1);
    }
}
