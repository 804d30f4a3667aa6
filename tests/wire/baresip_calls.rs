//! baresip calls baresip through the gateway: both directions heard, over UDP and TCP.

use std::time::Duration;

use crate::support::audio::{compare, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

fn both_hear_each_other(is_tcp: bool) {
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder(if is_tcp { "baresip-tcp" } else { "baresip-udp" });
    // Longer than any wait here: baresip hangs up at the end of its file.
    let (from_caller, from_agent) = (test_speech(100), test_speech(103).split_off(24_000));
    write_wav(&folder.join("caller.wav"), &from_caller);
    write_wav(&folder.join("agent.wav"), &from_agent);
    let transport = if is_tcp { ";transport=tcp" } else { "" };
    let agent = Baresip::start(&folder, "agent", &folder.join("agent.wav"), None);
    let gateway = Gateway::start(&Setup {
        name: "gateway-baresip",
        targets: &[format!("sip:agent@127.0.0.1:{}{transport}", agent.port)],
        queue: "",
        more: "",
    });
    let address = if is_tcp { gateway.tcp } else { gateway.udp };
    let dial = format!("sip:+12125550100@{address}{transport}");
    let caller = Baresip::start(&folder, "+14045550123", &folder.join("caller.wav"), Some(&dial));
    // Eight seconds of talk: real time is what a real phone speaks in.
    wait_for(
        "eight seconds of audio both ways",
        Duration::from_secs(60),
        || (agent.heard().len() > 64_000 && caller.heard().len() > 64_000).then_some(()),
    );
    let live = gateway.get("/api/v1/calls?state=live");
    assert_eq!(live["calls"][0]["state"], "talking", "{live}");
    // The caller's phone ends: the other leg and the record follow.
    let id = live["calls"][0]["id"].as_str().expect("an id").to_string();
    let (status, body) = gateway.request(
        "POST",
        &format!("/api/v1/calls/{id}/actions"),
        Some("{\"do\":\"hang_up\"}"),
    );
    assert!((200..300).contains(&status), "{status} {body}");
    let record = &gateway.ended_calls(1)[0];
    assert_eq!(record["outcome"]["by"], "us", "{record}");
    wait_for("both phones to be hung up", Duration::from_secs(30), || {
        [&caller, &agent]
            .iter()
            .all(|phone| phone.log().contains("session closed") || phone.log().contains("terminated"))
            .then_some(())
    });
    // A busy machine takes its time to compare: nobody talks meanwhile.
    for (who, sent, heard) in [
        ("agent", &from_caller, agent.heard()),
        ("caller", &from_agent, caller.heard()),
    ] {
        let found = compare(sent, &heard);
        eprintln!(
            "{who} heard {:.2} s, lag {}, {:.1} dB, {} slips",
            found.seconds, found.lag, found.snr_db, found.slips
        );
        assert_eq!(found.slips, 0, "{who}: constant lag, no gap");
        assert!(
            found.seconds > 6.0 && found.snr_db > 40.0,
            "{who}: {:.1} dB over {:.1} s",
            found.snr_db,
            found.seconds
        );
    }
}

#[test]
fn baresip_and_baresip_hear_each_other_over_udp() {
    both_hear_each_other(false);
}

#[test]
fn baresip_and_baresip_hear_each_other_over_tcp() {
    both_hear_each_other(true);
}
