//! How many calls are taken: at once, and per second in all, per trunk and per source.
//!
//! ```text
//!   INVITE that begins something ─┬─ fewer calls than allowed, a token in each bucket ──► a call
//!                                 ├─ an emergency call, within its share ──────────────► a call
//!                                 └─ otherwise ──► 503 with Retry-After, before anything is remembered of it
//!   everything else ──────────────────────────────────────────────────────────────────► as ever
//! ```
//!
//! A bucket holds at most one second's worth of tokens and is filled steadily, so that a rate of 100 takes at most 200
//! calls in any one second and 100 in every later one. Nothing has to be started again: tokens come back by themselves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::limits::{EMERGENCY_SHARE_PERCENT, OVERLOAD_SOURCES_MAX};

/// `[limits]`, of the whole process. Each shard holds its calls to an equal share; calls spread over shards by the hash
/// of their Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls alive at once.
    pub calls: u32,
    /// New calls a second, all together.
    pub calls_per_second: u32,
    /// The same for each trunk.
    pub trunk_calls_per_second: u32,
    /// The same for each source address.
    pub source_calls_per_second: u32,
}

impl Default for CallLimits {
    /// What one busy core can carry; far above what a business is called.
    fn default() -> CallLimits {
        CallLimits {
            calls: 20_000,
            calls_per_second: 2_000,
            trunk_calls_per_second: 2_000,
            source_calls_per_second: 2_000,
        }
    }
}

/// Why a call was not taken. The order is the one in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overloaded {
    /// As many calls as allowed are going on.
    Calls,
    /// All calls together come too fast.
    Rate,
    /// The calls of this trunk come too fast.
    TrunkRate,
    /// The calls of this address come too fast.
    SourceRate,
    /// As many transactions as one shard holds are going on.
    Transactions,
}

/// Who asks for a call.
pub(super) struct NewCall<'a> {
    pub(super) trunk: &'a str,
    pub(super) source: IpAddr,
    pub(super) is_emergency: bool,
}

/// The counting of one shard.
pub(super) struct Overload {
    limits: CallLimits,
    all: Bucket,
    trunks: HashMap<String, Bucket>,
    sources: HashMap<IpAddr, Bucket>,
    /// Sources beyond [`OVERLOAD_SOURCES_MAX`] that are busy at the same time share this one.
    other_sources: Bucket,
    /// For emergency calls that the others' limits leave no room for.
    emergency: Bucket,
}

impl Overload {
    pub(super) fn new(limits: CallLimits, shards: u16) -> Overload {
        let share = |limit: u32| limit.div_ceil(u32::from(shards.max(1))).max(1);
        let limits = CallLimits {
            calls: share(limits.calls),
            calls_per_second: share(limits.calls_per_second),
            trunk_calls_per_second: share(limits.trunk_calls_per_second),
            source_calls_per_second: share(limits.source_calls_per_second),
        };
        Overload {
            limits,
            all: Bucket::default(),
            trunks: HashMap::new(),
            sources: HashMap::new(),
            other_sources: Bucket::default(),
            emergency: Bucket::default(),
        }
    }

    /// Whether a new call may be taken, without taking anything. `live`: calls of this shard.
    ///
    /// What calls itself an emergency has [`EMERGENCY_SHARE_PERCENT`] more calls, and as much of the rate of all for
    /// itself alone: anybody can write that, so it must not be without end.
    ///
    /// # Errors
    ///
    /// The first limit that it would pass.
    pub(super) fn check(&self, new: &NewCall<'_>, live: usize, now: Instant) -> Result<(), Overloaded> {
        let plain = self.check_plain(new, live, now);
        if plain.is_ok() || !new.is_emergency {
            return plain;
        }
        if live >= self.limits.calls as usize + emergency_share(self.limits.calls) as usize {
            return Err(Overloaded::Calls);
        }
        let rate = emergency_share(self.limits.calls_per_second);
        self.emergency
            .has_token(rate, now)
            .then_some(())
            .ok_or(Overloaded::Rate)
    }

    fn check_plain(&self, new: &NewCall<'_>, live: usize, now: Instant) -> Result<(), Overloaded> {
        if live >= self.limits.calls as usize {
            return Err(Overloaded::Calls);
        }
        if !self.all.has_token(self.limits.calls_per_second, now) {
            return Err(Overloaded::Rate);
        }
        let of_trunk = self.trunks.get(new.trunk).copied().unwrap_or_default();
        if !of_trunk.has_token(self.limits.trunk_calls_per_second, now) {
            return Err(Overloaded::TrunkRate);
        }
        let of_source = self.source(new.source);
        if !of_source.has_token(self.limits.source_calls_per_second, now) {
            return Err(Overloaded::SourceRate);
        }
        Ok(())
    }

    /// The call was taken: one token out of each bucket, or one of those that only emergency calls have.
    pub(super) fn take(&mut self, new: &NewCall<'_>, live: usize, now: Instant) {
        if new.is_emergency && self.check_plain(new, live, now).is_err() {
            let rate = emergency_share(self.limits.calls_per_second);
            return self.emergency.take(rate, now);
        }
        self.all.take(self.limits.calls_per_second, now);
        // As many entries as the configuration has trunks.
        if !self.trunks.contains_key(new.trunk) {
            self.trunks.insert(new.trunk.to_string(), Bucket::default());
        }
        if let Some(bucket) = self.trunks.get_mut(new.trunk) {
            bucket.take(self.limits.trunk_calls_per_second, now);
        }
        let rate = self.limits.source_calls_per_second;
        let is_known = self.sources.contains_key(&new.source);
        if self.sources.len() >= OVERLOAD_SOURCES_MAX && !is_known {
            // Whoever has been quiet for a second has a full bucket, which is what a new entry would have.
            self.sources.retain(|_, bucket| !bucket.is_full(now));
        }
        if self.sources.len() >= OVERLOAD_SOURCES_MAX && !is_known {
            return self.other_sources.take(rate, now);
        }
        self.sources.entry(new.source).or_default().take(rate, now);
    }

    fn source(&self, source: IpAddr) -> Bucket {
        match self.sources.get(&source) {
            Some(bucket) => *bucket,
            None if self.sources.len() >= OVERLOAD_SOURCES_MAX => self.other_sources,
            None => Bucket::default(),
        }
    }
}

/// One second's worth of tokens, told as the instant at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    fn has_token(&self, rate: u32, now: Instant) -> bool {
        self.owed(now) + interval(rate) <= Duration::from_secs(1)
    }

    fn take(&mut self, rate: u32, now: Instant) {
        self.full_at = Some(now + (self.owed(now) + interval(rate)).min(Duration::from_secs(1)));
    }

    fn is_full(&self, now: Instant) -> bool {
        self.owed(now).is_zero()
    }

    /// How long until it is full.
    fn owed(&self, now: Instant) -> Duration {
        self.full_at
            .map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }
}

fn emergency_share(limit: u32) -> u32 {
    (limit / 100).saturating_mul(EMERGENCY_SHARE_PERCENT)
        + ((limit % 100) * EMERGENCY_SHARE_PERCENT).div_ceil(100)
}

/// How long one token takes to come back.
fn interval(rate: u32) -> Duration {
    Duration::from_secs(1) / rate.max(1)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    const LIMITS: CallLimits = CallLimits {
        calls: 100,
        calls_per_second: 50,
        trunk_calls_per_second: 20,
        source_calls_per_second: 10,
    };

    fn source(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn call(trunk: &str, source: IpAddr) -> NewCall<'_> {
        NewCall {
            trunk,
            source,
            is_emergency: false,
        }
    }

    /// Calls taken of `count` that come at once.
    fn taken(overload: &mut Overload, trunk: &str, from: IpAddr, count: usize, now: Instant) -> usize {
        (0..count)
            .filter(|_| {
                let new = call(trunk, from);
                let is_taken = overload.check(&new, 0, now).is_ok();
                if is_taken {
                    overload.take(&new, 0, now);
                }
                is_taken
            })
            .count()
    }

    #[test]
    fn each_limit_holds_by_itself_and_says_its_name() {
        let now = Instant::now();
        let mut overload = Overload::new(LIMITS, 1);
        assert_eq!(taken(&mut overload, "a", source(1), 99, now), 10);
        assert_eq!(
            overload.check(&call("a", source(1)), 0, now),
            Err(Overloaded::SourceRate)
        );
        assert_eq!(taken(&mut overload, "a", source(2), 99, now), 10);
        assert_eq!(
            overload.check(&call("a", source(3)), 0, now),
            Err(Overloaded::TrunkRate)
        );
        assert_eq!(taken(&mut overload, "b", source(4), 99, now), 10);
        assert_eq!(taken(&mut overload, "b", source(5), 99, now), 10);
        assert_eq!(taken(&mut overload, "c", source(6), 99, now), 10);
        assert_eq!(
            overload.check(&call("c", source(7)), 0, now),
            Err(Overloaded::Rate)
        );
        let later = now + Duration::from_secs(2);
        assert_eq!(
            overload.check(&call("c", source(7)), 100, later),
            Err(Overloaded::Calls)
        );
        assert_eq!(overload.check(&call("c", source(7)), 99, later), Ok(()));
    }

    #[test]
    fn tokens_come_back_steadily_and_never_more_than_a_seconds_worth() {
        let start = Instant::now();
        let mut overload = Overload::new(LIMITS, 1);
        assert_eq!(taken(&mut overload, "a", source(1), 99, start), 10);
        for step in 1..=20 {
            let now = start + Duration::from_millis(100 * step);
            assert_eq!(
                taken(&mut overload, "a", source(1), 99, now),
                1,
                "after {step} tenths"
            );
        }
        let later = start + Duration::from_secs(3600);
        assert_eq!(taken(&mut overload, "a", source(1), 99, later), 10);
    }

    #[test]
    fn emergency_calls_have_a_share_of_their_own_of_calls_and_rate() {
        let now = Instant::now();
        let mut overload = Overload::new(LIMITS, 1);
        let emergency = NewCall {
            is_emergency: true,
            ..call("a", source(1))
        };
        assert_eq!(overload.check(&emergency, 109, now), Ok(()));
        assert_eq!(overload.check(&emergency, 110, now), Err(Overloaded::Calls));
        assert_eq!(taken(&mut overload, "a", source(1), 99, now), 10);
        let mut more = 0;
        while overload.check(&emergency, 0, now).is_ok() {
            overload.take(&emergency, 0, now);
            more += 1;
        }
        assert_eq!(more, 5, "a tenth of 50 a second, for whoever says so");
        assert_eq!(overload.check(&emergency, 0, now), Err(Overloaded::Rate));
    }

    #[test]
    fn a_thousand_busy_sources_cost_a_bounded_table_and_the_rest_share_one_bucket() {
        let now = Instant::now();
        let limits = CallLimits {
            calls_per_second: u32::MAX,
            trunk_calls_per_second: u32::MAX,
            ..LIMITS
        };
        let mut overload = Overload::new(limits, 1);
        for number in 0..OVERLOAD_SOURCES_MAX as u32 + 50 {
            overload.take(&call("a", source(number)), 0, now);
        }
        assert_eq!(overload.sources.len(), OVERLOAD_SOURCES_MAX);
        let stranger = source(u32::MAX);
        assert_eq!(
            overload.check(&call("a", stranger), 0, now),
            Err(Overloaded::SourceRate)
        );
        assert_eq!(
            overload.check(&call("a", source(0)), 0, now),
            Ok(()),
            "who is known keeps his own"
        );
        let later = now + Duration::from_secs(1);
        assert_eq!(overload.check(&call("a", stranger), 0, later), Ok(()));
        overload.take(&call("a", stranger), 0, later);
        assert_eq!(overload.sources.len(), 1, "the quiet ones are forgotten");
    }

    #[test]
    fn shards_have_equal_shares() {
        let now = Instant::now();
        let mut overload = Overload::new(LIMITS, 4);
        assert_eq!(taken(&mut overload, "a", source(1), 99, now), 3);
        assert_eq!(
            overload.check(&call("a", source(9)), 25, now),
            Err(Overloaded::Calls)
        );
    }
}
