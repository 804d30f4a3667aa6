//! The network: what it does to datagrams on their way, from one seed.

use std::net::SocketAddr;
use std::time::Duration;

use super::World;
use super::clock::Happening;
use crate::agent::Wish;
use crate::gateway::GATEWAY;

/// How the network treats datagrams, in per mille and milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub lost: u64,
    pub repeated: u64,
    /// One character of the datagram becomes another (towards the gateway only).
    pub garbled: u64,
    pub delay_ms: (u64, u64),
}

impl Default for Network {
    fn default() -> Network {
        Network {
            lost: 0,
            repeated: 0,
            garbled: 0,
            delay_ms: (1, 1),
        }
    }
}

fn gateway_address() -> SocketAddr {
    GATEWAY.parse().unwrap()
}

impl World {
    /// A number below `bound`, from the seed (xorshift64*).
    pub fn dice(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub(super) fn grant(&mut self, address: SocketAddr) {
        let Some(agent) = self.agents.get_mut(&address) else {
            return;
        };
        for wish in agent.wishes() {
            match wish {
                Wish::Send(octets) => self.send(address, GATEWAY.parse().unwrap(), octets),
                Wish::Wake(after, wake) => self.schedule(after, Happening::Wake { agent: address, wake }),
            }
        }
    }

    /// The network.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, mut octets: Vec<u8>) {
        if let (Some(dress), true) = (self.dress, to == gateway_address()) {
            let mut text = String::from_utf8(octets).expect("peers write text");
            let end = text.find("\r\n\r\n").expect("a blank line ends the headers");
            let lines = dress(from, &mut self.random);
            text.insert_str(
                end,
                &lines.iter().map(|line| format!("\r\n{line}")).collect::<String>(),
            );
            octets = text.into_bytes();
        }
        let start = String::from_utf8_lossy(&octets)
            .split("\r\n")
            .next()
            .unwrap_or_default()
            .to_string();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let header = |name: &str| {
            text.split("\r\n")
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
        };
        let (cseq, call_id) = (header("CSeq: "), header("Call-ID: "));
        // `CALL_IDS=1` makes one call of a busy day findable.
        let call_id = if self.has_call_ids {
            format!(" {call_id}")
        } else {
            String::new()
        };
        self.note(format!("{from} > {to} {start} [{cseq}]{call_id}"));
        if let Some(drop) = self
            .drops
            .iter_mut()
            .find(|(prefix, left)| *left > 0 && start.starts_with(prefix.as_str()))
        {
            drop.1 -= 1;
            return self.note("  lost on purpose".into());
        }
        if self.network.lost > 0 && self.dice(1000) < self.network.lost {
            return self.note("  lost".into());
        }
        if self.network.garbled > 0 && to == gateway_address() && self.dice(1000) < self.network.garbled {
            let at = self.dice(octets.len() as u64) as usize;
            octets[at] = b' ' + self.dice(95) as u8;
            self.note(format!("  garbled at {at}"));
        }
        let (least, most) = self.network.delay_ms;
        let copies = if self.network.repeated > 0 && self.dice(1000) < self.network.repeated {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = least
                + if most > least {
                    self.dice(most - least + 1)
                } else {
                    0
                };
            let happening = Happening::Arrive {
                to,
                from,
                octets: octets.clone(),
            };
            self.schedule(Duration::from_millis(delay), happening);
        }
    }
}
