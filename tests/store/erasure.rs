//! What kept calls say of people can be taken away for good: nobody who has the files finds it there, and the rest counts on.

use std::path::Path;
use std::sync::Arc;

use ringward::call::CallRecord;
use ringward::call::record::PersonReport;
use ringward::store::{self, Audit, Erase, Filter, Store, audit_entries, verify_audit};

use crate::records::{FORGED, KINDS, call, ended};
use crate::redis::{Redis, eventually};
use crate::redis_server::RedisServer;
use crate::{Folder, each_engine, open, settled};

const NOON: u64 = 1_790_000_000_000;
const LATER: u64 = NOON + 86_400_000;
const NOTE: &str = "she said her name is Wilhelmina";

/// A chain as gateways wrote it that kept in clear what it says of people.
const OLD_AUDIT: [&str; 3] = [
    r#"{"number":1,"at_ms":10,"by":"Wilhelmine","what":"sign in","about":"Wilhelmine","note":"from 192.0.2.7","before":"0000000000000000000000000000000000000000000000000000000000000000","hash":"5f8df38d09f3035cce43f17f0660795db5e559ab94968c4892259be1a343215d"}"#,
    r#"{"number":2,"at_ms":20,"by":"gateway","what":"audit lost","about":"","note":"2 to 2","before":"5f8df38d09f3035cce43f17f0660795db5e559ab94968c4892259be1a343215d","hash":"ec3fa6b36fd7f4fab6182b8fb8157348ca7716331887c87dd1e87ec756ed2226"}"#,
    r#"{"number":3,"at_ms":30,"by":"Wilhelmine","what":"policy save","about":"revision 3","note":"because","before":"ec3fa6b36fd7f4fab6182b8fb8157348ca7716331887c87dd1e87ec756ed2226","hash":"138208466bb814ff7ac005e33e99617fd633f81cd88fa97ab13550a8e2593c83"}"#,
];
const OLD_HEAD: &str = "3 138208466bb814ff7ac005e33e99617fd633f81cd88fa97ab13550a8e2593c83";

/// It is carried over: nothing of it changed but where the names are.
fn check_old_audit(store: &Arc<dyn Store>) {
    assert!(
        store
            .journal("audit", 0)
            .unwrap()
            .iter()
            .all(|(_, text)| !text.contains("Wilhelmine"))
    );
    let entries = audit_entries(&**store, 0).unwrap();
    let by: Vec<&str> = entries.iter().map(|entry| entry.by.as_str()).collect();
    assert_eq!(by, ["Wilhelmine", "gateway", "Wilhelmine"]);
    assert_eq!(verify_audit(&**store).unwrap(), Ok(3));
    let audit = Audit::open(store.clone()).unwrap();
    assert_eq!(audit.write(40, "ann", "sign in", "ann", "").unwrap(), 4);
    assert_eq!(audit.erase_name("Wilhelmine", 50, false).unwrap(), 2);
    // How they stood is written down before, and then that they are erased.
    assert_eq!(verify_audit(&**store).unwrap(), Ok(6));
    let entries = audit_entries(&**store, 4).unwrap();
    let done: Vec<&str> = entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(done, ["audit carried over", "audit erased"]);
    assert!(
        entries[0].note.starts_with("2 entries up to 3: "),
        "{}",
        entries[0].note
    );
    store.scrub().unwrap();
}

fn said() -> PersonReport {
    PersonReport {
        verdict: "scam".into(),
        note: Some(NOTE.into()),
        at_ms: NOON + 9,
    }
}

fn number(kind: usize) -> String {
    KINDS[kind].number.unwrap().into()
}

fn calls_of(store: &dyn Store, number: &str) -> Vec<CallRecord> {
    let filter = Filter {
        number: Some(number.into()),
        ..Filter::default()
    };
    store.calls(&filter).unwrap()
}

/// What stands in the files of a folder and of the folders in it, in hexadecimal: looked through fast also by a slow build.
struct Files(Vec<String>);

impl Files {
    fn of(folder: &Path) -> Files {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap().map_while(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                files.extend(Files::of(&path).0);
            } else if let Ok(octets) = std::fs::read(&path) {
                files.push(hexadecimal(&octets));
            }
        }
        Files(files)
    }

    fn hold(&self, what: &[u8]) -> bool {
        let what = hexadecimal(what);
        self.0.iter().any(|file| file.contains(&what))
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    let mut digits = Vec::with_capacity(octets.len() * 2);
    for octet in octets {
        digits.push(b"0123456789abcdef"[usize::from(octet >> 4)]);
        digits.push(b"0123456789abcdef"[usize::from(octet & 15)]);
    }
    String::from_utf8(digits).unwrap()
}

/// What of these calls must not be found anywhere.
fn check_nothing_in_clear(folder: &Path) {
    let files = Files::of(folder);
    assert!(!files.0.is_empty());
    for kind in [FORGED, 0] {
        for what in [KINDS[kind].number.unwrap(), KINDS[kind].name.unwrap(), NOTE] {
            assert!(!files.hold(what.as_bytes()), "{what}");
        }
    }
}

#[test]
fn what_is_erased_of_one_number_is_gone_and_everything_else_counts_on() {
    each_engine(|store| {
        let (erased, other) = (number(FORGED), number(0));
        for at in 0..3 {
            assert!(store.save(Arc::new(ended(&KINDS[FORGED], at, NOON + at))));
            assert!(store.save(Arc::new(ended(&KINDS[0], 100 + at, NOON + at))));
        }
        let (first, unkept) = (ended(&KINDS[FORGED], 0, NOON), ended(&KINDS[FORGED], 3, NOON + 3));
        let live = call(&KINDS[FORGED], 50, NOON + 50, 6_000, 60_000);
        settled(store);
        assert!(store.report(first.id, said()).unwrap());
        assert!(store.save(Arc::new(unkept.clone())) && store.save(Arc::new(live.clone())));
        assert_eq!(store.history(&erased, NOON + 60).unwrap().calls_before, 5);

        let done = store.erase(&Erase::Number(erased.clone()), LATER).unwrap();
        assert_eq!(
            (done.calls, done.live),
            (4, 1),
            "also what had not been written yet"
        );
        assert_eq!(calls_of(store, &erased), [live], "what goes on is left");
        assert_eq!(store.history(&erased, NOON + 60).unwrap().calls_before, 1);
        let left = store.call(first.id).unwrap().unwrap();
        assert_eq!(left.erased_ms, Some(LATER));
        assert_eq!(
            (left.queue.as_ref(), left.started_ms),
            (first.queue.as_ref(), NOON)
        );
        assert_eq!(left.timings, first.timings);
        let report = left.report.as_ref().unwrap();
        assert_eq!((report.verdict.as_str(), &report.note), ("scam", &None));
        let text = serde_json::to_string(&left).unwrap();
        for what in [&erased, KINDS[FORGED].name.unwrap(), "+12125550100", NOTE] {
            assert!(!text.contains(what), "{what} in {text}");
        }
        let forged = Filter {
            label: Some("forged".into()),
            ..Filter::default()
        };
        assert_eq!(store.calls(&forged).unwrap().len(), 5, "counts stay");
        assert_eq!(calls_of(store, &other).len(), 3);
        assert_eq!(store.history(&other, NOON + 60).unwrap().calls_before, 3);
        let page = store.page(None).unwrap();
        assert_eq!(page.len(), 8);
        assert_eq!(
            page.iter().filter(|kept| kept.record.contains(&erased)).count(),
            1
        );

        // Nothing that comes late brings it back.
        assert!(store.save(Arc::new(CallRecord {
            revision: u32::MAX,
            ..first.clone()
        })));
        settled(store);
        assert!(
            !store.report(first.id, said()).unwrap(),
            "nothing can be said of it"
        );
        assert_eq!(store.call(first.id).unwrap(), Some(left));
        let again = store.erase(&Erase::Number(erased), LATER + 1).unwrap();
        assert_eq!((again.calls, again.live), (0, 1));
    });
}

#[test]
fn calls_before_a_time_are_erased_whoever_called_and_however_many() {
    each_engine(|store| {
        let many = 450;
        for at in 0..many {
            assert!(store.save(Arc::new(ended(&KINDS[at as usize % 2], at, NOON + at))));
        }
        let done = store.erase(&Erase::Before(NOON + many - 10), LATER).unwrap();
        assert_eq!((done.calls, done.live), (many - 10, 0));
        let named: Vec<_> = [0, 1]
            .iter()
            .flat_map(|kind| calls_of(store, &number(*kind)))
            .collect();
        assert_eq!(named.len(), 10);
        assert!(named.iter().all(|record| record.started_ms >= NOON + many - 10));
        assert_eq!(
            store
                .erase(&Erase::Before(NOON + many - 10), LATER)
                .unwrap()
                .calls,
            0
        );
        assert_eq!(store.page(None).unwrap().len(), many as usize);
    });
}

#[test]
fn the_file_holds_nothing_in_clear_and_after_an_erasure_not_even_the_keys() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    let audit = Audit::open(store.clone()).unwrap();
    audit.write(NOON, "ann", "sign in", "ann", "").unwrap();
    for at in 0..300 {
        let record = ended(&KINDS[if at % 3 == 0 { FORGED } else { 0 }], at, NOON + at);
        assert!(store.save(Arc::new(record)));
    }
    settled(&*store);
    assert!(store.report(ended(&KINDS[FORGED], 0, NOON).id, said()).unwrap());
    check_nothing_in_clear(&folder.0);
    let keys: Vec<(Vec<u8>, bool)> = {
        let file = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
        let mut question = file
            .prepare("SELECT seal.record, label = 'forged' FROM seal JOIN call USING (slot)")
            .unwrap();
        let rows = question
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(keys.iter().filter(|(_, is_forged)| *is_forged).count(), 100);
    // Some of them, from every page of keys: a slow build looks long for one.
    let some: Vec<_> = keys.iter().step_by(16).collect();
    let files = Files::of(&folder.0);
    assert!(some.iter().all(|(key, _)| key.len() == 32 && files.hold(key)));
    let done = store.erase(&Erase::Number(number(FORGED)), LATER).unwrap();
    assert_eq!((done.calls, done.is_scrubbed), (100, true));
    let files = Files::of(&folder.0);
    assert!(some.iter().any(|(_, is_forged)| *is_forged) && some.iter().any(|(_, is_forged)| !is_forged));
    for (key, is_forged) in some {
        assert_eq!(files.hold(key), !is_forged);
    }
    assert_eq!(verify_audit(&*store).unwrap(), Ok(1));
    drop((audit, store));
    // A copy of what is left has nothing more, and can be read.
    let copy = folder.0.join("copy.db");
    store::backup(&store::Config { url: folder.url() }, &copy).unwrap();
    let copied = open(&format!("sqlite:{}", copy.display()));
    assert_eq!(calls_of(&*copied, &number(FORGED)).len(), 0);
    assert_eq!(calls_of(&*copied, &number(0)).len(), 200);
}

#[test]
fn a_file_that_could_not_be_written_anew_is_tried_again_while_it_is_used() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    assert!(store.write_anew().unwrap(), "nothing is owed");
    for number in 0..50 {
        store.save(Arc::new(ended(&KINDS[0], number, NOON + number)));
    }
    settled(&*store);
    let unused = || {
        let file = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
        let unused = file.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
        unused.unwrap()
    };
    let remains = || store.setting("clear_remains").unwrap();
    // Something was taken away, and its place in the file is free.
    store
        .reshelve("things", 1, vec![("much".into(), Some("x".repeat(16_000)))])
        .unwrap();
    store.reshelve("things", 2, vec![("much".into(), None)]).unwrap();
    store.set_setting("clear_remains", "1").unwrap();
    assert!(unused() > 0);
    // While somebody reads what was before it is not gone from the log.
    let reader = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM call;").unwrap();
    assert!(!store.write_anew().unwrap());
    assert!(remains().is_some());
    drop(reader);
    assert!(store.write_anew().unwrap());
    assert_eq!((remains(), unused()), (None, 0));
    // What is kept is kept, and goes on being kept.
    store.save(Arc::new(ended(&KINDS[0], 99, NOON + 99)));
    settled(&*store);
    assert_eq!(store.calls(&Filter::default()).unwrap().len(), 51);
    assert_eq!(store.health().lost, 0);
}

#[test]
fn a_file_of_an_older_gateway_is_carried_over_and_nothing_in_clear_stays_in_it() {
    let folder = Folder::temporary();
    let path = folder.0.join("calls.db");
    let records: Vec<_> = (0..603)
        .map(|at| ended(&KINDS[if at % 2 == 0 { FORGED } else { 0 }], at, NOON + at))
        .collect();
    {
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch(include_str!("fixtures/schema_4.sql")).unwrap();
        let whole = file.unchecked_transaction().unwrap();
        for record in &records {
            let number = record.caller.as_ref().map(|number| number.reveal().clone());
            let label = if record.started_ms % 2 == 0 {
                "forged"
            } else {
                "genuine"
            };
            let report = (record.started_ms == NOON).then(|| serde_json::to_string(&said()).unwrap());
            whole
                .execute(
                    "INSERT INTO call VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'completed', 1, ?7, ?8, ?9)",
                    rusqlite::params![
                        record.id.to_string(),
                        record.started_ms as i64,
                        record.revision,
                        number,
                        label,
                        record.queue,
                        report.as_ref().map(|_| "scam"),
                        report,
                        serde_json::to_string(record).unwrap(),
                    ],
                )
                .unwrap();
        }
        for (number, text) in OLD_AUDIT.iter().enumerate() {
            let entry = rusqlite::params![number as i64 + 1, text];
            whole
                .execute("INSERT INTO journal VALUES ('audit', ?1, ?2)", entry)
                .unwrap();
        }
        whole
            .execute("INSERT INTO setting VALUES ('audit_head', ?1)", [OLD_HEAD])
            .unwrap();
        // What was taken away lies in the file still.
        whole
            .execute("DELETE FROM call WHERE started_ms >= ?1", [NOON as i64 + 600])
            .unwrap();
        whole.commit().unwrap();
    }
    assert!(Files::of(&folder.0).hold(number(0).as_bytes()));
    let store = open(&folder.url());
    check_nothing_in_clear(&folder.0);
    check_old_audit(&store);
    assert!(!Files::of(&folder.0).hold(b"Wilhelmine"), "whom the audit named");
    let first = store.call(records[0].id).unwrap().unwrap();
    assert_eq!(first.report, Some(said()));
    assert_eq!(first.caller, records[0].caller);
    for record in &records[1..600] {
        let kept = store.call(record.id).unwrap().unwrap();
        assert_eq!((&kept.caller, &kept.banners), (&record.caller, &record.banners));
    }
    assert_eq!(store.page(None).unwrap().len(), 600);
    assert_eq!(store.history(&number(0), LATER).unwrap().calls_before, 300);
    let history = store.history(&number(FORGED), LATER).unwrap();
    assert_eq!((history.calls_before, history.reported_scam), (300, 1));
    let done = store.erase(&Erase::Number(number(FORGED)), LATER).unwrap();
    assert_eq!(done.calls, 300);
    drop(store);
    assert_eq!(calls_of(&*open(&folder.url()), &number(FORGED)).len(), 0);
}

#[test]
fn redis_holds_nothing_in_clear_and_is_told_to_write_its_files_without_the_keys() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = server.url("one");
    let store = open(&url);
    let record = ended(&KINDS[FORGED], 1, NOON);
    assert!(store.save(Arc::new(record.clone())));
    assert!(store.save(Arc::new(ended(&KINDS[0], 2, NOON + 1))));
    settled(&*store);
    assert!(store.report(record.id, said()).unwrap());
    check_nothing_in_clear(server.folder());
    let mut redis = Redis::at(&url);
    let key = redis.ask(&["HGET", "ringward:keys", &record.id.to_string()]);
    let key = key.lines().nth(1).unwrap().to_string();
    assert!(Files::of(server.folder()).hold(key.as_bytes()));
    let done = store.erase(&Erase::Number(number(FORGED)), LATER).unwrap();
    assert_eq!((done.calls, done.is_scrubbed), (1, true));
    // Redis does it behind what it does.
    eventually("the key is in none of its files", || {
        !Files::of(server.folder()).hold(key.as_bytes())
    });
    drop(store);
    server.kill();
    server.start_again();
    let store = open(&url);
    assert_eq!(store.call(record.id).unwrap().unwrap().erased_ms, Some(LATER));
    assert_eq!(calls_of(&*store, &number(0)).len(), 1);
}

#[test]
fn a_redis_of_older_gateways_is_carried_over() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("one");
    let mut redis = Redis::at(&url);
    redis.ask(&["SET", "ringward:schema", "1"]);
    for (number, text) in OLD_AUDIT.iter().enumerate() {
        let number = format!("{}-0", number + 1);
        redis.ask(&["XADD", "ringward:journal:audit@one", &number, "entry", text]);
    }
    redis.ask(&["HSET", "ringward:settings", "audit_head@one", OLD_HEAD]);
    let records: Vec<_> = (0..450).map(|at| ended(&KINDS[FORGED], at, NOON + at)).collect();
    for (at, record) in records.iter().enumerate() {
        let (id, entry) = (record.id.to_string(), format!("{}-1", at + 1));
        let text = serde_json::to_string(record).unwrap();
        let place = format!("{:020}:{id}", record.started_ms);
        let report = if at == 0 {
            serde_json::to_string(&said()).unwrap()
        } else {
            String::new()
        };
        let verdict = if at == 0 { "scam" } else { "" };
        let by_number = format!("ringward:calls:number:{}", number(FORGED));
        redis.ask(&[
            "XADD",
            "ringward:records",
            &entry,
            "call",
            &id,
            "revision",
            "1",
            "record",
            &text,
        ]);
        redis.ask(&[
            "HSET",
            &format!("ringward:call:{id}"),
            "revision",
            &record.revision.to_string(),
            "place",
            &place,
            "number",
            &number(FORGED),
            "label",
            "forged",
            "queue",
            "",
            "ending",
            "completed",
            "answered",
            "a",
            "verdict",
            verdict,
            "report",
            &report,
            "entry",
            &entry,
            "node",
            "one",
        ]);
        redis.ask(&["ZADD", "ringward:calls", "0", &place]);
        redis.ask(&["ZADD", &by_number, "0", &format!("{place}:a:{verdict}")]);
    }
    // One that cannot be read stays as it is; it keeps no other in clear.
    let (broken, place) = ("0".repeat(31) + "7", format!("{:020}:{}7", NOON, "0".repeat(31)));
    let entry = ["call", &broken, "revision", "1", "record", "{"];
    redis.ask(&[["XADD", "ringward:records", "900-1"].as_slice(), &entry].concat());
    let call = format!("ringward:call:{broken}");
    let mut fields: Vec<&str> = vec![
        "HSET",
        call.as_str(),
        "revision",
        "1",
        "place",
        place.as_str(),
        "entry",
        "900-1",
        "node",
        "one",
    ];
    for empty in [
        "number", "label", "queue", "ending", "answered", "verdict", "report",
    ] {
        fields.extend([empty, ""]);
    }
    redis.ask(&fields);
    redis.ask(&["ZADD", "ringward:calls", "0", &place]);
    assert!(
        store::open_beside(&store::Config { url: url.clone() }).is_err(),
        "a gateway does it"
    );
    let store = open(&url);
    check_old_audit(&store);
    assert_eq!(calls_of(&*store, &number(FORGED)).len(), 200, "one page");
    let first = store.call(records[0].id).unwrap().unwrap();
    assert_eq!((first.report, &first.caller), (Some(said()), &records[0].caller));
    assert_eq!(store.history(&number(FORGED), LATER).unwrap().reported_scam, 1);
    let by_number = format!("ringward:calls:number:{}", number(FORGED));
    assert_eq!(redis.ask(&["EXISTS", &by_number]).trim(), ":0");
    assert_eq!(redis.ask(&["XLEN", "ringward:records"]).trim(), ":1");
    let done = store.erase(&Erase::Number(number(FORGED)), LATER).unwrap();
    assert_eq!(done.calls, 450);
    drop(store);
    assert_eq!(calls_of(&*open(&url), &number(FORGED)).len(), 0);
}
