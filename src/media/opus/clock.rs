//! Timestamps of a clock of 48 kHz as those of one of 8 kHz, without a jump where the former wraps.

use super::UNITS;

/// One stream's time line. 2^32 is no multiple of six, so how often it has wrapped must be known.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::media) struct Clock {
    last: Option<(u32, u64)>,
}

impl Clock {
    /// The same time in units of 125 us. A timestamp may be up to 2^31 units ahead of the one before, or behind. One that is
    /// not `trusted` moves nothing.
    pub(in crate::media) fn narrow(&mut self, timestamp: u32, trusted: bool) -> u32 {
        let time = match self.last {
            None => u64::from(timestamp) + START,
            Some((last, time)) => {
                let step = timestamp.wrapping_sub(last) as i32;
                time.wrapping_add_signed(i64::from(step))
            }
        };
        if trusted {
            self.last = Some((timestamp, time));
        }
        (time / u64::from(UNITS)) as u32
    }
}

/// Far enough from zero for a stream that goes backwards.
const START: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_the_fast_clock_wraps() {
        let mut clock = Clock::default();
        let start = u32::MAX - 5_000;
        let mut before = clock.narrow(start, true);
        for n in 1..20u32 {
            let now = clock.narrow(start.wrapping_add(n * 960), true);
            assert_eq!(now.wrapping_sub(before), 160);
            before = now;
        }
        assert_eq!(
            clock.narrow(start ^ 0x8000_0000, false),
            clock.narrow(start ^ 0x8000_0000, false)
        );
        // One that comes late stands where it belongs.
        let late = clock.narrow(start.wrapping_add(18 * 960), true);
        assert_eq!(before.wrapping_sub(late), 160);
        assert_eq!(
            clock
                .narrow(start.wrapping_add(20 * 960), true)
                .wrapping_sub(before),
            160
        );
    }
}
