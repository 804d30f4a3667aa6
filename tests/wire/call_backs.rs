//! A person calls an organisation back: a registered baresip rings first, then the published number towards the carrier, which sends back
//! what it hears.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::console::press;
use crate::registered_phones::wait_for_registered;
use crate::support::audio::{compare, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::people::Person;
use crate::support::sipp::{self, Caller, echo_on, silent_caller};
use crate::support::{folder, free_ports, have, one_load_at_a_time, ringward, wait_for};

const TRUNK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PATIENCE: Duration = Duration::from_secs(60);
/// As the directory has it. What the caller shows is `sipp::silent_caller`'s.
const PUBLISHED: &str = "+18005550100";

#[test]
fn the_published_number_is_dialled_from_the_phone_of_whoever_asked_and_both_are_heard() {
    if !have(&["sipp", "baresip", "chromium", "chromedriver"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder("call-back");
    let says = test_speech(100);
    write_wav(&folder.join("desk.wav"), &says);
    let (_carrier, port) = echo_on(&folder, TRUNK.into(), 100);
    let media = free_ports(80);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nshards = 2\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\nto = \"sip:{TRUNK}:{port}\"\nnumber = \"+12125550100\"\n\
         [outbound]\ncall_back = true\n[outbound.person]\nat_once = 1\n\
         [registrar]\nfrom = [\"127.0.0.1\"]\ndigest = [\"MD5\"]\n\
         [[queue]]\nname = \"front-desk\"\ntargets = [\"device:desk-2\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 79,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let secret = ringward(&["device", "add", "desk-1", "--config", &file]);
    let gateway = Gateway::run(folder.clone(), &["serve", "--config", &file]);
    let desk = Baresip::start_registered(&folder, "desk-1", &folder.join("desk.wav"), gateway.udp, &secret);
    wait_for_registered(&gateway, &["desk-1"]);
    let ann = Person::invited(&gateway, &file, "ann", "receptionist");
    ann.sits_at("desk-1");
    let entry = json!({ "name": "First National Bank", "numbers": [PUBLISHED], "reason": "its web page" });
    let (status, said) = gateway.request(
        "POST",
        "/api/v1/lists/directory/entries",
        Some(&entry.to_string()),
    );
    assert_eq!(status, 201, "{said}");

    // Somebody calls in the bank's name, and nobody is there: the phone of that queue is not registered.
    let scenario = silent_caller(1000).replacen("\"Test Caller\"", "\"First National Bank\"", 1);
    Caller::one(gateway.udp, &scenario)
        .start_from(&folder, TRUNK.into())
        .finish();
    let missed = gateway.ended_calls(1).remove(0);
    let id = missed["id"].as_str().expect("an id");
    let path = format!("/api/v1/calls/{id}/call-back");
    let (status, seen) = ann.ask("GET", &path, None);
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(
        (status, &seen["claimed"][0]["claim"]),
        (200, &json!("name")),
        "{seen}"
    );
    let claimed = &seen["claimed"][0];
    let body = json!({ "entry": claimed["entry"], "number": claimed["numbers"][0] });
    let (status, begun) = ann.ask("POST", &path, Some(body.clone()));
    assert_eq!(status, 202, "{begun}");
    let (status, again) = ann.ask("POST", &path, Some(body));
    assert_eq!(status, 409, "one at a time: {again}");

    wait_for("eight seconds of audio there and back", PATIENCE, || {
        (desk.heard().len() > 64_000).then_some(())
    });
    let rang = format!("from sip:{PUBLISHED}@");
    assert!(
        desk.log().contains(&rang),
        "the phone is told whom it calls back:\n{}",
        desk.log()
    );
    let begun: Value = serde_json::from_str(&begun).expect("JSON");
    let back = begun["id"].as_str().expect("an id");
    let end = ann.ask(
        "POST",
        &format!("/api/v1/calls/{back}/actions"),
        Some(json!({ "do": "hang_up" })),
    );
    assert_eq!(end.0, 202, "{}", end.1);
    let records = gateway.ended_calls(2);
    let record = records
        .iter()
        .find(|record| record["id"] == back)
        .expect("its record");
    assert_eq!(
        (&record["called"], &record["direction"], &record["person"]),
        (&json!(PUBLISHED), &json!("outbound"), &json!("ann")),
        "{record}"
    );
    assert_eq!(
        record["call_back_of"],
        json!({ "call": id, "organisation": "First National Bank" })
    );
    assert_ne!(missed["caller"], record["called"], "he showed another");
    let answered = &gateway.why(&missed)["called_back"];
    assert_eq!(
        (
            &answered[0]["call"],
            &answered[0]["by"],
            answered.as_array().map(Vec::len)
        ),
        (&json!(back), &json!("ann"), Some(1)),
        "{answered}"
    );
    let browser = Browser::start(&folder, 1280, 900);
    browser.open(&format!("http://{}/#token={}", gateway.api, gateway.token));
    browser.wait_for_text("no call right now", PATIENCE);
    browser.open("about:blank");
    browser.open(&format!("http://{}/#call={id}", gateway.api));
    browser.wait_for_text("ann asked to call the organisation back", PATIENCE);
    press(&browser, "Look at that call");
    browser.wait_for_text("ann calls First National Bank back", PATIENCE);
    press(&browser, "Look at the call that is answered");
    browser.wait_for_text("ann asked to call the organisation back", PATIENCE);
    let seen = sipp::phone_messages(&folder, port);
    let dialled = format!("INVITE sip:{PUBLISHED}@{TRUNK}:{port};user=phone SIP/2.0");
    assert_eq!(seen.matches("INVITE sip:").count(), 1, "{seen}");
    assert!(seen.contains(&dialled), "{seen}");
    let shown = missed["caller"].as_str().expect("he shows a number");
    assert!(!seen.contains(shown.trim_start_matches('+')), "{shown} in {seen}");
    // The ringing tone comes first: what follows it is compared, all the way there and back.
    let heard = desk.heard().split_off(12_000);
    let found = compare(&says, &heard);
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
}
