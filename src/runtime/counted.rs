//! What is counted at one gateway, as the others on the same store are told: calls at the door, and calls to the outside.
//!
//! Told and heard by the threads for other gateways; nobody who handles a call waits for either.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::limits::{COUNTED_ANYHOW, COUNTED_EVERY};
use crate::call::{Ledger, Totals};
use crate::flood::{Shared, Told};

/// The counters of this process.
#[derive(Clone)]
pub struct Counted {
    pub flood: Shared,
    pub ledger: Ledger,
}

#[derive(Serialize, Deserialize)]
struct Message {
    calls: Told,
    outside: Totals,
}

/// When what was told, and what.
#[derive(Default)]
pub struct Teller {
    looked: Option<Instant>,
    told: Option<(Instant, Told, Totals)>,
}

impl Teller {
    /// What is to be told now, if anything.
    pub fn next(&mut self, counted: &Counted, now: Instant) -> Option<String> {
        let is_due = |last: Option<Instant>, every: Duration| {
            last.is_none_or(|last| now.saturating_duration_since(last) >= every)
        };
        if !is_due(self.looked, COUNTED_EVERY) {
            return None;
        }
        self.looked = Some(now);
        let (mut calls, outside) = (counted.flood.tell(), counted.ledger.totals(now));
        if self.told.is_none() {
            calls = calls.without_what_came();
        }
        if let Some((at, told, sums)) = &self.told
            && !is_due(Some(*at), COUNTED_ANYHOW)
            && !calls.says_what_came()
            && (told, sums) == (&calls, &outside)
        {
            return None;
        }
        // Our own plain data always has a JSON form.
        let text = serde_json::to_string(&Message {
            calls: calls.clone(),
            outside: outside.clone(),
        })
        .unwrap_or_default();
        self.told = Some((now, calls, outside));
        Some(text)
    }
}

impl Counted {
    /// Another gateway told this. False: it cannot be understood.
    pub fn hear(&self, node: &str, text: &str, now: Instant) -> bool {
        let Ok(message) = serde_json::from_str::<Message>(text) else {
            return false;
        };
        if !self.flood.hear(node, message.calls, now) {
            return false;
        }
        self.ledger.hear(node, message.outside, now);
        true
    }

    /// It is not there any more, or not heard.
    pub fn forget(&self, node: &str, now: Instant) {
        self.flood.forget(node, now);
        self.ledger.forget(node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock;
    use super::*;
    use crate::flood::{CallLimits, Kind, NewCall, Scope, SurgeConfig, Ticket};

    fn counted(key: u8, change: impl Fn(&mut CallLimits)) -> Counted {
        let mut limits = CallLimits::default();
        change(&mut limits);
        Counted {
            flood: Shared::with_key(limits, SurgeConfig::off(), [key; 16]),
            ledger: Ledger::default(),
        }
    }

    fn call(at: &Counted, trunk: &str, now: Instant) -> Result<Ticket, (Scope, Kind)> {
        let new = NewCall {
            trunk,
            source: "192.0.2.1".parse().unwrap(),
            queue: "desk",
            is_emergency: false,
        };
        at.flood
            .admit(&new, now)
            .map_err(|limit| (limit.scope, limit.kind))
    }

    /// Tells the other what is counted here.
    fn tell(teller: &mut Teller, from: &Counted, to: &Counted, now: Instant) -> bool {
        let text = teller.next(from, now);
        text.is_none_or(|text| to.hear("other", &text, now))
    }

    const STEP: Duration = Duration::from_millis(250);

    #[test]
    fn two_gateways_have_one_limit_on_calls_and_each_its_own_when_nothing_is_heard() {
        let (left, right) = (
            counted(7, |limits| limits.trunk.calls = 3),
            counted(7, |limits| limits.trunk.calls = 3),
        );
        let (mut says, mut now) = (Teller::default(), clock::now().instant);
        let held: Vec<_> = (0..2).map(|_| call(&left, "carrier", now).unwrap()).collect();
        // Nothing was told yet: each by itself.
        let early: Vec<_> = (0..3).map(|_| call(&right, "carrier", now).unwrap()).collect();
        assert_eq!(
            call(&right, "carrier", now).unwrap_err(),
            (Scope::Trunk, Kind::Calls)
        );
        drop(early);
        assert!(tell(&mut says, &left, &right, now));
        let third = call(&right, "carrier", now).unwrap();
        assert_eq!(
            call(&right, "carrier", now).unwrap_err(),
            (Scope::Trunk, Kind::Calls)
        );
        assert!(call(&right, "other", now).is_ok(), "another trunk is another");
        drop(third);
        // Those there end: there is room here with the next telling.
        drop(held);
        now += STEP;
        assert!(tell(&mut says, &left, &right, now));
        let again: Vec<_> = (0..3).map(|_| call(&right, "carrier", now).unwrap()).collect();
        drop(again);
        // A gateway that is not heard any more counts for nothing.
        let held: Vec<_> = (0..3).map(|_| call(&left, "carrier", now).unwrap()).collect();
        now += STEP;
        assert!(tell(&mut says, &left, &right, now));
        assert!(call(&right, "carrier", now).is_err());
        assert_eq!(right.flood.heard(now), ["other"]);
        right.forget("other", now);
        assert!(call(&right, "carrier", now).is_ok() && right.flood.heard(now).is_empty());
        now += Duration::from_secs(1);
        assert!(tell(&mut says, &left, &right, now));
        assert!(call(&right, "carrier", now).is_err());
        assert!(call(&right, "carrier", now + Duration::from_secs(5)).is_ok());
        drop(held);
    }

    #[test]
    fn numbers_and_signers_are_limited_together_too_and_ringing_calls_apart() {
        let change = |limits: &mut CallLimits| {
            (limits.number.calls, limits.signer.calls, limits.queue.ringing) = (1, 1, 2);
        };
        let (left, right) = (counted(7, change), counted(7, change));
        let (mut says, mut now) = (Teller::default(), clock::now().instant);
        let mut there = call(&left, "carrier", now).unwrap();
        there.also(Scope::Number, "+14045550123", now).unwrap();
        there.also(Scope::Signer, "709J", now).unwrap();
        assert!(tell(&mut says, &left, &right, now));
        let mut here = call(&right, "carrier", now).unwrap();
        assert!(here.also(Scope::Number, "+14045550123", now).is_err());
        assert!(here.also(Scope::Signer, "709J", now).is_err());
        assert!(here.also(Scope::Number, "+14045550124", now).is_ok());
        assert_eq!(
            call(&right, "carrier", now).unwrap_err(),
            (Scope::Queue, Kind::Ringing),
            "one here, one there"
        );
        there.rings_no_more();
        now += STEP;
        assert!(tell(&mut says, &left, &right, now));
        assert!(call(&right, "carrier", now).is_ok());
    }

    #[test]
    fn a_rate_is_one_of_both_and_they_pass_it_by_a_burst_at_most() {
        let rate = |limits: &mut CallLimits| limits.trunk.per_second = 40;
        let gateways = [counted(7, rate), counted(7, rate)];
        let mut says = [Teller::default(), Teller::default()];
        let start = clock::now().instant;
        let mut taken = 0u32;
        const SECONDS: u32 = 20;
        for tick in 0..SECONDS * 100 {
            let now = start + tick * Duration::from_millis(10);
            // A hundred calls a second want in at each.
            taken += gateways
                .iter()
                .filter(|gateway| call(gateway, "carrier", now).is_ok())
                .count() as u32;
            if tick % 25 == 24 {
                for (from, to) in [(0, 1), (1, 0)] {
                    assert!(tell(&mut says[from], &gateways[from], &gateways[to], now));
                }
            }
        }
        // A burst of each, and the rate; a telling late there is some more, which is owed then.
        let (least, most) = (40 * SECONDS * 8 / 10, 40 * 2 + 40 * SECONDS * 11 / 10);
        assert!((least..=most).contains(&taken), "{taken} of {least} to {most}");
    }

    #[test]
    fn gateways_that_count_otherwise_count_apart_and_nonsense_is_nothing() {
        let one = |limits: &mut CallLimits| limits.trunk.calls = 1;
        let (left, right) = (counted(7, one), counted(8, one));
        let (mut says, now) = (Teller::default(), clock::now().instant);
        let _held = call(&left, "carrier", now).unwrap();
        assert!(!tell(&mut says, &left, &right, now));
        assert!(call(&right, "carrier", now).is_ok());
        assert!(!right.hear("other", "{}", now) && !right.hear("other", "[1", now));
    }

    #[test]
    fn what_has_not_changed_is_told_every_second_and_who_it_is_is_not_told() {
        let (left, mut says) = (counted(7, |_| ()), Teller::default());
        let start = clock::now().instant;
        let mut held = call(&left, "carrier", start).unwrap();
        held.also(Scope::Number, "+14045550123", start).unwrap();
        let text = says.next(&left, start).unwrap();
        assert!(
            !text.contains("404555") && !text.contains("carrier") && !text.contains("192.0.2"),
            "{text}"
        );
        let mut told = 0;
        for tick in 1..=40u32 {
            told += u32::from(says.next(&left, start + tick * STEP).is_some());
        }
        assert!((9..=11).contains(&told), "{told} in ten seconds");
    }
}
