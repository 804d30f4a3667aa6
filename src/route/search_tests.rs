//! RFC 3263 §4, row by row, against a name service that is a table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::limits::{CANDIDATES_MAX, HOSTS_MAX, TTL_CEILING, TTL_FLOOR};
use super::{Answer, Kind, Located, Question, Record, Search, Step, Target, Ways};
use crate::sip::{Transport, Uri};

/// A name service in text: `NAME KIND RDATA` a line, with `!` before the kind for a server that does not answer.
struct Zone {
    answers: BTreeMap<(String, &'static str), Answer>,
    asked: RefCell<Vec<String>>,
}

fn zone(text: &str) -> Zone {
    let mut answers: BTreeMap<(String, &'static str), Answer> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u16>().unwrap();
        let plain = |word: &str| word.trim_end_matches('.').to_string();
        let kind = ["NAPTR", "SRV", "AAAA", "A"]
            .into_iter()
            .find(|kind| words[1].trim_start_matches('!') == *kind)
            .unwrap();
        let key = (words[0].to_string(), kind);
        if words[1].starts_with('!') {
            answers.insert(key, Answer::Failed);
            continue;
        }
        let record = match kind {
            "NAPTR" => Record::Naptr {
                order: number(2),
                preference: number(3),
                flags: words[4].into(),
                service: words[5].into(),
                regexp: words[6].trim_matches('"').into(),
                replacement: plain(words[7]),
            },
            "SRV" => Record::Srv {
                priority: number(2),
                weight: number(3),
                port: number(4),
                host: plain(words[5]),
            },
            _ => Record::Address(words[2].parse().unwrap()),
        };
        let entry = answers.entry(key).or_insert(Answer::Records {
            records: Vec::new(),
            ttl: Duration::from_secs(120),
        });
        if let Answer::Records { records, .. } = entry {
            records.push(record);
        }
    }
    Zone {
        answers,
        asked: RefCell::default(),
    }
}

impl Zone {
    fn answer(&self, question: &Question) -> Answer {
        let kind = match question.kind {
            Kind::Naptr => "NAPTR",
            Kind::Srv => "SRV",
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
        };
        self.asked.borrow_mut().push(format!("{kind} {}", question.name));
        let found = self.answers.get(&(question.name.clone(), kind)).cloned();
        found.unwrap_or(Answer::Nothing { ttl: None })
    }

    fn search(&self, uri: &str, ways: &Ways) -> Step {
        let target = Target::of(&Uri::parse(uri).unwrap()).unwrap();
        let (mut search, mut step) = Search::begin(&target, ways);
        for _ in 0..4 {
            match step {
                Step::Ask(questions) => {
                    let answers = questions.iter().map(|question| self.answer(question)).collect();
                    step = search.next(answers);
                }
                end => return end,
            }
        }
        panic!("more than three rounds");
    }
}

const V4: &str = "10.0.0.1:5060";

fn all() -> Ways {
    Ways::new(
        [Transport::Udp, Transport::Tcp, Transport::Tls].map(|transport| (transport, V4.parse().unwrap())),
    )
}

fn only(transports: &[Transport]) -> Ways {
    Ways::new(
        transports
            .iter()
            .map(|transport| (*transport, V4.parse().unwrap())),
    )
}

fn shown(step: &Step) -> String {
    match step {
        Step::Found(located) => {
            let candidates = located.candidates(&all(), |_| 0);
            let shown: Vec<String> = candidates.iter().map(ToString::to_string).collect();
            shown.join(" ")
        }
        Step::Nothing { .. } => "nothing".into(),
        Step::Failed => "failed".into(),
        Step::Ask(_) => "ask".into(),
    }
}

/// The candidates in order, and the questions that were asked.
fn check(text: &str, uri: &str, expected: &str, asked: &[&str]) {
    let zone = zone(text);
    let step = zone.search(uri, &all());
    assert_eq!(shown(&step), expected, "{uri}");
    assert_eq!(*zone.asked.borrow(), asked, "{uri}");
}

const RFC: &str = "
    example.com NAPTR 50 50 s SIPS+D2T \"\" _sips._tcp.example.com.
    example.com NAPTR 90 50 s SIP+D2T \"\" _sip._tcp.example.com.
    example.com NAPTR 100 50 s SIP+D2U \"\" _sip._udp.example.com.
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com SRV 1 2 5060 server2.example.com.
    _sip._udp.example.com SRV 0 1 5062 server1.example.com.
    _sips._tcp.example.com SRV 0 1 5071 server2.example.com.
    server1.example.com A 10.1.0.1
    server2.example.com A 10.1.0.2
    example.com A 10.1.0.9
";

#[test]
fn s4_1_the_transport_parameter_is_used_and_only_its_srv_is_asked() {
    check(
        RFC,
        "sip:user@example.com;transport=udp",
        "udp:10.1.0.1:5062",
        &["SRV _sip._udp.example.com", "A server1.example.com"],
    );
    check(
        RFC,
        "sip:user@example.com;transport=tcp",
        "tcp:10.1.0.1:5060 tcp:10.1.0.2:5060",
        &[
            "SRV _sip._tcp.example.com",
            "A server1.example.com",
            "A server2.example.com",
        ],
    );
    check(
        RFC,
        "sips:user@example.com;transport=tcp",
        "tls:10.1.0.2:5071",
        &["SRV _sips._tcp.example.com", "A server2.example.com"],
    );
}

#[test]
fn s4_1_a_numeric_target_is_udp_or_for_sips_tls_and_nothing_is_asked() {
    check("", "sip:user@10.1.2.3", "udp:10.1.2.3:5060", &[]);
    check("", "sips:user@10.1.2.3", "tls:10.1.2.3:5061", &[]);
    check(
        "",
        "sip:user@10.1.2.3:5070;transport=tcp",
        "tcp:10.1.2.3:5070",
        &[],
    );
}

#[test]
fn s4_1_and_2_a_port_without_transport_is_udp_or_tls_and_skips_naptr_and_srv() {
    check(
        RFC,
        "sip:user@example.com:5080",
        "udp:10.1.0.9:5080",
        &["A example.com"],
    );
    check(
        RFC,
        "sips:user@example.com:5081",
        "tls:10.1.0.9:5081",
        &["A example.com"],
    );
    check(
        RFC,
        "sip:user@example.com:5080;transport=tcp",
        "tcp:10.1.0.9:5080",
        &["A example.com"],
    );
}

#[test]
fn s4_1_naptr_says_which_transport_and_the_others_follow_in_its_order() {
    let zone = zone(RFC);
    let step = zone.search("sip:user@example.com", &all());
    assert_eq!(
        shown(&step),
        "tls:10.1.0.2:5071 tcp:10.1.0.1:5060 tcp:10.1.0.2:5060 udp:10.1.0.1:5062"
    );
    assert_eq!(zone.asked.borrow()[0], "NAPTR example.com");
}

#[test]
fn s4_1_naptr_services_that_we_do_not_speak_are_discarded() {
    let zone = zone(RFC);
    let step = zone.search("sip:user@example.com", &only(&[Transport::Udp]));
    assert_eq!(shown(&step), "udp:10.1.0.1:5062");
    let odd = "
        example.com NAPTR 10 10 s SIP+D2S \"\" _sip._sctp.example.com.
        example.com NAPTR 20 10 s SIP+D2W \"\" _sip._ws.example.com.
        example.com NAPTR 30 10 u E2U+sip \"!^.*$!sip:info@example.com!\" .
        example.com NAPTR 40 10 a SIP+D2U \"\" host.example.com.
        example.com NAPTR 50 10 S sip+d2u \"\" _other._udp.example.net.
        _other._udp.example.net SRV 0 0 5090 host.example.net.
        host.example.net A 10.2.0.1
    ";
    // The replacement may be in another domain (§4.1); flag and service in any letter case (RFC 3403 §4.1).
    check(
        odd,
        "sip:user@example.com",
        "udp:10.2.0.1:5090",
        &[
            "NAPTR example.com",
            "SRV _other._udp.example.net",
            "A host.example.net",
        ],
    );
}

#[test]
fn s4_1_a_sips_uri_uses_only_sips_services() {
    check(
        RFC,
        "sips:user@example.com",
        "tls:10.1.0.2:5071",
        &[
            "NAPTR example.com",
            "SRV _sips._tcp.example.com",
            "A server2.example.com",
        ],
    );
    let without = "
        example.com NAPTR 90 50 s SIP+D2T \"\" _sip._tcp.example.com.
        _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
        server1.example.com A 10.1.0.1
        example.com A 10.1.0.9
    ";
    // No SIPS service: TLS on the name itself, and never in the clear.
    check(
        without,
        "sips:user@example.com",
        "tls:10.1.0.9:5061",
        &["NAPTR example.com", "SRV _sips._tcp.example.com", "A example.com"],
    );
    let step = zone(RFC).search("sips:user@example.com", &only(&[Transport::Udp, Transport::Tcp]));
    assert!(matches!(step, Step::Nothing { .. }), "{step:?}");
}

#[test]
fn s4_1_without_naptr_each_transport_is_asked_for() {
    let text = "
        _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
        server1.example.com A 10.1.0.1
    ";
    check(
        text,
        "sip:user@example.com",
        "tcp:10.1.0.1:5060",
        &[
            "NAPTR example.com",
            "SRV _sip._udp.example.com",
            "SRV _sip._tcp.example.com",
            "SRV _sips._tcp.example.com",
            "A server1.example.com",
        ],
    );
}

#[test]
fn s4_1_without_any_srv_it_is_udp_and_for_sips_tls() {
    check(
        "example.com A 10.1.0.9",
        "sip:user@example.com",
        "udp:10.1.0.9:5060",
        &[
            "NAPTR example.com",
            "SRV _sip._udp.example.com",
            "SRV _sip._tcp.example.com",
            "SRV _sips._tcp.example.com",
            "A example.com",
        ],
    );
    check(
        "example.com A 10.1.0.9",
        "sips:user@example.com",
        "tls:10.1.0.9:5061",
        &["NAPTR example.com", "SRV _sips._tcp.example.com", "A example.com"],
    );
}

#[test]
fn s4_2_without_srv_the_asked_transport_keeps_the_usual_port() {
    check(
        "example.com A 10.1.0.9",
        "sip:user@example.com;transport=tcp",
        "tcp:10.1.0.9:5060",
        &["SRV _sip._tcp.example.com", "A example.com"],
    );
}

#[test]
fn s4_2_without_srv_what_naptr_chose_stays_chosen() {
    let text = "
        example.com NAPTR 10 10 s SIP+D2T \"\" _sip._tcp.example.com.
        example.com A 10.1.0.9
    ";
    check(
        text,
        "sip:user@example.com",
        "tcp:10.1.0.9:5060",
        &["NAPTR example.com", "SRV _sip._tcp.example.com", "A example.com"],
    );
}

#[test]
fn s4_2_every_address_of_every_server_is_a_candidate() {
    let text = "
        _sip._udp.example.com SRV 2 0 5060 b.example.com.
        _sip._udp.example.com SRV 1 0 5060 a.example.com.
        a.example.com A 10.1.0.1
        a.example.com A 10.1.0.2
        a.example.com AAAA 2001:db8::1
        b.example.com A 10.1.0.3
    ";
    let both = Ways::new([
        (Transport::Udp, V4.parse().unwrap()),
        (Transport::Udp, "[::1]:5060".parse().unwrap()),
    ]);
    let Step::Found(located) = zone(text).search("sip:a@example.com;transport=udp", &both) else {
        panic!("found");
    };
    let candidates = located.candidates(&both, |bound| bound - 1);
    let shown: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "udp:10.1.0.1:5060",
            "udp:10.1.0.2:5060",
            "udp:[2001:db8::1]:5060",
            "udp:10.1.0.3:5060"
        ]
    );
}

#[test]
fn a_service_that_is_decidedly_not_offered_is_not_guessed_at() {
    let text = "
        _sip._udp.example.com SRV 0 0 0 .
        example.com A 10.1.0.9
    ";
    check(
        text,
        "sip:a@example.com;transport=udp",
        "nothing",
        &["SRV _sip._udp.example.com"],
    );
}

#[test]
fn a_server_that_keeps_silent_on_one_kind_does_not_cost_the_target() {
    let text = "
        example.com !NAPTR
        _sip._udp.example.com SRV 0 1 5060 server1.example.com.
        _sip._tcp.example.com !SRV
        server1.example.com A 10.1.0.1
    ";
    let Step::Found(located) = zone(text).search("sip:a@example.com", &all()) else {
        panic!("found");
    };
    assert_eq!(located.ttl, TTL_FLOOR, "half an answer is asked for again soon");
    assert_eq!(shown(&Step::Found(located)), "udp:10.1.0.1:5060");
}

#[test]
fn that_there_is_nothing_and_that_nobody_knows_are_two_things() {
    check("", "sip:a@example.com:5060", "nothing", &["A example.com"]);
    check(
        "example.com !A",
        "sip:a@example.com:5060",
        "failed",
        &["A example.com"],
    );
    // One of two hosts is known to have no address, of the other nobody knows.
    let text = "
        _sip._udp.example.com SRV 0 1 5060 a.example.com.
        _sip._udp.example.com SRV 0 1 5060 b.example.com.
        a.example.com !A
    ";
    let step = zone(text).search("sip:a@example.com;transport=udp", &all());
    assert_eq!(step, Step::Failed);
}

#[test]
fn the_life_of_an_answer_is_that_of_its_shortest_record_within_bounds() {
    let target = Target::of(&Uri::parse("sip:a@example.com:5060").unwrap()).unwrap();
    for (said, expected) in [
        (0, TTL_FLOOR),
        (77, Duration::from_secs(77)),
        (1_000_000, TTL_CEILING),
    ] {
        let (mut search, _) = Search::begin(&target, &all());
        let step = search.next(vec![Answer::Records {
            records: vec![Record::Address([10, 0, 0, 1].into())],
            ttl: Duration::from_secs(said),
        }]);
        assert!(
            matches!(&step, Step::Found(located) if located.ttl == expected),
            "{step:?}"
        );
    }
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a.example".to_string()),
        Just(String::new()),
        "[a-c.]{0,12}",
        ".{0,300}"
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let services = prop_oneof![Just("SIP+D2U"), Just("SIP+D2T"), Just("SIPS+D2T"), Just("x")];
    prop_oneof![
        (any::<u16>(), any::<u16>(), services, label()).prop_map(
            |(order, preference, service, replacement)| {
                Record::Naptr {
                    order,
                    preference,
                    flags: "s".into(),
                    service: service.into(),
                    regexp: String::new(),
                    replacement,
                }
            }
        ),
        (any::<u16>(), any::<u16>(), any::<u16>(), label()).prop_map(|(priority, weight, port, host)| {
            Record::Srv {
                priority,
                weight,
                port,
                host,
            }
        }),
        any::<[u8; 4]>().prop_map(|octets| Record::Address(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| Record::Address(octets.into())),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        (prop::collection::vec(record(), 0..80), any::<u32>()).prop_map(|(records, ttl)| Answer::Records {
            records,
            ttl: Duration::from_secs(ttl.into()),
        }),
        any::<Option<u32>>().prop_map(|ttl| Answer::Nothing {
            ttl: ttl.map(|ttl| Duration::from_secs(ttl.into())),
        }),
        Just(Answer::Failed),
    ]
}

proptest! {
    #[test]
    fn whatever_is_answered_a_search_ends_within_its_bounds(
        uri in prop_oneof![
            Just("sip:a@example.com"), Just("sips:a@example.com"), Just("sip:a@example.com:5070"),
            Just("sip:a@example.com;transport=tcp"),
        ],
        rounds in prop::collection::vec(prop::collection::vec(answer(), 0..40), 5),
    ) {
        let target = Target::of(&Uri::parse(uri).unwrap()).unwrap();
        let (mut search, mut step) = Search::begin(&target, &all());
        let mut rounds = rounds.into_iter();
        for round in 0.. {
            prop_assert!(round <= 3);
            match step {
                Step::Ask(questions) => {
                    prop_assert!(!questions.is_empty() && questions.len() <= 2 * HOSTS_MAX.max(16));
                    prop_assert!(questions.iter().all(|question| question.name.len() <= 253));
                    step = search.next(rounds.next().unwrap_or_default());
                }
                Step::Found(located) => {
                    let Located { ttl, .. } = located;
                    prop_assert!((TTL_FLOOR..=TTL_CEILING).contains(&ttl));
                    prop_assert!(located.candidates(&all(), |bound| bound / 2).len() <= CANDIDATES_MAX);
                    break;
                }
                Step::Nothing { ttl } => {
                    prop_assert!(ttl <= TTL_CEILING);
                    break;
                }
                Step::Failed => break,
            }
        }
    }
}
