//! Handshakes on loopback: names, authorities, dates, versions, and files that change.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::tests::{Bench, OPTIONS, everybody, towards};
use super::{Door, Streams, Tls};
use crate::runtime::clock;
use crate::sip::{Flow, PeerName, TlsConfig, TlsVersion, Transport, TransportFault};

/// An authority and the files it has issued, in a folder that goes when the test ends.
struct Pki {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Pki {
    fn new(name: &str) -> Pki {
        let folder = std::env::temp_dir().join(format!("ringward-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pki = Pki { folder, authority };
        std::fs::write(pki.path("ca.pem"), pki.authority.pem()).unwrap();
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `NAME.pem` and `NAME.key` for these hosts.
    fn issue(&self, name: &str, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names = hosts
            .iter()
            .map(|host| match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*host).try_into().unwrap()),
            })
            .collect();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Shows `name`, believes `anchors` in both directions.
    fn config(&self, name: &str, anchors: &Path) -> TlsConfig {
        TlsConfig {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
            client_anchors: vec![anchors.into()],
            server_anchors: vec![anchors.into()],
            minimum: TlsVersion::Tls12,
        }
    }

    fn tls(&self, name: &str, names: &[&str]) -> Arc<Tls> {
        let names = names.iter().map(|name| name.to_string()).collect();
        Tls::new(self.config(name, &self.path("ca.pem")), names).unwrap()
    }
}

/// What happens when one gateway, knowing `names`, sends to another that shows the certificate `server`.
async fn outcome(
    pki: &Pki,
    client: TlsConfig,
    server: &str,
    names: &[&str],
    wanted: Option<u16>,
) -> Result<Flow, TransportFault> {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let far = Bench::new(everybody(), Some(pki.tls(server, &["client.example"]))).await;
    let near = Bench::new(everybody(), Some(Tls::new(client, names).unwrap())).await;
    let flow = Flow {
        peer: wanted.map(PeerName),
        ..towards(Transport::Tls, far.address)
    };
    near.table.send(flow, OPTIONS.to_vec(), 0);
    tokio::select! {
        (flow, octets) = far.message() => {
            assert_eq!(octets, OPTIONS);
            Ok(flow)
        }
        fault = near.fault() => Err(fault),
    }
}

#[tokio::test]
async fn the_certificate_has_to_name_whom_we_want_or_its_address() {
    let pki = Pki::new("names");
    pki.issue("client", &["client.example"], |_| ());
    pki.issue("address", &["127.0.0.1"], |_| ());
    pki.issue("named", &["phones.example"], |_| ());
    pki.issue("domain", &[], |params| {
        let uri = "sip:phones.example".try_into().unwrap();
        params.subject_alt_names = vec![SanType::URI(uri)];
    });
    let config = || pki.config("client", &pki.path("ca.pem"));
    let wanted = ["phones.example"];
    let check = |server, name| outcome(&pki, config(), server, &wanted, name);
    assert!(check("address", None).await.is_ok());
    assert_eq!(
        check("named", None).await.err(),
        Some(TransportFault::CertificateName)
    );
    assert!(check("named", Some(0)).await.is_ok());
    assert!(
        check("domain", Some(0)).await.is_ok(),
        "RFC 5922: a sip: URI names a domain"
    );
    assert_eq!(
        check("address", Some(0)).await.err(),
        Some(TransportFault::CertificateName)
    );
}

#[tokio::test]
async fn who_shows_a_certificate_that_we_believe_is_known_by_its_name() {
    let pki = Pki::new("mutual");
    pki.issue("server", &["127.0.0.1"], |_| ());
    pki.issue("client", &["client.example"], |_| ());
    pki.issue("of-a-server", &["client.example"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    pki.issue("stranger", &["elsewhere.example"], |_| ());
    let peer = async |name: &str| {
        let config = pki.config(name, &pki.path("ca.pem"));
        outcome(&pki, config, "server", &[], None).await.unwrap().peer
    };
    assert_eq!(peer("client").await, Some(PeerName(0)));
    assert_eq!(peer("of-a-server").await, Some(PeerName(0)));
    assert_eq!(peer("stranger").await, None);
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    let pki = Pki::new("wrong");
    let other = Pki::new("wrong-other");
    let now = clock::now().utc;
    pki.issue("client", &["client.example"], |_| ());
    pki.issue("server", &["127.0.0.1"], |_| ());
    pki.issue("old", &["127.0.0.1"], |params| {
        params.not_before = (now - Duration::from_secs(7200)).into();
        params.not_after = (now - Duration::from_secs(3600)).into();
    });
    pki.issue("early", &["127.0.0.1"], |params| {
        params.not_before = (now + Duration::from_secs(3600)).into();
        params.not_after = (now + Duration::from_secs(7200)).into();
    });
    let config = || pki.config("client", &pki.path("ca.pem"));
    let check = async |config, server| outcome(&pki, config, server, &[], None).await.err();
    assert_eq!(
        check(config(), "old").await,
        Some(TransportFault::CertificateExpired)
    );
    assert_eq!(
        check(config(), "early").await,
        Some(TransportFault::CertificateEarly)
    );
    let unbelieving = pki.config("client", &other.path("ca.pem"));
    assert_eq!(
        check(unbelieving, "server").await,
        Some(TransportFault::CertificateAuthority)
    );
    // Ours is not believed over there.
    other.issue("client", &["client.example"], |_| ());
    let mut foreign = other.config("client", &pki.path("ca.pem"));
    foreign.client_anchors.clear();
    assert_eq!(
        check(foreign, "server").await,
        Some(TransportFault::CertificateRefused)
    );
}

#[tokio::test]
async fn a_version_below_the_minimum_is_refused() {
    let pki = Pki::new("versions");
    pki.issue("server", &["127.0.0.1"], |_| ());
    pki.issue("client", &["client.example"], |_| ());
    let modern = TlsConfig {
        minimum: TlsVersion::Tls13,
        ..pki.config("server", &pki.path("ca.pem"))
    };
    let far = Bench::new(everybody(), Some(Tls::new(modern, Vec::new()).unwrap())).await;
    let shake = async |version| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pki.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(far.address).await.unwrap();
        let name = rustls::pki_types::ServerName::from(far.address.ip());
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    };
    assert!(shake(&rustls::version::TLS13).await.is_ok());
    let old = shake(&rustls::version::TLS12).await.err().unwrap();
    assert_eq!(super::tls::fault_of(&old), TransportFault::NoCommonTls);

    // TLS 1.1, which nothing here speaks any more: a ClientHello by hand, and a fatal alert ("protocol
    // version", or "handshake failure" because nothing it could sign with is offered).
    let mut peer = TcpStream::connect(far.address).await.unwrap();
    peer.write_all(CLIENT_HELLO_1_1).await.unwrap();
    let mut answer = Vec::new();
    let _ = peer.read_to_end(&mut answer).await;
    assert_eq!(
        (answer.first(), answer.get(5)),
        (Some(&21), Some(&2)),
        "{answer:?}"
    );
    assert!(matches!(answer.get(6), Some(40 | 70)), "{answer:?}");
}

/// RFC 4346 §7.4.1.2: version 3.2, one cipher suite (RSA with AES-128-CBC), no compression.
const CLIENT_HELLO_1_1: &[u8] = &[
    22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2, // record, handshake, version
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 32, // random
    0, 0, 2, 0, 47, 1, 0, // no session, one suite, no compression
];

#[tokio::test]
async fn a_stranger_without_a_name_is_closed_after_the_handshake_and_leaves_nothing() {
    let pki = Pki::new("strangers");
    pki.issue("server", &["127.0.0.1"], |_| ());
    pki.issue("trunk", &["sbc.carrier.example"], |_| ());
    pki.issue("nobody", &["nobody.example"], |_| ());
    let door = Door {
        is_known: Box::new(|_| false),
        may_be_named: Box::new(|_| true),
        may_prove: Box::new(|_| false),
    };
    let far = Bench::new(door, Some(pki.tls("server", &["sbc.carrier.example"]))).await;
    for (who, is_let_in) in [("nobody", false), ("trunk", true)] {
        let near = Bench::new(everybody(), Some(pki.tls(who, &[]))).await;
        near.table
            .send(towards(Transport::Tls, far.address), OPTIONS.to_vec(), 0);
        if is_let_in {
            assert_eq!(far.message().await.0.peer, Some(PeerName(0)));
        } else {
            assert_eq!(near.fault().await, TransportFault::Closed);
            far.until(Streams::is_empty).await;
            assert!(far.inbox.is_empty());
        }
    }
    // Who does not even begin a handshake holds no place for long, and only a few.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(far.address).await.unwrap());
    }
    let mut closed = 0;
    for stream in &mut silent {
        let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut [0; 1])).await;
        closed += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!(closed >= 12, "{closed} of 20 were closed at once");
}

#[tokio::test]
async fn new_files_come_into_force_and_open_connections_stay() {
    let pki = Pki::new("reload");
    pki.issue("server", &["127.0.0.1"], |_| ());
    pki.issue("client", &["client.example"], |_| ());
    let tls = pki.tls("server", &[]);
    let far = Bench::new(everybody(), Some(tls.clone())).await;
    let near = Bench::new(everybody(), Some(pki.tls("client", &[]))).await;
    let flow = towards(Transport::Tls, far.address);
    near.table.send(flow, OPTIONS.to_vec(), 0);
    let (first, _) = far.message().await;

    // Half a change, or rubbish: the old ones stay.
    let good = std::fs::read(pki.path("server.pem")).unwrap();
    pki.issue("other", &["127.0.0.1"], |_| ());
    std::fs::copy(pki.path("other.pem"), pki.path("server.pem")).unwrap();
    assert!(!tls.reload());
    std::fs::write(pki.path("server.pem"), "rubbish").unwrap();
    assert!(!tls.reload());
    std::fs::write(pki.path("server.pem"), good).unwrap();
    assert!(tls.reload());

    // A certificate for somebody else: whoever connects now sees it, and the open connection carries on.
    pki.issue("server", &["elsewhere.example"], |_| ());
    assert!(tls.reload());
    near.table.send(flow, OPTIONS.to_vec(), 0);
    assert_eq!(far.message().await.0.connection, first.connection);
    let late = Bench::new(everybody(), Some(pki.tls("client", &[]))).await;
    late.table.send(flow, OPTIONS.to_vec(), 0);
    assert_eq!(late.fault().await, TransportFault::CertificateName);
}

#[tokio::test]
async fn changed_files_are_found_without_being_told() {
    let pki = Pki::new("watch");
    pki.issue("server", &["127.0.0.1"], |_| ());
    let tls = pki.tls("server", &[]);
    let asked = Arc::new(tokio::sync::Notify::new());
    let watch = tokio::spawn(tls.clone().keep(asked.clone()));
    let before = tls.expires_in(clock::now().utc);
    pki.issue("server", &["127.0.0.1"], |params| {
        params.not_after = (clock::now().utc + Duration::from_secs(3 * 24 * 3600)).into();
    });
    // As SIGHUP does; without it the same happens at the next look.
    asked.notify_one();
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if tls.expires_in(clock::now().utc) < before / 2 {
            break;
        }
    }
    assert!((259_000..=259_200).contains(&tls.expires_in(clock::now().utc)));
    watch.abort();
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_ends() {
    let pki = Pki::new("mute");
    pki.issue("client", &["client.example"], |_| ());
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = Bench::new(everybody(), Some(pki.tls("client", &[]))).await;
    near.table.send(
        towards(Transport::Tls, mute.local_addr().unwrap()),
        OPTIONS.to_vec(),
        0,
    );
    let _held = mute.accept().await.unwrap();
    assert_eq!(near.fault().await, TransportFault::HandshakeTimedOut);
    assert!(near.table.is_empty());
}
