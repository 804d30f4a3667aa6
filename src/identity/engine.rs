//! One shard's identity engine: verifications under way, and the certificates they share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stir_shaken_verify::{
    AddressRules, Anchors, FetchFailure, NumberRules, Report, Shelf, ShelfConfig, ShelfOutput, Verification,
    Verifier, VerifierConfig,
};

use super::config::Config;
use super::error::Error;
use super::limits::PENDING_MAX;
use super::message::view;
use crate::call_id::CallId;
use crate::time::Now;

/// What a fetch brought: the PEM body and how long it may be kept, or why not.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub url: String,
    pub result: Result<FetchedBody, FetchFailure>,
}

#[derive(Clone, Debug)]
pub struct FetchedBody {
    pub pem: Arc<[u8]>,
    /// From HTTP caching; None = no directive (24 h).
    pub max_age: Option<Duration>,
}

impl AsRef<[u8]> for FetchedBody {
    fn as_ref(&self) -> &[u8] {
        &self.pem
    }
}

#[derive(Debug)]
pub enum Output {
    /// Fetch this URL (already checked against the URL rules; the dialer applies the address rules).
    Fetch {
        url: String,
    },
    Concluded {
        call: CallId,
        report: Box<Report>,
    },
    Timeout(Option<Instant>),
}

/// One shard's identity engine: verifier + certificate shelf.
///
/// ```text
/// begin ──► certificates on the shelf? ──yes──► Concluded
///                 │ no
///                 └► Fetch ──fetched / give-up (tick)──► Concluded        forget: no conclusion
/// ```
///
/// Drain [`Engine::poll_output`] to `Timeout` after every call.
pub struct Engine {
    verifier: Verifier,
    shelf: Shelf<CallId>,
    pending: BTreeMap<CallId, Pending>,
    outputs: VecDeque<Output>,
}

struct Pending {
    verification: Verification,
    /// Answers of the shelf that are still to come.
    missing: usize,
}

impl Engine {
    /// `anchors` are the files of `config.anchors` with their content, read by the caller.
    ///
    /// No anchors at all: every signed call is `unchecked`, because the trust list is what *we* lack.
    ///
    /// # Errors
    ///
    /// Names the file, country or range that is wrong.
    pub fn new(config: &Config, anchors: &[(String, Vec<u8>)]) -> Result<Engine, Error> {
        let mut trusted = Anchors::new();
        for (file, pem) in anchors {
            trusted.add_pem(pem).map_err(|fault| Error::Anchors {
                file: file.clone(),
                fault,
            })?;
        }
        let mut settings = VerifierConfig::new(trusted, NumberRules::new(&config.country)?);
        settings.freshness = config.freshness;
        settings.addresses = AddressRules::new(&config.x5u_allow)?;
        let shelf = ShelfConfig {
            entries_max: config.shelf_entries.max(1),
            // The dialer gives up first; this is for an answer that got lost.
            give_up: config.fetch_timeout + Duration::from_secs(1),
            ..ShelfConfig::default()
        };
        Ok(Engine {
            verifier: Verifier::new(settings),
            shelf: Shelf::new(shelf),
            pending: BTreeMap::new(),
            outputs: VecDeque::new(),
        })
    }

    /// Verifies every Identity header of `invite`. `arrived` is when the INVITE came: freshness is
    /// judged then. Concluded within this call when the certificates are on the shelf, or when the
    /// message alone decides.
    pub fn begin(&mut self, call: CallId, invite: &crate::sip::Message, arrived: Now) {
        let verification = self.verifier.begin(&view(invite), arrived.utc);
        let urls: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
        // A full engine still serves those whose certificate is at hand: the shelf answers them below.
        let is_full = self.pending.len() >= PENDING_MAX;
        self.pending.insert(
            call,
            Pending {
                verification,
                missing: urls.len(),
            },
        );
        for url in &urls {
            self.shelf.want(url, call, arrived.instant);
        }
        self.carry();
        if urls.is_empty() || is_full {
            self.conclude(call);
        }
    }

    pub fn fetched(&mut self, fetched: Fetched, now: Now) {
        let result = fetched.result.map(|body| (body.pem, body.max_age));
        self.shelf.fetched(&fetched.url, result, now.instant);
        self.carry();
    }

    pub fn tick(&mut self, now: Now) {
        self.shelf.tick(now.instant);
        self.carry();
    }

    /// The call ended; a later conclusion is dropped.
    pub fn forget(&mut self, call: CallId) {
        self.pending.remove(&call);
        self.shelf.forget(&call);
        self.outputs
            .retain(|output| !matches!(output, Output::Concluded { call: of, .. } if *of == call));
    }

    pub fn poll_output(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.shelf.next_timeout()))
    }

    /// Verifications waiting for a certificate: for leak tests and metrics.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What the shelf says becomes outputs and answers.
    fn carry(&mut self) {
        while let Some(output) = self.shelf.poll_output() {
            match output {
                ShelfOutput::Fetch { url } => self.outputs.push_back(Output::Fetch { url }),
                ShelfOutput::Ready {
                    ticket: call,
                    url,
                    result,
                } => {
                    let Some(pending) = self.pending.get_mut(&call) else {
                        continue;
                    };
                    pending.verification.supply(&url, result);
                    pending.missing = pending.missing.saturating_sub(1);
                    if pending.missing == 0 {
                        self.conclude(call);
                    }
                }
            }
        }
    }

    fn conclude(&mut self, call: CallId) {
        if let Some(pending) = self.pending.remove(&call) {
            // Nothing more is awaited: a full engine leaves no ticket behind.
            self.shelf.forget(&call);
            let report = Box::new(self.verifier.conclude(pending.verification));
            self.outputs.push_back(Output::Concluded { call, report });
        }
    }
}
