//! `ringward policy`: check policy files, and show how one decides.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::policy_work::{self, DiffArgs, FormatArgs, ShowArgs, TestArgs};

use crate::config::{Config, unreadable};
use crate::given_file::{self, Unreadable};
use crate::policy::{Fault, Policy, facts_with, plain_facts, shipped};
use crate::screening::Facts;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward policy show strict > office.toml\n  ringward policy check office.toml --config ringward.toml\n  ringward policy test office.toml\n  ringward policy explain --facts call.json --policy policies/office.toml\n\nWhat a policy may say: policies/README.md"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List every fault of policy files; exit 1 when there is one
    Check(CheckArgs),
    /// Play the calls written down beside a policy (NAME.call for NAME.toml); exit 1 when one comes out otherwise
    Test(TestArgs),
    /// Lay out policy files in the one way; comments stay
    Fmt(FormatArgs),
    /// What differs between two policies in what they mean; exit 1 when something does
    Diff(DiffArgs),
    /// Show how a policy decides about a call: what was found, what it weighs, every rule
    Explain(ExplainArgs),
    /// Print a shipped policy, to begin one's own with
    Show(ShowArgs),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  ringward policy check policies/*.toml --config ringward.toml")]
struct CheckArgs {
    /// Policy files, checked in this order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check against this configuration: its queues, trunks, refusals and model; without it every name is taken
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "FILE holds the facts of a call as JSON, or a whole call record (from the API, /api/v1/calls/ID).\nFacts left out are as in a first, unsigned call that was not heard yet:\n\n  {\"caller\": {\"number\": \"+14045550123\"}, \"voice\": {\"state\": \"spoof\"}}\n\nExample:\n  ringward policy explain --facts call.json --policy policies/office.toml"
)]
struct ExplainArgs {
    /// Facts or a call record, as JSON; "-" reads standard input
    #[arg(long, value_name = "FILE")]
    facts: PathBuf,
    /// Policy file; without one, the embedded default
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The whole explanation as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(args) => check(&args),
        Command::Test(args) => policy_work::test(&args),
        Command::Fmt(args) => policy_work::format(&args),
        Command::Diff(args) => policy_work::diff(&args),
        Command::Explain(args) => explain(&args),
        Command::Show(args) => policy_work::show(&args),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.as_deref().map(configuration).transpose()?;
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    let mut out = std::io::stdout().lock();
    let mut is_sound = true;
    for file in &args.files {
        let name = file.display().to_string();
        let loaded = match (read(file), &config) {
            (Err(problem), _) => Err(vec![unreadable(name.clone(), &problem)]),
            (Ok(text), Some(config)) => config.check_policy(&name, &text),
            (Ok(text), None) => Policy::load_without_queues(&name, &text),
        };
        match loaded {
            Ok(policy) => tell(&mut out, &name, &policy, args.json)?,
            Err(faults) => {
                is_sound = false;
                if args.json {
                    writeln!(out, "{}", json!({"file": name, "policy": null, "faults": faults}))?;
                } else {
                    for fault in &faults {
                        writeln!(out, "{fault}")?;
                    }
                }
            }
        }
    }
    Ok(ExitCode::from(u8::from(!is_sound)))
}

/// A policy without fault, and what is to be said of it all the same.
fn tell(out: &mut impl Write, name: &str, policy: &Policy, is_json: bool) -> anyhow::Result<()> {
    let (warnings, regressions) = (policy.warnings(), policy.regressions());
    if is_json {
        let line = json!({
            "file": name, "policy": policy.revision(), "rules": policy.rule_count(), "faults": [],
            "warnings": warnings, "regressions": regressions,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    for warning in warnings {
        writeln!(out, "{warning}")?;
    }
    for regression in &regressions {
        writeln!(out, "{name}: {}", regression.message)?;
    }
    let noticed = match warnings.len() + regressions.len() {
        0 => String::new(),
        1 => ", 1 warning".into(),
        count => format!(", {count} warnings"),
    };
    let (revision, rules) = (policy.revision(), policy.rule_count());
    writeln!(out, "{name}: {revision}, {rules} rules, no fault{noticed}")?;
    Ok(())
}

/// A configuration, whose own policy may be the very file with the faults.
fn configuration(path: &Path) -> anyhow::Result<Config> {
    let (config, faults) = Config::inspect(path);
    let name = path.display().to_string();
    if let Some(fault) = faults.iter().find(|fault| fault.file == name) {
        bail!("{fault}\nits queues cannot be told; `ringward check --config {name}` lists every fault");
    }
    Ok(config)
}

/// A policy by the name of its file; `default`, `strict` and the like are the shipped ones when there is no such file.
pub(super) fn load(path: &Path) -> anyhow::Result<Result<Policy, Vec<Fault>>> {
    let name = path.display().to_string();
    if let Some(shipped) = shipped(&name).filter(|_| !path.exists()) {
        return Ok(Ok(shipped.policy()));
    }
    Ok(Policy::load_without_queues(&name, &read_named(path)?))
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let facts = read_facts(&read_named(&args.facts)?)
        .with_context(|| format!("facts in {}", args.facts.display()))?;
    let policy = match &args.policy {
        None => Policy::embedded(),
        Some(path) => match load(path)? {
            Ok(policy) => policy,
            Err(faults) => {
                faults.iter().for_each(|fault| eprintln!("{fault}"));
                return Ok(ExitCode::from(1));
            }
        },
    };
    let explanation = policy.explain(&facts);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&explanation)?)?;
    } else {
        writeln!(out, "{explanation}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Octets of a file of facts; a call record with all its windows has about 100 kB.
const FACTS_OCTETS_MAX: u64 = 4 * 1024 * 1024;

fn read(path: &Path) -> Result<String, Unreadable> {
    if path == Path::new("-") {
        given_file::read_text_from(std::io::stdin(), FACTS_OCTETS_MAX)
    } else {
        given_file::read_text(path, FACTS_OCTETS_MAX)
    }
}

pub(super) fn read_named(path: &Path) -> anyhow::Result<String> {
    read(path).with_context(|| path.display().to_string())
}

/// Facts, or a call record around them; what is left out is as in [`plain_facts`].
fn read_facts(text: &str) -> anyhow::Result<Facts> {
    let mut given: Value = serde_json::from_str(text)?;
    if let Some(facts) = given.get_mut("facts") {
        given = facts.take();
    }
    facts_with(&plain_facts(), given).map_err(anyhow::Error::msg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::{VoiceState, sample};

    #[test]
    fn facts_left_out_are_those_of_a_plain_call() {
        let facts =
            read_facts(r#"{"caller": {"number": "+14045550123"}, "voice": {"state": "spoof", "llr": -4}}"#)
                .unwrap();
        assert_eq!(facts.voice.state, VoiceState::Spoof);
        assert_eq!(facts.caller.number.unwrap().reveal(), "+14045550123");
        assert_eq!(read_facts("{}").unwrap(), plain_facts());
    }

    #[test]
    fn facts_inside_a_call_record_are_found() {
        let facts = sample::signed();
        let record = json!({"id": "x", "facts": facts, "state": "ended"}).to_string();
        assert_eq!(read_facts(&record).unwrap(), facts);
    }

    #[test]
    fn a_wrong_fact_says_what_was_meant() {
        let error = |text: &str| format!("{:#}", read_facts(text).unwrap_err());
        assert_eq!(
            error(r#"{"caller": {"numbr": "x"}}"#),
            "no fact is called \"caller.numbr\" (did you mean number?)"
        );
        assert_eq!(error(r#"{"caller": 3}"#), "caller must be an object");
        assert!(error(r#"{"voice": {"state": "lound"}}"#).contains("unknown variant"));
        assert!(error("{").contains("EOF"));
    }

    #[test]
    fn the_shipped_policies_pass_their_own_check() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        let shipped = crate::policy::SHIPPED.iter();
        let files = shipped
            .map(|shipped| folder.join(format!("{}.toml", shipped.name)))
            .collect();
        assert_eq!(
            check(&CheckArgs {
                files,
                config: None,
                json: false
            })
            .unwrap(),
            ExitCode::SUCCESS
        );
    }
}
