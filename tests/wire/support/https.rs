//! A web server over TLS on loopback, with a certificate of an authority that nobody knows but who is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::folder;
use super::pki::Pki;

pub struct Https {
    pub address: SocketAddr,
    /// The authority, as a file.
    pub anchor: PathBuf,
    served: tokio::task::JoinHandle<()>,
}

impl Https {
    /// Serves what `routes` makes of the address (`https://127.0.0.1:PORT`), until it is dropped.
    pub async fn open(routes: impl FnOnce(&str) -> Router) -> Https {
        let folder = folder("https");
        let pki = Pki::new(&folder, "web");
        pki.issue("host", &["127.0.0.1", "localhost"]);
        let chain = CertificateDer::from_pem_file(folder.join("host.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("host.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = routes(&format!("https://{address}"));
        let served = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, routes) = (acceptor.clone(), routes.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = TowerToHyperService::new(routes);
                    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = served.await;
                });
            }
        });
        Https {
            address,
            anchor: pki.anchor(),
            served,
        }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        self.served.abort();
    }
}
