//! Another model takes the place of the one in force while people talk (SIGHUP): which call is heard by which, that no call
//! loses its scores, and what happens to a model that is none.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::audio::{mu_law, test_speech};
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, Running, talking_caller};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

/// Calls at a time: few, because tests run without optimisation, four seconds and more on slow machines.
const CALLS: u32 = 4;
const TALK: Duration = Duration::from_secs(10);

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn callers(gateway: &Gateway, folder: &Path) -> Running {
    Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &talking_caller("speech.ulaw", TALK.as_millis() as u32, ""),
        number: "+12125550100",
        calls: CALLS,
        rate: CALLS,
    }
    .start(folder)
}

fn hung_up(running: Running) {
    let (status, errors) = running.finish();
    assert!(status.success(), "SIPp: {status}\n{errors}");
}

/// The model that heard a call; every call has scores.
fn heard_by(gateway: &Gateway, call: &Value) -> String {
    let why = gateway.why(call);
    let windows = why["evidence"].as_array().map_or(0, Vec::len);
    assert!(windows > 0, "a call without scores: {why}");
    why["model"].as_str().expect("a model").to_string()
}

fn trial(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/status")["gateway"]["model_trial"].clone()
}

#[test]
fn a_new_model_hears_a_share_of_the_new_calls_and_no_call_loses_its_scores() {
    if !have(&["sipp"]) {
        return;
    }
    let _alone = one_load_at_a_time();
    let folder = folder("model-swap");
    let model = folder.join("model");
    std::fs::create_dir(&model).unwrap();
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/voice/fixtures/tiny");
    for file in ["manifest.json", "trunk.onnx", "second.onnx"] {
        std::fs::copy(tiny.join(file), model.join(file)).unwrap();
    }
    std::fs::write(
        folder.join("speech.ulaw"),
        mu_law(&test_speech(TALK.as_secs() as u32)),
    )
    .unwrap();
    let (_phone, port, _) = sipp::echoing_phone(&folder);
    let mut gateway = Gateway::start(&Setup {
        name: "model-swap-gateway",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: &format!("[voice]\nmodel = \"{}\"\ntrial_percent = 50\n", model.display()),
    });
    let old = trial(&gateway)["current"].as_str().expect("a model").to_string();

    // Calls that are under way when the model is replaced keep the one they began with.
    let before = callers(&gateway, &folder);
    let under_way = wait_for("a call to be heard", PATIENCE, || {
        let live = gateway.get("/api/v1/calls?state=live");
        let has_scores = |call: &&Value| call["evidence"].as_array().is_some_and(|one| !one.is_empty());
        let heard: Vec<Value> = live["calls"]
            .as_array()?
            .iter()
            .filter(has_scores)
            .cloned()
            .collect();
        (!heard.is_empty()).then_some(heard)
    });
    let manifest = std::fs::read_to_string(model.join("manifest.json")).unwrap();
    std::fs::write(model.join("manifest.json"), format!("{manifest}\n")).unwrap();
    gateway.signal("HUP");
    gateway.expect_line("a new model is on trial");
    let new = trial(&gateway)["trial"]["model"]
        .as_str()
        .expect("a trial")
        .to_string();
    assert_ne!(old, new);
    hung_up(before);
    let mut known = gateway.ended_calls(CALLS as usize);
    for call in &known {
        let model = heard_by(&gateway, call);
        if under_way.iter().any(|one| one["id"] == call["id"]) {
            assert_eq!(model, old);
        }
    }

    // New calls fall on one or the other; after ten times four of them it would be strange if one had none.
    let (mut of_old, mut of_new) = (0, 0);
    for turn in 2..=10 {
        hung_up(callers(&gateway, &folder));
        let all = gateway.ended_calls((CALLS * turn) as usize);
        for call in all
            .iter()
            .filter(|call| known.iter().all(|one| one["id"] != call["id"]))
        {
            match heard_by(&gateway, call) {
                model if model == old => of_old += 1,
                model if model == new => of_new += 1,
                model => panic!("heard by {model}"),
            }
        }
        known = all;
        if of_old > 0 && of_new > 0 {
            break;
        }
    }
    assert!(
        of_old > 0 && of_new > 0,
        "{of_old} by the old, {of_new} by the new"
    );
    let standing = trial(&gateway);
    assert_eq!(standing["current"], old.as_str());
    for counted in ["windows_before", "windows"] {
        assert!(standing["trial"][counted].as_u64() > Some(0), "{standing}");
    }

    // What is no model changes nothing.
    std::fs::write(model.join("manifest.json"), "{}").unwrap();
    gateway.signal("HUP");
    gateway.expect_line("the model was not read again");
    assert_eq!(trial(&gateway)["trial"]["model"], new.as_str());
}
