//! One pass over the octets of a message: start line, header lines, end of headers.

use super::error::ParseError;
use super::header_name::HeaderName;
use super::limits;
use super::method::{Method, is_token};
use super::scan::Scanner;
use super::uri::{self, UriSpans};

/// Where one header stands. Offsets in octets from the first octet of the start line; a message has at most 65,535.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderSpan {
    pub(crate) name: HeaderName,
    pub(crate) is_folded: bool,
    name_start: u16,
    name_end: u16,
    value_start: u16,
    value_end: u16,
}

impl HeaderSpan {
    pub(crate) fn name_at(&self) -> (usize, usize) {
        (self.name_start.into(), self.name_end.into())
    }

    /// Trimmed on both sides, folds included.
    pub(crate) fn value_at(&self) -> (usize, usize) {
        (self.value_start.into(), self.value_end.into())
    }

    pub(crate) fn value<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        &octets[usize::from(self.value_start)..usize::from(self.value_end)]
    }
}

#[derive(Clone, Debug)]
pub(crate) enum StartLine {
    Request {
        method: Method,
        uri: (usize, usize),
        spans: UriSpans,
    },
    Response {
        status: u16,
        reason: (usize, usize),
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) start: StartLine,
    pub(crate) headers: Vec<HeaderSpan>,
    /// First octet after the empty line.
    pub(crate) body: usize,
}

/// Octets of CRLF before the start line (RFC 3261 §7.5).
pub(crate) fn leading_crlf(octets: &[u8]) -> usize {
    let pairs = octets.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count();
    pairs * 2
}

/// `octets` are at most [`limits::MESSAGE_OCTETS_MAX`].
pub(crate) fn index(octets: &[u8]) -> Result<Index, ParseError> {
    let mut scanner = Scanner::new(octets);
    let start_end = line_end(
        "start line",
        octets,
        &mut scanner,
        0,
        limits::START_LINE_OCTETS_MAX,
    )
    .map_err(|error| match octets.len() > limits::START_LINE_OCTETS_MAX {
        true if error.expected == TOO_LONG => error.with_status(414),
        _ => error,
    })?;
    let start = start_line(&octets[..start_end])?;
    let mut headers = Vec::with_capacity(32);
    let mut at = start_end + 2;
    while !matches!(octets.get(at..at + 2), Some(b"\r\n")) {
        if headers.len() == limits::HEADERS_MAX {
            return Err(ParseError::bad("message", at, "at most 256 header lines"));
        }
        let (span, next) = header(octets, &mut scanner, at)?;
        headers.push(span);
        at = next;
    }
    Ok(Index {
        start,
        headers,
        body: at + 2,
    })
}

/// One header field with its folds, and the offset of the next line.
#[inline]
fn header(octets: &[u8], scanner: &mut Scanner<'_>, start: usize) -> Result<(HeaderSpan, usize), ParseError> {
    let expected = || ParseError::bad("header", start, "a name and a colon");
    let mut end = line_end("header", octets, scanner, start, limits::HEADER_OCTETS_MAX)?;
    let colon = colon(octets, start, end).ok_or_else(expected)?;
    let mut name_end = colon;
    while name_end > start && is_white(octets[name_end - 1]) {
        name_end -= 1;
    }
    let name = HeaderName::at(octets, start, name_end);
    if name == HeaderName::Other {
        super::work::spend(name_end - start);
        let text = &octets[start..name_end];
        if text.is_empty() || !text.iter().all(|&b| is_token(b)) {
            return Err(expected());
        }
    }
    let first = colon + 1;
    let mut is_folded = false;
    while octets.get(end + 2).is_some_and(|&b| is_white(b)) {
        is_folded = true;
        let left = limits::HEADER_OCTETS_MAX.saturating_sub(end - start);
        end = line_end("header", octets, scanner, end + 2, left)?;
    }
    let (mut value_start, mut value_end) = (first, end);
    while value_start < value_end && octets[value_start].is_ascii_whitespace() {
        value_start += 1;
    }
    while value_end > value_start && octets[value_end - 1].is_ascii_whitespace() {
        value_end -= 1;
    }
    let span = HeaderSpan {
        name,
        // A fold before or after the whole value is trimmed away already.
        is_folded: is_folded && octets[value_start..value_end].contains(&b'\r'),
        name_start: start as u16,
        name_end: name_end as u16,
        value_start: value_start as u16,
        value_end: value_end as u16,
    };
    Ok((span, end + 2))
}

/// The first colon from `start` to `end`. Most names are shorter than 16 octets: they are looked at eight at a time.
#[inline]
fn colon(octets: &[u8], start: usize, end: usize) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let mut at = start;
    if let Some(sixteen) = octets.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
        for eight in sixteen.as_chunks::<8>().0 {
            let differs = u64::from_le_bytes(*eight) ^ (ONES * b':' as u64);
            // The lowest mark is right, and that is the one that counts.
            let marks = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
            if marks != 0 {
                let place = at + marks.trailing_zeros() as usize / 8;
                return (place < end).then_some(place);
            }
            at += 8;
        }
    }
    let found = octets.get(at..end)?.iter().position(|&b| b == b':');
    super::work::spend(found.unwrap_or(end - at));
    found.map(|place| at + place)
}

const TOO_LONG: &str = "a shorter line";

/// Offset of the CRLF that ends the line beginning at `from`.
///
/// Control octets other than tab are refused, except directly after a backslash (a quoted-pair may
/// hold them, RFC 3261 §25.1). A CR or LF alone is refused always.
#[inline]
fn line_end(
    header: &'static str,
    octets: &[u8],
    scanner: &mut Scanner<'_>,
    from: usize,
    longest: usize,
) -> Result<usize, ParseError> {
    let at = scanner.control(from);
    if at - from < longest && matches!(octets.get(at..at + 2), Some(b"\r\n")) {
        return Ok(at);
    }
    odd_line_end(header, octets, scanner, from, longest, at)
}

/// What stands at `at`, the first control octet of a line, is not its end in the usual place.
#[cold]
fn odd_line_end(
    header: &'static str,
    octets: &[u8],
    scanner: &mut Scanner<'_>,
    from: usize,
    longest: usize,
    mut at: usize,
) -> Result<usize, ParseError> {
    loop {
        if at - from >= longest {
            return Err(ParseError::bad(header, from + longest, TOO_LONG));
        }
        let next = octets.get(at + 1).copied();
        match octets.get(at) {
            Some(b'\r') if next == Some(b'\n') => return Ok(at),
            None => return Err(ParseError::bad(header, at, "CRLF")),
            Some(b'\r') if next.is_none() => return Err(ParseError::bad(header, at, "CRLF")),
            Some(b'\r') => return Err(ParseError::bad(header, at, "LF after CR")),
            Some(b'\n') => return Err(ParseError::bad(header, at, "CR before LF")),
            Some(_) if at > from && octets[at - 1] == b'\\' => at = scanner.control(at + 1),
            Some(_) => return Err(ParseError::bad(header, at, "no control character")),
        }
    }
}

fn is_white(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

fn start_line(line: &[u8]) -> Result<StartLine, ParseError> {
    super::work::spend(line.len());
    if is_response(line) {
        return status_line(line);
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| ParseError::bad("start line", error.valid_up_to(), "UTF-8"))?;
    let not_sip = || ParseError::silent("start line", 0, "method, URI and SIP/2.0");
    let method_end = line.iter().position(|&b| b == b' ').ok_or_else(not_sip)?;
    let (method, rest) = (&text[..method_end], &text[method_end + 1..]);
    let version_start = match rest.len().checked_sub(VERSION.len() + 1) {
        Some(at) if rest.as_bytes()[at] == b' ' && !rest.ends_with(char::is_whitespace) => at + 1,
        _ => rest.trim_end().rfind(' ').ok_or_else(not_sip)? + 1,
    };
    let version = rest[version_start..].trim_end();
    if version.len() < 4 || !version.as_bytes()[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(not_sip());
    }
    let version_at = method_end + 1 + version_start;
    if !version.eq_ignore_ascii_case(VERSION) {
        let is_version = version[4..].bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let error = ParseError::bad("start line", version_at, "SIP/2.0");
        return Err(if is_version { error.with_status(505) } else { error });
    }
    if version.len() != rest.len() - version_start {
        return Err(ParseError::bad("start line", text.len(), "nothing after SIP/2.0"));
    }
    let method_read =
        Method::parse(method).ok_or_else(|| ParseError::bad("start line", 0, "a method token"))?;
    let uri_start = method_end + 1;
    let uri = &rest[..version_start - 1];
    let spans = uri::scan(uri).map_err(|error| error.inside("start line", uri_start))?;
    if spans.has_headers(uri) {
        // RFC 3261 §19.1.1 forbids them here, and acting on them would let a link choose our Route.
        let at = uri_start + uri.len();
        return Err(ParseError::bad("start line", at, "a URI without headers"));
    }
    Ok(StartLine::Request {
        method: method_read,
        uri: (uri_start, uri_start + uri.len()),
        spans,
    })
}

const VERSION: &str = "SIP/2.0";

fn status_line(line: &[u8]) -> Result<StartLine, ParseError> {
    let expected = |at, what| ParseError::silent("start line", at, what);
    if line.len() < 11 || !line[..8].eq_ignore_ascii_case(b"SIP/2.0 ") {
        return Err(expected(0, "SIP/2.0 and a status"));
    }
    let digits = &line[8..11];
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(line.get(11), None | Some(b' ')) {
        return Err(expected(8, "three digits"));
    }
    let status = digits.iter().fold(0, |sum, &b| sum * 10 + u16::from(b - b'0'));
    if !(100..=699).contains(&status) {
        return Err(expected(8, "a status from 100 to 699"));
    }
    let reason_start = line.len().min(12);
    let reason_end = reason_start + valid_length(&line[reason_start..]);
    Ok(StartLine::Response {
        status,
        reason: (reason_start, reason_end),
    })
}

/// Whether a start line claims to be a status line.
pub(crate) fn is_response(line: &[u8]) -> bool {
    line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/")
}

fn valid_length(octets: &[u8]) -> usize {
    match std::str::from_utf8(octets) {
        Ok(_) => octets.len(),
        Err(error) => error.valid_up_to(),
    }
}

/// Digits only, up to nine of them after leading zeros.
pub(crate) fn decimal(octets: &[u8]) -> Option<usize> {
    super::work::spend(octets.len());
    let zeros = octets.iter().take_while(|&&b| b == b'0').count();
    let digits = &octets[zeros..];
    if octets.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, &b| sum * 10 + usize::from(b - b'0')))
}
