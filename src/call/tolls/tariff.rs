//! What calls to the outside cost, by the beginnings of numbers, out of a file that the operator brings.
//!
//! ```text
//! prefix,per_minute,per_call,currency,increments
//! 44,0.0120,0,GBP,60/60
//! 447,0.0850,0.01,GBP,1/1
//! ```
//!
//! Money is whole millionths of the currency: sums are exact, and a charge is rounded up to the next millionth.

use std::time::Duration;

use super::super::limits::{PREFIX_DIGITS_MAX, TARIFF_FAULTS_MAX, TARIFF_ROWS_MAX};

/// Millionths of the currency of the tariff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub u64);

impl Money {
    /// `5`, `0.012`: up to six digits behind the point, up to a million.
    pub fn parse(text: &str) -> Option<Money> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str, most: usize| {
            !digits.is_empty() && digits.len() <= most && digits.bytes().all(|octet| octet.is_ascii_digit())
        };
        if !is_number(whole, 7) || !is_number(part, 6) {
            return None;
        }
        let millionths: u64 = format!("{part:0<6}").parse().ok()?;
        let money = whole.parse::<u64>().ok()? * 1_000_000 + millionths;
        (money <= 1_000_000_000_000).then_some(Money(money))
    }
}

impl std::fmt::Display for Money {
    /// As people write it: at least two digits behind the point, and no more than it takes.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = format!("{:06}", self.0 % 1_000_000);
        let short = part.trim_end_matches('0');
        write!(out, "{}.{short:0<2}", self.0 / 1_000_000)
    }
}

/// What a call to some numbers costs once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub per_minute: Money,
    pub per_call: Money,
    /// Seconds that are paid for however short it is.
    pub first: u32,
    /// Seconds by which it is paid for after that.
    pub step: u32,
}

impl Price {
    /// Of a call that was answered and has lasted so long; it costs its first stretch from its first moment on.
    pub(crate) fn cost(&self, lasted: Duration) -> Money {
        let seconds = lasted.as_secs() + u64::from(lasted.subsec_nanos() > 0);
        let (first, step) = (u64::from(self.first), u64::from(self.step.max(1)));
        let paid = first + seconds.saturating_sub(first).div_ceil(step) * step;
        let minutes = (u128::from(self.per_minute.0) * u128::from(paid)).div_ceil(60);
        Money(
            u64::try_from(minutes)
                .unwrap_or(u64::MAX)
                .saturating_add(self.per_call.0),
        )
    }

    pub(crate) fn is_free(&self) -> bool {
        self.per_minute.0 == 0 && self.per_call.0 == 0
    }
}

/// A checked file of prices.
#[derive(Clone, PartialEq, Eq)]
pub struct Tariff {
    /// Three capital letters.
    pub currency: String,
    /// Digits without `+`, in order, each once.
    rows: Vec<(String, Price)>,
    /// What a number costs that no beginning fits; None = it is not called.
    pub unknown: Option<Price>,
}

impl std::fmt::Debug for Tariff {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = out.debug_struct("Tariff");
        shown
            .field("currency", &self.currency)
            .field("rows", &self.rows.len());
        shown.field("unknown", &self.unknown).finish()
    }
}

/// A line of the file that cannot be used, and why.
pub type LineFault = (usize, String);

/// Lines that cannot be used: the first ones, and how many more there are. A file of nothing else takes no room.
#[derive(Default)]
struct Faults {
    first: Vec<LineFault>,
    more: usize,
}

impl Faults {
    fn note(&mut self, line: usize, problem: impl FnOnce() -> String) {
        match self.first.len() < TARIFF_FAULTS_MAX {
            true => self.first.push((line, problem())),
            false => self.more += 1,
        }
    }

    fn into_lines(mut self) -> Vec<LineFault> {
        self.first.sort();
        if self.more > 0 {
            self.first
                .push((0, format!("{} more lines cannot be used", self.more)));
        }
        self.first
    }
}

impl Tariff {
    /// Lines of a file: prefix, price per minute, price per call, currency and, if it is not by whole minutes, `first/step` seconds. Empty
    /// lines and those that begin with `#` say nothing; neither does a first line that begins with `prefix`.
    ///
    /// # Errors
    ///
    /// Every line that cannot be used, up to [`TARIFF_FAULTS_MAX`] of them.
    pub fn read(text: &str, unknown: Option<Price>) -> Result<Tariff, Vec<LineFault>> {
        let (mut rows, mut faults, mut currency) = (Vec::new(), Faults::default(), None::<String>);
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            let is_heading = at == 0 && line.to_ascii_lowercase().starts_with("prefix");
            if line.is_empty() || line.starts_with('#') || is_heading {
                continue;
            }
            match row(line) {
                Ok((_, _, found)) if currency.as_ref().is_some_and(|known| *known != found) => {
                    let known = currency.as_deref().unwrap_or_default();
                    faults.note(at + 1, || {
                        format!("is in {found}, and lines before it are in {known}: one currency a file")
                    });
                }
                Ok((prefix, price, found)) => {
                    currency.get_or_insert(found);
                    rows.push((prefix, price, at + 1));
                }
                Err(problem) => faults.note(at + 1, || problem),
            }
            if rows.len() > TARIFF_ROWS_MAX {
                faults.note(at + 1, || format!("is more than {TARIFF_ROWS_MAX} prices"));
                break;
            }
        }
        rows.sort_by(|(one, _, here), (other, _, there)| one.cmp(other).then(here.cmp(there)));
        for pair in rows.windows(2) {
            if pair[0].0 == pair[1].0 {
                faults.note(pair[1].2, || {
                    format!("{} has a price in line {} already", pair[1].0, pair[0].2)
                });
            }
        }
        if rows.is_empty() && faults.first.is_empty() {
            faults.note(1, || "there is no price in it".into());
        }
        let faults = faults.into_lines();
        match faults.is_empty() {
            true => Ok(Tariff {
                currency: currency.unwrap_or_default(),
                rows: rows
                    .into_iter()
                    .map(|(prefix, price, _)| (prefix, price))
                    .collect(),
                unknown,
            }),
            false => Err(faults),
        }
    }

    /// Of a canonical number: that of its longest beginning, or of unknown ones.
    pub fn price_of(&self, number: &str) -> Option<Price> {
        let digits = number.trim_start_matches('+');
        let most = digits.len().min(PREFIX_DIGITS_MAX);
        let of = |length: usize| {
            let beginning = digits.get(..length)?;
            let found = self
                .rows
                .binary_search_by(|(prefix, _)| prefix.as_str().cmp(beginning));
            Some(self.rows[found.ok()?].1)
        };
        (1..=most).rev().find_map(of).or(self.unknown)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Prefix, price and currency of a line.
fn row(line: &str) -> Result<(String, Price, String), String> {
    let cells: Vec<&str> = line
        .split([',', ';', '\t'])
        .map(|cell| cell.trim().trim_matches('"').trim())
        .collect();
    let shown = |cell: &str| cell.chars().take(20).collect::<String>();
    let (prefix, per_minute, per_call, currency, increments) = match cells[..] {
        [prefix, per_minute, per_call, currency] => (prefix, per_minute, per_call, currency, ""),
        [prefix, per_minute, per_call, currency, increments] => {
            (prefix, per_minute, per_call, currency, increments)
        }
        _ => {
            return Err(format!(
                "has {} cells; expected prefix,per_minute,per_call,currency and perhaps increments",
                cells.len()
            ));
        }
    };
    let digits = prefix.trim_start_matches('+').trim_end_matches('*');
    let is_prefix = (1..=PREFIX_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|octet| octet.is_ascii_digit())
        && !digits.starts_with('0');
    if !is_prefix {
        return Err(format!(
            "{:?} is no beginning of a number with its country code: 1 to {PREFIX_DIGITS_MAX} digits, the first no 0",
            shown(prefix)
        ));
    }
    let money = |what: &str, cell: &str| {
        Money::parse(cell).ok_or_else(|| {
            format!(
                "{what} is {:?}; expected an amount such as 0.0125, with six digits behind the point at most",
                shown(cell)
            )
        })
    };
    let (per_minute, per_call) = (money("per_minute", per_minute)?, money("per_call", per_call)?);
    if currency.len() != 3 || !currency.bytes().all(|octet| octet.is_ascii_uppercase()) {
        return Err(format!(
            "currency is {:?}; expected three capital letters such as EUR",
            shown(currency)
        ));
    }
    let (first, step) = match increments {
        "" => (60, 60),
        written => read_increments(written).ok_or_else(|| {
            format!(
                "increments are {:?}; expected seconds such as 60/1, from 1 to 3600",
                shown(written)
            )
        })?,
    };
    let price = Price {
        per_minute,
        per_call,
        first,
        step,
    };
    Ok((digits.to_string(), price, currency.to_string()))
}

fn read_increments(text: &str) -> Option<(u32, u32)> {
    let (first, step) = text.split_once('/')?;
    let seconds = |text: &str| text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    Some((seconds(first)?, seconds(step)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(per_minute: &str, per_call: &str, first: u32, step: u32) -> Price {
        let [per_minute, per_call] = [per_minute, per_call].map(|text| Money::parse(text).unwrap());
        Price {
            per_minute,
            per_call,
            first,
            step,
        }
    }

    #[test]
    fn money_is_read_and_printed_exactly() {
        for (text, millionths, printed) in [
            ("5", 5_000_000, "5.00"),
            ("0.012", 12_000, "0.012"),
            ("0.000001", 1, "0.000001"),
            ("1000000", 1_000_000_000_000, "1000000.00"),
            ("3.5", 3_500_000, "3.50"),
        ] {
            let money = Money::parse(text).unwrap();
            assert_eq!((money.0, money.to_string().as_str()), (millionths, printed));
        }
        for wrong in [
            "",
            ".5",
            "5.",
            "-1",
            "1e3",
            "0.0000001",
            "1000000.000001",
            "1,5",
            "12345678",
            "٣",
        ] {
            assert_eq!(Money::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_call_costs_its_increments_from_the_edge_of_each_on() {
        let check = |price: Price, millis: u64, expected: &str| {
            assert_eq!(
                price.cost(Duration::from_millis(millis)).to_string(),
                expected,
                "{price:?} {millis}"
            );
        };
        let by_minute = price("0.60", "0.05", 60, 60);
        for (millis, expected) in [
            (0, "0.65"),
            (60_000, "0.65"),
            (60_001, "1.25"),
            (120_000, "1.25"),
            (120_001, "1.85"),
        ] {
            check(by_minute, millis, expected);
        }
        let by_second = price("0.60", "0", 60, 1);
        for (millis, expected) in [
            (0, "0.60"),
            (60_000, "0.60"),
            (60_001, "0.61"),
            (61_000, "0.61"),
            (61_001, "0.62"),
        ] {
            check(by_second, millis, expected);
        }
        check(price("0.60", "0", 1, 1), 0, "0.01");
        check(price("0.000001", "0", 1, 1), 0, "0.000001");
        check(price("0", "0.30", 60, 60), 7_200_000, "0.30");
    }

    #[test]
    fn the_longest_beginning_wins() {
        let text = "prefix,per_minute,per_call,currency,increments\n# fixed\n44,0.01,0,GBP\n447,0.08,0.02,GBP,1/1\n+4479,0.20,0,GBP,30/6\n1;0.02;0;GBP\n";
        let tariff = Tariff::read(text, None).unwrap();
        assert_eq!((tariff.currency.as_str(), tariff.len()), ("GBP", 4));
        let per_minute = |number: &str| tariff.price_of(number).map(|price| price.per_minute.to_string());
        for (number, expected) in [
            ("+442079460100", Some("0.01")),
            ("+447700900123", Some("0.08")),
            ("+447911123456", Some("0.20")),
            ("+12125550100", Some("0.02")),
            ("+33123456789", None),
            ("+4", None),
            ("", None),
        ] {
            assert_eq!(per_minute(number).as_deref(), expected, "{number}");
        }
        assert_eq!(tariff.price_of("+447911123456").unwrap().step, 6);
        let unknown = price("2", "0", 60, 60);
        let tariff = Tariff::read(text, Some(unknown)).unwrap();
        assert_eq!(tariff.price_of("+33123456789"), Some(unknown));
    }

    #[test]
    fn every_line_that_cannot_be_used_is_told_at_once() {
        let text = "44,0.01,0,GBP\n044,1,0,GBP\nabc,1,0,GBP\n45,-1,0,GBP\n46,1,x,GBP\n47,1,0,EUR\n48,1,0,pounds\n49,1,0,GBP,60\n44,0.02,0,GBP\n50,1\n51,1,0,GBP,0/1";
        let faults = Tariff::read(text, None).unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "{faults:?}");
        for (line, words) in [
            (6, "one currency a file"),
            (9, "has a price in line 1 already"),
            (8, "expected seconds such as 60/1"),
        ] {
            let (_, problem) = faults.iter().find(|(at, _)| *at == line).unwrap();
            assert!(problem.contains(words), "{problem}");
        }
        assert_eq!(
            Tariff::read("", None).unwrap_err()[0].1,
            "there is no price in it"
        );
        let many = Tariff::read(&"x\n".repeat(500), None).unwrap_err();
        assert_eq!(many.len(), TARIFF_FAULTS_MAX + 1);
        assert!(many.last().unwrap().1.contains("480 more lines"));
    }

    proptest! {
        /// Longer never costs less, an increment costs the same all through, and what is paid for is at least what was talked.
        #[test]
        fn a_longer_call_never_costs_less(
            per_minute in 0..5_000_000u64, per_call in 0..1_000_000u64, first in 1..600u32, step in 1..600u32,
            one in 0..8_000_000u64, more in 0..100_000u64,
        ) {
            let price = Price { per_minute: Money(per_minute), per_call: Money(per_call), first, step };
            let [short, long] = [one, one + more].map(|millis| price.cost(Duration::from_millis(millis)));
            prop_assert!(short <= long);
            prop_assert!(u128::from(short.0) * 60_000 >= u128::from(per_minute) * u128::from(one));
            let paid = u64::from(first) + (one.div_ceil(1000).saturating_sub(u64::from(first))).div_ceil(u64::from(step)) * u64::from(step);
            prop_assert_eq!(price.cost(Duration::from_secs(paid)), short, "to the end of what is paid for");
            prop_assert!(price.cost(Duration::from_millis(paid * 1000 + 1)) >= short);
        }

        /// The table against looking at every row.
        #[test]
        fn the_longest_beginning_is_found_among_all(prefixes in prop::collection::btree_set("[1-9][0-3]{0,4}", 1..40), number in "[1-9][0-3]{3,9}") {
            let text: String = prefixes.iter().enumerate().map(|(at, prefix)| format!("{prefix},{at},0,EUR\n")).collect();
            let tariff = Tariff::read(&text, None).unwrap();
            let longest = prefixes.iter().enumerate().filter(|(_, prefix)| number.starts_with(prefix.as_str())).max_by_key(|(_, prefix)| prefix.len());
            prop_assert_eq!(tariff.price_of(&format!("+{number}")).map(|price| price.per_minute.0), longest.map(|(at, _)| at as u64 * 1_000_000));
        }

        #[test]
        fn any_text_is_a_tariff_or_is_refused(text in ".{0,300}") {
            let _ = Tariff::read(&text, None);
        }
    }
}
