//! The messages of one receiver: what waits, what is tried when, and what was given up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::Event;
use super::letter::Letter;
use super::limits::{
    ANSWER_TIMEOUT, DEAD_MAX, DEAD_OCTETS_MAX, GIVE_UP, PAUSE_LONGEST, PROBLEM_MAX, TRY_FIRST, TRY_LONGEST,
    WAITING_MAX, WAITING_OCTETS_MAX,
};

/// A document to be put on the shelf under this key, or taken from it.
pub type Change = (String, Option<String>);

/// When a message is tried again, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub first: Duration,
    pub longest: Duration,
    pub give_up: Duration,
    pub pause_longest: Duration,
    /// How long an answer may take.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            first: TRY_FIRST,
            longest: TRY_LONGEST,
            give_up: GIVE_UP,
            pause_longest: PAUSE_LONGEST,
            answer: ANSWER_TIMEOUT,
        }
    }
}

impl Patience {
    fn doubled(&self, failures: u32, longest: Duration) -> u64 {
        let wait = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        wait.min(longest).as_millis() as u64
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Try this one now.
    Try(u64, Letter),
    /// Nothing before so many milliseconds.
    Wait(u64),
    /// Nothing waits.
    Idle,
}

/// How a receiver is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub waiting: usize,
    pub dead: usize,
    /// When the oldest that waits was put there, Unix ms.
    pub oldest_ms: Option<u64>,
    /// When it took a message last since the start, Unix ms.
    pub taken_ms: Option<u64>,
    /// Tries that failed since then.
    pub failures: u32,
    /// What the last of them ran into.
    pub problem: Option<String>,
}

/// Every change of it gives what is to be changed on the shelf. A crash in between tells a message twice.
#[derive(Debug)]
pub struct Line {
    name: String,
    patience: Patience,
    /// By the number of their coming.
    waiting: BTreeMap<u64, Letter>,
    dead: BTreeMap<u64, Letter>,
    /// Octets of each of both, as it was put down, and of all of each.
    sizes: BTreeMap<u64, usize>,
    waiting_octets: usize,
    dead_octets: usize,
    next_number: u64,
    /// Nobody is told anything before, Unix ms.
    pause_until_ms: u64,
    taken_ms: Option<u64>,
    failures: u32,
    problem: Option<String>,
}

impl Line {
    /// With what the shelf holds for this receiver.
    pub fn new(name: &str, patience: Patience, documents: &[(String, String)]) -> Line {
        let mut line = Line {
            name: name.into(),
            patience,
            waiting: BTreeMap::new(),
            dead: BTreeMap::new(),
            sizes: BTreeMap::new(),
            waiting_octets: 0,
            dead_octets: 0,
            next_number: 1,
            pause_until_ms: 0,
            taken_ms: None,
            failures: 0,
            problem: None,
        };
        for (key, text) in documents {
            let mut parts = key.splitn(3, '/');
            let (Some(kind), Some(of), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let (true, Ok(number)) = (of == name, number.parse::<u64>()) else {
                continue;
            };
            match (kind, serde_json::from_str::<Letter>(text)) {
                (WAITING, Ok(letter)) => {
                    line.waiting.insert(number, letter);
                    line.sizes.insert(number, text.len());
                    line.waiting_octets += text.len();
                }
                (DEAD, Ok(letter)) => {
                    line.dead.insert(number, letter);
                    line.sizes.insert(number, text.len());
                    line.dead_octets += text.len();
                }
                (_, Err(error)) => tracing::error!(webhook = name, %error, "a kept message cannot be read"),
                _ => {}
            }
            line.next_number = line.next_number.max(number.saturating_add(1));
        }
        line
    }

    pub fn put(&mut self, event: &Event, now_ms: u64) -> Vec<Change> {
        self.wait(Letter::of(event, now_ms), now_ms)
    }

    pub fn next(&self, now_ms: u64) -> Next {
        if self.waiting.is_empty() {
            return Next::Idle;
        }
        // A clock that was set back makes nobody wait longer than the longest wait.
        let longest = self.patience.longest.as_millis() as u64;
        let left = |due_ms: u64| due_ms.saturating_sub(now_ms).min(longest);
        let first = self
            .waiting
            .iter()
            .min_by_key(|(number, letter)| (left(letter.due_ms), letter.tries, **number));
        let Some((number, letter)) = first else {
            return Next::Idle;
        };
        match left(letter.due_ms).max(left(self.pause_until_ms)) {
            0 => Next::Try(*number, letter.clone()),
            wait_ms => Next::Wait(wait_ms),
        }
    }

    /// It was taken.
    pub fn taken(&mut self, number: u64, now_ms: u64) -> Vec<Change> {
        (self.taken_ms, self.failures, self.problem) = (Some(now_ms), 0, None);
        self.pause_until_ms = 0;
        let gone = self.waiting.remove(&number);
        if gone.is_some() {
            self.waiting_octets -= self.size_gone(number);
        }
        gone.map(|_| (self.key(WAITING, number), None))
            .into_iter()
            .collect()
    }

    /// It was not: it is tried again, or dead.
    pub fn failed(&mut self, number: u64, problem: &str, now_ms: u64) -> Vec<Change> {
        let problem: String = problem.chars().take(PROBLEM_MAX).collect();
        self.failures = self.failures.saturating_add(1);
        self.pause_until_ms = now_ms + self.patience.doubled(self.failures, self.patience.pause_longest);
        self.problem = Some(problem.clone());
        let Some(letter) = self.waiting.get_mut(&number) else {
            return Vec::new();
        };
        letter.tries = letter.tries.saturating_add(1);
        letter.problem = Some(problem);
        let wait_ms = self.patience.doubled(letter.tries, self.patience.longest);
        let give_up_ms = self.patience.give_up.as_millis() as u64;
        if now_ms.saturating_sub(letter.since_ms) + wait_ms > give_up_ms {
            return self.bury(number, now_ms);
        }
        letter.due_ms = now_ms + wait_ms;
        let text = text_of(letter);
        vec![(self.key(WAITING, number), Some(text))]
    }

    /// Whether a message of this id waits, or is dead.
    pub fn has(&self, id: &str) -> bool {
        let mut letters = self.waiting.values().chain(self.dead.values());
        letters.any(|letter| letter.id == id)
    }

    /// Dead messages, oldest first.
    pub fn dead(&self) -> impl Iterator<Item = &Letter> {
        self.dead.values()
    }

    /// Has dead messages tried again: this one, or all (None). None = there is no such dead one.
    pub fn again(&mut self, id: Option<&str>, now_ms: u64) -> Option<(usize, Vec<Change>)> {
        let numbers = self.dead_numbers(id)?;
        let mut changes = Vec::new();
        for number in &numbers {
            let Some(mut letter) = self.dead.remove(number) else {
                continue;
            };
            self.dead_octets -= self.size_gone(*number);
            changes.push((self.key(DEAD, *number), None));
            (letter.since_ms, letter.due_ms, letter.tries) = (now_ms, now_ms, 0);
            changes.extend(self.wait(letter, now_ms));
        }
        self.pause_until_ms = 0;
        Some((numbers.len(), changes))
    }

    /// Forgets dead messages: this one, or all (None). None = there is no such dead one.
    pub fn forget(&mut self, id: Option<&str>) -> Option<(usize, Vec<Change>)> {
        let numbers = self.dead_numbers(id)?;
        for number in &numbers {
            self.dead.remove(number);
            self.dead_octets -= self.size_gone(*number);
        }
        let changes = numbers.iter().map(|number| (self.key(DEAD, *number), None));
        Some((numbers.len(), changes.collect()))
    }

    pub fn standing(&self) -> Standing {
        Standing {
            waiting: self.waiting.len(),
            dead: self.dead.len(),
            oldest_ms: self.waiting.values().map(|letter| letter.since_ms).min(),
            taken_ms: self.taken_ms,
            failures: self.failures,
            problem: self.problem.clone(),
        }
    }

    fn dead_numbers(&self, id: Option<&str>) -> Option<Vec<u64>> {
        let is_meant = |letter: &Letter| id.is_none_or(|id| letter.id == id);
        let dead = self.dead.iter().filter(|(_, letter)| is_meant(letter));
        let numbers: Vec<u64> = dead.map(|(number, _)| *number).collect();
        (id.is_none() || !numbers.is_empty()).then_some(numbers)
    }

    fn wait(&mut self, letter: Letter, now_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let text = text_of(&letter);
        while (self.waiting.len() >= WAITING_MAX || self.waiting_octets + text.len() > WAITING_OCTETS_MAX)
            && let Some((oldest, letter)) = self.waiting.iter_mut().next()
        {
            letter.problem = Some("too many messages waited".into());
            let oldest = *oldest;
            changes.extend(self.bury(oldest, now_ms));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.sizes.insert(number, text.len());
        self.waiting_octets += text.len();
        changes.push((self.key(WAITING, number), Some(text)));
        self.waiting.insert(number, letter);
        changes
    }

    fn size_gone(&mut self, number: u64) -> usize {
        self.sizes.remove(&number).unwrap_or(0)
    }

    fn bury(&mut self, number: u64, now_ms: u64) -> Vec<Change> {
        let Some(mut letter) = self.waiting.remove(&number) else {
            return Vec::new();
        };
        letter.due_ms = now_ms;
        self.waiting_octets -= self.size_gone(number);
        let text = text_of(&letter);
        self.sizes.insert(number, text.len());
        self.dead_octets += text.len();
        let mut changes = vec![
            (self.key(WAITING, number), None),
            (self.key(DEAD, number), Some(text)),
        ];
        self.dead.insert(number, letter);
        while (self.dead.len() > DEAD_MAX || self.dead_octets > DEAD_OCTETS_MAX)
            && let Some((oldest, _)) = self.dead.pop_first()
        {
            self.dead_octets -= self.size_gone(oldest);
            changes.push((self.key(DEAD, oldest), None));
        }
        changes
    }

    fn key(&self, kind: &str, number: u64) -> String {
        format!("{kind}/{}/{number:020}", self.name)
    }
}

const WAITING: &str = "waiting";
const DEAD: &str = "dead";

fn text_of(letter: &Letter) -> String {
    // Our own plain data always has a JSON form.
    serde_json::to_string(letter).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn line() -> Line {
        Line::new("siem", Patience::default(), &[])
    }

    fn tried(line: &Line, now_ms: u64) -> u64 {
        match line.next(now_ms) {
            Next::Try(number, _) => number,
            other => panic!("{other:?}"),
        }
    }

    /// The shelf after these changes.
    fn shelve(shelf: &mut BTreeMap<String, String>, changes: Vec<Change>) {
        for (key, text) in changes {
            match text {
                Some(text) => drop(shelf.insert(key, text)),
                None => drop(shelf.remove(&key)),
            }
        }
    }

    #[test]
    fn waits_double_up_to_an_hour_and_end_after_a_day() {
        let mut line = line();
        line.put(&Event::test(1, "ann", 0), 0);
        let (mut now_ms, mut waits) = (0, Vec::new());
        loop {
            let number = tried(&line, now_ms);
            line.failed(number, "answered 500", now_ms);
            match line.next(now_ms) {
                Next::Wait(wait_ms) => {
                    waits.push(wait_ms / 1_000);
                    now_ms += wait_ms;
                }
                Next::Idle => break,
                Next::Try(..) => panic!("at once"),
            }
        }
        assert_eq!(waits[..5], [5, 10, 20, 40, 80]);
        assert_eq!(waits.last(), Some(&3_600));
        assert!(now_ms <= 24 * HOUR && now_ms > 22 * HOUR);
        let standing = line.standing();
        assert_eq!((standing.waiting, standing.dead), (0, 1));
        assert_eq!(standing.problem.as_deref(), Some("answered 500"));
        let (count, _) = line.again(Some("test-0-1"), now_ms).unwrap();
        assert_eq!(
            (count, line.next(now_ms)),
            (
                1,
                Next::Try(
                    2,
                    Letter {
                        id: "test-0-1".into(),
                        kind: "test".into(),
                        at_ms: 0,
                        data: serde_json::json!({ "by": "ann" }),
                        since_ms: now_ms,
                        tries: 0,
                        due_ms: now_ms,
                        problem: Some("answered 500".into()),
                    }
                )
            )
        );
        assert!(line.again(Some("test-0-1"), now_ms).is_none());
    }

    #[test]
    fn one_message_that_is_never_taken_does_not_hold_up_the_others() {
        let mut line = line();
        line.put(&Event::test(1, "ann", 0), 0);
        line.put(&Event::test(2, "ann", 0), 0);
        assert_eq!(tried(&line, 0), 1);
        line.failed(1, "answered 400", 0);
        assert_eq!(
            line.next(0),
            Next::Wait(5_000),
            "whoever failed is left alone for a moment"
        );
        assert_eq!(tried(&line, 5_000), 2, "those that were tried less go first");
        line.taken(2, 5_000);
        assert_eq!((line.standing().failures, tried(&line, 5_000)), (0, 1));
        line.failed(1, "answered 400", 5_000);
        line.put(&Event::test(3, "ann", 0), 5_000);
        assert_eq!(tried(&line, 60_000), 3, "however late it is");
        line.taken(3, 60_000);
        assert_eq!(tried(&line, 60_000), 1);
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_left_alone_longer_each_time_and_a_minute_at_most() {
        let mut line = line();
        for number in 0..20 {
            line.put(&Event::test(number, "ann", 0), 0);
        }
        let (mut now_ms, mut waits) = (0, Vec::new());
        for _ in 0..8 {
            let number = tried(&line, now_ms);
            line.failed(number, "no connection", now_ms);
            let Next::Wait(wait_ms) = line.next(now_ms) else {
                panic!()
            };
            waits.push(wait_ms / 1_000);
            now_ms += wait_ms;
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60, 60]);
    }

    #[test]
    fn what_is_on_the_shelf_is_there_after_a_restart() {
        let (mut line, mut shelf) = (line(), BTreeMap::new());
        for number in 0..4 {
            shelve(&mut shelf, line.put(&Event::test(number, "ann", 0), 0));
        }
        shelve(&mut shelf, line.taken(1, 1));
        shelve(&mut shelf, line.failed(2, "answered 500", 25 * HOUR));
        shelve(&mut shelf, line.failed(3, "answered 500", 1_000));
        let documents: Vec<_> = shelf.clone().into_iter().collect();
        let mut again = Line::new("siem", Patience::default(), &documents);
        assert_eq!((&again.waiting, &again.dead), (&line.waiting, &line.dead));
        assert_eq!((again.waiting.len(), again.dead.len()), (2, 1));
        shelve(&mut shelf, again.put(&Event::test(9, "ann", 0), 0));
        assert_eq!(again.waiting.keys().copied().collect::<Vec<_>>(), [3, 4, 5]);
        assert!(
            Line::new("other", Patience::default(), &documents)
                .waiting
                .is_empty()
        );
        shelve(&mut shelf, again.forget(None).unwrap().1);
        assert!(shelf.keys().all(|key| key.starts_with("waiting/siem/")));
    }

    #[test]
    fn both_lines_are_bounded_in_octets_too_and_every_way_out_is_counted() {
        let (mut line, mut shelf) = (line(), BTreeMap::new());
        let long = |number: u64| Event {
            data: serde_json::json!({ "text": "x".repeat(12_000) }),
            ..Event::test(number, "ann", 0)
        };
        for number in 0..1_500 {
            shelve(&mut shelf, line.put(&long(number), number));
        }
        let octets = |shelf: &BTreeMap<String, String>, kind: &str| -> usize {
            let of = shelf.iter().filter(|(key, _)| key.starts_with(kind));
            of.map(|(_, text)| text.len()).sum()
        };
        let (waiting, dead) = (octets(&shelf, WAITING), octets(&shelf, DEAD));
        assert!(
            (WAITING_OCTETS_MAX - 13_000..=WAITING_OCTETS_MAX).contains(&waiting),
            "{waiting}"
        );
        assert!(
            (DEAD_OCTETS_MAX - 13_000..=DEAD_OCTETS_MAX).contains(&dead),
            "{dead}"
        );
        assert_eq!((line.waiting_octets, line.dead_octets), (waiting, dead));
        let documents: Vec<_> = shelf.clone().into_iter().collect();
        let mut again = Line::new("siem", Patience::default(), &documents);
        assert_eq!((again.waiting_octets, again.dead_octets), (waiting, dead));
        again.again(None, 0).unwrap();
        again.forget(None).unwrap();
        while let Next::Try(number, _) = again.next(u64::MAX) {
            again.taken(number, 0);
        }
        assert_eq!(
            (again.waiting_octets, again.dead_octets, again.sizes.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn both_lines_are_bounded_and_the_oldest_goes() {
        let (mut line, mut shelf) = (line(), BTreeMap::new());
        for number in 0..(WAITING_MAX + DEAD_MAX + 10) as u64 {
            shelve(&mut shelf, line.put(&Event::test(number, "ann", 0), number));
        }
        assert_eq!((line.waiting.len(), line.dead.len()), (WAITING_MAX, DEAD_MAX));
        assert_eq!(shelf.len(), WAITING_MAX + DEAD_MAX);
        let first = line.dead().next().unwrap();
        assert_eq!(first.id, "test-0-10");
        assert_eq!(first.problem.as_deref(), Some("too many messages waited"));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer_than_an_hour() {
        let mut line = line();
        line.put(&Event::test(1, "ann", 0), 1_000 * HOUR);
        assert_eq!(line.next(0), Next::Wait(HOUR));
    }
}
