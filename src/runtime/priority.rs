//! Which of our threads gives way when the machine has more to do than it can: what hears and looks back waits for what moves packets.

use rustix::io;
use rustix::process::setpriority_process;

/// How far a thread stands back (`nice`, setpriority(2)): the share of a full processor that it is given falls by a fifth with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Hears a call while it lasts: a third of what a thread of calls is given.
    Hearing,
    /// Behind the calls, or of minutes and days: a tenth.
    Behind,
}

impl Priority {
    fn nice(self) -> i32 {
        match self {
            Priority::Hearing => 5,
            Priority::Behind => 10,
        }
    }

    /// The thread that calls this stands back from now on, and so do the threads that it starts; not the process. Needs no right.
    /// A system that does not let us changes nothing: it is said in the log, and the thread works as any other.
    pub fn take(self) {
        if let Err(error) = self.set() {
            tracing::debug!(%error, "a thread cannot stand back for those of calls");
        }
    }

    fn set(self) -> io::Result<()> {
        // Of a thread, not of the process, where the system is Linux: no number is whoever asks.
        match cfg!(target_os = "linux") {
            true => setpriority_process(None, self.nice()),
            false => Ok(()),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_stands_back_and_no_other_does() {
        let here = getpriority_process(None).unwrap();
        for priority in [Priority::Hearing, Priority::Behind] {
            let there = std::thread::spawn(move || {
                priority.set().unwrap();
                getpriority_process(None).unwrap()
            });
            assert_eq!(there.join().unwrap(), priority.nice().max(here));
        }
        assert_eq!(getpriority_process(None).unwrap(), here);
    }
}
