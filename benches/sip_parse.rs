//! Reading and writing the 1.7 kB INVITE of a signed call beside three other parsers, and the heaviest messages there are.
//!
//! `cargo bench --bench sip_parse`. Every parser takes the same octets in turn, in short batches, and its best batch
//! counts: what else the machine does falls out. The figures of the last run on a quiet machine are in
//! `docs/adr/0001-own-sip-core.md`. Five headers are From, To, Contact, CSeq and Call-ID, each read as far as its parser
//! goes: addresses taken apart, tags found, numbers checked. Printing is the whole message to octets once more; ours has
//! kept what came (nothing of a message is lost between the legs by reading it), the others write it anew.
//!
//! The heavy messages are those of `src/sip/kinds.rs`, 64 KiB each, read in every way that the room has from outside.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

#[path = "../src/sip/kinds.rs"]
mod kinds;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use ezk_sip_types::header::typed::{CSeq, CallID, Contact, FromTo};
use ezk_sip_types::msg::{Line, MessageLine, PullParser};
use ezk_sip_types::print::AppendCtx as _;
use ezk_sip_types::{Headers, Name};
use ringward::sip::{Message, NameAddr, Response, StreamFramer, Uri, peek_call_id};

/// How many times faster than the fastest of the others (issue 4).
const AIM: f64 = 4.0;
/// What the heaviest message may cost.
const HEAVY: Duration = Duration::from_millis(2);
/// As long as a datagram can be.
const HEAVY_OCTETS: usize = 65_500;
const ROUNDS: usize = 300;
const BATCH: usize = 200;

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let octets = invite();
    println!(
        "{} octets, ns each, best of {ROUNDS} batches of {BATCH}",
        octets.len()
    );
    beside_others("parse", &octets, [ours, rsip, rsipstack, ezk], Depth::Parse);
    beside_others(
        "parse, five headers",
        &octets,
        [ours, rsip, rsipstack, ezk],
        Depth::Headers,
    );
    beside_others(
        "parse, five headers, print",
        &octets,
        [ours, rsip, rsipstack, ezk],
        Depth::Print,
    );

    let message = Message::parse(&octets).unwrap();
    let alone: [(&str, &dyn Fn()); 3] = [
        ("Call-ID of raw octets", &|| {
            black_box(peek_call_id(black_box(&octets)).is_some());
        }),
        ("parse, addresses copied", &|| {
            let message = Message::parse(black_box(&octets)).unwrap();
            black_box((
                message.request_target(),
                message.from(),
                message.to(),
                message.contact(),
            ));
        }),
        ("build a response", &|| {
            black_box(Response::new(black_box(&message), 180, "Ringing").to_tag("8d3f0a91c2b4e677"));
        }),
    ];
    for (name, action) in alone {
        println!("{name:28} ringward {:6.0}", best(&mut [action])[0]);
    }
    heavy()
}

#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Parse,
    Headers,
    Print,
}

type Parser = fn(&[u8], Depth);

fn beside_others(what: &str, octets: &[u8], parsers: [Parser; 4], depth: Depth) {
    let actions = parsers.map(|parser| move || parser(black_box(octets), depth));
    let found = best(&mut actions.each_ref().map(|action| action as &dyn Fn()));
    let [ours, others @ ..] = &found[..] else { return };
    let fastest = others.iter().copied().fold(f64::MAX, f64::min);
    println!(
        "{what:28} ringward {ours:6.0}  rsip {:6.0}  rsipstack {:6.0}  ezk {:6.0}: {:.1} times faster than the fastest (aim {AIM})",
        others[0],
        others[1],
        others[2],
        fastest / ours
    );
}

/// Nanoseconds of each action, taken in turns.
fn best(actions: &mut [&dyn Fn()]) -> Vec<f64> {
    let mut found = vec![f64::MAX; actions.len()];
    for _ in 0..ROUNDS {
        for (place, action) in actions.iter().enumerate() {
            let start = Instant::now();
            for _ in 0..BATCH {
                action();
            }
            found[place] = found[place].min(start.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    }
    found
}

fn ours(octets: &[u8], depth: Depth) {
    let message = Message::parse(octets).unwrap();
    if depth != Depth::Parse {
        let (from, to, contact) = (
            message.from_address(),
            message.to_address(),
            message.contact_address(),
        );
        let contact = contact.unwrap();
        black_box((from.tag(), from.user(), from.host(), to.user(), to.host()));
        black_box((contact.user(), contact.host(), message.cseq(), message.call_id()));
    }
    if depth == Depth::Print {
        black_box(message.octets().to_vec());
    }
    black_box(message);
}

macro_rules! like_rsip {
    ($octets:expr, $depth:expr, $message:path, $request:path, $headers:path) => {{
        use $headers::*;
        let message = <$message>::try_from($octets).unwrap();
        let request = <$request>::try_from(message).unwrap();
        if $depth != Depth::Parse {
            black_box(request.from_header().unwrap().typed().unwrap());
            black_box(request.to_header().unwrap().typed().unwrap());
            black_box(request.contact_header().unwrap().typed().unwrap());
            black_box(request.cseq_header().unwrap().typed().unwrap());
            black_box(request.call_id_header().unwrap().value());
        }
        if $depth == Depth::Print {
            black_box(Vec::<u8>::from(request));
        } else {
            black_box(request);
        }
    }};
}

fn rsip(octets: &[u8], depth: Depth) {
    like_rsip!(
        octets,
        depth,
        ::rsip::SipMessage,
        ::rsip::Request,
        ::rsip::prelude
    );
}

fn rsipstack(octets: &[u8], depth: Depth) {
    like_rsip!(
        octets,
        depth,
        ::rsipstack::sip::SipMessage,
        ::rsipstack::sip::Request,
        ::rsipstack::sip::prelude
    );
}

/// As its own core reads a datagram: lines first, then every line into its header.
fn ezk(octets: &[u8], depth: Depth) {
    let octets = Bytes::copy_from_slice(octets);
    let mut lines = PullParser::new(&octets, 0);
    let text = |line: &[u8]| std::str::from_utf8(line).unwrap().to_string();
    let first: MessageLine = text(lines.next().unwrap().unwrap()).parse().unwrap();
    let mut headers = Headers::new();
    for line in &mut lines {
        let (_, line) = Line::parse(&octets, std::str::from_utf8(line.unwrap()).unwrap()).unwrap();
        headers.insert(line.name, line.value);
    }
    let body = octets.slice(lines.head_end()..);
    if depth != Depth::Parse {
        let (from, to): (FromTo, FromTo) = (headers.get(Name::FROM).unwrap(), headers.get(Name::TO).unwrap());
        black_box((from, to, headers.get_named::<Contact>().unwrap()));
        black_box((
            headers.get_named::<CSeq>().unwrap(),
            headers.get_named::<CallID>().unwrap(),
        ));
    }
    if depth == Depth::Print {
        let mut printed = format!("{}\r\n{headers}\r\n", first.default_print_ctx()).into_bytes();
        printed.extend_from_slice(&body);
        black_box(printed);
    }
    black_box((first, headers, body));
}

/// The slowest of all kinds, each read three times.
fn heavy() -> ExitCode {
    let mut worst = (Duration::ZERO, "");
    for (kind, piece, frame) in kinds::KINDS {
        let octets = kinds::filled_frame(piece, frame, HEAVY_OCTETS);
        let took = (0..5)
            .map(|_| {
                let start = Instant::now();
                read_all(&octets);
                start.elapsed()
            })
            .min()
            .unwrap_or_default();
        worst = worst.max((took, kind));
    }
    println!(
        "the heaviest of {} kinds of 64 KiB message: {} ({} us, at most {} us asked)",
        kinds::KINDS.len(),
        worst.1,
        worst.0.as_micros(),
        HEAVY.as_micros()
    );
    ExitCode::from(u8::from(worst.0 > HEAVY))
}

/// From a datagram and from a stream, and every header that is looked at, as addresses and as URIs.
fn read_all(octets: &[u8]) {
    black_box(peek_call_id(octets));
    let mut framer = StreamFramer::new();
    framer.push(octets);
    while let Ok(Some(frame)) = framer.poll_frame() {
        black_box(frame);
    }
    let Ok(message) = Message::parse(octets) else {
        return;
    };
    black_box((
        message.from(),
        message.to(),
        message.contact(),
        message.description().is_some(),
    ));
    for name in kinds::NAMES {
        for value in message.header_values(name) {
            black_box((NameAddr::parse(&value).is_ok(), Uri::parse(&value).is_ok()));
        }
    }
    black_box(Response::new(&message, 180, "Ringing").to_tag("t"));
}

fn invite() -> Vec<u8> {
    let passport = |length: usize| {
        "eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0In0".repeat(8)[..length].to_string()
    };
    let sdp = "v=0\r\no=- 20518 0 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n\
               m=audio 54400 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
               a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
               a=ptime:20\r\na=sendrecv\r\na=rtcp:54401\r\n";
    format!(
        "INVITE sip:+12125550100@gw.example.com:5060;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK776asdhds0123456789;rport\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKnashds8f00d;received=198.51.100.7\r\n\
         Max-Forwards: 68\r\n\
         Record-Route: <sip:203.0.113.10;lr;ftag=1928301774>\r\n\
         From: \"Alice Example\" <sip:+14045550123@carrier.example.net;user=phone>;tag=1928301774\r\n\
         To: <sip:+12125550100@gw.example.com;user=phone>\r\n\
         Call-ID: a84b4c76e66710.3f2a@203.0.113.10\r\n\
         CSeq: 314159 INVITE\r\n\
         Contact: <sip:+14045550123@203.0.113.10:5060;transport=udp>\r\n\
         P-Asserted-Identity: \"Alice Example\" <sip:+14045550123@carrier.example.net;user=phone>\r\n\
         Date: Sun, 22 Nov 2026 06:00:00 GMT\r\n\
         Identity: {}.{}.{};info=<https://cert.example.org/passport.cer>;alg=ES256;ppt=\"shaken\"\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK\r\n\
         Supported: timer, 100rel, replaces\r\n\
         Session-Expires: 1800;refresher=uac\r\n\
         User-Agent: Carrier SBC 9.3\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\
         \r\n\
         {sdp}",
        passport(107),
        passport(275),
        passport(86),
        sdp.len()
    )
    .into_bytes()
}
