//! Phones that register here: baresip as two agents rung by a queue, and somebody who guesses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ringward::digest::{Ask, Challenge, Credentials, Secret};
use serde_json::Value;

use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::Gateway;
use crate::support::python::program;
use crate::support::sipp::{Caller, talking_caller};
use crate::support::{folder, free_port, free_ports, have, ringward, wait_for};

/// Loopback has many addresses: the phones are at one, and these are the trunk's and the guesser's.
const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const GUESSER: &str = "127.0.0.9";
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway on two shards, and its configuration, for which devices have been made: their secrets.
pub fn gateway(
    folder: &Path,
    targets: &str,
    digest: &str,
    devices: &[&str],
) -> (Gateway, String, Vec<String>) {
    gateway_with(folder, &format!("targets = [{targets}]\n"), digest, devices)
}

/// The same with these lines of its queue.
pub fn gateway_with(
    folder: &Path,
    queue: &str,
    digest: &str,
    devices: &[&str],
) -> (Gateway, String, Vec<String>) {
    let media = free_ports(80);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nshards = 2\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\n\
         [scans]\nnever = [\"{GUESSER}\", \"127.0.0.1\"]\n\
         [registrar]\nfrom = [\"127.0.0.1\", \"{GUESSER}\"]\ndigest = [\"{digest}\"]\n\
         [[queue]]\nname = \"front-desk\"\n{queue}\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 79,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let secrets = devices
        .iter()
        .map(|device| ringward(&["device", "add", device, "--config", &file]));
    let secrets = secrets.collect();
    let gateway = Gateway::run(folder.to_path_buf(), &["serve", "--config", &file]);
    wait_for("the registrar to know its devices", PATIENCE, || {
        (status(&gateway)["known"] == devices.len()).then_some(())
    });
    (gateway, file, secrets)
}

fn status(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/status")["gateway"]["devices"].clone()
}

fn registered(gateway: &Gateway) -> Vec<String> {
    let status = status(gateway);
    let all = status["registered"].as_array().cloned().unwrap_or_default();
    all.iter()
        .filter_map(|device| device["name"].as_str().map(str::to_string))
        .collect()
}

pub fn wait_for_registered(gateway: &Gateway, expected: &[&str]) {
    wait_for(&format!("{expected:?} to be registered"), PATIENCE, || {
        (registered(gateway) == expected).then_some(())
    });
}

#[test]
fn two_phones_register_over_udp_and_tcp_and_the_queue_rings_who_is_there() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let folder = folder("registered-phones");
    std::fs::write(folder.join("silence.ulaw"), vec![0xff; 8000]).expect("silence");
    let says = folder.join("says.wav");
    write_wav(&says, &test_speech(60));
    let targets = "\"device:desk-1\", \"device:desk-2\"";
    let (gateway, file, secrets) = gateway(&folder, targets, "MD5", &["desk-1", "desk-2"]);
    let first = Baresip::start_registered(&folder, "desk-1", &says, gateway.udp, &secrets[0]);
    let _second = Baresip::start_registered(
        &folder,
        "desk-2",
        &says,
        format!("{};transport=tcp", gateway.tcp),
        &secrets[1],
    );
    wait_for_registered(&gateway, &["desk-1", "desk-2"]);

    let scenario = talking_caller("silence.ulaw", 300, "");
    let call = || {
        let calling = Caller::one(gateway.udp, &scenario);
        let (status, errors) = calling.start_from(&folder, TRUNK).finish();
        assert!(status.success(), "SIPp: {status}\n{errors}");
    };
    call();
    let record = gateway.ended_calls(1).remove(0);
    let attempts = |record: &Value| {
        gateway.why(record)["attempts"]
            .as_array()
            .cloned()
            .expect("attempts")
    };
    let rung = |record: &Value| -> Vec<String> {
        let attempts = attempts(record);
        let attempts = attempts.iter();
        attempts
            .filter_map(|attempt| attempt["target"].as_str().map(str::to_string))
            .collect()
    };
    assert_eq!(record["outcome"]["ending"], "completed", "{record}");
    assert_eq!(rung(&record), ["device:desk-1", "device:desk-2"], "{record}");

    // Without its device a phone is nobody, and the other one, behind its connection, takes the call.
    ringward(&["device", "remove", "desk-1", "--config", &file]);
    wait_for_registered(&gateway, &["desk-2"]);
    drop(first);
    call();
    let records = gateway.ended_calls(2);
    let again = records
        .iter()
        .find(|other| other["id"] != record["id"])
        .expect("another call");
    assert_eq!(again["outcome"]["ending"], "completed", "{again}");
    let attempts = attempts(again);
    let answered = attempts.iter().find(|attempt| attempt["status"] == 200);
    assert_eq!(
        answered.map(|attempt| &attempt["target"]),
        Some(&"device:desk-2".into()),
        "{again}"
    );
}

/// One REGISTER and its answer; None = there was none within the patience of its socket.
pub fn register(socket: &UdpSocket, gateway: SocketAddr, cseq: u32, more: &str) -> Option<String> {
    let own = socket.local_addr().expect("an address");
    let text = format!(
        "REGISTER sip:{gateway} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKguess{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:desk-1@{gateway}>;tag=g\r\nTo: <sip:desk-1@{gateway}>\r\n\
         Call-ID: guesses-of-{own}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:desk-1@{own}>\r\n{more}\
         Content-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), gateway).expect("it is sent");
    let mut octets = [0; 4096];
    let length = socket.recv(&mut octets).ok()?;
    Some(String::from_utf8_lossy(&octets[..length]).into_owned())
}

/// The Authorization line that answers this 401.
pub fn answer(response: &str, gateway: SocketAddr, password: &str) -> String {
    let lines = response
        .lines()
        .filter_map(|line| line.strip_prefix("WWW-Authenticate: "));
    let credentials = Credentials {
        user: "desk-1".into(),
        password: Secret::new(password),
        realm: None,
    };
    let challenge = Challenge::strongest(Challenge::read_all(lines), &credentials).expect("a challenge");
    let uri = format!("sip:{gateway}");
    let ask = Ask {
        method: "REGISTER",
        uri: &uri,
        body: b"",
    };
    format!(
        "Authorization: {}\r\n",
        challenge.answer(&credentials, &ask, 1, "cnonce")
    )
}

fn ignored(gateway: &Gateway) -> u64 {
    let (_, text) = gateway.request("GET", "/metrics", None);
    let line = "ringward_digest_total{result=\"ignored\"} ";
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[test]
fn who_guesses_is_locked_out_and_the_right_secret_still_registers_elsewhere_at_home() {
    let folder = folder("guessed-phones");
    let (gateway, _, secrets) = gateway(&folder, "\"device:desk-1\"", "SHA-256", &["desk-1"]);
    let socket = |own: &str| {
        let socket = UdpSocket::bind((own, 0)).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        socket
    };
    // The phone at its desk, with SHA-256 and nothing weaker.
    let desk = socket("127.0.0.1");
    let asked = register(&desk, gateway.udp, 1, "").expect("an answer");
    assert!(
        asked.starts_with("SIP/2.0 401 ") && asked.contains("algorithm=SHA-256"),
        "{asked}"
    );
    assert!(!asked.contains("algorithm=MD5"), "{asked}");
    let proof = answer(&asked, gateway.udp, &secrets[0]);
    let taken = register(&desk, gateway.udp, 2, &proof).expect("an answer");
    assert!(
        taken.starts_with("SIP/2.0 200 ") && taken.contains(";expires=600"),
        "{taken}"
    );
    wait_for_registered(&gateway, &["desk-1"]);

    // Six wrong answers from elsewhere, and then not even the right one is looked at.
    let guesser = socket(GUESSER);
    let mut asked = register(&guesser, gateway.udp, 1, "").expect("an answer");
    for guess in 0..6 {
        let proof = answer(&asked, gateway.udp, &format!("guess {guess}"));
        asked = register(&guesser, gateway.udp, 2 + guess, &proof).expect("an answer");
        assert!(asked.starts_with("SIP/2.0 401 "), "{asked}");
    }
    let before = ignored(&gateway);
    let proof = answer(&asked, gateway.udp, &secrets[0]);
    guesser
        .set_read_timeout(Some(Duration::from_millis(20)))
        .expect("a time-out");
    assert_eq!(register(&guesser, gateway.udp, 9, &proof), None, "no answer");
    wait_for("it to be ignored", PATIENCE, || {
        (ignored(&gateway) > before).then_some(())
    });
    let alerts = wait_for("an alert", PATIENCE, || {
        let alerts = status(&gateway)["alerts"].clone();
        alerts.get(0).is_some().then_some(alerts)
    });
    assert_eq!(alerts[0]["what"], "device locked", "{alerts}");
    assert_eq!(alerts[0]["about"], "desk-1", "{alerts}");
    let audit = wait_for("its entry in the audit", PATIENCE, || {
        let audit = gateway.get("/api/v1/audit").to_string();
        audit.contains("device locked").then_some(audit)
    });
    assert!(audit.contains("device add"), "{audit}");

    // The phone at its desk goes on.
    let asked = register(&desk, gateway.udp, 3, "").expect("an answer");
    let proof = answer(&asked, gateway.udp, &secrets[0]);
    let taken = register(&desk, gateway.udp, 4, &proof).expect("an answer");
    assert!(taken.starts_with("SIP/2.0 200 "), "{taken}");
}

#[test]
fn the_same_credentials_at_two_places_at_once_are_told_to_the_security_team() {
    let folder = folder("phones-at-two-places");
    let (gateway, _, secrets) = gateway(&folder, "\"device:desk-1\"", "SHA-256", &["desk-1"]);
    let places = ["127.0.0.1", GUESSER].map(|own| {
        let socket = UdpSocket::bind((own, 0)).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let asked = register(&socket, gateway.udp, 1, "").expect("an answer");
        let proof = answer(&asked, gateway.udp, &secrets[0]);
        let taken = register(&socket, gateway.udp, 2, &proof).expect("an answer");
        assert!(taken.starts_with("SIP/2.0 200 "), "{taken}");
        // At the first place nothing is to be told yet.
        if own != GUESSER {
            wait_for_registered(&gateway, &["desk-1"]);
            assert_eq!(status(&gateway)["alerts"], serde_json::json!([]));
        }
        socket
    });
    let alerts = wait_for("an alert", PATIENCE, || {
        let alerts = status(&gateway)["alerts"].clone();
        alerts.get(0).is_some().then_some(alerts)
    });
    assert_eq!(
        (&alerts[0]["what"], &alerts[0]["about"]),
        (&Value::from("device in two places"), &Value::from("desk-1")),
        "{alerts}"
    );
    let note = alerts[0]["note"].as_str().expect("a note");
    assert!(note.contains(GUESSER) && note.contains("127.0.0.1"), "{note}");
    wait_for("its entry in the audit", PATIENCE, || {
        let audit = gateway.get("/api/v1/audit").to_string();
        audit.contains("device in two places").then_some(())
    });
    drop(places);
}

#[test]
fn svcrack_does_not_find_a_secret_that_is_in_its_list_behind_a_dozen_others() {
    let Some(svcrack) = program("sipvicious_svcrack") else {
        return;
    };
    let folder = folder("cracked-phones");
    let (gateway, _, secrets) = gateway(&folder, "\"device:desk-1\"", "MD5", &["desk-1"]);
    let mut words: Vec<String> = (0..12).map(|n| format!("word{n}")).collect();
    words.push(secrets[0].clone());
    std::fs::write(folder.join("words"), words.join("\n") + "\n").expect("words");
    let port = gateway.udp.port().to_string();
    let own = free_port().to_string();
    let output = Command::new("timeout")
        .arg("40")
        .arg(svcrack)
        .args(["-p", &port, "-u", "desk-1", "-d", "words", "--maximumtime=4"])
        .args(["-b", GUESSER, "-P", &own, "127.0.0.1"])
        .env("HOME", &folder)
        .current_dir(&folder)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("timeout runs it");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains(&secrets[0]), "{said}");
    let alerts = status(&gateway)["alerts"].clone();
    assert_eq!(alerts[0]["what"], "device locked", "{alerts}\n{said}");
    assert!(registered(&gateway).is_empty(), "{said}");
}
