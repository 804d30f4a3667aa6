//! Ringward's column of `docs/verifier-matrix.md`: every hostile call gets the answer that a correct verifier must give.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringward::identity::Standing;

use crate::matrix::authority::{Lists, World};
use crate::matrix::host::Hosts;
use crate::matrix::message::Invite;
use crate::matrix::peers::ringward::{Judged, Ringward};
use crate::matrix::{Repeat, Stage, cases, list_file, write_files};
use crate::support;
use crate::support::gateway::{Gateway, Setup};

#[test]
fn every_call_of_the_matrix_gets_the_answer_of_a_correct_verifier() {
    let now = seconds();
    let world = World::new(now);
    let hosts = Hosts::start(now).unwrap();
    let folder = support::folder("verifier-matrix");
    write_files(&folder, &world, &hosts).unwrap();
    let ringward = Ringward::new(folder, &hosts).unwrap();
    let mut wrong = Vec::new();
    for case in cases::all().iter().flat_map(|group| &group.cases) {
        let stage = Stage {
            world: &world,
            hosts: &hosts,
            now: seconds(),
        };
        let mut scene = (case.build)(&stage);
        scene.invite.call_id = case.name.to_string();
        let judged = ringward.judge(&scene, stage.now).unwrap();
        if !judged.is_as_it_must(case.must) {
            wrong.push(format!(
                "{}: must be {}, is {:?}",
                case.name,
                case.must.words(),
                judged.report
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_call_of_the_matrix_comes_out_the_same_in_the_running_gateway() {
    let now = seconds();
    let world = World::new(now);
    let hosts = Hosts::start(now).unwrap();
    let folder = support::folder("verifier-matrix-gateway");
    write_files(&folder, &world, &hosts).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let gateway = Gateway::start(&Setup {
        name: "verifier-matrix-gateway",
        targets: &[format!("sip:desk@127.0.0.1:{}", busy_phone())],
        queue: "",
        more: &format!(
            "[identity]\nanchors = [{:?}]\ncrls = [{:?}]\nx5u_allow = {:?}\nx5u_tls_anchors = [{:?}]\n",
            path("anchors.pem"),
            path(list_file(Lists::Current)),
            hosts.allowed(),
            path("web.pem"),
        ),
    });
    let mut wrong = Vec::new();
    let mut last = String::new();
    for case in cases::all().iter().flat_map(|group| &group.cases) {
        // A busy machine may not fetch within the gateway's budget; that alone is asked again.
        for is_last_try in [false, false, true] {
            let stage = Stage {
                world: &world,
                hosts: &hosts,
                now: seconds(),
            };
            let mut scene = (case.build)(&stage);
            // Another list is another configuration; that a token is used twice is told in `tests/calls`.
            if scene.lists != Lists::Current || scene.repeat != Repeat::No {
                break;
            }
            scene.invite.call_id = format!("{}-{}", case.name, last);
            if scene.invite.body.is_none() {
                scene.invite = scene.invite.with_body(None);
            }
            let status = call(&gateway, &scene.invite);
            assert!(status >= 480, "{}: {status}", case.name);
            let judged = judged(&gateway, case.name, &mut last);
            if judged.is_as_it_must(case.must) {
                break;
            }
            if is_last_try || judged.report.standing != Standing::Unchecked {
                wrong.push(format!(
                    "{}: must be {}, is {:?}",
                    case.name,
                    case.must.words(),
                    judged.report
                ));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the record of the newest call says of its signature. `last` is the call before it.
fn judged(gateway: &Gateway, name: &str, last: &mut String) -> Judged {
    let newest = || {
        let calls = gateway.get("/api/v1/calls?limit=1");
        let call = &calls["calls"][0];
        let id = call["id"].as_str().unwrap_or_default().to_string();
        (id != *last && call["state"] == "ended").then_some(id)
    };
    let id = support::wait_for(name, Duration::from_secs(5), newest);
    let report = gateway.get(&format!("/api/v1/calls/{id}/why"))["identity"].take();
    *last = id;
    Judged {
        report: serde_json::from_value(report).unwrap(),
        is_reused: false,
    }
}

/// A phone that is always busy: every call of this test ends at once.
fn busy_phone() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut octets = vec![0; 65_536];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            let request = String::from_utf8_lossy(&octets[..count]).into_owned();
            if !request.starts_with("INVITE") {
                continue;
            }
            let lines = |name: &str| -> String {
                let named = request.lines().filter(|line| line.starts_with(name));
                named.map(|line| format!("{line}\r\n")).collect()
            };
            let to = lines("To:").trim_end().to_string();
            let answer = format!(
                "SIP/2.0 486 Busy Here\r\n{}{}{to};tag=busy\r\n{}{}Content-Length: 0\r\n\r\n",
                lines("Via:"),
                lines("From:"),
                lines("Call-ID:"),
                lines("CSeq:"),
            );
            if socket.send_to(answer.as_bytes(), from).is_err() {
                return;
            }
        }
    });
    port
}

/// Makes the call; its final status.
fn call(gateway: &Gateway, invite: &Invite) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let via = socket.local_addr().unwrap().to_string();
    let text = invite.text(&via);
    socket.send_to(text.as_bytes(), gateway.udp).unwrap();
    let mut octets = vec![0; 65_536];
    loop {
        let count = socket.recv(&mut octets).expect("an answer");
        let answer = String::from_utf8_lossy(&octets[..count]).into_owned();
        let status: u16 = answer
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .unwrap();
        if status < 200 {
            continue;
        }
        let to = answer.lines().find(|line| line.starts_with("To:")).unwrap();
        let (_, rest) = text.split_once("\r\n").unwrap();
        let kept = rest
            .split("\r\n")
            .take_while(|line| !line.is_empty())
            .filter(|line| {
                ["Via:", "From:", "Call-ID:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            });
        let ack = format!(
            "ACK {} SIP/2.0\r\n{}\r\n{to}\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            invite.request_uri,
            kept.collect::<Vec<_>>().join("\r\n")
        );
        socket.send_to(ack.as_bytes(), gateway.udp).unwrap();
        return status;
    }
}

#[test]
fn the_document_has_every_call_of_the_program_once() {
    let document = include_str!("../../docs/verifier-matrix.md");
    let mut names = BTreeSet::new();
    let mut good = 0;
    for case in cases::all().iter().flat_map(|group| &group.cases) {
        assert!(names.insert(case.name), "{} stands twice", case.name);
        assert_eq!(
            document.matches(&format!("\n| `{}` |", case.name)).count(),
            1,
            "{}: run `cargo run --example verifier_matrix -- --out docs/verifier-matrix.md`",
            case.name
        );
        good += usize::from(case.must.is_good());
    }
    assert!(names.len() - good >= 60, "{} hostile calls", names.len() - good);
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
