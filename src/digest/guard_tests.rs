//! Both sides against each other: what is let in, what is asked again, and what gets no answer.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::net::IpAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use proptest::prelude::*;

use super::limits::{FAILURES_PER_SOURCE, NONCE_AGE_MAX, REQUESTS_PER_SOURCE};
use super::*;
use crate::time::Now;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const URI: &str = "sip:+12125550100@gateway.example:5060";
const BODY: &[u8] = b"v=0\r\n";

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.into(),
        password: Secret::new(password),
        realm: None,
    }
}

struct Bench {
    guard: Guard,
    now: Now,
}

impl Bench {
    fn new() -> Bench {
        Bench::with_seed(1)
    }

    fn with_seed(seed: u8) -> Bench {
        let known = [
            credentials("pbx", "correct horse"),
            credentials("branch", "battery staple"),
        ];
        Bench {
            guard: Guard::new("ringward", &known, &Hash::ALL, &[seed; 32]),
            now: Now {
                instant: Instant::now(),
                utc: UNIX_EPOCH + Duration::from_secs(1_795_320_000),
            },
        }
    }

    fn judge(&mut self, method: &str, uri: &str, body: &[u8], answers: &[&str]) -> Verdict {
        let question = Question {
            method,
            uri,
            body,
            answers,
            source: HERE,
        };
        self.guard.judge(&question, self.now)
    }

    fn invite(&mut self, answer: &str) -> Verdict {
        self.judge("INVITE", URI, BODY, &[answer])
    }

    /// What a stranger is asked.
    fn challenges(&mut self) -> Vec<Challenge> {
        match self.judge("INVITE", URI, BODY, &[]) {
            Verdict::Asked { challenges, .. } => Challenge::read_all(challenges.iter().map(String::as_str)),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, user: &str, password: &str) -> Authorization {
        let known = credentials(user, password);
        let challenge = Challenge::strongest(self.challenges(), &known).unwrap();
        answer_to(&challenge, &known, 1)
    }
}

fn answer_to(challenge: &Challenge, known: &Credentials, count: u32) -> Authorization {
    let ask = Ask {
        method: "INVITE",
        uri: URI,
        body: BODY,
    };
    challenge.answer(known, &ask, count, "0a4f113b")
}

fn why(verdict: Verdict) -> Why {
    match verdict {
        Verdict::Asked { challenges, why } => {
            // Whatever the reason, only the staleness shows.
            for line in &challenges {
                assert_eq!(line.contains("stale=true"), why == Why::Stale, "{line}");
            }
            why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stranger_is_asked_in_every_algorithm_strongest_first_with_one_nonce() {
    let challenges = Bench::new().challenges();
    let names: Vec<_> = challenges
        .iter()
        .map(|challenge| challenge.algorithm.name())
        .collect();
    assert_eq!(names, ["SHA-512-256", "SHA-256", "MD5"]);
    assert!(
        challenges
            .iter()
            .all(|challenge| challenge.nonce == challenges[0].nonce)
    );
    assert!(
        challenges
            .iter()
            .all(|challenge| challenge.qops == [Qop::Auth, Qop::AuthInt])
    );
}

#[test]
fn the_right_password_passes_in_every_algorithm_and_protection() {
    let mut bench = Bench::new();
    let known = credentials("branch", "battery staple");
    for challenge in bench.challenges() {
        for is_session in [false, true] {
            for qop in [Qop::Auth, Qop::AuthInt] {
                let mut challenge = Challenge {
                    qops: vec![qop],
                    ..challenge.clone()
                };
                challenge.algorithm.is_session = is_session;
                let fresh = bench.challenges()[0].nonce.clone();
                challenge.nonce = fresh;
                let answer = answer_to(&challenge, &known, 1).to_string();
                assert_eq!(
                    bench.invite(&answer),
                    Verdict::Passed(1),
                    "{}",
                    challenge.algorithm.name()
                );
            }
        }
    }
}

#[test]
fn an_algorithm_that_was_not_offered_is_not_taken() {
    let mut bench = Bench::new();
    bench.guard = Guard::new(
        "ringward",
        &[credentials("pbx", "correct horse")],
        &[Hash::Sha256, Hash::Sha512_256],
        &[1; 32],
    );
    let challenges = bench.challenges();
    let names: Vec<_> = challenges
        .iter()
        .map(|challenge| challenge.algorithm.name())
        .collect();
    assert_eq!(names, ["SHA-512-256", "SHA-256"]);
    let weak = Challenge {
        algorithm: Algorithm::plain(Hash::Md5),
        ..challenges[0].clone()
    };
    let answer = answer_to(&weak, &credentials("pbx", "correct horse"), 1).to_string();
    let verdict = bench.invite(&answer);
    assert_eq!(why(verdict), Why::Unusable(HeaderFault::Algorithm));
}

#[test]
fn one_answer_lets_one_request_in_and_the_next_count_the_next() {
    let mut bench = Bench::new();
    let known = credentials("pbx", "correct horse");
    let challenge = bench.challenges().remove(0);
    let first = answer_to(&challenge, &known, 1).to_string();
    assert_eq!(bench.invite(&first), Verdict::Passed(0));
    let again = bench.invite(&first);
    assert_eq!(why(again), Why::Stale, "replayed");
    let third = answer_to(&challenge, &known, 3).to_string();
    let second = answer_to(&challenge, &known, 2).to_string();
    assert_eq!(bench.invite(&third), Verdict::Passed(0));
    assert_eq!(bench.invite(&second), Verdict::Passed(0), "overtaken on the way");
    let again = bench.invite(&second);
    assert_eq!(why(again), Why::Stale);
    // A count that was not part of the answer.
    let altered = third.replace("nc=00000003", "nc=00000004");
    let altered = bench.invite(&altered);
    assert_eq!(why(altered), Why::Wrong);
}

#[test]
fn a_nonce_is_stale_after_its_time_at_another_instance_and_from_another_address() {
    let mut bench = Bench::new();
    let answer = bench.answer("pbx", "correct horse").to_string();
    let elsewhere = Bench::with_seed(2).invite(&answer);
    assert_eq!(why(elsewhere), Why::Stale);
    let question = Question {
        method: "INVITE",
        uri: URI,
        body: BODY,
        answers: &[&answer],
        source: "192.0.2.99".parse().unwrap(),
    };
    let stolen = bench.guard.judge(&question, bench.now);
    assert_eq!(why(stolen), Why::Stale);
    bench.now = bench.now.after(NONCE_AGE_MAX + Duration::from_millis(1));
    let late = bench.invite(&answer);
    assert_eq!(why(late), Why::Stale);
}

#[test]
fn an_unknown_user_and_a_wrong_password_hear_the_same() {
    let mut bench = Bench::new();
    let mut texts = Vec::new();
    for (user, password) in [("nobody", "x"), ("pbx", "x"), ("", "x")] {
        let answer = bench.answer(user, password).to_string();
        match bench.invite(&answer) {
            Verdict::Asked {
                challenges,
                why: Why::Wrong,
            } => {
                let without_nonce = |line: &String| {
                    let challenge = Challenge::read_all([line.as_str()]).remove(0);
                    line.replace(&challenge.nonce, "")
                };
                texts.push(challenges.iter().map(without_nonce).collect::<Vec<_>>());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
}

#[test]
fn a_nonce_of_the_askers_own_making_says_nothing_about_the_password() {
    let mut bench = Bench::new();
    for password in ["correct horse", "wrong"] {
        let mut challenge = bench.challenges().remove(0);
        challenge.nonce = "0".repeat(64);
        let answer = answer_to(&challenge, &credentials("pbx", password), 1).to_string();
        let verdict = bench.invite(&answer);
        assert_eq!(why(verdict), Why::Stale);
    }
}

#[test]
fn an_answer_of_the_old_kind_without_a_count_is_not_taken() {
    let mut bench = Bench::new();
    let mut challenge = bench.challenges().remove(2);
    challenge.qops.clear();
    let answer = answer_to(&challenge, &credentials("pbx", "correct horse"), 1).to_string();
    let verdict = bench.invite(&answer);
    assert_eq!(why(verdict), Why::Unusable(HeaderFault::Missing("qop")));
}

#[test]
fn an_answer_for_another_realm_beside_ours_is_passed_over() {
    let mut bench = Bench::new();
    let ours = bench.answer("pbx", "correct horse").to_string();
    let other = ours.replace("realm=\"ringward\"", "realm=\"elsewhere\"");
    assert_eq!(
        bench.judge("INVITE", URI, BODY, &[&other, "Basic x", &ours]),
        Verdict::Passed(0)
    );
    let only_other = bench.invite(&other);
    assert_eq!(why(only_other), Why::Unproven);
}

#[test]
fn the_uri_may_lack_its_user_and_parameters_and_nothing_else() {
    for (answered, requested, expected) in [
        ("sip:+1@gw:5060", "sip:+1@gw:5060;transport=tcp", true),
        ("sip:gw:5060", "sip:+1@gw:5060", true),
        ("SIP:GW:5060", "sip:+1@gw:5060", true),
        ("sip:+2@gw:5060", "sip:+1@gw:5060", false),
        ("sip:other:5060", "sip:+1@gw:5060", false),
        ("sip:gw", "sip:+1@gw:5060", false),
        ("", "sip:+1@gw", false),
        ("sip:", "sip:", true),
    ] {
        let mut bench = Bench::new();
        let known = credentials("pbx", "correct horse");
        let ask = Ask {
            method: "INVITE",
            uri: answered,
            body: BODY,
        };
        let answer = bench.challenges()[0].answer(&known, &ask, 1, "c").to_string();
        let verdict = bench.judge("INVITE", requested, BODY, &[&answer]);
        assert_eq!(verdict == Verdict::Passed(0), expected, "{answered} {requested}");
    }
}

#[test]
fn who_guesses_passwords_gets_no_answer_any_more_and_others_do() {
    let mut bench = Bench::new();
    for _ in 0..FAILURES_PER_SOURCE {
        let answer = bench.answer("pbx", "guess").to_string();
        let verdict = bench.invite(&answer);
        assert_eq!(why(verdict), Why::Wrong);
    }
    let challenge = Challenge::read_all(["Digest realm=\"ringward\", nonce=\"0\", qop=\"auth\""]).remove(0);
    let right = answer_to(&challenge, &credentials("pbx", "correct horse"), 1).to_string();
    assert_eq!(bench.invite(&right), Verdict::Ignored);
    assert_eq!(bench.judge("INVITE", URI, BODY, &[]), Verdict::Ignored);
    bench.now = bench.now.after(Duration::from_secs(61));
    let answer = bench.answer("pbx", "correct horse").to_string();
    assert_eq!(bench.invite(&answer), Verdict::Passed(0));
}

#[test]
fn a_flood_of_questions_is_not_answered_and_does_not_shut_the_right_password_out() {
    let mut bench = Bench::new();
    let answer = bench.answer("pbx", "correct horse").to_string();
    for _ in 1..REQUESTS_PER_SOURCE {
        bench.challenges();
    }
    assert_eq!(bench.judge("INVITE", URI, BODY, &[]), Verdict::Ignored);
    assert_eq!(bench.invite(&answer), Verdict::Passed(0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any change of one parameter, of the method, the URI or (auth-int) the body is refused.
    #[test]
    fn nothing_of_an_answer_can_be_changed(which in 0usize..10, at in any::<prop::sample::Index>(), by in 1u8..94, is_int in any::<bool>()) {
        let mut bench = Bench::new();
        let known = credentials("pbx", "correct horse");
        let mut challenge = bench.challenges().remove(usize::from(by) % 3);
        challenge.qops = vec![if is_int { Qop::AuthInt } else { Qop::Auth }];
        let right = answer_to(&challenge, &known, 1);
        let change = |text: &str| {
            let mut octets = text.as_bytes().to_vec();
            let at = at.index(octets.len());
            octets[at] = 33 + (octets[at] - 33 + by) % 94;
            String::from_utf8(octets).unwrap()
        };
        let mut wrong = right.clone();
        let (mut method, mut uri, mut body) = ("INVITE".to_string(), URI.to_string(), BODY.to_vec());
        match which {
            0 => wrong.user = change(&right.user),
            1 => wrong.realm = change(&right.realm),
            2 => wrong.nonce = change(&right.nonce),
            3 => wrong.uri = change(&right.uri),
            4 => wrong.response = change(&right.response),
            5 => wrong.cnonce = change(&right.cnonce),
            6 => wrong.count += u32::from(by),
            7 => wrong.algorithm.is_session = !right.algorithm.is_session,
            8 => method = change(&method),
            _ if is_int => body = b"v=1\r\n".to_vec(),
            _ => uri = change(&uri),
        }
        // Hexadecimal digits may be written either way; the case of a host says nothing.
        let is_same = wrong.response.eq_ignore_ascii_case(&right.response) && wrong.uri == right.uri && which == 4
            || which > 8 && uri.eq_ignore_ascii_case(URI) && body == BODY;
        prop_assume!(!is_same);
        let text = wrong.to_string();
        let verdict = bench.judge(&method, &uri, &body, &[&text]);
        let is_parameter = which == 9 && !is_int && uri.split(';').next() == URI.split(';').next();
        prop_assert!(is_parameter || !matches!(verdict, Verdict::Passed(_)), "{text}");
        prop_assert_eq!(bench.invite(&right.to_string()), Verdict::Passed(0));
    }
}
