//! `ringward demo`: the whole gateway at work on loopback, with nothing simulated inside it.
//!
//! Everything around the gateway is played: a carrier that signs its calls and the host of its
//! certificates (the room `signing`), callers on its trunk and phones at the desks (`phone`), all over real
//! sockets with real audio (`runtime/caller`). `scenario` is the table of who calls and what is promised about them;
//! `play` makes the calls, `judge` holds what happened against the promise, `print` says so.
//!
//! The gateway does not know that it is in a demo: it gets a configuration, and calls.

pub mod board;
pub mod chance;
pub mod clips;
mod judge;
pub mod limits;
pub mod phone;
mod play;
mod print;
mod run;
pub mod scenario;
mod world;

pub use self::clips::synthetic_clip;
pub use crate::runtime::caller;
pub use crate::runtime::caller::{clip, line, sound};

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use self::board::{Board, Sighting};
use self::limits::CALLS_MAX;
use self::print::Report;
use self::run::{Pace, Programme, run as run_programme};
use self::scenario::Speaker;
use self::world::World;
use crate::telemetry::Telemetry;

#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  ringward demo                       watch in the console until Ctrl-C\n  \
                  ringward demo --headless            one call of each kind; exit 1 if not as promised\n  \
                  ringward demo --headless --calls 40 --json"
)]
pub struct Args {
    /// End by itself after the calls; exit 1 when one was not as promised
    #[arg(long)]
    headless: bool,
    /// How many calls to make [default: one of each kind with --headless, else until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=CALLS_MAX as i64))]
    calls: Option<u32>,
    /// Print one JSON object per call
    #[arg(long)]
    json: bool,
}

/// Runs the demo. The exit code is 0 when every call was as promised.
///
/// # Errors
///
/// When the demo itself cannot be set up (no free port, no thread); what the gateway does is never an error here.
pub fn run(args: Args, telemetry: Telemetry) -> anyhow::Result<ExitCode> {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("demo-host")
        .enable_all()
        .build()
        .context("a helper thread for the certificate host")?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&tokio, &stop)?;
    let output = Output {
        is_json: args.json,
        is_coloured: std::io::stdout().is_terminal() && !args.json,
    };
    let board = if args.headless || args.json {
        Board::default()
    } else {
        Board::told_to(Box::new(move |sighting| output.ringing(sighting)))
    };
    let world = World::start(tokio, board, telemetry)?;
    output.greet(&world, args.headless);

    let calls = args.calls.map(|calls| calls as usize);
    let mut tally = Tally::default();
    let mut is_closed = false;
    let on_played = |played: play::Played| {
        // A call that Ctrl-C cut short kept no promise and broke none.
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let report = Report::of(&played);
        tally.count(&report, played.scenario.speaker);
        if output.call(&report).is_err() {
            // Nobody reads any more (`| head`): end as if asked to.
            is_closed = true;
            stop.store(true, Ordering::Relaxed);
        }
    };
    if args.headless {
        let programme = Programme::in_order(calls.unwrap_or_else(Programme::calls_of_one_round));
        run_programme(&world, programme, Pace::HEADLESS, &stop, on_played)?;
    } else {
        run_programme(
            &world,
            Programme::shuffled(calls),
            Pace::WATCHED,
            &stop,
            on_played,
        )?;
        if !is_closed && !stop.load(Ordering::Relaxed) {
            eprintln!("All calls are made; the console stays open until Ctrl-C.");
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }
    world.stop();
    Ok(tally.conclude(args.headless))
}

/// Raises `stop` at the first SIGINT or SIGTERM; a second one ends the process at once.
fn stop_on_signal(tokio: &tokio::runtime::Runtime, stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = {
        let _inside = tokio.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let stop = Arc::clone(stop);
    tokio.spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nringward: ending the calls (again to stop at once)");
        }
    });
    Ok(())
}

#[derive(Clone, Copy)]
struct Output {
    is_json: bool,
    is_coloured: bool,
}

impl Output {
    /// Where to look. On standard error when standard output belongs to JSON.
    fn greet(self, world: &World, is_headless: bool) {
        let text = format!(
            "Ringward demo: everything runs on this machine and ends with it.\n\
             \x20 Console       {}\n\
             \x20 SIP           udp:{}\n\
             \x20 Certificates  {}\n\
             \x20 Phones        {}\n{}",
            world.console(),
            world.sip,
            world.certificate_url(),
            world.phone_uris().join(", "),
            if is_headless {
                ""
            } else {
                "Open the console, then watch the calls come in. Ctrl-C ends it.\n"
            },
        );
        if self.is_json {
            eprintln!("{text}");
        } else {
            // Nobody reads? The first call's line will find out and end the run.
            let _is_read = self.write(&format!("{text}\n{}", print::heading()));
        }
    }

    fn ringing(self, sighting: &Sighting) {
        // Nobody reads? The line at the end of the call will find out and end the run.
        let _is_read = self.write(&print::ringing(sighting, self.is_coloured));
    }

    fn call(self, report: &Report) -> std::io::Result<()> {
        let text = if self.is_json {
            serde_json::to_string(report).map_err(std::io::Error::other)?
        } else {
            print::line(report, self.is_coloured)
        };
        self.write(&text)
    }

    fn write(self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

/// What the run came to.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    differing: usize,
    /// Calls with a made voice that were talked in, and those of them that reached "likely synthetic".
    synthetic: usize,
    recognised: usize,
}

impl Tally {
    fn count(&mut self, report: &Report, speaker: Speaker) {
        self.calls += 1;
        self.differing += usize::from(!report.is_ok());
        if speaker == Speaker::Synthetic {
            self.synthetic += 1;
            self.recognised += usize::from(report.voice == Some("synthetic"));
        }
    }

    /// One sentence for people, and the exit code. Whoever watches may leave before a made voice was recognised.
    fn conclude(&self, is_headless: bool) -> ExitCode {
        eprintln!(
            "{} calls, {} as promised.",
            self.calls,
            self.calls - self.differing
        );
        let is_unheard = is_headless && self.is_unheard();
        if is_unheard {
            eprintln!("Not as promised: no call with a made voice reached \"likely synthetic\".");
        }
        if self.differing > 0 || is_unheard {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }

    /// A single made voice may leave the model unsure; all of them may not.
    fn is_unheard(&self) -> bool {
        self.synthetic > 0 && self.recognised == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::SCENARIOS;

    #[test]
    fn a_run_fails_when_no_made_voice_was_recognised() {
        let none = Tally {
            calls: 3,
            synthetic: 2,
            ..Tally::default()
        };
        assert!(none.is_unheard());
        assert!(
            !Tally {
                recognised: 1,
                ..none
            }
            .is_unheard()
        );
        assert!(!Tally::default().is_unheard());
    }

    #[test]
    fn at_least_one_scenario_has_a_made_voice() {
        assert!(
            SCENARIOS
                .iter()
                .any(|scenario| scenario.speaker == Speaker::Synthetic)
        );
    }
}
