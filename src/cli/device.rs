//! `ringward device`: phones that may register, at the machine itself, beside a gateway that runs or before it ever did.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::{BY_COMMAND, By, Devices};
use crate::config::Config;
use crate::redact::Redacted;
use crate::registrar::REALM;
use crate::runtime::clock;
use crate::store::{self, Audit, Store};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward device add desk-1 --config ringward.toml\n  ringward device list --config ringward.toml\n  ringward device rotate desk-1 --config ringward.toml\n\n`add` and `rotate` print the phone's secret, once: what is kept of it cannot be turned back. The phone registers as the name, with the secret as its password; a queue rings it as \"device:NAME\". A gateway that runs sees what was done within a few seconds. Everything stands in the audit, by \"command-line\"."
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make a device and print its secret
    Add {
        /// What the phone registers as, and what queues ring: begins with a small letter
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Print every device
    List {
        /// One JSON object per line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Where,
    },
    /// Give a device another secret and print it; the old one opens nothing any more
    Rotate {
        name: String,
        #[command(flatten)]
        place: Where,
    },
    /// Take a device away; its phone is not registered any more
    Remove {
        name: String,
        #[command(flatten)]
        place: Where,
    },
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let at_ms = clock::now().unix_ms();
    let by = By {
        who: BY_COMMAND,
        at_ms,
    };
    match args.command {
        Command::Add { name, place } => {
            let (devices, config) = open(&place, store::open_beside)?;
            print(&mut out, &name, &devices.add(&name, has_md5(&config), by)?)?;
        }
        Command::Rotate { name, place } => {
            let (devices, config) = open(&place, store::open_beside)?;
            print(&mut out, &name, &devices.rotate(&name, has_md5(&config), by)?)?;
        }
        Command::Remove { name, place } => open(&place, store::open_beside)?.0.remove(&name, by)?,
        Command::List { json, place } => {
            for device in open(&place, store::open_to_read)?.0.all()? {
                let (name, made_ms, has_md5) = (&device.name, device.made_ms, device.has_md5());
                match json {
                    true => {
                        let line =
                            serde_json::json!({ "name": name, "made_ms": made_ms, "has_md5": has_md5 });
                        writeln!(out, "{line}")?;
                    }
                    false => writeln!(
                        out,
                        "{name}  {}",
                        if has_md5 { "SHA-256, MD5" } else { "SHA-256" }
                    )?,
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn has_md5(config: &Config) -> bool {
    config
        .registrar
        .as_ref()
        .is_some_and(crate::registrar::Config::has_md5)
}

fn open(
    place: &Where,
    open: impl Fn(&store::Config) -> Result<Arc<dyn Store>, store::StoreError>,
) -> anyhow::Result<(Devices, Config)> {
    let config = place.config()?;
    let store = open(&config.store).context("the store")?;
    let audit = Arc::new(Audit::open(store.clone()).context("the audit")?);
    Ok((Devices::new(store, audit), config))
}

fn print(out: &mut impl Write, name: &str, secret: &Redacted<String>) -> anyhow::Result<()> {
    writeln!(out, "{}", secret.reveal())?;
    eprintln!("ringward: this is the password of the phone {name} (realm {REALM}); it is shown this once");
    Ok(())
}
