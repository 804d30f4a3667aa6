//! The whole gateway, with calls made by a caller and a phone of a few lines each.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringward::media::Keys;
use ringward::media::srtp::Secured;
use ringward::sdp::{MasterKey, Suite};

use crate::Relay;
use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports};
use crate::traffic::{Ends, Line};

/// What callers encrypt with.
const SUITE: Suite = Suite::AesCm128HmacSha1_80;

pub struct Ringward {
    gateway: Gateway,
    lines: Vec<Line>,
    _sockets: [UdpSocket; 2],
}

impl Ringward {
    /// With so many calls up, each heard by the model. A caller who encrypts reaches a phone that does not.
    pub fn start(ends: &Ends, calls: usize, is_secured: bool) -> Ringward {
        let folder = folder("relay");
        let sockets = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let phone = sockets[1].local_addr().unwrap();
        // Each shard has its share of the ports, and calls do not fall on shards evenly.
        let count = calls as u16 * 6 + 64;
        let media = free_ports(count);
        let file = folder.join("ringward.toml");
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
             [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\nsrtp = \"{}\"\n\
             [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@{phone}\"]\n\
             [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
             [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
            if is_secured { "required" } else { "off" },
            media + count - 1,
            folder.join("ringward.db").display(),
        );
        std::fs::write(&file, text).unwrap();
        let gateway = Gateway::run(folder, &["serve", "--config", &file.display().to_string()]);
        let lines = (0..calls)
            .map(|number| {
                let to = call(&gateway, &sockets, ends, number, is_secured);
                Line::new(to, is_secured.then(|| Secured::new(&mirror())))
            })
            .collect();
        Ringward {
            gateway,
            lines,
            _sockets: sockets,
        }
    }
}

impl Relay for Ringward {
    fn lines(&mut self) -> &mut [Line] {
        &mut self.lines
    }

    fn pid(&self) -> u32 {
        self.gateway.pid()
    }

    fn relaying(&self) -> &'static [&'static str] {
        &["shard"]
    }
}

/// From INVITE to ACK; where the caller and the phone have to send.
fn call(
    gateway: &Gateway,
    [caller, phone]: &[UdpSocket; 2],
    ends: &Ends,
    number: usize,
    is_secured: bool,
) -> [SocketAddr; 2] {
    let [a, b] = ends.addresses();
    let here = caller.local_addr().unwrap();
    let request = |method: &str, to_tag: &str, body: &str| {
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:100@{} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{number}{method}\r\n\
             From: <sip:+1404555{number:04}@{here}>;tag=c{number}\r\nTo: <sip:100@{}>{to_tag}\r\n\
             Call-ID: relay-{number}@{here}\r\nCSeq: 1 {method}\r\nContact: <sip:caller@{here}>\r\nMax-Forwards: 70\r\n\
             {kind}Content-Length: {}\r\n\r\n{body}",
            gateway.udp,
            gateway.udp,
            body.len()
        )
    };
    let invite = request("INVITE", "", &sdp(a, is_secured));
    for socket in [caller, phone] {
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    }
    let (mut to_phone, mut sent) = (None, None::<Instant>);
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < give_up, "call {number} was never answered");
        if sent.is_none_or(|at| at.elapsed() > Duration::from_millis(500)) {
            caller.send_to(invite.as_bytes(), gateway.udp).unwrap();
            sent = Some(Instant::now());
        }
        if let Some((message, source)) = receive(phone) {
            if message.starts_with("INVITE ") {
                to_phone = audio_port(&message);
            }
            if !message.starts_with("ACK ") {
                let body = if message.starts_with("INVITE ") {
                    sdp(b, false)
                } else {
                    String::new()
                };
                phone
                    .send_to(answer(&message, phone, &body).as_bytes(), source)
                    .unwrap();
            }
        }
        let Some((message, _)) = receive(caller) else {
            continue;
        };
        let is_ours =
            header(&message, "Call-ID").is_some_and(|id| id.starts_with(&format!("relay-{number}@")));
        if is_ours && message.starts_with("SIP/2.0 200") {
            let to_tag = header(&message, "To")
                .and_then(|to| to.split_once(";tag="))
                .map(|(_, tag)| tag);
            let ack = request("ACK", &format!(";tag={}", to_tag.unwrap()), "");
            caller.send_to(ack.as_bytes(), gateway.udp).unwrap();
            return [
                audio_port(&message).unwrap(),
                to_phone.expect("the phone was rung"),
            ];
        }
        let is_refused = is_ours && message.starts_with("SIP/2.0 ") && message.as_bytes()[8] > b'2';
        assert!(!is_refused, "call {number} is refused: {message}");
    }
}

fn receive(socket: &UdpSocket) -> Option<(String, SocketAddr)> {
    let mut buffer = [0u8; 8192];
    let (len, source) = socket.recv_from(&mut buffer).ok()?;
    Some((String::from_utf8_lossy(&buffer[..len]).into_owned(), source))
}

fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = message.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// 200 with what has to be copied of the request (RFC 3261 §8.2.6.2).
fn answer(request: &str, phone: &UdpSocket, body: &str) -> String {
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let is_copied = ["Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"]
            .iter()
            .any(|name| line.starts_with(name));
        if is_copied {
            text += &format!("{line}\r\n");
        }
        if let Some(to) = line.strip_prefix("To:") {
            let tag = if to.contains(";tag=") { "" } else { ";tag=p" };
            text += &format!("To:{to}{tag}\r\n");
        }
    }
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    let here = phone.local_addr().unwrap();
    text + &format!(
        "Contact: <sip:desk@{here}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Address and port of the audio of a description that is somewhere in this text; all of this is on loopback.
pub fn audio_port(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once("m=audio ")?;
    let port: u16 = rest.split(' ').next()?.parse().ok()?;
    (port > 0).then(|| (Ipv4Addr::LOCALHOST, port).into())
}

/// What a party that listens at `at` says: G.711 alone, encrypted or not.
pub fn sdp(at: SocketAddr, is_secured: bool) -> String {
    let (profile, crypto) = if is_secured {
        ("RTP/SAVP", crypto_line())
    } else {
        ("RTP/AVP", String::new())
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} {profile} 0\r\n{crypto}",
        at.port()
    )
}

fn key() -> MasterKey {
    let octets = vec![7; SUITE.key_octets() + SUITE.salt_octets()];
    MasterKey::new(SUITE, &octets).expect("as long as the suite wants it")
}

/// The caller's end: only what it sends matters here, what it hears is counted by what stands in clear.
pub fn mirror() -> Keys {
    Keys {
        inbound: key(),
        outbound: key(),
    }
}

fn crypto_line() -> String {
    let key = key();
    let octets = [key.key(), key.salt()].concat();
    format!(
        "a=crypto:1 {} inline:{}\r\n",
        SUITE.as_str(),
        STANDARD.encode(octets)
    )
}
