//! DER by hand, for what neither the certificate library nor the room `signing` writes: further claim constraints,
//! lists by reference, revocation lists of every right and wrong kind.

use rcgen::{KeyPair, SigningKey as _};
pub use ringward::signing::der::{TnEntry, permits_only, tn_auth_list};
use ringward::signing::der::{context, element, ia5, sequence};

/// Authority information access with the address of a list of numbers (RFC 8226 §10.1: id-ad-stirTNList).
pub fn list_at(url: &str) -> Vec<u8> {
    let method = element(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 0x30, 14]]);
    sequence(&[&sequence(&[&method, &element(0x86, &[url.as_bytes()])])])
}

/// JWTClaimConstraints (RFC 8226 §8) with `mustInclude` of one claim.
pub fn must_include(claim: &str) -> Vec<u8> {
    sequence(&[&context(0, &[&sequence(&[&ia5(claim)])])])
}

/// EnhancedJWTClaimConstraints (RFC 9118 §4) with `mustExclude` of one claim.
pub fn must_exclude(claim: &str) -> Vec<u8> {
    sequence(&[&context(2, &[&sequence(&[&ia5(claim)])])])
}

/// One entry of an indirect revocation list: a serial number and the name (DER) of who issued the certificate.
pub struct Revoked {
    pub serial: Vec<u8>,
    pub issuer: Vec<u8>,
}

/// An indirect revocation list (RFC 5280 §5.2.5, §5.3.3), as the STI-PA publishes one for all authorities.
///
/// `by` is the name (DER) and key of its signer; `from` and `until` are thisUpdate and nextUpdate, Unix seconds.
pub fn revocation_list(by: (&[u8], &KeyPair), revoked: &[Revoked], from: i64, until: i64) -> Vec<u8> {
    let critical = [0x01, 1, 0xff];
    let entries: Vec<u8> = revoked
        .iter()
        .flat_map(|entry| {
            let names = sequence(&[&context(4, &[&entry.issuer])]);
            let issuer = sequence(&[&CERTIFICATE_ISSUER, &critical, &element(4, &[&names])]);
            sequence(&[
                &element(2, &[&entry.serial]),
                &moment(from),
                &sequence(&[&issuer]),
            ])
        })
        .collect();
    let entries = if entries.is_empty() {
        Vec::new()
    } else {
        sequence(&[&entries])
    };
    let is_indirect = sequence(&[&[0x84, 1, 0xff]]);
    let point = sequence(&[
        &ISSUING_DISTRIBUTION_POINT,
        &critical,
        &element(4, &[&is_indirect]),
    ]);
    let tbs = sequence(&[
        &[2, 1, 1],
        &ecdsa_with_sha256(),
        by.0,
        &moment(from),
        &moment(until),
        &entries,
        &context(0, &[&sequence(&[&point])]),
    ]);
    let signature = by.1.sign(&tbs).expect("a P-256 key signs");
    sequence(&[&tbs, &ecdsa_with_sha256(), &element(3, &[&[0], &signature])])
}

fn ecdsa_with_sha256() -> Vec<u8> {
    sequence(&[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])
}

/// UTCTime (RFC 5280 §4.1.2.5.1).
fn moment(second: i64) -> Vec<u8> {
    let (year, month, day) = date(second.div_euclid(86_400));
    let second = second.rem_euclid(86_400);
    let text = format!(
        "{:02}{month:02}{day:02}{:02}{:02}{:02}Z",
        year % 100,
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    element(0x17, &[text.as_bytes()])
}

/// Year, month and day of a day since 1 January 1970, by the proleptic Gregorian calendar.
pub fn date(days: i64) -> (i64, i64, i64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

const CERTIFICATE_ISSUER: [u8; 5] = [0x06, 3, 0x55, 0x1d, 29];
const ISSUING_DISTRIBUTION_POINT: [u8; 5] = [0x06, 3, 0x55, 0x1d, 28];
