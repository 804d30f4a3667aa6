//! What some of the calls of the last hour came to, and which limit that is past.

use std::time::{Duration, Instant};

use super::config::Allowance;
use super::shared::Came;
use crate::call::limits::TOLL_HOUR;

/// What was too much.
pub(super) enum Much {
    AtOnce,
    PerHour,
    Minutes,
    SpentInAnHour,
    SpentInADay,
}

impl Much {
    pub(super) fn of_all(self) -> &'static str {
        match self {
            Much::SpentInAnHour => "calls to the outside cost as much as they may in an hour",
            Much::SpentInADay => "calls to the outside cost as much as they may in a day",
            Much::AtOnce => "as many calls as may go out at once do",
            Much::PerHour => "as many calls as may go out in an hour did",
            Much::Minutes => "calls to the outside came to as many minutes as they may in an hour",
        }
    }

    pub(super) fn of_person(self) -> &'static str {
        match self {
            Much::SpentInAnHour => "this phone's calls to the outside cost as much as they may in an hour",
            Much::SpentInADay => "this phone's calls to the outside cost as much as they may in a day",
            Much::AtOnce => "this phone has as many calls to the outside as it may at once",
            Much::PerHour => "this phone made as many calls to the outside as it may in an hour",
            Much::Minutes => {
                "this phone's calls to the outside came to as many minutes as they may in an hour"
            }
        }
    }

    pub(super) fn of_queue(self) -> &'static str {
        match self {
            Much::SpentInAnHour => "this queue's calls to the outside cost as much as they may in an hour",
            Much::SpentInADay => "this queue's calls to the outside cost as much as they may in a day",
            Much::AtOnce => "this queue has as many calls to the outside as it may at once",
            Much::PerHour => "this queue sent as many calls to the outside as it may in an hour",
            Much::Minutes => {
                "this queue's calls to the outside came to as many minutes as they may in an hour"
            }
        }
    }
}

/// What some of the calls came to in the last hour.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) per_hour: u64,
    pub(super) spent: Duration,
}

impl Sum {
    pub(super) fn add(&mut self, began: Instant, ended: Option<Instant>, now: Instant) {
        self.per_hour += u64::from(now.saturating_duration_since(began) < TOLL_HOUR);
        let begin = now.checked_sub(TOLL_HOUR);
        let from = begin.map_or(began, |begin| began.max(begin));
        self.spent += ended.unwrap_or(now).saturating_duration_since(from);
    }

    /// What they come to elsewhere.
    pub(super) fn more(&mut self, elsewhere: Came) {
        self.per_hour += u64::from(elsewhere.per_hour);
        self.spent += Duration::from_secs(elsewhere.seconds);
    }

    pub(super) fn check(&self, allowed: Allowance) -> Result<(), Much> {
        let is_full = |most: Option<u32>, count: u64| most.is_some_and(|most| count >= u64::from(most));
        if is_full(allowed.per_hour, self.per_hour) {
            return Err(Much::PerHour);
        }
        if is_full(allowed.minutes_per_hour, self.spent.as_secs() / 60) {
            return Err(Much::Minutes);
        }
        Ok(())
    }
}
