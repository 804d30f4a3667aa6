//! `ringward erase` and `ringward export-person`: what is held about one number, and taking it away for good.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::BY_COMMAND;
use crate::call::CallRecord;
use crate::lists::Plan;
use crate::runtime::clock;
use crate::runtime::erasures::{Eraser, names_number};
use crate::runtime::lists::ListKeeper;
use crate::runtime::reputation::ReputationKeeper;
use crate::store::{self, Audit, Store};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward erase --number +14045550123 --config ringward.toml                          what would be erased\n  ringward erase --number +14045550123 --why \"request 2026-17\" --yes --config ringward.toml\n\nErases what kept calls say of people, and takes the number out of the reports on its reputation. What stays of a call is when it was, its queue, label and ending. Entries of lists stay (they are policy: take them away as such), and so do calls that are not over, and backups. The audit says who erased how much and why, and not which number: the receipt that is printed once shows that. A gateway that runs remembers for a minute how often the number called, and its reputation until the next report or start: ask its API instead (POST /api/v1/erasures)."
)]
pub struct EraseArgs {
    /// The telephone number
    #[arg(long)]
    number: String,
    /// Why, for the audit; neither the number nor a name
    #[arg(long, default_value = "")]
    why: String,
    /// Do it; without this it is only said what would be erased
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  ringward export-person --number +14045550123 --config ringward.toml > person.jsonl\n\nOne JSON object per line: how much there is and which list entries the number meets, then every kept call, newest first, as it is kept. With --everywhere also calls of others in which the number stands (sent on to it, forwarded by it): every kept call is opened for that, which takes minutes for millions. An erasure does not take these away: they go with their own caller's number, or with their term."
)]
pub struct ExportArgs {
    /// The telephone number
    #[arg(long)]
    number: String,
    /// Also calls of others in which the number stands
    #[arg(long)]
    everywhere: bool,
    #[command(flatten)]
    place: Where,
}

pub fn erase(args: EraseArgs) -> anyhow::Result<ExitCode> {
    let (eraser, number) = open(&args.place, &args.number, args.yes)?;
    let at_ms = clock::now().unix_ms();
    let mut out = std::io::stdout().lock();
    let held = eraser.held(&number, at_ms, |_| false)?;
    if !args.yes {
        writeln!(out, "would erase: {} calls, {} reports", held.calls, held.reports)?;
        writeln!(
            out,
            "would stay: {} calls that are not over (those that a gateway has and nobody reported on are not known here), {} entries of lists",
            held.live,
            held.lists.len()
        )?;
        writeln!(out, "nothing was changed: --yes does it")?;
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(
        !args.why.trim().is_empty(),
        "--why is missing: the audit wants a reason"
    );
    anyhow::ensure!(
        !names_number(&args.why, &number),
        "--why must not name the number: it stays in the audit"
    );
    let (erasure, receipt) = eraser.erase(&number, BY_COMMAND, args.why.trim(), at_ms)?;
    writeln!(
        out,
        "erased: {} calls, {} reports; erasure {}",
        erasure.calls, erasure.reports, erasure.number
    )?;
    writeln!(
        out,
        "stayed: {} calls that are not over (those that a gateway has and nobody reported on are not known here), {} entries of lists",
        erasure.live,
        held.lists.len()
    )?;
    if !erasure.is_scrubbed {
        writeln!(
            out,
            "the store's files are not cleared yet: somebody reads or writes them; erase again"
        )?;
    }
    writeln!(out, "receipt (kept nowhere): {receipt}")?;
    Ok(ExitCode::SUCCESS)
}

pub fn export(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let (eraser, number) = open(&args.place, &args.number, false)?;
    let mut out = std::io::stdout().lock();
    let at_ms = clock::now().unix_ms();
    let held = eraser.held(&number, at_ms, |_| false)?;
    let head = serde_json::json!({
        "number": number, "calls": held.calls, "live": held.live, "reports": held.reports, "lists": held.lists,
    });
    writeln!(out, "{head}")?;
    let mut failed = Ok(());
    let mut print = |record: &CallRecord| {
        failed = serde_json::to_string(record)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(out, "{line}"));
        failed.is_ok()
    };
    eraser.held(&number, at_ms, &mut print)?;
    if args.everywhere {
        eraser.mentions(&number, &mut print)?;
    }
    failed?;
    Ok(ExitCode::SUCCESS)
}

/// The store, which a gateway may have open at the same time, and the number as calls show it.
fn open(place: &Where, number: &str, may_write: bool) -> anyhow::Result<(Eraser, String)> {
    let config = place.config()?;
    let store: Arc<dyn Store> = match may_write {
        true => store::open_beside(&place.store()?),
        false => store::open_to_read(&place.store()?),
    }
    .context("the store")?;
    let audit = Arc::new(Audit::open(store.clone())?);
    let plan = Plan::of(&config.identity.country);
    let lists = ListKeeper::open(store.clone(), audit.clone(), plan, Box::new(|_| ()))?;
    let reputation = ReputationKeeper::open(store.clone(), Box::new(|_| ()))?;
    let number = lists
        .canonical(number)
        .context("--number is no telephone number")?;
    let eraser = Eraser {
        store,
        audit,
        reputation: Arc::new(reputation),
        lists: Arc::new(lists),
        live: None,
    };
    Ok((eraser, number))
}
