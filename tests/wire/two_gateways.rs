//! Two gateways on one Redis, as their operators meet them: each shows the calls of both, and what is changed at one holds at
//! the other; when Redis is away both go on.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::sip_text::{self, Message};
use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports, wait_for};

const PATIENCE: Duration = Duration::from_secs(15);

fn gateway(node: &str, url: &str, desk: SocketAddr, token: Option<&str>) -> Gateway {
    let folder = folder(&format!("gateway-{node}"));
    let media = free_ports(40);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@{desk}\"]\nring = \"120s\"\n\
         [voice]\nmodel = \"off\"\n[media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = {url:?}\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 39,
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    Gateway::run_as(folder, &["serve", "--config", &file.display().to_string()], token)
}

/// A phone that rings, and that nobody answers; until it is dropped.
pub struct Desk {
    pub address: SocketAddr,
    is_over: Arc<AtomicBool>,
    rings: Option<JoinHandle<()>>,
}

impl Desk {
    pub fn start() -> Desk {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        let address = socket.local_addr().expect("an address");
        let is_over = Arc::new(AtomicBool::new(false));
        let rings = std::thread::spawn({
            let is_over = is_over.clone();
            move || {
                let mut octets = [0; 65_535];
                while !is_over.load(Ordering::Relaxed) {
                    if let Ok((length, from)) = socket.recv_from(&mut octets) {
                        let request = Message::read(&octets[..length]);
                        for (status, method) in answers(&request) {
                            let answer = answer(&request, status, method, address);
                            socket.send_to(&answer, from).expect("sent");
                        }
                    }
                }
            }
        });
        Desk {
            address,
            is_over,
            rings: Some(rings),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(rings) = self.rings.take() {
            let _ = rings.join();
        }
    }
}

/// What a phone that rings says to a request: status, and to which method.
fn answers(request: &Message) -> Vec<(&'static str, &'static str)> {
    if request.status().is_some() {
        return Vec::new();
    }
    match request.method() {
        "INVITE" => vec![("180 Ringing", "INVITE")],
        "CANCEL" => vec![("200 OK", "CANCEL"), ("487 Request Terminated", "INVITE")],
        "OPTIONS" => vec![("200 OK", "OPTIONS")],
        _ => Vec::new(),
    }
}

fn answer(request: &Message, status: &str, method: &str, here: SocketAddr) -> Vec<u8> {
    let mut headers: Vec<(&str, String)> = request.all("Via").map(|via| ("Via", via.to_string())).collect();
    headers.extend([
        ("From", request.must("From").to_string()),
        ("To", format!("{};tag=desk", request.must("To"))),
        ("Call-ID", request.must("Call-ID").to_string()),
        ("CSeq", format!("{} {method}", request.cseq())),
        ("Contact", format!("<sip:desk@{here}>")),
    ]);
    sip_text::write(&format!("SIP/2.0 {status}"), &headers, None)
}

/// Somebody who calls.
pub struct Caller {
    socket: UdpSocket,
    calls: u32,
}

impl Caller {
    fn new() -> Caller {
        Caller::at([127, 0, 0, 1].into())
    }

    pub fn at(address: IpAddr) -> Caller {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        Caller { socket, calls: 0 }
    }

    /// The first answer but 100, of this call or of one before.
    pub fn call(&mut self, gateway: &Gateway, number: &str) -> u16 {
        self.calls += 1;
        let here = self.socket.local_addr().expect("an address");
        let target = format!("sip:+12125550100@{}", gateway.udp);
        let call_id = format!("two-{}-{}", here.port(), self.calls);
        let headers = [
            ("Via", format!("SIP/2.0/UDP {here};branch=z9hG4bK{call_id};rport")),
            ("Max-Forwards", "70".into()),
            ("From", format!("<sip:{number}@{here}>;tag={call_id}")),
            ("To", format!("<{target}>")),
            ("Call-ID", call_id.clone()),
            ("CSeq", "1 INVITE".into()),
            ("Contact", format!("<sip:hand@{here}>")),
        ];
        let body = sip_text::sdp(here, 1, "sendrecv");
        let invite = sip_text::write(
            &format!("INVITE {target} SIP/2.0"),
            &headers,
            Some(("application/sdp", body.as_str())),
        );
        wait_for("an answer to an INVITE", PATIENCE, || {
            self.socket.send_to(&invite, gateway.udp).expect("sent");
            let mut octets = [0; 65_535];
            while let Ok((length, _)) = self.socket.recv_from(&mut octets) {
                let answer = Message::read(&octets[..length]);
                let is_this = answer.header("Call-ID") == Some(call_id.as_str());
                if let Some(status) = answer.status().filter(|status| is_this && *status > 100) {
                    return Some(status);
                }
            }
            None
        })
    }
}

fn list(gateway: &Gateway, path: &str) -> Vec<Value> {
    let (status, body) = gateway.request("GET", path, None);
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let calls = body["calls"].as_array().cloned().unwrap_or_default();
    if status == 200 { calls } else { Vec::new() }
}

fn post(gateway: &Gateway, path: &str, body: &Value) -> (u16, Value) {
    let (status, body) = gateway.request("POST", path, Some(&body.to_string()));
    (status, serde_json::from_str(&body).unwrap_or_default())
}

#[test]
fn what_happens_at_one_is_seen_and_holds_at_the_other_and_both_go_on_without_redis() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let phone = Desk::start();
    let desk = phone.address;
    let url = server.url("left");
    let left = gateway("left", &url, desk, None);
    let right = gateway("right", &url.replace("left", "right"), desk, Some(&left.token));
    let mut caller = Caller::new();

    // Wrong passwords at one count at the other; they are told before a call that begins after them.
    let guess = json!({ "name": "ann", "password": "not the password" });
    for _ in 0..5 {
        assert_eq!(post(&left, "/api/v1/session", &guess).0, 401);
    }
    assert_eq!(post(&left, "/api/v1/session", &guess).0, 429);

    // The console of either shows all calls, and can end them.
    let ringing = "+14045550123";
    assert!(caller.call(&left, ringing) < 200);
    let live = "/api/v1/calls?state=live";
    let shown = wait_for("the call at the other gateway", PATIENCE, || {
        list(&right, live).pop()
    });
    assert_eq!(post(&right, "/api/v1/session", &guess).0, 429, "never tried here");
    let id = shown["id"].as_str().expect("an id");
    let action = json!({ "do": "hang_up" });
    assert_eq!(
        post(&right, &format!("/api/v1/calls/{id}/actions"), &action).0,
        202
    );
    for gateway in [&left, &right] {
        let calls = gateway.ended_calls(1);
        assert_eq!(calls[0]["id"], id);
        wait_for("the end of the call", PATIENCE, || {
            list(gateway, live).is_empty().then_some(())
        });
    }

    // A number that is blocked at one is refused at the other; what is live is live at both.
    let blocked = "+14045550199";
    let entry = json!({ "numbers": [blocked], "reason": "threats" });
    assert_eq!(post(&left, "/api/v1/lists/block/entries", &entry).0, 201);
    wait_for("a refusal at the other gateway", PATIENCE, || {
        (caller.call(&right, blocked) >= 600).then_some(())
    });
    let policy = ringward::policy::shipped("observe").expect("it is shipped").text;
    let (_, saved) = post(
        &right,
        "/api/v1/policies",
        &json!({ "text": policy, "reason": "a first week" }),
    );
    let number = saved["number"].as_u64().expect("a number");
    let activate = json!({ "reason": "a first week" });
    assert_eq!(
        post(&right, &format!("/api/v1/policies/{number}/activate"), &activate).0,
        200
    );
    wait_for("the policy at the other gateway", PATIENCE, || {
        (left.get("/api/v1/policies")["live"].as_u64() == Some(number)).then_some(())
    });
    // It watches and refuses nothing.
    wait_for("a call that is let through", PATIENCE, || {
        (caller.call(&left, blocked) < 200).then_some(())
    });

    // Redis goes away: calls come in, their records lie here, the status says so.
    server.kill();
    assert!(caller.call(&left, ringing) < 200, "calls go on");
    let mine = list(&left, live);
    assert!(!mine.is_empty());
    for call in &mine {
        let path = format!("/api/v1/calls/{}/actions", call["id"].as_str().expect("an id"));
        post(&left, &path, &action);
    }
    let status = |gateway: &Gateway| gateway.get("/api/v1/status")["store"].clone();
    wait_for("records in the spool", PATIENCE, || {
        let store = status(&left);
        (store["is_writing"] == false && store["spooled"].as_u64() >= Some(1)).then_some(())
    });
    assert_eq!(left.request("GET", "/readyz", None).0, 503);
    assert_eq!(post(&left, "/api/v1/lists/block/entries", &entry).0, 503);

    // And comes back.
    server.start_again();
    wait_for("the spool in Redis", PATIENCE, || {
        let store = status(&left);
        (store["is_writing"] == true && store["spooled"] == 0).then_some(())
    });
    for call in &mine {
        let path = format!("/api/v1/calls/{}", call["id"].as_str().expect("an id"));
        wait_for("the record at the other gateway", PATIENCE, || {
            (right.request("GET", &path, None).0 == 200).then_some(())
        });
    }
    assert_eq!(status(&left)["lost"], 0);
}
