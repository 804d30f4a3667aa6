//! The file of blocked addresses, loaded by a real nft in a network of its own: into the kernel, again, and behind rules that use it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::alone::is_given;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);
const UNSHARE: [&str; 3] = ["--user", "--map-root-user", "--net"];

/// Rules of somebody who drops whom we do not hear, as the head of the file has them.
const RULES: &str = "table inet ringward {
    chain input {
        type filter hook input priority 0; policy accept;
        ip saddr @blocked4 drop
        ip6 saddr @blocked6 drop
        ip saddr @listed4 drop
        ip6 saddr @listed6 drop
    }
}
";

/// Loads the files one after another, and gives the sets that the kernel has then: name and elements.
fn loaded(files: &[&Path]) -> Vec<(String, Vec<Value>)> {
    let script =
        "for file in \"$@\"; do nft -c -f \"$file\" && nft -f \"$file\" || exit 1; done; nft -j list ruleset";
    let output = Command::new("unshare")
        .args(UNSHARE)
        .args(["bash", "-c", script, "nft"])
        .args(files)
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft: {said}");
    let ruleset: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let sets = ruleset["nftables"].as_array().expect("a list").iter();
    sets.filter_map(|object| object.get("set"))
        .map(|set| {
            let elements = set["elem"].as_array().cloned().unwrap_or_default();
            let values = elements.iter().map(|element| element["elem"]["val"].clone());
            (
                set["name"].as_str().expect("a name").to_string(),
                values.collect(),
            )
        })
        .collect()
}

#[test]
fn nft_loads_the_file_again_and_again_and_rules_may_use_its_sets() {
    if !have(&["nft"]) || !is_given(&UNSHARE, &["nft", "list", "ruleset"]) {
        return;
    }
    let folder = folder("packet-filter");
    let (list, sets, rules) = (
        folder.join("list.txt"),
        folder.join("blocked.nft"),
        folder.join("rules.nft"),
    );
    std::fs::write(
        &list,
        "198.51.100.0/24\n198.51.100.7\n192.0.2.9\n2001:db8:5::/48\n2001:db8::5\n",
    )
    .expect("written");
    std::fs::write(&rules, RULES).expect("written");
    let more = format!("[scans]\nnftables = {sets:?}\n[scans.feed]\nfile = {list:?}\n");
    let gateway = Gateway::start(&Setup {
        name: "packet-filter",
        targets: &["sip:desk@127.0.0.9:5060".into()],
        queue: "",
        more: &more,
    });
    let block = |address: &str| {
        let body = format!("{{\"address\":\"{address}\",\"minutes\":60,\"why\":\"guesses extensions\"}}");
        let (status, said) = gateway.request("POST", "/api/v1/flood/blocks", Some(&body));
        assert!(status < 300, "{status}: {said}");
    };
    block("203.0.113.7");
    block("2001:db8:1:2::3");
    let file_says = |what: &str, is_there: bool| {
        wait_for(what, PATIENCE, || {
            let text = std::fs::read_to_string(&sets).ok()?;
            (text.contains(what) == is_there && text.contains("listed4 { 192.0.2.9")).then_some(())
        });
    };
    file_says("blocked4 { 203.0.113.7 timeout", true);
    file_says("blocked6 { 2001:db8:1:2::/64 timeout", true);
    let found = loaded(&[&sets, &rules, &sets]);
    let of = |found: &[(String, Vec<Value>)], name: &str| {
        let set = found.iter().find(|(known, _)| known == name);
        let mut elements: Vec<String> = set.expect(name).1.iter().map(Value::to_string).collect();
        elements.sort();
        elements
    };
    assert_eq!(of(&found, "blocked4"), ["\"203.0.113.7\""]);
    let net = |address: &str, bits: u8| format!("{{\"prefix\":{{\"addr\":\"{address}\",\"len\":{bits}}}}}");
    assert_eq!(of(&found, "blocked6"), [net("2001:db8:1:2::", 64)]);
    assert_eq!(
        of(&found, "listed4"),
        ["\"192.0.2.9\"".to_string(), net("198.51.100.0", 24)]
    );
    assert_eq!(
        of(&found, "listed6"),
        ["\"2001:db8::5\"".to_string(), net("2001:db8:5::", 48)]
    );

    // Lifted: the next loading takes it out of the kernel again.
    let before = folder.join("before.nft");
    std::fs::copy(&sets, &before).expect("kept");
    let (status, said) = gateway.request("DELETE", "/api/v1/flood/blocks/203.0.113.7", None);
    assert_eq!(status, 204, "{said}");
    file_says("203.0.113.7", false);
    let found = loaded(&[&before, &rules, &sets]);
    assert!(of(&found, "blocked4").is_empty(), "{found:?}");
    assert_eq!(of(&found, "blocked6").len(), 1);
}
