//! Keys for a leg by handshake between the media ports (DTLS-SRTP: RFC 5763, RFC 5764), on DTLS 1.2 (RFC 6347).
//!
//! ```text
//!   client                                  server
//!   ClientHello ──────────────────────────►           1
//!               ◄─ HelloVerifyRequest (cookie) ──     only where the server wants it; ours does not
//!               ◄─ ServerHello, Certificate,          2   the certificate is the one that the SDP speaks of, or
//!                  ServerKeyExchange,                     nothing comes of it
//!                  CertificateRequest, ServerHelloDone
//!   Certificate, ClientKeyExchange,
//!   CertificateVerify, Finished ──────────►           3
//!               ◄──────────────────── Finished        4   both have the keys of the media now
//! ```
//!
//! A flight goes out again until the next one of the other side has come, first after [`limits::DTLS_RETRANSMIT_MIN`]; the
//! whole has [`limits::DTLS_TIME_MAX`]. No resumption, no renegotiation, no data of an application: nothing of TLS that these
//! keys do not need. Only ciphers with forward secrecy and GCM; of the other side an ECDSA or an RSA key, of ours ECDSA.
//!
//! The room knows no socket and no clock. The random octets of a handshake are the one thing that is not handed in: the library
//! that makes its ephemeral keys draws those itself. What a stranger can make it keep and do is bounded
//! ([`limits`](super::limits)), and once the keys are there nothing of this is touched by a packet of the media.
//!
//! [`limits::DTLS_RETRANSMIT_MIN`]: super::limits::DTLS_RETRANSMIT_MIN
//! [`limits::DTLS_TIME_MAX`]: super::limits::DTLS_TIME_MAX

mod assembly;
mod association;
mod client;
mod flight;
mod fuzz;
mod hello;
mod identity;
mod record;
mod secrets;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use association::Association;
pub use fuzz::fuzz_dtls;
pub use identity::{Identity, NotMade};

use super::Keys;
use crate::sdp::{Fingerprint, Suites};

/// Our part in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We begin (`a=setup:active`).
    Client,
    /// The other side begins (`a=setup:passive`).
    Server,
}

/// What was agreed on in the descriptions: as long as they say the same, one handshake holds (RFC 8842 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub role: Role,
    /// Of the certificate that the other side is to have.
    pub fingerprints: Vec<Fingerprint>,
    /// Which suites the media may have.
    pub suites: Suites,
}

/// What came of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side is whom its description says.
    Keys(Keys),
    /// Nothing of the media is let through.
    Failed(Fault),
}

/// Why there are no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    #[error("the certificate is not the one that the description speaks of")]
    Fingerprint,
    #[error("no version, cipher or SRTP suite in common")]
    NothingInCommon,
    #[error("the other side showed no certificate, or asked for none of ours")]
    NoCertificate,
    #[error("a signature or the end of the handshake is not by the key of the certificate")]
    Unproven,
    #[error("a message that makes no sense")]
    Malformed,
    #[error("not finished in time")]
    Stalled,
    #[error("the cryptography of this machine refused")]
    Ours,
}

impl Fault {
    /// What the other side is told (RFC 5246 §7.2).
    fn alert(self) -> u8 {
        match self {
            Fault::Fingerprint => 42,
            Fault::NothingInCommon | Fault::NoCertificate => 40,
            Fault::Unproven => 51,
            Fault::Malformed => 50,
            Fault::Stalled => 90,
            Fault::Ours => 80,
        }
    }
}

/// Whether this is a packet of a handshake, where others come on the same port (RFC 7983 §7).
pub fn is_dtls(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| (20..=63).contains(first))
}

/// Messages, by their registered numbers (RFC 5246 §7.4, RFC 6347 §4.3.2).
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(super) const FINISHED: u8 = 20;
}
