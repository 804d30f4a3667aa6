//! Kamailio on both sides of us: as the carrier's border in front, and as the PBX behind, over each transport.

use std::net::SocketAddr;

use crate::support::kamailio::{Kamailio, Relay, RelayTls};
use crate::support::pki::Pki;
use crate::support::{folder, have, sipp};
use crate::tls_calls::{ROUTED_CALLER, Secure, metric, secure};

/// SIPp calls Kamailio, which calls us, who call Kamailio, which rings SIPp: between Kamailio and us over `transport`.
fn chain(transport: &str) {
    if !have(&["kamailio", "sipp"]) {
        return;
    }
    let files = folder(&format!("chain-{transport}"));
    let pki = Pki::new(&files, "ca");
    pki.issue("gw", &["127.0.0.1"]);
    pki.issue("kamailio", &["sbc.carrier.example", "127.0.0.1"]);
    let (certificate, key) = (files.join("kamailio.pem"), files.join("kamailio.key"));
    let anchors = pki.anchor();
    let relay = |name: &str, towards: &str| {
        let tls = (transport == "tls").then_some(RelayTls {
            certificate: &certificate,
            key: &key,
            anchors: &anchors,
        });
        Kamailio::start(&files, name, &Relay { towards, tls })
    };
    let (_phone, port) = sipp::phone_with(&files, &sipp::routed_phone(100));
    let pbx = relay("pbx", &format!("sip:127.0.0.1:{port}"));
    let pbx_port = match transport {
        "udp" => pbx.udp,
        "tcp" => pbx.tcp,
        _ => pbx.tls,
    };
    let target = format!("sip:desk@127.0.0.1:{pbx_port};transport={transport}");
    let name = format!("chain-{transport}-gateway");
    let Secure { gateway, tls } = secure(&name, &pki, &files, "from = [\"127.0.0.0/8\"]", &[target]);
    let ours = match transport {
        "udp" => gateway.udp,
        "tcp" => gateway.tcp,
        _ => tls,
    };
    let carrier = relay("carrier", &format!("sip:{ours};transport={transport}"));
    let call = sipp::Caller {
        gateway: SocketAddr::from(([127, 0, 0, 1], carrier.udp)),
        is_tcp: false,
        scenario: ROUTED_CALLER,
        number: "+12125550100",
        calls: 5,
        rate: 3,
    };
    call.run(&files);
    for call in gateway.ended_calls(5) {
        assert_eq!(
            (&call["outcome"]["ending"], &call["outcome"]["by"]),
            (&"completed".into(), &"caller".into()),
            "{call}"
        );
    }
    // The whole of every call went through both: INVITE, answer, ACK and BYE, and between them over this transport only.
    for (kamailio, requests_from, replies_from) in [(&carrier, "udp", transport), (&pbx, transport, "udp")] {
        let log = kamailio.log();
        for (what, from) in [
            ("request INVITE", requests_from),
            ("request ACK", requests_from),
            ("request BYE", requests_from),
            ("reply 200", replies_from),
        ] {
            let count = log.matches(&format!("{what} from {from}:")).count();
            assert!(count >= 5, "{what} from {from}: {count} times in\n{log}");
        }
    }
    let seen = sipp::phone_messages(&files, port);
    assert_eq!(seen.matches("BYE sip:").count(), 5, "{seen}");
    assert!(
        !seen.contains(&format!("127.0.0.1:{}", carrier.udp)),
        "what is in front of us is not shown behind us"
    );
    let label = format!("ringward_sip_received_total{{transport=\"{transport}\"}}");
    assert!(metric(&gateway, &label) >= 25.0, "{}", metric(&gateway, &label));
    for other in ["udp", "tcp", "tls"]
        .into_iter()
        .filter(|other| *other != transport)
    {
        let label = format!("ringward_sip_received_total{{transport=\"{other}\"}}");
        assert_eq!(metric(&gateway, &label), 0.0, "{other}");
    }
    if transport != "udp" {
        // One connection to each of the two carried all of it.
        let connections = gateway.get("/api/v1/status")["gateway"]["tcp_connections"].clone();
        assert_eq!(connections, 2, "{connections}");
    }
}

#[test]
fn calls_pass_from_kamailio_to_kamailio_over_udp() {
    chain("udp");
}

#[test]
fn calls_pass_from_kamailio_to_kamailio_over_tcp() {
    chain("tcp");
}

#[test]
fn calls_pass_from_kamailio_to_kamailio_over_tls() {
    chain("tls");
}
