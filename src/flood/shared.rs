//! The counters of the process, as every shard has them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::counts::{Counts, NewCall, Place};
use super::floods::{Floods, Ringing};
use super::limit::{CallLimits, Limit, Scope};
use super::surge::{Hand, Rest, SurgeConfig, SurgeStanding};
use super::told::Told;

/// All shards ask the same: cloning gives the same counters. Held for well under a microsecond, once for each new call.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Inner>>);

struct Inner {
    counts: Counts,
    floods: Floods,
}

impl Ringing for Counts {
    fn of_all(&self) -> u32 {
        Counts::of_all(self).1
    }

    fn of_trunk(&self, trunk: &str) -> u32 {
        self.ringing_of_trunk(trunk)
    }
}

/// What the counters say now.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub calls: u32,
    /// Of these, neither a person nor we have answered yet.
    pub ringing: u32,
    /// Trunks, addresses, queues, numbers and signers that are counted one by one.
    pub counted: usize,
    pub surge: SurgeStanding,
    /// Trunks that have a flood of their own, by name; a flood of all is in none.
    pub trunks: Vec<(String, SurgeStanding)>,
}

/// A call that was taken. Dropping it is the end of the call, so that no way out of one can forget to say so.
pub struct Ticket {
    shared: Shared,
    places: Vec<Place>,
    is_ringing: bool,
}

impl Shared {
    pub fn new(limits: CallLimits, surge: SurgeConfig) -> Shared {
        Shared::with_key(limits, surge, [0; 16])
    }

    /// Counts as the other gateways do that have this key.
    pub fn with_key(limits: CallLimits, surge: SurgeConfig, key: [u8; 16]) -> Shared {
        Shared(Arc::new(Mutex::new(Inner {
            counts: Counts::new(limits).with_key(key),
            floods: Floods::new(surge),
        })))
    }

    /// Whether a new call may be taken; if so it is, until its ticket is dropped.
    ///
    /// # Errors
    ///
    /// The first limit that it would pass: those of all, of its trunk, of its address, of its queue. Nothing is remembered of
    /// it then but that one more came.
    pub fn admit(&self, new: &NewCall<'_>, now: Instant) -> Result<Ticket, Limit> {
        let mut inner = self.inner();
        let taken = inner.counts.admit(new, now);
        let Inner { counts, floods } = &mut *inner;
        floods.arrived(new.trunk, counts, now);
        drop(inner);
        Ok(Ticket {
            shared: self.clone(),
            places: taken?,
            is_ringing: true,
        })
    }

    /// What a call hears that is kept out by a limit that is not one of all.
    pub fn refuse_with(&self) -> u16 {
        self.inner().counts.limits().refuse_with
    }

    /// During a flood, of all or through this trunk: what is to be done with callers through it for whom nothing speaks.
    pub fn rest(&self, trunk: &str, now: Instant) -> Option<Rest> {
        let mut inner = self.inner();
        let Inner { counts, floods } = &mut *inner;
        floods.look(counts, now);
        floods.rest(trunk)
    }

    /// Somebody says whether there is a flood, for so long.
    pub fn set_hand(&self, hand: Hand, lasts: Duration, now: Instant) {
        self.inner().floods.set_hand(hand, lasts, now);
    }

    /// The configuration's word counts again. False: it did already.
    pub fn leave_hand(&self, now: Instant) -> bool {
        self.inner().floods.leave_hand(now)
    }

    pub fn standing(&self, now: Instant) -> Standing {
        let mut inner = self.inner();
        let (calls, ringing) = Counts::of_all(&inner.counts);
        let Inner { counts, floods } = &mut *inner;
        floods.look(counts, now);
        let (surge, trunks) = floods.standing(counts);
        Standing {
            calls,
            ringing,
            counted: inner.counts.counted(),
            surge,
            trunks,
        }
    }

    /// What the other gateways on the store are to be told. What came since the last telling is told once.
    pub fn tell(&self) -> Told {
        let told = self.inner().counts.tell();
        told.shortened()
    }

    /// Another gateway told this; false = it counts otherwise, and nothing of it counts here.
    pub fn hear(&self, node: &str, told: Told, now: Instant) -> bool {
        self.inner().counts.hear(node, told, now)
    }

    /// It is not there any more.
    pub fn forget(&self, node: &str, now: Instant) {
        self.inner().counts.forget(node, now);
    }

    /// Calls that the other gateways told of last.
    pub fn elsewhere(&self, now: Instant) -> u32 {
        self.inner().counts.elsewhere(now)
    }

    /// The gateways that this one counts with.
    pub fn heard(&self, now: Instant) -> Vec<String> {
        self.inner().counts.heard(now)
    }

    /// Whoever panicked while counting left numbers behind, not half a structure.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Counts the call for one more party of it: a number, or a signer.
    ///
    /// # Errors
    ///
    /// The limit that it would pass. The call is not counted there, and the party has lost no token by it.
    pub fn also(&mut self, scope: Scope, who: &str, now: Instant) -> Result<(), Limit> {
        let place = self
            .shared
            .inner()
            .counts
            .also(scope, who, self.is_ringing, now)?;
        self.places.push(place);
        Ok(())
    }

    /// A person or we have answered, or nobody will: it rings no more.
    pub fn rings_no_more(&mut self) {
        if !std::mem::take(&mut self.is_ringing) {
            return;
        }
        let mut inner = self.shared.inner();
        for place in &self.places {
            inner.counts.answered(*place);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.shared.inner();
        for place in &self.places {
            inner.counts.over(*place, self.is_ringing);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ticket")
            .field("places", &self.places.len())
            .field("is_ringing", &self.is_ringing)
            .finish()
    }
}
