//! What a process has used so far, by its threads.

use crate::support::ticks;

/// Seconds of user and system time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// Of the threads that relay.
    pub relaying: f64,
    /// Of all.
    pub whole: f64,
}

impl Cpu {
    /// Of a process that runs. Threads whose names begin with one of `relaying` relay; none named: all do.
    ///
    /// From `schedstat` where the kernel keeps it (nanoseconds), else from ticks of 10 ms.
    pub fn of(pid: u32, relaying: &[&str]) -> Cpu {
        let mut cpu = Cpu::default();
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let name = read("comm");
            let nanoseconds = read("schedstat")
                .split(' ')
                .next()
                .and_then(|run| run.parse().ok());
            let seconds = match nanoseconds {
                Some(run) => run,
                None => ticks(&read("stat")).unwrap_or_default() as f64 * 1e7,
            } / 1e9;
            cpu.whole += seconds;
            if relaying.is_empty() || relaying.iter().any(|beginning| name.starts_with(beginning)) {
                cpu.relaying += seconds;
            }
        }
        cpu
    }

    pub fn since(self, before: Cpu) -> Cpu {
        Cpu {
            relaying: self.relaying - before.relaying,
            whole: self.whole - before.whole,
        }
    }
}
