//! Alarms by e-mail, through a mail server that is not ours (aiosmtpd): over TLS or not at all.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::gateway::{Gateway, Setup};
use crate::support::pki::Pki;
use crate::support::python::with_module;
use crate::support::{Peer, folder, free_port, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

struct MailServer {
    _peer: Peer,
    port: u16,
    said: Receiver<Value>,
}

impl MailServer {
    fn start(python: &Path, folder: &Path, mode: &str, put_off: u32, shut: &[&str]) -> MailServer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/peers/mail_server.py");
        let port = free_port();
        let mut command = Command::new(python);
        command
            .args([script, &port.to_string(), mode])
            .args([folder.join("mail.pem"), folder.join("mail.key")])
            .arg(put_off.to_string())
            .args(shut)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut peer = Peer::start(&mut command);
        let stdout = peer.0.stdout.take().expect("piped");
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let server = MailServer {
            _peer: peer,
            port,
            said,
        };
        assert_eq!(server.next()["ready"], true);
        server
    }

    fn next(&self) -> Value {
        self.said
            .recv_timeout(PATIENCE)
            .expect("the mail server says something")
    }
}

/// A gateway that sends its alarms there, and to which somebody shows wrong tokens now.
fn alarmed(folder: &Path, server: &MailServer, mode: &str, anchors: &str) -> Gateway {
    let rules = folder.join("alarms.toml");
    let rule = "[[rule]]\nid = \"guessing\"\nwatch = \"sign-ins\"\nseverity = \"high\"\ntimes = 3\nat_least = 3\nagain = \"4h\"\n";
    std::fs::write(&rules, rule).expect("the rules");
    let password = folder.join("password");
    std::fs::write(&password, "twelve octets\n").expect("the password");
    let more = format!(
        "public_url = \"https://trust.example.com\"\n[alarms]\nfile = {rules:?}\n[alarms.email]\nhost = \"localhost\"\nport = {}\n\
         tls = \"{mode}\"\n{anchors}\nuser = \"ringward\"\npassword = \"${{FILE:{}}}\"\nfrom = \"Ringward <ringward@example.com>\"\n\
         to = [\"security@example.com\", \"Anna <anna@example.com>\"]\n",
        server.port,
        password.display(),
    );
    let mut gateway = Gateway::start(&Setup {
        name: "gateway-mail",
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: &more,
    });
    let token = std::mem::replace(&mut gateway.token, "rw_wrong".into());
    for _ in 0..4 {
        let (status, _) = gateway.request("GET", "/api/v1/calls", None);
        assert_eq!(status, 401);
    }
    gateway.token = token;
    gateway
}

fn standing(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/status")["gateway"]["alarm_emails"].clone()
}

#[test]
fn an_alarm_comes_by_mail_over_tls_and_again_when_the_server_was_busy() {
    let Some(python) = with_module("aiosmtpd") else {
        return;
    };
    for (mode, put_off) in [("starttls", 1), ("tls", 0)] {
        let folder = folder("alarm-mail");
        let pki = Pki::new(&folder, "authority");
        pki.issue("mail", &["localhost", "127.0.0.1"]);
        let server = MailServer::start(&python, &folder, mode, put_off, &[]);
        let anchors = format!("anchors = [{:?}]", pki.anchor());
        let gateway = alarmed(&folder, &server, mode, &anchors);
        for _ in 0..put_off {
            assert_eq!(server.next()["put_off"], true);
            wait_for("the status to tell of it", PATIENCE, || {
                standing(&gateway)["problem"]
                    .as_str()
                    .filter(|words| words.contains("451"))
                    .map(drop)
            });
        }
        // To each a letter of its own: who was put off comes later.
        let (letter, other) = (server.next(), server.next());
        let mut to = [letter["to"].to_string(), other["to"].to_string()];
        to.sort();
        assert_eq!(to, ["[\"anna@example.com\"]", "[\"security@example.com\"]"]);
        assert_eq!(
            (&letter["is_tls"], &letter["is_proven"]),
            (&true.into(), &true.into()),
            "{letter}"
        );
        assert_eq!(letter["from"], "ringward@example.com");
        assert_eq!(letter["hello"], "example.com");
        let text = letter["text"]
            .as_str()
            .expect("text")
            .replace("=\r\n", "")
            .replace("\r\n ", " ");
        for expected in [
            "Subject: Ringward, high: ",
            "wrong passwords, codes or tokens",
            "Rule: guessing",
            "https://trust.example.com/administration#watch",
            "Message-ID: <ringward-1-",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        let standing = wait_for("the status to tell of it", PATIENCE, || {
            Some(standing(&gateway)).filter(|standing| standing["sent"] == 2)
        });
        assert_eq!(
            (&standing["lost"], &standing["problem"]),
            (&0.into(), &Value::Null),
            "{standing}"
        );
        let (_, metrics) = gateway.request("GET", "/metrics", None);
        assert!(
            metrics.contains("ringward_alarm_emails_total{outcome=\"sent\"} 2"),
            "{metrics}"
        );
    }
}

#[test]
fn an_address_that_is_refused_or_put_off_holds_up_no_other_one() {
    let Some(python) = with_module("aiosmtpd") else {
        return;
    };
    for (answer, lost, waiting) in [("550 5.1.1 nobody", 1, 0), ("450 4.2.0 greylisted", 0, 1)] {
        let folder = folder("alarm-mail-shut");
        let pki = Pki::new(&folder, "authority");
        pki.issue("mail", &["localhost", "127.0.0.1"]);
        let shut = ["security@example.com", answer];
        let server = MailServer::start(&python, &folder, "tls", 0, &shut);
        let anchors = format!("anchors = [{:?}]", pki.anchor());
        let gateway = alarmed(&folder, &server, "tls", &anchors);
        assert_eq!(server.next()["shut"], "security@example.com");
        let letter = loop {
            let said = server.next();
            if said["shut"].is_null() {
                break said;
            }
        };
        assert_eq!(letter["to"], serde_json::json!(["anna@example.com"]), "{letter}");
        let standing = wait_for("the status to tell of it", PATIENCE, || {
            Some(standing(&gateway)).filter(|standing| {
                // While he is written to again his letter is in the postman's hands.
                standing["sent"] == 1 && standing["lost"] == lost && standing["waiting"] == waiting
            })
        });
        let problem = standing["problem"].as_str().expect("words");
        assert!(
            problem.starts_with("address 1 of `to`: ") && problem.contains(&answer[..3]),
            "{standing}"
        );
    }
}

#[test]
fn a_mail_server_whose_certificate_is_not_believed_is_told_nothing() {
    let Some(python) = with_module("aiosmtpd") else {
        return;
    };
    for mode in ["starttls", "tls"] {
        let folder = folder("alarm-mail-unbelieved");
        Pki::new(&folder, "authority").issue("mail", &["localhost", "127.0.0.1"]);
        let server = MailServer::start(&python, &folder, mode, 0, &[]);
        let gateway = alarmed(&folder, &server, mode, "");
        let standing = wait_for("the status to tell of it", PATIENCE, || {
            Some(standing(&gateway)).filter(|standing| standing["problem"].is_string())
        });
        let problem = standing["problem"].as_str().expect("words").to_lowercase();
        assert!(
            problem.contains("certificate") || problem.contains("issuer"),
            "{standing}"
        );
        assert_eq!(standing["sent"], 0, "{standing}");
        assert!(server.said.try_recv().is_err(), "not a letter");
        let alarms = gateway.get("/api/v1/alarms");
        assert_eq!(
            alarms["alarms"][0]["rule"], "guessing",
            "it is in the list all the same"
        );
    }
}
