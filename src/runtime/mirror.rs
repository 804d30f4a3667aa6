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
    socket: UdpSocket,
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
        let any: SocketAddr = if config.hep.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        Ok(Mirror {
            socket,
            config: config.clone(),
            packet: Vec::new(),
            legs: BTreeMap::new(),
            order: VecDeque::new(),
        })
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
        let is_sent = hep::encode(&seen, self.config.id, password, &mut self.packet)
            && self.socket.send_to(&self.packet, self.config.hep).is_ok();
        if !is_sent {
            count::full("mirror");
        }
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
