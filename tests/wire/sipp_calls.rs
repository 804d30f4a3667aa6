//! SIPp calls a SIPp phone or a baresip phone through the gateway.

use std::time::Duration;

use crate::support::audio::{compare, mu_law, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, CANCELLING_CALLER, Caller, talking_caller};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

const DIALLED: &str = "+12125550100";

fn audio_arrives_whole(is_tcp: bool) {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder(if is_tcp { "sipp-tcp" } else { "sipp-udp" });
    let speech = test_speech(8);
    std::fs::write(folder.join("speech.ulaw"), mu_law(&speech)).expect("speech");
    let says = folder.join("pad.wav");
    write_wav(&says, &test_speech(40));
    let phone = Baresip::start(&folder, "agent", &says, None);
    let transport = if is_tcp { ";transport=tcp" } else { "" };
    let gateway = Gateway::start(&Setup {
        name: "gateway-sipp",
        targets: &[format!("sip:agent@127.0.0.1:{}{transport}", phone.port)],
        queue: "",
        more: "",
    });
    let caller = Caller {
        gateway: if is_tcp { gateway.tcp } else { gateway.udp },
        is_tcp,
        scenario: &talking_caller(
            "speech.ulaw",
            9000,
            "P-Asserted-Identity: <tel:+14045550123;verstat=TN-Validation-Passed>\nRingward-Trust: number=genuine\n",
        ),
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    caller.run(&folder);
    let heard = wait_for("the recording", Duration::from_secs(5), || {
        Some(phone.heard()).filter(|heard| heard.len() > 56_000)
    });
    let found = compare(&speech, &heard);
    eprintln!(
        "heard {:.2} s, lag {} samples, {:.1} dB, {} slips",
        found.seconds, found.lag, found.snr_db, found.slips
    );
    assert_eq!(found.slips, 0, "constant lag, no gap");
    assert!(found.seconds > 7.5, "all of it was heard: {:.2} s", found.seconds);
    assert!(found.snr_db > 40.0, "{:.1} dB", found.snr_db);

    let call = &gateway.ended_calls(1)[0];
    assert_eq!(call["outcome"]["ending"], "completed", "{call}");
    assert_eq!(call["banner"]["number"], "unproven");
    assert_eq!(
        call["answered_by"].as_str().map(|by| by.contains("agent")),
        Some(true)
    );
    let media = &gateway.why(call)["media"]["from_caller"];
    assert!(
        media["packets"].as_u64() >= Some(390) && media["lost"] == 0,
        "{media}"
    );
}

#[test]
fn sipp_is_heard_by_baresip_whole_over_udp() {
    audio_arrives_whole(false);
}

#[test]
fn sipp_is_heard_by_baresip_whole_over_tcp() {
    audio_arrives_whole(true);
}

#[test]
fn the_phone_reads_the_banner_and_nothing_the_caller_forged() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("banner");
    std::fs::write(folder.join("speech.ulaw"), vec![0xff; 8000]).expect("silence");
    let (_phone, port) = sipp::phone(&folder, 200);
    let gateway = Gateway::start(&Setup {
        name: "gateway-banner",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "public_url = \"https://trust.example.com\"",
    });
    let forged = "P-Asserted-Identity: \"VERIFIED Bank\" <tel:+14045550123;verstat=TN-Validation-Passed>\n\
                  Ringward-Trust: number=genuine; voice=person\nP-Attestation-Indicator: A\n\
                  Call-Info: <https://evil.example/card>;purpose=card\n";
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &talking_caller("speech.ulaw", 600, forged),
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    caller.run(&folder);
    let seen = sipp::phone_messages(&folder, port);
    let invite = seen
        .split("INVITE sip:")
        .nth(1)
        .unwrap_or_else(|| panic!("the phone got no INVITE:\n{seen}"));
    let invite = invite.split("message sent").next().unwrap_or(invite);
    let line = |name: &str| {
        invite
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in\n{invite}"))
    };
    assert!(line("From:").contains("\"UNPROVEN"), "{}", line("From:"));
    assert!(
        line("Ringward-Trust:").contains("number=unproven; voice=pending"),
        "{}",
        line("Ringward-Trust:")
    );
    assert!(
        line("P-Asserted-Identity:").contains("verstat=No-TN-Validation"),
        "{}",
        line("P-Asserted-Identity:")
    );
    assert!(
        line("Call-Info:").contains("https://trust.example.com/"),
        "{}",
        line("Call-Info:")
    );
    for forged in [
        "evil.example",
        "VERIFIED",
        "TN-Validation-Passed",
        "P-Attestation-Indicator",
        "genuine",
    ] {
        assert!(!invite.contains(forged), "{forged} crossed:\n{invite}");
    }
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_cancels_the_phone() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("cancel");
    let (_phone, port) = sipp::ringing_phone(&folder);
    let gateway = Gateway::start(&Setup {
        name: "gateway-cancel",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "",
    });
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: CANCELLING_CALLER,
        number: DIALLED,
        calls: 3,
        rate: 5,
    };
    caller.run(&folder);
    let calls = gateway.ended_calls(3);
    assert!(
        calls
            .iter()
            .all(|call| call["outcome"]["ending"] == "cancelled" && call["outcome"]["status"] == 487)
    );
    wait_for("the phone to be cancelled", Duration::from_secs(3), || {
        sipp::phone_messages(&folder, port)
            .contains("CANCEL sip:")
            .then_some(())
    });
}

#[test]
fn fifty_scored_calls_at_once_all_complete_without_a_lost_packet() {
    if !have(&["sipp"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder("fifty");
    std::fs::write(folder.join("speech.ulaw"), mu_law(&test_speech(4))).expect("speech");
    let (_phone, port) = sipp::phone(&folder, 100);
    let gateway = Gateway::start_with_ports(
        &Setup {
            name: "gateway-fifty",
            targets: &[format!("sip:desk@127.0.0.1:{port}")],
            queue: "",
            more: "",
        },
        // Each of two shards has half of them, and may come to have every call.
        400,
    );
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &talking_caller("speech.ulaw", 5000, ""),
        number: DIALLED,
        calls: 50,
        rate: 25,
    };
    caller.run(&folder);
    let calls = gateway.ended_calls(50);
    let completed = calls
        .iter()
        .filter(|call| call["outcome"]["ending"] == "completed")
        .count();
    assert_eq!(completed, 50);
    let lost: u64 = calls
        .iter()
        .filter_map(|call| gateway.why(call)["media"]["from_caller"]["lost"].as_u64())
        .sum();
    assert_eq!(lost, 0, "packets lost by sequence number");
}
