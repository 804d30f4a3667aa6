//! Header names: any letter case, long or compact.

macro_rules! header_names {
    ($($name:ident $long:literal,)*) => {
        /// The headers that are known by number. Everything else is `Other` and is found by comparing its text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum HeaderName {
            $($name,)*
            Other,
        }

        const NAMES: &[(HeaderName, &[u8])] = &[$((HeaderName::$name, $long),)*];
    };
}

header_names! {
    Via b"Via",
    From b"From",
    To b"To",
    CallId b"Call-ID",
    CSeq b"CSeq",
    Contact b"Contact",
    MaxForwards b"Max-Forwards",
    ContentLength b"Content-Length",
    ContentType b"Content-Type",
    ContentEncoding b"Content-Encoding",
    ContentDisposition b"Content-Disposition",
    ContentLanguage b"Content-Language",
    RecordRoute b"Record-Route",
    Route b"Route",
    Path b"Path",
    Identity b"Identity",
    IdentityInfo b"Identity-Info",
    Date b"Date",
    PAssertedIdentity b"P-Asserted-Identity",
    PPreferredIdentity b"P-Preferred-Identity",
    RemotePartyId b"Remote-Party-ID",
    Privacy b"Privacy",
    Diversion b"Diversion",
    HistoryInfo b"History-Info",
    Subject b"Subject",
    Supported b"Supported",
    Unsupported b"Unsupported",
    Require b"Require",
    ProxyRequire b"Proxy-Require",
    Allow b"Allow",
    Accept b"Accept",
    AcceptEncoding b"Accept-Encoding",
    AcceptLanguage b"Accept-Language",
    Event b"Event",
    AllowEvents b"Allow-Events",
    SubscriptionState b"Subscription-State",
    ReferTo b"Refer-To",
    ReferredBy b"Referred-By",
    Replaces b"Replaces",
    SessionExpires b"Session-Expires",
    MinSe b"Min-SE",
    RSeq b"RSeq",
    RAck b"RAck",
    Reason b"Reason",
    RetryAfter b"Retry-After",
    Warning b"Warning",
    Timestamp b"Timestamp",
    Expires b"Expires",
    MinExpires b"Min-Expires",
    UserAgent b"User-Agent",
    Server b"Server",
    Organization b"Organization",
    Priority b"Priority",
    ResourcePriority b"Resource-Priority",
    CallInfo b"Call-Info",
    AlertInfo b"Alert-Info",
    UserToUser b"User-to-User",
    Authorization b"Authorization",
    ProxyAuthorization b"Proxy-Authorization",
    WwwAuthenticate b"WWW-Authenticate",
    ProxyAuthenticate b"Proxy-Authenticate",
    AcceptContact b"Accept-Contact",
    RejectContact b"Reject-Contact",
    RequestDisposition b"Request-Disposition",
}

impl HeaderName {
    pub(crate) fn of(name: &[u8]) -> HeaderName {
        HeaderName::at(name, 0, name.len())
    }

    /// The name from `start` to `end`, which may be anything: what is no known name is `Other`.
    #[inline]
    pub(crate) fn at(octets: &[u8], start: usize, end: usize) -> HeaderName {
        let length = end - start;
        if length <= 1 {
            return octets[start..end].first().map_or(HeaderName::Other, compact);
        }
        let Some(bucket) = BUCKETS.get(length) else {
            return HeaderName::Other;
        };
        let first = word(octets, start, length);
        for entry in &bucket[..usize::from(SIZES[length])] {
            if entry.first == first
                && (length <= 8
                    || entry.last == word(octets, end - 8, 8)
                        && (length <= 16 || entry.middle == word(octets, start + 8, 8)))
            {
                return entry.name;
            }
        }
        HeaderName::Other
    }
}

fn compact(letter: &u8) -> HeaderName {
    use HeaderName::*;
    match letter.to_ascii_lowercase() {
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

/// Up to eight octets of a name as one number, letters in lower case. Setting 0x20 keeps letters and hyphens apart
/// from every other octet but one: CR becomes a hyphen, and no name that was scanned holds a CR.
#[inline]
fn word(octets: &[u8], start: usize, length: usize) -> u64 {
    let rest = octets.get(start..).unwrap_or_default();
    let eight = match rest.first_chunk() {
        Some(eight) => *eight,
        None => padded(rest),
    };
    let kept = u64::MAX >> (64 - length.clamp(1, 8) * 8);
    (u64::from_le_bytes(eight) | LOWER) & kept
}

/// At the very end of the octets, where no message has a name.
#[cold]
fn padded(rest: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    for (place, octet) in eight.iter_mut().zip(rest) {
        *place = *octet;
    }
    eight
}

const LOWER: u64 = 0x2020_2020_2020_2020;

#[derive(Clone, Copy)]
struct Entry {
    first: u64,
    middle: u64,
    last: u64,
    name: HeaderName,
}

/// Longest known name, and the most names of one length.
const LENGTHS: usize = 21;
const PER_LENGTH: usize = 9;

/// The known names by their length.
static BUCKETS: [[Entry; PER_LENGTH]; LENGTHS] = built().0;
static SIZES: [u8; LENGTHS] = built().1;

const fn built() -> ([[Entry; PER_LENGTH]; LENGTHS], [u8; LENGTHS]) {
    let nothing = Entry {
        first: 0,
        middle: 0,
        last: 0,
        name: HeaderName::Other,
    };
    let mut buckets = [[nothing; PER_LENGTH]; LENGTHS];
    let mut sizes = [0; LENGTHS];
    let mut at = 0;
    while at < NAMES.len() {
        let (name, long) = NAMES[at];
        let length = long.len();
        let place = sizes[length] as usize;
        buckets[length][place] = Entry {
            first: const_word(long, 0),
            middle: if length > 16 { const_word(long, 8) } else { 0 },
            last: if length > 8 {
                const_word(long, length - 8)
            } else {
                0
            },
            name,
        };
        sizes[length] += 1;
        at += 1;
    }
    (buckets, sizes)
}

const fn const_word(name: &[u8], start: usize) -> u64 {
    let mut word = 0;
    let mut at = 0;
    while at < 8 && start + at < name.len() {
        word |= (name[start + at].to_ascii_lowercase() as u64) << (at * 8);
        at += 1;
    }
    word
}

/// Whether two header names mean the same header: `v` and `VIA` do.
#[inline]
pub(crate) fn is_same(left: &str, right: &str) -> bool {
    if left.len() == right.len() && left.eq_ignore_ascii_case(right) {
        return true;
    }
    // Two spellings of one header differ in length, and one of them is a letter.
    let is_compact = left.len() == 1 || right.len() == 1;
    is_compact && {
        let known = HeaderName::of(left.as_bytes());
        known != HeaderName::Other && known == HeaderName::of(right.as_bytes())
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
        assert!(is_same("X-Own", "x-own"));
        assert!(!is_same("z", "Via"));
        assert!(!is_same("Identity", "Identity-Info"));
    }

    #[test]
    fn every_known_name_is_found_and_no_name_next_to_it() {
        for &(name, long) in NAMES {
            for spelling in [long.to_ascii_lowercase(), long.to_ascii_uppercase()] {
                assert_eq!(HeaderName::of(&spelling), name);
                let inside = [b"x: y\r\n", &spelling[..], b": some value"].concat();
                assert_eq!(HeaderName::at(&inside, 6, 6 + long.len()), name);
                for place in 0..spelling.len() {
                    for other in [b'_', b'0', b'.', spelling[place] ^ 1] {
                        let mut near = spelling.clone();
                        near[place] = other;
                        let found = HeaderName::of(&near);
                        let is_another = NAMES.iter().any(|(_, long)| near.eq_ignore_ascii_case(long));
                        assert!(found == HeaderName::Other || is_another, "{near:?}");
                    }
                }
            }
        }
        assert_eq!(HeaderName::of(b""), HeaderName::Other);
        assert_eq!(HeaderName::of(&[b'a'; 300]), HeaderName::Other);
    }
}
