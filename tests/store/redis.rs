//! What Redis adds to the contract: several gateways on one store, and a store that goes away and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringward::accounts::Tries;
use ringward::call::record::Ending;
use ringward::call::{CallRecord, Order, What};
use ringward::call_id::CallId;
use ringward::store::limits;
use ringward::store::{self, Audit, Config, Filter, News, StoreError, Write, audit_heads, verify_audit};

use crate::records::{KINDS, call, ended};
use crate::redis_server::RedisServer;
use crate::{open, settled};

mod away;
mod tls;

const NOON: u64 = 1_790_000_000_000;

/// Looks until it is so. A slow machine is given its time.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn two_gateways_see_one_store_and_share_its_counts() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let (left, right) = (open(&url), open(&url.replace("left", "right")));
    let number = "+16175550134";
    left.save(Arc::new(ended(&KINDS[6], 1, NOON)));
    right.save(Arc::new(ended(&KINDS[6], 2, NOON + 1)));
    settled(&*left);
    settled(&*right);
    for store in [&left, &right] {
        assert_eq!(store.calls(&Filter::default()).unwrap().len(), 2);
        assert_eq!(store.history(number, NOON + 2).unwrap().calls_before, 2);
    }
    assert!(!left.token_answered("digest", CallId(1), NOON, 60_000).unwrap());
    assert!(
        right.token_seen("digest", CallId(2), NOON, 60_000).unwrap(),
        "a replay at the other gateway"
    );
    // What is remembered of a number follows what the others say.
    let third = Arc::new(ended(&KINDS[6], 3, NOON + 5));
    right.heard(&News::Call("left".into(), third));
    assert_eq!(right.history(number, NOON + 9).unwrap().calls_before, 3);
}

#[test]
fn each_gateway_has_its_chain_and_what_is_done_is_done_with_its_entry() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let (left, right) = (open(&url), open(&url.replace("left", "right")));
    let chains = [&left, &right].map(|store| Audit::open(store.clone()).unwrap());
    let list = |revision| Write::Reshelve {
        shelf: "lists",
        revision,
        changes: vec![("1".into(), Some("x".into()))],
    };
    let act = |about| store::Act {
        at_ms: NOON,
        by: "ann",
        what: "list add",
        about,
        note: "",
    };
    assert_eq!(chains[0].write_with(&act("first"), &[list(1)]).unwrap(), Some(1));
    assert_eq!(
        chains[1].write_with(&act("second"), &[list(1)]).unwrap(),
        None,
        "second to the other"
    );
    assert_eq!(
        right.journal("audit", 0).unwrap().len(),
        0,
        "and no entry without its change"
    );
    assert_eq!(chains[1].write_with(&act("second"), &[list(2)]).unwrap(), Some(1));
    assert_eq!(left.shelf("lists").unwrap().revision, 2);
    assert_eq!(left.writers().unwrap(), ["left", "right"]);
    assert_eq!(verify_audit(&*left).unwrap(), Ok(2), "both chains");
    let heads = audit_heads(&*left).unwrap();
    let names: Vec<_> = heads
        .iter()
        .map(|(node, number, hash)| (node.as_str(), *number, hash.len()))
        .collect();
    assert_eq!(names, [("left", 1, 64), ("right", 1, 64)]);
}

#[test]
fn chains_are_anchored_in_each_other_and_one_that_was_made_anew_is_found() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let (left, right) = (open(&url), open(&url.replace("left", "right")));
    let (one, other) = (
        Audit::open(left.clone()).unwrap(),
        Audit::open(right.clone()).unwrap(),
    );
    one.write(NOON, "ann", "sign in", "ann", "").unwrap();
    assert_eq!(other.anchor(NOON + 1).unwrap(), 1, "the other chain as it is now");
    assert_eq!(other.anchor(NOON + 2).unwrap(), 0, "nothing new");
    assert_eq!(one.anchor(NOON + 3).unwrap(), 0, "an anchor is nothing new");
    assert_eq!(verify_audit(&*right).unwrap(), Ok(2));
    // Whoever can write the store makes the first chain anew, whole as it stands there.
    drop((one, left));
    let mut hack = Redis::at(&url);
    hack.ask(&["DEL", "ringward:journal:audit@left"]);
    hack.ask(&["HDEL", "ringward:settings", "audit_head@left"]);
    let left = open(&url);
    Audit::open(left.clone())
        .unwrap()
        .write(NOON, "bob", "sign in", "bob", "")
        .unwrap();
    let broken = verify_audit(&*right).unwrap().unwrap_err().to_string();
    assert!(broken.contains("left") && broken.contains("right"), "{broken}");
}

#[test]
fn a_store_that_lost_its_last_writes_is_gone_on_with_and_the_audit_says_what_is_missing() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let left = open(&url);
    let chain = Audit::open(left.clone()).unwrap();
    let sign_in = |name: &str| chain.write(NOON, name, "sign in", name, "").unwrap();
    assert_eq!([sign_in("ann"), sign_in("bob")], [1, 2]);
    // What a replica has that takes over before it heard of the last entry.
    let (mut hack, journal) = (Redis::at(&url), "ringward:journal:audit@left");
    hack.ask(&["COPY", journal, "replica"]);
    let head = hack.ask(&["HGET", "ringward:settings", "audit_head@left"]);
    let head = head.trim().lines().last().unwrap_or_default().to_string();
    assert!(head.starts_with("2 "), "{head}");
    assert_eq!(sign_in("carol"), 3);
    hack.ask(&["COPY", "replica", journal, "REPLACE"]);
    hack.ask(&["HSET", "ringward:settings", "audit_head@left", &head]);

    assert_eq!(sign_in("dan"), 4, "after the entry that says what is missing");
    assert_eq!(sign_in("eve"), 5);
    let entries = left.journal("audit", 2).unwrap();
    assert!(
        entries[0].1.contains("audit lost") && entries[0].1.contains("3 to 3"),
        "{entries:?}"
    );
    assert_eq!(verify_audit(&*left).unwrap(), Ok(5));
    // A chain whose head was taken away is not overlooked.
    hack.ask(&["HDEL", "ringward:settings", "audit_head@left"]);
    let broken = verify_audit(&*left).unwrap().unwrap_err().to_string();
    assert!(broken.contains("left"), "{broken}");
}

#[test]
fn what_cannot_be_used_is_said_without_its_password() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let refused = |url: &str| match store::open(&Config { url: url.into() }) {
        Err(StoreError::Unusable { url, problem }) => format!("{url}: {problem}"),
        other => panic!("{url}: {:?}", other.map(|_| ())),
    };
    let url = server.url("one");
    let first = open(&url);
    let second = refused(&url);
    assert!(second.contains("belongs to another gateway"), "{second}");
    drop(first);
    for (url, expected) in [
        (url.replace("redis://", "redis://:secret@"), "AUTH"),
        (
            url.replace(&format!("/{}?", database(&url)), "/9999?"),
            "DB index",
        ),
        ("redis://:secret@127.0.0.1:1/0".into(), "refused"),
        (url.replace("redis://", "rediss://"), "Redis"),
    ] {
        let problem = refused(&url);
        assert!(!problem.contains("secret"), "{problem}");
        let is_tls = url.starts_with("rediss");
        assert!(is_tls || problem.contains(expected), "{problem}");
    }
    let reader = store::open_to_read(&Config {
        url: server.url("reader"),
    });
    let nothing = reader.map(|_| ()).unwrap_err().to_string();
    assert!(nothing.contains("no store of ringward"), "{nothing}");
    let mut hack = Redis::at(&url);
    hack.ask(&["SET", "ringward:schema", "99"]);
    assert!(refused(&url).contains("layout \"99\""));
    // An older one is carried over by one gateway at a time.
    hack.ask(&["SET", "ringward:schema", "2"]);
    hack.ask(&["SET", "ringward:carrying", "1"]);
    assert!(refused(&url).contains("another gateway carries"));
    hack.ask(&["DEL", "ringward:carrying"]);
    drop(open(&url));
    assert!(hack.ask(&["GET", "ringward:schema"]).contains('3'));
    assert!(hack.ask(&["EXISTS", "ringward:carrying"]).contains('0'));
}

#[test]
fn neighbours_hear_of_calls_of_changes_and_of_an_end() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let (left, right) = (open(&url), open(&url.replace("left", "right")));
    let (left_ways, right_ways) = (left.neighbours().unwrap(), right.neighbours().unwrap());
    let live = Arc::new(call(&KINDS[0], 1, NOON, 6_000, 60_000));
    let mut mouth = left_ways.mouth("process 1", std::slice::from_ref(&live)).unwrap();
    let mut ear = right_ways.ear().unwrap();
    eventually("the other gateway is there", || {
        mouth.beat().unwrap();
        let others = ear.others().unwrap();
        let other = others.first();
        other.is_some_and(|other| other.node == "left" && other.calls == [live.clone()])
    });

    let mut hear = || {
        let start = Instant::now();
        loop {
            if let Some(news) = ear.next(Duration::from_millis(50)).unwrap() {
                return news;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "nothing was heard");
        }
    };
    let end = Arc::new(ended(&KINDS[0], 1, NOON));
    mouth.tell(std::slice::from_ref(&end)).unwrap();
    let News::Call(node, heard) = hear() else {
        panic!("no call")
    };
    assert_eq!((node.as_str(), &*heard), ("left", &*end));
    left.reshelve("lists", 1, vec![("1".into(), Some("x".into()))])
        .unwrap();
    assert!(matches!(hear(), News::Changed(what) if what == "lists"));
    let order = Order {
        by: "ann".into(),
        what: What::Move("security".into()),
        why: Some("asks for money".into()),
    };
    mouth.order(CallId(7), &order).unwrap();
    assert!(matches!(hear(), News::Order(CallId(7), heard) if heard == order));
    mouth.tried("{\"name\": \"a b\"}").unwrap();
    assert!(matches!(hear(), News::Tried(text) if text == "{\"name\": \"a b\"}"));
    // Both know a name by the same, and whoever only listens by none.
    let [there, here] = [&left_ways, &right_ways].map(|ways| Tries::new(Some(ways.names().clone())));
    let away = std::net::Ipv4Addr::new(198, 51, 100, 9).into();
    for _ in 0..5 {
        there.wrong("ann", away, false, NOON);
    }
    for tried in there.to_tell() {
        mouth.tried(&tried).unwrap();
        let News::Tried(text) = hear() else {
            panic!("no try")
        };
        here.hear(&text, NOON);
    }
    assert_eq!(here.may_try("bob", away, false, NOON), Ok(()));
    assert!(here.may_try("ann", away, false, NOON).is_err());
    let mut same_name = left_ways.mouth("process 2", &[]).unwrap();
    assert!(matches!(hear(), News::Gone(node) if node == "left"));
    eventually("another process has the name", || {
        same_name.beat().unwrap();
        !mouth.beat().unwrap()
    });
    same_name.part().unwrap();
    assert!(matches!(hear(), News::Gone(node) if node == "left"));
    assert_eq!(ear.others().unwrap().len(), 0);
}

/// What somebody says of a neighbour's call is kept where he says it.
#[test]
fn a_call_of_a_neighbour_is_not_ended_by_whoever_starts_anew() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let right_url = url.replace("left", "right");
    let (left, right) = (open(&url), open(&right_url));
    let call = |number| Arc::new(call(&KINDS[0], number, NOON, 6_000, 60_000));
    let (theirs, ours) = (call(1), call(2));
    let neighbours = left.neighbours().unwrap();
    let mouth = neighbours
        .mouth("process 1", std::slice::from_ref(&theirs))
        .unwrap();
    assert!(right.save(theirs.clone()) && right.save(ours.clone()));
    settled(&*right);
    let is_over = |store: &Arc<dyn store::Store>, call: &CallRecord| {
        let kept = store.call(call.id).unwrap().unwrap();
        kept.outcome.is_some()
    };
    drop(right);
    let right = open(&right_url);
    assert!(!is_over(&right, &theirs), "it lasts at the other");
    assert!(is_over(&right, &ours), "cut off");
    // Whose it is ends it, if it is cut off there.
    mouth.part().unwrap();
    drop(left);
    let left = open(&url);
    assert!(is_over(&left, &theirs));
}

#[test]
fn calls_are_found_behind_many_that_are_not_meant() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let store = open(&server.url("one"));
    let of = |queue: &str, ending: Ending, number: u64| {
        let mut record = ended(&KINDS[6], number, NOON + number);
        record.queue = Some(queue.into());
        if let Some(outcome) = &mut record.outcome {
            outcome.ending = ending;
        }
        assert!(store.save(Arc::new(record.clone())));
        record
    };
    let meant = [of("q", Ending::Refused, 1), of("q", Ending::Refused, 2)];
    let many = limits::LOOKED_ROWS as u64 + 2;
    for number in 10..10 + many {
        of("q", Ending::Completed, number);
        of("other", Ending::Refused, number + many);
    }
    settled(&*store);
    let filter = Filter {
        queue: Some("q".into()),
        ending: Some(Ending::Refused),
        ..Filter::default()
    };
    let found = store.calls(&filter).unwrap();
    assert_eq!(found, [meant[1].clone(), meant[0].clone()]);
    let next = Filter {
        before_ms: Some(found[0].started_ms),
        before_id: Some(found[0].id),
        limit: 1,
        ..filter
    };
    assert_eq!(store.calls(&next).unwrap(), [meant[0].clone()]);
    assert_eq!(
        store.calls(&Filter::default()).unwrap().len(),
        limits::CALLS_LIMIT
    );
}

#[test]
fn a_name_that_another_gateway_has_is_refused_and_one_whose_gateway_was_killed_is_not() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let first = open(&url);
    let mut mouth = first.neighbours().unwrap().mouth("process 1", &[]).unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let beating = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(100))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            mouth.beat().unwrap();
        }
    });
    // From another folder: its spool is another.
    let elsewhere = url.replace("spool-", "elsewhere-");
    let refused = store::open(&Config {
        url: elsewhere.clone(),
    });
    let problem = refused.map(|_| ()).unwrap_err().to_string();
    assert!(
        problem.contains("another gateway runs as left") && problem.contains("node=NAME"),
        "{problem}"
    );
    stop.send(()).unwrap();
    beating.join().unwrap();
    drop(first);
    // Its claim runs out.
    open(&elsewhere);
}

#[test]
fn of_two_gateways_that_start_at_once_one_has_the_first_token() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("left");
    let stores: Vec<_> = (0..4)
        .map(|number| open(&url.replace("left", &format!("left{number}"))))
        .collect();
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = stores
            .iter()
            .map(|store| scope.spawn(|| ringward::api::first_token(&**store).unwrap()))
            .collect();
        let made = threads.into_iter().filter_map(|thread| thread.join().unwrap());
        made.count()
    });
    assert_eq!(made, 1);
}

fn database(url: &str) -> u32 {
    let place = url.split('?').next().unwrap();
    place.rsplit('/').next().unwrap().parse().unwrap()
}

/// A client that knows nothing of ours.
pub struct Redis {
    stream: std::net::TcpStream,
}

impl Redis {
    pub fn at(url: &str) -> Redis {
        let address = url.strip_prefix("redis://").unwrap().split('/').next().unwrap();
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut redis = Redis { stream };
        redis.ask(&["SELECT", &database(url).to_string()]);
        redis
    }

    pub fn ask(&mut self, words: &[&str]) -> String {
        use std::io::{Read, Write};
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(text.as_bytes()).unwrap();
        let mut answer = [0; 1024];
        let read = self.stream.read(&mut answer).unwrap();
        assert_ne!(answer[0], b'-', "{}", String::from_utf8_lossy(&answer[..read]));
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }
}
