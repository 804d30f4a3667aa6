//! Captures: what the HEP mirror sends of a live call, and that `ringward replay` of a call's packets comes to the same
//! verdict as the call itself.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::audio::{mu_law, test_speech};
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, sipp};

/// One datagram of the caller's leg: when, from, to, octets.
type Datagram = (SystemTime, SocketAddr, SocketAddr, Vec<u8>);

/// A caller of our own, so that every octet of its leg is known.
struct Caller {
    sip: UdpSocket,
    rtp: UdpSocket,
    gateway: SocketAddr,
    seen: Vec<Datagram>,
}

impl Caller {
    fn new(gateway: SocketAddr) -> Caller {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket
        };
        Caller {
            sip: bind(),
            rtp: bind(),
            gateway,
            seen: Vec::new(),
        }
    }

    fn say(&mut self, text: &str) {
        let from = self.sip.local_addr().unwrap();
        self.sip.send_to(text.as_bytes(), self.gateway).unwrap();
        self.seen
            .push((SystemTime::now(), from, self.gateway, text.as_bytes().to_vec()));
    }

    /// Reads until a message begins so.
    fn hear(&mut self, start: &str) -> String {
        loop {
            let mut octets = vec![0; 65_536];
            let (length, from) = self.sip.recv_from(&mut octets).expect(start);
            octets.truncate(length);
            let to = self.sip.local_addr().unwrap();
            self.seen.push((SystemTime::now(), from, to, octets.clone()));
            let text = String::from_utf8(octets).unwrap();
            if text.starts_with(start) {
                return text;
            }
        }
    }

    fn request(&self, method: &str, cseq: u32, uri: &str, to_tag: &str, body: &str) -> String {
        let me = self.sip.local_addr().unwrap();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{method}{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: \"Ann\" <sip:+14045550123@{me}>;tag=ann\r\nTo: <sip:+12125550100@{}>{to_tag}\r\nCall-ID: ann@{me}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:ann@{me}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            self.gateway,
            body.len()
        )
    }

    /// A whole call with this audio in it, in the time it takes.
    fn call(&mut self, speech: &[u8]) {
        let media = self.rtp.local_addr().unwrap();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
            media.port()
        );
        let uri = format!("sip:+12125550100@{}", self.gateway);
        let invite = self.request("INVITE", 1, &uri, "", &sdp);
        self.say(&invite);
        let answer = self.hear("SIP/2.0 200");
        let line = |name: &str| {
            let found = answer.split("\r\n").find_map(|line| line.strip_prefix(name));
            found.unwrap_or_else(|| panic!("{name} in {answer}")).to_string()
        };
        let tag = format!(";tag={}", line("To: ").split(";tag=").nth(1).unwrap());
        let contact = line("Contact: ").trim_matches(['<', '>']).to_string();
        let port: u16 = line("m=audio ").split(' ').next().unwrap().parse().unwrap();
        let ack = self.request("ACK", 1, &contact, &tag, "");
        self.say(&ack);

        let to = SocketAddr::new(self.gateway.ip(), port);
        let start = Instant::now();
        for (n, octets) in speech.chunks(160).enumerate() {
            let mut packet = vec![0x80, 0];
            packet.extend((n as u16).to_be_bytes());
            packet.extend((n as u32 * 160).to_be_bytes());
            packet.extend(7_u32.to_be_bytes());
            packet.extend(octets);
            self.rtp.send_to(&packet, to).unwrap();
            self.seen.push((SystemTime::now(), media, to, packet));
            let due = Duration::from_millis(20) * (n as u32 + 1);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        // The last second has to be heard before the call is over.
        std::thread::sleep(Duration::from_millis(1500));
        let bye = self.request("BYE", 2, &contact, &tag, "");
        self.say(&bye);
        self.hear("SIP/2.0 200");
    }
}

/// A pcap file of Ethernet frames with one VLAN tag.
fn pcap(seen: &[Datagram]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for (at, from, to, octets) in seen {
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else {
            panic!("loopback is IPv4 here");
        };
        let mut frame = vec![2; 12];
        frame.extend([0x81, 0, 0, 7, 8, 0, 0x45, 0]);
        frame.extend((28 + octets.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend(from.ip().octets());
        frame.extend(to.ip().octets());
        frame.extend(from.port().to_be_bytes());
        frame.extend(to.port().to_be_bytes());
        frame.extend((8 + octets.len() as u16).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(octets);
        let since = at.duration_since(UNIX_EPOCH).unwrap();
        file.extend((since.as_secs() as u32).to_le_bytes());
        file.extend(since.subsec_micros().to_le_bytes());
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend(frame);
    }
    file
}

fn replayed(capture: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(["replay", "--json"])
        .arg(capture)
        .stdin(Stdio::null())
        .output()
        .expect("replay runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_replayed_capture_comes_to_the_verdict_of_the_live_call() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("replay");
    let (_phone, port) = sipp::phone(&folder, 200);
    let gateway = Gateway::start(&Setup {
        name: "gateway-replay",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    let mut caller = Caller::new(gateway.udp);
    caller.call(&mu_law(&test_speech(6)));
    let live = gateway.why(&gateway.ended_calls(1)[0]);
    let capture = folder.join("call.pcap");
    std::fs::write(&capture, pcap(&caller.seen)).unwrap();

    let lines = replayed(&capture);
    assert_eq!(lines.len(), 2, "one call and the sum");
    let again = &lines[0];
    for part in ["banner", "voice", "evidence", "caller", "called", "has_icon"] {
        assert_eq!(again["call"][part], live["call"][part], "{part}");
    }
    assert!(
        again["evidence"]
            .as_array()
            .is_some_and(|windows| windows.len() >= 3),
        "{}",
        again["evidence"]
    );
    let last = |why: &Value| why["decisions"].as_array().unwrap().last().unwrap().clone();
    for part in ["action", "number", "voice", "label", "findings", "tenths"] {
        assert_eq!(last(again)[part], last(&live)[part], "{part}");
    }
    assert_eq!(
        again["call"]["outcome"]["ending"],
        live["call"]["outcome"]["ending"]
    );
    assert_eq!(
        again["media"]["from_caller"]["packets"],
        live["media"]["from_caller"]["packets"]
    );
}

/// Chunks by type: read as the specification says, sharing nothing with the encoder.
fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    assert_eq!(&packet[..4], b"HEP3");
    assert_eq!(
        usize::from(u16::from_be_bytes([packet[4], packet[5]])),
        packet.len()
    );
    let mut found = BTreeMap::new();
    let mut at = 6;
    while at < packet.len() {
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let length = usize::from(word(at + 4));
        found.insert(word(at + 2), packet[at + 6..at + length].to_vec());
        at += length;
    }
    found
}

#[test]
fn the_hep_mirror_shows_both_legs_of_a_call_under_one_correlation() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("hep");
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let (_phone, port) = sipp::phone(&folder, 100);
    let gateway = Gateway::start(&Setup {
        name: "gateway-hep",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: &format!(
            "[capture]\nhep = \"udp:{}\"\nid = 42\npassword = \"homer\"",
            collector.local_addr().unwrap()
        ),
    });
    let mut caller = Caller::new(gateway.udp);
    caller.call(&[0xff; 1600]);
    gateway.ended_calls(1);

    let mut seen = Vec::new();
    let mut octets = vec![0; 65_536];
    while let Ok(length) = collector.recv(&mut octets) {
        seen.push(chunks(&octets[..length]));
    }
    let text =
        |chunk: &BTreeMap<u16, Vec<u8>>, kind: u16| String::from_utf8_lossy(&chunk[&kind]).into_owned();
    let call_id = format!("ann@{}", caller.sip.local_addr().unwrap());
    for chunk in &seen {
        assert_eq!(text(chunk, 17), call_id, "{}", text(chunk, 15));
        assert_eq!(
            (chunk[&11][..].first(), text(chunk, 14)),
            (Some(&1), "homer".into())
        );
        assert_eq!(chunk[&12], 42_u32.to_be_bytes());
        assert_eq!((&chunk[&1][..], &chunk[&2][..]), (&[2][..], &[17][..]));
    }
    let ports = |chunk: &BTreeMap<u16, Vec<u8>>| {
        [7, 8].map(|kind| u16::from_be_bytes([chunk[&kind][0], chunk[&kind][1]]))
    };
    let (gateway_port, caller_port) = (gateway.udp.port(), caller.sip.local_addr().unwrap().port());
    let went = |start: &str, from: u16, to: u16| {
        seen.iter()
            .any(|chunk| text(chunk, 15).starts_with(start) && ports(chunk) == [from, to])
    };
    for (start, from, to) in [
        ("INVITE", caller_port, gateway_port),
        ("SIP/2.0 100", gateway_port, caller_port),
        ("INVITE", gateway_port, port),
        ("SIP/2.0 180", port, gateway_port),
        ("SIP/2.0 200", port, gateway_port),
        ("ACK", gateway_port, port),
        ("SIP/2.0 200", gateway_port, caller_port),
        ("ACK", caller_port, gateway_port),
        ("BYE", caller_port, gateway_port),
        ("BYE", gateway_port, port),
    ] {
        assert!(went(start, from, to), "{start} from {from} to {to}");
    }
}
