//! TCP and TLS: connections that carry messages in order, that cannot be opened, and that break.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ringward::sip::PeerName;

use super::*;
use crate::trace;

/// Where a connection leads, as `runtime::stream` keeps it.
type Way = (Transport, SocketAddr, Option<PeerName>);

struct Connection {
    flow: Flow,
    /// When the last message arrives: at the gateway, at the peer (µs).
    last: [u64; 2],
}

#[derive(Default)]
pub(super) struct Connections {
    live: BTreeMap<u64, Connection>,
    by_way: BTreeMap<Way, u64>,
    /// The connection that a host has opened to us.
    by_host: BTreeMap<(Transport, IpAddr), u64>,
    broken: BTreeSet<u64>,
    /// Being opened, and will not be: until then everything that is sent there waits for it (µs).
    doomed: BTreeMap<Way, u64>,
    next: u64,
}

fn way(flow: &Flow) -> Way {
    (flow.transport, flow.remote, flow.peer)
}

impl Connections {
    pub(super) fn is_broken(&self, number: u64) -> bool {
        self.broken.contains(&number)
    }

    fn is_up(&self, number: u64) -> bool {
        self.live.contains_key(&number) && !self.is_broken(number)
    }

    fn register(&mut self, flow: Flow) -> u64 {
        self.next += 1;
        let number = self.next;
        let flow = Flow {
            connection: Some(number),
            ..flow
        };
        self.by_way.insert(way(&flow), number);
        self.live.insert(number, Connection { flow, last: [0; 2] });
        number
    }

    /// Not before what was sent earlier.
    fn arrival(&mut self, number: u64, side: usize, at: u64) -> u64 {
        let connection = self.live.get_mut(&number).expect("a live connection");
        let at = at.max(connection.last[side] + 1);
        connection.last[side] = at;
        at
    }
}

impl City {
    /// The gateway sends over a connection: when it arrives and by which one. `None`: there is none, and the gateway will
    /// be told.
    pub(super) fn send_over(&mut self, shard: u16, flow: Flow, leg: Option<u32>) -> Option<(u64, Flow)> {
        let known = flow
            .connection
            .filter(|number| self.connections.live.contains_key(number))
            .or_else(|| self.connections.by_way.get(&way(&flow)).copied());
        let mut at = self.now_us + self.delay_over();
        let number = match known {
            Some(number) => number,
            None => {
                let is_doomed = self
                    .connections
                    .doomed
                    .get(&way(&flow))
                    .is_some_and(|until| self.now_us <= *until);
                if is_doomed {
                    if let Some(leg) = leg {
                        self.legs[leg as usize].was_refused = true;
                    }
                    return None;
                }
                if let Some(fault) = self.refusal(&flow) {
                    self.connections.doomed.insert(way(&flow), at);
                    let flow = Flow {
                        connection: None,
                        ..flow
                    };
                    if let Some(leg) = leg {
                        self.legs[leg as usize].was_refused = true;
                    }
                    for other in 0..self.shards.len() as u16 {
                        let heard = if other == shard { at } else { at + HAND_OVER };
                        self.schedule(heard, Happening::Broken(other, flow, fault, at));
                    }
                    return None;
                }
                at += self.delay_over();
                self.connections.register(flow)
            }
        };
        let at = self.connections.arrival(number, 1, at);
        if let Some(leg) = leg {
            let leg = &mut self.legs[leg as usize];
            leg.connection = Some(number);
        }
        let flow = Flow {
            connection: Some(number),
            ..flow
        };
        Some((at, flow))
    }

    /// Why nobody takes this connection.
    fn refusal(&mut self, flow: &Flow) -> Option<TransportFault> {
        let is_listening = matches!(flow.remote.port(), 5060 | 5061);
        if !is_listening {
            return Some(TransportFault::Refused);
        }
        if !self.chance.per_mille(self.weather.refused) {
            return None;
        }
        Some(match flow.transport {
            Transport::Tls => self.chance.pick(&[
                TransportFault::Refused,
                TransportFault::Handshake,
                TransportFault::HandshakeTimedOut,
                TransportFault::CertificateExpired,
                TransportFault::CertificateName,
                TransportFault::CertificateAuthority,
            ]),
            _ => self
                .chance
                .pick(&[TransportFault::Refused, TransportFault::TimedOut]),
        })
    }

    /// A leg sends over its connection, over its host's, or over a new one.
    pub(super) fn send_from(&mut self, leg: u32, octets: Vec<u8>, mark: Mark) {
        let Some(call_id) = peek_call_id(&octets) else {
            return;
        };
        let owner = shard_of(call_id, self.shards.len() as u16);
        let (transport, host, connection) = {
            let leg = &self.legs[leg as usize];
            (leg.transport, leg.address.ip(), leg.connection)
        };
        let of_host = self.connections.by_host.get(&(transport, host)).copied();
        let known = [connection, of_host]
            .into_iter()
            .flatten()
            .find(|number| self.connections.is_up(*number));
        let number = known.unwrap_or_else(|| {
            let local = if transport == Transport::Tls {
                TLS_GATEWAY
            } else {
                GATEWAY
            };
            let port = 40_000 + (self.connections.next % 20_000) as u16;
            let number = self.connections.register(Flow {
                transport,
                local: local.parse().unwrap(),
                remote: SocketAddr::new(host, port),
                connection: None,
                peer: None,
            });
            self.connections.by_host.insert((transport, host), number);
            number
        });
        self.legs[leg as usize].connection = Some(number);
        let at = self.now_us + self.delay_over();
        let at = self.connections.arrival(number, 0, at);
        let flow = self.connections.live[&number].flow;
        let happening = Happening::Arrive {
            shard: owner,
            flow,
            octets: Rc::new(octets),
            cause: Some((leg, mark)),
            was_handed_over: true,
            hops: 0,
        };
        self.schedule(at, happening);
    }

    /// Nothing is lost over a connection: it is late, and what comes behind it too.
    fn delay_over(&mut self) -> u64 {
        let late = match self.weather.blackout {
            Some((from, until)) if (from..until).contains(&self.now_us) => until - self.now_us,
            _ if self.chance.per_mille(self.weather.lost) => 300 * crate::plan::MILLI,
            _ => 0,
        };
        late + self.delay()
    }

    /// One connection breaks: what is under way on it is lost, and both sides hear of it a little later.
    pub(super) fn cut(&mut self) {
        let up: Vec<u64> = self
            .connections
            .live
            .keys()
            .copied()
            .filter(|number| self.connections.is_up(*number))
            .collect();
        if up.is_empty() {
            return;
        }
        let number = self.chance.pick(&up);
        self.connections.broken.insert(number);
        let remote = self.connections.live[&number].flow.remote;
        trace::note(self.now_us, || format!("connection {number}, {remote}, breaks"));
        let delay = self.delay();
        for leg in 0..self.legs.len() {
            if self.legs[leg].connection == Some(number) {
                let patience = delay + crate::leg::PATIENCE;
                self.after(patience, Happening::Wake(leg as u32, Wake::LostConnection));
            }
        }
        self.after(delay, Happening::Closed(number));
    }

    /// The gateway hears that a connection is over: every shard, one after the other.
    pub(super) fn closed(&mut self, number: u64) {
        let Some(connection) = self.connections.live.remove(&number) else {
            return;
        };
        let flow = connection.flow;
        trace::note(self.now_us, || {
            format!("shards hear that connection {number} broke")
        });
        if self.connections.by_way.get(&way(&flow)) == Some(&number) {
            self.connections.by_way.remove(&way(&flow));
        }
        for shard in 0..self.shards.len() as u16 {
            let (fault, at) = (TransportFault::Closed, self.now_us);
            self.schedule(
                at + u64::from(shard) * HAND_OVER,
                Happening::Broken(shard, flow, fault, at),
            );
        }
    }
}
