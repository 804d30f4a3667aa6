//! `ringward selftest` and `ringward verify` as an operator types them, and the self-test of a running gateway.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::gateway::{Gateway, Setup};
use crate::support::wait_for;

fn ringward(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(arguments)
        .output()
        .expect("it runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn the_installed_binary_proves_each_check_and_says_so_line_by_line() {
    let (status, text) = ringward(&["selftest", "--json"]);
    assert_eq!(status, Some(0), "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    let (summary, checks) = lines.split_last().expect("a summary");
    assert_eq!(summary["checks"], checks.len());
    assert_eq!(
        (&summary["failed"], &summary["left_out"]),
        (&0.into(), &Value::Null)
    );
    for check in checks {
        assert_eq!(check["passed"], true, "{check}");
    }
    for name in [
        "good call",
        "signature altered",
        "revoked certificate",
        "expired certificate",
    ] {
        assert!(checks.iter().any(|check| check["name"] == name), "{name}");
    }
    let is_on_the_wire = |check: &Value| {
        check["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("loopback"))
    };
    assert!(checks.iter().any(is_on_the_wire));
    // Two seconds is what an operator gets; this build is not optimised and shares the machine with other tests.
    assert!(
        summary["seconds"].as_f64().is_some_and(|seconds| seconds < 10.0),
        "{summary}"
    );
}

#[test]
fn a_running_gateway_tells_of_its_self_test_in_status_and_metrics() {
    let gateway = Gateway::start(&Setup {
        name: "selftest",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "",
        more: "",
    });
    let last = wait_for("the first self-test", Duration::from_secs(20), || {
        let last = gateway.get("/api/v1/status")["gateway"]["selftest"].clone();
        (!last.is_null()).then_some(last)
    });
    assert_eq!(
        (&last["passed"], &last["failed"]),
        (&true.into(), &Value::Array(Vec::new())),
        "{last}"
    );
    assert!(
        last["checks"].as_u64().is_some_and(|checks| checks > 30),
        "{last}"
    );
    let (_, metrics) = gateway.request("GET", "/metrics", None);
    for line in [
        "ringward_selftest_passed 1\n",
        "ringward_selftest_failed_checks 0\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

const UNSIGNED: &str = "INVITE sip:+12125550100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
    From: <sip:+14045550123@carrier.example.com>;tag=1\r\nTo: <sip:+12125550100@example.com>\r\nCall-ID: x\r\n\
    CSeq: 1 INVITE\r\nContact: <sip:192.0.2.9>\r\nContent-Length: 0\r\n\r\n";

#[test]
fn verify_reads_several_requests_and_one_bad_file_is_no_end() {
    let folder = crate::support::folder("verify-several");
    let authority =
        ringward::signing::pki::StiAuthority::new("Test", std::time::SystemTime::now()).expect("made");
    std::fs::write(folder.join("anchors.pem"), authority.anchor_pem()).expect("written");
    std::fs::write(folder.join("a.sip"), UNSIGNED).expect("written");
    let path = |name: &str| folder.join(name).display().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(["verify", "--json", "--roots", &path("anchors.pem")])
        .args(["--invite", &path("a.sip"), &path("missing.sip"), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(UNSIGNED.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(
        (&lines[0]["standing"], &lines[2]["standing"]),
        (&"none".into(), &"none".into())
    );
    assert_eq!(lines[2]["file"], "-");
    let error = lines[1]["error"].as_str().unwrap_or_default();
    assert!(
        error.contains("missing.sip") && error.contains("no such file"),
        "{text}"
    );
}
