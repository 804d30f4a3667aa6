//! What calls to the outside may come to, as it is configured.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::tariff::{Money, Price, Tariff};

/// What one of them may; None = as many as there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    pub at_once: Option<u32>,
    /// Calls in any sixty minutes.
    pub per_hour: Option<u32>,
    /// Minutes in any sixty minutes, from when they begin to ring, those of calls that go on included. No call is cut: none more begins.
    pub minutes_per_hour: Option<u32>,
    /// Money in any sixty minutes: of calls that go on, and of those that ended in them.
    pub spend_per_hour: Option<Money>,
    /// The same in any 24 hours.
    pub spend_per_day: Option<Money>,
}

impl Allowance {
    /// It says something of money.
    pub fn is_of_money(&self) -> bool {
        self.spend_per_hour.is_some() || self.spend_per_day.is_some()
    }
}

/// `[outbound.all]`, `[outbound.person]`, `[outbound.queue]` and `[outbound] hours`.
#[derive(Clone, PartialEq, Eq)]
pub struct TollConfig {
    pub all: Allowance,
    pub person: Allowance,
    pub queue: Allowance,
    /// Days (bit 0 = Monday) and minutes of the day, from (inside) to (outside); empty = always.
    pub hours: Vec<(u8, u16, u16)>,
    pub zone: TimeZone,
    /// What calls cost; None = nobody knows, and no limit is one of money.
    pub tariff: Option<Arc<Tariff>>,
}

impl Default for TollConfig {
    /// Whatever is not refused by its number.
    fn default() -> TollConfig {
        TollConfig {
            all: Allowance::default(),
            person: Allowance::default(),
            queue: Allowance::default(),
            hours: Vec::new(),
            zone: TimeZone::UTC,
            tariff: None,
        }
    }
}

impl std::fmt::Debug for TollConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TollConfig");
        shown
            .field("all", &self.all)
            .field("person", &self.person)
            .field("queue", &self.queue);
        shown
            .field("hours", &self.hours)
            .field("tariff", &self.tariff)
            .finish_non_exhaustive()
    }
}

impl TollConfig {
    /// Nothing is counted.
    pub(crate) fn is_unlimited(&self) -> bool {
        [self.all, self.person, self.queue] == [Allowance::default(); 3] && self.tariff.is_none()
    }

    /// What a call to this number costs; `None` where there is no tariff.
    ///
    /// # Errors
    ///
    /// Nobody knows, and such numbers are not called.
    pub(crate) fn price_of(&self, number: &str) -> Result<Option<Price>, &'static str> {
        match &self.tariff {
            None => Ok(None),
            Some(tariff) => match tariff.price_of(number) {
                Some(price) => Ok(Some(price)),
                None => Err("nobody knows what a call to this number costs"),
            },
        }
    }

    /// Whether calls may go out at this time (Unix ms).
    pub(crate) fn is_open(&self, unix_ms: u64) -> bool {
        if self.hours.is_empty() {
            return true;
        }
        let at = i64::try_from(unix_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let Some(at) = at else { return false };
        let local = at.to_zoned(self.zone.clone());
        let day = 1 << local.weekday().to_monday_zero_offset();
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let mut hours = self.hours.iter();
        hours.any(|(days, from, to)| days & day != 0 && (*from..*to).contains(&minute))
    }
}
