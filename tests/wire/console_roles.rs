//! What a receptionist's browser is given: her calls, and nothing of what the security team writes, whatever page she opens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::console::{submit, type_into};
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// What nobody but those who watch over the gateway may read.
const PLANTED: &str = "planted-here";

fn made(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let (status, said) = gateway.request("POST", path, Some(&body.to_string()));
    assert!((200..300).contains(&status), "{path}: {status} {said}");
    serde_json::from_str(&said).unwrap_or(Value::Null)
}

#[test]
fn a_receptionist_is_shown_her_calls_and_nothing_of_the_security_team_on_any_page() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-roles");
    let gateway = Gateway::start(&Setup {
        name: "gateway-roles",
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: "",
    });
    // Something of theirs behind each page.
    let strict = ringward::policy::shipped("strict").expect("it is shipped").text;
    made(
        &gateway,
        "/api/v1/policies",
        &json!({ "text": strict, "reason": PLANTED }),
    );
    let person = json!({ "name": "boss", "person": PLANTED, "roles": ["supervisor"] });
    made(&gateway, "/api/v1/users", &person);
    made(
        &gateway,
        "/api/v1/tokens",
        &json!({ "name": PLANTED, "roles": ["auditor"] }),
    );
    let entry = json!({ "numbers": ["+14045550177"], "reason": PLANTED });
    made(&gateway, "/api/v1/lists/block/entries", &entry);
    let block = json!({ "address": "192.0.2.7", "minutes": 5, "why": PLANTED });
    made(&gateway, "/api/v1/flood/blocks", &block);
    let new = json!({ "name": "ann", "person": "Ann Example", "roles": ["receptionist"] });
    let code = made(&gateway, "/api/v1/users", &new)["code"].clone();

    let browser = Browser::start(&folder, 1280, 900);
    let base = format!("http://{}", gateway.api);
    let pages = [
        "/overview",
        "/administration",
        "/administration#lists",
        "/administration#campaigns",
        "/administration#signers",
        "/administration#policies",
        "/administration#model",
        "/administration#users",
        "/administration#tokens",
        "/administration#audit",
        "/administration#watch",
        "/administration#drills",
        "/administration#incident",
    ];
    // This test can see what it looks for: whoever watches over the gateway reads it on most of them.
    browser.open(&format!("{base}/#token={}", gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    for page in ["lists", "policies", "users", "tokens", "audit", "watch"] {
        browser.open("about:blank");
        browser.open(&format!("{base}/administration#{page}"));
        browser.wait_for_text(PLANTED, PATIENCE);
    }
    browser.open("about:blank");
    browser.open(&base);
    browser.wait_for_text("no call right now", PATIENCE);
    browser.eval("document.getElementById('leave').click(); return true");
    browser.wait_for_text("sign in with a token", PATIENCE);

    let code = code.as_str().expect("a code");
    browser.open("about:blank");
    browser.open(&format!("{base}/#invitation={code}"));
    browser.wait_for_text("set your password", PATIENCE);
    type_into(&browser, "new-password", "twelve small owls");
    type_into(&browser, "new-again", "twelve small owls");
    submit(&browser, "invitation-form");
    browser.wait_for_text("no call right now", PATIENCE);
    let looked = |page: &str| {
        let html = browser
            .eval("return document.documentElement.outerHTML")
            .to_string();
        assert!(!html.contains(PLANTED), "{page}: {html}");
        // What was asked for on the way, and not refused, is hers to ask for: her own page asks for it as well.
        let asked = browser.eval(
            "return performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/') && entry.responseStatus < 400).map((entry) => new URL(entry.name).pathname)",
        );
        let hers = [
            "/api/v1/session",
            "/api/v1/session/ways",
            "/api/v1/invitation",
            "/api/v1/status",
            "/api/v1/calls",
            "/api/v1/events",
            "/api/v1/desks",
            "/api/v1/account",
            "/api/v1/account/searches",
            "/api/v1/lockdown",
        ];
        for path in asked.as_array().expect("a list") {
            let path = path.as_str().expect("a path");
            assert!(hers.contains(&path), "{page} asked for {path}");
        }
    };
    let hidden = browser.eval(
        "return ['to-overview', 'to-administration', 'everybody'].map((id) => document.getElementById(id).checkVisibility())",
    );
    assert_eq!(hidden, json!([false, false, false]));
    looked("/");
    for page in pages {
        browser.open("about:blank");
        browser.open(&format!("{base}{page}"));
        wait_for(&format!("{page} to send her back"), PATIENCE, || {
            (browser.eval("return location.pathname") == "/").then_some(())
        });
        browser.wait_for_text("no call right now", PATIENCE);
        looked(page);
    }
    browser.open(&format!("{base}/account"));
    browser.wait_for_text("where you are signed in", PATIENCE);
    looked("/account");
    // The documents are for everybody who may ask anything; they hold no data.
    browser.open(&format!("{base}/docs"));
    browser.wait_for_text("/api/v1/calls", PATIENCE);
    assert!(!browser.text().contains(PLANTED));
}
