//! `ringward backup` and `ringward restore`: the store to a file while calls run, and back while none do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::Sessions;
use crate::store::{self, verify_audit};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward backup /var/backups/ringward-2026-11-29.db --config ringward.toml\n  nice ringward backup monday.db\n\nThe gateway goes on meanwhile. The copy is the store at one moment: calls, lists, policies, accounts and the audit, whose chain is verified in the copy. It holds what the store holds, secrets of second factors included: only its owner can read it, and it belongs where nobody else can. Nothing is overwritten. The configuration and files it names are not in it."
)]
pub struct BackupArgs {
    /// Where the copy goes
    file: PathBuf,
    #[command(flatten)]
    place: Where,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward restore /var/backups/ringward-2026-11-29.db --config ringward.toml\n\nRefused while a gateway has the store open, and when the copy is damaged or the chain of its audit is broken. The store that was there stays beside the new one as FILE.before-restore, also when it is damaged. Nobody is signed in afterwards. The audit notes the restore."
)]
pub struct RestoreArgs {
    /// What `ringward backup` wrote
    file: PathBuf,
    #[command(flatten)]
    place: Where,
}

pub fn backup(args: BackupArgs) -> anyhow::Result<ExitCode> {
    store::backup(&args.place.store()?, &args.file)?;
    let copy = store::Config {
        url: format!("sqlite:{}", args.file.display()),
    };
    let copy = store::open_to_read(&copy).context("the copy")?;
    match verify_audit(&*copy)? {
        Ok(entries) => {
            println!("{}: whole, {entries} entries in the audit", args.file.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            eprintln!(
                "ringward: {} is a true copy, and the audit in it is broken: {broken}",
                args.file.display()
            );
            Ok(ExitCode::from(1))
        }
    }
}

pub fn restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let config = args.place.store()?;
    let copy = store::Config {
        url: format!("sqlite:{}", args.file.display()),
    };
    let entries = {
        let copy = store::open_to_read(&copy).context("the copy")?;
        verify_audit(&*copy)?.context("the audit in the copy is broken; nothing was restored")?
    };
    let kept = store::restore(&config, &args.file)?;
    let restored = store::open_beside(&config).context("the store")?;
    // Whoever had signed out since the copy was made stays signed out.
    Sessions::keep(&BTreeMap::new(), &*restored)?;
    let audit = store::Audit::open(restored)?;
    audit.write(
        crate::runtime::clock::now().unix_ms(),
        crate::accounts::BY_COMMAND,
        "store restore",
        &args.file.display().to_string(),
        &format!("{entries} entries of the audit were in it"),
    )?;
    println!("restored: {entries} entries in the audit");
    if let Some(kept) = kept {
        println!("what was there before: {}", kept.display());
    }
    Ok(ExitCode::SUCCESS)
}
