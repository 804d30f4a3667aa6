//! The certificate dialer: HTTPS to the hosts that x5u names, and to nothing else.
//!
//! One for the process. Shards that ask for the same URL at the same time share one fetch, and a
//! failure is remembered, by a shelf of its own (the shards' shelves each hold what they use).
//! A request dials only addresses that were resolved and judged just before (no second look-up
//! that could answer differently), follows no redirect, uses no proxy and keeps no connection.
//!
//! Two trust domains, often confused: here it is about the *web* certificate of the host. Who may
//! sign calls is the business of `identity`.
//!
//! The web roots are the operating system's: an administrator already keeps them, removes a fallen
//! authority from them and adds a company's own. Built-in roots would age with the binary.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stir_shaken_verify::limits::CERTIFICATE_OCTETS_MAX;
use stir_shaken_verify::{
    AddressRules, NotACidr, Shelf, ShelfConfig, ShelfOutput, X5u, X5uFault, parse_sip_date,
};
use tokio::sync::{Semaphore, oneshot};

use super::clock;
use super::limits::{FETCHES, ICON_OCTETS_MAX, LIST_TIMEOUT, NAME_LOOKUPS};
use super::web_anchors::{self, AnchorsError};
use crate::identity::{Config, FetchFailure, Fetched, FetchedBody};

/// Fetches certificates over HTTPS under the rules of ATIS-1000074 and our address guard.
pub struct Fetcher {
    addresses: AddressRules,
    tls: rustls::ClientConfig,
    timeout: Duration,
    desk: Mutex<Desk>,
    /// Places for look-ups of names; see `NAME_LOOKUPS`.
    resolving: Arc<Semaphore>,
    look_up: LookUp,
}

/// All addresses of a host; blocks. The system's, except in tests of names that answer differently each time.
type LookUp = Arc<dyn Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Who waits for what. The shelf decides; it never waits itself.
struct Desk {
    shelf: Shelf<u64, FetchedBody>,
    tickets: u64,
    waiting: std::collections::BTreeMap<u64, oneshot::Sender<Fetched>>,
}

/// The dialer cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    #[error("[identity] x5u_allow: {0}")]
    Allow(#[from] NotACidr),
    #[error("[identity] x5u_tls_anchors: {0}")]
    Anchors(#[from] AnchorsError),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Fetcher {
    /// Reads the web anchors of the system and of `config.x5u_tls_anchors`.
    pub fn new(config: &Config) -> Result<Arc<Self>, FetcherError> {
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::debug!(%error, "a web anchor of the system cannot be read");
        }
        let mut roots = rustls::RootCertStore::empty();
        let (known, _unusable) = roots.add_parsable_certificates(system.certs);
        if known == 0 && config.x5u_tls_anchors.is_empty() {
            tracing::warn!(
                "no web anchors: certificate hosts cannot be asked (install ca-certificates or set x5u_tls_anchors)"
            );
        }
        Fetcher::with_roots(config, roots)
    }

    /// With these web anchors instead of the system's; those of `config.x5u_tls_anchors` are added.
    pub fn with_roots(config: &Config, mut roots: rustls::RootCertStore) -> Result<Arc<Self>, FetcherError> {
        web_anchors::add(&mut roots, &config.x5u_tls_anchors)?;
        let tls = web_anchors::tls(roots)?;
        // The shards keep what they use for as long as it is good. This shelf is for asking once
        // at the same time, and for not asking again at once after a failure.
        let shelf = ShelfConfig {
            entries_max: config.shelf_entries.max(1),
            fetches_max: FETCHES,
            give_up: config.fetch_timeout + Duration::from_secs(1),
            ..ShelfConfig::default()
        };
        let desk = Desk {
            shelf: Shelf::new(shelf),
            tickets: 0,
            waiting: Default::default(),
        };
        Ok(Arc::new(Fetcher {
            addresses: config.address_rules()?,
            tls,
            timeout: config.fetch_timeout,
            desk: Mutex::new(desk),
            resolving: Arc::new(Semaphore::new(NAME_LOOKUPS)),
            look_up: Arc::new(|host, port| {
                let found = (host, port).to_socket_addrs()?;
                Ok(found.take(ADDRESSES_MAX).collect())
            }),
        }))
    }

    /// Brings a list that the configuration names: a trust list, a revocation list. The operator wrote the address, so
    /// neither the address guard nor the ports of x5u bind it; TLS, the size, the time and "no redirect" do.
    ///
    /// # Errors
    ///
    /// Why it could not be had, within [`LIST_TIMEOUT`].
    pub async fn fetch_list(&self, url: &str, octets_max: usize) -> Result<Vec<u8>, FetchFailure> {
        let client = self.client(LIST_TIMEOUT).build();
        let client = client.map_err(|_| FetchFailure::Unreachable)?;
        let (octets, _headers) = download(&client, url, octets_max).await?;
        Ok(octets)
    }

    /// Brings what `url` holds. Ends within the configured time (2 s), waiting for a place at a
    /// busy host included.
    pub async fn fetch(self: &Arc<Self>, url: String) -> Fetched {
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut desk = self.desk();
            desk.tickets += 1;
            let ticket = desk.tickets;
            desk.waiting.insert(ticket, sender);
            desk.shelf.want(&url, ticket, clock::now().instant);
            ticket
        };
        self.carry();
        // The dialer's own limit strikes first; this one is for a place at a host that never came.
        let patience = self.timeout + Duration::from_millis(200);
        match tokio::time::timeout(patience, receiver).await {
            Ok(Ok(fetched)) => fetched,
            _ => {
                let mut desk = self.desk();
                desk.waiting.remove(&ticket);
                desk.shelf.forget(&ticket);
                desk.shelf.tick(clock::now().instant);
                Fetched {
                    url,
                    result: Err(FetchFailure::Timeout),
                }
            }
        }
    }

    /// Carries out what the shelf says: fetches run on, whether or not somebody still waits.
    fn carry(self: &Arc<Self>) {
        let mut desk = self.desk();
        while let Some(output) = desk.shelf.poll_output() {
            match output {
                ShelfOutput::Fetch { url } => {
                    let fetcher = Arc::clone(self);
                    tokio::spawn(async move { fetcher.run(url).await });
                }
                ShelfOutput::Ready { ticket, url, result } => {
                    let Some(sender) = desk.waiting.remove(&ticket) else {
                        continue;
                    };
                    // A receiver that is gone has stopped waiting.
                    let _gone = sender.send(Fetched { url, result });
                }
            }
        }
    }

    async fn run(self: Arc<Self>, url: String) {
        let result = match tokio::time::timeout(self.timeout, self.dial(&url)).await {
            Ok(result) => result,
            Err(_) => Err(FetchFailure::Timeout),
        };
        if let Err(failure) = &result {
            tracing::info!(host = host_for_log(&url), %failure, "certificate fetch failed");
        }
        // Kept here only for those who ask at this moment: the shards hold it from now on.
        let kept = result.map(|body| (body, Some(KEEP_FOR_LATECOMERS)));
        self.desk().shelf.fetched(&url, kept, clock::now().instant);
        self.carry();
    }

    /// A caller's icon: as careful as with a certificate, and nothing is kept here. The rules of x5u are stricter than
    /// those of RFC 9795 §5.1.3 (`https` alone): no query, no other port than 443 and 8443.
    pub async fn fetch_icon(&self, url: &str) -> Result<Vec<u8>, FetchFailure> {
        let fetch = self.dial_guarded(url, ICON_OCTETS_MAX);
        match tokio::time::timeout(self.timeout, fetch).await {
            Ok(result) => result.map(|(file, _)| file),
            Err(_) => Err(FetchFailure::Timeout),
        }
    }

    async fn dial(&self, url: &str) -> Result<FetchedBody, FetchFailure> {
        let (pem, headers) = self.dial_guarded(url, CERTIFICATE_OCTETS_MAX).await?;
        Ok(FetchedBody {
            pem: pem.into(),
            max_age: max_age(&headers),
        })
    }

    /// A URL that a stranger wrote: its form and every address of its host are judged before anything is sent.
    async fn dial_guarded(
        &self,
        url: &str,
        octets_max: usize,
    ) -> Result<(Vec<u8>, reqwest::header::HeaderMap), FetchFailure> {
        let x5u = X5u::parse(url, &self.addresses).map_err(|fault| match fault {
            X5uFault::Address | X5uFault::Host => FetchFailure::AddressRefused,
            _ => FetchFailure::Unreachable,
        })?;
        let addresses = self.resolve(&x5u).await?;
        let client = self
            .client(self.timeout)
            .resolve_to_addrs(x5u.host(), &addresses)
            .build()
            .map_err(|_| FetchFailure::Unreachable)?;
        download(&client, url, octets_max).await
    }

    fn client(&self, timeout: Duration) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .referer(false)
            .user_agent(concat!("ringward/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
    }

    /// Every address of the host must be allowed: one bad one among them is an attempt.
    async fn resolve(&self, x5u: &X5u) -> Result<Vec<SocketAddr>, FetchFailure> {
        let literal = x5u
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let addresses: Vec<SocketAddr> = match literal {
            Ok(address) => vec![SocketAddr::new(address, x5u.port())],
            Err(_) => {
                let place = Arc::clone(&self.resolving).try_acquire_owned();
                let place = place.map_err(|_| FetchFailure::Unreachable)?;
                let (host, port) = (x5u.host().to_string(), x5u.port());
                let look_up = Arc::clone(&self.look_up);
                let look_up = tokio::task::spawn_blocking(move || {
                    // The place is held as long as the system takes, which is longer than anybody waits.
                    let _place = place;
                    look_up(&host, port)
                });
                look_up
                    .await
                    .map_err(|_| FetchFailure::Unreachable)?
                    .map_err(|_| FetchFailure::Unreachable)?
            }
        };
        if addresses.is_empty() {
            return Err(FetchFailure::Unreachable);
        }
        if !addresses
            .iter()
            .all(|address| self.addresses.is_allowed(address.ip()))
        {
            return Err(FetchFailure::AddressRefused);
        }
        Ok(addresses)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a GET brings: 200 and nothing else, up to a limit that holds whatever the host says of the length.
async fn download(
    client: &reqwest::Client,
    url: &str,
    octets_max: usize,
) -> Result<(Vec<u8>, reqwest::header::HeaderMap), FetchFailure> {
    let mut response = client.get(url).send().await.map_err(|error| failure_of(&error))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchFailure::Redirect);
    }
    if status != reqwest::StatusCode::OK {
        return Err(FetchFailure::Status(status.as_u16()));
    }
    let headers = response.headers().clone();
    if response
        .content_length()
        .is_some_and(|length| length > octets_max as u64)
    {
        return Err(FetchFailure::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len() + chunk.len() > octets_max {
            return Err(FetchFailure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, headers))
}

fn failure_of(error: &reqwest::Error) -> FetchFailure {
    if error.is_timeout() {
        FetchFailure::Timeout
    } else if is_tls(error) {
        FetchFailure::Tls
    } else {
        FetchFailure::Unreachable
    }
}

/// Looks for rustls in the chain of causes. An `io::Error` shows what it wraps only when asked for
/// it; its `source` is already one further.
pub(super) fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => is_tls(wrapped),
        None => error.source().is_some_and(is_tls),
    }
}

/// RFC 9111: `no-store` and `no-cache` mean not kept; `max-age` less `Age`; else `Expires` less
/// `Date`; None without any of them.
fn max_age(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let age = text("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    let mut found = None;
    for line in headers.get_all("cache-control") {
        for directive in line.to_str().unwrap_or_default().split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" || directive.starts_with("no-cache=") {
                return Some(Duration::ZERO);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                let seconds = seconds.trim_matches('"').parse::<u64>().unwrap_or(0);
                found = Some(found.map_or(seconds, |known: u64| known.min(seconds)));
            }
        }
    }
    if let Some(seconds) = found {
        return Some(Duration::from_secs(seconds.saturating_sub(age)));
    }
    let expires = text("expires")?;
    let seconds = match (parse_sip_date(expires), text("date").and_then(parse_sip_date)) {
        (Some(expires), Some(date)) => u64::try_from(expires - date).unwrap_or(0),
        // An invalid Expires, and often "0", is in the past (RFC 9111 §5.3).
        _ => 0,
    };
    Some(Duration::from_secs(seconds.saturating_sub(age)))
}

/// The path of a certificate URL may name a customer; its host is enough for a log.
fn host_for_log(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_string))
        .unwrap_or_default()
}

/// Addresses of one host that are looked at and may be tried.
const ADDRESSES_MAX: usize = 16;
/// A body serves those who ask a moment after it came, then it is the shards' own.
const KEEP_FOR_LATECOMERS: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
