//! Whom a claim names, a telephone number or a URI (RFC 8225 §5.2.1), and what the message shows of the same people.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use crate::date::parse_sip_date;
use crate::limits::{ASSERTED_MAX, FINGERPRINTS_MAX, PRIORITY_VALUES_MAX};
use crate::message::MessageView;
use crate::number::{NumberRules, TelephoneNumber};

/// A `tn` or a `uri` of a claim, in canonical form: two of them are compared by comparing them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Party {
    Number(TelephoneNumber),
    Uri(Box<str>),
}

impl Party {
    /// None: not canonical (RFC 8225 §5.2.1: digits only).
    pub(crate) fn from_tn(rules: &NumberRules, tn: &str) -> Option<Party> {
        rules.from_claim(tn).ok().map(Party::Number)
    }

    /// None: not a URI.
    pub(crate) fn from_uri(uri: &str) -> Option<Party> {
        canonical_uri(uri).map(Party::Uri)
    }
}

impl fmt::Debug for Party {
    /// Shortened: a claim names a person.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Number(number) => number.fmt(out),
            Party::Uri(uri) => write!(out, "uri of {} octets", uri.len()),
        }
    }
}

/// A URI of the message, read both ways: `sip:+12125550100@example.com` is a number and a URI.
#[derive(Clone, Default)]
pub(crate) struct Address {
    number: Option<TelephoneNumber>,
    /// As received.
    text: Box<str>,
    /// Most claims name numbers: read when one names a URI.
    uri: OnceLock<Option<Box<str>>>,
}

impl Address {
    pub(crate) fn read(rules: &NumberRules, uri: &str) -> Address {
        Address {
            number: rules.from_uri(uri).ok(),
            text: uri.into(),
            uri: OnceLock::new(),
        }
    }

    pub(crate) fn is(&self, party: &Party) -> bool {
        match party {
            Party::Number(number) => self.number.as_ref() == Some(number),
            Party::Uri(uri) => self.uri() == Some(&**uri),
        }
    }

    pub(crate) fn is_among(&self, parties: &[Party]) -> bool {
        parties.iter().any(|party| self.is(party))
    }

    /// As a claim names it: by its number when it has one (RFC 8224 §4.1, §8.1). None for nobody.
    pub(crate) fn party(&self) -> Option<Party> {
        let number = self.number.clone().map(Party::Number);
        let party = number.or_else(|| self.uri().map(|uri| Party::Uri(uri.into())));
        party.filter(|party| self.is_comparable(party))
    }

    /// Could this address be `party`, or does it show nothing of that sort?
    fn is_comparable(&self, party: &Party) -> bool {
        match party {
            Party::Number(_) => self.number.is_some(),
            // RFC 3323 §4.1.1.3: this host is nobody's.
            Party::Uri(_) => self.uri().is_some_and(|uri| !uri.ends_with("@anonymous.invalid")),
        }
    }

    fn uri(&self) -> Option<&str> {
        self.uri.get_or_init(|| canonical_uri(&self.text)).as_deref()
    }
}

impl fmt::Debug for Address {
    /// Shortened like a [`Party`].
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}, uri of {} octets", self.number, self.text.len())
    }
}

/// Both ends of the call as the message shows them; read once for all headers.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// P-Asserted-Identity in order, or From when there is none (RFC 8224 §6.2, ATIS-1000074).
    callers: Vec<Address>,
    is_asserted: bool,
    pub(crate) to: Address,
    /// The Request-URI.
    pub(crate) dialled: Address,
    /// The Date header in whole seconds since the Unix epoch; None when there is none or it cannot be read.
    pub(crate) date: Option<i64>,
    /// `a=fingerprint` values, one more than are compared at most.
    pub(crate) fingerprints: Vec<String>,
    /// Values of Resource-Priority, one more than are compared at most.
    pub(crate) resource_priority: Vec<String>,
    /// The Priority header.
    pub(crate) priority: Option<String>,
}

/// How `orig` compares with the callers shown (I-09).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// With the place among the asserted identities; None: it is From.
    Same(Option<usize>),
    Other,
    /// Nothing is shown that could be compared.
    Nobody,
}

impl Shown {
    pub(crate) fn of(rules: &NumberRules, message: &MessageView<'_>) -> Shown {
        let read = |uri: &str| Address::read(rules, uri);
        let is_asserted = !message.asserted.is_empty();
        let callers = if is_asserted {
            let asserted = message.asserted.iter().take(ASSERTED_MAX);
            asserted.map(|uri| read(uri)).collect()
        } else {
            vec![read(&message.from)]
        };
        Shown {
            callers,
            is_asserted,
            to: read(&message.to),
            dialled: read(&message.request_uri),
            date: message.date.as_deref().and_then(parse_sip_date),
            fingerprints: some(&message.fingerprints, FINGERPRINTS_MAX + 1),
            resource_priority: some(&message.resource_priority, PRIORITY_VALUES_MAX + 1),
            priority: message.priority.as_deref().map(str::to_string),
        }
    }

    /// Everybody who may be meant as the caller, with the place among the asserted identities; in order, none twice.
    pub(crate) fn callers(&self) -> Vec<(Party, Option<usize>)> {
        let mut callers: Vec<(Party, Option<usize>)> = Vec::new();
        for (place, caller) in self.callers.iter().enumerate() {
            if let Some(party) = caller.party()
                && callers.iter().all(|(known, _)| *known != party)
            {
                callers.push((party, self.is_asserted.then_some(place)));
            }
        }
        callers
    }

    /// Each P-Asserted-Identity value is tried, or From when there is none.
    pub(crate) fn caller(&self, orig: &Party) -> Caller {
        if let Some(place) = self.callers.iter().position(|caller| caller.is(orig)) {
            return Caller::Same(self.is_asserted.then_some(place));
        }
        if self.callers.iter().any(|caller| caller.is_comparable(orig)) {
            Caller::Other
        } else {
            Caller::Nobody
        }
    }
}

fn some(values: &[Cow<'_, str>], count: usize) -> Vec<String> {
    values.iter().take(count).map(|value| value.to_string()).collect()
}

/// Scheme and host in small letters, the user part unescaped, password, parameters and headers left out
/// (RFC 8224 §8.5, RFC 3261 §19.1.4). `sip` and `sips` stay different, and so do ports: what is equal here must be
/// equal everywhere.
fn canonical_uri(uri: &str) -> Option<Box<str>> {
    let (scheme, rest) = uri.trim().split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    if scheme.is_empty() || !scheme.bytes().all(is_name) {
        return None;
    }
    if scheme != "sip" && scheme != "sips" {
        let rest = rest.split([';', '?']).next().unwrap_or_default();
        return (!rest.is_empty()).then(|| format!("{scheme}:{}", rest.to_ascii_lowercase()).into());
    }
    let (user, host) = match rest.split_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let host = host.split([';', '?']).next().unwrap_or_default();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_host = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    Some(match user {
        None => format!("{scheme}:{host}").into(),
        Some(user) => {
            let user = unescaped(user.split(':').next().unwrap_or_default())?;
            format!("{scheme}:{user}@{host}").into()
        }
    })
}

/// Undoes `%41` (RFC 3261 §19.1.2). None when it is broken, or hides a control character.
fn unescaped(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    let text = String::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<&str>) {
        assert_eq!(canonical_uri(uri).as_deref(), expected, "{uri}");
    }

    #[test]
    fn every_way_of_writing_one_uri_is_the_same_uri() {
        for uri in [
            "sip:alice@example.com",
            "SIP:%61lice@EXAMPLE.com.;transport=tcp",
            " sip:alice:secret@example.com?subject=x ",
        ] {
            check(uri, Some("sip:alice@example.com"));
        }
        check("sip:example.com", Some("sip:example.com"));
        check("URN:service:SOS", Some("urn:service:sos"));
    }

    #[test]
    fn what_may_differ_stays_different() {
        check("sips:alice@example.com", Some("sips:alice@example.com"));
        check("sip:Alice@example.com", Some("sip:Alice@example.com"));
        check("sip:alice@example.com:5070", Some("sip:alice@example.com:5070"));
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for uri in [
            "",
            "alice",
            ":x",
            "sip:",
            "sip:@example.com",
            "sip:a@",
            "sip:a@b@c",
            "sip:%4@b",
            "sip:%0a@b",
            "s p:x",
            "urn:",
        ] {
            check(uri, None);
        }
    }

    #[test]
    fn an_address_is_a_number_and_a_uri_at_once() {
        let rules = NumberRules::new("US").unwrap();
        let address = Address::read(&rules, "sip:+1(212)555-0100@Example.com;user=phone");
        assert!(address.is(&Party::from_tn(&rules, "12125550100").unwrap()));
        assert!(address.is(&Party::from_uri("sip:+1(212)555-0100@example.com").unwrap()));
        assert!(!address.is(&Party::from_uri("sip:+12125550100@other.example").unwrap()));
        assert!(!Address::default().is(&Party::from_tn(&rules, "12125550100").unwrap()));
    }

    #[test]
    fn a_party_never_prints_whole() {
        let party = Party::from_uri("sip:alice@example.com").unwrap();
        assert!(!format!("{party:?}").contains("alice"));
    }
}
