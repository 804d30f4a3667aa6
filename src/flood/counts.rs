//! The counting: who has how many calls, and how fast new ones come.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::limit::{Allowance, CallLimits, Kind, Limit, Scope};
use super::limits::{COUNTED_MAX, EMERGENCY_SHARE_PERCENT, TOLD_PARTIES_MAX};
use super::told::{Elsewhere, Party, Told};
use crate::cidr::neighbourhood;

/// Who asks for a call.
#[derive(Clone, Copy, Debug)]
pub struct NewCall<'a> {
    /// Empty: a phone's.
    pub trunk: &'a str,
    pub source: IpAddr,
    /// Empty: none that is known yet.
    pub queue: &'a str,
    /// It says so, or its trunk is trusted to.
    pub is_emergency: bool,
}

pub(super) struct Counts {
    limits: CallLimits,
    all: Count,
    /// By [`Scope`]; the first stays empty.
    tables: [Table; Scope::ALL.len()],
    /// For emergency calls that the others' limits leave no room for.
    emergency: Bucket,
    /// Under which it is told who they are: the same at all gateways of a store.
    key: [u8; 16],
    elsewhere: Elsewhere,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    bucket: Bucket,
    calls: u32,
    ringing: u32,
    /// New ones since others were told.
    came: u32,
}

#[derive(Default)]
struct Table {
    known: HashMap<u64, Count>,
    /// Those beyond [`COUNTED_MAX`] that are busy at the same time share this one.
    others: Count,
    /// When the idle were last forgotten: looking at all of them is not for every call.
    swept: Option<Instant>,
}

/// Where one call is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    scope: Scope,
    /// None = among the others.
    key: Option<u64>,
}

impl Counts {
    pub(super) fn new(limits: CallLimits) -> Counts {
        Counts {
            limits,
            all: Count::default(),
            tables: Default::default(),
            emergency: Bucket::default(),
            key: [0; 16],
            elsewhere: Elsewhere::default(),
        }
    }

    /// Before anything is counted: the key that all gateways of a store have.
    pub(super) fn with_key(mut self, key: [u8; 16]) -> Counts {
        self.key = key;
        self
    }

    pub(super) fn limits(&self) -> &CallLimits {
        &self.limits
    }

    /// Takes a call, or says which limit it would pass first: those of all, then its trunk's, its address's, its queue's.
    /// A call that is not taken has cost nobody a token.
    ///
    /// What calls itself an emergency has [`EMERGENCY_SHARE_PERCENT`] more calls, and as much of the rate of all for
    /// itself alone: anybody can write that, so it must not be without end.
    pub(super) fn admit(&mut self, new: &NewCall<'_>, now: Instant) -> Result<Vec<Place>, Limit> {
        let mut keys = vec![
            (Scope::Trunk, self.hash(new.trunk)),
            (Scope::Source, self.hash(neighbourhood(new.source))),
        ];
        if !new.queue.is_empty() {
            keys.push((Scope::Queue, self.hash(new.queue)));
        }
        let elsewhere = self.elsewhere.of(Scope::All, 0, now);
        let mut refused = self.all.check(Scope::All, self.limits.all, elsewhere, now).err();
        for (scope, key) in &keys {
            refused = refused.or_else(|| self.check(*scope, *key, now).err());
        }
        match refused {
            None => {
                self.all.bucket.take(self.limits.all.per_second, now);
                for (scope, key) in &keys {
                    let rate = self.limits.of(*scope).per_second;
                    self.count(*scope, *key, now).1.bucket.take(rate, now);
                }
            }
            Some(limit) if !new.is_emergency => return Err(limit),
            Some(_) => self.take_emergency(now)?,
        }
        self.all.begin();
        let mut places = vec![Place {
            scope: Scope::All,
            key: None,
        }];
        for (scope, key) in keys {
            let (place, count) = self.count(scope, key, now);
            count.begin();
            places.push(place);
        }
        Ok(places)
    }

    fn take_emergency(&mut self, now: Instant) -> Result<(), Limit> {
        let limit = |kind| Limit {
            scope: Scope::All,
            kind,
        };
        let calls = self.limits.all.calls;
        let (elsewhere, _) = self.elsewhere.of(Scope::All, 0, now);
        if self.all.calls.saturating_add(elsewhere) >= calls.saturating_add(emergency_share(calls)) {
            return Err(limit(Kind::Calls));
        }
        let rate = emergency_share(self.limits.all.per_second);
        if !self.emergency.has_token(rate, now) {
            return Err(limit(Kind::Rate));
        }
        self.emergency.take(rate, now);
        Ok(())
    }

    /// Counts a call that is there for one more party of it.
    ///
    /// # Errors
    ///
    /// The limit that it would pass; then it is not counted for that party, and costs it no token.
    pub(super) fn also(
        &mut self,
        scope: Scope,
        who: &str,
        is_ringing: bool,
        now: Instant,
    ) -> Result<Place, Limit> {
        let key = self.hash(who);
        self.check(scope, key, now)?;
        let rate = self.limits.of(scope).per_second;
        let (place, count) = self.count(scope, key, now);
        count.bucket.take(rate, now);
        count.begin();
        if !is_ringing {
            count.answered();
        }
        Ok(place)
    }

    pub(super) fn answered(&mut self, place: Place) {
        if let Some(count) = self.find(place) {
            count.answered();
        }
    }

    pub(super) fn over(&mut self, place: Place, is_ringing: bool) {
        if let Some(count) = self.find(place) {
            count.calls = count.calls.saturating_sub(1);
            if is_ringing {
                count.answered();
            }
        }
    }

    /// Calls, and those that nobody has answered yet, of all.
    pub(super) fn of_all(&self) -> (u32, u32) {
        (self.all.calls, self.all.ringing)
    }

    /// Calls through this trunk that nobody has answered yet, as far as it is counted by itself.
    pub(super) fn ringing_of_trunk(&self, trunk: &str) -> u32 {
        let known = &self.tables[Scope::Trunk as usize].known;
        known.get(&self.hash(trunk)).map_or(0, |count| count.ringing)
    }

    /// Parties that are counted one by one.
    pub(super) fn counted(&self) -> usize {
        self.tables.iter().map(|table| table.known.len()).sum()
    }

    fn check(&mut self, scope: Scope, key: u64, now: Instant) -> Result<(), Limit> {
        let table = &mut self.tables[scope as usize];
        let count = match table.known.get(&key).copied() {
            Some(count) => count,
            None if !table.has_room(now) => table.others,
            None => Count::default(),
        };
        let elsewhere = self.elsewhere.of(scope, key, now);
        count.check(scope, self.limits.of(scope), elsewhere, now)
    }

    /// What the other gateways are to be told; what came is told once.
    pub(super) fn tell(&mut self) -> Told {
        let mut parties = Vec::new();
        let mut add = |scope: Scope, key: u64, count: &mut Count| {
            let came = std::mem::take(&mut count.came);
            if count.calls > 0 || came > 0 {
                parties.push(Party {
                    scope: scope as u8,
                    key,
                    calls: count.calls,
                    ringing: count.ringing,
                    came,
                });
            }
        };
        add(Scope::All, 0, &mut self.all);
        for (scope, table) in Scope::ALL.into_iter().zip(&mut self.tables) {
            for (key, count) in &mut table.known {
                add(scope, *key, count);
            }
        }
        Told {
            probe: self.probe(),
            parties,
        }
    }

    /// Another gateway tells; false = it counts otherwise, and what it has counts for nothing here.
    pub(super) fn hear(&mut self, node: &str, told: Told, now: Instant) -> bool {
        if told.probe != self.probe() {
            self.elsewhere.forget(node, now);
            return false;
        }
        let mut parties = told.parties;
        parties.truncate(TOLD_PARTIES_MAX);
        for party in parties.iter().filter(|party| party.came > 0) {
            match Scope::ALL.get(usize::from(party.scope)).copied() {
                None => {}
                Some(Scope::All) => {
                    self.all
                        .bucket
                        .take_elsewhere(self.limits.all.per_second, party.came, now)
                }
                Some(scope) => {
                    let rate = self.limits.of(scope).per_second;
                    let (place, count) = self.count(scope, party.key, now);
                    // Those beyond the table share a bucket, from which strangers to it take nothing.
                    if place.key.is_some() {
                        count.bucket.take_elsewhere(rate, party.came, now);
                    }
                }
            }
        }
        self.elsewhere.hear(node, parties, now);
        true
    }

    pub(super) fn forget(&mut self, node: &str, now: Instant) {
        self.elsewhere.forget(node, now);
    }

    /// Calls at the other gateways.
    pub(super) fn elsewhere(&self, now: Instant) -> u32 {
        self.elsewhere.of(Scope::All, 0, now).0
    }

    /// The gateways that we count with.
    pub(super) fn heard(&self, now: Instant) -> Vec<String> {
        self.elsewhere.heard(now)
    }

    fn probe(&self) -> u64 {
        self.hash("two gateways that count alike")
    }

    /// Who is counted, without who it is. Two with one hash in 64 bits would share what they are allowed.
    fn hash(&self, who: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.key);
        who.hash(&mut hasher);
        hasher.finish()
    }

    fn count(&mut self, scope: Scope, key: u64, now: Instant) -> (Place, &mut Count) {
        let table = &mut self.tables[scope as usize];
        let is_known = table.known.contains_key(&key) || table.has_room(now);
        let place = Place {
            scope,
            key: is_known.then_some(key),
        };
        let count = match is_known {
            true => table.known.entry(key).or_default(),
            false => &mut table.others,
        };
        (place, count)
    }

    fn find(&mut self, place: Place) -> Option<&mut Count> {
        match (place.scope, place.key) {
            (Scope::All, _) => Some(&mut self.all),
            (scope, Some(key)) => self.tables[scope as usize].known.get_mut(&key),
            (scope, None) => Some(&mut self.tables[scope as usize].others),
        }
    }
}

impl Table {
    /// Whether one more can be counted by himself. Once a second those are forgotten who have no call and have been quiet:
    /// they have what a new entry would have.
    fn has_room(&mut self, now: Instant) -> bool {
        let is_due = |swept: Instant| now.saturating_duration_since(swept) >= Duration::from_secs(1);
        if self.known.len() >= COUNTED_MAX && self.swept.is_none_or(is_due) {
            self.known.retain(|_, count| !count.is_idle(now));
            self.swept = Some(now);
        }
        self.known.len() < COUNTED_MAX
    }
}

impl Count {
    /// `elsewhere`: calls, and ringing ones, at other gateways.
    fn check(
        &self,
        scope: Scope,
        allowed: Allowance,
        elsewhere: (u32, u32),
        now: Instant,
    ) -> Result<(), Limit> {
        let kind = if self.calls.saturating_add(elsewhere.0) >= allowed.calls {
            Kind::Calls
        } else if self.ringing.saturating_add(elsewhere.1) >= allowed.ringing {
            Kind::Ringing
        } else if !self.bucket.has_token(allowed.per_second, now) {
            Kind::Rate
        } else {
            return Ok(());
        };
        Err(Limit { scope, kind })
    }

    fn begin(&mut self) {
        self.calls += 1;
        self.ringing += 1;
        self.came = self.came.saturating_add(1);
    }

    fn answered(&mut self) {
        self.ringing = self.ringing.saturating_sub(1);
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.calls == 0 && self.bucket.is_full(now)
    }
}

fn emergency_share(limit: u32) -> u32 {
    (limit / 100).saturating_mul(EMERGENCY_SHARE_PERCENT)
        + ((limit % 100) * EMERGENCY_SHARE_PERCENT).div_ceil(100)
}
