//! Bodies of the fuzz targets: any octets in, no panic out, and what must never come out.
//!
//! They live in the library so that the ordinary tests run them over a corpus (`tests/corpus`), each file cut and bent in
//! many places. A fuzz target is one line over one of them (`fuzz/targets` in the repository).

use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::{Certificate, read_body};
use crate::chain::find_path;
use crate::{
    Anchors, Crls, IdentityHeader, MessageView, NumberRules, Passport, Standing, TnAuthList, Verifier,
    VerifierConfig, split_values,
};

/// An Identity header line (RFC 8224 §4), alone and on a message.
///
/// # Panics
///
/// When a message is verified without a certificate.
pub fn header(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    for value in split_values(&text) {
        if let Ok(header) = IdentityHeader::parse(value) {
            passport(header.token.as_bytes());
        }
    }
    let Ok(numbers) = NumberRules::new("US") else {
        return;
    };
    let mut verifier = Verifier::new(VerifierConfig::new(Anchors::new(), numbers));
    let message = MessageView {
        identity: vec![text],
        from: "sip:+14045550123@carrier.example.com;user=phone".into(),
        to: "sip:+12125550100@example.com;user=phone".into(),
        request_uri: "sip:+12125550100@192.0.2.1;user=phone".into(),
        ..MessageView::default()
    };
    let verification = verifier.begin(&message, UNIX_EPOCH);
    let report = verifier.conclude(verification);
    let is_unproven = report.standing != Standing::Verified && report.attestation.is_none();
    assert!(is_unproven, "verified without a certificate");
}

/// A PASSporT in its full form (RFC 8225 §3).
pub fn passport(octets: &[u8]) {
    if let Ok(passport) = Passport::parse(&String::from_utf8_lossy(octets)) {
        let _claims = passport.shaken();
        if let Ok(rules) = NumberRules::new("US") {
            let _claims = passport.plain_claims(&rules);
            let _claims = passport.diversion_claims(&rules, true);
        }
    }
}

/// The value of a TNAuthList extension (RFC 8226 §9).
///
/// # Panics
///
/// When an empty list is let through.
pub fn tn_auth_list(octets: &[u8]) {
    if let Ok(list) = TnAuthList::parse(octets) {
        assert!(!list.entries().is_empty(), "a list that parses is never empty");
    }
}

/// What an x5u host may send: a file of PEM certificates (ATIS-1000074), or one certificate in DER.
///
/// Every authority in the file is taken for an anchor, so that a search for a path (RFC 5280 §6) has something to find.
///
/// # Panics
///
/// When a path is longer than the bound, or does not end at an anchor.
pub fn chain(octets: &[u8]) {
    let _one = Certificate::parse(octets);
    let Ok(certificates) = read_body(octets) else {
        return;
    };
    let mut anchors = Anchors::new();
    for der in &certificates {
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(der)
        );
        let _refused = anchors.add_pem(pem.as_bytes());
    }
    if let Ok(path) = find_path(&certificates, &anchors) {
        let count = path.certificates.len();
        assert!((2..=crate::limits::CHAIN_CERTIFICATES_MAX + 1).contains(&count));
    }
}

/// A trust list: every certificate of a file becomes an anchor, or the whole file is refused.
///
/// # Panics
///
/// When a refused file has left something behind.
pub fn anchors(octets: &[u8]) {
    let mut anchors = Anchors::new();
    if anchors.add_pem(octets).is_err() {
        assert!(anchors.is_empty(), "a file that is refused adds nothing");
    }
}

/// A revocation list (RFC 5280 §5), PEM or DER.
pub fn revocation_list(octets: &[u8]) {
    let _read = Crls::new().add(octets);
}
