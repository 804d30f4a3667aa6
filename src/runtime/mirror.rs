//! The mirror of signalling: every SIP message of a shard as a HEP packet, sent and forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::count;
use super::limits::MIRRORED_LEGS_MAX;
use crate::capture::Config;
use crate::capture::hep::{self, Seen, Way};
use crate::sip::{Flow, peek_call_id};
use crate::time::Now;

/// One shard's mirror. Never waits: what the socket does not take at once is dropped and counted.
pub struct Mirror {
    /// One for each family that this machine has.
    sockets: Vec<UdpSocket>,
    /// Where the collector is; the next one is tried when nothing can be sent to the first.
    addresses: VecDeque<SocketAddr>,
    config: Config,
    packet: Vec<u8>,
    /// From Call-IDs of ours to their callers': the last messages of a call come when the call is over.
    legs: BTreeMap<String, String>,
    order: VecDeque<String>,
}

impl Mirror {
    /// # Errors
    ///
    /// The system's error when there is no socket to be had.
    pub fn open(config: &Config) -> io::Result<Mirror> {
        let address = config.hep.address();
        let any: [SocketAddr; 2] = [
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv6Addr::UNSPECIFIED, 0).into(),
        ];
        let mut sockets = Vec::new();
        for any in any {
            match UdpSocket::bind(any) {
                Ok(socket) => {
                    socket.set_nonblocking(true)?;
                    sockets.push(socket);
                }
                // A machine may have one family only, and a name may turn out to be of the other.
                Err(error) if address.is_some_and(|address| address.is_ipv4() == any.is_ipv4()) => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        Ok(Mirror {
            sockets,
            addresses: address.into_iter().collect(),
            config: config.clone(),
            packet: Vec::new(),
            legs: BTreeMap::new(),
            order: VecDeque::new(),
        })
    }

    /// News of where the collector is.
    pub fn send_to(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses.into();
    }

    /// `caller` is the Call-ID of the caller's leg where the engine knows it; else the message's own stands for it.
    pub fn show(&mut self, flow: Flow, way: Way, octets: &[u8], caller: Option<&str>, now: Now) {
        let own = peek_call_id(octets)
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        if let Some(caller) = caller.filter(|caller| *caller != own) {
            self.remember(&own, caller);
        }
        let correlation = caller.or_else(|| self.legs.get(&*own).map(String::as_str));
        let seen = Seen {
            flow,
            way,
            at: now.utc,
            octets,
            correlation: correlation.unwrap_or(&own),
        };
        let password = self
            .config
            .password
            .as_ref()
            .map(|password| password.reveal().as_str());
        let is_sent = hep::encode(&seen, self.config.id, password, &mut self.packet) && self.send();
        if !is_sent {
            count::full("mirror");
        }
    }

    fn send(&mut self) -> bool {
        let Some(address) = self.addresses.front().copied() else {
            return false;
        };
        let is_of_family = |socket: &&UdpSocket| {
            socket
                .local_addr()
                .is_ok_and(|local| local.is_ipv4() == address.is_ipv4())
        };
        let sent = match self.sockets.iter().find(is_of_family) {
            Some(socket) => socket
                .send_to(&self.packet, address)
                .map_err(|error| error.kind()),
            None => Err(io::ErrorKind::AddrNotAvailable),
        };
        if sent.is_err_and(|kind| kind != io::ErrorKind::WouldBlock) {
            self.addresses.rotate_left(1);
        }
        sent.is_ok()
    }

    fn remember(&mut self, own: &str, caller: &str) {
        if self.legs.contains_key(own) {
            return;
        }
        self.legs.insert(own.to_string(), caller.to_string());
        self.order.push_back(own.to_string());
        if self.order.len() > MIRRORED_LEGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.legs.remove(&oldest);
        }
    }
}
