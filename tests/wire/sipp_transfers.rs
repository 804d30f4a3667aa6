//! A SIPp phone sends its caller on with REFER; SIPp phones over TCP.

use crate::support::dialogs;
use crate::support::gateway::{Gateway, Setup};
use crate::support::sipp::{self, Caller};
use crate::support::{folder, have};

const DIALLED: &str = "+12125550100";

/// The desk sends its caller to sales, who answer; the caller hangs up.
fn transfer(name: &str, is_tcp: bool) {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder(name);
    let refers = dialogs::referring_phone("101");
    let (transport, (_desk, desk), (_sales, sales)) = if is_tcp {
        (
            ";transport=tcp",
            sipp::phone_over_tcp(&folder, &refers),
            sipp::phone_over_tcp(&folder, &sipp::routed_phone(300)),
        )
    } else {
        (
            "",
            sipp::phone_with(&folder, &refers),
            sipp::phone_with(&folder, &sipp::routed_phone(300)),
        )
    };
    let more = format!(
        "[[queue]]\nname = \"sales\"\nnumbers = [\"101\"]\ntargets = [\"sip:sales@127.0.0.1:{sales}{transport}\"]\n\
         [voice]\nmodel = \"off\"\n"
    );
    let gateway = Gateway::start(&Setup {
        name: &format!("gateway-{name}"),
        targets: &[format!("sip:desk@127.0.0.1:{desk}{transport}")],
        queue: "",
        more: &more,
    });
    let caller = Caller {
        gateway: if is_tcp { gateway.tcp } else { gateway.udp },
        is_tcp,
        scenario: &sipp::silent_caller(6000),
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    caller.run(&folder);
    let record = gateway.ended_calls(1).remove(0);
    assert_eq!(
        (&record["outcome"]["ending"], &record["outcome"]["by"]),
        (&"completed".into(), &"caller".into()),
        "{record}"
    );
    let desk_saw = sipp::phone_messages(&folder, desk);
    assert!(desk_saw.contains("SIP/2.0 202 Accepted"), "{desk_saw}");
    assert!(desk_saw.contains("Subscription-State: terminated"), "{desk_saw}");
    let sales_saw = sipp::phone_messages(&folder, sales);
    assert!(sales_saw.contains("Referred-By: "), "{sales_saw}");
    // Its scenario ran to its end: what it does not expect stops it before.
    assert_eq!(desk_saw.matches("BYE sip:").count(), 1, "{desk_saw}");
    assert!(!desk_saw.contains("Unexpected"), "{desk_saw}");
    let transfer = &record["transfers"][0];
    assert_eq!(
        (&transfer["kind"], &transfer["outcome"], &record["answered_by"]),
        (&"blind".into(), &"completed".into(), &"sales".into()),
        "{record}"
    );
}

#[test]
fn a_sipp_phone_transfers_its_caller_to_another_over_udp() {
    transfer("refer-udp", false);
}

#[test]
fn a_sipp_phone_transfers_its_caller_to_another_over_tcp() {
    transfer("refer-tcp", true);
}

#[test]
fn a_sipp_phone_that_transfers_to_nobody_keeps_its_caller() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("refer-nowhere");
    let (_desk, desk) = sipp::phone_with(&folder, &dialogs::refused_phone("+13035550199"));
    let gateway = Gateway::start(&Setup {
        name: "gateway-refer-nowhere",
        targets: &[format!("sip:desk@127.0.0.1:{desk}")],
        queue: "",
        more: "[voice]\nmodel = \"off\"\n",
    });
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &sipp::silent_caller(3000),
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    caller.run(&folder);
    let record = gateway.ended_calls(1).remove(0);
    let seen = sipp::phone_messages(&folder, desk);
    assert_eq!(record["outcome"]["by"], "caller", "{record}\n{seen}");
    assert_eq!(seen.matches("BYE sip:").count(), 1, "{seen}");
    assert_eq!(
        seen.matches("INVITE sip:").count(),
        1,
        "nobody else was rung\n{seen}"
    );
}
