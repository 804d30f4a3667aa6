//! What calls to the outside may come to: how many at once, how many and how many minutes in an hour, how much money in an hour and in a
//! day, for everybody, for each person and for each queue; and at which hours.
//!
//! **Money.** A call costs what the tariff says, from when the number outside has answered. One that could pass a limit by its first
//! increment is refused; one that would pass it by its next is cut before that begins. A call counts whole until an hour (a day) after
//! its end.
//!
//! One ledger for all shards. It is locked for moments: when a call wants out, is answered and is over, each second of one whose money is
//! limited, and whenever it is told what calls come to.

mod config;
#[cfg(test)]
mod money_tests;
mod much;
mod purse;
mod shared;
mod tariff;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{SPENDERS_MAX, TOLL_DAY, TOLL_ENTRIES_MAX, TOLL_FORGET, TOLL_HOUR, TOLL_LOOK};
use much::{Much, Sum};
use purse::Spent;
use shared::{Elsewhere, Whose};

pub use config::{Allowance, TollConfig};
pub use shared::{Came, Totals};
pub use tariff::{LineFault, Money, Price, Tariff};

/// Whose call it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payer<'a> {
    /// The phone: a device's name, or its address. None = a queue of its own accord.
    pub person: Option<&'a str>,
    pub queue: Option<&'a str>,
}

/// All calls to the outside of the last hour, and what those of the last day cost, on every shard.
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
    /// Of these, those that go on, by their numbers.
    going: BTreeSet<u64>,
    /// By those that are over.
    spent: Spent,
    /// What the other gateways on the same store say of theirs.
    elsewhere: Elsewhere,
    /// Queues, and the numbers outside that ring for a call of theirs and have not answered.
    rings: BTreeSet<(String, String)>,
}

struct Entry {
    number: u64,
    person: Option<String>,
    queue: Option<String>,
    began: Instant,
    ended: Option<Instant>,
    /// None = there is no tariff.
    price: Option<Price>,
    /// When the number outside did.
    answered: Option<Instant>,
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
    /// When its price is to be looked at; None = it has none, or nobody limits it.
    look: Option<Instant>,
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
        price: Option<Price>,
        now: Instant,
    ) -> Result<Toll, &'static str> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.check_at_once(config, payer, now)?;
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
        all.more(entries.elsewhere.of(Whose::All, now));
        all.check(config.all).map_err(Much::of_all)?;
        if let Some(name) = payer.person {
            person.more(entries.elsewhere.of(Whose::Person(name), now));
            person.check(config.person).map_err(Much::of_person)?;
        }
        if let Some(name) = payer.queue {
            queue.more(entries.elsewhere.of(Whose::Queue(name), now));
            queue.check(config.queue).map_err(Much::of_queue)?;
        }
        if let Some(price) = price.filter(|price| !price.is_free()) {
            entries.check_money(config, payer, price.cost(Duration::ZERO), now)?;
            if entries.spent.len() >= SPENDERS_MAX {
                return Err("too many pay for calls to the outside");
            }
        }
        if entries.calls.len() >= TOLL_ENTRIES_MAX {
            return Err("too many calls went out in the last hour");
        }
        let number = entries.begin(payer, price, now);
        Ok(Toll {
            ledger: self.clone(),
            number,
            look: None,
        })
    }

    /// What calls come to here: for people, and for the other gateways.
    pub fn totals(&self, now: Instant) -> Totals {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.totals(now)
    }

    /// What they come to everywhere, as far as it was heard.
    pub fn totals_everywhere(&self, now: Instant) -> Totals {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals = entries.totals(now);
        entries.elsewhere.join(&mut totals, now);
        totals
    }

    /// Another gateway says what calls come to there.
    pub fn hear(&self, node: &str, totals: Totals, now: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.elsewhere.hear(node, totals, now);
    }

    /// It is not heard any more.
    pub fn forget(&self, node: &str) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.elsewhere.forget(node);
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
    /// The number outside has answered: from now on it costs.
    pub(crate) fn answered(&mut self, config: &TollConfig, now: Instant) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.of(self.number).filter(|entry| entry.answered.is_none()) else {
            return;
        };
        entry.answered = Some(now);
        let is_free = entry.price.is_none_or(|price| price.is_free());
        self.look = (!is_free && config.limits_money()).then_some(now);
    }

    /// When [`Toll::is_spent`] is to be asked next.
    pub(crate) fn look(&self) -> Option<Instant> {
        self.look
    }

    /// Why the call is to be cut now: its next increment would pass a limit.
    pub(crate) fn is_spent(&mut self, config: &TollConfig, now: Instant) -> Option<&'static str> {
        if self.look.is_none_or(|look| now < look) {
            return None;
        }
        self.look = Some(now + TOLL_LOOK);
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.of(self.number)?;
        // What it has been charged already is spent whatever becomes of it: only what comes is worth a cut, and nothing that others, here or
        // at another gateway, are charged meanwhile.
        if entry.cost(now + 2 * TOLL_LOOK) <= entry.cost(now) {
            return None;
        }
        let (person, queue) = (entry.person.clone(), entry.queue.clone());
        let payer = Payer {
            person: person.as_deref(),
            queue: queue.as_deref(),
        };
        entries.check_money(config, &payer, Money(0), now).err()
    }

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

impl Entry {
    /// What it costs until then; of one that nobody has answered yet, what it will cost at least.
    fn cost(&self, at: Instant) -> Money {
        let lasted = |answered: Instant| self.ended.unwrap_or(at).saturating_duration_since(answered);
        match (self.price, self.answered, self.ended) {
            (None, ..) | (_, None, Some(_)) => Money(0),
            (Some(price), answered, _) => price.cost(answered.map_or(Duration::ZERO, lasted)),
        }
    }

    fn is_of(&self, whose: Whose<'_>) -> bool {
        match whose {
            Whose::All => true,
            Whose::Person(name) => self.person.as_deref() == Some(name),
            Whose::Queue(name) => self.queue.as_deref() == Some(name),
        }
    }
}

impl Entries {
    /// Whether so much more may be spent, whatever those that go on cost until the next look at each.
    fn check_money(
        &self,
        config: &TollConfig,
        payer: &Payer<'_>,
        more: Money,
        now: Instant,
    ) -> Result<(), &'static str> {
        let soon = now + 2 * TOLL_LOOK;
        let check = |allowed: Allowance, whose: Whose<'_>| {
            if !allowed.is_of_money() {
                return Ok(());
            }
            let elsewhere = self.elsewhere.of(whose, now);
            let [hour, day] = self.money(whose, soon, now);
            let is_past = |limit: Option<Money>, spent: u64, elsewhere: u64| {
                let all = spent.saturating_add(elsewhere).saturating_add(more.0);
                limit.is_some_and(|limit| all > limit.0)
            };
            if is_past(allowed.spend_per_hour, hour, elsewhere.hour) {
                return Err(Much::SpentInAnHour);
            }
            if is_past(allowed.spend_per_day, day, elsewhere.day) {
                return Err(Much::SpentInADay);
            }
            Ok(())
        };
        check(config.all, Whose::All).map_err(Much::of_all)?;
        if let Some(name) = payer.person {
            check(config.person, Whose::Person(name)).map_err(Much::of_person)?;
        }
        match payer.queue {
            Some(name) => check(config.queue, Whose::Queue(name)).map_err(Much::of_queue),
            None => Ok(()),
        }
    }

    /// Within an hour and within a day, in millionths; what goes on as it will be then.
    fn money(&self, whose: Whose<'_>, then: Instant, now: Instant) -> [u64; 2] {
        let going = self.going.iter().filter_map(|number| self.find(*number));
        let of_going = going
            .filter(|entry| entry.is_of(whose))
            .fold(0u64, |sum, entry| sum.saturating_add(entry.cost(then).0));
        let purse = match whose {
            Whose::All => Some(&self.spent.all),
            Whose::Person(name) => self.spent.persons.get(name),
            Whose::Queue(name) => self.spent.queues.get(name),
        };
        [TOLL_HOUR, TOLL_DAY]
            .map(|window| of_going.saturating_add(purse.map_or(0, |purse| purse.within(window, now))))
    }

    fn totals(&self, now: Instant) -> Totals {
        let mut totals = Totals::default();
        let (mut persons, mut queues) = (BTreeMap::<&str, Sum>::new(), BTreeMap::<&str, Sum>::new());
        let mut all = Sum::default();
        for entry in &self.calls {
            all.add(entry, now);
            for (sums, name) in [(&mut persons, &entry.person), (&mut queues, &entry.queue)] {
                if let Some(name) = name {
                    sums.entry(name).or_default().add(entry, now);
                }
            }
        }
        for name in self.spent.persons.keys() {
            persons.entry(name).or_default();
        }
        for name in self.spent.queues.keys() {
            queues.entry(name).or_default();
        }
        let came = |sum: &Sum, at_once: u32, whose: Whose<'_>| {
            let [hour, day] = self.money(whose, now, now);
            Came {
                at_once,
                per_hour: u32::try_from(sum.per_hour).unwrap_or(u32::MAX),
                seconds: sum.spent.as_secs(),
                hour,
                day,
            }
        };
        let going = |counts: &BTreeMap<String, u32>, name: &str| counts.get(name).copied().unwrap_or(0);
        totals.all = came(&all, self.all, Whose::All);
        totals.persons = persons
            .iter()
            .map(|(name, sum)| {
                (
                    name.to_string(),
                    came(sum, going(&self.persons, name), Whose::Person(name)),
                )
            })
            .collect();
        totals.queues = queues
            .iter()
            .map(|(name, sum)| {
                (
                    name.to_string(),
                    came(sum, going(&self.queues, name), Whose::Queue(name)),
                )
            })
            .collect();
        totals.shorten();
        totals
    }

    fn find(&self, number: u64) -> Option<&Entry> {
        let at = self
            .calls
            .binary_search_by_key(&number, |entry| entry.number)
            .ok()?;
        self.calls.get(at)
    }

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
        let cost = entry.cost(at);
        let (person, queue) = (entry.person.clone(), entry.queue.clone());
        self.going.remove(&number);
        if cost.0 > 0 {
            self.spent.add(person.as_deref(), queue.as_deref(), cost, at);
        }
        self.all = self.all.saturating_sub(1);
        if let Some(person) = person {
            one_less(&mut self.persons, &person);
        }
        if let Some(queue) = queue {
            one_less(&mut self.queues, &queue);
        }
    }

    fn begin(&mut self, payer: &Payer<'_>, price: Option<Price>, now: Instant) -> u64 {
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
            price,
            answered: None,
        });
        self.going.insert(self.next);
        self.next
    }

    fn check_at_once(
        &self,
        config: &TollConfig,
        payer: &Payer<'_>,
        now: Instant,
    ) -> Result<(), &'static str> {
        let is_full = |allowed: Allowance, count: u32| allowed.at_once.is_some_and(|most| count >= most);
        let of = |whose: Whose<'_>| {
            let named = |counts: &BTreeMap<String, u32>, name: &str| counts.get(name).copied().unwrap_or(0);
            let here = match whose {
                Whose::All => self.all,
                Whose::Person(name) => named(&self.persons, name),
                Whose::Queue(name) => named(&self.queues, name),
            };
            here.saturating_add(self.elsewhere.of(whose, now).at_once)
        };
        if is_full(config.all, of(Whose::All)) {
            return Err(Much::AtOnce.of_all());
        }
        if payer
            .person
            .is_some_and(|person| is_full(config.person, of(Whose::Person(person))))
        {
            return Err(Much::AtOnce.of_person());
        }
        match payer.queue {
            Some(queue) if is_full(config.queue, of(Whose::Queue(queue))) => Err(Much::AtOnce.of_queue()),
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
        self.spent.forget(now);
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
