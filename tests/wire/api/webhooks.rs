//! Webhooks: told over real HTTPS, told again, given up and told once more; signed each time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use reqwest::Method;
use ringward::runtime::scheduled_reports::ScheduledReports;
use ringward::store::Store;
use ringward::webhook::{Config, Kind, Patience};
use serde_json::Value;

use super::{Desk, NOON, Setting, check_problem, json, memory};
use crate::records::{FORGED, KINDS, ended};
use crate::support::https::Https;

const SECRET: &str = "twenty-four octets, at least";

/// What a receiver does with a message.
#[derive(Clone, Copy)]
enum Act {
    Answer(u16),
    /// Sends it to another address of its own.
    Redirect,
    Stall,
    /// Answers more than anybody wants to read.
    Babble,
}

/// Somebody who is told: does what he was given to do, then takes everything.
#[derive(Clone, Default)]
struct Receiver {
    acts: Arc<Mutex<Vec<Act>>>,
    /// Id and body of what came, whatever was answered.
    came: Arc<Mutex<Vec<(String, String)>>>,
    /// What came where redirections lead.
    elsewhere: Arc<Mutex<usize>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_string();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let tag = base64::engine::general_purpose::STANDARD
        .decode(header("webhook-signature").strip_prefix("v1,").unwrap())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &tag).expect("signed with our secret");
    receiver.came.lock().unwrap().push((header("webhook-id"), body));
    let act = {
        let mut acts = receiver.acts.lock().unwrap();
        if acts.is_empty() {
            Act::Answer(204)
        } else {
            acts.remove(0)
        }
    };
    match act {
        Act::Answer(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Act::Redirect => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response(),
        Act::Stall => std::future::pending().await,
        Act::Babble => "x".repeat(1024 * 1024).into_response(),
    }
}

impl Receiver {
    async fn open(&self) -> Https {
        let (receiver, elsewhere) = (self.clone(), self.elsewhere.clone());
        Https::open(move |_| {
            axum::Router::new()
                .route("/in", post(receive))
                .route("/elsewhere", post(async move || *elsewhere.lock().unwrap() += 1))
                .with_state(receiver)
        })
        .await
    }

    /// Waits until so many came; a minute at most.
    async fn came(&self, count: usize) -> Vec<(String, Value)> {
        for _ in 0..6_000 {
            let came = self.came.lock().unwrap().clone();
            if came.len() >= count {
                let parsed = came
                    .into_iter()
                    .map(|(id, body)| (id, serde_json::from_str(&body).unwrap()));
                return parsed.collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("only {:?} came", self.came.lock().unwrap());
    }
}

fn hook(host: &Https, kinds: &[Kind]) -> Config {
    Config {
        name: "siem".into(),
        url: format!("https://{}/in?key=hidden", host.address),
        secret: SECRET.to_string().into(),
        kinds: kinds.to_vec(),
        allow: vec!["127.0.0.0/8".into()],
        anchors: vec![host.anchor.clone()],
    }
}

fn patience(give_up: Duration) -> Patience {
    Patience {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(40),
        give_up,
        pause_longest: Duration::from_millis(40),
        answer: Duration::from_secs(5),
    }
}

fn setting(hook: Config, give_up: Duration) -> Setting {
    Setting {
        webhooks: vec![hook],
        patience: patience(give_up),
        ..Setting::default()
    }
}

/// The only webhook, as it is shown once `is_so` holds of it.
async fn shown(desk: &Desk, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    for _ in 0..6_000 {
        seen = desk.read("/api/v1/webhooks").await["webhooks"][0].clone();
        if is_so(&seen) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{seen}");
}

/// Waits until it is on disk that nothing waits to be told; a minute at most.
async fn nothing_kept(store: &Arc<dyn Store>) {
    for _ in 0..6_000 {
        let shelf = store.shelf("webhooks").unwrap();
        if !shelf.documents.iter().any(|(key, _)| key.starts_with("waiting/")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", store.shelf("webhooks").unwrap().documents);
}

/// Waits until so many dead letters are on the shelf; a minute at most.
async fn kept_dead(store: &Arc<dyn Store>, count: usize) {
    for _ in 0..6_000 {
        let shelf = store.shelf("webhooks").unwrap();
        if shelf
            .documents
            .iter()
            .filter(|(key, _)| key.contains("dead"))
            .count()
            == count
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", store.shelf("webhooks").unwrap().documents);
}

#[tokio::test]
async fn what_was_done_is_told_signed_and_again_until_it_is_taken() {
    let store = memory();
    let before = Desk::with(store.clone(), None).await;
    before.token_for("before", &["analyst"]).await;
    let token = before.token.clone();
    before.close().await.unwrap();
    let receiver = Receiver::default();
    receiver
        .acts
        .lock()
        .unwrap()
        .extend([Act::Answer(500), Act::Redirect, Act::Stall, Act::Babble]);
    let host = receiver.open().await;
    let day = Duration::from_secs(24 * 3_600);
    let mut desk = Desk::set_up(store, setting(hook(&host, &[Kind::Account]), day)).await;
    desk.token = token;
    desk.person("ann", &["analyst"]).await;
    // The first is tried until it is taken; what is none of its business is not told, nor what was before.
    shown(&desk, |seen| seen["waiting"] == 0 && !seen["taken_ms"].is_null()).await;
    let came = receiver.came(6).await;
    let of = |what: &str| {
        came.iter()
            .filter(|(_, body)| body["data"]["what"] == what)
            .count()
    };
    assert_eq!(of("account add") + of("account accept invitation"), came.len());
    assert!(
        of("account accept invitation") >= 1 && of("account add") >= 1,
        "{came:?}"
    );
    let (id, body) = &came[0];
    assert_eq!(body["type"], "audit.account");
    let hash = body["data"]["hash"].as_str().unwrap();
    assert_eq!(*id, format!("audit-{}-{}", body["data"]["number"], &hash[..8]));
    assert_eq!(
        *receiver.elsewhere.lock().unwrap(),
        0,
        "no redirection is followed"
    );
    let seen = shown(&desk, |seen| seen["failures"] == 0).await;
    assert_eq!((&seen["host"], &seen["dead"]), (&"127.0.0.1".into(), &0.into()));
    assert!(!seen.to_string().contains("hidden"));
    desk.close().await.unwrap();
}

#[tokio::test]
async fn what_is_never_taken_is_put_aside_told_once_more_or_forgotten() {
    let receiver = Receiver::default();
    receiver.acts.lock().unwrap().extend([Act::Answer(410); 3]);
    let host = receiver.open().await;
    let store = memory();
    let at_once = setting(hook(&host, &[Kind::Account]), Duration::ZERO);
    let desk = Desk::set_up(store.clone(), at_once).await;
    desk.person("ann", &["analyst"]).await;
    let seen = shown(&desk, |seen| seen["dead"] == 2).await;
    assert_eq!(seen["problem"], "answered 410");
    // It is written behind: what was not would be told again, and not be dead.
    kept_dead(&store, 2).await;
    let token = desk.token.clone();
    desk.close().await.unwrap();

    // Dead letters stay through a restart.
    let at_once = setting(hook(&host, &[Kind::Account]), Duration::ZERO);
    let mut desk = Desk::set_up(store, at_once).await;
    desk.token = token;
    let path = "/api/v1/webhooks/siem/dead";
    let dead = desk.read(path).await["messages"].clone();
    assert_eq!(dead[0]["data"]["what"], "account add");
    assert_eq!(
        (&dead[1]["type"], &dead[1]["tries"]),
        (&"audit.account".into(), &1.into())
    );
    let one = format!("{path}/{}", dead[0]["id"].as_str().unwrap());
    let again = desk.post(&format!("{one}/again"), "").await;
    assert_eq!(again.status(), 202);
    shown(&desk, |seen| seen["dead"] == 2 && seen["failures"] == 1).await;
    let again = desk.post(&format!("{path}/again"), "").await;
    assert_eq!(json(again).await["messages"], 2);
    shown(&desk, |seen| seen["dead"] == 0 && seen["waiting"] == 0).await;
    assert_eq!(receiver.came(5).await.len(), 5);

    check_problem(
        desk.post(&format!("{one}/again"), "").await,
        404,
        "no-such-message",
    )
    .await;
    for (method, path) in [
        (Method::GET, "/api/v1/webhooks/nobody/dead"),
        (Method::DELETE, "/api/v1/webhooks/nobody/dead"),
        (Method::POST, "/api/v1/webhooks/nobody/test"),
        (Method::POST, "/api/v1/webhooks/nobody/dead/again"),
    ] {
        let nobody = desk.signed(method, path).send().await.unwrap();
        check_problem(nobody, 404, "no-such-webhook").await;
    }
    receiver.acts.lock().unwrap().push(Act::Answer(500));
    let sent = json(desk.post("/api/v1/webhooks/siem/test", "").await).await["id"].clone();
    shown(&desk, |seen| seen["dead"] == 1).await;
    let one = format!("{path}/{}", sent.as_str().unwrap());
    let forgotten = desk.signed(Method::DELETE, &one).send().await.unwrap();
    assert_eq!(forgotten.status(), 204);
    assert!(desk.read(path).await["messages"].as_array().unwrap().is_empty());
    desk.close().await.unwrap();
}

#[tokio::test]
async fn a_call_that_ended_is_told_without_its_whole_number() {
    let receiver = Receiver::default();
    let host = receiver.open().await;
    let day = Duration::from_secs(24 * 3_600);
    let desk = Desk::set_up(memory(), setting(hook(&host, &[Kind::CallAlert]), day)).await;
    for (number, kind) in KINDS.iter().enumerate() {
        desk.webhooks.ended(&ended(kind, number as u64, super::NOON));
    }
    let forged = ended(&KINDS[FORGED], FORGED as u64, super::NOON);
    let wanted = format!("call-{}", forged.id);
    let mut count = 1;
    let came = loop {
        let came = receiver.came(count).await;
        match came.iter().any(|(id, _)| *id == wanted) {
            true => break came,
            false => count = came.len() + 1,
        }
    };
    assert!(
        came.iter().all(|(_, body)| body["type"] == "call.alert"),
        "{came:?}"
    );
    let (_, body) = came.iter().find(|(id, _)| *id == wanted).unwrap();
    assert_eq!(body["data"]["label"], "forged");
    let number = forged.caller.as_ref().unwrap().reveal();
    assert!(!body.to_string().contains(number.as_str()), "{body}");
    desk.close().await.unwrap();
}

#[tokio::test]
async fn a_report_is_told_signed_and_again_until_it_is_taken_and_once_over_a_restart() {
    let store = memory();
    let receiver = Receiver::default();
    receiver
        .acts
        .lock()
        .unwrap()
        .extend([Act::Answer(500), Act::Stall]);
    let host = receiver.open().await;
    let day = Duration::from_secs(24 * 3_600);
    let configured = format!(
        "[[webhook]]\nname = \"siem\"\nurl = \"https://{}/in\"\nsecret = \"{SECRET}\"\nevents = []\n\
         [[report]]\nname = \"morning\"\nwebhook = \"siem\"\nevery = \"day\"\nat = \"07:30\"\nzone = \"UTC\"\n\
         by = [\"queue\", \"label\", \"person\"]\n",
        host.address
    );
    let reports = ringward::config::Config::parse("x.toml", &configured)
        .unwrap()
        .reports;
    let scheduled = |desk: &Desk| {
        let counted = desk.store.clone();
        ScheduledReports::new(
            reports.clone(),
            desk.store.clone(),
            desk.webhooks.clone(),
            String::new(),
            Box::new(move |report, due| ringward::api::report_told(&*counted, report, due)),
        )
    };
    let desk = Desk::set_up(store.clone(), setting(hook(&host, &[]), day)).await;
    for number in 0..40 {
        desk.kept_call((number % 8) as usize, number);
    }
    store.flush().unwrap();
    let before = scheduled(&desk);
    // The calls are of 21 September 2026, 13:33 UTC.
    let next_morning = NOON - NOON % 86_400_000 + 86_400_000 + 27_000_000;
    let look = |reports: ScheduledReports, at_ms: u64| async move {
        tokio::task::spawn_blocking(move || (reports.look(at_ms).unwrap(), reports))
            .await
            .unwrap()
    };
    let (count, before) = look(before, NOON).await;
    assert_eq!(count, 0, "nobody asked for yesterday");
    let (count, before) = look(before, next_morning - 1).await;
    assert_eq!(count, 0);
    let (count, before) = look(before, next_morning).await;
    assert_eq!(count, 1);
    let (count, _) = look(before, next_morning + 10_000).await;
    assert_eq!(count, 0);
    // Refused, not answered, taken.
    let came = receiver.came(3).await;
    shown(&desk, |seen| seen["waiting"] == 0).await;
    for (id, body) in &came {
        assert_eq!(
            (id.as_str(), &body["type"]),
            ("report-morning-2026-09-22", &"report".into())
        );
    }
    let data = &came[2].1["data"];
    assert_eq!(
        (&data["all"]["calls"], &data["on"]),
        (&40.into(), &"2026-09-22".into()),
        "{data}"
    );
    let sum = |table: &str| {
        let lines = data["tables"][table].as_object().unwrap().values();
        lines.map(|line| line["calls"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("queue"), sum("label")), (40, 40));
    assert!(data["tables"]["person"].is_object());
    let more = desk.read(data["more"].as_str().unwrap()).await;
    assert_eq!(more["all"]["calls"], 40);
    let people = desk.read(data["more_people"].as_str().unwrap()).await;
    assert!(
        people["people"].is_object() && people["next"].is_null(),
        "{people}"
    );
    nothing_kept(&store).await;
    desk.close().await.unwrap();

    // Another start on the same store: the day that was missed is told, and no other.
    let desk = Desk::set_up(store, setting(hook(&host, &[]), day)).await;
    let (count, again) = look(scheduled(&desk), next_morning + 20_000).await;
    assert_eq!(count, 0);
    let (count, _) = look(again, next_morning + 86_400_000).await;
    assert_eq!(count, 1);
    let came = receiver.came(4).await;
    assert_eq!(came[3].0, "report-morning-2026-09-23");
    assert_eq!(came[3].1["data"]["all"]["calls"], 0);
    nothing_kept(&desk.store).await;
    assert_eq!(receiver.came(4).await.len(), 4);
    desk.close().await.unwrap();
}
