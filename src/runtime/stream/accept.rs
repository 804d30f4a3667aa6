//! Connections that others open: who may, how many, and what happens before the first octet is believed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::Streams;
use super::table::Place;
use crate::call::Counter;
use crate::runtime::count;
use crate::runtime::limits::{
    ACCEPT_PAUSE_MAX, ACCEPT_PAUSE_MIN, STREAM_PROBE, STREAMS_PER_SOURCE, STREAMS_PER_STRANGER, TLS_HANDSHAKE,
};
use crate::sip::{Flow, Transport};

/// Connections that wait for `accept`: a trunk that comes back after an outage opens many at once.
const BACKLOG: i32 = 1024;

/// Who may connect to us. The same rule as for datagrams, and one for those who prove who they are.
pub struct Door {
    /// This address is a trunk's or a phone's.
    pub is_known: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Over TLS somebody from this address may show a certificate that we know a name of.
    pub may_be_named: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// Somebody from this address may prove who they are with a password, message by message.
    pub may_prove: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

/// A listener for `[sip] listen`. An IPv6 one takes IPv6 only, like the UDP sockets: `[::]` and `0.0.0.0` may both be
/// listened on.
///
/// # Errors
///
/// The system's error for the address.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // As the standard library does: a restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What every connection gets: no waiting for more octets, and a probe when the peer says nothing, so that one whose
/// machine has gone is found out.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let probe = TcpKeepalive::new()
        .with_time(STREAM_PROBE)
        .with_interval(STREAM_PROBE);
    let _ = SockRef::from(stream).set_tcp_keepalive(&probe);
}

/// Leave to go on, held until the handshake is over, and the place among the connections.
struct Admitted {
    place: Place,
    handshake: Option<OwnedSemaphorePermit>,
    is_known: bool,
    may_prove: bool,
}

impl Streams {
    /// Accepts for ever. Unknown sources are closed at once, without state, except where a certificate (on TLS) or a
    /// password may still say who they are.
    pub async fn accept(self: Arc<Self>, listener: TcpListener, transport: Transport) {
        let mut pause = ACCEPT_PAUSE_MIN;
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => {
                    pause = ACCEPT_PAUSE_MIN;
                    accepted
                }
                Err(error) => {
                    // Out of descriptors, usually: wait, longer each time, instead of spinning.
                    tracing::warn!(%error, %transport, "a connection could not be accepted");
                    count::full("accept");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                    continue;
                }
            };
            if let Some(admitted) = self.admit(transport, remote.ip()) {
                let table = self.clone();
                tokio::spawn(async move { table.welcome(transport, stream, remote, admitted).await });
            }
        }
    }

    fn admit(self: &Arc<Self>, transport: Transport, source: IpAddr) -> Option<Admitted> {
        let source = source.to_canonical();
        let is_tls = transport == Transport::Tls;
        let is_known = (self.door.is_known)(source);
        let may_prove = (self.door.may_prove)(source);
        let may_come = is_known || may_prove || is_tls && (self.door.may_be_named)(source);
        if !may_come {
            count::call(Counter::UnknownSource);
            return None;
        }
        let handshake = if is_tls {
            let places = if is_known {
                &self.handshakes
            } else {
                &self.strangers
            };
            let Ok(permit) = places.clone().try_acquire_owned() else {
                count::full("tls_handshakes");
                return None;
            };
            Some(permit)
        } else {
            None
        };
        let most = if is_known {
            STREAMS_PER_SOURCE
        } else {
            STREAMS_PER_STRANGER
        };
        let Some(place) = self.take_place(source, most) else {
            count::full("tcp_connections");
            return None;
        };
        Some(Admitted {
            place,
            handshake,
            is_known,
            may_prove,
        })
    }

    async fn welcome(
        self: Arc<Self>,
        transport: Transport,
        stream: TcpStream,
        remote: SocketAddr,
        admitted: Admitted,
    ) {
        let Ok(local) = stream.local_addr() else { return };
        prepare(&stream);
        let mut flow = Flow {
            transport,
            ..Flow::udp(local, remote)
        };
        // Held to the end of the connection.
        let _place = admitted.place;
        let Some(tls) = self.tls.as_ref().filter(|_| transport == Transport::Tls) else {
            return self.run(stream, flow, false).await;
        };
        let shaken = tokio::time::timeout(TLS_HANDSHAKE, tls.acceptor().accept(stream)).await;
        drop(admitted.handshake);
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tls.refused(remote, super::tls::fault_of(&error), admitted.is_known),
            Err(_) => {
                let fault = crate::sip::TransportFault::HandshakeTimedOut;
                return tls.refused(remote, fault, admitted.is_known);
            }
        };
        flow.peer = tls.peer_of(stream.get_ref().1.peer_certificates());
        if !admitted.is_known && !admitted.may_prove && flow.peer.is_none() {
            count::call(Counter::UnknownSource);
            return;
        }
        self.run(stream, flow, false).await;
    }
}
