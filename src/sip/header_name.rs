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
            return long(name);
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

fn long(name: &[u8]) -> HeaderName {
    use HeaderName::*;
    let candidates: &[(&[u8], HeaderName)] = match name.len() {
        2 => &[(b"To", To)],
        3 => &[(b"Via", Via)],
        4 => &[(b"From", From), (b"CSeq", CSeq)],
        5 => &[(b"Event", Event)],
        7 => &[(b"Call-ID", CallId), (b"Contact", Contact), (b"Subject", Subject)],
        8 => &[(b"Identity", Identity), (b"Refer-To", ReferTo)],
        9 => &[(b"Supported", Supported)],
        11 => &[(b"Referred-By", ReferredBy)],
        12 => &[
            (b"Max-Forwards", MaxForwards),
            (b"Content-Type", ContentType),
            (b"Allow-Events", AllowEvents),
        ],
        13 => &[(b"Identity-Info", IdentityInfo)],
        14 => &[
            (b"Content-Length", ContentLength),
            (b"Accept-Contact", AcceptContact),
            (b"Reject-Contact", RejectContact),
        ],
        15 => &[(b"Session-Expires", SessionExpires)],
        16 => &[(b"Content-Encoding", ContentEncoding)],
        19 => &[(b"Request-Disposition", RequestDisposition)],
        _ => &[],
    };
    candidates
        .iter()
        .find(|(long, _)| name.eq_ignore_ascii_case(long))
        .map_or(Other, |&(_, id)| id)
}

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
            ("a", "Accept-Contact"),
            ("b", "Referred-By"),
            ("c", "Content-Type"),
            ("d", "Request-Disposition"),
            ("e", "Content-Encoding"),
            ("f", "From"),
            ("j", "Reject-Contact"),
            ("k", "Supported"),
            ("n", "Identity-Info"),
            ("o", "Event"),
            ("r", "Refer-To"),
            ("s", "Subject"),
            ("t", "To"),
            ("u", "Allow-Events"),
        ] {
            assert!(is_same(compact, long), "{compact} {long}");
            assert_ne!(HeaderName::of(long.as_bytes()), HeaderName::Other, "{long}");
        }
        assert!(is_same("P-Asserted-Identity", "p-asserted-identity"));
        assert!(!is_same("z", "Via"));
        assert!(!is_same("Identity", "Identity-Info"));
    }
}
