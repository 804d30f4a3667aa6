//! How often one token or account may ask: a bucket each (the generic cell rate algorithm, ITU-T I.371).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::{PACE_BURST, PACE_KEPT, PACE_PER_SECOND};

/// When the bucket of each would be full again, in microseconds since 1970.
#[derive(Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Arc<str>, u64>>);

impl Pace {
    /// Counts a request. `Err` is the seconds until the next is listened to; one that is refused does not count.
    pub fn ask(&self, who: &Arc<str>, now_ms: u64) -> Result<(), u64> {
        const EACH: u64 = 1_000_000 / PACE_PER_SECOND;
        let now = now_ms.saturating_mul(1_000);
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= PACE_KEPT && !full.contains_key(who) {
            // What is full again is as good as never seen.
            full.retain(|_, at| *at > now);
        }
        // A clock that was set back must not make anybody wait longer than an empty bucket does.
        let at = full.get(who).copied().unwrap_or(0);
        let at = at.clamp(now, now + PACE_BURST * EACH);
        let ahead = at - now;
        if ahead + EACH > PACE_BURST * EACH {
            return Err((ahead + EACH - PACE_BURST * EACH).div_ceil(1_000_000));
        }
        full.insert(Arc::clone(who), at + EACH);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_so_many_a_second() {
        let pace = Pace::default();
        let ann: Arc<str> = "ann".into();
        for _ in 0..PACE_BURST {
            assert_eq!(pace.ask(&ann, 10_000), Ok(()));
        }
        assert_eq!(pace.ask(&ann, 10_000), Err(1));
        assert_eq!(pace.ask(&"bob".into(), 10_000), Ok(()), "each by himself");
        for _ in 0..PACE_PER_SECOND {
            assert_eq!(pace.ask(&ann, 11_000), Ok(()));
        }
        assert_eq!(pace.ask(&ann, 11_000), Err(1));
        assert_eq!(
            pace.ask(&ann, 1),
            Err(1),
            "the clock was set back by eleven seconds"
        );
        assert_eq!(pace.ask(&ann, 1 + PACE_BURST * 1_000 / PACE_PER_SECOND), Ok(()));
        for number in 0..PACE_KEPT + 10 {
            let _ = pace.ask(&format!("{number}").into(), 3_600_000 + number as u64 * 1_000);
        }
        assert!(pace.0.lock().unwrap().len() <= PACE_KEPT);
    }
}
