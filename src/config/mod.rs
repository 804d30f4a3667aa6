//! `ringward.toml` into each room's own `Config`. All faults at once, with line and column.
//!
//! Knows the keys and what fits together; what a setting does is known by its room. Files are looked
//! for here, once, so that nothing of that can fail while calls are up.

mod alarms;
mod email;
mod capture;
mod carrier;
mod flood;
mod identity;
pub mod limits;
mod marks;
mod oidc;
mod outbound;
mod prompts;
mod queues;
mod read;
mod refusal;
mod registrar;
mod service;
mod secret;
mod sip;
mod skills;
mod srtp;
mod target;
mod transfer;
mod trunk;
mod report;
mod webhook;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::call::TrunkConfig;
use crate::document::{DOCUMENT_OCTETS_MAX, Document, Section};
use crate::given_file::{self, Unreadable};
use crate::policy::{Beside, Fault, Policy};
use crate::queue::{self, Overflow, Strategy};
use crate::sip::{TlsConfig, Transport};

/// `[scans]`
#[derive(Clone, Debug)]
pub struct ScanConfig {
    /// Addresses are blocked for a while for guessing and scanning.
    pub blocks: bool,
    /// But never these.
    pub never: Vec<crate::cidr::Cidr>,
    /// Whom others have seen scanning; None = nobody is asked.
    pub feed: Option<crate::flood::FeedConfig>,
    /// Where they are written down for a packet filter.
    pub nftables: Option<std::path::PathBuf>,
}

/// Everything the gateway needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub sip: SipConfig,
    pub trunks: Vec<crate::call::TrunkConfig>,
    pub queues: Vec<crate::queue::Config>,
    /// Phones that register here; None = none may.
    pub registrar: Option<crate::registrar::Config>,
    /// What we prove ourselves with where phones, or what stands before them, ask for it.
    pub credentials: Vec<crate::call::HostCredentials>,
    /// How many calls are taken.
    pub limits: crate::flood::CallLimits,
    /// When there are so many that it is an attack.
    pub tdos: crate::flood::SurgeConfig,
    /// Who is not heard for a while.
    pub scans: ScanConfig,
    /// How refused callers are answered.
    pub refusal: crate::call::RefusalConfig,
    /// What phones are told of the verification, and where a queue has marks of its own (by its name).
    pub marks: crate::banner::Marks,
    pub queue_marks: std::collections::BTreeMap<String, crate::banner::Marks>,
    /// Where the people of a queue may send their calls, where a queue says so (by its name).
    pub transfer_rules: std::collections::BTreeMap<String, crate::call::TransferRules>,
    /// Whether the legs to a queue's phones are encrypted, where a queue says so (by its name).
    pub queue_srtp: std::collections::BTreeMap<String, crate::call::Encryption>,
    /// By queue name: which kind of keys its phones are offered (`srtp_keys`).
    pub queue_srtp_keys: std::collections::BTreeMap<String, crate::call::Keying>,
    /// `[media] behind_nat`
    pub behind_nat: Vec<crate::cidr::Cidr>,
    /// With which SRTP suites.
    pub srtp_suites: crate::call::Suites,
    /// `[media] opus`
    pub opus: bool,
    /// What the people of a queue are told before they are connected, where a queue says so (by its name).
    pub whispers: std::collections::BTreeMap<String, crate::call::Whisper>,
    /// Queues whose people put callers on hold without music of ours.
    pub silent_holds: std::collections::BTreeSet<String>,
    /// Which calls may go out.
    pub outbound: crate::call::OutboundConfig,
    pub prompts: crate::prompts::Config,
    pub identity: crate::identity::Config,
    pub media: crate::media::Config,
    pub voice: crate::voice::Config,
    pub policy: crate::policy::Config,
    pub store: crate::store::Config,
    /// How long kept calls say whom they concern; None = for good.
    pub calls_kept: Option<Duration>,
    /// How long the audit says what it says of people; None = for good.
    pub audit_kept: Option<Duration>,
    pub api: crate::api::Config,
    /// `[api.tls]`; `None` = the API speaks plain HTTP.
    pub api_tls: Option<TlsConfig>,
    /// The mirror of signalling; `None` = off.
    pub capture: Option<crate::capture::Config>,
    /// Whom people sign in with; None = with nobody.
    pub oidc: Option<crate::accounts::oidc::Config>,
    /// What is told when something is unusual.
    pub alarms: Alarms,
    /// Who is told what was done.
    pub webhooks: Vec<crate::webhook::Config>,
    /// What of the calls is told each day or week.
    pub reports: Vec<crate::webhook::Report>,
}

/// `[sip]`
#[derive(Clone, Debug)]
pub struct SipConfig {
    pub listen: Vec<(Transport, SocketAddr)>,
    pub advertise: Advertise,
    /// `[sip.tls]`
    pub tls: Option<TlsConfig>,
    /// 0 = one per core.
    pub shards: u16,
    /// Fact-gathering budget, default 800 ms.
    pub budget: std::time::Duration,
    /// What strangers may prove themselves with.
    pub digest: Vec<crate::digest::Hash>,
    /// The session interval we ask for (RFC 4028); None: no session timers.
    pub session_expires: Option<Duration>,
    /// How long one address of a target may say nothing at all before the next is tried, default 4 s.
    pub try_for: std::time::Duration,
    /// Name servers that are asked where targets are; empty = as the system is configured.
    pub resolver: Vec<SocketAddr>,
}

/// `[alarms]`
#[derive(Clone, Debug)]
pub struct Alarms {
    pub rules: crate::alarm::Rules,
    /// Where alarms are sent over UDP; None = nowhere.
    pub syslog: Option<SocketAddr>,
    /// As OCSF, else as CEF.
    pub is_ocsf: bool,
    /// None = no alarm is sent by e-mail.
    pub email: Option<crate::alarm::Email>,
}

impl Default for Alarms {
    fn default() -> Alarms {
        Alarms {
            rules: crate::alarm::Rules::shipped(),
            syslog: None,
            is_ocsf: false,
            email: None,
        }
    }
}

/// `host` or `host:port` to put in Via and Contact when bound to 0.0.0.0 or behind NAT, one for each address family. A
/// host name stands for both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertise {
    pub v4: Option<String>,
    pub v6: Option<String>,
}

impl Advertise {
    /// What a listener on this address is called.
    pub fn of(&self, bound: IpAddr) -> Option<&str> {
        match bound {
            IpAddr::V4(_) => self.v4.as_deref(),
            IpAddr::V6(_) => self.v6.as_deref(),
        }
    }
}

/// How long a queue's phones ring when it does not say.
const RING: Duration = Duration::from_secs(20);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Config {
    /// What `serve` runs without a file: loopback only, embedded store, default policy, no trunk but 127.0.0.0/8.
    ///
    /// A section that a file leaves out is as it is here.
    pub fn loopback() -> Config {
        let sip = SocketAddr::new(LOOPBACK, 5060);
        Config {
            sip: SipConfig {
                listen: vec![(Transport::Udp, sip), (Transport::Tcp, sip)],
                advertise: Advertise::default(),
                tls: None,
                shards: 0,
                budget: Duration::from_millis(800),
                session_expires: Some(Duration::from_secs(1800)),
                try_for: Duration::from_secs(4),
                resolver: Vec::new(),
                digest: crate::digest::Hash::ALL.to_vec(),
            },
            trunks: vec![TrunkConfig {
                name: "loopback".into(),
                from: vec!["127.0.0.0/8".into()],
                ..TrunkConfig::default()
            }],
            queues: vec![queue::Config {
                name: "front-desk".into(),
                numbers: vec!["*".into()],
                strategy: Strategy::RingAll,
                targets: vec!["sip:desk@127.0.0.1:5070".into()],
                ring: RING,
                overflow: Overflow::Reject,
                reach: crate::queue::Reach::default(),
                service: crate::queue::Service::default(),
            }],
            registrar: None,
            credentials: Vec::new(),
            refusal: crate::call::RefusalConfig::default(),
            marks: crate::banner::Marks::default(),
            queue_marks: std::collections::BTreeMap::new(),
            transfer_rules: std::collections::BTreeMap::new(),
            queue_srtp: std::collections::BTreeMap::new(),
            queue_srtp_keys: std::collections::BTreeMap::new(),
            behind_nat: Vec::new(),
            srtp_suites: crate::call::Suites::default(),
            opus: true,
            whispers: std::collections::BTreeMap::new(),
            silent_holds: std::collections::BTreeSet::new(),
            outbound: crate::call::OutboundConfig::default(),
            prompts: crate::prompts::Config::default(),
            identity: crate::identity::Config::default(),
            limits: crate::flood::CallLimits::default(),
            tdos: crate::flood::SurgeConfig::default(),
            scans: ScanConfig {
                blocks: true,
                never: Vec::new(),
                feed: None,
                nftables: None,
            },
            media: crate::media::Config {
                address: LOOPBACK,
                advertise: None,
                ports: 20_000..=29_999,
                silence: Duration::from_secs(60),
                transcodes: true,
                rtcp_mux: true,
            },
            voice: crate::voice::Config {
                model: "default".into(),
                workers: 0,
                second_opinion_percent: 50,
                trial_percent: 10,
                recordings: crate::recordings::limits::RECORDINGS,
                known_recordings: None,
                signers: crate::voice::Signers::default(),
            },
            policy: crate::policy::Config { file: None },
            store: crate::store::Config {
                url: "sqlite:ringward.db".into(),
            },
            calls_kept: None,
            audit_kept: None,
            api: crate::api::Config {
                listen: SocketAddr::new(LOOPBACK, 8080),
                public_url: None,
                second_person: crate::api::SecondPerson::default(),
            },
            api_tls: None,
            capture: None,
            oidc: None,
            alarms: Alarms::default(),
            webhooks: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Reads and checks a file. Files it names are looked for in its own folder, unless their path is absolute; the
    /// store's path is taken as it is.
    pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
        let (config, faults) = Config::inspect(path);
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(faults)
        }
    }

    /// Checks the text of `file`, and the policy it names. Every fault of both, in the order of the files.
    pub fn parse(file: &str, text: &str) -> Result<Config, Vec<Fault>> {
        let (config, faults) = Config::inspect_text(file, text);
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(faults)
        }
    }

    /// Like [`Config::load`], with whatever could be understood beside the faults: for going on to check what it names.
    pub fn inspect(path: &Path) -> (Config, Vec<Fault>) {
        let file = path.display().to_string();
        match given_file::read_text(path, DOCUMENT_OCTETS_MAX as u64) {
            Ok(text) => Config::inspect_text(&file, &text),
            Err(problem) => (Config::loopback(), vec![unreadable(file, &problem)]),
        }
    }

    fn inspect_text(file: &str, text: &str) -> (Config, Vec<Fault>) {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let document = Document::new(file, text);
        let table = document.table();
        let config = read::read(&Section::root(&document, &table), folder);
        drop(table);
        let mut faults = document.into_faults();
        if let Err(more) = config.load_policy() {
            faults.extend(more);
        }
        (config, faults)
    }

    /// The names of the queues, for `divert` in a policy.
    pub fn queue_names(&self) -> Vec<String> {
        self.queues.iter().map(|queue| queue.name.clone()).collect()
    }

    /// Checks a policy against this configuration: its queues and trunks, what refusals need, whether a voice is heard.
    pub fn check_policy(&self, file: &str, text: &str) -> Result<Policy, Vec<Fault>> {
        let trunks: Vec<String> = self.trunks.iter().map(|trunk| trunk.name.clone()).collect();
        let beside = Beside {
            queues: Some(&self.queue_names()),
            trunks: Some(&trunks),
            refusals: Some(&|profile| self.refusal.lacks(profile)),
            is_voice_on: Some(self.voice.model != "off"),
            prompts: Some(&crate::prompts::names(&self.prompts)),
        };
        Policy::load_beside(file, text, &beside)
    }

    /// The text of the policy this configuration names.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn policy_text(&self) -> std::io::Result<String> {
        match &self.policy.file {
            None => Ok(crate::policy::SHIPPED[0].text.to_string()),
            Some(path) => given_file::read_text(path, DOCUMENT_OCTETS_MAX as u64)
                .map_err(|problem| std::io::Error::other(format!("{}: {problem}", path.display()))),
        }
    }

    /// The policy this configuration names, checked against its queues; the embedded one when it names none.
    pub fn load_policy(&self) -> Result<Policy, Vec<Fault>> {
        let Some(path) = &self.policy.file else {
            return Ok(Policy::embedded());
        };
        let file = path.display().to_string();
        match given_file::read_text(path, DOCUMENT_OCTETS_MAX as u64) {
            Ok(text) => self.check_policy(&file, &text),
            Err(problem) => Err(vec![unreadable(file, &problem)]),
        }
    }
}

pub(crate) fn unreadable(file: String, problem: &Unreadable) -> Fault {
    Fault {
        file,
        line: 1,
        column: 1,
        message: format!("cannot be read: {problem}"),
        suggestion: None,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod pages_tests;
