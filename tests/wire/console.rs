//! The console in a real browser: a live banner appears and changes while a real call goes on.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller, talking_caller};
use crate::support::{folder, have, wait_for};

#[test]
fn a_live_banner_appears_and_changes_in_chromium() {
    if !have(&["sipp", "chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console");
    // A synthetic voice that the demo uses: the voice light must leave "listening".
    let clip = include_bytes!("../../models/demo/synthetic-espeak.wav");
    let clip = ringward::demo::clip::Clip::parse("espeak", clip).expect("a mu-law WAV file");
    std::fs::write(folder.join("speech.ulaw"), &*clip.octets).expect("speech");
    let (_phone, port) = sipp::phone(&folder, 1500);
    let gateway = Gateway::start(&Setup {
        name: "gateway-console",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", Duration::from_secs(10));
    assert!(
        !browser
            .eval("return location.href")
            .to_string()
            .contains(&gateway.token),
        "the token left the address bar"
    );

    let hostile = "X-Ignored: 1\n";
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &talking_caller("speech.ulaw", 9000, hostile),
        number: "+12125550100",
        calls: 1,
        rate: 1,
    };
    let running = caller.start(&folder);
    let ringing = browser.wait_for_text("ringing", Duration::from_secs(8));
    assert!(ringing.to_lowercase().contains("not proven"), "{ringing}");
    browser.wait_for_text("listening", Duration::from_secs(8));
    browser.wait_for_text("talking", Duration::from_secs(8));
    browser.screenshot(&folder.join("console-talking.png"));
    // The evidence arrives and the card changes, without a reload: the card names its lights for screen readers.
    let card = || {
        browser
            .eval("return document.querySelector('[data-state=talking]')?.getAttribute('aria-label') ?? ''")
    };
    let judged = wait_for("the voice light to change", Duration::from_secs(12), || {
        let words = card().to_string().to_lowercase();
        (words.contains("voice: likely synthetic") || words.contains("voice: unsure")).then_some(words)
    });
    assert!(judged.contains("number: not proven"), "{judged}");
    browser.screenshot(&folder.join("console-judged.png"));
    let (status, errors) = running.finish();
    assert!(status.success(), "{errors}");
    // The card stays a moment for a last look, and the kept call stands in the history.
    browser.wait_for_text("ended", Duration::from_secs(8));
    browser.wait_for_text("answered", Duration::from_secs(8));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
