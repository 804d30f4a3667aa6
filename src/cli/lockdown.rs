//! `ringward lockdown`: the first minutes of an incident, at the machine itself, beside a gateway that runs.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::{BY_COMMAND, By, Devices, Lockdown, Lockdowns};
use crate::policy::book::Hand;
use crate::runtime::clock;
use crate::runtime::erasures::holds_number;
use crate::store::{self, Audit, Store};

#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  ringward lockdown --why \"stolen laptop\" --config ringward.toml\n  ringward lockdown --why \"stolen laptop\" --rotate-devices --config ringward.toml\n  ringward lockdown status --config ringward.toml\n  ringward lockdown undo --config ringward.toml\n\nPhones register only from where they registered last and send no call on, nothing leaves over a trunk but calls for help, every session and every API token ends, the first token too. Calls that come in go on. A gateway that runs does so within a few seconds, and every gateway on the same Redis. `undo` asks for the end; another person confirms it in the console (or `confirm` does, after somebody asked there): the command line is one person. What was ended stays ended. Everything stands in the audit, by \"command-line\"; docs/incidents.md says what to do next."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Why, for the audit, which is for good: no number and no name of a caller
    #[arg(long, required = true)]
    why: Option<String>,
    /// Give every device another secret, and print them: no phone is registered then until it has its new one. Exit 1 when a device has its old
    /// one still
    #[arg(long)]
    rotate_devices: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Say whether there is a lockdown
    Status {
        #[command(flatten)]
        place: Where,
    },
    /// Ask for its end; another person has to confirm that
    Undo {
        #[command(flatten)]
        place: Where,
    },
    /// Confirm the end that another person asked for
    Confirm {
        #[command(flatten)]
        place: Where,
    },
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let at_ms = clock::now().unix_ms();
    let by = Hand::from(BY_COMMAND);
    match args.command {
        None => {
            let why = args.why.unwrap_or_default();
            check_why(&why)?;
            let (store, audit) = open(&args.place, store::open_beside)?;
            let lockdowns = Lockdowns::new(store.clone(), audit.clone());
            let lockdown = lockdowns.order(by, None, &why, at_ms)?;
            writeln!(out, "lockdown {}: {}", lockdown.number, lockdown.why)?;
            if args.rotate_devices && !rotate(&mut out, &Devices::new(store, audit), at_ms)? {
                return Ok(ExitCode::from(1));
            }
        }
        Some(Command::Status { place }) => {
            let (store, _) = open(&place, store::open_to_read)?;
            print(&mut out, Lockdowns::read(&*store)?.1.as_ref(), at_ms)?;
        }
        Some(Command::Undo { place }) => {
            let (store, audit) = open(&place, store::open_beside)?;
            Lockdowns::new(store, audit).ask_to_undo(by, at_ms)?;
            writeln!(
                out,
                "its end is asked for; it lasts until another person confirms that"
            )?;
        }
        Some(Command::Confirm { place }) => {
            let (store, audit) = open(&place, store::open_beside)?;
            Lockdowns::new(store, audit).confirm_undo(by, at_ms)?;
            writeln!(out, "the lockdown has ended")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The audit is for good; how long it may be says whoever keeps it.
fn check_why(why: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        !holds_number(why) && !why.trim().chars().any(char::is_control),
        "--why must hold no telephone number and no control characters: it stays in the audit"
    );
    Ok(())
}

/// One line for each: the device and its secret. One that cannot be given another is said, and the others go on; false = there was one.
fn rotate(out: &mut impl Write, devices: &Devices, at_ms: u64) -> anyhow::Result<bool> {
    let who = BY_COMMAND;
    let mut is_whole = true;
    for (name, secret) in devices.rotate_all(By { who, at_ms })? {
        match secret {
            Ok(secret) => writeln!(out, "{name}  {}", secret.reveal())?,
            Err(error) => {
                is_whole = false;
                eprintln!("ringward: {name} has its old secret still: {error}");
            }
        }
    }
    eprintln!("ringward: these are the phones' new passwords; they are shown this once");
    Ok(is_whole)
}

fn print(out: &mut impl Write, last: Option<&Lockdown>, at_ms: u64) -> anyhow::Result<()> {
    let Some(lockdown) = last.filter(|last| last.lasts()) else {
        writeln!(out, "there is no lockdown")?;
        return Ok(());
    };
    writeln!(
        out,
        "lockdown {} by {}: {}",
        lockdown.number, lockdown.by, lockdown.why
    )?;
    if let Some(undo) = lockdown.asked(at_ms) {
        writeln!(
            out,
            "{} has asked for its end; another person has to confirm that",
            undo.by
        )?;
    }
    Ok(())
}

fn open(
    place: &Where,
    open: impl Fn(&store::Config) -> Result<Arc<dyn Store>, store::StoreError>,
) -> anyhow::Result<(Arc<dyn Store>, Arc<Audit>)> {
    let store = open(&place.store()?).context("the store")?;
    let audit = Arc::new(Audit::open(store.clone()).context("the audit")?);
    Ok((store, audit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_holds_no_number_and_may_hold_days_and_cases() {
        for good in ["stolen laptop", "case 4711 of 2026-11-30", " drill "] {
            assert!(check_why(good).is_ok(), "{good}");
        }
        for bad in ["calls of +1 404 555 0123", "4045550123 again", "two\nlines"] {
            assert!(check_why(bad).unwrap_err().to_string().contains("--why"), "{bad}");
        }
    }
}
