//! A real phone sends a call on: baresip transfers a caller to another baresip, and both hear each other.

use std::time::Duration;

use crate::support::audio::{compare, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::{folder, have, one_load_at_a_time, wait_for};

/// The desk has a caller and sends him to sales; what the caller and sales hear of each other afterwards.
fn transfer(name: &str, transport: &str) {
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let folder = folder(name);
    let (from_caller, from_sales) = (test_speech(60), test_speech(63).split_off(24_000));
    write_wav(&folder.join("caller.wav"), &from_caller);
    write_wav(&folder.join("sales.wav"), &from_sales);
    let desk = Baresip::start_driven(&folder, "desk", &folder.join("sales.wav"));
    let sales = Baresip::start_driven(&folder, "sales", &folder.join("sales.wav"));
    let more = format!(
        "[[queue]]\nname = \"sales\"\nnumbers = [\"101\"]\ntargets = [\"sip:sales@127.0.0.1:{}{transport}\"]\n",
        sales.port
    );
    let gateway = Gateway::start(&Setup {
        name: &format!("gateway-{name}"),
        targets: &[format!("sip:desk@127.0.0.1:{}{transport}", desk.port)],
        queue: "",
        more: &more,
    });
    let address = if transport.is_empty() {
        gateway.udp
    } else {
        gateway.tcp
    };
    let dial = format!("sip:+12125550100@{address}{transport}");
    let caller = Baresip::start(&folder, "+14045550123", &folder.join("caller.wav"), Some(&dial));
    wait_for("the desk to hear the caller", Duration::from_secs(25), || {
        (desk.heard().len() > 16_000).then_some(())
    });

    desk.command_with("transfer", &format!("sip:101@{address}"));
    wait_for("sales to have the call", Duration::from_secs(10), || {
        let live = gateway.get("/api/v1/calls?state=live");
        (live["calls"][0]["answered_by"] == "sales").then_some(())
    });
    wait_for("the desk to be released", Duration::from_secs(10), || {
        (desk.log().contains("session closed") || desk.log().contains("terminated")).then_some(())
    });
    let before = caller.heard().len();
    wait_for(
        "audio both ways after the transfer",
        Duration::from_secs(25),
        || (sales.heard().len() > 48_000 && caller.heard().len() > before + 48_000).then_some(()),
    );
    let found = compare(&from_caller, &sales.heard());
    eprintln!(
        "sales heard {:.2} s, {:.1} dB, {} slips",
        found.seconds, found.snr_db, found.slips
    );
    assert!(
        found.snr_db > 40.0,
        "sales: {:.1} dB over {:.1} s",
        found.snr_db,
        found.seconds
    );
    // The caller has heard two phones: the stretch after the change is compared.
    let heard = caller.heard().split_off(before + 8_000);
    let found = compare(&from_sales, &heard);
    eprintln!(
        "caller heard {:.2} s, {:.1} dB, {} slips",
        found.seconds, found.snr_db, found.slips
    );
    assert!(
        found.snr_db > 40.0,
        "caller: {:.1} dB over {:.1} s",
        found.snr_db,
        found.seconds
    );

    let live = gateway.get("/api/v1/calls?state=live");
    let transfers = &live["calls"][0]["transfers"];
    assert_eq!(transfers[0]["outcome"], "completed", "{live}");
    assert_eq!(
        (&transfers[0]["by"], &transfers[0]["to"]),
        (&"desk".into(), &"101".into()),
        "{live}"
    );
    sales.command("hangup");
    let record = &gateway.ended_calls(1)[0];
    assert_eq!(record["outcome"]["by"], "called", "{record}");
}

#[test]
fn baresip_transfers_a_caller_to_baresip_over_udp() {
    transfer("transfer-udp", "");
}

#[test]
fn baresip_transfers_a_caller_to_baresip_over_tcp() {
    transfer("transfer-tcp", ";transport=tcp");
}
