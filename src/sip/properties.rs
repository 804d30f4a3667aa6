//! What must hold for every message, found by generating them.

use proptest::prelude::*;

use super::fuzz::tests::fuzz;
use super::fuzz_typed::escaped;
use super::via::Via;
use super::*;

/// Any text a header value may hold once line ends are gone: no control characters, trimmed.
fn value() -> impl Strategy<Value = String> {
    "[ -~\u{e9}\u{4e2d}]{1,40}".prop_map(|text| text.trim().to_string())
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{1,8}(\\.[a-z]{1,5}){0,2}",
        Just("[2001:db8::1]".to_string()),
        Just("192.0.2.7".to_string())
    ]
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn uri() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-z0-9]{1,8}(\\.[a-z]{1,5}){0,2}",
        Just("[2001:db8::1]".to_string())
    ];
    let params = proptest::collection::vec("[a-z]{1,5}(=[a-z0-9]{1,4})?", 0..3);
    let sip = ("[A-Za-z0-9+;=-]{0,10}", host, 1u16.., params).prop_map(|(user, host, port, params)| {
        let at = if user.is_empty() { "" } else { "@" };
        let params: String = params.iter().map(|param| format!(";{param}")).collect();
        format!("sip:{user}{at}{host}:{port}{params}")
    });
    prop_oneof![4 => sip, 1 => "tel:\\+[0-9-]{1,15}".prop_map(String::from)]
}

prop_compose! {
    fn request()(
        method in prop_oneof![Just("INVITE".to_string()), Just("BYE".to_string()), "[A-Z]{3,8}"],
        target in uri(),
        (from, to) in (uri(), uri()),
        display in "[ -~]{0,12}",
        tag in token(),
        call_id in "[!-~]{1,30}",
        cseq in 0u32..1 << 31,
        extra in proptest::collection::vec((token(), value()), 0..6),
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) -> Request {
        let display = display.replace('\\', "\\\\").replace('"', "\\\"");
        let mut request = Request::new(Method::parse(&method).unwrap(), target)
            .header("From", format!("\"{display}\" <{from}>;tag={tag}"))
            .header("To", format!("<{to}>"))
            .header("Call-ID", call_id)
            .header("CSeq", format!("{cseq} {method}"));
        for (name, value) in extra {
            request = request.header(&format!("X-{name}"), value);
        }
        request.with_body("application/sdp", body)
    }
}

/// Pieces that are likely to break something, in any order.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"\r\n"[..]),
        Just(&b"\r\n "[..]),
        Just(&b"INVITE sip:a@h SIP/2.0\r\n"[..]),
        Just(&b"SIP/2.0 200 OK\r\n"[..]),
        Just(&b"Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"[..]),
        Just(&b"v: SIP/2.0/UDP [::1]:1;rport, SIP/2.0/TCP x\r\n"[..]),
        Just(&b"From: \"a\\\"\" <sip:a@h>;tag=1\r\n"[..]),
        Just(&b"To: sip:b@h\r\n"[..]),
        Just(&b"Call-ID: x\r\n"[..]),
        Just(&b"i\t:\r\n\tx \r\n"[..]),
        Just(&b"CSeq: 1 INVITE\r\n"[..]),
        Just(&b"Content-Length: 3\r\n"[..]),
        Just(&b"l: 0\r\n"[..]),
        Just(&b"Contact: *\r\n"[..]),
        Just(&b"\""[..]),
        Just(&b"<"[..]),
        Just(&b"\\"[..]),
        Just(&b","[..]),
        Just(&b"\xff"[..]),
        Just(&b"\0"[..]),
        Just(&b"%"[..]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_we_print_parses_to_what_we_meant(request in request()) {
        let via = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport";
        let octets = print::request(&request, via, "Ringward");
        let message = Message::parse(&octets).unwrap();
        prop_assert_eq!(message.octets(), &octets[..]);
        prop_assert_eq!(message.method(), request.method.clone());
        prop_assert_eq!(message.request_uri(), Some(&request.uri[..]));
        prop_assert_eq!(message.body(), &request.body[..]);
        prop_assert_eq!(message.header_lines("Via"), [via]);
        for (name, value) in &request.headers {
            let lines = message.header_lines(name);
            prop_assert!(lines.iter().any(|line| line == value), "{}: {:?} not in {:?}", name, value, lines);
        }
        // And once more, from the message: nothing is lost or added on a second way round.
        let mut again = Request::new(message.method(), message.request_uri().unwrap());
        again.headers = message.headers().map(|(n, v)| (n.to_string(), v.into_owned())).collect();
        again.body = message.body().to_vec();
        prop_assert_eq!(print::request(&again, via, "Ringward"), octets);
    }

    #[test]
    fn no_header_value_makes_a_second_line(value in "\\PC{0,10}[\r\n\0]{0,3}\\PC{0,10}(\r\n[A-Z]: x){0,2}") {
        let request = Request::new(Method::Bye, "sip:x").header("X-Test", &value)
            .header("From", "<sip:a@h>;tag=1").header("To", "<sip:b@h>").header("Call-ID", "c");
        let octets = print::request(&request, "SIP/2.0/UDP h;branch=z9hG4bK1", "");
        let message = Message::parse(&octets).unwrap();
        let names: Vec<&str> = message.headers().map(|(name, _)| name).collect();
        prop_assert_eq!(names, ["Via", "Max-Forwards", "X-Test", "From", "To", "Call-ID", "CSeq", "Content-Length"]);
    }

    #[test]
    fn an_address_that_was_printed_is_read_as_it_was(
        display in "[ -~\u{e9}]{0,16}", uri in uri(),
        params in proptest::collection::vec((token(), proptest::option::of("[ -~]{0,10}")), 0..4),
    ) {
        let display = Some(display).filter(|display| !display.is_empty());
        let address = NameAddr { display, uri: Uri::parse(&uri).unwrap(), params };
        prop_assert_eq!(NameAddr::parse(&address.to_string()), Ok(address));
    }

    #[test]
    fn a_via_that_was_printed_is_read_as_it_was(
        transport in "UDP|TCP|TLS|SCTP|[A-Z]{2,6}", host in host(), port in proptest::option::of(any::<u16>()),
        branch in "(z9hG4bK)?[A-Za-z0-9._-]{1,20}", has_rport in any::<bool>(), white in "[ \t]{0,2}",
        more in proptest::collection::vec(("[a-z]{2,8}", proptest::option::of(token())), 0..4),
        is_first in any::<bool>(), next in proptest::option::of("SIP/2.0/UDP [a-z]{1,8};branch=z9hG4bKother;rport"),
    ) {
        prop_assume!(more.iter().all(|(name, _)| !["branch", "rport", "received"].contains(&name.as_str())));
        let mut params: Vec<String> = more
            .iter()
            .map(|(name, value)| value.as_ref().map_or(name.clone(), |value| format!("{name}={value}")))
            .collect();
        let own = params.len() * usize::from(is_first);
        params.insert(own, format!("branch{white}={white}{branch}"));
        if has_rport {
            params.insert(0, "rport".into());
        }
        let port_text = port.map(|port| format!("{white}:{white}{port}")).unwrap_or_default();
        let params: String = params.iter().map(|param| format!("{white};{white}{param}")).collect();
        let mut text = format!("SIP{white}/{white}2.0{white}/{white}{transport} {white}{host}{port_text}{params}");
        if let Some(next) = next {
            text.push_str(&format!("{white},{white}{next}"));
        }
        let via = Via::parse(&text).unwrap();
        prop_assert_eq!((via.host, via.port, via.branch, via.has_rport), (&host[..], port, Some(&branch[..]), has_rport));
        fuzz_typed("via", text.as_bytes());
    }

    #[test]
    fn a_uri_that_was_printed_is_read_as_it_was(
        scheme in "sips?|SIP", user in "[A-Za-z0-9+_.-]{1,10}", host in host(), port in proptest::option::of(1u16..),
        params in proptest::collection::btree_map("[a-z]{2,5}", "[a-z0-9]{1,4}", 0..3),
        headers in proptest::option::of("[A-Z][a-z]{1,6}=[a-z0-9]{1,6}"),
    ) {
        let port_text = port.map(|port| format!(":{port}")).unwrap_or_default();
        let written: String = params.iter().map(|(name, value)| format!(";{name}={value}")).collect();
        let bare = format!("{scheme}:{user}@{host}{port_text}{written}");
        let headers = headers.map(|headers| format!("?{headers}")).unwrap_or_default();
        let uri = Uri::parse(&format!("{bare}{headers}")).unwrap();
        let read_user = uri.user();
        prop_assert_eq!(read_user.as_deref(), Some(&user[..]));
        prop_assert_eq!((uri.host(), uri.port()), (Some(&host[..]), port));
        for (name, value) in &params {
            let read = uri.param(name);
            prop_assert_eq!(read.as_deref(), Some(&value[..]));
        }
        prop_assert_eq!(uri.headers(), headers.trim_start_matches('?'));
        prop_assert_eq!(uri.without_headers(), bare);
        prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
    }

    #[test]
    fn a_replaces_and_the_refer_to_around_it_are_read_as_they_were(
        call_id in "[!-:<-~]{1,24}", to_tag in token(), from_tag in token(), is_early_only in any::<bool>(), target in uri(),
    ) {
        let replaces = Replaces { call_id, to_tag, from_tag, is_early_only };
        prop_assert_eq!(Replaces::parse(&replaces.value()), Some(replaces.clone()));
        prop_assume!(!target.contains("method"));
        let written = format!("<{target}?Replaces={}>", escaped(&replaces.value()));
        let request = Request::new(Method::Refer, "sip:gw")
            .header("From", "<sip:a@h>;tag=1").header("To", "<sip:b@h>;tag=2").header("Call-ID", "x").header("CSeq", "1 REFER")
            .header("Refer-To", &written);
        let message = Message::parse(&print::request(&request, "SIP/2.0/UDP h;branch=z9hG4bK1", "")).unwrap();
        let to = ReferTo::of(&message);
        if target.starts_with("tel:") {
            // A telephone number has no headers (RFC 3966): the question mark spoils it.
            prop_assert!(to.is_err() || to.is_ok_and(|to| to.replaces.is_none() || to.uri.is_tel()));
        } else {
            prop_assert_eq!(to, Ok(ReferTo { uri: Uri::parse(&target).unwrap(), replaces: Some(replaces) }));
        }
    }

    #[test]
    fn a_session_interval_that_was_printed_is_read_as_it_was(
        seconds in 0u64..100_000, refresher in proptest::option::of(prop_oneof![Just(Refresher::Uac), Just(Refresher::Uas)]),
    ) {
        let expires = SessionExpires { interval: std::time::Duration::from_secs(seconds), refresher };
        let request = Request::new(Method::Update, "sip:gw")
            .header("From", "<sip:a@h>;tag=1").header("To", "<sip:b@h>;tag=2").header("Call-ID", "x").header("CSeq", "1 UPDATE")
            .header("Session-Expires", expires.to_string());
        let message = Message::parse(&print::request(&request, "SIP/2.0/UDP h;branch=z9hG4bK1", "")).unwrap();
        let bounded = SessionExpires { interval: expires.interval.min(session_timer::INTERVAL_MAX), ..expires };
        prop_assert_eq!(SessionExpires::of(&message), Some(bounded));
    }

    #[test]
    fn no_value_of_a_typed_header_breaks_anything(
        target in any::<proptest::sample::Index>(), value in "[ -~\t\u{e9}]{0,60}",
    ) {
        fuzz_typed(TYPED[target.index(TYPED.len())].0, value.as_bytes());
    }

    #[test]
    fn no_header_value_breaks_anything(value in "[ -~\t\u{e9}]{0,60}") {
        fuzz_header(value.as_bytes());
    }

    #[test]
    fn no_octets_break_anything(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&octets);
    }

    #[test]
    fn no_likely_looking_octets_break_anything(octets in soup()) {
        fuzz(&octets);
    }

    #[test]
    fn a_damaged_message_breaks_nothing(request in request(), at in any::<proptest::sample::Index>(), octet in any::<u8>()) {
        let mut octets = print::request(&request, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport", "");
        let at = at.index(octets.len());
        octets[at] = octet;
        fuzz(&octets);
    }
}
