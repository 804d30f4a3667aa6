//! What is done with a call, on its page: from queue to queue, moved and asked for digits by keys alone, with the time and by whom. Also the
//! sound at a call that gets worse.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::browser::{Browser, ENTER};
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, silent_caller};
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn is_so(browser: &Browser, what: &str, script: &str) {
    wait_for(what, PATIENCE, || {
        browser.eval(script).as_bool().filter(|is_so| *is_so)
    });
}

/// Puts something in the place of the browser's sound: how often a page sounded is counted.
const LISTEN: &str = "window.tones = 0;\n\
    const param = () => ({ value: 0, setValueAtTime() {}, linearRampToValueAtTime() {} });\n\
    window.AudioContext = class {\n\
      currentTime = 0; destination = {}; resume() {}\n\
      createOscillator() { return { frequency: param(), connect: (to) => to, start() { window.tones += 1; }, stop() {} }; }\n\
      createGain() { return { gain: param(), connect: (to) => to }; }\n\
    };\n\
    return true";

#[test]
fn each_move_of_a_call_stands_on_its_page_with_the_time_and_by_whom() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-moves");
    let (_front, front) = sipp::ringing_phone(&folder);
    let (_back, back) = sipp::phone(&folder, 200);
    let (_security, security) = sipp::phone(&folder, 200);
    let gateway = Gateway::start(&Setup {
        name: "gateway-moves",
        targets: &[format!("sip:front@127.0.0.1:{front}")],
        queue: "ring = \"1s\"\noverflow = \"back-office\"\n",
        more: &format!(
            "[voice]\nmodel = \"off\"\n\
             [[queue]]\nname = \"back-office\"\ntargets = [\"sip:back@127.0.0.1:{back}\"]\n\
             [[queue]]\nname = \"security\"\ntargets = [\"sip:guard@127.0.0.1:{security}\"]\n"
        ),
    });
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    let scenario = silent_caller(120_000);
    let caller = Caller::one(gateway.udp, &scenario);
    let _running = caller.start(&folder);
    browser.wait_for_text("talking", PATIENCE);
    browser.eval("document.querySelector('.card').focus(); return true");

    // To the security team: the key leads to the button, with their queue chosen.
    browser.press_keys("m");
    is_so(
        &browser,
        "the button that moves it has the keyboard",
        "return document.activeElement.textContent === 'Move' && document.activeElement.closest('.pair').querySelector('select').value === 'security'",
    );
    browser.press_keys(ENTER);
    browser.wait_for_text("first: move to security, done", PATIENCE);
    browser.wait_for_text("answered by guard", PATIENCE);
    // For digits it is asked twice, since the caller hears of it.
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("c");
    browser.wait_for_text("c again to ask", PATIENCE);
    let orders = gateway.get("/api/v1/calls?state=live")["calls"][0]["orders"].clone();
    assert_eq!(orders.as_array().map(Vec::len), Some(1), "{orders}");
    browser.press_keys("c");
    browser.wait_for_text("first: ask for digits", PATIENCE);
    browser.press_keys("s");
    is_so(
        &browser,
        "the call is reported",
        "return document.querySelector('.card [data-verdict=scam]').getAttribute('aria-pressed') === 'true'",
    );

    browser.press_keys("w");
    browser.wait_for_text("how it went", PATIENCE);
    for words in [
        "Queue front-desk sent it on to queue back-office",
        "The phones of security were rung for it, while it was at back",
        "first: move to security, done",
        "first: ask for digits",
        "Reported: Scam",
        "Answered by back",
    ] {
        browser.wait_for_text(words, PATIENCE);
    }
    let steps = browser.eval(
        "return [...document.querySelectorAll('.steps li')].map((step) => [step.querySelector('time').textContent, step.querySelector('span').textContent])",
    );
    let steps = steps.as_array().expect("a list");
    let place = |words: &str| {
        let of = steps.iter().position(|step| step[1].to_string().contains(words));
        of.unwrap_or_else(|| panic!("{words} in {steps:?}"))
    };
    assert!(
        place("sent it on to queue back-office") < place("first: move to security"),
        "{steps:?}"
    );
    assert!(
        place("first: move to security") < place("first: ask for digits"),
        "{steps:?}"
    );
    for words in ["sent it on to queue back-office", "first: move", "first: ask"] {
        let time = steps[place(words)][0].as_str().expect("a time");
        assert!(time.ends_with(" s"), "{words} at {time}");
    }
    // The same on the line above: rung, talked, and a stroke for each move.
    let line = browser.eval(
        "const line = document.querySelector('.timeline'); return [line.querySelectorAll('rect').length, line.querySelectorAll('line').length, line.getAttribute('aria-label')]",
    );
    assert!(
        line[0].as_u64() >= Some(2) && line[1].as_u64() >= Some(4),
        "{line}"
    );
    assert!(
        line[2].as_str().is_some_and(|label| label.contains("talked")),
        "{line}"
    );
    // Message by message: the caller on the left, each phone in a lane of its own, and nothing of what stood in them.
    let ladder = browser.eval(
        "const table = document.querySelector('.ladder'); return [[...table.querySelectorAll('thead th')].map((cell) => cell.textContent), [...table.querySelectorAll('tbody tr')].map((row) => row.innerText.trim())]",
    );
    let lanes = ladder[0].as_array().expect("a list");
    assert_eq!((lanes.len(), &lanes[1]), (5, &json!("Caller")), "{ladder}");
    let rows: Vec<&str> = ladder[1]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row.as_str())
        .collect();
    for words in [
        "INVITE (SDP) →",
        "← 180 INVITE",
        "← 200 INVITE (SDP)",
        "ACK →",
        "CANCEL →",
    ] {
        assert!(rows.iter().any(|row| row.contains(words)), "{words} in {rows:?}");
    }
    assert!(rows[0].contains("INVITE (SDP) →"), "{rows:?}");
    let is_narrow = browser.eval(
        "const sheet = document.querySelector('dialog.why'); return sheet.scrollWidth <= sheet.clientWidth",
    );
    assert_eq!(is_narrow, json!(true), "what is wide moves within itself");
    for (name, part) in [("moves", ".timeline"), ("steps", ".steps"), ("ladder", ".ladder")] {
        browser.eval(&format!("document.querySelector('{part}').scrollIntoView({{ block: 'start' }}); document.querySelector('dialog.why').scrollBy(0, -110); return true"));
        browser.screenshot(&folder.join(format!("{name}.png")));
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_sound_is_heard_when_a_call_gets_worse_and_at_nothing_else() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-sound");
    let gateway = Gateway::start(&Setup {
        name: "gateway-sound",
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: "",
    });
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    browser.eval(LISTEN);
    // The page's own modules, told what the gateway would tell.
    let shown_of = |id: &str, revision: u32, banner: Value| {
        let call = json!({
            "id": id, "revision": revision, "state": "talking", "started_ms": 1, "called": "+12125550100",
            "banner": banner, "evidence": [], "orders": [],
            "timings": { "answered_ms": 1, "ended_ms": null }, "direction": "inbound",
        });
        browser.eval(&format!(
            "return import('/console/live.js').then((live) => {{ live.onCall({call}); return window.tones; }})"
        ))
    };
    let shown = |revision: u32, number: &str, voice: &str| {
        let banner = json!({ "number": number, "voice": voice, "reasons": [], "say": "" });
        shown_of("5eed0000000000000000000000c0ffee", revision, banner)
    };
    assert_eq!(shown(1, "unproven", "pending"), 0, "it begins");
    assert_eq!(shown(2, "unproven", "unsure"), 0, "nothing is known yet");
    assert_eq!(shown(3, "unproven", "person"), 0, "better");
    assert_eq!(shown(4, "unproven", "synthetic"), 2, "worse: two tones");
    assert_eq!(shown(5, "unproven", "synthetic"), 2, "as before");
    assert_eq!(shown(6, "unproven", "person"), 2, "better");
    assert_eq!(shown(7, "forged", "person"), 4, "worse");
    for (last, number, tones) in [("1", "genuine", 4), ("2", "unproven", 4), ("3", "forged", 6)] {
        let id = format!("5eed0000000000000000000000c0ff0{last}");
        assert_eq!(shown_of(&id, 1, Value::Null), 4, "it is being checked");
        let banner = json!({ "number": number, "voice": "pending", "reasons": [], "say": "" });
        assert_eq!(shown_of(&id, 2, banner), tones, "its first light: {number}");
    }
    browser.eval("document.getElementById('sound').click(); return true");
    browser.wait_for_text("sound off", PATIENCE);
    assert_eq!(shown(8, "forged", "synthetic"), 6, "it is off");
    browser.open("about:blank");
    browser.open(&format!("http://{}", gateway.api));
    browser.wait_for_text("sound off", PATIENCE);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
