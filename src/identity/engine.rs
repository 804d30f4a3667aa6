//! One shard's identity engine: verifications under way, and the certificates they share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stir_shaken_verify::{
    Anchors, FetchFailure, MessageView, NumberRules, Report, Shelf, ShelfConfig, ShelfOutput, Verification,
    Verifier, VerifierConfig,
};

use super::config::Config;
use super::error::Error;
use super::limits::PENDING_MAX;
use super::message::{Shown, view, view_shown};
use super::trust::Trust;
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
    /// What the shelf was asked for; a certificate may refer to more (RFC 8226 §10.1).
    asked: Vec<String>,
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
        settings.freshness_diverted = config.freshness_diverted;
        settings.addresses = config.address_rules()?;
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

    /// Puts new anchors and revocation lists in force, for calls under way as well. What is on the shelf stays: it
    /// is judged again on every use.
    pub fn replace_trust(&mut self, trust: Trust) {
        self.verifier.replace_trust(trust.anchors, trust.crls);
    }

    /// Verifies every Identity header of `invite`. `arrived` is when the INVITE came: freshness is
    /// judged then. Concluded within this call when the certificates are on the shelf, or when the
    /// message alone decides.
    pub fn begin(&mut self, call: CallId, invite: &crate::sip::Message, arrived: Now) {
        self.begin_view(call, &view(invite), arrived);
    }

    /// The same for a message whose trunk writes numbers in its own way.
    pub fn begin_shown(&mut self, call: CallId, invite: &crate::sip::Message, shown: &Shown, arrived: Now) {
        self.begin_view(call, &view_shown(invite, shown), arrived);
    }

    fn begin_view(&mut self, call: CallId, view: &MessageView<'_>, arrived: Now) {
        let verification = self.verifier.begin(view, arrived.utc);
        let urls: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
        // A full engine still serves those whose certificate is at hand: the shelf answers them below.
        let is_full = self.pending.len() >= PENDING_MAX;
        self.pending.insert(
            call,
            Pending {
                verification,
                asked: urls.clone(),
                missing: urls.len(),
            },
        );
        for url in &urls {
            self.shelf.want(url, call, arrived.instant);
        }
        self.carry(arrived.instant);
        if urls.is_empty() || is_full {
            self.conclude(call);
        }
    }

    pub fn fetched(&mut self, fetched: Fetched, now: Now) {
        let result = fetched.result.map(|body| (body.pem, body.max_age));
        self.shelf.fetched(&fetched.url, result, now.instant);
        self.carry(now.instant);
    }

    pub fn tick(&mut self, now: Now) {
        self.shelf.tick(now.instant);
        self.carry(now.instant);
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

    /// Certificates on the shelf, remembered failures included: at most `[identity] shelf_entries`.
    pub fn shelf_entries(&self) -> usize {
        self.shelf.len()
    }

    /// Octets on the shelf by its own count: at most `stir_shaken_verify::limits::SHELF_OCTETS`.
    pub fn shelf_octets(&self) -> usize {
        self.shelf.octets()
    }

    /// What the shelf says becomes outputs and answers.
    fn carry(&mut self, now: Instant) {
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
                    let wanted = pending.verification.wanted();
                    let more: Vec<String> = wanted
                        .into_iter()
                        .filter(|url| pending.asked.iter().all(|asked| asked != url))
                        .map(str::to_string)
                        .collect();
                    for url in more {
                        pending.missing += 1;
                        self.shelf.want(&url, call, now);
                        pending.asked.push(url);
                    }
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::identity::signer::{NOW, Signer, URL, invite};
    use crate::identity::{Attestation, Standing};
    use crate::sip::Message;

    struct Bench {
        engine: Engine,
        signer: Signer,
        now: Now,
    }

    impl Bench {
        fn new() -> Bench {
            Bench::with(Signer::new())
        }

        fn with(signer: Signer) -> Bench {
            let anchors = [("anchors.pem".to_string(), signer.anchor.clone().into_bytes())];
            let engine = Engine::new(&Config::default(), &anchors).unwrap();
            let now = Now {
                instant: Instant::now(),
                utc: UNIX_EPOCH + Duration::from_secs(NOW),
            };
            Bench { engine, signer, now }
        }

        fn begin(&mut self, call: u128, lines: &str) -> Vec<String> {
            let invite = Message::parse(invite(lines).as_bytes()).unwrap();
            self.engine.begin(CallId(call), &invite, self.now);
            self.drain()
        }

        /// A signed call of the ordinary kind.
        fn call(&mut self, call: u128) -> Vec<String> {
            let identity = self.signer.identity(URL, NOW);
            self.begin(call, &format!("Identity: {identity}\r\n"))
        }

        fn brings(&mut self, url: &str) -> Vec<String> {
            let pem = self.signer.certificate.clone();
            self.brings_octets(url, pem.as_bytes())
        }

        fn brings_octets(&mut self, url: &str, octets: &[u8]) -> Vec<String> {
            let pem = octets.into();
            let result = Ok(FetchedBody { pem, max_age: None });
            self.engine.fetched(
                Fetched {
                    url: url.into(),
                    result,
                },
                self.now,
            );
            self.drain()
        }

        fn drain(&mut self) -> Vec<String> {
            let mut lines = Vec::new();
            loop {
                lines.push(match self.engine.poll_output() {
                    Output::Fetch { url } => format!("fetch {url}"),
                    Output::Concluded { call, report } => format!("{} {:?}", call.0, report.standing),
                    Output::Timeout(_) => return lines,
                });
            }
        }
    }

    #[test]
    fn the_first_call_fetches_and_the_next_is_concluded_at_once() {
        let mut bench = Bench::new();
        assert_eq!(bench.call(1), [format!("fetch {URL}")]);
        assert!(bench.call(2).is_empty());
        assert_eq!(bench.brings(URL), ["1 Verified", "2 Verified"]);
        assert_eq!(bench.call(3), ["3 Verified"]);
        assert_eq!(bench.engine.pending(), 0);
    }

    #[test]
    fn an_unsigned_call_and_a_hopeless_one_are_concluded_at_once() {
        let mut bench = Bench::new();
        assert_eq!(bench.begin(1, ""), ["1 None"]);
        let stale = bench.signer.identity(URL, NOW - 3600);
        assert_eq!(bench.begin(2, &format!("Identity: {stale}\r\n")), ["2 Failed"]);
        assert_eq!(bench.begin(3, "Identity: \r\n"), ["3 Failed"]);
    }

    #[test]
    fn folded_compact_named_and_joined_headers_are_read() {
        let mut bench = Bench::new();
        bench.call(1);
        bench.brings(URL);
        let identity = bench.signer.identity(URL, NOW);
        let folded = identity.replace(";info", "\r\n ;info");
        assert_eq!(bench.begin(2, &format!("y: {folded}\r\n")), ["2 Verified"]);
        assert_eq!(
            bench.begin(3, &format!("IDENTITY: ..x;ppt=div,{identity}\r\n")),
            ["3 Verified"]
        );
        let asserted = "P-Asserted-Identity: <sip:+14045550123@a.example>, <tel:+14045550123>\r\n";
        assert_eq!(
            bench.begin(4, &format!("{asserted}Identity: {identity}\r\n")),
            ["4 Verified"]
        );
        let asserted = "P-Asserted-Identity: \"x\" <tel:+14045550124>\r\n";
        assert_eq!(
            bench.begin(5, &format!("{asserted}Identity: {identity}\r\n")),
            ["5 Failed"]
        );
    }

    #[test]
    fn a_certificate_that_never_comes_leaves_the_call_unchecked() {
        let mut bench = Bench::new();
        bench.call(1);
        let Output::Timeout(Some(when)) = bench.engine.poll_output() else {
            panic!("a fetch is under way")
        };
        bench.now = bench.now.after(when - bench.now.instant);
        bench.engine.tick(bench.now);
        assert_eq!(bench.drain(), ["1 Unchecked"]);
    }

    #[test]
    fn freshness_is_judged_at_arrival_however_late_the_certificate_is() {
        let mut bench = Bench::new();
        bench.call(1);
        bench.now = bench.now.after(Duration::from_secs(600));
        assert_eq!(bench.brings(URL), ["1 Verified"]);
    }

    #[test]
    fn a_forgotten_call_is_never_concluded() {
        let mut bench = Bench::new();
        bench.call(1);
        bench.engine.forget(CallId(1));
        assert!(bench.brings(URL).is_empty());
        assert_eq!(bench.engine.pending(), 0);
    }

    #[test]
    fn a_full_engine_still_serves_calls_whose_certificate_is_at_hand() {
        let mut bench = Bench::new();
        bench.call(0);
        bench.brings(URL);
        for call in 1..=PENDING_MAX as u128 {
            let url = format!("https://host{}.example.org/{}", call % 400, call % 400);
            let identity = bench.signer.identity(&url, NOW);
            bench.begin(call, &format!("Identity: {identity}\r\n"));
        }
        assert_eq!(bench.engine.pending(), PENDING_MAX);
        assert_eq!(bench.call(1_000_000), ["1000000 Verified"]);
        let identity = bench.signer.identity("https://new.example.org/", NOW);
        assert_eq!(
            bench.begin(1_000_001, &format!("Identity: {identity}\r\n")),
            ["1000001 Unchecked"]
        );
        assert_eq!(bench.engine.pending(), PENDING_MAX);
    }

    #[test]
    fn c_12_a_list_of_numbers_by_reference_is_fetched_after_the_certificate() {
        let list = "https://cert.example.org/numbers.tnl";
        let mut bench = Bench::with(Signer::with_list_at(list));
        assert_eq!(bench.call(1), [format!("fetch {URL}")]);
        assert_eq!(bench.brings(URL), [format!("fetch {list}")]);
        // SEQUENCE { [2] { IA5String "14045550123" } }
        let numbers = [&[0x30, 15, 0xa2, 13, 0x16, 11], &b"14045550123"[..]].concat();
        assert_eq!(bench.brings_octets(list, &numbers), ["1 Verified"]);
        assert_eq!(bench.call(2), ["2 Verified"]);
        // A list that never comes: the give-up of the shelf ends the wait.
        let mut bench = Bench::with(Signer::with_list_at(list));
        bench.call(1);
        bench.brings(URL);
        bench.now = bench.now.after(Duration::from_secs(10));
        bench.engine.tick(bench.now);
        assert_eq!(bench.drain(), ["1 Unchecked"]);
        assert_eq!(bench.engine.pending(), 0);
    }

    #[test]
    fn new_trust_is_in_force_for_calls_that_wait_already() {
        let mut bench = Bench::new();
        bench.call(1);
        bench.engine.replace_trust(Trust::default());
        assert_eq!(bench.brings(URL), ["1 Unchecked"]);
        let mut trust = Trust::default();
        trust.anchors.add_pem(bench.signer.anchor.as_bytes()).unwrap();
        bench.engine.replace_trust(trust);
        assert_eq!(bench.call(2), ["2 Verified"]);
    }

    #[test]
    fn without_anchors_signed_calls_are_unchecked() {
        let mut bench = Bench::new();
        bench.engine = Engine::new(&Config::default(), &[]).unwrap();
        bench.call(1);
        assert_eq!(bench.brings(URL), ["1 Unchecked"]);
    }

    #[test]
    fn the_report_carries_the_attestation_and_the_signer() {
        let mut bench = Bench::new();
        let identity = bench.signer.identity(URL, NOW);
        let invite = Message::parse(invite(&format!("Identity: {identity}\r\n")).as_bytes()).unwrap();
        bench.engine.begin(CallId(1), &invite, bench.now);
        bench.drain();
        let pem = bench.signer.certificate.clone().into_bytes().into();
        let result = Ok(FetchedBody { pem, max_age: None });
        bench.engine.fetched(
            Fetched {
                url: URL.into(),
                result,
            },
            bench.now,
        );
        let Output::Concluded { report, .. } = bench.engine.poll_output() else {
            panic!("concluded")
        };
        assert_eq!(
            (report.standing, report.attestation),
            (Standing::Verified, Some(Attestation::Full))
        );
        assert_eq!(report.signer.unwrap().spc.as_deref(), Some("1234"));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let broken = [("roots/anchors.pem".to_string(), b"nothing".to_vec())];
        let error = Engine::new(&Config::default(), &broken)
            .err()
            .unwrap()
            .to_string();
        assert_eq!(error, "trust anchors roots/anchors.pem: no PEM certificate in it");
        let config = Config {
            country: "ZZ".into(),
            ..Config::default()
        };
        assert!(
            Engine::new(&config, &[])
                .err()
                .unwrap()
                .to_string()
                .contains("\"ZZ\"")
        );
        let config = Config {
            x5u_allow: vec!["10.0.0.0/99".into()],
            ..Config::default()
        };
        assert!(
            Engine::new(&config, &[])
                .err()
                .unwrap()
                .to_string()
                .contains("10.0.0.0/99")
        );
    }
}
