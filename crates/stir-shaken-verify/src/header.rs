//! The Identity header field (RFC 8224 §4): a token and its parameters, nothing interpreted yet.

use crate::limits::{HEADER_PARAMETERS_MAX, IDENTITY_OCTETS_MAX};

/// One Identity header value, taken apart. Its parts are parts of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityHeader<'v> {
    /// `header.payload.signature`, or `..signature` in the compact form; as received.
    pub token: &'v str,
    /// The URI inside `info=<...>`.
    pub info: Option<&'v str>,
    /// `alg`, without quotes; absent means ES256.
    pub alg: Option<&'v str>,
    /// `ppt`, without quotes: which kind of PASSporT the token is.
    pub ppt: Option<&'v str>,
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

impl<'v> IdentityHeader<'v> {
    /// Reads one value. Parameters may come in any order, names in any letter case, `ppt` and
    /// `alg` quoted or not; unknown parameters are passed over; none may stand twice.
    pub fn parse(value: &'v str) -> Result<IdentityHeader<'v>, HeaderFault> {
        if value.len() > IDENTITY_OCTETS_MAX {
            return Err(HeaderFault::TooLong);
        }
        let mut parts = split_outside_quotes(value, b';');
        let token = trimmed(parts.next().unwrap_or_default());
        if token.is_empty() {
            return Err(HeaderFault::NoToken);
        }
        let is_token_octet =
            |octet: u8| octet.is_ascii_alphanumeric() | matches!(octet, b'-' | b'_' | b'.' | b'=');
        // All of them are looked at, so that the compiler can do many at once.
        if !token
            .bytes()
            .fold(true, |is_good, octet| is_good & is_token_octet(octet))
        {
            return Err(HeaderFault::TokenCharacter);
        }
        let mut header = IdentityHeader {
            token,
            info: None,
            alg: None,
            ppt: None,
        };
        let mut seen = [""; HEADER_PARAMETERS_MAX];
        for (place, part) in parts.enumerate() {
            if place == HEADER_PARAMETERS_MAX {
                return Err(HeaderFault::TooMany);
            }
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (trimmed(name), Some(trimmed(value))),
                None => (trimmed(part), None),
            };
            if !is_token(name) {
                return Err(HeaderFault::Parameter);
            }
            if name.eq_ignore_ascii_case("info") {
                header.info = Some(info_uri(value)?);
            } else if name.eq_ignore_ascii_case("alg") {
                header.alg = Some(plain_or_quoted(value)?);
            } else if name.eq_ignore_ascii_case("ppt") {
                header.ppt = Some(plain_or_quoted(value)?);
            }
            if seen[..place].iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(HeaderFault::Duplicate);
            }
            seen[place] = name;
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
pub fn split_values(line: &str) -> impl Iterator<Item = &str> {
    let values = split_outside_quotes(line, b',').map(trimmed);
    values.filter(|value| !value.is_empty())
}

/// `separator` is ASCII, as every mark here is: none of them is ever part of a longer character.
fn split_outside_quotes(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = end_of_part(text.as_bytes(), separator);
        rest = end.and_then(|end| text.get(end + 1..));
        end.map_or(Some(text), |end| text.get(..end))
    })
}

/// Where the first part of `octets` ends; None: it is the last.
fn end_of_part(octets: &[u8], separator: u8) -> Option<usize> {
    let mut at = 0;
    let (mut in_quotes, mut in_brackets) = (false, false);
    while let Some(skipped) = first_mark(octets.get(at..)?, separator) {
        at += skipped;
        match octets[at] {
            // Whatever stands behind it is no mark.
            b'\\' if in_quotes => at += 1,
            b'"' if !in_brackets => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_brackets = true,
            b'>' if !in_quotes => in_brackets = false,
            octet if octet == separator && !in_quotes && !in_brackets => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// A token is hundreds of octets without a mark: they are looked at many at once.
fn first_mark(octets: &[u8], separator: u8) -> Option<usize> {
    const AT_ONCE: usize = 32;
    let is_mark = |octet: &u8| {
        (*octet == separator) | (*octet == b'\\') | (*octet == b'"') | (*octet == b'<') | (*octet == b'>')
    };
    let (blocks, _rest) = octets.as_chunks::<AT_ONCE>();
    let has_mark = |block: &[u8; AT_ONCE]| block.iter().fold(false, |any, octet| any | is_mark(octet));
    let skipped = AT_ONCE * blocks.iter().position(has_mark).unwrap_or(blocks.len());
    let within = octets.get(skipped..)?.iter().position(is_mark)?;
    Some(skipped + within)
}

/// Folded lines leave CR, LF and blanks around a part.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

fn is_token(text: &str) -> bool {
    let is_token_character = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
    !text.is_empty() && text.bytes().all(is_token_character)
}

fn info_uri(value: Option<&str>) -> Result<&str, HeaderFault> {
    let inner = value.and_then(|value| value.strip_prefix('<')?.strip_suffix('>'));
    inner.map(trimmed).ok_or(HeaderFault::Parameter)
}

fn plain_or_quoted(value: Option<&str>) -> Result<&str, HeaderFault> {
    let value = value.ok_or(HeaderFault::Parameter)?;
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or(HeaderFault::Parameter)?,
        None => value,
    };
    if is_token(inner) {
        Ok(inner)
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
        let got = got.map(|header| (header.token, header.info, header.alg, header.ppt));
        assert_eq!(got, expected, "{value}");
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
        assert!(split_values(line).eq(["a.b.c;info=<https://x,y>;ppt=\"sha,ken\"", "d.e.f;ppt=div"]));
    }
}
