//! SIPp 3.6: scripted callers and phones.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::Peer;

/// SIPp takes audio ports in a row from the first one, some for each call.
const MEDIA_PORTS: u16 = 20;

/// How a SIPp caller behaves.
pub struct Caller<'a> {
    pub gateway: SocketAddr,
    pub is_tcp: bool,
    pub scenario: &'a str,
    pub number: &'a str,
    pub calls: u32,
    /// Calls per second.
    pub rate: u32,
}

impl<'a> Caller<'a> {
    /// One call over UDP to a number that every queue of these tests takes.
    #[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
    pub fn one(gateway: SocketAddr, scenario: &'a str) -> Caller<'a> {
        Caller {
            gateway,
            is_tcp: false,
            scenario,
            number: "+12125550100",
            calls: 1,
            rate: 1,
        }
    }

    /// Runs the calls to their end, at most 250 at once; panics with SIPp's errors when one failed.
    pub fn run(&self, folder: &Path) {
        let (status, errors) = self.start(folder).finish();
        assert!(status.success(), "SIPp: {status}\n{errors}");
    }

    pub fn start(&self, folder: &Path) -> Running {
        self.start_from(folder, self.gateway.ip())
    }

    /// From another address of loopback than the gateway's.
    pub fn start_from(&self, folder: &Path, own: std::net::IpAddr) -> Running {
        let port = super::free_port();
        let scenario = folder.join(format!("caller-{port}.xml"));
        std::fs::write(&scenario, self.scenario).expect("scenario");
        let errors = folder.join(format!("caller-{port}.err"));
        let mut command = Command::new("sipp");
        command
            .arg(self.gateway.to_string())
            .args([
                "-sf",
                &scenario.display().to_string(),
                "-i",
                &own.to_string(),
                "-p",
                &port.to_string(),
            ])
            .args([
                "-mp",
                &super::free_ports(MEDIA_PORTS.max(4 * self.calls as u16)).to_string(),
                "-s",
                self.number,
                "-nostdin",
                "-recv_timeout",
                "15000",
            ])
            .args([
                "-m",
                &self.calls.to_string(),
                "-r",
                &self.rate.to_string(),
                "-l",
                &self.calls.to_string(),
            ])
            .args(["-trace_err", "-error_file", &errors.display().to_string()])
            .args(["-t", if self.is_tcp { "t1" } else { "u1" }])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running {
            peer: Peer::start(&mut command),
            errors,
        }
    }
}

/// A SIPp phone that answers every call after `ring_ms`; keeps running until dropped.
pub fn phone(folder: &Path, ring_ms: u32) -> (Peer, u16) {
    phone_with(folder, &PHONE.replace("RING_MS", &ring_ms.to_string()))
}

/// A SIPp phone that rings until it is cancelled.
pub fn ringing_phone(folder: &Path) -> (Peer, u16) {
    phone_with(folder, RINGING_PHONE)
}

/// A SIPp phone that answers at once and sends back all the audio it hears. Logs no messages.
/// The second port is its media port: one socket for all its calls.
#[allow(dead_code, reason = "for benches/load.rs, which shares this module")]
pub fn echoing_phone(folder: &Path) -> (Peer, u16, u16) {
    let port = super::free_port();
    let scenario = folder.join(format!("phone-{port}.xml"));
    std::fs::write(&scenario, PHONE.replace("RING_MS", "50")).expect("scenario");
    let media = super::free_ports(MEDIA_PORTS);
    let mut command = Command::new("sipp");
    command
        .args([
            "-sf",
            &scenario.display().to_string(),
            "-i",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-nostdin",
        ])
        .args(["-mp", &media.to_string(), "-rtp_echo"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let peer = Peer::start(&mut command);
    super::wait_until_bound(port);
    (peer, port, media)
}

/// As [`phone`], on this loopback address, and it sends back all the audio it hears.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn echo_on(folder: &Path, address: std::net::IpAddr, ring_ms: u32) -> (Peer, u16) {
    let text = PHONE.replace("RING_MS", &ring_ms.to_string());
    phone_that(folder, address, &text, "u1", &["-rtp_echo"])
}

/// As [`phone`], on this loopback address.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn phone_on(folder: &Path, address: std::net::IpAddr, ring_ms: u32) -> (Peer, u16) {
    phone_at(
        folder,
        address,
        &PHONE.replace("RING_MS", &ring_ms.to_string()),
        "u1",
    )
}

/// A phone's scenario that keeps the route which proxies record.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn routed_phone(ring_ms: u32) -> String {
    PHONE.replace("RING_MS", &ring_ms.to_string()).replace(
        "[last_CSeq:]\nContact",
        "[last_CSeq:]\n[last_Record-Route:]\nContact",
    )
}

/// A SIPp phone with this scenario that listens on TCP.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn phone_over_tcp(folder: &Path, text: &str) -> (Peer, u16) {
    phone_at(folder, std::net::Ipv4Addr::LOCALHOST.into(), text, "t1")
}

/// A SIPp phone with this scenario.
pub fn phone_with(folder: &Path, text: &str) -> (Peer, u16) {
    phone_at(folder, std::net::Ipv4Addr::LOCALHOST.into(), text, "u1")
}

fn phone_at(folder: &Path, address: std::net::IpAddr, text: &str, transport: &str) -> (Peer, u16) {
    phone_that(folder, address, text, transport, &[])
}

/// With more arguments of SIPp.
fn phone_that(
    folder: &Path,
    address: std::net::IpAddr,
    text: &str,
    transport: &str,
    more: &[&str],
) -> (Peer, u16) {
    let port = super::free_port();
    let scenario = folder.join(format!("phone-{port}.xml"));
    std::fs::write(&scenario, text).expect("scenario");
    let mut command = Command::new("sipp");
    command
        .args([
            "-sf",
            &scenario.display().to_string(),
            "-i",
            &address.to_string(),
            "-p",
            &port.to_string(),
            "-nostdin",
        ])
        .args([
            "-mp",
            &super::free_ports(MEDIA_PORTS).to_string(),
            "-t",
            transport,
        ])
        .args(more)
        .args([
            "-trace_msg",
            "-message_file",
            &folder.join(format!("phone-{port}.msg")).display().to_string(),
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let peer = Peer::start(&mut command);
    super::wait_until_bound(port);
    (peer, port)
}

/// Everything the phone on `port` received and sent.
pub fn phone_messages(folder: &Path, port: u16) -> String {
    std::fs::read_to_string(folder.join(format!("phone-{port}.msg"))).unwrap_or_default()
}

pub struct Running {
    peer: Peer,
    errors: std::path::PathBuf,
}

impl Running {
    pub fn finish(mut self) -> (ExitStatus, String) {
        let status = super::wait_for("SIPp to end", Duration::from_secs(90), || {
            self.peer.0.try_wait().ok().flatten()
        });
        (status, std::fs::read_to_string(&self.errors).unwrap_or_default())
    }
}

/// A caller that plays `FILE` (raw mu-law) for `TALK_MS`, then hangs up. `EXTRA` stands for further header lines.
pub fn talking_caller(file: &str, talk_ms: u32, extra: &str) -> String {
    CALLER
        .replace("FILE", file)
        .replace("TALK_MS", &talk_ms.to_string())
        .replace("EXTRA\n", extra)
}

/// The same without audio of its own.
#[allow(dead_code, reason = "for the wire tests; benches/load.rs shares this module")]
pub fn silent_caller(talk_ms: u32) -> String {
    let play = "  <nop><action><exec rtp_stream=\"FILE,1,0,PCMU/8000\"/></action></nop>\n";
    talking_caller("", talk_ms, "").replace(&play.replace("FILE", ""), "")
}

const CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="talking caller">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Test Caller" <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
EXTRA
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Test Caller" <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <nop><action><exec rtp_stream="FILE,1,0,PCMU/8000"/></action></nop>
  <pause milliseconds="TALK_MS"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Test Caller" <sip:+14045550123@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"#;

/// Rings, hangs up while it rings.
pub const CANCELLING_CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="cancelling caller">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+14045550124@[local_ip]:[local_port]>;tag=[pid]b[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
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
  <recv response="180"/>
  <pause milliseconds="300"/>
  <send retrans="500"><![CDATA[
CANCEL sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-4]
From: <sip:+14045550124@[local_ip]:[local_port]>;tag=[pid]b[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 CANCEL
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
  <recv response="487"/>
  <send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
From: <sip:+14045550124@[local_ip]:[local_port]>;tag=[pid]b[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
"#;

const PHONE: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="phone">
  <recv request="INVITE"/>
  <send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]p[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

]]></send>
  <pause milliseconds="RING_MS"/>
  <send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]p[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv request="ACK" rtd="true"/>
  <recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"#;

const RINGING_PHONE: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="ringing phone">
  <recv request="INVITE"/>
  <send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]r[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

]]></send>
  <recv request="CANCEL"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]r[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <send><![CDATA[
SIP/2.0 487 Request Terminated
[last_Via:]
[last_From:]
[last_To:];tag=[pid]r[call_number]
[last_Call-ID:]
CSeq: 1 INVITE
Content-Length: 0

]]></send>
  <recv request="ACK"/>
</scenario>
"#;
