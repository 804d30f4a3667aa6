//! A breach pack as it is made and opened at a terminal: it holds what it says, its chain is proven, no secret is in it, and
//! nobody opens it but its recipient.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use ringward::accounts::{By, Devices};
use ringward::store::{self, Audit};

use crate::records::{KINDS, ended};
use crate::support::folder;

/// 2026-11-10T00:00:00Z
const DAY: u64 = 1_794_268_800_000;

fn ringward(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(arguments)
        .output();
    output.expect("the command runs")
}

fn done(arguments: &[&str]) -> String {
    let output = ringward(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A private and a public key; written to the folder.
fn keys(folder: &Path, name: &str) -> (String, String) {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
    use base64::Engine as _;
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
    let private: Pkcs8V1Der<'_> = key.as_der().expect("its private form");
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("its public form");
    let write = |end: &str, label: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let path = folder.join(format!("{name}-{end}.pem"));
        let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
        std::fs::write(&path, pem).expect("written");
        path.display().to_string()
    };
    (
        write("private", "PRIVATE KEY", private.as_ref()),
        write("public", "PUBLIC KEY", public.as_ref()),
    )
}

#[test]
fn a_breach_pack_opens_for_its_recipient_proves_its_chain_and_holds_no_secret() {
    let folder = folder("breach-pack");
    let path = |name: &str| folder.join(name).display().to_string();
    let url = format!("sqlite:{}", path("ringward.db"));
    let configuration = format!(
        "# an old password: hunter2\n[store]\nurl = {url:?}\n[api]\nlisten = \"127.0.0.1:0\"\n[voice]\nmodel = \"off\"\n\
         [[webhook]]\nname = \"siem\"\nurl = \"https://siem.example/\"\nsecret = \"correct horse battery staple 7\"\nevents = [\"*\"]\n"
    );
    std::fs::write(path("ringward.toml"), configuration).expect("written");
    let config = path("ringward.toml");

    // Calls inside the period and outside of it, a device, an account and the first token.
    let secrets = {
        let store = store::open(&store::Config { url }).expect("the store");
        let audit = Arc::new(Audit::open(store.clone()).expect("the audit"));
        for number in 0..30 {
            for began in [DAY - 1, DAY + number * 1_000, DAY + 86_400_000] {
                let mut record = ended(&KINDS[number as usize % KINDS.len()], number, began);
                record.started_ms = began;
                record.id = ringward::call_id::CallId(u128::from(began) << 32 | u128::from(number));
                assert!(store.save(Arc::new(record)));
            }
        }
        store.flush().expect("kept");
        let token = ringward::api::first_token(store.as_ref())
            .expect("a token")
            .expect("the first");
        let by = By {
            who: "ann",
            at_ms: DAY,
        };
        let device = Devices::new(store.clone(), audit.clone())
            .add("desk-1", true, by)
            .expect("a device");
        for at in 0..50 {
            audit
                .write(DAY + at, "ann", "POST /api/v1/lists", "", "201")
                .expect("written");
        }
        vec![token, device.reveal().clone()]
    };
    let invited = done(&[
        "user",
        "add",
        "bob",
        "--person",
        "Bob Example",
        "--role",
        "auditor",
        "--config",
        &config,
    ]);
    let invitation = invited
        .split_whitespace()
        .last()
        .expect("an invitation")
        .to_string();

    let (private, public) = keys(&folder, "recipient");
    let (other, _) = keys(&folder, "other");
    let pack = path("pack.rwp");
    let make = |key: &str, out: &str| {
        let (from, to) = ("2026-11-10", "2026-11-11");
        ringward(&[
            "breach-pack",
            "--from",
            from,
            "--to",
            to,
            "--aware",
            "2026-11-11T08:00:00Z",
            "--key",
            key,
            "--out",
            out,
            "--config",
            &config,
        ])
    };
    let made = make(&public, &pack);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(
        made.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&made.stderr)
    );
    assert!(
        said.contains("30 records") && said.contains("audit: whole"),
        "{said}"
    );
    assert!(
        !make(&public, &pack).status.success(),
        "a file that is there is left alone"
    );
    assert!(
        !make(&private, &path("no")).status.success(),
        "a private key is refused"
    );
    assert!(!Path::new(&path("no")).exists());

    // Nothing of it can be read as it lies there, and no other key opens it.
    let sealed = std::fs::read(&pack).expect("the pack");
    let has = |octets: &[u8], text: &str| octets.windows(text.len()).any(|found| found == text.as_bytes());
    assert!(!has(&sealed, "+1404555") && !has(&sealed, "/api/v1/lists"));
    let open = |pack: &str, key: &str, out: &str| {
        ringward(&["breach-pack", "open", pack, "--key", key, "--out", &path(out)])
    };
    assert!(!open(&pack, &other, "x1").status.success());
    let mut changed = sealed.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(path("changed.rwp"), changed).expect("written");
    assert!(!open(&path("changed.rwp"), &private, "x2").status.success());

    let opened = open(&pack, &private, "pack");
    let said = String::from_utf8_lossy(&opened.stdout).into_owned();
    assert!(
        opened.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    assert!(said.contains("audit: whole, "), "{said}");
    let read = |name: &str| std::fs::read_to_string(folder.join("pack").join(name)).expect(name);
    assert_eq!(read("records.jsonl").lines().count(), 30);
    for line in read("records.jsonl").lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        let began = record["started_ms"].as_u64().expect("a time");
        assert!((DAY..DAY + 86_400_000).contains(&began), "{began}");
    }
    let people = read("people.jsonl");
    assert!(people.lines().count() > 0 && people.contains("+1"), "{people}");
    let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).expect("the summary");
    assert_eq!(summary["people"].as_u64(), Some(people.lines().count() as u64));
    assert_eq!(summary["audit_problem"], serde_json::Value::Null);
    let form: serde_json::Value = serde_json::from_str(&read("form.json")).expect("the form");
    assert_eq!(form["data"]["records_concerned"], 30);
    // 2026-11-11T08:00:00Z and 72 hours.
    assert_eq!(
        form["clock"]["due_ms"].as_u64(),
        Some(DAY + (24 + 8 + 72) * 3_600_000)
    );
    assert!(read("accounts.jsonl").contains("Bob Example"));
    assert!(read("configuration.toml").contains("siem.example"));
    assert!(
        read("audit.jsonl").contains("breach pack"),
        "that it was made stands in it"
    );

    // What must not be there.
    let mut hidden = secrets;
    hidden.extend([
        invitation,
        "hunter2".into(),
        "correct horse".into(),
        "$argon2".into(),
    ]);
    for entry in std::fs::read_dir(folder.join("pack")).expect("the folder") {
        let file = entry.expect("a file");
        let octets = std::fs::read(file.path()).expect("its octets");
        for secret in &hidden {
            assert!(!has(&octets, secret), "{secret} in {:?}", file.file_name());
        }
    }
}
