//! `"Name" <uri>;params`: From, To, Contact, P-Asserted-Identity, Route, ...

use std::fmt;

use super::error::ParseError;
use super::params::{Params, quoted_length, unquote};
use super::uri::{self, Uri};

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
    pub(crate) display_end: usize,
    pub(crate) uri: (usize, usize),
    /// Where the header parameters begin; they run to the end.
    pub(crate) params: usize,
}

impl NameAddr {
    /// One value (not a comma-joined list), unfolded.
    ///
    /// Without angle brackets every `;parameter` belongs to the header, not to the URI (RFC 3261 §20.10).
    ///
    /// # Errors
    ///
    /// An open quote or bracket, a broken URI, an empty parameter.
    pub fn parse(text: &str) -> Result<NameAddr, ParseError> {
        let spans = scan(text)?;
        let shown = text[..spans.display_end].trim();
        let display = Some(unquote(shown)).filter(|name| !name.is_empty());
        let mut params = Vec::new();
        for param in Params::new(&text[spans.params..]) {
            let (name, value) =
                param.map_err(|at| ParseError::bad("address", spans.params + at, "a parameter"))?;
            params.push((name.to_string(), value.map(unquote)));
        }
        Ok(NameAddr {
            display,
            uri: Uri::parse(&text[spans.uri.0..spans.uri.1])?,
            params,
        })
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
        if !text[at..].trim_start().starts_with('<') {
            return Err(ParseError::bad("address", at, "a URI in angle brackets"));
        }
    }
    let spans = match text[at..].find('<') {
        Some(open) => {
            let open = at + open;
            let close = text[open..]
                .find('>')
                .map(|offset| open + offset)
                .ok_or_else(|| ParseError::bad("address", open, "a closing angle bracket"))?;
            NameAddrSpans {
                display_end: open,
                uri: (open + 1, close),
                params: close + 1,
            }
        }
        None => {
            let end = text[at..].find(';').map_or(text.len(), |offset| at + offset);
            NameAddrSpans {
                display_end: 0,
                uri: (start, text[..end].trim_end().len().max(start)),
                params: end,
            }
        }
    };
    uri::scan(&text[spans.uri.0..spans.uri.1]).map_err(|error| error.inside("address", spans.uri.0))?;
    match Params::new(&text[spans.params..]).find_map(Result::err) {
        Some(offset) => Err(ParseError::bad("address", spans.params + offset, "a parameter")),
        None => Ok(spans),
    }
}

/// The tag parameter of an address, without building it.
pub(crate) fn tag_of(text: &str) -> Option<&str> {
    let spans = scan(text).ok()?;
    Params::new(&text[spans.params..])
        .find("tag")
        .flatten()
        .filter(|tag| !tag.is_empty())
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
        ] {
            assert!(NameAddr::parse(text).is_err(), "{text}");
            assert_eq!(tag_of(text), None, "{text}");
        }
    }
}
