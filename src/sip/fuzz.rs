//! What a fuzz target runs, and the ordinary tests over a small corpus.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::time::Now;

/// Feeds `octets` to everything in this room that reads octets from outside (the transaction layer
/// has [`fuzz_endpoint`]), and checks what must
/// hold for any input. Panics when something does not hold; otherwise says nothing.
pub fn fuzz_message(octets: &[u8]) {
    check_parsed(octets);
    check_stream(octets);
    fuzz_header(octets);
}

/// Feeds `octets` to everything in this room that reads the value of one header, and checks that what was read means the
/// same when it is printed and read again.
pub fn fuzz_header(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    fuzz_uri(&text);
    for value in params::split_commas(&text).take(64) {
        if let Ok(address) = NameAddr::parse(value) {
            let borrowed = Address::parse(value).expect("both are read by one scanner");
            assert_eq!(borrowed.to_owned(), address);
            assert_eq!(
                address.tag(),
                name_addr::tag_of(value).map(params::unquote).as_deref()
            );
            // Control characters are shown to nobody, so they do not come back.
            if !value.chars().any(char::is_control) {
                assert_eq!(NameAddr::parse(&address.to_string()).as_ref(), Ok(&address));
            }
        }
        if let Ok(read) = via::Via::parse(value) {
            let amended = via::amend(value, SocketAddr::from(([192, 0, 2, 1], 5060)));
            let again = via::Via::parse(&amended).expect("our own Via is readable");
            assert_eq!(
                (again.host, again.port, again.branch),
                (read.host, read.port, read.branch)
            );
        }
    }
}

/// A URI that was read is the same when it is read again, and its parts are parts of it.
pub fn fuzz_uri(text: &str) {
    let Ok(uri) = Uri::parse(text) else {
        return;
    };
    assert_eq!(Uri::parse(uri.as_str()).as_ref(), Ok(&uri));
    assert!(uri.host().is_none_or(|host| text.contains(host)));
    let _ = (uri.user(), uri.port(), uri.socket_addr(), uri.transport());
    let _ = (uri.param("lr"), uri.user_param("tgrp"));
}

fn check_parsed(octets: &[u8]) {
    let message = match Message::parse(octets) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.status.is_none_or(|status| (400..=599).contains(&status)));
            return;
        }
    };
    assert_eq!(peek_call_id(octets), Some(message.call_id().as_bytes()));
    let again = Message::parse(message.octets()).expect("what parsed once parses again");
    assert_eq!(again.octets(), message.octets());
    assert!(message.octets().ends_with(message.body()));
    let _ = (
        message.from(),
        message.to(),
        message.contact(),
        message.cseq(),
        message.reason_phrase(),
    );
    if let Some(expires) = SessionExpires::of(&message) {
        assert!(expires.interval <= session_timer::INTERVAL_MAX);
        assert!(
            expires
                .to_string()
                .starts_with(&expires.interval.as_secs().to_string())
        );
    }
    assert!(min_se(&message) >= session_timer::INTERVAL_MIN);
    assert!(reliable::number_of(&message) != Some(0));
    let _ = reliable::rack(&message);
    for (name, _) in message.headers() {
        let lines = message.header_lines(name);
        assert_eq!(message.header(name).as_ref(), lines.first());
        message.header_values(name);
    }
    if let Some(uri) = message.request_uri() {
        assert!(Uri::parse(uri).is_ok());
        let response = Response::new(&message, 486, "Busy Here").to_tag("t");
        let printed = print::response(&response, None, "x");
        // A response may grow past the limit of a message; nobody sends such a one.
        if printed.len() < limits::MESSAGE_OCTETS_MAX {
            let answer = Message::parse(&printed).expect("our answer parses");
            assert_eq!(answer.call_id(), message.call_id());
            assert_eq!(answer.cseq(), message.cseq());
        }
        if let Ok(mut dialog) = Dialog::as_server(&message, "t", "<sip:us@192.0.2.1>") {
            let _ = (
                dialog.request(Method::Bye),
                dialog.next_hop(),
                dialog.on_request(&message),
                dialog.accept(&message),
            );
        }
    }
}

fn check_stream(octets: &[u8]) {
    let frames = |size: usize| {
        let mut framer = StreamFramer::new();
        let mut frames = Vec::new();
        for piece in octets.chunks(size) {
            framer.push(piece);
            while let Ok(Some(frame)) = framer.poll_frame() {
                frames.push(frame);
            }
        }
        frames
    };
    assert_eq!(frames(7), frames(octets.len().max(1)));
}

/// Feeds `octets` to a transaction layer twice, with an owner that answers 200 to everything, and
/// lets 64 s pass. Panics when something is left over or an output makes no sense.
pub fn fuzz_endpoint(octets: &[u8], now: Now) {
    let mut now = now;
    let address = SocketAddr::from(([127, 0, 0, 1], 5060));
    let flow = Flow {
        transport: Transport::Udp,
        local: address,
        remote: address,
        connection: None,
        peer: None,
    };
    let mut endpoint = Endpoint::new([0; 32], "fuzz");
    for _ in 0..2 {
        endpoint.handle(EndpointInput::Received { flow, octets }, now);
        loop {
            match endpoint.poll_output() {
                EndpointOutput::Transmit { octets, .. } => {
                    assert!(octets.starts_with(b"SIP/2.0 "));
                }
                EndpointOutput::Event(SipEvent::Request { txn, request, .. }) => {
                    endpoint.respond(txn, Response::new(&request, 200, "OK"), now);
                }
                EndpointOutput::Event(_) => {}
                EndpointOutput::Timeout(next) => {
                    assert!(next.is_none_or(|next| next > now.instant));
                    break;
                }
            }
        }
    }
    now = now.after(Duration::from_secs(64));
    endpoint.handle(EndpointInput::Tick, now);
    assert_eq!(endpoint.live_transactions(), 0);
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
pub(super) mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    /// Both fuzz bodies, with any instant as the start of the virtual clock.
    pub(in crate::sip) fn fuzz(octets: &[u8]) {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        fuzz_message(octets);
        fuzz_endpoint(octets, now);
    }

    #[test]
    fn the_corpus_and_its_damaged_copies_break_nothing() {
        for sample in torture::samples() {
            fuzz(&sample);
            for cut in (0..sample.len()).step_by(17) {
                fuzz(&sample[..cut]);
                let mut damaged = sample.clone();
                damaged[cut] ^= 0x2b;
                fuzz(&damaged);
                damaged[cut] = b'\r';
                fuzz(&damaged);
            }
        }
    }
}
