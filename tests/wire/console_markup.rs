//! Callers and colleagues who write markup where a name belongs: every page of the console shows it as text.

use std::time::Duration;

use serde_json::json;

use crate::console::{press, submit, type_into};
use crate::console_searches::make_campaign;
use crate::drills::recording;
use crate::support::browser::{Browser, ESCAPE};
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

fn made(gateway: &Gateway, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let (status, said) = gateway.request("POST", path, Some(&body.to_string()));
    assert!((200..300).contains(&status), "{path}: {status} {said}");
    serde_json::from_str(&said).unwrap_or_default()
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
    let mut gateway = Gateway::start(&Setup {
        name: "gateway-markup",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "drills = true",
        more: "",
    });
    gateway.signal("TERM");
    gateway.wait_for_exit(PATIENCE);
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64;
    make_campaign(&gateway, now_ms - 60_000);
    let config = gateway.folder.join("ringward.toml").display().to_string();
    let token = gateway.token.clone();
    let gateway = Gateway::run_as(
        gateway.folder.clone(),
        &["serve", "--config", &config],
        Some(&token),
    );
    wait_for("the recordings to be read", PATIENCE, || {
        (gateway.request("GET", "/api/v1/campaigns", None).0 == 200).then_some(())
    });
    let known = json!({ "name": markup("listed"), "numbers": ["+14045550123"], "reason": markup("known") });
    made(&gateway, "/api/v1/lists/directory/entries", &known);
    let other = json!({ "numbers": ["+14045550177"], "reason": markup("blocked") });
    made(&gateway, "/api/v1/lists/block/entries", &other);
    let person = json!({ "name": "ann", "person": markup("person"), "roles": ["receptionist"] });
    let code = made(&gateway, "/api/v1/users", &person)["code"].clone();
    let strict = ringward::policy::shipped("strict").expect("it is shipped").text;
    let silenced = json!({ "address": "192.0.2.7", "minutes": 5, "why": markup("silenced") });
    made(&gateway, "/api/v1/flood/blocks", &silenced);
    let draft = json!({ "text": strict, "reason": markup("draft") });
    made(&gateway, "/api/v1/policies", &draft);

    let browser = Browser::start(&folder, 1280, 900);
    let base = format!("http://{}", gateway.api);
    browser.open(&format!("{base}/#token={}", gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    let titled = json!({ "title": markup("title"), "note": markup("noted"), "allowed": false });
    let named = browser.eval(&format!(
        "return fetch('/api/v1/campaigns/recording-1', {{ method: 'PUT', headers: {{ 'X-Ringward': '1', 'Content-Type': 'application/json', 'If-Match': '*' }}, body: JSON.stringify({titled}) }}).then((answer) => answer.status)"
    ));
    assert_eq!(named, 200);
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
    browser.press_keys(ESCAPE);
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("b");
    browser.wait_for_text("only numbers that your directory has are called", PATIENCE);
    check(&browser, "calling back", &["listed", "known"]);
    browser.press_keys(ESCAPE);
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("w");
    browser.wait_for_text("how it went", PATIENCE);
    browser.screenshot(&folder.join("why.png"));
    let (status, errors) = running.finish();
    assert!(status.success(), "{errors}");
    let id = gateway.ended_calls(1)[0]["id"]
        .as_str()
        .expect("an id")
        .to_string();
    let note = json!({ "verdict": "scam", "note": markup("note") });
    made(&gateway, &format!("/api/v1/calls/{id}/report"), &note);
    let drill = json!({ "queue": "front-desk", "recording": recording(&folder, 1), "name": markup("trained"), "talk_seconds": 1, "called": "+12125550100" });
    made(&gateway, "/api/v1/drills", &drill);

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
        (
            "/administration#campaigns",
            "recording-1",
            "campaigns",
            &["title"],
        ),
        ("/administration#signers", "reported", "signers", &[]),
        (
            "/administration#drills",
            "trained",
            "training calls",
            &["trained"],
        ),
        ("/administration#tokens", "made by", "tokens", &[]),
        (
            "/administration#audit",
            "policy save",
            "the audit",
            &["draft", "silenced"],
        ),
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

    // A search that somebody keeps, under a name that is markup: her own page shows it.
    browser.open("about:blank");
    browser.open(&base);
    browser.wait_for_text("no call right now", PATIENCE);
    press(&browser, "Sign out");
    browser.wait_for_text("sign in with a token", PATIENCE);
    browser.open("about:blank");
    browser.open(&format!("{base}/#invitation={}", code.as_str().expect("a code")));
    browser.wait_for_text("set your password", PATIENCE);
    type_into(&browser, "new-password", "twelve small owls");
    type_into(&browser, "new-again", "twelve small owls");
    submit(&browser, "invitation-form");
    browser.wait_for_text("no call right now", PATIENCE);
    type_into(&browser, "search-name", "<b class=taken>looked-for</b>");
    submit(&browser, "save-search");
    check(&browser, "kept searches", &["looked-for"]);
    let options = browser.eval("return document.getElementById('saved').textContent");
    assert!(
        options
            .as_str()
            .is_some_and(|text| text.contains("<b class=taken>looked-for</b>")),
        "{options}"
    );

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
