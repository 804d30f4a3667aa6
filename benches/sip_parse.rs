//! Parsing the 1.8 kB INVITE of a signed call: two Vias, Identity with a full PASSporT, SDP.
//!
//! `cargo bench --bench sip_parse`. The figure to compare with is in `docs/adr/` (rsip 4.1 us,
//! rsipstack 2.0 us, ezk 7.6 us on the same kind of message).

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringward::sip::{Message, Response, Uri, peek_call_id};

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

fn sip_parse(criterion: &mut Criterion) {
    let octets = invite();
    let mut group = criterion.benchmark_group("sip");
    group.throughput(Throughput::Bytes(octets.len() as u64));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Message::parse(black_box(&octets)))
    });
    group.bench_function("peek_call_id", |bencher| {
        bencher.iter(|| peek_call_id(black_box(&octets)).is_some())
    });
    group.bench_function("parse and read five headers", |bencher| {
        bencher.iter(|| {
            let message = Message::parse(black_box(&octets)).expect("it parses");
            let uri = message.request_uri().and_then(|uri| Uri::parse(uri).ok());
            black_box((
                uri,
                message.from(),
                message.to(),
                message.contact(),
                message.header("y").is_some(),
            ));
        })
    });
    let message = Message::parse(&octets).expect("it parses");
    group.bench_function("build a response", |bencher| {
        bencher.iter(|| Response::new(black_box(&message), 180, "Ringing").to_tag("8d3f0a91c2b4e677"))
    });
    group.finish();
}

criterion_group!(benches, sip_parse);
criterion_main!(benches);
