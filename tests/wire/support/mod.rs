//! What the wire tests share: a gateway as a child process, the peers, and how audio is compared.

#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod alone;
pub mod audio;
pub mod baresip;
pub mod browser;
#[allow(dead_code, reason = "benches share this module and use none of it")]
pub mod dialogs;
#[allow(
    dead_code,
    reason = "for tests/wire/targets.rs; benches/load.rs shares this module"
)]
pub mod dns;
pub mod gateway;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod carrier;
pub mod hostile;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod https;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod kamailio;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod people;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod pki;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod pjsua;
mod ports;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod python;
pub mod sipp;
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub mod sti;

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use ports::{free_port, free_ports};

/// A command of the gateway's own binary; what it printed.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn ringward(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(arguments)
        .output();
    let output = output.expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// A folder of its own for one test, below cargo's build output.
pub fn folder(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder below the build output");
    path
}

/// User and system time in `/proc/PID/stat`, in ticks of 10 ms (100 a second on every Linux that Rust runs on). None without a
/// name in brackets.
pub fn ticks(stat: &str) -> Option<u64> {
    // A name may have brackets and blanks of its own.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let times = after_name.split(' ').skip(11).take(2);
    Some(times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum())
}

/// Whoever holds this loads the machine, or compares audio that phones play in real time: the others that do wait, since it
/// is the gateway that is to be loaded, and a phone that is not given its turn sends no audio.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn one_load_at_a_time() -> MutexGuard<'static, ()> {
    static LOAD: Mutex<()> = Mutex::new(());
    LOAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True when every tool is there. Missing: panics when peers are required, else says so and the test is skipped.
pub fn have(tools: &[&str]) -> bool {
    let missing: Vec<_> = tools.iter().filter(|tool| !on_path(tool)).collect();
    if missing.is_empty() {
        return true;
    }
    let is_required = std::env::var("RINGWARD_PEERS").is_ok_and(|value| value == "required");
    assert!(
        !is_required,
        "missing peers: {missing:?} (tests/run installs them)"
    );
    eprintln!("skipped: {missing:?} not installed (tests/run installs them)");
    false
}

fn on_path(tool: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

/// How much longer than on a quiet machine something may take before a test gives up on it: how fast a machine is, is no
/// test's business.
const BUSY: u32 = 4;

/// Looks until `found` gives something; panics with `what` after `patience`, which is that of a quiet machine.
pub fn wait_for<T>(what: &str, patience: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let patience = patience * BUSY;
    let start = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(start.elapsed() < patience, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until somebody on this machine has bound the port: what is sent there then waits for him.
pub fn wait_until_bound(port: u16) {
    let ending = format!(":{port:04X}");
    let is_bound = |table: &str| {
        let rows = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        let mut locals = rows.lines().filter_map(|row| row.split_whitespace().nth(1));
        locals.any(|local| local.ends_with(&ending))
    };
    wait_for(&format!("port {port}"), Duration::from_secs(10), || {
        ["udp", "udp6", "tcp", "tcp6"]
            .iter()
            .any(|table| is_bound(table))
            .then_some(())
    });
}

/// A child process that ends with the test.
pub struct Peer(pub Child);

impl Peer {
    pub fn start(command: &mut Command) -> Peer {
        let name = format!("{:?}", command.get_program());
        Peer(command.spawn().unwrap_or_else(|error| panic!("{name}: {error}")))
    }
}

impl Peer {
    /// SIGTERM, which lets a main process end its workers: a killed one would leave them behind. False = it goes on after five
    /// seconds (and is killed when it is dropped).
    pub fn end(&mut self) -> bool {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        for _ in 0..50 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
