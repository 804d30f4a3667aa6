//! The SIP Date header (RFC 3261 §20.17): one fixed format, always GMT.

/// Whole seconds since the Unix epoch of `Sat, 13 Nov 2010 23:29:00 GMT`; None for anything else.
///
/// The day of the week is not compared with the date: it says nothing that the date does not.
pub fn parse_sip_date(text: &str) -> Option<i64> {
    let (weekday, rest) = text.trim().split_once(',')?;
    if !DAYS.contains(&weekday) {
        return None;
    }
    let mut parts = rest.split_ascii_whitespace();
    let day = digits(parts.next()?, 1..=2)?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year = digits(parts.next()?, 4..=4)?;
    let mut clock = parts.next()?.split(':');
    let hour = digits(clock.next()?, 2..=2)?;
    let minute = digits(clock.next()?, 2..=2)?;
    let second = digits(clock.next()?, 2..=2)?;
    if clock.next().is_some() || parts.next() != Some("GMT") || parts.next().is_some() {
        return None;
    }
    let is_possible =
        (1..=days_of(month, year)).contains(&day) && hour < 24 && minute < 60 && second <= 60 && year >= 1970;
    is_possible.then(|| days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let is_number = length.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_of(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts from 1 March, so that the leap day is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_come_out_right() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Sun, 22 Nov 2026 06:30:00 GMT", 1_795_329_000),
            ("Tue, 1 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(parse_sip_date(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_formats_are_refused() {
        for text in [
            "",
            "Sat, 13 Nov 2010 23:29:00 EST",
            "Sat, 13 Nov 2010 23:29 GMT",
            "Sat, 31 Nov 2010 23:29:00 GMT",
            "Fri, 29 Feb 2026 23:29:00 GMT",
            "13 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 10 23:29:00 GMT",
            "Sat, 13 Nov 2010 24:00:00 GMT",
            "Sat, +3 Nov 2010 23:29:00 GMT",
            "2010-11-13T23:29:00Z",
            "1289690940",
        ] {
            assert_eq!(parse_sip_date(text), None, "{text}");
        }
    }
}
