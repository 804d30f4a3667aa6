//! The HTTPS host that providers publish their certificates on (`x5u`), on loopback.
//!
//! A SHAKEN `x5u` may only name port 443 or 8443, so it looks for a loopback address whose port 8443 is
//! free: any address of 127.0.0.0/8 can be bound on Linux without privileges. One path never answers:
//! that is the provider whose host is down.
//!
//! Just enough HTTP/1.1 for `GET`; knows nothing of telephones.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::limits::{HOST_CONNECTION_TIME, HOST_CONNECTIONS_MAX, HOST_REQUEST_OCTETS_MAX};
use super::pki::WebIdentity;

/// The port an x5u may name besides 443.
pub const PORT: u16 = 8443;
/// A path that takes the request and never answers it.
pub const SILENT_PATH: &str = "/silent.pem";

/// The host could not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("port {PORT} is taken on 127.0.0.1 to 127.0.0.20; a certificate address may use no other port")]
    NoAddress { source: std::io::Error },
    #[error("the certificate host's own TLS identity is unusable")]
    Tls(#[from] rustls::Error),
}

/// What the host holds, by path. Cheap to clone; a page may be replaced while the host is running.
#[derive(Clone, Default)]
pub struct Pages(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Pages {
    /// Puts `body` at `path`, whatever was there.
    pub fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.all().insert(path.to_owned(), body.into());
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.all().get(path).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<BTreeMap<String, String>> for Pages {
    fn from(pages: BTreeMap<String, String>) -> Pages {
        let pages = pages.into_iter().map(|(path, body)| (path, body.into_bytes()));
        Pages(Arc::new(Mutex::new(pages.collect())))
    }
}

/// A bound socket that does not answer yet: its address is needed for the server certificate.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes port 8443 on the first loopback address that has it free.
    ///
    /// # Errors
    ///
    /// [`HostError::NoAddress`] when none of the twenty has.
    pub async fn find() -> Result<Bound, HostError> {
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        for host in 1..=20 {
            match Bound::at(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), PORT))).await {
                Ok(bound) => return Ok(bound),
                Err(error) => last = error,
            }
        }
        Err(HostError::NoAddress { source: last })
    }

    /// Binds one address.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn at(address: SocketAddr) -> std::io::Result<Bound> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Bound { listener, address })
    }

    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// The URL of `path` on this host.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Serves `pages` until the runtime it is spawned on ends.
    ///
    /// # Errors
    ///
    /// [`HostError::Tls`] when certificate and key do not fit.
    pub fn serve(self, identity: &WebIdentity, pages: impl Into<Pages>) -> Result<(), HostError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_pkcs8.clone()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(identity.chain_der.clone(), key)?;
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let pages = pages.into();
        let room = Arc::new(Semaphore::new(HOST_CONNECTIONS_MAX));
        tokio::spawn(async move {
            loop {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                    return;
                };
                let Ok((stream, _)) = self.listener.accept().await else {
                    continue;
                };
                let (acceptor, pages) = (acceptor.clone(), pages.clone());
                tokio::spawn(async move {
                    // A peer that hangs up or talks nonsense ends its own connection and nothing else.
                    let _ended =
                        tokio::time::timeout(HOST_CONNECTION_TIME, answer(stream, acceptor, &pages)).await;
                    drop(permit);
                });
            }
        });
        Ok(())
    }
}

async fn answer(stream: TcpStream, acceptor: TlsAcceptor, pages: &Pages) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    // Connections are kept alive: fetchers like to reuse them.
    while read_head(&mut stream, &mut head).await? {
        let path = requested_path(&head).map(str::to_owned);
        head.clear();
        let response = match path.as_deref() {
            Some(SILENT_PATH) => std::future::pending().await,
            Some(path) => page(pages.get(path)),
            None => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        };
        stream.write_all(&response).await?;
        stream.flush().await?;
        if path.is_none() {
            break;
        }
    }
    stream.shutdown().await
}

/// Reads up to the empty line; false at the end of the stream or when the head is too long.
async fn read_head<S: AsyncReadExt + Unpin>(stream: &mut S, head: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() > HOST_REQUEST_OCTETS_MAX {
            return Ok(false);
        }
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(false);
        }
        head.extend_from_slice(&chunk[..count]);
    }
    Ok(true)
}

fn requested_path(head: &[u8]) -> Option<&str> {
    let line = head.split(|octet| *octet == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("GET"), Some(path), Some("HTTP/1.1")) => Some(path),
        _ => None,
    }
}

fn page(body: Option<Vec<u8>>) -> Vec<u8> {
    let Some(body) = body else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/pem-certificate-chain\r\nContent-Length: {}\r\n\
         Cache-Control: max-age=3600\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::clock;
    use crate::signing::pki;

    async fn host() -> (reqwest::Client, String, String) {
        let bound = Bound::at("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let identity = pki::web_identity(&[bound.ip()], clock::now().utc).unwrap();
        let (found, missing) = (bound.url("/shaken.pem"), bound.url("/other.pem"));
        bound
            .serve(
                &identity,
                BTreeMap::from([("/shaken.pem".to_owned(), "the chain".to_owned())]),
            )
            .unwrap();
        let anchor = reqwest::Certificate::from_pem(identity.anchor_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([anchor])
            .https_only(true)
            .build()
            .unwrap();
        (client, found, missing)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_certificate_is_served_over_https_to_who_trusts_the_web_authority() {
        let (client, found, missing) = host().await;
        let response = client.get(&found).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "max-age=3600");
        assert_eq!(response.bytes().await.unwrap(), "the chain");
        assert_eq!(client.get(&missing).send().await.unwrap().status(), 404);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_silent_path_takes_the_request_and_never_answers() {
        let (client, found, _) = host().await;
        let silent = found.replace("/shaken.pem", SILENT_PATH);
        let error = client
            .get(silent)
            .timeout(Duration::from_millis(200))
            .send()
            .await
            .unwrap_err();
        assert!(error.is_timeout());
    }

    #[test]
    fn only_a_plain_get_is_a_request() {
        assert_eq!(
            requested_path(b"GET /a.pem HTTP/1.1\r\nHost: x\r\n\r\n"),
            Some("/a.pem")
        );
        for head in [
            "POST /a HTTP/1.1\r\n\r\n",
            "GET /a\r\n\r\n",
            "\r\n\r\n",
            "GET /a HTTP/1.0\r\n\r\n",
        ] {
            assert_eq!(requested_path(head.as_bytes()), None, "{head:?}");
        }
    }
}
