//! A day at the front desk, as the person lives it: she signs in with her telephone's code, sits down, takes a call whose voice turns out to be
//! made, says what it was, and the next call from there says so before she picks up. Chromium, baresip, SIPp, and the default model.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::api::users::totp;
use crate::console::{press, submit, type_into};
use crate::registered_phones::wait_for_registered;
use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::sipp::{Caller, talking_caller};
use crate::support::{folder, free_ports, have, one_load_at_a_time, ringward, wait_for};

const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "twelve small owls";

fn now_ms() -> u64 {
    UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64
}

fn is_so(browser: &Browser, what: &str, script: &str) {
    wait_for(what, PATIENCE, || {
        browser.eval(script).as_bool().filter(|is_so| *is_so)
    });
}

#[test]
fn a_receptionist_signs_in_with_a_code_takes_a_made_voice_reports_it_and_is_warned_of_the_next_one() {
    if !have(&["sipp", "baresip", "chromium", "chromedriver"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder("console-day");
    let says = folder.join("says.wav");
    write_wav(&says, &test_speech(200));
    // The voice of the demo that is made, again and again.
    let clip = include_bytes!("../../models/demo/synthetic-espeak.wav");
    let clip = ringward::demo::clip::Clip::parse("espeak", clip).expect("a mu-law WAV file");
    std::fs::write(folder.join("speech.ulaw"), clip.octets.repeat(4)).expect("speech");
    let media = free_ports(80);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\n\
         [registrar]\nfrom = [\"127.0.0.1\"]\ndigest = [\"MD5\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"person:ann\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 79,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let secret = ringward(&["device", "add", "desk-1", "--config", &file]);
    let gateway = Gateway::run(folder.clone(), &["serve", "--config", &file]);
    let _phone = Baresip::start_registered(&folder, "desk-1", &says, gateway.udp, &secret);
    wait_for_registered(&gateway, &["desk-1"]);

    // She is invited, and has her telephone show codes.
    let new = json!({ "name": "ann", "person": "Ann Example", "roles": ["receptionist"] });
    let (status, said) = gateway.request("POST", "/api/v1/users", Some(&new.to_string()));
    assert_eq!(status, 201, "{said}");
    let made: Value = serde_json::from_str(&said).expect("JSON");
    let browser = Browser::start(&folder, 1280, 900);
    let base = format!("http://{}", gateway.api);
    browser.open(&format!(
        "{base}/#invitation={}",
        made["code"].as_str().expect("a code")
    ));
    browser.wait_for_text("set your password", PATIENCE);
    type_into(&browser, "new-password", PASSWORD);
    type_into(&browser, "new-again", PASSWORD);
    submit(&browser, "invitation-form");
    browser.wait_for_text("no call right now", PATIENCE);
    browser.open(&format!("{base}/account"));
    browser.wait_for_text("where you are signed in", PATIENCE);
    type_into(&browser, "begin-password", PASSWORD);
    submit(&browser, "begin");
    browser.wait_for_text("the six digits it shows now", PATIENCE);
    let secret = browser.eval("return document.getElementById('secret').textContent");
    let secret = secret.as_str().expect("a secret").replace(' ', "");
    type_into(&browser, "prove-code", &totp(&secret, now_ms()));
    submit(&browser, "prove");
    browser.wait_for_text("write these codes down", PATIENCE);
    press(&browser, "I have written them down");
    press(&browser, "Sign out");
    browser.wait_for_text("sign in with a token", PATIENCE);

    // In the morning: name, password, and the code that it shows next; without it she does not come in.
    let sign_in = |code: &str| {
        type_into(&browser, "name", "ann");
        type_into(&browser, "password", PASSWORD);
        type_into(&browser, "code", code);
        submit(&browser, "signin-form");
    };
    sign_in("");
    browser.wait_for_text("code", PATIENCE);
    is_so(
        &browser,
        "she is told that there is more to it",
        "return document.getElementById('signin-problem').checkVisibility()",
    );
    sign_in(&totp(&secret, now_ms() + 30_000));
    browser.wait_for_text("where you sit", PATIENCE);
    is_so(
        &browser,
        "a phone to sit at",
        "const list = document.getElementById('free-desks'); if (![...list.options].some((option) => option.value === 'desk-1')) return false; list.value = 'desk-1'; return true",
    );
    submit(&browser, "sit");
    browser.wait_for_text("you take calls at desk-1", PATIENCE);

    let scenario = talking_caller("speech.ulaw", 40_000, "X-Ignored: 1\n");
    let call = || Caller::one(gateway.udp, &scenario).start_from(&folder, TRUNK);
    let first = call();
    browser.wait_for_text("answered by ann at desk-1 ·", PATIENCE);
    let label = "document.querySelector('.card[data-state=talking]')?.getAttribute('aria-label')?.toLowerCase() ?? ''";
    let words = browser.eval(&format!("return {label}"));
    assert!(
        words
            .as_str()
            .is_some_and(|words| words.contains("number: not proven")),
        "{words}"
    );
    is_so(
        &browser,
        "the voice light to say that it is made",
        &format!("return ({label}).includes('voice: likely synthetic')"),
    );
    browser.screenshot(&folder.join("1-synthetic.png"));
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("s");
    is_so(
        &browser,
        "the call is reported",
        "return document.querySelector('.card [data-verdict=scam]').getAttribute('aria-pressed') === 'true'",
    );
    browser.press_keys("h");
    browser.wait_for_text("press again", PATIENCE);
    browser.press_keys("h");
    let ended = gateway.ended_calls(1).remove(0);
    assert_eq!(
        (
            &ended["report"]["verdict"],
            &ended["person"],
            &ended["banner"]["voice"]
        ),
        (&json!("scam"), &json!("ann"), &json!("synthetic")),
        "{ended}"
    );
    first.finish();

    // The next call from that number carries it.
    let second = call();
    browser.wait_for_text("somebody here reported this number as a scam", PATIENCE);
    browser.screenshot(&folder.join("2-warned.png"));
    let live = gateway.get("/api/v1/calls?state=live")["calls"][0].clone();
    let why = gateway.why(&live);
    let found = why["decisions"][0]["findings"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        found.iter().any(|finding| finding["tag"] == "REPORTED_SCAM"),
        "{found:?}"
    );
    let path = format!("/api/v1/calls/{}/actions", live["id"].as_str().expect("an id"));
    wait_for("her to have it", PATIENCE, || {
        let live = gateway.get("/api/v1/calls?state=live");
        (live["calls"][0]["state"] == "talking").then_some(())
    });
    assert_eq!(
        gateway.request("POST", &path, Some("{\"do\":\"hang_up\"}")).0,
        202
    );
    gateway.ended_calls(2);
    second.finish();

    // Her report counts it for her, and for nobody else.
    let people = gateway.get("/api/v1/reports/people")["people"].clone();
    assert_eq!(people.as_object().map(serde_json::Map::len), Some(1), "{people}");
    let ann = &people["ann"];
    assert_eq!(
        (&ann["answered"], &ann["said_scam"]),
        (&json!(2), &json!(1)),
        "{people}"
    );
    assert_eq!(ann["false_alarms"], 0, "{people}");
}
