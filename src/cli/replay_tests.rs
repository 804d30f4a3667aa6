//! Captures made here, octet by octet, and what is told of the calls in them.

use serde_json::Value;

use super::*;
use crate::identity::signer::{NOW, Signer, URL};

const CALLER: &str = "203.0.113.7:5060";
const CALLED: &str = "198.51.100.2:5060";

/// Link layers that a capture may have been made on.
#[derive(Clone, Copy, Debug)]
enum Link {
    Ethernet,
    Vlan,
    Cooked,
    Cooked2,
    Raw,
    Null,
}

/// One packet: when (ms after the start), from, to, and what it carries.
struct Sent {
    at_ms: u64,
    ip: Vec<u8>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

use std::net::SocketAddr;

fn ip(from: &str, to: &str, kind: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            let mut octets = vec![0x45, 0];
            octets.extend((20 + payload.len() as u16).to_be_bytes());
            octets.extend([0, 1, 0, 0, 64, kind, 0, 0]);
            octets.extend(from.ip().octets());
            octets.extend(to.ip().octets());
            octets.extend(payload);
            octets
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            // With a destination option header before it.
            let mut octets = vec![0x60, 0, 0, 0];
            octets.extend((8 + payload.len() as u16).to_be_bytes());
            octets.extend([60, 64]);
            octets.extend(from.ip().octets());
            octets.extend(to.ip().octets());
            octets.extend([kind, 0, 1, 4, 0, 0, 0, 0]);
            octets.extend(payload);
            octets
        }
        _ => panic!("one family"),
    }
}

fn udp(at_ms: u64, from: &str, to: &str, payload: &[u8]) -> Sent {
    let mut octets = Vec::new();
    octets.extend(address(from).port().to_be_bytes());
    octets.extend(address(to).port().to_be_bytes());
    octets.extend((8 + payload.len() as u16).to_be_bytes());
    octets.extend([0, 0]);
    octets.extend(payload);
    let ip = ip(from, to, 17, &octets);
    Sent { at_ms, ip }
}

fn tcp(at_ms: u64, from: &str, to: &str, sequence: u32, flags: u8, payload: &[u8]) -> Sent {
    let mut octets = Vec::new();
    octets.extend(address(from).port().to_be_bytes());
    octets.extend(address(to).port().to_be_bytes());
    octets.extend(sequence.to_be_bytes());
    octets.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
    octets.extend(payload);
    let ip = ip(from, to, 6, &octets);
    Sent { at_ms, ip }
}

fn framed(link: Link, ip: &[u8]) -> (u32, Vec<u8>) {
    let kind: [u8; 2] = if ip[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let (number, head) = match link {
        Link::Ethernet => (1, [&[2; 12][..], &kind].concat()),
        Link::Vlan => (1, [&[2; 12][..], &[0x81, 0, 0, 7], &kind].concat()),
        Link::Cooked => (113, [&[0; 14][..], &kind].concat()),
        Link::Cooked2 => (276, [&kind[..], &[0; 18]].concat()),
        Link::Raw => (101, Vec::new()),
        Link::Null => (0, vec![2, 0, 0, 0]),
    };
    (number, [head, ip.to_vec()].concat())
}

/// A pcap file in microseconds.
fn pcap(link: Link, sent: &[Sent]) -> Vec<u8> {
    let number = framed(link, &[0x45]).0;
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    file.extend(number.to_le_bytes());
    for packet in sent {
        let octets = framed(link, &packet.ip).1;
        file.extend(((NOW + packet.at_ms / 1000) as u32).to_le_bytes());
        file.extend(((packet.at_ms % 1000 * 1000) as u32).to_le_bytes());
        file.extend((octets.len() as u32).to_le_bytes());
        file.extend((octets.len() as u32).to_le_bytes());
        file.extend(octets);
    }
    file
}

/// The same as pcapng, in nanoseconds.
fn pcapng(sent: &[Sent]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    };
    let mut file = block(
        0x0a0d_0d0a,
        &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat(),
    );
    // Raw IP; if_tsresol = 9; end of options.
    file.extend(block(
        1,
        &[101, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0],
    ));
    for packet in sent {
        let stamp = NOW * 1_000_000_000 + packet.at_ms * 1_000_000;
        let length = (packet.ip.len() as u32).to_le_bytes();
        let mut body = vec![0; 4];
        body.extend(((stamp >> 32) as u32).to_le_bytes());
        body.extend((stamp as u32).to_le_bytes());
        body.extend(length);
        body.extend(length);
        body.extend(&packet.ip);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

fn sdp(host: &str, port: u16) -> String {
    let family = if host.contains(':') { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=- 7 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    )
}

fn host(address: &str) -> String {
    super::replay_tests::address(address).ip().to_string()
}

/// A message of the call `id`; `start` is the whole start line, `tag` what stands in To.
fn message(start: &str, id: &str, cseq: &str, tag: &str, more: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
         From: <sip:+14045550123@carrier.example.com;user=phone>;tag=c\r\nTo: <sip:+12125550100@example.com;user=phone>{tag}\r\n\
         Call-ID: {id}\r\nCSeq: {cseq}\r\nContact: <sip:trunk@{CALLER}>\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The messages of a call that is answered after 2 s and ended by the caller after 10 s: when, from, to, octets. Lines of
/// `offer_more` end the caller's description.
fn words<'a>(
    id: &str,
    from: &'a str,
    to: &'a str,
    more: &str,
    offer_more: &str,
) -> Vec<(u64, &'a str, &'a str, Vec<u8>)> {
    let uri = "sip:+12125550100@198.51.100.2;user=phone SIP/2.0";
    let invite = message(
        &format!("INVITE {uri}"),
        id,
        "1 INVITE",
        "",
        more,
        &(sdp(&host(from), 4000) + offer_more),
    );
    let ok = message(
        "SIP/2.0 200 OK",
        id,
        "1 INVITE",
        ";tag=p",
        "",
        &sdp(&host(to), 5000),
    );
    vec![
        (0, from, to, invite),
        (
            10,
            to,
            from,
            message("SIP/2.0 100 Trying", id, "1 INVITE", "", "", ""),
        ),
        (
            500,
            to,
            from,
            message("SIP/2.0 180 Ringing", id, "1 INVITE", ";tag=p", "", ""),
        ),
        (2000, to, from, ok),
        (
            2010,
            from,
            to,
            message(&format!("ACK {uri}"), id, "1 ACK", ";tag=p", "", ""),
        ),
        (
            10_000,
            from,
            to,
            message(&format!("BYE {uri}"), id, "2 BYE", ";tag=p", "", ""),
        ),
        (
            10_010,
            to,
            from,
            message("SIP/2.0 200 OK", id, "2 BYE", ";tag=p", "", ""),
        ),
    ]
}

fn call(id: &str, more: &str) -> Vec<Sent> {
    let words = words(id, CALLER, CALLED, more, "");
    words
        .into_iter()
        .map(|(at, from, to, octets)| udp(at, from, to, &octets))
        .collect()
}

/// What is told of this file, line by line; the summary last.
fn told(name: &str, file: &[u8], signer: Option<&Signer>) -> (bool, Vec<Value>) {
    told_by(name, file, signer, None)
}

fn told_by(
    name: &str,
    file: &[u8],
    signer: Option<&Signer>,
    model: Option<Arc<Model>>,
) -> (bool, Vec<Value>) {
    let folder = std::env::temp_dir().join(format!("ringward-replay-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("calls.pcap");
    std::fs::write(&path, file).unwrap();
    let desk = Desk {
        anchors: signer
            .map(|signer| ("anchors.pem".to_string(), signer.anchor.clone().into_bytes()))
            .into_iter()
            .collect(),
        certificates: signer
            .map(|signer| (URL.to_string(), signer.certificate.clone().into_bytes().into()))
            .into_iter()
            .collect(),
        identity: identity::Config::default(),
        policy: Arc::new(Policy::embedded()),
        model,
        country: "US".into(),
    };
    let mut out = Vec::new();
    let is_complete = replay(&desk, &path, true, &mut out).unwrap();
    // The same for people: whatever it says, it says something of each.
    let mut text = Vec::new();
    replay(&desk, &path, false, &mut text).unwrap();
    assert!(!text.is_empty());
    std::fs::remove_dir_all(&folder).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let values = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    (is_complete, values.collect())
}

#[test]
fn a_call_is_told_with_its_verdict_and_how_it_ended() {
    let (is_complete, lines) = told("plain", &pcap(Link::Ethernet, &call("one", "")), None);
    assert!(is_complete, "{lines:?}");
    let call = &lines[0]["call"];
    assert_eq!(call["banner"]["number"], "unproven", "{call}");
    assert_eq!(call["started_ms"], NOW * 1000);
    assert_eq!(call["timings"]["answered_ms"], 2000);
    assert_eq!(call["timings"]["ended_ms"], 10_000);
    assert_eq!(
        (&call["outcome"]["ending"], &call["outcome"]["by"]),
        (&"completed".into(), &"caller".into())
    );
    assert_eq!(
        (&lines[0]["sip_call_id"], &lines[0]["source"]),
        (&"one".into(), &CALLER.into())
    );
    assert_eq!((&lines[1]["calls"], &lines[1]["errors"]), (&1.into(), &0.into()));
}

#[test]
fn every_link_layer_both_formats_and_both_families_tell_the_same() {
    let expected = told("link", &pcap(Link::Ethernet, &call("one", "")), None).1[0].clone();
    for link in [Link::Vlan, Link::Cooked, Link::Cooked2, Link::Raw, Link::Null] {
        let lines = told("links", &pcap(link, &call("one", "")), None).1;
        assert_eq!(lines[0], expected, "{link:?}");
    }
    assert_eq!(told("ng", &pcapng(&call("one", "")), None).1[0], expected);

    let words = words("one", "[2001:db8::7]:5060", "[2001:db8::2]:5060", "", "");
    let sent: Vec<Sent> = words
        .into_iter()
        .map(|(at, from, to, octets)| udp(at, from, to, &octets))
        .collect();
    let lines = told("six", &pcap(Link::Ethernet, &sent), None).1;
    assert_eq!(lines[0]["call"]["banner"], expected["call"]["banner"]);
    assert_eq!(lines[0]["source"], "[2001:db8::7]:5060");
}

#[test]
fn a_signed_call_is_judged_at_the_time_it_was_captured() {
    let signer = Signer::new();
    let identity = format!("Identity: {}\r\n", signer.identity(URL, NOW));
    let file = pcap(Link::Raw, &call("one", &identity));
    let lines = told("signed", &file, Some(&signer)).1;
    assert_eq!(lines[0]["call"]["banner"]["number"], "genuine", "{}", lines[0]);
    // Without the certificate nothing is proven, and nothing is fetched.
    let lines = told("unsigned", &file, None).1;
    assert_eq!(lines[0]["call"]["banner"]["number"], "unproven");
    // The same proof in a second call that is answered too.
    let mut twice = call("one", &identity);
    for mut packet in call("two", &identity) {
        packet.at_ms += 20_000;
        twice.push(packet);
    }
    let lines = told("replayed", &pcap(Link::Raw, &twice), Some(&signer)).1;
    let tags = lines[1]["decisions"][0]["findings"].to_string();
    assert!(
        tags.contains("IDENTITY_REPLAYED") || tags.contains("REUSED"),
        "{tags}"
    );
}

#[test]
fn sip_over_tcp_is_put_together_from_segments_in_any_order() {
    let expected = told("udp", &pcap(Link::Raw, &call("one", "")), None).1[0].clone();
    let mut sent = Vec::new();
    let mut next = std::collections::BTreeMap::from([(CALLER, 100_u32), (CALLED, 9000)]);
    sent.push(tcp(0, CALLER, CALLED, 99, 2, b""));
    sent.push(tcp(0, CALLED, CALLER, 8999, 0x12, b""));
    for (at, from, to, octets) in words("one", CALLER, CALLED, "", "") {
        let sequence = next.get_mut(from).unwrap();
        let (first, rest) = octets.split_at(octets.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        let (b, c) = (
            sequence.wrapping_add(first.len() as u32),
            sequence.wrapping_add((first.len() + second.len()) as u32),
        );
        sent.push(tcp(at, from, to, c, 0x18, third));
        sent.push(tcp(at, from, to, *sequence, 0x18, first));
        sent.push(tcp(at, from, to, *sequence, 0x18, first));
        sent.push(tcp(at, from, to, b, 0x18, second));
        *sequence = sequence.wrapping_add(octets.len() as u32);
    }
    let lines = told("tcp", &pcap(Link::Raw, &sent), None).1;
    assert_eq!(lines[0], expected);
}

#[test]
fn a_bad_packet_and_a_bad_call_are_told_and_the_rest_goes_on() {
    let mut sent = call("one", "");
    let bad = b"INVITE sip:x SIP/2.0\r\nCall-ID: broken\r\nCSeq: banana\r\n\r\n";
    sent.insert(1, udp(5, CALLER, CALLED, bad));
    sent.insert(2, udp(6, CALLER, CALLED, &[0x80; 40]));
    let required = message(
        "INVITE sip:+12125550100@198.51.100.2 SIP/2.0",
        "odd",
        "1 INVITE",
        "",
        "Require: magic\r\n",
        "",
    );
    sent.push(udp(20_000, CALLER, CALLED, &required));
    let mut fragment = udp(21_000, CALLER, CALLED, b"the rest of something");
    fragment.ip[6] = 0x20;
    sent.push(fragment);
    let (is_complete, lines) = told("bad", &pcap(Link::Ethernet, &sent), None);
    assert!(!is_complete);
    let errors: Vec<&Value> = lines.iter().filter(|line| line["error"].is_string()).collect();
    assert_eq!(errors.len(), 2, "{lines:?}");
    assert_eq!(
        (&errors[0]["sip_call_id"], &errors[1]["sip_call_id"]),
        (&"broken".into(), &"odd".into())
    );
    assert!(
        errors[1]["error"].as_str().unwrap().contains("420"),
        "{}",
        errors[1]
    );
    let sum = lines.last().unwrap();
    assert_eq!(
        (&sum["calls"], &sum["fragments"]),
        (&1.into(), &1.into()),
        "{sum}"
    );
}

#[test]
fn a_capture_that_breaks_off_tells_what_it_has() {
    let file = pcap(Link::Ethernet, &call("one", ""));
    // Within the BYE.
    let (is_complete, lines) = told("short", &file[..file.len() - 900], None);
    assert!(!is_complete);
    let call = lines
        .iter()
        .find(|line| line["call"].is_object())
        .expect("the call");
    assert_eq!(call["capture_ends_first"], true, "{call}");
    assert!(lines.iter().any(|line| line["error"].is_string()), "{lines:?}");
    for junk in [&b"not a capture at all, but long enough to be one"[..], b""] {
        let (is_complete, lines) = told("junk", junk, None);
        assert!(!is_complete && lines[0]["error"].is_string(), "{lines:?}");
    }
}

#[test]
fn calls_that_nobody_answered_end_as_they_did() {
    let busy = |sent: &mut Vec<Sent>, status: &str| {
        sent.truncate(3);
        let refusal = message(&format!("SIP/2.0 {status}"), "one", "1 INVITE", ";tag=p", "", "");
        sent.push(udp(3000, CALLED, CALLER, &refusal));
    };
    let mut sent = call("one", "");
    busy(&mut sent, "486 Busy Here");
    let lines = told("busy", &pcap(Link::Raw, &sent), None).1;
    let outcome = &lines[0]["call"]["outcome"];
    assert_eq!(
        (&outcome["ending"], &outcome["status"]),
        (&"no_answer".into(), &486.into()),
        "{outcome}"
    );

    let mut sent = call("one", "");
    sent.truncate(3);
    let uri = "sip:+12125550100@198.51.100.2;user=phone SIP/2.0";
    let cancel = message(&format!("CANCEL {uri}"), "one", "1 CANCEL", "", "", "");
    sent.push(udp(3000, CALLER, CALLED, &cancel));
    busy_after(&mut sent);
    let lines = told("cancel", &pcap(Link::Raw, &sent), None).1;
    let outcome = &lines[0]["call"]["outcome"];
    assert_eq!(
        (&outcome["ending"], &outcome["status"]),
        (&"cancelled".into(), &487.into()),
        "{outcome}"
    );
}

fn busy_after(sent: &mut Vec<Sent>) {
    let gone = message(
        "SIP/2.0 487 Request Terminated",
        "one",
        "1 INVITE",
        ";tag=p",
        "",
        "",
    );
    sent.push(udp(3010, CALLED, CALLER, &gone));
}

#[test]
fn whatever_octets_a_capture_holds_nothing_panics() {
    let file = pcap(Link::Ethernet, &call("one", ""));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..60 {
        let mut damaged = file.clone();
        for _ in 0..20 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = random as usize % damaged.len();
            damaged[at] = (random >> 32) as u8;
        }
        let (_, lines) = told(&format!("fuzz-{round}"), &damaged, None);
        assert!(!lines.is_empty());
    }
}

/// A call whose caller says this (mu-law), 20 ms a packet, from the answer on.
fn speaking(offer_more: &str, octets: &[u8]) -> Vec<Sent> {
    let words = words("one", CALLER, CALLED, "", offer_more);
    let mut sent: Vec<(u64, Sent)> = words
        .into_iter()
        .map(|(at, from, to, octets)| (at, udp(at, from, to, &octets)))
        .collect();
    for (n, octets) in octets.chunks_exact(160).enumerate() {
        let mut packet = vec![0x80, 0];
        packet.extend((n as u16).to_be_bytes());
        packet.extend((n as u32 * 160).to_be_bytes());
        packet.extend(7_u32.to_be_bytes());
        packet.extend(octets);
        let at = 2020 + n as u64 * 20;
        sent.push((at, udp(at, "203.0.113.7:4000", "198.51.100.2:5000", &packet)));
    }
    sent.sort_by_key(|(at, _)| *at);
    sent.into_iter().map(|(_, sent)| sent).collect()
}

#[test]
fn a_voice_in_a_capture_is_scored_as_the_recording_is_and_an_encrypted_one_is_not() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo/human-allison.wav");
    let wav = std::fs::read(&file).unwrap();
    let at = wav.windows(4).position(|four| four == b"data").unwrap() + 8;
    let model = Arc::new(Model::embedded().unwrap());
    let heard = |offer_more: &str| {
        let capture = pcap(Link::Ethernet, &speaking(offer_more, &wav[at..]));
        told_by("voice", &capture, None, Some(Arc::clone(&model))).1[0].clone()
    };

    let mut scored = Vec::new();
    assert!(crate::cli::score::report(&model, &[file], true, &mut scored).unwrap());
    let scored: Value = serde_json::from_slice(&scored).unwrap();
    let call = heard("");
    let windows = scored["windows"].as_array().unwrap();
    assert!(windows.len() >= 5, "{scored}");
    for window in windows {
        let found = call["evidence"].as_array().unwrap().iter().any(|one| {
            let is_near =
                |what: &str| (one[what].as_f64().unwrap() - window[what].as_f64().unwrap()).abs() < 1e-3;
            is_near("at") && is_near("llr")
        });
        assert!(found, "{window} is not in {}", call["evidence"]);
    }

    let keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let call = heard(keys);
    assert_eq!(call["call"]["outcome"]["ending"], "completed", "{call}");
    assert_eq!(call["evidence"].as_array().map(Vec::len), Some(0), "{call}");
}
