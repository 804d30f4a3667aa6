//! The files of `[sip.tls]` into what handshakes are made with. All or nothing: one bad file, and the old ones stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::verify::{Clients, Servers};
use crate::given_file::{self, Unreadable};
use crate::runtime::limits::{ANCHORS_OCTETS_MAX, CERTIFICATE_OCTETS_MAX};
use crate::sip::{TlsConfig, TlsVersion};

/// Why the files cannot be used. Names the file and never shows what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{}: it cannot be read: {problem}", .path.display())]
    Unreadable { path: PathBuf, problem: Unreadable },
    #[error("{}: no certificate in it (PEM, the chain with our own first)", .path.display())]
    NoCertificate { path: PathBuf },
    #[error("{}: certificate {number} in it cannot be read", .path.display())]
    BadCertificate { path: PathBuf, number: usize },
    #[error("{}: no private key in it (PEM: PKCS #8, SEC 1 or PKCS #1)", .path.display())]
    NoKey { path: PathBuf },
    #[error("certificate and key do not belong together, or the key is of a kind we cannot use")]
    Mismatch,
    #[error("{}: it is not valid any more", .path.display())]
    Expired { path: PathBuf },
    #[error("{}: it is not valid yet", .path.display())]
    Early { path: PathBuf },
    #[error("no trust anchor can be used")]
    NoAnchor,
}

/// What handshakes are made with.
pub(super) struct Material {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    /// When our certificate, or one above it in the file, ends first.
    pub(super) not_after: SystemTime,
    pub(super) not_before: SystemTime,
}

impl Material {
    /// Whether our certificate is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`Unusable::Expired`] and [`Unusable::Early`]. What is out of date at the start is used all the same: a gateway
    /// that does not start takes no calls over UDP either.
    pub(super) fn check_time(&self, config: &TlsConfig, now: SystemTime) -> Result<(), Unusable> {
        let path = || config.certificate.clone();
        if now > self.not_after {
            return Err(Unusable::Expired { path: path() });
        }
        if now < self.not_before {
            return Err(Unusable::Early { path: path() });
        }
        Ok(())
    }
}

/// Reads everything anew.
///
/// # Errors
///
/// [`Unusable`], the first fault.
pub(super) fn load(config: &TlsConfig) -> Result<Material, Unusable> {
    let chain = certificates(&config.certificate, CERTIFICATE_OCTETS_MAX)?;
    let key = key(&config.key)?;
    let (not_before, not_after) = validity(&config.certificate, &chain)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let versions = versions(config.minimum);

    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|_| Unusable::Mismatch)?;
    let server = if config.client_anchors.is_empty() {
        server.with_no_client_auth()
    } else {
        let anchors = Arc::new(anchors(&config.client_anchors)?);
        let clients = Clients::new(anchors, provider.clone()).map_err(|_| Unusable::NoAnchor)?;
        server.with_client_cert_verifier(Arc::new(clients))
    };
    let mut server = server
        .with_single_cert(chain.clone(), key.clone_key())
        .map_err(|_| Unusable::Mismatch)?;
    // Each connection proves anew who it is: a trunk opens a handful, and a certificate that was taken back or replaced
    // must not live on in a ticket.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;

    let anchors = Arc::new(match config.server_anchors.is_empty() {
        true => system_anchors(),
        false => anchors(&config.server_anchors)?,
    });
    let servers = Servers {
        anchors,
        provider: provider.clone(),
    };
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|_| Unusable::Mismatch)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(servers))
        .with_client_auth_cert(chain, key)
        .map_err(|_| Unusable::Mismatch)?;
    client.resumption = Resumption::disabled();
    Ok(Material {
        server: Arc::new(server),
        client: Arc::new(client),
        not_after,
        not_before,
    })
}

/// Everything `ringward check` wants to know: what is wrong with the files now.
///
/// # Errors
///
/// [`Unusable`], the first fault.
pub fn check(config: &TlsConfig, now: SystemTime) -> Result<(), Unusable> {
    load(config)?.check_time(config, now)
}

/// Every file of the configuration with its length and its time: changes when one of them does.
pub(super) fn stamp(config: &TlsConfig) -> Vec<Option<(u64, SystemTime)>> {
    let files = [&config.certificate, &config.key]
        .into_iter()
        .chain(&config.client_anchors)
        .chain(&config.server_anchors);
    files
        .map(|path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.len(), found.modified().ok()?))
        })
        .collect()
}

fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    match minimum {
        TlsVersion::Tls12 => BOTH,
        TlsVersion::Tls13 => &BOTH[..1],
    }
}

fn read(path: &Path, octets_max: u64) -> Result<Vec<u8>, Unusable> {
    given_file::read(path, octets_max).map_err(|problem| Unusable::Unreadable {
        path: path.into(),
        problem,
    })
}

fn certificates(path: &Path, octets_max: u64) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let pem = read(path, octets_max)?;
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        found.push(certificate.map_err(|_| Unusable::BadCertificate {
            path: path.into(),
            number: found.len() + 1,
        })?);
    }
    if found.is_empty() {
        return Err(Unusable::NoCertificate { path: path.into() });
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    let pem = read(path, CERTIFICATE_OCTETS_MAX)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| Unusable::NoKey { path: path.into() })
}

fn anchors(files: &[PathBuf]) -> Result<RootCertStore, Unusable> {
    let mut store = RootCertStore::empty();
    for path in files {
        for (index, certificate) in certificates(path, ANCHORS_OCTETS_MAX)?.into_iter().enumerate() {
            store.add(certificate).map_err(|_| Unusable::BadCertificate {
                path: path.clone(),
                number: index + 1,
            })?;
        }
    }
    Ok(store)
}

/// A machine without any has an empty store: then nobody we connect to can prove who it is, and the calls say so.
fn system_anchors() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

/// From when to when the whole chain is valid.
fn validity(path: &Path, chain: &[CertificateDer<'_>]) -> Result<(SystemTime, SystemTime), Unusable> {
    let at = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let mut whole = (SystemTime::UNIX_EPOCH, at(i64::from(u32::MAX) * 4));
    for (index, certificate) in chain.iter().enumerate() {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Unusable::BadCertificate {
            path: path.into(),
            number: index + 1,
        })?;
        let own = parsed.validity();
        whole.0 = whole.0.max(at(own.not_before.timestamp()));
        whole.1 = whole.1.min(at(own.not_after.timestamp()));
    }
    Ok(whole)
}
