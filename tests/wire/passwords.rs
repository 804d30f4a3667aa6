//! Passwords with peers that are not ours: SIPp and baresip call in with one, Kamailio asks for one, and wants REGISTER.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::audio::{test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::carrier::Kamailio;
use crate::support::gateway::Gateway;
use crate::support::sipp::{self, Caller, talking_caller};
use crate::support::{folder, free_port, have, wait_for};

const DIALLED: &str = "+12125550100";
const PASSWORD: &str = "correct-horse";

/// A gateway whose only trunks are these, with one desk.
fn gateway(folder: &Path, name: &str, sip: &str, target: &str, more: &str) -> Gateway {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let media = free_port();
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n{sip}\n\
         [[queue]]\nname = \"front-desk\"\ntargets = [\"{target}\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n{more}\n",
        media + 79,
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    Gateway::run(
        folder.clone(),
        &["serve", "--config", &file.display().to_string()],
    )
}

/// No address of ours is a phone's: everybody on loopback is a stranger. The phone has an address of its own.
const PBX: &str = "[[trunk]]\nname = \"pbx\"\nuser = \"pbx\"\npassword = \"correct-horse\"\n";

/// A SIPp phone and the target that rings it. Loopback has many addresses: this one is only the phone's.
fn phone(folder: &Path) -> (crate::support::Peer, String) {
    let (peer, port) = sipp::phone(folder, 100);
    (peer, format!("sip:desk@127.0.0.1:{port}"))
}

fn metric(gateway: &Gateway, line: &str) -> u64 {
    let (_, text) = gateway.request("GET", "/metrics", None);
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Asks without, then with a password (SIPp writes `[authentication]` from its own reading of the challenge).
fn proving_caller(password: &str) -> String {
    let first = talking_caller("silence.ulaw", 300, "");
    let (invite, rest) = first
        .split_once("<recv response=\"100\" optional=\"true\"/>")
        .expect("the scenario");
    let (head, send) = invite.split_once("  <send retrans").expect("the INVITE");
    let send = format!("  <send retrans{send}");
    let ack = "<recv response=\"401\" auth=\"true\"/>\n  <send><![CDATA[\n\
               ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n[last_Via:]\n[last_From:]\n[last_To:]\n\
               Call-ID: [call_id]\nCSeq: 1 ACK\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n";
    let again = send.replace("CSeq: 1 INVITE", "CSeq: 2 INVITE").replace(
        "Max-Forwards: 70\n",
        &format!("Max-Forwards: 70\n[authentication username=pbx password={password}]\n"),
    );
    let rest = rest
        .replace("CSeq: 1 ACK", "CSeq: 2 ACK")
        .replace("CSeq: 2 BYE", "CSeq: 3 BYE");
    format!("{head}{send}{ack}{again}<recv response=\"100\" optional=\"true\"/>{rest}")
}

#[test]
fn sipp_calls_in_with_its_password_and_not_with_another() {
    if !have(&["sipp"]) {
        return;
    }
    let folder = folder("sipp-password");
    std::fs::write(folder.join("silence.ulaw"), vec![0xff; 8000]).expect("silence");
    let (_peer, target) = phone(&folder);
    // The phone's address would make loopback known: the trunk asks there all the same.
    let trunk = format!("{PBX}from = [\"127.0.0.1\"]\n");
    let gateway = gateway(&folder, "gateway", "digest = [\"MD5\"]", &target, &trunk);
    let caller = |password: &str| proving_caller(password);
    let good = caller("correct-horse");
    let calling = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &good,
        number: DIALLED,
        calls: 3,
        rate: 10,
    };
    calling.run(&folder);
    let calls = gateway.ended_calls(3);
    assert!(
        calls
            .iter()
            .all(|call| call["trunk"] == "pbx" && call["outcome"]["ending"] == "completed"),
        "{calls:?}"
    );
    let bad = caller("wrong");
    let (status, _) = Caller {
        scenario: &bad,
        calls: 1,
        ..calling
    }
    .start(&folder)
    .finish();
    assert!(!status.success(), "a wrong password does not call");
    assert_eq!(gateway.ended_calls(3).len(), 3);
    assert_eq!(metric(&gateway, "ringward_digest_total{result=\"right\"} "), 3);
    // SIPp does not expect a second 401 and repeats itself.
    assert!(metric(&gateway, "ringward_digest_total{result=\"wrong\"} ") >= 1);
}

#[test]
fn baresip_calls_in_with_its_password() {
    if !have(&["sipp", "baresip"]) {
        return;
    }
    let folder = folder("baresip-password");
    let says = folder.join("says.wav");
    write_wav(&says, &test_speech(30));
    let (_peer, target) = phone(&folder);
    let trunk = format!("{PBX}from = [\"127.0.0.1\"]\n");
    let gateway = gateway(&folder, "gateway", "digest = [\"MD5\"]", &target, &trunk);
    let dial = format!("sip:{DIALLED}@{}", gateway.udp);
    let login = format!(";auth_user=pbx;auth_pass={PASSWORD}");
    let caller = Baresip::start_as(&folder, "+14045550123", &says, Some(&dial), &login);
    wait_for("the call to be answered", Duration::from_secs(10), || {
        let live = gateway.get("/api/v1/calls?state=live");
        (live["calls"][0]["state"] == "talking").then_some(())
    });
    drop(caller);
    assert_eq!(metric(&gateway, "ringward_digest_total{result=\"right\"} "), 1);
}

/// Kamailio lets calls through to the phone for whoever has the password.
fn asking_pbx(phone: u16, algorithm: &str) -> String {
    format!(
        r#"modparam("auth", "algorithm", "{algorithm}")
request_route {{
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "ready"); exit; }}
  if (has_totag()) {{ loose_route(); t_relay(); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method("INVITE")) {{
    if ($au != "desk" || !pv_proxy_authenticate("pbx.example", "battery staple", "0")) {{
      proxy_challenge("pbx.example", "1");
      exit;
    }}
    consume_credentials();
    record_route();
    $du = "sip:127.0.0.1:{phone}";
    t_relay();
    exit;
  }}
}}
"#
    )
}

#[test]
fn a_pbx_that_asks_for_a_password_gets_it_in_either_algorithm() {
    if !have(&["sipp", "kamailio"]) {
        return;
    }
    for algorithm in ["MD5", "SHA-256"] {
        let folder = folder("kamailio-asks");
        std::fs::write(folder.join("silence.ulaw"), vec![0xff; 8000]).expect("silence");
        let (_peer, port) = sipp::phone(&folder, 100);
        let pbx = Kamailio::start(&folder, "pbx", &asking_pbx(port, algorithm));
        let more = "[[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
                    [[credentials]]\nhosts = [\"127.0.0.1\"]\nuser = \"desk\"\npassword = \"battery staple\"\nrealm = \"pbx.example\"\n";
        let gateway = gateway(
            &folder,
            "gateway",
            "",
            &format!("sip:desk@127.0.0.1:{}", pbx.port),
            more,
        );
        Caller {
            gateway: gateway.udp,
            is_tcp: false,
            scenario: &talking_caller("silence.ulaw", 300, ""),
            number: DIALLED,
            calls: 2,
            rate: 10,
        }
        .run(&folder);
        let calls = gateway.ended_calls(2);
        assert!(
            calls.iter().all(|call| call["outcome"]["ending"] == "completed"),
            "{algorithm} {calls:?}"
        );
        let seen = sipp::phone_messages(&folder, port);
        assert!(
            seen.contains("CSeq: 2 INVITE"),
            "the INVITE that was let in is the second: {algorithm}"
        );
    }
}

/// Kamailio takes registrations for a password and sends calls to whoever registered.
fn carrier(algorithm: &str) -> String {
    format!(
        r#"modparam("auth", "algorithm", "{algorithm}")
modparam("registrar", "min_expires", 90)
modparam("registrar", "default_expires", 120)
request_route {{
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "ready"); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("carrier.example", "battery staple", "0")) {{ www_challenge("carrier.example", "1"); exit; }}
    save("location");
    exit;
  }}
  if (has_totag()) {{ loose_route(); t_relay(); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method("INVITE")) {{
    record_route();
    $ru = "sip:business@carrier.example";
    if (!lookup("location")) {{ sl_send_reply("404", "Nobody there"); exit; }}
    t_relay();
    exit;
  }}
}}
"#
    )
}

fn registration(gateway: &Gateway) -> Value {
    gateway.get("/api/v1/status")["gateway"]["registrations"][0].clone()
}

#[test]
fn a_carrier_that_wants_register_is_told_where_we_are_until_we_go() {
    if !have(&["sipp", "kamailio"]) {
        return;
    }
    for algorithm in ["MD5", "SHA-256"] {
        let folder = folder("kamailio-carrier");
        std::fs::write(folder.join("silence.ulaw"), vec![0xff; 8000]).expect("silence");
        let (_peer, target) = phone(&folder);
        let carrier = Kamailio::start(&folder, "carrier", &carrier(algorithm));
        let more = format!(
            "[[trunk]]\nname = \"itsp\"\nregister = \"sip:127.0.0.1:{}\"\nexpires = \"120s\"\nuser = \"business\"\n\
             password_file = \"secret\"\nrealm = \"carrier.example\"\nnumber = \"{DIALLED}\"\n",
            carrier.port
        );
        std::fs::create_dir_all(folder.join("gateway")).expect("a folder");
        std::fs::write(folder.join("gateway/secret"), "battery staple\n").expect("the password");
        let mut gateway = gateway(&folder, "gateway", "shards = 2", &target, &more);
        let state = wait_for("the registration", Duration::from_secs(5), || {
            Some(registration(&gateway)).filter(|state| state["is_registered"] == true)
        });
        assert_eq!(
            (&state["trunk"], &state["problem"]),
            (&"itsp".into(), &Value::Null),
            "{algorithm} {state}"
        );
        assert_eq!(metric(&gateway, "ringward_registrations_up "), 1);

        // A call that the carrier brings: to our user, the number is in To.
        let through = std::net::SocketAddr::from(([127, 0, 0, 1], carrier.port));
        let calling = Caller {
            gateway: through,
            is_tcp: false,
            scenario: &talking_caller("silence.ulaw", 300, ""),
            number: DIALLED,
            calls: 2,
            rate: 10,
        };
        calling.run(&folder);
        let calls = gateway.ended_calls(2);
        for call in &calls {
            assert_eq!(
                (call["trunk"].as_str(), call["called"].as_str()),
                (Some("itsp"), Some(DIALLED)),
                "{call}"
            );
        }

        gateway.signal("TERM");
        assert_eq!(gateway.wait_for_exit(Duration::from_secs(10)), 0);
        let (status, _) = calling.start(&folder).finish();
        assert!(!status.success(), "nobody is registered any more");
    }
}

#[test]
fn a_carrier_that_does_not_take_our_password_is_told_of_in_plain_words() {
    if !have(&["kamailio"]) {
        return;
    }
    let folder = folder("kamailio-refuses");
    let carrier = Kamailio::start(&folder, "carrier", &carrier("MD5"));
    let more = format!(
        "[[trunk]]\nname = \"itsp\"\nregister = \"sip:127.0.0.1:{}\"\nuser = \"business\"\npassword = \"hunter2-wrong\"\n",
        carrier.port
    );
    let mut gateway = gateway(&folder, "gateway", "", "sip:desk@127.0.0.1:9", &more);
    let state = wait_for("the refusal", Duration::from_secs(5), || {
        Some(registration(&gateway)).filter(|state| !state["problem"].is_null())
    });
    assert_eq!(
        state["problem"],
        "the carrier does not take our user and password"
    );
    assert_eq!(state["is_registered"], false);
    assert_eq!(metric(&gateway, "ringward_registrations_failing "), 1);
    let log = gateway.log();
    assert!(
        log.contains("does not take our user and password") && !log.contains("hunter2"),
        "{log}"
    );
}
