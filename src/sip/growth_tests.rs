//! What a message costs grows with its length, whatever stands in it. Counted in octets looked at, not in time.

use super::work;
use super::*;

/// Octets looked at for each octet of the message, at most, by everything below together.
const PER_OCTET: u64 = 40;

const HEAD: &str = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
                    To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n";

/// Reads a message in every way this room has.
fn read_all(octets: &[u8]) {
    peek_call_id(octets);
    for size in [1_000, octets.len()] {
        let mut framer = StreamFramer::new();
        for piece in octets.chunks(size) {
            framer.push(piece);
            while let Ok(Some(_)) = framer.poll_frame() {}
        }
    }
    let Ok(message) = Message::parse(octets) else {
        return;
    };
    let _ = (
        message.from(),
        message.to(),
        message.contact(),
        message.description(),
    );
    for name in [
        "Via",
        "Contact",
        "Route",
        "Record-Route",
        "Identity",
        "Subject",
        "X",
    ] {
        message.header_lines(name);
        for value in message.header_values(name) {
            let _ = (
                NameAddr::parse(&value),
                Uri::parse(&value),
                via::Via::parse(&value),
            );
        }
    }
    let response = Response::new(&message, 180, "Ringing").to_tag("t");
    print::response(
        &response,
        Some(&via::amend(&message.via_line(), ([192, 0, 2, 1], 5060).into())),
        "x",
    );
    let _ = Dialog::as_server(&message, "t", "<sip:us@192.0.2.1>");
}

/// A message of about `size` octets made of `piece`, put between `before` and `after`.
fn filled(before: &str, piece: &str, after: &str, size: usize) -> Vec<u8> {
    let room = size - before.len() - after.len();
    [before, &piece.repeat(room / piece.len()), after]
        .concat()
        .into_bytes()
}

/// Every kind of message that costs some parser more than its length. `{}` marks where the pieces go.
const KINDS: &[(&str, &str, &str)] = &[
    ("headers", "X: y\r\n", "{}\r\n"),
    (
        "unknown long names",
        "X-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: y\r\n",
        "{}\r\n",
    ),
    ("folds", "y\r\n ", "X: {}z\r\n\r\n"),
    ("empty folds", "\r\n ", "X: {}z\r\n\r\n"),
    ("white space before a fold", "   \t", "X: {}\r\n z\r\n\r\n"),
    ("commas", ",", "Contact: {}\r\n\r\n"),
    ("addresses", "<sip:a@h>,", "Contact: {}<sip:b@h>\r\n\r\n"),
    ("parameters", ";a=b", "Contact: <sip:a@h>{}\r\n\r\n"),
    ("semicolons", ";", "Contact: <sip:a@h>{}\r\n\r\n"),
    ("URI parameters", ";a=b", "Contact: <sip:a@h{}>\r\n\r\n"),
    ("quotes", "\"", "Contact: {}\r\n\r\n"),
    ("escaped quotes", "\\\"", "Contact: \"{}\r\n\r\n"),
    ("open quotes and commas", "\\\",", "Contact: \"{}\r\n\r\n"),
    ("quoted parameters", ";a=\"b,;\"", "Contact: <sip:a@h>{}\r\n\r\n"),
    ("backslashes", "\\", "Contact: \"{}\r\n\r\n"),
    ("brackets", "<", "Contact: {}\r\n\r\n"),
    ("closing brackets", "<>", "Contact: {}\r\n\r\n"),
    ("parentheses", "(", "Subject: {}\r\n\r\n"),
    ("comments", "(())", "User-Agent: {}\r\n\r\n"),
    ("colons", ":", "Subject: {}\r\n\r\n"),
    ("Vias", "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n", "{}\r\n"),
    (
        "Vias on a line",
        "SIP/2.0/UDP h;branch=z9hG4bK1,",
        "Via: {}SIP/2.0/UDP h\r\n\r\n",
    ),
    ("slashes in Via", "SIP / ", "Via: {}\r\n\r\n"),
    ("percent signs", "%41", "Contact: <sip:{}@h>\r\n\r\n"),
    ("at signs", "@", "Contact: <sip:{}@h>\r\n\r\n"),
    ("IPv6", "1:", "Contact: <sip:[{}]>\r\n\r\n"),
    ("routes", "Record-Route: <sip:h;lr>\r\n", "{}\r\n"),
    ("lengths", "l: 0\r\n", "{}\r\n"),
    ("no UTF-8", "\u{e9}", "Subject: {}\r\n\r\n"),
    (
        "lines of a body",
        "a=x\r\n",
        "Content-Type: application/sdp\r\n\r\nv=0\r\n{}",
    ),
    (
        "hyphens in a body",
        "-",
        "Content-Type: multipart/mixed;boundary=-\r\n\r\n{}",
    ),
    (
        "parts",
        "--b\r\n\r\n",
        "Content-Type: multipart/mixed;boundary=b\r\n\r\n{}",
    ),
    (
        "heads of parts",
        "--b\r\nX: y\r\n",
        "Content-Type: multipart/mixed;boundary=b\r\n\r\n{}",
    ),
    ("no line end", "x", "X: {}"),
    ("CRs", "\r", "X: {}\r\n\r\n"),
    ("CRLFs", "\r\n", "{}"),
];

fn spent(piece: &str, frame: &str, size: usize) -> (u64, u64) {
    let (before, after) = frame.split_once("{}").expect("a place for the pieces");
    let octets = filled(&[HEAD, before].concat(), piece, after, size);
    (work::of(|| read_all(&octets)), octets.len() as u64)
}

#[test]
fn no_kind_of_message_costs_more_than_its_length() {
    for (kind, piece, frame) in KINDS {
        let mut costs = Vec::new();
        // A header is at most 16 KiB long: shorter ones are not refused at once.
        for size in [4_000, 16_000, 65_500] {
            let (spent, length) = spent(piece, frame, size);
            assert!(
                spent <= length * PER_OCTET,
                "{kind}: {spent} octets looked at for {length}"
            );
            costs.push(spent);
        }
        // Four times as long, five times as much at most (or refused early, and less).
        for pair in costs.windows(2) {
            assert!(pair[1] <= pair[0] * 5 + 10_000, "{kind}: {costs:?}");
        }
    }
}

#[test]
fn an_ordinary_invite_is_looked_at_a_few_times() {
    for sample in torture::samples() {
        let spent = work::of(|| {
            let _ = Message::parse(&sample);
        });
        assert!(
            spent <= 4 * sample.len() as u64 + 256,
            "{spent} for {}",
            sample.len()
        );
    }
}

#[test]
fn a_stream_that_comes_octet_by_octet_costs_what_it_costs_at_once() {
    let octets = filled(HEAD, "X-Name: value\r\n", "Content-Length: 0\r\n\r\n", 3_000);
    let spent = work::of(|| {
        let mut framer = StreamFramer::new();
        for octet in &octets {
            framer.push(std::slice::from_ref(octet));
            let _ = framer.poll_frame();
        }
    });
    assert!(spent <= 40 * octets.len() as u64, "{spent} for {}", octets.len());
}
