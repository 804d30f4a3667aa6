//! What `ringward` says to files of every wrong kind: a few words, an exit status, no panic. docs/bad-input.md lists them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::folder;

/// Octets of output that one bad file may cause; a fault per key of a garbage file is cut at 100.
const OUTPUT_OCTETS_MAX: usize = 16_384;

/// One file of each wrong kind, by the name of the kind.
fn wrong_files(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let garbage: Vec<u8> = (0..20_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let write = |name: &'static str, octets: &[u8]| {
        std::fs::write(folder.join(name), octets).expect("written");
        (name, folder.join(name))
    };
    let (sparse, path) = write("50-megabytes", b"");
    let file = std::fs::File::options().write(true).open(&path).expect("there");
    file.set_len(50_000_000).expect("stretched");
    std::fs::create_dir_all(folder.join("folder")).expect("made");
    vec![
        ("missing", folder.join("missing")),
        ("folder", folder.join("folder")),
        write("empty", b""),
        write("garbage", &garbage),
        write("not-utf-8", b"name = \"\xff\xfe\"\n"),
        (sparse, path),
        ("endless device", PathBuf::from("/dev/zero")),
    ]
}

/// Runs `ringward` and checks that it refused in a bounded way. Returns what it said.
fn refused(kind: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(arguments)
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let start: String = said.chars().take(600).collect();
    assert!(
        matches!(output.status.code(), Some(1 | 2)),
        "{kind}: {:?}\n{start}",
        output.status
    );
    assert!(!said.contains("panicked"), "{kind}: {start}");
    assert!(
        (1..OUTPUT_OCTETS_MAX).contains(&said.len()),
        "{kind}: {} octets\n{start}",
        said.len()
    );
    said
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_configuration_of_any_wrong_kind_is_refused_by_name() {
    for (kind, path) in wrong_files(&folder("bad-config")) {
        // An empty configuration is a good one: the loopback gateway.
        if kind != "empty" {
            for command in ["check", "serve"] {
                let said = refused(kind, &[command, "--config", &text(&path)]);
                assert!(said.contains(&text(&path)), "{kind}: {said}");
            }
        }
    }
}

#[test]
fn a_policy_of_any_wrong_kind_is_refused_by_name() {
    for (kind, path) in wrong_files(&folder("bad-policy")) {
        let said = refused(kind, &["policy", "check", &text(&path)]);
        assert!(said.contains(&text(&path)), "{kind}: {said}");
        refused(kind, &["policy", "explain", "--facts", &text(&path)]);
    }
}

#[test]
fn one_unreadable_policy_does_not_hide_the_next() {
    let folder = folder("two-policies");
    let bad = folder.join("bad.toml");
    std::fs::write(&bad, "policy = 1\n").expect("written");
    let said = refused(
        "two",
        &[
            "policy",
            "check",
            "--json",
            &text(&folder.join("missing")),
            &text(&bad),
        ],
    );
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines.iter().all(|line| line["faults"][0]["message"].is_string()),
        "{said}"
    );
}

#[test]
fn a_model_of_any_wrong_kind_is_refused_by_name() {
    let folder = folder("bad-model");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    for (kind, path) in wrong_files(&folder) {
        const FILES: [&str; 3] = ["manifest.json", "trunk.onnx", "second.onnx"];
        for bad in FILES {
            let model = folder.join(format!("{kind}-{bad}"));
            std::fs::create_dir_all(&model).expect("made");
            for good in FILES.into_iter().filter(|good| *good != bad) {
                std::fs::copy(shipped.join(good), model.join(good)).expect("copied");
            }
            if kind != "missing" {
                std::os::unix::fs::symlink(&path, model.join(bad)).expect("linked");
            }
            let said = refused(kind, &["score", "--model", &text(&model), "no.wav"]);
            assert!(said.contains(bad), "{kind}: {said}");
        }
    }
}

#[test]
fn trust_anchors_and_messages_of_any_wrong_kind_are_refused_by_name() {
    let folder = folder("bad-anchors");
    let call = folder.join("call.sip");
    let message = "INVITE sip:+12125550100@gw.example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\n\
        To: <sip:c@d>\nCall-ID: x\nCSeq: 1 INVITE\n\n";
    std::fs::write(&call, message).expect("written");
    for (kind, path) in wrong_files(&folder) {
        let said = refused(
            kind,
            &["verify", "--invite", &text(&path), "--roots", &text(&path)],
        );
        assert!(said.contains(&text(&path)), "{kind}: {said}");
        let said = refused(
            kind,
            &["verify", "--invite", &text(&call), "--roots", &text(&path)],
        );
        assert!(said.contains(&text(&path)), "{kind}: {said}");
        let config = folder.join("ringward.toml");
        std::fs::write(&config, format!("[identity]\nanchors = [{:?}]\n", text(&path))).expect("written");
        let said = refused(kind, &["check", "--config", &text(&config)]);
        assert!(said.contains(&text(&path)), "{kind}: {said}");
    }
}

#[test]
fn a_recording_of_any_wrong_kind_is_refused_by_name() {
    for (kind, path) in wrong_files(&folder("bad-wav")) {
        let said = refused(kind, &["score", "--json", &text(&path)]);
        let line: serde_json::Value =
            serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{kind}: {said}"));
        assert!(
            line["error"].as_str().is_some_and(|error| error.len() < 300),
            "{kind}: {said}"
        );
    }
}

#[test]
fn an_unknown_option_is_refused_with_a_hint_and_every_help_has_an_example() {
    for command in [
        &["serve"][..],
        &["demo"],
        &["check"],
        &["verify"],
        &["score"],
        &["selftest"],
        &["policy"],
        &["policy", "check"],
        &["policy", "explain"],
    ] {
        let said = refused("option", &[command, &["--no-such-option"]].concat());
        assert!(
            said.contains("--no-such-option") && said.contains("--help"),
            "{said}"
        );
        let output = Command::new(env!("CARGO_BIN_EXE_ringward"))
            .args(command)
            .arg("--help")
            .output()
            .expect("it runs");
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(help.contains("Example") && output.status.success(), "{help}");
    }
}
