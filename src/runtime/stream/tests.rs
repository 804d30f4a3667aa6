//! Real connections on loopback: places, slow peers, pings, closed connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Door, Streams, Tls, bind};
use crate::runtime::inbox::{Mailbox, Mailboxes, ToShard};
use crate::runtime::limits::{STREAM_WRITE, STREAMS_PER_SOURCE};
use crate::sip::{Flow, Transport, TransportFault};

/// A table with one listener, and what its only shard is told.
pub(super) struct Bench {
    pub(super) table: Arc<Streams>,
    pub(super) address: SocketAddr,
    pub(super) inbox: Receiver<ToShard>,
    _poll: mio::Poll,
}

pub(super) fn everybody() -> Door {
    Door {
        is_known: Box::new(|_| true),
        may_be_named: Box::new(|_| false),
        may_prove: Box::new(|_| false),
    }
}

impl Bench {
    pub(super) async fn new(door: Door, tls: Option<Arc<Tls>>) -> Bench {
        let poll = mio::Poll::new().unwrap();
        let (mailbox, inbox) = Mailbox::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let transport = if tls.is_some() {
            Transport::Tls
        } else {
            Transport::Tcp
        };
        let mailboxes = Mailboxes::new(vec![mailbox]);
        let table = Streams::new(mailboxes, tokio::runtime::Handle::current(), door, tls);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(table.clone().accept(listener, transport));
        Bench {
            table,
            address,
            inbox,
            _poll: poll,
        }
    }

    /// The next message or fault that reaches the shard.
    pub(super) async fn told(&self) -> ToShard {
        for _ in 0..2000 {
            if let Ok(message) = self.inbox.try_recv() {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the shard was never told anything");
    }

    pub(super) async fn fault(&self) -> TransportFault {
        match self.told().await {
            ToShard::TransportError { fault, .. } => fault,
            _ => panic!("something else than a fault"),
        }
    }

    pub(super) async fn message(&self) -> (Flow, Vec<u8>) {
        match self.told().await {
            ToShard::Sip { flow, octets, .. } => (flow, octets.into_vec()),
            _ => panic!("something else than a message"),
        }
    }

    pub(super) async fn until(&self, what: impl Fn(&Streams) -> bool) {
        for _ in 0..2000 {
            if what(&self.table) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never came to that");
    }
}

pub(super) fn towards(transport: Transport, remote: SocketAddr) -> Flow {
    Flow {
        transport,
        ..Flow::udp("127.0.0.1:5060".parse().unwrap(), remote)
    }
}

pub(super) const OPTIONS: &[u8] =
    b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nCall-ID: one\r\nContent-Length: 0\r\n\r\n";

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
    let bench = Bench::new(everybody(), None).await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_PER_SOURCE {
        open.push(TcpStream::connect(bench.address).await.unwrap());
    }
    bench
        .until(|table| table.open_connections() == STREAMS_PER_SOURCE)
        .await;
    let mut one_more = TcpStream::connect(bench.address).await.unwrap();
    assert!(matches!(one_more.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    open.clear();
    bench.until(Streams::is_empty).await;
    let _again = TcpStream::connect(bench.address).await.unwrap();
    bench.until(|table| table.open_connections() == 1).await;
}

#[tokio::test]
async fn an_unknown_source_is_closed_without_a_word() {
    let door = Door {
        is_known: Box::new(|_| false),
        // Counts for TLS only.
        may_be_named: Box::new(|_| true),
        may_prove: Box::new(|_| false),
    };
    let bench = Bench::new(door, None).await;
    let mut peer = TcpStream::connect(bench.address).await.unwrap();
    let _ = peer.write_all(OPTIONS).await;
    assert!(matches!(peer.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert!(bench.inbox.is_empty() && bench.table.is_empty());
}

#[tokio::test]
async fn a_ping_is_answered_and_a_message_reaches_its_shard() {
    let bench = Bench::new(everybody(), None).await;
    let mut peer = TcpStream::connect(bench.address).await.unwrap();
    peer.write_all(&[b"\r\n\r\n", OPTIONS].concat()).await.unwrap();
    let mut pong = [0; 2];
    peer.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
    let (flow, octets) = bench.message().await;
    assert_eq!((flow.transport, octets.as_slice()), (Transport::Tcp, OPTIONS));

    // The answer goes back over the same connection, whatever address it names.
    let elsewhere = Flow {
        remote: "127.0.0.1:1".parse().unwrap(),
        ..flow
    };
    bench.table.send(elsewhere, b"SIP/2.0 200 OK".to_vec(), 0);
    let mut answer = [0; 14];
    peer.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"SIP/2.0 200 OK");
}

#[tokio::test]
async fn a_peer_that_pings_and_never_reads_is_closed() {
    let bench = Bench::new(everybody(), None).await;
    let mut peer = TcpStream::connect(bench.address).await.unwrap();
    bench.until(|table| table.open_connections() == 1).await;
    let pings = b"\r\n\r\n".repeat(16 * 1024);
    // Until our pongs fill its receive buffer, and then until our time-out closes the connection under it.
    let fed = tokio::time::timeout(STREAM_WRITE * 6, async {
        while peer.write_all(&pings).await.is_ok() {}
    });
    assert!(fed.await.is_ok(), "the connection is still open");
    bench.until(Streams::is_empty).await;
    assert_eq!(bench.fault().await, TransportFault::NotRead);
}

#[tokio::test]
async fn a_message_on_a_closed_connection_opens_a_new_one_to_its_address() {
    let bench = Bench::new(everybody(), None).await;
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = Flow {
        connection: Some(77),
        ..towards(Transport::Tcp, peer.local_addr().unwrap())
    };
    bench.table.send(flow, b"BYE".to_vec(), 0);
    let (mut stream, _) = peer.accept().await.unwrap();
    let mut octets = [0; 3];
    stream.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"BYE");
    // A second one to the same address uses it.
    bench.table.send(flow, b"ACK".to_vec(), 0);
    stream.read_exact(&mut octets).await.unwrap();
    assert_eq!((&octets, bench.table.open_connections()), (b"ACK", 1));
}

#[tokio::test]
async fn who_refuses_or_hangs_up_is_told_as_such() {
    let bench = Bench::new(everybody(), None).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = towards(Transport::Tcp, nobody.local_addr().unwrap());
    drop(nobody);
    bench.table.send(flow, b"INVITE".to_vec(), 0);
    assert_eq!(bench.fault().await, TransportFault::Refused);

    let short = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.table.send(
        towards(Transport::Tcp, short.local_addr().unwrap()),
        b"INVITE".to_vec(),
        0,
    );
    drop(short.accept().await.unwrap());
    assert_eq!(bench.fault().await, TransportFault::Closed);
    assert!(bench.table.is_empty());
}

#[tokio::test]
async fn tls_without_certificates_says_so_at_once() {
    let bench = Bench::new(everybody(), None).await;
    bench
        .table
        .send(towards(Transport::Tls, bench.address), b"INVITE".to_vec(), 0);
    assert_eq!(bench.fault().await, TransportFault::NoTls);
}
