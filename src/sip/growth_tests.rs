//! What a message costs grows with its length, whatever stands in it. Counted in octets looked at, not in time.

use super::kinds::{self, HEAD, KINDS, filled};
use super::work;
use super::*;

/// Octets looked at for each octet of the message, at most, by everything below together.
const PER_OCTET: u64 = 40;

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
    for name in kinds::NAMES {
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

fn spent(piece: &str, frame: &str, size: usize) -> (u64, u64) {
    let octets = kinds::filled_frame(piece, frame, size);
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
