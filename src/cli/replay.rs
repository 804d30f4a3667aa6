//! `ringward replay`: the calls of a packet capture through the gateway's own engines, with the capture's own clock.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::replay_calls::{Player, Told, gateway};
use super::replay_packets::{self, Carried, Counts, Packet};
use super::replay_streams::Streams;
use super::verify;
use crate::api::{BannerView, Why};
use crate::call::{Config, Engine, Listener, RefusalConfig, TrunkConfig};
use crate::config::unreadable;
use crate::identity;
use crate::policy::Policy;
use crate::queue::{self, Overflow, Strategy};
use crate::runtime::clock;
use crate::sip::Transport;
use crate::store;
use crate::voice::{Model, Signers};

/// Faults of one capture that are told; the rest are only counted.
const FAULTS_TOLD: u64 = 100;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Reads pcap and pcapng: Ethernet with VLAN tags, Linux cooked, raw IP, loopback; SIP over UDP and TCP (not TLS),\n\
    G.711. Each INVITE is verified as of the moment it was captured, the caller's audio is scored, and the policy\n\
    decides as it would have done; the called side says what it said in the capture. Nothing is fetched: give\n\
    certificates with --certificate. History is what the capture itself holds. Encrypted audio (SRTP) is not opened:\n\
    the voice of callers who offer keys is not heard, and a call that offers nothing else is answered 488.\n\n\
    Exit status: 0 all was read, 1 something could not be, 2 a file or an argument is wrong.\n\n\
    Examples:\n  \
    tcpdump -i any -w calls.pcap 'udp or tcp port 5060'\n  \
    ringward replay calls.pcap --roots anchors.pem --certificate https://cert.example.org/sp.pem=sp.pem\n  \
    ringward replay calls.pcap --policy policies/office.toml --json | jq 'select(.call.banner.label == \"forged\")'"
)]
pub struct Args {
    /// Captures, read in this order; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Trust anchors for signers, PEM; without any, signed calls stay unchecked
    #[arg(long, value_name = "FILE")]
    roots: Vec<PathBuf>,
    /// Use this file for that URL; nothing is fetched
    #[arg(long, value_name = "URL=FILE", value_parser = verify::url_and_file)]
    certificate: Vec<(String, PathBuf)>,
    /// Policy file; without one, the embedded default
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A model: `default`, a name in models/, a folder, or `off`
    #[arg(long, value_name = "NAME", default_value = "default")]
    model: String,
    /// Country of numbers written without a country code (ISO 3166)
    #[arg(long, value_name = "CODE", default_value = "US")]
    country: String,
    /// Print one JSON object per call: all that the API's `why` tells
    #[arg(long)]
    json: bool,
}

/// Runs the command and prints a report per call as it ends; what cannot be read is told and the rest goes on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let policy = match read_policy(&args) {
        Ok(policy) => Arc::new(policy),
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            return Ok(ExitCode::from(2));
        }
    };
    let desk = match Desk::new(&args, policy) {
        Ok(desk) => desk,
        Err(error) => {
            eprintln!("ringward replay: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    let mut out = std::io::stdout().lock();
    let mut is_complete = true;
    for file in &args.files {
        is_complete &= replay(&desk, file, args.json, &mut out)?;
    }
    Ok(ExitCode::from(u8::from(!is_complete)))
}

fn read_policy(args: &Args) -> Result<Policy, Vec<crate::document::Fault>> {
    let Some(path) = &args.policy else {
        return Ok(Policy::embedded());
    };
    let name = path.display().to_string();
    let text = crate::given_file::read_text(path, crate::config::limits::FILE_OCTETS_MAX)
        .map_err(|problem| vec![unreadable(name.clone(), &problem)])?;
    Policy::load_without_queues(&name, &text)
}

/// What all captures of one run share.
struct Desk {
    anchors: Vec<(String, Vec<u8>)>,
    certificates: std::collections::BTreeMap<String, Arc<[u8]>>,
    identity: identity::Config,
    policy: Arc<Policy>,
    model: Option<Arc<Model>>,
    country: String,
}

impl Desk {
    fn new(args: &Args, policy: Arc<Policy>) -> anyhow::Result<Desk> {
        let anchors = args
            .roots
            .iter()
            .map(|file| Ok((file.display().to_string(), verify::read(file)?)));
        let model = match args.model.as_str() {
            "off" => None,
            name => Some(Arc::new(Model::find(name, &Signers::default())?)),
        };
        let desk = Desk {
            anchors: anchors.collect::<anyhow::Result<_>>()?,
            certificates: verify::read_certificates(&args.certificate)?,
            identity: identity::Config {
                country: args.country.clone(),
                ..identity::Config::default()
            },
            policy,
            model,
            country: args.country.clone(),
        };
        // Anchors and country are read once here, so that a fault in them is told before any capture is read.
        identity::Engine::new(&desk.identity, &desk.anchors)?;
        Ok(desk)
    }

    /// A gateway without sockets, fresh for each capture.
    fn player(&self) -> anyhow::Result<Player> {
        let config = Config {
            listeners: vec![Listener {
                transport: Transport::Udp,
                bound: gateway(),
                advertised: gateway().to_string(),
            }],
            trunks: vec![TrunkConfig {
                name: "capture".into(),
                from: vec!["0.0.0.0/0".into(), "::/0".into()],
                ..TrunkConfig::default()
            }],
            queues: vec![queue::Config {
                name: "capture".into(),
                numbers: vec!["*".into()],
                strategy: Strategy::RingAll,
                targets: vec![format!("sip:replay@{}", super::replay_calls::PHONE)],
                // As long as they rang in the capture: the call's own bound of three minutes still holds.
                ring: std::time::Duration::from_secs(300),
                overflow: Overflow::Reject,
                reach: queue::Reach::default(),
                service: crate::queue::Service::default(),
            }],
            credentials: Vec::new(),
            digest_hashes: Vec::new(),
            media_address: gateway().ip(),
            budget: std::time::Duration::from_millis(800),
            public_url: None,
            refusal: RefusalConfig::default(),
            marks: crate::banner::Marks::default(),
            queue_marks: std::collections::BTreeMap::new(),
            session_expires: None,
            transfer_rules: std::collections::BTreeMap::new(),
            queue_srtp: std::collections::BTreeMap::new(),
            queue_srtp_keys: std::collections::BTreeMap::new(),
            behind_nat: Vec::new(),
            srtp_suites: crate::call::Suites::default(),
            dtls: None,
            whispers: std::collections::BTreeMap::new(),
            silent_holds: std::collections::BTreeSet::new(),
            outbound: crate::call::OutboundConfig::default(),
            try_for: std::time::Duration::from_secs(32),
            country: self.country.clone(),
            transcodes: true,
            opus: true,
            rtcp_mux: true,
            is_voice_on: self.model.is_some(),
            model: self.model.as_ref().map(|model| model.revision().to_owned()),
            shard: 0,
            shards: 1,
        };
        let identity = identity::Engine::new(&self.identity, &self.anchors)?;
        // The same capture gives the same ids.
        let engine = Engine::new(config, identity, self.policy.clone(), [0x52; 32]);
        let store = store::open(&store::Config {
            url: "sqlite::memory:".into(),
        })?;
        let base = clock::now().instant;
        Ok(Player::new(
            engine,
            store,
            self.certificates.clone(),
            self.model.clone(),
            base,
        ))
    }
}

/// False when something of this capture could not be read.
fn replay(desk: &Desk, path: &PathBuf, is_json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut player = desk.player()?;
    let mut streams = Streams::default();
    let mut counts = Counts::default();
    let mut report = Report {
        policy: desk.policy.clone(),
        file: path.display().to_string(),
        is_json,
        calls: 0,
        faults: 0,
        problem: None,
    };
    let mut each = |packet: Packet<'_>| {
        match packet.carried {
            Carried::Udp(octets) => player.datagram(packet.at, packet.from, packet.to, octets),
            Carried::Tcp(segment) => {
                for message in streams.push(packet.from, packet.to, &segment) {
                    player.message(packet.at, packet.from, &message);
                }
            }
        }
        report.tell_all(&mut player, out);
    };
    let read = if path.as_os_str() == "-" {
        replay_packets::read(std::io::stdin(), &mut counts, &mut each)
    } else {
        let file = File::open(path).with_context(|| report_name(path));
        match file {
            Ok(file) => replay_packets::read(file, &mut counts, &mut each),
            Err(error) => {
                eprintln!("ringward replay: {error:#}");
                return Ok(false);
            }
        }
    };
    player.finish();
    report.tell_all(&mut player, out);
    if let Err(damage) = &read {
        report.faults += 1;
        report.write(
            out,
            json!({"file": report.file, "error": damage.to_string()}),
            || format!("error: {damage}\n"),
        );
    }
    report.sum_up(&counts, player.unreadable, streams.given_up, out);
    match report.problem {
        Some(problem) => Err(problem.into()),
        None => Ok(report.faults == 0),
    }
}

fn report_name(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// A call, for machines: the API's `why`, and where it was found.
#[derive(serde::Serialize)]
struct Line<'r> {
    sip_call_id: &'r str,
    source: std::net::SocketAddr,
    capture_ends_first: bool,
    #[serde(flatten)]
    why: &'r Why,
}

/// What is printed of one capture.
struct Report {
    policy: Arc<Policy>,
    file: String,
    is_json: bool,
    calls: u64,
    faults: u64,
    /// The reader of our output went away.
    problem: Option<std::io::Error>,
}

impl Report {
    fn tell_all(&mut self, player: &mut Player, out: &mut impl Write) {
        while let Some(told) = player.poll() {
            match told {
                Told::Call {
                    sip_call_id,
                    source,
                    record,
                    is_cut_short,
                } => {
                    self.calls += 1;
                    let policy = self.policy.clone();
                    let policy_of = |revision: &str| (policy.revision() == revision).then(|| policy.clone());
                    let why = Why::of(&record, Some(&[]), &policy_of);
                    let text = || text(&why, &sip_call_id, source, is_cut_short);
                    if self.is_json {
                        let line = Line {
                            sip_call_id: &sip_call_id,
                            source,
                            capture_ends_first: is_cut_short,
                            why: &why,
                        };
                        let line = serde_json::to_string(&line).unwrap_or_default();
                        self.put(out, format!("{line}\n"));
                    } else {
                        self.put(out, text());
                    }
                }
                Told::Error {
                    at,
                    sip_call_id,
                    error,
                } => {
                    self.faults += 1;
                    if self.faults > FAULTS_TOLD {
                        continue;
                    }
                    let at_ms = at.as_millis() as u64;
                    let object = json!({"file": self.file, "at_ms": at_ms, "sip_call_id": sip_call_id, "error": error});
                    self.write(out, object, || {
                        format!("{:.3}  {sip_call_id}\n  error: {error}\n", at.as_secs_f64())
                    });
                }
            }
        }
    }

    fn sum_up(&mut self, counts: &Counts, unreadable: u64, given_up: u64, out: &mut impl Write) {
        let object = json!({
            "file": self.file,
            "calls": self.calls,
            "errors": self.faults,
            "packets": counts.packets,
            "fragments": counts.fragments,
            "cut": counts.cut,
            "other": counts.other,
            "unreadable_messages": unreadable,
            "streams_given_up": given_up,
        });
        let (
            calls,
            faults,
            Counts {
                packets,
                fragments,
                cut,
                ..
            },
        ) = (self.calls, self.faults, *counts);
        let file = self.file.clone();
        self.write(out, object, || {
            let mut text = format!("{file}: {calls} calls, {packets} packets, {faults} errors\n");
            if fragments + cut + given_up > 0 {
                text.push_str(&format!(
                    "  not looked at: {fragments} IP fragments, {cut} packets that the capture cut, {given_up} streams with holes\n"
                ));
            }
            text
        });
    }

    fn write(&mut self, out: &mut impl Write, object: serde_json::Value, text: impl FnOnce() -> String) {
        let line = if self.is_json {
            format!("{object}\n")
        } else {
            text()
        };
        self.put(out, line);
    }

    fn put(&mut self, out: &mut impl Write, line: String) {
        if self.problem.is_none()
            && let Err(problem) = out.write_all(line.as_bytes())
        {
            self.problem = Some(problem);
        }
    }
}

/// For people: who called whom, what they would have been told, and why.
fn text(why: &Why, sip_call_id: &str, source: std::net::SocketAddr, is_cut_short: bool) -> String {
    let call = &why.call;
    let started = call.started_ms as f64 / 1000.0;
    let caller = call.caller.as_deref().unwrap_or("hidden");
    let mut text = format!(
        "{started:.3}  {caller} to {}  from {source}  {sip_call_id}\n",
        call.called
    );
    match &call.banner {
        Some(BannerView {
            label,
            number_text,
            voice_text,
            reasons,
            say,
            ..
        }) => {
            text.push_str(&format!("  {label}: {number_text}; {voice_text}\n"));
            for reason in reasons {
                text.push_str(&format!("  - {reason}\n"));
            }
            if !say.is_empty() {
                text.push_str(&format!("  {say}\n"));
            }
        }
        None => text.push_str("  no banner: it ended before anything was known\n"),
    }
    if let Some(decision) = why.decisions.last() {
        let tags: Vec<&str> = decision
            .findings
            .iter()
            .map(|finding| finding.tag.as_str())
            .collect();
        let action = decision.action["do"].as_str().unwrap_or("?");
        text.push_str(&format!("  policy: {action}; found {}\n", tags.join(", ")));
    }
    if let Some(voice) = &call.voice {
        text.push_str(&format!(
            "  voice: llr {:.2} after {:.1} s, {:.1} s of speech\n",
            voice.llr, voice.seconds, voice.speech_seconds
        ));
    }
    if is_cut_short {
        text.push_str("  the capture ends before the call\n");
    } else if let Some(outcome) = &call.outcome {
        let note = outcome
            .note
            .as_deref()
            .map(|note| format!(" ({note})"))
            .unwrap_or_default();
        text.push_str(&format!(
            "  {} with {} by {}{note}\n",
            outcome.ending.replace('_', " "),
            outcome.status,
            outcome.by
        ));
    }
    text
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod replay_tests;
