//! `[hours]` of a policy: in which time zone the business lives, when it is open, and on which days it is not.
//!
//! Looks at no clock: what is asked about is the moment at which the INVITE arrived, so that a decision comes out the
//! same whenever it is made again.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use super::limits::{HOLIDAYS_MAX, OPEN_SPANS_MAX};
use crate::document::{Document, Fault, Section, Value, closest, one_of, shown};

pub(super) const WEEKDAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const MINUTES_OF_DAY: u16 = 24 * 60;

/// When the call arrived, as the clock on the wall of the business shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) weekday: &'static str,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) is_open: bool,
    pub(super) is_holiday: bool,
}

/// What a policy without `[hours]` sees; no condition may name any of it then.
impl Default for Local {
    fn default() -> Local {
        Local {
            weekday: WEEKDAYS[0],
            hour: 0,
            minute: 0,
            is_open: true,
            is_holiday: false,
        }
    }
}

/// When a business is open, by the clock on its wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    zone: TimeZone,
    /// Empty = always open.
    open: Vec<Span>,
    holidays: Vec<Holiday>,
}

/// Some days of the week, from one minute of the day to another. `from` is inside, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// Bit n = the n-th of [`WEEKDAYS`].
    days: u8,
    from: u16,
    to: u16,
}

/// A day of every year, or of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holiday {
    year: Option<i16>,
    month: i8,
    day: i8,
}

impl Hours {
    /// Reads `[hours]` alone.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing where there is no such section.
    pub fn parse(text: &str) -> Result<Hours, Vec<Fault>> {
        let document = Document::new("hours", text);
        let table = document.table();
        let hours = read(&Section::root(&document, &table));
        drop(table);
        match hours.filter(|_| !document.has_faults()) {
            Some(hours) => Ok(hours),
            None => Err(document.into_faults()),
        }
    }

    /// Whether it is open at this moment, in milliseconds since the Unix epoch.
    pub fn is_open(&self, unix_ms: u64) -> bool {
        self.at(unix_ms).is_open
    }

    /// The moment in milliseconds since the Unix epoch, seen from here. A moment past the calendar's end counts as its
    /// last one.
    pub(super) fn at(&self, unix_ms: u64) -> Local {
        let moment = i64::try_from(unix_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX);
        self.on(self.zone.to_datetime(moment))
    }

    fn on(&self, wall: DateTime) -> Local {
        let day = weekday(wall.weekday());
        let minute = u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
        let is_free = |date: Date| self.holidays.iter().any(|holiday| holiday.is_on(date));
        let is_holiday = is_free(wall.date());
        // A span that began yesterday is as open as yesterday was.
        let is_open = match self.open.is_empty() {
            true => !is_holiday,
            false => self.open.iter().any(|span| match span.begun(day, minute) {
                Some(Begun::Today) => !is_holiday,
                Some(Begun::Yesterday) => !wall.date().yesterday().is_ok_and(is_free),
                None => false,
            }),
        };
        Local {
            weekday: WEEKDAYS[day],
            hour: wall.hour().unsigned_abs(),
            minute: wall.minute().unsigned_abs(),
            is_open,
            is_holiday,
        }
    }
}

/// When a span began that lasts.
enum Begun {
    Today,
    Yesterday,
}

impl Span {
    /// A span past midnight belongs to the day it begins on. None = this minute is in no such span.
    fn begun(self, day: usize, minute: u16) -> Option<Begun> {
        let is_on = |day: usize| self.days & (1 << (day % 7)) != 0;
        let is_past_midnight = self.from >= self.to;
        let is_todays = is_on(day) && minute >= self.from && (is_past_midnight || minute < self.to);
        let is_yesterdays = is_past_midnight && is_on(day + 6) && minute < self.to;
        match (is_todays, is_yesterdays) {
            (true, _) => Some(Begun::Today),
            (_, true) => Some(Begun::Yesterday),
            _ => None,
        }
    }
}

impl Holiday {
    fn is_on(self, date: Date) -> bool {
        self.year.is_none_or(|year| year == date.year())
            && (self.month, self.day) == (date.month(), date.day())
    }
}

fn weekday(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs()) % 7
}

/// `[hours]`, of a policy or a queue; `None` without one, or where its zone is not known.
pub(crate) fn read(policy: &Section<'_, '_>) -> Option<Hours> {
    let section = policy.section("hours")?;
    section.only(&["zone", "open", "holidays"]);
    let zone = section
        .required_string("zone")
        .and_then(|written| section.zone_of(&written));
    let open = section.strings("open").unwrap_or_default();
    if open.len() > OPEN_SPANS_MAX {
        section.fault(
            section.place("open"),
            format!("more than {OPEN_SPANS_MAX} spans"),
            None,
        );
    }
    let open = open.iter().filter_map(|span| read_span(&section, span)).collect();
    let holidays = section.strings("holidays").unwrap_or_default();
    if holidays.len() > HOLIDAYS_MAX {
        section.fault(
            section.place("holidays"),
            format!("more than {HOLIDAYS_MAX} holidays"),
            None,
        );
    }
    let holidays = holidays
        .iter()
        .filter_map(|day| read_holiday(&section, day))
        .collect();
    Some(Hours {
        zone: zone?,
        open,
        holidays,
    })
}

/// `mon-fri 08:00-18:00`, `sat,sun 10:00-14:00`, `daily 22:00-06:00`.
fn read_span(section: &Section<'_, '_>, written: &Value<'_, str>) -> Option<Span> {
    let fault = |message: String, suggestion| {
        section.fault(written.at.clone(), message, suggestion);
        None
    };
    let Some((days, times)) = written.get.trim().split_once(' ') else {
        return fault(
            format!(
                "{:?} is no span of hours; expected days and times such as \"mon-fri 08:00-18:00\"",
                shown(written.get)
            ),
            None,
        );
    };
    let mut set = 0u8;
    for part in days.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if part == "daily" {
            set = 0x7f;
            continue;
        }
        let place = |name: &str| WEEKDAYS.iter().position(|day| *day == name);
        let (Some(first_day), Some(last_day)) = (place(first), place(last)) else {
            let wrong = if place(first).is_none() { first } else { last };
            return fault(
                format!(
                    "no day is called {:?}; expected {} or \"daily\"",
                    shown(wrong),
                    one_of(WEEKDAYS.iter().copied())
                ),
                closest(wrong, WEEKDAYS.iter().copied()),
            );
        };
        // `sat-mon` goes over the end of the week.
        let mut day = first_day;
        loop {
            set |= 1 << day;
            if day == last_day {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    let ends = times.trim().split_once('-');
    let Some((Some(from), Some(to))) = ends.map(|(from, to)| (minute(from), minute(to))) else {
        return fault(
            format!(
                "{:?} are no times of day; expected such as \"08:00-18:00\"",
                shown(times)
            ),
            None,
        );
    };
    if from == to || from == MINUTES_OF_DAY {
        return fault(format!("{:?} holds no minute", shown(times)), None);
    }
    Some(Span { days: set, from, to })
}

/// `08:00` to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= MINUTES_OF_DAY).then_some(all)
}

/// `2026-12-25`, or `12-25` for every year.
fn read_holiday(section: &Section<'_, '_>, written: &Value<'_, str>) -> Option<Holiday> {
    let parts: Vec<&str> = written.get.trim().split('-').collect();
    let number = |text: &str, length: usize| -> Option<i16> {
        let is_plain = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse().ok()).flatten()
    };
    let holiday = match parts[..] {
        [year, month, day] => (|| {
            Some(Holiday {
                year: Some(number(year, 4)?),
                month: i8::try_from(number(month, 2)?).ok()?,
                day: i8::try_from(number(day, 2)?).ok()?,
            })
        })(),
        [month, day] => (|| {
            Some(Holiday {
                year: None,
                month: i8::try_from(number(month, 2)?).ok()?,
                day: i8::try_from(number(day, 2)?).ok()?,
            })
        })(),
        _ => None,
    };
    // A leap year for a day of every year: 29 February is a day.
    let holiday = holiday.filter(|day| Date::new(day.year.unwrap_or(2024), day.month, day.day).is_ok());
    if holiday.is_none() {
        let message = format!(
            "{:?} is no day; expected such as \"2026-12-25\", or \"12-25\" for every year",
            shown(written.get)
        );
        section.fault(written.at.clone(), message, None);
    }
    holiday
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(text: &str) -> Result<Hours, Vec<String>> {
        Hours::parse(text).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn berlin() -> Hours {
        hours(
            "[hours]\nzone = 'Europe/Berlin'\nopen = ['mon-fri 08:00-18:00', 'sat 22:00-02:00']\nholidays = ['12-25', '2026-10-28']\n",
        )
        .unwrap()
    }

    fn check(rfc3339: &str, weekday: &str, hour: u8, is_open: bool, is_holiday: bool) {
        let moment: Timestamp = rfc3339.parse().unwrap();
        let local = berlin().at(moment.as_millisecond() as u64);
        assert_eq!(
            (local.weekday, local.hour, local.is_open, local.is_holiday),
            (weekday, hour, is_open, is_holiday),
            "{rfc3339}"
        );
    }

    #[test]
    fn the_wall_clock_of_the_zone_counts_and_follows_summer_time() {
        check("2026-07-01T06:00:00Z", "wed", 8, true, false);
        check("2026-07-01T05:59:59Z", "wed", 7, false, false);
        check("2026-01-07T06:30:00Z", "wed", 7, false, false);
        check("2026-01-07T07:00:00Z", "wed", 8, true, false);
        check("2026-01-07T17:00:00Z", "wed", 18, false, false);
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_begins_on() {
        check("2026-07-04T21:00:00Z", "sat", 23, true, false);
        check("2026-07-04T23:30:00Z", "sun", 1, true, false);
        check("2026-07-05T00:00:00Z", "sun", 2, false, false);
        check("2026-07-05T21:00:00Z", "sun", 23, false, false);
    }

    #[test]
    fn a_holiday_is_closed_whatever_the_hour() {
        check("2026-12-25T09:00:00Z", "fri", 10, false, true);
        check("2027-12-25T22:00:00Z", "sat", 23, false, true);
        check("2026-10-28T09:00:00Z", "wed", 10, false, true);
        check("2027-10-28T09:00:00Z", "thu", 11, true, false);
    }

    #[test]
    fn a_night_that_began_on_a_holiday_is_closed_to_its_end_and_one_before_it_open() {
        check("2027-12-26T00:30:00Z", "sun", 1, false, false);
        let hours =
            hours("[hours]\nzone = 'UTC'\nopen = ['sat 22:00-02:00']\nholidays = ['2026-07-12']\n").unwrap();
        let at = |text: &str| hours.at(text.parse::<Timestamp>().unwrap().as_millisecond() as u64);
        let late = at("2026-07-12T01:00:00Z");
        assert!(late.is_open && late.is_holiday, "Saturday's shift ends as ever");
        assert!(!at("2026-07-12T03:00:00Z").is_open);
    }

    #[test]
    fn any_moment_has_an_answer() {
        let hours = berlin();
        for moment in [0, 1, u64::MAX, i64::MAX as u64] {
            assert!(hours.at(moment).hour < 24);
        }
    }

    #[test]
    fn what_is_no_time_says_so_with_its_place() {
        let faults = hours(
            "[hours]\nzone = 'Europe/Berln'\nopen = ['mon', 'mo-fri 08:00-18:00', 'mon 8:00-18:00', 'mon 09:00-09:00']\nholidays = ['2026-02-29', '13-01', 'x']\nclosed = 1\n",
        )
        .unwrap_err();
        for expected in [
            "no time zone is called \"Europe/Berln\"",
            "(did you mean Europe/Berlin?)",
            "\"mon\" is no span",
            "no day is called \"mo\"",
            "are no times of day",
            "holds no minute",
            "\"2026-02-29\" is no day",
            "\"13-01\" is no day",
            "unknown key \"closed\"",
        ] {
            assert!(
                faults.iter().any(|fault| fault.contains(expected)),
                "{expected}: {faults:#?}"
            );
        }
        assert!(hours("[hours]\nopen = []\n").unwrap_err()[0].contains("needs \"zone\""));
    }
}
