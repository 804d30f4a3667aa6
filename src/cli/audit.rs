//! `ringward audit`: whether what was done stands as it was written, and printing it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::store_place::Where;
use crate::store::{self, audit_heads, audit_page, verify_audit};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward audit verify --config ringward.toml\n  ringward audit export --store sqlite:ringward.db > audit.jsonl\n\nEvery entry holds the hash of the one before: one that was changed, taken out or moved is found. Who can write the file can write a whole other chain: keep the printed hash somewhere else. Exit status of verify: 0 = whole, 1 = not."
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Go through the whole chain
    Verify(Where),
    /// Print every entry, one JSON object per line
    Export(Where),
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match args.command {
        Command::Verify(place) => {
            let store = open(&place)?;
            match verify_audit(&*store)? {
                Ok(entries) => {
                    let heads = audit_heads(&*store)?;
                    match &heads[..] {
                        [] => writeln!(out, "whole: {entries} entries, hash of the last: none")?,
                        [(_, _, hash)] => {
                            writeln!(out, "whole: {entries} entries, hash of the last: {hash}")?
                        }
                        several => {
                            writeln!(out, "whole: {entries} entries in {} chains", several.len())?;
                            for (node, number, hash) in several {
                                writeln!(out, "  {node}: {number} entries, hash of the last: {hash}")?;
                            }
                        }
                    }
                    Ok(ExitCode::SUCCESS)
                }
                Err(broken) => {
                    writeln!(out, "BROKEN: {broken}")?;
                    Ok(ExitCode::from(1))
                }
            }
        }
        Command::Export(place) => {
            let store = open(&place)?;
            let mut from = Some(0);
            while let Some(after) = from {
                let (entries, next) = audit_page(&*store, after)?;
                from = next;
                for entry in &entries {
                    writeln!(out, "{}", serde_json::to_string(entry)?)?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The store, which a gateway may have open at the same time.
fn open(place: &Where) -> anyhow::Result<std::sync::Arc<dyn store::Store>> {
    store::open_to_read(&place.store()?).context("the store")
}
