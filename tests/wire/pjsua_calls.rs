//! pjsua2 calls pjsua2, SIPp and baresip through the gateway, and answers them: another family of phones.

use std::time::Duration;

use crate::support::audio::{compare, exact_pieces, test_speech, write_wav};
use crate::support::gateway::{Gateway, Setup};
use crate::support::pjsua::{Pjsua, Plan};
use crate::support::sipp::{Caller, silent_caller};
use crate::support::{folder, have, one_load_at_a_time, python, wait_for};

const DIALLED: &str = "+12125550100";

fn both_hear_each_other(name: &str, is_tcp: bool) {
    let Some(python) = python::with_module("pjsua2") else {
        return;
    };
    let _only = one_load_at_a_time();
    let folder = folder(name);
    let (from_caller, from_agent) = (test_speech(30), test_speech(33).split_off(24_000));
    write_wav(&folder.join("caller.wav"), &from_caller);
    write_wav(&folder.join("agent.wav"), &from_agent);
    let agent = Pjsua::start(
        &python,
        &folder,
        &Plan {
            name: "agent",
            says: &folder.join("agent.wav"),
            talks: 40,
            is_tcp,
            dial: None,
        },
    );
    let transport = if is_tcp { ";transport=tcp" } else { "" };
    let gateway = Gateway::start(&Setup {
        name: &format!("gateway-{name}"),
        targets: &[format!("sip:agent@127.0.0.1:{}{transport}", agent.port)],
        queue: "",
        more: "",
    });
    let address = if is_tcp { gateway.tcp } else { gateway.udp };
    let caller = Pjsua::start(
        &python,
        &folder,
        &Plan {
            name: "caller",
            says: &folder.join("caller.wav"),
            talks: 14,
            is_tcp,
            dial: Some(&format!("sip:{DIALLED}@{address}{transport}")),
        },
    );
    let (caller_heard, agent_log) = (caller.heard(), agent.log());
    let agent_heard = agent.heard();
    for (who, sent, heard) in [
        ("agent", &from_caller, agent_heard),
        ("caller", &from_agent, caller_heard),
    ] {
        let found = compare(sent, &heard);
        let exact = exact_pieces(sent, &heard, found.lag);
        eprintln!(
            "{who} heard {:.2} s, {exact} half seconds of it exactly as they were sent",
            heard.len() as f64 / 8000.0
        );
        // pjsua's jitter buffer shortens what it waited for, more so on a busy machine; in between nothing is changed.
        assert!(
            exact >= 2 && heard.len() > 56_000,
            "{who}: {} samples, {exact} exact half seconds",
            heard.len()
        );
    }
    assert!(
        agent_log.contains("incoming \"UNPROVEN"),
        "the banner: {agent_log}"
    );
    let call = &gateway.ended_calls(1)[0];
    assert_eq!(
        (&call["outcome"]["ending"], &call["outcome"]["by"]),
        (&"completed".into(), &"caller".into()),
        "{call}"
    );
    let media = &gateway.why(call)["media"]["from_caller"];
    assert!(
        media["packets"].as_u64() >= Some(390) && media["lost"] == 0,
        "{media}"
    );
}

#[test]
fn pjsua2_and_pjsua2_hear_each_other_over_udp() {
    both_hear_each_other("pjsua-udp", false);
}

#[test]
fn pjsua2_and_pjsua2_hear_each_other_over_tcp() {
    both_hear_each_other("pjsua-tcp", true);
}

#[test]
fn a_pjsua2_phone_that_hangs_up_ends_the_call_of_a_sipp_caller() {
    let Some(python) = python::with_module("pjsua2") else {
        return;
    };
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("pjsua-hangs-up");
    write_wav(&folder.join("agent.wav"), &test_speech(20));
    let agent = Pjsua::start(
        &python,
        &folder,
        &Plan {
            name: "agent",
            says: &folder.join("agent.wav"),
            talks: 2,
            is_tcp: false,
            dial: None,
        },
    );
    let gateway = Gateway::start(&Setup {
        name: "gateway-pjsua-hangs-up",
        targets: &[format!("sip:agent@127.0.0.1:{}", agent.port)],
        queue: "",
        more: "",
    });
    // It waits for BYE instead of sending one.
    let caller = silent_caller(0);
    let (until_bye, _) = caller.split_once("  <pause").expect("the scenario");
    let waits = format!(
        "{until_bye}  <recv request=\"BYE\" timeout=\"10000\"/>\n  <send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n\
         [last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>\n</scenario>\n"
    );
    let running = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &waits,
        number: DIALLED,
        calls: 1,
        rate: 1,
    }
    .start(&folder);
    wait_for("the call", Duration::from_secs(10), || {
        agent.log().contains("CONFIRMED").then_some(())
    });
    let (status, errors) = running.finish();
    assert!(status.success(), "SIPp: {status}\n{errors}\n{}", agent.log());
    let call = &gateway.ended_calls(1)[0];
    assert_eq!(
        (&call["outcome"]["ending"], &call["outcome"]["by"]),
        (&"completed".into(), &"called".into()),
        "{call}"
    );
    assert!(!agent.heard().is_empty(), "its recording is complete");
}
