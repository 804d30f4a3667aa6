//! Every bound of this crate in one place: unit, reason, and what happens past it.

use std::time::Duration;

/// Octets of one Identity header value. A SHAKEN token is about 500; past this the header is `invalid`.
pub const IDENTITY_OCTETS_MAX: usize = 8 * 1024;
/// Identity headers looked at in one message: a base PASSporT, a chain of 8 `div`, and three of other kinds. The rest
/// are ignored, and a call that has more is never verified through diversions: one of the rest may contradict them.
pub const IDENTITY_HEADERS_MAX: usize = 12;
/// PASSporTs judged in one message, those inside others too: each may cost a fetch and a signature. Every header has
/// its own; past this, what a `div-o` holds is not read and the `div-o` is `invalid`.
pub const PASSPORTS_MAX: usize = 20;
/// Diversions of one call (D-05; five must work), and PASSporTs one inside the other; a longer chain proves nothing.
pub const DIVERSIONS_MAX: usize = 8;
/// Characters of `hi`, an index of History-Info; a longer one is not shown.
pub const HISTORY_INDEX_CHARS_MAX: usize = 64;
/// Octets of a signature copied into `ppi`; an ES256 signature has 86. A longer one gives no `ppi`.
pub const PPI_SIGNATURE_OCTETS_MAX: usize = 128;
/// Parameters after the token; RFC 8224 knows four. More make the header `invalid`.
pub const HEADER_PARAMETERS_MAX: usize = 8;
/// Nesting of JSON objects and arrays in a PASSporT; past it the token is malformed.
pub const JSON_DEPTH_MAX: usize = 8;
/// Members and elements of one PASSporT part, all levels together; past it the token is malformed.
pub const JSON_ITEMS_MAX: usize = 256;
/// Numbers in one `dest`; past it the token is malformed.
pub const DEST_MAX: usize = 64;
/// P-Asserted-Identity values tried; RFC 3325 allows two. The rest are ignored.
pub const ASSERTED_MAX: usize = 4;
/// Media keys compared, signed and in the body each (session level and every stream); more are a mismatch.
pub const FINGERPRINTS_MAX: usize = 16;
/// Characters of a name (`nam`) and of a call reason (`crn`) in rich call data (RFC 9796 §6 advises 64); the rest is cut.
pub const RCD_TEXT_CHARS_MAX: usize = 64;
/// Characters of any one text inside a jCard (`jcd`); the rest is cut.
pub const CARD_TEXT_CHARS_MAX: usize = 256;
/// Octets of a URL in rich call data; with a longer one nothing of the data is shown.
pub const RCD_URL_OCTETS_MAX: usize = 1024;
/// Digests in one `rcdi`; with more nothing of the data is shown.
pub const RCD_DIGESTS_MAX: usize = 32;
/// Values of one `rph` claim, and of Resource-Priority; with more the priority is not verified.
pub const PRIORITY_VALUES_MAX: usize = 16;
/// Octets of an x5u URL; past it the URL breaks the rules.
pub const X5U_OCTETS_MAX: usize = 1024;
/// Octets of what an x5u host may send (C-10); past it the fetch fails.
pub const CERTIFICATE_OCTETS_MAX: usize = 64 * 1024;
/// Certificates in one x5u file, leaf first; with more the file is refused, so path search stays small.
pub const CHAIN_CERTIFICATES_MAX: usize = 6;
/// Entries of one TNAuthList; with more the certificate is refused.
pub const TN_ENTRIES_MAX: usize = 10_000;
/// Lists of numbers by reference (AIA, RFC 8226 §10.1) that one path may name, all its certificates together; with
/// more it is refused, so that no certificate sends us to fetch without end.
pub const TN_LISTS_MAX: usize = 4;
/// Distribution points of one certificate, and URLs of one point; the rest are ignored.
pub const CRL_POINTS_MAX: usize = 8;
/// Octets of one file of revocation lists; a larger one is refused. The STI-PA's is far below.
pub const CRL_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Revocation lists in force at once; with more the file is refused.
pub const CRLS_MAX: usize = 16;
/// Entries of one revocation list (about 100 octets of memory each); with more it is refused.
pub const CRL_ENTRIES_MAX: usize = 250_000;
/// Octets of a signed trust list (JWT); a larger one is refused.
pub const TRUST_LIST_OCTETS_MAX: usize = 1024 * 1024;
/// Certificates in a signed trust list; with more it is refused.
pub const TRUST_LIST_CERTIFICATES_MAX: usize = 256;
/// Claims, or values of one claim, in claim constraints; with more the certificate is refused.
pub const CONSTRAINTS_MAX: usize = 256;
/// Validated chains remembered; past it the one used longest ago goes.
pub const CHAINS_MAX: usize = 1_000;
/// Octets of the validated chains remembered, all together as `Path::octets` counts them and with the bodies they came in (a
/// usual chain is about 12 kB, one with ten thousand numbers 350 kB); past it the one used longest ago goes.
pub const CHAINS_OCTETS: usize = 16 * 1024 * 1024;
/// Characters of a certificate subject copied into a report; the rest is cut.
pub const SUBJECT_CHARS_MAX: usize = 128;
/// Characters of an origid copied into a report; a longer one makes the token malformed.
pub const ORIGID_CHARS_MAX: usize = 128;
/// Default |iat - arrival| and |Date - arrival| (RFC 8224 §6.2.2 recommends 60 s).
pub const FRESHNESS: Duration = Duration::from_secs(60);
/// Default age of the tokens of a diverted call, all but the last diversion: a telephone rings for up to a minute
/// before it is forwarded, and a queue may hold the call for longer (D-07).
pub const FRESHNESS_DIVERTED: Duration = Duration::from_secs(300);
/// Digits of a canonical number by default (ITU-T E.164).
pub const NUMBER_DIGITS_MAX: u8 = 15;

/// Shelf: certificates kept; past it the one used longest ago goes.
pub const SHELF_ENTRIES: usize = 1_000;
/// Shelf: octets kept in all bodies together; past it the one used longest ago goes.
pub const SHELF_OCTETS: usize = 16 * 1024 * 1024;
/// Shelf: kept this long without a caching directive (ATIS-1000074).
pub const SHELF_TTL_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// Shelf: kept at most this long, whatever the host says.
pub const SHELF_TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Shelf: a failed fetch is not tried again before.
pub const SHELF_NEGATIVE_TTL: Duration = Duration::from_secs(30);
/// Shelf: tickets waiting for fetches, all URLs together; past it a ticket is answered `Overloaded` at once.
pub const SHELF_WAITERS_MAX: usize = 4_096;
/// Shelf: fetches under way or queued; past it a ticket is answered `Overloaded` at once.
pub const SHELF_FETCHES_MAX: usize = 512;
/// Shelf: fetches under way towards one host; more wait in line.
pub const SHELF_PER_HOST_MAX: usize = 4;
/// Shelf: a fetch that brought no answer at all is given up after this (the dialer's own limit is 2 s).
pub const SHELF_FETCH_GIVE_UP: Duration = Duration::from_secs(5);
