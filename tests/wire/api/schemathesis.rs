//! A program that nobody here wrote (schemathesis) makes some thousand requests of the document, good ones and bad ones, to a gateway
//! that runs: none is answered by a 5xx, by a status or a content type that is not in the document, or in another shape than it says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::with_json;
use crate::support::gateway::{Gateway, Setup, block_on};
use crate::support::{folder, python, sti};

/// What would end this test, or never ends: each is asked for somewhere else.
const LEFT_OUT: [(&str, &str); 6] = [
    ("get_events", "it never ends: tests/wire/api/events.rs"),
    (
        "delete_session",
        "it signs out whoever asks: tests/wire/api/access.rs",
    ),
    (
        "delete_tokens_name",
        "it may take away the token that is asked with: tests/wire/api/pages.rs",
    ),
    (
        "post_lockdown",
        "it ends every other session and token: tests/wire/api/lockdown.rs",
    ),
    (
        "post_session_passkey",
        "what is wrong counts as a wrong credential, and no signature can be made up: tests/wire/console_passkeys.rs",
    ),
    (
        "put_account_password",
        "it ends the session that asks: tests/wire/api/users.rs",
    ),
];

/// `missing_required_header` knows no 428 (RFC 6585 §3), which is what a change without If-Match is answered, and `ignored_auth` is
/// locked out (429) after ten wrong tokens: tests/wire/api/access.rs.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,allow_header_conformance,negative_data_rejection";

/// Requests for one operation, beside those that its parameters are walked through with.
const EXAMPLES: &str = "4";

/// What there is in the gateway, by the names of parameters, so that more is met than 404.
fn there_is(gateway: &Gateway) -> String {
    let made = |path: &str, body: Value| {
        let (status, body) = gateway.request("POST", path, Some(&body.to_string()));
        assert!((200..300).contains(&status), "{path}: {status} {body}");
        serde_json::from_str::<Value>(&body).expect("JSON")
    };
    let entry = made(
        "/api/v1/lists/block/entries",
        json!({ "numbers": ["+14045550123"], "reason": "x" }),
    );
    made("/api/v1/devices", json!({ "name": "desk-1" }));
    made(
        "/api/v1/users",
        json!({ "name": "carl", "person": "Carl Example", "roles": ["analyst"] }),
    );
    let policy = ringward::policy::shipped("strict").expect("it is shipped").text;
    made("/api/v1/policies", json!({ "text": policy, "reason": "x" }));
    // A call that nobody signed: whoever is there does not answer.
    sti::call(gateway, "none", 1);
    let call = gateway.ended_calls(1)[0]["id"]
        .as_str()
        .expect("an id")
        .to_string();
    let known = [
        ("id", format!("[{call:?}]")),
        ("list", "[\"block\", \"directory\", \"own\"]".into()),
        ("entry", format!("[{}]", entry["id"])),
        ("number", "[1, 2]".into()),
        ("name", "[\"carl\", \"desk-1\", \"nowhere\"]".into()),
        ("device", "[\"desk-1\"]".into()),
    ];
    let mut text = String::from("[parameters]\n");
    for (name, _) in &known {
        text += &format!("\"path.{name}\" = {{ dictionary = \"{name}\", probability = 0.7 }}\n");
    }
    for (name, values) in known {
        text += &format!("[dictionaries.{name}]\nvalues = {values}\n");
    }
    text
}

/// Has it ask whatever is meant by `which`, signed in by this header.
fn ask(program: &Path, gateway: &Gateway, config: &Path, signed_in: &[&str], which: &[&str]) {
    let answers = config.with_file_name("answers");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("timeout");
    command
        .args(["280"])
        .arg(program)
        .arg("--config-file")
        .arg(config);
    command
        .arg("run")
        .arg(format!("http://{}/openapi.json", gateway.api));
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]);
    command.args([
        "--max-examples",
        EXAMPLES,
        "--generation-deterministic",
        "--continue-on-failure",
    ]);
    command.args([
        "--workers",
        "1",
        "--request-timeout",
        "20",
        "--warnings",
        "off",
        "--no-color",
    ]);
    for (operation, _) in LEFT_OUT {
        command.args(["--exclude-operation-id", operation]);
    }
    for header in signed_in {
        command.args(["--header", header]);
    }
    command.args(which).current_dir(&gateway.folder);
    command.env(
        "SCHEMATHESIS_HOOKS",
        root.join("tests/wire/peers/schemathesis_hooks.py"),
    );
    command.env("RINGWARD_ANSWERS", answers);
    let ran = command.output().expect("schemathesis runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    // That it found nothing because it asked nothing is no success.
    let passed = said
        .split(" generated, ")
        .next()
        .and_then(|before| before.split_whitespace().last());
    let passed: u64 = passed.and_then(|count| count.parse().ok()).unwrap_or(0);
    assert!(passed >= 100, "{said}");
    eprintln!("schemathesis: {passed} requests");
}

/// Operations of the document that were never answered by a 2xx or 3xx: nothing was learned of what they say when they do something. And
/// how many there are.
fn never_done(gateway: &Gateway, config: &Path) -> (BTreeSet<String>, usize) {
    let answers = std::fs::read_to_string(config.with_file_name("answers")).expect("answers");
    let done: BTreeSet<&str> = answers
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(_, status)| status.starts_with(['2', '3']))
        .map(|(operation, _)| operation)
        .collect();
    let document = gateway.get("/openapi.json");
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str();
            if id.is_some_and(|id| LEFT_OUT.iter().all(|(left_out, _)| *left_out != id)) {
                all.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let count = all.len();
    all.retain(|operation| !done.contains(operation.as_str()));
    (all, count)
}

/// The cookie of somebody without a second factor.
fn somebody(gateway: &Gateway, name: &str, roles: &[&str]) -> String {
    let invited = json!({ "name": name, "person": "Rita Example", "roles": roles }).to_string();
    let (_, invited) = gateway.request("POST", "/api/v1/users", Some(&invited));
    let invited: Value = serde_json::from_str(&invited).expect("an invitation");
    let body = json!({ "code": invited["code"], "password": "twelve small owls" }).to_string();
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let ask = client.post(format!("http://{}/api/v1/invitation", gateway.api));
        let answer = with_json(ask, &body)
            .timeout(Duration::from_secs(30))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_string();
        cookie.split(';').next().expect("a cookie").to_string()
    })
}

#[test]
fn schemathesis_finds_no_fault_in_the_document_or_the_gateway() {
    let Some(program) = python::program("schemathesis") else {
        return;
    };
    let gateway = Gateway::start(&Setup {
        name: "gateway-schemathesis",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: "[voice]\nmodel = \"off\"\n[[webhook]]\nname = \"nowhere\"\nurl = \"https://127.0.0.1:1/\"\n\
               secret = \"twenty-four octets, at least\"\nevents = [\"audit.policy\"]\n",
    });
    let folder = folder("schemathesis");
    let config = folder.join("schemathesis.toml");
    std::fs::write(&config, there_is(&gateway)).expect("written");
    let token = format!("Authorization: Bearer {}", gateway.token);
    ask(&program, &gateway, &config, &[&token], &[]);
    // What is about the person who is signed in, and not about a token.
    let cookie = format!(
        "Cookie: {}",
        somebody(&gateway, "rita", &["receptionist", "supervisor"])
    );
    let own = ["--include-path-regex", "^/api/v1/(account|desks|pause|session)"];
    ask(&program, &gateway, &config, &[&cookie, "X-Ringward: 1"], &own);
    // Which ones, depends on what it thinks of; each is done once in tests/wire/api/pages.rs or where that says.
    let (never, all) = never_done(&gateway, &config);
    eprintln!("only ever refused: {never:?}");
    assert!(never.len() * 2 < all, "of {all} only refused: {never:?}");
    // It is well after all that.
    assert_eq!(gateway.request("GET", "/readyz", None).0, 200);
    assert_eq!(gateway.get("/api/v1/audit/verify")["is_whole"], true);
}
