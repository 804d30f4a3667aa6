//! Messages like those that are sent, made from a seed, and what is changed in them.

use std::fmt::Write;

pub(super) type Change = fn(&mut String);

/// A message like those that are sent, and the change that makes it one of its class.
pub(super) const CLASSES: &[(&str, Change)] = &[
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
pub(super) fn message(seed: u64) -> String {
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
