//! TNAuthList (RFC 8226 §9): for which numbers a certificate may speak.

use crate::der::{self, IA5_STRING, INTEGER, Malformed, Reader, SEQUENCE, context};
use crate::limits::TN_ENTRIES_MAX;
use crate::number::TelephoneNumber;

/// The decoded extension; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TnAuthList {
    entries: Vec<TnEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TnEntry {
    /// A provider: any number (provider-level authority, ATIS-1000080).
    ServiceProviderCode(String),
    /// `start` and the `count - 1` numbers after it, all with as many digits as `start`.
    Range {
        start: String,
        count: u64,
    },
    One(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TNAuthList is malformed, empty or too long")]
pub struct TnAuthListFault;

impl From<Malformed> for TnAuthListFault {
    fn from(_: Malformed) -> TnAuthListFault {
        TnAuthListFault
    }
}

impl TnAuthList {
    /// Decodes the extension's value (DER, explicit tags as in the module of RFC 8226).
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
            Err(TnAuthListFault)
        } else {
            Ok(TnAuthList { entries })
        }
    }

    pub fn entries(&self) -> &[TnEntry] {
        &self.entries
    }

    /// May this certificate speak for `number`?
    pub fn covers(&self, number: &TelephoneNumber) -> bool {
        self.entries.iter().any(|entry| match entry {
            TnEntry::ServiceProviderCode(_) => true,
            TnEntry::One(one) => one == number.digits(),
            TnEntry::Range { start, count } => {
                // As many digits: a range never runs over into longer numbers.
                start.len() == number.digits().len()
                    && match (start.parse::<u64>(), number.digits().parse::<u64>()) {
                        (Ok(start), Ok(asked)) => asked >= start && asked - start < *count,
                        _ => false,
                    }
            }
        })
    }

    /// The first service provider code, when there is one.
    pub fn spc(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| match entry {
            TnEntry::ServiceProviderCode(code) => Some(code.as_str()),
            _ => None,
        })
    }
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
    fn a_provider_code_covers_any_number() {
        let list = element(SEQUENCE, &[&element(context(0), &[&ia5("1234")])]);
        assert!(covers(&list, "14045550123"));
        assert_eq!(TnAuthList::parse(&list).unwrap().spc(), Some("1234"));
    }

    #[test]
    fn a_range_covers_its_first_and_last_number_and_no_more() {
        let range = element(SEQUENCE, &[&ia5("14045550100"), &element(INTEGER, &[&[100]])]);
        let list = element(SEQUENCE, &[&element(context(1), &[&range])]);
        assert!(covers(&list, "14045550100") && covers(&list, "14045550199"));
        assert!(!covers(&list, "14045550200") && !covers(&list, "14045550099"));
        assert!(!covers(&list, "140455501000") && !covers(&list, "1404555010"));
    }

    #[test]
    fn one_number_covers_itself() {
        let list = element(SEQUENCE, &[&element(context(2), &[&ia5("14045550123")])]);
        assert!(covers(&list, "14045550123") && !covers(&list, "14045550124"));
    }

    #[test]
    fn anything_else_is_refused() {
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
