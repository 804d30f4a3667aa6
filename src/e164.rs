//! Calling codes (ITU-T E.164): which country or network a number belongs to. A table, nothing else.
//!
//! Source: the list of E.164 country codes assigned (annex to the ITU Operational Bulletin). +1 and +7 are each one plan of several countries.

/// What a calling code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// A geographic area: a country, or several.
    Area,
    /// Satellite networks: Inmarsat (870) and the global mobile satellite systems (881).
    Satellite,
    /// Networks that belong to no country (882, 883), universal personal numbers (878), disaster relief (888), trials (991).
    Network,
    /// Services that belong to no country: international freephone (800), shared cost (808), premium rate (979).
    Service,
}

/// Calling codes of one and of two digits; every other has three.
const SHORT: &[&str] = &[
    "1", "7", "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47",
    "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
    "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// Codes of three digits that stand for no area.
const BEYOND: &[(&str, Zone)] = &[
    ("800", Zone::Service),
    ("808", Zone::Service),
    ("870", Zone::Satellite),
    ("878", Zone::Network),
    ("881", Zone::Satellite),
    ("882", Zone::Network),
    ("883", Zone::Network),
    ("888", Zone::Network),
    ("979", Zone::Service),
    ("991", Zone::Network),
];

/// The calling code of a canonical number (`+` and digits), and what it stands for; None = it is too short, or no such number.
pub fn zone_of(number: &str) -> Option<(&str, Zone)> {
    let digits = number.strip_prefix('+')?;
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) || digits.starts_with('0') {
        return None;
    }
    let short = SHORT.iter().find(|code| digits.starts_with(**code));
    if let Some(code) = short {
        return Some((&digits[..code.len()], Zone::Area));
    }
    let code = digits.get(..3)?;
    let beyond = BEYOND.iter().find(|(known, _)| *known == code);
    Some((code, beyond.map_or(Zone::Area, |(_, zone)| *zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_calling_code_and_satellites_belong_to_no_country() {
        for (number, code, zone) in [
            ("+14045550123", "1", Zone::Area),
            ("+442079460000", "44", Zone::Area),
            ("+79161234567", "7", Zone::Area),
            ("+35316629999", "353", Zone::Area),
            ("+870773123456", "870", Zone::Satellite),
            ("+881612345678", "881", Zone::Satellite),
            ("+88213000000", "882", Zone::Network),
            ("+883510012345", "883", Zone::Network),
            ("+97912345678", "979", Zone::Service),
            ("+80012345678", "800", Zone::Service),
        ] {
            assert_eq!(zone_of(number), Some((code, zone)), "{number}");
        }
        for none in ["", "+", "+0123", "14045550123", "+35", "+4a"] {
            assert!(zone_of(none).is_none() || none == "+4a", "{none}");
        }
        assert_eq!(zone_of("+4a"), None);
    }

    #[test]
    fn no_short_code_begins_another() {
        for one in SHORT {
            let longer = SHORT.iter().filter(|other| other.starts_with(one));
            assert_eq!(longer.count(), 1, "{one}");
            assert!(BEYOND.iter().all(|(code, _)| !code.starts_with(one)), "{one}");
        }
    }
}
