//! A store that goes away, hangs or refuses, and comes back.

use super::*;

#[test]
fn records_are_spooled_while_redis_is_away_and_come_back_in_their_order() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = server.url("one");
    let store = open(&url);
    let number = "+16175550134";
    store.save(Arc::new(ended(&KINDS[6], 1, NOON)));
    settled(&*store);
    assert_eq!(store.history(number, NOON + 1).unwrap().calls_before, 1);
    server.kill();
    let early = call(&KINDS[6], 2, NOON + 1, 6_000, 50_000);
    let late = ended(&KINDS[6], 2, NOON + 1);
    store.save(Arc::new(early));
    settled(&*store);
    store.save(Arc::new(late.clone()));
    settled(&*store);
    let health = store.health();
    assert!(!health.is_writing && health.problem.is_some(), "{health:?}");
    assert_eq!((health.spooled, health.lost), (2, 0));
    assert_eq!(
        store.call(late.id).unwrap().as_ref(),
        Some(&late),
        "what is known here is shown"
    );
    assert_eq!(store.calls(&Filter::default()).unwrap().len(), 1);
    assert_eq!(
        store.history(number, NOON + 999_000).unwrap().calls_before,
        2,
        "and counted"
    );
    assert!(
        store.set_setting("a", "b").is_err(),
        "what cannot be kept is said"
    );
    // The gateway may end meanwhile, also badly.
    drop(store);
    server.start_again();
    let store = open(&url);
    eventually("the spool is empty", || store.health().spooled == 0);
    settled(&*store);
    assert_eq!(store.call(late.id).unwrap(), Some(late));
    assert_eq!(store.calls(&Filter::default()).unwrap().len(), 2);
    assert!(store.health().is_writing);
}

#[test]
fn a_gateway_goes_on_by_itself_when_redis_comes_back() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url("one"));
    server.kill();
    for number in 0..700 {
        assert!(store.save(Arc::new(ended(&KINDS[6], number, NOON + number))));
    }
    settled(&*store);
    // Whether it was used elsewhere nobody knows now; that it was used here is known from then on.
    assert!(store.token_answered("digest", CallId(1), NOON, 60_000).is_err());
    assert!(
        store.token_seen("digest", CallId(2), NOON, 60_000).unwrap(),
        "known here"
    );
    server.start_again();
    eventually("it writes again", || {
        let health = store.health();
        health.is_writing && health.spooled == 0
    });
    let history = store.history("+16175550134", NOON + 1_000).unwrap();
    assert_eq!((history.calls_before, store.health().lost), (700, 0));
    store.set_setting("a", "b").unwrap();
}

#[test]
fn an_erasure_beside_a_gateway_minds_what_waits_in_its_spool() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("one");
    drop(open(&url));
    let beside = store::open_beside(&Config { url: url.clone() }).unwrap();
    let spool = url.split("spool=").nth(1).unwrap();
    std::fs::write(spool, "waits\n").unwrap();
    let whom = store::Erase::Before(NOON);
    let told = beside.erase(&whom, NOON).unwrap_err().to_string();
    assert!(told.contains("spool"), "{told}");
    std::fs::write(spool, "").unwrap();
    assert_eq!(beside.erase(&whom, NOON).unwrap().calls, 0);
}

/// A Redis that hangs answers nothing, and hangs up on nobody.
#[test]
fn a_redis_that_hangs_is_away_and_nothing_is_lost_when_it_goes_on() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = open(&server.url("one"));
    store.save(Arc::new(ended(&KINDS[6], 1, NOON)));
    settled(&*store);
    let mut ear = store.neighbours().unwrap().ear().unwrap();
    server.signal("STOP");
    for number in 2..50 {
        assert!(store.save(Arc::new(ended(&KINDS[6], number, NOON + number))));
    }
    eventually("records lie in the spool", || store.health().spooled > 0);
    let health = store.health();
    assert!(!health.is_writing, "{health:?}");
    assert!(health.problem.unwrap().contains("does not answer"));
    assert!(store.token_answered("digest", CallId(1), NOON, 60_000).is_err());
    // Nor does whoever listens take its silence for nothing new.
    eventually("whoever listens notices", || {
        ear.next(Duration::from_millis(500)).is_err()
    });
    server.signal("CONT");
    eventually("it writes again", || {
        let health = store.health();
        health.is_writing && health.spooled == 0 && health.queued == 0
    });
    assert_eq!(store.calls(&Filter::default()).unwrap().len(), 49);
    assert_eq!(store.health().lost, 0);
}

#[test]
fn what_redis_refuses_to_read_does_not_say_that_it_is_away() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("one");
    let store = open(&url);
    Redis::at(&url).ask(&["SET", "ringward:shelf:lists", "no hash"]);
    assert!(store.shelf("lists").is_err());
    let health = store.health();
    assert_eq!((health.is_writing, health.failures), (true, 0), "{health:?}");
}
