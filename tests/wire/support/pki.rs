//! Certificates for peers over TLS: an authority made for one test, and what it issues as PEM files.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

pub struct Pki {
    folder: PathBuf,
    name: String,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    /// Writes its own certificate as `NAME.pem`.
    pub fn new(folder: &Path, name: &str) -> Pki {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        std::fs::write(folder.join(format!("{name}.pem")), authority.pem()).expect("the authority's file");
        Pki {
            folder: folder.into(),
            name: name.into(),
            authority,
        }
    }

    pub fn anchor(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    pub fn anchor_der(&self) -> rustls::pki_types::CertificateDer<'static> {
        self.authority.der().clone()
    }

    /// `NAME.pem` and `NAME.key` for these hosts (names or addresses), and `NAME.both` with the two in one file.
    pub fn issue(&self, name: &str, hosts: &[&str]) {
        self.issue_with(name, hosts, |_| ());
    }

    pub fn issue_with(&self, name: &str, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.subject_alt_names = hosts
            .iter()
            .map(|host| match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*host).try_into().expect("a host")),
            })
            .collect();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        let write = |ending: &str, text: String| {
            std::fs::write(self.folder.join(format!("{name}.{ending}")), text).expect("a file");
        };
        write("both", format!("{}{}", certificate.pem(), key.serialize_pem()));
        write("pem", certificate.pem());
        write("key", key.serialize_pem());
    }
}
