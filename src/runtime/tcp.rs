//! SIP over TCP: accept, connect, frame, and hand whole messages to the shard that owns their Call-ID.
//!
//! Runs on the helper threads (tokio), never on a shard. A connection that breaks the framing, is idle, or whose
//! peer does not read, is closed; the shards learn of it as a transport error.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::inbox::{Mailboxes, ToShard};
use super::limits::{
    TCP_CONNECT, TCP_CONNECTIONS, TCP_CONNECTIONS_PER_SOURCE, TCP_CONNECTIONS_RESERVED, TCP_IDLE, TCP_OUTBOX,
};
use crate::sip::{Flow, Frame, StreamFramer, Transport, peek_call_id};

/// Connections that wait for `accept`: a trunk that comes back after an outage opens many at once.
const BACKLOG: i32 = 1024;

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

/// Every open connection, by number and by peer.
pub struct TcpTable {
    connections: Mutex<Connections>,
    next: AtomicU64,
    mailboxes: Mailboxes,
    tokio: tokio::runtime::Handle,
    /// Who may connect to us: the same rule as for datagrams.
    is_known: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

#[derive(Default)]
struct Connections {
    outboxes: HashMap<u64, mpsc::Sender<Vec<u8>>>,
    by_remote: HashMap<SocketAddr, u64>,
    /// Connections that peers opened, by their address.
    accepted: HashMap<IpAddr, usize>,
}

impl TcpTable {
    pub fn new(
        mailboxes: Mailboxes,
        tokio: tokio::runtime::Handle,
        is_known: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Arc<TcpTable> {
        Arc::new(TcpTable {
            connections: Mutex::default(),
            next: AtomicU64::new(1),
            mailboxes,
            tokio,
            is_known: Box::new(is_known),
        })
    }

    /// Accepts until the listener fails; unknown sources are closed at once, without state.
    pub async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, usually: wait a little instead of spinning.
                    tracing::warn!(%error, "a TCP connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            if !(self.is_known)(remote.ip()) {
                super::count::call(crate::call::Counter::UnknownSource);
                continue;
            }
            if !self.take_place(remote.ip()) {
                super::count::full("tcp_connections");
                continue;
            }
            let (number, outbox) = self.register(remote);
            let table = self.clone();
            tokio::spawn(async move {
                table.clone().serve(stream, remote, number, outbox).await;
                table.give_place_back(remote.ip());
            });
        }
    }

    /// One more connection opened by this address, if it may: no peer alone can take all places, and some are kept for
    /// the connections we open to phones.
    fn take_place(&self, source: IpAddr) -> bool {
        let mut connections = self.lock();
        if connections.outboxes.len() >= TCP_CONNECTIONS - TCP_CONNECTIONS_RESERVED {
            return false;
        }
        let places = connections.accepted.entry(source).or_default();
        let is_free = *places < TCP_CONNECTIONS_PER_SOURCE;
        *places += usize::from(is_free);
        is_free
    }

    fn give_place_back(&self, source: IpAddr) {
        let mut connections = self.lock();
        if let Some(places) = connections.accepted.get_mut(&source) {
            *places -= 1;
            if *places == 0 {
                connections.accepted.remove(&source);
            }
        }
    }

    /// Sends on the flow's connection, or on one to the same peer, or on a new one. Never waits.
    pub fn send(self: &Arc<Self>, flow: Flow, octets: Vec<u8>, shard: u16) {
        let outbox = {
            let connections = self.lock();
            let number = flow
                .connection
                .filter(|number| connections.outboxes.contains_key(number));
            let number = number.or_else(|| connections.by_remote.get(&flow.remote).copied());
            number.and_then(|number| connections.outboxes.get(&number).cloned())
        };
        if let Some(outbox) = outbox {
            if outbox.try_send(octets).is_err() {
                self.broken(flow, shard);
            }
            return;
        }
        if self.lock().outboxes.len() >= TCP_CONNECTIONS {
            self.broken(flow, shard);
            return;
        }
        let (number, inbox) = self.register(flow.remote);
        if let Some(outbox) = self.lock().outboxes.get(&number) {
            let _ = outbox.try_send(octets);
        }
        let table = self.clone();
        self.tokio.spawn(async move {
            match tokio::time::timeout(TCP_CONNECT, TcpStream::connect(flow.remote)).await {
                Ok(Ok(stream)) => table.serve(stream, flow.remote, number, inbox).await,
                _ => {
                    table.forget(number, flow.remote);
                    table.broken(flow, shard);
                }
            }
        });
    }

    pub fn open_connections(&self) -> usize {
        self.lock().outboxes.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connections> {
        // A panic while the table was locked cannot leave it half-changed: every change is one insert or remove.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, remote: SocketAddr) -> (u64, mpsc::Receiver<Vec<u8>>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, inbox) = mpsc::channel(TCP_OUTBOX);
        let mut connections = self.lock();
        connections.outboxes.insert(number, sender);
        connections.by_remote.insert(remote, number);
        (number, inbox)
    }

    fn forget(&self, number: u64, remote: SocketAddr) {
        let mut connections = self.lock();
        connections.outboxes.remove(&number);
        if connections.by_remote.get(&remote) == Some(&number) {
            connections.by_remote.remove(&remote);
        }
    }

    fn broken(&self, flow: Flow, shard: u16) {
        if let Some(mailbox) = self.mailboxes.shard(shard) {
            mailbox.send(ToShard::TransportError { flow });
        }
    }

    /// Reads and writes one connection until it ends.
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        number: u64,
        mut outbox: mpsc::Receiver<Vec<u8>>,
    ) {
        let Ok(local) = stream.local_addr() else {
            self.forget(number, remote);
            return;
        };
        let _ = stream.set_nodelay(true);
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: Some(number),
        };
        let (mut reader, mut writer) = stream.into_split();
        let mut framer = StreamFramer::default();
        let mut chunk = vec![0; 16 * 1024];
        let mut idle = std::pin::pin!(tokio::time::sleep(TCP_IDLE));
        'open: loop {
            tokio::select! {
                read = reader.read(&mut chunk) => {
                    let Ok(length @ 1..) = read else { break };
                    framer.push(&chunk[..length]);
                    loop {
                        match framer.poll_frame() {
                            Ok(Some(frame)) => {
                                idle.as_mut().reset(tokio::time::Instant::now() + TCP_IDLE);
                                match frame {
                                    Frame::Message(octets) => self.deliver(flow, octets),
                                    Frame::Ping => {
                                        // A peer that asks and never reads must not hold this task for ever.
                                        let written =
                                            tokio::time::timeout(TCP_CONNECT, writer.write_all(Frame::PONG)).await;
                                        if !matches!(written, Ok(Ok(()))) {
                                            break 'open;
                                        }
                                    }
                                }
                            }
                            Ok(None) => break,
                            Err(error) => {
                                tracing::debug!(%error, "a TCP peer broke the framing");
                                break 'open;
                            }
                        }
                    }
                }
                octets = outbox.recv() => {
                    let Some(octets) = octets else { break };
                    let written = tokio::time::timeout(TCP_CONNECT, writer.write_all(&octets)).await;
                    if !matches!(written, Ok(Ok(()))) {
                        break;
                    }
                }
                () = &mut idle => break,
            }
        }
        self.forget(number, remote);
        self.mailboxes.broadcast(|| ToShard::TransportError { flow });
    }

    fn deliver(&self, flow: Flow, octets: Vec<u8>) {
        let Some(sip_call_id) = peek_call_id(&octets) else {
            super::count::malformed();
            return;
        };
        let owner = self.mailboxes.owner_of_sip(sip_call_id);
        if let Some(mailbox) = self.mailboxes.shard(owner) {
            mailbox.send(ToShard::Sip {
                flow,
                octets: octets.into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::inbox::Mailbox;

    async fn table() -> (Arc<TcpTable>, SocketAddr) {
        let poll = mio::Poll::new().unwrap();
        let (mailbox, _inbox) = Mailbox::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let table = TcpTable::new(
            Mailboxes::new(vec![mailbox]),
            tokio::runtime::Handle::current(),
            |_| true,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(table.clone().accept(listener));
        (table, address)
    }

    async fn until(what: impl Fn() -> bool) {
        for _ in 0..2000 {
            if what() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("it never came to that");
    }

    #[test]
    fn both_families_may_be_listened_on_with_one_port() {
        let Ok(six) = bind("[::]:0".parse().unwrap()) else {
            return;
        };
        let port = six.local_addr().unwrap().port();
        assert!(bind(SocketAddr::from(([0, 0, 0, 0], port))).is_ok());
    }

    #[tokio::test]
    async fn one_address_cannot_take_all_places() {
        let (table, address) = table().await;
        let mut open = Vec::new();
        for _ in 0..TCP_CONNECTIONS_PER_SOURCE {
            open.push(TcpStream::connect(address).await.unwrap());
        }
        until(|| table.open_connections() == TCP_CONNECTIONS_PER_SOURCE).await;
        let mut one_more = TcpStream::connect(address).await.unwrap();
        assert!(matches!(one_more.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        open.clear();
        until(|| table.open_connections() == 0 && table.lock().accepted.is_empty()).await;
        let _again = TcpStream::connect(address).await.unwrap();
        until(|| table.open_connections() == 1).await;
    }

    #[tokio::test]
    async fn a_peer_that_pings_and_never_reads_is_closed() {
        let (table, address) = table().await;
        let mut peer = TcpStream::connect(address).await.unwrap();
        until(|| table.open_connections() == 1).await;
        let pings = b"\r\n\r\n".repeat(16 * 1024);
        // Until our pongs fill its receive buffer, and then until our time-out closes the connection under it.
        let fed = tokio::time::timeout(TCP_CONNECT * 6, async {
            while peer.write_all(&pings).await.is_ok() {}
        });
        assert!(fed.await.is_ok(), "the connection is still open");
        until(|| table.open_connections() == 0).await;
    }

    #[tokio::test]
    async fn a_request_on_a_closed_connection_opens_a_new_one_to_its_address() {
        let (table, _) = table().await;
        let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), peer.local_addr().unwrap());
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: Some(77),
        };
        table.send(flow, b"BYE".to_vec(), 0);
        let (mut stream, _) = peer.accept().await.unwrap();
        let mut octets = [0; 3];
        stream.read_exact(&mut octets).await.unwrap();
        assert_eq!(&octets, b"BYE");
    }
}
