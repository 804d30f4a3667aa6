//! A policy is written in the browser: its faults are named as it is typed, it is saved, tried on calls that are written
//! down and on one that was really made, and watches.

use std::time::Duration;

use serde_json::json;

use crate::console::{give_a_reason, press, submit, type_into};
use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, silent_caller};
use crate::support::{folder, have};

const PATIENCE: Duration = Duration::from_secs(60);

/// As if it was typed.
fn write(browser: &Browser, text: &str) {
    browser.eval(&format!(
        "const field = document.getElementById('policy-text'); field.value = {text:?}; field.dispatchEvent(new Event('input')); return true"
    ));
}

#[test]
fn a_policy_is_written_checked_as_it_is_typed_and_tried_before_it_judges() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-editor");
    let (_phone, port) = sipp::phone(&folder, 200);
    let gateway = Gateway::start(&Setup {
        name: "gateway-editor",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    let scenario = silent_caller(500);
    let caller = Caller::one(gateway.udp, &scenario);
    caller.run(&folder);
    gateway.ended_calls(1);

    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    browser.open(&format!("http://{}/administration#policies", gateway.api));
    browser.wait_for_text("the configuration names it", PATIENCE);
    press(&browser, "Write one…");
    browser.wait_for_text("in meaning it is what judges now", PATIENCE);
    let text = browser.eval("return document.getElementById('policy-text').value");
    let text = text.as_str().expect("the live policy").to_string();

    let line = text
        .lines()
        .position(|line| line == "[thresholds]")
        .expect("it has them")
        + 2;
    write(
        &browser,
        &text.replace("[thresholds]\n", "[thresholds]\nsuspectt = 3.0\n"),
    );
    let fault = browser.wait_for_text("did you mean suspect?", PATIENCE);
    assert!(fault.contains(&format!("Line {line}")), "{fault}");
    press(&browser, &format!("Line {line}"));
    let selected = "const field = document.getElementById('policy-text'); return field.value.slice(field.selectionStart, field.selectionEnd)";
    assert_eq!(browser.eval(selected), json!("suspectt = 3.0"));
    // A page that is loaded anew has lost nothing of it.
    browser.open("about:blank");
    browser.open(&format!("http://{}/administration#policies", gateway.api));
    browser.wait_for_text("what you wrote before is here again", PATIENCE);
    browser.wait_for_text("did you mean suspect?", PATIENCE);

    // Every unsigned call is turned away by it.
    let strict = text.replacen(
        "[[rule]]",
        "[[rule]]\nid = \"no-proof\"\nwhen = \"identity.standing == 'none'\"\nthen = \"refuse\"\nreason = \"nothing proves the number\"\n\n[[rule]]",
        1,
    );
    write(&browser, &strict);
    browser.wait_for_text(
        "rules that would refuse calls that are not refused now: no-proof",
        PATIENCE,
    );
    browser.screenshot(&folder.join("1-written.png"));
    type_into(&browser, "policy-reason", "only proven numbers");
    submit(&browser, "editor");
    browser.wait_for_text("it judges nobody yet", PATIENCE);
    browser.wait_for_text("only proven numbers", PATIENCE);

    press(&browser, "Try…");
    browser.wait_for_text("on the calls that are kept", PATIENCE);
    let calls =
        "title   an unsigned call\nexpect  decision refuse\n\ntitle   another\nexpect  decision label\n";
    type_into(&browser, "trial-calls", calls);
    submit(&browser, "trial-written");
    browser.wait_for_text("1 of 2 calls went otherwise than expected", PATIENCE);
    browser.wait_for_text("expected decision label, found refuse", PATIENCE);
    submit(&browser, "trial-kept");
    browser.wait_for_text("rule no-proof would refuse 1 that were not refused", PATIENCE);
    browser.screenshot(&folder.join("2-tried.png"));

    press(&browser, "Let it watch…");
    give_a_reason(&browser, "a week of it");
    browser.wait_for_text("of 0 calls it would have treated 0 otherwise", PATIENCE);
    press(&browser, "Watch no more…");
    give_a_reason(&browser, "seen enough");
    browser.wait_for_text("let it watch", PATIENCE);
    let audit = gateway.get("/api/v1/audit").to_string();
    assert!(
        audit.contains("policy shadow") && audit.contains("seen enough"),
        "{audit}"
    );
    // What was typed wrong was answered so; nothing else went wrong on the page.
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("422")), "{errors:?}");
}
