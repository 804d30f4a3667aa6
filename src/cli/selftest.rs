//! `ringward selftest`: proves each check of the verifier on this very binary.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::runtime::clock;
use crate::selftest::{self, Proof, SelfTest};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Makes an authority in memory, signs calls with it, diverts, revokes, expires and forges them, and holds the\n\
    verifier's answer to each against the right one. Nothing leaves this machine, nothing is written.\n\n\
    Exit status: 0 every check came out as it must, 1 one did not or could not be made.\n\n\
    Examples:\n  \
    ringward selftest\n  \
    ringward selftest --offline --json | jq 'select(.passed == false)'"
)]
pub struct Args {
    /// Leave out the part that fetches over HTTPS on loopback (it needs port 8443 on some 127.0.0.x)
    #[arg(long)]
    offline: bool,
    /// Print one JSON object per check, and one at the end
    #[arg(long)]
    json: bool,
}

/// Runs the command and prints a line per check on standard output.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = clock::now();
    let mut proofs = selftest::offline(started).context("self-test")?;
    let mut left_out = None;
    if !args.offline {
        match online() {
            Ok(more) => proofs.extend(more),
            Err(error) => left_out = Some(format!("{error:#}")),
        }
    }
    let test = SelfTest {
        proofs,
        took: clock::now().instant - started.instant,
    };
    let text = if args.json {
        lines(&test, left_out.as_deref())
    } else {
        table(&test, left_out.as_deref())
    };
    // Not println!: a reader that goes away (`| head`) is an error to report, not a panic.
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if test.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// One worker beside this thread: the certificate host has to answer while the dialer asks.
fn online() -> anyhow::Result<Vec<Proof>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let proofs = runtime.block_on(selftest::online::online(clock::now()));
    // A name look-up that hangs must not hold the command.
    runtime.shutdown_timeout(Duration::from_millis(100));
    proofs
}

/// For people: what was asked, what came, and a summary.
fn table(test: &SelfTest, left_out: Option<&str>) -> String {
    let width = test
        .proofs
        .iter()
        .map(|proof| proof.name.len())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for proof in &test.proofs {
        let Proof {
            name, expected, got, ..
        } = proof;
        out += &if proof.passed {
            format!("ok      {name:<width$}  {got}\n")
        } else {
            format!("FAILED  {name:<width$}  expected {expected:?}, got {got:?}\n")
        };
    }
    if let Some(reason) = left_out {
        out += &format!("-       the part over HTTPS on loopback was left out: {reason}\n");
    }
    let failed = test.failed().count();
    let (checks, took) = (test.proofs.len(), test.took.as_secs_f64());
    out += &if failed == 0 {
        format!("\n{checks} checks, all as they must be, in {took:.2} s\n")
    } else {
        format!(
            "\n{failed} of {checks} checks FAILED in {took:.2} s: do not rely on this installation's verifier\n"
        )
    };
    out
}

/// For machines: one object per check, then the summary.
fn lines(test: &SelfTest, left_out: Option<&str>) -> String {
    let checks = test.proofs.iter().map(|proof| json!(proof));
    let summary = json!({
        "checks": test.proofs.len(),
        "failed": test.failed().count(),
        "seconds": test.took.as_secs_f64(),
        "left_out": left_out,
    });
    checks
        .chain([summary])
        .map(|object| format!("{object}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SelfTest {
        SelfTest {
            proofs: vec![
                Proof::new("good call", "verified A", "verified A"),
                Proof::new("altered", "failed", "verified A"),
            ],
            took: Duration::from_millis(120),
        }
    }

    #[test]
    fn a_failure_is_told_with_both_answers_and_last_in_the_summary() {
        let text = table(&sample(), None);
        assert!(text.contains("ok      good call  verified A\n"), "{text}");
        assert!(
            text.contains("FAILED  altered    expected \"failed\", got \"verified A\"\n"),
            "{text}"
        );
        assert!(
            text.ends_with("1 of 2 checks FAILED in 0.12 s: do not rely on this installation's verifier\n")
        );
    }

    #[test]
    fn what_was_left_out_is_said_and_is_no_failure() {
        let mut test = sample();
        test.proofs.pop();
        let text = table(&test, Some("port 8443 is taken"));
        assert!(text.contains("left out: port 8443 is taken"), "{text}");
        assert!(
            text.ends_with("1 checks, all as they must be, in 0.12 s\n"),
            "{text}"
        );
    }

    #[test]
    fn machines_get_an_object_a_line() {
        let text = lines(&sample(), Some("no port"));
        let objects: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            objects[1],
            json!({"name": "altered", "expected": "failed", "got": "verified A", "passed": false})
        );
        assert_eq!(
            (&objects[2]["checks"], &objects[2]["failed"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(objects[2]["left_out"], "no port");
    }
}
