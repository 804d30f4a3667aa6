//! Bodies of the fuzz targets: any octets in, no panic out. They run on a small corpus in the
//! ordinary tests.

use crate::{IdentityHeader, NumberRules, Passport, TnAuthList, split_values};

/// An Identity header line.
pub fn header(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    for value in split_values(&text) {
        if let Ok(header) = IdentityHeader::parse(value) {
            passport(header.token.as_bytes());
        }
    }
}

/// A token in its full form.
pub fn passport(octets: &[u8]) {
    if let Ok(passport) = Passport::parse(&String::from_utf8_lossy(octets)) {
        let _claims = passport.shaken();
        if let Ok(rules) = NumberRules::new("US") {
            let _claims = passport.plain_claims(&rules);
            let _claims = passport.diversion_claims(&rules, true);
        }
    }
}

/// The value of a TNAuthList extension.
pub fn tn_auth_list(octets: &[u8]) {
    if let Ok(list) = TnAuthList::parse(octets) {
        assert!(!list.entries().is_empty(), "a list that parses is never empty");
    }
}

/// A certificate chain and a revocation list, as a host may send them.
pub fn certificates(octets: &[u8]) {
    let mut anchors = crate::Anchors::new();
    let _added = anchors.add_pem(octets);
    let _read = crate::certificate::Certificate::parse(octets);
    let _listed = crate::Crls::new().add(octets);
}
