//! Tells people when our own clock seems to be wrong: a log line, a metric, the status.

use std::sync::{Arc, Mutex, PoisonError};

use metrics::gauge;

use super::clock;
use crate::identity::{ClockWatch, Report, Standing};

/// One for the process. Clone freely.
#[derive(Clone, Default)]
pub struct ClockAlarm(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    watch: ClockWatch,
    shift: Option<i64>,
}

impl ClockAlarm {
    /// A call that has ended. Only `iat` that an honest signer may have written counts.
    pub fn note(&self, report: &Report) {
        let is_honest = report.standing == Standing::Verified || report.is_stale();
        let Some(age) = report.iat_age_seconds.filter(|_| is_honest) else {
            return;
        };
        let now = clock::now().instant;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.watch.note(age, now);
        let shift = state.watch.shift(now);
        match (state.shift, shift) {
            (None, Some(seconds)) => tracing::error!(
                seconds,
                "recent calls were signed that many seconds away from our time: this machine's clock is probably wrong"
            ),
            (Some(_), None) => tracing::info!("recent calls agree with this machine's clock again"),
            _ => {}
        }
        state.shift = shift;
        gauge!("ringward_clock_shift_seconds").set(shift.unwrap_or(0) as f64);
    }

    /// By how many seconds our clock seems to be ahead (negative: behind); None: no sign of it.
    pub fn shift(&self) -> Option<i64> {
        let now = clock::now().instant;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.shift = state.watch.shift(now);
        state.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signatures_that_hold_or_are_merely_old_say_something_of_our_clock() {
        let alarm = ClockAlarm::default();
        let mut report = Report::none();
        report.iat_age_seconds = Some(90);
        for _call in 0..40 {
            alarm.note(&report);
        }
        assert_eq!(alarm.shift(), None);
        report.standing = Standing::Verified;
        for _call in 0..40 {
            alarm.note(&report);
        }
        assert_eq!(alarm.shift(), Some(90));
    }
}
