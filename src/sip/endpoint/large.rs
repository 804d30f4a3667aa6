//! Requests too large for UDP (RFC 3261 §18.1.1): over TCP, and over UDP all the same where nobody takes them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::{ClientTxn, Endpoint};
use crate::sip::builder::Request;
use crate::sip::{Flow, Transport, TransportFault, limits};
use crate::time::Now;

/// The other way of a request that is too large for the one it was meant for.
#[derive(Clone, Debug)]
pub struct LargeWay {
    pub flow: Flow,
    /// Our advertised `host:port` on that way.
    pub sent_by: String,
}

/// The way a request was meant for, while it is tried on the other.
pub(super) struct Fallback {
    request: Request,
    flow: Flow,
    sent_by: String,
}

/// Who did not take a connection, and until when it is not tried again: the next call must not wait as well.
#[derive(Default)]
pub(super) struct Refusing(BTreeMap<SocketAddr, Instant>);

impl Refusing {
    fn has(&self, peer: SocketAddr, now: Now) -> bool {
        self.0.get(&peer).is_some_and(|until| *until > now.instant)
    }

    fn insert(&mut self, peer: SocketAddr, now: Now) {
        if self.0.len() >= limits::TCP_REFUSING_KEPT {
            self.0.retain(|_, until| *until > now.instant);
        }
        if self.0.len() < limits::TCP_REFUSING_KEPT {
            self.0.insert(peer, now.instant + limits::TCP_REFUSING_FOR);
        }
    }
}

impl Endpoint {
    pub(super) fn start_by_size(
        &mut self,
        request: Request,
        flow: Flow,
        sent_by: &str,
        large: &LargeWay,
        now: Now,
    ) -> ClientTxn {
        let is_small = octets_about(&request, sent_by) <= limits::UDP_REQUEST_OCTETS_MAX;
        if is_small || flow.transport != Transport::Udp || self.refusing.has(large.flow.remote, now) {
            return self.start_client(request, flow, sent_by, now);
        }
        let fallback = Fallback {
            request: request.clone(),
            flow,
            sent_by: sent_by.to_string(),
        };
        let txn = self.start_client(request, large.flow, &large.sent_by, now);
        self.keep_fallback(txn, fallback);
        txn
    }

    /// A connection did not come about: the same request as it was meant, under the same name. False = no room for it.
    pub(super) fn fall_back(
        &mut self,
        txn: ClientTxn,
        failed: SocketAddr,
        fallback: Fallback,
        now: Now,
    ) -> bool {
        self.refusing.insert(failed, now);
        self.repeat_client(txn.0, fallback.request, fallback.flow, &fallback.sent_by, now)
    }
}

/// Whether the peer cannot have seen the request. After it could have, sending it again would ring a phone twice.
pub(super) fn is_unseen(fault: TransportFault) -> bool {
    matches!(
        fault,
        TransportFault::Refused
            | TransportFault::TimedOut
            | TransportFault::Unreachable
            | TransportFault::Full
            | TransportFault::NoListener
            | TransportFault::System
    )
}

/// The octets of a request with our Via and product, to within a few: the limit is a rule of thumb itself.
fn octets_about(request: &Request, sent_by: &str) -> usize {
    /// Start line, Via without its host, User-Agent, Content-Length, line ends.
    const FRAME: usize = 130;
    let headers: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    FRAME + request.uri.len() + sent_by.len() + headers + request.body.len()
}
