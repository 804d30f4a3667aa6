//! TLS, for SIP and for the API: handshakes both ways with the certificates in force, and the files they come from.
//!
//! New files come into force for new connections only; those that are open, and the calls on them, go on. Files that
//! cannot be used leave the old ones in force and say so once.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, Error};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::certificates::{self, Material, Unusable};
use super::peer_names::names_in;
use crate::runtime::limits::{
    TLS_EXPIRY_TOLD, TLS_EXPIRY_WARNING, TLS_HANDSHAKE, TLS_RELOAD_SETTLE, TLS_RELOAD_TICK,
};
use crate::runtime::{clock, count};
use crate::sip::{Flow, PeerName, TlsConfig, TransportFault};

pub use certificates::check;

/// The certificates in force, and the names that count.
pub struct Tls {
    config: TlsConfig,
    current: RwLock<Arc<Material>>,
    /// What [`PeerName`] counts in.
    names: Vec<String>,
    /// Its expiry is the one that is measured.
    is_measured: bool,
}

impl Tls {
    /// Reads the files for the first time. A certificate that is out of date is used and told.
    ///
    /// # Errors
    ///
    /// What cannot be read or does not belong together.
    pub fn new(config: TlsConfig, names: Vec<String>) -> Result<Arc<Tls>, Unusable> {
        Tls::open(config, names, true)
    }

    /// The same for the API, where nobody is known by a certificate. Its expiry is told, not measured.
    ///
    /// # Errors
    ///
    /// As [`Tls::new`].
    pub fn for_api(config: TlsConfig) -> Result<Arc<Tls>, Unusable> {
        Tls::open(config, Vec::new(), false)
    }

    fn open(config: TlsConfig, names: Vec<String>, is_measured: bool) -> Result<Arc<Tls>, Unusable> {
        let material = certificates::load(&config)?;
        let tls = Tls {
            config,
            current: RwLock::new(Arc::new(material)),
            names,
            is_measured,
        };
        tls.tell_expiry(clock::now().utc);
        Ok(Arc::new(tls))
    }

    /// Looks again and again whether the files have changed, also when `asked` (SIGHUP) says so. Never ends.
    pub async fn keep(self: Arc<Self>, asked: Arc<Notify>) {
        let mut tried = certificates::stamp(&self.config);
        let mut told = clock::now().instant;
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(TLS_RELOAD_TICK) => false,
                () = asked.notified() => true,
            };
            let mut found = certificates::stamp(&self.config);
            if is_asked || found != tried {
                // Certificate and key are two files: wait until nobody writes any more.
                loop {
                    tokio::time::sleep(TLS_RELOAD_SETTLE).await;
                    let again = certificates::stamp(&self.config);
                    if again == found {
                        break;
                    }
                    found = again;
                }
                tried = found;
                self.reload();
            }
            let now = clock::now();
            if now.instant >= told + TLS_EXPIRY_TOLD {
                told = now.instant;
                self.tell_expiry(now.utc);
            } else {
                self.measure_expiry(now.utc);
            }
        }
    }

    /// Reads the files again. True = they are in force now.
    pub fn reload(&self) -> bool {
        let now = clock::now().utc;
        let loaded = certificates::load(&self.config)
            .and_then(|material| material.check_time(&self.config, now).map(|()| material));
        count::tls_reload(loaded.is_ok());
        match loaded {
            Ok(material) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
                tracing::info!("new TLS certificates are in force for new connections");
                self.tell_expiry(now);
                true
            }
            Err(problem) => {
                tracing::error!(%problem, "the changed TLS files cannot be used: those read before stay in force");
                false
            }
        }
    }

    /// For one handshake with somebody who connected to us.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current().server.clone())
    }

    /// The handshake on a connection that we opened. The certificate has to name whom the flow names, else its address.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        flow: &Flow,
    ) -> Result<client::TlsStream<TcpStream>, TransportFault> {
        let name = match flow.peer {
            Some(peer) => {
                let name = self.name(peer).ok_or(TransportFault::CertificateName)?;
                ServerName::try_from(name.to_string()).map_err(|_| TransportFault::CertificateName)?
            }
            None => ServerName::from(flow.remote.ip()),
        };
        let connector = TlsConnector::from(self.current().client.clone());
        match tokio::time::timeout(TLS_HANDSHAKE, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                let fault = fault_of(&error);
                count::tls_handshake_failed("ours", reason(fault));
                Err(fault)
            }
            Err(_) => {
                count::tls_handshake_failed("ours", reason(TransportFault::HandshakeTimedOut));
                Err(TransportFault::HandshakeTimedOut)
            }
        }
    }

    /// Somebody connected and got no further. Strangers try all day: only those we know are worth a line.
    pub(super) fn refused(&self, remote: SocketAddr, fault: TransportFault, is_known: bool) {
        count::tls_handshake_failed("theirs", reason(fault));
        if is_known {
            tracing::warn!(%remote, %fault, "a TLS connection to us did not come about");
        } else {
            tracing::debug!(%remote, %fault, "a TLS connection to us did not come about");
        }
    }

    /// Whom we know of those that this chain (already proved) names.
    pub(super) fn peer_of(&self, chain: Option<&[CertificateDer<'_>]>) -> Option<PeerName> {
        let found = names_in(chain?.first()?);
        let at = self.names.iter().position(|name| found.contains(name))?;
        u16::try_from(at).ok().map(PeerName)
    }

    pub(super) fn name(&self, peer: PeerName) -> Option<&str> {
        self.names.get(usize::from(peer.0)).map(String::as_str)
    }

    /// Seconds until our certificate ends, below zero after that. For the status page.
    pub fn expires_in(&self, now: SystemTime) -> i64 {
        let not_after = self.current().not_after;
        match not_after.duration_since(now) {
            Ok(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            Err(over) => -i64::try_from(over.duration().as_secs()).unwrap_or(i64::MAX),
        }
    }

    fn current(&self) -> Arc<Material> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn measure_expiry(&self, now: SystemTime) -> i64 {
        let left = self.expires_in(now);
        if self.is_measured {
            count::tls_expires_in(left);
        }
        left
    }

    fn tell_expiry(&self, now: SystemTime) {
        let left = self.measure_expiry(now);
        let file = self.config.certificate.display();
        if let Err(problem) = self.current().check_time(&self.config, now) {
            tracing::error!(%problem, "nobody can make a TLS connection to us with this certificate");
        } else if left < i64::try_from(TLS_EXPIRY_WARNING.as_secs()).unwrap_or(i64::MAX) {
            let days = Duration::from_secs(left.unsigned_abs()).as_secs() / 86_400;
            tracing::warn!(%file, days, "our TLS certificate ends soon");
        }
    }
}

/// What an error of a stream means, TLS or not.
pub(super) fn fault_of(error: &io::Error) -> TransportFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        None => TransportFault::from(error),
        Some(Error::InvalidCertificate(problem)) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TransportFault::CertificateExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TransportFault::CertificateEarly
            }
            CertificateError::UnknownIssuer => TransportFault::CertificateAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TransportFault::CertificateName
            }
            _ => TransportFault::Certificate,
        },
        Some(Error::PeerIncompatible(_)) => TransportFault::NoCommonTls,
        Some(Error::AlertReceived(alert)) => match alert {
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity => TransportFault::NoCommonTls,
            AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired => TransportFault::CertificateRefused,
            _ => TransportFault::Handshake,
        },
        Some(_) => TransportFault::Handshake,
    }
}

/// For the metric: a closed set of words.
fn reason(fault: TransportFault) -> &'static str {
    match fault {
        TransportFault::CertificateName => "name",
        TransportFault::CertificateExpired | TransportFault::CertificateEarly => "time",
        TransportFault::CertificateAuthority => "authority",
        TransportFault::Certificate => "certificate",
        TransportFault::CertificateRefused => "refused",
        TransportFault::NoCommonTls => "version",
        TransportFault::HandshakeTimedOut => "timeout",
        TransportFault::Closed => "closed",
        _ => "other",
    }
}
