//! One telephone line: a UDP socket of its own with the SIP transaction layer on top.
//!
//! A caller or phone of ours owns one and polls it from its own thread. It knows nothing of the gateway.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::limits::DATAGRAM_OCTETS_MAX;
use crate::runtime::{clock, entropy};
use crate::sip::{
    ClientTxn, Dialog, Endpoint, EndpointInput, EndpointOutput, Flow, Method, Request, Response, ServerTxn,
    SipEvent, Transport, TransportFault,
};

/// Shortest wait for a packet: a zero time-out would mean "for ever" to the socket.
const WAIT_MIN: Duration = Duration::from_millis(1);

pub struct Line {
    socket: UdpSocket,
    local: SocketAddr,
    endpoint: Endpoint,
    due: Option<Instant>,
    events: VecDeque<SipEvent>,
    buffer: Box<[u8]>,
}

impl Line {
    /// Opens a line on a free port of `address`; `product` is its User-Agent.
    ///
    /// # Errors
    ///
    /// What the system says about the socket.
    pub fn open(address: IpAddr, product: &str) -> io::Result<Line> {
        let socket = UdpSocket::bind((address, 0))?;
        let local = socket.local_addr()?;
        let seed = entropy::seed().map_err(io::Error::other)?;
        Ok(Line {
            socket,
            local,
            endpoint: Endpoint::new(seed, product),
            due: None,
            events: VecDeque::new(),
            buffer: vec![0; DATAGRAM_OCTETS_MAX].into_boxed_slice(),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.local
    }

    /// Our Contact, `user` being ours to choose.
    pub fn contact(&self, user: &str) -> String {
        format!("<sip:{user}@{}>", self.local)
    }

    /// A fresh tag or Call-ID part.
    pub fn token(&mut self) -> String {
        self.endpoint.token()
    }

    /// The next event, or None after `wait` without one. Timers run meanwhile.
    ///
    /// # Errors
    ///
    /// Only when the socket itself is broken; a bad packet is no error.
    pub fn poll(&mut self, wait: Duration) -> io::Result<Option<SipEvent>> {
        let until = clock::now().instant + wait;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let now = clock::now();
            if self.due.is_some_and(|due| due <= now.instant) {
                self.endpoint.handle(EndpointInput::Tick, now);
                self.carry_out();
                continue;
            }
            if now.instant >= until {
                return Ok(None);
            }
            let wake = self.due.map_or(until, |due| due.min(until));
            self.socket
                .set_read_timeout(Some((wake - now.instant).max(WAIT_MIN)))?;
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, remote)) => {
                    let flow = flow(self.local, remote);
                    let octets = &self.buffer[..length];
                    self.endpoint
                        .handle(EndpointInput::Received { flow, octets }, clock::now());
                    self.carry_out();
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub fn request(&mut self, request: Request, to: SocketAddr) -> ClientTxn {
        let sent_by = self.local.to_string();
        let txn = self
            .endpoint
            .request(request, flow(self.local, to), &sent_by, clock::now());
        self.carry_out();
        txn
    }

    pub fn respond(&mut self, txn: ServerTxn, response: Response) {
        // False means the transaction has ended meanwhile: nobody waits for this response any more.
        let _was_wanted = self.endpoint.respond(txn, response, clock::now());
        self.carry_out();
    }

    pub fn cancel(&mut self, txn: ClientTxn) {
        self.endpoint.cancel(txn, None, clock::now());
        self.carry_out();
    }

    /// ACK for the 2xx that `txn` (an INVITE with CSeq number `cseq`) received.
    pub fn acknowledge(&mut self, txn: ClientTxn, dialog: &Dialog, cseq: u32, peer: SocketAddr) {
        let sent_by = self.local.to_string();
        let flow = flow(self.local, next_hop(dialog, peer));
        self.endpoint
            .acknowledge(txn, dialog.ack(cseq), flow, &sent_by, clock::now());
        self.carry_out();
    }

    /// BYE in `dialog`.
    pub fn bye(&mut self, dialog: &mut Dialog, peer: SocketAddr) -> ClientTxn {
        let to = next_hop(dialog, peer);
        let bye = dialog.request(Method::Bye);
        self.request(bye, to)
    }

    fn carry_out(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                EndpointOutput::Transmit { flow, octets } => {
                    if self.socket.send_to(&octets, flow.remote).is_err() {
                        let now = clock::now();
                        let broken = EndpointInput::TransportError {
                            flow,
                            fault: TransportFault::System,
                            at: now.instant,
                        };
                        self.endpoint.handle(broken, now);
                    }
                }
                EndpointOutput::Event(event) => self.events.push_back(event),
                EndpointOutput::Timeout(due) => {
                    self.due = due;
                    return;
                }
            }
        }
    }
}

/// Where an in-dialog request goes: the dialog's own idea, or the peer we talk to anyway.
fn next_hop(dialog: &Dialog, peer: SocketAddr) -> SocketAddr {
    dialog.next_hop().map_or(peer, |(_, address)| address)
}

fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow {
        transport: Transport::Udp,
        local,
        remote,
        connection: None,
        peer: None,
    }
}

/// Errors that say "nothing now" rather than "this socket is broken".
pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
