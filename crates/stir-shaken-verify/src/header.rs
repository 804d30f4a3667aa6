//! The Identity header field (RFC 8224 §4): a token and its parameters, nothing interpreted yet.

use crate::limits::{HEADER_PARAMETERS_MAX, IDENTITY_OCTETS_MAX};

/// One Identity header value, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    /// `header.payload.signature`, or `..signature` in the compact form; as received.
    pub token: String,
    /// The URI inside `info=<...>`.
    pub info: Option<String>,
    /// `alg`, without quotes; absent means ES256.
    pub alg: Option<String>,
    /// `ppt`, without quotes: which kind of PASSporT the token is.
    pub ppt: Option<String>,
}

/// Why a value is no Identity header (RFC 8224 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Past [`crate::limits::IDENTITY_OCTETS_MAX`].
    #[error("longer than 8 KiB")]
    TooLong,
    /// Nothing before the first `;`.
    #[error("no token")]
    NoToken,
    /// Something else than base64url, dots and `=` in the token.
    #[error("a character that no token has")]
    TokenCharacter,
    /// A parameter without the form its name demands.
    #[error("a parameter that is malformed")]
    Parameter,
    /// The same parameter twice, in any letter case.
    #[error("a parameter that stands twice")]
    Duplicate,
    /// Past [`crate::limits::HEADER_PARAMETERS_MAX`].
    #[error("too many parameters")]
    TooMany,
}

impl IdentityHeader {
    /// Reads one value. Parameters may come in any order, names in any letter case, `ppt` and
    /// `alg` quoted or not; unknown parameters are passed over; none may stand twice.
    pub fn parse(value: &str) -> Result<IdentityHeader, HeaderFault> {
        if value.len() > IDENTITY_OCTETS_MAX {
            return Err(HeaderFault::TooLong);
        }
        let mut parts = split_outside_quotes(value, b';').into_iter();
        let token = trimmed(parts.next().unwrap_or_default());
        if token.is_empty() {
            return Err(HeaderFault::NoToken);
        }
        if !token
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b'='))
        {
            return Err(HeaderFault::TokenCharacter);
        }
        let mut header = IdentityHeader {
            token: token.into(),
            info: None,
            alg: None,
            ppt: None,
        };
        let mut seen: Vec<String> = Vec::new();
        for part in parts {
            if seen.len() == HEADER_PARAMETERS_MAX {
                return Err(HeaderFault::TooMany);
            }
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (trimmed(name).to_ascii_lowercase(), Some(trimmed(value))),
                None => (trimmed(part).to_ascii_lowercase(), None),
            };
            if !is_token(&name) {
                return Err(HeaderFault::Parameter);
            }
            let target = match name.as_str() {
                "info" => Some((&mut header.info, info_uri(value)?)),
                "alg" => Some((&mut header.alg, plain_or_quoted(value)?)),
                "ppt" => Some((&mut header.ppt, plain_or_quoted(value)?)),
                _ => None,
            };
            if let Some((slot, value)) = target {
                *slot = Some(value);
            }
            if seen.contains(&name) {
                return Err(HeaderFault::Duplicate);
            }
            seen.push(name);
        }
        Ok(header)
    }

    /// The compact form leaves header and payload out (RFC 8225 §7).
    pub fn is_compact(&self) -> bool {
        self.token.starts_with("..")
    }
}

/// Takes header lines apart at the commas that separate values; commas in quotes or `<>` stay.
/// Empty values are dropped.
pub fn split_values(line: &str) -> Vec<&str> {
    let values = split_outside_quotes(line, b',').into_iter().map(trimmed);
    values.filter(|value| !value.is_empty()).collect()
}

/// `separator` is ASCII, as every mark here is: none of them is ever part of a longer character.
fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    let (mut in_quotes, mut in_brackets) = (false, false);
    let octets = text.as_bytes();
    let is_mark = |octet: &u8| *octet == separator || matches!(octet, b'\\' | b'"' | b'<' | b'>');
    // A token is hundreds of octets without a mark: run over them.
    while let Some(skipped) = octets.get(at..).and_then(|rest| rest.iter().position(is_mark)) {
        at += skipped;
        match octets[at] {
            // Whatever stands behind it is no mark.
            b'\\' if in_quotes => at += 1,
            b'"' if !in_brackets => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_brackets = true,
            b'>' if !in_quotes => in_brackets = false,
            octet if octet == separator && !in_quotes && !in_brackets => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[start..]);
    parts
}

/// Folded lines leave CR, LF and blanks around a part.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn is_token(text: &str) -> bool {
    let is_token_character = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
    !text.is_empty() && text.bytes().all(is_token_character)
}

fn info_uri(value: Option<&str>) -> Result<String, HeaderFault> {
    let value = value.ok_or(HeaderFault::Parameter)?;
    let inner = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inner
        .map(|uri| trimmed(uri).to_string())
        .ok_or(HeaderFault::Parameter)
}

fn plain_or_quoted(value: Option<&str>) -> Result<String, HeaderFault> {
    let value = value.ok_or(HeaderFault::Parameter)?;
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or(HeaderFault::Parameter)?,
        None => value,
    };
    if is_token(inner) {
        Ok(inner.into())
    } else {
        Err(HeaderFault::Parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Token, `info`, `alg`, `ppt`.
    type Parts<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

    fn check(value: &str, expected: Result<Parts<'_>, HeaderFault>) {
        let got = IdentityHeader::parse(value);
        let got = got.as_ref().map(|h| {
            (
                h.token.as_str(),
                h.info.as_deref(),
                h.alg.as_deref(),
                h.ppt.as_deref(),
            )
        });
        assert_eq!(got, expected.as_ref().map(|e| *e), "{value}");
    }

    #[test]
    fn parameters_come_in_any_order_quoted_or_not() {
        let all = Ok(("a.b.c", Some("https://x/y"), Some("ES256"), Some("shaken")));
        check("a.b.c;info=<https://x/y>;alg=ES256;ppt=shaken", all);
        check("a.b.c;ppt=\"shaken\";info=<https://x/y>;alg=ES256", all);
        check(
            "a.b.c ; PPT = shaken ;\r\n alg=\"ES256\";Info = <https://x/y>",
            all,
        );
        check("a.b.c;ppt=shaken;x=1;info=<https://x/y>;y;alg=ES256", all);
        check("a.b.c", Ok(("a.b.c", None, None, None)));
        check(
            "..c;info=<https://x;y,z>",
            Ok(("..c", Some("https://x;y,z"), None, None)),
        );
    }

    #[test]
    fn malformed_values_are_named() {
        check("", Err(HeaderFault::NoToken));
        check(";info=<x>", Err(HeaderFault::NoToken));
        check("a b.c", Err(HeaderFault::TokenCharacter));
        check("a.b.c;info=https://x", Err(HeaderFault::Parameter));
        check("a.b.c;info", Err(HeaderFault::Parameter));
        check("a.b.c;ppt=\"shaken", Err(HeaderFault::Parameter));
        check("a.b.c;ppt=", Err(HeaderFault::Parameter));
        check("a.b.c;;ppt=shaken", Err(HeaderFault::Parameter));
        check("a.b.c;ppt=shaken;ppt=div", Err(HeaderFault::Duplicate));
        check("a.b.c;ppt=shaken;PPT=shaken", Err(HeaderFault::Duplicate));
        check("a.b.c;a;b;c;d;e;f;g;h;i", Err(HeaderFault::TooMany));
        check(&"a".repeat(9000), Err(HeaderFault::TooLong));
    }

    #[test]
    fn joined_values_are_split_only_between_values() {
        let line = "a.b.c;info=<https://x,y>;ppt=\"sha,ken\", d.e.f;ppt=div ,";
        assert_eq!(
            split_values(line),
            ["a.b.c;info=<https://x,y>;ppt=\"sha,ken\"", "d.e.f;ppt=div"]
        );
    }
}
