//! A lockdown of a gateway that runs, end to end: calls come in and ring, and nothing else goes on.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::redis_server::RedisServer;
use crate::registered_phones::{answer, gateway, register, wait_for_registered};
use crate::sip_text::{self, Message};
use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports, ringward, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
/// The trunk's address, and one that is no phone's.
const TRUNK: &str = "127.0.0.2";
const ELSEWHERE: &str = "127.0.0.9";

/// A phone that answers every call and, once it has one, sends it on; until it is dropped.
struct Phone {
    is_over: Arc<AtomicBool>,
    /// What its last REFER was answered; 0 = nothing yet.
    refer: Arc<AtomicU16>,
    runs: Option<JoinHandle<()>>,
}

impl Phone {
    fn start(socket: UdpSocket) -> Phone {
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time-out");
        let (is_over, refer) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU16::new(0)));
        let runs = std::thread::spawn({
            let (is_over, refer) = (is_over.clone(), refer.clone());
            move || {
                let mut octets = [0; 65_535];
                let mut invite = None;
                while !is_over.load(Ordering::Relaxed) {
                    let Ok((length, from)) = socket.recv_from(&mut octets) else {
                        continue;
                    };
                    let message = Message::read(&octets[..length]);
                    let here = socket.local_addr().expect("an address");
                    let is_refers = message.must("CSeq").ends_with("REFER");
                    if let Some(status) = message.status() {
                        if is_refers && status >= 200 {
                            refer.store(status, Ordering::Relaxed);
                        }
                        continue;
                    }
                    let sent = match message.method() {
                        "INVITE" => {
                            let sent = reply(&message, here, Some(&sip_text::sdp(here, 1, "sendrecv")));
                            invite = Some(message);
                            sent
                        }
                        "ACK" => match &invite {
                            Some(invite) => refers(invite, here),
                            None => continue,
                        },
                        _ => reply(&message, here, None),
                    };
                    socket.send_to(&sent, from).expect("sent");
                }
            }
        });
        Phone {
            is_over,
            refer,
            runs: Some(runs),
        }
    }

    /// What the REFER of the next call is answered.
    fn refused(&self) -> u16 {
        wait_for("an answer to REFER", PATIENCE, || {
            Some(self.refer.swap(0, Ordering::Relaxed)).filter(|status| *status > 0)
        })
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(runs) = self.runs.take() {
            let _ = runs.join();
        }
    }
}

/// 200 to a request.
fn reply(request: &Message, here: SocketAddr, sdp: Option<&str>) -> Vec<u8> {
    let mut headers: Vec<(&str, String)> = request.all("Via").map(|via| ("Via", via.to_string())).collect();
    let to = request.must("To");
    let to = if to.contains(";tag=") {
        to.to_string()
    } else {
        format!("{to};tag=desk")
    };
    headers.extend([
        ("From", request.must("From").to_string()),
        ("To", to),
        ("Call-ID", request.must("Call-ID").to_string()),
        ("CSeq", request.must("CSeq").to_string()),
        ("Contact", format!("<sip:desk-1@{here}>")),
    ]);
    sip_text::write(
        "SIP/2.0 200 OK",
        &headers,
        sdp.map(|sdp| ("application/sdp", sdp)),
    )
}

/// The REFER of a phone that has answered this INVITE: to a number that is no secret.
fn refers(invite: &Message, here: SocketAddr) -> Vec<u8> {
    let target = invite
        .must("Contact")
        .trim_start_matches('<')
        .split('>')
        .next()
        .expect("a URI");
    let headers = [
        (
            "Via",
            format!(
                "SIP/2.0/UDP {here};branch=z9hG4bK-refer-{}",
                invite.must("Call-ID")
            ),
        ),
        ("Max-Forwards", "70".into()),
        ("From", format!("{};tag=desk", invite.must("To"))),
        ("To", invite.must("From").to_string()),
        ("Call-ID", invite.must("Call-ID").to_string()),
        ("CSeq", "7 REFER".into()),
        ("Contact", format!("<sip:desk-1@{here}>")),
        ("Refer-To", "<sip:desk-1@127.0.0.1>".into()),
    ];
    sip_text::write(&format!("REFER {target} SIP/2.0"), &headers, None)
}

/// A call over the trunk: the status of its answer; it is acknowledged and ended after `meanwhile`.
fn call(gateway: SocketAddr, name: &str, meanwhile: impl FnOnce()) -> u16 {
    let socket = UdpSocket::bind((TRUNK, 0)).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a time-out");
    let here = socket.local_addr().expect("an address");
    let target = format!("sip:+12125550100@{gateway}");
    let request = |method: &str, cseq: u32, to: &str, line: &str, sdp: Option<&str>| {
        let headers = [
            (
                "Via",
                format!("SIP/2.0/UDP {here};branch=z9hG4bK{name}{cseq}{method};rport"),
            ),
            ("Max-Forwards", "70".into()),
            ("From", format!("<sip:+14045550123@{here}>;tag={name}")),
            ("To", to.to_string()),
            ("Call-ID", format!("lockdown-{name}")),
            ("CSeq", format!("{cseq} {method}")),
            ("Contact", format!("<sip:hand@{here}>")),
        ];
        sip_text::write(
            &format!("{method} {line} SIP/2.0"),
            &headers,
            sdp.map(|sdp| ("application/sdp", sdp)),
        )
    };
    let to = format!("<{target}>");
    let invite = request(
        "INVITE",
        1,
        &to,
        &target,
        Some(&sip_text::sdp(here, 1, "sendrecv")),
    );
    let final_to = |sent: &[u8], method: &str| {
        wait_for(&format!("an answer to {method}"), PATIENCE, || {
            socket.send_to(sent, gateway).expect("sent");
            let mut octets = [0; 65_535];
            while let Ok((length, _)) = socket.recv_from(&mut octets) {
                let message = Message::read(&octets[..length]);
                let is_final = message.status().is_some_and(|status| status >= 200);
                if is_final && message.must("CSeq").ends_with(method) {
                    return Some(message);
                }
            }
            None
        })
    };
    let answered = final_to(&invite, "INVITE");
    let status = answered.status().expect("a response");
    let to = answered.must("To").to_string();
    if status != 200 {
        socket
            .send_to(&request("ACK", 1, &to, &target, None), gateway)
            .expect("sent");
        return status;
    }
    let contact = answered.must("Contact").trim_start_matches('<').split('>').next();
    let contact = contact.expect("a URI").to_string();
    socket
        .send_to(&request("ACK", 1, &to, &contact, None), gateway)
        .expect("sent");
    meanwhile();
    final_to(&request("BYE", 2, &to, &contact, None), "BYE");
    status
}

/// A phone of that address registers with the right secret: what it is answered.
fn registers(socket: &UdpSocket, gateway: SocketAddr, cseq: u32, secret: &str) -> String {
    let asked = register(socket, gateway, cseq, "").expect("an answer");
    assert!(asked.starts_with("SIP/2.0 401 "), "{asked}");
    let proof = answer(&asked, gateway, secret);
    register(socket, gateway, cseq + 1, &proof).expect("an answer")
}

fn bound(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket
}

/// With the token it was started with: what is answered to that.
fn post(gateway: &Gateway, path: &str, body: &serde_json::Value) -> (u16, String) {
    gateway.request("POST", path, Some(&body.to_string()))
}

/// Until the registrar knows them.
fn wait_for_devices(gateway: &Gateway, count: u64) {
    wait_for("the registrar to know its devices", PATIENCE, || {
        (gateway.get("/api/v1/status")["gateway"]["devices"]["known"] == count).then_some(())
    });
}

fn is_locked(gateway: &Gateway) -> bool {
    !gateway.get("/api/v1/status")["gateway"]["lockdown"].is_null()
}

#[test]
fn in_a_lockdown_calls_pass_and_no_register_refer_or_old_token_does_and_one_person_cannot_undo_it() {
    let folder = folder("lockdown");
    let (mut gateway, file, secrets) = gateway(&folder, "\"device:desk-1\"", "SHA-256", &["desk-1"]);
    let body = json!({ "name": "other", "roles": ["admin"] });
    let (_, made) = post(&gateway, "/api/v1/tokens", &body);
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let other = made["token"].as_str().expect("a token").to_string();

    let desk = bound("127.0.0.1");
    assert!(registers(&desk, gateway.udp, 1, &secrets[0]).starts_with("SIP/2.0 200 "));
    wait_for_registered(&gateway, &["desk-1"]);

    let (status, body) = post(&gateway, "/api/v1/lockdown", &json!({ "why": "stolen laptop" }));
    assert_eq!(status, 200, "{body}");
    assert!(is_locked(&gateway));
    let phone = Phone::start(desk.try_clone().expect("a socket"));
    assert_eq!(
        call(gateway.udp, "during", || assert_eq!(phone.refused(), 403)),
        200
    );
    let elsewhere = bound(ELSEWHERE);
    let refused = registers(&elsewhere, gateway.udp, 1, &secrets[0]);
    assert!(
        refused.starts_with("SIP/2.0 503 ") && refused.contains("\r\nRetry-After: 60\r\n"),
        "{refused}"
    );
    let first = std::mem::replace(&mut gateway.token, other);
    assert_eq!(
        gateway.request("GET", "/api/v1/status", None).0,
        401,
        "an old token"
    );
    gateway.token = first;

    // It lasts over a restart, after which nobody is anywhere: a phone registers once it has another secret.
    let token = gateway.token.clone();
    let stop = |mut gateway: Gateway| {
        gateway.signal("TERM");
        assert_eq!(gateway.wait_for_exit(PATIENCE), 0);
        gateway.folder.clone()
    };
    let start = |folder| Gateway::run_as(folder, &["serve", "--config", &file], Some(&token));
    drop(phone);
    let gateway = start(stop(gateway));
    assert!(is_locked(&gateway));
    wait_for_devices(&gateway, 1);
    let refused = registers(&desk, gateway.udp, 11, &secrets[0]);
    assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
    let folder = stop(gateway);
    let secret = ringward(&["device", "rotate", "desk-1", "--config", &file]);
    let gateway = start(folder);
    wait_for_devices(&gateway, 1);
    let taken = registers(&desk, gateway.udp, 21, &secret);
    assert!(taken.starts_with("SIP/2.0 200 "), "{taken}");
    wait_for_registered(&gateway, &["desk-1"]);
    let phone = Phone::start(desk);
    assert_eq!(
        call(gateway.udp, "after", || assert_eq!(phone.refused(), 403)),
        200
    );

    // One person, at the console and by his token, is one person; the command line is another.
    assert_eq!(post(&gateway, "/api/v1/lockdown/undo", &json!({})).0, 200);
    assert_eq!(post(&gateway, "/api/v1/lockdown/undo/confirm", &json!({})).0, 409);
    assert!(is_locked(&gateway));
    let said = ringward(&["lockdown", "status", "--config", &file]);
    assert!(
        said.contains("stolen laptop") && said.contains("first has asked"),
        "{said}"
    );
    ringward(&["lockdown", "confirm", "--config", &file]);
    wait_for("the end of the lockdown", PATIENCE, || {
        (!is_locked(&gateway)).then_some(())
    });
    // The registrar hears of it a moment after the status.
    let mut cseq = 29;
    wait_for("a registration from elsewhere", PATIENCE, || {
        cseq += 2;
        let answered = registers(&elsewhere, gateway.udp, cseq, &secret);
        answered.starts_with("SIP/2.0 200 ").then_some(())
    });
    assert!(ringward(&["audit", "verify", "--config", &file]).contains("whole"));
}

#[test]
fn a_lockdown_ordered_at_one_gateway_is_one_at_the_other_on_the_same_redis() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = server.url("left");
    let start = |node: &str, url: &str, token: Option<&str>| {
        let folder = folder(&format!("lockdown-{node}"));
        let media = free_ports(40);
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
             [voice]\nmodel = \"off\"\n[media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
             [store]\nurl = {url:?}\n[api]\nlisten = \"127.0.0.1:0\"\n",
            media + 39,
        );
        let file = folder.join("ringward.toml");
        std::fs::write(&file, text).expect("the configuration is written");
        let file = file.display().to_string();
        (
            Gateway::run_as(folder, &["serve", "--config", &file], token),
            file,
        )
    };
    let (left, file) = start("left", &url, None);
    let body = json!({ "name": "other", "roles": ["admin"] });
    let (_, made) = post(&left, "/api/v1/tokens", &body);
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let other = made["token"].as_str().expect("a token").to_string();
    // Who asks with a token that is not known yet is soon not listened to: this one is there when the gateway starts.
    let (mut right, _) = start("right", &url.replace("left", "right"), Some(&left.token));
    let first = std::mem::replace(&mut right.token, other);
    assert_eq!(right.request("GET", "/api/v1/status", None).0, 200);
    assert_eq!(post(&left, "/api/v1/lockdown", &json!({ "why": "drill" })).0, 200);
    wait_for("the token to end there", PATIENCE, || {
        (right.request("GET", "/api/v1/status", None).0 == 401).then_some(())
    });
    right.token = first;
    wait_for("the lockdown there", PATIENCE, || is_locked(&right).then_some(()));
    ringward(&["lockdown", "undo", "--config", &file]);
    assert_eq!(post(&right, "/api/v1/lockdown/undo/confirm", &json!({})).0, 200);
    wait_for("its end here", PATIENCE, || (!is_locked(&left)).then_some(()));
}
