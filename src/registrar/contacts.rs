//! What a REGISTER wants: its Contact and Expires headers, read (RFC 3261 §10.2, §10.3).

use std::time::Duration;

use super::Config;
use super::engine::Why;
use super::limits::{CALL_ID_OCTETS_MAX, CONTACT_VALUES_MAX, URI_OCTETS_MAX};
use crate::sip::{Message, NameAddr};

/// What it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No Contact: to be told what there is.
    Ask,
    /// `*`: everything is taken away.
    Clear,
    Bind(Vec<Contact>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) uri: String,
    /// Zero: it is taken away.
    pub(super) expires: Duration,
    /// Thousandths; 1000 without a word.
    pub(super) q: u16,
}

impl Wish {
    /// # Errors
    ///
    /// 400 for what cannot be read or is too much, 423 for what is too brief.
    pub(super) fn of(register: &Message, config: &Config) -> Result<Wish, Why> {
        if register.call_id().len() > CALL_ID_OCTETS_MAX {
            return Err(Why::Bad);
        }
        let whole = register.header("Expires").map(|value| seconds(&value));
        let values = register.header_values("Contact");
        if values.is_empty() {
            return Ok(Wish::Ask);
        }
        if values.iter().any(|value| value.trim() == "*") {
            // RFC 3261 §10.2.2: alone, and only with Expires 0.
            return match (values.len(), whole) {
                (1, Some(Some(Duration::ZERO))) => Ok(Wish::Clear),
                _ => Err(Why::Bad),
            };
        }
        if values.len() > CONTACT_VALUES_MAX {
            return Err(Why::Bad);
        }
        let contacts = values.iter().map(|value| contact(value, whole.flatten(), config));
        Ok(Wish::Bind(contacts.collect::<Result<_, Why>>()?))
    }
}

fn contact(value: &str, whole: Option<Duration>, config: &Config) -> Result<Contact, Why> {
    let contact = NameAddr::parse(value).map_err(|_| Why::Bad)?;
    let uri = contact.uri.without_headers();
    let is_plain = uri.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b));
    if !contact.uri.is_sip() || uri.len() > URI_OCTETS_MAX || !is_plain {
        return Err(Why::Bad);
    }
    // What cannot be read counts as if it were not there (RFC 3261 §10.3 step 7, §20.19).
    let wanted = contact.param("expires").and_then(seconds).or(whole);
    let (least, most) = (*config.expires.start(), *config.expires.end());
    let expires = match wanted {
        None => most,
        Some(Duration::ZERO) => Duration::ZERO,
        Some(wanted) if wanted < least => return Err(Why::TooBrief(least)),
        Some(wanted) => wanted.min(most),
    };
    Ok(Contact {
        uri: uri.to_string(),
        expires,
        q: contact.param("q").map_or(1000, thousandths),
    })
}

/// delta-seconds; a number that is too large is the largest (RFC 3261 §20.19).
fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| Duration::from_secs(digits.parse::<u32>().unwrap_or(u32::MAX).into()))
}

/// `0` to `1`, with up to three digits after the point (RFC 3261 §25.1 qvalue); anything else counts as 0.
fn thousandths(text: &str) -> u16 {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let is_number = part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    match (whole, is_number) {
        ("1", true) => 1000,
        ("0" | "", true) => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &str, expected: Result<&str, Why>) {
        let config = Config {
            from: Vec::new(),
            expires: Duration::from_secs(60)..=Duration::from_secs(600),
            hashes: vec![crate::digest::Hash::Sha256],
            shift: Duration::from_secs(600),
        };
        let text = format!(
            "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@pbx>;tag=1\r\n\
             To: <sip:a@pbx>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        let found = Wish::of(&message, &config).map(|wish| match wish {
            Wish::Ask => "ask".to_string(),
            Wish::Clear => "clear".to_string(),
            Wish::Bind(contacts) => contacts
                .iter()
                .map(|contact| format!("{} {} {}", contact.uri, contact.expires.as_secs(), contact.q))
                .collect::<Vec<_>>()
                .join(", "),
        });
        assert_eq!(found, expected.map(str::to_string), "{headers}");
    }

    #[test]
    fn contacts_and_their_times_are_read_as_the_rfc_says() {
        check("", Ok("ask"));
        check("Contact: *\r\nExpires: 0\r\n", Ok("clear"));
        check("Contact: *\r\n", Err(Why::Bad));
        check("Contact: *\r\nExpires: 60\r\n", Err(Why::Bad));
        check("Contact: *, <sip:a@b>\r\nExpires: 0\r\n", Err(Why::Bad));
        check("Contact: <sip:a@b>\r\n", Ok("sip:a@b 600 1000"));
        check("Contact: <sip:a@b>\r\nExpires: 90\r\n", Ok("sip:a@b 90 1000"));
        check(
            "Contact: <sip:a@b>;expires=100;q=0.5\r\nExpires: 90\r\n",
            Ok("sip:a@b 100 500"),
        );
        check("Contact: <sip:a@b>;expires=0\r\n", Ok("sip:a@b 0 1000"));
        check("Contact: <sip:a@b>;expires=never\r\n", Ok("sip:a@b 600 1000"));
        check(
            "Contact: <sip:a@b>;expires=99999999999\r\n",
            Ok("sip:a@b 600 1000"),
        );
        check(
            "Contact: <sip:a@b>;expires=59\r\n",
            Err(Why::TooBrief(Duration::from_secs(60))),
        );
        check(
            "m: <sip:a@b;ob>;q=1, <sips:c@d>;q=9\r\n",
            Ok("sip:a@b;ob 600 1000, sips:c@d 600 0"),
        );
        check("Contact: <tel:+1212>\r\n", Err(Why::Bad));
        check("Contact: <sip:a@b\r\n", Err(Why::Bad));
        let many = "Contact: <sip:a@b>\r\n".repeat(CONTACT_VALUES_MAX + 1);
        check(&many, Err(Why::Bad));
        check(
            &format!("Contact: <sip:{}@b>\r\n", "a".repeat(URI_OCTETS_MAX)),
            Err(Why::Bad),
        );
    }
}
