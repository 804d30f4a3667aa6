//! The same over the network's own code: the dialer fetches from an HTTPS host on loopback.
//!
//! Shows that name resolution, TLS, the address guard and the caps work in this installation, and that what they bring
//! verifies. Needs port 8443 on some loopback address (a certificate URL may name no other port but 443); where that
//! cannot be had, this part says so and proves nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use stir_shaken_verify::limits::CERTIFICATE_OCTETS_MAX;

use super::Proof;
use super::arrangement::{Call, Token};
use super::scene::Scene;
use crate::identity::{Config, Fetched};
use crate::runtime::fetch::Fetcher;
use crate::signing::certificate_host::{Bound, SILENT_PATH};
use crate::signing::pki::web_identity;
use crate::time::Now;

const CHAIN: &str = "/shaken.pem";
const LARGE: &str = "/large.pem";
const PATIENCE: Duration = Duration::from_millis(300);

/// Fetches and verifies. Takes about half a second, most of it for a host that never answers.
///
/// # Errors
///
/// What this machine lacks: a free port 8443 on loopback, a usable random generator.
pub async fn online(now: Now) -> anyhow::Result<Vec<Proof>> {
    let scene = Scene::new(now)?;
    let host = Bound::find().await?;
    let web = web_identity(&[host.ip()], now.utc)?;
    let url = |path: &str| host.url(path);
    let (chain, large, silent, missing) = (url(CHAIN), url(LARGE), url(SILENT_PATH), url("/missing.pem"));
    let by_name = chain.replacen(&host.ip().to_string(), "localhost", 1);
    let pages = BTreeMap::from([
        (CHAIN.to_string(), scene.carrier.chain_pem.clone()),
        (LARGE.to_string(), "x".repeat(CERTIFICATE_OCTETS_MAX + 1)),
    ]);
    host.serve(&web, pages)?;

    let open = fetcher(Some(&web.anchor_pem), &["127.0.0.0/8"])?;
    let guarded = fetcher(Some(&web.anchor_pem), &[])?;
    let distrustful = fetcher(None, &["127.0.0.0/8"])?;
    let mut proofs = vec![verified_over_https(&scene, &open, &chain).await?];
    for (name, expected, fetcher, url) in [
        (
            "loopback: address guard, by address",
            "address not allowed",
            &guarded,
            chain.clone(),
        ),
        (
            "loopback: address guard, by name",
            "address not allowed",
            &guarded,
            by_name,
        ),
        (
            "loopback: web certificate nobody vouches for",
            "TLS failed",
            &distrustful,
            chain,
        ),
        (
            "loopback: 64 KiB and one octet",
            "answer larger than 64 KiB",
            &open,
            large,
        ),
        ("loopback: not found", "HTTP status 404", &open, missing),
        ("loopback: host that never answers", "time-out", &open, silent),
    ] {
        let fetched = fetcher.fetch(url).await;
        proofs.push(Proof::new(name, expected, in_words(&fetched)));
    }
    Ok(proofs)
}

/// A signed call whose certificate comes over the wire.
async fn verified_over_https(scene: &Scene, fetcher: &Arc<Fetcher>, url: &str) -> anyhow::Result<Proof> {
    let fetched = fetcher.fetch(url.into()).await;
    let identity = Token::shaken(&scene.carrier, scene).at(url).signed()?;
    let body = fetched
        .result
        .map(|body| String::from_utf8_lossy(&body.pem).into_owned());
    let call = Call::new(scene, &[&identity]).with(|call| {
        call.config.x5u_allow = vec!["127.0.0.0/8".into()];
        call.served.insert(url.into(), body);
    });
    Ok(Proof::new(
        "loopback: certificate fetched over HTTPS",
        "verified A",
        call.judged(scene),
    ))
}

fn fetcher(anchor: Option<&str>, allow: &[&str]) -> anyhow::Result<Arc<Fetcher>> {
    let config = Config {
        x5u_allow: allow.iter().map(|range| range.to_string()).collect(),
        fetch_timeout: PATIENCE,
        ..Config::default()
    };
    let mut roots = rustls::RootCertStore::empty();
    if let Some(anchor) = anchor {
        roots.add(CertificateDer::from_pem_slice(anchor.as_bytes())?)?;
    }
    Ok(Fetcher::with_roots(&config, roots)?)
}

fn in_words(fetched: &Fetched) -> String {
    match &fetched.result {
        Ok(body) => format!("{} octets", body.pem.len()),
        Err(failure) => failure.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_comes_over_the_wire_is_verified_and_what_must_not_come_does_not() {
        let proofs = online(clock::now()).await.unwrap();
        let failed: Vec<_> = proofs.iter().filter(|proof| !proof.passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
