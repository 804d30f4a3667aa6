//! `ringward breach-pack`: what there is to look at and to tell a regulator after an incident, in one file for one recipient.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::store_place::Where;
use crate::accounts::BY_COMMAND;
use crate::breach::limits::KEY_OCTETS_MAX;
use crate::breach::{Clock, Gathered, Key, Order, Prover, Recipient, gather, unpack};
use crate::document::DOCUMENT_OCTETS_MAX;
use crate::given_file::read_text;
use crate::runtime::clock;
use crate::store::{self, Audit};

#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out private.pem      at the recipient, who keeps it\n  openssl pkey -in private.pem -pubout -out recipient.pem\n  ringward breach-pack --from 2026-11-01 --to 2026-11-30 --aware 2026-11-29T16:20:00Z --key recipient.pem --out pack.rwp --config ringward.toml\n  ringward breach-pack open pack.rwp --key private.pem --out pack\n\nCalls of the period, the people in them with their times, the whole audit with the proof of its chains, policies, accounts and configuration (no secret of either), the 72-hour clock, and the fields of the regulator's form; sealed for the key, and for nobody else. A gateway that runs is not disturbed. That a pack was made stands in the audit. docs/incidents.md says when it is needed."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Calls that began then or later: a date (its beginning, UTC) or a moment (2026-11-29T16:20:00Z)
    #[arg(long, required = true, value_parser = moment)]
    from: Option<u64>,
    /// And before this
    #[arg(long, required = true, value_parser = moment)]
    to: Option<u64>,
    /// When the business became aware: the 72 hours run from there; without it, now
    #[arg(long, value_parser = moment)]
    aware: Option<u64>,
    /// The recipient's public RSA key in PEM
    #[arg(long, required = true)]
    key: Option<PathBuf>,
    /// The file to write; it must not be there yet
    #[arg(long, required = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Open a pack, check that it is whole, and prove the chains in it; exit 1 when one is broken
    Open {
        pack: PathBuf,
        /// The recipient's private key in PEM (PKCS #8, not encrypted)
        #[arg(long)]
        key: PathBuf,
        /// The folder to write its files to; it must not be there yet
        #[arg(long)]
        out: PathBuf,
    },
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match (args.command, args.from, args.to, args.key, args.out) {
        (Some(Command::Open { pack, key, out }), ..) => open(&pack, &key, &out),
        (None, Some(from_ms), Some(until_ms), Some(key), Some(out)) => {
            let at_ms = clock::now().unix_ms();
            anyhow::ensure!(from_ms < until_ms, "--from is not before --to");
            let aware_ms = args.aware.unwrap_or(at_ms);
            anyhow::ensure!(aware_ms <= at_ms, "--aware is in the future");
            let period = (from_ms, until_ms);
            make(&args.place, period, (aware_ms, at_ms), &key, &out)
        }
        // The parser has said it before.
        _ => anyhow::bail!("--from, --to, --key and --out are needed"),
    }
}

fn make(
    place: &Where,
    (from_ms, until_ms): (u64, u64),
    (aware_ms, at_ms): (u64, u64),
    key: &Path,
    out: &Path,
) -> anyhow::Result<ExitCode> {
    let recipient = Recipient::from_pem(&pem(key)?);
    let recipient = recipient.map_err(|why| anyhow::anyhow!("{}: {why}", key.display()))?;
    let configuration = match place.file() {
        Some(path) => read_text(path, DOCUMENT_OCTETS_MAX as u64)
            .map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?,
        None => String::new(),
    };
    let store = store::open_beside(&place.store()?).context("the store")?;
    let audit = Arc::new(Audit::open(store.clone()).context("the audit")?);
    let order = Order {
        from_ms,
        until_ms,
        aware_ms,
        at_ms,
        configuration: &configuration,
    };
    // Written down before anything leaves the store.
    let note = format!(
        "calls of {from_ms} to {until_ms}, for the key {}",
        recipient.fingerprint()
    );
    audit.write(at_ms, BY_COMMAND, "breach pack", "", &note)?;
    let mut file = made(out)?;
    let gathered = gather(&store, &audit, order, &recipient, BufWriter::new(&mut file))
        .inspect_err(|_| drop(std::fs::remove_file(out)))?;
    file.sync_all().with_context(|| out.display().to_string())?;
    print(&gathered, out, &recipient)?;
    Ok(match gathered.audit_problem {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(1),
    })
}

fn print(gathered: &Gathered, out: &Path, recipient: &Recipient) -> anyhow::Result<()> {
    let mut screen = std::io::stdout().lock();
    writeln!(
        screen,
        "{}, for the key {}",
        out.display(),
        recipient.fingerprint()
    )?;
    writeln!(
        screen,
        "{} records ({} erased before), {} people",
        gathered.records, gathered.erased, gathered.people
    )?;
    if gathered.calls_unlisted > 0 {
        writeln!(
            screen,
            "{} calls of further people, who are not counted nor listed: the records name them",
            gathered.calls_unlisted
        )?;
    }
    match &gathered.audit_problem {
        None => writeln!(screen, "audit: whole, {} entries", gathered.audit_entries)?,
        Some(problem) => writeln!(screen, "audit: BROKEN: {problem}")?,
    }
    writeln!(screen, "{}", left(gathered.clock))?;
    Ok(())
}

fn left(clock: Clock) -> String {
    let minutes = clock.left_ms.abs() / 60_000;
    let span = format!("{} h {:02} min", minutes / 60, minutes % 60);
    match clock.left_ms >= 0 {
        true => format!("72-hour clock: {span} are left"),
        false => format!("72-hour clock: over since {span}; the report says why it took longer"),
    }
}

fn open(pack: &Path, key: &Path, out: &Path) -> anyhow::Result<ExitCode> {
    let key_of = Key::from_pem(&pem(key)?).map_err(|why| anyhow::anyhow!("{}: {why}", key.display()))?;
    let from = File::open(pack).with_context(|| pack.display().to_string())?;
    made_folder(out)?;
    let (mut prover, mut files) = (Prover::default(), BTreeMap::new());
    let count = unpack(BufReader::new(from), &key_of, |name, piece| {
        if !files.contains_key(name) {
            // Of what was written before nothing is left to be written.
            files.clear();
            files.insert(name.to_string(), made_file(&out.join(name))?);
        }
        prover.take(name, piece);
        match files.get_mut(name) {
            Some(file) => file.write_all(piece),
            None => Ok(()),
        }
    });
    let count =
        count.with_context(|| format!("{}: do not rely on what is in {}", pack.display(), out.display()))?;
    let mut screen = std::io::stdout().lock();
    writeln!(
        screen,
        "{count} files in {}, each as the manifest says",
        out.display()
    )?;
    let mut is_whole = true;
    for chain in prover.proven() {
        let of = match chain.node.as_str() {
            "" => String::new(),
            node => format!(" of {node}"),
        };
        match chain.entries {
            Ok(entries) => writeln!(screen, "audit{of}: whole, {entries} entries")?,
            Err(problem) => {
                is_whole = false;
                writeln!(screen, "audit{of}: BROKEN: {problem}")?;
            }
        }
    }
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn pem(path: &Path) -> anyhow::Result<String> {
    read_text(path, KEY_OCTETS_MAX).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

fn made(path: &Path) -> anyhow::Result<File> {
    made_file(path).with_context(|| path.display().to_string())
}

/// A new file that only its owner reads.
fn made_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

/// A new folder that only its owner looks into.
fn made_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut folder = std::fs::DirBuilder::new();
    folder.mode(0o700);
    folder.create(path).with_context(|| path.display().to_string())
}

/// Unix ms of a date or a moment.
fn moment(text: &str) -> Result<u64, String> {
    let at = match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == 10 => date
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map(|zoned| zoned.timestamp()),
        _ => text.parse::<jiff::Timestamp>(),
    };
    let at = at.map_err(|_| "expected a date (2026-11-29) or a moment (2026-11-29T16:20:00Z)".to_string())?;
    u64::try_from(at.as_millisecond()).map_err(|_| "expected a moment after 1970".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_begins_at_midnight_utc_and_a_moment_is_one() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000));
        assert_eq!(moment("1970-01-01T01:00:01+01:00"), Ok(1_000));
        for wrong in ["", "yesterday", "1970-01-01T00:00:01", "1969-12-31", "2026-13-01"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_opened_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("ringward-breach-pack-{}", std::process::id()));
        made_folder(&folder).unwrap();
        let file = folder.join("records.jsonl");
        made_file(&file).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert!(
            made_folder(&folder).is_err() && made_file(&file).is_err(),
            "new ones only"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_clock_is_said_in_words() {
        assert_eq!(
            left(Clock::new(0, 3_600_000)),
            "72-hour clock: 71 h 00 min are left"
        );
        let over = left(Clock::new(0, 73 * 3_600_000));
        assert!(over.starts_with("72-hour clock: over since 1 h 00 min"), "{over}");
    }
}
