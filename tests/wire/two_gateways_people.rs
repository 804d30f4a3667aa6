//! Two gateways on one Redis and the people at their phones: who pauses at one is not rung by the other, a rest that is ended at one is ended
//! at the other, one person calls back once at a time wherever he asks, and what a webhook is told of the calls it is told once.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jiff::{ToSpan as _, Zoned};
use ringward::store;
use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::registered_phones::wait_for_registered;
use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::Gateway;
use crate::support::https::Https;
use crate::support::people::Person;
use crate::support::sipp::{Caller, echo_on, silent_caller};
use crate::support::{folder, free_ports, have, one_load_at_a_time, ringward, wait_for};

const TRUNK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(60);
const PUBLISHED: &str = "+18005550100";

struct Two {
    left: Gateway,
    right: Gateway,
    /// The configuration of the left one.
    file: String,
    secret: String,
}

/// `node`'s configuration, written.
fn configured(folder: &Path, node: &str, url: &str, more: &str) -> String {
    let media = free_ports(80);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nshards = 2\n{more}\
         [registrar]\nfrom = [\"127.0.0.1\"]\ndigest = [\"MD5\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = {url:?}\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 79,
    );
    let file = folder.join(format!("{node}.toml"));
    std::fs::write(&file, text).expect("the configuration");
    file.display().to_string()
}

/// Two of them, which know the device `desk-1`.
fn two(folder: &Path, server: &RedisServer, more: &str) -> Two {
    let url = server.url("left");
    let file = configured(folder, "left", &url, more);
    let other = configured(folder, "right", &url.replace("left", "right"), more);
    let secret = ringward(&["device", "add", "desk-1", "--config", &file]);
    let left = Gateway::run(folder.into(), &["serve", "--config", &file]);
    let right = Gateway::run_as(folder.into(), &["serve", "--config", &other], Some(&left.token));
    Two {
        left,
        right,
        file,
        secret,
    }
}

fn seen(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/desks")
}

/// How long until the other gateway knows it. What comes by itself every two seconds would take one on average.
fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    wait_for(what, PATIENCE, || is_so().then_some(()));
    start.elapsed()
}

#[test]
fn pauses_and_ended_rests_hold_at_both_within_a_second_and_one_person_calls_back_once_at_a_time() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let Some(server) = RedisServer::start() else {
        return;
    };
    let _only = one_load_at_a_time();
    let folder = folder("two-people");
    let says = folder.join("says.wav");
    write_wav(&says, &test_speech(100));
    let (_carrier, port) = echo_on(&folder, TRUNK.into(), 100);
    let more = format!(
        "[[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\nto = \"sip:{TRUNK}:{port}\"\nnumber = \"+12125550100\"\n\
         [outbound]\ncall_back = true\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"person:ann\"]\nwrap_up = \"600s\"\n"
    );
    let Two {
        left,
        right,
        file,
        secret,
    } = two(&folder, &server, &more);
    let elsewhere = folder.join("elsewhere");
    std::fs::create_dir_all(&elsewhere).expect("a folder");
    let _left_phone = Baresip::start_registered(&folder, "desk-1", &says, left.udp, &secret);
    let _right_phone = Baresip::start_registered(&elsewhere, "desk-1", &says, right.udp, &secret);
    wait_for_registered(&left, &["desk-1"]);
    wait_for_registered(&right, &["desk-1"]);
    let ann = Person::invited(&left, &file, "ann", "receptionist");
    let boss = Person::invited(&left, &file, "boss", "supervisor");
    let away = Person::signed_in(&right, "ann");
    ann.sits_at("desk-1");
    wait_for("ann to sit there at the other gateway", PATIENCE, || {
        (seen(&right)["desks"][0]["person"] == "ann").then_some(())
    });

    // A supervisor pauses her, and the phone, at one of them.
    let mut took = Vec::new();
    for path in ["/api/v1/people/ann/pause", "/api/v1/desks/desk-1/pause"] {
        let pause = |gateway: &Gateway| match path.contains("people") {
            true => seen(gateway)["people"][0]["pause"]["by"].clone(),
            false => seen(gateway)["desks"][0]["pause"]["by"].clone(),
        };
        for _ in 0..4 {
            let (status, said) = boss.ask("PUT", path, Some(json!({ "reason": "training" })));
            assert_eq!(status, 204, "{said}");
            took.push(until("the pause at the other gateway", || {
                pause(&right) == "boss"
            }));
            let (status, said) = boss.ask("DELETE", path, None);
            assert_eq!(status, 204, "{said}");
            took.push(until("its end at the other gateway", || pause(&right).is_null()));
        }
    }
    took.sort_unstable();
    eprintln!("told after {took:?}");
    // Other programs may hold this machine up once.
    assert!(took[took.len() - 2] < Duration::from_secs(1), "{took:?}");

    // She had a call through the right one and rests after it; her supervisor ends that at the left one.
    let call_at = |gateway: &Gateway| {
        let scenario = silent_caller(300);
        Caller::one(gateway.udp, &scenario)
            .start_from(&folder, TRUNK.into())
            .finish()
    };
    let call = || call_at(&right);
    let (status, errors) = call();
    assert!(status.success(), "{errors}");
    let rest = || seen(&right)["desks"][0]["rest"]["why"].clone();
    wait_for("her rest", PATIENCE, || (rest() == "wrap_up").then_some(()));
    // It holds at the other one, too: she is not rung there.
    let at_left = || seen(&left)["desks"][0]["rest"].clone();
    let took = until("her rest at the other gateway", || at_left()["why"] == "wrap_up");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let ends = |rest: &Value| rest["until_ms"].as_u64().expect("a time");
    let apart = ends(&at_left()).abs_diff(ends(&seen(&right)["desks"][0]["rest"]));
    assert!(
        apart < 2_000,
        "it ends at both in the same moment: {apart} ms apart"
    );
    let (status, errors) = call_at(&left);
    assert!(!status.success(), "she is rung while she rests: {errors}");
    let calls = left.ended_calls(2);
    let mut calls = calls.iter();
    let turned_away = calls.find(|call| call["outcome"]["ending"] == "no_answer");
    let why = left.why(turned_away.expect("the call that nobody was rung for"));
    assert_eq!(why["attempts"], json!([]), "{why}");
    let (status, said) = boss.ask("DELETE", "/api/v1/desks/desk-1/rest", None);
    assert_eq!(status, 204, "{said}");
    let took = until("its end at the other gateway", || rest().is_null());
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(at_left().is_null());
    let (status, errors) = call();
    assert!(status.success(), "she is rung again: {errors}");

    // Asked at both in the same moment, one of them calls back.
    let entry = json!({ "name": "First National Bank", "numbers": [PUBLISHED], "reason": "its web page" });
    let (status, said) = left.request(
        "POST",
        "/api/v1/lists/directory/entries",
        Some(&entry.to_string()),
    );
    assert_eq!(status, 201, "{said}");
    let missed = wait_for("the call at both", PATIENCE, || {
        let calls = left.ended_calls(3);
        let answered = calls
            .iter()
            .find(|call| call["outcome"]["ending"] == "completed")?;
        let id = answered["id"].as_str()?.to_string();
        (right.request("GET", &format!("/api/v1/calls/{id}"), None).0 == 200).then_some(id)
    });
    let path = format!("/api/v1/calls/{missed}/call-back");
    let body = wait_for("the directory at the other gateway", PATIENCE, || {
        let (_, found) = away.ask("GET", &format!("{path}?search=National"), None);
        let found: Value = serde_json::from_str(&found).ok()?;
        let entry = found["found"][0]["entry"].as_u64()?;
        Some(json!({ "entry": entry, "number": PUBLISHED }))
    });
    for round in 0..5 {
        let said = std::thread::scope(|scope| {
            let asked = [&ann, &away].map(|person| {
                let (path, body) = (&path, body.clone());
                scope.spawn(move || person.ask("POST", path, Some(body)))
            });
            asked.map(|one| one.join().expect("an answer"))
        });
        let begun: Vec<&String> = said
            .iter()
            .filter(|(status, _)| *status == 202)
            .map(|(_, text)| text)
            .collect();
        assert_eq!(begun.len(), 1, "round {round}: {said:?}");
        let other = said.iter().find(|(status, _)| *status != 202).expect("the other");
        assert!(
            other.0 == 409 && other.1.contains("calling back already"),
            "round {round}: {other:?}"
        );
        // While it goes on neither of them begins another one.
        for person in [&ann, &away] {
            let (status, text) = person.ask("POST", &path, Some(body.clone()));
            assert_eq!(status, 409, "round {round}: {text}");
        }
        let begun: Value = serde_json::from_str(begun[0]).expect("JSON");
        let id = begun["id"].as_str().expect("an id").to_string();
        let live = format!("/api/v1/calls/{id}");
        wait_for("the call back to be live at both", PATIENCE, || {
            let is_live = |gateway: &Gateway| gateway.request("GET", &live, None).0 == 200;
            (is_live(&left) && is_live(&right)).then_some(())
        });
        let end = left.request("POST", &format!("{live}/actions"), Some("{\"do\":\"hang_up\"}"));
        assert_eq!(end.0, 202, "{}", end.1);
        for gateway in [&left, &right] {
            wait_for("its end at both", PATIENCE, || {
                let (_, text) = gateway.request("GET", &live, None);
                let record: Value = serde_json::from_str(&text).ok()?;
                (record["state"] == "ended").then_some(())
            });
        }
    }
    // The page of the call that was answered says who did, at either.
    for gateway in [&left, &right] {
        let why = gateway.get(&format!("/api/v1/calls/{missed}/why"));
        let back = why["called_back"].as_array().cloned().unwrap_or_default();
        assert_eq!(back.len(), 5, "{back:?}");
        assert!(back.iter().all(|one| one["by"] == "ann"), "{back:?}");
    }
}

const QUEUE: &str = "[[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.2\"]\n\
    [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@127.0.0.1:9\"]\n";

type Came = Arc<Mutex<Vec<(String, Value)>>>;

async fn receive(State(came): State<Came>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_string();
    let body = serde_json::from_slice(&body).unwrap();
    came.lock().unwrap().push((id, body));
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn each_report_that_is_due_is_told_once_though_two_gateways_could_tell_it() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let folder = folder("two-reports");
    let came: Came = Arc::default();
    let receiver = came.clone();
    let host = Https::open(|_| {
        axum::Router::new()
            .route("/in", post(receive))
            .with_state(receiver)
    })
    .await;
    // Due three times since it was told last: this morning, yesterday and the day before; some gateway did that four days ago.
    let now = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let due = now.checked_sub(2.minutes()).expect("a time");
    let done = due.date().checked_sub(3.days()).expect("a day");
    let (url, at) = (server.url("left"), due.strftime("%H:%M").to_string());
    let done = done.to_string();
    let kept = url.clone();
    let (more, none) = (
        format!(
            "{QUEUE}[[webhook]]\nname = \"siem\"\nurl = \"https://{}/in\"\nsecret = \"twenty-four octets, at least\"\nevents = []\n\
             allow = [\"127.0.0.0/8\"]\nanchors = [{:?}]\n\
             [[report]]\nname = \"morning\"\nwebhook = \"siem\"\nevery = \"day\"\nat = \"{at}\"\nzone = \"UTC\"\nby = [\"queue\"]\n",
            host.address, host.anchor
        ),
        QUEUE,
    );
    // Their token, from before they had anything to tell.
    let (first, at_first) = (folder.clone(), configured(&folder, "first", &url, none));
    let token = tokio::task::spawn_blocking(move || {
        let mut gateway = Gateway::run(first, &["serve", "--config", &at_first]);
        gateway.signal("TERM");
        gateway.wait_for_exit(PATIENCE);
        gateway.token.clone()
    });
    let token = token.await.expect("it ran");
    let before = tokio::task::spawn_blocking(move || {
        let store = store::open(&store::Config { url: kept }).expect("the store");
        let text = json!({ "done": done, "claim": null }).to_string();
        store.reshelve("reports", 1, vec![("morning".into(), Some(text))])
    });
    assert!(before.await.expect("it ran").expect("written"));
    let watched = came.clone();
    let told = tokio::task::spawn_blocking(move || {
        let file = configured(&folder, "left", &url, &more);
        let other = configured(&folder, "right", &url.replace("left", "right"), &more);
        // In the same moment: both find what is due.
        let [mut left, mut right] = [file, other]
            .map(|file| {
                let (folder, token) = (folder.clone(), token.clone());
                std::thread::spawn(move || {
                    Gateway::run_as(folder, &["serve", "--config", &file], Some(&token))
                })
            })
            .map(|starts| starts.join().expect("it starts"));
        wait_for("three reports", PATIENCE, || {
            (watched.lock().unwrap().len() >= 3).then_some(())
        });
        // Both have looked once more since, and have nothing left to tell.
        let lines = |gateway: &mut Gateway| gateway.log().matches("a report is told").count();
        let looked = Instant::now();
        wait_for("both to look again", PATIENCE, || {
            let is_done = |gateway: &Gateway| gateway.get("/api/v1/webhooks")["webhooks"][0]["waiting"] == 0;
            (looked.elapsed() > Duration::from_secs(12) && is_done(&left) && is_done(&right)).then_some(())
        });
        (lines(&mut left), lines(&mut right))
    });
    let (left, right) = told.await.expect("it ran");
    eprintln!("{left} told by the left one, {right} by the right one");
    assert_eq!(left + right, 3, "each is told by one of them");
    let came = came.lock().unwrap().clone();
    let mut ids: Vec<&String> = came.iter().map(|(id, _)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((came.len(), ids.len()), (3, 3), "{came:?}");
    let mut days: Vec<String> = came
        .iter()
        .map(|(_, body)| body["data"]["on"].to_string())
        .collect();
    days.sort();
    days.dedup();
    assert_eq!(days.len(), 3, "three days: {came:?}");
}
