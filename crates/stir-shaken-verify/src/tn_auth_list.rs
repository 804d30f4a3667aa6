//! TNAuthList (RFC 8226 §9): for which numbers a certificate may speak.

use std::collections::{BTreeMap, BTreeSet};

use crate::der::{self, IA5_STRING, INTEGER, Malformed, Reader, SEQUENCE, context};
use crate::limits::TN_ENTRIES_MAX;
use crate::number::TelephoneNumber;

/// The decoded extension; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TnAuthList {
    entries: Vec<TnEntry>,
    scope: Scope,
}

/// One entry (RFC 8226 §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TnEntry {
    /// A provider: any number (provider-level authority, ATIS-1000080).
    ServiceProviderCode(String),
    /// `start` and the `count - 1` numbers after it, all with as many digits as `start`.
    Range {
        /// First number, digits alone.
        start: String,
        /// How many, the first included.
        count: u64,
    },
    /// One number, digits alone.
    One(String),
}

/// Why octets are no TNAuthList (RFC 8226 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TNAuthList is malformed, empty or too long")]
pub struct TnAuthListFault;

impl From<Malformed> for TnAuthListFault {
    fn from(_: Malformed) -> TnAuthListFault {
        TnAuthListFault
    }
}

/// The entries once more, in the form that questions are answered from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Scope {
    codes: BTreeSet<String>,
    /// By count of digits (`0123` is not `123`): first and last number, sorted, none touching another.
    numbers: BTreeMap<usize, Vec<(u64, u64)>>,
    /// Numbers with `#` or `*` in them: they have no neighbours.
    odd: BTreeSet<String>,
}

impl TnAuthList {
    /// Decodes the extension's value, or what a reference leads to (RFC 8226 §9, §10.1): DER, explicit
    /// tags as in the module of RFC 8226.
    ///
    /// # Errors
    ///
    /// Anything but a non-empty list of known entries that is strict DER to its last octet.
    pub fn parse(octets: &[u8]) -> Result<TnAuthList, TnAuthListFault> {
        let mut list = Reader::new(der::only(octets, SEQUENCE)?);
        let mut entries = Vec::new();
        while !list.is_empty() {
            if entries.len() == TN_ENTRIES_MAX {
                return Err(TnAuthListFault);
            }
            entries.push(match list.any()? {
                (tag, value) if tag == context(0) => {
                    TnEntry::ServiceProviderCode(code(der::only(value, IA5_STRING)?)?)
                }
                (tag, value) if tag == context(1) => range(der::only(value, SEQUENCE)?)?,
                (tag, value) if tag == context(2) => TnEntry::One(number(der::only(value, IA5_STRING)?)?),
                _ => return Err(TnAuthListFault),
            });
        }
        if entries.is_empty() {
            return Err(TnAuthListFault);
        }
        let scope = Scope::of(&entries);
        Ok(TnAuthList { entries, scope })
    }

    /// In the order of the certificate; never empty.
    pub fn entries(&self) -> &[TnEntry] {
        &self.entries
    }

    /// May this certificate speak for `number`? A provider code speaks for any.
    pub fn covers(&self, number: &TelephoneNumber) -> bool {
        let digits = number.digits();
        !self.scope.codes.is_empty() || self.scope.odd.contains(digits) || self.scope.holds_number(digits)
    }

    /// Does everything that `child` speaks for lie within this list (RFC 9060 §4.1)?
    ///
    /// A provider code of the child must be one of ours. Its numbers must lie in our ranges, several of
    /// which may together hold one of its; with a provider code of our own any number does, because which
    /// numbers a provider has is not written in certificates.
    pub fn encompasses(&self, child: &TnAuthList) -> bool {
        let (ours, theirs) = (&self.scope, &child.scope);
        let has_numbers_within = || {
            theirs.odd.is_subset(&ours.odd)
                && theirs.numbers.iter().all(|(length, ranges)| {
                    let ours = ours.numbers.get(length).map_or(&[][..], Vec::as_slice);
                    ranges.iter().all(|range| holds(ours, *range))
                })
        };
        theirs.codes.is_subset(&ours.codes) && (!ours.codes.is_empty() || has_numbers_within())
    }

    /// The first service provider code, when there is one.
    pub fn spc(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| match entry {
            TnEntry::ServiceProviderCode(code) => Some(code.as_str()),
            _ => None,
        })
    }
}

impl Scope {
    fn of(entries: &[TnEntry]) -> Scope {
        let mut scope = Scope::default();
        for entry in entries {
            match entry {
                TnEntry::ServiceProviderCode(code) => {
                    scope.codes.insert(code.clone());
                }
                TnEntry::One(number) => match number.parse::<u64>() {
                    Ok(value) => scope
                        .numbers
                        .entry(number.len())
                        .or_default()
                        .push((value, value)),
                    Err(_) => {
                        scope.odd.insert(number.clone());
                    }
                },
                TnEntry::Range { start, count } => {
                    let length = start.len();
                    // A range never runs over into longer numbers: it ends with the last of its length.
                    let longest = 10_u64.saturating_pow(length as u32) - 1;
                    if let Ok(first) = start.parse::<u64>() {
                        let last = first.saturating_add(count - 1).min(longest);
                        scope.numbers.entry(length).or_default().push((first, last));
                    }
                }
            }
        }
        scope.numbers.values_mut().for_each(join);
        scope
    }

    fn holds_number(&self, digits: &str) -> bool {
        let ranges = self.numbers.get(&digits.len());
        match (ranges, digits.parse::<u64>()) {
            (Some(ranges), Ok(value)) => holds(ranges, (value, value)),
            _ => false,
        }
    }
}

/// Sorts ranges and makes one of those that overlap or touch, so that each question needs only one of them.
fn join(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for &(first, last) in ranges.iter() {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    *ranges = joined;
}

/// Is `asked` inside one of the joined `ranges`?
fn holds(ranges: &[(u64, u64)], asked: (u64, u64)) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= asked.0);
    after > 0 && asked.1 <= ranges[after - 1].1
}

fn code(octets: &[u8]) -> Result<String, TnAuthListFault> {
    let is_plain = (1..=32).contains(&octets.len()) && octets.iter().all(u8::is_ascii_graphic);
    if !is_plain {
        return Err(TnAuthListFault);
    }
    String::from_utf8(octets.to_vec()).map_err(|_| TnAuthListFault)
}

/// 1 to 15 of `0-9#*` (RFC 8226 §9).
fn number(octets: &[u8]) -> Result<String, TnAuthListFault> {
    let is_number = (1..=15).contains(&octets.len())
        && octets
            .iter()
            .all(|octet| octet.is_ascii_digit() || matches!(octet, b'#' | b'*'));
    if !is_number {
        return Err(TnAuthListFault);
    }
    String::from_utf8(octets.to_vec()).map_err(|_| TnAuthListFault)
}

fn range(octets: &[u8]) -> Result<TnEntry, TnAuthListFault> {
    let mut reader = Reader::new(octets);
    let start = number(reader.expect(IA5_STRING)?)?;
    let count = der::unsigned(reader.expect(INTEGER)?)?;
    reader.end()?;
    // One number is the other kind of entry; a start with # or * has no successor.
    if count < 2 || !start.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(TnAuthListFault);
    }
    Ok(TnEntry::Range { start, count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::element;
    use crate::number::NumberRules;

    fn ia5(text: &str) -> Vec<u8> {
        element(IA5_STRING, &[text.as_bytes()])
    }

    fn covers(list: &[u8], number: &str) -> bool {
        let number = NumberRules::new("US").unwrap().from_claim(number).unwrap();
        TnAuthList::parse(list).unwrap().covers(&number)
    }

    #[test]
    fn c_03_a_provider_code_covers_any_number() {
        let list = element(SEQUENCE, &[&element(context(0), &[&ia5("1234")])]);
        assert!(covers(&list, "14045550123"));
        assert_eq!(TnAuthList::parse(&list).unwrap().spc(), Some("1234"));
    }

    #[test]
    fn c_03_a_range_covers_its_first_and_last_number_and_no_more() {
        let range = element(SEQUENCE, &[&ia5("14045550100"), &element(INTEGER, &[&[100]])]);
        let list = element(SEQUENCE, &[&element(context(1), &[&range])]);
        assert!(covers(&list, "14045550100") && covers(&list, "14045550199"));
        assert!(!covers(&list, "14045550200") && !covers(&list, "14045550099"));
        assert!(!covers(&list, "140455501000") && !covers(&list, "1404555010"));
    }

    #[test]
    fn c_03_one_number_covers_itself() {
        let list = element(SEQUENCE, &[&element(context(2), &[&ia5("14045550123")])]);
        assert!(covers(&list, "14045550123") && !covers(&list, "14045550124"));
    }

    #[test]
    fn c_03_a_range_that_would_run_over_into_longer_numbers_ends_before_them() {
        let huge = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let range = element(SEQUENCE, &[&ia5("999999999999998"), &element(INTEGER, &[&huge])]);
        let list = element(SEQUENCE, &[&element(context(1), &[&range])]);
        assert!(covers(&list, "999999999999998") && covers(&list, "999999999999999"));
        assert!(!covers(&list, "999999999999997") && !covers(&list, "10000000000000"));
    }

    /// `s1234`: provider code; `100+10`: range; anything else: one number. Blanks between.
    fn list(text: &str) -> TnAuthList {
        let entries: Vec<_> = text
            .split(' ')
            .map(|entry| match (entry.strip_prefix('s'), entry.split_once('+')) {
                (Some(code), _) => element(context(0), &[&ia5(code)]),
                (None, Some((start, count))) => {
                    let count = element(INTEGER, &[&[count.parse::<u8>().unwrap()]]);
                    element(context(1), &[&element(SEQUENCE, &[&ia5(start), &count])])
                }
                (None, None) => element(context(2), &[&ia5(entry)]),
            })
            .collect();
        TnAuthList::parse(&element(SEQUENCE, &[&entries.concat()])).unwrap()
    }

    fn check_encompassed(parent: &str, child: &str, expected: bool) {
        assert_eq!(
            list(parent).encompasses(&list(child)),
            expected,
            "{child} within {parent}"
        );
    }

    #[test]
    fn c_04_a_childs_numbers_lie_within_the_parents_to_the_last_one() {
        check_encompassed("14045550100+100", "14045550100+100", true);
        check_encompassed("14045550100+100", "14045550199", true);
        check_encompassed("14045550100+100", "14045550200", false);
        check_encompassed("14045550100+100", "14045550100+101", false);
        check_encompassed("14045550100+100", "14045550099+2", false);
        check_encompassed("14045550100+100", "14045550150+50", true);
        check_encompassed("14045550100+100", "14045550150+51", false);
        // As many digits or another number.
        check_encompassed("100+100", "0100", false);
        check_encompassed("0100+100", "0100", true);
        check_encompassed("12*", "12*", true);
        check_encompassed("100+100", "12*", false);
    }

    #[test]
    fn c_04_ranges_that_touch_or_overlap_hold_a_childs_range_together() {
        check_encompassed("100+10 110+10", "105+10", true);
        check_encompassed("110+10 100+10", "100+20", true);
        check_encompassed("100+10 105+10", "100+15", true);
        check_encompassed("100+10 110 111+5", "109+4", true);
        check_encompassed("100+10 111+10", "105+10", false);
        check_encompassed("100+50 110+5", "120+30", true);
    }

    #[test]
    fn c_04_a_provider_code_is_given_on_verbatim_or_as_numbers() {
        check_encompassed("s1234", "s1234", true);
        check_encompassed("s1234", "s1235", false);
        check_encompassed("s1234", "14045550100+100", true);
        check_encompassed("s1234 s777", "s777 14045550123", true);
        check_encompassed("14045550100+100", "s1234", false);
        check_encompassed("14045550100+100", "14045550123 s1234", false);
    }

    #[test]
    fn c_03_anything_else_is_refused() {
        let range_of_one = element(SEQUENCE, &[&ia5("14045550100"), &element(INTEGER, &[&[1]])]);
        for refused in [
            vec![],
            element(SEQUENCE, &[]),
            element(SEQUENCE, &[&element(context(3), &[&ia5("1234")])]),
            element(SEQUENCE, &[&element(0x80, &[b"1234"])]),
            element(SEQUENCE, &[&element(context(0), &[&ia5("")])]),
            element(SEQUENCE, &[&element(context(2), &[&ia5("+14045550100")])]),
            element(SEQUENCE, &[&element(context(2), &[&ia5("1404555010012345")])]),
            element(SEQUENCE, &[&element(context(1), &[&range_of_one])]),
            [element(SEQUENCE, &[&element(context(0), &[&ia5("1")])]), vec![0]].concat(),
        ] {
            assert_eq!(TnAuthList::parse(&refused), Err(TnAuthListFault), "{refused:?}");
        }
    }
}
