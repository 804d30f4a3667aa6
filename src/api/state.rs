//! What the handlers share.

use std::sync::{Arc, Mutex};

use axum::http::uri::Authority;
use tokio::sync::{Semaphore, watch};

use super::Gateway;
use super::access::Access;
use super::erasing::Erasures;
use super::error::Problem;
use super::limits::{EXPORTS_MAX, QUESTIONS_MAX, STREAMS_MAX};
use super::pace::Pace;
use super::passwords::Desk;
use super::repeats::Repeats;
use super::replays::Replays;
use crate::accounts::Wishes;
use crate::accounts::oidc::Attempts;
use crate::accounts::passkeys::Challenges;
use crate::store::{Store, StoreError};
use crate::time::Now;

#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

pub(crate) struct Inner {
    pub gateway: Arc<Gateway>,
    pub access: Access,
    pub hosts: Hosts,
    pub streams: Arc<Semaphore>,
    pub exports: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    /// True once the service is to stop: streams end.
    pub stopping: watch::Receiver<bool>,
    pub openapi: String,
    pub replays: Replays,
    pub passwords: Desk,
    pub pace: Pace,
    pub repeats: Repeats,
    pub erasures: Arc<Erasures>,
    /// What waits for a second person.
    pub wishes: Arc<Wishes>,
    /// What passkeys are to sign.
    pub challenges: Mutex<Option<Challenges>>,
    /// Sign-ins that are under way elsewhere.
    pub attempts: Mutex<Option<Attempts>>,
}

impl Shared {
    pub fn new(
        gateway: Arc<Gateway>,
        access: Access,
        hosts: Hosts,
        stopping: watch::Receiver<bool>,
    ) -> Shared {
        let wishes = Arc::new(Wishes::new(Arc::clone(&gateway.store)));
        Shared(Arc::new(Inner {
            gateway,
            access,
            hosts,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            stopping,
            openapi: super::openapi(),
            replays: Replays::default(),
            passwords: Desk::default(),
            pace: Pace::default(),
            repeats: Repeats::default(),
            erasures: Arc::default(),
            wishes,
            challenges: Mutex::new(Challenges::new()),
            attempts: Mutex::new(Attempts::new()),
        }))
    }

    pub fn now(&self) -> Now {
        (self.gateway.clock)()
    }

    /// Asks the store on a thread that may wait.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.questions)
            .acquire_owned()
            .await
            .map_err(|_| Problem::Broken)?;
        let gateway = Arc::clone(&self.gateway);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(gateway.store.as_ref());
            drop(turn);
            answer
        });
        answer.await.map_err(|_| Problem::Broken)?.map_err(Problem::from)
    }
}

impl Shared {
    /// Does something on a thread that may wait or think.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.questions)
            .acquire_owned()
            .await
            .map_err(|_| Problem::Broken)?;
        let answer = tokio::task::spawn_blocking(move || {
            let answer = work();
            drop(turn);
            answer
        });
        answer.await.map_err(|_| Problem::Broken)?
    }
}

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Waits for the order to stop (or for the one who would give it to be gone).
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Under which names we answer.
///
/// Bound to loopback, a page from anywhere could point its own name at 127.0.0.1 and read us from the
/// operator's browser (DNS rebinding). So then only loopback names and the public URL's host are ours.
pub(crate) struct Hosts {
    is_loopback_only: bool,
    public: Option<String>,
}

impl Hosts {
    pub fn new(bound: std::net::SocketAddr, public_url: Option<&str>) -> Hosts {
        let public = public_url
            .and_then(|url| url::Url::parse(url).ok())
            .and_then(|url| url.host_str().map(str::to_ascii_lowercase));
        Hosts {
            is_loopback_only: bound.ip().is_loopback(),
            public,
        }
    }

    pub fn is_ours(&self, host: Option<&str>) -> bool {
        if !self.is_loopback_only {
            return true;
        }
        let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
            return false;
        };
        let name = authority.host().to_ascii_lowercase();
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || literal
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
            || self.public.as_deref() == Some(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bound: &str, public: Option<&str>, host: &str, expected: bool) {
        let hosts = Hosts::new(bound.parse().unwrap(), public);
        assert_eq!(hosts.is_ours(Some(host)), expected, "{host} at {bound}");
    }

    #[test]
    fn on_loopback_only_loopback_names_and_the_public_host_are_ours() {
        let bound = "127.0.0.1:8080";
        for ours in [
            "127.0.0.1:8080",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8080",
            "127.9.9.9",
        ] {
            check(bound, None, ours, true);
        }
        for stranger in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8080",
            "192.0.2.1",
            "",
        ] {
            check(bound, None, stranger, false);
        }
        check(bound, Some("https://Calls.Example/desk"), "calls.example", true);
        check("0.0.0.0:80", None, "anything.example", true);
        assert!(!Hosts::new("[::1]:1".parse().unwrap(), None).is_ours(None));
    }
}
