//! `ringward policy`: check policy files, and show how one decides.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::config::{Config, unreadable};
use crate::document::closest;
use crate::given_file::{self, Unreadable};
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
    /// Policy files, checked in this order
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
        Command::Explain(args) => explain(&args),
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let queues = match &args.config {
        None => None,
        Some(path) => Some(queue_names(path)?),
    };
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    let mut out = std::io::stdout().lock();
    let mut is_sound = true;
    for file in &args.files {
        let name = file.display().to_string();
        let loaded = match (read(file), &queues) {
            (Err(problem), _) => Err(vec![unreadable(name.clone(), &problem)]),
            (Ok(text), Some(queues)) => Policy::load(&name, &text, queues),
            (Ok(text), None) => Policy::load_without_queues(&name, &text),
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

/// The queues of a configuration, whose own policy may be the very file with the faults.
fn queue_names(path: &Path) -> anyhow::Result<Vec<String>> {
    let (config, faults) = Config::inspect(path);
    let name = path.display().to_string();
    if let Some(fault) = faults.iter().find(|fault| fault.file == name) {
        bail!("{fault}\nits queues cannot be told; `ringward check --config {name}` lists every fault");
    }
    Ok(config.queue_names())
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let facts = read_facts(&read_named(&args.facts)?)
        .with_context(|| format!("facts in {}", args.facts.display()))?;
    let policy = match &args.policy {
        None => Policy::embedded(),
        Some(path) => match Policy::load_without_queues(&path.display().to_string(), &read_named(path)?) {
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

fn read_named(path: &Path) -> anyhow::Result<String> {
    read(path).with_context(|| path.display().to_string())
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
