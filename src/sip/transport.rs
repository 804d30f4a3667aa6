//! How messages travel: the transports, the way of one message, and what can break it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1, RFC 5922).
    Tls,
}

impl Transport {
    /// Nothing is lost on the way without an error: no retransmissions (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// The port of a URI or a Via that names none (RFC 3261 §19.1.2, §18.2.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }

    /// As Via writes it: `UDP`, `TCP`, `TLS`.
    pub fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// As the configuration, logs and metrics write it: `udp`, `tcp`, `tls`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// A host that TLS can prove, by its place in the list that the configuration gives ([`call::tls_names`]).
///
/// [`call::tls_names`]: crate::call::tls_names
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(pub u16);

/// Where a message came from / goes to. For UDP: the listener's local address and the peer.
/// For TCP and TLS: `connection` names the connection; None = open one to `remote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub connection: Option<u64>,
    /// TLS only. Of a message received: whom the peer's certificate named. Of one to be sent: whom it has to name
    /// before the first octet goes out; None = the address itself.
    pub peer: Option<PeerName>,
}

impl Flow {
    /// Over UDP between these two.
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Flow {
        Flow {
            transport: Transport::Udp,
            local,
            remote,
            connection: None,
            peer: None,
        }
    }
}

/// `[sip.tls]`: what we prove ourselves with, and whom we believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM: our certificate, then those above it. Shown by both sides of ours, server and client.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Authorities of those who connect to us. Not empty: they are asked for a certificate.
    pub client_anchors: Vec<PathBuf>,
    /// Authorities of those we connect to; empty = the system's.
    pub server_anchors: Vec<PathBuf>,
    pub minimum: TlsVersion,
}

/// The oldest version spoken. Anything before 1.2 is broken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    #[default]
    Tls12,
    Tls13,
}

/// Why a message could not be sent, or why its answer cannot come any more. Prints in words for logs and records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransportFault {
    #[error("connection refused")]
    Refused,
    #[error("connection timed out")]
    TimedOut,
    #[error("host or network unreachable")]
    Unreachable,
    #[error("connection closed by the peer")]
    Closed,
    #[error("the peer does not read what it is sent")]
    NotRead,
    #[error("too many connections")]
    Full,
    #[error("no listener for this transport and address family")]
    NoListener,
    #[error("TLS is not configured")]
    NoTls,
    #[error("TLS handshake timed out")]
    HandshakeTimedOut,
    #[error("TLS handshake failed: no protocol version or cipher in common")]
    NoCommonTls,
    #[error("TLS handshake failed")]
    Handshake,
    #[error("the peer refused our certificate")]
    CertificateRefused,
    #[error("its certificate is not valid for this name")]
    CertificateName,
    #[error("its certificate has expired")]
    CertificateExpired,
    #[error("its certificate is not yet valid")]
    CertificateEarly,
    #[error("its certificate comes from an unknown authority")]
    CertificateAuthority,
    #[error("its certificate is not valid")]
    Certificate,
    #[error("too many transactions")]
    Overload,
    #[error("the system could not send it")]
    System,
}

impl From<&std::io::Error> for TransportFault {
    fn from(error: &std::io::Error) -> TransportFault {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => TransportFault::Refused,
            ErrorKind::TimedOut => TransportFault::TimedOut,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                TransportFault::Unreachable
            }
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => TransportFault::Closed,
            _ => TransportFault::System,
        }
    }
}
