//! DER by hand, for the extensions and lists that the certificate library cannot write.

/// One element: tag, length, value. Values of up to 65,535 octets.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len();
    let mut octets = vec![tag];
    match length {
        0..=0x7f => octets.push(length as u8),
        0x80..=0xff => octets.extend([0x81, length as u8]),
        _ => octets.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    octets.extend(value);
    octets
}

/// SEQUENCE (and SEQUENCE OF).
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

/// `[number]`, explicit.
pub fn context(number: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(0xa0 | number, parts)
}

/// IA5String.
pub fn ia5(text: &str) -> Vec<u8> {
    element(0x16, &[text.as_bytes()])
}

/// UTF8String.
pub fn utf8(text: &str) -> Vec<u8> {
    element(0x0c, &[text.as_bytes()])
}

/// A positive INTEGER from big-endian octets.
pub fn integer(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[zeros..];
    let needs_sign = octets.first().is_none_or(|first| *first & 0x80 != 0);
    element(0x02, &[if needs_sign { &[0] } else { &[] }, octets])
}

/// Entries of a TNAuthList (RFC 8226 §9).
#[derive(Clone, Copy, Debug)]
pub enum TnEntry<'t> {
    /// A service provider code: every number of that provider.
    Provider(&'t str),
    /// This many numbers from the first one on; at most 255 here.
    Range(&'t str, u8),
    /// One number.
    Number(&'t str),
}

/// The value of a TNAuthList extension.
pub fn tn_auth_list(entries: &[TnEntry<'_>]) -> Vec<u8> {
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|entry| match entry {
            TnEntry::Provider(code) => context(0, &[&ia5(code)]),
            TnEntry::Range(first, count) => context(1, &[&sequence(&[&ia5(first), &integer(&[*count])])]),
            TnEntry::Number(number) => context(2, &[&ia5(number)]),
        })
        .collect();
    sequence(&[&entries])
}

/// The value of JWTClaimConstraints (RFC 8226 §8) that permits one value of one claim.
pub fn permits_only(claim: &str, value: &str) -> Vec<u8> {
    let permitted = sequence(&[&ia5(claim), &sequence(&[&utf8(value)])]);
    sequence(&[&context(1, &[&sequence(&[&permitted])])])
}

#[cfg(test)]
mod tests {
    use stir_shaken_verify::{TnAuthList, TnEntry as Read};

    use super::*;

    #[test]
    fn lengths_take_one_two_or_three_octets() {
        assert_eq!(element(4, &[&[7]]), [4, 1, 7]);
        assert_eq!(element(4, &[&[0; 200]])[..3], [4, 0x81, 200]);
        assert_eq!(element(4, &[&[0; 300]])[..4], [4, 0x82, 1, 44]);
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0]), [2, 1, 0]);
    }

    #[test]
    fn a_list_of_each_kind_is_read_back_by_the_verifier() {
        let der = tn_auth_list(&[
            TnEntry::Provider("709J"),
            TnEntry::Range("14045550100", 100),
            TnEntry::Number("14045550123"),
        ]);
        let list = TnAuthList::parse(&der).unwrap();
        assert_eq!(list.entries().len(), 3);
        assert!(matches!(list.entries()[0], Read::ServiceProviderCode(ref code) if code == "709J"));
    }
}
