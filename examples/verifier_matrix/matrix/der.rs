//! DER by hand, for what the certificate library does not write: TNAuthList, claim constraints, revocation lists.

use rcgen::{KeyPair, SigningKey as _};

/// One element: tag, length, the parts one after the other.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut octets = vec![tag];
    match value.len() {
        length @ 0..=0x7f => octets.push(length as u8),
        length @ 0x80..=0xff => octets.extend([0x81, length as u8]),
        length => octets.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    octets.extend(value);
    octets
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

/// `[number]`, explicit.
pub fn context(number: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(0xa0 | number, parts)
}

pub fn ia5(text: &str) -> Vec<u8> {
    element(0x16, &[text.as_bytes()])
}

/// TNAuthList (RFC 8226 §9) of these entries.
pub fn tn_auth_list(entries: &[Vec<u8>]) -> Vec<u8> {
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    sequence(&entries)
}

/// `[0]` a service provider code: authority over every number of that provider.
pub fn provider(code: &str) -> Vec<u8> {
    context(0, &[&ia5(code)])
}

/// `[1]` a range: a first number and how many.
pub fn range(start: &str, count: u8) -> Vec<u8> {
    context(1, &[&sequence(&[&ia5(start), &element(2, &[&[count]])])])
}

/// `[2]` one number.
pub fn one_number(number: &str) -> Vec<u8> {
    context(2, &[&ia5(number)])
}

/// Authority information access with the address of a list of numbers (RFC 8226 §10.1: id-ad-stirTNList).
pub fn list_at(url: &str) -> Vec<u8> {
    let method = element(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 0x30, 14]]);
    sequence(&[&sequence(&[&method, &element(0x86, &[url.as_bytes()])])])
}

/// JWTClaimConstraints (RFC 8226 §8) with `permittedValues` for one claim.
pub fn permitted_value(claim: &str, value: &str) -> Vec<u8> {
    let values = sequence(&[&element(0x0c, &[value.as_bytes()])]);
    let claim = sequence(&[&ia5(claim), &values]);
    sequence(&[&context(1, &[&sequence(&[&claim])])])
}

/// JWTClaimConstraints with `mustInclude` of one claim.
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
