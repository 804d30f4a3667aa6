//! Real RTP at real pace (RFC 3550): 20 ms of mu-law per packet, both ways, on a socket of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clip::Clip;
use super::limits::HEARD_OCTETS_MAX;
use super::line::is_passing;
use crate::runtime::{clock, entropy};

/// One packet: 20 ms, which is 160 octets of G.711.
const PACKET: Duration = Duration::from_millis(20);
const PACKET_OCTETS: usize = 160;
const HEADER_OCTETS: usize = 12;
/// A sender that fell further behind than this starts its pace anew instead of catching up in a burst.
const BEHIND_MAX: Duration = Duration::from_millis(200);
/// Mu-law for "nothing".
const SILENCE: u8 = 0xff;

/// What one end heard and said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub packets_sent: u64,
    pub packets: u64,
    /// The first two seconds of payload, in the order of arrival.
    pub start: Vec<u8>,
}

/// Takes a free even port for RTP (RFC 3550 §11); an odd one when the system offers nothing else.
///
/// # Errors
///
/// What the system says.
pub fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let mut kept = Vec::new();
    loop {
        let socket = UdpSocket::bind((address, 0))?;
        if socket.local_addr()?.port() % 2 == 0 || kept.len() == 16 {
            return Ok(socket);
        }
        // Held until we leave, so that the system does not offer the same odd port again.
        kept.push(socket);
    }
}

/// An offer or answer of PCMU and telephone-event on `local`.
pub fn description(local: SocketAddr) -> Vec<u8> {
    let id = bits();
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port) = (local.ip(), local.port());
    format!(
        "v=0\r\no=- {id} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    .into_bytes()
}

/// A running stream. Ends when [`Sound::stop`] is called or it is dropped.
pub struct Sound {
    is_over: Arc<AtomicBool>,
    packets: Arc<AtomicU64>,
    remote: Arc<Mutex<SocketAddr>>,
    thread: Option<JoinHandle<Heard>>,
}

impl Sound {
    /// Streams `clip` to `remote`, again and again when `is_looped`, else silence after its end.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub fn start(socket: UdpSocket, remote: SocketAddr, clip: Clip, is_looped: bool) -> io::Result<Sound> {
        let is_over = Arc::new(AtomicBool::new(false));
        let packets = Arc::new(AtomicU64::new(0));
        let remote = Arc::new(Mutex::new(remote));
        let stream = Stream {
            socket,
            is_over: Arc::clone(&is_over),
            packets: Arc::clone(&packets),
            remote: Arc::clone(&remote),
            clip,
            is_looped,
            heard: Heard::default(),
        };
        let thread = std::thread::Builder::new()
            .name("sound".into())
            .spawn(move || stream.run())?;
        Ok(Sound {
            is_over,
            packets,
            remote,
            thread: Some(thread),
        })
    }

    /// The peer moved its media (re-INVITE).
    pub fn aim(&self, remote: SocketAddr) {
        *self.remote.lock().unwrap_or_else(PoisonError::into_inner) = remote;
    }

    /// Audio packets heard so far.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Ends the stream and says what was heard.
    pub fn stop(mut self) -> Heard {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

struct Stream {
    socket: UdpSocket,
    is_over: Arc<AtomicBool>,
    packets: Arc<AtomicU64>,
    remote: Arc<Mutex<SocketAddr>>,
    clip: Clip,
    is_looped: bool,
    heard: Heard,
}

impl Stream {
    fn run(mut self) -> Heard {
        let [ssrc, start] = [bits(), bits()];
        let mut due = clock::now().instant;
        let mut count: u32 = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            if self.listen_until(due).is_err() {
                break;
            }
            let packet = self.packet(count, ssrc, start);
            let remote = *self.remote.lock().unwrap_or_else(PoisonError::into_inner);
            if self.socket.send_to(&packet, remote).is_ok() {
                self.heard.packets_sent += 1;
            }
            count = count.wrapping_add(1);
            due += PACKET;
            let now = clock::now().instant;
            if now.saturating_duration_since(due) > BEHIND_MAX {
                due = now;
            }
        }
        self.heard
    }

    /// Takes in what arrives until `due`.
    fn listen_until(&mut self, due: std::time::Instant) -> io::Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let wait = due.saturating_duration_since(clock::now().instant);
            if wait < Duration::from_micros(200) {
                return Ok(());
            }
            self.socket.set_read_timeout(Some(wait))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((length, _)) => self.hear(&buffer[..length]),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn hear(&mut self, packet: &[u8]) {
        if packet.len() <= HEADER_OCTETS || packet[0] >> 6 != 2 || packet[1] & 0x7f != 0 {
            return;
        }
        self.heard.packets += 1;
        self.packets.store(self.heard.packets, Ordering::Relaxed);
        let room = HEARD_OCTETS_MAX - self.heard.start.len();
        let payload = &packet[HEADER_OCTETS..];
        self.heard
            .start
            .extend_from_slice(&payload[..payload.len().min(room)]);
    }

    fn packet(&self, count: u32, ssrc: u32, start: u32) -> [u8; HEADER_OCTETS + PACKET_OCTETS] {
        let mut packet = [SILENCE; HEADER_OCTETS + PACKET_OCTETS];
        packet[0] = 0x80;
        // The marker bit says that a talk spurt begins (RFC 3551 §4.1).
        packet[1] = if count == 0 { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&((start >> 16) as u16).wrapping_add(count as u16).to_be_bytes());
        packet[4..8].copy_from_slice(
            &start
                .wrapping_add(count.wrapping_mul(PACKET_OCTETS as u32))
                .to_be_bytes(),
        );
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let from = count as usize * PACKET_OCTETS;
        for (at, octet) in packet[HEADER_OCTETS..].iter_mut().enumerate() {
            let place = from + at;
            let length = self.clip.octets.len();
            if place < length || (self.is_looped && length > 0) {
                *octet = self.clip.octets[place % length];
            }
        }
        packet
    }
}

/// Fresh bits for names of streams. Those of a machine without a generator are all the same: nothing here is a secret.
fn bits() -> u32 {
    let seed = entropy::seed().unwrap_or_default();
    u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two ends of one conversation; the right one plays comfort noise.
    fn pair(said: &Clip, is_looped: bool) -> (Sound, Sound) {
        let loopback = "127.0.0.1".parse().unwrap();
        let (left, right) = (open(loopback).unwrap(), open(loopback).unwrap());
        let (to_left, to_right) = (left.local_addr().unwrap(), right.local_addr().unwrap());
        let left = Sound::start(left, to_right, said.clone(), is_looped).unwrap();
        (
            left,
            Sound::start(right, to_left, Clip::comfort_noise(1), true).unwrap(),
        )
    }

    fn wait_for_packets(sound: &Sound, count: u64) {
        let end = clock::now().instant + Duration::from_secs(10);
        while sound.packets() < count {
            assert!(
                clock::now().instant < end,
                "{} packets in ten seconds",
                sound.packets()
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    #[test]
    fn two_streams_hear_each_other_unaltered_and_never_faster_than_speech() {
        let said = Clip {
            name: "ramp",
            octets: (0..1600).map(|at| (at % 251) as u8).collect(),
        };
        let began = clock::now().instant;
        let (left, right) = pair(&said, true);
        wait_for_packets(&left, 5);
        wait_for_packets(&right, 15);
        let (heard_left, heard_right) = (left.stop(), right.stop());
        let at_most = began.elapsed().as_millis() as u64 / 20 + 1;
        assert!(
            heard_left.packets_sent <= at_most,
            "{} packets, {at_most} fit",
            heard_left.packets_sent
        );
        let expected: Vec<u8> = said
            .octets
            .iter()
            .copied()
            .cycle()
            .take(heard_right.start.len())
            .collect();
        assert_eq!(heard_right.start, expected);
    }

    #[test]
    fn a_clip_that_is_not_looped_ends_in_silence() {
        let (left, right) = pair(
            &Clip {
                name: "short",
                octets: vec![7; 100].into(),
            },
            false,
        );
        wait_for_packets(&right, 3);
        drop(left);
        let heard = right.stop().start;
        assert!(heard[..100] == [7; 100] && heard[100..].iter().all(|octet| *octet == SILENCE));
    }

    #[test]
    fn an_answer_names_its_own_port_and_one_codec() {
        let text = String::from_utf8(description("127.0.0.1:4000".parse().unwrap())).unwrap();
        assert!(text.contains("m=audio 4000 RTP/AVP 0 101\r\n") && text.contains("c=IN IP4 127.0.0.1\r\n"));
    }
}
