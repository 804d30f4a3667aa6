//! What waits for a second person: over a restart, and at every gateway on the store.

use ringward::accounts::{Moment, Taken, Wish, Wishes};

use crate::redis_server::RedisServer;
use crate::{Folder, open};

const NOON: u64 = 1_790_000_000_000;
const DAY_MS: u64 = 24 * 3_600_000;

fn moment(now_ms: u64) -> Moment<'static> {
    Moment {
        now_ms,
        lockdown: 0,
        may: &|_| true,
    }
}

fn asked(wishes: &Wishes, person: &str, now_ms: u64) -> Result<Taken, Box<Wish>> {
    let wish = Wish {
        what: "block: +14045550123".into(),
        by: format!("token of {person}"),
        person: person.into(),
        at_ms: now_ms,
        ends_ms: now_ms + DAY_MS,
        method: "POST".into(),
        route: "/api/v1/lists/{list}/entries".into(),
        lockdown: 0,
        taken_ms: None,
    };
    wishes.agree("add", &wish, &moment(now_ms)).unwrap()
}

fn waiting(wishes: &Wishes, now_ms: u64) -> Vec<Wish> {
    wishes.all(&moment(now_ms)).unwrap()
}

/// `left` and `right`: the store as two gateways open it, one after the other or both at once.
fn check(left: &str, right: &str, is_shared: bool) {
    let wishes = |url: &str| Wishes::new(open(url));
    let first = wishes(left);
    let wish = *asked(&first, "ann", NOON).unwrap_err();
    let whole = std::slice::from_ref(&wish);
    assert_eq!(waiting(&first, NOON), whole);
    // Gone, and started again; or the other gateway.
    let first = Some(first).filter(|_| is_shared);
    let second = wishes(right);
    assert_eq!(waiting(&second, NOON + 1), whole, "with its term");
    assert!(
        asked(&second, "ann", NOON + 2).is_err(),
        "one person, wherever he asks"
    );
    let taken = asked(&second, "bob", NOON + 3).unwrap();
    assert_eq!(
        (taken.first.person.as_str(), taken.first.by.as_str()),
        ("ann", "token of ann")
    );
    assert_eq!(waiting(&second, NOON + 4), []);
    second.put_back(&taken.key).unwrap();
    drop(second);
    let third = first.unwrap_or_else(|| wishes(left));
    assert_eq!(waiting(&third, NOON + 5).len(), 1, "it was not done");
    // Its day is over.
    assert_eq!(waiting(&third, NOON + 2 + DAY_MS), []);
    assert!(asked(&third, "bob", NOON + 3 + DAY_MS).is_err());
    assert!(third.forget(|wish| wish.what.contains("5550123")).unwrap());
    assert_eq!(waiting(&third, NOON + 4 + DAY_MS), []);
}

#[test]
fn wishes_are_kept_and_seen_wherever_the_store_is_opened() {
    let folder = Folder::temporary();
    check(&folder.url(), &folder.url(), false);
    if let Some(server) = RedisServer::shared() {
        let left = server.url("left");
        check(&left, &left.replace("left", "right"), true);
    }
}

#[test]
fn of_two_gateways_that_agree_at_once_one_does_it() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let left = server.url("left");
    let both = [left.clone(), left.replace("left", "right")].map(|url| Wishes::new(open(&url)));
    for round in 0..5 {
        let now_ms = NOON + round * DAY_MS;
        assert!(asked(&both[0], "ann", now_ms).is_err());
        let agreed: Vec<_> = std::thread::scope(|threads| {
            let agree = |(wishes, person): (_, &'static str)| {
                threads.spawn(move || asked(wishes, person, now_ms + 1))
            };
            let threads = both.iter().zip(["bob", "eve"]).map(agree).collect::<Vec<_>>();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(
            agreed.iter().filter(|agreed| agreed.is_ok()).count(),
            1,
            "{agreed:?}"
        );
        let taken = agreed.into_iter().find_map(Result::ok).unwrap();
        both[1].done(&taken.key).unwrap();
        assert_eq!(waiting(&both[0], now_ms + 2), []);
    }
}
