//! Callers and colleagues who write markup where a name belongs: every page of the console shows it as text.

use std::time::Duration;

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, silent_caller};
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a page would load, run and show otherwise if it took it for markup; no longer than a name may be.
fn markup(mark: &str) -> String {
    format!("<img src=/x- onerror=pwned=1><b class=taken>{mark}</b>")
}

/// The elements of the page that came out of such a text.
const TAKEN: &str = "return [...document.querySelectorAll('img[src^=\"/x-\"], .taken, [onerror], [onload], script:not([src]), iframe, object, embed, a[href^=\"javascript:\"]')].map((node) => node.outerHTML)";

fn check(browser: &Browser, page: &str, marks: &[&str]) {
    for mark in marks {
        let text = browser.wait_for_text(mark, PATIENCE);
        assert!(
            text.contains(&format!("<b class=taken>{mark}</b>")),
            "{page}: {mark} is not there as it was written:\n{text}"
        );
    }
    assert_eq!(browser.eval(TAKEN), json!([]), "{page}");
    assert_eq!(browser.eval("return typeof pwned"), json!("undefined"), "{page}");
}

fn made(gateway: &Gateway, path: &str, body: &serde_json::Value) {
    let (status, said) = gateway.request("POST", path, Some(&body.to_string()));
    assert!((200..300).contains(&status), "{path}: {status} {said}");
}

/// A caller whose every field that a person may read is markup.
fn hostile_caller() -> String {
    let name = |mark| format!("\"{}\"", markup(mark));
    silent_caller(20_000)
        .replacen("\"Test Caller\"", &name("shown"), 1)
        .replacen(
            "Max-Forwards: 70\n",
            &format!(
                "Max-Forwards: 70\nSubject: {}\nUser-Agent: {}\nOrganization: {}\nCall-Info: <http://{}>;purpose=icon\n\
                 Diversion: {} <sip:+14045550199@127.0.0.1>;reason=unknown\n",
                markup("subject"),
                markup("agent"),
                markup("house"),
                "x/%3Cimg%20src=/x-icon%3E",
                name("diverted"),
            ),
            1,
        )
}

#[test]
fn markup_of_callers_and_colleagues_is_text_on_every_page() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-markup");
    let (_phone, port) = sipp::phone(&folder, 500);
    let gateway = Gateway::start(&Setup {
        name: "gateway-markup",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    let known = json!({ "name": markup("listed"), "numbers": ["+14045550123"], "reason": markup("known") });
    made(&gateway, "/api/v1/lists/directory/entries", &known);
    let other = json!({ "numbers": ["+14045550177"], "reason": markup("blocked") });
    made(&gateway, "/api/v1/lists/block/entries", &other);
    let person = json!({ "name": "ann", "person": markup("person"), "roles": ["receptionist"] });
    made(&gateway, "/api/v1/users", &person);
    let strict = ringward::policy::shipped("strict").expect("it is shipped").text;
    let silenced = json!({ "address": "192.0.2.7", "minutes": 5, "why": markup("silenced") });
    made(&gateway, "/api/v1/flood/blocks", &silenced);
    let draft = json!({ "text": strict, "reason": markup("draft") });
    made(&gateway, "/api/v1/policies", &draft);

    let browser = Browser::start(&folder, 1280, 900);
    let base = format!("http://{}", gateway.api);
    browser.open(&format!("{base}/#token={}", gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    let scenario = hostile_caller();
    let caller = Caller::one(gateway.udp, &scenario);
    let running = caller.start(&folder);
    browser.wait_for_text("talking", PATIENCE);
    check(&browser, "the card", &["shown"]);
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("w");
    browser.wait_for_text("how it went", PATIENCE);
    browser.eval(
        "document.querySelectorAll('dialog details').forEach((one) => { one.open = true; }); return true",
    );
    check(&browser, "why", &["shown", "known"]);
    browser.screenshot(&folder.join("why.png"));
    let (status, errors) = running.finish();
    assert!(status.success(), "{errors}");
    let id = gateway.ended_calls(1)[0]["id"]
        .as_str()
        .expect("an id")
        .to_string();
    let note = json!({ "verdict": "scam", "note": markup("note") });
    made(&gateway, &format!("/api/v1/calls/{id}/report"), &note);

    // The words are those that stand there once the page has what it asked for.
    for (path, words, page, marks) in [
        ("/", "answered by", "the history", &["shown"][..]),
        ("/overview", "what the banner said", "the overview", &[]),
        ("/administration#lists", "reason", "the lists", &["blocked"]),
        ("/administration#policies", "judges", "the policies", &["draft"]),
        (
            "/administration#model",
            "equal error rate",
            "the voice model",
            &[],
        ),
        ("/administration#users", "accounts", "the accounts", &["person"]),
        (
            "/administration#watch",
            "there is no flood",
            "the alarms",
            &["silenced"],
        ),
        ("/administration#incident", "lockdown", "incidents", &[]),
        ("/account", "ringward", "the account", &[]),
        ("/docs", "/api/v1/calls", "the documents", &[]),
    ] {
        browser.open("about:blank");
        browser.open(&format!("{base}{path}"));
        browser.wait_for_text(words, PATIENCE);
        check(&browser, page, marks);
    }
    let errors: Vec<String> = browser
        .console_errors()
        .into_iter()
        .filter(|line| line.contains("Content Security Policy") || line.contains("/x-"))
        .collect();
    assert_eq!(errors, Vec::<String>::new());

    // What this test looks for is found where it is: a page that took a text for markup, and the policy that keeps it quiet.
    let script = format!(
        "document.body.insertAdjacentHTML('beforeend', {:?}); return true",
        markup("control")
    );
    browser.eval(&script);
    let taken = browser.eval(TAKEN);
    assert!(taken.as_array().is_some_and(|found| found.len() == 2), "{taken}");
    assert_eq!(browser.eval("return typeof pwned"), json!("undefined"));
    wait_for(
        "the policy of the page to refuse what it would run",
        PATIENCE,
        || {
            let errors = browser.console_errors();
            let is_refused = |line: &String| line.contains("Content Security Policy");
            errors.iter().any(is_refused).then_some(())
        },
    );
}
