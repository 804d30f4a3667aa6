//! A call comes in over SIP, is kept, and is erased: afterwards neither the files of the store (of SQLite, or of Redis and whatever it answers)
//! nor the log hold its number or name.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::redis_server::RedisServer;
use crate::sip_text::{self, Message};
use crate::support::gateway::Gateway;
use crate::support::{folder, free_ports, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const NUMBER: &str = "+14045550187";
const NAME: &str = "Wilhelmina Quartz";

fn gateway(store: Option<String>) -> Gateway {
    let folder = folder("erased-call");
    let media = free_ports(40);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@127.0.0.1:9\"]\n\
         [voice]\nmodel = \"off\"\n[media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = {:?}\ncalls_days = 30\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 39,
        store.unwrap_or_else(|| format!("sqlite:{}", folder.join("ringward.db").display())),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    Gateway::run(folder, &["serve", "--config", &file.display().to_string()])
}

/// Calls until it is over: nobody is at the desk.
fn call(gateway: &Gateway) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout");
    let here = socket.local_addr().expect("an address");
    let target = format!("sip:+12125550100@{}", gateway.udp);
    let headers = [
        ("Via", format!("SIP/2.0/UDP {here};branch=z9hG4bKerased;rport")),
        ("Max-Forwards", "70".into()),
        ("From", format!("\"{NAME}\" <sip:{NUMBER}@{here}>;tag=erased")),
        ("To", format!("<{target}>")),
        ("Call-ID", format!("erased-{}", here.port())),
        ("CSeq", "1 INVITE".into()),
        ("Contact", format!("<sip:{NUMBER}@{here}>")),
    ];
    let body = sip_text::sdp(here, 1, "sendrecv");
    let invite = sip_text::write(
        &format!("INVITE {target} SIP/2.0"),
        &headers,
        Some(("application/sdp", body.as_str())),
    );
    wait_for("the end of the call", PATIENCE, || {
        socket.send_to(&invite, gateway.udp).expect("sent");
        let mut octets = [0; 65_535];
        while let Ok((length, _)) = socket.recv_from(&mut octets) {
            if Message::read(&octets[..length]).status() >= Some(300) {
                return Some(());
            }
        }
        None
    });
}

/// The files below a folder in which one of these stands, but the configuration.
fn holding(folder: &Path, what: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, what));
        } else if let Ok(octets) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&octets);
            if what.iter().any(|what| text.contains(what)) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// A call is kept, found by its number, and erased; gives how it is shown afterwards.
fn keep_and_erase(gateway: &Gateway) -> Value {
    call(gateway);
    assert_eq!(gateway.ended_calls(1)[0]["caller"], NUMBER);
    let by_number = format!("/api/v1/calls?number=%2B{}", &NUMBER[1..]);
    let id = gateway.get(&by_number)["calls"][0]["id"].clone();
    let ask = json!({ "number": NUMBER, "why": "request 20" }).to_string();
    let (status, body) = gateway.request("POST", "/api/v1/erasures", Some(&ask));
    assert_eq!(status, 200, "{body}");
    let done: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&done["calls"], &done["is_scrubbed"]),
        (&json!(1), &json!(true)),
        "{done}"
    );
    assert_eq!(gateway.get(&by_number)["calls"], json!([]));
    assert_eq!(gateway.get("/api/v1/audit/verify")["is_whole"], true);
    gateway.get(&format!("/api/v1/calls/{}/why", id.as_str().expect("an id")))
}

fn check_erased(why: &Value) {
    let text = why.to_string();
    assert!(!text.contains(&NUMBER[1..]) && !text.contains(NAME), "{text}");
    assert!(
        why["call"]["erased_ms"].is_u64() && why["decisions"] == json!([]),
        "{text}"
    );
    assert_eq!(why["call"]["queue"], "front-desk");
}

#[test]
fn an_erased_call_is_nowhere_in_the_file_of_the_store_nor_in_the_log() {
    let mut gateway = gateway(None);
    check_erased(&keep_and_erase(&gateway));
    assert_eq!(holding(&gateway.folder, &[&NUMBER[1..], NAME]), [""; 0]);
    assert!(!gateway.log().contains(&NUMBER[1..]));
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for_exit(PATIENCE), 0);
    assert_eq!(holding(&gateway.folder, &[&NUMBER[1..], NAME]), [""; 0]);
}

/// Everything a Redis answers for every key of a database, as it came.
fn everything(url: &str) -> String {
    let (place, rest) = url
        .trim_start_matches("redis://")
        .split_once('/')
        .expect("a database");
    let database = rest.split('?').next().expect("its number").to_string();
    let mut stream = TcpStream::connect(place).expect("Redis");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut ask = |command: &str| {
        // What comes before this word is the answer.
        stream
            .write_all(format!("{command}\r\nECHO end-of-answer\r\n").as_bytes())
            .expect("asked");
        let (mut answer, mut some) = (Vec::new(), [0; 65_536]);
        while !answer.ends_with(b"end-of-answer\r\n") {
            let read = stream.read(&mut some).expect("an answer");
            assert!(read > 0, "Redis hung up");
            answer.extend_from_slice(&some[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    ask(&format!("SELECT {database}"));
    let keys = ask("KEYS *");
    let mut all = keys.clone();
    for key in keys.lines().filter(|line| line.starts_with("ringward:")) {
        for question in [
            "GET {}",
            "HGETALL {}",
            "SMEMBERS {}",
            "ZRANGE {} 0 -1",
            "XRANGE {} - +",
        ] {
            all += &ask(&question.replace("{}", key));
        }
    }
    all
}

#[test]
fn an_erased_call_is_nowhere_in_redis_and_in_none_of_its_files() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = server.url("one");
    let mut gateway = gateway(Some(url.clone()));
    check_erased(&keep_and_erase(&gateway));
    let what = [&NUMBER[1..], NAME];
    let told = everything(&url);
    assert!(
        told.contains("ringward:sealed") && told.contains("front-desk"),
        "{told}"
    );
    assert!(!what.iter().any(|what| told.contains(what)), "{told}");
    // Redis takes its old files away behind what it does.
    wait_for("files without the number", PATIENCE, || {
        holding(server.folder(), &what).is_empty().then_some(())
    });
    assert_eq!(holding(&gateway.folder, &what), [""; 0]);
    assert!(!gateway.log().contains(&NUMBER[1..]));
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for_exit(PATIENCE), 0);
    assert_eq!(holding(server.folder(), &what), [""; 0]);
}
