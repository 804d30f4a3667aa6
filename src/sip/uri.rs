//! `sip:`, `sips:` and `tel:` URIs (RFC 3261 §19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Transport;
use super::error::ParseError;
use super::limits;
use crate::redact::Redacted;

/// sip:, sips: or tel: URI. Keeps its own text; accessors are slices of it.
///
/// A URI of another scheme (`urn:service:sos`) is kept too: it has a scheme and a text, but no
/// user and no host. Prints (`{:?}`) without its user part.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    text: Box<str>,
    spans: UriSpans,
}

/// Where the parts stand in the text. Offsets in octets; an empty range = there is none.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct UriSpans {
    scheme_end: u32,
    /// User part with its parameters and password, or the whole telephone-subscriber.
    user: (u32, u32),
    host: (u32, u32),
    port: Option<u16>,
    /// From the `;` after the host (after the number for tel) to the `?` or the end.
    params: (u32, u32),
}

impl UriSpans {
    /// `text` is the one that was scanned, here and below; see [`Uri::user`].
    pub(crate) fn user<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let whole = part(text, self.user)?;
        let end = whole.find([';', ':']).unwrap_or(whole.len());
        Some(decode(&whole[..end])).filter(|user| !user.is_empty())
    }

    pub(crate) fn host<'a>(&self, text: &'a str) -> Option<&'a str> {
        part(text, self.host)
    }

    /// Whether `text`, whose spans these are, is a SIP URI with headers (`?Subject=x`).
    pub(crate) fn has_headers(&self, text: &str) -> bool {
        self.host.1 > 0 && (self.params.1 as usize) < text.len()
    }
}

impl Uri {
    /// # Errors
    ///
    /// White space, control characters, angle brackets or quotes anywhere; no scheme; for sip and
    /// sips an empty or malformed host or port; for tel an empty number.
    pub fn parse(text: &str) -> Result<Uri, ParseError> {
        let spans = scan(text)?;
        Ok(Uri {
            text: text.into(),
            spans,
        })
    }

    /// `spans` are those of `text`.
    pub(crate) fn of(text: &str, spans: UriSpans) -> Uri {
        Uri {
            text: text.into(),
            spans,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As written: `sip`, `SIPS`, `tel`.
    pub fn scheme(&self) -> &str {
        &self.text[..self.spans.scheme_end as usize]
    }

    pub fn is_tel(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("tel")
    }

    /// sip or sips, as opposed to tel and everything else.
    pub fn is_sip(&self) -> bool {
        let scheme = self.scheme();
        scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
    }

    /// TLS on every hop is asked for.
    pub fn is_sips(&self) -> bool {
        self.scheme().eq_ignore_ascii_case("sips")
    }

    /// User part without its parameters and password, percent-decoded; for tel: the subscriber number.
    ///
    /// An empty user part (`sip:@host`) is None.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.spans.user(&self.text)
    }

    /// `;name=value` pairs inside the user part (RFC 4904 tgrp, or verstat) and after the host alike are found by name.
    ///
    /// The user part is looked at first. A parameter without value is an empty string.
    pub fn user_param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.user_part()
            .and_then(|whole| {
                let (_, params) = whole.split_once(';')?;
                find(params, name)
            })
            .or_else(|| self.param(name))
    }

    /// A URI parameter by name, percent-decoded; without value it is an empty string.
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        find(self.part(self.spans.params)?.strip_prefix(';')?, name)
    }

    /// As written; an IPv6 address with its brackets. None for tel.
    pub fn host(&self) -> Option<&str> {
        self.spans.host(&self.text)
    }

    /// The written port; None when there is none.
    pub fn port(&self) -> Option<u16> {
        self.spans.port
    }

    /// Host is an IP literal -> address with the port, or 5060, or 5061 for TLS.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let host = self.host()?;
        let bare = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let ip = match bare.parse::<IpAddr>() {
            Ok(ip) => ip,
            Err(_) => IpAddr::V6(ipv6(bare)?),
        };
        let port = self.port().unwrap_or_else(|| self.transport().default_port());
        Some(SocketAddr::new(ip, port))
    }

    /// What the URI itself asks for: `sips:` (RFC 3261 §19.1.2: TLS, whatever `transport=` says) or `transport=tls`
    /// -> Tls; tcp -> Tcp; else Udp.
    pub fn transport(&self) -> Transport {
        match self.param("transport") {
            _ if self.is_sips() => Transport::Tls,
            Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            _ => Transport::Udp,
        }
    }

    /// What stands after the `?`: `name=value` pairs joined by `&`, still escaped; empty when there is nothing.
    pub fn headers(&self) -> &str {
        let rest = &self.text[self.spans.params.1 as usize..];
        rest.strip_prefix('?').unwrap_or_default()
    }

    /// The URI up to the `?`.
    pub fn without_headers(&self) -> &str {
        let has_host = self.spans.host.1 > 0;
        &self.text[..if has_host {
            self.spans.params.1 as usize
        } else {
            self.text.len()
        }]
    }

    fn user_part(&self) -> Option<&str> {
        self.part(self.spans.user)
    }

    fn part(&self, place: (u32, u32)) -> Option<&str> {
        part(&self.text, place)
    }
}

/// Empty = there is none.
fn part(text: &str, (start, end): (u32, u32)) -> Option<&str> {
    (start < end).then(|| &text[start as usize..end as usize])
}

impl fmt::Display for Uri {
    /// The whole URI: for the wire. Logs use `{:?}`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.scheme())?;
        if let Some(user) = self.user() {
            write!(out, "{}", Redacted::new(user))?;
        }
        match self.host() {
            Some(host) => write!(out, "@{host}"),
            None => Ok(()),
        }
    }
}

/// Checks a URI and finds its parts, without allocating.
pub(crate) fn scan(text: &str) -> Result<UriSpans, ParseError> {
    let octets = text.as_bytes();
    super::work::spend(octets.len());
    if octets.len() > limits::URI_OCTETS_MAX {
        return Err(ParseError::bad("URI", limits::URI_OCTETS_MAX, "a shorter URI"));
    }
    let end = octets.len() as u32;
    let with_scheme = |scheme_end: usize| UriSpans {
        scheme_end: scheme_end as u32,
        params: (end, end),
        ..UriSpans::default()
    };
    if let [s, i, p, b':', ..] = octets
        && [s, i, p].map(|&b| b | 0x20) == *b"sip"
    {
        return scan_sip(text, 4, with_scheme(3));
    }
    let scheme_end = text
        .find(':')
        .filter(|&at| is_scheme(&text[..at]))
        .ok_or_else(|| ParseError::bad("URI", 0, "a scheme such as sip:"))?;
    let (scheme, start, spans) = (&text[..scheme_end], scheme_end + 1, with_scheme(scheme_end));
    if scheme.eq_ignore_ascii_case("tel") {
        return scan_tel(octets, start, spans);
    }
    if scheme.eq_ignore_ascii_case("sips") {
        return scan_sip(text, start, spans);
    }
    if start == octets.len() {
        return Err(ParseError::bad("URI", start, "something after the scheme"));
    }
    no_forbidden(octets, run(octets, start, FORBIDDEN))?;
    Ok(spans)
}

/// What ends a run of octets.
const FORBIDDEN: u8 = 1;
const AT: u8 = 2;
const QUESTION: u8 = 4;
const SEMICOLON: u8 = 8;
const NO_HOST: u8 = 16;

const ENDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let b = octet as u8;
        if b <= b' ' || matches!(b, 0x7f | b'<' | b'>' | b'"') {
            table[octet] |= FORBIDDEN;
        }
        if !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'-' | b'_') {
            table[octet] |= NO_HOST;
        }
        octet += 1;
    }
    table[b'@' as usize] |= AT;
    table[b'?' as usize] |= QUESTION;
    table[b';' as usize] |= SEMICOLON;
    table
};

/// Where the octets from `at` on stop being anything but those that `ends` names.
#[inline]
fn run(octets: &[u8], at: usize, ends: u8) -> usize {
    let rest = &octets[at..];
    let length = rest
        .iter()
        .position(|&b| ENDS[usize::from(b)] & ends != 0)
        .unwrap_or(rest.len());
    super::work::spend(length);
    at + length
}

/// A run that may only end with the text, or with something that was looked for.
fn no_forbidden(octets: &[u8], end: usize) -> Result<usize, ParseError> {
    match octets.get(end) {
        Some(&b) if ENDS[usize::from(b)] & FORBIDDEN != 0 => {
            let expected = "a URI without white space, brackets and quotes";
            Err(ParseError::bad("URI", end, expected))
        }
        _ => Ok(end),
    }
}

fn scan_tel(octets: &[u8], start: usize, spans: UriSpans) -> Result<UriSpans, ParseError> {
    let number_end = no_forbidden(octets, run(octets, start, FORBIDDEN | SEMICOLON))?;
    no_forbidden(octets, run(octets, number_end, FORBIDDEN))?;
    if number_end == start {
        return Err(ParseError::bad("URI", start, "a telephone number"));
    }
    let end = octets.len() as u32;
    Ok(UriSpans {
        user: (start as u32, end),
        params: (number_end as u32, end),
        ..spans
    })
}

fn scan_sip(text: &str, start: usize, mut spans: UriSpans) -> Result<UriSpans, ParseError> {
    let octets = text.as_bytes();
    let mut host_start = start;
    let user_end = no_forbidden(octets, run(octets, start, FORBIDDEN | AT))?;
    if user_end < octets.len() {
        spans.user = (start as u32, user_end as u32);
        host_start = user_end + 1;
    }
    let length = host_length(&text[host_start..]);
    let host_end = host_start + length.ok_or_else(|| ParseError::bad("URI", host_start, "a host"))?;
    spans.host = (host_start as u32, host_end as u32);
    let mut at = host_end;
    if octets.get(at) == Some(&b':') {
        at += 1;
        let digits = octets[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        spans.port = Some(
            text[at..at + digits]
                .parse()
                .map_err(|_| ParseError::bad("URI", at, "a port from 0 to 65535"))?,
        );
        at += digits;
    }
    match octets.get(at) {
        None => return Ok(spans),
        Some(b';' | b'?') => {}
        Some(_) => return Err(ParseError::bad("URI", at, "a parameter or the end")),
    }
    let params_end = no_forbidden(octets, run(octets, at, FORBIDDEN | QUESTION))?;
    no_forbidden(octets, run(octets, params_end, FORBIDDEN))?;
    spans.params = (at as u32, params_end as u32);
    Ok(spans)
}

/// Octets of the host at the start of `text`; None when there is none or an IPv6 address is broken.
#[inline]
pub(crate) fn host_length(text: &str) -> Option<usize> {
    if let Some(inner) = text.strip_prefix('[') {
        let end = inner
            .as_bytes()
            .iter()
            .take(IPV6_OCTETS_MAX)
            .position(|&b| b == b']')?;
        ipv6(&inner[..end])?;
        return Some(end + 2);
    }
    let length = run(text.as_bytes(), 0, NO_HOST);
    (length > 0).then_some(length)
}

/// The longest IPv6 address (with an IPv4 tail) is 45 octets; one more for the bracket and one for a colon too many.
const IPV6_OCTETS_MAX: usize = 47;

/// An address without its brackets. The grammar of RFC 3261 allows a third colon before an IPv4 tail, and RFC 5118
/// §4.10 wants it read as two.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (before, tail) = text.split_once(":::")?;
    tail.parse::<Ipv4Addr>().ok()?;
    format!("{before}::{tail}").parse().ok()
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn find<'a>(params: &'a str, name: &str) -> Option<Cow<'a, str>> {
    params.split(';').find_map(|param| {
        let (found, value) = param.split_once('=').unwrap_or((param, ""));
        decode(found).eq_ignore_ascii_case(name).then(|| decode(value))
    })
}

/// Percent-decoding; a broken escape stays as it is, invalid UTF-8 is replaced.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let octets = text.as_bytes();
    let mut plain = Vec::with_capacity(octets.len());
    let mut at = 0;
    while at < octets.len() {
        let digit = |offset: usize| octets.get(at + offset).and_then(|&b| (b as char).to_digit(16));
        match (octets[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                at += 3;
            }
            (octet, ..) => {
                plain.push(octet);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_sip_uri_gives_its_parts() {
        let uri = uri("sip:+12125550100:secret@gw.example.com:5070;transport=tcp;lr?subject=x");
        assert_eq!(uri.scheme(), "sip");
        assert_eq!(uri.user().as_deref(), Some("+12125550100"));
        assert_eq!(uri.host(), Some("gw.example.com"));
        assert_eq!(uri.port(), Some(5070));
        assert_eq!(uri.transport(), Transport::Tcp);
        assert_eq!(uri.param("LR").as_deref(), Some(""));
        assert_eq!(uri.param("subject"), None);
        assert_eq!(uri.socket_addr(), None);
    }

    #[test]
    fn user_parameters_do_not_belong_to_the_number() {
        let uri =
            uri("sip:+12125550100;tgrp=t1;trunk-context=c.example;verstat=No-TN-Validation@h;user=phone");
        assert_eq!(uri.user().as_deref(), Some("+12125550100"));
        assert_eq!(uri.user_param("tgrp").as_deref(), Some("t1"));
        assert_eq!(uri.user_param("verstat").as_deref(), Some("No-TN-Validation"));
        assert_eq!(uri.user_param("user").as_deref(), Some("phone"));
        assert_eq!(uri.param("tgrp"), None);
    }

    #[test]
    fn a_tel_uri_has_a_number_and_no_host() {
        let uri = uri("tel:+1-212-555-0100;phone-context=example.com;verstat=Passed");
        assert_eq!(uri.user().as_deref(), Some("+1-212-555-0100"));
        assert_eq!(uri.host(), None);
        assert_eq!(uri.param("verstat").as_deref(), Some("Passed"));
        assert_eq!(uri.user_param("phone-context").as_deref(), Some("example.com"));
        assert!(Uri::parse("tel:;x=y").is_err());
    }

    #[test]
    fn ip_literals_of_both_families_are_addresses() {
        assert_eq!(uri("sip:10.0.0.5").socket_addr(), "10.0.0.5:5060".parse().ok());
        assert_eq!(
            uri("sip:a@[2001:db8::1]:5080;lr").socket_addr(),
            "[2001:db8::1]:5080".parse().ok()
        );
        assert_eq!(uri("sip:a@[2001:db8::1]").host(), Some("[2001:db8::1]"));
        assert!(Uri::parse("sip:a@[2001:db8:::1]").is_err());
        // RFC 5118 §4.10.
        assert_eq!(
            uri("sip:a@[2001:db8:::192.0.2.1]").socket_addr(),
            uri("sip:a@[2001:db8::192.0.2.1]").socket_addr()
        );
        assert!(Uri::parse("sip:a@2001:db8::1").is_err());
    }

    #[test]
    fn escapes_are_decoded_and_broken_ones_kept() {
        assert_eq!(uri("sip:%41lice%2@h").user().as_deref(), Some("Alice%2"));
        assert_eq!(
            uri("sip:sips%3Auser%40example.com@example.net").user().as_deref(),
            Some("sips:user@example.com")
        );
        assert_eq!(
            uri("sip:user;par=u%40example.net@example.com")
                .user_param("par")
                .as_deref(),
            Some("u@example.net")
        );
    }

    #[test]
    fn broken_uris_are_refused() {
        for text in [
            "",
            "sip:",
            "sip:a@",
            "sip:a@h:99999",
            "sip:a@h:x",
            "sip:a b@h",
            "<sip:a@h>",
            "sip:a@b@c",
            ":x",
            "alice",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_scheme_is_kept_whole() {
        let uri = uri("urn:service:sos");
        assert_eq!((uri.scheme(), uri.user(), uri.host()), ("urn", None, None));
        assert!(!uri.is_sip());
    }

    #[test]
    fn debug_output_hides_the_number() {
        assert_eq!(format!("{:?}", uri("sip:+12125550123@h")), "sip:…23@h");
    }
}
