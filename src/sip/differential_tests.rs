//! Our parser beside three others, on thousands of generated messages: every class of disagreement has its line.
//!
//! `docs/parser-differences.md` shows the table. A disagreement without a line fails, and so does a line that nothing shows any more.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::*;

/// What a stack read of a message; `None` = refused.
type Reading = Option<BTreeMap<&'static str, String>>;

/// Class, stack, what differs, whose reading is right, and where that is written.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    (
        "CSeq of another method",
        "ezk",
        "takes it, we do not",
        "ours: both methods must be one (RFC 3261 §8.1.1.5)",
    ),
    (
        "CSeq of another method",
        "rsipstack",
        "takes it, we do not",
        "ours: both methods must be one (RFC 3261 §8.1.1.5)",
    ),
    (
        "CSeq of another method",
        "rsip",
        "takes it, we do not",
        "ours: both methods must be one (RFC 3261 §8.1.1.5)",
    ),
    (
        "CSeq too large",
        "rsipstack",
        "takes it, we do not",
        "ours: below 2^31 (RFC 3261 §8.1.1.5)",
    ),
    (
        "CSeq too large",
        "rsip",
        "takes it, we do not",
        "ours: below 2^31 (RFC 3261 §8.1.1.5)",
    ),
    (
        "Content-Length no number",
        "ezk",
        "takes it, we do not",
        "ours: digits only (RFC 3261 §20.14)",
    ),
    (
        "Content-Length no number",
        "rsipstack",
        "takes it, we do not",
        "ours: digits only (RFC 3261 §20.14)",
    ),
    (
        "Content-Length no number",
        "rsip",
        "takes it, we do not",
        "ours: digits only (RFC 3261 §20.14)",
    ),
    (
        "Content-Length too large",
        "ezk",
        "takes it, we do not",
        "ours: 400 for a datagram that is too short (RFC 3261 §18.3)",
    ),
    (
        "Content-Length too large",
        "rsipstack",
        "takes it, we do not",
        "ours: 400 for a datagram that is too short (RFC 3261 §18.3)",
    ),
    (
        "Content-Length too large",
        "rsip",
        "takes it, we do not",
        "ours: 400 for a datagram that is too short (RFC 3261 §18.3)",
    ),
    (
        "Content-Length too small",
        "rsip",
        "reads another body",
        "ours: what is left over is not the body (RFC 3261 §18.3)",
    ),
    (
        "IPv6 From",
        "rsip",
        "reads another From tag",
        "ours: an IPv6 reference is a host (RFC 3261 §25.1)",
    ),
    (
        "IPv6 Request-URI",
        "rsip",
        "refuses it, we do not",
        "ours: an IPv6 reference is a host (RFC 3261 §25.1)",
    ),
    (
        "NUL",
        "ezk",
        "takes it, we do not",
        "ours: no NUL outside a quoted pair (RFC 3261 §25.1)",
    ),
    (
        "NUL",
        "rsipstack",
        "takes it, we do not",
        "ours: no NUL outside a quoted pair (RFC 3261 §25.1)",
    ),
    (
        "NUL",
        "rsip",
        "takes it, we do not",
        "ours: no NUL outside a quoted pair (RFC 3261 §25.1)",
    ),
    (
        "another version",
        "rsipstack",
        "takes it, we do not",
        "ours: another version is 505 (RFC 3261 §7.1)",
    ),
    (
        "brackets around the Request-URI",
        "rsipstack",
        "takes it, we do not",
        "ours: never in brackets (RFC 3261 §7.1)",
    ),
    (
        "brackets around the Request-URI",
        "rsip",
        "takes it, we do not",
        "ours: never in brackets (RFC 3261 §7.1)",
    ),
    (
        "compact names",
        "rsip",
        "reads another Call-ID and From tag",
        "ours: compact names are the same headers (RFC 3261 §7.3.3)",
    ),
    (
        "escaped quote in From",
        "ezk",
        "refuses it, we do not",
        "ours: a quoted pair does not end the string (RFC 3261 §25.1)",
    ),
    (
        "escaped quote in From",
        "rsip",
        "reads another From tag",
        "ours: a quoted pair does not end the string (RFC 3261 §25.1)",
    ),
    (
        "folded From",
        "rsip",
        "refuses it, we do not",
        "ours: a folded line goes on (RFC 3261 §7.3.1)",
    ),
    (
        "folded header",
        "rsip",
        "refuses it, we do not",
        "ours: a folded line goes on (RFC 3261 §7.3.1)",
    ),
    (
        "headers in the Request-URI",
        "ezk",
        "takes it, we do not",
        "ours: not allowed there (RFC 3261 §19.1.1)",
    ),
    (
        "headers in the Request-URI",
        "rsipstack",
        "takes it, we do not",
        "ours: not allowed there (RFC 3261 §19.1.1)",
    ),
    (
        "headers in the Request-URI",
        "rsip",
        "takes it, we do not",
        "ours: not allowed there (RFC 3261 §19.1.1)",
    ),
    (
        "leading CRLF",
        "ezk",
        "refuses it, we do not",
        "ours: skipped (RFC 3261 §7.5)",
    ),
    (
        "leading CRLF",
        "rsipstack",
        "refuses it, we do not",
        "ours: skipped (RFC 3261 §7.5)",
    ),
    (
        "leading CRLF",
        "rsip",
        "refuses it, we do not",
        "ours: skipped (RFC 3261 §7.5)",
    ),
    (
        "negative Content-Length",
        "ezk",
        "takes it, we do not",
        "ours: digits only (RFC 3261 §20.14)",
    ),
    (
        "negative Content-Length",
        "rsipstack",
        "takes it, we do not",
        "ours: digits only (RFC 3261 §20.14)",
    ),
    (
        "negative Content-Length",
        "rsip",
        "takes it, we do not",
        "ours: digits only (RFC 3261 §20.14)",
    ),
    (
        "no CSeq",
        "rsipstack",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no CSeq",
        "rsip",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no Call-ID",
        "rsipstack",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no Call-ID",
        "rsip",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no Content-Length",
        "rsipstack",
        "reads another body",
        "ours: in a datagram the body runs to its end (RFC 3261 §18.3)",
    ),
    (
        "no From",
        "rsipstack",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no From",
        "rsip",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no To",
        "ezk",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no To",
        "rsipstack",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no To",
        "rsip",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no UTF-8",
        "ezk",
        "refuses it, we do not",
        "theirs where they refuse (RFC 3261 §25.1), and our choice: one octet is replaced, no other header is lost",
    ),
    (
        "no UTF-8",
        "rsipstack",
        "reads another CSeq and Call-ID and From tag and body",
        "theirs where they refuse (RFC 3261 §25.1), and our choice: one octet is replaced, no other header is lost",
    ),
    (
        "no UTF-8",
        "rsip",
        "refuses it, we do not",
        "theirs where they refuse (RFC 3261 §25.1), and our choice: one octet is replaced, no other header is lost",
    ),
    (
        "no Via",
        "ezk",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no Via",
        "rsipstack",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no Via",
        "rsip",
        "takes it, we do not",
        "ours: mandatory (RFC 3261 §8.1.1)",
    ),
    (
        "no colon",
        "rsipstack",
        "takes it, we do not",
        "ours: every header has one (RFC 3261 §7.3)",
    ),
    (
        "open bracket in From",
        "rsipstack",
        "takes it, we do not",
        "ours: a bracket is closed (RFC 3261 §25.1)",
    ),
    (
        "open bracket in From",
        "rsip",
        "takes it, we do not",
        "ours: a bracket is closed (RFC 3261 §25.1)",
    ),
    (
        "open quote in From",
        "ezk",
        "takes it, we do not",
        "ours: a quote is closed (RFC 3261 §25.1)",
    ),
    (
        "open quote in From",
        "rsipstack",
        "takes it, we do not",
        "ours: a quote is closed (RFC 3261 §25.1)",
    ),
    (
        "open quote in From",
        "rsip",
        "takes it, we do not",
        "ours: a quote is closed (RFC 3261 §25.1)",
    ),
    (
        "space at the end of the start line",
        "rsipstack",
        "takes it, we do not",
        "ours: none is allowed (RFC 3261 §7.1)",
    ),
    (
        "space before colon",
        "rsip",
        "refuses it, we do not",
        "ours: allowed (RFC 3261 §25.1, HCOLON)",
    ),
    (
        "spaces around the tag",
        "rsipstack",
        "reads another From tag",
        "ours: allowed and no part of it (RFC 3261 §25.1, SEMI and EQUAL)",
    ),
    (
        "spaces around the tag",
        "rsip",
        "reads another From tag",
        "ours: allowed and no part of it (RFC 3261 §25.1, SEMI and EQUAL)",
    ),
    (
        "tel From",
        "ezk",
        "refuses it, we do not",
        "ours: any URI may stand there (RFC 3261 §20.20, RFC 3966)",
    ),
    (
        "tel From",
        "rsip",
        "reads another From tag",
        "ours: any URI may stand there (RFC 3261 §20.20, RFC 3966)",
    ),
    (
        "tel Request-URI",
        "ezk",
        "refuses it, we do not",
        "ours: any URI may stand there (RFC 3261 §8.1.1.1, RFC 3966)",
    ),
    (
        "tel Request-URI",
        "rsip",
        "refuses it, we do not",
        "ours: any URI may stand there (RFC 3261 §8.1.1.1, RFC 3966)",
    ),
    (
        "two Content-Lengths",
        "ezk",
        "takes it, we do not",
        "ours: nobody knows which is meant (RFC 4475 §3.3.9)",
    ),
    (
        "two Content-Lengths",
        "rsipstack",
        "takes it, we do not",
        "ours: nobody knows which is meant (RFC 4475 §3.3.9)",
    ),
    (
        "two Content-Lengths",
        "rsip",
        "takes it, we do not",
        "ours: nobody knows which is meant (RFC 4475 §3.3.9)",
    ),
    (
        "two Froms",
        "ezk",
        "takes it, we do not",
        "ours: it may stand once (RFC 3261 §7.3.1)",
    ),
    (
        "two Froms",
        "rsipstack",
        "takes it, we do not",
        "ours: it may stand once (RFC 3261 §7.3.1)",
    ),
    (
        "two Froms",
        "rsip",
        "takes it, we do not",
        "ours: it may stand once (RFC 3261 §7.3.1)",
    ),
    (
        "two spaces in the start line",
        "ezk",
        "takes it, we do not",
        "ours: one space (RFC 3261 §7.1)",
    ),
    (
        "two spaces in the start line",
        "rsip",
        "takes it, we do not",
        "ours: one space (RFC 3261 §7.1)",
    ),
    (
        "unknown method",
        "rsipstack",
        "refuses it, we do not",
        "ours: any token is a method, and is answered 501 (RFC 3261 §7.1, §21.5.2)",
    ),
    (
        "unknown method",
        "rsip",
        "refuses it, we do not",
        "ours: any token is a method, and is answered 501 (RFC 3261 §7.1, §21.5.2)",
    ),
    (
        "unknown scheme",
        "ezk",
        "refuses it, we do not",
        "ours: any scheme is read, and is answered 416 (RFC 3261 §8.2.2.1)",
    ),
];

/// A message like those that are sent, and the change that makes it one of its class.
const CLASSES: &[(&str, fn(&mut String))] = &[
    ("plain", |_| {}),
    ("compact names", |m| {
        *m = m
            .replace("\r\nVia:", "\r\nv:")
            .replace("\r\nFrom:", "\r\nf:")
            .replace("\r\nTo:", "\r\nt:")
            .replace("\r\nCall-ID:", "\r\ni:")
            .replace("Content-Length:", "l:")
    }),
    ("names in capitals", |m| {
        *m = m
            .replace("\r\nVia:", "\r\nVIA:")
            .replace("\r\nFrom:", "\r\nFROM:")
            .replace("\r\nCSeq:", "\r\nCSEQ:")
            .replace("Content-Length:", "CONTENT-LENGTH:")
    }),
    ("folded header", |m| {
        *m = m.replace(
            "\r\nMax-Forwards: 70",
            "\r\nSubject: one\r\n two\r\nMax-Forwards: 70",
        )
    }),
    ("folded From", |m| *m = m.replace(";tag=", "\r\n ;tag=")),
    ("space before colon", |m| {
        *m = m.replace("\r\nFrom:", "\r\nFrom :")
    }),
    ("no space after colon", |m| {
        *m = m.replace("\r\nFrom: ", "\r\nFrom:")
    }),
    ("empty header", |m| {
        *m = m.replace("\r\nMax-Forwards: 70", "\r\nSubject:\r\nMax-Forwards: 70")
    }),
    ("leading CRLF", |m| m.insert_str(0, "\r\n\r\n")),
    ("bare LF", |m| *m = m.replace("\r\n", "\n")),
    ("no colon", |m| {
        *m = m.replace("\r\nMax-Forwards: 70", "\r\nNonsense")
    }),
    ("NUL", |m| {
        *m = m.replace("\r\nMax-Forwards: 70", "\r\nSubject: a\0b\r\nMax-Forwards: 70")
    }),
    ("no Content-Length", |m| cut_line(m, "Content-Length")),
    ("Content-Length too large", |m| {
        *m = m.replace("Content-Length: ", "Content-Length: 9")
    }),
    ("Content-Length too small", |m| set_line(m, "Content-Length", "1")),
    ("negative Content-Length", |m| {
        *m = m.replace("Content-Length: ", "Content-Length: -")
    }),
    ("Content-Length no number", |m| set_line(m, "Content-Length", "x")),
    ("two Content-Lengths", |m| {
        *m = m.replace("\r\nContent-Length", "\r\nContent-Length: 1\r\nContent-Length")
    }),
    ("no Via", |m| cut_line(m, "Via")),
    ("no From", |m| cut_line(m, "From")),
    ("no To", |m| cut_line(m, "To")),
    ("no Call-ID", |m| cut_line(m, "Call-ID")),
    ("no CSeq", |m| cut_line(m, "CSeq")),
    ("two Froms", |m| {
        *m = m.replace("\r\nCSeq", "\r\nFrom: <sip:x@y>;tag=z\r\nCSeq")
    }),
    ("CSeq too large", |m| set_line(m, "CSeq", "4294967296 INVITE")),
    ("CSeq of another method", |m| {
        *m = m.replace(" INVITE\r\nContact", " BYE\r\nContact")
    }),
    ("unknown method", |m| *m = m.replace("INVITE", "FROBNICATE")),
    ("small letters in method", |m| *m = m.replace("INVITE", "invite")),
    ("another version", |m| {
        *m = m.replacen("SIP/2.0\r\n", "SIP/7.0\r\n", 1)
    }),
    ("two spaces in the start line", |m| {
        *m = m.replacen(" sip:", "  sip:", 1)
    }),
    ("space at the end of the start line", |m| {
        *m = m.replacen("SIP/2.0\r\n", "SIP/2.0 \r\n", 1)
    }),
    ("brackets around the Request-URI", |m| {
        *m = m.replacen(
            "sip:+12125550100@gw.example.com",
            "<sip:+12125550100@gw.example.com>",
            1,
        )
    }),
    ("tel Request-URI", |m| {
        *m = m.replacen("sip:+12125550100@gw.example.com", "tel:+1-212-555-0100", 1)
    }),
    ("IPv6 Request-URI", |m| {
        *m = m.replacen("@gw.example.com", "@[2001:db8::1]:5070", 1)
    }),
    ("parameters in the user part", |m| {
        *m = m.replacen("+12125550100@", "+12125550100;tgrp=a@", 1)
    }),
    ("unknown scheme", |m| {
        *m = m.replacen("sip:+12125550100@gw.example.com", "soap.beep://192.0.2.1", 1)
    }),
    ("headers in the Request-URI", |m| {
        *m = m.replacen("@gw.example.com", "@gw.example.com?Route=x", 1)
    }),
    ("escapes in the user part", |m| {
        *m = m.replacen("+12125550100@", "%41lice@", 1)
    }),
    ("tel From", |m| set_line(m, "From", "<tel:+14045550123>;tag=t1")),
    ("From without brackets", |m| set_line(m, "From", "sip:a@h;tag=t1")),
    ("escaped quote in From", |m| {
        set_line(m, "From", "\"A \\\"B\\\" <c>\" <sip:a@h>;tag=t1")
    }),
    ("open quote in From", |m| {
        set_line(m, "From", "\"A <sip:a@h>;tag=t1")
    }),
    ("open bracket in From", |m| set_line(m, "From", "<sip:a@h;tag=t1")),
    ("spaces around the tag", |m| {
        set_line(m, "From", "<sip:a@h> ; tag = t1")
    }),
    ("IPv6 From", |m| {
        set_line(m, "From", "<sip:a@[2001:db8::9]>;tag=t1")
    }),
    ("comma in display name", |m| {
        set_line(m, "From", "Bell, Alexander <sip:a@h>;tag=t1")
    }),
    ("spaces in Via", |m| {
        set_line(m, "Via", "SIP / 2.0 / UDP h.example:5060 ; branch = z9hG4bKx")
    }),
    ("no UTF-8", |_| {}),
];

fn line_of(message: &str, name: &str) -> (usize, usize) {
    let start = message.find(&format!("\r\n{name}:")).expect("the header") + 2;
    (start, start + message[start..].find("\r\n").expect("its end"))
}

fn set_line(message: &mut String, name: &str, value: &str) {
    let (start, end) = line_of(message, name);
    message.replace_range(start..end, &format!("{name}: {value}"));
}

fn cut_line(message: &mut String, name: &str) {
    let (start, end) = line_of(message, name);
    message.replace_range(start..end + 2, "");
}

/// A request with parts chosen by the seed.
fn message(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut choose = |options: &[&str]| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let place = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % options.len();
        options[place].to_string()
    };
    let body = choose(&["v=0\r\n", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n", "x"]);
    let mut text = format!(
        "INVITE sip:+12125550100@gw.example.com{} SIP/2.0\r\n",
        choose(&["", ":5060", ";user=phone"])
    );
    let _ = write!(
        text,
        "Via: SIP/2.0/{} {};branch=z9hG4bK{}{}\r\n",
        choose(&["UDP", "TCP", "TLS"]),
        choose(&["192.0.2.1", "h.example:5080"]),
        choose(&["a", "b7", "c-9"]),
        choose(&["", ";rport"])
    );
    if choose(&["", "x"]) == "x" {
        text.push_str("Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKold;received=192.0.2.78\r\n");
    }
    text.push_str("Max-Forwards: 70\r\n");
    let _ = write!(
        text,
        "From: {}<sip:{}@h.example>;tag={}\r\n",
        choose(&["", "Alice ", "\"A. Lice\" "]),
        choose(&["alice", "+14045550123", "a.b-c"]),
        choose(&["t1", "1928301774"])
    );
    let _ = write!(
        text,
        "To: {}<sip:+12125550100@gw.example.com>\r\n",
        choose(&["", "Bob "])
    );
    let _ = write!(
        text,
        "Call-ID: {}@192.0.2.1\r\n",
        choose(&["a84b4c76e66710", "x.y-z"])
    );
    let _ = write!(
        text,
        "CSeq: {} INVITE\r\nContact: <sip:alice@192.0.2.1>\r\n",
        choose(&["1", "314159", "2147483647"])
    );
    if choose(&["", "x"]) == "x" {
        text.push_str("User-Agent: Some Phone/1.0\r\nSupported: timer\r\n");
    }
    let _ = write!(
        text,
        "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    text
}

fn ours(octets: &[u8]) -> Reading {
    let message = Message::parse(octets).ok()?;
    let mut reading = BTreeMap::new();
    reading.insert("body", String::from_utf8_lossy(message.body()).into_owned());
    reading.insert("Call-ID", message.call_id().to_string());
    reading.insert(
        "From tag",
        message.from_address().tag().unwrap_or_default().to_string(),
    );
    reading.insert("CSeq", message.cseq().0.to_string());
    Some(reading)
}

macro_rules! like_rsip {
    ($octets:expr, $message:path, $request:path, $headers:path) => {{
        use $headers::*;
        let message = <$message>::try_from($octets).ok()?;
        let request = <$request>::try_from(message).ok()?;
        let mut reading = BTreeMap::new();
        reading.insert("body", String::from_utf8_lossy(request.body()).into_owned());
        reading.insert(
            "Call-ID",
            request
                .call_id_header()
                .map(|id| id.value().to_string())
                .unwrap_or_default(),
        );
        let tag = request
            .from_header()
            .ok()
            .and_then(|from| from.tag().ok().flatten());
        reading.insert(
            "From tag",
            tag.map(|tag| tag.value().to_string()).unwrap_or_default(),
        );
        let cseq = request.cseq_header().ok().and_then(|cseq| cseq.seq().ok());
        reading.insert("CSeq", cseq.map(|number| number.to_string()).unwrap_or_default());
        Some(reading)
    }};
}

fn rsip(octets: &[u8]) -> Reading {
    like_rsip!(octets, ::rsip::SipMessage, ::rsip::Request, ::rsip::prelude)
}

fn rsipstack(octets: &[u8]) -> Reading {
    like_rsip!(
        octets,
        ::rsipstack::sip::SipMessage,
        ::rsipstack::sip::Request,
        ::rsipstack::sip::prelude
    )
}

/// Its start line and the typed headers: cutting a message into lines is another crate's part.
fn ezk(octets: &[u8]) -> Reading {
    use ::ezk_sip_types::header::typed::{CSeq, CallID, FromTo};
    use ::ezk_sip_types::{Headers, Name};
    let text = std::str::from_utf8(octets).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let head = head.replace("\r\n ", " ");
    let mut lines = head.split("\r\n");
    lines.next()?.parse::<::ezk_sip_types::msg::MessageLine>().ok()?;
    let mut headers = Headers::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.insert(Name::from(name.trim().to_string()), value.trim().to_string());
    }
    let mut reading = BTreeMap::new();
    reading.insert("Call-ID", headers.get_named::<CallID>().ok()?.0.to_string());
    let from: FromTo = headers.get(Name::FROM).ok()?;
    reading.insert(
        "From tag",
        from.tag.map(|tag| tag.to_string()).unwrap_or_default(),
    );
    reading.insert("CSeq", headers.get_named::<CSeq>().ok()?.cseq.to_string());
    Some(reading)
}

/// Every disagreement: class, stack, what differs.
fn disagreements(seeds: u64) -> BTreeMap<(&'static str, &'static str, String), u64> {
    let mut found = BTreeMap::new();
    for seed in 0..seeds {
        for (class, change) in CLASSES {
            let mut text = message(seed);
            change(&mut text);
            let mut octets = text.into_bytes();
            if *class == "no UTF-8" {
                let at = octets.windows(4).position(|w| w == b"From").expect("From");
                octets.splice(at..at, *b"Subject: \xff\r\n");
            }
            let mine = ours(&octets);
            let stacks: [(&str, fn(&[u8]) -> Reading); 3] =
                [("rsip", rsip), ("rsipstack", rsipstack), ("ezk", ezk)];
            for (stack, read) in stacks {
                let theirs = read(&octets);
                let what = match (&mine, &theirs) {
                    (None, None) => continue,
                    (Some(_), None) => "refuses it, we do not".to_string(),
                    (None, Some(_)) => "takes it, we do not".to_string(),
                    (Some(mine), Some(theirs)) => {
                        let differs = |name: &&&str| mine.get(**name) != theirs.get(**name);
                        let names: Vec<&str> = theirs.keys().filter(differs).copied().collect();
                        match names.is_empty() {
                            true => continue,
                            false => format!("reads another {}", names.join(" and ")),
                        }
                    }
                };
                *found.entry((*class, stack, what)).or_default() += 1;
            }
        }
    }
    found
}

/// The table as `docs/parser-differences.md` shows it.
fn printed() -> String {
    let mut text =
        String::from("| message | stack | what it does | who is right |\n| --- | --- | --- | --- |\n");
    for (class, stack, what, right) in DIFFERENCES {
        let _ = writeln!(text, "| {class} | {stack} | {what} | {right} |");
    }
    text
}

#[test]
fn every_disagreement_with_three_other_parsers_is_explained() {
    // 60 seeds of 49 classes: about three thousand messages.
    let found: BTreeMap<_, _> = disagreements(60);
    let told: Vec<_> = DIFFERENCES
        .iter()
        .map(|(class, stack, what, _)| (*class, *stack, what.to_string()))
        .collect();
    for disagreement in found.keys() {
        assert!(told.contains(disagreement), "unexplained: {disagreement:?}");
    }
    for line in &told {
        assert!(found.contains_key(line), "nothing shows this any more: {line:?}");
    }
    assert!(
        !told.iter().any(|(class, ..)| *class == "plain"),
        "ordinary messages are read alike"
    );
}

#[test]
fn the_page_about_other_parsers_shows_this_table() {
    let page = include_str!("../../docs/parser-differences.md");
    assert!(
        page.contains(&printed()),
        "docs/parser-differences.md should hold:\n{}",
        printed()
    );
}
