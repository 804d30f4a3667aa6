//! What a verifier needs to see of an INVITE.

use std::borrow::Cow;

/// The parts of an INVITE that signatures speak about, as text. URIs without display name or `<>`.
#[derive(Clone, Debug, Default)]
pub struct MessageView<'m> {
    /// Identity header values, in order; comma-joined ones are taken apart here.
    pub identity: Vec<Cow<'m, str>>,
    /// URIs of P-Asserted-Identity. Any at all: From is not looked at (RFC 8224 §6.2, ATIS-1000074).
    pub asserted: Vec<Cow<'m, str>>,
    /// URI of From.
    pub from: Cow<'m, str>,
    /// URI of To.
    pub to: Cow<'m, str>,
    /// The Request-URI: where the call goes now.
    pub request_uri: Cow<'m, str>,
    /// Value of the Date header.
    pub date: Option<Cow<'m, str>>,
    /// Values of `a=fingerprint` in the SDP body, session level first, in order: `sha-256 4A:AD:..` (RFC 8122 §5).
    /// Compared with the claim `mky` (RFC 8225 §5.2.2).
    pub fingerprints: Vec<Cow<'m, str>>,
    /// Values of Resource-Priority, comma-joined ones taken apart: `esnet.1` (RFC 4412 §3.1).
    pub resource_priority: Vec<Cow<'m, str>>,
    /// The Priority header: `psap-callback` (RFC 3261 §20.26, RFC 7090).
    pub priority: Option<Cow<'m, str>>,
    /// Display name of the address that `orig` is compared with: the first P-Asserted-Identity that has one, else
    /// From. Without quotes. Compared with `rcd` (RFC 9795 §5.1).
    pub display_name: Option<Cow<'m, str>>,
}
