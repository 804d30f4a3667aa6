//! `"Name" <uri>;params`: From, To, Contact, P-Asserted-Identity, Route, ...

use std::borrow::Cow;
use std::fmt;

use super::error::ParseError;
use super::method::is_token;
use super::params::{Params, quoted_length, unquote};
use super::uri::{self, Uri, UriSpans};

/// From, To, Contact, P-Asserted-Identity, ... : display name, URI, header parameters (tag).
///
/// Prints (`{:?}`) without the display name and the user part.
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Without quotes and backslashes; None when absent or empty.
    pub display: Option<String>,
    pub uri: Uri,
    /// Header parameters in order, names as written, values without quotes.
    pub params: Vec<(String, Option<String>)>,
}

/// Where the parts stand in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAddrSpans {
    display_end: u32,
    uri_at: (u32, u32),
    uri: UriSpans,
    /// Where the header parameters begin; they run to the end.
    params: u32,
    /// The value of the first parameter `tag`, as written; empty = none.
    tag: (u32, u32),
}

impl NameAddrSpans {
    /// `text` is the one that was scanned.
    pub(crate) fn tag<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (start, end) = self.tag;
        // An empty one in quotes is none either.
        (start < end)
            .then(|| &text[start as usize..end as usize])
            .filter(|tag| *tag != "\"\"")
    }

    /// The same address with everything copied.
    pub(crate) fn to_owned(self, text: &str) -> NameAddr {
        let shown = text[..self.display_end as usize].trim();
        let (start, end) = self.uri_at;
        NameAddr {
            display: Some(unquote(shown)).filter(|name| !name.is_empty()),
            uri: Uri::of(&text[start as usize..end as usize], self.uri),
            params: Params::new(&text[self.params as usize..])
                .map_while(Result::ok)
                .map(|(name, value)| (name.to_string(), value.map(unquote)))
                .collect(),
        }
    }
}

/// An address borrowed from its message: nothing is copied until it is asked for.
#[derive(Clone)]
pub struct Address<'a> {
    text: Cow<'a, str>,
    spans: NameAddrSpans,
}

impl<'a> Address<'a> {
    /// `spans` are those of `text`.
    pub(crate) fn new(text: Cow<'a, str>, spans: NameAddrSpans) -> Address<'a> {
        Address { text, spans }
    }

    /// One value (not a comma-joined list), unfolded.
    ///
    /// # Errors
    ///
    /// As [`NameAddr::parse`].
    pub fn parse(text: &'a str) -> Result<Address<'a>, ParseError> {
        let spans = scan(text)?;
        Ok(Address::new(Cow::Borrowed(text), spans))
    }

    /// Without quotes and backslashes; None when absent or empty.
    pub fn display(&self) -> Option<Cow<'_, str>> {
        let shown = self.text[..self.spans.display_end as usize].trim();
        let display = match shown.starts_with('"') {
            true => Cow::Owned(unquote(shown)),
            false => Cow::Borrowed(shown),
        };
        Some(display).filter(|name| !name.is_empty())
    }

    /// The URI as written; [`Address::to_owned`] gives its parts.
    pub fn uri(&self) -> &str {
        let (start, end) = self.spans.uri_at;
        &self.text[start as usize..end as usize]
    }

    /// The user part of its URI, percent-decoded; see [`Uri::user`].
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.spans.uri.user(self.uri())
    }

    /// The host of its URI, as written; see [`Uri::host`].
    pub fn host(&self) -> Option<&str> {
        self.spans.uri.host(self.uri())
    }

    pub fn tag(&self) -> Option<&str> {
        self.spans.tag(&self.text)
    }

    /// A header parameter by name (any letter case), as written; without value it is an empty string.
    pub fn param(&self, name: &str) -> Option<&str> {
        Params::new(&self.text[self.spans.params as usize..])
            .find(name)
            .map(Option::unwrap_or_default)
    }

    /// The same with everything copied.
    pub fn to_owned(&self) -> NameAddr {
        self.spans.to_owned(&self.text)
    }
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_owned().fmt(out)
    }
}

impl NameAddr {
    /// One value (not a comma-joined list), unfolded.
    ///
    /// Without angle brackets every `;parameter` belongs to the header, not to the URI (RFC 3261 §20.10).
    ///
    /// # Errors
    ///
    /// An open quote or bracket, a broken URI, an empty parameter, a `?` outside angle brackets (RFC 3261 §20).
    pub fn parse(text: &str) -> Result<NameAddr, ParseError> {
        Ok(scan(text)?.to_owned(text))
    }

    pub fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    /// A header parameter by name (any letter case); without value it is an empty string.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_deref().unwrap_or(""))
    }
}

impl fmt::Display for NameAddr {
    /// As a header carries it, the URI in angle brackets: for the wire. Logs use `{:?}`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write_quoted(out, display)?;
            out.write_str(" ")?;
        }
        write!(out, "<{}>", self.uri)?;
        for (name, value) in &self.params {
            write!(out, ";{name}")?;
            match value {
                Some(value) if !value.is_empty() && value.bytes().all(is_token) => write!(out, "={value}")?,
                Some(value) => {
                    out.write_str("=")?;
                    write_quoted(out, value)?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn write_quoted(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    out.write_str("\"")?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.write_str("\\")?;
        }
        write!(out, "{c}")?;
    }
    out.write_str("\"")
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "<{:?}>", self.uri)?;
        match self.tag() {
            Some(tag) => write!(out, ";tag={tag}"),
            None => Ok(()),
        }
    }
}

/// Checks an address and finds its parts, without allocating.
pub(crate) fn scan(text: &str) -> Result<NameAddrSpans, ParseError> {
    let octets = text.as_bytes();
    let start = octets.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let mut at = start;
    if octets.get(at) == Some(&b'"') {
        at += quoted_length(&octets[at..])
            .ok_or_else(|| ParseError::bad("address", start, "the end of the quoted name"))?;
        let is_uri_next = matches!(octets[at..], [b'<', ..] | [b' ', b'<', ..]);
        if !is_uri_next && !text[at..].trim_start().starts_with('<') {
            return Err(ParseError::bad("address", at, "a URI in angle brackets"));
        }
    }
    let (display_end, uri_at, params) = match find(octets, at, b'<') {
        Some(open) => {
            let close = find(octets, open, b'>')
                .ok_or_else(|| ParseError::bad("address", open, "a closing angle bracket"))?;
            (open, (open + 1, close), close + 1)
        }
        None => {
            let end = find(octets, at, b';').unwrap_or(octets.len());
            (0, (start, text[..end].trim_end().len().max(start)), end)
        }
    };
    let written = &text[uri_at.0..uri_at.1];
    let uri = uri::scan(written).map_err(|error| error.inside("address", uri_at.0))?;
    if display_end == 0 && octets.get(start) != Some(&b'<') && uri.has_headers(written) {
        return Err(ParseError::bad(
            "address",
            uri_at.0,
            "angle brackets around a URI with ?",
        ));
    }
    let mut tag = None;
    let mut list = Params::new(&text[params..]);
    while let Some(param) = list.next_place() {
        let param = param.map_err(|at| ParseError::bad("address", params + at, "a parameter"))?;
        let name = &text[params + param.name.0..params + param.name.1];
        if tag.is_none() && name.eq_ignore_ascii_case("tag") {
            let (start, end) = param.value.unwrap_or_default();
            tag = Some(((params + start) as u32, (params + end) as u32));
        }
    }
    let tag = tag.unwrap_or_default();
    Ok(NameAddrSpans {
        display_end: display_end as u32,
        uri_at: (uri_at.0 as u32, uri_at.1 as u32),
        uri,
        params: params as u32,
        tag,
    })
}

fn find(octets: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let found = octets[from..].iter().position(|&b| b == wanted);
    super::work::spend(found.unwrap_or(octets.len() - from));
    found.map(|at| from + at)
}

/// The tag parameter of an address, without building it.
pub(crate) fn tag_of(text: &str) -> Option<&str> {
    scan(text).ok()?.tag(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, display: Option<&str>, uri: &str, tag: Option<&str>) {
        let address = NameAddr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(address.display.as_deref(), display, "{text}");
        assert_eq!(address.uri.as_str(), uri, "{text}");
        assert_eq!(address.tag(), tag, "{text}");
        assert_eq!(tag_of(text), tag, "{text}");
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        check("<sip:a@h>;tag=1", None, "sip:a@h", Some("1"));
        check("<sip:a@h>;tag=\"\"", None, "sip:a@h", None);
        check(
            "Alice Smith <sip:a@h> ; TAG = x",
            Some("Alice Smith"),
            "sip:a@h",
            Some("x"),
        );
        check(
            r#""A. \"Bob\" <not;a@uri>, \\" <sip:a@h;p=1>;tag=2"#,
            Some(r#"A. "Bob" <not;a@uri>, \"#),
            "sip:a@h;p=1",
            Some("2"),
        );
        check("sip:a@h;tag=3", None, "sip:a@h", Some("3"));
        check("tel:+12125550100;tag=4", None, "tel:+12125550100", Some("4"));
        check("<tel:+1;phone-context=x>", None, "tel:+1;phone-context=x", None);
        check("\"\" <sip:[2001:db8::1]>", None, "sip:[2001:db8::1]", None);
        check("  <sip:a@h>", None, "sip:a@h", None);
        check("\"Jos\u{e9}\"<sip:a@h>", Some("Jos\u{e9}"), "sip:a@h", None);
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in [
            "",
            "\"Mr. <sip:a@h>;tag=1",
            "<sip:a@h",
            "\"x\" sip:a@h",
            "<sip:a@h>;;tag=1",
            "<sip:a@h> x",
            "< sip:a@h>",
            "<>",
            "Alice",
            "sip:a@h?Route=%3Csip:b%3E",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
            assert_eq!(tag_of(text), None, "{text}");
        }
    }
}
