//! Targets by name, against a name server of the test's own and SIPp phones that die.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::dns::NameServer;
use crate::support::gateway::Gateway;

use crate::support::sipp::{self, Caller, talking_caller};
use crate::support::{folder, free_port, free_ports, have, wait_for};

const DIALLED: &str = "+12125550100";
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A gateway that asks `names`, with one queue.
fn gateway(name: &str, names: Option<&NameServer>, targets: &[String], queue: &str) -> Gateway {
    let folder = folder(name);
    let media = free_ports(100);
    let targets: Vec<_> = targets.iter().map(|target| format!("{target:?}")).collect();
    let resolver = names.map(|names| format!("resolver = [\"{}\"]\n", names.address));
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\ntry = \"1s\"\nshards = 2\n{}\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [{}]\n{queue}\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        resolver.unwrap_or_default(),
        targets.join(", "),
        media + 99,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    Gateway::run(folder, &["serve", "--config", &file.display().to_string()])
}

/// One call of half a second.
fn call(gateway: &Gateway, folder: &std::path::Path) {
    std::fs::write(folder.join("speech.ulaw"), vec![0xff; 8000]).expect("silence");
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &talking_caller("speech.ulaw", 500, ""),
        number: DIALLED,
        calls: 1,
        rate: 1,
    };
    caller.run(folder);
}

fn targets(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/status")["gateway"]["targets"].clone()
}

/// From the INVITE to the answer.
fn answered_ms(call: &Value) -> u64 {
    let answered = call["timings"]["answered_ms"].as_u64();
    answered.unwrap_or_else(|| panic!("nobody answered: {call}"))
}

fn metric(gateway: &Gateway, name: &str) -> Option<f64> {
    let (_, text) = gateway.request("GET", "/metrics", None);
    let line = text
        .lines()
        .find(|line| line.starts_with(name) && !line.starts_with('#'))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn naptr_and_srv_lead_to_a_phone_and_when_it_dies_to_the_next() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("targets");
    let (first, first_port) = sipp::phone(&folder, 50);
    let (_second, second_port) = sipp::phone(&folder, 50);
    let names = NameServer::start(300);
    names
        .naptr("pbx.example.com", 10, "SIP+D2U", "_sip._udp.pbx.example.com")
        .srv("_sip._udp.pbx.example.com", 1, first_port, "a.pbx.example.com")
        .srv("_sip._udp.pbx.example.com", 2, second_port, "b.pbx.example.com")
        .a("a.pbx.example.com", LOOPBACK)
        .a("b.pbx.example.com", LOOPBACK);
    let gateway = gateway(
        "gateway-targets",
        Some(&names),
        &["sip:desk@pbx.example.com".into()],
        "",
    );
    call(&gateway, &folder);
    let seen = sipp::phone_messages(&folder, first_port);
    assert!(seen.contains("INVITE sip:desk@pbx.example.com SIP/2.0"), "{seen}");
    assert_eq!(sipp::phone_messages(&folder, second_port), "");
    let asked = names.asked();

    drop(first);
    call(&gateway, &folder);
    call(&gateway, &folder);
    let seen = sipp::phone_messages(&folder, second_port);
    assert_eq!(
        seen.matches("INVITE sip:desk@pbx.example.com SIP/2.0").count(),
        2,
        "{seen}"
    );
    let calls = gateway.ended_calls(3);
    assert!(
        calls.iter().all(|call| call["outcome"]["ending"] == "completed"),
        "{calls:#?}"
    );
    // The first of the two waited a second for the dead one; the second began where the first was answered.
    let answered: Vec<u64> = calls.iter().map(answered_ms).collect();
    assert!(answered[1] >= 1000 && answered[1] < 2500, "{answered:?}");
    assert!(answered[0] < 900, "{answered:?}");
    assert_eq!(metric(&gateway, "ringward_failovers_total"), Some(1.0));
    let down = targets(&gateway)["down"].clone();
    assert_eq!(
        down[0]["address"],
        format!("udp:127.0.0.1:{first_port}"),
        "{down}"
    );
    assert_eq!(down[0]["cause"], "silent");
    assert_eq!(
        names.asked(),
        asked,
        "three calls, and the name was asked for once"
    );
}

#[test]
fn a_connection_that_is_refused_costs_nothing() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("refused");
    let (_phone, port) = sipp::phone(&folder, 50);
    let nobody = free_port();
    let names = NameServer::start(300);
    // Nobody listens on TCP; without SRV for UDP the address alone would be 5060.
    names
        .srv("_sip._tcp.pbx.example.com", 1, nobody, "a.pbx.example.com")
        .a("a.pbx.example.com", LOOPBACK);
    let all = [
        "sip:desk@pbx.example.com;transport=tcp".to_string(),
        format!("sip:desk@127.0.0.1:{port}"),
    ];
    let gateway = gateway("gateway-refused", Some(&names), &all, "strategy = \"in-order\"");
    call(&gateway, &folder);
    let calls = gateway.ended_calls(1);
    let why = gateway.why(&calls[0]);
    assert!(answered_ms(&calls[0]) < 900, "{}", calls[0]);
    assert_eq!(why["attempts"][0]["status"], 503, "{}", why["attempts"]);
    assert_eq!(targets(&gateway)["down"][0]["cause"], "unreachable");
}

#[test]
fn a_name_server_that_dies_keeps_no_phone_from_ringing() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("silent-names");
    let (_phone, port) = sipp::phone(&folder, 50);
    let names = NameServer::start(1);
    names.a("pbx.example.com", LOOPBACK);
    let all = [format!("sip:desk@pbx.example.com:{port}")];
    let gateway = gateway("gateway-silent-names", Some(&names), &all, "");
    call(&gateway, &folder);
    names.fall_silent();
    // The answer lives for a second, five by our floor, and is asked for again after four.
    let failing = wait_for("the failed refresh", Duration::from_secs(20), || {
        let names = targets(&gateway)["names"].clone();
        (names[0]["is_failing"] == true).then_some(names)
    });
    assert_eq!(
        failing[0]["addresses"][0], "127.0.0.1",
        "what was known stays: {failing}"
    );
    assert_eq!(metric(&gateway, "ringward_names_failing"), Some(1.0));
    call(&gateway, &folder);
    let calls = gateway.ended_calls(2);
    assert!(
        calls.iter().all(|call| call["outcome"]["ending"] == "completed"),
        "{calls:#?}"
    );
    assert!(answered_ms(&calls[0]) < 900, "{}", calls[0]);
    names.speak();
    wait_for("the name server's return", Duration::from_secs(30), || {
        (metric(&gateway, "ringward_names_failing") == Some(0.0)).then_some(())
    });
}

/// Answers every OPTIONS with 404, as a phone that knows no such user would, while it is switched on.
fn answering_options() -> (u16, Arc<AtomicBool>) {
    let socket = UdpSocket::bind(("127.0.0.1", free_port())).expect("a port of this test's own");
    let port = socket.local_addr().expect("an address").port();
    let is_on = Arc::new(AtomicBool::new(true));
    let switch = is_on.clone();
    std::thread::spawn(move || {
        let mut octets = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            let text = String::from_utf8_lossy(&octets[..length]).into_owned();
            if !switch.load(Ordering::Relaxed) || !text.starts_with("OPTIONS ") {
                continue;
            }
            let keep = ["Via:", "From:", "Call-ID:", "CSeq:"];
            let mut answer = "SIP/2.0 404 Not Found\r\n".to_string();
            for line in text.lines() {
                if keep.iter().any(|name| line.starts_with(name)) {
                    answer += &format!("{line}\r\n");
                } else if line.starts_with("To:") {
                    answer += &format!("{line};tag=x\r\n");
                }
            }
            answer += "Content-Length: 0\r\n\r\n";
            let _ = socket.send_to(answer.as_bytes(), from);
        }
    });
    (port, is_on)
}

#[test]
fn a_phone_that_dies_and_returns_is_seen_by_its_probes() {
    let (port, is_on) = answering_options();
    let all = [format!("sip:desk@127.0.0.1:{port}")];
    let mut gateway = gateway("gateway-probes", None, &all, "probe = \"5s\"");
    wait_for("the first answer", Duration::from_secs(15), || {
        metric(&gateway, "ringward_probes_total{result=\"answered\"}").filter(|count| *count >= 1.0)
    });
    assert_eq!(targets(&gateway)["down"], Value::Array(Vec::new()));
    is_on.store(false, Ordering::Relaxed);
    let down = wait_for("the phone to be down", Duration::from_secs(30), || {
        targets(&gateway)["down"]
            .as_array()
            .filter(|down| !down.is_empty())
            .cloned()
    });
    assert_eq!(down[0]["address"], format!("udp:127.0.0.1:{port}"));
    assert_eq!(
        (&down[0]["cause"], &down[0]["seconds"]),
        (&Value::from("unanswered"), &Value::Null)
    );
    assert_eq!(metric(&gateway, "ringward_target_addresses_down"), Some(1.0));
    is_on.store(true, Ordering::Relaxed);
    wait_for("the phone to be up again", Duration::from_secs(30), || {
        targets(&gateway)["down"]
            .as_array()
            .filter(|down| down.is_empty())
            .cloned()
    });
    wait_for("the log", Duration::from_secs(5), || {
        let log = gateway.log();
        let is_told = |what: &str| log.contains(&format!("an address of a target is {what}"));
        (is_told("down") && is_told("up again")).then_some(())
    });
}
