//! Ringward itself: the parser, the verifier and the HTTPS dialer that `ringward verify` and the gateway use.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use ringward::call_id::CallId;
use ringward::identity::{self, Report, Standing};
use ringward::runtime::fetch::Fetcher;
use ringward::sip::Message;
use ringward::store::{self, Store};
use stir_shaken_verify::{
    AddressRules, Anchors, Attestation, CheckResult, Crls, HeaderReport, NumberRules, Verifier,
    VerifierConfig,
};

use crate::matrix::authority::moment;
use crate::matrix::host::Hosts;
use crate::matrix::{Answer, Must, Repeat, Scene, list_file};

/// The verifier with the files of a run.
pub struct Ringward {
    folder: PathBuf,
    allowed: Vec<String>,
    fetcher: Arc<Fetcher>,
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Runtime,
}

/// What Ringward found.
pub struct Judged {
    pub report: Report,
    /// Another call has used the same token.
    pub is_reused: bool,
}

impl Ringward {
    /// `folder` is where [`crate::matrix::write_files`] has written.
    pub fn new(folder: PathBuf, hosts: &Hosts) -> anyhow::Result<Ringward> {
        let config = identity::Config {
            x5u_allow: hosts.allowed(),
            x5u_tls_anchors: vec![folder.join("web.pem")],
            ..identity::Config::default()
        };
        let store = store::open(&store::Config {
            url: "sqlite::memory:".into(),
        })?;
        Ok(Ringward {
            allowed: hosts.allowed(),
            fetcher: Fetcher::new(&config)?,
            store,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            folder,
        })
    }

    pub fn version() -> String {
        format!("Ringward {}", env!("CARGO_PKG_VERSION"))
    }

    /// Judges the call of `scene`, which arrives at `now` (Unix seconds); of a repeated one, the second.
    pub fn judge(&self, scene: &Scene, now: i64) -> anyhow::Result<Judged> {
        if scene.repeat == Repeat::No {
            return self.judge_call(scene, now);
        }
        let first = self.judge_call(scene, now)?;
        // A person answers: from then on the token is used up.
        if let Some(digest) = &first.report.passport_digest
            && scene.repeat == Repeat::Answered
        {
            self.store
                .token_answered(digest, call(scene), unix_ms(now), TOKEN_WINDOW_MS)?;
        }
        let mut again = Scene::new(scene.invite.clone());
        again.invite.call_id.push_str("-again");
        self.judge_call(&again, now + 10)
    }

    fn judge_call(&self, scene: &Scene, now: i64) -> anyhow::Result<Judged> {
        let text = scene.invite.text("192.0.2.9:5060");
        let invite = Message::parse(text.as_bytes()).context("the INVITE")?;
        let mut verifier = self.verifier(scene)?;
        let mut verification = verifier.begin(&identity::view(&invite), moment(now));
        // A certificate may name a further document; a chain of those is cut off here as everywhere.
        for _ in 0..ROUNDS_MAX {
            if verification.is_complete() {
                break;
            }
            let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
            for url in wanted {
                let fetched = self.runtime.block_on(self.fetcher.fetch(url));
                let result = fetched.result.map(|body| body.pem);
                verification.supply(&fetched.url, result);
            }
        }
        let report = verifier.conclude(verification);
        let is_reused = match &report.passport_digest {
            Some(digest) => self
                .store
                .token_seen(digest, call(scene), unix_ms(now), TOKEN_WINDOW_MS)?,
            None => false,
        };
        Ok(Judged { report, is_reused })
    }

    fn verifier(&self, scene: &Scene) -> anyhow::Result<Verifier> {
        let mut anchors = Anchors::new();
        anchors.add_pem(&std::fs::read(self.folder.join("anchors.pem"))?)?;
        let mut crls = Crls::new();
        crls.add(&std::fs::read(self.folder.join(list_file(scene.lists)))?)?;
        let mut config = VerifierConfig::new(anchors, NumberRules::new("US")?);
        config.crls = crls;
        config.addresses = AddressRules::new(&self.allowed)?;
        Ok(Verifier::new(config))
    }
}

impl Judged {
    /// Does this say what a correct verifier must say?
    pub fn is_as_it_must(&self, must: Must) -> bool {
        let report = &self.report;
        let has = |code: u16| report.headers.iter().any(|header| header.code == Some(code));
        let is_clean = report.headers.iter().all(|header| header.code.is_none());
        let is_verified = report.standing == Standing::Verified && report.attestation.is_some();
        match must {
            Must::Verify => is_verified && is_clean && !self.is_reused && !report.is_diverted,
            Must::VerifyNamed => is_verified && is_clean && report.rcd.is_some(),
            Must::VerifyUnnamed => is_verified && report.rcd.is_none(),
            Must::VerifyNumber => {
                report.standing == Standing::Verified && is_clean && report.attestation.is_none()
            }
            Must::VerifyDiverted => is_verified && is_clean && report.is_diverted,
            Must::VerifyBeside(code) => is_verified && has(code),
            Must::NoticeReuse => is_verified && self.is_reused,
            // An algorithm that nobody here speaks is refused with its code and weighs like no header at all.
            Must::Refuse(code) => matches!(report.standing, Standing::Failed | Standing::None) && has(code),
            Must::Diverted => report.standing == Standing::DivertedUnverified,
            Must::Unchecked => report.standing == Standing::Unchecked,
            Must::Nothing => report.standing == Standing::None,
        }
    }

    /// For the table: one bit as every verifier gives it, and our own words.
    pub fn answer(&self) -> Answer {
        let report = &self.report;
        let failed = report.headers.iter().find(|header| header.code.is_some());
        let mut words = match (report.standing, failed) {
            (Standing::Verified, _) => letter(report.attestation).to_string(),
            (Standing::None, None) => "none".into(),
            (Standing::DivertedUnverified, _) => "diverted, unproven".into(),
            (Standing::Unchecked, Some(header)) => format!("unchecked, {}", check_of(header)),
            (_, Some(header)) => format!("{} {}", header.code.unwrap_or_default(), check_of(header)),
            (_, None) => "failed".into(),
        };
        if report.standing != Standing::Verified {
            return Answer::Refuses(words);
        }
        if let Some(name) = report.rcd.as_ref().and_then(|rcd| rcd.name.as_deref()) {
            words.push_str(&format!(", name \"{name}\""));
        }
        if report.is_diverted {
            words.push_str(", diverted");
        }
        if let Some(header) = failed {
            words.push_str(&format!(
                "; the other {} {}",
                header.code.unwrap_or_default(),
                check_of(header)
            ));
        }
        if self.is_reused {
            words.push_str(", token reused");
        }
        Answer::Accepts(words)
    }
}

/// A name of our own for the call, as the gateway gives one to each.
fn call(scene: &Scene) -> CallId {
    let mix = |name: u128, octet: u8| name.wrapping_mul(257).wrapping_add(u128::from(octet));
    CallId(scene.invite.call_id.bytes().fold(0, mix))
}

fn unix_ms(now: i64) -> u64 {
    u64::try_from(now).unwrap_or_default() * 1000
}

fn letter(attestation: Option<Attestation>) -> &'static str {
    match attestation {
        Some(Attestation::Full) => "A",
        Some(Attestation::Partial) => "B",
        Some(Attestation::Gateway) => "C",
        None => "no letter",
    }
}

/// The first check that did not pass.
fn check_of(header: &HeaderReport) -> &str {
    let failed = header
        .checks
        .iter()
        .find(|check| matches!(check.result, CheckResult::Failed | CheckResult::Unavailable));
    failed.map_or("-", |check| &check.name)
}

/// Documents that a certificate may lead to, one after the other.
const ROUNDS_MAX: usize = 3;
/// Twice the freshness window, as the gateway asks.
const TOKEN_WINDOW_MS: u64 = 120_000;
