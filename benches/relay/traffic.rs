//! Fifty packets a second in each direction of every call, in at one side of a relay and out at the other.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ringward::media::rtp;
use ringward::media::srtp::Secured;
use socket2::{Domain, Protocol, Socket, Type};

use crate::support::audio::{mu_law, test_speech};

/// How often something is sent and everything read that has come.
const SLICE: Duration = Duration::from_micros(500);
/// Slices in the 20 ms of a packet.
const SLICES: usize = 40;
const SAMPLES: usize = 160;
const PACKET_OCTETS: usize = rtp::HEADER_OCTETS + SAMPLES;
/// Room in the kernel for what comes in half a millisecond, many times over.
const RECEIVE_OCTETS: usize = 16 << 20;
/// Packets of a call that may be on their way at once.
const ON_THE_WAY: usize = 64;
/// Callers' SSRCs count from here, phones' from twice that.
const SSRC: u32 = 0x1000_0000;

/// The far ends of all calls: everybody's callers on one socket, everybody's phones on the other.
pub struct Ends {
    pub sockets: [UdpSocket; 2],
}

impl Ends {
    pub fn open() -> Ends {
        Ends {
            sockets: [(); 2].map(|()| socket(RECEIVE_OCTETS)),
        }
    }

    /// The caller's side, the phone's side.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        [&self.sockets[0], &self.sockets[1]].map(|socket| socket.local_addr().unwrap())
    }
}

/// A socket on loopback that does not wait, with so much room in the kernel for what comes in.
pub fn socket(receive_octets: usize) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_recv_buffer_size(receive_octets).unwrap();
    socket.set_nonblocking(true).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).unwrap();
    UdpSocket::from(socket)
}

/// One call at a relay: its ports, and how far the streams are.
pub struct Line {
    /// Where the caller's packets go, where the phone's go.
    to: [SocketAddr; 2],
    /// The caller's end of SRTP.
    secured: Option<Box<Secured>>,
    sequence: u16,
    sent_at: [[Option<Instant>; ON_THE_WAY]; 2],
}

impl Line {
    pub fn new(to: [SocketAddr; 2], secured: Option<Secured>) -> Line {
        Line {
            to,
            secured: secured.map(Box::new),
            sequence: 0,
            sent_at: [[None; ON_THE_WAY]; 2],
        }
    }
}

/// What came out of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By callers, by phones.
    pub sent: [u64; 2],
    /// Of the callers' packets by phones, of the phones' by callers.
    pub heard: [u64; 2],
    delays: Vec<u32>,
}

impl Outcome {
    /// Milliseconds that this part of the packets took at most.
    pub fn delay(&self, part: f64) -> f64 {
        let mut sorted = self.delays.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
        f64::from(sorted.get(at).copied().unwrap_or(0)) / 1000.0
    }
}

/// Lets all calls talk for so long, and waits for what is still on its way.
pub fn send(ends: &Ends, lines: &mut [Line], seconds: u64) -> Outcome {
    let speech = mu_law(&test_speech(7));
    let mut outcome = Outcome::default();
    let start = Instant::now();
    let slices = seconds as usize * 2000;
    for slice in 0..slices {
        // Calls are spread over the 20 ms, as calls of different people are.
        for number in (slice % SLICES..lines.len()).step_by(SLICES) {
            for side in 0..2 {
                say(ends, &mut lines[number], number, side, &speech);
                outcome.sent[side] += 1;
            }
        }
        listen(ends, lines, &mut outcome);
        let next = start + SLICE * (slice as u32 + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let end = Instant::now() + Duration::from_millis(300);
    while Instant::now() < end {
        listen(ends, lines, &mut outcome);
        std::thread::sleep(SLICE);
    }
    outcome
}

fn say(ends: &Ends, line: &mut Line, number: usize, side: usize, speech: &[u8]) {
    if side == 0 {
        line.sequence = line.sequence.wrapping_add(1);
    }
    let sequence = line.sequence;
    let mut packet = [0u8; PACKET_OCTETS + 32];
    let ssrc = SSRC * (side as u32 + 1) + number as u32;
    let timestamp = u32::from(sequence).wrapping_mul(SAMPLES as u32);
    packet[..rtp::HEADER_OCTETS].copy_from_slice(&rtp::header(0, sequence, timestamp, ssrc, false));
    // Everybody says something else at a time: one recording in many calls is work of its own.
    let at = (usize::from(sequence) * SAMPLES + number * 4_001 + side * 26_000) % (speech.len() - SAMPLES);
    packet[rtp::HEADER_OCTETS..PACKET_OCTETS].copy_from_slice(&speech[at..at + SAMPLES]);
    let len = match (&mut line.secured, side) {
        (Some(secured), 0) => secured.protect_rtp(&mut packet, PACKET_OCTETS).unwrap(),
        _ => PACKET_OCTETS,
    };
    line.sent_at[side][usize::from(sequence) % ON_THE_WAY] = Some(Instant::now());
    // A full buffer at the relay is its loss: it counts as sent.
    let _ = ends.sockets[side].send_to(&packet[..len], line.to[side]);
}

fn listen(ends: &Ends, lines: &mut [Line], outcome: &mut Outcome) {
    let mut packet = [0u8; 2048];
    for (at, socket) in ends.sockets.iter().enumerate() {
        loop {
            let len = match socket.recv(&mut packet) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => continue,
            };
            // Reports of the relay's own are no packets of ours.
            if len < PACKET_OCTETS || packet[1] & 0x7f != 0 {
                continue;
            }
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
            // What a phone hears was said by a caller.
            let side = 1 - at;
            let number = ssrc.wrapping_sub(SSRC * (side as u32 + 1)) as usize;
            let Some(line) = lines.get_mut(number) else {
                continue;
            };
            if let Some(sent) = line.sent_at[side][usize::from(sequence) % ON_THE_WAY].take() {
                outcome.heard[side] += 1;
                outcome.delays.push(sent.elapsed().as_micros() as u32);
            }
        }
    }
}
