//! What calls to the outside cost in the last day, as it is kept in the store: a restart goes on from there, and so do other gateways
//! on the same store while this one is not heard.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::super::limits::{SPENDERS_MAX, SPENT_KEPT_STEP, TOLL_DAY};
use super::purse::{Purse, Spent};
use super::shared::shortened;
use super::tariff::Money;
use super::{Going, Ledger};
use crate::time::Now;

/// Of everybody, of each phone and of each queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Of the tariff: sums in another one count for nothing.
    pub currency: String,
    all: Sums,
    persons: BTreeMap<String, Sums>,
    queues: BTreeMap<String, Sums>,
}

/// When the last call of each ended (Unix ms), and what they cost (millionths); the oldest first.
type Sums = Vec<(u64, u64)>;

impl Kept {
    /// Nothing was spent.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Ledger {
    /// What was spent here, with what calls that go on hold, as if they ended now. Of phones and of queues those that spent most, as
    /// other gateways are told. Sums within [`SPENT_KEPT_STEP`] are one, which counts as long as its newest.
    pub fn kept(&self, currency: &str, now: Now) -> Kept {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.spent.forget(now.instant);
        // Copied, so that no call waits for the adding.
        let (all, spent) = (entries.all, entries.spent.clone());
        let (persons, queues) = (entries.persons.clone(), entries.queues.clone());
        drop(entries);
        let mut kept = Kept {
            currency: currency.to_string(),
            all: sums(Some(&spent.all), Some(&all), now),
            persons: named(&spent.persons, &persons, now),
            queues: named(&spent.queues, &queues, now),
        };
        let spent = |sums: &Sums| sums.iter().fold(0u64, |all, (_, sum)| all.saturating_add(*sum));
        for names in [&mut kept.persons, &mut kept.queues] {
            shortened(names, |sums| std::cmp::Reverse(spent(sums)));
        }
        kept
    }

    /// Goes on from what was kept of this gateway before it began anew.
    pub fn restore(&self, kept: &Kept, now: Now) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.spent = spent(kept, now);
    }

    /// What another gateway had spent that is not heard: it counts until it is heard, or until it is old.
    pub fn hear_kept(&self, node: &str, kept: &Kept, now: Now) {
        let spent = spent(kept, now);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.elsewhere.hear_kept(node, spent);
    }
}

fn named(
    purses: &BTreeMap<Arc<str>, Purse>,
    going: &BTreeMap<Arc<str>, Going>,
    now: Now,
) -> BTreeMap<String, Sums> {
    let names = purses.keys().chain(going.keys());
    let sums = names.map(|name| (name.to_string(), sums(purses.get(name), going.get(name), now)));
    sums.filter(|(_, sums)| !sums.is_empty()).collect()
}

fn sums(purse: Option<&Purse>, going: Option<&Going>, now: Now) -> Sums {
    let ended = purse.into_iter().flat_map(Purse::sums);
    let held = going
        .map(|going| (now.instant, going.held))
        .filter(|(_, held)| *held > 0);
    let mut sums = Sums::new();
    let mut first = 0;
    for (last, money) in ended.chain(held) {
        // Taken away before it is cut to milliseconds: else the same moment is now one, now the next.
        let ago = now.instant.saturating_duration_since(last);
        let utc = now.utc.checked_sub(ago).unwrap_or(UNIX_EPOCH);
        let last_ms = Now { utc, ..now }.unix_ms();
        match sums.last_mut() {
            Some((newest, sum)) if last_ms.saturating_sub(first) < SPENT_KEPT_STEP.as_millis() as u64 => {
                *newest = last_ms.max(*newest);
                *sum = sum.saturating_add(money);
            }
            _ => {
                first = last_ms;
                sums.push((last_ms, money));
            }
        }
    }
    sums
}

/// As it counts now. What is said to end later than now (the clock was put back) counts as of now.
fn spent(kept: &Kept, now: Now) -> Spent {
    let purse = |sums: &Sums| {
        let mut purse = Purse::default();
        let mut sums = sums.clone();
        sums.sort_unstable();
        for (last_ms, money) in sums {
            let ago = Duration::from_millis(now.unix_ms().saturating_sub(last_ms));
            if ago < TOLL_DAY {
                // An instant before this machine began may not be told: then it counts for longer.
                let last = now.instant.checked_sub(ago).unwrap_or(now.instant);
                purse.add(Money(money), last);
            }
        }
        purse
    };
    let named = |names: &BTreeMap<String, Sums>| {
        let purses = names.iter().take(SPENDERS_MAX);
        let purses = purses.map(|(name, sums)| (Arc::from(name.as_str()), purse(sums)));
        purses.filter(|(_, purse)| !purse.is_empty()).collect()
    };
    Spent {
        all: purse(&kept.all),
        persons: named(&kept.persons),
        queues: named(&kept.queues),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

    use std::time::Instant;

    use super::super::{Allowance, Payer, Price, TollConfig};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> Now {
        Now {
            instant: Instant::now(),
            utc: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        }
    }

    fn config() -> TollConfig {
        let person = Allowance {
            spend_per_hour: Money::parse("1.00"),
            spend_per_day: Money::parse("2.00"),
            ..Allowance::default()
        };
        TollConfig {
            person,
            ..TollConfig::default()
        }
    }

    /// A call of a minute for 0.60, if it may.
    fn call(ledger: &Ledger, person: &str, now: Now) -> bool {
        let price = Price {
            per_minute: Money(600_000),
            per_call: Money(0),
            first: 60,
            step: 60,
        };
        let payer = Payer {
            person: Some(person),
            queue: Some("desk"),
        };
        let begun = ledger.begin(&config(), &payer, Some(price), now.instant);
        let Ok(mut toll) = begun else { return false };
        toll.answered(now.instant);
        toll.end(now.instant);
        true
    }

    /// As it is written, and read by another process.
    fn written(ledger: &Ledger, now: Now) -> Kept {
        let text = serde_json::to_string(&ledger.kept("USD", now)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_restart_goes_on_from_what_was_spent_and_forgets_it_when_it_is_old() {
        let (before, start) = (Ledger::default(), start());
        assert!(call(&before, "ann", start));
        let kept = written(&before, start.after(5 * MINUTE));
        for (later, may) in [(10 * MINUTE, false), (HOUR - MINUTE, false), (HOUR, true)] {
            let after = Ledger::default();
            after.restore(&kept, start.after(later));
            assert_eq!(call(&after, "ann", start.after(later)), may, "{later:?}");
            assert!(call(&after, "bob", start.after(later)));
        }
        let after = Ledger::default();
        after.restore(&kept, start.after(HOUR));
        let came = after.totals(start.after(HOUR).instant);
        assert_eq!((came.all.hour, came.all.day), (0, 600_000));
        assert_eq!(
            (came.persons["ann"].day, came.queues["desk"].day),
            (600_000, 600_000)
        );
        let old = start.after(24 * HOUR);
        after.restore(&kept, old);
        assert_eq!(after.totals(old.instant).all.day, 0);
        // What it is written as again is what it was.
        after.restore(&kept, start.after(HOUR));
        assert_eq!(written(&after, start.after(2 * HOUR)), kept);
        assert!(Ledger::default().kept("USD", start).is_empty());
    }

    #[test]
    fn a_moment_is_kept_as_the_same_one_whenever_it_is_written() {
        let (ledger, start) = (Ledger::default(), start());
        assert!(call(&ledger, "ann", start.after(Duration::from_micros(1_400))));
        let first = written(&ledger, start.after(Duration::from_micros(5_000)));
        for micros in (5_100..9_000).step_by(100) {
            let again = written(&ledger, start.after(Duration::from_micros(micros)));
            assert_eq!(again, first, "{micros} us");
        }
    }

    #[test]
    fn a_call_that_goes_on_is_kept_with_what_it_holds() {
        let (before, start) = (Ledger::default(), start());
        let price = Price {
            per_minute: Money(600_000),
            per_call: Money(0),
            first: 60,
            step: 60,
        };
        let payer = Payer {
            person: Some("ann"),
            queue: None,
        };
        let _going = before
            .begin(&config(), &payer, Some(price), start.instant)
            .unwrap();
        let after = Ledger::default();
        after.restore(&written(&before, start), start);
        assert!(!call(&after, "ann", start), "0.60 of 1.00 are held");
        // A clock that was put back makes nothing of it younger than it is, and nothing of it gone.
        let back = Now {
            utc: start.utc - HOUR,
            ..start
        };
        after.restore(&written(&before, start), back);
        assert!(!call(&after, "ann", back));
    }

    #[test]
    fn what_a_gateway_had_spent_that_is_gone_counts_until_it_is_old_or_heard_again() {
        let (gone, here, start) = (Ledger::default(), Ledger::default(), start());
        assert!(call(&gone, "ann", start));
        let minute = start.after(MINUTE);
        here.hear_kept("other", &written(&gone, start), minute);
        assert!(!call(&here, "ann", minute));
        assert_eq!(
            here.totals_everywhere(minute.instant).persons["ann"].hour,
            600_000
        );
        assert_eq!(here.totals(minute.instant).all.hour, 0, "not ours");
        assert!(call(&here, "ann", start.after(HOUR)), "an hour old");
        let here = Ledger::default();
        here.hear_kept("other", &written(&gone, start), minute);
        here.hear("other", Default::default(), minute.instant);
        assert!(call(&here, "ann", minute), "it says itself what it has");
        // One that was heard and is not any more: what it said last.
        let here = Ledger::default();
        here.hear("other", gone.totals(start.instant), start.instant);
        here.forget("other");
        assert!(!call(&here, "ann", minute));
        assert!(call(&here, "ann", start.after(HOUR)));
        assert_eq!(
            here.totals_everywhere(start.after(HOUR).instant).all.day,
            1_200_000
        );
    }

    #[test]
    fn a_day_of_many_calls_is_few_sums_and_none_of_them_counts_for_less_time() {
        let (before, start) = (Ledger::default(), start());
        for minute in 0..24 * 60 {
            let ended = start.after(minute * MINUTE).instant;
            let name = Arc::from("ann");
            before
                .0
                .lock()
                .unwrap()
                .spent
                .add(Some(&name), None, Money(10), ended);
        }
        let end = start.after(24 * HOUR - MINUTE);
        let kept = written(&before, end);
        assert!(kept.all.len() <= 97, "{}", kept.all.len());
        let after = Ledger::default();
        after.restore(&kept, end);
        let [was, is] = [&before, &after].map(|ledger| ledger.totals(end.instant).all);
        assert_eq!((was.day, is.day), (14_400, 14_400));
        assert!((600..=750).contains(&is.hour), "{}", is.hour);
    }
}
