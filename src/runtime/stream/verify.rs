//! Who a TLS peer proves to be: chains by rustls-webpki, names by RFC 5922.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::peer_names::names_in;

/// Of servers we connect to: a chain to our anchors, and the name (or address) we wanted.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) anchors: Arc<RootCertStore>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.anchors, intermediates, now, algorithms)?;
        let Err(other_name) = verify_server_name(&parsed, name) else {
            return Ok(ServerCertVerified::assertion());
        };
        // A certificate may name a SIP domain by its URI alone (RFC 5922 §7.1), which webpki does not know.
        let is_named = matches!(name, ServerName::DnsName(wanted)
            if names_in(certificate).iter().any(|found| found.eq_ignore_ascii_case(wanted.as_ref())));
        match is_named {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(other_name),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Of those who connect to us: a chain to `client_anchors` when they show a certificate. Who shows none is known by
/// its address or not at all; which names count is the table's to say.
#[derive(Debug)]
pub(super) struct Clients {
    by_the_book: Arc<dyn ClientCertVerifier>,
    anchors: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    /// # Errors
    ///
    /// No anchor at all, in rustls' words.
    pub(super) fn new(
        anchors: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Clients, rustls::server::VerifierBuilderError> {
        let by_the_book = WebPkiClientVerifier::builder_with_provider(anchors.clone(), provider.clone())
            .allow_unauthenticated()
            .build()?;
        Ok(Clients {
            by_the_book,
            anchors,
            provider,
        })
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_the_book.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let fault = match self
            .by_the_book
            .verify_client_cert(certificate, intermediates, now)
        {
            Err(fault) => fault,
            is_valid => return is_valid,
        };
        let is_of_a_server = matches!(
            fault,
            Error::InvalidCertificate(
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
            )
        );
        if !is_of_a_server {
            return Err(fault);
        }
        // A border controller has one certificate for both directions, and public authorities no longer put
        // "client" into it: what it may be is said by its name, which we look for by hand.
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.anchors, intermediates, now, algorithms)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_the_book
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_the_book
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_the_book.supported_verify_schemes()
    }
}
