//! The console for whoever cannot see it well, or has no mouse: axe-core on every page, light and dark, 400 % zoom, keys alone.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::console::{press, submit, type_into};
use crate::support::browser::{Browser, DOWN, ENTER, ESCAPE, TAB};
use crate::support::gateway::{Gateway, Setup};
use crate::support::python::axe;
use crate::support::sipp::{self, Caller, Running, silent_caller};
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn gateway(name: &'static str, phone: u16) -> Gateway {
    Gateway::start(&Setup {
        name,
        targets: &[format!("sip:desk@127.0.0.1:{phone}")],
        queue: "",
        more: "[registrar]\nfrom = [\"192.0.2.0/24\"]\n",
    })
}

/// A call that lasts for long enough to look at it.
fn long_call(gateway: &Gateway, folder: &Path) -> Running {
    let scenario = silent_caller(120_000);
    let caller = Caller::one(gateway.udp, &scenario);
    caller.start(folder)
}

fn wait_until(browser: &Browser, what: &str, script: &str) {
    wait_for(what, PATIENCE, || {
        browser.eval(script).as_bool().filter(|is_so| *is_so)
    });
}

/// What axe-core finds wrong on the page as it is.
fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    browser.eval(&format!(
        "if (!window.axe) {{ {axe} }}\n\
         window.found = null;\n\
         axe.run(document, {{ resultTypes: ['violations'] }}).then(\n\
           (all) => {{ window.found = all.violations.map((one) => `${{one.id}}: ${{one.nodes.map((node) => node.target.join(' ')).join(', ')}}`); }},\n\
           (error) => {{ window.found = [`axe-core: ${{error}}`]; }});\n\
         return true"
    ));
    let found = wait_for("axe-core", PATIENCE, || {
        Some(browser.eval("return window.found")).filter(|found| !found.is_null())
    });
    let lines = found.as_array().expect("a list").iter();
    lines
        .map(|line| line.as_str().unwrap_or_default().to_string())
        .collect()
}

/// Waits for the page to come to rest, and looks at it in both schemes and at 400 %.
pub(crate) fn look_at(browser: &Browser, axe: &str, folder: &Path, name: &str) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        assert_eq!(violations(browser, axe), Vec::<String>::new(), "{name}, {scheme}");
        browser.screenshot(&folder.join(format!("{name}-{scheme}.png")));
    }
    browser.prefer("light");
    // WCAG 1.4.10: a screen of 1280 by 1024 at 400 %. What must be wide, such as a table, moves within itself.
    browser.zoom(320, 256, 4.0);
    let widths = browser.eval(
        "const wide = [...document.body.querySelectorAll('*')].filter((node) => (node.getBoundingClientRect().right > innerWidth + 1 || node.getBoundingClientRect().left < -1)\n\
           && !node.closest('.scroller, .spoken')).slice(0, 5).map((node) => node.outerHTML.slice(0, 120));\n\
         const sheet = document.querySelector('dialog[open]');\n\
         const fits = !sheet || (sheet.getBoundingClientRect().left >= 0 && sheet.scrollWidth <= sheet.clientWidth);\n\
         return [document.documentElement.scrollWidth <= innerWidth && fits, wide.join('\\n')]",
    );
    browser.screenshot(&folder.join(format!("{name}-400-percent.png")));
    browser.zoom(1280, 900, 1.0);
    assert_eq!(widths[0], Value::Bool(true), "{name} at 400 %: {}", widths[1]);
}

#[test]
fn every_page_is_open_to_all_light_dark_and_at_400_percent() {
    let Some(axe) = axe() else { return };
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-for-all");
    let (_phone, port) = sipp::phone(&folder, 500);
    let gateway = gateway("gateway-for-all", port);
    // Somewhere to sit.
    let (status, said) = gateway.request("POST", "/api/v1/devices", Some("{\"name\":\"desk-1\"}"));
    assert_eq!(status, 201, "{said}");
    let browser = Browser::start(&folder, 1280, 900);
    let base = format!("http://{}", gateway.api);

    browser.open(&base);
    browser.wait_for_text("sign in with a token", PATIENCE);
    look_at(&browser, &axe, &folder, "sign-in");
    browser.open("about:blank");
    browser.open(&format!("{base}/#token={}", gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    let _running = long_call(&gateway, &folder);
    browser.wait_for_text("talking", PATIENCE);
    look_at(&browser, &axe, &folder, "calls");
    // Whom the caller names, as the directory has it.
    let entry = json!({ "name": "Test Caller", "numbers": ["+18005550100"], "reason": "its web page" });
    let (status, said) = gateway.request(
        "POST",
        "/api/v1/lists/directory/entries",
        Some(&entry.to_string()),
    );
    assert_eq!(status, 201, "{said}");
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("b");
    browser.wait_for_text("call Test Caller at +1 800 555 0100", PATIENCE);
    look_at(&browser, &axe, &folder, "call-back");
    browser.press_keys(ESCAPE);
    browser.eval("document.querySelector('.card').focus(); return true");
    browser.press_keys("w");
    browser.wait_for_text("how it went", PATIENCE);
    look_at(&browser, &axe, &folder, "why");
    for (path, name, words) in [
        ("/overview", "overview", "what the banner said"),
        ("/administration#lists", "lists", "reason"),
        (
            "/administration#campaigns",
            "campaigns",
            "no recording came from several numbers",
        ),
        (
            "/administration#signers",
            "signers",
            "nobody has reported a signed call yet",
        ),
        ("/administration#policies", "policies", "revision"),
        ("/administration#tokens", "tokens", "no token but the one"),
        ("/administration#audit", "audit", "list add"),
        ("/administration#incident", "incident", "lock down"),
        ("/administration#model", "model", "equal error rate"),
        ("/administration#users", "accounts", "no account yet"),
        ("/administration#watch", "alarms", "nothing unusual so far"),
        (
            "/administration#drills",
            "drills",
            "no queue takes training calls",
        ),
        ("/docs", "docs", "/api/v1/calls"),
    ] {
        browser.open("about:blank");
        browser.open(&format!("{base}{path}"));
        browser.wait_for_text(words, PATIENCE);
        look_at(&browser, &axe, &folder, name);
    }
    browser.open(&format!("{base}/administration#policies"));
    browser.wait_for_text("revision", PATIENCE);
    press(&browser, "Write one…");
    browser.wait_for_text("in meaning it is what judges now", PATIENCE);
    press(&browser, "Try…");
    browser.wait_for_text("on the calls that are kept", PATIENCE);
    look_at(&browser, &axe, &folder, "editor");
    // What has come to be there by doing something: a token that is shown once, and the audit of it.
    browser.open("about:blank");
    browser.open(&format!("{base}/administration#tokens"));
    browser.wait_for_text("no token but the one", PATIENCE);
    type_into(&browser, "token-name", "siem");
    submit(&browser, "token-add");
    browser.wait_for_text("it is shown this once", PATIENCE);
    browser.wait_for_text("auditor", PATIENCE);
    look_at(&browser, &axe, &folder, "token-made");
    browser.open(&format!("{base}/administration#audit"));
    browser.wait_for_text("siem", PATIENCE);
    press(&browser, "Check the chain");
    browser.wait_for_text("the chain is whole", PATIENCE);
    look_at(&browser, &axe, &folder, "audit-checked");
    // Her own page, as whoever sits at the front desk sees it.
    // Another call: one in which nobody is heard ends after a minute.
    let _later = long_call(&gateway, &folder);
    let new = json!({ "name": "ann", "person": "Ann Example", "roles": ["receptionist"] });
    let (status, said) = gateway.request("POST", "/api/v1/users", Some(&new.to_string()));
    assert_eq!(status, 201, "{said}");
    let made: Value = serde_json::from_str(&said).expect("JSON");
    browser.open("about:blank");
    browser.open(&base);
    browser.wait_for_text("talking", PATIENCE);
    press(&browser, "Sign out");
    browser.wait_for_text("sign in with a token", PATIENCE);
    browser.open("about:blank");
    browser.open(&format!(
        "{base}/#invitation={}",
        made["code"].as_str().expect("a code")
    ));
    browser.wait_for_text("set your password", PATIENCE);
    look_at(&browser, &axe, &folder, "invitation");
    type_into(&browser, "new-password", "twelve small owls");
    type_into(&browser, "new-again", "twelve small owls");
    submit(&browser, "invitation-form");
    browser.wait_for_text("talking", PATIENCE);
    browser.wait_for_text("where you sit", PATIENCE);
    look_at(&browser, &axe, &folder, "front-desk");
    browser.open(&format!("{base}/account"));
    browser.wait_for_text("where you are signed in", PATIENCE);
    look_at(&browser, &axe, &folder, "account");
    let refused: Vec<String> = browser
        .console_errors()
        .into_iter()
        .filter(|line| line.contains("Content Security Policy"))
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn a_call_is_taken_care_of_by_keys_alone() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-keys");
    let (_phone, port) = sipp::phone(&folder, 500);
    let gateway = gateway("gateway-keys", port);
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}", gateway.api));
    browser.wait_for_text("sign in with a token", PATIENCE);
    // The keyboard stands in the name: on past password, code and button to the token's door.
    wait_until(
        &browser,
        "the first field has the keyboard",
        "return document.activeElement.id === 'name'",
    );
    browser.press_keys(&TAB.repeat(4));
    browser.press_keys(ENTER);
    browser.press_keys(TAB);
    wait_until(
        &browser,
        "the token's field has the keyboard",
        "return document.activeElement.id === 'token'",
    );
    browser.press_keys(&gateway.token);
    browser.press_keys(ENTER);
    browser.wait_for_text("no call right now", PATIENCE);

    let _running = long_call(&gateway, &folder);
    browser.wait_for_text("talking", PATIENCE);
    browser.press_keys(DOWN);
    wait_until(
        &browser,
        "the call is selected",
        "return document.querySelector('.card').hasAttribute('data-selected')",
    );
    browser.press_keys("s");
    wait_until(
        &browser,
        "the call is reported",
        "return document.querySelector('.card [data-verdict=scam]').getAttribute('aria-pressed') === 'true'",
    );
    browser.press_keys("w");
    browser.wait_for_text("how it went", PATIENCE);
    browser.press_keys(ESCAPE);
    wait_until(
        &browser,
        "the page closes",
        "return document.querySelector('dialog[open]') === null",
    );
    browser.press_keys("h");
    browser.wait_for_text("press again", PATIENCE);
    browser.press_keys("h");
    let call = gateway.ended_calls(1).remove(0);
    assert_eq!(call["report"]["verdict"], "scam");
    assert_eq!(call["orders"][0]["what"], "end");
    assert_eq!(call["outcome"]["by"], "us");
}
