//! What a caller hears of our own voice over real sockets, octet for octet, and what his keys (RFC 4733) do. The caller is
//! played by hand: no telephone lets a test look at every packet and press what it was told.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ringward::prompts::Prompts;
use ringward::sdp::Codec;

use crate::sip_text::{self, Message};
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, sipp};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the caller's own audio carries: comes back from the phone once the two are connected.
pub(crate) const OWN_SSRC: u32 = 99;

const POLICY: &str = "[policy]\nname = 'asks'\n\
    [[rule]]\nid = 'failed'\nwhen = \"talk.challenge == 'failed'\"\nthen = { refuse = 603 }\nreason = 'x'\n\
    [[rule]]\nid = 'ask'\nwhen = \"true\"\nthen = 'challenge'\nreason = 'x'\n\
    [budget]\nrefusals_percent = 50\nwindow = '10m'\ncalls_min = 50\n";

/// A caller played by hand.
pub(crate) struct Caller {
    sip: UdpSocket,
    pub(crate) rtp: UdpSocket,
    gateway: SocketAddr,
    call_id: String,
    number: &'static str,
    pub(crate) heard: Receiver<Vec<u8>>,
}

/// Two who talk: what the caller writes to, and where his audio goes.
pub(crate) struct Connected {
    to: String,
    contact: String,
    pub(crate) audio: SocketAddr,
}

impl Caller {
    pub(crate) fn new(gateway: SocketAddr, call_id: String, number: &'static str) -> Caller {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (sip, rtp) = (bind(), bind());
        sip.set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        let ear = rtp.try_clone().expect("a second handle");
        ear.set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        // A thread of its own, so that nothing is lost while the test looks at what came before. It ends with the audio.
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            let mut packet = [0; 2048];
            while let Ok(length) = ear.recv(&mut packet) {
                if tell.send(packet[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Caller {
            sip,
            rtp,
            gateway,
            call_id,
            number,
            heard,
        }
    }

    fn send(&self, method: &str, to: &str, target: &str, cseq: u32, body: Option<&str>) {
        let address = self.sip.local_addr().expect("an address");
        let headers = [
            (
                "Via",
                format!(
                    "SIP/2.0/UDP {address};branch=z9hG4bK-{}-{method}-{cseq}",
                    self.call_id
                ),
            ),
            ("Max-Forwards", "70".to_string()),
            ("From", format!("<sip:{}@{address}>;tag=spoken", self.number)),
            ("To", to.to_string()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{cseq} {method}")),
            ("Contact", format!("<sip:hand@{address}>")),
        ];
        let body = body.map(|body| ("application/sdp", body));
        let octets = sip_text::write(&format!("{method} {target} SIP/2.0"), &headers, body);
        self.sip.send_to(&octets, self.gateway).expect("it is sent");
    }

    /// The final answer to what was asked last.
    fn told(&self, method: &str) -> Message {
        let until = Instant::now() + PATIENCE;
        let mut octets = vec![0; 65_535];
        while Instant::now() < until {
            let Ok((length, _)) = self.sip.recv_from(&mut octets) else {
                continue;
            };
            let message = Message::read(&octets[..length]);
            if message.status().is_some_and(|status| status >= 200) && message.method() == method {
                return message;
            }
        }
        panic!("no final answer to {method}");
    }

    /// Calls, and is answered.
    pub(crate) fn connect(&self) -> Connected {
        let port = self.rtp.local_addr().expect("an address").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
        );
        let target = format!("sip:+12125550100@{}", self.gateway);
        self.send("INVITE", &format!("<{target}>"), &target, 1, Some(&sdp));
        let answer = self.told("INVITE");
        assert_eq!(answer.status(), Some(200), "{}", answer.start);
        let (to, contact) = (
            answer.must("To").to_string(),
            answer.contact().expect("a Contact").to_string(),
        );
        self.send("ACK", &to, &contact, 1, None);
        let audio = answer.audio().expect("an address for audio");
        Connected {
            to,
            contact,
            audio: audio.parse().expect("an address"),
        }
    }

    /// Waits for a re-INVITE, and follows it: which way audio is to flow, by its words.
    pub(crate) fn is_held(&self) -> String {
        let until = Instant::now() + PATIENCE;
        let mut octets = vec![0; 65_535];
        while Instant::now() < until {
            let Ok((length, _)) = self.sip.recv_from(&mut octets) else {
                continue;
            };
            let asked = Message::read(&octets[..length]);
            if asked.status().is_some() || asked.method() != "INVITE" {
                continue;
            }
            let (address, port) = (
                self.sip.local_addr().expect("an address"),
                self.rtp.local_addr().expect("an address").port(),
            );
            let sdp = format!(
                "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
                 a=rtpmap:0 PCMU/8000\r\na=recvonly\r\n"
            );
            let copied =
                ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| (name, asked.must(name).to_string()));
            let headers = [copied.as_slice(), &[("Contact", format!("<sip:hand@{address}>"))]].concat();
            let answer = sip_text::write("SIP/2.0 200 OK", &headers, Some(("application/sdp", &sdp)));
            self.sip.send_to(&answer, self.gateway).expect("it is sent");
            return asked.direction().to_string();
        }
        panic!("nobody held the call");
    }

    pub(crate) fn hang_up(&self, connected: &Connected) {
        self.send("BYE", &connected.to, &connected.contact, 2, None);
        assert_eq!(self.told("BYE").status(), Some(200));
    }

    /// `None`: nobody speaks any more.
    pub(crate) fn next(&self) -> Option<Packet> {
        let octets = self.heard.recv_timeout(PATIENCE).ok()?;
        Some(Packet::read(&octets))
    }
}

pub(crate) struct Packet {
    is_marked: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    pub(crate) fn read(octets: &[u8]) -> Packet {
        let word = |at: usize| u32::from_be_bytes(octets[at..at + 4].try_into().expect("four octets"));
        Packet {
            is_marked: octets[1] & 0x80 != 0,
            payload_type: octets[1] & 0x7f,
            sequence: u16::from_be_bytes([octets[2], octets[3]]),
            timestamp: word(4),
            ssrc: word(8),
            payload: octets[12..].to_vec(),
        }
    }
}

pub(crate) fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x80, payload_type];
    octets.extend_from_slice(&sequence.to_be_bytes());
    octets.extend_from_slice(&timestamp.to_be_bytes());
    octets.extend_from_slice(&OWN_SSRC.to_be_bytes());
    octets.extend_from_slice(payload);
    octets
}

pub(crate) fn clip(name: &str) -> Vec<u8> {
    let clip = Prompts::embedded().clip(name).expect("a recording of ours");
    clip.octets(Codec::Pcmu).to_vec()
}

/// Which two digits these octets say after the question, once enough of them is there.
fn digits(heard: &[u8]) -> Option<[u8; 2]> {
    let question = clip("challenge");
    let rest = heard.strip_prefix(question.as_slice())?;
    let said =
        |first: u8, second: u8| [clip(&format!("digit-{first}")), clip(&format!("digit-{second}"))].concat();
    let mut pairs = (0..100u8).map(|pair| [pair / 10, pair % 10]);
    pairs.find(|[first, second]| rest.starts_with(&said(*first, *second)))
}

/// One call; false when the machine was too slow for the caller to press in time.
fn is_let_through(gateway: &Gateway, attempt: u32) -> bool {
    let caller = Caller::new(gateway.udp, format!("spoken-{attempt}"), "+14045550123");
    let connected = caller.connect();
    let ours = connected.audio;

    // Every packet of our voice: one stream, one after the other, and what it says is what is in the files.
    let mut stream: Vec<u8> = Vec::new();
    let mut last: Option<Packet> = None;
    let wanted = loop {
        let heard = caller.next().expect("the question goes on");
        assert_eq!((heard.payload_type, heard.payload.len()), (0, 160));
        if let Some(last) = &last {
            assert_eq!(
                (heard.ssrc, heard.sequence),
                (last.ssrc, last.sequence.wrapping_add(1))
            );
            let step = heard.timestamp.wrapping_sub(last.timestamp);
            // A thread that was held up goes on from now, and says so by the mark; no word is lost.
            assert!(
                step == 160 || heard.is_marked && step.is_multiple_of(160),
                "{step}"
            );
        } else {
            assert!(heard.is_marked, "the first packet begins a talk spurt");
        }
        stream.extend_from_slice(&heard.payload);
        last = Some(heard);
        if let Some(wanted) = digits(&stream) {
            break wanted;
        }
        assert!(stream.len() < 160 * 50 * 10, "the question was never understood");
    };

    let (mut sequence, mut timestamp) = (100, 8000);
    for digit in wanted {
        for duration in [160u16, 320, 480, 480, 480] {
            let end = if duration == 480 { 0x80 } else { 0 };
            let [high, low] = duration.to_be_bytes();
            let event = packet(101, sequence, timestamp, &[digit, end | 10, high, low]);
            caller.rtp.send_to(&event, ours).expect("it is sent");
            sequence += 1;
        }
        timestamp += 1600;
    }

    // Our voice goes on until the phone is there; then the phone is heard, and nothing of us any more.
    let says: Vec<u8> = (0..160u8).collect();
    let until = Instant::now() + PATIENCE;
    let first = loop {
        assert!(Instant::now() < until, "nobody connected the two");
        caller
            .rtp
            .send_to(&packet(0, sequence, timestamp, &says), ours)
            .expect("it is sent");
        sequence += 1;
        timestamp += 160;
        // Hung up: the keys came too late, three times.
        let Some(heard) = caller.next() else { return false };
        if heard.ssrc == OWN_SSRC {
            break heard;
        }
    };
    assert!(first.is_marked, "the first packet of another source is marked");
    assert_eq!(first.payload, says);
    for _ in 0..10 {
        caller
            .rtp
            .send_to(&packet(0, sequence, timestamp, &says), ours)
            .expect("it is sent");
        sequence += 1;
        timestamp += 160;
        let heard = caller.next().expect("the phone goes on");
        assert_eq!((heard.ssrc, heard.is_marked), (OWN_SSRC, false));
    }
    caller.hang_up(&connected);
    true
}

#[test]
fn a_caller_hears_the_recordings_octet_for_octet_and_the_right_keys_connect_him() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("spoken");
    let (_phone, port, _media) = sipp::echoing_phone(&folder);
    let policy = folder.join("asks.toml");
    std::fs::write(&policy, POLICY).expect("the policy");
    let gateway = Gateway::start(&Setup {
        name: "gateway-spoken",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: &format!(
            "[voice]\nmodel = \"off\"\n[policy]\nfile = \"{}\"",
            policy.display()
        ),
    });
    let attempts = (1..=3).find(|attempt| is_let_through(&gateway, *attempt));
    let attempts = attempts.expect("keys are pressed in time once in three calls");
    let ended = gateway.ended_calls(attempts as usize);
    let records: Vec<String> = ended.iter().map(|call| gateway.why(call).to_string()).collect();
    let passed = records.iter().find(|record| record.contains("CHALLENGE_PASSED"));
    let passed = passed.unwrap_or_else(|| panic!("{records:?}"));
    assert!(!passed.contains("digit-"), "{passed}");
    assert!(
        ended.iter().any(|call| call["outcome"]["ending"] == "completed"),
        "{ended:?}"
    );
}
