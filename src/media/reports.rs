//! What the parties' RTCP says of each other, as it passes (RFC 3550 §6.4).

use std::time::{Duration, Instant};

use super::rtcp::{Compound, ReceptionReport};

/// A round trip that is longer than this is a wrong clock or a lie, and no round trip.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// Of one party.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reports {
    /// What it last said about the stream that goes to it.
    last: Option<ReceptionReport>,
    /// The mark of its own last sender report, and when that passed us.
    mark: Option<(u32, Instant)>,
    round_trip: Option<Duration>,
}

impl Reports {
    /// A compound of this party passes. `about`: the stream that goes to it, and what was heard of its sender.
    pub(crate) fn handle(
        &mut self,
        compound: &Compound<'_>,
        about: Option<u32>,
        sender: &Reports,
        now: Instant,
    ) {
        if let Some(mark) = compound.sender_mark() {
            self.mark = Some((mark, now));
        }
        let Some(report) = compound.reception().find(|report| Some(report.ssrc) == about) else {
            return;
        };
        self.last = Some(report);
        // The sender's report passed us on its way there; the answer to it passes us now (RFC 3550 §6.4.1, LSR and DLSR).
        let Some((mark, passed)) = sender.mark.filter(|(mark, _)| *mark == report.last_sender_mark) else {
            return;
        };
        if mark == 0 {
            return;
        }
        let held = Duration::from_secs_f64(f64::from(report.since_sender_mark) / 65_536.0);
        let round_trip = now.saturating_duration_since(passed).checked_sub(held);
        self.round_trip = round_trip
            .filter(|time| *time <= ROUND_TRIP_MAX)
            .or(self.round_trip);
    }

    pub(crate) fn last(&self) -> Option<ReceptionReport> {
        self.last
    }

    /// From us to the party and back.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}
