//! Calls that cannot be read back hide none behind them, also where a page holds nothing else.

use std::sync::Arc;
use std::time::Duration;

use ringward::call_id::CallId;
use ringward::store::{Filter, Store};

use crate::records::{KINDS, ended};
use crate::redis::Redis;
use crate::redis_server::RedisServer;
use crate::{Folder, open, settled};

const NOON: u64 = 1_790_000_000_000;

/// Saves a call, three that `spoil` makes unreadable, and one more; then walks through them all, whatever is asked for and by pages of any
/// length.
fn walk(store: &dyn Store, spoil: impl FnOnce(&[CallId])) {
    let calls: Vec<_> = (0..5).map(|at| ended(&KINDS[6], at, NOON + at)).collect();
    for call in &calls {
        store.save(Arc::new(call.clone()));
    }
    settled(store);
    spoil(&[calls[1].id, calls[2].id, calls[3].id]);
    let every = Filter::default();
    let of_one = Filter {
        number: Some("+16175550134".into()),
        ..Filter::default()
    };
    // Of two properties: looked for in another way.
    let of_two = Filter {
        ending: calls[0].outcome.as_ref().map(|outcome| outcome.ending),
        ..of_one.clone()
    };
    for filter in [every, of_one, of_two] {
        for limit in 1..=6 {
            let (mut filter, mut found, mut pages) = (filter.clone(), Vec::new(), 0);
            filter.limit = limit;
            loop {
                let page = store.search(&filter, Duration::MAX).unwrap();
                pages += 1;
                assert!(pages < 10, "it goes in circles: {filter:?}");
                found.extend(page.calls.iter().map(|call| call.id));
                let Some((ms, id)) = page.next() else { break };
                (filter.before_ms, filter.before_id) = (Some(ms), Some(id));
            }
            assert_eq!(found, [calls[4].id, calls[0].id], "{filter:?}");
        }
    }
    assert!(store.health().unreadable >= 3, "{:?}", store.health());
}

#[test]
fn a_page_of_nothing_but_unreadable_calls_of_the_file_ends_no_list() {
    let folder = Folder::temporary();
    let store = open(&folder.url());
    walk(&*store, |spoiled| {
        let other = rusqlite::Connection::open(folder.0.join("calls.db")).unwrap();
        for id in spoiled {
            let changed = other.execute("UPDATE call SET record = x'7b7d' WHERE id = ?1", [id.to_string()]);
            assert_eq!(changed, Ok(1));
        }
    });
}

#[test]
fn a_page_of_nothing_but_unreadable_calls_in_redis_ends_no_list() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("one");
    let store = open(&url);
    walk(&*store, |spoiled| {
        let mut redis = Redis::at(&url);
        for id in spoiled {
            redis.ask(&["HSET", "ringward:keys", &id.to_string(), "none of its keys"]);
        }
    });
}
