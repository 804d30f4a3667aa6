//! A client that a program made from the OpenAPI document changes a policy, from the first look to the roll-back.

use std::path::Path;
use std::process::{Command, Output};

use super::Desk;
use crate::support::{folder, python};

/// A program that is ended after five minutes, should it hang.
fn bounded(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("300").arg(program);
    command
}

/// On a thread that may wait: the desk answers on this one.
async fn run(mut command: Command) -> Output {
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    let ran = ran.await.unwrap();
    let said = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(
        ran.status.success(),
        "{}\n{}",
        said(&ran.stdout),
        said(&ran.stderr)
    );
    ran
}

#[tokio::test]
async fn a_generated_client_changes_a_policy_from_end_to_end() {
    let Some(generator) = python::program("openapi-python-client") else {
        return;
    };
    let Some(interpreter) = python::with_module("openapi_python_client") else {
        return;
    };
    let folder = folder("generated");
    std::fs::write(folder.join("openapi.json"), ringward::api::openapi()).unwrap();
    std::fs::write(folder.join("config.yml"), "post_hooks: []\n").unwrap();
    let mut generate = bounded(&generator);
    generate
        .current_dir(&folder)
        .args(["generate", "--path", "openapi.json", "--meta", "none"])
        .args(["--output-path", "made", "--config", "config.yml"]);
    run(generate).await;

    let desk = Desk::open().await;
    let cookie = desk.person("ann", &["policy-approver"]).await;
    desk.enrol(&cookie, super::NOON).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut change = bounded(&interpreter);
    change
        .arg(root.join("tests/wire/peers/policy_change.py"))
        .arg(&folder)
        .args([&format!("http://{}", desk.address), &desk.token, &cookie])
        .arg(root.join("policies/strict.toml"));
    let said = String::from_utf8(run(change).await.stdout).unwrap();
    assert!(said.ends_with("done\n"), "{said}");
    assert_eq!(desk.told.lock().unwrap().as_slice(), ["strict", "default"]);
}
