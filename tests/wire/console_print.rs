//! The overview on paper: its figures, and none of its buttons.

use std::sync::Arc;
use std::time::Duration;

use ringward::call_id::CallId;
use ringward::store;

use crate::records::{KINDS, ended};
use crate::support::browser::{Browser, ENTER};
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// Enough that no other figure of an empty overview is the same.
const CALLS: u64 = 17;
/// The words of everything of this kind that takes room on the page as it is laid out now.
const SHOWN: &str = "return [...document.querySelectorAll(KIND)].filter((one) => one.getClientRects().length > 0).map((one) => (one.innerText ?? '').trim())";

fn shown(browser: &Browser, kind: &str) -> Vec<String> {
    let words = browser.eval(&SHOWN.replace("KIND", &format!("{kind:?}")));
    let words = words.as_array().expect("a list").iter();
    words
        .map(|one| one.as_str().unwrap_or_default().to_string())
        .collect()
}

#[test]
fn the_printed_overview_has_every_figure_and_no_button_in_chromium() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-print");
    let mut gateway = Gateway::start(&Setup {
        name: "gateway-print",
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: "",
    });
    gateway.signal("TERM");
    gateway.wait_for_exit(PATIENCE);
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64;
    let url = format!("sqlite:{}", gateway.folder.join("ringward.db").display());
    {
        let store = store::open(&store::Config { url }).expect("the store");
        for number in 1..=CALLS {
            let mut over = ended(&KINDS[3], number, now_ms - 60_000);
            over.id = CallId(number.into());
            store.save(Arc::new(over));
        }
        store.flush().expect("on disk");
    }
    let config = gateway.folder.join("ringward.toml").display().to_string();
    let token = gateway.token.clone();
    let gateway = Gateway::run_as(
        gateway.folder.clone(),
        &["serve", "--config", &config],
        Some(&token),
    );
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    browser.open(&format!("http://{}/overview", gateway.api));
    let figures = wait_for("everything is counted", PATIENCE, || {
        let tiles = shown(&browser, "#tiles > div");
        let is_whole =
            shown(&browser, "#stop").is_empty() && !shown(&browser, "#people h2, #people h3").is_empty();
        (is_whole && tiles.iter().any(|tile| tile.contains(&CALLS.to_string()))).then_some(tiles)
    });
    let tables = shown(&browser, "main table td");
    assert!(shown(&browser, "button").len() >= 3 && !shown(&browser, "nav").is_empty());

    // The button opens the dialog of the browser, which nobody could answer here.
    browser.eval("window.asked = 0; window.print = () => { window.asked += 1; }; document.getElementById('print').focus(); return true");
    browser.press_keys(ENTER);
    assert_eq!(browser.eval("return window.asked"), 1);

    browser.lay_out_for("print");
    assert_eq!(shown(&browser, "#tiles > div"), figures);
    assert_eq!(shown(&browser, "main table td"), tables);
    assert_eq!(shown(&browser, "#calls-plot svg").len(), 1);
    for kind in ["button", "nav", "select", "input", "summary"] {
        assert_eq!(shown(&browser, kind), Vec::<String>::new(), "{kind} on paper");
    }
    browser.screenshot(&folder.join("paper.png"));
    browser.lay_out_for("");
    let pdf = browser.pdf();
    assert!(
        pdf.starts_with(b"%PDF-") && pdf.len() > 10_000,
        "{} octets",
        pdf.len()
    );
    std::fs::write(folder.join("overview.pdf"), pdf).expect("written");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
