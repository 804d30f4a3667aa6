//! Header names: any letter case, long or compact.

/// The headers this room reads itself, and those that have a compact form.
///
/// Everything else is `Other` and is found by comparing its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderName {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    ContentLength,
    ContentType,
    ContentEncoding,
    Identity,
    IdentityInfo,
    Subject,
    Supported,
    Event,
    AllowEvents,
    ReferTo,
    ReferredBy,
    SessionExpires,
    AcceptContact,
    RejectContact,
    RequestDisposition,
    Other,
}

impl HeaderName {
    pub(crate) fn of(name: &[u8]) -> HeaderName {
        use HeaderName::*;
        let [one] = name else {
            return LONG
                .iter()
                .find(|(long, _)| name.eq_ignore_ascii_case(long))
                .map_or(Other, |&(_, id)| id);
        };
        match one.to_ascii_lowercase() {
            b'a' => AcceptContact,
            b'b' => ReferredBy,
            b'c' => ContentType,
            b'd' => RequestDisposition,
            b'e' => ContentEncoding,
            b'f' => From,
            b'i' => CallId,
            b'j' => RejectContact,
            b'k' => Supported,
            b'l' => ContentLength,
            b'm' => Contact,
            b'n' => IdentityInfo,
            b'o' => Event,
            b'r' => ReferTo,
            b's' => Subject,
            b't' => To,
            b'u' => AllowEvents,
            b'v' => Via,
            b'x' => SessionExpires,
            b'y' => Identity,
            _ => Other,
        }
    }
}

/// Long names; slices of different length compare in one step, so the order hardly matters.
const LONG: [(&[u8], HeaderName); 22] = [
    (b"Via", HeaderName::Via),
    (b"From", HeaderName::From),
    (b"To", HeaderName::To),
    (b"Call-ID", HeaderName::CallId),
    (b"CSeq", HeaderName::CSeq),
    (b"Contact", HeaderName::Contact),
    (b"Max-Forwards", HeaderName::MaxForwards),
    (b"Content-Length", HeaderName::ContentLength),
    (b"Content-Type", HeaderName::ContentType),
    (b"Content-Encoding", HeaderName::ContentEncoding),
    (b"Identity", HeaderName::Identity),
    (b"Identity-Info", HeaderName::IdentityInfo),
    (b"Subject", HeaderName::Subject),
    (b"Supported", HeaderName::Supported),
    (b"Event", HeaderName::Event),
    (b"Allow-Events", HeaderName::AllowEvents),
    (b"Refer-To", HeaderName::ReferTo),
    (b"Referred-By", HeaderName::ReferredBy),
    (b"Session-Expires", HeaderName::SessionExpires),
    (b"Accept-Contact", HeaderName::AcceptContact),
    (b"Reject-Contact", HeaderName::RejectContact),
    (b"Request-Disposition", HeaderName::RequestDisposition),
];

/// Whether two header names mean the same header: `v` and `VIA` do.
pub(crate) fn is_same(left: &str, right: &str) -> bool {
    match HeaderName::of(left.as_bytes()) {
        HeaderName::Other => left.eq_ignore_ascii_case(right),
        known => known == HeaderName::of(right.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_and_long_names_are_one_header_in_any_letter_case() {
        for (compact, long) in [
            ("y", "Identity"),
            ("V", "via"),
            ("i", "CALL-ID"),
            ("l", "content-length"),
            ("m", "Contact"),
            ("x", "session-expires"),
        ] {
            assert!(is_same(compact, long), "{compact} {long}");
        }
        assert!(is_same("P-Asserted-Identity", "p-asserted-identity"));
        assert!(!is_same("z", "Via"));
        assert!(!is_same("Identity", "Identity-Info"));
    }
}
