//! `ringward serve`: runs the gateway until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::app;
use crate::config::Config;
use crate::telemetry::Telemetry;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  ringward serve                          loopback only, embedded store: for a first look\n  ringward serve --config ringward.toml\n\nSIGTERM or Ctrl-C: no new calls, live ones go on until they end (or --drain is over). A second one: at once."
)]
pub struct Args {
    /// Configuration file; without one: loopback only, embedded store, default policy
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long live calls may go on after SIGTERM, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    drain: u64,
}

pub fn run(args: Args, telemetry: Telemetry) -> anyhow::Result<ExitCode> {
    let config = match &args.config {
        None => Config::loopback(),
        Some(path) => match Config::load(path) {
            Ok(config) => config,
            Err(faults) => {
                for fault in &faults {
                    eprintln!("{fault}");
                }
                eprintln!(
                    "ringward: {} in {}; nothing was started",
                    count(faults.len()),
                    path.display()
                );
                return Ok(ExitCode::from(1));
            }
        },
    };
    // Signals are caught before anything starts, so that none can end us half-built.
    let signals = Signals::catch()?;
    let running = app::start(config.clone(), Some(telemetry))?;
    greet(&args, &config, &running);
    if let Some(thread) = signals.wait_for_first(running.failures()) {
        return Ok(end_broken(running, &thread));
    }
    eprintln!(
        "ringward: draining: no new calls, {} live (again to stop at once)",
        running.live_calls()
    );
    let cut = running.drain(Duration::from_secs(args.drain), || {
        signals.seen() > 1 || !running.failures().is_empty()
    });
    if cut > 0 {
        eprintln!("ringward: {cut} live calls were ended");
    }
    if let Ok(thread) = running.failures().try_recv() {
        return Ok(end_broken(running, &thread));
    }
    running.stop();
    Ok(ExitCode::SUCCESS)
}

/// A vital thread panicked. What still lives is hung up and kept, and the exit status asks for a fresh start.
fn end_broken(running: app::Running, thread: &str) -> ExitCode {
    eprintln!("ringward: {thread} failed: ending, so that the service manager starts a fresh gateway");
    running.drain(Duration::ZERO, || true);
    running.stop();
    ExitCode::from(BROKEN)
}

/// EX_SOFTWARE of sysexits.h.
const BROKEN: u8 = 70;

fn count(faults: usize) -> String {
    if faults == 1 {
        "1 fault".into()
    } else {
        format!("{faults} faults")
    }
}

/// What to do next, for a person at the terminal.
fn greet(args: &Args, config: &Config, running: &app::Running) {
    eprintln!("Ringward {} is taking calls.", env!("CARGO_PKG_VERSION"));
    for (transport, address) in &running.sip {
        eprintln!("  SIP      {transport}:{address}");
    }
    let scheme = if config.api_tls.is_some() { "https" } else { "http" };
    eprintln!("  Console  {scheme}://{}/", running.api_address);
    if let Some(token) = &running.token {
        eprintln!("  Token    {token}");
        eprintln!(
            "           (shown this once; sign in to the console with it, or send it as a Bearer token)"
        );
    }
    for trunk in &config.trunks {
        let known_by = match (&trunk.tls_name, trunk.from.is_empty()) {
            (None, _) => format!("from {}", trunk.from.join(", ")),
            (Some(name), true) => format!("with the certificate of {name}"),
            (Some(name), false) => format!("with the certificate of {name} from {}", trunk.from.join(", ")),
        };
        eprintln!("  Trunk    {} {known_by}", trunk.name);
    }
    for queue in &config.queues {
        eprintln!("  Queue    {} rings {}", queue.name, queue.targets.join(", "));
    }
    if config.identity.has_no_anchors() {
        eprintln!(
            "  Note     no trust anchors ([identity] anchors): signed calls cannot be verified and read \"unproven\""
        );
    }
    if args.config.is_none() {
        eprintln!(
            "  Next     send a call to it from this machine, or write a ringward.toml (docs/configuration.md)"
        );
        eprintln!("           and start with --config; `ringward demo` shows it at work without any phone");
    }
}

/// SIGTERM and SIGINT, counted.
struct Signals {
    seen: Arc<AtomicUsize>,
    first: crossbeam_channel::Receiver<()>,
}

impl Signals {
    fn catch() -> anyhow::Result<Signals> {
        let seen = Arc::new(AtomicUsize::new(0));
        let (tell, first) = crossbeam_channel::unbounded();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut terminate, mut interrupt) = {
            use tokio::signal::unix::{SignalKind, signal};
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let counter = seen.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async move {
                    loop {
                        let is_caught = tokio::select! {
                            got = terminate.recv() => got.is_some(),
                            got = interrupt.recv() => got.is_some(),
                        };
                        if !is_caught {
                            return;
                        }
                        counter.fetch_add(1, Ordering::SeqCst);
                        if tell.send(()).is_err() {
                            return;
                        }
                    }
                });
            })?;
        Ok(Signals { seen, first })
    }

    /// Some = not a signal came first, but the failure of this thread.
    fn wait_for_first(&self, failures: &crossbeam_channel::Receiver<String>) -> Option<String> {
        crossbeam_channel::select! {
            // The sender lives as long as the process: an error would mean its thread died, and then we stop as well.
            recv(self.first) -> _ => None,
            recv(failures) -> thread => thread.ok(),
        }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}
