//! `ringward verify`: the Identity headers of SIP messages, judged as the gateway would.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;
use stir_shaken_verify::{
    AddressRules, Anchors, Crls, FetchFailure, NumberRules, Report, Standing, Verification, Verifier,
    VerifierConfig,
};

use super::verify_table::{Fetch, table};
use crate::call::{self, ReasonStyle};
use crate::config::limits::FILE_OCTETS_MAX;
use crate::given_file;
use crate::identity;
use crate::runtime::clock;
use crate::runtime::fetch::Fetcher;
use crate::sip::Message;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Offline with --certificate, else live: certificates are fetched as the gateway would fetch them.\n\n\
    Exit status: 0 all verified, 1 one was not, 2 a file or an argument is wrong.\n\n\
    Examples:\n  \
    ringward verify --invite call.sip --roots anchors.pem\n  \
    ringward verify --invite call.sip --roots anchors.pem --crl list.crl --at 1795329000 \\\n    \
    --certificate https://cert.example.org/sp.pem=sp.pem --json\n  \
    cat call.sip | ringward verify --invite - --roots anchors.pem"
)]
pub struct Args {
    /// SIP requests, one per file, as they were on the wire; - is standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    invite: Vec<PathBuf>,
    /// Trust anchors for signers, PEM (the STI-PA list)
    #[arg(long, value_name = "FILE", required = true)]
    roots: Vec<PathBuf>,
    /// Revocation list, PEM or DER; its signer's certificate may stand beside it
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// Use this file for that URL; with one given, nothing is fetched
    #[arg(long, value_name = "URL=FILE", value_parser = url_and_file)]
    certificate: Vec<(String, PathBuf)>,
    /// When the requests arrived, in seconds since 1970 UTC [default: now]
    #[arg(long, value_name = "UNIX_SECONDS")]
    at: Option<u64>,
    /// Country of numbers written without a country code (ISO 3166)
    #[arg(long, value_name = "CODE", default_value = "US")]
    country: String,
    /// Largest difference between signing and arrival, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    freshness: u64,
    /// In a diverted call: largest age of all tokens but the last diversion's, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    freshness_diverted: u64,
    /// Address range that certificate hosts may have in spite of the guard
    #[arg(long, value_name = "RANGE")]
    x5u_allow: Vec<String>,
    /// Extra web anchors for the fetch itself, PEM
    #[arg(long, value_name = "FILE")]
    x5u_tls_anchors: Vec<PathBuf>,
    /// Print one JSON object per request
    #[arg(long)]
    json: bool,
}

/// Runs the command and prints a report per request on standard output; a request that cannot be read is told and the
/// rest go on.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut desk = match Desk::new(&args) {
        Ok(desk) => desk,
        Err(error) => return Ok(refused(&error)),
    };
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    let mut out = std::io::stdout().lock();
    let mut worst = 0;
    for (place, file) in args.invite.iter().enumerate() {
        let name = (args.invite.len() > 1).then(|| file.display().to_string());
        match desk.judge(file) {
            Ok(judged) => {
                if args.json {
                    writeln!(out, "{}", serde_json::to_string(&judged.line(name))?)?;
                } else {
                    if let Some(name) = name {
                        let gap = if place == 0 { "" } else { "\n" };
                        writeln!(out, "{gap}{name}")?;
                    }
                    write!(out, "{}", table(&judged.report, &judged.fetches, &judged.reasons))?;
                }
                let is_verified = judged.report.standing == Standing::Verified;
                worst = worst.max(u8::from(!is_verified));
            }
            Err(error) => {
                if args.json && args.invite.len() > 1 {
                    let line = serde_json::json!({"file": file.display().to_string(), "error": format!("{error:#}")});
                    writeln!(out, "{line}")?;
                }
                refused(&error);
                worst = 2;
            }
        }
    }
    Ok(ExitCode::from(worst))
}

fn refused(error: &anyhow::Error) -> ExitCode {
    eprintln!("ringward verify: {error:#}");
    ExitCode::from(2)
}

/// What all requests of one run share: settings read once, certificates kept.
struct Desk {
    verifier: Verifier,
    certificates: Source,
    arrived: Option<SystemTime>,
}

/// Where certificates come from.
enum Source {
    /// Only these files by URL; nothing is fetched.
    Files(BTreeMap<String, Arc<[u8]>>),
    /// The network, by the gateway's own dialer, built when something is wanted.
    Live {
        config: Box<identity::Config>,
        dialer: Option<Dialer>,
    },
}

struct Dialer {
    runtime: tokio::runtime::Runtime,
    fetcher: Arc<Fetcher>,
}

struct Judged {
    report: Report,
    fetches: Vec<Fetch>,
    /// Values of the Reason header that the caller's side would get (RFC 9410).
    reasons: Vec<String>,
}

/// One line for machines.
#[derive(Serialize)]
struct Line<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(flatten)]
    report: &'r Report,
    reasons: &'r [String],
}

impl Judged {
    fn line(&self, file: Option<String>) -> Line<'_> {
        Line {
            file,
            report: &self.report,
            reasons: &self.reasons,
        }
    }
}

impl Desk {
    /// Reads everything but the requests.
    fn new(args: &Args) -> anyhow::Result<Desk> {
        let arrived = args.at.map(|seconds| {
            UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds))
                .context("--at is out of range")
        });
        let files = read_certificates(&args.certificate)?;
        let config = identity::Config {
            x5u_allow: args.x5u_allow.clone(),
            x5u_tls_anchors: args.x5u_tls_anchors.clone(),
            ..identity::Config::default()
        };
        let certificates = match files.is_empty() {
            true => Source::Live {
                config: Box::new(config),
                dialer: None,
            },
            false => Source::Files(files),
        };
        Ok(Desk {
            verifier: Verifier::new(settings(args)?),
            certificates,
            arrived: arrived.transpose()?,
        })
    }

    fn judge(&mut self, file: &Path) -> anyhow::Result<Judged> {
        let name = || file.display().to_string();
        let octets = if file == Path::new("-") {
            given_file::read_from(std::io::stdin().lock(), FILE_OCTETS_MAX).context("standard input")?
        } else {
            read(file)?
        };
        let octets = with_crlf(octets);
        let invite = Message::parse(&octets).with_context(name)?;
        anyhow::ensure!(
            invite.is_request(),
            "{}: a response, not a request",
            file.display()
        );
        let arrived = self.arrived.unwrap_or_else(|| clock::now().utc);
        let mut verification = self.verifier.begin(&identity::view(&invite), arrived);
        let fetches = self.certificates.supply(&mut verification)?;
        let report = self.verifier.conclude(verification);
        let is_private = call::asks_privacy(&invite);
        Ok(Judged {
            reasons: call::identity_reasons(&report, ReasonStyle::Stir, is_private),
            report,
            fetches,
        })
    }
}

impl Source {
    /// Gives the verification what it names; tells what was fetched for it.
    fn supply(&mut self, verification: &mut Verification) -> anyhow::Result<Vec<Fetch>> {
        let (config, dialer) = match self {
            Source::Files(files) => {
                supply(files, verification);
                return Ok(Vec::new());
            }
            Source::Live { config, dialer } => (config, dialer),
        };
        if verification.wanted().is_empty() {
            return Ok(Vec::new());
        }
        let dialer = match dialer {
            Some(dialer) => dialer,
            None => dialer.insert(Dialer {
                runtime: tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .context("cannot fetch")?,
                fetcher: Fetcher::new(config)?,
            }),
        };
        Ok(dialer.runtime.block_on(fetch(&dialer.fetcher, verification)))
    }
}

/// Every URL that keeps the rules, also where the header has failed already: whoever has the
/// certificate at hand wants to see every check made.
fn supply(certificates: &BTreeMap<String, Arc<[u8]>>, verification: &mut Verification) {
    let mut asked: Vec<String> = Vec::new();
    // What was supplied may name more (a list of numbers by reference).
    loop {
        let named = verification.named().into_iter().map(str::to_string);
        let news: Vec<String> = named.filter(|url| !asked.contains(url)).collect();
        if news.is_empty() {
            return;
        }
        for url in news {
            if let Some(body) = certificates.get(&url) {
                verification.supply(&url, Ok(body.clone()));
            }
            asked.push(url);
        }
    }
}

fn settings(args: &Args) -> anyhow::Result<VerifierConfig> {
    let mut anchors = Anchors::new();
    for file in &args.roots {
        anchors
            .add_pem(&read(file)?)
            .with_context(|| format!("trust anchors {}", file.display()))?;
    }
    let mut settings = VerifierConfig::new(anchors, NumberRules::new(&args.country)?);
    let mut crls = Crls::new();
    for file in &args.crl {
        crls.add(&read(file)?)
            .with_context(|| format!("revocation list {}", file.display()))?;
    }
    settings.crls = crls;
    settings.freshness = Duration::from_secs(args.freshness);
    settings.freshness_diverted = Duration::from_secs(args.freshness_diverted);
    settings.addresses = AddressRules::new(&args.x5u_allow)?;
    Ok(settings)
}

/// Fetches what is wanted, all at once, and then what that made wanted.
async fn fetch(fetcher: &Arc<Fetcher>, verification: &mut Verification) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    loop {
        let wanted = verification.wanted().into_iter().map(str::to_string);
        let news: Vec<String> = wanted
            .filter(|url| fetches.iter().all(|made| made.url != *url))
            .collect();
        if news.is_empty() {
            return fetches;
        }
        let started = clock::now().instant;
        let under_way: Vec<_> = news
            .into_iter()
            .map(|url| {
                let fetcher = Arc::clone(fetcher);
                tokio::spawn(async move {
                    let fetched = fetcher.fetch(url).await;
                    (fetched, clock::now().instant - started)
                })
            })
            .collect();
        for fetch in under_way {
            let Ok((fetched, took)) = fetch.await else {
                continue;
            };
            let result: Result<Arc<[u8]>, FetchFailure> = fetched.result.map(|body| body.pem);
            fetches.push(Fetch {
                url: fetched.url.clone(),
                result: result.as_ref().map(|body| body.len()).map_err(Clone::clone),
                took,
            });
            verification.supply(&fetched.url, result);
        }
    }
}

pub(super) fn read_certificates(given: &[(String, PathBuf)]) -> anyhow::Result<BTreeMap<String, Arc<[u8]>>> {
    given
        .iter()
        .map(|(url, file)| Ok((url.clone(), read(file)?.into())))
        .collect()
}

pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    given_file::read(file, FILE_OCTETS_MAX).with_context(|| file.display().to_string())
}

/// A message that an editor has touched has lost its CRs, and with them its meaning.
fn with_crlf(octets: Vec<u8>) -> Vec<u8> {
    if octets.windows(2).any(|pair| pair == b"\r\n") {
        return octets;
    }
    let lines: Vec<&[u8]> = octets.split(|octet| *octet == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

pub(super) fn url_and_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((url, file)) if url.contains("://") && !file.is_empty() => Ok((url.into(), file.into())),
        _ => Err("expected URL=FILE, for example https://cert.example.org/sp.pem=sp.pem".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use stir_shaken_verify::CheckResult;

    use super::*;
    use crate::identity::signer::{NOW, Signer, URL, invite};

    #[derive(clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: Args,
    }

    /// Files of one signed call in a folder of their own; `change` alters the message.
    fn judged(name: &str, change: impl FnOnce(String) -> String, more: &[&str]) -> anyhow::Result<Report> {
        let folder = std::env::temp_dir().join(format!("ringward-verify-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let signer = Signer::new();
        let message = change(invite(&format!("Identity: {}\r\n", signer.identity(URL, NOW))));
        std::fs::write(folder.join("call.sip"), message)?;
        std::fs::write(folder.join("anchors.pem"), &signer.anchor)?;
        std::fs::write(folder.join("sp.pem"), &signer.certificate)?;
        let path = |file: &str| folder.join(file).display().to_string();
        let (call, roots) = (path("call.sip"), path("anchors.pem"));
        let certificate = format!("{URL}={}", path("sp.pem"));
        let at = (NOW + 3).to_string();
        let mut line = vec![
            "verify",
            "--invite",
            &call,
            "--roots",
            &roots,
            "--certificate",
            &certificate,
        ];
        if !more.contains(&"--at") {
            line.extend(["--at", &at]);
        }
        line.extend(more);
        let args = CommandLine::try_parse_from(line)?.args;
        let judged = Desk::new(&args).and_then(|mut desk| desk.judge(&args.invite[0]));
        std::fs::remove_dir_all(&folder)?;
        Ok(judged?.report)
    }

    #[test]
    fn a_good_call_is_verified_offline() {
        let report = judged("good", |message| message, &[]).unwrap();
        assert_eq!(
            (report.standing, report.iat_age_seconds),
            (Standing::Verified, Some(3))
        );
    }

    #[test]
    fn a_message_an_editor_has_touched_is_read_too() {
        let report = judged("editor", |message| message.replace("\r\n", "\n"), &[]).unwrap();
        assert_eq!(report.standing, Standing::Verified);
    }

    #[test]
    fn altered_and_old_calls_fail_and_every_check_is_made() {
        let report = judged(
            "other",
            |message| message.replace("+14045550123", "+14045550124"),
            &[],
        )
        .unwrap();
        assert!(report.is_forged());
        let report = judged("old", |message| message, &["--at", "1795400000"]).unwrap();
        assert!(report.is_stale());
        let signature = report.headers[0]
            .checks
            .iter()
            .find(|check| check.name == "signature")
            .unwrap();
        assert_eq!(signature.result, CheckResult::Passed);
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let error = judged("crl", |message| message, &["--crl", "Cargo.toml"]).unwrap_err();
        assert!(
            format!("{error:#}").contains("revocation list Cargo.toml"),
            "{error:#}"
        );
        let error = judged("nothing", |_| "nothing".into(), &[]).unwrap_err();
        assert!(format!("{error:#}").contains("call.sip"), "{error:#}");
    }

    #[test]
    fn a_certificate_argument_is_a_url_and_a_file() {
        let (url, file) = url_and_file("https://cert.example.org/sp.pem=a/b=c.pem").unwrap();
        assert_eq!(
            (url.as_str(), file.to_str()),
            ("https://cert.example.org/sp.pem", Some("a/b=c.pem"))
        );
        for refused in [
            "sp.pem",
            "https://cert.example.org/sp.pem",
            "https://cert.example.org/sp.pem=",
            "a=b",
        ] {
            assert!(url_and_file(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn several_requests_are_judged_with_one_reading_of_the_rest() {
        let line = [
            "verify",
            "--invite",
            "a.sip",
            "b.sip",
            "-",
            "--roots",
            "anchors.pem",
        ];
        let args = CommandLine::try_parse_from(line).unwrap().args;
        assert_eq!(args.invite, ["a.sip", "b.sip", "-"].map(PathBuf::from));
    }

    #[test]
    fn a_message_without_cr_gets_them_back_and_another_is_left_alone() {
        assert_eq!(with_crlf(b"a\nb\n\nc".to_vec()), b"a\r\nb\r\n\r\nc");
        assert_eq!(with_crlf(b"a\r\nb\n".to_vec()), b"a\r\nb\n");
    }
}
