//! The Call-ID of raw octets, for choosing a shard before anything is parsed.

use super::index::{is_response, leading_crlf};
use super::scan::Scanner;

/// Finds the Call-ID in raw octets without building a message (what picks the shard). None = not a SIP message worth handing on.
///
/// Equal to [`Message::call_id`](super::Message::call_id) for every message that parses: shards
/// must agree on who owns a call. Reads each octet up to the Call-ID once, allocates nothing.
pub fn peek_call_id(octets: &[u8]) -> Option<&[u8]> {
    let octets = &octets[leading_crlf(octets)..];
    let mut scanner = Scanner::new(octets);
    let first_end = find_crlf(octets, &mut scanner, 0)?;
    let first = &octets[..first_end];
    if !is_response(first) && !names_version(first) {
        return None;
    }
    let mut at = first_end + 2;
    loop {
        let end = find_crlf(octets, &mut scanner, at)?;
        if end == at {
            return None;
        }
        if let Some(value_start) = call_id_value(&octets[at..end]) {
            return trimmed_value(octets, &mut scanner, at + value_start, end);
        }
        at = end + 2;
    }
}

/// The first line of this header in raw octets, without looking past a fold; `name` as it is written in full. None = there
/// is none. Reads each octet of the headers once, allocates nothing.
pub fn peek_header<'a>(octets: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let octets = &octets[leading_crlf(octets)..];
    let mut scanner = Scanner::new(octets);
    let mut at = find_crlf(octets, &mut scanner, 0)? + 2;
    loop {
        let end = find_crlf(octets, &mut scanner, at)?;
        if end == at {
            return None;
        }
        let line = &octets[at..end];
        if let Some((found, rest)) = line.split_at_checked(name.len())
            && found.eq_ignore_ascii_case(name.as_bytes())
            && let Some(value) = rest.trim_ascii_start().strip_prefix(b":")
        {
            return trimmed_value(octets, &mut scanner, end - value.len(), end);
        }
        at = end + 2;
    }
}

/// Whether ` SIP/` stands in a request line, in its usual place or elsewhere.
fn names_version(line: &[u8]) -> bool {
    const MARK: &[u8] = b" SIP/";
    let usual = line.len().checked_sub(8).map(|at| &line[at..at + MARK.len()]);
    usual.is_some_and(|mark| mark.eq_ignore_ascii_case(MARK))
        || line
            .windows(MARK.len())
            .any(|mark| mark.eq_ignore_ascii_case(MARK))
}

/// Offset just after the colon when the line is a Call-ID.
fn call_id_value(line: &[u8]) -> Option<usize> {
    let name_length = match line.first()? {
        b'i' | b'I' => 1,
        b'c' | b'C' => 7,
        _ => return None,
    };
    let name_length = match line.get(..7) {
        Some(name) if name.eq_ignore_ascii_case(b"Call-ID") => 7,
        _ if name_length == 1 => 1,
        _ => return None,
    };
    let white = line[name_length..]
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    let colon = name_length + white;
    (line.get(colon) == Some(&b':')).then_some(colon + 1)
}

/// The value without white space around it, looking past folds.
fn trimmed_value<'a>(
    octets: &'a [u8],
    scanner: &mut Scanner<'_>,
    start: usize,
    mut end: usize,
) -> Option<&'a [u8]> {
    while matches!(octets.get(end + 2), Some(b' ' | b'\t')) {
        end = find_crlf(octets, scanner, end + 2)?;
    }
    let value = octets[start..end].trim_ascii();
    (!value.is_empty()).then_some(value)
}

fn find_crlf(octets: &[u8], scanner: &mut Scanner<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = scanner.control(at);
        match octets.get(at..at + 2) {
            Some(b"\r\n") => return Some(at),
            Some(_) => at += 1,
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_id_is_found_in_every_spelling() {
        for line in [
            "Call-ID: a@b",
            "call-id:a@b",
            "i : a@b",
            "I:\ta@b  ",
            "CALL-ID:\r\n a@b",
        ] {
            let message = format!("\r\n\r\nOPTIONS sip:x SIP/2.0\r\nVia: v\r\n{line}\r\n\r\n");
            assert_eq!(peek_call_id(message.as_bytes()), Some(&b"a@b"[..]), "{line}");
        }
    }

    #[test]
    fn a_header_is_found_by_its_name_and_only_before_the_body() {
        let message =
            |lines: &str| format!("INVITE sip:x SIP/2.0\r\nVia: v\r\n{lines}\r\n\r\nReplaces: body\r\n");
        for (lines, value) in [
            ("Replaces: a;to-tag=1", Some("a;to-tag=1")),
            ("replaces :a", Some("a")),
            ("REPLACES:\r\n a", Some("a")),
            ("Replaces: first\r\nReplaces: second", Some("first")),
            ("X-Replaces: a\r\nReplaces2: b\r\nReplace", None),
            ("Replaces:", None),
        ] {
            let message = message(lines);
            let found = peek_header(message.as_bytes(), "Replaces");
            assert_eq!(found, value.map(str::as_bytes), "{lines}");
        }
    }

    #[test]
    fn what_is_no_sip_has_no_call_id() {
        for text in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\nCall-ID: x\r\n\r\n",
            "OPTIONS sip:x SIP/2.0\r\nInfo: x\r\n\r\nCall-ID: body\r\n",
            "OPTIONS sip:x SIP/2.0\r\nCall-ID:\r\n\r\n",
            "OPTIONS sip:x SIP/2.0\r\nCall-ID: cut",
        ] {
            assert_eq!(peek_call_id(text.as_bytes()), None, "{text}");
        }
    }
}
