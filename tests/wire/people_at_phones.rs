//! People at real phones: two baresips that register as devices, a person signed in at each, and a queue that shares its calls out.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::registered_phones::{gateway_with, wait_for_registered};
use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::Gateway;
use crate::support::people::Person;
use crate::support::sipp::{Caller, Running, silent_caller};
use crate::support::{folder, have, wait_for};

const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const PATIENCE: Duration = Duration::from_secs(60);

fn call(gateway: &Gateway, folder: &Path, talk_ms: u32) -> Running {
    let scenario = silent_caller(talk_ms);
    Caller::one(gateway.udp, &scenario).start_from(folder, TRUNK)
}

fn hung_up(running: Running) {
    let (status, errors) = running.finish();
    assert!(status.success(), "SIPp: {status}\n{errors}");
}

/// Waits until this person talks.
fn wait_for_talk(gateway: &Gateway, person: &str) {
    wait_for(&format!("{person} to talk"), PATIENCE, || {
        let live = gateway.get("/api/v1/calls?state=live");
        let mut calls = live["calls"].as_array().cloned().unwrap_or_default().into_iter();
        calls
            .any(|call| call["state"] == "talking" && call["person"] == person)
            .then_some(())
    });
}

/// Who took the calls, in the order in which they came.
fn took(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut calls = gateway.ended_calls(count);
    calls.sort_by_key(|call| call["started_ms"].as_u64());
    for call in &calls {
        assert_eq!(call["outcome"]["ending"], "completed", "{call}");
        let attempts = gateway.why(call)["attempts"].clone();
        let attempts = attempts.as_array().cloned().unwrap_or_default();
        let answered = attempts.iter().find(|attempt| attempt["status"] == 200);
        let answered = answered.expect("a phone that answered");
        let device = match call["person"].as_str() {
            Some("ann") => "device:desk-1",
            _ => "device:desk-2",
        };
        assert_eq!(answered["target"], device, "{call}");
    }
    let names = calls
        .iter()
        .map(|call| call["person"].as_str().unwrap_or("-").to_string());
    names.collect()
}

/// Ann has a long call; while it lasts bob has a short one. Whom does the third ring, and whom the fourth once ann is paused?
fn shared_out(strategy: &str, third: &str) {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let folder = folder(&format!("people-{strategy}"));
    let says = folder.join("says.wav");
    write_wav(&says, &test_speech(60));
    let queue = format!("targets = [\"person:ann\", \"person:bob\"]\nstrategy = \"{strategy}\"\n");
    let (gateway, file, secrets) = gateway_with(&folder, &queue, "MD5", &["desk-1", "desk-2"]);
    let phones = ["desk-1", "desk-2"]
        .into_iter()
        .zip(&secrets)
        .map(|(name, secret)| Baresip::start_registered(&folder, name, &says, gateway.udp, secret));
    let _phones: Vec<Baresip> = phones.collect();
    wait_for_registered(&gateway, &["desk-1", "desk-2"]);
    let ann = Person::invited(&gateway, &file, "ann", "receptionist");
    let bob = Person::invited(&gateway, &file, "bob", "receptionist");
    let boss = Person::invited(&gateway, &file, "boss", "supervisor");
    ann.sits_at("desk-1");
    bob.sits_at("desk-2");

    let first = call(&gateway, &folder, 6_000);
    wait_for_talk(&gateway, "ann");
    hung_up(call(&gateway, &folder, 300));
    hung_up(first);
    assert_eq!(took(&gateway, 2), ["ann", "bob"]);
    hung_up(call(&gateway, &folder, 300));
    assert_eq!(took(&gateway, 3), ["ann", "bob", third], "{strategy}");

    // Nobody pauses another but who watches over them; the one who is paused reads who it was, and why.
    let path = "/api/v1/people/ann/pause";
    let reason = || Some(json!({ "reason": "training" }));
    assert_eq!(bob.ask("PUT", path, reason()).0, 403);
    let (status, said) = boss.ask("PUT", path, reason());
    assert_eq!(status, 204, "{said}");
    let (_, desks) = ann.ask("GET", "/api/v1/desks", None);
    let desks: Value = serde_json::from_str(&desks).expect("JSON");
    let pause = &desks["people"][0]["pause"];
    assert_eq!(
        (&pause["reason"], &pause["by"]),
        (&json!("training"), &json!("boss")),
        "{desks}"
    );
    hung_up(call(&gateway, &folder, 300));
    hung_up(call(&gateway, &folder, 300));
    assert_eq!(took(&gateway, 5)[3..], ["bob", "bob"], "ann takes no calls");
    assert_eq!(ann.ask("DELETE", "/api/v1/pause", None).0, 204);
    hung_up(call(&gateway, &folder, 300));
    assert_eq!(took(&gateway, 6)[5], "ann", "she rang and rested longest ago");
}

/// Two who speak German, one better, and one who does not; the first calls are for those who do, until one has waited for long enough.
#[test]
fn whoever_is_best_at_what_a_call_needs_is_rung_and_the_others_after_the_wait() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let folder = folder("people-skill");
    let says = folder.join("says.wav");
    write_wav(&says, &test_speech(60));
    // The configuration's own sections behind the queue's: who can do what.
    let queue = "targets = [\"person:cay\", \"person:bob\", \"person:ann\"]\nstrategy = \"skill\"\nwait = \"60s\"\nrelax_after = \"12s\"\n\
                 [[queue.needs]]\nskill = \"german\"\nleast = 2\n\
                 [skills]\n\"person:ann\" = { german = 9, fraud = 1 }\n\"person:bob\" = { german = 2 }\n";
    let devices = ["desk-1", "desk-2", "desk-3"];
    let (gateway, file, secrets) = gateway_with(&folder, queue, "MD5", &devices);
    let phones = devices
        .into_iter()
        .zip(&secrets)
        .map(|(name, secret)| Baresip::start_registered(&folder, name, &says, gateway.udp, secret));
    let _phones: Vec<Baresip> = phones.collect();
    wait_for_registered(&gateway, &devices);
    let people = ["ann", "bob", "cay"].map(|name| Person::invited(&gateway, &file, name, "receptionist"));
    for (person, device) in people.iter().zip(devices) {
        person.sits_at(device);
    }
    let desks = gateway.get("/api/v1/desks");
    assert_eq!(
        desks["desks"][0]["skills"],
        json!([{ "name": "fraud", "level": 1 }, { "name": "german", "level": 9 }]),
        "{desks}"
    );
    assert_eq!(desks["desks"][2]["skills"], json!([]), "{desks}");

    let first = call(&gateway, &folder, 20_000);
    wait_for_talk(&gateway, "ann");
    let second = call(&gateway, &folder, 20_000);
    wait_for_talk(&gateway, "bob");
    // Cay's phone is free all the while.
    let third = call(&gateway, &folder, 300);
    wait_for("what the caller who waits needs", PATIENCE, || {
        let waiting = gateway.get("/api/v1/desks")["waiting"].clone();
        let is_so = waiting[0]["needs"] == json!([{ "skill": "german", "least": 2, "callers": 1 }]);
        is_so.then_some(())
    });
    hung_up(third);
    hung_up(second);
    hung_up(first);
    let mut calls = gateway.ended_calls(3);
    calls.sort_by_key(|call| call["started_ms"].as_u64());
    let took: Vec<&str> = calls
        .iter()
        .map(|call| call["person"].as_str().unwrap_or("-"))
        .collect();
    assert_eq!(took, ["ann", "bob", "cay"]);
    let attempts = gateway.why(&calls[2])["attempts"].clone();
    assert_eq!(
        attempts.as_array().map(Vec::len),
        Some(1),
        "nobody else was rung: {attempts}"
    );
    let waited = calls[2]["timings"]["answered_ms"]
        .as_u64()
        .expect("it was answered");
    assert!((12_000..17_000).contains(&waited), "{waited} ms");
}

#[test]
fn round_robin_rings_whom_it_rang_longest_ago() {
    shared_out("round-robin", "ann");
}

#[test]
fn longest_idle_rings_whoever_put_down_first() {
    shared_out("longest-idle", "bob");
}
