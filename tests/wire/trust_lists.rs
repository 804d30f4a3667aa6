//! Lists that change while the gateway is running: what a new list says counts for the next call.

use std::time::Duration;

use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sti::{SERIAL, Sti, call};
use crate::support::{folder, have, wait_for};

/// The identity of the latest call, once so many have ended.
fn judged(gateway: &Gateway, count: usize) -> Value {
    let calls = gateway.ended_calls(count);
    assert_eq!(calls.len(), count);
    gateway.why(&calls[0])["identity"].clone()
}

fn list(gateway: &Gateway, kind: &str) -> Value {
    let status = gateway.get("/api/v1/status");
    let lists = status["gateway"]["lists"].as_array().cloned().unwrap_or_default();
    let found = lists.into_iter().find(|list| list["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {status}"))
}

#[test]
fn c_07_a_signer_revoked_while_the_gateway_runs_fails_on_the_next_call() {
    let sti = Sti::new();
    sti.publish_trust_list(7);
    sti.publish_crl(&[SERIAL + 1]);
    let folder = folder("trust-lists");
    let mut gateway = Gateway::start(&Setup {
        name: "gateway-trust",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: &sti.configuration(&folder),
    });
    call(&gateway, &sti.identity(7), 1);
    let report = judged(&gateway, 1);
    assert_eq!(report["standing"], "verified", "{report}");
    assert_eq!(list(&gateway, "trust_list")["entries"], 1);

    // Revoked from here on: no restart, no word to the gateway.
    sti.publish_crl(&[SERIAL + 1, SERIAL]);
    wait_for("the new list in force", Duration::from_secs(10), || {
        (list(&gateway, "crl")["entries"] == 2).then_some(())
    });
    call(&gateway, &sti.identity(7), 2);
    let report = judged(&gateway, 2);
    assert_eq!(report["standing"], "failed", "{report}");
    assert_eq!(
        report["headers"][0]["outcome"], "untrusted_credential",
        "{report}"
    );
    assert_eq!(report["headers"][0]["code"], 437, "{report}");

    // Rubbish, and an older trust list: what is in force stays, and people are told.
    sti.pages.put("/crl", "<html>Sorry</html>");
    sti.publish_trust_list(6);
    let problem = wait_for("the refusals to be told", Duration::from_secs(10), || {
        let both = (list(&gateway, "crl"), list(&gateway, "trust_list"));
        (both.0["problem"].is_string() && both.1["problem"].is_string()).then_some(both)
    });
    assert_eq!(problem.0["entries"], 2, "{problem:?}");
    assert!(
        problem.1["problem"]
            .as_str()
            .is_some_and(|text| text.contains("sequence")),
        "{problem:?}"
    );
    call(&gateway, &sti.identity(7), 3);
    assert_eq!(
        judged(&gateway, 3)["headers"][0]["outcome"],
        "untrusted_credential"
    );
    let (_status, metrics) = gateway.request("GET", "/metrics", None);
    for line in [
        "ringward_lists_failing{list=\"crl\"} 1",
        "ringward_lists_failing{list=\"trust_list\"} 1",
        "ringward_lists_stale{list=\"crl\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let log = gateway.log();
    assert!(
        log.contains("a new one is in force") && log.contains("the one in force stays"),
        "{log}"
    );
}

#[test]
fn c_07_lists_are_read_again_at_once_when_a_hangup_asks() {
    let sti = Sti::new();
    sti.publish_trust_list(7);
    sti.publish_crl(&[SERIAL + 1]);
    let folder = folder("trust-hangup");
    let gateway = Gateway::start(&Setup {
        name: "gateway-trust-hangup",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: &sti
            .configuration(&folder)
            .replace("refresh = \"1s\"", "refresh = \"1h\""),
    });
    assert_eq!(list(&gateway, "crl")["entries"], 1);
    // Twice: being asked is no matter of the first time.
    for serials in [&[SERIAL + 1, SERIAL][..], &[SERIAL + 1, SERIAL, SERIAL + 2][..]] {
        sti.publish_crl(serials);
        gateway.signal("HUP");
        wait_for("the new list in force", Duration::from_secs(10), || {
            (list(&gateway, "crl")["entries"] == serials.len()).then_some(())
        });
    }
}

#[test]
fn c_07_a_list_host_that_is_down_leaves_signed_calls_unchecked_and_the_telephone_ringing() {
    let sti = Sti::new();
    sti.publish_trust_list(7);
    let folder = folder("trust-down");
    let gateway = Gateway::start(&Setup {
        name: "gateway-trust-down",
        targets: &["sip:desk@127.0.0.1:9".into()],
        queue: "ring = \"2s\"",
        more: &sti.configuration(&folder),
    });
    call(&gateway, &sti.identity(7), 1);
    let report = judged(&gateway, 1);
    assert_eq!(report["standing"], "unchecked", "{report}");
    assert_eq!(report["attestation"], Value::Null);
    let crl = list(&gateway, "crl");
    assert_eq!(
        (&crl["is_in_force"], &crl["is_stale"]),
        (&false.into(), &true.into())
    );
    assert_eq!(crl["problem"], "HTTP status 404");

    // People at the desk are told why.
    if have(&["chromium", "chromedriver"]) {
        let browser = Browser::start(&folder, 1280, 900);
        browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
        let told = browser.wait_for_text("the revocation list", Duration::from_secs(10));
        assert!(told.contains("HTTP status 404"), "{told}");
        assert!(!told.contains("The signed trust list"), "{told}");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}
