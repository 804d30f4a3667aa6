//! The certificate hosts of a run, good and hostile, on loopback addresses of their own.
//!
//! An x5u names port 443 or 8443 and no other, and whether a host may be asked at all is decided by its address: so each
//! kind of host has an address. Linux lets anybody bind any address of 127.0.0.0/8.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use ringward::signing::pki::{self, WebIdentity};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::authority::moment;

/// What a URL holds.
#[derive(Clone)]
pub enum Page {
    Text(String),
    Octets(Vec<u8>),
    Status(u16),
    Redirect(String),
    /// The text, then blanks up to so many octets.
    Padded(String, usize),
    /// One octet every tenth of a second.
    Drip(String),
    /// Takes the request and never answers.
    Silent,
}

/// Which host an x5u names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The certificate host of the providers: 8443, and the guard lets it pass.
    Public,
    /// Stands for an address inside the operator's network: the guard does not let it pass.
    Private,
    /// Public, and slow. An address of its own, so that nobody waits for a place at the other one.
    Slow,
    /// Public, and speaks HTTP without TLS.
    Plain,
    /// Public, with a web certificate of an unknown authority.
    UnknownWeb,
    /// The public address, port 8080.
    OtherPort,
}

/// All hosts of a run. They answer until the process ends.
pub struct Hosts {
    network: [u8; 2],
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Arc<AtomicUsize>,
    /// The web anchor that everybody who fetches is told to trust.
    pub web_anchor_pem: String,
    /// Whether `localhost:8443` could be bound as well.
    pub has_localhost: bool,
}

impl Hosts {
    /// Takes a free /24 of 127.0.0.0/8 and starts the hosts in it.
    pub fn start(at: i64) -> anyhow::Result<Hosts> {
        let (network, listeners) = bind()?;
        let addresses: Vec<IpAddr> = (1..=3).map(|last| address(network, last)).collect();
        let mut known: Vec<IpAddr> = addresses.clone();
        known.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let web = pki::web_identity(&known, moment(at))?;
        let stranger = pki::web_identity(&[address(network, 5)], moment(at))?;
        let hosts = Hosts {
            network,
            pages: Arc::default(),
            asked: Arc::default(),
            web_anchor_pem: web.anchor_pem.clone(),
            has_localhost: false,
        };
        let tls = Some(server(&web)?);
        for (number, listener) in listeners.into_iter().enumerate() {
            let tls = match number {
                3 => None,
                4 => Some(server(&stranger)?),
                _ => tls.clone(),
            };
            hosts.serve(listener, tls);
        }
        let localhost = TcpListener::bind((Ipv4Addr::LOCALHOST, 8443));
        let has_localhost = localhost.is_ok();
        if let Ok(listener) = localhost {
            hosts.serve(listener, tls);
        }
        Ok(Hosts {
            has_localhost,
            ..hosts
        })
    }

    /// Ranges that the guard must let pass, for `x5u_allow`.
    pub fn allowed(&self) -> Vec<String> {
        [1, 3, 4, 5]
            .iter()
            .map(|last| format!("{}/32", address(self.network, *last)))
            .collect()
    }

    /// Puts a page up at `place` under a path of its own; gives its URL.
    pub fn publish(&self, place: Place, page: Page) -> String {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let path = format!("/{}.pem", pages.len());
        let url = self.url(place, &path);
        pages.insert(path, page);
        url
    }

    pub fn url(&self, place: Place, path: &str) -> String {
        let at = |last| address(self.network, last);
        match place {
            Place::Public => format!("https://{}:8443{path}", at(1)),
            Place::Private => format!("https://{}:8443{path}", at(2)),
            Place::Slow => format!("https://{}:8443{path}", at(3)),
            Place::Plain => format!("http://{}:8443{path}", at(4)),
            Place::UnknownWeb => format!("https://{}:8443{path}", at(5)),
            Place::OtherPort => format!("https://{}:8080{path}", at(1)),
        }
    }

    /// Requests answered so far, all hosts together.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn serve(&self, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) {
        let (pages, asked) = (self.pages.clone(), self.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, pages, asked) = (tls.clone(), pages.clone(), asked.clone());
                std::thread::spawn(move || {
                    // A peer that hangs up in the middle is what half of these cases are about.
                    let _gone = answer(stream, tls, &pages, &asked);
                });
            }
        });
    }
}

fn address(network: [u8; 2], last: u8) -> IpAddr {
    IpAddr::from([127, network[0], network[1], last])
}

/// Addresses .1 to .5 with port 8443, and port 8080 of the first.
fn bind() -> anyhow::Result<([u8; 2], Vec<TcpListener>)> {
    let first = std::process::id() % 200;
    for number in 0..50 {
        let network = [100 + (number % 100) as u8, (first + number) as u8];
        let at = |last, port| TcpListener::bind(SocketAddr::new(address(network, last), port));
        let listeners: std::io::Result<Vec<_>> = (1..=5)
            .map(|last| at(last, 8443))
            .chain(std::iter::once_with(|| at(1, 8080)))
            .collect();
        if let Ok(listeners) = listeners {
            return Ok((network, listeners));
        }
    }
    anyhow::bail!("no loopback network has ports 8443 and 8080 free")
}

fn server(identity: &WebIdentity) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_pkcs8.clone()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain_der.clone(), key)
        .context("the certificate host's own TLS identity")?;
    Ok(Arc::new(config))
}

fn answer(
    mut stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    pages: &Mutex<BTreeMap<String, Page>>,
    asked: &AtomicUsize,
) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match tls {
        None => exchange(&mut stream, pages, asked),
        Some(tls) => {
            let mut connection = rustls::ServerConnection::new(tls)?;
            let mut stream = rustls::Stream::new(&mut connection, &mut stream);
            exchange(&mut stream, pages, asked)?;
            stream.conn.send_close_notify();
            stream.conn.write_tls(stream.sock)?;
            Ok(())
        }
    }
}

fn exchange(
    stream: &mut (impl Read + Write),
    pages: &Mutex<BTreeMap<String, Page>>,
    asked: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk)?;
        anyhow::ensure!(count > 0 && head.len() < 16 * 1024, "no request");
        head.extend_from_slice(&chunk[..count]);
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    // The hostile URLs carry queries and path parameters; the page is the same.
    let path = target.split(['?', ';']).next().unwrap_or_default();
    let page = pages
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(path)
        .cloned();
    let page = page.unwrap_or(Page::Status(404));
    send(stream, page)
}

fn send(stream: &mut impl Write, page: Page) -> anyhow::Result<()> {
    let ok = |length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/pem-certificate-chain\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        )
    };
    match page {
        Page::Text(text) => stream.write_all(format!("{}{text}", ok(text.len())).as_bytes())?,
        Page::Octets(octets) => {
            stream.write_all(ok(octets.len()).as_bytes())?;
            stream.write_all(&octets)?;
        }
        Page::Status(status) => {
            let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes())?;
        }
        Page::Redirect(to) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
        }
        Page::Padded(text, octets) => {
            // Without a length: what comes is known only when it has come.
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            stream.write_all(text.as_bytes())?;
            let blanks = [b'\n'; 16 * 1024];
            let mut sent = text.len();
            while sent < octets {
                stream.write_all(&blanks)?;
                sent += blanks.len();
            }
        }
        Page::Drip(text) => {
            stream.write_all(ok(text.len()).as_bytes())?;
            for octet in text.bytes() {
                stream.write_all(&[octet])?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Page::Silent => std::thread::sleep(PATIENCE),
    }
    stream.flush()?;
    Ok(())
}

/// How long a connection is held for a peer that says nothing, or that is told nothing.
const PATIENCE: Duration = Duration::from_secs(10);
