//! A queue of which nobody takes the call sends it to a number outside: a SIPp phone rings in vain, a SIPp carrier takes the call and sends
//! back what it hears, a baresip is the caller.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::audio::{compare, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::sipp::{self, Caller, echo_on, silent_caller};
use crate::support::{folder, free_ports, have, one_load_at_a_time, wait_for};

/// Where the carrier is that calls go out to; callers come from 127.0.0.1.
const CARRIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(60);
/// Whoever has the night.
const MOBILE: &str = "+14045550188";
const OURS: &str = "+12125550100";
const CALLER: &str = "+13125550177";

fn gateway(folder: &std::path::Path, carrier: u16, desk: u16) -> Gateway {
    let media = free_ports(80);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nshards = 2\n\
         [[trunk]]\nname = \"callers\"\nfrom = [\"127.0.0.1\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"{CARRIER}\"]\nto = \"sip:{CARRIER}:{carrier}\"\nnumber = \"{OURS}\"\n\
         [outbound]\noverflow = true\ntrunk = \"carrier\"\n[outbound.queue]\nper_hour = 1\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"{OURS}\"]\ntargets = [\"sip:desk@127.0.0.1:{desk}\"]\nring = \"1s\"\n\
         overflow = \"{MOBILE}\"\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 79,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    Gateway::run(folder.into(), &["serve", "--config", &file.display().to_string()])
}

#[test]
fn a_call_that_nobody_takes_is_heard_by_the_number_outside_and_counts_for_its_queue() {
    if !have(&["sipp", "baresip", "chromium", "chromedriver"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder("overflow");
    let says = test_speech(100);
    write_wav(&folder.join("caller.wav"), &says);
    let (_carrier, carrier) = echo_on(&folder, CARRIER.into(), 200);
    let (_desk, desk) = sipp::ringing_phone(&folder);
    let gateway = gateway(&folder, carrier, desk);
    let dial = format!("sip:{OURS}@{}", gateway.udp);
    let caller = Baresip::start(&folder, CALLER, &folder.join("caller.wav"), Some(&dial));

    wait_for("eight seconds of audio there and back", PATIENCE, || {
        (caller.heard().len() > 64_000).then_some(())
    });
    let live = gateway.get("/api/v1/calls?state=live")["calls"][0].clone();
    let id = live["id"].as_str().expect("an id");
    let path = format!("/api/v1/calls/{id}/actions");
    let (status, said) = gateway.request("POST", &path, Some("{\"do\":\"hang_up\"}"));
    assert_eq!(status, 202, "{said}");
    let record = gateway.ended_calls(1).remove(0);
    let sent_on = &record["transfers"][0];
    assert_eq!(
        (
            &sent_on["kind"],
            &sent_on["by"],
            &sent_on["to"],
            &sent_on["outcome"],
            &sent_on["status"]
        ),
        (
            &json!("overflow"),
            &json!("front-desk"),
            &json!(MOBILE),
            &json!("completed"),
            &json!(200)
        ),
        "{record}"
    );
    assert_eq!(
        (
            &record["caller"],
            &record["answered_by"],
            &record["outcome"]["ending"]
        ),
        (&json!(CALLER), &json!("carrier"), &json!("completed")),
        "{record}"
    );

    // The business is shown outside, as its trunk says; whose number was dialled stands beside it, and the caller nowhere.
    let seen = sipp::phone_messages(&folder, carrier);
    let dialled = format!("INVITE sip:{MOBILE}@{CARRIER}:{carrier};user=phone SIP/2.0");
    assert_eq!(seen.matches("INVITE sip:").count(), 1, "{seen}");
    assert!(seen.contains(&dialled), "{seen}");
    let line = |name: &str| {
        let mut lines = seen.lines().filter(|line| line.starts_with(name));
        lines
            .next()
            .unwrap_or_else(|| panic!("{name} in {seen}"))
            .to_string()
    };
    assert!(
        line("From:").contains(&format!("sip:{OURS}@")),
        "{}",
        line("From:")
    );
    assert!(line("P-Preferred-Identity:").contains(OURS));
    let diversion = line("Diversion:");
    assert!(
        diversion.contains(OURS) && diversion.contains(";reason=no-answer;counter=1"),
        "{diversion}"
    );
    assert!(
        !seen.contains("3125550177"),
        "the caller's number goes nowhere: {seen}"
    );
    // What he says goes out and comes back; before the answer he hears nothing of it.
    let found = compare(&says, &caller.heard());
    eprintln!(
        "heard {:.2} s, lag {}, {:.1} dB, {} slips",
        found.seconds, found.lag, found.snr_db, found.slips
    );
    assert!(
        found.slips == 0 && found.seconds > 4.0 && found.snr_db > 40.0,
        "{:.1} dB over {:.1} s, {} slips",
        found.snr_db,
        found.seconds,
        found.slips
    );

    // One an hour: the next caller of this queue hears that nobody is there, and the record says why nothing went out.
    let scenario = silent_caller(1000);
    let (status, _) = Caller::one(gateway.udp, &scenario).start(&folder).finish();
    assert!(!status.success(), "he is not answered");
    let refused = gateway.ended_calls(2).remove(0);
    assert_eq!(refused["transfers"][0]["outcome"], "refused", "{refused}");
    let why = gateway.why(&refused);
    let last = why["attempts"].as_array().and_then(|all| all.last()).cloned();
    let last = last.unwrap_or(Value::Null);
    assert_eq!(
        (&last["target"], &last["why"]),
        (
            &json!("trunk"),
            &json!("this queue sent as many calls to the outside as it may in an hour")
        ),
        "{why}"
    );
    let seen = sipp::phone_messages(&folder, carrier);
    assert_eq!(seen.matches("INVITE sip:").count(), 1, "{seen}");

    // Whoever looks at the call reads where it went.
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    for (call, words) in [
        (
            &record,
            "Nobody of queue front-desk took it: +1 404 555 0188 outside was rung",
        ),
        (&refused, "+1 404 555 0188 outside was rung: not allowed (403)"),
    ] {
        browser.open("about:blank");
        browser.open(&format!(
            "http://{}/#call={}",
            gateway.api,
            call["id"].as_str().expect("an id")
        ));
        browser.wait_for_text(words, PATIENCE);
    }
    browser.screenshot(&folder.join("overflow.png"));
}
