//! What a fuzz target runs over the value of one header that is read as more than text.

use super::via::Via;
use super::*;

/// A header, its target's name, and what must hold for every value of it.
type Typed = (&'static str, &'static str, fn(&str));

/// Every header whose value has a type in this room. Identity has its body in `stir_shaken_verify`, challenges and their
/// answers in [`digest`](crate::digest), what calls make facts of in [`call`](crate::call).
pub const TYPED: &[Typed] = &[
    ("via", "Via", check_via),
    ("address", "From", check_address),
    ("contact", "Contact", check_contact),
    ("route", "Record-Route", check_route),
    ("call_id", "Call-ID", check_call_id),
    ("cseq", "CSeq", check_cseq),
    ("content_length", "Content-Length", check_content_length),
    ("refer_to", "Refer-To", check_refer_to),
    ("replaces", "Replaces", check_replaces),
    ("session_expires", "Session-Expires", check_session_expires),
    ("min_se", "Min-SE", check_min_se),
    ("rack", "RAck", check_rack),
    ("rseq", "RSeq", check_rseq),
    ("require", "Require", check_option_tags),
];

/// Feeds `octets` to the header with this target's name.
///
/// # Panics
///
/// When something does not hold that must hold for any value, or there is no such target.
pub fn fuzz_typed(target: &str, octets: &[u8]) {
    let (_, _, check) = TYPED
        .iter()
        .find(|(name, ..)| *name == target)
        .unwrap_or_else(|| panic!("no header {target}"));
    check(&String::from_utf8_lossy(octets));
}

/// A request that has `value` as its header `name` and nothing else wrong with it. `None`: not readable with it.
///
/// Line ends would make other headers of it, which is what the target for messages is for.
fn request_with(name: &str, value: &str) -> Option<Message> {
    Message::parse(&written("INVITE sip:b@h SIP/2.0", "INVITE", name, value)).ok()
}

fn response_with(name: &str, value: &str) -> Option<Message> {
    Message::parse(&written("SIP/2.0 183 Session Progress", "INVITE", name, value)).ok()
}

fn written(start: &str, method: &str, name: &str, value: &str) -> Vec<u8> {
    let value = value.replace(['\r', '\n'], " ");
    let mut text = format!("{start}\r\n");
    let cseq = format!("1 {method}");
    for (other, good) in [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>;tag=2"),
        ("Call-ID", "x"),
        ("CSeq", &cseq),
        ("Require", "100rel"),
        ("Contact", "<sip:a@192.0.2.9>"),
        ("Content-Length", "0"),
    ] {
        if other != name {
            text.push_str(&format!("{other}: {good}\r\n"));
        }
    }
    text.push_str(&format!("{name}: {value}\r\n\r\n"));
    text.into_bytes()
}

fn check_via(text: &str) {
    let Ok(read) = Via::parse(text) else {
        return;
    };
    // What is read is of this text and nothing else.
    assert!(text.contains(read.host) && read.branch.is_none_or(|branch| text.contains(branch)));
    assert!(
        read.unique_branch()
            .is_none_or(|branch| branch.len() > via::COOKIE.len())
    );
    for source in [
        "192.0.2.7:4000".parse().expect("an address"),
        "[2001:db8::7]:5060".parse().expect("an address"),
    ] {
        let amended = via::amend(text, source);
        let again = Via::parse(&amended).expect("our own Via is readable");
        assert_eq!(
            (again.host, again.port, again.branch, again.has_rport),
            (read.host, read.port, read.branch, read.has_rport)
        );
        assert_eq!(via::amend(&amended, source), amended, "amended once is enough");
    }
}

/// From, To, P-Asserted-Identity, Route: one grammar.
fn check_address(text: &str) {
    fuzz_header(text.as_bytes());
    let Some(message) = request_with("From", text) else {
        return;
    };
    let from = message.from_address();
    assert_eq!(message.from(), from.to_owned());
    assert!(Uri::parse(from.uri()).is_ok(), "its URI is readable by itself");
}

fn check_contact(text: &str) {
    let Some(message) = request_with("Contact", text) else {
        return;
    };
    let Some(contact) = message.contact() else {
        return;
    };
    assert_eq!(
        NameAddr::parse(&contact.to_string()).map(|again| again.uri),
        Ok(contact.uri)
    );
    if let Ok(mut dialog) = Dialog::as_server(&message, "t", "<sip:us@192.0.2.1>") {
        let _ = (dialog.request(Method::Bye), dialog.next_hop());
    }
}

/// A route set of any kind leads somewhere or nowhere, and the request that follows it is readable.
fn check_route(text: &str) {
    let Some(message) = request_with("Record-Route", text) else {
        return;
    };
    let Ok(mut dialog) = Dialog::as_server(&message, "t", "<sip:us@192.0.2.1>") else {
        return;
    };
    let bye = print::request(&dialog.request(Method::Bye), "SIP/2.0/UDP h;branch=z9hG4bK1", "x");
    if bye.len() <= limits::MESSAGE_OCTETS_MAX {
        let bye = Message::parse(&bye).expect("our own BYE is readable");
        assert_eq!(bye.method(), Method::Bye);
    }
    let _ = dialog.next_hop();
}

fn check_call_id(text: &str) {
    let octets = written("INVITE sip:b@h SIP/2.0", "INVITE", "Call-ID", text);
    if let Ok(message) = Message::parse(&octets) {
        assert!(!message.call_id().is_empty());
        assert_eq!(peek_call_id(&octets), Some(message.call_id().as_bytes()));
    }
}

fn check_cseq(text: &str) {
    let Some(message) = request_with("CSeq", text) else {
        return;
    };
    let (number, method) = message.cseq();
    assert!(number < 1 << 31, "RFC 3261 §8.1.1.5");
    assert_eq!(method, Method::Invite, "both methods are one");
    let again = request_with("CSeq", &format!("{number} {method}")).expect("what was read, printed");
    assert_eq!(again.cseq(), message.cseq());
}

/// Over a datagram the body is as long as it says, or the message is none (RFC 3261 §18.3).
fn check_content_length(text: &str) {
    let mut octets = written("INVITE sip:b@h SIP/2.0", "INVITE", "Content-Length", text);
    octets.extend_from_slice(b"0123456789");
    let Ok(message) = Message::parse(&octets) else {
        return;
    };
    let length: usize = text.trim().parse().expect("only a number is taken");
    assert_eq!(message.body().len(), length);
    let mut framer = StreamFramer::new();
    framer.push(&octets);
    let framed = framer.poll_frame().expect("a message with a length is framed");
    assert!(framed.is_some());
}

fn check_refer_to(text: &str) {
    let octets = written("REFER sip:b@h SIP/2.0", "REFER", "Refer-To", text);
    let Ok(message) = Message::parse(&octets) else {
        return;
    };
    let Ok(to) = ReferTo::of(&message) else {
        return;
    };
    assert!(to.uri.headers().is_empty(), "no headers of theirs come along");
    let printed = match &to.replaces {
        None => format!("<{}>", to.uri),
        Some(replaces) => format!("<{}?Replaces={}>", to.uri, escaped(&replaces.value())),
    };
    let octets = written("REFER sip:b@h SIP/2.0", "REFER", "Refer-To", &printed);
    let again = Message::parse(&octets).expect("what was read, printed");
    assert_eq!(ReferTo::of(&again), Ok(to), "{printed}");
}

/// As a header of a URI has to be written (RFC 3261 §19.1.1).
pub(super) fn escaped(value: &str) -> String {
    value
        .bytes()
        .map(|octet| match octet.is_ascii_alphanumeric() {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}

fn check_replaces(text: &str) {
    if let Some(replaces) = Replaces::parse(text) {
        assert_eq!(Replaces::parse(&replaces.value()), Some(replaces));
    }
}

fn check_session_expires(text: &str) {
    let Some(message) = request_with("Session-Expires", text) else {
        return;
    };
    let Some(expires) = SessionExpires::of(&message) else {
        return;
    };
    assert!(expires.interval <= session_timer::INTERVAL_MAX);
    let again = request_with("Session-Expires", &expires.to_string()).expect("what was read, printed");
    assert_eq!(SessionExpires::of(&again), Some(expires));
}

fn check_min_se(text: &str) {
    if let Some(message) = request_with("Min-SE", text) {
        let least = min_se(&message);
        assert!((session_timer::INTERVAL_MIN..=session_timer::INTERVAL_MAX).contains(&least));
    }
}

fn check_rack(text: &str) {
    let octets = written("PRACK sip:b@h SIP/2.0", "PRACK", "RAck", text);
    let Ok(message) = Message::parse(&octets) else {
        return;
    };
    if let Some((rseq, cseq)) = reliable::rack(&message) {
        let printed = format!("{rseq} {cseq} INVITE");
        let octets = written("PRACK sip:b@h SIP/2.0", "PRACK", "RAck", &printed);
        let again = Message::parse(&octets).expect("what was read, printed");
        assert_eq!(reliable::rack(&again), Some((rseq, cseq)));
    }
}

fn check_rseq(text: &str) {
    let Some(message) = response_with("RSeq", text) else {
        return;
    };
    if let Some(number) = reliable::number_of(&message) {
        assert!(number > 0, "RFC 3262 §3");
        let again = response_with("RSeq", &number.to_string()).expect("what was read, printed");
        assert_eq!(reliable::number_of(&again), Some(number));
    }
}

fn check_option_tags(text: &str) {
    let Some(message) = request_with("Require", text) else {
        return;
    };
    for tag in message
        .header_values("Require")
        .iter()
        .filter(|tag| !tag.is_empty())
    {
        assert!(names_option(&message, "Require", tag), "{tag}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each header values as they are sent, and some that are not.
    const CORPUS: &[(&str, &[&str])] = &[
        (
            "via",
            &[
                "SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK776asdhds",
                "SIP / 2.0 / TLS [2001:db8::9]:5061 ; branch = z9hG4bKx ; rport;received=192.0.2.1, SIP/2.0/UDP x",
                "SIP/2.0/SCTP h;ttl=1;maddr=224.2.0.1;extra=\"a;b, c\"",
            ],
        ),
        (
            "address",
            &[
                "\"A. G. Bell\" <sip:agb@bell-telephone.example> ;tag=a48s",
                "sip:+12125551212@server.example;tag=887s",
                "Anonymous <sip:c8oqz84zk7z@privacy.example>;tag=hyh8",
                "<tel:+1-212-555-0100;phone-context=x>;tag=1;y=\"a\\\"b\"",
            ],
        ),
        (
            "contact",
            &[
                "<sip:a@192.0.2.1:5070;transport=tcp>;expires=60",
                "*",
                "sip:a@h",
                "<sip:[::1]>",
            ],
        ),
        (
            "route",
            &[
                "<sip:p1.example;lr>, <sip:p2.example:5070;lr>",
                "<sip:p1.example>",
                "\"x, y\" <sip:p;lr>;a=b",
                // Found by a fuzzer: nothing was left of it in a request line of ours.
                "Z:\u{97};\u{a0}",
            ],
        ),
        (
            "call_id",
            &["f81d4fae-7dec-11d0@bar.example", "w@x@y", "\"<>{}", ""],
        ),
        (
            "cseq",
            &[
                "4711 INVITE",
                "0 INVITE",
                "2147483648 INVITE",
                "1 BYE",
                "007\tINVITE",
            ],
        ),
        (
            "content_length",
            &["10", "0", "7", "11", "-1", "1, 1", "4294967306", "0x1", "+5"],
        ),
        (
            "refer_to",
            &[
                "<sip:102@gw>",
                "<sip:102@gw?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only&Subject=x>",
                "\"Sales\" <sip:102@gw;user=phone>",
                "tel:+12125550100",
                "<sip:1@gw;method=BYE>",
            ],
        ),
        (
            "replaces",
            &[
                "425928@bobster.example;to-tag=7743;from-tag=6472",
                "a;from-tag=1;early-only;to-tag=2;x=y",
                "a;to-tag=1",
            ],
        ),
        (
            "session_expires",
            &[
                "1800;refresher=uac",
                "90",
                "99999999999999999999;refresher=UAS",
                "90 ; x",
            ],
        ),
        ("min_se", &["90", "3600;x=y", "0", "-1"]),
        (
            "rack",
            &["776656 1 INVITE", "0 0 INVITE", "1 1 BYE", "4294967296 1 INVITE"],
        ),
        ("rseq", &["988789", "0", "4294967295", "1 2"]),
        ("require", &["100rel", "timer, 100rel", "a,,b", "replaces"]),
    ];

    #[test]
    fn every_typed_header_has_a_corpus_that_breaks_nothing_however_damaged() {
        let listed: Vec<&str> = CORPUS.iter().map(|(target, _)| *target).collect();
        let typed: Vec<&str> = TYPED.iter().map(|(target, ..)| *target).collect();
        assert_eq!(listed, typed);
        for (target, values) in CORPUS {
            for value in *values {
                fuzz_typed(target, value.as_bytes());
                for at in 0..value.len() {
                    fuzz_typed(target, &value.as_bytes()[..at]);
                    for octet in [
                        b'"', b'\\', b',', b';', b'=', b'<', b'>', b'%', b' ', b'9', 0, 0xff,
                    ] {
                        let mut damaged = value.as_bytes().to_vec();
                        damaged[at] = octet;
                        fuzz_typed(target, &damaged);
                        damaged.insert(at, octet);
                        fuzz_typed(target, &damaged);
                    }
                }
            }
        }
    }

    /// The value of a corpus is worth something only when most of it is read.
    #[test]
    fn what_is_sent_every_day_is_read() {
        assert!(request_with("Via", CORPUS[0].1[1]).is_some());
        assert!(request_with("CSeq", "4711 INVITE").is_some());
        let refer = written("REFER sip:b@h SIP/2.0", "REFER", "Refer-To", CORPUS[7].1[1]);
        let refer = ReferTo::of(&Message::parse(&refer).expect("a REFER")).expect("a Refer-To");
        assert!(refer.replaces.expect("a Replaces").is_early_only);
        let progress = response_with("RSeq", "988789").expect("a response");
        assert_eq!(reliable::number_of(&progress), Some(988_789));
    }
}
