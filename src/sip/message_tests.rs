//! The awkward messages other parsers trip over, one sentence each.

use super::*;

/// An INVITE whose odd part is `change`d in: (what to replace, by what).
fn invite(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::from(
        "INVITE sip:+12125550100@gw.example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc\r\n\
         Max-Forwards: 70\r\n\
         From: \"Alice\" <sip:+14045550123@example.com>;tag=f1\r\n\
         To: <sip:+12125550100@gw.example.com>\r\n\
         Call-ID: a84b4c76e66710@192.0.2.1\r\n\
         CSeq: 314159 INVITE\r\n\
         Contact: <sip:+14045550123@192.0.2.1>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: 4\r\n\
         \r\n\
         v=0\n",
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text.into_bytes()
}

fn accepted(changes: &[(&str, &str)]) -> Message {
    Message::parse(&invite(changes)).unwrap_or_else(|error| panic!("{changes:?}: {error}"))
}

fn refused(changes: &[(&str, &str)]) -> (&'static str, Option<u16>) {
    let error = Message::parse(&invite(changes)).expect_err("should be refused");
    (error.header, error.status)
}

const LENGTH: &str = "Content-Length: 4";

#[test]
fn an_ordinary_invite_gives_all_its_parts() {
    let message = accepted(&[]);
    assert!(message.is_request());
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.request_uri(), Some("sip:+12125550100@gw.example.com"));
    assert_eq!((message.status(), message.reason_phrase()), (None, None));
    assert_eq!(message.call_id(), "a84b4c76e66710@192.0.2.1");
    assert_eq!(message.cseq(), (314159, Method::Invite));
    assert_eq!(message.from().tag(), Some("f1"));
    assert_eq!(message.to().tag(), None);
    assert_eq!(
        message.contact().map(|c| c.uri.as_str().to_string()).as_deref(),
        Some("sip:+14045550123@192.0.2.1")
    );
    assert_eq!(message.content_type().as_deref(), Some("application/sdp"));
    assert_eq!(message.body(), b"v=0\n");
    assert_eq!(message.octets(), invite(&[]));
}

#[test]
fn without_content_length_the_body_runs_to_the_end_of_the_datagram() {
    assert_eq!(accepted(&[("Content-Length: 4\r\n", "")]).body(), b"v=0\n");
}

#[test]
fn a_content_length_larger_than_the_datagram_is_400() {
    assert_eq!(
        refused(&[(LENGTH, "Content-Length: 5")]),
        ("Content-Length", Some(400))
    );
    assert_eq!(
        refused(&[(LENGTH, "l: 99999999999999999999999")]),
        ("Content-Length", Some(400))
    );
}

#[test]
fn a_content_length_that_is_no_number_is_400() {
    for value in ["-1", "4x", "", "+4", "4 4", "4, 4", "0x4"] {
        let line = format!("Content-Length: {value}");
        assert_eq!(
            refused(&[(LENGTH, &line)]),
            ("Content-Length", Some(400)),
            "{value}"
        );
    }
}

#[test]
fn conflicting_content_lengths_are_400_and_equal_ones_are_not() {
    assert_eq!(
        refused(&[(LENGTH, "Content-Length: 4\r\nl: 3")]),
        ("Content-Length", Some(400))
    );
    assert_eq!(
        accepted(&[(LENGTH, "Content-Length: 4\r\nl: 0004")]).body(),
        b"v=0\n"
    );
}

#[test]
fn octets_after_the_body_are_trimmed() {
    let message = accepted(&[(LENGTH, "Content-Length: 2")]);
    assert_eq!(message.body(), b"v=");
    assert!(message.octets().ends_with(b"\r\n\r\nv="));
}

#[test]
fn a_folded_header_is_one_value_and_the_octets_stay() {
    let message = accepted(&[(
        "Max-Forwards: 70",
        "Subject: one \r\n \t two\r\n\tthree\r\nMax-Forwards: 70",
    )]);
    assert_eq!(message.header("subject").as_deref(), Some("one two three"));
    assert!(String::from_utf8_lossy(message.octets()).contains("one \r\n \t two\r\n\tthree"));
    let folded = accepted(&[
        ("Call-ID: ", "Call-ID:\r\n  "),
        ("CSeq: 314159 ", "CSeq: 314159\r\n "),
    ]);
    assert_eq!(folded.call_id(), "a84b4c76e66710@192.0.2.1");
    assert_eq!(folded.cseq().0, 314159);
    let identity = accepted(&[(
        "Max-Forwards",
        "Identity: eyJ.eyJ.sig\r\n ;info=<https://c.example/a>\r\n ;alg=ES256\r\nMax-Forwards",
    )]);
    assert_eq!(
        identity.header("Identity").as_deref(),
        Some("eyJ.eyJ.sig ;info=<https://c.example/a> ;alg=ES256")
    );
}

#[test]
fn white_space_before_the_colon_is_allowed() {
    let message = accepted(&[("From:", "From \t:"), ("Call-ID:", "Call-ID :")]);
    assert_eq!(message.from().tag(), Some("f1"));
}

#[test]
fn a_header_line_without_colon_is_400() {
    assert_eq!(
        refused(&[("Max-Forwards: 70", "Nonsense here")]),
        ("header", Some(400))
    );
    assert_eq!(
        refused(&[("Max-Forwards: 70", ": no name")]),
        ("header", Some(400))
    );
    assert_eq!(
        refused(&[("Max-Forwards: 70", "Bad{name: x")]),
        ("header", Some(400))
    );
}

#[test]
fn invalid_utf8_in_one_header_loses_no_other() {
    let mut octets = invite(&[("Max-Forwards: 70", "Subject: A#B\r\nMax-Forwards: 70")]);
    let at = octets.iter().position(|&b| b == b'#').unwrap();
    octets[at] = 0xff;
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.header("Subject").as_deref(), Some("A\u{fffd}B"));
    assert_eq!(message.header("Max-Forwards").as_deref(), Some("70"));
    assert_eq!(message.body(), b"v=0\n");
    assert_eq!(message.octets(), octets);
}

#[test]
fn invalid_utf8_in_a_display_name_leaves_the_tag_readable() {
    let mut octets = invite(&[("Alice", "Al#ce")]);
    let at = octets.iter().position(|&b| b == b'#').unwrap();
    octets[at] = 0xe9;
    assert_eq!(Message::parse(&octets).unwrap().from().tag(), Some("f1"));
}

#[test]
fn a_tel_request_uri_is_accepted() {
    let message = accepted(&[(
        "sip:+12125550100@gw.example.com",
        "tel:+1-212-555-0100;phone-context=x",
    )]);
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user().as_deref(), Some("+1-212-555-0100"));
}

#[test]
fn a_tel_from_and_to_are_accepted() {
    let message = accepted(&[
        (
            "\"Alice\" <sip:+14045550123@example.com>",
            "<tel:+14045550123;verstat=Passed>",
        ),
        ("<sip:+12125550100@gw.example.com>", "tel:+12125550100"),
    ]);
    assert_eq!(
        message.from().uri.user_param("verstat").as_deref(),
        Some("Passed")
    );
    assert_eq!(message.to().uri.user().as_deref(), Some("+12125550100"));
}

#[test]
fn an_ipv6_request_uri_and_via_are_accepted() {
    let message = accepted(&[
        ("gw.example.com", "[2001:db8::1]:5070"),
        ("192.0.2.1:5060", "[2001:db8::9]"),
    ]);
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(uri.socket_addr(), "[2001:db8::1]:5070".parse().ok());
}

#[test]
fn user_parameters_in_the_request_uri_are_accepted() {
    let message = accepted(&[("+12125550100@", "+12125550100;npdi;tgrp=t;trunk-context=c@")]);
    let uri = Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user().as_deref(), Some("+12125550100"));
    assert_eq!(uri.user_param("tgrp").as_deref(), Some("t"));
}

#[test]
fn an_unknown_method_reaches_the_owner() {
    let message = accepted(&[
        ("INVITE sip", "NEWMETHOD sip"),
        ("314159 INVITE", "314159 NEWMETHOD"),
    ]);
    assert_eq!(message.method(), Method::Other("NEWMETHOD".into()));
}

#[test]
fn another_version_is_505() {
    assert_eq!(
        refused(&[("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")]),
        ("start line", Some(505))
    );
    assert_eq!(
        accepted(&[("SIP/2.0\r\nVia", "sip/2.0\r\nVia")]).method(),
        Method::Invite
    );
}

#[test]
fn crlfs_before_the_start_line_are_skipped() {
    let octets = [b"\r\n\r\n\r\n".to_vec(), invite(&[])].concat();
    assert_eq!(Message::parse(&octets).unwrap().octets(), invite(&[]));
}

#[test]
fn bare_line_feeds_and_carriage_returns_are_refused() {
    for (from, to) in [
        ("70\r\n", "70\n"),
        ("70\r\n", "7\r0\r\n"),
        ("\"Alice\"", "\"Al\nice\""),
        ("\"Alice\"", "\"Al\\\rice\""),
    ] {
        assert_eq!(refused(&[(from, to)]).1, Some(400), "{to:?}");
    }
    let lines = String::from_utf8(invite(&[])).unwrap().replace("\r\n", "\n");
    assert!(Message::parse(lines.as_bytes()).is_err());
}

#[test]
fn nul_and_other_control_characters_are_refused_outside_quoted_pairs() {
    for c in ['\0', '\u{1}', '\u{8}', '\u{b}', '\u{7f}'] {
        assert_eq!(
            refused(&[("Max-Forwards: 70", &format!("Subject: a{c}b\r\nMax-Forwards: 70"))]),
            ("header", Some(400))
        );
        let message = accepted(&[("\"Alice\"", &format!("\"Al\\{c}ice\""))]);
        assert_eq!(
            message.from().display.as_deref(),
            Some("Alice"),
            "nobody is shown a control character"
        );
    }
}

#[test]
fn a_cseq_over_31_bits_or_of_another_method_is_400() {
    for cseq in [
        "2147483648 INVITE",
        "4294967296 INVITE",
        "99999999999999999999 INVITE",
        "x INVITE",
        "1INVITE",
        "1",
        "",
        "-1 INVITE",
        "1 BYE",
        "1 INVITE x",
    ] {
        assert_eq!(refused(&[("314159 INVITE", cseq)]), ("CSeq", Some(400)), "{cseq}");
    }
    assert_eq!(
        accepted(&[("314159 INVITE", "2147483647   INVITE")]).cseq().0,
        2147483647
    );
}

#[test]
fn each_missing_mandatory_header_is_400_by_its_name() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let text = String::from_utf8(invite(&[])).unwrap();
        let kept: Vec<&str> = text
            .split("\r\n")
            .filter(|line| !line.starts_with(&format!("{name}:")))
            .collect();
        let error = Message::parse(kept.join("\r\n").as_bytes()).unwrap_err();
        assert_eq!((error.header, error.status), (name, Some(400)));
    }
}

#[test]
fn a_header_that_may_stand_once_is_400_the_second_time() {
    for (line, name) in [
        ("From: <sip:x@y>;tag=2", "From"),
        ("t: <sip:x@y>", "To"),
        ("i: other", "Call-ID"),
        ("CSeq: 1 INVITE", "CSeq"),
        ("Max-Forwards: 1", "Max-Forwards"),
    ] {
        assert_eq!(
            refused(&[(LENGTH, &format!("{line}\r\n{LENGTH}"))]),
            (name, Some(400))
        );
    }
}

#[test]
fn compact_names_in_any_letter_case_are_the_same_headers() {
    let message = accepted(&[
        ("Via:", "V:"),
        ("From:", "f:"),
        ("To:", "T:"),
        ("Call-ID:", "i:"),
        ("CSeq:", "cSEQ:"),
        ("Contact:", "m:"),
        ("Content-Type:", "C:"),
        (LENGTH, "L: 4"),
        (
            "Max-Forwards",
            "y: tok1;info=<u>, tok2;info=<v>\r\nIDENTITY: tok3;info=<w>\r\nMax-Forwards",
        ),
    ]);
    assert_eq!(message.header_lines("Identity").len(), 2);
    assert_eq!(
        message.header_values("identity"),
        ["tok1;info=<u>", "tok2;info=<v>", "tok3;info=<w>"]
    );
    assert_eq!(message.header("v").as_deref(), message.header("Via").as_deref());
    assert_eq!(
        message.contact().map(|c| c.uri.as_str().to_string()).as_deref(),
        Some("sip:+14045550123@192.0.2.1")
    );
}

#[test]
fn a_quoted_display_name_may_hold_escaped_quotes_commas_and_brackets() {
    let message = accepted(&[("\"Alice\"", r#""Al \"the, <sip:x@y>;tag=no\" \\ice""#)]);
    let from = message.from();
    assert_eq!(
        from.display.as_deref(),
        Some(r#"Al "the, <sip:x@y>;tag=no" \ice"#)
    );
    assert_eq!(from.tag(), Some("f1"));
}

#[test]
fn an_open_quote_or_bracket_in_to_is_400() {
    assert_eq!(refused(&[("To: <", "To: \"Mr <")]), ("To", Some(400)));
    assert_eq!(
        refused(&[("gw.example.com>\r\nCall", "gw.example.com\r\nCall")]),
        ("To", Some(400))
    );
}

#[test]
fn white_space_and_brackets_in_the_request_line_are_400() {
    for (from, to) in [
        ("INVITE sip:+12125550100@gw.example.com", "INVITE  sip:x@y"),
        ("INVITE sip:+12125550100@gw.example.com", "INVITE <sip:x@y>"),
        ("INVITE sip:+12125550100@gw.example.com", "INVITE sip:x@y; lr"),
        ("SIP/2.0\r\nVia", "SIP/2.0  \r\nVia"),
        ("INVITE sip:+12125550100@gw.example.com", "INVITE nonsense"),
    ] {
        assert_eq!(refused(&[(from, to)]), ("start line", Some(400)), "{to}");
    }
}

#[test]
fn limits_have_their_answers() {
    let long = |size: usize| "x".repeat(size);
    let too_large = [invite(&[]), vec![b'x'; limits::MESSAGE_OCTETS_MAX]].concat();
    assert_eq!(Message::parse(&too_large).unwrap_err().status, Some(513));
    let uri = format!("sip:{}@h", long(limits::START_LINE_OCTETS_MAX));
    assert_eq!(
        refused(&[("sip:+12125550100@gw.example.com", &uri)]),
        ("start line", Some(414))
    );
    let line = format!("Subject: {}\r\n{LENGTH}", long(limits::HEADER_OCTETS_MAX));
    assert_eq!(refused(&[(LENGTH, &line)]), ("header", Some(400)));
    let folds = format!(
        "Subject: {}\r\n{LENGTH}",
        format!("{}\r\n ", long(1000)).repeat(20)
    );
    assert_eq!(refused(&[(LENGTH, &folds)]), ("header", Some(400)));
    let many = format!("{}{LENGTH}", "X: y\r\n".repeat(limits::HEADERS_MAX));
    assert_eq!(refused(&[(LENGTH, &many)]), ("message", Some(400)));
    let call_id = format!("Call-ID: {}", long(limits::CALL_ID_OCTETS_MAX));
    assert_eq!(refused(&[("Call-ID: ", &call_id)]), ("Call-ID", Some(400)));
}

#[test]
fn a_message_without_its_empty_line_is_400() {
    let octets = invite(&[]);
    let end = octets.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    for cut in [end, end + 2, end + 3] {
        assert_eq!(Message::parse(&octets[..cut]).unwrap_err().status, Some(400));
    }
}

#[test]
fn what_is_not_sip_gets_no_answer() {
    for text in [
        "",
        "hello",
        "GET / HTTP/1.1\r\n\r\n",
        "\0\0\0\0",
        "INVITE sip:x@y\r\n\r\n",
    ] {
        let status = Message::parse(text.as_bytes()).unwrap_err().status;
        assert!(
            status.is_none() || text.is_empty() || !text.contains("\r\n"),
            "{text}"
        );
    }
    assert_eq!(
        Message::parse(b"GET / HTTP/1.1\r\n\r\n").unwrap_err().status,
        None
    );
}

#[test]
fn a_broken_response_gets_no_answer() {
    let good = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    let message = Message::parse(good.as_bytes()).unwrap();
    assert_eq!(
        (message.status(), message.reason_phrase()),
        (Some(200), Some("OK"))
    );
    assert_eq!(message.method(), Method::Invite);
    for (from, to) in [
        ("200 OK", "99 OK"),
        ("200 OK", "4294967301 better not break the receiver"),
        ("200 OK", "700 x"),
        ("SIP/2.0 200", "SIP/7.0 200"),
        ("Length: 0", "Length: 10"),
        ("CSeq: 1 INVITE", "CSeq: x"),
        ("Via:", "Vio:"),
    ] {
        let error = Message::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert_eq!(error.status, None, "{to}");
    }
    let bare = Message::parse(good.replacen("200 OK", "200", 1).as_bytes()).unwrap();
    assert_eq!(bare.reason_phrase(), Some(""));
}

#[test]
fn debug_output_shows_no_number() {
    let message = accepted(&[]);
    assert_eq!(
        format!("{message:?}"),
        format!("Message(INVITE, {} octets)", message.octets().len())
    );
    assert!(!format!("{:?}", message.from()).contains("4045550"));
}
