//! `ringward policy`: check policy files, and show how one decides.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::config::Config;
use crate::document::closest;
use crate::policy::Policy;
use crate::screening::{
    CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, SignallingFacts, Stage, VoiceFacts,
};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward policy check policies/office.toml\n  ringward policy explain --facts call.json --policy policies/office.toml\n\nWhat a policy may say: policies/README.md"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List every fault of policy files; exit 1 when there is one
    Check(CheckArgs),
    /// Show how a policy decides about a call: what was found, what it weighs, every rule
    Explain(ExplainArgs),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  ringward policy check policies/*.toml --config ringward.toml")]
struct CheckArgs {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take the names of queues from this configuration; without it every queue name is taken
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "FILE holds the facts of a call as JSON, or a whole call record (ringward's API: /api/v1/calls/ID). Facts left out are as in\na first, unsigned call that was not heard yet:\n\n  {\"caller\": {\"number\": \"+14045550123\"}, \"voice\": {\"state\": \"spoof\"}}\n\nExample:\n  ringward policy explain --facts call.json --policy policies/office.toml"
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
        Command::Explain(args) => explain(&args),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let queues = args
        .config
        .as_ref()
        .map(|path| Config::inspect(path).0.queue_names());
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    let mut out = std::io::stdout().lock();
    let mut is_sound = true;
    for file in &args.files {
        let name = file.display().to_string();
        let text = read(file)?;
        let loaded = match &queues {
            Some(queues) => Policy::load(&name, &text, queues),
            None => Policy::load_without_queues(&name, &text),
        };
        match loaded {
            Ok(policy) if args.json => {
                writeln!(
                    out,
                    "{}",
                    json!({"file": name, "policy": policy.revision(), "rules": policy.rule_count(), "faults": []})
                )?;
            }
            Ok(policy) => writeln!(
                out,
                "{name}: {}, {} rules, no fault",
                policy.revision(),
                policy.rule_count()
            )?,
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

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let facts =
        read_facts(&read(&args.facts)?).with_context(|| format!("facts in {}", args.facts.display()))?;
    let policy = match &args.policy {
        None => Policy::embedded(),
        Some(path) => match Policy::load_without_queues(&path.display().to_string(), &read(path)?) {
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

fn read(path: &Path) -> anyhow::Result<String> {
    use std::io::Read;

    let mut text = String::new();
    let context = || format!("{}", path.display());
    if path == Path::new("-") {
        std::io::stdin()
            .take(FACTS_OCTETS_MAX)
            .read_to_string(&mut text)
            .with_context(context)?;
    } else {
        let file = std::fs::File::open(path).with_context(context)?;
        let length = file
            .take(FACTS_OCTETS_MAX + 1)
            .read_to_string(&mut text)
            .with_context(context)?;
        if length as u64 > FACTS_OCTETS_MAX {
            bail!("{} is larger than {FACTS_OCTETS_MAX} octets", path.display());
        }
    }
    Ok(text)
}

/// Facts, or a call record around them; what is left out is as in [`plain_facts`].
fn read_facts(text: &str) -> anyhow::Result<Facts> {
    let mut given: Value = serde_json::from_str(text)?;
    if let Some(facts) = given.get_mut("facts") {
        given = facts.take();
    }
    let mut whole = serde_json::to_value(plain_facts())?;
    fill(&mut whole, given, "")?;
    Ok(serde_json::from_value(whole)?)
}

/// A first call that nobody signed and nobody heard yet.
fn plain_facts() -> Facts {
    Facts {
        stage: Stage::Arrive,
        trunk: String::new(),
        arrived_ms: 0,
        caller: CallerFacts::default(),
        called: CalledFacts::default(),
        identity: IdentityFacts::default(),
        voice: VoiceFacts::default(),
        history: HistoryFacts {
            is_available: true,
            ..HistoryFacts::default()
        },
        signalling: SignallingFacts::default(),
    }
}

/// Puts what was given over what is there; a name that is not there is an error.
fn fill(whole: &mut Value, given: Value, path: &str) -> anyhow::Result<()> {
    let Value::Object(known) = whole else {
        *whole = given;
        return Ok(());
    };
    let Value::Object(given) = given else {
        bail!(
            "{} must be an object",
            if path.is_empty() { "the whole" } else { path }
        );
    };
    for (name, value) in given {
        let place = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let names: Vec<String> = known.keys().cloned().collect();
        match known.get_mut(&name) {
            Some(inner) => fill(inner, value, &place)?,
            None => {
                let meant = closest(&name, names.iter().map(String::as_str));
                let meant = meant
                    .map(|meant| format!(" (did you mean {meant}?)"))
                    .unwrap_or_default();
                bail!("no fact is called {:?}{meant}", crate::document::shown(&place));
            }
        }
    }
    Ok(())
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
        let files = vec![folder.join("default.toml"), folder.join("observe.toml")];
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
