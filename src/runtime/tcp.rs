//! SIP over TCP: accept, connect, frame, and hand whole messages to the shard that owns their Call-ID.
//!
//! Runs on the helper threads (tokio), never on a shard. A connection that breaks the framing, is idle, or whose
//! peer does not read, is closed; the shards learn of it as a transport error.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::inbox::{Mailboxes, ToShard};
use super::limits::{TCP_CONNECT, TCP_CONNECTIONS, TCP_IDLE, TCP_OUTBOX};
use crate::sip::{Flow, Frame, StreamFramer, Transport, peek_call_id};

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
            let is_welcome = (self.is_known)(remote.ip()) && self.lock().outboxes.len() < TCP_CONNECTIONS;
            if !is_welcome {
                super::count::call(crate::call::Counter::UnknownSource);
                continue;
            }
            let (number, outbox) = self.register(remote);
            tokio::spawn(self.clone().serve(stream, remote, number, outbox));
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
                                        if writer.write_all(Frame::PONG).await.is_err() {
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
