//! One pass over the octets of a message: start line, header lines, end of headers.

use super::error::ParseError;
use super::header_name::HeaderName;
use super::limits;
use super::method::{Method, is_token};

/// Where one header stands. Offsets in octets from the first octet of the start line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderSpan {
    pub(crate) name: HeaderName,
    pub(crate) is_folded: bool,
    pub(crate) name_start: u32,
    pub(crate) name_end: u32,
    /// Trimmed on both sides, folds included.
    pub(crate) value_start: u32,
    pub(crate) value_end: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum StartLine {
    Request { method: Method, uri: (usize, usize) },
    Response { status: u16, reason: (usize, usize) },
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

pub(crate) fn index(octets: &[u8]) -> Result<Index, ParseError> {
    let start_end = line_end("start line", octets, 0, limits::START_LINE_OCTETS_MAX).map_err(|error| {
        match octets.len() > limits::START_LINE_OCTETS_MAX {
            true if error.expected == TOO_LONG => error.with_status(414),
            _ => error,
        }
    })?;
    let start = start_line(&octets[..start_end])?;
    let mut headers = Vec::with_capacity(24);
    let mut at = start_end + 2;
    while !octets[at..].starts_with(b"\r\n") {
        if headers.len() == limits::HEADERS_MAX {
            return Err(ParseError::bad("message", at, "at most 256 header lines"));
        }
        let (span, next) = header(octets, at)?;
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
fn header(octets: &[u8], start: usize) -> Result<(HeaderSpan, usize), ParseError> {
    let name_length = octets[start..].iter().take_while(|&&b| is_token(b)).count();
    let name_end = start + name_length;
    let mut at = name_end;
    while matches!(octets.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    if name_length == 0 || octets.get(at) != Some(&b':') {
        return Err(ParseError::bad("header", at, "a name and a colon"));
    }
    let first = at + 1;
    let mut end = line_end("header", octets, first, limits::HEADER_OCTETS_MAX)?;
    let mut is_folded = false;
    while matches!(octets.get(end + 2), Some(b' ' | b'\t')) {
        is_folded = true;
        let left = limits::HEADER_OCTETS_MAX.saturating_sub(end - first);
        end = line_end("header", octets, end + 2, left)?;
    }
    let white = |b: &u8| b.is_ascii_whitespace();
    let value = &octets[first..end];
    let value_start = first + value.iter().take_while(|b| white(b)).count();
    let value_end = end
        - octets[value_start..end]
            .iter()
            .rev()
            .take_while(|b| white(b))
            .count();
    let span = HeaderSpan {
        name: HeaderName::of(&octets[start..name_end]),
        // A fold before or after the whole value is trimmed away already.
        is_folded: is_folded && octets[value_start..value_end].contains(&b'\r'),
        name_start: start as u32,
        name_end: name_end as u32,
        value_start: value_start as u32,
        value_end: value_end as u32,
    };
    Ok((span, end + 2))
}

const TOO_LONG: &str = "a shorter line";

/// Offset of the CRLF that ends the line beginning at `from`.
///
/// Control octets other than tab are refused, except directly after a backslash (a quoted-pair may
/// hold them, RFC 3261 §25.1). A CR or LF alone is refused always.
fn line_end(header: &'static str, octets: &[u8], from: usize, longest: usize) -> Result<usize, ParseError> {
    let window = &octets[from..octets.len().min(from.saturating_add(longest))];
    let mut skip = 0;
    while let Some(found) = find_control(&window[skip..]) {
        let at = from + skip + found;
        match octets[at] {
            b'\r' if octets.get(at + 1) == Some(&b'\n') => return Ok(at),
            b'\r' if at + 1 == octets.len() => break,
            b'\r' => return Err(ParseError::bad(header, at, "LF after CR")),
            b'\n' => return Err(ParseError::bad(header, at, "CR before LF")),
            _ if at > from && octets[at - 1] == b'\\' => skip += found + 1,
            _ => return Err(ParseError::bad(header, at, "no control character")),
        }
    }
    let expected = match from + window.len() < octets.len() {
        true => TOO_LONG,
        false => "CRLF",
    };
    Err(ParseError::bad(header, from + window.len(), expected))
}

/// Offset of the first control octet other than tab. Eight octets a step, since a message is
/// mostly text without any.
pub(crate) fn find_control(octets: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let has_below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & (ONES << 7);
    let mut chunks = octets.chunks_exact(8);
    let mut at = 0;
    for chunk in chunks.by_ref() {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_ne_bytes(word);
        // Below space, or equal to DEL. May say yes for a tab or by a borrow; then each octet is looked at.
        if has_below(word, 0x20) | has_below(word ^ (ONES * 0x7f), 1) != 0
            && let Some(found) = chunk.iter().position(|&b| IS_CONTROL[b as usize])
        {
            return Some(at + found);
        }
        at += 8;
    }
    let found = chunks.remainder().iter().position(|&b| IS_CONTROL[b as usize])?;
    Some(at + found)
}

const IS_CONTROL: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 32 {
        table[octet] = octet != 9;
        octet += 1;
    }
    table[127] = true;
    table
};

fn start_line(line: &[u8]) -> Result<StartLine, ParseError> {
    if is_response(line) {
        return status_line(line);
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| ParseError::bad("start line", error.valid_up_to(), "UTF-8"))?;
    let not_sip = || ParseError::silent("start line", 0, "method, URI and SIP/2.0");
    let (method, rest) = text.split_once(' ').ok_or_else(not_sip)?;
    let version_start = rest.trim_end().rfind(' ').ok_or_else(not_sip)? + 1;
    let version = rest[version_start..].trim_end();
    if version.len() < 4 || !version.as_bytes()[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(not_sip());
    }
    let version_at = method.len() + 1 + version_start;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let is_version = version[4..].bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let error = ParseError::bad("start line", version_at, "SIP/2.0");
        return Err(if is_version { error.with_status(505) } else { error });
    }
    if version.len() != rest.len() - version_start {
        return Err(ParseError::bad("start line", text.len(), "nothing after SIP/2.0"));
    }
    let method_read =
        Method::parse(method).ok_or_else(|| ParseError::bad("start line", 0, "a method token"))?;
    let uri_start = method.len() + 1;
    let uri = &rest[..version_start - 1];
    super::uri::scan(uri).map_err(|error| error.inside("start line", uri_start))?;
    Ok(StartLine::Request {
        method: method_read,
        uri: (uri_start, uri_start + uri.len()),
    })
}

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

/// The one Content-Length of a message; None when there is none.
///
/// # Errors
///
/// The offset of a value that is no number, or that differs from an earlier one.
pub(crate) fn content_length(octets: &[u8], headers: &[HeaderSpan]) -> Result<Option<usize>, ParseError> {
    let mut length = None;
    for span in headers
        .iter()
        .filter(|span| span.name == HeaderName::ContentLength)
    {
        let at = span.value_start as usize;
        let value = &octets[at..span.value_end as usize];
        let read = decimal(value)
            .ok_or_else(|| ParseError::bad("Content-Length", at, "a decimal number of octets"))?;
        if length.is_some_and(|known| known != read) {
            return Err(ParseError::bad("Content-Length", at, "one length"));
        }
        length = Some(read);
    }
    Ok(length)
}

/// Digits only, up to nine of them after leading zeros.
pub(crate) fn decimal(octets: &[u8]) -> Option<usize> {
    let zeros = octets.iter().take_while(|&&b| b == b'0').count();
    let digits = &octets[zeros..];
    if octets.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, &b| sum * 10 + usize::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_octet_is_found_at_every_place_and_no_other_octet_is() {
        for octet in 0..=255u8 {
            for place in 0..20 {
                let mut octets = [b'\t', 0xff, b' ', 0x80, b'~'].repeat(4);
                octets[place] = octet;
                let is_control = octet != b'\t' && octet.is_ascii_control();
                assert_eq!(
                    find_control(&octets),
                    is_control.then_some(place),
                    "{octet} at {place}"
                );
            }
        }
    }
}
