//! SIPp caller and SIPp phone with reliable provisional responses and session timers, either side refreshing; baresip
//! that holds and resumes.

use std::path::Path;
use std::time::Duration;

use crate::spoken;
use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::dialogs;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller};
use crate::support::{folder, have, wait_for};

const DIALLED: &str = "+12125550100";

/// One call from this scenario to that one; what the phone saw.
fn call(name: &str, caller: &str, phone: &str) -> Option<(String, serde_json::Value)> {
    if !have(&["sipp"]) {
        return None;
    }
    let folder = folder(name);
    let (_phone, port) = dialogs::phone(&folder, phone);
    let gateway = Gateway::start(&Setup {
        name: &format!("gateway-{name}"),
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    run(&gateway, &folder, caller);
    let record = gateway.ended_calls(1).remove(0);
    assert_eq!(record["outcome"]["ending"], "completed", "{record}");
    Some((sipp::phone_messages(&folder, port), record))
}

fn run(gateway: &Gateway, folder: &Path, scenario: &str) {
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario,
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    caller.run(folder);
}

#[test]
fn sipp_caller_and_sipp_phone_ring_reliably_each_on_its_leg() {
    let Some((seen, _)) = call(
        "reliable",
        &dialogs::reliable_caller(),
        &dialogs::reliable_phone(),
    ) else {
        return;
    };
    // The phone's own number in its RAck, whatever number the caller was given.
    assert!(seen.contains("RAck: 4711 1 INVITE"), "{seen}");
}

#[test]
fn sipp_sides_that_refresh_their_sessions_are_answered_and_hear_nothing_of_each_other() {
    let caller = dialogs::caller(
        "Supported: timer\nSession-Expires: 90;refresher=uac\n",
        &[dialogs::CALLER_SENDS_UPDATE],
    );
    let phone = dialogs::answering_phone(
        "Require: timer\nSession-Expires: 90;refresher=uas\n",
        &[dialogs::PHONE_SENDS_UPDATE],
    );
    let Some((seen, _)) = call("they-refresh", &caller, &phone) else {
        return;
    };
    let answer = seen
        .split("CSeq: 7 UPDATE")
        .nth(2)
        .unwrap_or_else(|| panic!("an answer in\n{seen}"));
    assert!(answer.contains("Session-Expires: 90;refresher=uac"), "{seen}");
}

#[test]
fn sipp_sides_that_leave_it_to_us_are_refreshed_by_update_or_invite_at_half_the_interval() {
    let caller = dialogs::caller(
        "Supported: timer\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE\nSession-Expires: 90;refresher=uas\n",
        &[dialogs::IS_ASKED_UPDATE],
    );
    let phone = dialogs::answering_phone(
        "Session-Expires: 90;refresher=uac\n",
        &[dialogs::PHONE_IS_ASKED_INVITE],
    );
    let Some((seen, record)) = call("we-refresh", &caller, &phone) else {
        return;
    };
    let offers: Vec<&str> = seen
        .split("INVITE sip:")
        .skip(1)
        .filter_map(|message| message.split("\no=").nth(1)?.lines().next())
        .collect();
    assert_eq!(offers[0], offers[1], "the same description again");
    let ended_ms = record["timings"]["ended_ms"].as_u64().expect("an end");
    assert!((44_000..60_000).contains(&ended_ms), "{record}");
}

#[test]
fn a_baresip_that_holds_and_resumes_is_followed() {
    if !have(&["baresip", "sipp"]) {
        return;
    }
    let folder = folder("baresip-hold");
    let says = folder.join("pad.wav");
    write_wav(&says, &test_speech(40));
    let phone = Baresip::start_driven(&folder, "agent", &says);
    let gateway = Gateway::start(&Setup {
        name: "gateway-baresip-hold",
        targets: &[format!("sip:agent@127.0.0.1:{}", phone.port)],
        queue: "",
        more: "",
    });
    let (held, resumed) = (
        dialogs::is_reinvited("recvonly"),
        dialogs::is_reinvited("sendrecv"),
    );
    let scenario = dialogs::caller("", &[&held, &resumed]);
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &scenario,
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    let running = caller.start(&folder);
    wait_for("the call", Duration::from_secs(10), || {
        let live = gateway.get("/api/v1/calls?state=live");
        (live["calls"][0]["state"] == "talking").then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    phone.command("hold");
    std::thread::sleep(Duration::from_secs(2));
    phone.command("resume");
    // SIPp answers both INVITEs, and only then hangs up.
    let (status, errors) = running.finish();
    assert!(status.success(), "{errors}\n{}", phone.log());
    let record = &gateway.ended_calls(1)[0];
    assert_eq!(record["outcome"]["ending"], "completed", "{record}");
    assert_eq!(record["outcome"]["by"], "caller", "{record}");
}

#[test]
fn a_caller_whom_a_sipp_phone_holds_without_a_sound_hears_music_octet_for_octet() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("hold-music");
    let scenario = dialogs::answering_phone("", &[dialogs::PHONE_HOLDS]);
    let (_phone, port) = dialogs::phone(&folder, &scenario);
    let gateway = Gateway::start(&Setup {
        name: "gateway-hold-music",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "[voice]\nmodel = \"off\"",
    });
    let caller = spoken::Caller::new(gateway.udp, "hold-music".into(), "+14045550123");
    let connected = caller.connect();
    assert_eq!(caller.is_held(), "sendonly", "the phone said inactive");
    let music = spoken::clip("hold");
    let mut heard = Vec::new();
    while heard.len() < 16_000 {
        heard.extend(caller.next().expect("the music goes on").payload);
    }
    assert!(music.starts_with(&heard), "the recording from its beginning");
    caller.hang_up(&connected);
    let record = &gateway.ended_calls(1)[0];
    let said = &gateway.why(record)["spoken"];
    assert_eq!(said[0]["prompt"], "hold", "{said}");
}
