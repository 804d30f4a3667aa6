//! Ports for the gateways and peers of one test process, that nobody else takes.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// Below where the kernel takes ports of its own accord (32768 on): a port found free there may be gone a moment later.
const FIRST: u16 = 2_000;
const LAST: u16 = 31_999;
/// What a test process takes at once.
const SLOT: u16 = 1_000;
/// What can be had in a row: half of what there is.
const MOST: u16 = 11_000;

/// The ports of this process that no test has yet, and the locks that keep other test processes off them.
struct Ports {
    next: u16,
    end: u16,
    /// By the first port of each thousand.
    locks: Vec<(u16, File)>,
}

static PORTS: Mutex<Ports> = Mutex::new(Ports {
    next: 0,
    end: 0,
    locks: Vec::new(),
});

/// An even port, the next three free as well.
pub fn free_port() -> u16 {
    free_ports(4)
}

/// The first, an even one, of `count` ports in a row (at most [`MOST`]) that are free for UDP and for TCP on loopback and
/// that no other test gets.
pub fn free_ports(count: u16) -> u16 {
    assert!(count <= MOST, "{count} ports in a row");
    let count = count.next_multiple_of(2);
    let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        while ports.end - ports.next < count {
            ports.take_slot();
        }
        let first = ports.next;
        match (first..first + count).rev().find(|port| !is_free(*port)) {
            None => {
                ports.next = first + count;
                return first;
            }
            Some(taken) => ports.next = (taken + 1).next_multiple_of(2),
        }
    }
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
}

impl Ports {
    /// The next thousand that no other test process on this machine holds; beside the one before it, both are one row. Past the last
    /// comes the first again: the tests that had it have ended long ago, and what is still taken is left out.
    fn take_slot(&mut self) {
        let folder = std::env::temp_dir().join("ringward-test-ports");
        std::fs::create_dir_all(&folder).expect("a folder for the locks");
        let after = self.end.max(FIRST);
        let thousands = |from: u16, to: u16| (from..to).step_by(usize::from(SLOT));
        for first in thousands(after, LAST).chain(thousands(FIRST, after.min(LAST))) {
            if !self.locks.iter().any(|(held, _)| *held == first) {
                let lock = File::create(folder.join(first.to_string())).expect("a lock file");
                if lock.try_lock().is_err() {
                    continue;
                }
                self.locks.push((first, lock));
            }
            if first != self.end {
                self.next = first;
            }
            self.end = first + SLOT;
            return;
        }
        panic!("no free ports: every thousand from {FIRST} to {LAST} is held by a test process");
    }
}

#[test]
fn a_test_process_has_ports_however_many_its_tests_have_had() {
    let mut ports = Ports {
        next: 0,
        end: 0,
        locks: Vec::new(),
    };
    let mut taken = Vec::new();
    for _ in 0..100 {
        ports.take_slot();
        taken.push(ports.next);
        ports.next = ports.end;
    }
    assert!(
        taken
            .iter()
            .all(|first| first % SLOT == 0 && (FIRST..LAST).contains(first))
    );
    assert!(taken[1..].contains(&taken[0]), "none comes again: {taken:?}");
}
