//! `ringward erase` and `ringward export-person`: what is held about one number, and taking it away for good.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::{BY_COMMAND, Tokens, Users, must_be_gone};
use crate::call::CallRecord;
use crate::lists::Plan;
use crate::runtime::clock;
use crate::runtime::erasures::{Eraser, Erasure, Whom, names_number};
use crate::runtime::lists::ListKeeper;
use crate::runtime::reputation::ReputationKeeper;
use crate::store::{self, Audit, Store};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward erase --number +14045550123 --config ringward.toml                          what would be erased\n  ringward erase --number +14045550123 --why \"request 2026-17\" --yes --config ringward.toml\n  ringward erase --account ann --why \"request 2026-18\" --yes --config ringward.toml\n\nErases what kept calls say of people, and takes the number out of the reports on its reputation and its pseudonym out of what is remembered of recordings. What stays of a call is when it was, its queue, label and ending. With --account NAME of an account or token that is gone it erases who did it, about whom and in which words in the entries of this gateway's audit where that name stands; the chain stays whole. Entries of lists stay (they are policy: take them away as such), and so do calls that are not over, and backups. The audit says who erased how much and why, and not which number: the receipt that is printed once shows that. A gateway that runs remembers for a minute how often the number called, its recordings for half a minute, and its reputation until the next report or start: ask its API instead (POST /api/v1/erasures)."
)]
pub struct EraseArgs {
    /// The telephone number
    #[arg(long, required_unless_present = "account", conflicts_with = "account")]
    number: Option<String>,
    /// Or the name of an account or token that is gone: what the audit says of people wherever it stands
    #[arg(long)]
    account: Option<String>,
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
    let eraser = open(&args.place, args.yes)?;
    let at_ms = clock::now().unix_ms();
    let mut out = std::io::stdout().lock();
    let number = match (&args.account, &args.number) {
        (Some(name), _) => return erase_account(&args, &eraser, name, at_ms),
        (None, number) => canonical(&eraser, number.as_deref().unwrap_or_default())?,
    };
    let held = eraser.held(&number, at_ms, |_| false)?;
    if !args.yes {
        writeln!(
            out,
            "would erase: {} calls, {} reports, its pseudonym in {} recordings",
            held.calls, held.reports, held.recordings
        )?;
        writeln!(
            out,
            "would stay: {} calls that are not over (those that a gateway has and nobody reported on are not known here), {} entries of lists",
            held.live,
            held.lists.len()
        )?;
        writeln!(out, "nothing was changed: --yes does it")?;
        return Ok(ExitCode::SUCCESS);
    }
    check_two(&args.place)?;
    check_why(&args.why, names_number(&args.why, &number))?;
    let whom = Whom::Number(number);
    let (erasure, receipt) = eraser.erase(whom, BY_COMMAND, args.why.trim(), at_ms)?;
    writeln!(
        out,
        "erased: {} calls, {} reports, its pseudonym in {} recordings; erasure {}",
        erasure.calls, erasure.reports, erasure.recordings, erasure.number
    )?;
    writeln!(
        out,
        "stayed: {} calls that are not over (those that a gateway has and nobody reported on are not known here), {} entries of lists",
        erasure.live,
        held.lists.len()
    )?;
    tell_unscrubbed(&mut out, &erasure)?;
    writeln!(out, "receipt (kept nowhere): {receipt}")?;
    Ok(ExitCode::SUCCESS)
}

/// One person at a command is no two.
fn check_two(place: &Where) -> anyhow::Result<()> {
    anyhow::ensure!(
        !place.config()?.api.second_person.erasures,
        "[api] second_person has erasures: two people ask for it, by POST /api/v1/erasures"
    );
    Ok(())
}

fn check_why(why: &str, is_named: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        !why.trim().is_empty(),
        "--why is missing: the audit wants a reason"
    );
    anyhow::ensure!(
        !is_named,
        "--why must not name whom it is about: it stays in the audit"
    );
    Ok(())
}

fn erase_account(args: &EraseArgs, eraser: &Eraser, name: &str, at_ms: u64) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let users = Users::open(eraser.store.clone(), eraser.audit.clone())?;
    let is_token = Tokens::load(&*eraser.store)?.has(name);
    must_be_gone(name, &users, is_token)?;
    if !args.yes {
        let entries = eraser.audit.erase_name(name, at_ms, true)?;
        writeln!(
            out,
            "would erase: who did it, about whom and in which words, in {entries} entries of the audit"
        )?;
        writeln!(out, "nothing was changed: --yes does it")?;
        return Ok(ExitCode::SUCCESS);
    }
    check_two(&args.place)?;
    check_why(&args.why, store::has_word(&args.why, name))?;
    let whom = Whom::Account(name.into());
    let (erasure, receipt) = eraser.erase(whom, BY_COMMAND, args.why.trim(), at_ms)?;
    writeln!(
        out,
        "erased: what {} entries of the audit said of people; erasure {}",
        erasure.entries, erasure.number
    )?;
    tell_unscrubbed(&mut out, &erasure)?;
    writeln!(out, "receipt (kept nowhere): {receipt}")?;
    Ok(ExitCode::SUCCESS)
}

fn tell_unscrubbed(out: &mut impl Write, erasure: &Erasure) -> std::io::Result<()> {
    match erasure.is_scrubbed {
        true => Ok(()),
        false => writeln!(
            out,
            "the store's files are not cleared yet: somebody reads or writes them; erase again"
        ),
    }
}

pub fn export(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let eraser = open(&args.place, false)?;
    let number = canonical(&eraser, &args.number)?;
    let mut out = std::io::stdout().lock();
    let at_ms = clock::now().unix_ms();
    let held = eraser.held(&number, at_ms, |_| false)?;
    let head = serde_json::json!({
        "number": number, "calls": held.calls, "live": held.live, "reports": held.reports, "recordings": held.recordings, "lists": held.lists,
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

/// The number as calls show it.
fn canonical(eraser: &Eraser, number: &str) -> anyhow::Result<String> {
    let canonical = eraser.lists.canonical(number);
    canonical.context("--number is no telephone number")
}

/// The store, which a gateway may have open at the same time.
fn open(place: &Where, may_write: bool) -> anyhow::Result<Eraser> {
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
    Ok(Eraser {
        store,
        audit,
        reputation: Arc::new(reputation),
        lists: Arc::new(lists),
        recordings: None,
        live: None,
    })
}
