//! Which letter goes next, and what becomes of it: a queue for each address, rests after failures, and what has no room or gets too
//! old. Knows neither a clock nor a mail server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::limits::{MAIL_LASTS, MAIL_REST_MAX, MAIL_WAITING};
use crate::alarm::Alarm;

/// What waits, and how it goes since the start.
pub(super) struct Office {
    /// One for each address of `to`, in its order.
    boxes: Vec<Letterbox>,
    /// Whose turn it is, if there is something for him.
    turn: usize,
    /// After the server could not be reached, which holds for everybody.
    rest: Rest,
    /// Why it could not be, at the last try.
    problem: Option<String>,
    pub(super) is_closed: bool,
    pub(super) sent: u64,
    /// Letters that did not come to the one they were for.
    pub(super) lost: u64,
}

/// What waits for one address.
struct Letterbox {
    letters: VecDeque<Letter>,
    /// After the server put him off.
    rest: Rest,
    /// What it said of the last letter; None = it was taken, or there was none.
    problem: Option<String>,
}

/// An alarm for one address.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) alarm: Arc<Alarm>,
    pub(super) told: Instant,
}

/// A pause that is twice as long after each failure.
struct Rest {
    first: Duration,
    next: Duration,
    until: Option<Instant>,
}

/// What there is to do.
pub(super) enum Next {
    /// For this address.
    Send(usize, Letter),
    /// None = until somebody tells something.
    Wait(Option<Duration>),
    End,
}

/// Why a letter was not taken.
pub(super) struct Problem {
    /// What the server, or the way to it, said; cut short.
    pub(super) words: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It would be refused again (5xx).
    Final,
    /// The server does not take it now (4xx).
    PutOff,
    /// The server did not say anything, or nothing that is SMTP.
    Away,
}

impl Office {
    pub(super) fn new(addresses: usize, rest: Duration) -> Office {
        let letterbox = || Letterbox {
            letters: VecDeque::new(),
            rest: Rest::new(rest),
            problem: None,
        };
        Office {
            boxes: (0..addresses).map(|_| letterbox()).collect(),
            turn: 0,
            rest: Rest::new(rest),
            problem: None,
            is_closed: false,
            sent: 0,
            lost: 0,
        }
    }

    /// An alarm for every address.
    pub(super) fn tell(&mut self, letter: &Letter) {
        for place in 0..self.boxes.len() {
            self.put(place, letter.clone());
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.boxes.iter().map(|one| one.letters.len()).sum()
    }

    /// Past [`MAIL_WAITING`] the mildest goes, and of those the oldest.
    fn put(&mut self, place: usize, letter: Letter) {
        let letters = &mut self.boxes[place].letters;
        letters.push_back(letter);
        if letters.len() > MAIL_WAITING {
            let all = letters.iter().enumerate();
            let mildest = all.min_by_key(|(_, letter)| (letter.alarm.severity, letter.told));
            if let Some(mildest) = mildest.map(|(at, _)| at) {
                letters.remove(mildest);
                self.lose(1);
            }
        }
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        self.forget_old(now);
        if self.boxes.iter().all(|one| one.letters.is_empty()) {
            return if self.is_closed {
                Next::End
            } else {
                Next::Wait(None)
            };
        }
        if let Some(left) = self.rest.left(now) {
            return Next::Wait(Some(left));
        }
        let mut least: Option<Duration> = None;
        for step in 0..self.boxes.len() {
            let place = (self.turn + step) % self.boxes.len();
            let one = &mut self.boxes[place];
            if one.letters.is_empty() {
                continue;
            }
            match one.rest.left(now) {
                Some(left) => least = Some(least.map_or(left, |least| least.min(left))),
                None => {
                    if let Some(letter) = one.letters.pop_front() {
                        self.turn = place + 1;
                        return Next::Send(place, letter);
                    }
                }
            }
        }
        Next::Wait(least)
    }

    fn forget_old(&mut self, now: Instant) {
        let mut old = 0;
        for one in &mut self.boxes {
            let before = one.letters.len();
            one.letters
                .retain(|letter| now.saturating_duration_since(letter.told) < MAIL_LASTS);
            old += before - one.letters.len();
        }
        self.lose(old as u64);
    }

    /// What became of a letter. One that is to be tried again goes behind the others for that address.
    pub(super) fn settle(&mut self, place: usize, letter: Letter, sent: Result<(), Problem>, now: Instant) {
        let Err(problem) = sent else {
            self.reached();
            self.boxes[place].problem = None;
            self.boxes[place].rest.over();
            self.sent += 1;
            metrics::counter!("ringward_alarm_emails_total", "outcome" => "sent").increment(1);
            return;
        };
        tracing::warn!(
            alarm = letter.alarm.number,
            address = place + 1,
            is_over = problem.kind == Kind::Final,
            "an alarm was not sent by e-mail: {}",
            problem.words
        );
        match problem.kind {
            Kind::Final => {
                self.reached();
                self.boxes[place].problem = Some(problem.words);
                self.lose(1);
            }
            Kind::PutOff => {
                self.reached();
                self.boxes[place].problem = Some(problem.words);
                self.boxes[place].rest.begin(now);
                self.put(place, letter);
            }
            Kind::Away => {
                self.problem = Some(problem.words);
                self.rest.begin(now);
                self.put(place, letter);
            }
        }
    }

    /// The server said something.
    fn reached(&mut self) {
        self.problem = None;
        self.rest.over();
    }

    /// Of the way to the server, or of the first address that has one: named by its place, since it is somebody's.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.clone().or_else(|| {
            let mut boxes = self.boxes.iter().enumerate();
            boxes.find_map(|(place, one)| {
                let words = one.problem.as_ref()?;
                Some(format!("address {} of `to`: {words}", place + 1))
            })
        })
    }

    fn lose(&mut self, letters: u64) {
        if letters > 0 {
            self.lost += letters;
            metrics::counter!("ringward_alarm_emails_total", "outcome" => "lost").increment(letters);
        }
    }
}

impl Rest {
    fn new(first: Duration) -> Rest {
        Rest {
            first,
            next: first,
            until: None,
        }
    }

    fn begin(&mut self, now: Instant) {
        self.until = Some(now + self.next);
        self.next = (self.next * 2).min(MAIL_REST_MAX);
    }

    fn over(&mut self) {
        *self = Rest::new(self.first);
    }

    /// None = there is none.
    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::clock;
    use super::super::super::limits::MAIL_REST;
    use super::super::tests::alarm;
    use super::*;
    use crate::alarm::Severity;

    fn letter(number: u64, severity: Severity, told: Instant) -> Letter {
        Letter {
            alarm: Arc::new(alarm(number, severity)),
            told,
        }
    }

    fn put_off() -> Result<(), Problem> {
        Err(Problem {
            words: "451 later".into(),
            kind: Kind::PutOff,
        })
    }

    #[test]
    fn an_address_that_is_put_off_holds_up_no_other_one_and_loses_the_mildest() {
        let (mut office, now) = (Office::new(2, MAIL_REST), clock::now().instant);
        for number in 0..=MAIL_WAITING as u64 {
            let severity = match number {
                0 => Severity::Critical,
                5 => Severity::Low,
                _ => Severity::High,
            };
            for place in 0..2 {
                office.put(place, letter(number, severity, now));
            }
            // The second address takes whatever comes.
            loop {
                match office.next(now) {
                    Next::Send(0, letter) => office.settle(0, letter, put_off(), now),
                    Next::Send(place, letter) => office.settle(place, letter, Ok(()), now),
                    Next::Wait(_) => break,
                    Next::End => panic!("it is not closed"),
                }
            }
        }
        assert_eq!(office.sent, MAIL_WAITING as u64 + 1);
        assert_eq!(office.lost, 1);
        let waiting: Vec<u64> = office.boxes[0]
            .letters
            .iter()
            .map(|one| one.alarm.number)
            .collect();
        assert_eq!(waiting.len(), MAIL_WAITING);
        assert!(waiting.contains(&0) && !waiting.contains(&5), "{waiting:?}");
        assert!(waiting.contains(&(MAIL_WAITING as u64)), "{waiting:?}");
        assert_eq!(office.problem().as_deref(), Some("address 1 of `to`: 451 later"));
        // A day counts from when the alarm was told, and not from the first try.
        assert!(matches!(office.next(now + MAIL_LASTS), Next::Wait(None)));
        assert_eq!(office.lost, 1 + MAIL_WAITING as u64);
    }
}
