//! Redis over TLS.

use std::sync::Arc;

use ringward::store::{self, Config};

use super::NOON;
use crate::records::{KINDS, ended};
use crate::redis_server::RedisServer;
use crate::{open, settled};

/// Over TLS, with an authority that nobody knows but who is told.
#[test]
fn redis_over_tls_is_used_when_its_certificate_is_of_who_is_named() {
    let folder = crate::Folder::temporary();
    let files = certificate(&folder.0);
    let Some(server) = RedisServer::start_over_tls(&files.0, &files.1) else {
        return;
    };
    let url = server.url("one").replace("redis://", "rediss://");
    let named = format!("{url}&anchors={}", files.2.display());
    let store = open(&named);
    let record = ended(&KINDS[6], 1, NOON);
    store.save(Arc::new(record.clone()));
    settled(&*store);
    assert_eq!(store.call(record.id).unwrap(), Some(record));
    drop(store);
    let other = crate::Folder::temporary();
    let stranger = certificate(&other.0).2;
    for wrong in [url.clone(), format!("{url}&anchors={}", stranger.display())] {
        let problem = store::open(&Config { url: wrong })
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            problem.contains("certificate") || problem.contains("signer") || problem.contains("Issuer"),
            "{problem}"
        );
    }
    // Nor is any file read to its end, however long it is.
    let endless = store::open(&Config {
        url: format!("{url}&anchors=/dev/zero"),
    });
    let problem = endless.map(|_| ()).unwrap_err().to_string();
    assert!(problem.contains("larger than"), "{problem}");
}

/// Chain, key, and who signed it.
fn certificate(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf, std::path::PathBuf) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let host = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
    let host = host.signed_by(&key, &authority).unwrap();
    let files = ["host.pem", "host.key", "authority.pem"].map(|name| folder.join(name));
    std::fs::write(&files[0], host.pem()).unwrap();
    std::fs::write(&files[1], key.serialize_pem()).unwrap();
    std::fs::write(&files[2], authority.pem()).unwrap();
    let [chain, key, anchor] = files;
    (chain, key, anchor)
}
