//! Handshakes for media keys (DTLS-SRTP) with OpenSSL, in both roles, with both kinds of certificate, over a wire that loses; and
//! with a caller played by hand, whose certificate is the one he announced, another, or never comes.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ringward::media::dtls::{Association, Identity, Outcome, Role, Terms};
use ringward::media::srtp::Secured;
use ringward::media::{Keys, rtp};
use ringward::sdp::{Fingerprint, FingerprintHash, Suite, Suites};

use crate::sip_text::Message;
use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{Peer, folder, free_port, have, wait_for};

/// A certificate that nobody signed and its key, in files; its fingerprint.
fn certificate(folder: &Path, kind: &[&str]) -> Fingerprint {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(arguments)
            .output()
            .expect("openssl");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let request = [
        "req", "-x509", "-nodes", "-subj", "/CN=peer", "-keyout", "key.pem", "-out", "cert.pem",
    ];
    openssl(&[&request[..], kind].concat());
    let text = openssl(&["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"]);
    let (_, hex) = text.trim().split_once('=').expect("a fingerprint");
    let octets: Vec<u8> = hex
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect();
    Fingerprint::new(FingerprintHash::Sha256, &octets).unwrap()
}

/// OpenSSL in this role, and what it prints, line by line.
fn openssl(folder: &Path, arguments: &[&str]) -> (Peer, Receiver<String>) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments);
    command
        .args(["-dtls1_2", "-cert", "cert.pem", "-key", "key.pem"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut peer = Peer::start(&mut command);
    let said = BufReader::new(peer.0.stdout.take().expect("its words"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        said.lines()
            .map_while(Result::ok)
            .try_for_each(|line| tell.send(line))
    });
    (peer, told)
}

fn wait_for_line(told: &Receiver<String>, beginning: &str) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    let mut seen = Vec::new();
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match told.recv_timeout(left) {
            Ok(line) if line.trim().starts_with(beginning) => {
                return line.trim()[beginning.len()..].to_string();
            }
            Ok(line) => seen.push(line),
            Err(_) => break,
        }
    }
    panic!("no {beginning:?} in {seen:#?}");
}

/// A handshake of ours on this socket, with whoever is at the other end, or first to speak. Of the datagrams of both sides those
/// with these numbers are lost.
fn shake(
    socket: &UdpSocket,
    peer: Option<SocketAddr>,
    terms: &Terms,
    identity: &Arc<Identity>,
    lost: &[usize],
) -> Option<Keys> {
    let mut association = Association::new(terms, identity, Instant::now());
    let (mut peer, mut count) = (peer, 0);
    let mut is_lost = || {
        count += 1;
        lost.contains(&count)
    };
    let mut octets = [0; 2048];
    let mut keys = None;
    // A little longer than until there are keys: the last flight may have to be said again.
    let mut until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        while let Some(datagram) = association.poll_transmit() {
            if let (Some(peer), false) = (peer, is_lost()) {
                let _ = socket.send_to(&datagram, peer);
            }
        }
        match association.poll_secured() {
            Some(Outcome::Keys(found)) => {
                keys = Some(found);
                until = Instant::now() + Duration::from_millis(if lost.is_empty() { 100 } else { 1500 });
            }
            Some(Outcome::Failed(fault)) => panic!("{fault}"),
            None => {}
        }
        if let Ok((len, source)) = socket.recv_from(&mut octets)
            && ringward::media::dtls::is_dtls(&octets[..len])
            && !is_lost()
        {
            peer = Some(source);
            association.handle(&octets[..len], Instant::now());
        }
        association.handle_timeout(Instant::now());
    }
    keys
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let patience = Duration::from_millis(20);
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

/// What OpenSSL exported is what we have.
fn check(told: &Receiver<String>, keys: &Keys, ours: Role) {
    let exported = wait_for_line(told, "Keying material: ");
    let (client, server) = match ours {
        Role::Client => (&keys.outbound, &keys.inbound),
        Role::Server => (&keys.inbound, &keys.outbound),
    };
    let expected = [client.key(), server.key(), client.salt(), server.salt()].concat();
    let expected: String = expected.iter().map(|octet| format!("{octet:02X}")).collect();
    assert_eq!(exported, expected);
}

const KINDS: [(&str, &[&str]); 3] = [
    ("rsa", &["-newkey", "rsa:2048"]),
    (
        "p256",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ),
    (
        "p384",
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
    ),
];

const PROFILES: [(Suite, &str); 4] = [
    (Suite::AesCm128HmacSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (Suite::AesCm128HmacSha1_32, "SRTP_AES128_CM_SHA1_32"),
    (Suite::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (Suite::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
];

fn export(suite: Suite) -> [String; 4] {
    let octets = 2 * (suite.key_octets() + suite.salt_octets());
    let words = ["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen"];
    [
        words[0].into(),
        words[1].into(),
        words[2].into(),
        octets.to_string(),
    ]
}

#[test]
fn openssl_begins_and_both_have_the_same_keys() {
    if !have(&["openssl"]) {
        return;
    }
    let identity = Arc::new(Identity::new().unwrap());
    let mut round = 0;
    for (name, kind) in KINDS {
        for (suite, profile) in PROFILES {
            round += 1;
            let folder = folder(&format!("dtls-client-{name}"));
            let terms = Terms {
                role: Role::Server,
                fingerprints: vec![certificate(&folder, kind)],
                suites: Suites::default(),
            };
            let socket = socket();
            let at = socket.local_addr().unwrap().to_string();
            let export = export(suite);
            let mut arguments = vec!["s_client", "-connect", &at, "-use_srtp", profile];
            arguments.extend(export.iter().map(String::as_str));
            if round % 2 == 0 {
                arguments.extend(["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "-curves", "P-256"]);
            }
            let (_peer, told) = openssl(&folder, &arguments);
            // With one suite of each certificate one of the first datagrams is lost.
            let lost: &[usize] = if round % 4 == 1 { &[round / 4 + 2] } else { &[] };
            let keys = shake(&socket, None, &terms, &identity, lost).expect("keys");
            assert_eq!(keys.suite(), suite);
            check(&told, &keys, Role::Server);
        }
    }
}

#[test]
fn openssl_waits_with_a_cookie_or_without_and_both_have_the_same_keys() {
    if !have(&["openssl"]) {
        return;
    }
    let identity = Arc::new(Identity::new().unwrap());
    let mut round = 0;
    for (name, kind) in KINDS {
        for (suite, profile) in PROFILES {
            round += 1;
            let folder = folder(&format!("dtls-server-{name}"));
            let terms = Terms {
                role: Role::Client,
                fingerprints: vec![certificate(&folder, kind)],
                suites: Suites::default(),
            };
            let port = free_port();
            let at: SocketAddr = ([127, 0, 0, 1], port).into();
            let export = export(suite);
            let accept = at.to_string();
            let mut arguments = vec![
                "s_server",
                "-accept",
                &accept,
                "-use_srtp",
                profile,
                "-Verify",
                "1",
            ];
            arguments.extend(export.iter().map(String::as_str));
            if round % 2 == 0 {
                // It asks for a cookie first.
                arguments.push("-listen");
            }
            let (_peer, told) = openssl(&folder, &arguments);
            wait_for_line(&told, "ACCEPT");
            let lost: &[usize] = if round % 4 == 1 { &[round / 4 + 2] } else { &[] };
            let keys = shake(&socket(), Some(at), &terms, &identity, lost).expect("keys");
            assert_eq!(keys.suite(), suite);
            check(&told, &keys, Role::Client);
        }
    }
}

/// A caller played by hand: what he says, and where.
struct Caller {
    sip: UdpSocket,
    media: UdpSocket,
    gateway: SocketAddr,
    to: String,
}

impl Caller {
    fn new(gateway: SocketAddr) -> Caller {
        let caller = Caller {
            sip: socket(),
            media: socket(),
            gateway,
            to: "<sip:+12125550100@ringward.example>".into(),
        };
        // Its media goes to whoever the answer names.
        caller.media.connect(gateway).unwrap();
        caller
    }

    fn say(&self, method: &str, cseq: u32, body: &str) {
        let at = self.sip.local_addr().unwrap();
        let to = &self.to;
        let text = format!(
            "{method} sip:+12125550100@{} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{cseq}{}\r\nMax-Forwards: 70\r\n\
             From: <sip:+14045550123@{at}>;tag=hand\r\nTo: {to}\r\nCall-ID: hand{}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:hand@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.gateway,
            at.port(),
            at.port(),
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.gateway).unwrap();
    }

    /// Calls, announcing this certificate; the media port of the answer, and the certificate there.
    fn calls(&mut self, announced: &Fingerprint) -> (SocketAddr, Fingerprint) {
        let port = self.media.local_addr().unwrap().port();
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} UDP/TLS/RTP/SAVP 0\r\n\
             a=rtcp-mux\r\na=setup:actpass\r\na=fingerprint:{}\r\n",
            written(announced)
        );
        self.say("INVITE", 1, &body);
        let answer = wait_for("an answer", Duration::from_secs(60), || {
            let mut octets = [0; 4096];
            let (len, _) = self.sip.recv_from(&mut octets).ok()?;
            let message = Message::read(&octets[..len]);
            (message.status() == Some(200)).then_some(message)
        });
        self.to = answer.must("To").to_string();
        self.say("ACK", 1, "");
        let line = |name: &str| {
            let mut lines = answer.body.lines();
            let found = lines.find_map(|line| line.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("no {name} in {}", answer.body))
                .to_string()
        };
        assert_eq!(line("a=setup:"), "passive");
        let media = line("m=audio ");
        let port = media.split(' ').next().unwrap().parse().unwrap();
        let fingerprint = line("a=fingerprint:sha-256 ");
        let octets: Vec<u8> = fingerprint
            .split(':')
            .map(|octet| u8::from_str_radix(octet, 16).unwrap())
            .collect();
        let fingerprint = Fingerprint::new(FingerprintHash::Sha256, &octets).unwrap();
        (([127, 0, 0, 1], port).into(), fingerprint)
    }
}

/// As in a description.
fn written(fingerprint: &Fingerprint) -> String {
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=audio 4 RTP/AVP 0\r\n";
    let session = ringward::sdp::Session::parse(sdp.as_bytes()).unwrap();
    let dtls = ringward::sdp::Dtls {
        fingerprints: vec![fingerprint.clone()],
        setup: None,
    };
    let protection = ringward::sdp::Protection {
        dtls: Some(dtls),
        ..Default::default()
    };
    let transport = ringward::sdp::Transport {
        protection,
        rtcp_mux: false,
    };
    let octets = session
        .anchored([127, 0, 0, 1].into(), 4, 1, 1, &transport)
        .unwrap();
    let text = String::from_utf8(octets).unwrap();
    let (_, rest) = text.split_once("a=fingerprint:").unwrap();
    rest.lines().next().unwrap().to_string()
}

#[test]
fn only_the_certificate_that_was_announced_lets_a_caller_hear_and_be_heard() {
    if !have(&["baresip"]) {
        return;
    }
    let folder = folder("dtls-by-hand");
    write_wav(&folder.join("agent.wav"), &test_speech(18).repeat(8));
    let agent = Baresip::start(&folder, "agent", &folder.join("agent.wav"), None);
    let setup = Setup {
        name: "gateway-dtls-by-hand",
        targets: &[format!("sip:agent@127.0.0.1:{}", agent.port)],
        queue: "",
        more: "[voice]\nmodel = \"off\"",
    };
    let gateway = Gateway::start_with_trunk(&setup, "srtp = \"required\"");
    let (own, other) = (
        Arc::new(Identity::new().unwrap()),
        Arc::new(Identity::new().unwrap()),
    );
    for (shows, expected) in [
        (Some(&own), "dtls"),
        (Some(&other), "dtls_mismatch"),
        (None, "dtls_failed"),
    ] {
        let mut caller = Caller::new(gateway.udp);
        let (media, fingerprint) = caller.calls(own.fingerprint());
        caller.media.connect(media).unwrap();
        let terms = Terms {
            role: Role::Client,
            fingerprints: vec![fingerprint],
            suites: Suites::of([Suite::AeadAes128Gcm]),
        };
        let mut keys = None;
        if let Some(identity) = shows {
            let mut association = Association::new(&terms, identity, Instant::now());
            let until = Instant::now() + Duration::from_secs(5);
            let mut octets = [0; 2048];
            while keys.is_none() && Instant::now() < until {
                while let Some(datagram) = association.poll_transmit() {
                    caller.media.send(&datagram).unwrap();
                }
                if let Ok(len) = caller.media.recv(&mut octets) {
                    association.handle(&octets[..len], Instant::now());
                }
                association.handle_timeout(Instant::now());
                if let Some(Outcome::Keys(found)) = association.poll_secured() {
                    keys = Some(found);
                }
                let live = gateway.get("/api/v1/calls?state=live");
                if live["calls"][0]["srtp"]["caller_keys"] == "dtls_mismatch" {
                    break;
                }
            }
        }
        let call = wait_for(expected, Duration::from_secs(60), || {
            let live = gateway.get("/api/v1/calls?state=live");
            let call = live["calls"].as_array()?.first()?;
            let id = call["id"].as_str()?;
            let call = gateway.get(&format!("/api/v1/calls/{id}"));
            (call["srtp"]["caller_keys"] == expected).then_some(call)
        });
        let is_secured = expected == "dtls";
        assert_eq!(keys.is_some(), is_secured, "{call}");
        assert_eq!(call["srtp"]["caller"].is_string(), is_secured, "{call}");
        // What he hears, in two seconds in which the agent speaks; what he says, plain and closed.
        let mut secured = keys.as_ref().map(Secured::new);
        let (mut heard, mut octets) = (0, [0; 2048]);
        let until = Instant::now() + Duration::from_secs(2);
        let mut sequence = 0u16;
        while Instant::now() < until {
            sequence += 1;
            let mut packet = rtp::header(0, sequence, u32::from(sequence) * 160, 7, false).to_vec();
            packet.resize(172, 0x55);
            caller.media.send(&packet).unwrap();
            if let Some(secured) = &mut secured {
                packet.resize(172 + 20, 0);
                let len = secured.protect_rtp(&mut packet, 172).unwrap();
                caller.media.send(&packet[..len]).unwrap();
            }
            if let Ok(len) = caller.media.recv(&mut octets)
                && !ringward::media::dtls::is_dtls(&octets[..len])
            {
                let secured = secured.as_mut().expect("nothing is to be heard");
                heard += usize::from(secured.unprotect_rtp(&mut octets, len).is_ok());
            }
        }
        caller.say("BYE", 2, "");
        let count = 1 + ["dtls", "dtls_mismatch", "dtls_failed"]
            .iter()
            .position(|name| *name == expected)
            .unwrap();
        let ended = gateway.ended_calls(count);
        let record = ended
            .iter()
            .find(|record| record["srtp"]["caller_keys"] == expected)
            .expect("its record");
        let media = &gateway.why(record)["media"]["from_caller"];
        eprintln!("{expected}: heard {heard}, {media}");
        match is_secured {
            true => assert!(
                heard > 20 && media["packets"].as_u64() > Some(20),
                "{heard} {media}"
            ),
            false => assert_eq!((heard, &media["packets"]), (0, &0.into()), "{media}"),
        }
    }
}
