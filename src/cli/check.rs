//! `ringward check`: everything that can be wrong before a call comes, in one go.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use x509_parser::pem::Pem;

use crate::config::Config;
use crate::config::limits::FILE_OCTETS_MAX;
use crate::document::Fault;
use crate::given_file;
use crate::prompts::Prompts;
use crate::runtime::stream;
use crate::sip::TlsConfig;
use crate::store;
use crate::voice::Model;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  ringward check --config ringward.toml\n\nExit status: 0 = nothing wrong (there may be warnings), 1 = at least one fault.\nStarting out? `[policy] file = \"policies/observe.toml\"` writes everything down for a week and changes no call."
)]
pub struct Args {
    /// Configuration file; without one, what `serve` runs without a file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let findings = check(args.config.as_deref(), crate::runtime::clock::now().utc);
    let faults = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Fault)
        .count();
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(finding)?)?;
        } else {
            writeln!(out, "{finding}")?;
        }
    }
    if !args.json {
        writeln!(out, "{}", summary(faults))?;
    }
    Ok(ExitCode::from(u8::from(faults > 0)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// `serve` would not start.
    Fault,
    /// It starts, and something will not work as people expect.
    Warning,
    /// What was found to be sound.
    Ok,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// The file it is about, or the part of the configuration.
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        file: impl Into<String>,
        line: Option<usize>,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            severity,
            file: file.into(),
            line,
            column: None,
            message: message.into(),
            suggestion: None,
        }
    }
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Finding {
        Finding {
            severity: Severity::Fault,
            file: fault.file,
            line: Some(fault.line),
            column: Some(fault.column),
            message: fault.message,
            suggestion: fault.suggestion,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Fault => "fault  ",
            Severity::Warning => "warning",
            Severity::Ok => "ok     ",
        };
        write!(out, "{severity} {}", self.file)?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(out, ":{column}")?;
        }
        write!(out, ": {}", self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(out, " (did you mean {suggestion}?)")?;
        }
        Ok(())
    }
}

fn summary(faults: usize) -> String {
    match faults {
        0 => "Nothing wrong. For a first week, policies/observe.toml writes everything down and changes no call.".into(),
        1 => "1 fault: serve would not start.".into(),
        count => format!("{count} faults: serve would not start."),
    }
}

/// Everything found, faults of the file first.
fn check(path: Option<&Path>, now: SystemTime) -> Vec<Finding> {
    let (config, faults) = match path {
        Some(path) => Config::inspect(path),
        None => (Config::loopback(), Vec::new()),
    };
    let name = path.map_or("(defaults)".to_string(), |path| path.display().to_string());
    let mut findings: Vec<Finding> = faults.into_iter().map(Finding::from).collect();
    if findings.is_empty() {
        let message = format!(
            "configuration: {} trunk(s), {} queue(s)",
            config.trunks.len(),
            config.queues.len()
        );
        findings.push(Finding::new(Severity::Ok, &name, None, message));
    }
    if let Ok(policy) = config.load_policy() {
        let file = config
            .policy
            .file
            .as_ref()
            .map_or("(embedded policy)".into(), |file| file.display().to_string());
        let message = format!("policy {}, {} rules", policy.revision(), policy.rule_count());
        findings.push(Finding::new(Severity::Ok, &file, None, message));
        for warning in policy.warnings() {
            findings.push(Finding {
                severity: Severity::Warning,
                ..Finding::from(warning.clone())
            });
        }
        for regression in policy.regressions() {
            findings.push(Finding::new(Severity::Warning, &file, None, regression.message));
        }
    }
    check_model(&config, &mut findings);
    let (prompts, problems) = Prompts::load(&config.prompts);
    if config.prompts.directory.is_some() {
        let message = format!("[prompts] {} recordings", prompts.names().count());
        findings.push(Finding::new(Severity::Ok, &name, None, message));
    }
    for problem in problems {
        findings.push(Finding::new(
            Severity::Warning,
            "[prompts]",
            None,
            problem.to_string(),
        ));
    }
    let identity = &config.identity;
    for path in identity.anchors.iter().chain(&identity.private_anchors) {
        check_anchors(path, now, &mut findings);
        check_for_signers(path, &mut findings);
    }
    for path in &identity.trust_list_authority {
        check_anchors(path, now, &mut findings);
    }
    super::check_trust::check(identity, now, &mut findings);
    if let Some(tls) = &config.sip.tls {
        check_tls(tls, "[sip.tls]", &name, now, &mut findings);
    }
    if let Some(tls) = &config.api_tls {
        check_tls(tls, "[api.tls]", &name, now, &mut findings);
    }
    for path in &config.identity.x5u_tls_anchors {
        check_anchors(path, now, &mut findings);
    }
    check_store(&config, &name, &mut findings);
    check_sense(&config, &name, &mut findings);
    findings
}

/// Whether a Redis that is named is there. It may come later: only a gateway that starts needs it.
fn check_store(config: &Config, name: &str, findings: &mut Vec<Finding>) {
    let mut say = |severity, message| findings.push(Finding::new(severity, name, None, message));
    match store::look_at(&config.store) {
        None => {}
        Some(Ok((version, worries))) => {
            say(Severity::Ok, format!("[store] Redis {version} answers"));
            for worry in worries {
                say(Severity::Warning, format!("[store] {worry}"));
            }
        }
        Some(Err(problem)) => {
            let message = format!("[store] Redis cannot be used now, and serve would not start: {problem}");
            say(Severity::Warning, message);
        }
    }
}

/// The files of such a section, read as the gateway reads them.
fn check_tls(tls: &TlsConfig, section: &str, name: &str, now: SystemTime, findings: &mut Vec<Finding>) {
    match stream::tls::check(tls, now) {
        Ok(()) => {
            let message = format!("{section} certificate, key and anchors can be used");
            findings.push(Finding::new(Severity::Ok, name, None, message));
        }
        Err(problem) => {
            findings.push(Finding::new(
                Severity::Fault,
                name,
                None,
                format!("{section}: {problem}"),
            ));
        }
    }
}

fn check_model(config: &Config, findings: &mut Vec<Finding>) {
    let name = config.voice.model.as_str();
    let (file, model) = match name {
        "off" => {
            let message = "[voice] model is off: every banner says \"voice: not checked\"";
            findings.push(Finding::new(Severity::Warning, "(voice)", None, message));
            return;
        }
        "default" => ("(embedded model)".to_string(), Model::embedded()),
        _ => {
            let folder = if name.contains('/') {
                PathBuf::from(name)
            } else {
                Path::new("models").join(name)
            };
            if !folder.join("manifest.json").is_file() {
                // Already a fault of the configuration.
                return;
            }
            (
                folder.display().to_string(),
                Model::load(&folder, &config.voice.signers),
            )
        }
    };
    findings.push(match model {
        Ok(model) => Finding::new(Severity::Ok, file, None, format!("model {}", model.revision())),
        Err(error) => Finding::new(Severity::Fault, file, None, error.to_string()),
    });
}

/// How long before its end a certificate is worth a warning.
const EXPIRY_NOTICE_DAYS: i64 = 30;

fn check_anchors(path: &Path, now: SystemTime, findings: &mut Vec<Finding>) {
    let file = path.display().to_string();
    let octets = match given_file::read(path, FILE_OCTETS_MAX) {
        Ok(octets) => octets,
        Err(error) => {
            findings.push(Finding::new(
                Severity::Fault,
                file,
                None,
                format!("cannot be read: {error}"),
            ));
            return;
        }
    };
    let before = findings.len();
    let lines = block_lines(&octets);
    let mut sound = 0;
    for (index, block) in Pem::iter_from_buffer(&octets).enumerate() {
        let line = lines.get(index).copied();
        let found = match block {
            Err(_) => Some((Severity::Fault, "not PEM: a block does not decode".to_string())),
            Ok(block) if block.label.ends_with("PRIVATE KEY") => Some((
                Severity::Fault,
                "a private key among trust anchors: remove it, and replace that key".into(),
            )),
            Ok(block) if block.label != "CERTIFICATE" => Some((
                Severity::Warning,
                format!(
                    "a {:?} block is not a certificate",
                    crate::document::shown(&block.label)
                ),
            )),
            Ok(block) => match block.parse_x509() {
                Err(_) => Some((Severity::Fault, "a certificate that does not parse".into())),
                Ok(certificate) => {
                    sound += 1;
                    certificate_problem(&certificate, now)
                }
            },
        };
        if let Some((severity, message)) = found {
            findings.push(Finding::new(severity, &file, line, message));
            // Behind a block that does not decode nothing can be told apart.
            if message_ends_reading(findings) {
                break;
            }
        }
    }
    if sound > 0 {
        let count = if sound == 1 {
            "1 trust anchor".to_string()
        } else {
            format!("{sound} trust anchors")
        };
        findings.push(Finding::new(Severity::Ok, file, None, count));
    } else if findings.len() == before {
        findings.push(Finding::new(
            Severity::Fault,
            file,
            None,
            "no certificate in it; expected PEM",
        ));
    }
}

/// Whether the verifier takes the file: it wants authorities with keys on P-256, all of them (ATIS-1000080).
fn check_for_signers(path: &Path, findings: &mut Vec<Finding>) {
    let file = path.display().to_string();
    let is_told = findings
        .iter()
        .any(|finding| finding.file == file && finding.severity == Severity::Fault);
    let Ok(octets) = given_file::read(path, FILE_OCTETS_MAX) else {
        return;
    };
    if let (false, Err(fault)) = (is_told, stir_shaken_verify::Anchors::new().add_pem(&octets)) {
        findings.push(Finding::new(Severity::Fault, file, None, fault.to_string()));
    }
}

fn message_ends_reading(findings: &[Finding]) -> bool {
    findings
        .last()
        .is_some_and(|finding| finding.message.starts_with("not PEM"))
}

fn certificate_problem(
    certificate: &x509_parser::certificate::X509Certificate<'_>,
    now: SystemTime,
) -> Option<(Severity, String)> {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) as i64;
    let subject = crate::document::shown(&certificate.subject().to_string());
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if until < seconds {
        return Some((
            Severity::Warning,
            format!(
                "{subject} expired on {}: nothing it signed is accepted",
                validity.not_after
            ),
        ));
    }
    if from > seconds {
        return Some((
            Severity::Warning,
            format!("{subject} is not valid before {}", validity.not_before),
        ));
    }
    if until - seconds < EXPIRY_NOTICE_DAYS * 24 * 3600 {
        return Some((
            Severity::Warning,
            format!("{subject} expires on {}", validity.not_after),
        ));
    }
    if !certificate.is_ca() {
        return Some((
            Severity::Warning,
            format!("{subject} is not a certificate authority: it can sign no other"),
        ));
    }
    None
}

/// The line of every `-----BEGIN`, from 1.
fn block_lines(octets: &[u8]) -> Vec<usize> {
    let begins = |line: &[u8]| line.starts_with(b"-----BEGIN ");
    octets
        .split(|b| *b == b'\n')
        .enumerate()
        .filter(|(_, line)| begins(line))
        .map(|(index, _)| index + 1)
        .collect()
}

/// Settings that are sound one by one and do not make sense together.
fn check_sense(config: &Config, name: &str, findings: &mut Vec<Finding>) {
    let mut warn = |message: String| findings.push(Finding::new(Severity::Warning, name, None, message));
    if config.identity.has_no_anchors() {
        warn(
            "no trust anchors ([identity] anchors): signed calls cannot be verified and read \"unproven\""
                .into(),
        );
    }
    let is_public = config
        .sip
        .listen
        .iter()
        .any(|(_, address)| !address.ip().is_loopback());
    if is_public && config.media.address.is_loopback() {
        warn(
            "[sip] listens beyond this machine and [media] does not: calls from outside have no audio".into(),
        );
    }
    super::check_keys::warnings(config)
        .into_iter()
        .for_each(&mut warn);
    super::check_risks::warnings(config).into_iter().for_each(warn);
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
