//! What is written on one side does not arrive on the other, but for `docs/headers.md`.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::wire::Message;
use crate::world::{World, one_desk};

const CALLER: &str = "+14045550123";
const PHONE: &str = "10.0.0.5:5060";

/// Names with a meaning, and above all with a meaning that we give ourselves.
const KNOWN: &[&str] = &[
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Remote-Party-ID",
    "P-Attestation-Info",
    "P-Attestation-Indicator",
    "P-Origination-Id",
    "Attestation-Info",
    "Origination-Id",
    "X-Twilio-VerStat",
    "Ringward-Trust",
    "Call-Info",
    "Alert-Info",
    "Privacy",
    "History-Info",
    "Diversion",
    "Subject",
    "User-to-User",
    "Accept-Language",
    "Priority",
    "Resource-Priority",
    "Retry-After",
    "Recv-Info",
    "Info-Package",
    "Content-Disposition",
    "Organization",
    "Server",
    "User-Agent",
    "Warning",
    "Reason",
    "Geolocation",
    "P-Access-Network-Info",
    "P-Charging-Vector",
    "P-Visited-Network-ID",
    "P-Early-Media",
    "P-Called-Party-ID",
    "Error-Info",
    "Reply-To",
    "Path",
    "Service-Route",
    "Security-Verify",
    "Feature-Caps",
    "Answer-Mode",
    "Record-Route",
];

/// What crosses on something, and what our own headers are called.
const FROM_CALLER: &[&str] = &["Subject", "Accept-Language", "User-to-User", "Diversion"];
const INSIDE: &[&str] = &["Retry-After", "Recv-Info", "Info-Package", "Content-Disposition"];

/// Forty known and sixty random names; every value says which side wrote it.
fn dress(from: SocketAddr, random: &mut u64) -> Vec<String> {
    let mark = if from.to_string() == PHONE { "zqb" } else { "zqa" };
    let mut next = |bound: u64| {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % bound
    };
    let mut lines = Vec::new();
    for _ in 0..40 {
        let name = KNOWN[next(KNOWN.len() as u64) as usize];
        lines.push(format!(
            "{name}: <sip:{mark}{}@{mark}.example;lr>",
            next(1_000_000)
        ));
    }
    for _ in 0..60 {
        let letters: String = (0..3 + next(12))
            .map(|_| char::from(b'a' + next(26) as u8))
            .collect();
        let prefix = ["X-", "P-", "x", ""][next(4) as usize];
        // A name of one letter has a meaning; these have four or more.
        lines.push(format!(
            "{prefix}q{letters}: \"{mark}\" {mark}{}",
            next(1_000_000)
        ));
    }
    lines
}

/// Names of the headers in which `mark` arrived at `to`, and of all headers there.
fn arrived(world: &World, to: SocketAddr, mark: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut marked, mut all) = (BTreeSet::new(), BTreeSet::new());
    for (_, octets) in world.sent.iter().filter(|(remote, _)| *remote == to) {
        let message = Message::read(octets);
        assert!(!message.start.contains(mark), "{}", message.start);
        assert!(!message.body.contains(mark), "{}", message.body);
        for (name, value) in &message.headers {
            all.insert(name.clone());
            if value.contains(mark) {
                marked.insert(name.clone());
            }
        }
    }
    (marked, all)
}

#[test]
fn of_thousands_of_headers_from_either_side_only_those_of_the_table_arrive() {
    let mut crossed: BTreeSet<String> = BTreeSet::new();
    for seed in 0..8 {
        let mut world = World::new(one_desk(), seed);
        world.dress = Some(dress);
        let plan = PhonePlan::answers_after(2.0).act(1.0, Act::Info("Signal=5".into()));
        let phone = world.phone(PHONE, plan);
        let caller = world.call(
            CallerPlan::new(CALLER)
                .act(2.0, Act::Info("Signal=1".into()))
                .act(3.0, Act::Hold)
                .act(5.0, Act::Resume)
                .act(7.0, Act::Bye),
        );
        world.run();
        let (from_caller, at_phone) = arrived(&world, phone, "zqa");
        let (from_phone, at_caller) = arrived(&world, caller, "zqb");
        let crossing: BTreeSet<String> = FROM_CALLER
            .iter()
            .chain(INSIDE)
            .map(|name| name.to_string())
            .collect();
        assert!(from_caller.is_subset(&crossing), "{from_caller:?}");
        crossed.extend(from_caller);
        let inside: BTreeSet<String> = INSIDE.iter().map(|name| name.to_string()).collect();
        assert!(from_phone.is_subset(&inside), "{from_phone:?}");
        for odd in ["History-Info", "Privacy", "Organization", "Geolocation"] {
            assert!(!at_phone.contains(odd) && !at_caller.contains(odd), "{odd}");
        }
    }
    for name in FROM_CALLER {
        assert!(crossed.contains(*name), "what may cross does: {name}");
    }
}

#[test]
fn where_people_are_stays_on_their_side() {
    let mut world = World::new(one_desk(), 3);
    let phone = world.phone(PHONE, PhonePlan::answers_after(1.0));
    let body = "v=0\r\no=secretuser 1 1 IN IP4 192.0.2.77\r\ns=secretsubject\r\ni=secretinfo\r\nu=http://secret.example\r\n\
                e=secret@example.com\r\np=+1 404 555 0123\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\nk=clear:secret\r\n\
                m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.77\r\na=rtcp:4001 IN IP4 192.0.2.77\r\n\
                a=candidate:1 1 UDP 1 192.0.2.77 4000 typ host\r\n";
    let mut plan = CallerPlan::new(CALLER)
        .header("Via", "SIP/2.0/UDP secret.example;branch=z9hG4bKsecret")
        .header("Record-Route", "<sip:203.0.113.7:5060;lr;secret>")
        .header("User-Agent", "secret")
        .header("Organization", "secret")
        .act(3.0, Act::Bye);
    plan.body = Some(("application/sdp", body.into()));
    let caller = world.call(plan);
    world.run();
    let call_id = world.line(caller).invite.must("Call-ID").to_string();
    let mut seen = 0;
    for (to, octets) in &world.sent {
        let text = String::from_utf8(octets.clone()).unwrap();
        if *to == phone {
            seen += 1;
            for hidden in ["secret", "192.0.2.77", "203.0.113.7", "404 555", &call_id] {
                assert!(!text.contains(hidden), "{hidden} in {text}");
            }
        } else {
            assert!(!text.contains("10.0.0.5"), "the phone's address in {text}");
        }
    }
    assert!(seen >= 3, "INVITE, ACK and BYE");
}

#[test]
fn privacy_is_kept_towards_the_phones_however_it_is_asked_for() {
    let shown = |privacy: Option<&str>| {
        let mut world = World::new(one_desk(), 5);
        let phone = world.phone(PHONE, PhonePlan::answers_after(1.0));
        let mut plan = CallerPlan::new("anonymous")
            .header(
                "P-Asserted-Identity",
                "\"Alice\" <sip:+14045550123@carrier.example>",
            )
            .header("Diversion", "<sip:+14045550199@carrier.example>;reason=busy");
        plan.from = "\"Alice\" <sip:+14045550123@carrier.example>".into();
        if let Some(privacy) = privacy {
            plan = plan.header("Privacy", privacy);
        }
        world.call(plan.act(3.0, Act::Bye));
        world.run();
        let texts = world.sent.iter().filter(|(to, _)| *to == phone);
        let all: Vec<String> = texts
            .map(|(_, octets)| String::from_utf8(octets.clone()).unwrap())
            .collect();
        all.concat()
    };
    for privacy in [
        "id",
        "user",
        "header",
        "id;critical",
        "user;id",
        "header; id",
        "ID",
    ] {
        let text = shown(Some(privacy));
        for hidden in ["4045550123", "Alice", "4045550199"] {
            assert!(
                !text.contains(hidden),
                "Privacy: {privacy} shows {hidden}: {text}"
            );
        }
    }
    for privacy in [None, Some("none")] {
        let text = shown(privacy);
        assert!(text.contains("4045550123"), "{privacy:?}: {text}");
        assert!(!text.contains("Privacy:"), "{text}");
    }
}

#[test]
fn methods_that_are_off_are_405_and_unknown_ones_501_with_what_is_on() {
    for (method, status) in [
        ("REGISTER", 405),
        ("SUBSCRIBE", 405),
        ("PUBLISH", 405),
        ("MESSAGE", 405),
        ("NOTIFY", 405),
        ("REFER", 405),
        ("FROBNICATE", 501),
    ] {
        let mut world = World::new(one_desk(), 6);
        let octets = format!(
            "{method} sip:+12125550100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.7;branch=z9hG4bK{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: off-{method}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:a@203.0.113.7>\r\nContent-Length: 0\r\n\r\n"
        );
        let from: SocketAddr = "203.0.113.7:5060".parse().unwrap();
        world.send(from, crate::world::GATEWAY.parse().unwrap(), octets.into_bytes());
        world.run_for(60.0);
        let answer = Message::read(&world.sent.first().expect("an answer").1);
        assert_eq!(answer.status(), Some(status), "{method}");
        let allow = answer.must("Allow");
        assert!(allow.contains("INVITE") && !allow.contains(method), "{allow}");
    }
}
