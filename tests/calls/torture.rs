//! RFC 4475 and RFC 5118 whole: every message through the gateway, and what it must say to each.
//!
//! The messages stand in `tests/torture/`. Our choice where a document leaves one is told in the last column.

use std::net::SocketAddr;

use ringward::call::Input;
use ringward::sip::{Flow, Message, StreamFramer};

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{GATEWAY, World, one_desk};

include!("../torture/corpus.rs");

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// The final answer, with nothing but 100 before it; nothing rings.
    Answer(u16),
    /// The desk rings and answers: the caller gets 200.
    Call,
    /// No answer at all: a response, or too broken to answer.
    Silence,
}

use Expected::{Answer, Call, Silence};

/// Name, what must happen, and why.
const RFC_4475: &[(&str, Expected, &str)] = &[
    (
        "wsinv",
        Answer(481),
        "well-formed; its To tag names a call that is not ours (RFC 3261 §12.2.2)",
    ),
    ("intmeth", Answer(501), "well-formed; a method we do not know"),
    ("esc01", Call, "well-formed"),
    ("escnull", Answer(405), "well-formed; we are no registrar"),
    (
        "esc02",
        Answer(501),
        "RE%47IST%45R is another method than REGISTER",
    ),
    ("lwsdisp", Answer(200), "well-formed"),
    ("longreq", Call, "well-formed"),
    (
        "dblreq",
        Answer(405),
        "octets after the body are ignored: one answer; we are no registrar",
    ),
    ("semiuri", Answer(200), "well-formed"),
    ("transports", Answer(200), "well-formed"),
    ("mpart01", Answer(405), "well-formed; MESSAGE is off"),
    ("unreason", Silence, "well-formed; no request of ours"),
    ("noreason", Silence, "well-formed; no request of ours"),
    ("badinv01", Answer(400), "empty parameters in Via"),
    ("clerr", Answer(400), "promises more than the datagram has"),
    ("ncl", Answer(400), "a negative length"),
    ("scalar02", Answer(400), "CSeq and Max-Forwards out of range"),
    ("scalarlg", Silence, "a broken response is dropped"),
    ("quotbal", Answer(400), "the document allows to guess; we do not"),
    ("ltgtruri", Answer(400), "the document allows to guess; we do not"),
    ("lwsruri", Answer(400), "the document allows to guess; we do not"),
    ("lwsstart", Answer(400), "the document allows to guess; we do not"),
    ("trws", Answer(400), "the document allows to guess; we do not"),
    (
        "escruri",
        Answer(400),
        "headers in the Request-URI are never acted on",
    ),
    (
        "baddate",
        Call,
        "Date is read with a signature only, and there is none",
    ),
    (
        "regbadct",
        Answer(405),
        "we are no registrar, so Contact is not reached",
    ),
    ("badaspec", Answer(400), "spaces inside angle brackets"),
    (
        "baddn",
        Answer(200),
        "the document allows to guess: one address, one display name",
    ),
    ("badvers", Answer(505), "another version"),
    ("mismatch01", Answer(400), "two methods"),
    ("mismatch02", Answer(400), "two methods; 501 is allowed too"),
    ("bigcode", Silence, "a broken response is dropped"),
    ("badbranch", Answer(200), "told apart as RFC 2543 would"),
    ("insuf", Answer(400), "no Call-ID, From or To"),
    ("unkscm", Answer(416), "a scheme we do not know"),
    ("novelsc", Answer(416), "a scheme we do not know"),
    (
        "unksm2",
        Answer(405),
        "we are no registrar, so To and Contact are not reached",
    ),
    ("bext01", Answer(420), "options we do not know"),
    ("invut", Answer(415), "a body we do not know"),
    (
        "regaut01",
        Answer(405),
        "we are no registrar, so nobody is asked for a password",
    ),
    ("multi01", Answer(400), "headers that may stand once"),
    ("mcl01", Answer(400), "two lengths"),
    ("bcast", Silence, "no request of ours; never sent on"),
    ("zeromf", Answer(200), "an endpoint answers it itself"),
    ("cparam01", Answer(405), "we are no registrar"),
    ("cparam02", Answer(405), "we are no registrar"),
    ("regescrt", Answer(405), "we are no registrar"),
    ("sdp01", Answer(406), "would take no session description"),
    (
        "inv2543",
        Answer(400),
        "RFC 3261 §8.1.1.8 demands a Contact, §8.1.1.3 a tag",
    ),
];

const RFC_5118: &[(&str, Expected, &str)] = &[
    ("ipv6-good", Answer(405), "well-formed; we are no registrar"),
    ("ipv6-bad", Answer(400), "no brackets"),
    (
        "port-ambiguous",
        Answer(405),
        "the port is part of the address; we are no registrar",
    ),
    (
        "port-unambiguous",
        Answer(405),
        "well-formed; we are no registrar",
    ),
    (
        "via-received-param-with-delim",
        Answer(481),
        "well-formed; no such call",
    ),
    ("via-received-param-no-delim", Answer(200), "well-formed"),
    (
        "ipv6-in-sdp",
        Answer(488),
        "well-formed; G.726 and video are not carried",
    ),
    ("mult-ip-in-header", Answer(481), "well-formed; no such call"),
    ("mult-ip-in-sdp", Call, "well-formed"),
    (
        "ipv4-mapped-ipv6",
        Answer(488),
        "well-formed; G.726 and video are not carried",
    ),
    ("ipv6-bug-abnf-3-colons", Answer(200), "must be tolerated"),
    ("ipv6-correct-abnf-2-colons", Answer(200), "well-formed"),
];

const PHONE: &str = "10.0.0.5:5060";

/// What the gateway sent after these octets came from the trunk, and five minutes passed.
fn sent_after(octets: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut world = World::new(one_desk(), 4475);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let flow = Flow::udp(GATEWAY.parse().unwrap(), "203.0.113.7:5060".parse().unwrap());
    world.tell(Input::Sip { flow, octets });
    world.run_for(300.0);
    assert_eq!(world.engine.live_calls(), 0, "nothing is left behind");
    assert_eq!(
        world.engine.live_parts(),
        Default::default(),
        "nothing is left behind"
    );
    world.sent
}

fn is_to_phone(to: &SocketAddr) -> bool {
    *to == PHONE.parse::<SocketAddr>().unwrap()
}

/// Statuses towards the trunk, each once, without 100.
fn statuses(sent: &[(SocketAddr, Vec<u8>)]) -> Vec<u16> {
    let mut statuses: Vec<u16> = sent
        .iter()
        .filter(|(to, _)| !is_to_phone(to))
        .filter_map(|(_, octets)| crate::wire::Message::read(octets).status())
        .filter(|status| *status != 100)
        .collect();
    statuses.dedup();
    statuses
}

fn check(sample: &Sample, expected: Expected) {
    let what = format!("{} ({})", sample.name, sample.section);
    let sent = sent_after(&sample.octets);
    let statuses = statuses(&sent);
    let rang = sent.iter().any(|(to, _)| is_to_phone(to));
    match expected {
        Answer(status) => assert_eq!((statuses, rang), (vec![status], false), "{what}"),
        Silence => assert_eq!((statuses, rang), (vec![], false), "{what}"),
        Call => assert_eq!((statuses.last(), rang), (Some(&200), true), "{what}"),
    }
    let is_sound = Message::parse(&sample.octets).is_ok();
    for (_, octets) in &sent {
        // Framing as a stranger reads it: lines, colons, a Content-Length that tells the truth.
        let read = crate::wire::Message::read(octets);
        assert_eq!(read.all("Content-Length").count(), 1, "{what}");
        // An answer repeats what was wrong with the request; everything else must be without fault.
        if is_sound {
            let again = Message::parse(octets).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(again.octets(), &octets[..], "{what}");
            let is_final = again.status().is_some_and(|status| status > 100);
            assert!(
                !is_final || again.to().tag().is_some(),
                "{what}: a final answer without tag"
            );
            if matches!(again.status(), Some(405 | 501)) {
                assert!(again.header("Allow").is_some(), "{what}");
            }
        }
    }
}

fn check_all(text: &'static str, table: &[(&str, Expected, &str)]) {
    let samples = corpus(text);
    let names: Vec<&str> = samples.iter().map(|sample| sample.name).collect();
    let told: Vec<&str> = table.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, told, "each message has its line in the table");
    for (sample, (_, expected, _)) in samples.iter().zip(table) {
        check(sample, *expected);
    }
}

#[test]
fn every_message_of_rfc_4475_gets_the_answer_it_describes() {
    assert_eq!(RFC_4475.len(), 49);
    check_all(include_str!("../torture/rfc4475.txt"), RFC_4475);
}

#[test]
fn every_message_of_rfc_5118_gets_the_answer_it_describes() {
    assert_eq!(RFC_5118.len(), 12);
    check_all(include_str!("../torture/rfc5118.txt"), RFC_5118);
}

/// One gateway, all 61 of them in a row: what each leaves behind must not reach the next caller.
#[test]
fn an_ordinary_call_is_as_good_as_ever_right_after_each_of_them() {
    let mut world = World::new(one_desk(), 61);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let mut count = 0;
    for text in [
        include_str!("../torture/rfc4475.txt"),
        include_str!("../torture/rfc5118.txt"),
    ] {
        for sample in corpus(text) {
            let flow = Flow::udp(GATEWAY.parse().unwrap(), "203.0.113.7:5060".parse().unwrap());
            let octets = &sample.octets;
            world.tell(Input::Sip { flow, octets });
            let caller = world.call(CallerPlan::new("+14045550123").act(3.0, Act::Bye));
            world.run_for(300.0);
            let what = format!("after {} ({})", sample.name, sample.section);
            assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200], "{what}");
            assert_eq!(world.heard(caller, "BYE"), [200], "{what}");
            assert_eq!(world.engine.live_calls(), 0, "{what}");
            assert_eq!(world.engine.live_parts(), Default::default(), "{what}");
            count += 1;
        }
    }
    assert_eq!(count, RFC_4475.len() + RFC_5118.len());
}

#[test]
fn the_tortuous_invite_rings_when_it_names_no_other_call() {
    let samples = corpus(include_str!("../torture/rfc4475.txt"));
    let text = String::from_utf8(samples[0].octets.clone()).unwrap();
    let octets = text
        .replace(" ;   tag    = 1918181833n", " ;   other    = 1918181833n")
        .into_bytes();
    let (name, section) = ("wsinv without To tag", "3.1.1.1");
    check(
        &Sample {
            name,
            section,
            octets,
        },
        Call,
    );
}

/// The document prints 268 for a body of 251 octets.
#[test]
fn the_length_that_rfc_5118_prints_in_4_6_is_refused_as_it_stands() {
    let samples = corpus(include_str!("../torture/rfc5118.txt"));
    let sample = samples
        .iter()
        .find(|sample| sample.name == "ipv6-in-sdp")
        .unwrap();
    let text = String::from_utf8(sample.octets.clone()).unwrap();
    let printed = text.replace("Content-Length: 251", "Content-Length: 268");
    assert_eq!(statuses(&sent_after(printed.as_bytes())), [400]);
}

#[test]
fn lengths_that_contradict_each_other_or_the_message_reach_nobody() {
    let samples = corpus(include_str!("../torture/rfc4475.txt"));
    let good = samples.iter().find(|sample| sample.name == "baddate").unwrap();
    let good = String::from_utf8(good.octets.clone()).unwrap();
    assert!(sent_after(good.as_bytes()).iter().any(|(to, _)| is_to_phone(to)));
    for lengths in [
        "Content-Length: 150\r\nContent-Length: 149",
        "Content-Length: 149\r\nl: 150",
        "Content-Length: 150, 149",
        "Content-Length: 150 149",
        "Content-Length: -1",
        "Content-Length: -150",
        "Content-Length: +150",
        "Content-Length: 0x96",
        "Content-Length: 150.0",
        "Content-Length: one",
        "Content-Length:",
        "Content-Length: 151",
        "Content-Length: 65535",
        "Content-Length: 4294967446",
        "Content-Length: 18446744073709551766",
        "Content-Length: 1e2",
        "Content-Length: \"150\"",
    ] {
        let octets = good.replace("Content-Length: 150", lengths);
        let sent = sent_after(octets.as_bytes());
        assert_eq!(statuses(&sent), [400], "{lengths}");
        assert!(!sent.iter().any(|(to, _)| is_to_phone(to)), "{lengths}");
        // On a stream nobody knows any more where the next message begins; a length that is only too large there is
        // one that has not come yet, up to the largest message.
        let mut framer = StreamFramer::new();
        framer.push(octets.as_bytes());
        let frame = framer.poll_frame();
        match lengths {
            "Content-Length: 151" => assert_eq!(frame, Ok(None)),
            _ => assert!(frame.is_err(), "{lengths}: {frame:?}"),
        }
    }
}

#[test]
fn two_requests_in_one_datagram_are_two_on_a_stream() {
    let samples = corpus(include_str!("../torture/rfc4475.txt"));
    let two = samples.iter().find(|sample| sample.name == "dblreq").unwrap();
    let mut framer = StreamFramer::new();
    framer.push(&two.octets);
    let mut methods = Vec::new();
    while let Ok(Some(frame)) = framer.poll_frame() {
        if let ringward::sip::Frame::Message(octets) = frame {
            methods.push(Message::parse(&octets).map(|message| message.method().to_string()));
        }
    }
    assert_eq!(methods, [Ok("REGISTER".to_string()), Ok("INVITE".to_string())]);
}
