//! baresip calls baresip through the gateway with SRTP on one side, on the other and on both: what is heard is what was
//! said, and the record says which legs were encrypted.

use std::time::Duration;

use serde_json::Value;

use crate::support::audio::{compare, exact_pieces, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

/// `off`, `preferred`, `required`, and behind a colon the kind of keys that is offered.
fn srtp(says: &str) -> String {
    match says.split_once(':') {
        Some((srtp, keys)) => format!("srtp = \"{srtp}\"\nsrtp_keys = \"{keys}\""),
        None => format!("srtp = \"{says}\""),
    }
}

/// The parameters of both accounts, what the configuration says of trunk and queue; the record as it is while they talk.
fn both_hear_each_other(name: &str, accounts: [&str; 2], (trunk, queue): (&str, &str)) -> Option<Value> {
    if !have(&["baresip"]) {
        return None;
    }
    let _only = one_load_at_a_time();
    let folder = folder(&format!("srtp-{name}"));
    let (from_caller, from_agent) = (
        test_speech(15).repeat(8),
        test_speech(18).split_off(24_000).repeat(8),
    );
    write_wav(&folder.join("caller.wav"), &from_caller);
    write_wav(&folder.join("agent.wav"), &from_agent);
    let [of_caller, of_agent] = accounts.map(|encryption| match encryption {
        "" => String::new(),
        encryption => format!(";mediaenc={encryption}"),
    });
    // On one port for RTP and RTCP where both legs are encrypted, on two with the others.
    let start = match of_caller.is_empty() || of_agent.is_empty() {
        true => Baresip::start_as,
        false => Baresip::start_muxed,
    };
    let agent = start(&folder, "agent", &folder.join("agent.wav"), None, &of_agent);
    let setup = Setup {
        name: &format!("gateway-srtp-{name}"),
        targets: &[format!("sip:agent@127.0.0.1:{}", agent.port)],
        queue: &srtp(queue),
        more: "[voice]\nmodel = \"off\"",
    };
    let gateway = Gateway::start_with_trunk(&setup, &srtp(trunk));
    let dial = format!("sip:+12125550100@{}", gateway.udp);
    let says = folder.join("caller.wav");
    let caller = Baresip::start_as(&folder, "+14045550123", &says, Some(&dial), &of_caller);
    // Seven seconds of talk: real time is what a real phone speaks in. What is said is longer than any wait for it.
    wait_for(
        "seven seconds of audio both ways",
        Duration::from_secs(60),
        || (agent.heard().len() > 56_000 && caller.heard().len() > 56_000).then_some(()),
    );
    let live = gateway.get("/api/v1/calls?state=live");
    let id = live["calls"][0]["id"].as_str().expect("a live call").to_string();
    let call = gateway.get(&format!("/api/v1/calls/{id}"));
    gateway.request(
        "POST",
        &format!("/api/v1/calls/{id}/actions"),
        Some("{\"do\":\"hang_up\"}"),
    );
    let record = &gateway.ended_calls(1)[0];
    assert_eq!(record["outcome"]["by"], "us", "{record}");
    // Both phones report every five seconds, on whatever port they have for it.
    for side in ["from_caller", "from_called"] {
        let media = &gateway.why(record)["media"][side];
        assert!(media["reported_jitter_ms"].is_number(), "{media}");
    }
    for (who, sent, heard) in [
        ("agent", &from_caller, agent.heard()),
        ("caller", &from_agent, caller.heard()),
    ] {
        let found = compare(sent, &heard);
        eprintln!(
            "{name}: {who} heard {:.2} s, lag {}, {:.1} dB, {} slips",
            found.seconds, found.lag, found.snr_db, found.slips
        );
        if found.slips == 0 && found.seconds > 3.0 && found.snr_db > 40.0 {
            continue;
        }
        // A machine that is too busy for real time makes a phone slip; what it heard is still exactly what was said.
        let exact = exact_pieces(sent, &heard, found.lag);
        assert!(
            exact >= 5,
            "{who}: {:.1} dB over {:.1} s, {} slips, {exact} pieces exact",
            found.snr_db,
            found.seconds,
            found.slips
        );
    }
    Some(call)
}

#[test]
fn a_plain_caller_and_an_srtp_phone_hear_each_other() {
    let Some(call) = both_hear_each_other("phone", ["", "srtp"], ("off", "preferred")) else {
        return;
    };
    assert_eq!(call["srtp"]["caller"], Value::Null, "{call}");
    assert_eq!(call["srtp"]["called"], "AEAD_AES_256_GCM", "{call}");
}

#[test]
fn an_srtp_caller_and_a_plain_phone_hear_each_other() {
    let Some(call) = both_hear_each_other("caller", ["srtp-mand", ""], ("preferred", "off")) else {
        return;
    };
    assert!(call["srtp"]["caller"].is_string(), "{call}");
    assert_eq!(call["srtp"]["called"], Value::Null, "{call}");
}

#[test]
fn srtp_on_both_sides_is_heard_on_both_sides() {
    let Some(call) = both_hear_each_other("both", ["srtp-mand", "srtp-mand"], ("required", "required"))
    else {
        return;
    };
    assert!(
        call["srtp"]["caller"].is_string() && call["srtp"]["called"].is_string(),
        "{call}"
    );
}

#[test]
fn a_phone_that_takes_keys_by_handshake_only_hears_a_plain_caller_and_is_heard() {
    // RTCP has a port of its own, and so a handshake of its own.
    let accounts = ["", "dtls_srtp"];
    let Some(call) = both_hear_each_other("dtls-phone", accounts, ("off", "required:dtls")) else {
        return;
    };
    assert_eq!(call["srtp"]["caller"], Value::Null, "{call}");
    assert_eq!(call["srtp"]["called"], "AEAD_AES_256_GCM", "{call}");
    assert_eq!(call["srtp"]["called_keys"], "dtls", "{call}");
}

#[test]
fn a_caller_who_shakes_hands_and_a_plain_phone_hear_each_other() {
    let accounts = ["dtls_srtp", ""];
    let Some(call) = both_hear_each_other("dtls-caller", accounts, ("preferred", "off")) else {
        return;
    };
    assert_eq!(call["srtp"]["caller_keys"], "dtls", "{call}");
    assert_eq!(call["srtp"]["called"], Value::Null, "{call}");
}

#[test]
fn keys_by_handshake_on_one_side_and_in_the_description_on_the_other() {
    let accounts = ["dtls_srtp", "srtp-mand"];
    let Some(call) = both_hear_each_other("dtls-sdes", accounts, ("required", "required")) else {
        return;
    };
    assert_eq!(call["srtp"]["caller_keys"], "dtls", "{call}");
    assert_eq!(call["srtp"]["called_keys"], "sdes", "{call}");
}

#[test]
fn keys_by_handshake_on_both_sides_on_one_port_each() {
    let accounts = ["dtls_srtp", "dtls_srtp"];
    let Some(call) = both_hear_each_other("dtls-both", accounts, ("required", "required:dtls")) else {
        return;
    };
    assert_eq!(call["srtp"]["caller_keys"], "dtls", "{call}");
    assert_eq!(call["srtp"]["called_keys"], "dtls", "{call}");
}
