//! Signers and verifiers that nobody here wrote, both ways: Kamailio's secsipid module, secsipidx, PyJWT.
//!
//! What they say to hostile calls is in `docs/verifier-matrix.md`; here it is about understanding each other.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::matrix::authority::World;
use crate::matrix::host::Hosts;
use crate::matrix::message::{CALLED, CALLER, Invite, Token};
use crate::matrix::peers::kamailio::{Kamailio, Process};
use crate::matrix::peers::secsipidx::Secsipidx;
use crate::matrix::{Answer, Case, Scene, Stage, cases, write_files};
use crate::support;

const URL: &str = "https://cert.example.org/sp.pem";

#[test]
fn a_call_that_kamailio_signs_and_passes_on_is_verified() {
    if !support::have(&["kamailio"]) {
        return;
    }
    let provider = Provider::new("kamailio-signs");
    let next_hop = UdpSocket::bind("127.0.0.1:0").unwrap();
    next_hop.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // Numbers without their plus sign, as the claims want them; an empty origid lets the module make one.
    let lines = format!(
        "request_route {{\n\
           if (is_method(\"OPTIONS\")) {{ sl_send_reply(\"200\", \"ready\"); exit; }}\n\
           secsipid_add_identity(\"$(fU{{s.strip,1}})\", \"$(rU{{s.strip,1}})\", \"B\", \"\", \"{URL}\", \"{}\");\n\
           $du = \"sip:{}\";\n\
           forward();\n\
         }}\n",
        provider.folder.join("sp.key").display(),
        next_hop.local_addr().unwrap(),
    );
    let kamailio = Process::start(&provider.folder, "signer", &lines).unwrap();
    let mut invite = Invite::new("");
    invite.lines.clear();
    invite.call_id = "kamailio-signs".into();
    let sent = kamailio
        .exchange(|via| invite.text(via), Duration::from_millis(1))
        .unwrap();
    assert_eq!(sent, None, "a stateless proxy answers nothing itself");

    let mut octets = vec![0; 65_536];
    let count = next_hop.recv(&mut octets).expect("Kamailio passes the call on");
    let report = provider.verify(&octets[..count]);
    assert_eq!(
        (&report["standing"], &report["attestation"], &report["verstat"]),
        (&json!("verified"), &json!("B"), &json!("TN-Validation-Passed-B")),
        "{report}"
    );
    // The same call with another caller in From: what Kamailio signed is for one caller only.
    let altered = String::from_utf8_lossy(&octets[..count]).replacen(CALLER, "13125550177", 1);
    let report = provider.verify(altered.as_bytes());
    assert_eq!(report["headers"][0]["outcome"], "orig_mismatch", "{report}");
}

#[test]
fn a_call_that_we_sign_is_verified_by_kamailio_and_by_secsipidx() {
    if !support::have(&["kamailio", "secsipidx"]) {
        return;
    }
    let now = seconds();
    let world = World::new(now);
    let hosts = Hosts::start(now).unwrap();
    let folder = support::folder("independent-verifiers");
    write_files(&folder, &world, &hosts).unwrap();
    let mut kamailio = Kamailio::new(folder.clone());
    let secsipidx = Secsipidx::new(folder);
    for (name, is_good) in [
        ("plain", true),
        ("attestation-c", true),
        ("altered-signature", false),
        ("iat-old", false),
        ("untrusted-root", false),
        ("revoked", false),
    ] {
        let case = named(name);
        let stage = Stage {
            world: &world,
            hosts: &hosts,
            now: seconds(),
        };
        let mut scene: Scene = (case.build)(&stage);
        scene.invite.call_id = name.into();
        for answer in [
            kamailio.ask(&scene).unwrap(),
            secsipidx.ask(&case, &scene).unwrap(),
        ] {
            assert_eq!(
                matches!(answer, Answer::Accepts(_)),
                is_good,
                "{name}: {answer:?}"
            );
            assert!(
                !matches!(answer, Answer::Broken(_) | Answer::NotShown(_)),
                "{name}: {answer:?}"
            );
        }
    }
    // A stale token may be refused before anything is fetched.
    assert!(hosts.asked() >= 10, "both fetch for themselves");
}

#[test]
fn tokens_that_pyjwt_signs_are_judged_as_they_are() {
    let Some(python) = python_with_jwt() else { return };
    let provider = Provider::new("pyjwt");
    let now = seconds();
    let good = Token::new(URL, now);
    let odd = [
        (good.clone(), "passed", Value::Null),
        (good.clone().claim("iat", now - 3600), "stale", json!(403)),
        (good.clone().claim("iat", now + 3600), "stale", json!(403)),
        (good.clone().claim("iat", now.to_string()), "invalid", json!(438)),
        (good.clone().claim("attest", "ABC"), "invalid", json!(438)),
        (good.clone().claim("orig", CALLER), "invalid", json!(438)),
        (good.clone().member("typ", "JWT"), "invalid", json!(438)),
        (good.clone().member("crit", json!(["b64"])), "invalid", json!(438)),
    ];
    for (token, outcome, code) in odd {
        let signed = run_python(
            &python,
            SIGN,
            &[
                &provider.path("sp.key"),
                &token.header.to_string(),
                &token.payload.to_string(),
            ],
        );
        let mut invite = Invite::new(&format!("{signed}{}", token.parameters));
        invite.call_id = "pyjwt".into();
        let report = provider.verify(invite.text("192.0.2.9:5060").as_bytes());
        let header = &report["headers"][0];
        assert_eq!(
            (&header["outcome"], &header["code"]),
            (&json!(outcome), &code),
            "{report}"
        );
    }
}

#[test]
fn a_token_that_we_sign_is_read_by_pyjwt() {
    let Some(python) = python_with_jwt() else { return };
    let provider = Provider::new("pyjwt-reads");
    let token = Token::new(URL, seconds());
    let signed = token.signed(&provider.world.signer.key);
    let signed = signed.split(';').next().unwrap();
    let claims = run_python(&python, READ, &[&provider.path("sp.pem"), signed]);
    let claims: Value = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims, token.payload);
    assert_eq!(claims["dest"]["tn"], json!([CALLED]));
}

/// A provider with its certificate and key in files.
struct Provider {
    world: World,
    folder: PathBuf,
}

impl Provider {
    fn new(name: &str) -> Provider {
        let world = World::new(seconds());
        let folder = support::folder(name);
        let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
        write("anchors.pem", &world.anchors_pem());
        write("sp.pem", &world.chain_of(&world.signer));
        write("sp.key", &world.signer.key.serialize_pem());
        write("web.pem", &world.anchors_pem());
        Provider { world, folder }
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// What `ringward verify` says to the message.
    fn verify(&self, message: &[u8]) -> Value {
        let invite = self.folder.join("call.sip");
        std::fs::write(&invite, message).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
            .args(["verify", "--json", "--invite"])
            .arg(&invite)
            .args(["--roots", &self.path("anchors.pem")])
            .args(["--certificate", &format!("{URL}={}", self.path("sp.pem"))])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn named(name: &str) -> Case {
    let cases = cases::all().into_iter().flat_map(|group| group.cases);
    cases
        .into_iter()
        .find(|case| case.name == name)
        .expect("a case of the matrix")
}

/// A Python that has PyJWT and cryptography; None, with a word, when there is none and peers are not required.
fn python_with_jwt() -> Option<PathBuf> {
    // The system's first: Debian's python3-jwt is for that one, whatever else is on the path.
    let candidates = ["/usr/bin/python3", "python3"].map(PathBuf::from);
    let has_jwt = |python: &&PathBuf| {
        let output = Command::new(python)
            .args(["-c", "import jwt, cryptography"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = candidates.iter().find(has_jwt).cloned();
    if found.is_none() {
        // Says so, or fails when peers are required.
        support::have(&["python3 with PyJWT and cryptography"]);
    }
    found
}

fn run_python(python: &Path, script: &str, arguments: &[&str]) -> String {
    let output = Command::new(python)
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

/// Key file, header, payload: the compact serialisation.
const SIGN: &str = "
import json, sys, jwt
key = open(sys.argv[1], 'rb').read()
print(jwt.PyJWS().encode(sys.argv[3].encode(), key, algorithm='ES256', headers=json.loads(sys.argv[2])))
";

/// Certificate file, token: the claims, after the signature was checked.
const READ: &str = "
import json, sys, jwt
from cryptography import x509
key = x509.load_pem_x509_certificate(open(sys.argv[1], 'rb').read()).public_key()
print(json.dumps(jwt.decode(sys.argv[2], key, algorithms=['ES256'], options={'require': ['iat']})))
";

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
