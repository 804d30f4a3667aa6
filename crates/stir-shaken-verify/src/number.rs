//! Telephone numbers in canonical form, so that two of them can be compared at all (RFC 8224 §8.3).

use std::borrow::Cow;
use std::fmt;

use crate::countries::{Country, country, country_by_code};
use crate::limits::NUMBER_DIGITS_MAX;

/// A canonical E.164 number: digits only, calling code first, no `+`.
///
/// One that exists is canonical; comparing two is comparing their digits. Printing shows
/// the last two digits only: the whole number is asked for by [`TelephoneNumber::digits`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TelephoneNumber(Digits);

/// Decimal digits in their place: a number is compared and copied often, and never long.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Digits {
    /// ASCII, zero octets behind them, so that their order is that of texts.
    octets: [u8; DIGITS_MAX],
    length: u8,
}

/// Digits that are read at all, a prefix for international calls included; see [`NumberRules::with_digits_max`].
const DIGITS_MAX: usize = 64;

impl Digits {
    const NONE: Digits = Digits {
        octets: [0; DIGITS_MAX],
        length: 0,
    };

    /// False: there is no room.
    fn push(&mut self, digit: u8) -> bool {
        let room = self.octets.get_mut(usize::from(self.length));
        let is_room = room.map(|room| *room = digit).is_some();
        self.length += u8::from(is_room);
        is_room
    }

    fn of(parts: [&str; 2]) -> Result<Digits, NumberError> {
        let mut digits = Digits::NONE;
        for digit in parts.into_iter().flat_map(str::bytes) {
            if !digits.push(digit) {
                return Err(NumberError::TooLong);
            }
        }
        Ok(digits)
    }

    fn as_str(&self) -> &str {
        let digits = self.octets.get(..usize::from(self.length)).unwrap_or_default();
        // Always ASCII.
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

/// How numbers without a calling code are read.
#[derive(Clone, Copy, Debug)]
pub struct NumberRules {
    country: &'static Country,
    digits_max: u8,
}

/// Why a text is no telephone number (RFC 8224 §8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// There is no number where one could stand.
    #[error("no telephone number here")]
    Missing,
    /// A character that no number has (RFC 3966 §5.1.1).
    #[error("a character that no telephone number has")]
    Character,
    /// More digits than the rules allow (ITU-T E.164: 15).
    #[error("too many digits")]
    TooLong,
    /// Too few digits for any number.
    #[error("too few digits")]
    TooShort,
    /// Written in national form, and the country's rules make nothing of it.
    #[error("neither a national nor an international form of the configured country")]
    Ambiguous,
    /// Neither `sip`, `sips` nor `tel`.
    #[error("neither a tel: nor a sip: URI")]
    Scheme,
}

/// No numbering plan is known for this country code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no numbering plan for country {0:?} (ISO 3166 alpha-2, for example \"US\")")]
pub struct UnknownCountry(pub Box<str>);

/// Fewest digits of an international number, calling code included. Shorter ones are service
/// numbers, which mean something only inside one network.
const INTERNATIONAL_DIGITS_MIN: usize = 6;

impl NumberRules {
    /// `iso` is the country that numbers without a calling code belong to (ISO 3166 alpha-2).
    pub fn new(iso: &str) -> Result<NumberRules, UnknownCountry> {
        let country =
            country(iso).ok_or_else(|| UnknownCountry(iso.chars().take(8).collect::<String>().into()))?;
        Ok(NumberRules {
            country,
            digits_max: NUMBER_DIGITS_MAX,
        })
    }

    /// Allows longer numbers than the 15 digits of E.164 (some national plans do); at most 32.
    pub fn with_digits_max(self, digits_max: u8) -> NumberRules {
        NumberRules {
            digits_max: digits_max.min(32),
            ..self
        }
    }

    /// The numbering plan that applies to numbers without a country code.
    pub fn country(&self) -> &'static Country {
        self.country
    }

    /// Reads a number as it stands in a SIP or tel user part: `+1 (404) 555-0123`, `0044...`,
    /// `404-555-0123`, with `%`-escapes, and with user parameters (`;tgrp=...`) that are cut off.
    pub fn canonical(&self, user: &str) -> Result<TelephoneNumber, NumberError> {
        let mut parts = user.split(';');
        let subscriber = unescape(parts.next().unwrap_or_default())?;
        let rules = match parts.find_map(phone_context) {
            Some(code) if !subscriber.starts_with('+') => self.in_context(code.as_str())?,
            _ => *self,
        };
        rules.canonical_digits(&subscriber)
    }

    /// The number of a `tel:`, `sip:` or `sips:` URI. A sip user counts as a number with
    /// `user=phone` and without; letters in it are refused (RFC 8224 §8.3).
    pub fn from_uri(&self, uri: &str) -> Result<TelephoneNumber, NumberError> {
        let uri = uri.trim();
        let (scheme, rest) = uri.split_once(':').ok_or(NumberError::Scheme)?;
        if scheme.eq_ignore_ascii_case("tel") {
            return self.canonical(rest.split('?').next().unwrap_or_default());
        }
        if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
            return Err(NumberError::Scheme);
        }
        // '@' cannot stand unescaped in a user part, nor before it in a password.
        let (userinfo, _host) = rest.split_once('@').ok_or(NumberError::Missing)?;
        // A password would follow ':'; what follows belongs to no number.
        self.canonical(userinfo.split(':').next().unwrap_or_default())
    }

    /// Reads a `tn` claim, which must already be canonical: digits only (RFC 8225 §5.2.1).
    pub fn from_claim(&self, tn: &str) -> Result<TelephoneNumber, NumberError> {
        if tn.is_empty() {
            return Err(NumberError::Missing);
        }
        if !tn.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NumberError::Character);
        }
        if tn.len() > usize::from(self.digits_max) {
            return Err(NumberError::TooLong);
        }
        Ok(TelephoneNumber(Digits::of([tn, ""])?))
    }

    /// `phone-context=+44` says which country's plan a local number follows (RFC 3966 §5.1.5).
    /// A longer prefix is a place inside a plan; joining digits to it would be guessing.
    fn in_context(self, code: &str) -> Result<NumberRules, NumberError> {
        if code == self.country.calling_code {
            return Ok(self);
        }
        let country = country_by_code(code).ok_or(NumberError::Ambiguous)?;
        Ok(NumberRules { country, ..self })
    }

    fn canonical_digits(&self, written: &str) -> Result<TelephoneNumber, NumberError> {
        let written = written.trim();
        let (is_global, local) = match written.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, written),
        };
        let digits = digits_of(local)?;
        let digits = digits.as_str();
        if is_global {
            return self.international("", digits);
        }
        for prefix in self.country.international_prefixes {
            if let Some(rest) = digits.strip_prefix(prefix) {
                return self.international("", rest);
            }
        }
        let code = self.country.calling_code;
        if code == "1" {
            return self.north_american(digits);
        }
        let trunk = self.country.trunk_prefix;
        if !trunk.is_empty()
            && let Some(national) = digits.strip_prefix(trunk)
        {
            return self.national(national);
        }
        // No prefix at all: a national number where the plan's length says so, else the
        // international form without its plus sign. When both fit, it is not decided by guessing.
        let is_national = self.is_national_length(digits);
        let is_international = digits
            .strip_prefix(code)
            .is_some_and(|national| self.is_national_length(national));
        match (is_national, is_international) {
            (true, false) => self.national(digits),
            (false, true) => self.international("", digits),
            _ => Err(NumberError::Ambiguous),
        }
    }

    fn north_american(&self, digits: &str) -> Result<TelephoneNumber, NumberError> {
        let national = match digits.len() {
            10 => digits,
            11 => digits.strip_prefix('1').ok_or(NumberError::Ambiguous)?,
            _ => return Err(NumberError::Ambiguous),
        };
        // Neither area code nor exchange begins with 0 or 1.
        let starts = [national.as_bytes()[0], national.as_bytes()[3]];
        if starts.iter().any(|digit| *digit < b'2') {
            return Err(NumberError::Ambiguous);
        }
        self.international("1", national)
    }

    fn is_national_length(&self, digits: &str) -> bool {
        let (fewest, most) = self.country.digits;
        (usize::from(fewest)..=usize::from(most)).contains(&digits.len())
    }

    fn national(&self, digits: &str) -> Result<TelephoneNumber, NumberError> {
        if !self.is_national_length(digits) {
            return Err(NumberError::Ambiguous);
        }
        self.international(self.country.calling_code, digits)
    }

    /// `digits` begin with the calling code when `code` is empty.
    fn international(&self, code: &str, digits: &str) -> Result<TelephoneNumber, NumberError> {
        let digits = Digits::of([code, digits])?;
        if digits.as_str().starts_with('0') {
            return Err(NumberError::Ambiguous);
        }
        if usize::from(digits.length) < INTERNATIONAL_DIGITS_MIN {
            return Err(NumberError::TooShort);
        }
        if digits.length > self.digits_max {
            return Err(NumberError::TooLong);
        }
        Ok(TelephoneNumber(digits))
    }
}

impl TelephoneNumber {
    /// Calling code and number, digits only. For comparing and for the wire, never for a log.
    pub fn digits(&self) -> &str {
        self.0.as_str()
    }

    /// With the leading `+`.
    pub fn e164(&self) -> String {
        format!("+{}", self.digits())
    }
}

impl fmt::Debug for TelephoneNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        match digits.len() {
            0..5 => out.write_str("…"),
            length => write!(out, "…{}", &digits[length - 2..]),
        }
    }
}

/// The calling code of a `phone-context=+...` parameter; other contexts (domains) say nothing.
fn phone_context(parameter: &str) -> Option<Digits> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("phone-context") {
        return None;
    }
    let value = unescape(value.trim()).ok()?;
    digits_of(value.strip_prefix('+')?).ok()
}

/// Digits without visual separators (RFC 3966 §5.1.1, and the blank that people add).
fn digits_of(text: &str) -> Result<Digits, NumberError> {
    let mut digits = Digits::NONE;
    for character in text.bytes() {
        match character {
            b'0'..=b'9' if digits.push(character) => {}
            b'0'..=b'9' => return Err(NumberError::TooLong),
            b'-' | b'.' | b'(' | b')' | b' ' => {}
            _ => return Err(NumberError::Character),
        }
    }
    if digits.length == 0 {
        return Err(NumberError::Missing);
    }
    Ok(digits)
}

/// Undoes `%41` (RFC 3261 §19.1.2). Octets outside ASCII belong to no number.
fn unescape(text: &str) -> Result<Cow<'_, str>, NumberError> {
    if !text.is_ascii() {
        return Err(NumberError::Character);
    }
    if !text.contains('%') {
        return Ok(text.into());
    }
    let mut plain = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'%' => {
                let mut digit = || octets.next().and_then(hexadecimal).ok_or(NumberError::Character);
                digit()? * 16 + digit()?
            }
            other => other,
        };
        if !octet.is_ascii() {
            return Err(NumberError::Character);
        }
        plain.push(char::from(octet));
    }
    Ok(plain.into())
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(iso: &str, uri: &str, expected: Result<&str, NumberError>) {
        let rules = NumberRules::new(iso).unwrap();
        let got = rules.from_uri(uri);
        assert_eq!(
            got.as_ref().map(|n| n.digits()),
            expected.as_ref().map(|n| *n),
            "{iso} {uri}"
        );
    }

    #[test]
    fn every_way_of_writing_one_number_is_the_same_number() {
        for uri in [
            "tel:+1-212-555-0100",
            "sip:+12125550100@example.com;user=phone",
            "sip:+12125550100;tgrp=a;trunk-context=+1@example.com",
            "sip:12125550100@example.com",
            "sip:2125550100@example.com",
            "sip:(212)%20555-0100@example.com",
            "sips:%2B1%32125550100:secret@example.com",
            "sip:01112125550100@example.com",
            "tel:212.555.0100;phone-context=+1",
        ] {
            check("US", uri, Ok("12125550100"));
        }
    }

    #[test]
    fn national_forms_follow_the_configured_country() {
        check("GB", "sip:02079460000@example.com", Ok("442079460000"));
        check("GB", "sip:00442079460000@example.com", Ok("442079460000"));
        check("GB", "sip:442079460000@example.com", Ok("442079460000"));
        check("GB", "sip:0012125550100@example.com", Ok("12125550100"));
        check("FR", "sip:0123456789@example.com", Ok("33123456789"));
        check("IT", "sip:0612345678@example.com", Ok("390612345678"));
        check("ES", "sip:912345678@example.com", Ok("34912345678"));
        check("ES", "sip:34912345678@example.com", Ok("34912345678"));
        check("US", "tel:02079460000;phone-context=+44", Ok("442079460000"));
        check("HU", "sip:0612345678@example.com", Ok("3612345678"));
    }

    #[test]
    fn a_national_and_an_international_number_of_the_same_digits_differ() {
        // +20 79460000x is Egypt; the same digits dialled in the United States are New Jersey.
        check("US", "sip:+2015550100@example.com", Ok("2015550100"));
        check("US", "sip:2015550100@example.com", Ok("12015550100"));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        check("US", "sip:alice@example.com", Err(NumberError::Character));
        check("US", "sip:1800FLOWERS@example.com", Err(NumberError::Character));
        check("US", "sip:%61lice@example.com", Err(NumberError::Character));
        check("US", "sip:example.com", Err(NumberError::Missing));
        check("US", "sip:@example.com", Err(NumberError::Missing));
        check("US", "mailto:+12125550100", Err(NumberError::Scheme));
        check("US", "sip:911@example.com", Err(NumberError::Ambiguous));
        check("US", "tel:911;phone-context=+1", Err(NumberError::Ambiguous));
        check("US", "sip:1234567890123@example.com", Err(NumberError::Ambiguous));
        check("US", "sip:+0123456789@example.com", Err(NumberError::Ambiguous));
        check(
            "US",
            "sip:+1234567890123456@example.com",
            Err(NumberError::TooLong),
        );
        check("US", "sip:+123@example.com", Err(NumberError::TooShort));
        check("US", "sip:*69@example.com", Err(NumberError::Character));
        check("US", "sip:+1+2125550100@example.com", Err(NumberError::Character));
        check("US", "sip:%2@example.com", Err(NumberError::Character));
        check(
            "US",
            "tel:863-1234;phone-context=+1-914-555",
            Err(NumberError::Ambiguous),
        );
        check("GB", "sip:33123456789@example.com", Err(NumberError::Ambiguous));
    }

    #[test]
    fn a_claim_must_already_be_canonical() {
        let rules = NumberRules::new("US").unwrap();
        assert!(rules.from_claim("12125550100").is_ok());
        for refused in ["", "+12125550100", "1-212-555-0100", "1234567890123456", "١٢٣٤٥٦"] {
            assert!(rules.from_claim(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn longer_numbers_can_be_allowed() {
        let rules = NumberRules::new("DE").unwrap().with_digits_max(17);
        assert!(rules.canonical("+49123456789012345").is_ok());
    }

    #[test]
    fn an_unknown_country_is_named() {
        assert!(NumberRules::new("XX").unwrap_err().to_string().contains("XX"));
    }

    #[test]
    fn a_number_prints_only_its_last_two_digits() {
        let number = NumberRules::new("US").unwrap().canonical("+12125550123").unwrap();
        assert_eq!(format!("{number:?}"), "…23");
    }
}
