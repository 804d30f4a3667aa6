//! A signed call while Redis is away: what can be proven without it is proven, what cannot be is not claimed, and nothing is lost.

use std::time::Duration;

use ringward::call_id::CallId;
use ringward::store::{self, Config};
use serde_json::Value;

use crate::redis_server::RedisServer;
use crate::support::gateway::Gateway;
use crate::support::sti::{SERIAL, Sti, call};
use crate::support::{folder, free_ports, wait_for};
use crate::two_gateways::Desk;

const PATIENCE: Duration = Duration::from_secs(30);

fn gateway(url: &str, desk: &Desk, sti: &Sti) -> Gateway {
    let folder = folder("gateway-without-redis");
    let media = free_ports(40);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@{}\"]\nring = \"2s\"\n\
         [voice]\nmodel = \"off\"\n[media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = {url:?}\n[api]\nlisten = \"127.0.0.1:0\"\n{}",
        desk.address,
        media + 39,
        sti.configuration(&folder),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    Gateway::run(folder, &["serve", "--config", &file.display().to_string()])
}

fn store_of(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/status")["store"].clone()
}

/// Everything known of the call that came last.
fn last(gateway: &Gateway, count: usize) -> (CallId, Value) {
    let calls = gateway.ended_calls(count);
    assert_eq!(calls.len(), count);
    let id = calls[0]["id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    (id, gateway.why(&calls[0]))
}

fn has_tag(why: &Value, tag: &str) -> bool {
    let decisions = why["decisions"].as_array().expect("decisions").iter();
    let mut findings = decisions.flat_map(|one| one["findings"].as_array().expect("findings"));
    findings.any(|finding| finding["tag"] == tag)
}

#[test]
fn a_signed_call_is_verified_and_kept_while_redis_is_away() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let sti = Sti::new();
    sti.publish_trust_list(7);
    sti.publish_crl(&[SERIAL + 1]);
    let desk = Desk::start();
    let url = server.url("alone");
    let gateway = gateway(&url, &desk, &sti);

    // As it is on other days.
    let there = call(&gateway, &sti.identity(1), 1);
    assert!(there.contains(&180), "{there:?}");
    let (_, why) = last(&gateway, 1);
    assert_eq!(why["identity"]["standing"], "verified", "{why}");
    assert_eq!(why["call"]["banner"]["number"], "genuine", "{why}");
    assert!(!has_tag(&why, "HISTORY_UNAVAILABLE"));

    server.kill();
    let away = call(&gateway, &sti.identity(2), 2);
    assert_eq!(away, there, "the caller hears what he hears on other days");
    // Spooled, and shown here from there.
    let told = wait_for("the record in the spool", PATIENCE, || {
        let store = store_of(&gateway);
        (store["is_writing"] == false && store["spooled"].as_u64() >= Some(1)).then_some(store)
    });
    assert!(told["problem"].is_string() && told["lost"] == 0, "{told}");
    assert!(told["spool_problem"].is_null(), "{told}");
    assert_eq!(gateway.request("GET", "/readyz", None).0, 503);
    let calls = gateway.get("/api/v1/calls");
    let shown = &calls["calls"][0];
    let id: CallId = shown["id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    let why = gateway.why(shown);
    assert_eq!(why["identity"]["standing"], "verified", "{why}");
    assert_eq!(why["identity"]["attestation"], "A", "{why}");
    // Nobody knows whether the PASSporT was used at a neighbour: so much is not claimed.
    assert_eq!(why["call"]["banner"]["number"], "unproven", "{why}");
    assert!(has_tag(&why, "HISTORY_UNAVAILABLE"), "{why}");

    // It comes back.
    server.start_again();
    wait_for("the spool in Redis", PATIENCE, || {
        let store = store_of(&gateway);
        (store["is_writing"] == true && store["spooled"] == 0 && store["queued"] == 0).then_some(())
    });
    assert_eq!(store_of(&gateway)["lost"], 0);
    assert_eq!(gateway.request("GET", "/readyz", None).0, 200);
    // In Redis itself, as another process finds it.
    let config = Config {
        url: url.replace("node=alone", "node=onlooker"),
    };
    let kept = store::open_to_read(&config).expect("it is there").call(id);
    let kept = kept.expect("an answer").expect("the call");
    let kept = serde_json::to_value(&kept).expect("a record");
    assert_eq!(kept["identity"]["standing"], "verified", "{kept}");
    assert!(
        kept["outcome"].is_object() && kept["timings"]["ended_ms"].is_u64(),
        "{kept}"
    );

    // And the next call is judged as before.
    assert_eq!(call(&gateway, &sti.identity(3), 3), there);
    let (_, why) = last(&gateway, 3);
    assert_eq!(why["call"]["banner"]["number"], "genuine", "{why}");
}
