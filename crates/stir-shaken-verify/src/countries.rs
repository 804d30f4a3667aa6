//! Numbering plans: what turns a number as people dial it into E.164. A table, nothing else.
//!
//! Sources: ITU-T E.164 assignments and the national plans' published trunk and international
//! prefixes. Digits are those of the national significant number (without trunk prefix).

/// One country's way of writing telephone numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166 alpha-2.
    pub iso: &'static str,
    /// ITU-T E.164 country calling code, without `+`.
    pub calling_code: &'static str,
    /// Dialled before a national number; empty where there is none.
    pub trunk_prefix: &'static str,
    /// Dialled before a calling code, in the order they are tried.
    pub international_prefixes: &'static [&'static str],
    /// Fewest and most digits of a national significant number.
    pub digits: (u8, u8),
}

/// Finds a country by its ISO 3166 alpha-2 code, any letter case.
pub fn country(iso: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|entry| entry.iso.eq_ignore_ascii_case(iso))
}

/// The first country with this calling code (for `phone-context=+44`).
pub(crate) fn country_by_code(code: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|entry| entry.calling_code == code)
}

const fn plan(
    iso: &'static str,
    calling_code: &'static str,
    trunk_prefix: &'static str,
    international_prefixes: &'static [&'static str],
    digits: (u8, u8),
) -> Country {
    Country {
        iso,
        calling_code,
        trunk_prefix,
        international_prefixes,
        digits,
    }
}

const ZERO_ZERO: &[&str] = &["00"];
const NANP: &[&str] = &["011"];

#[rustfmt::skip]
static COUNTRIES: &[Country] = &[
    // North American Numbering Plan (one calling code, ten digits).
    plan("US", "1", "1", NANP, (10, 10)),
    plan("CA", "1", "1", NANP, (10, 10)),
    plan("AG", "1", "1", NANP, (10, 10)),
    plan("AI", "1", "1", NANP, (10, 10)),
    plan("AS", "1", "1", NANP, (10, 10)),
    plan("BB", "1", "1", NANP, (10, 10)),
    plan("BM", "1", "1", NANP, (10, 10)),
    plan("BS", "1", "1", NANP, (10, 10)),
    plan("DM", "1", "1", NANP, (10, 10)),
    plan("DO", "1", "1", NANP, (10, 10)),
    plan("GD", "1", "1", NANP, (10, 10)),
    plan("GU", "1", "1", NANP, (10, 10)),
    plan("JM", "1", "1", NANP, (10, 10)),
    plan("KN", "1", "1", NANP, (10, 10)),
    plan("KY", "1", "1", NANP, (10, 10)),
    plan("LC", "1", "1", NANP, (10, 10)),
    plan("MP", "1", "1", NANP, (10, 10)),
    plan("MS", "1", "1", NANP, (10, 10)),
    plan("PR", "1", "1", NANP, (10, 10)),
    plan("TC", "1", "1", NANP, (10, 10)),
    plan("TT", "1", "1", NANP, (10, 10)),
    plan("VC", "1", "1", NANP, (10, 10)),
    plan("VG", "1", "1", NANP, (10, 10)),
    plan("VI", "1", "1", NANP, (10, 10)),
    // Europe.
    plan("AT", "43", "0", ZERO_ZERO, (4, 13)),
    plan("BE", "32", "0", ZERO_ZERO, (8, 9)),
    plan("BG", "359", "0", ZERO_ZERO, (7, 9)),
    plan("CH", "41", "0", ZERO_ZERO, (9, 9)),
    plan("CY", "357", "", ZERO_ZERO, (8, 8)),
    plan("CZ", "420", "", ZERO_ZERO, (9, 9)),
    plan("DE", "49", "0", ZERO_ZERO, (5, 13)),
    plan("DK", "45", "", ZERO_ZERO, (8, 8)),
    plan("EE", "372", "", ZERO_ZERO, (7, 8)),
    plan("ES", "34", "", ZERO_ZERO, (9, 9)),
    plan("FI", "358", "0", &["00", "990", "994", "999"], (5, 12)),
    plan("FR", "33", "0", ZERO_ZERO, (9, 9)),
    plan("GB", "44", "0", ZERO_ZERO, (9, 10)),
    plan("GR", "30", "", ZERO_ZERO, (10, 10)),
    plan("HR", "385", "0", ZERO_ZERO, (8, 9)),
    plan("HU", "36", "06", ZERO_ZERO, (8, 9)),
    plan("IE", "353", "0", ZERO_ZERO, (7, 9)),
    plan("IS", "354", "", ZERO_ZERO, (7, 9)),
    // Italy keeps the leading 0 of geographic numbers inside the number.
    plan("IT", "39", "", ZERO_ZERO, (6, 11)),
    plan("LT", "370", "0", ZERO_ZERO, (8, 8)),
    plan("LU", "352", "", ZERO_ZERO, (4, 11)),
    plan("LV", "371", "", ZERO_ZERO, (8, 8)),
    plan("MT", "356", "", ZERO_ZERO, (8, 8)),
    plan("NL", "31", "0", ZERO_ZERO, (9, 9)),
    plan("NO", "47", "", ZERO_ZERO, (8, 8)),
    plan("PL", "48", "", ZERO_ZERO, (9, 9)),
    plan("PT", "351", "", ZERO_ZERO, (9, 9)),
    plan("RO", "40", "0", ZERO_ZERO, (9, 9)),
    plan("RS", "381", "0", ZERO_ZERO, (8, 9)),
    plan("SE", "46", "0", ZERO_ZERO, (7, 9)),
    plan("SI", "386", "0", ZERO_ZERO, (8, 8)),
    plan("SK", "421", "0", ZERO_ZERO, (9, 9)),
    plan("TR", "90", "0", ZERO_ZERO, (10, 10)),
    plan("UA", "380", "0", ZERO_ZERO, (9, 9)),
    // Asia and Pacific.
    plan("AE", "971", "0", ZERO_ZERO, (8, 9)),
    plan("AU", "61", "0", &["0011"], (9, 9)),
    plan("CN", "86", "0", ZERO_ZERO, (10, 11)),
    plan("HK", "852", "", &["001"], (8, 8)),
    plan("ID", "62", "0", &["001", "007", "008", "009"], (8, 12)),
    plan("IL", "972", "0", &["00", "012", "013", "014"], (8, 9)),
    plan("IN", "91", "0", ZERO_ZERO, (10, 10)),
    plan("JP", "81", "0", &["010"], (9, 10)),
    plan("KR", "82", "0", &["001", "002", "005", "008", "00"], (8, 10)),
    plan("MY", "60", "0", ZERO_ZERO, (8, 10)),
    plan("NZ", "64", "0", ZERO_ZERO, (8, 10)),
    plan("PH", "63", "0", ZERO_ZERO, (8, 10)),
    plan("PK", "92", "0", ZERO_ZERO, (9, 10)),
    plan("SA", "966", "0", ZERO_ZERO, (9, 9)),
    plan("SG", "65", "", &["000", "001", "002", "008"], (8, 8)),
    plan("TH", "66", "0", &["001", "007", "008", "009"], (8, 9)),
    plan("TW", "886", "0", &["002"], (8, 9)),
    plan("VN", "84", "0", ZERO_ZERO, (9, 10)),
    // Americas outside the North American plan.
    plan("AR", "54", "0", ZERO_ZERO, (10, 11)),
    plan("CL", "56", "", ZERO_ZERO, (9, 9)),
    plan("CO", "57", "", ZERO_ZERO, (10, 10)),
    plan("CR", "506", "", ZERO_ZERO, (8, 8)),
    plan("MX", "52", "", ZERO_ZERO, (10, 10)),
    plan("PE", "51", "0", ZERO_ZERO, (8, 9)),
    // Brazil: a carrier code follows the trunk prefix when people dial, never on a trunk.
    plan("BR", "55", "0", ZERO_ZERO, (10, 11)),
    // Africa.
    plan("EG", "20", "0", ZERO_ZERO, (8, 10)),
    plan("KE", "254", "0", &["000"], (9, 9)),
    plan("MA", "212", "0", ZERO_ZERO, (9, 9)),
    plan("NG", "234", "0", &["009"], (8, 10)),
    plan("TN", "216", "", ZERO_ZERO, (8, 8)),
    plan("ZA", "27", "0", ZERO_ZERO, (9, 9)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_found_in_any_letter_case() {
        assert_eq!(country("gb").map(|c| c.calling_code), Some("44"));
        assert_eq!(country("XX"), None);
    }

    #[test]
    fn every_line_of_the_table_fits_e164() {
        for entry in COUNTRIES {
            assert!(
                entry.calling_code.len() + usize::from(entry.digits.1) <= 15,
                "{}",
                entry.iso
            );
            assert!(entry.digits.0 <= entry.digits.1 && !entry.international_prefixes.is_empty());
            assert!(!entry.calling_code.starts_with('0'));
        }
    }

    #[test]
    fn no_country_stands_twice() {
        for (place, entry) in COUNTRIES.iter().enumerate() {
            assert!(
                COUNTRIES[..place].iter().all(|other| other.iso != entry.iso),
                "{}",
                entry.iso
            );
        }
    }
}
