//! Messages of ours before they have octets.

use std::fmt;

use super::header_name::{HeaderName, is_same};
use super::message::Message;
use super::method::{Method, is_token};
use super::name_addr::tag_of;

/// Builds a request; the endpoint adds Via (branch), Max-Forwards if absent, Content-Length.
///
/// Via and Content-Length set here are not used. Prints (`{:?}`) header names without values.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: Method, uri: impl Into<String>) -> Request {
        Request {
            method,
            uri: uri.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// CR, LF and NUL in a value are removed: nothing from outside can start a new line.
    ///
    /// Adds a line; several of one name stay in order. A name that is no token adds nothing.
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Request {
        add(&mut self.headers, name, value.as_ref());
        self
    }

    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Request {
        set_body(&mut self.headers, content_type);
        self.body = body;
        self
    }

    /// First value of a header set so far.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        write!(
            out,
            "Request({} {names:?}, {} octets of body)",
            self.method,
            self.body.len()
        )
    }
}

/// Builds a response to `request`: copies Via, From, To, Call-ID, CSeq and, for dialog-making 1xx/2xx, Record-Route.
///
/// The endpoint fills `received` and `rport` in, adds Server and Content-Length, and a To tag if
/// there is none by then. Prints (`{:?}`) header names without values.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A 100 also copies Timestamp (RFC 3261 §8.2.6.1).
    pub fn new(request: &Message, status: u16, reason: &str) -> Response {
        let mut response = Response {
            status,
            reason: without_line_ends(reason),
            headers: Vec::with_capacity(10),
            body: Vec::new(),
        };
        let is_dialog_making = *request.method_ref() == Method::Invite && (101..=299).contains(&status);
        use HeaderName::{CSeq, CallId, From, RecordRoute, Timestamp, To, Via};
        let copied: &[(&str, HeaderName)] = &[
            ("Via", Via),
            ("Record-Route", RecordRoute),
            ("From", From),
            ("To", To),
            ("Call-ID", CallId),
            ("CSeq", CSeq),
            ("Timestamp", Timestamp),
        ];
        for &(name, known) in copied {
            let is_copied = match known {
                RecordRoute => is_dialog_making,
                Timestamp => status == 100,
                _ => true,
            };
            for line in request.lines_of(known).filter(|_| is_copied) {
                add(&mut response.headers, name, &line);
            }
        }
        response
    }

    /// Adds our tag to To when the request had none.
    pub fn to_tag(mut self, tag: &str) -> Response {
        if let Some((_, to)) = self.headers.iter_mut().find(|(name, _)| is_same(name, "To"))
            && !has_tag(to, tag)
        {
            to.push_str(";tag=");
            to.extend(tag.chars().filter(|&c| c.is_ascii() && is_token(c as u8)));
        }
        self
    }

    /// Adds a line, like [`Request::header`].
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Response {
        add(&mut self.headers, name, value.as_ref());
        self
    }

    pub fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Response {
        set_body(&mut self.headers, content_type);
        self.body = body;
        self
    }

    /// First value of a header set so far.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        value_of(&self.headers, name)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        write!(
            out,
            "Response({} {names:?}, {} octets of body)",
            self.status,
            self.body.len()
        )
    }
}

/// Whether a To has a tag. The address is taken apart only when neither its end nor its letters say so at once.
fn has_tag(to: &str, expected: &str) -> bool {
    let ends_with_it = to
        .strip_suffix(expected)
        .is_some_and(|before| before.ends_with(";tag="));
    let may_have_one = || {
        to.as_bytes()
            .windows(3)
            .any(|three| three.eq_ignore_ascii_case(b"tag"))
    };
    (ends_with_it && !expected.is_empty()) || (may_have_one() && tag_of(to).is_some())
}

fn add(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    if !name.is_empty() && name.bytes().all(is_token) {
        headers.push((name.to_string(), without_line_ends(value)));
    }
}

fn set_body(headers: &mut Vec<(String, String)>, content_type: &str) {
    headers.retain(|(name, _)| !is_same(name, "Content-Type"));
    add(headers, "Content-Type", content_type);
}

pub(crate) fn value_of<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(found, _)| is_same(found, name))
        .map(|(_, value)| value.as_str())
}

/// Looks at every octet, many at a time.
#[inline]
pub(crate) fn has_control(value: &str) -> bool {
    let octets = value.as_bytes().iter();
    octets.fold(false, |found, &b| found | (b < 0x20) | (b == 0x7f))
}

/// Takes CR, LF and NUL out, with the backslash that escapes one, so that the backslash does not
/// come to stand before a quote and open it. Every other control character but tab goes too,
/// unless a backslash makes it legal.
pub(crate) fn without_line_ends(value: &str) -> String {
    if !has_control(value) {
        return value.to_string();
    }
    let mut kept = String::with_capacity(value.len());
    let mut is_escaped = false;
    for c in value.chars() {
        let is_line_end = matches!(c, '\r' | '\n' | '\0');
        if is_line_end && is_escaped {
            kept.pop();
        } else if !is_line_end && (c == '\t' || is_escaped || !c.is_ascii_control()) {
            kept.push(c);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Message {
        Message::parse(
            b"INVITE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b,\r\n SIP/2.0/UDP c\r\n\
              Record-Route: <sip:p;lr>\r\nf: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\ni: x\r\nCSeq: 7 INVITE\r\n\
              Timestamp: 54\r\nl: 0\r\n\r\n",
        )
        .unwrap()
    }

    #[test]
    fn a_response_copies_what_rfc_3261_says() {
        let ringing = Response::new(&invite(), 180, "Ringing").to_tag("t1");
        let lines: Vec<String> = ringing.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        assert_eq!(
            lines,
            [
                "Via: SIP/2.0/UDP a;branch=z9hG4bK1",
                "Via: SIP/2.0/UDP b, SIP/2.0/UDP c",
                "Record-Route: <sip:p;lr>",
                "From: <sip:a@h>;tag=1",
                "To: <sip:b@h>;tag=t1",
                "Call-ID: x",
                "CSeq: 7 INVITE",
            ]
        );
        let trying = Response::new(&invite(), 100, "Trying");
        assert_eq!(trying.header_value("timestamp"), Some("54"));
        assert_eq!(trying.header_value("Record-Route"), None);
        let busy = Response::new(&invite(), 486, "Busy Here").to_tag("a").to_tag("b");
        assert_eq!(busy.header_value("t"), Some("<sip:b@h>;tag=a"));
        assert_eq!(busy.header_value("Record-Route"), None);
    }

    #[test]
    fn no_value_can_start_a_new_line() {
        let request = Request::new(Method::Invite, "sip:x")
            .header("Subject", "a\r\nEvil: 1\0")
            .header("Bad Name", "x")
            .header("X\r\nEvil", "x")
            .header("P", "\"quoted \\\u{7} \\\0\" \u{1}x");
        let expected = [("Subject", "aEvil: 1"), ("P", "\"quoted \\\u{7} \" x")];
        let expected = expected.map(|(n, v)| (n.to_string(), v.to_string()));
        assert_eq!(request.headers, expected);
    }
}
