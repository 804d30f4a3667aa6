//! What the SQLite file survives: a kill, a restart, a disk that goes away, a wrong path.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ringward::call::record::{Ending, State};
use ringward::call_id::CallId;
use ringward::store::{self, Config, Filter, StoreError};

use crate::records::{KINDS, call, ended};
use crate::{Folder, open, settled};

const NOON: u64 = 1_790_000_000_000;
const CHILD: &str = "RINGWARD_TEST_STORE_CHILD";

#[test]
fn what_was_flushed_survives_a_kill() {
    let folder = Folder::temporary();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "file::child_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD, folder.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut on_disk = 0;
    for line in lines.map_while(Result::ok) {
        if let Some((_, count)) = line.split_once("on disk ") {
            on_disk = count.trim().parse().unwrap();
        }
        if on_disk >= 300 {
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
    let store = open(&folder.url());
    let history = store.history("+16175550134", NOON + 1_000_000).unwrap();
    assert!(
        history.calls_before >= on_disk,
        "{} of {on_disk}",
        history.calls_before
    );
    assert!(
        store.token_seen("digest", CallId(2), NOON + 5, 60_000).unwrap(),
        "the token is remembered"
    );
}

#[test]
fn a_new_file_and_its_log_are_only_their_owners() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    store.save(Arc::new(ended(&KINDS[6], 1, NOON)));
    settled(&*store);
    let file = folder.url().trim_start_matches("sqlite:").to_owned();
    for place in [file.clone(), format!("{file}-wal")] {
        let mode = std::fs::metadata(&place).expect(&place).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{place}");
    }
}

/// Run by `what_was_flushed_survives_a_kill` in a process of its own: writes until it is killed.
#[test]
#[ignore = "writes until it is killed"]
fn child_that_is_killed() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let store = open(&url);
    store.token_answered("digest", CallId(1), NOON, 60_000).unwrap();
    for number in 0u64.. {
        store.save(Arc::new(ended(&KINDS[6], number, NOON + number)));
        if number % 50 == 49 {
            settled(&*store);
            println!("on disk {}", number + 1);
        }
    }
}

#[test]
fn everything_is_there_after_a_restart() {
    let folder = Folder::temporary();
    let record = ended(&KINDS[3], 1, NOON);
    {
        let store = open(&folder.url());
        store.set_setting("name", "value").unwrap();
        store.save(Arc::new(record.clone()));
        store.token_answered("digest", CallId(1), NOON, 60_000).unwrap();
        // Closing writes what is queued.
    }
    let store = open(&folder.url());
    assert_eq!(store.call(record.id).unwrap(), Some(record));
    assert_eq!(store.setting("name").unwrap().as_deref(), Some("value"));
    assert!(store.token_seen("digest", CallId(2), NOON + 1, 60_000).unwrap());
    assert!(
        !store
            .token_seen("digest", CallId(3), NOON + 200_000, 60_000)
            .unwrap()
    );
}

#[test]
fn a_call_that_was_live_when_the_gateway_died_is_ended_in_words_that_say_so() {
    let folder = Folder::temporary();
    let live = call(&KINDS[0], 1, NOON, 6_000, 60_000);
    open(&folder.url()).save(Arc::new(live.clone()));
    let kept = open(&folder.url()).call(live.id).unwrap().unwrap();
    assert_eq!(kept.state, State::Ended);
    let outcome = kept.outcome.unwrap();
    assert_eq!(outcome.ending, Ending::Failed);
    assert!(outcome.note.unwrap().contains("stopped during this call"));
}

#[test]
fn whoever_writes_beside_a_gateway_leaves_its_live_calls_alone() {
    let folder = Folder::temporary();
    let config = store::Config { url: folder.url() };
    let gateway = open(&folder.url());
    let record = call(&KINDS[0], 1, 1_790_000_000_000, 6_000, 60_000);
    let id = record.id;
    gateway.save(Arc::new(record));
    settled(gateway.as_ref());
    let beside = store::open_beside(&config).unwrap();
    beside.set_setting("said", "beside").unwrap();
    assert_eq!(gateway.setting("said").unwrap().as_deref(), Some("beside"));
    assert!(gateway.call(id).unwrap().unwrap().outcome.is_none());
    let elsewhere = Folder::temporary();
    let made = store::open_beside(&store::Config { url: elsewhere.url() }).unwrap();
    made.set_setting("said", "first").unwrap();
}

fn check_refused(url: &str, expected: &str) {
    let Err(error) = store::open(&Config { url: url.into() }) else {
        panic!("{url} was opened");
    };
    assert!(matches!(error, StoreError::Unusable { .. }));
    let text = error.to_string();
    assert!(text.contains(expected) && text.contains(url), "{text}");
}

#[test]
fn a_wrong_place_is_named_with_what_is_wrong_about_it() {
    let folder = Folder::temporary();
    let at = |name: &str| format!("sqlite:{}", folder.0.join(name).display());
    check_refused("postgres://127.0.0.1/0", "there are sqlite:PATH");
    check_refused("sqlite:", "no path given");
    check_refused(&at("missing/calls.db"), "does not exist");
    check_refused(&at(""), "is a folder");
    std::fs::write(folder.0.join("letter.db"), "Dear Sir or Madam, ".repeat(500)).unwrap();
    check_refused(&at("letter.db"), "not a database");
    let foreign = rusqlite::Connection::open(folder.0.join("foreign.db")).unwrap();
    foreign
        .execute_batch("CREATE TABLE invoice (id INTEGER)")
        .unwrap();
    check_refused(&at("foreign.db"), "something else");
}

#[test]
fn a_file_from_a_newer_ringward_is_left_alone() {
    let folder = Folder::temporary();
    drop(open(&folder.url()));
    let file = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    check_refused(&folder.url(), "schema 99");
}

#[test]
fn while_the_disk_refuses_records_are_held_and_written_when_it_is_back() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    // Another program takes the table away: every write fails from here on.
    let other = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
    other.execute_batch("ALTER TABLE call RENAME TO taken").unwrap();
    let record = ended(&KINDS[0], 1, NOON);
    assert!(store.save(Arc::new(record.clone())));
    let error = store.flush().unwrap_err().to_string();
    assert!(error.contains("flush failed"), "{error}");
    let health = store.health();
    assert!(
        !health.is_writing && health.failures > 0 && health.queued == 1,
        "{health:?}"
    );
    assert!(health.problem.unwrap().contains("no such table"));
    assert!(
        store.calls(&Filter::default()).is_err(),
        "an error, not a panic and not an empty list"
    );

    other.execute_batch("ALTER TABLE taken RENAME TO call").unwrap();
    settled(&*store);
    assert_eq!(store.call(record.id).unwrap(), Some(record));
    let health = store.health();
    assert!(
        health.is_writing && health.queued == 0 && health.lost == 0,
        "{health:?}"
    );
}

#[test]
fn a_row_that_cannot_be_read_is_skipped_in_lists_counted_and_named() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    let (bad, good) = (ended(&KINDS[0], 1, NOON), ended(&KINDS[0], 2, NOON));
    store.save(Arc::new(bad.clone()));
    store.save(Arc::new(good.clone()));
    settled(&*store);
    let other = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
    other
        .execute(
            "UPDATE call SET record = x'7b7d' WHERE id = ?1",
            [bad.id.to_string()],
        )
        .unwrap();
    assert_eq!(store.calls(&Filter::default()).unwrap(), vec![good.clone()]);
    assert!(
        store
            .call(bad.id)
            .unwrap_err()
            .to_string()
            .contains("its key does not open it")
    );
    assert_eq!(store.health().unreadable, 2);
}

#[test]
fn a_damaged_file_gives_an_error_not_a_panic() {
    let folder = Folder::temporary();
    let path = folder.0.join("calls.db");
    {
        let store = open(&folder.url());
        for number in 0..200 {
            store.save(Arc::new(ended(&KINDS[0], number, NOON + number)));
        }
    }
    let mut octets = std::fs::read(&path).unwrap();
    let end = octets.len();
    octets[8192..end].fill(0xa5);
    std::fs::write(&path, octets).unwrap();
    if let Ok(store) = store::open(&Config { url: folder.url() }) {
        assert!(store.calls(&Filter::default()).is_err());
        store.save(Arc::new(ended(&KINDS[0], 900, NOON)));
        assert!(store.flush().is_err());
        assert!(!store.health().is_writing);
    }
}

#[test]
fn a_copy_is_one_moment_of_a_store_that_is_being_written_and_can_be_put_back() {
    let folder = Folder::temporary();
    let config = Config { url: folder.url() };
    let gateway = open(&folder.url());
    let audit = store::Audit::open(gateway.clone()).unwrap();
    for number in 0..20u64 {
        gateway.save(Arc::new(ended(&KINDS[0], number, NOON + number)));
        audit.write(number, "ann", "list add", "block", "").unwrap();
    }
    settled(gateway.as_ref());
    let (copy, other) = (folder.0.join("copy.db"), folder.0.join("other.db"));
    store::backup(&config, &copy).unwrap();
    audit.write(99, "ann", "list remove", "block", "").unwrap();
    let again = store::backup(&config, &copy).unwrap_err().to_string();
    assert!(again.contains("nothing is overwritten"), "{again}");
    let open_still = store::restore(&config, &copy).unwrap_err().to_string();
    assert!(open_still.contains("stop it first"), "{open_still}");
    assert_eq!(
        store::verify_audit(&*gateway).unwrap(),
        Ok(21),
        "nothing was touched"
    );
    drop((audit, gateway));

    let kept = store::restore(&config, &copy).unwrap().unwrap();
    let restored = open(&folder.url());
    assert_eq!(store::verify_audit(&*restored).unwrap(), Ok(20), "as it was then");
    assert_eq!(restored.calls(&Filter::default()).unwrap().len(), 20);
    let before = open(&format!("sqlite:{}", kept.display()));
    assert_eq!(store::verify_audit(&*before).unwrap(), Ok(21));
    drop(restored);
    let twice = store::restore(&config, &copy).unwrap_err().to_string();
    assert!(twice.contains("earlier restore"), "{twice}");

    // Over a store that is damaged, and one that is gone but for its log.
    let other_place = Folder::temporary();
    let (place, log) = (other_place.0.join("calls.db"), other_place.0.join("calls.db-wal"));
    for damage in ["no database", ""] {
        std::fs::write(&log, "what another store's log says").unwrap();
        match damage {
            "" => std::fs::remove_file(&place).unwrap(),
            damage => std::fs::write(&place, damage).unwrap(),
        }
        let config = Config {
            url: other_place.url(),
        };
        let kept = store::restore(&config, &copy).unwrap();
        assert_eq!(kept.is_some(), !damage.is_empty());
        let restored = open(&config.url);
        assert_eq!(store::verify_audit(&*restored).unwrap(), Ok(20));
        drop(restored);
        let moved = other_place.0.join("calls.db.before-restore-wal");
        // Of a file that is there SQLite has made an end of the log itself.
        if damage.is_empty() {
            assert!(
                std::fs::read_to_string(&moved)
                    .unwrap()
                    .starts_with("what another")
            );
        }
        let _ = std::fs::remove_file(&moved);
        let _ = std::fs::remove_file(other_place.0.join("calls.db.before-restore"));
    }

    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only ours");
    let mut octets = std::fs::read(&copy).unwrap();
    let middle = octets.len() / 2;
    octets[middle..middle + 4096].fill(0x5a);
    std::fs::write(&other, octets).unwrap();
    let elsewhere = Folder::temporary();
    let damaged = store::restore(&Config { url: elsewhere.url() }, &other).unwrap_err();
    assert!(!elsewhere.0.join("calls.db").exists(), "{damaged}");
    std::fs::write(&other, "no store").unwrap();
    assert!(store::restore(&Config { url: elsewhere.url() }, &other).is_err());
    assert!(
        store::backup(
            &Config {
                url: "sqlite::memory:".into()
            },
            &other
        )
        .is_err()
    );
}
