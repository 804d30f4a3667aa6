//! What calls to the outside may come to: how many at once, how many and how many minutes in an hour, how much money in an hour and in a
//! day, for everybody, for each person and for each queue; and at which hours.
//!
//! **Money.** A call costs what the tariff says, from when the number outside has answered. One that could pass a limit by its first
//! increment is refused; one that would pass it by its next is cut before that begins, and no other is for its sake: each holds what it
//! was let begin, and asks for its own next increment alone. A call counts whole until an hour (a day) after its end.
//!
//! One ledger for all shards. It is locked for moments: when a call wants out, is answered and is over, each second of one that costs, and
//! to copy what is to be added up ([`snapshot`]).

mod config;
mod kept;
#[cfg(test)]
mod money_tests;
mod much;
mod purse;
mod shared;
mod snapshot;
mod tariff;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::{SPENDERS_MAX, TOLL_ENTRIES_MAX, TOLL_FORGET, TOLL_HOUR, TOLL_LOOK};
use much::{Much, Sum};
use purse::Spent;
use shared::{Elsewhere, Whose};
use snapshot::Snapshot;

pub use config::{Allowance, TollConfig};
pub use kept::Kept;
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
    all: Going,
    persons: BTreeMap<Arc<str>, Going>,
    queues: BTreeMap<Arc<str>, Going>,
    /// When what counts no more was last looked for.
    forgotten: Option<Instant>,
    /// The oldest first, by their numbers.
    calls: VecDeque<Entry>,
    /// By those that are over.
    spent: Spent,
    /// What the other gateways on the same store say of theirs.
    elsewhere: Elsewhere,
    /// Queues, and the numbers outside that ring for a call of theirs and have not answered.
    rings: BTreeSet<(String, String)>,
}

/// Calls that go on.
#[derive(Clone, Copy, Debug, Default)]
struct Going {
    count: u32,
    /// Millionths that they hold.
    held: u64,
}

struct Entry {
    number: u64,
    person: Option<Arc<str>>,
    queue: Option<Arc<str>>,
    began: Instant,
    ended: Option<Instant>,
    /// None = there is no tariff.
    price: Option<Price>,
    /// When the number outside did.
    answered: Option<Instant>,
    /// What it costs with the increments that it was let begin; at first what it costs at least.
    held: Money,
    /// When it was last known to go on.
    seen: Instant,
}

/// A number outside rings for a call of a queue, until this is let go of.
pub(crate) struct RingsOutside {
    ledger: Ledger,
    /// The queue and the number.
    of: (String, String),
}

/// A call that is being paid for. Whoever lets go of it without [`Toll::end`] has it counted until it was last looked at.
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
            all.add(entry.began, entry.ended, now);
            if entry.person.is_some() && entry.person.as_deref() == payer.person {
                person.add(entry.began, entry.ended, now);
            }
            if entry.queue.is_some() && entry.queue.as_deref() == payer.queue {
                queue.add(entry.began, entry.ended, now);
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
            if entries.spent.len() >= SPENDERS_MAX && !entries.spent.knows(payer.person, payer.queue) {
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
        self.snapshot(now).totals(now)
    }

    /// What they come to everywhere, as far as it was heard.
    pub fn totals_everywhere(&self, now: Instant) -> Totals {
        let mut totals = self.snapshot(now).totals(now);
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.elsewhere.join(&mut totals, now);
        totals
    }

    /// What is needed to add up, so that no call waits for the adding.
    fn snapshot(&self, now: Instant) -> Snapshot {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.snapshot(now)
    }

    /// A call whose number outside was to ring no more was answered at that moment: the carrier charges its first increment.
    pub(crate) fn answered_after_all(&self, number: u64, now: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.of(number).filter(|entry| entry.answered.is_none()) else {
            return;
        };
        entry.answered = Some(entry.ended.unwrap_or(now));
        // One that is not over yet is charged when it is.
        if entry.ended.is_none() {
            return;
        }
        let (cost, person, queue) = (entry.cost(now), entry.person.clone(), entry.queue.clone());
        if cost.0 > 0 {
            entries.spent.add(person.as_ref(), queue.as_ref(), cost, now);
        }
    }

    /// Another gateway says what calls come to there.
    pub fn hear(&self, node: &str, totals: Totals, now: Instant) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.elsewhere.hear(node, totals, now);
    }

    /// It is not heard any more: its calls are over, and what it said last of an hour and of a day counts until it is so old.
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
    pub(crate) fn answered(&mut self, now: Instant) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.of(self.number).filter(|entry| entry.answered.is_none()) else {
            return;
        };
        (entry.answered, entry.seen) = (Some(now), now);
        let is_free = entry.price.is_none_or(|price| price.is_free());
        self.look = (!is_free).then_some(now);
    }

    /// When [`Toll::is_spent`] is to be asked next.
    pub(crate) fn look(&self) -> Option<Instant> {
        self.look
    }

    /// Why the call is to be cut now: its next increment begins before it is looked at again, and would pass a limit. `must_go_on`: a call
    /// for help, which is counted and never cut.
    pub(crate) fn is_spent(
        &mut self,
        config: &TollConfig,
        must_go_on: bool,
        now: Instant,
    ) -> Option<&'static str> {
        if self.look.is_none_or(|look| now < look) {
            return None;
        }
        self.look = Some(now + TOLL_LOOK);
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.of(self.number)?;
        entry.seen = now;
        let (charged, soon) = (entry.cost(now), entry.cost(now + 2 * TOLL_LOOK));
        let (person, queue) = (entry.person.clone(), entry.queue.clone());
        let held = entry.held;
        // What it has been charged already is spent whatever becomes of it: only what comes is worth a cut, and nothing that others, here or
        // at another gateway, are charged meanwhile.
        entries.hold(self.number, Money(charged.0.saturating_sub(held.0)));
        let more = Money(soon.0.saturating_sub(held.0.max(charged.0)));
        if more.0 == 0 {
            return None;
        }
        let payer = Payer {
            person: person.as_deref(),
            queue: queue.as_deref(),
        };
        let verdict = entries.check_money(config, &payer, more, now);
        if verdict.is_ok() || must_go_on {
            entries.hold(self.number, more);
        }
        verdict.err().filter(|_| !must_go_on)
    }

    /// As a leg to the outside carries it along: [`Ledger::answered_after_all`].
    pub(crate) fn number(&self) -> u64 {
        self.number
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
        // No clock here: it lasted at least until it was last looked at, and it is over.
        let seen = entries.of(self.number).map(|entry| entry.seen);
        if let Some(seen) = seen {
            entries.end(self.number, seen);
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
}

impl Entries {
    /// Whether so much more may be spent beside what was, and what those that go on hold.
    fn check_money(
        &mut self,
        config: &TollConfig,
        payer: &Payer<'_>,
        more: Money,
        now: Instant,
    ) -> Result<(), &'static str> {
        let mut check = |allowed: Allowance, whose: Whose<'_>| {
            if !allowed.is_of_money() {
                return Ok(());
            }
            let elsewhere = self.elsewhere.of(whose, now);
            let [hour, day] = self.money(whose, now);
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

    /// Within an hour and within a day, in millionths, with what calls that go on hold.
    fn money(&mut self, whose: Whose<'_>, now: Instant) -> [u64; 2] {
        let held = self.going(whose).held;
        let purse = match whose {
            Whose::All => Some(&mut self.spent.all),
            Whose::Person(name) => self.spent.persons.get_mut(name),
            Whose::Queue(name) => self.spent.queues.get_mut(name),
        };
        let spent = purse.map_or([0; 2], |purse| purse.came(now));
        spent.map(|spent| spent.saturating_add(held))
    }

    fn going(&self, whose: Whose<'_>) -> Going {
        let named =
            |counts: &BTreeMap<Arc<str>, Going>, name: &str| counts.get(name).copied().unwrap_or_default();
        match whose {
            Whose::All => self.all,
            Whose::Person(name) => named(&self.persons, name),
            Whose::Queue(name) => named(&self.queues, name),
        }
    }

    /// One that goes on was let begin its next increment.
    fn hold(&mut self, number: u64, more: Money) {
        let Some(entry) = self.of(number) else { return };
        entry.held.0 = entry.held.0.saturating_add(more.0);
        let (person, queue) = (entry.person.clone(), entry.queue.clone());
        let one = |going: &mut Going| going.held = going.held.saturating_add(more.0);
        one(&mut self.all);
        person.and_then(|name| self.persons.get_mut(&name)).map(one);
        queue.and_then(|name| self.queues.get_mut(&name)).map(one);
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
        let (cost, held) = (entry.cost(at), entry.held.0);
        let (person, queue) = (entry.person.clone(), entry.queue.clone());
        if cost.0 > 0 {
            self.spent.add(person.as_ref(), queue.as_ref(), cost, at);
        }
        self.all.end(held);
        if let Some(person) = person {
            one_less(&mut self.persons, &person, held);
        }
        if let Some(queue) = queue {
            one_less(&mut self.queues, &queue, held);
        }
    }

    fn begin(&mut self, payer: &Payer<'_>, price: Option<Price>, now: Instant) -> u64 {
        self.next += 1;
        let held = price.map_or(Money(0), |price| price.cost(Duration::ZERO));
        let (person, queue) = (payer.person.map(Arc::from), payer.queue.map(Arc::from));
        self.all.begin(held.0);
        for (counts, name) in [(&mut self.persons, &person), (&mut self.queues, &queue)] {
            if let Some(name) = name {
                counts.entry(Arc::clone(name)).or_default().begin(held.0);
            }
        }
        self.calls.push_back(Entry {
            number: self.next,
            person,
            queue,
            began: now,
            ended: None,
            price,
            answered: None,
            held,
            seen: now,
        });
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
            let here = self.going(whose).count;
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

impl Going {
    fn begin(&mut self, held: u64) {
        self.count += 1;
        self.held = self.held.saturating_add(held);
    }

    fn end(&mut self, held: u64) {
        self.count = self.count.saturating_sub(1);
        self.held = self.held.saturating_sub(held);
    }
}

/// Of those that go on under that name, one is over.
fn one_less(counts: &mut BTreeMap<Arc<str>, Going>, name: &str, held: u64) {
    if let Some(going) = counts.get_mut(name) {
        going.end(held);
        if going.count == 0 {
            counts.remove(name);
        }
    }
}
