//! Training calls to real phones: they ring and are heard as every call, and count nowhere.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::audio::{compare, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, silent_caller};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the caller says, as the API takes it.
pub(crate) fn recording(folder: &Path, seconds: u32) -> String {
    let file = folder.join("says.wav");
    write_wav(&file, &test_speech(seconds));
    BASE64_STANDARD.encode(std::fs::read(file).expect("the recording"))
}

fn order(gateway: &Gateway, body: &Value) -> (u16, Value) {
    let (status, body) = gateway.request("POST", "/api/v1/drills", Some(&body.to_string()));
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// The training call, once it is over.
fn over(gateway: &Gateway, id: &str) -> Value {
    wait_for("the training call to be over", PATIENCE, || {
        let drill = gateway.get(&format!("/api/v1/drills/{id}"));
        let is_over = drill["is_going_on"] == false && drill["report"]["ending"].is_string();
        is_over.then_some(drill)
    })
}

fn live(gateway: &Gateway, state: &str) -> Value {
    wait_for(state, PATIENCE, || {
        let calls = gateway.get("/api/v1/calls?state=live");
        Some(calls["calls"][0].clone()).filter(|call| call["state"] == state)
    })
}

fn card(gateway: &Gateway, call: &str) -> String {
    gateway.request("GET", &format!("/card/{call}"), None).1
}

#[test]
fn a_training_call_looks_like_every_call_until_it_has_ended_and_counts_nowhere() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder("drill");
    let says = folder.join("pad.wav");
    write_wav(&says, &test_speech(60));
    let phone = Baresip::start(&folder, "agent", &says, None);
    let gateway = Gateway::start(&Setup {
        name: "gateway-drill",
        targets: &[format!("sip:agent@127.0.0.1:{}", phone.port)],
        queue: "drills = true",
        more: "",
    });
    let body = json!({
        "queue": "front-desk", "recording": recording(&folder, 6), "number": "+12025550143",
        "name": "IT support", "called": "+12125550100", "talk_seconds": 9,
    });
    let (status, drill) = order(&gateway, &body);
    assert_eq!(status, 202, "{drill}");
    let id = drill["id"].as_str().expect("an id").to_string();

    // As it goes on nothing tells it from another.
    let call = live(&gateway, "talking");
    let call_id = call["id"].as_str().expect("an id").to_string();
    assert_eq!(call["drill"], false, "{call}");
    let shown = (&call["caller"], &call["caller_name"], &call["trunk"]);
    assert_eq!(
        shown,
        (&json!("+12025550143"), &json!("IT support"), &json!("carrier")),
        "{call}"
    );
    assert_eq!(call["banner"]["number"], "unproven", "{call}");
    let said = card(&gateway, &call_id);
    assert!(
        said.contains("light number-unproven") && !said.contains("raining"),
        "{said}"
    );
    let (status, said) = gateway.request(
        "POST",
        &format!("/api/v1/calls/{call_id}/report"),
        Some("{\"verdict\":\"scam\"}"),
    );
    assert_eq!(status, 200, "{said}");

    let drill = over(&gateway, &id);
    let report = &drill["report"];
    assert_eq!(
        (&drill["call"], &drill["status"]),
        (&json!(call_id), &json!(200)),
        "{drill}"
    );
    assert_eq!(
        (&report["ending"], &report["ended_by"], &report["verdict"]),
        (&json!("completed"), &json!("caller"), &json!("scam")),
        "{drill}"
    );
    assert!(
        report["answered_by"]
            .as_str()
            .is_some_and(|by| by.contains("agent")),
        "{drill}"
    );
    assert!(report["talked_ms"].as_u64() >= Some(8_000), "{drill}");
    assert!(
        report["waited_ms"].is_u64() && report["verdict_after_ms"].is_u64(),
        "{drill}"
    );
    assert!(card(&gateway, &call_id).contains("This was a training call."));
    let heard = phone.heard();
    let found = compare(&test_speech(6), &heard);
    assert_eq!(found.slips, 0, "constant lag, no gap");
    assert!(
        found.seconds > 5.0 && found.snr_db > 40.0,
        "{:.1} s, {:.1} dB",
        found.seconds,
        found.snr_db
    );

    // A real one beside it: what counts calls counts this one alone.
    Caller::one(gateway.udp, &silent_caller(300)).run(&folder);
    let calls = gateway.ended_calls(2);
    let drills: Vec<&Value> = calls.iter().filter(|call| call["drill"] == true).collect();
    assert_eq!(drills.len(), 1, "{calls:?}");
    assert_eq!(drills[0]["id"], json!(call_id));
    let counted = gateway.get("/api/v1/reports?by=queue");
    assert_eq!(counted["all"]["calls"], 1, "{counted}");
    let known = gateway.get("/api/v1/reputation");
    assert!(!known.to_string().contains("2025550143"), "{known}");
    let found = gateway.get("/api/v1/calls?number=%2B12025550143");
    assert_eq!(found["calls"], json!([]), "its number is nobody's");
    let (_, exported) = gateway.request("GET", "/api/v1/calls/export?format=csv", None);
    assert!(!exported.contains(&call_id), "{exported}");
    let (metrics, ended) = wait_for("an ended call in the metrics", PATIENCE, || {
        let (_, metrics) = gateway.request("GET", "/metrics", None);
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("ringward_calls_total"));
        let ended: f64 = lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        (ended > 0.0).then_some((metrics, ended))
    });
    assert_eq!(ended, 1.0, "{metrics}");
    assert!(!metrics.contains("ringward_reports_total"), "{metrics}");
    let audit = gateway.get("/api/v1/audit").to_string();
    assert!(
        audit.contains("POST /api/v1/drills") && audit.contains(&id),
        "{audit}"
    );
}

#[test]
fn a_training_call_rings_nobody_who_is_not_willing_and_ends_when_help_is_called() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("drill-help");
    let (_phone, port) = sipp::phone(&folder, 300);
    let (_silent, silent) = sipp::ringing_phone(&folder);
    let (_security, security) = sipp::phone(&folder, 200);
    let queues = format!(
        "drills = true\noverflow = \"security\"\n\
         [[queue]]\nname = \"nobody\"\nnumbers = [\"+12125550198\"]\ntargets = [\"sip:silent@127.0.0.1:{silent}\"]\n\
         ring = \"1s\"\noverflow = \"security\"\ndrills = true\n\
         [[queue]]\nname = \"security\"\nnumbers = [\"+12125550199\"]\ntargets = [\"sip:sec@127.0.0.1:{security}\"]"
    );
    let gateway = Gateway::start(&Setup {
        name: "gateway-drill-help",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: &queues,
        more: "",
    });
    let recording = recording(&folder, 2);
    let refused = |change: Value, status: u16| {
        let mut body = json!({ "queue": "front-desk", "recording": recording, "called": "+12125550100" });
        body.as_object_mut()
            .expect("a body")
            .extend(change.as_object().expect("more").clone());
        let (told, said) = order(&gateway, &body);
        assert_eq!(told, status, "{said}");
    };
    refused(json!({ "queue": "security" }), 409);
    refused(json!({ "queue": "sales" }), 400);
    refused(json!({ "number": "+12125550200" }), 400);
    refused(json!({ "recording": "AAAA" }), 400);
    refused(json!({ "shows": "verified" }), 400);
    refused(json!({ "called": null }), 400);
    assert_eq!(gateway.get("/api/v1/drills")["drills"], json!([]));

    let body =
        json!({ "queue": "nobody", "recording": recording, "number": "+12025550143", "shows": "forged" });
    let (status, drill) = order(&gateway, &body);
    assert_eq!(status, 202, "{drill}");
    let drill = over(&gateway, drill["id"].as_str().expect("an id"));
    let report = &drill["report"];
    assert_eq!(
        (&report["ending"], &drill["status"]),
        (&json!("no_answer"), &json!(480)),
        "{drill}"
    );
    assert_eq!(report["banner"]["number"], "forged", "{drill}");
    assert_eq!(report["phones"].as_array().map(Vec::len), Some(1), "{drill}");

    let body = json!({ "queue": "front-desk", "recording": recording, "called": "+12125550100", "shows": "genuine", "number": "+12025550143", "talk_seconds": 60 });
    let (status, drill) = order(&gateway, &body);
    assert_eq!(status, 202, "{drill}");
    let call = live(&gateway, "talking");
    assert_eq!(call["banner"]["number"], "genuine", "{call}");
    let (status, said) = gateway.request(
        "POST",
        &format!("/api/v1/calls/{}/actions", call["id"].as_str().expect("an id")),
        Some("{\"do\":\"move\",\"queue\":\"security\"}"),
    );
    assert_eq!(status, 202, "{said}");
    let drill = over(&gateway, drill["id"].as_str().expect("an id"));
    let report = &drill["report"];
    assert_eq!(
        (&report["help"]["queue"], &report["ended_by"]),
        (&json!("security"), &json!("us")),
        "{drill}"
    );
    assert!(report["help"]["after_ms"].is_u64(), "{drill}");
    assert_eq!(
        sipp::phone_messages(&folder, security),
        "",
        "nobody there was rung"
    );
    assert_eq!(gateway.get("/api/v1/reports?by=queue")["all"]["calls"], 0);
}
