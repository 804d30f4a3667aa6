//! Whom a certificate names, in the words of SIP (RFC 5922 §7.1).

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::runtime::limits::CERTIFICATE_NAMES;

/// The domains a certificate speaks for: `sip:` URIs without a user, then DNS names, in small letters.
///
/// The subject's common name is not looked at (RFC 5922 §7.1 would, where there is no alternative name at all): no
/// authority checks it any more. Nothing that cannot be read is an error: it names nobody.
pub fn names_in(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = || alternatives.value.general_names.iter().take(CERTIFICATE_NAMES);
    let of_sip = names().filter_map(|name| match name {
        GeneralName::URI(uri) => sip_domain(uri),
        _ => None,
    });
    let of_dns = names().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    of_sip
        .chain(of_dns)
        .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
        .collect()
}

/// The host of `sip:host`. A URI with a user names a person, and anything behind the host is not for us
/// (RFC 5922 §7.1).
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, host) = uri.split_once(':')?;
    let is_plain = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    (scheme.eq_ignore_ascii_case("sip") && is_plain).then_some(host)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn sip_domains_come_first_and_people_are_no_hosts() {
        let mut params = CertificateParams::new(vec!["SBC.Carrier.example".to_string()]).unwrap();
        for uri in [
            "sip:carrier.example",
            "sip:alice@carrier.example",
            "sips:x.example",
            "http://y.example",
        ] {
            params
                .subject_alt_names
                .push(SanType::URI(uri.try_into().unwrap()));
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(
            names_in(certificate.der()),
            ["carrier.example", "sbc.carrier.example"]
        );
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        assert!(names_in(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])).is_empty());
    }
}
