//! The API over TLS: the cookie is for TLS only, and new certificates come into force while it runs.

use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client};
use ringward::runtime::stream::Tls;
use ringward::sip::{TlsConfig, TlsVersion};

use super::{Desk, memory, with_json};

/// A folder with a certificate and its key, which goes when the test ends.
struct Files(PathBuf);

impl Files {
    /// Writes new ones and gives somebody who believes in them and nothing else.
    fn issue(&self) -> Client {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["127.0.0.1".to_string(), "localhost".to_string()]).unwrap();
        std::fs::write(self.0.join("api.pem"), cert.pem()).unwrap();
        std::fs::write(self.0.join("api.key"), signing_key.serialize_pem()).unwrap();
        Client::builder()
            .no_proxy()
            .timeout(std::time::Duration::from_secs(60))
            .tls_certs_only([Certificate::from_pem(cert.pem().as_bytes()).unwrap()])
            .build()
            .unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn over_tls_the_cookie_is_secure_and_new_certificates_come_into_force() {
    let folder = std::env::temp_dir().join(format!("ringward-api-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = Files(folder);
    let first = files.issue();
    let config = TlsConfig {
        certificate: files.0.join("api.pem"),
        key: files.0.join("api.key"),
        client_anchors: Vec::new(),
        server_anchors: Vec::new(),
        minimum: TlsVersion::Tls12,
    };
    let tls = Tls::for_api(config).unwrap();
    let desk = Desk::with_tls(memory(), None, Some(tls.clone())).await;
    let url = |path: &str| format!("https://{}{path}", desk.address);
    let body = format!("{{\"token\":\"{}\"}}", desk.token);
    let signed = with_json(first.post(url("/api/v1/session")), &body)
        .send()
        .await
        .unwrap();
    assert_eq!(signed.status(), 200);
    assert!(
        signed.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .ends_with("; Secure")
    );
    assert!(
        desk.ask(reqwest::Method::GET, "/healthz").send().await.is_err(),
        "plain HTTP"
    );

    let second = files.issue();
    assert!(
        second.get(url("/healthz")).send().await.is_err(),
        "not in force yet"
    );
    assert!(tls.reload());
    assert_eq!(second.get(url("/healthz")).send().await.unwrap().status(), 200);
    std::fs::write(files.0.join("api.key"), "no key").unwrap();
    assert!(!tls.reload(), "those read before stay");
    assert_eq!(second.get(url("/healthz")).send().await.unwrap().status(), 200);
}
