//! How far the numbers of each source have come, and which of the last ones were seen (RFC 3711 §3.3).
//!
//! A source is remembered once a packet of it has been authenticated or sent, so a stranger fills nothing.

use super::Refused;
use crate::media::limits::SOURCES_MAX;

/// Packets behind the highest that are still told apart: one bit each. RFC 3711 §3.3.2 asks for 64 at least.
const WINDOW: u64 = 128;

/// The sources of one direction under one key.
#[derive(Default)]
pub(super) struct Sources {
    known: [Source; SOURCES_MAX],
    count: usize,
    /// The one that was heard last: nearly always the one that is heard next.
    last: usize,
}

#[derive(Clone, Copy, Default)]
struct Source {
    ssrc: u32,
    /// RTP: the sequence number with its rollover counter above it, 48 bits. RTCP: the index.
    highest: u64,
    /// Bit `n` is set when `highest - n` was seen.
    seen: u128,
}

impl Sources {
    /// The index of an RTP packet: the one nearest to the highest so far (RFC 3711 §3.3.1, appendix A).
    ///
    /// A source that is not known begins in its first turn of 65 536.
    pub(super) fn index(&self, ssrc: u32, sequence: u16) -> u64 {
        let Some(source) = self.find(ssrc) else {
            return u64::from(sequence);
        };
        let highest = self.known[source].highest;
        let ahead = sequence.wrapping_sub(highest as u16) as i16;
        match highest.checked_add_signed(i64::from(ahead)) {
            Some(index) => index,
            // Before the first turn there was none: it is far ahead.
            None => u64::from(sequence),
        }
    }

    /// Whether the index may be new.
    pub(super) fn check(&self, ssrc: u32, index: u64) -> Result<(), Refused> {
        let Some(source) = self.find(ssrc) else {
            return match self.count < SOURCES_MAX {
                true => Ok(()),
                false => Err(Refused::TooManySources),
            };
        };
        let source = &self.known[source];
        let Some(behind) = source.highest.checked_sub(index) else {
            return Ok(());
        };
        match behind < WINDOW && source.seen >> behind & 1 == 0 {
            true => Ok(()),
            false => Err(Refused::Replayed),
        }
    }

    /// Notes an index that [`Sources::check`] let through.
    pub(super) fn insert(&mut self, ssrc: u32, index: u64) {
        match self.find(ssrc) {
            Some(at) => self.last = at,
            None if self.count < SOURCES_MAX => {
                self.last = self.count;
                self.count += 1;
                self.known[self.last] = Source {
                    ssrc,
                    highest: index,
                    seen: 0,
                };
            }
            None => return,
        }
        let source = &mut self.known[self.last];
        if let Some(ahead) = index.checked_sub(source.highest).filter(|ahead| *ahead > 0) {
            source.seen = match ahead < WINDOW {
                true => source.seen << ahead,
                false => 0,
            };
            source.highest = index;
        }
        let behind = source.highest - index;
        if behind < WINDOW {
            source.seen |= 1 << behind;
        }
    }

    fn find(&self, ssrc: u32) -> Option<usize> {
        let known = &self.known[..self.count];
        match known.get(self.last) {
            Some(source) if source.ssrc == ssrc => Some(self.last),
            _ => known.iter().position(|source| source.ssrc == ssrc),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_turn_is_counted_across_the_wrap_with_packets_lost_and_late() {
        let mut sources = Sources::default();
        let mut take = |sequence: u16| {
            let index = sources.index(9, sequence);
            let is_new = sources.check(9, index).is_ok();
            if is_new {
                sources.insert(9, index);
            }
            (index, is_new)
        };
        assert_eq!(take(65_533), (65_533, true));
        // 65 534 and 65 535 are lost or late; 0 is beyond the wrap.
        assert_eq!(take(0), (65_536, true));
        assert_eq!(take(65_535), (65_535, true));
        assert_eq!(take(2), (65_538, true));
        assert_eq!(take(65_534), (65_534, true));
        assert_eq!(take(65_534), (65_534, false));
        assert_eq!(take(0), (65_536, false));
        assert_eq!(take(32_000), (65_536 + 32_000, true));
        assert_eq!(take(40_000), (65_536 + 40_000, true));
        assert_eq!(take(10), (2 * 65_536 + 10, true));
    }

    #[test]
    fn far_back_is_too_old_to_tell() {
        let mut sources = Sources::default();
        sources.insert(1, 1000);
        for behind in 1..WINDOW {
            assert_eq!(sources.check(1, 1000 - behind), Ok(()));
        }
        assert_eq!(sources.check(1, 1000), Err(Refused::Replayed));
        assert_eq!(sources.check(1, 1000 - WINDOW), Err(Refused::Replayed));
    }

    #[test]
    fn one_source_more_than_are_kept_is_refused_and_the_others_go_on() {
        let mut sources = Sources::default();
        for ssrc in 0..SOURCES_MAX as u32 {
            assert_eq!(sources.check(ssrc, 5), Ok(()));
            sources.insert(ssrc, 5);
        }
        assert_eq!(sources.check(SOURCES_MAX as u32, 5), Err(Refused::TooManySources));
        sources.insert(SOURCES_MAX as u32, 5);
        assert_eq!(sources.check(0, 5), Err(Refused::Replayed));
        assert_eq!(sources.check(0, 6), Ok(()));
    }

    proptest! {
        /// Against the plain truth: an index is taken exactly when it is inside the window and was not taken before.
        #[test]
        fn an_index_is_taken_once(steps in proptest::collection::vec(-200i64..200, 1..300)) {
            let mut sources = Sources::default();
            let mut seen = BTreeSet::new();
            let mut at = 1000i64;
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                let highest = seen.last().copied().unwrap_or(0);
                let is_new = !seen.contains(&index) && (seen.is_empty() || index + WINDOW > highest);
                prop_assert_eq!(sources.check(7, index).is_ok(), is_new);
                if is_new {
                    sources.insert(7, index);
                    seen.insert(index);
                }
            }
        }

        #[test]
        fn the_index_is_the_nearest_one(highest in 40_000u64..1 << 40, ahead in -32_000i64..32_000) {
            let mut sources = Sources::default();
            sources.insert(7, highest);
            let index = highest.saturating_add_signed(ahead);
            prop_assert_eq!(sources.index(7, index as u16), index);
        }
    }
}
