//! Calls over TLS with peers that are not ours: baresip as phone and as caller, Kamailio as the carrier in front; what
//! happens when a certificate is wrong, when ours is replaced, and when somebody holds connections open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::audio::{compare, test_speech, write_wav};
use crate::support::baresip::Baresip;
use crate::support::gateway::{Gateway, Setup};
use crate::support::kamailio::{Kamailio, Relay, RelayTls};
use crate::support::pki::Pki;
use crate::support::{folder, free_ports, have, one_load_at_a_time, sipp, wait_for};

/// A gateway with a TLS listener, its certificate for 127.0.0.1 from `pki`, which it believes in both directions.
pub(crate) struct Secure {
    pub(crate) gateway: Gateway,
    pub(crate) tls: SocketAddr,
}

pub(crate) fn secure(name: &str, pki: &Pki, files: &Path, trunk: &str, targets: &[String]) -> Secure {
    let folder = folder(name);
    let media = free_ports(200);
    let targets: Vec<_> = targets.iter().map(|target| format!("{target:?}")).collect();
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\", \"tls:127.0.0.1:0\"]\n\
         [sip.tls]\ncertificate = \"{files}/gw.pem\"\nkey = \"{files}/gw.key\"\nclient_anchors = [\"{anchor}\"]\n\
         server_anchors = [\"{anchor}\"]\n\
         [[trunk]]\nname = \"carrier\"\n{trunk}\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\nstrategy = \"in-order\"\ntargets = [{}]\nring = \"5s\"\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = \"sqlite:{}\"\n[voice]\nmodel = \"off\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        targets.join(", "),
        media + 199,
        folder.join("ringward.db").display(),
        files = files.display(),
        anchor = pki.anchor().display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).unwrap();
    let mut gateway = Gateway::run(folder, &["serve", "--config", &file.display().to_string()]);
    let log = gateway.log();
    let (_, rest) = log.split_once("SIP      tls:").expect("a TLS listener");
    let tls = rest.lines().next().unwrap().trim().parse().unwrap();
    Secure { gateway, tls }
}

pub(crate) fn metric(gateway: &Gateway, name: &str) -> f64 {
    let (_, text) = gateway.request("GET", "/metrics", None);
    text.lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

fn speech(folder: &Path, name: &str, skip: usize) -> (PathBuf, Vec<i16>) {
    // Longer than any call here: baresip hangs up at the end of its file.
    let samples = test_speech(100).split_off(skip);
    let path = folder.join(format!("{name}.wav"));
    write_wav(&path, &samples);
    (path, samples)
}

#[test]
fn baresip_and_baresip_hear_each_other_over_tls() {
    if !have(&["baresip"]) {
        return;
    }
    let _only = one_load_at_a_time();
    let files = folder("tls-baresip");
    let pki = Pki::new(&files, "ca");
    for name in ["gw", "agent", "caller"] {
        pki.issue(name, &["127.0.0.1"]);
    }
    let (caller_wav, from_caller) = speech(&files, "caller", 0);
    let (agent_wav, from_agent) = speech(&files, "agent", 24_000);
    let both = |name: &str| files.join(format!("{name}.both"));
    let agent = Baresip::over_tls(&files, "agent", &agent_wav, None, &both("agent"), &pki.anchor());
    let target = format!("sip:agent@127.0.0.1:{};transport=tls", agent.port + 1);
    let Secure { gateway, tls } = secure("tls-gateway", &pki, &files, "from = [\"127.0.0.0/8\"]", &[target]);
    let dial = format!("sip:+12125550100@{tls};transport=tls");
    let caller = Baresip::over_tls(
        &files,
        "+14045550123",
        &caller_wav,
        Some(&dial),
        &both("caller"),
        &pki.anchor(),
    );
    wait_for("audio both ways", Duration::from_secs(60), || {
        (agent.heard().len() > 64_000 && caller.heard().len() > 64_000).then_some(())
    });
    for (who, sent, heard) in [
        ("agent", &from_caller, agent.heard()),
        ("caller", &from_agent, caller.heard()),
    ] {
        let found = compare(sent, &heard);
        eprintln!(
            "{who} heard {:.2} s, {:.1} dB, {} slips",
            found.seconds, found.snr_db, found.slips
        );
        assert!(
            found.slips == 0 && found.seconds > 6.0 && found.snr_db > 40.0,
            "{who}"
        );
    }
    assert!(metric(&gateway, "ringward_sip_received_total{transport=\"tls\"}") >= 4.0);
    assert_eq!(
        metric(&gateway, "ringward_sip_received_total{transport=\"udp\"}"),
        0.0
    );

    // Our certificate is replaced while they talk: they go on, and a new connection sees the new one.
    let before = shown_certificate(tls, &pki);
    pki.issue("gw", &["127.0.0.1"]);
    gateway.signal("HUP");
    wait_for("the new certificate", Duration::from_secs(10), || {
        (shown_certificate(tls, &pki) != before).then_some(())
    });
    // Half a change: the key of another certificate. The one in force stays, and it is told.
    let before = shown_certificate(tls, &pki);
    std::fs::copy(files.join("agent.key"), files.join("gw.key")).unwrap();
    gateway.signal("HUP");
    wait_for("the alarm", Duration::from_secs(10), || {
        (metric(&gateway, "ringward_tls_reloads_total{result=\"failed\"}") >= 1.0).then_some(())
    });
    assert_eq!(shown_certificate(tls, &pki), before);
    let heard = agent.heard().len();
    wait_for("more audio", Duration::from_secs(10), || {
        (agent.heard().len() > heard + 16_000).then_some(())
    });

    let live = gateway.get("/api/v1/calls?state=live");
    let id = live["calls"][0]["id"].as_str().expect("a live call").to_string();
    let path = format!("/api/v1/calls/{id}/actions");
    let (status, body) = gateway.request("POST", &path, Some("{\"do\":\"hang_up\"}"));
    assert!((200..300).contains(&status), "{status} {body}");
    gateway.ended_calls(1);
    wait_for("both phones to be hung up", Duration::from_secs(30), || {
        let has_ended =
            |phone: &Baresip| phone.log().contains("session closed") || phone.log().contains("terminated");
        (has_ended(&caller) && has_ended(&agent)).then_some(())
    });
}

/// The certificate that is shown to somebody who connects now.
fn shown_certificate(address: SocketAddr, pki: &Pki) -> Vec<u8> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki.anchor_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::from(address.ip());
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).expect("a handshake");
    }
    connection.peer_certificates().expect("a certificate")[0].to_vec()
}

#[test]
fn phones_whose_certificate_is_wrong_are_not_rung_and_the_record_says_why() {
    if !have(&["baresip", "sipp"]) {
        return;
    }
    let files = folder("tls-wrong");
    let (pki, other) = (Pki::new(&files, "ca"), Pki::new(&files, "other-ca"));
    let now = SystemTime::now();
    pki.issue("gw", &["127.0.0.1"]);
    pki.issue("named", &["somebody-else.example"]);
    pki.issue_with("old", &["127.0.0.1"], |params| {
        params.not_before = (now - Duration::from_secs(7200)).into();
        params.not_after = (now - Duration::from_secs(3600)).into();
    });
    other.issue("stranger", &["127.0.0.1"]);
    let (wav, _) = speech(&files, "agent", 0);
    let phones: Vec<Baresip> = ["named", "old", "stranger"]
        .iter()
        .map(|name| {
            let both = files.join(format!("{name}.both"));
            Baresip::over_tls(&files, name, &wav, None, &both, &pki.anchor())
        })
        .collect();
    let nobody = free_ports(2);
    let ports = phones.iter().map(|phone| phone.port + 1).chain([nobody]);
    let targets: Vec<String> = ports
        .map(|port| format!("sip:x@127.0.0.1:{port};transport=tls"))
        .collect();
    let Secure { gateway, .. } = secure("tls-wrong-gw", &pki, &files, "from = [\"127.0.0.0/8\"]", &targets);
    let caller = sipp::Caller::one(gateway.udp, UNANSWERED_CALLER);
    caller.run(&files);
    let call = gateway.ended_calls(1).remove(0);
    let why = gateway.why(&call);
    let reasons: Vec<&str> = why["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|attempt| attempt["why"].as_str().unwrap_or("-"))
        .collect();
    assert_eq!(
        reasons,
        [
            "its certificate is not valid for this name",
            "its certificate has expired",
            "its certificate comes from an unknown authority",
            "connection refused",
        ],
        "{why}"
    );
    for phone in &phones {
        assert!(!phone.log().contains("Incoming call"), "{}", phone.log());
    }
}

#[test]
fn kamailio_as_the_carrier_is_known_by_its_certificate_and_by_nothing_else() {
    if !have(&["kamailio", "sipp"]) {
        return;
    }
    let files = folder("tls-carrier");
    let pki = Pki::new(&files, "ca");
    pki.issue("gw", &["127.0.0.1"]);
    pki.issue("carrier", &["sbc.carrier.example", "127.0.0.1"]);
    pki.issue("impostor", &["sbc.impostor.example", "127.0.0.1"]);
    // The caller hangs up, so the phone need not.
    let (_phone, port) = sipp::phone(&files, 100);
    let trunk = "tls_name = \"sbc.carrier.example\"\nverifier = \"trusted\"";
    let target = format!("sip:desk@127.0.0.1:{port}");
    let Secure { gateway, tls } = secure("tls-carrier-gw", &pki, &files, trunk, &[target]);
    let relay = |name: &str| {
        let (certificate, key) = (
            files.join(format!("{name}.pem")),
            files.join(format!("{name}.key")),
        );
        let towards = format!("sip:{tls};transport=tls");
        Kamailio::start(
            &files,
            name,
            &Relay {
                towards: &towards,
                tls: Some(RelayTls {
                    certificate: &certificate,
                    key: &key,
                    anchors: &pki.anchor(),
                }),
            },
        )
    };
    let carrier = relay("carrier");
    let call = |relay: &Kamailio, scenario| sipp::Caller {
        gateway: SocketAddr::from(([127, 0, 0, 1], relay.udp)),
        is_tcp: false,
        scenario,
        number: "+12125550100",
        calls: 3,
        rate: 2,
    };
    call(&carrier, ROUTED_CALLER).run(&files);
    let calls = gateway.ended_calls(3);
    for call in &calls {
        assert_eq!(
            (&call["trunk"], &call["outcome"]["ending"]),
            (&"carrier".into(), &"completed".into()),
            "{call}"
        );
    }
    assert!(metric(&gateway, "ringward_sip_received_total{transport=\"tls\"}") >= 9.0);
    // One connection carried all of it.
    assert_eq!(
        gateway.get("/api/v1/status")["gateway"]["tcp_connections"],
        Value::from(1)
    );

    // The phone's address is known, so the impostor is heard; but it is no trunk.
    let impostor = relay("impostor");
    call(&impostor, REFUSED_CALLER).run(&files);
    assert_eq!(gateway.ended_calls(3).len(), 3, "no call of an impostor");
}

#[test]
fn who_holds_connections_open_does_not_hurt_calls() {
    if !have(&["sipp"]) {
        return;
    }
    let files = folder("slow-loris");
    let (_phone, port) = sipp::phone(&files, 50);
    let gateway = Gateway::start(&Setup {
        name: "slow-loris-gw",
        targets: &[format!("sip:desk@127.0.0.1:{port}")],
        queue: "",
        more: "[voice]\nmodel = \"off\"",
    });
    // From an address that is the trunk's as well: a stranger would not get this far.
    let attacker = "127.0.0.66:0".parse::<SocketAddr>().unwrap();
    let connect = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&attacker.into()).unwrap();
        socket.connect(&gateway.tcp.into()).ok()?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        Some(stream)
    };
    let begun = Instant::now();
    let mut held: Vec<TcpStream> = (0..400).filter_map(|_| connect()).collect();
    for stream in &mut held {
        let _ =
            stream.write_all(b"INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.66\r\nX-Slow: ");
    }
    let running = sipp::Caller {
        gateway: gateway.tcp,
        is_tcp: true,
        scenario: &sipp::silent_caller(500),
        number: "+12125550100",
        calls: 20,
        rate: 10,
    }
    .start(&files);
    // An octet a second each, for longer than a message may take.
    let mut open = held.len();
    while open > 0 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_secs(1));
        held.retain_mut(|stream| {
            let is_over = matches!(stream.read(&mut [0; 1]), Ok(0)) || stream.write_all(b"x").is_err();
            !is_over
        });
        open = held.len();
    }
    let (status, errors) = running.finish();
    assert!(status.success(), "SIPp: {status}\n{errors}");
    assert_eq!(open, 0, "connections that trickle are still open");
    assert_eq!(gateway.ended_calls(20).len(), 20);
    assert!(metric(&gateway, "ringward_inbox_full_total{inbox=\"tcp_connections\"}") >= 144.0);
    assert_eq!(
        metric(&gateway, "ringward_sip_connections_closed_total{reason=\"slow\"}"),
        256.0
    );
}

const UNANSWERED_CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="a caller whom nobody answers">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
]]></send>
  <recv response="100" optional="true"/>
  <recv response="480"/>
  <send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
"#;

/// Follows the route that Kamailio records.
pub(crate) const ROUTED_CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="a caller behind a proxy">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-5]
[routes]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause milliseconds="500"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"#;

/// The proxy says that the way is closed, whatever its words.
const REFUSED_CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="a caller whose carrier is not let in">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
]]></send>
  <recv response="100" optional="true"/>
  <recv response="500" optional="true" next="refused"/>
  <recv response="477" optional="true" next="refused"/>
  <recv response="478" optional="true" next="refused"/>
  <recv response="408" optional="true" next="refused"/>
  <recv response="403"/>
  <label id="refused"/>
  <send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
From: <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
"#;
