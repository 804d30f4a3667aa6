//! Which ports are whose.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Instant;

use super::limits::PORT_REST;
use crate::time::Now;

/// Even port numbers (RTP; RTCP is one above, RFC 3550 §11), handed out in a circle.
///
/// Of the ports that calls had before, the one given back longest ago is the next to go out, once it has rested for
/// [`PORT_REST`]: late packets of one call must not reach another. A port that no call had yet goes out when none has:
/// so no more ports are ever touched than calls need.
#[derive(Debug)]
pub struct PortPool {
    /// Ports that were given back, with the end of their rest. Given back last stands last, so rests end in order.
    used: VecDeque<(u16, Instant)>,
    /// Ports that no call had yet, and behind them those set aside (with the end of their rest) or put last.
    fresh: VecDeque<(u16, Option<Instant>)>,
    first: u16,
    /// For each even port of the range whether it is in use.
    taken: Vec<bool>,
}

impl PortPool {
    /// Whole pairs inside `ports`; an odd first port is skipped, and so is a last port without its neighbour.
    pub fn new(ports: RangeInclusive<u16>) -> PortPool {
        let first = ports.start().saturating_add(ports.start() % 2);
        let fresh: VecDeque<_> = (first..=*ports.end())
            .step_by(2)
            .filter(|port| port % 2 == 0 && *port != 0 && *port < *ports.end())
            .map(|port| (port, None))
            .collect();
        let taken = vec![false; usize::from(ports.end().saturating_sub(first)) / 2 + 1];
        PortPool {
            used: VecDeque::new(),
            fresh,
            first,
            taken,
        }
    }

    /// A port for RTP, with the next one for RTCP. `None` when all are in use or resting (SIP 503).
    pub fn take(&mut self, now: Now) -> Option<u16> {
        let has_rested = |until: Instant| now.instant >= until;
        let port = if self.used.front().is_some_and(|(_, until)| has_rested(*until)) {
            self.used.pop_front().map(|(port, _)| port)
        } else if self
            .fresh
            .front()
            .is_some_and(|(_, until)| until.is_none_or(has_rested))
        {
            self.fresh.pop_front().map(|(port, _)| port)
        } else {
            None
        }?;
        let index = self.index(port)?;
        self.taken[index] = true;
        Some(port)
    }

    /// Puts a port back to rest. A port that is not out is ignored.
    pub fn give_back(&mut self, port: u16, now: Now) {
        if self.has_come_back(port) {
            self.used.push_back((port, now.instant + PORT_REST));
        }
    }

    /// Puts a port back that could not be used: it comes last.
    pub fn set_aside(&mut self, port: u16, now: Now) {
        if self.has_come_back(port) {
            self.fresh.push_back((port, Some(now.instant + PORT_REST)));
        }
    }

    /// Puts a port back that is better than none: it may go out at once, but comes last.
    pub fn put_last(&mut self, port: u16) {
        if self.has_come_back(port) {
            self.fresh.push_back((port, None));
        }
    }

    /// Ports not in use, those at rest included.
    pub fn free(&self) -> usize {
        self.used.len() + self.fresh.len()
    }

    fn has_come_back(&mut self, port: u16) -> bool {
        self.index(port)
            .is_some_and(|index| std::mem::take(&mut self.taken[index]))
    }

    fn index(&self, port: u16) -> Option<usize> {
        let offset = port.checked_sub(self.first)?;
        let index = usize::from(offset / 2);
        (offset % 2 == 0 && index < self.taken.len()).then_some(index)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn now() -> Now {
        Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        }
    }

    fn all(pool: &mut PortPool, now: Now) -> Vec<u16> {
        std::iter::from_fn(|| pool.take(now)).collect()
    }

    #[test]
    fn only_whole_even_pairs_are_handed_out() {
        for (range, expected) in [
            (20_001..=20_006, vec![20_002, 20_004]),
            (20_000..=20_003, vec![20_000, 20_002]),
            (20_000..=20_000, vec![]),
            (0..=3, vec![2]),
            (65_533..=65_535, vec![65_534]),
            (65_535..=65_535, vec![]),
            (RangeInclusive::new(9, 5), vec![]),
        ] {
            assert_eq!(
                all(&mut PortPool::new(range.clone()), now()),
                expected,
                "{range:?}"
            );
        }
    }

    #[test]
    fn a_port_rests_before_it_goes_out_again_and_the_circle_goes_on() {
        let mut pool = PortPool::new(20_000..=20_003);
        let start = now();
        assert_eq!(all(&mut pool, start), [20_000, 20_002]);
        pool.give_back(20_002, start);
        let later = start.after(Duration::from_millis(1500));
        pool.give_back(20_000, later);
        assert_eq!((pool.free(), pool.take(later)), (2, None));
        assert_eq!(pool.take(start.after(PORT_REST)), Some(20_002));
        assert_eq!(pool.take(start.after(PORT_REST)), None);
        assert_eq!(pool.take(later.after(PORT_REST)), Some(20_000));
    }

    #[test]
    fn ports_go_round_among_few_and_one_set_aside_comes_last() {
        let mut pool = PortPool::new(20_000..=20_005);
        let start = now();
        let later = start.after(PORT_REST);
        assert_eq!((pool.take(start), pool.take(start)), (Some(20_000), Some(20_002)));
        pool.give_back(20_000, start);
        pool.set_aside(20_002, start);
        assert_eq!((pool.take(later), pool.take(later)), (Some(20_000), Some(20_004)));
        assert_eq!((pool.take(later), pool.take(later)), (Some(20_002), None));
    }

    #[test]
    fn a_port_that_is_not_out_cannot_be_given_back() {
        let mut pool = PortPool::new(20_000..=20_003);
        let start = now();
        pool.take(start);
        for port in [20_000, 20_000, 20_002, 20_001, 19_998, 30_000] {
            pool.give_back(port, start);
        }
        assert_eq!(pool.free(), 2);
    }
}
