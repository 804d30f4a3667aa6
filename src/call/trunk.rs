//! A trunk: who may call in on which terms, and where calls of ours go out.

use std::net::{IpAddr, SocketAddr};

use super::{NumberPlan, ReasonStyle};
use crate::digest::Credentials;
use crate::policy::Profile;
use crate::registration;
use crate::sip::Transport;

/// `[[trunk]]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkConfig {
    pub name: String,
    /// CIDR ranges.
    pub from: Vec<String>,
    /// Recognised by this name in the certificate it shows (RFC 5922), over TLS only; where `from` says addresses as
    /// well, both have to be right.
    pub tls_name: Option<String>,
    pub is_emergency_trusted: bool,
    /// How it hears of Identity headers that failed.
    pub identity_reasons: ReasonStyle,
    /// How `then = "refuse"` is answered on this trunk; `None` = as `[refusal]` says.
    pub refusal: Option<Profile>,
    /// `verifier = "trusted"`: its verstat is read, and shown as the carrier's word.
    pub is_verifier_trusted: bool,
    /// `to`: where calls of ours go out. `None` = none ever do.
    pub to: Option<Peer>,
    /// What we prove ourselves with when the carrier asks; with [`TrunkConfig::is_challenged`] what it has to prove.
    pub credentials: Option<Credentials>,
    /// Where we are to be found is told there.
    pub register: Option<registration::Config>,
    /// How it writes telephone numbers.
    pub numbers: NumberPlan,
    /// The business's own number, E.164 with `+`: who calls, on calls of ours.
    pub number: Option<String>,
    /// Calls come in only with the credentials (digest), from the ranges of `from`, or from anywhere when there are none.
    pub is_challenged: bool,
}

/// `[[credentials]]`: what we prove ourselves with at these addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCredentials {
    pub addresses: Vec<IpAddr>,
    pub credentials: Credentials,
}

/// A carrier's server: its name, and the addresses that the name stood for when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `host` or `host:port` as configured: what URIs name.
    pub host: String,
    pub transport: Transport,
    /// In the order they are tried. At least one.
    pub addresses: Vec<SocketAddr>,
}

impl Peer {
    /// The URI of somebody there; of the server itself for an empty user. A user that is a telephone number is marked as
    /// one.
    #[allow(dead_code, reason = "for calls of ours")]
    pub(crate) fn uri(&self, user: &str) -> String {
        let at = if user.is_empty() { "" } else { "@" };
        let transport = match self.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={other}"),
        };
        let phone = if user.starts_with('+') { ";user=phone" } else { "" };
        format!("sip:{user}{at}{}{transport}{phone}", self.host)
    }
}
