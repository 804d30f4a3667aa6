//! Telephone numbers, and ranges of them.

use std::fmt;

use stir_shaken_verify::NumberRules;

use super::limits::{DIGITS_MAX, DIGITS_MIN, NUMBER_CHARS_MAX};

/// One number, all that begin alike, or all between two; canonical (E.164 with `+`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range(Form);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    One(String),
    /// All that begin so.
    From(String),
    /// Of the same length, both ends inside.
    Between(String, String),
}

/// Numbers of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub digits: usize,
    pub first: u64,
    pub last: u64,
}

impl Range {
    /// Reads `+12125550100`, `+1212555*` or `+12125550100-+12125550199`; nothing else.
    pub fn strict(text: &str) -> Option<Range> {
        let text = text.trim();
        let number = |text: &str| digits(text).map(|_| text.to_string());
        if let Some(start) = text.strip_suffix('*') {
            return number(start).map(|start| Range(Form::From(start)));
        }
        if let Some((first, last)) = text.split_once('-') {
            let (first, last) = (number(first.trim())?, number(last.trim())?);
            return between(first, last);
        }
        number(text).map(|one| Range(Form::One(one)))
    }

    /// The same as people write it: with spaces, brackets, dots and dashes, and without a country code where `plan` says
    /// which country is meant. A range between two numbers has `..` or, before a `+`, `-` in its middle.
    pub fn written(text: &str, plan: Plan) -> Option<Range> {
        let text = text.trim();
        if text.chars().count() > NUMBER_CHARS_MAX {
            return None;
        }
        if let Some(start) = text.strip_suffix('*') {
            let start: String = start.chars().filter(|c| !" ().-/".contains(*c)).collect();
            return Range::strict(&format!("{start}*"));
        }
        let ends = text.split_once("..").or_else(|| {
            // A dash inside a number is only a dash.
            let at = text.get(1..)?.find('+')? + 1;
            let first = text.get(..at)?.trim_end().strip_suffix('-')?;
            Some((first, text.get(at..)?))
        });
        match ends {
            Some((first, last)) => between(plan.canonical(first)?, plan.canonical(last)?),
            None => plan.canonical(text).map(|one| Range(Form::One(one))),
        }
    }

    pub fn has(&self, number: &str) -> bool {
        match &self.0 {
            Form::One(one) => one == number,
            Form::From(start) => number.starts_with(start.as_str()),
            Form::Between(first, last) => {
                number.len() == first.len() && (first.as_str()..=last.as_str()).contains(&number)
            }
        }
    }

    /// The number, when it is one alone.
    pub fn one(&self) -> Option<&str> {
        match &self.0 {
            Form::One(one) => Some(one),
            Form::From(_) | Form::Between(..) => None,
        }
    }

    /// The same numbers, length by length.
    pub(super) fn spans(&self) -> Vec<Span> {
        let span = |first: &str, last: &str| {
            let ((digits, first), (_, last)) = (digits(first)?, digits(last)?);
            Some(Span { digits, first, last })
        };
        match &self.0 {
            Form::One(one) => span(one, one).into_iter().collect(),
            Form::Between(first, last) => span(first, last).into_iter().collect(),
            Form::From(start) => {
                let Some((least, start)) = digits(start) else {
                    return Vec::new();
                };
                let behind = |more: usize| {
                    let many = 10u64.pow(more as u32);
                    Span {
                        digits: least + more,
                        first: start * many,
                        last: start * many + (many - 1),
                    }
                };
                (0..=DIGITS_MAX - least).map(behind).collect()
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::One(one) => out.write_str(one),
            Form::From(start) => write!(out, "{start}*"),
            Form::Between(first, last) => write!(out, "{first}-{last}"),
        }
    }
}

impl serde::Serialize for Range {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Range {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Range, D::Error> {
        let text = String::deserialize(from)?;
        Range::strict(&text).ok_or_else(|| serde::de::Error::custom("not a number or range"))
    }
}

fn between(first: String, last: String) -> Option<Range> {
    let fits = first.len() == last.len() && first <= last;
    fits.then_some(Range(Form::Between(first, last)))
}

/// How many digits a canonical number has, and what they are worth.
pub(super) fn digits(number: &str) -> Option<(usize, u64)> {
    let digits = number.strip_prefix('+')?;
    let is_number = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0');
    is_number.then(|| Some((digits.len(), digits.parse().ok()?)))?
}

/// Whose numbers are meant where no country code is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan(Option<NumberRules>);

impl Plan {
    /// ISO 3166 alpha-2; of a country that is not known, numbers need their country code.
    pub fn of(country: &str) -> Plan {
        Plan(NumberRules::new(country).ok())
    }

    /// A number as people write it, in the one form that calls show.
    pub fn canonical(self, text: &str) -> Option<String> {
        let written: String = text.trim().chars().filter(|c| *c != '/').collect();
        // Parameters and escapes are for URIs.
        if written.contains([';', '%']) {
            return None;
        }
        let number = match (self.0, written.starts_with('+')) {
            (Some(rules), _) => rules.canonical(&written).ok()?.e164(),
            (None, true) => written.chars().filter(|c| !" ().-".contains(*c)).collect(),
            (None, false) => return None,
        };
        digits(&number).map(|_| number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let found = Range::written(text, Plan::of("US")).map(|range| range.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        check("+14045550123", Some("+14045550123"));
        check("+1 (404) 555-0123", Some("+14045550123"));
        check("404.555.0123", Some("+14045550123"));
        check("011 44 20 7946 0000", Some("+442079460000"));
        check("+49 30/1234567", Some("+49301234567"));
        check("+1 404 555*", Some("+1404555*"));
        check("+14045550100-+14045550199", Some("+14045550100-+14045550199"));
        check("404-555-0100..404-555-0199", Some("+14045550100-+14045550199"));
        for wrong in [
            "",
            "*",
            "+1*",
            "404*",
            "+14045550199-+14045550100",
            "+14045550100-+1404555",
            "12",
            "Bank",
            "+1404555012345678",
            "+14045550123;ext=1",
            "%2B14045550123",
            "+0123456",
        ] {
            check(wrong, None);
        }
        assert_eq!(Range::written("404 555 0123", Plan::default()), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_and_spans_hold_the_same_numbers(
            first in 1_000u64..9_999_999_999, width in 0u64..5_000, form in 0..3, number in 1_000u64..99_999_999_999,
        ) {
            let last = first + width;
            let text = match form {
                0 => format!("+{first}"),
                1 => format!("+{first}*"),
                _ => format!("+{first}-+{last}"),
            };
            let Some(range) = Range::strict(&text) else { return Ok(()) };
            prop_assert_eq!(Range::strict(&range.to_string()), Some(range.clone()));
            for number in [number, first, last, first * 10 + 3, first.saturating_sub(1), last + 1] {
                let written = format!("+{number}");
                let Some((length, value)) = digits(&written) else { continue };
                let is_in = range.spans().iter().any(|span| span.digits == length && (span.first..=span.last).contains(&value));
                prop_assert_eq!(range.has(&written), is_in, "{} in {}", written, text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = Range::written(&text, Plan::of("DE"));
            let _ = Range::strict(&text);
        }
    }
}
