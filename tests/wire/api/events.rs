//! The event stream.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response};
use ringward::store::limits::CHANGES_BEHIND_MAX;
use serde_json::Value;

use super::{Desk, NOON, check_problem};
use crate::records::{KINDS, call};

/// Reads events one by one.
struct Reader {
    response: Response,
    text: String,
}

impl Reader {
    async fn open(desk: &Desk) -> Reader {
        let response = desk
            .signed(Method::GET, "/api/v1/events")
            .header("last-event-id", "77")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Reader {
            response,
            text: String::new(),
        }
    }

    /// The next event's name and data; None = the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name).map(str::trim))
                };
                let event = field("event:").zip(field("data:"));
                let event = event.map(|(name, data)| (name.to_string(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_string();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk())
                .await
                .unwrap();
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_what_is_and_goes_on_with_what_changes() {
    let desk = Desk::open().await;
    let id = desk.live_call(0, 1).to_string();
    let mut reader = Reader::open(&desk).await;
    let (name, snapshot) = reader.next().await.unwrap();
    assert_eq!(name, "snapshot");
    assert_eq!(snapshot["now_ms"], NOON);
    assert_eq!(snapshot["calls"][0]["id"], id);
    assert_eq!(snapshot["left_out"], 0);
    desk.live
        .publish(Arc::new(call(&KINDS[0], 1, NOON, 9_000, 60_000)));
    let (name, change) = reader.next().await.unwrap();
    assert_eq!((name.as_str(), &change["id"]), ("call", &Value::from(id.clone())));
    assert_eq!(change["banner"]["voice"], "person");
    desk.post(&format!("/api/v1/calls/{id}/report"), "{\"verdict\":\"good\"}")
        .await;
    assert_eq!(reader.next().await.unwrap().1["report"]["verdict"], "good");
    desk.live
        .publish(Arc::new(call(&KINDS[0], 1, NOON, 60_000, 60_000)));
    assert_eq!(reader.next().await.unwrap().1["state"], "ended");
}

#[tokio::test]
async fn whoever_comes_back_gets_a_snapshot_whatever_it_saw_last() {
    let desk = Desk::open().await;
    desk.live_call(0, 1);
    let mut first = Reader::open(&desk).await;
    first.next().await.unwrap();
    drop(first);
    desk.live
        .publish(Arc::new(call(&KINDS[0], 1, NOON, 60_000, 60_000)));
    desk.live_call(1, 2);
    let (name, snapshot) = Reader::open(&desk).await.next().await.unwrap();
    assert_eq!(name, "snapshot");
    assert_eq!(snapshot["calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reader_that_was_too_slow_is_brought_up_to_date_by_a_new_snapshot() {
    let desk = Desk::open().await;
    let mut reader = Reader::open(&desk).await;
    reader.next().await.unwrap();
    let most = CHANGES_BEHIND_MAX as u64 + 400;
    for step in 0..most {
        desk.live
            .publish(Arc::new(call(&KINDS[0], 1, NOON, 4_000 + step, 60_000)));
    }
    loop {
        let (name, event) = reader.next().await.unwrap();
        if name == "snapshot" {
            assert_eq!(event["calls"].as_array().unwrap().len(), 1);
            break;
        }
    }
}

#[tokio::test]
async fn streams_are_bounded_and_a_place_is_free_again_when_a_reader_leaves() {
    let desk = Desk::open().await;
    let mut readers = Vec::new();
    for _ in 0..ringward::api::limits::STREAMS_MAX {
        readers.push(Reader::open(&desk).await);
    }
    let refused = desk.signed(Method::GET, "/api/v1/events").send().await.unwrap();
    check_problem(refused, 503, "too-many-streams").await;
    drop(readers);
    for _ in 0..200 {
        desk.live_call(0, 1);
        let again = desk.signed(Method::GET, "/api/v1/events").send().await.unwrap();
        if again.status() == 200 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no place came free");
}

#[tokio::test]
async fn when_the_gateway_stops_streams_end_and_it_does_not_wait_for_readers() {
    let desk = Desk::open().await;
    let mut reader = Reader::open(&desk).await;
    reader.next().await.unwrap();
    desk.close().await.unwrap();
    assert!(reader.next().await.is_none());
}
