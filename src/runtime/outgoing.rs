//! HTTPS to a host that the operator named: whoever receives webhooks, whoever signs people in.
//!
//! As careful as with a certificate host: only `https`, no redirect, no proxy, no second look-up that could answer differently,
//! no address inside our own network unless the configuration allows it, and an end in time and octets.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use stir_shaken_verify::{AddressRules, NotACidr};

use super::limits::ADDRESSES_ASKED_MAX;
use super::web_anchors::{self, AnchorsError};

/// Asks hosts that the configuration names.
pub struct Outgoing {
    addresses: AddressRules,
    tls: rustls::ClientConfig,
    timeout: Duration,
    octets_max: usize,
}

/// What was answered, whatever the status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// It cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("allow: {0}")]
    Allow(#[from] NotACidr),
    #[error("anchors: {0}")]
    Anchors(#[from] AnchorsError),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why there is no answer. Says nothing of the address: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("not an https address")]
    NotHttps,
    #[error("the name leads nowhere")]
    NoAddress,
    #[error("the name leads to an address that is not allowed")]
    AddressRefused,
    #[error("no answer in time")]
    Timeout,
    #[error("the certificate, or TLS, is not as it should be")]
    Tls,
    #[error("no connection")]
    Unreachable,
    #[error("the answer is too long")]
    TooLong,
}

/// What is asked.
pub struct Ask<'a> {
    pub method: reqwest::Method,
    pub url: &'a str,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

impl Outgoing {
    /// Reads the web anchors of the system and of `anchors`. `allow` opens address ranges in spite of the guard.
    ///
    /// # Errors
    ///
    /// [`OutgoingError`] names what cannot be used.
    pub fn new(
        allow: &[String],
        anchors: &[PathBuf],
        timeout: Duration,
        octets_max: usize,
    ) -> Result<Outgoing, OutgoingError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        web_anchors::add(&mut roots, anchors)?;
        let tls = web_anchors::tls(roots)?;
        Ok(Outgoing {
            addresses: AddressRules::new(allow)?,
            tls,
            timeout,
            octets_max,
        })
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// [`Failure`]; any status is an answer, a redirection too.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let asked = tokio::time::timeout(self.timeout, self.dial(ask));
        asked.await.unwrap_or(Err(Failure::Timeout))
    }

    async fn dial(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let url = url::Url::parse(ask.url).map_err(|_| Failure::NotHttps)?;
        let (Some(host), Some(port), "https") = (url.host_str(), url.port_or_known_default(), url.scheme())
        else {
            return Err(Failure::NotHttps);
        };
        let addresses = self.resolve(host, port).await?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .referer(false)
            .user_agent(concat!("ringward/", env!("CARGO_PKG_VERSION")))
            .timeout(self.timeout)
            .resolve_to_addrs(host, &addresses)
            .build()
            .map_err(|_| Failure::Unreachable)?;
        let request = client
            .request(ask.method, url.clone())
            .headers(ask.headers.into_iter().collect())
            .body(ask.body);
        let mut response = request.send().await.map_err(|error| failure_of(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
            if body.len() + chunk.len() > self.octets_max {
                return Err(Failure::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Every address of the host must be allowed: one bad one among them is an attempt.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let found = tokio::net::lookup_host((bare, port)).await;
                found
                    .map_err(|_| Failure::NoAddress)?
                    .take(ADDRESSES_ASKED_MAX)
                    .collect()
            }
        };
        if addresses.is_empty() {
            return Err(Failure::NoAddress);
        }
        let is_allowed = |address: &SocketAddr| self.addresses.is_allowed(address.ip());
        if addresses.iter().all(is_allowed) {
            Ok(addresses)
        } else {
            Err(Failure::AddressRefused)
        }
    }
}

fn failure_of(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if super::fetch::is_tls(error) {
        Failure::Tls
    } else {
        Failure::Unreachable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str, allow: &[&str]) -> Failure {
        let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
        let outgoing = Outgoing::new(&allow, &[], Duration::from_secs(20), 1_000).unwrap();
        let ask = Ask {
            method: reqwest::Method::GET,
            url,
            headers: Vec::new(),
            body: Vec::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(outgoing.ask(ask)).unwrap_err()
    }

    #[test]
    fn our_own_network_is_not_reached_by_any_spelling_unless_it_is_allowed() {
        for inside in [
            "https://127.0.0.1:1/",
            "https://localhost:1/",
            "https://2130706433:1/",
            "https://0x7f.1:1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://[::1]:1/",
            "https://[::ffff:127.0.0.1]:1/",
            "https://[fe80::1]/",
        ] {
            assert_eq!(ask(inside, &[]), Failure::AddressRefused, "{inside}");
        }
        // Port 1 of this machine: nobody is there.
        assert_eq!(
            ask("https://127.0.0.1:1/", &["127.0.0.0/8"]),
            Failure::Unreachable
        );
        for other in [
            "http://127.0.0.1:1/",
            "ftp://127.0.0.1/",
            "127.0.0.1",
            "",
            "file:///etc/passwd",
        ] {
            assert_eq!(ask(other, &["127.0.0.0/8"]), Failure::NotHttps, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let new = |allow: &str, anchors: &str| {
            let anchors: Vec<PathBuf> = Some(anchors)
                .filter(|file| !file.is_empty())
                .map(Into::into)
                .into_iter()
                .collect();
            let problem = Outgoing::new(&[allow.to_string()], &anchors, Duration::from_secs(1), 1);
            problem
                .err()
                .map(|problem| problem.to_string())
                .unwrap_or_default()
        };
        assert!(new("10.0.0.0/40", "").starts_with("allow: "));
        assert!(new("10.0.0.0/8", "no-such-file").starts_with("anchors: no-such-file: "));
        assert!(new("10.0.0.0/8", "Cargo.toml").ends_with("no usable PEM certificate in it"));
    }
}
