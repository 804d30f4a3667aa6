//! `ringward policy test`, `fmt`, `diff`, `show`: what one does with policy files between writing and using them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::policy::{load, read_named};
use crate::policy::scenario::Scenario;
use crate::policy::{Policy, SHIPPED, shipped};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward policy test office.toml                 plays office.call\n  ringward policy test office.toml more/*.call     plays these\n\nHow calls are written down: policies/README.md"
)]
pub(super) struct TestArgs {
    /// Policy file, or the name of a shipped policy
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Files of calls; without any, the one beside the policy
    #[arg(value_name = "CALLS")]
    calls: Vec<PathBuf>,
    /// One JSON object per call
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward policy fmt office.toml --write\n  ringward policy fmt --check policies/*.toml"
)]
pub(super) struct FormatArgs {
    /// Policy files; each has to load
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the files instead of printing them
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Only say which files would change; exit 1 when one would
    #[arg(long)]
    check: bool,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  ringward policy diff default office.toml\n\nLines begin with + (added), - (removed), ~ (changed) or > (a rule that moved).\nExit status: 0 = both mean the same, 1 = they differ, 2 = one does not load."
)]
pub(super) struct DiffArgs {
    /// Policy file, or the name of a shipped policy
    before: PathBuf,
    after: PathBuf,
    /// One JSON object per difference
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  ringward policy show strict > office.toml")]
pub(super) struct ShowArgs {
    /// default, observe, strict, contact-centre or executive-protection; without one, all of them in a line each
    name: Option<String>,
}

pub(super) fn test(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let Some(policy) = sound(&args.policy)? else {
        return Ok(ExitCode::from(1));
    };
    let beside = [args.policy.with_extension("call")];
    let files: &[PathBuf] = if args.calls.is_empty() {
        &beside
    } else {
        &args.calls
    };
    let mut out = std::io::stdout().lock();
    let (mut played, mut failed, mut skipped) = (0, 0, 0);
    for file in files {
        let text = read_named(file).context("calls to play")?;
        let scenarios = match Scenario::read_all(&file.display().to_string(), &text) {
            Ok(scenarios) => scenarios,
            Err(faults) => bail!("{}", faults.join("\n")),
        };
        for scenario in scenarios {
            let trial = policy.try_out(&scenario);
            played += 1;
            skipped += trial.skipped;
            failed += usize::from(!trial.failures.is_empty());
            if args.json {
                writeln!(out, "{}", serde_json::to_string(&trial)?)?;
                continue;
            }
            let word = if trial.failures.is_empty() {
                "ok    "
            } else {
                "FAILED"
            };
            writeln!(out, "{word}  {}  {}", trial.place, trial.title)?;
            for failure in &trial.failures {
                writeln!(out, "        line {failure}")?;
            }
        }
    }
    if !args.json {
        writeln!(out, "{}: {played} calls, {failed} failed", policy.revision())?;
        if skipped > 0 {
            writeln!(
                out,
                "{skipped} expectations are about whole calls (ringing, answer, shown, ...) and were not looked at"
            )?;
        }
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

pub(super) fn format(args: &FormatArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut is_fine = true;
    for file in &args.files {
        let name = file.display().to_string();
        let text = read_named(file)?;
        let before = match Policy::load_without_queues(&name, &text) {
            Ok(policy) => policy,
            Err(faults) => {
                faults.iter().for_each(|fault| eprintln!("{fault}"));
                is_fine = false;
                continue;
            }
        };
        let laid_out = crate::policy::format(&text);
        // Rather no layout than another policy.
        let means_the_same = Policy::load_without_queues(&name, &laid_out)
            .is_ok_and(|after| before.differences(&after).is_empty());
        if !means_the_same {
            bail!("{name}: this file cannot be laid out without changing what it means; please report it");
        }
        if args.check {
            if laid_out != text {
                writeln!(out, "{name}")?;
                is_fine = false;
            }
        } else if !args.write {
            write!(out, "{laid_out}")?;
        } else if laid_out != text {
            std::fs::write(file, laid_out).with_context(|| format!("writing {name}"))?;
        }
    }
    Ok(ExitCode::from(u8::from(!is_fine)))
}

pub(super) fn diff(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let (Some(before), Some(after)) = (sound(&args.before)?, sound(&args.after)?) else {
        return Ok(ExitCode::from(2));
    };
    let differences = before.differences(&after);
    let mut out = std::io::stdout().lock();
    for difference in &differences {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(difference)?)?;
        } else {
            writeln!(out, "{difference}")?;
        }
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

pub(super) fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match &args.name {
        None => {
            for shipped in SHIPPED {
                writeln!(out, "{:<22}{}", shipped.name, shipped.policy().description())?;
            }
        }
        Some(name) => match shipped(name) {
            Some(shipped) => write!(out, "{}", shipped.text)?,
            None => bail!("no shipped policy is called {name:?}; `ringward policy show` lists them"),
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// The policy, or None after its faults were printed.
fn sound(path: &Path) -> anyhow::Result<Option<Policy>> {
    match load(path)? {
        Ok(policy) => Ok(Some(policy)),
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            Ok(None)
        }
    }
}
