//! rtpengine without its kernel module, told about calls by its ng protocol (bencode over UDP).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringward::media::srtp::Secured;

use crate::Relay;
use crate::gateway::{mirror, sdp};
use crate::support::{Peer, free_port, free_ports};
use crate::traffic::{Ends, Line};

pub struct Rtpengine {
    peer: Peer,
    lines: Vec<Line>,
}

impl Rtpengine {
    /// With so many calls up. A caller who encrypts reaches a phone that does not.
    pub fn start(ends: &Ends, calls: usize, is_secured: bool) -> Rtpengine {
        let control = free_port();
        let media = free_ports(calls as u16 * 4 + 64);
        let peer = Peer::start(
            Command::new("rtpengine")
                .args([
                    "--table=-1",
                    "--interface=127.0.0.1",
                    "--foreground",
                    "--num-threads=1",
                ])
                .arg(format!("--listen-ng=127.0.0.1:{control}"))
                .arg(format!("--port-min={media}"))
                .arg(format!("--port-max={}", media + calls as u16 * 4 + 63))
                .args(["--log-level=3", "--log-stderr"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        crate::support::wait_until_bound(control);
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.connect((Ipv4Addr::LOCALHOST, control)).unwrap();
        let [caller, phone] = ends.addresses();
        let lines = (0..calls)
            .map(|number| {
                let id = format!("relay-{number}");
                let offer = sdp(caller, is_secured);
                let mut words = vec![
                    ("command", "offer"),
                    ("call-id", &id),
                    ("from-tag", "a"),
                    ("sdp", &offer),
                ];
                if is_secured {
                    words.push(("transport-protocol", "RTP/AVP"));
                }
                let to_phone = ask(&client, number, &words);
                let answer = sdp(phone, false);
                let words = [
                    ("command", "answer"),
                    ("call-id", &id),
                    ("from-tag", "a"),
                    ("to-tag", "b"),
                    ("sdp", &answer),
                ];
                let to_caller = ask(&client, number + calls, &words);
                let secured = is_secured.then(|| Secured::new(&mirror()));
                Line::new([to_caller, to_phone], secured)
            })
            .collect();
        Rtpengine { peer, lines }
    }
}

impl Relay for Rtpengine {
    fn lines(&mut self) -> &mut [Line] {
        &mut self.lines
    }

    fn pid(&self) -> u32 {
        self.peer.0.id()
    }
}

/// Where its description says the party that hears it has to send.
fn ask(client: &UdpSocket, number: usize, words: &[(&str, &str)]) -> SocketAddr {
    let mut message = format!("{number} d");
    for (name, value) in words {
        message += &format!("{}:{name}{}:{value}", name.len(), value.len());
    }
    message.push('e');
    client.send(message.as_bytes()).unwrap();
    let mut answer = [0u8; 4096];
    let len = client.recv(&mut answer).expect("rtpengine answers");
    let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
    crate::gateway::audio_port(&answer).unwrap_or_else(|| panic!("rtpengine refuses: {answer}"))
}
