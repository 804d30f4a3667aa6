//! The dialer against HTTPS hosts on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::icons::{IconFault, Icons};
use super::super::limits::{ICON_OCTETS_MAX, ICONS_KEPT};
use super::*;
use crate::banner::PictureFault;
use crate::identity::ContentDigest;

/// An HTTPS host on a loopback address of its own, port 8443, that gives the same answer to everything.
struct Host {
    address: IpAddr,
    anchor: String,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Answer {
    Text(String),
    File(Vec<u8>),
    Never,
    Endless,
}

impl Host {
    async fn new(answer: Answer) -> Host {
        let (listener, address) = bind().await;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let anchor = authority.self_signed(&authority_key).unwrap().pem();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(address)];
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&authority, &authority_key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(tls)),
            answer,
            asked.clone(),
        ));
        Host {
            address,
            anchor,
            asked,
        }
    }

    fn url(&self) -> String {
        format!("https://{}:8443/sp.pem", self.address)
    }

    fn fetcher(&self, change: impl FnOnce(&mut Config)) -> Arc<Fetcher> {
        let mut config = Config {
            x5u_allow: vec!["127.0.0.0/8".into()],
            ..Config::default()
        };
        config.fetch_timeout = Duration::from_secs(10);
        change(&mut config);
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.anchor.as_bytes()).unwrap())
            .unwrap();
        Fetcher::with_roots(&config, roots).unwrap()
    }
}

/// x5u names no other port than 8443, so each test takes a loopback address of its own.
async fn bind() -> (TcpListener, IpAddr) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() as usize * 16;
        let address = IpAddr::from([127, 77, (number >> 8) as u8, number as u8]);
        if let Ok(listener) = TcpListener::bind((address, 8443)).await {
            return (listener, address);
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, answer: Answer, asked: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, answer, asked) = (acceptor.clone(), answer.clone(), asked.clone());
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut head = [0; 4096];
            let Ok(_count) = stream.read(&mut head).await else {
                return;
            };
            asked.fetch_add(1, Ordering::SeqCst);
            match answer {
                Answer::Text(text) => {
                    let _gone = stream.write_all(text.as_bytes()).await;
                    let _gone = stream.shutdown().await;
                }
                Answer::File(file) => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
                    let _gone = stream.write_all(&[head.as_bytes(), &file].concat()).await;
                    let _gone = stream.shutdown().await;
                }
                Answer::Never => std::future::pending().await,
                Answer::Endless => {
                    let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                }
            }
        });
    }
}

fn ok(headers: &str, body: &str) -> Answer {
    Answer::Text(format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

async fn check(answer: Answer, expected: Result<(&str, Option<u64>), FetchFailure>) {
    let host = Host::new(answer).await;
    let fetched = host.fetcher(|_| {}).fetch(host.url()).await;
    assert_eq!(fetched.url, host.url());
    let got = fetched
        .result
        .map(|body| (String::from_utf8(body.pem.to_vec()).unwrap(), body.max_age));
    let expected = expected.map(|(body, seconds)| (body.to_string(), seconds.map(Duration::from_secs)));
    assert_eq!(got, expected);
}

#[tokio::test]
async fn c_11_a_certificate_is_brought_with_the_time_it_may_be_kept() {
    check(ok("", "pem"), Ok(("pem", None))).await;
    check(
        ok("Cache-Control: public, max-age=60\r\n", "pem"),
        Ok(("pem", Some(60))),
    )
    .await;
    check(
        ok("Cache-Control: max-age=60\r\nAge: 50\r\n", "pem"),
        Ok(("pem", Some(10))),
    )
    .await;
    check(ok("Cache-Control: no-store\r\n", "pem"), Ok(("pem", Some(0)))).await;
    let dates = "Date: Sun, 22 Nov 2026 06:30:00 GMT\r\nExpires: Sun, 22 Nov 2026 06:31:00 GMT\r\n";
    check(ok(dates, "pem"), Ok(("pem", Some(60)))).await;
    check(ok("Expires: 0\r\n", "pem"), Ok(("pem", Some(0)))).await;
    for (headers, seconds) in [
        ("Cache-Control: no-cache\r\n", 0),
        ("Cache-Control: no-cache=\"set-cookie\", max-age=60\r\n", 0),
        ("Cache-Control: MAX-AGE=60\r\n", 60),
        ("Cache-Control: max-age=\"60\"\r\n", 60),
        ("Cache-Control: max-age=60\r\nCache-Control: max-age=30\r\n", 30),
        ("Cache-Control: max-age=soon\r\n", 0),
        ("Cache-Control: max-age=60\r\nAge: 61\r\n", 0),
        ("Cache-Control: max-age=60\r\nExpires: 0\r\n", 60),
        ("Expires: Sun, 22 Nov 2026 06:31:00 GMT\r\n", 0),
    ] {
        check(ok(headers, "pem"), Ok(("pem", Some(seconds)))).await;
    }
}

/// A name whose answer changes: the address that was judged is the address that is dialled.
#[tokio::test]
async fn c_09_a_name_that_rebinds_is_looked_up_once_and_judged_by_all_its_addresses() {
    let host = Host::new(ok("", "pem")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let fetcher = |answers: &[&[&str]], asked: &Arc<AtomicUsize>| {
        let answers: Vec<Vec<String>> = answers
            .iter()
            .map(|one| one.iter().map(ToString::to_string).collect())
            .collect();
        let asked = asked.clone();
        let fetcher = host.fetcher(|config| config.x5u_allow = vec![host.address.to_string()]);
        let mut fetcher = Arc::into_inner(fetcher).unwrap();
        fetcher.look_up = Arc::new(move |_host, port| {
            let turn = asked.fetch_add(1, Ordering::SeqCst);
            let addresses = answers[turn.min(answers.len() - 1)].iter();
            Ok(addresses
                .map(|address| SocketAddr::new(address.parse().unwrap(), port))
                .collect())
        });
        Arc::new(fetcher)
    };
    let own = host.address.to_string();
    let name = "https://rebinding.example.org:8443/sp.pem".to_string();
    // Good at first, ours at the second look: there is no second look. (The host's certificate is for its address
    // alone, so that what answers is seen by TLS failing, not by the refusal.)
    let changing = fetcher(&[&[&own], &["127.0.0.1"]], &asked);
    assert_eq!(
        changing.fetch(name.clone()).await.result.unwrap_err(),
        FetchFailure::Tls
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // One bad address among good ones is an attempt.
    for bad in [
        "127.0.0.1",
        "::ffff:10.0.0.1",
        "169.254.169.254",
        "64:ff9b::7f00:1",
        "fd00::1",
    ] {
        let mixed = fetcher(&[&[&own, bad]], &asked);
        let failure = mixed.fetch(name.clone()).await.result.unwrap_err();
        assert_eq!(failure, FetchFailure::AddressRefused, "{bad}");
    }
    assert_eq!(host.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn c_09_a_host_that_the_configuration_rules_out_is_not_asked() {
    let host = Host::new(ok("", "pem")).await;
    for change in [
        (|config| config.x5u_hosts = vec!["*.example.org".into()]) as fn(&mut Config),
        |config| config.x5u_deny = vec!["127.0.0.0/8".into()],
    ] {
        let fetched = host.fetcher(change).fetch(host.url()).await;
        assert_eq!(fetched.result.unwrap_err(), FetchFailure::AddressRefused);
    }
    assert_eq!(host.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_list_that_the_configuration_names_may_be_anywhere_and_larger() {
    let body = "x".repeat(200 * 1024);
    let host = Host::new(ok("", &body)).await;
    let fetcher = host.fetcher(|config| config.x5u_allow.clear());
    let url = host.url().replace("/sp.pem", "/crl?of=all");
    assert_eq!(
        fetcher.fetch_list(&url, 200 * 1024).await.unwrap().len(),
        body.len()
    );
    assert_eq!(
        fetcher.fetch_list(&url, 200 * 1024 - 1).await.unwrap_err(),
        FetchFailure::TooLarge
    );
    let redirect = "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    let host = Host::new(Answer::Text(redirect.into())).await;
    let failure = host
        .fetcher(|_| {})
        .fetch_list(&host.url(), 10)
        .await
        .unwrap_err();
    assert_eq!(failure, FetchFailure::Redirect);
}

#[tokio::test]
async fn c_10_other_answers_are_failures_by_name() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    check(Answer::Text(redirect.into()), Err(FetchFailure::Redirect)).await;
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    check(Answer::Text(missing.into()), Err(FetchFailure::Status(404))).await;
    let partial = "HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx";
    check(Answer::Text(partial.into()), Err(FetchFailure::Status(206))).await;
    check(
        Answer::Text("nonsense\r\n\r\n".into()),
        Err(FetchFailure::Unreachable),
    )
    .await;
}

#[tokio::test]
async fn c_10_no_more_than_64_kib_are_read() {
    check(ok("", &"x".repeat(64 * 1024)), Ok((&"x".repeat(64 * 1024), None))).await;
    check(ok("", &"x".repeat(64 * 1024 + 1)), Err(FetchFailure::TooLarge)).await;
    check(Answer::Endless, Err(FetchFailure::TooLarge)).await;
}

#[tokio::test]
async fn c_10_a_host_that_is_silent_or_gone_is_given_up() {
    let host = Host::new(Answer::Never).await;
    let fetcher = host.fetcher(|config| config.fetch_timeout = Duration::from_millis(300));
    assert_eq!(
        fetcher.fetch(host.url()).await.result.unwrap_err(),
        FetchFailure::Timeout
    );
    let (listener, address) = bind().await;
    drop(listener);
    let nobody = format!("https://{address}:8443/");
    assert_eq!(
        fetcher.fetch(nobody).await.result.unwrap_err(),
        FetchFailure::Unreachable
    );
}

/// C-10, with the limit that ships: 2 s. In real time, because it is the system's timers that are proved.
#[tokio::test]
async fn a_silent_host_is_given_up_after_two_seconds_and_holds_up_nobody() {
    let silent = Host::new(Answer::Never).await;
    let prompt = Host::new(ok("", "pem")).await;
    let mut roots = rustls::RootCertStore::empty();
    for host in [&silent, &prompt] {
        roots
            .add(CertificateDer::from_pem_slice(host.anchor.as_bytes()).unwrap())
            .unwrap();
    }
    let config = Config {
        x5u_allow: vec!["127.0.0.0/8".into()],
        ..Config::default()
    };
    let fetcher = Fetcher::with_roots(&config, roots).unwrap();
    let started = clock::now().instant;
    let waiting = {
        let (fetcher, url) = (fetcher.clone(), silent.url());
        tokio::spawn(async move {
            let fetched = fetcher.fetch(url).await;
            (fetched, clock::now().instant)
        })
    };
    let brought = fetcher.fetch(prompt.url()).await;
    assert!(brought.result.is_ok() && !waiting.is_finished());
    let (fetched, ended) = waiting.await.unwrap();
    assert_eq!(fetched.result.unwrap_err(), FetchFailure::Timeout);
    let took = ended - started;
    assert!(
        (Duration::from_millis(1_900)..Duration::from_millis(2_600)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_host_without_a_trusted_web_certificate_is_not_believed() {
    let host = Host::new(ok("", "pem")).await;
    let stranger = Host::new(ok("", "pem")).await;
    let fetched = stranger.fetcher(|_| {}).fetch(host.url()).await;
    assert_eq!(fetched.result.unwrap_err(), FetchFailure::Tls);
    assert_eq!(host.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn c_10_name_look_ups_have_a_bound_of_their_own() {
    let host = Host::new(ok("", "pem")).await;
    let guarded = host.fetcher(|config| config.x5u_allow.clear());
    let places = guarded
        .resolving
        .clone()
        .try_acquire_many_owned(NAME_LOOKUPS as u32)
        .unwrap();
    let x5u = X5u::parse("https://localhost:8443/sp.pem", &guarded.addresses).unwrap();
    assert_eq!(
        guarded.resolve(&x5u).await.unwrap_err(),
        FetchFailure::Unreachable
    );
    drop(places);
    assert_eq!(
        guarded.resolve(&x5u).await.unwrap_err(),
        FetchFailure::AddressRefused
    );
}

#[tokio::test]
async fn c_09_private_addresses_are_refused_as_literals_and_as_names() {
    let host = Host::new(ok("", "pem")).await;
    let guarded = host.fetcher(|config| config.x5u_allow.clear());
    assert_eq!(
        guarded.fetch(host.url()).await.result.unwrap_err(),
        FetchFailure::AddressRefused
    );
    let by_name = guarded.fetch("https://localhost:8443/sp.pem".into()).await;
    assert_eq!(by_name.result.unwrap_err(), FetchFailure::AddressRefused);
    assert_eq!(host.asked.load(Ordering::SeqCst), 0);
    let plain = host
        .fetcher(|_| {})
        .fetch(host.url().replace("https", "http"))
        .await;
    assert_eq!(plain.result.unwrap_err(), FetchFailure::Unreachable);
}

#[tokio::test]
async fn c_10_many_askers_share_one_fetch() {
    let host = Host::new(ok("", "pem")).await;
    let fetcher = host.fetcher(|_| {});
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let (fetcher, url) = (fetcher.clone(), host.url());
            tokio::spawn(async move { fetcher.fetch(url).await })
        })
        .collect();
    for asker in askers {
        assert!(asker.await.unwrap().result.is_ok());
    }
    assert_eq!(host.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn web_anchors_that_cannot_be_read_are_named() {
    let config = Config {
        x5u_tls_anchors: vec!["no/such/file.pem".into()],
        ..Config::default()
    };
    assert!(
        Fetcher::new(&config)
            .err()
            .unwrap()
            .to_string()
            .contains("no/such/file.pem")
    );
    let config = Config {
        x5u_tls_anchors: vec!["Cargo.toml".into()],
        ..Config::default()
    };
    assert!(
        Fetcher::new(&config)
            .err()
            .unwrap()
            .to_string()
            .contains("Cargo.toml")
    );
}

/// A PNG of one black pixel, grey.
const PIXEL: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00,
    0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x60, 0x00, 0x00, 0x00, 0x02, 0x00, 0x01,
    0x48, 0xaf, 0xa4, 0x71, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

#[tokio::test]
async fn r_05_an_icon_is_fetched_once_and_drawn_again() {
    let host = Host::new(Answer::File(PIXEL.to_vec())).await;
    let icons = Icons::new(host.fetcher(|_| {}));
    let url = host.url();
    let good = ContentDigest::sha256(PIXEL);
    let (one, other) = tokio::join!(icons.icon(&url, Some(&good)), icons.icon(&url, Some(&good)));
    let drawn = one.unwrap();
    assert_eq!(drawn, other.unwrap());
    assert!(drawn.starts_with(&PIXEL[..8]) && *drawn != *PIXEL);
    assert_eq!(host.asked.load(Ordering::SeqCst), 1);
    icons.icon(&url, Some(&good)).await.unwrap();
    assert_eq!(host.asked.load(Ordering::SeqCst), 1, "kept");
    // another file than the one that was signed for is not shown, and not asked for again at once.
    let other = ContentDigest::sha256(b"another file");
    for _ in 0..2 {
        assert_eq!(icons.icon(&url, Some(&other)).await, Err(IconFault::Digest));
    }
    assert_eq!(host.asked.load(Ordering::SeqCst), 2);
    // Without a digest the file itself is all there is.
    assert!(icons.icon(&url, None).await.is_ok());
}

#[tokio::test]
async fn r_05_what_is_no_small_picture_behind_an_address_we_may_ask_is_no_icon() {
    let fault = async |answer: Answer, change: fn(&mut Config), url: fn(&Host) -> String| {
        let host = Host::new(answer).await;
        let icons = Icons::new(host.fetcher(change));
        icons.icon(&url(&host), None).await.unwrap_err()
    };
    let file = |octets: Vec<u8>| Answer::File(octets);
    let svg = file(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec());
    assert_eq!(
        fault(svg, |_| {}, Host::url).await,
        IconFault::Picture(PictureFault::Kind)
    );
    // At the bound it is read (and is no picture); one octet more is not.
    let large = |more: usize| file(vec![b'x'; ICON_OCTETS_MAX + more]);
    assert_eq!(
        fault(large(0), |_| {}, Host::url).await,
        IconFault::Picture(PictureFault::Kind)
    );
    assert_eq!(
        fault(large(1), |_| {}, Host::url).await,
        IconFault::Fetch(FetchFailure::TooLarge)
    );
    let pixel = || file(PIXEL.to_vec());
    let guarded: fn(&mut Config) = |config| config.x5u_allow.clear();
    assert_eq!(
        fault(pixel(), guarded, Host::url).await,
        IconFault::Fetch(FetchFailure::AddressRefused)
    );
    for url in [
        |host: &Host| host.url().replace("https", "http"),
        |host: &Host| host.url() + "?size=1",
        |host: &Host| host.url().replace("8443", "9443"),
        |_: &Host| "file:///etc/passwd".to_string(),
    ] {
        let fault = fault(pixel(), |_| {}, url).await;
        assert!(matches!(fault, IconFault::Fetch(_)), "{fault:?}");
    }
    let hurry: fn(&mut Config) = |config| config.fetch_timeout = Duration::from_millis(200);
    assert_eq!(
        fault(Answer::Never, hurry, Host::url).await,
        IconFault::Fetch(FetchFailure::Timeout)
    );
}

#[tokio::test]
async fn r_05_icons_without_end_take_no_more_room_than_is_theirs() {
    let host = Host::new(Answer::File(PIXEL.to_vec())).await;
    let icons = Icons::new(host.fetcher(|_| {}));
    let url = |number: usize| host.url().replace("sp.pem", &format!("{number}.png"));
    for number in 0..ICONS_KEPT + 3 {
        icons.icon(&url(number), None).await.unwrap();
    }
    assert_eq!(icons.count(), ICONS_KEPT);
}
