//! What an earlier version was given goes on being understood: its configuration, its policies with their tests, and the file it wrote.
//!
//! `older/` holds them as they were on the day of the folder's name. What is refused here is refused to somebody who updates.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use ringward::signing::pki::StiAuthority;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports, sti};
use crate::two_gateways::Desk;

/// Of the gateway that wrote `2026-11-22/store.sql`.
const TOKEN: &str = "rw_UIMB0x1SZwFVXZUK9G3_aEfuPgZvp6RZa0M4WI7tC0E";
/// In the middle of its times, Unix seconds / 1000.
const ITS_TIME: &str = "1796073";

fn older(day: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/wire/older")
        .join(day)
}

/// A folder of ours with what an earlier version was given, and its configuration.
fn installed(name: &str, day: &str) -> (PathBuf, String) {
    let folder = folder(name);
    std::fs::create_dir_all(folder.join("policies")).expect("made");
    for file in std::fs::read_dir(older(day).join("policies")).expect("policies") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), folder.join("policies").join(file.file_name())).expect("copied");
    }
    let text = std::fs::read_to_string(older(day).join("ringward.toml")).expect("a configuration");
    (folder, text)
}

fn ringward(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_PKG_NAME", "ringward")
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn what_earlier_versions_were_given_has_no_fault_today() {
    for day in ["2026-11-22", "2026-11-29"] {
        let (folder, text) = installed(&format!("older-{day}"), day);
        std::fs::write(folder.join("ringward.toml"), text).expect("written");
        // Of the keys and certificates that the example names there are none in the tree.
        let authority = StiAuthority::new("Test STI", SystemTime::now()).expect("an authority");
        let provider = authority
            .provider("A", "709J", SystemTime::now())
            .expect("a provider");
        let web = rcgen::generate_simple_self_signed(["gw.example.com".to_string()]).expect("a certificate");
        for (name, pem) in [
            ("anchors.pem", authority.anchor_pem()),
            ("administrator.pem", provider.chain_pem.clone()),
            ("administrator-crl.pem", provider.chain_pem.clone()),
            ("gw.pem", web.cert.pem()),
            ("gw.key", web.signing_key.serialize_pem()),
        ] {
            std::fs::write(folder.join(name), pem).expect("written");
        }
        let (is_good, said) = ringward(&folder, &["check", "--config", "ringward.toml"]);
        let has_fault = said.lines().any(|line| line.starts_with("fault"));
        assert!(is_good && !has_fault, "{day}: {said}");
        for file in std::fs::read_dir(folder.join("policies")).expect("policies") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|kind| kind == "toml") {
                let path = path.display().to_string();
                let (is_good, said) = ringward(&folder, &["policy", "check", &path]);
                assert!(is_good && said.contains("no fault"), "{path}: {said}");
                // Its own tests say what it does; of the first day there are none.
                if day != "2026-11-22" {
                    let (is_good, said) = ringward(&folder, &["policy", "test", &path]);
                    let is_played = said.contains(" 0 failed") && !said.contains(": 0 calls");
                    assert!(is_good && is_played, "{path}: {said}");
                }
            }
        }
    }
}

#[test]
fn an_installation_of_an_earlier_version_goes_on_with_all_it_had() {
    let desk = Desk::start();
    let (folder, text) = installed("older-serving", "2026-11-22");
    let media = free_ports(200);
    // What belongs to the machine is this one's; everything else is as it was.
    let mut is_in_tls = false;
    let text: String = text
        .lines()
        .filter(|line| {
            is_in_tls = (is_in_tls && !line.is_empty()) || line.starts_with("[sip.tls]");
            let is_of_files = ["anchors", "trust_list", "crl"]
                .iter()
                .any(|key| line.starts_with(key));
            !is_in_tls && !is_of_files
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let text = text
        .replace(
            r#"listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", "tls:0.0.0.0:5061"]"#,
            r#"listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]"#,
        )
        .replace("203.0.113.0/24", "127.0.0.0/8")
        .replace("198.51.100.7", "127.0.0.1")
        .replace("sip:desk@10.0.0.5:5060", &format!("sip:desk@{}", desk.address))
        .replace(r#", "sip:back@10.0.0.6:5060;transport=tcp""#, "")
        .replace(r#"address = "0.0.0.0""#, r#"address = "127.0.0.1""#)
        .replace("20000-29999", &format!("{media}-{}", media + 199))
        .replace(r#"model = "default""#, r#"model = "off""#)
        .replace("127.0.0.1:8080", "127.0.0.1:0");
    std::fs::write(folder.join("ringward.toml"), text).expect("written");
    let rows = std::fs::read_to_string(older("2026-11-22").join("store.sql")).expect("rows");
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    // An hour ago at most: no term is over.
    let rows = rows.replace(ITS_TIME, &(now_s / 1_000 - 1).to_string());
    let file = rusqlite::Connection::open(folder.join("ringward.db")).expect("a file");
    file.execute_batch(&rows).expect("written");
    drop(file);

    let config = folder.join("ringward.toml").display().to_string();
    let gateway = Gateway::run_as(folder, &["serve", "--config", &config], Some(TOKEN));
    let kept = gateway.ended_calls(3);
    assert_eq!(kept.len(), 3, "{kept:?}");
    let callers: Vec<_> = kept.iter().map(|call| call["caller"].clone()).collect();
    assert_eq!(callers, ["+14045550123", "+16175550134", "+14045550123"]);
    assert_eq!(
        (&kept[0]["outcome"]["ending"], &kept[1]["outcome"]["ending"]),
        (&json!("no_answer"), &json!("completed")),
        "{kept:?}"
    );
    let why = gateway.why(&kept[0]);
    assert_eq!(why["call"]["report"]["verdict"], "scam", "{why}");
    assert!(why.to_string().contains("default@00e339ba"), "{why}");
    assert_eq!(gateway.get("/api/v1/audit/verify")["is_whole"], true);
    // It decides as it did, and knows what was said of the number before.
    sti::call(&gateway, "none", 1);
    let calls = gateway.ended_calls(4);
    let why = gateway.why(&calls[0]);
    assert_eq!(why["call"]["banner"]["prefix"], "KNOWN SCAM", "{why}");
    let decided = why["decisions"].as_array().expect("decisions")[0].to_string();
    assert!(
        decided.contains("default@00e339ba") && decided.contains("reported-scam"),
        "{decided}"
    );
}
