//! Recordings of earlier calls in each engine: known again after a restart, each gateway's own, and erased at all of them.

use std::sync::Arc;

use ringward::call_id::CallId;
use ringward::redact::Redacted;
use ringward::runtime::repeats::Repeats;
use ringward::store::{Live, Store};

use crate::records::{KINDS, call};
use crate::redis_server::RedisServer;
use crate::tones::tones;
use crate::{Folder, open};

const NOON: u64 = 1_790_000_000_000;
const NUMBERS: [&str; 4] = ["+14045550101", "+14045550102", "+14045550103", "+14045550104"];

fn live() -> Arc<Live> {
    let live = Arc::new(Live::new());
    for (at, number) in NUMBERS.iter().enumerate() {
        let mut record = call(&KINDS[3], 1, NOON, 6_000, 60_000);
        record.id = CallId(at as u128 + 1);
        record.caller = Some(Redacted::new((*number).to_string()));
        live.publish(Arc::new(record));
    }
    live
}

/// A gateway that starts on this store.
fn started(store: &Arc<dyn Store>) -> Repeats {
    let repeats = Repeats::open(100, live(), Arc::clone(store)).unwrap();
    repeats.read(NOON).unwrap();
    repeats
}

/// The recording in the call of one of [`NUMBERS`]: from how many numbers it came.
fn heard(repeats: &Repeats, number: usize) -> u32 {
    let mut told = None;
    for hop in tones(7).chunks(8000) {
        told = repeats.hear(CallId(number as u128 + 1), hop, NOON + 1).or(told);
    }
    told.map_or(1, |repeat| repeat.callers)
}

#[test]
fn a_recording_is_known_again_by_whatever_engine_kept_it() {
    let folder = Folder::temporary();
    let server = RedisServer::shared();
    let redis = server.as_ref().map(|server| server.url("recordings"));
    for url in [Some(folder.url()), redis].into_iter().flatten() {
        let first = started(&open(&url));
        assert_eq!((heard(&first, 0), heard(&first, 1)), (1, 2));
        first.write().unwrap();
        drop(first);
        let second = started(&open(&url));
        assert_eq!(heard(&second, 2), 3, "{url}");
        assert_eq!(second.forget_number(NUMBERS[0], NOON).unwrap(), 1);
        drop(second);
        let third = started(&open(&url));
        assert_eq!(
            (third.heard_from(NUMBERS[0]), third.heard_from(NUMBERS[2])),
            (0, 1)
        );
        assert_eq!(heard(&third, 3), 4, "who was erased still counts");
    }
}

#[test]
fn gateways_on_one_redis_have_their_own_and_an_erasure_reaches_all() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let left = server.url("left");
    let (left, right) = (open(&left), open(&left.replace("left", "right")));
    let (one, other) = (started(&left), started(&right));
    assert_eq!((heard(&one, 0), heard(&one, 1), heard(&other, 0)), (1, 2, 1));
    assert_eq!(heard(&other, 1), 2);
    one.write().unwrap();
    other.write().unwrap();
    assert_eq!(one.forget_number(NUMBERS[1], NOON).unwrap(), 1);
    assert_eq!(other.heard_from(NUMBERS[1]), 1);
    // It looks at its start, and every half minute.
    other.read(NOON).unwrap();
    assert_eq!(other.heard_from(NUMBERS[1]), 0);
    other.write().unwrap();
    assert_eq!(started(&right).heard_from(NUMBERS[1]), 0);
}

#[test]
fn whoever_calls_again_after_an_erasure_is_one_caller_also_over_restarts() {
    let Some(server) = RedisServer::shared() else {
        return;
    };
    let url = server.url("again");
    let neighbour = started(&open(&url.replace("again", "neighbour")));
    let store = open(&url);
    let first = started(&store);
    assert_eq!((heard(&first, 0), heard(&first, 1)), (1, 2));
    // Here, and at a neighbour.
    first.forget_number(NUMBERS[0], NOON).unwrap();
    neighbour.forget_number(NUMBERS[1], NOON).unwrap();
    let second = started(&store);
    assert_eq!(
        (second.heard_from(NUMBERS[0]), second.heard_from(NUMBERS[1])),
        (0, 0)
    );
    assert_eq!((heard(&second, 0), heard(&second, 1)), (3, 4));
    second.write().unwrap();
    second.read(NOON).unwrap();
    let third = started(&store);
    assert_eq!(
        (third.heard_from(NUMBERS[0]), third.heard_from(NUMBERS[1])),
        (1, 1)
    );
    assert_eq!(heard(&third, 0), 4);
    // Past the retention nobody is told any more.
    assert_eq!(store.shelf("recordings_erased").unwrap().documents.len(), 2);
    let over = NOON + 31 * 24 * 3_600_000;
    started(&store).read(over).unwrap();
    assert_eq!(store.shelf("recordings_erased").unwrap().documents, []);
}
