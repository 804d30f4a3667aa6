//! While a caller waits with music he is told where he stands, and how long it took others lately.

use std::time::Duration;

use super::{Reception, Step};
use crate::call::case::Case;
use crate::call::desk::Desk;
use crate::media::Side;

impl Reception {
    /// He waits in another queue now, or in his first: from when on he is told, if at all.
    pub(super) fn plan_announcement(&mut self, desk: &Desk) {
        let search = self.search();
        let every = search.and_then(|search| search.hunt.config().service.announce);
        self.announce_at = every.map(|every| desk.now().instant + every);
    }

    /// Tells him, if it is time. Words that are being said are not broken off.
    pub(super) fn announce(&mut self, case: &mut Case, desk: &mut Desk) {
        let now = desk.now().instant;
        if self.announce_at.is_none_or(|at| now < at) {
            return;
        }
        self.plan_announcement(desk);
        let Step::Calling(calling) = &self.step else {
            return;
        };
        let Some(stand) = calling.search().stand().filter(|_| self.turn.is_none()) else {
            return;
        };
        let position = desk.line.position(&stand.queue, stand.place);
        let mut words = vec!["queue-position".to_string()];
        words.extend(digits(position));
        words.push("queue-line".into());
        if let Some(lately) = desk.line.estimate(&stand.queue) {
            let waited = now.saturating_duration_since(stand.place.since);
            let minutes = minutes(lately.saturating_sub(waited));
            words.push("queue-estimate".into());
            words.extend(digits(minutes));
            words.push(if minutes == 1 { "minute" } else { "minutes" }.into());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // Without a recording the music goes on.
        self.turn = case.say(Side::A, &words, desk);
    }
}

/// Begun ones count whole; nobody is told that it takes no time.
fn minutes(time: Duration) -> usize {
    (time.as_secs().div_ceil(60) as usize).max(1)
}

/// A number as it is said: digit by digit.
fn digits(number: usize) -> impl Iterator<Item = String> {
    let digits: Vec<String> = number
        .to_string()
        .chars()
        .map(|digit| format!("digit-{digit}"))
        .collect();
    digits.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_digit_by_digit_and_no_wait_takes_no_time() {
        assert_eq!(digits(12).collect::<Vec<_>>(), ["digit-1", "digit-2"]);
        assert_eq!(
            [0, 1, 60, 61].map(|s| minutes(Duration::from_secs(s))),
            [1, 1, 1, 2]
        );
    }
}
