//! `ringward verify`: the Identity headers of one SIP message, judged as the gateway would.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use stir_shaken_verify::{
    AddressRules, Anchors, Attestation, CheckResult, Crls, FetchFailure, NumberRules, Report, Standing,
    Verification, Verifier, VerifierConfig,
};

use crate::config::limits::FILE_OCTETS_MAX;
use crate::given_file;
use crate::identity;
use crate::runtime::clock;
use crate::runtime::fetch::Fetcher;
use crate::sip::Message;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 verified, 1 anything else, 2 a file or an argument is wrong.\n\n\
    Examples:\n  \
    ringward verify --invite call.sip --roots anchors.pem\n  \
    ringward verify --invite call.sip --roots anchors.pem --at 1795329000 \\\n    \
    --certificate https://cert.example.org/sp.pem=sp.pem --json"
)]
pub struct Args {
    /// The SIP request, as it was on the wire
    #[arg(long, value_name = "FILE")]
    invite: PathBuf,
    /// Trust anchors for signers, PEM (the STI-PA list)
    #[arg(long, value_name = "FILE", required = true)]
    roots: Vec<PathBuf>,
    /// Revocation list, PEM or DER; its signer's certificate may stand beside it
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// Use this file for that URL; with one given, nothing is fetched
    #[arg(long, value_name = "URL=FILE", value_parser = url_and_file)]
    certificate: Vec<(String, PathBuf)>,
    /// When the request arrived, in seconds since 1970 UTC [default: now]
    #[arg(long, value_name = "UNIX_SECONDS")]
    at: Option<u64>,
    /// Country of numbers written without a country code (ISO 3166)
    #[arg(long, value_name = "CODE", default_value = "US")]
    country: String,
    /// Largest difference between signing and arrival, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    freshness: u64,
    /// Address range that certificate hosts may have in spite of the guard
    #[arg(long, value_name = "RANGE")]
    x5u_allow: Vec<String>,
    /// Extra web anchors for the fetch itself, PEM
    #[arg(long, value_name = "FILE")]
    x5u_tls_anchors: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command and prints the report on standard output.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let report = match verify(&args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("ringward verify: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{}", table(&report))?;
    }
    let is_verified = report.standing == Standing::Verified;
    Ok(if is_verified {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn verify(args: &Args) -> anyhow::Result<Report> {
    let octets = with_crlf(read(&args.invite)?);
    let invite = Message::parse(&octets).with_context(|| args.invite.display().to_string())?;
    anyhow::ensure!(
        invite.is_request(),
        "{}: a response, not a request",
        args.invite.display()
    );
    let arrived = match args.at {
        Some(seconds) => UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .context("--at is out of range")?,
        None => clock::now().utc,
    };
    let certificates = read_certificates(&args.certificate)?;
    let mut verifier = Verifier::new(settings(args)?);
    let mut verification = verifier.begin(&identity::view(&invite), arrived);
    if certificates.is_empty() {
        fetch(args, &mut verification)?;
    } else {
        supply(&certificates, &mut verification);
    }
    Ok(verifier.conclude(verification))
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
    settings.addresses = AddressRules::new(&args.x5u_allow)?;
    Ok(settings)
}

/// Every URL that keeps the rules, also where the header has failed already: whoever has the
/// certificate at hand wants to see every check made.
fn supply(certificates: &BTreeMap<String, Arc<[u8]>>, verification: &mut Verification) {
    let named: Vec<String> = verification.named().into_iter().map(str::to_string).collect();
    for url in named {
        if let Some(body) = certificates.get(&url) {
            verification.supply(&url, Ok(body.clone()));
        }
    }
}

fn fetch(args: &Args, verification: &mut Verification) -> anyhow::Result<()> {
    let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let config = identity::Config {
        x5u_allow: args.x5u_allow.clone(),
        x5u_tls_anchors: args.x5u_tls_anchors.clone(),
        ..identity::Config::default()
    };
    let fetcher = Fetcher::new(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot fetch")?;
    for url in wanted {
        let fetched = runtime.block_on(fetcher.fetch(url));
        let result: Result<Arc<[u8]>, FetchFailure> = fetched.result.map(|body| body.pem);
        verification.supply(&fetched.url, result);
    }
    Ok(())
}

fn read_certificates(given: &[(String, PathBuf)]) -> anyhow::Result<BTreeMap<String, Arc<[u8]>>> {
    given
        .iter()
        .map(|(url, file)| Ok((url.clone(), read(file)?.into())))
        .collect()
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
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

fn url_and_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((url, file)) if url.contains("://") && !file.is_empty() => Ok((url.into(), file.into())),
        _ => Err("expected URL=FILE, for example https://cert.example.org/sp.pem=sp.pem".into()),
    }
}

/// For people: the standing in words, then every check of every header.
fn table(report: &Report) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        // Writing into a String cannot fail.
        let _ok = writeln!(out, "{name:<14}{text}");
    };
    line("standing", standing_in_words(report));
    if let Some(attestation) = report.attestation {
        line("attestation", attestation_in_words(attestation));
    }
    line("verstat", &report.verstat);
    if let Some(signer) = &report.signer {
        let spc = signer
            .spc
            .as_deref()
            .map(|spc| format!(", provider code {spc}"))
            .unwrap_or_default();
        line("signer", &format!("{}{spc}", signer.subject));
    }
    if let Some(age) = report.iat_age_seconds {
        line("age", &format!("{age} s from signing to arrival"));
    }
    for (place, header) in report.headers.iter().enumerate() {
        let code = header.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let ppt = header.ppt.as_deref().unwrap_or("-");
        line(
            &format!("header {}", place + 1),
            &format!("{ppt}{code}: {}", header.reason),
        );
        for check in &header.checks {
            line(
                "",
                &format!("{:<12} {}", result_in_words(check.result), check.name),
            );
        }
    }
    out
}

fn standing_in_words(report: &Report) -> &'static str {
    match report.standing {
        Standing::Verified => "verified",
        Standing::Failed if report.is_forged() => "failed: forged",
        Standing::Failed => "failed: unproven",
        Standing::DivertedUnverified => "diverted, unverified: signed for another called number",
        Standing::Unchecked => "unchecked: could not be judged now",
        Standing::None => "none: no Identity header of a kind that is evaluated",
    }
}

fn attestation_in_words(attestation: Attestation) -> &'static str {
    match attestation {
        Attestation::Full => "A: the signer knows the caller and the caller's right to the number",
        Attestation::Partial => "B: the signer knows the caller, not the right to the number",
        Attestation::Gateway => "C: the signer only passed the call on",
    }
}

fn result_in_words(result: CheckResult) -> &'static str {
    match result {
        CheckResult::Passed => "passed",
        CheckResult::Failed => "FAILED",
        CheckResult::Skipped => "-",
        CheckResult::Unavailable => "unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser as _;

    use crate::identity::signer::{NOW, Signer, URL, invite};

    #[derive(clap::Parser)]
    struct Line {
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
        let report = verify(&Line::try_parse_from(line)?.args);
        std::fs::remove_dir_all(&folder)?;
        report
    }

    #[test]
    fn a_good_call_is_verified_offline() {
        let report = judged("good", |message| message, &[]).unwrap();
        assert_eq!(
            (report.standing, report.iat_age_seconds),
            (Standing::Verified, Some(3))
        );
        let text = table(&report);
        assert!(
            text.contains("A: the signer knows") && text.contains("provider code 1234"),
            "{text}"
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
    fn a_message_without_cr_gets_them_back_and_another_is_left_alone() {
        assert_eq!(with_crlf(b"a\nb\n\nc".to_vec()), b"a\r\nb\r\n\r\nc");
        assert_eq!(with_crlf(b"a\r\nb\n".to_vec()), b"a\r\nb\n");
    }

    #[test]
    fn an_unsigned_call_reads_as_none() {
        let text = table(&Report::none());
        assert!(
            text.contains("none: no Identity header") && text.contains("No-TN-Validation"),
            "{text}"
        );
    }
}
