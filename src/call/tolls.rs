//! What calls to the outside may come to: how many at once, how many and how many minutes in an hour, for everybody, for each person and
//! for each queue; and at which hours.
//!
//! One ledger for all shards. It is locked for a moment when a call wants out and when it is over, never in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::limits::{TOLL_ENTRIES_MAX, TOLL_FORGET, TOLL_HOUR};

/// What one of them may; None = as many as there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    pub at_once: Option<u32>,
    /// Calls in any sixty minutes.
    pub per_hour: Option<u32>,
    /// Minutes in any sixty minutes, from when they begin to ring, those of calls that go on included. No call is cut: none more begins.
    pub minutes_per_hour: Option<u32>,
}

impl Allowance {
    const ANY: Allowance = Allowance {
        at_once: None,
        per_hour: None,
        minutes_per_hour: None,
    };
}

/// `[outbound.all]`, `[outbound.person]`, `[outbound.queue]` and `[outbound] hours`.
#[derive(Clone, PartialEq, Eq)]
pub struct TollConfig {
    pub all: Allowance,
    pub person: Allowance,
    pub queue: Allowance,
    /// Days (bit 0 = Monday) and minutes of the day, from (inside) to (outside); empty = always.
    pub hours: Vec<(u8, u16, u16)>,
    pub zone: TimeZone,
}

impl Default for TollConfig {
    /// Whatever is not refused by its number.
    fn default() -> TollConfig {
        TollConfig {
            all: Allowance::default(),
            person: Allowance::default(),
            queue: Allowance::default(),
            hours: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl std::fmt::Debug for TollConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TollConfig");
        shown
            .field("all", &self.all)
            .field("person", &self.person)
            .field("queue", &self.queue);
        shown.field("hours", &self.hours).finish_non_exhaustive()
    }
}

impl TollConfig {
    /// Nothing is counted.
    pub(crate) fn is_unlimited(&self) -> bool {
        [self.all, self.person, self.queue] == [Allowance::ANY; 3]
    }

    /// Whether calls may go out at this time (Unix ms).
    pub(crate) fn is_open(&self, unix_ms: u64) -> bool {
        if self.hours.is_empty() {
            return true;
        }
        let at = i64::try_from(unix_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let Some(at) = at else { return false };
        let local = at.to_zoned(self.zone.clone());
        let day = 1 << local.weekday().to_monday_zero_offset();
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let mut hours = self.hours.iter();
        hours.any(|(days, from, to)| days & day != 0 && (*from..*to).contains(&minute))
    }
}

/// Whose call it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payer<'a> {
    /// The phone: a device's name, or its address. None = a queue of its own accord.
    pub person: Option<&'a str>,
    pub queue: Option<&'a str>,
}

/// All calls to the outside of the last hour, on every shard.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    next: u64,
    /// Those that go on, so that a refusal of one too many does not go over all of them.
    all: u32,
    persons: BTreeMap<String, u32>,
    queues: BTreeMap<String, u32>,
    /// When what counts no more was last looked for.
    forgotten: Option<Instant>,
    /// The oldest first, by their numbers.
    calls: VecDeque<Entry>,
    /// Queues, and the numbers outside that ring for a call of theirs and have not answered.
    rings: BTreeSet<(String, String)>,
}

struct Entry {
    number: u64,
    person: Option<String>,
    queue: Option<String>,
    began: Instant,
    ended: Option<Instant>,
}

/// A number outside rings for a call of a queue, until this is let go of.
pub(crate) struct RingsOutside {
    ledger: Ledger,
    /// The queue and the number.
    of: (String, String),
}

/// A call that is being paid for. Whoever lets go of it without [`Toll::end`] has it counted as over as soon as it began.
pub(crate) struct Toll {
    ledger: Ledger,
    number: u64,
}

impl Ledger {
    /// One more call. Goes over those of the last hour once, but not where as many as may go on at once.
    ///
    /// # Errors
    ///
    /// Why not, in words for whoever reads the phone's trace.
    pub(crate) fn begin(
        &self,
        config: &TollConfig,
        payer: &Payer<'_>,
        now: Instant,
    ) -> Result<Toll, &'static str> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.check_at_once(config, payer)?;
        entries.forget(now);
        let (mut all, mut person, mut queue) = (Sum::default(), Sum::default(), Sum::default());
        for entry in &entries.calls {
            all.add(entry, now);
            if entry.person.is_some() && entry.person.as_deref() == payer.person {
                person.add(entry, now);
            }
            if entry.queue.is_some() && entry.queue.as_deref() == payer.queue {
                queue.add(entry, now);
            }
        }
        all.check(config.all).map_err(Much::of_all)?;
        if payer.person.is_some() {
            person.check(config.person).map_err(Much::of_person)?;
        }
        if payer.queue.is_some() {
            queue.check(config.queue).map_err(Much::of_queue)?;
        }
        if entries.calls.len() >= TOLL_ENTRIES_MAX {
            return Err("too many calls went out in the last hour");
        }
        let number = entries.begin(payer, now);
        Ok(Toll {
            ledger: self.clone(),
            number,
        })
    }

    /// This number is to ring for a call of this queue. `None`: it rings for another one, which may be this call on its way back.
    pub(crate) fn ring_outside(&self, queue: &str, number: &str) -> Option<RingsOutside> {
        let of = (queue.to_string(), number.to_string());
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.rings.insert(of.clone()).then(|| RingsOutside {
            ledger: self.clone(),
            of,
        })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().calls.len()
    }
}

impl Toll {
    pub(crate) fn end(self, now: Instant) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.end(self.number, now);
    }

    /// The call never went out: it counts for nothing, not even for this hour.
    pub(crate) fn take_back(self) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(began) = entries.of(self.number).map(|entry| entry.began) else {
            return;
        };
        entries.end(self.number, began);
        entries.calls.retain(|entry| entry.number != self.number);
    }
}

impl Drop for RingsOutside {
    fn drop(&mut self) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.rings.remove(&self.of);
    }
}

impl Drop for Toll {
    fn drop(&mut self) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No clock here: what it lasted is not known, and it is over.
        let began = entries.of(self.number).map(|entry| entry.began);
        if let Some(began) = began {
            entries.end(self.number, began);
        }
    }
}

/// Which of three was too much.
enum Much {
    AtOnce,
    PerHour,
    Minutes,
}

impl Much {
    fn of_all(self) -> &'static str {
        match self {
            Much::AtOnce => "as many calls as may go out at once do",
            Much::PerHour => "as many calls as may go out in an hour did",
            Much::Minutes => "calls to the outside came to as many minutes as they may in an hour",
        }
    }

    fn of_person(self) -> &'static str {
        match self {
            Much::AtOnce => "this phone has as many calls to the outside as it may at once",
            Much::PerHour => "this phone made as many calls to the outside as it may in an hour",
            Much::Minutes => {
                "this phone's calls to the outside came to as many minutes as they may in an hour"
            }
        }
    }

    fn of_queue(self) -> &'static str {
        match self {
            Much::AtOnce => "this queue has as many calls to the outside as it may at once",
            Much::PerHour => "this queue sent as many calls to the outside as it may in an hour",
            Much::Minutes => {
                "this queue's calls to the outside came to as many minutes as they may in an hour"
            }
        }
    }
}

/// What some of the calls came to in the last hour.
#[derive(Default)]
struct Sum {
    per_hour: u64,
    spent: Duration,
}

impl Sum {
    fn add(&mut self, entry: &Entry, now: Instant) {
        self.per_hour += u64::from(now.saturating_duration_since(entry.began) < TOLL_HOUR);
        let begin = now.checked_sub(TOLL_HOUR);
        let from = begin.map_or(entry.began, |begin| entry.began.max(begin));
        self.spent += entry.ended.unwrap_or(now).saturating_duration_since(from);
    }

    fn check(&self, allowed: Allowance) -> Result<(), Much> {
        let is_full = |most: Option<u32>, count: u64| most.is_some_and(|most| count >= u64::from(most));
        if is_full(allowed.per_hour, self.per_hour) {
            return Err(Much::PerHour);
        }
        if is_full(allowed.minutes_per_hour, self.spent.as_secs() / 60) {
            return Err(Much::Minutes);
        }
        Ok(())
    }
}

impl Entries {
    /// In the order of their numbers, as they began.
    fn of(&mut self, number: u64) -> Option<&mut Entry> {
        let at = self
            .calls
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        self.calls.get_mut(at)
    }

    fn end(&mut self, number: u64, at: Instant) {
        let Some(entry) = self.of(number).filter(|entry| entry.ended.is_none()) else {
            return;
        };
        entry.ended = Some(at);
        let (person, queue) = (entry.person.clone(), entry.queue.clone());
        self.all = self.all.saturating_sub(1);
        if let Some(person) = person {
            one_less(&mut self.persons, &person);
        }
        if let Some(queue) = queue {
            one_less(&mut self.queues, &queue);
        }
    }

    fn begin(&mut self, payer: &Payer<'_>, now: Instant) -> u64 {
        self.next += 1;
        self.all += 1;
        if let Some(person) = payer.person {
            *self.persons.entry(person.to_string()).or_default() += 1;
        }
        if let Some(queue) = payer.queue {
            *self.queues.entry(queue.to_string()).or_default() += 1;
        }
        self.calls.push_back(Entry {
            number: self.next,
            person: payer.person.map(str::to_string),
            queue: payer.queue.map(str::to_string),
            began: now,
            ended: None,
        });
        self.next
    }

    fn check_at_once(&self, config: &TollConfig, payer: &Payer<'_>) -> Result<(), &'static str> {
        let is_full = |allowed: Allowance, count: u32| allowed.at_once.is_some_and(|most| count >= most);
        let of = |counts: &BTreeMap<String, u32>, name: &str| counts.get(name).copied().unwrap_or(0);
        if is_full(config.all, self.all) {
            return Err(Much::AtOnce.of_all());
        }
        if payer
            .person
            .is_some_and(|person| is_full(config.person, of(&self.persons, person)))
        {
            return Err(Much::AtOnce.of_person());
        }
        match payer.queue {
            Some(queue) if is_full(config.queue, of(&self.queues, queue)) => Err(Much::AtOnce.of_queue()),
            _ => Ok(()),
        }
    }

    /// What was over an hour ago counts for nothing any more.
    fn forget(&mut self, now: Instant) {
        let is_soon = |last: Instant| now.saturating_duration_since(last) < TOLL_FORGET;
        if self.forgotten.is_some_and(is_soon) {
            return;
        }
        self.forgotten = Some(now);
        let is_over = |entry: &Entry| {
            entry
                .ended
                .is_some_and(|ended| now.saturating_duration_since(ended) >= TOLL_HOUR)
        };
        self.calls.retain(|entry| !is_over(entry));
    }
}

/// Of those that go on under that name, one is over.
fn one_less(counts: &mut BTreeMap<String, u32>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn payer<'a>(person: &'a str, queue: Option<&'a str>) -> Payer<'a> {
        let person = Some(person);
        Payer { person, queue }
    }

    #[test]
    fn each_limit_holds_at_its_edge_and_a_call_that_is_over_makes_room() {
        let start = Instant::now();
        let (ledger, two) = (Ledger::default(), Some(2));
        let person = Allowance {
            at_once: two,
            ..Allowance::default()
        };
        let queue = Allowance {
            per_hour: two,
            ..Allowance::default()
        };
        let config = TollConfig {
            person,
            queue,
            ..TollConfig::default()
        };
        let begin = |person, queue, at| ledger.begin(&config, &payer(person, queue), at);
        let first = begin("ann", None, start).unwrap();
        let second = begin("ann", None, start).unwrap();
        assert!(begin("ann", None, start).is_err_and(|why| why.contains("this phone has")));
        assert!(begin("bob", None, start).is_ok(), "another's are another's");
        first.end(start + MINUTE);
        let third = begin("ann", None, start + MINUTE).unwrap();
        drop(second);
        assert!(
            begin("ann", None, start + MINUTE).is_ok(),
            "one that was let go of"
        );
        third.end(start + MINUTE);
        begin("dan", Some("desk"), start).unwrap().take_back();
        {
            let entries = ledger.0.lock().unwrap();
            let going = (entries.all, entries.persons.len(), entries.queues.len());
            assert_eq!(going, (0, 0, 0), "nobody talks: {:?}", entries.persons);
            let is_dan = |entry: &Entry| entry.person.as_deref() == Some("dan");
            assert!(!entries.calls.iter().any(is_dan), "his never went out");
        }
        // In an hour, whoever makes them; and after it.
        begin("carl", Some("sales"), start).unwrap().end(start);
        begin("dora", Some("sales"), start + MINUTE)
            .unwrap()
            .end(start + MINUTE);
        assert!(
            begin("erik", Some("sales"), start + 59 * MINUTE)
                .is_err_and(|why| why.contains("this queue sent"))
        );
        assert!(begin("erik", Some("desk"), start + 59 * MINUTE).is_ok());
        assert!(begin("erik", Some("sales"), start + 60 * MINUTE).is_ok());
    }

    #[test]
    fn minutes_count_while_a_call_goes_on_and_only_those_of_the_last_hour() {
        let start = Instant::now() + 2 * TOLL_HOUR;
        let all = Allowance {
            minutes_per_hour: Some(30),
            ..Allowance::default()
        };
        let config = TollConfig {
            all,
            ..TollConfig::default()
        };
        let ledger = Ledger::default();
        let begin = |at| ledger.begin(&config, &payer("ann", None), at);
        let first = begin(start).unwrap();
        assert!(begin(start + 29 * MINUTE).is_ok());
        assert!(begin(start + 30 * MINUTE).is_err_and(|why| why.contains("as many minutes")));
        first.end(start + 30 * MINUTE);
        assert!(
            begin(start + 60 * MINUTE).is_err(),
            "all of them are in the last hour"
        );
        assert!(begin(start + 62 * MINUTE).is_ok());
        assert!(begin(start + 200 * MINUTE).is_ok());
        assert!(ledger.len() <= 4, "{}", ledger.len());
    }

    #[test]
    fn hours_are_those_of_the_business() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let hours = vec![(0b1_1111, 8 * 60, 18 * 60)];
        let config = TollConfig {
            hours,
            zone,
            ..TollConfig::default()
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond().unsigned_abs();
        for (text, is_open) in [
            ("2026-07-06T07:00:00Z", true),
            ("2026-07-06T06:59:59Z", false),
            ("2026-07-06T17:00:00Z", false),
            ("2026-07-05T10:00:00Z", false),
        ] {
            assert_eq!(config.is_open(at(text)), is_open, "{text}");
        }
        assert!(TollConfig::default().is_open(0));
    }
}
