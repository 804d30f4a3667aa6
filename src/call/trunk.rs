//! A trunk: who may call in on which terms, and where calls of ours go out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Encryption, Keying, NumberPlan, ReasonStyle};
use crate::digest::Credentials;
use crate::policy::Profile;
use crate::registration;
use crate::route::Target;
use crate::sip::{Transport, Uri};

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
    /// Whether the legs of this trunk are encrypted.
    pub srtp: Encryption,
    /// Which kind of keys is offered to it.
    pub srtp_keys: Keying,
    /// Calls come in only with the credentials (digest), from the ranges of `from`, or from anywhere when there are none.
    pub is_challenged: bool,
}

/// `[[credentials]]`: what we prove ourselves with at these hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCredentials {
    /// Those with a name, in small letters: whoever is called by it, and whoever has an address of it while we run.
    pub hosts: Vec<Arc<str>>,
    pub addresses: Vec<IpAddr>,
    pub credentials: Credentials,
}

/// A carrier's server. A name is looked up while we run, as those of targets are (RFC 3263).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `host` or `host:port` as configured: what URIs name.
    pub host: String,
    /// UDP where nothing was said: then the name service may choose another one.
    pub transport: Transport,
    /// The address, where the configuration has one instead of a name; otherwise what is tried until the name service
    /// has answered for the first time.
    pub addresses: Vec<SocketAddr>,
}

impl Peer {
    /// The URI of somebody there; of the server itself for an empty user. A user that is a telephone number is marked as
    /// one.
    pub(crate) fn uri(&self, user: &str) -> String {
        let at = if user.is_empty() { "" } else { "@" };
        let transport = parameter(self.transport);
        let phone = if user.starts_with('+') { ";user=phone" } else { "" };
        format!("sip:{user}{at}{}{transport}{phone}", self.host)
    }
}

/// What a server of a carrier is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Calls of ours go out there (`to`).
    Peer,
    /// We register there (`register`), and the trunk's calls come from there.
    Registrar,
}

/// Every server of carriers, by what the name service is asked: the trunk's place in `trunks`, and what it is for.
pub fn carriers(trunks: &[TrunkConfig]) -> Vec<(Target, usize, Role)> {
    let mut found = Vec::new();
    for (index, trunk) in trunks.iter().enumerate() {
        let to = trunk.to.as_ref().map(|peer| (peer.uri(""), Role::Peer));
        let register = trunk.register.as_ref().map(|config| {
            let transport = parameter(config.transport);
            (format!("sip:{}{transport}", config.host), Role::Registrar)
        });
        for (uri, role) in to.into_iter().chain(register) {
            let target = Uri::parse(&uri).ok().and_then(|uri| Target::of(&uri));
            found.extend(target.map(|target| (target, index, role)));
        }
    }
    found
}

fn parameter(transport: Transport) -> String {
    match transport {
        Transport::Udp => String::new(),
        other => format!(";transport={other}"),
    }
}
