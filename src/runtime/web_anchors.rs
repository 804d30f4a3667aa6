//! Whose certificates of hosts on the web are believed: files of anchors, and what TLS is spoken with them.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::limits::ANCHORS_OCTETS_MAX;
use crate::given_file::{self, Unreadable};

/// A file of anchors is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    #[error("{file}: {source}")]
    Read { file: PathBuf, source: Unreadable },
    #[error("{file}: no usable PEM certificate in it")]
    Unusable { file: PathBuf },
}

/// Adds every certificate of these PEM files.
///
/// # Errors
///
/// [`AnchorsError`] names the first file that cannot be read, has none, or has one that is no anchor.
pub(super) fn add(roots: &mut RootCertStore, files: &[PathBuf]) -> Result<(), AnchorsError> {
    for file in files {
        let pem = given_file::read(file, ANCHORS_OCTETS_MAX).map_err(|source| AnchorsError::Read {
            file: file.clone(),
            source,
        })?;
        let unusable = || AnchorsError::Unusable { file: file.clone() };
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| unusable())?;
            roots.add(certificate).map_err(|_| unusable())?;
            count += 1;
        }
        if count == 0 {
            return Err(unusable());
        }
    }
    Ok(())
}

/// TLS towards hosts that these anchors vouch for; nothing is shown of us.
pub(super) fn tls(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
