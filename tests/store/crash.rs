//! Killed at any moment under load, with Redis or without: whatever was said to be kept is there.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use ringward::store::{Act, Audit, Store, Write, verify_audit};

use crate::records::{KINDS, ended};
use crate::redis_server::RedisServer;
use crate::{Folder, open, settled};

const NOON: u64 = 1_790_000_000_000;
const CHILD: &str = "RINGWARD_TEST_CRASH_CHILD";
const FIRST: &str = "RINGWARD_TEST_CRASH_FIRST";

/// What a process said is kept before it was killed.
#[derive(Default)]
struct Said {
    records: Vec<u64>,
    audit: u64,
    policy: u64,
}

/// Has a process write as fast as it can, and kills it once it has said so many times that something is kept; `meanwhile`
/// happens after half of them.
fn kill_after(url: &str, first: u64, lines: usize, meanwhile: impl FnOnce()) -> Said {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_writes", "--ignored", "--nocapture"])
        .env(CHILD, url)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (tell, told) = channel();
    let reader = std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let mut said = Said::default();
    let mut note = |line: &str| {
        let mut words = line.split_whitespace();
        let (what, number) = (words.next(), words.next().and_then(|number| number.parse().ok()));
        match (what, number) {
            (Some("record"), Some(number)) => said.records.push(number),
            (Some("audit"), Some(number)) => said.audit = said.audit.max(number),
            (Some("policy"), Some(number)) => said.policy = said.policy.max(number),
            _ => return false,
        }
        true
    };
    let mut heard = 0;
    let mut hear = |most: usize| {
        while heard < most {
            match told.recv_timeout(Duration::from_secs(120)) {
                Ok(line) => heard += usize::from(note(&line)),
                Err(error) => {
                    return Err(error);
                }
            }
        }
        Ok(())
    };
    let first_half = hear(lines / 2);
    meanwhile();
    let second_half = first_half.and_then(|()| hear(lines));
    child.kill().unwrap();
    child.wait().unwrap();
    second_half.expect("the process goes on writing");
    // What it had said and nobody had read yet.
    reader.join().unwrap();
    for line in told.try_iter() {
        note(&line);
    }
    said
}

/// Everything that was said to be kept is, and nothing stands there in halves.
fn check(store: &dyn Store, said: &Said) {
    for number in &said.records {
        let record = ended(&KINDS[6], *number, NOON + number);
        assert_eq!(store.call(record.id).unwrap(), Some(record), "record {number}");
    }
    let entries = verify_audit(store).unwrap().expect("the chain is whole");
    assert!(entries >= said.audit, "{entries} of {} entries", said.audit);
    let (mut last, mut after) = (0, 0);
    loop {
        let rows = store.journal("policy", after).unwrap();
        let Some((end, _)) = rows.last() else { break };
        after = *end;
        for (number, text) in &rows {
            assert_eq!((*number, text), (last + 1, &format!("revision {number}")));
            last = *number;
        }
    }
    assert!(last >= said.policy, "{last} of {} revisions", said.policy);
}

/// As many acknowledgements as a round waits for: another number each time, and the same on every machine.
fn lines(round: u64) -> usize {
    let mixed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    4 + (mixed >> 40) as usize % 120
}

fn sqlite(rounds: u64) {
    let folder = Folder::temporary();
    for round in 0..rounds {
        let said = kill_after(&folder.url(), round * 1_000_000, lines(round), || ());
        check(&*open(&folder.url()), &said);
    }
}

/// Every other time Redis is killed as well, and is away while the process goes on.
fn redis(rounds: u64) {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = server.url("one");
    for round in 0..rounds {
        let is_away = round % 2 == 1;
        let said = kill_after(&url, round * 1_000_000, lines(round), || {
            if is_away {
                server.kill();
            }
        });
        if is_away {
            server.start_again();
        }
        let store = open(&url);
        for _ in 0..6_000 {
            if store.health().spooled == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        settled(&*store);
        check(&*store, &said);
    }
}

#[test]
fn what_was_kept_survives_five_kills_under_load() {
    sqlite(5);
}

#[test]
fn what_was_kept_survives_five_kills_under_load_with_redis_and_of_redis() {
    redis(5);
}

#[test]
#[ignore = "minutes"]
fn what_was_kept_survives_a_hundred_kills_under_load() {
    sqlite(100);
    redis(100);
}

/// Run by the tests above in a process of its own: writes until it is killed.
#[test]
#[ignore = "writes until it is killed"]
fn child_that_writes() {
    let (Ok(url), Ok(first)) = (std::env::var(CHILD), std::env::var(FIRST)) else {
        return;
    };
    let first: u64 = first.parse().unwrap();
    let store = open(&url);
    let audit = Audit::open(store.clone()).unwrap();
    let act = |what| Act {
        at_ms: NOON,
        by: "ann",
        what,
        about: "x",
        note: "y",
    };
    let policies = || {
        let mut last = 0;
        while let Some((number, _)) = store.journal("policy", last).unwrap_or_default().last() {
            last = *number;
        }
        last
    };
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for number in first.. {
                while !store.save(Arc::new(ended(&KINDS[6], number, NOON + number))) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if number % 16 == 15 {
                    settled(&*store);
                    (number - 15..=number).for_each(|number| println!("record {number}"));
                }
            }
        });
        threads.spawn(|| {
            loop {
                // Without an answer nothing was promised.
                match audit.write(NOON, "ann", "sign in", "x", "y") {
                    Ok(number) => println!("audit {number}"),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        threads.spawn(|| {
            let mut next = policies() + 1;
            loop {
                let write = Write::Append {
                    journal: "policy",
                    number: next,
                    entry: format!("revision {next}"),
                };
                match audit.write_with(&act("policy save"), &[write]) {
                    Ok(Some(_)) => {
                        println!("policy {next}");
                        next += 1;
                    }
                    Ok(None) => next = policies() + 1,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
    });
}
