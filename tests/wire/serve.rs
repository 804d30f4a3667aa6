//! `ringward serve` as its operator meets it: start, faults, signals, strangers.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use crate::support::folder;
use crate::support::gateway::{Gateway, Setup};

fn quiet_gateway(name: &str) -> Gateway {
    Gateway::start(&Setup {
        name,
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "",
        more: "",
    })
}

#[test]
fn sigterm_ends_it_cleanly_and_records_survive() {
    let mut gateway = quiet_gateway("sigterm");
    assert_eq!(gateway.get("/api/v1/status")["gateway"]["is_draining"], false);
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for_exit(Duration::from_secs(10)), 0);
    assert!(gateway.folder.join("ringward.db").is_file());
}

#[test]
fn the_token_is_shown_once_and_is_needed() {
    let mut gateway = quiet_gateway("token");
    assert!(gateway.token.len() >= 32, "{}", gateway.token);
    let (status, _) = gateway.request("GET", "/api/v1/calls", None);
    assert_eq!(status, 200);
    let token = std::mem::replace(&mut gateway.token, "wrong".into());
    let (status, body) = gateway.request("GET", "/api/v1/calls", None);
    assert_eq!(status, 401, "{body}");
    assert!(!gateway.log().contains(&token[..16]) || gateway.log().matches(&token).count() == 1);
}

#[test]
fn a_faulty_configuration_starts_nothing_and_names_every_fault() {
    let folder = folder("faulty");
    let file = folder.join("ringward.toml");
    std::fs::write(
        &file,
        "[sip]\nlisten = [\"udp:nowhere\"]\nlissten = 1\n[media]\nports = \"9-1\"\n",
    )
    .expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(["serve", "--config", &file.display().to_string()])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for mark in [":2:", ":3:", ":5:", "listen"] {
        assert!(said.contains(mark), "{mark} in\n{said}");
    }
}

#[test]
fn options_is_answered_and_a_stranger_is_not() {
    let gateway = quiet_gateway("options");
    let options = |from: &UdpSocket, call_id: &str| {
        let port = from.local_addr().expect("bound");
        let text = format!(
            "OPTIONS sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {port};branch=z9hG4bK{call_id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:probe@{port}>;tag=1\r\nTo: <sip:{}>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            gateway.udp, gateway.udp
        );
        from.send_to(text.as_bytes(), gateway.udp).expect("sent");
        from.set_read_timeout(Some(Duration::from_millis(700)))
            .expect("time-out");
        let mut answer = [0; 4096];
        from.recv(&mut answer)
            .map(|length| String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    let friend = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let answer = options(&friend, "friend").expect("an answer");
    assert!(
        answer.starts_with("SIP/2.0 200") && answer.contains("Allow:"),
        "{answer}"
    );
    // Garbage from a friend brings nobody down.
    friend
        .send_to(b"\0\0\0 not sip at all", gateway.udp)
        .expect("sent");
    friend.send_to(&[b'A'; 9000], gateway.udp).expect("sent");
    assert!(options(&friend, "again").is_ok());
}
