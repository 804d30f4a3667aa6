//! Searches that people keep, and campaigns, in a real browser.

use std::sync::Arc;
use std::time::Duration;

use ringward::call_id::CallId;
use ringward::redact::Redacted;
use ringward::runtime::repeats::Repeats;
use ringward::store::{self, Live};
use serde_json::{Value, json};

use crate::console::{press, submit, type_into};
use crate::console_for_all::look_at;
use crate::records::{KINDS, call, ended};
use crate::support::browser::{Browser, ENTER, TAB};
use crate::support::gateway::{Gateway, Setup};
use crate::support::python::axe;
use crate::support::{folder, have, wait_for};
use crate::tones::tones;

const PATIENCE: Duration = Duration::from_secs(60);

fn gateway(name: &'static str) -> Gateway {
    Gateway::start(&Setup {
        name,
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: "",
    })
}

fn is_so(browser: &Browser, what: &str, script: &str) {
    wait_for(what, PATIENCE, || {
        browser.eval(script).as_bool().filter(|is_so| *is_so)
    });
}

#[test]
fn a_search_is_kept_and_chosen_again_by_keys_alone_in_chromium() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-searches");
    let gateway = gateway("gateway-searches");
    let new = json!({ "name": "ann", "person": "Ann Example", "roles": ["receptionist"] });
    let (status, body) = gateway.request("POST", "/api/v1/users", Some(&new.to_string()));
    assert_eq!(status, 201, "{body}");
    let made: Value = serde_json::from_str(&body).expect("JSON");
    let browser = Browser::start(&folder, 1280, 900);
    let code = made["code"].as_str().expect("a code");
    browser.open(&format!("http://{}/#invitation={code}", gateway.api));
    browser.wait_for_text("set your password", PATIENCE);
    type_into(&browser, "new-password", "twelve small owls");
    type_into(&browser, "new-again", "twelve small owls");
    submit(&browser, "invitation-form");
    browser.wait_for_text("no call right now", PATIENCE);
    is_so(
        &browser,
        "there are none yet",
        "return document.getElementById('saved').textContent === 'None yet'",
    );

    browser.eval("document.querySelector('#filters [name=label]').focus(); return true");
    browser.press_keys("Forged");
    is_so(
        &browser,
        "the label is chosen",
        "return document.querySelector('#filters [name=label]').value === 'forged'",
    );
    browser.eval("document.querySelector('#filters [name=queue]').focus(); return true");
    browser.press_keys("front-desk");
    browser.eval("document.getElementById('search-name').focus(); return true");
    browser.press_keys("forgeries");
    browser.press_keys(ENTER);
    browser.wait_for_text("“forgeries” is kept.", PATIENCE);
    browser.screenshot(&folder.join("kept.png"));

    // Elsewhere, later: nothing is chosen, and it is there.
    browser.open("about:blank");
    browser.open(&format!("http://{}", gateway.api));
    is_so(
        &browser,
        "it is offered",
        "return document.getElementById('saved').options.length === 2",
    );
    is_so(
        &browser,
        "nothing is chosen",
        "return document.querySelector('#filters [name=label]').value === ''",
    );
    browser.eval("document.getElementById('saved').focus(); return true");
    browser.press_keys("forg");
    is_so(
        &browser,
        "the fields say what was kept",
        "const of = (name) => document.querySelector(`#filters [name=${name}]`).value; return of('label') === 'forged' && of('queue') === 'front-desk'",
    );
    browser.wait_for_text("no call matches", PATIENCE);
    // On from there: its name, the button that keeps it, the one that forgets it.
    browser.press_keys(&TAB.repeat(3));
    is_so(
        &browser,
        "the button has the keyboard",
        "return document.activeElement.id === 'forget-search'",
    );
    browser.press_keys(ENTER);
    browser.wait_for_text("“forgeries” is forgotten.", PATIENCE);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Three calls with one recording in the store of a gateway that does not run.
pub(crate) fn make_campaign(gateway: &Gateway, now_ms: u64) {
    let url = format!("sqlite:{}", gateway.folder.join("ringward.db").display());
    let store = store::open(&store::Config { url }).expect("the store");
    let live = Arc::new(Live::new());
    let repeats = Repeats::open(100, Arc::clone(&live), Arc::clone(&store)).expect("the recordings");
    repeats.read(now_ms).expect("none yet");
    for number in 1..=3_u64 {
        let mut going = call(&KINDS[3], number, now_ms, 6_000, 60_000);
        going.id = CallId(number.into());
        going.caller = Some(Redacted::new(format!("+1404555010{number}")));
        live.publish(Arc::new(going));
        for hop in tones(11).chunks(8000) {
            repeats.hear(CallId(number.into()), hop, now_ms + number);
        }
        let mut over = ended(&KINDS[3], number, now_ms);
        over.id = CallId(number.into());
        store.save(Arc::new(over));
    }
    repeats.write().expect("written");
    store.flush().expect("on disk");
}

#[test]
fn a_campaign_is_looked_at_named_allowed_and_taken_back_in_chromium() {
    let Some(axe) = axe() else { return };
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-campaigns");
    let mut gateway = gateway("gateway-seen-campaigns");
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
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={token}", gateway.api));
    browser.wait_for_text("no call right now", PATIENCE);
    browser.open(&format!("http://{}/administration#campaigns", gateway.api));
    browser.wait_for_text("recording-1", PATIENCE);
    press(&browser, "Look");
    browser.wait_for_text("from 3 numbers in 3 calls", PATIENCE);
    is_so(
        &browser,
        "its calls are there",
        "return document.querySelectorAll('#campaign-calls a').length === 3",
    );
    look_at(&browser, &axe, &folder, "campaign");
    type_into(&browser, "campaign-title", "Reminder of the clinic");
    press(&browser, "Allow");
    browser.wait_for_text("the next call with it is not marked", PATIENCE);
    is_so(
        &browser,
        "the row says so",
        "const row = document.querySelector('#campaign-rows tr').textContent; return row.includes('Reminder of the clinic') && row.includes('Allowed')",
    );
    let known = gateway.get("/api/v1/campaigns/recording-1");
    assert_eq!(
        (&known["state"], &known["revision"]),
        (&json!("allowed"), &json!(1))
    );
    press(&browser, "Allow no more");
    browser.wait_for_text("it is a campaign again", PATIENCE);
    look_at(&browser, &axe, &folder, "campaign-named");
    assert_eq!(gateway.get("/api/v1/campaigns/recording-1")["state"], "campaign");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
