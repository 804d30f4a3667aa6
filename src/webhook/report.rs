//! Reports that are told again and again: when each is due by the clock on the wall, and which days it is about.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::limits::MISSED_MAX;

/// `[[report]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub name: String,
    /// The receiver, by its name.
    pub webhook: String,
    pub every: Every,
    /// When, by the clock of `zone`; where the clock skips it, as much later as it skips.
    pub at: Time,
    pub zone: TimeZone,
    /// What its lines are, in the words of the reports API; `person` is whoever was signed in.
    pub by: Vec<String>,
    /// Only calls to this queue.
    pub queue: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Each day about the day before.
    Day,
    /// On this day about the seven days before it.
    Week(Weekday),
}

/// One time at which a report is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The day on which it is due: no report is due twice on one.
    pub on: Date,
    /// Unix ms, as all that follow.
    pub at_ms: u64,
    /// Calls that began then or later, and before.
    pub since_ms: u64,
    pub before_ms: u64,
    /// How many minutes the clock of those days was ahead of UTC when they began.
    pub zone_minutes: i32,
}

impl Report {
    /// When it was due last by this moment; None = before the calendar begins.
    pub fn newest(&self, now_ms: u64) -> Option<Due> {
        self.back_from(now_ms).next()
    }

    /// What was due after that day and by this moment, oldest first: the newest [`MISSED_MAX`] of it, and how many more there are.
    /// What is older is not told any more.
    pub fn due(&self, after: Date, now_ms: u64) -> (Vec<Due>, usize) {
        let missed = self.back_from(now_ms).take_while(|due| due.on > after);
        // A clock that went wild by centuries is no reason to count them.
        let mut due: Vec<Due> = missed.take(10 * MISSED_MAX).collect();
        let left_out = due.len().saturating_sub(MISSED_MAX);
        due.truncate(MISSED_MAX);
        due.reverse();
        (due, left_out)
    }

    /// Which day it is where the report is made; None = past the end of the calendar.
    pub fn today(&self, now_ms: u64) -> Option<Date> {
        let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
        Some(self.zone.to_datetime(now).date())
    }

    /// Every time it was due, the newest first.
    fn back_from(&self, now_ms: u64) -> impl Iterator<Item = Due> {
        let today = self.today(now_ms);
        // Before 1970 nothing was due.
        let days = std::iter::successors(today, |day| day.yesterday().ok().filter(|day| day.year() >= 1970));
        let meant = days.filter(|day| match self.every {
            Every::Day => true,
            Every::Week(weekday) => day.weekday() == weekday,
        });
        meant
            .filter_map(|day| self.on(day))
            .filter(move |due| due.at_ms <= now_ms)
    }

    fn on(&self, day: Date) -> Option<Due> {
        let days = match self.every {
            Every::Day => 1,
            Every::Week(_) => 7,
        };
        let first = day.checked_sub(days.days()).ok()?;
        let begin = first.to_zoned(self.zone.clone()).ok()?;
        let at = day.to_datetime(self.at).to_zoned(self.zone.clone()).ok()?;
        let ms = |moment: Timestamp| u64::try_from(moment.as_millisecond()).ok();
        Some(Due {
            on: day,
            at_ms: ms(at.timestamp())?,
            since_ms: ms(begin.timestamp())?,
            before_ms: ms(day.to_zoned(self.zone.clone()).ok()?.timestamp())?,
            zone_minutes: begin.offset().seconds() / 60,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    fn report(every: Every, at: Time) -> Report {
        Report {
            name: "morning".into(),
            webhook: "siem".into(),
            every,
            at,
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            by: vec!["queue".into()],
            queue: None,
        }
    }

    fn ms(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_millisecond() as u64
    }

    fn days(due: &[Due]) -> Vec<String> {
        due.iter().map(|due| due.on.to_string()).collect()
    }

    #[test]
    fn a_daily_report_is_about_the_day_before_by_the_clock_on_the_wall() {
        let report = report(Every::Day, time(7, 30, 0, 0));
        let newest = report.newest(ms("2026-11-30T06:29:59Z")).unwrap();
        assert_eq!(newest.on, date(2026, 11, 29), "not yet: it is 07:29 there");
        let newest = report.newest(ms("2026-11-30T06:30:00Z")).unwrap();
        assert_eq!(
            newest,
            Due {
                on: date(2026, 11, 30),
                at_ms: ms("2026-11-30T06:30:00Z"),
                since_ms: ms("2026-11-28T23:00:00Z"),
                before_ms: ms("2026-11-29T23:00:00Z"),
                zone_minutes: 60,
            }
        );
        let (due, left_out) = report.due(date(2026, 11, 27), ms("2026-11-30T12:00:00Z"));
        assert_eq!(
            (days(&due), left_out),
            (
                vec!["2026-11-28".into(), "2026-11-29".into(), "2026-11-30".into()],
                0
            )
        );
        assert!(
            report
                .due(date(2026, 11, 30), ms("2026-11-30T12:00:00Z"))
                .0
                .is_empty()
        );
        let (due, left_out) = report.due(date(2026, 11, 10), ms("2026-11-30T12:00:00Z"));
        assert_eq!((due.len(), left_out), (MISSED_MAX, 20 - MISSED_MAX));
        assert_eq!(due.last().map(|due| due.on), Some(date(2026, 11, 30)));
    }

    #[test]
    fn the_days_on_which_clocks_change_are_as_long_as_they_are_and_no_report_is_left_out() {
        let report = report(Every::Day, time(2, 30, 0, 0));
        // 25 hours on 25 October 2026; 02:30 comes twice, and counts once.
        let long = report.newest(ms("2026-10-26T12:00:00Z")).unwrap();
        assert_eq!(long.before_ms - long.since_ms, 25 * 3_600_000);
        assert_eq!(long.zone_minutes, 120);
        let (due, _) = report.due(date(2026, 10, 24), ms("2026-10-26T12:00:00Z"));
        assert_eq!(days(&due), ["2026-10-25", "2026-10-26"]);
        // 02:30 is skipped on 28 March 2027.
        let skipped = report.newest(ms("2027-03-28T12:00:00Z")).unwrap();
        assert_eq!(
            (skipped.on, skipped.at_ms),
            (date(2027, 3, 28), ms("2027-03-28T01:30:00Z"))
        );
    }

    #[test]
    fn a_weekly_report_is_due_on_its_day_about_the_seven_before() {
        let report = report(Every::Week(Weekday::Monday), time(7, 0, 0, 0));
        let newest = report.newest(ms("2026-12-02T12:00:00Z")).unwrap();
        assert_eq!(newest.on, date(2026, 11, 30));
        assert_eq!(
            (newest.since_ms, newest.before_ms),
            (ms("2026-11-22T23:00:00Z"), ms("2026-11-29T23:00:00Z"))
        );
        let (due, _) = report.due(date(2026, 11, 16), ms("2026-11-30T06:00:00Z"));
        assert_eq!(days(&due), ["2026-11-23", "2026-11-30"]);
        assert_eq!(report.newest(0), None);
    }
}
