//! Every open connection, by number and by the way it leads.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use super::accept::{Door, prepare};
use super::patience::Patience;
use super::{Tls, connection};
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::limits::{
    STREAM_CONNECT, STREAM_IDLE, STREAM_OUTBOX, STREAMS, STREAMS_RESERVED, TLS_HANDSHAKES, TLS_STRANGERS,
};
use crate::runtime::{clock, count};
use crate::sip::{Flow, PeerName, Transport, TransportFault, peek_call_id};

/// What two messages need in common to go over one connection: over TLS the proved name belongs to it.
type Way = (Transport, SocketAddr, Option<PeerName>);

fn way(flow: &Flow) -> Way {
    (flow.transport, flow.remote, flow.peer)
}

/// The open connections of the whole process, and how new ones come about.
pub struct Streams {
    connections: Mutex<Connections>,
    next: AtomicU64,
    mailboxes: Mailboxes,
    tokio: tokio::runtime::Handle,
    pub(super) door: Door,
    /// None = `[sip.tls]` is not configured.
    pub(super) tls: Option<Arc<Tls>>,
    /// Handshakes under way: of sources we know, and of others.
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) strangers: Arc<Semaphore>,
}

#[derive(Default)]
struct Connections {
    outboxes: HashMap<u64, mpsc::Sender<Vec<u8>>>,
    by_way: HashMap<Way, u64>,
    /// Connections that peers opened, by their address.
    accepted: HashMap<IpAddr, usize>,
}

/// A place among the connections that others may open; given back when it is dropped.
pub(super) struct Place {
    table: Arc<Streams>,
    source: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self.table.lock();
        if let Some(places) = connections.accepted.get_mut(&self.source) {
            *places -= 1;
            if *places == 0 {
                connections.accepted.remove(&self.source);
            }
        }
    }
}

impl Streams {
    pub fn new(
        mailboxes: Mailboxes,
        tokio: tokio::runtime::Handle,
        door: Door,
        tls: Option<Arc<Tls>>,
    ) -> Arc<Streams> {
        Arc::new(Streams {
            connections: Mutex::default(),
            next: AtomicU64::new(1),
            mailboxes,
            tokio,
            door,
            tls,
            handshakes: Arc::new(Semaphore::new(TLS_HANDSHAKES)),
            strangers: Arc::new(Semaphore::new(TLS_STRANGERS)),
        })
    }

    /// Sends on the flow's connection, or on one that leads the same way, or on a new one. Never waits.
    pub fn send(self: &Arc<Self>, flow: Flow, octets: Vec<u8>, shard: u16) {
        let open = {
            let connections = self.lock();
            let number = flow
                .connection
                .filter(|number| connections.outboxes.contains_key(number))
                .or_else(|| connections.by_way.get(&way(&flow)).copied());
            number.and_then(|number| Some((number, connections.outboxes.get(&number)?.clone())))
        };
        if let Some((number, outbox)) = open {
            if outbox.try_send(octets).is_err() {
                // Its peer does not read: once what waits is written or timed out, it is over.
                let at = self.forget(number, way(&flow));
                self.broken(flow, TransportFault::NotRead, at, shard);
            }
            return;
        }
        if flow.transport == Transport::Tls && self.tls.is_none() {
            return self.broken(flow, TransportFault::NoTls, clock::now().instant, shard);
        }
        if self.open_connections() >= STREAMS {
            return self.broken(flow, TransportFault::Full, clock::now().instant, shard);
        }
        let (number, outbox, inbox) = self.register(&flow);
        let _ = outbox.try_send(octets);
        drop(outbox);
        let table = self.clone();
        self.tokio
            .spawn(async move { table.connect(flow, number, inbox).await });
    }

    /// Connections open or being opened, both ways.
    pub fn open_connections(&self) -> usize {
        self.lock().outboxes.len()
    }

    /// One more connection opened by this address, if it may: no peer alone can take all places, and some are kept for
    /// the connections we open to phones.
    pub(super) fn take_place(self: &Arc<Self>, source: IpAddr, most: usize) -> Option<Place> {
        let mut connections = self.lock();
        let taken: usize = connections.accepted.values().sum();
        if taken.max(connections.outboxes.len()) >= STREAMS - STREAMS_RESERVED {
            return None;
        }
        let places = connections.accepted.entry(source).or_default();
        if *places >= most {
            return None;
        }
        *places += 1;
        Some(Place {
            table: self.clone(),
            source,
        })
    }

    /// A connection that is up: from its first message to its end.
    pub(super) async fn run(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        flow: Flow,
        is_ours: bool,
    ) {
        let (number, _, inbox) = self.register(&flow);
        self.run_as(stream, flow, is_ours, number, inbox).await;
    }

    async fn run_as(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        flow: Flow,
        is_ours: bool,
        number: u64,
        inbox: mpsc::Receiver<Vec<u8>>,
    ) {
        let flow = Flow {
            connection: Some(number),
            ..flow
        };
        let patience = Patience::new(is_ours, STREAM_IDLE, clock::now().instant);
        let deliver = |octets| self.deliver(flow, octets);
        let ask = |is_needed: Arc<AtomicBool>| {
            self.mailboxes.broadcast(|| ToShard::IsNeeded {
                flow,
                is_needed: is_needed.clone(),
            });
        };
        let end = connection::serve(stream, patience, inbox, deliver, ask).await;
        let at = self.forget(number, way(&flow));
        count::connection_closed(end.reason);
        if !matches!(end.fault, TransportFault::Closed | TransportFault::TimedOut) {
            tracing::warn!(transport = %flow.transport, remote = %flow.remote, fault = %end.fault,
                "a SIP connection ended");
        }
        let fault = end.fault;
        self.mailboxes
            .broadcast(|| ToShard::TransportError { flow, fault, at });
    }

    /// Opens the connection that was registered as `number`, and lives it.
    async fn connect(self: Arc<Self>, flow: Flow, number: u64, inbox: mpsc::Receiver<Vec<u8>>) {
        let fault = match self.open(&flow).await {
            Ok(stream) => match self.tls.as_ref().filter(|_| flow.transport == Transport::Tls) {
                None => return self.run_as(stream, flow, true, number, inbox).await,
                Some(tls) => match tls.connect(stream, &flow).await {
                    Ok(stream) => return self.run_as(stream, flow, true, number, inbox).await,
                    Err(fault) => fault,
                },
            },
            Err(fault) => fault,
        };
        let name = self
            .tls
            .as_ref()
            .and_then(|tls| tls.name(flow.peer?))
            .unwrap_or_default();
        tracing::warn!(transport = %flow.transport, remote = %flow.remote, name, %fault,
            "a SIP connection could not be opened");
        let at = self.forget(number, way(&flow));
        // Other shards may have put messages into its outbox meanwhile; theirs are gone as well.
        let flow = Flow {
            connection: None,
            ..flow
        };
        self.mailboxes
            .broadcast(|| ToShard::TransportError { flow, fault, at });
    }

    async fn open(&self, flow: &Flow) -> Result<TcpStream, TransportFault> {
        match tokio::time::timeout(STREAM_CONNECT, TcpStream::connect(flow.remote)).await {
            Ok(Ok(stream)) => {
                prepare(&stream);
                Ok(stream)
            }
            Ok(Err(error)) => Err(TransportFault::from(&error)),
            Err(_) => Err(TransportFault::TimedOut),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connections> {
        // A panic while the table was locked cannot leave it half-changed: every change is one insert or remove.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, flow: &Flow) -> (u64, mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, inbox) = mpsc::channel(STREAM_OUTBOX);
        let mut connections = self.lock();
        connections.outboxes.insert(number, sender.clone());
        connections.by_way.insert(way(flow), number);
        (number, sender, inbox)
    }

    /// Nothing more goes by this connection. When: told while the table is locked, so that whatever a shard had sent before
    /// was meant for it.
    fn forget(&self, number: u64, way: Way) -> Instant {
        let mut connections = self.lock();
        connections.outboxes.remove(&number);
        if connections.by_way.get(&way) == Some(&number) {
            connections.by_way.remove(&way);
        }
        clock::now().instant
    }

    fn broken(&self, flow: Flow, fault: TransportFault, at: Instant, shard: u16) {
        if let Some(mailbox) = self.mailboxes.shard(shard) {
            mailbox.send(ToShard::TransportError { flow, fault, at });
        }
    }

    fn deliver(&self, flow: Flow, octets: Vec<u8>) {
        let Some(sip_call_id) = peek_call_id(&octets) else {
            count::malformed();
            return;
        };
        let owner = self.mailboxes.owner_of_message(&octets, sip_call_id);
        if let Some(mailbox) = self.mailboxes.shard(owner) {
            mailbox.send(ToShard::Sip {
                flow,
                octets: octets.into(),
                hops: 0,
            });
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let connections = self.lock();
        connections.outboxes.is_empty() && connections.by_way.is_empty() && connections.accepted.is_empty()
    }
}
