//! The chain of what was done: every way to tamper with it is found.

use ringward::store::{
    self, Act, Audit, Broken, Write, audit_entries, audit_page, audit_place, verify_audit,
};

use crate::redis_server::RedisServer;
use crate::{Folder, open};

fn execute(folder: &Folder, sql: &str) {
    let path = folder.url();
    let connection = rusqlite::Connection::open(path.strip_prefix("sqlite:").unwrap()).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// A chain of ten, tampered with by SQL while nobody has it open.
fn check(sql: &str, expected: Result<u64, Broken>) {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    let audit = Audit::open(store.clone()).unwrap();
    for number in 1..=10u64 {
        assert_eq!(
            audit
                .write(number, "ann", "policy save", "revision 3", "because")
                .unwrap(),
            number
        );
    }
    assert_eq!(verify_audit(&*store).unwrap(), Ok(10));
    drop((audit, store));
    execute(&folder, sql);
    assert_eq!(verify_audit(&*open(&folder.url())).unwrap(), expected, "{sql}");
}

#[test]
fn an_edit_a_gap_a_reorder_and_a_cut_end_are_found() {
    check("SELECT 1", Ok(10));
    check(
        "UPDATE journal SET entry = replace(entry, 'policy save', 'policy skip') WHERE number = 4",
        Err(Broken::Changed { number: 4 }),
    );
    // What is said of people lies apart: it cannot be put elsewhere, taken away or made unreadable without being seen.
    for sql in [
        "UPDATE beside SET octets = x'00' WHERE number = 4",
        "DELETE FROM beside WHERE number = 4",
        "UPDATE beside SET octets = (SELECT octets FROM beside WHERE number = 5), slot = (SELECT slot FROM beside WHERE number = 5)
         WHERE number = 4",
        "UPDATE seal SET record = zeroblob(32) WHERE slot = (SELECT slot FROM beside WHERE number = 4)",
    ] {
        check(sql, Err(Broken::Taken { number: 4 }));
    }
    check(
        "DELETE FROM journal WHERE number = 4",
        Err(Broken::Missing { number: 4 }),
    );
    check(
        "DELETE FROM journal WHERE number = 4; UPDATE journal SET number = number - 1 WHERE number > 4",
        Err(Broken::Unchained { number: 4 }),
    );
    check(
        "UPDATE journal SET number = 99 WHERE number = 4; UPDATE journal SET number = 4 WHERE number = 5; UPDATE journal SET number = 5 WHERE number = 99",
        Err(Broken::Unchained { number: 4 }),
    );
    check(
        "DELETE FROM journal WHERE number > 7",
        Err(Broken::Cut {
            found: 7,
            expected: 10,
        }),
    );
    check(
        "UPDATE journal SET entry = 'x' WHERE number = 1",
        Err(Broken::Unreadable { number: 1 }),
    );
    check(
        "DELETE FROM setting WHERE name = 'audit_head'",
        Err(Broken::OtherHead { number: 10 }),
    );
}

#[test]
fn what_is_done_and_its_entry_are_there_together_or_not_at_all() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    let (one, other) = (
        Audit::open(store.clone()).unwrap(),
        Audit::open(store.clone()).unwrap(),
    );
    let put = |audit: &Audit, revision| {
        let act = Act {
            at_ms: 1,
            by: "ann",
            what: "list add",
            about: "block",
            note: "",
        };
        let write = Write::Reshelve {
            shelf: "test",
            revision,
            changes: vec![("a".into(), Some(format!("{revision}")))],
        };
        audit.write_with(&act, &[write]).unwrap()
    };
    assert_eq!(put(&one, 1), Some(1));
    assert_eq!(
        put(&other, 1),
        None,
        "second to the change, whoever wrote the last entry"
    );
    assert_eq!(put(&one, 1), None);
    assert_eq!(put(&other, 2), Some(2));
    assert_eq!(put(&one, 3), Some(3), "second to an entry only: tried again");
    assert_eq!(store.shelf("test").unwrap().revision, 3);
    assert_eq!(verify_audit(&*store).unwrap(), Ok(3));
}

#[test]
fn the_chain_goes_on_after_a_restart_and_two_writers_take_turns() {
    let folder = Folder::temporary();
    let (one, two) = (open(&folder.url()), open(&folder.url()));
    let (first, second) = (
        Audit::open(one.clone()).unwrap(),
        Audit::open(two.clone()).unwrap(),
    );
    for at in 0..5 {
        first.write(at, "ann", "a", "", "").unwrap();
        second.write(at, "bob", "b", "", "").unwrap();
    }
    assert_eq!(verify_audit(&*one).unwrap(), Ok(10));
    drop((first, second, one, two));
    let store = open(&folder.url());
    let audit = Audit::open(store.clone()).unwrap();
    assert_eq!(audit.write(9, "ann", "c", "", "").unwrap(), 11);
    assert_eq!(verify_audit(&*store).unwrap(), Ok(11));
    let by: Vec<String> = audit_entries(&*store, 8)
        .unwrap()
        .into_iter()
        .map(|entry| entry.by)
        .collect();
    assert_eq!(by, ["ann", "bob", "ann"]);
}

#[test]
fn a_store_that_is_opened_to_read_changes_nothing() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    Audit::open(store.clone())
        .unwrap()
        .write(1, "ann", "a", "", "")
        .unwrap();
    let url = folder.url();
    let reader = store::open_to_read(&store::Config { url }).unwrap();
    assert_eq!(verify_audit(&*reader).unwrap(), Ok(1));
    assert!(reader.set_setting("x", "y").is_err());
    let missing = folder.url().replace("calls.db", "nothing.db");
    assert!(store::open_to_read(&store::Config { url: missing.clone() }).is_err());
    let path = missing.strip_prefix("sqlite:").unwrap().to_string();
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn entries_that_cannot_be_read_hide_none_behind_them() {
    let folder = Folder::temporary();
    drop(open(&folder.url()));
    execute(
        &folder,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 600)
         INSERT INTO journal SELECT 'audit', x, 'x' FROM n",
    );
    let store = open(&folder.url());
    let audit = Audit::open(store.clone()).unwrap();
    assert_eq!(audit.write(1, "ann", "a", "", "").unwrap(), 601);
    let (entries, next) = audit_page(&*store, 0).unwrap();
    assert_eq!((entries.len(), next), (0, Some(500)));
    let (entries, next) = audit_page(&*store, 500).unwrap();
    assert_eq!((entries.len(), next), (1, None));
    assert_eq!(
        verify_audit(&*store).unwrap(),
        Err(Broken::Unreadable { number: 1 })
    );
}

/// A store that went back behind what somebody had read: what came in its place is to be read too.
#[test]
fn whoever_reads_on_begins_where_the_store_went_back_to() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    let audit = Audit::open(store.clone()).unwrap();
    let write = |what: &str| audit.write(1, "ann", what, "", "").unwrap();
    for what in ["one", "two"] {
        write(what);
    }
    let read = audit_entries(&*store, 0).unwrap();
    let place = |number, hash: &str| audit_place(&*store, number, hash).unwrap();
    assert_eq!(place(0, ""), 0);
    assert_eq!((place(2, &read[1].hash), place(2, "")), (2, 2));
    assert_eq!(
        place(5, "hash of what was lost"),
        2,
        "nothing came in its place yet"
    );
    audit.write(1, "gateway", "audit lost", "", "3 to 5").unwrap();
    for what in ["four", "five", "six"] {
        write(what);
    }
    assert_eq!(place(5, "hash of what was lost"), 2);
    assert_eq!(place(4, "hash of what was lost"), 2);
    let last = audit_entries(&*store, 5).unwrap();
    assert_eq!(place(6, &last[0].hash), 6);
}

/// What the store's own journal holds of an entry, and what is shown of it.
fn shown(store: &dyn store::Store, number: u64) -> (String, store::AuditEntry) {
    let kept = store.journal("audit", number - 1).unwrap().swap_remove(0).1;
    (kept, audit_entries(store, number - 1).unwrap().swap_remove(0))
}

#[test]
fn what_entries_say_of_people_is_erased_by_name_or_by_term_and_the_chain_is_whole() {
    let (folder, server) = (Folder::temporary(), RedisServer::shared());
    let urls = [
        Some(folder.url()),
        server.as_ref().map(|server| server.url("one")),
    ];
    for store in urls.iter().flatten().map(|url| open(url)) {
        let audit = Audit::open(store.clone()).unwrap();
        let write = |at, by, about| {
            audit
                .write(at, by, "account change", about, "moved desks")
                .unwrap()
        };
        for at in 1..=6 {
            write(at, "ann", "/api/v1/users/bob");
            write(at, "carol", "/api/v1/users/anna");
        }
        let (kept, entry) = shown(&*store, 1);
        assert!(!kept.contains("ann") && !kept.contains("moved"), "{kept}");
        assert_eq!((entry.by.as_str(), entry.is_erased), ("ann", false));
        assert_eq!(audit.erase_name("ann", 20, true).unwrap(), 6, "only counted");
        assert_eq!(verify_audit(&*store).unwrap(), Ok(12));

        assert_eq!(audit.erase_name("ann", 20, false).unwrap(), 6);
        store.scrub().unwrap();
        let (_, bare) = shown(&*store, 1);
        assert!(bare.is_erased && bare.by.is_empty() && bare.about.is_empty() && bare.note.is_empty());
        assert_eq!(
            (bare.what.as_str(), bare.at_ms, &bare.hash),
            ("account change", 1, &entry.hash)
        );
        assert_eq!(shown(&*store, 2).1.by, "carol", "a longer name is another");
        assert_eq!(
            verify_audit(&*store).unwrap(),
            Ok(13),
            "with the entry that says so"
        );
        let said = shown(&*store, 13).1;
        assert_eq!(
            (said.what.as_str(), said.note.as_str()),
            ("audit erased", "1, 3, 5, 7, 9, 11")
        );
        assert_eq!(audit.erase_name("ann", 21, false).unwrap(), 0);

        assert_eq!(audit.erase_before(4, 22).unwrap(), 6, "those of three moments");
        assert_eq!(audit.erase_before(4, 23).unwrap(), 0);
        assert!(shown(&*store, 6).1.is_erased && !shown(&*store, 8).1.is_erased);
        assert_eq!(write(9, "dan", ""), 15);
        assert_eq!(verify_audit(&*store).unwrap(), Ok(15));
    }
}

#[test]
fn many_entries_are_erased_with_as_many_entries_as_say_which() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    let audit = Audit::open(store.clone()).unwrap();
    for at in 0..300 {
        audit
            .write(at, if at % 2 == 0 { "ann" } else { "bob" }, "a", "", "")
            .unwrap();
    }
    assert_eq!(audit.erase_name("ann", 400, false).unwrap(), 150);
    let entries = verify_audit(&*store).unwrap().unwrap();
    assert!((302..310).contains(&entries), "{entries}");
    assert_eq!(
        audit.erase_before(u64::MAX, 401).unwrap(),
        300,
        "also what is bare already, and nothing that is about the chain itself"
    );
    let after = verify_audit(&*store).unwrap().unwrap();
    assert!(after > entries, "{after}");
    // The entries that say what was erased are past the term one day, and there is nothing to take out of them.
    for _ in 0..2 {
        assert_eq!(audit.erase_before(u64::MAX, 402).unwrap(), 0);
        assert_eq!(verify_audit(&*store).unwrap(), Ok(after));
    }
    let names = audit_entries(&*store, 0).unwrap();
    assert!(
        names
            .iter()
            .all(|entry| entry.by.is_empty() || entry.by == "gateway")
    );
}
