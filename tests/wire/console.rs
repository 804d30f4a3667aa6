//! The console in a real browser: a live banner appears and changes while a real call goes on.

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use crate::api::users::totp;
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, talking_caller};
use crate::support::{folder, have, wait_for};

#[test]
fn a_live_banner_appears_and_changes_in_chromium() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console");
    // A synthetic voice that the demo uses: the voice light must leave "listening".
    let clip = include_bytes!("../../models/demo/synthetic-espeak.wav");
    let clip = ringward::demo::clip::Clip::parse("espeak", clip).expect("a mu-law WAV file");
    std::fs::write(folder.join("speech.ulaw"), &*clip.octets).expect("speech");
    let (_phone, port) = sipp::phone(&folder, 1500);
    let gateway = Gateway::start(&Setup {
        name: "gateway-console",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", Duration::from_secs(10));
    assert!(
        !browser
            .eval("return location.href")
            .to_string()
            .contains(&gateway.token),
        "the token left the address bar"
    );

    let hostile = "X-Ignored: 1\n";
    let scenario = talking_caller("speech.ulaw", 9000, hostile);
    let caller = Caller::one(gateway.udp, &scenario);
    let running = caller.start(&folder);
    let ringing = browser.wait_for_text("ringing", Duration::from_secs(8));
    assert!(ringing.to_lowercase().contains("not proven"), "{ringing}");
    browser.wait_for_text("listening", Duration::from_secs(8));
    browser.wait_for_text("talking", Duration::from_secs(8));
    browser.screenshot(&folder.join("console-talking.png"));
    // The evidence arrives and the card changes, without a reload: the card names its lights for screen readers.
    let card = || {
        browser
            .eval("return document.querySelector('[data-state=talking]')?.getAttribute('aria-label') ?? ''")
    };
    let judged = wait_for("the voice light to change", Duration::from_secs(12), || {
        let words = card().to_string().to_lowercase();
        (words.contains("voice: likely synthetic") || words.contains("voice: unsure")).then_some(words)
    });
    assert!(judged.contains("number: not proven"), "{judged}");
    browser.screenshot(&folder.join("console-judged.png"));
    let (status, errors) = running.finish();
    assert!(status.success(), "{errors}");
    // The card stays a moment for a last look, and the kept call stands in the history.
    browser.wait_for_text("ended", Duration::from_secs(8));
    browser.wait_for_text("answered", Duration::from_secs(8));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

const PATIENCE: Duration = Duration::from_secs(60);

pub fn type_into(browser: &Browser, id: &str, text: &str) {
    browser.eval(&format!(
        "document.getElementById('{id}').value = {text:?}; return true"
    ));
}

pub fn submit(browser: &Browser, id: &str) {
    browser.eval(&format!(
        "document.getElementById('{id}').requestSubmit(); return true"
    ));
}

pub fn press(browser: &Browser, words: &str) {
    let script = format!(
        "const it = [...document.querySelectorAll('button, a')].find((one) => one.checkVisibility() && one.textContent === {words:?}); it?.click(); return Boolean(it)"
    );
    wait_for(&format!("the button {words:?}"), PATIENCE, || {
        browser.eval(&script).as_bool().filter(|is_there| *is_there)
    });
}

#[test]
fn an_administrator_is_invited_enrols_a_telephone_and_administers_in_chromium() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-accounts");
    let gateway = Gateway::start(&Setup {
        name: "gateway-accounts",
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: "",
    });
    // At the machine itself, beside the gateway that runs.
    let config = gateway.folder.join("ringward.toml");
    let made = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(["user", "add", "ann", "--person", "Ann Example", "--role", "admin"])
        .arg("--config")
        .arg(&config)
        .output()
        .expect("ringward user add");
    assert!(made.status.success(), "{made:?}");
    let link = String::from_utf8(made.stdout).expect("a link");
    let code = link.trim().split_once("#invitation=").expect("an invitation").1;

    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#invitation={code}", gateway.api));
    browser.wait_for_text("set your password", PATIENCE);
    browser.screenshot(&folder.join("1-invitation.png"));
    let password = "twelve small owls";
    type_into(&browser, "new-password", password);
    type_into(&browser, "new-again", password);
    submit(&browser, "invitation-form");
    browser.wait_for_text("your roles need a second factor", PATIENCE);
    type_into(&browser, "begin-password", password);
    submit(&browser, "begin");
    browser.wait_for_text("the six digits it shows now", PATIENCE);
    browser.screenshot(&folder.join("2-enrolling.png"));
    let secret = browser.eval("return document.getElementById('secret').textContent");
    let secret = secret.as_str().expect("a secret").replace(' ', "");
    let now_ms = UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64;
    type_into(&browser, "prove-code", &totp(&secret, now_ms));
    submit(&browser, "prove");
    browser.wait_for_text("write these codes down", PATIENCE);
    browser.screenshot(&folder.join("3-recovery.png"));
    press(&browser, "I have written them down");
    browser.wait_for_text("where you are signed in", PATIENCE);
    browser.screenshot(&folder.join("4-account.png"));

    browser.open(&format!("http://{}/administration#users", gateway.api));
    browser.wait_for_text("Ann Example", PATIENCE);
    type_into(&browser, "user-name", "bob");
    type_into(&browser, "user-person", "Bob Example");
    submit(&browser, "user-add");
    browser.wait_for_text("bob sets a password", PATIENCE);
    browser.wait_for_text("invited", PATIENCE);
    browser.screenshot(&folder.join("5-accounts.png"));
    press(&browser, "Lists");
    browser.wait_for_text("nothing on this list", PATIENCE);
    type_into(&browser, "add-numbers", "+1 404 555 0123");
    type_into(&browser, "add-reason", "threats");
    submit(&browser, "list-add");
    browser.wait_for_text("+1 404 555 0123", PATIENCE);
    browser.screenshot(&folder.join("6-lists.png"));
    // Once, and once more because it is sure: between the two a slow machine could make it calm again.
    browser.eval(
        "const it = [...document.querySelectorAll('#entries button')].find((one) => one.textContent === 'Remove'); it.click(); it.click(); return it.textContent",
    );
    browser.wait_for_text("nothing on this list", PATIENCE);
    press(&browser, "Policies");
    browser.wait_for_text("the configuration names it", PATIENCE);
    press(&browser, "Read");
    browser.wait_for_text("[thresholds]", PATIENCE);
    browser.screenshot(&folder.join("7-policies.png"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    let audit = gateway.get("/api/v1/audit").to_string();
    for done in [
        "command-line",
        "account second factor",
        "list remove",
        "account add",
    ] {
        assert!(audit.contains(done), "{done}: {audit}");
    }
}

/// Asks the API as the page would, and gives what it says.
fn fetch(browser: &Browser, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let said = browser.eval(&format!(
        "return fetch({path:?}, {{ method: {method:?}, headers: {{ 'X-Ringward': '1', 'Content-Type': 'application/json' }}, body: JSON.stringify({body}) }}).then(async (answer) => ({{ status: answer.status, body: answer.status === 204 ? null : await answer.json() }}))"
    ));
    assert!(
        said["status"].as_u64().is_some_and(|status| status < 300),
        "{method} {path}: {said}"
    );
    said["body"].clone()
}

/// Says why in the dialog that is open.
pub fn give_a_reason(browser: &Browser, reason: &str) {
    wait_for("the dialog", PATIENCE, || {
        let is_open = browser.eval("return Boolean(document.querySelector('dialog[open] #reason'))");
        is_open.as_bool().filter(|is_open| *is_open)
    });
    type_into(browser, "reason", reason);
    browser.eval("document.querySelector('dialog[open] form').requestSubmit(); return true");
}

#[test]
fn a_policy_that_refuses_is_wanted_by_one_agreed_with_by_another_and_taken_back_in_chromium() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-policies");
    let (_phone, phone) = sipp::phone(&folder, 100);
    let gateway = Gateway::start(&Setup {
        name: "gateway-policies",
        targets: &[format!("sip:desk@127.0.0.1:{phone}")],
        queue: "",
        more: "",
    });
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    let strict = "[policy]\nname = 'strict'\n[[rule]]\nid = 'all'\nwhen = \"true\"\nthen = { refuse = 603 }\nreason = 'nobody for now'\n";
    let draft = serde_json::json!({ "text": strict, "reason": "forgers" });
    // How the next call ends.
    let next_call = |before: usize| {
        let scenario = sipp::silent_caller(300);
        Caller::one(gateway.udp, &scenario).start(&folder).finish();
        let call = gateway.ended_calls(before + 1).remove(0);
        call["outcome"]["ending"].as_str().unwrap_or_default().to_string()
    };
    assert_eq!(next_call(0), "completed");
    fetch(&browser, "POST", "/api/v1/policies", &draft);
    let new = serde_json::json!({ "name": "ann", "person": "Ann Example", "roles": ["policy-approver"] });
    let code = fetch(&browser, "POST", "/api/v1/users", &new)["code"].clone();

    browser.open(&format!("http://{}/administration#policies", gateway.api));
    browser.wait_for_text("forgers", PATIENCE);
    press(&browser, "Activate…");
    give_a_reason(&browser, "we are called by forgers");
    browser.wait_for_text("wants revision", PATIENCE);
    browser.screenshot(&folder.join("1-proposed.png"));
    press(&browser, "Agree…");
    give_a_reason(&browser, "me too");
    browser.wait_for_text("somebody else than its proposer has to agree", PATIENCE);

    // The second person: another account, in the same browser.
    fetch(&browser, "DELETE", "/api/v1/session", &serde_json::Value::Null);
    let password = "twelve small owls";
    let accept = serde_json::json!({ "code": code, "password": password });
    fetch(&browser, "POST", "/api/v1/invitation", &accept);
    let factor = "/api/v1/account/second-factor";
    let begun = fetch(
        &browser,
        "POST",
        factor,
        &serde_json::json!({ "password": password }),
    );
    let now_ms = UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64;
    let shown = totp(begun["secret"].as_str().expect("a secret"), now_ms);
    fetch(&browser, "PUT", factor, &serde_json::json!({ "code": shown }));
    // Another page first: an address that differs in nothing loads nothing anew.
    browser.open(&format!("http://{}/docs", gateway.api));
    browser.open(&format!("http://{}/administration#policies", gateway.api));
    browser.wait_for_text("first wants revision", PATIENCE);
    press(&browser, "Agree…");
    give_a_reason(&browser, "seen, and agreed");
    let live = browser.wait_for_text("strict@", PATIENCE);
    assert!(live.contains("default@"), "both are revisions: {live}");
    wait_for("the strict policy to judge", PATIENCE, || {
        let words = browser.eval("return document.getElementById('policy-live').textContent");
        words
            .as_str()
            .is_some_and(|words| words.starts_with("strict@"))
            .then_some(())
    });
    browser.screenshot(&folder.join("2-live.png"));
    assert_eq!(next_call(1), "refused", "the next call obeys");
    press(&browser, "Roll back…");
    give_a_reason(&browser, "too many refusals");
    wait_for("the default policy to judge", PATIENCE, || {
        let words = browser.eval("return document.getElementById('policy-live').textContent");
        words
            .as_str()
            .is_some_and(|words| words.starts_with("default@"))
            .then_some(())
    });
    assert_eq!(next_call(2), "completed", "and is let through again");
    let errors = browser.console_errors();
    // The one refusal that was provoked is logged by the browser itself.
    assert!(errors.iter().all(|error| error.contains("409")), "{errors:?}");
    let audit = gateway.get("/api/v1/audit").to_string();
    for done in ["policy propose", "policy activate", "policy roll back"] {
        assert!(audit.contains(done), "{done}: {audit}");
    }
}
