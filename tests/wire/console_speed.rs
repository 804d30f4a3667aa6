//! How soon the console is there, that nothing in it jumps, and that it is there again after the gateway was not.

use std::time::Duration;

use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, silent_caller};
use crate::support::{folder, free_port, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// What the first view may take on loopback, and all of the page on a machine that does other things beside.
const FIRST_VIEW_MS: f64 = 200.0;
const WHOLE_VIEW_MS: f64 = 400.0;
/// What Chromium calls good is 0.1 (Cumulative Layout Shift).
const SHIFT_MAX: f64 = 0.02;
/// Other programs may hold this machine up at any one of them.
const LOOKS_MIN: usize = 7;
const LOOKS_MAX: usize = 40;

fn gateway(name: &'static str, phone: u16, more: &str) -> Gateway {
    Gateway::start(&Setup {
        name,
        targets: &[format!("sip:desk@127.0.0.1:{phone}")],
        queue: "",
        more,
    })
}

/// Milliseconds from the question for the page to the first words on it, to the largest part of it, and how far it jumped.
fn look(browser: &Browser, url: &str, words: &str) -> [f64; 3] {
    browser.open("about:blank");
    browser.open(url);
    browser.wait_for_text(words, PATIENCE);
    browser.eval(
        "window.seen = { shift: 0 };\n\
         const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });\n\
         watch('paint', (entry) => { if (entry.name === 'first-contentful-paint') window.seen.first = entry.startTime; });\n\
         watch('largest-contentful-paint', (entry) => { window.seen.largest = entry.startTime; });\n\
         watch('layout-shift', (entry) => { window.seen.shift += entry.value; window.seen.moved = [...(window.seen.moved ?? []), ...entry.sources.map((one) => one.node?.outerHTML?.slice(0, 80) ?? one.node?.textContent)]; });\n\
         return true",
    );
    let seen = wait_for("what was painted", PATIENCE, || {
        let seen = browser.eval("return window.seen");
        (seen["first"].is_number() && seen["largest"].is_number()).then_some(seen)
    });
    if seen["moved"].is_array() {
        eprintln!("{url}: moved {}", seen["moved"]);
    }
    let of = |name: &str| seen[name].as_f64().unwrap_or(f64::MAX);
    [of("first"), of("largest"), of("shift")]
}

#[test]
fn the_first_view_is_there_within_200_ms_and_nothing_in_it_jumps() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-speed");
    let gateway = gateway("gateway-speed", 9, "");
    let browser = Browser::start(&folder, 1280, 900);
    let base = format!("http://{}", gateway.api);
    browser.open(&format!("{base}/#token={}", gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    for (path, words) in [
        ("/", "no call right now"),
        ("/overview", "what the banner said"),
        ("/administration#lists", "nothing on this list"),
    ] {
        let is_good =
            |look: &[f64; 3]| look[0] < FIRST_VIEW_MS && look[1] < WHOLE_VIEW_MS && look[2] < SHIFT_MAX;
        let mut looks: Vec<[f64; 3]> = Vec::new();
        while looks.len() < LOOKS_MIN || (looks.len() < LOOKS_MAX && !looks.iter().any(is_good)) {
            looks.push(look(&browser, &format!("{base}{path}"), words));
        }
        let least = |at: usize| looks.iter().map(|look| look[at]).fold(f64::MAX, f64::min);
        let [first, largest, shift] = [least(0), least(1), least(2)];
        eprintln!(
            "{path}: first words {first:.0} ms, largest part {largest:.0} ms, shift {shift:.3}; all: {looks:?}"
        );
        assert!(
            first < FIRST_VIEW_MS,
            "{path}: first words after {first:.0} ms: {looks:?}"
        );
        assert!(
            largest < WHOLE_VIEW_MS,
            "{path}: largest part after {largest:.0} ms: {looks:?}"
        );
        assert!(shift < SHIFT_MAX, "{path} jumps by {shift:.3}: {looks:?}");
    }
}

#[test]
fn an_open_page_goes_on_with_its_own_scripts_when_the_gateway_was_started_again_and_catches_up() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-again");
    let (_phone, phone) = sipp::phone(&folder, 200);
    let mut gateway = gateway("gateway-again", phone, "");
    // The same address after a restart: browsers know it by that.
    let file = gateway.folder.join("ringward.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    let listen = format!("[api]\nlisten = \"127.0.0.1:{}\"", free_port());
    std::fs::write(&file, text.replace("[api]\nlisten = \"127.0.0.1:0\"", &listen)).expect("written");
    let again = |gateway: &mut Gateway, signal: &str| {
        gateway.signal(signal);
        gateway.wait_for_exit(PATIENCE);
        let token = gateway.token.clone();
        let config = file.display().to_string();
        *gateway = Gateway::run_as(
            gateway.folder.clone(),
            &["serve", "--config", &config],
            Some(&token),
        );
    };
    again(&mut gateway, "TERM");
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    browser.eval("window.isTheSame = true; return true");

    let one_call = |gateway: &Gateway, talks_ms: u32| {
        let scenario = silent_caller(talks_ms);
        Caller::one(gateway.udp, &scenario).start(&folder)
    };
    for (restarts, signal) in ["TERM", "KILL"].into_iter().enumerate() {
        gateway.signal(signal);
        gateway.wait_for_exit(PATIENCE);
        browser.wait_for_text("connection lost", PATIENCE);
        browser.wait_for_text("do not rely on the lights below", PATIENCE);
        let token = gateway.token.clone();
        let config = file.display().to_string();
        gateway = Gateway::run_as(
            gateway.folder.clone(),
            &["serve", "--config", &config],
            Some(&token),
        );
        // A call that came and went before the page knew that the gateway is back stands in the history all the same.
        let (status, errors) = one_call(&gateway, 300).finish();
        assert!(status.success(), "{errors}");
        wait_for("the page to be live again", PATIENCE, || {
            let state = browser.eval("return document.getElementById('connection').dataset.state");
            (state == "on").then_some(())
        });
        wait_for("the call in the history", PATIENCE, || {
            let rows = browser.eval("return document.querySelectorAll('#history tr').length");
            (rows.as_u64() > Some(2 * restarts as u64)).then_some(())
        });
        let running = one_call(&gateway, 3_000);
        browser.wait_for_text("talking", PATIENCE);
        let (status, errors) = running.finish();
        assert!(status.success(), "{errors}");
        browser.wait_for_text("ended", PATIENCE);
        assert_eq!(
            browser.eval("return window.isTheSame"),
            Value::Bool(true),
            "not loaded anew"
        );
        assert_eq!(
            browser.eval("return document.getElementById('desk').hasAttribute('data-stale')"),
            Value::Bool(false)
        );
        wait_for("both calls in the history", PATIENCE, || {
            let rows = browser.eval("return document.querySelectorAll('#history tr').length");
            (rows == 2 * (restarts as u64 + 1)).then_some(())
        });
    }
}
