//! A registrar between scripted phones: who is let in, what is kept of it, who is locked out and what is told.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::limits::{CONTACTS_MAX, FAILURES_FREE};
use super::{Alert, Bound, Config, Device, Judged, News, Registered, Registrar, Why};
use crate::digest::{Ask, Challenge, Credentials, Hash, Secret};
use crate::sip::{Flow, Message, Transport};
use crate::time::Now;

struct Scene {
    registrar: Registrar,
    now: Now,
    cseq: u32,
}

/// What came of a REGISTER with a password.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Registered(Vec<(String, u64)>),
    Refused(Why),
    Wrong,
    Silence,
}

impl Scene {
    fn new(is_md5_offered: bool) -> Scene {
        let config = Config {
            from: vec!["192.0.2.0/24".parse().unwrap()],
            expires: Duration::from_secs(60)..=Duration::from_secs(600),
            shift: Duration::from_secs(600),
            hashes: match is_md5_offered {
                true => vec![Hash::Sha256, Hash::Md5],
                false => vec![Hash::Sha256],
            },
        };
        let mut registrar = Registrar::new(config, &[7; 32]);
        registrar.set_devices(devices(&[("desk-1", "one"), ("desk-2", "two")]));
        Scene {
            registrar,
            now: Now {
                instant: Instant::now(),
                utc: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            },
            cseq: 0,
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.now.utc += Duration::from_secs(seconds);
        self.registrar.tick(self.now.instant);
    }

    fn message(&mut self, user: &str, call_id: &str, headers: &str) -> Message {
        self.cseq += 1;
        let text = format!(
            "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK{0}\r\nFrom: <sip:{user}@pbx>;tag=1\r\n\
             To: <sip:{user}@pbx>\r\nCall-ID: {call_id}\r\nCSeq: {0} REGISTER\r\n{headers}Content-Length: 0\r\n\r\n",
            self.cseq
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn challenges(&mut self, flow: &Flow) -> Option<Vec<Challenge>> {
        let message = self.message("x", "c", "");
        match self.registrar.judge(&message, flow, self.now) {
            Judged::Asked { challenges, .. } => {
                Some(Challenge::read_all(challenges.iter().map(String::as_str)))
            }
            _ => None,
        }
    }

    /// A REGISTER of `user` who answers the challenge with `password`.
    fn register(&mut self, user: &str, password: &str, from: &str, contact: &str) -> End {
        self.register_over(user, password, flow(from), contact, (user, "c1"))
    }

    fn register_over(
        &mut self,
        user: &str,
        password: &str,
        flow: Flow,
        headers: &str,
        (of, call_id): (&str, &str),
    ) -> End {
        let Some(challenges) = self.challenges(&flow) else {
            return End::Silence;
        };
        let credentials = Credentials {
            user: user.into(),
            password: Secret::new(password),
            realm: None,
        };
        let challenge = Challenge::strongest(challenges, &credentials).unwrap();
        let ask = Ask {
            method: "REGISTER",
            uri: "sip:pbx",
            body: b"",
        };
        let answer = challenge.answer(&credentials, &ask, 1, "cnonce");
        let message = self.message(of, call_id, &format!("Authorization: {answer}\r\n{headers}"));
        match self.registrar.judge(&message, &flow, self.now) {
            Judged::Passed(device) => match self.registrar.register(&device, &message, flow, self.now) {
                Ok(Registered { contacts }) => End::Registered(contacts),
                Err(why) => End::Refused(why),
            },
            Judged::Asked { was_wrong, .. } => {
                assert!(was_wrong);
                End::Wrong
            }
            Judged::Ignored => End::Silence,
        }
    }

    fn news(&mut self) -> Vec<News> {
        std::iter::from_fn(|| self.registrar.poll_news()).collect()
    }

    fn bound(&mut self) -> Arc<Bound> {
        let bound = self.news().into_iter().rev().find_map(|news| match news {
            News::Bound(bound) => Some(bound),
            News::Alert(_) => None,
        });
        bound.expect("news of where devices are")
    }

    fn alerts(&mut self) -> Vec<Alert> {
        let alerts = self.news().into_iter().filter_map(|news| match news {
            News::Alert(alert) => Some(alert),
            News::Bound(_) => None,
        });
        alerts.collect()
    }
}

fn devices(all: &[(&str, &str)]) -> Arc<[Device]> {
    all.iter()
        .map(|(name, secret)| Device::new(name, secret, name.ends_with('2'), 1))
        .collect()
}

fn flow(from: &str) -> Flow {
    Flow::udp("10.0.0.1:5060".parse().unwrap(), from.parse().unwrap())
}

fn contacts(all: &[(&str, u64)]) -> End {
    End::Registered(all.iter().map(|(uri, left)| (uri.to_string(), *left)).collect())
}

const DESK: &str = "Contact: <sip:desk-1@192.168.7.7:5060>\r\n";

#[test]
fn a_device_registers_is_found_where_it_was_heard_and_goes_when_its_time_is_over() {
    let mut scene = Scene::new(false);
    let ours = ("sip:desk-1@192.168.7.7:5060", 600);
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.5:40000", DESK),
        contacts(&[ours])
    );
    let bound = scene.bound();
    let places = bound.places("desk-1");
    assert_eq!(places.len(), 1);
    assert_eq!(
        places[0].flow.remote,
        "192.0.2.5:40000".parse().unwrap(),
        "through its NAT"
    );
    assert!(bound.has(&flow("192.0.2.5:40000")) && !bound.has(&flow("192.0.2.5:40001")));
    assert!(bound.places("desk-2").is_empty());
    // Asked again and refreshed: no news for anybody.
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.5:40000", ""),
        contacts(&[ours])
    );
    scene.wait(300);
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.5:40000", DESK),
        contacts(&[ours])
    );
    assert_eq!(scene.news(), []);
    scene.wait(599);
    assert_eq!(scene.news(), []);
    scene.wait(1);
    assert_eq!(scene.bound().places("desk-1"), []);
    assert_eq!(scene.registrar.deadline(), None);
}

#[test]
fn contacts_are_ordered_by_q_bounded_and_taken_away_one_by_one_or_all() {
    let mut scene = Scene::new(false);
    let two = "Contact: <sip:a@192.0.2.5>;q=0.2, <sip:b@192.0.2.5>;q=0.7\r\n";
    scene.register("desk-1", "one", "192.0.2.5:5060", two);
    let uris = |bound: &Bound| -> Vec<String> {
        let places = bound.places("desk-1").iter();
        places.map(|place| place.uri.clone()).collect()
    };
    assert_eq!(uris(&scene.bound()), ["sip:b@192.0.2.5", "sip:a@192.0.2.5"]);
    for n in 0..CONTACTS_MAX {
        scene.wait(1);
        let more = format!("Contact: <sip:more-{n}@192.0.2.5>;q=0.5\r\n");
        scene.register("desk-1", "one", "192.0.2.5:5060", &more);
    }
    let bound = scene.bound();
    assert_eq!(uris(&bound).len(), CONTACTS_MAX);
    assert_eq!(
        uris(&bound)[0],
        "sip:more-3@192.0.2.5",
        "the last of equals first"
    );
    let gone = "Contact: <sip:more-3@192.0.2.5>;expires=0\r\n";
    scene.register("desk-1", "one", "192.0.2.5:5060", gone);
    assert_eq!(uris(&scene.bound()).len(), CONTACTS_MAX - 1);
    let all = scene.register("desk-1", "one", "192.0.2.5:5060", "Contact: *\r\nExpires: 0\r\n");
    assert_eq!(all, contacts(&[]));
    assert!(uris(&scene.bound()).is_empty());
}

#[test]
fn what_a_device_may_not_ask_for_changes_nothing() {
    let mut scene = Scene::new(false);
    let from = flow("192.0.2.5:5060");
    let other = scene.register_over("desk-1", "one", from, DESK, ("desk-2", "c1"));
    assert_eq!(other, End::Refused(Why::NotItsOwn));
    let brief = "Contact: <sip:a@b>;expires=59\r\n";
    let least = Duration::from_secs(60);
    let brief = scene.register("desk-1", "one", "192.0.2.5:5060", brief);
    assert_eq!(brief, End::Refused(Why::TooBrief(least)));
    let bad = scene.register("desk-1", "one", "192.0.2.5:5060", "Contact: *\r\n");
    assert_eq!(bad, End::Refused(Why::Bad));
    assert_eq!(scene.news(), []);
    // A request that a later one of its Call-ID has overtaken.
    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    scene.cseq -= 3;
    let late = scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    assert_eq!(late, End::Refused(Why::Overtaken));
    // After a restart of the phone its Call-ID is another, and it may count from the start.
    let fresh = scene.register_over("desk-1", "one", from, DESK, ("desk-1", "c2"));
    assert_eq!(fresh, contacts(&[("sip:desk-1@192.168.7.7:5060", 600)]));
}

#[test]
fn md5_is_offered_and_taken_only_where_it_was_asked_for() {
    let algorithms = |scene: &mut Scene| -> Vec<&'static str> {
        let asked = scene.challenges(&flow("192.0.2.5:5060")).unwrap();
        asked.iter().map(|challenge| challenge.algorithm.name()).collect()
    };
    let mut strict = Scene::new(false);
    assert_eq!(algorithms(&mut strict), ["SHA-256"]);
    let mut lax = Scene::new(true);
    assert_eq!(algorithms(&mut lax), ["SHA-256", "MD5"]);
    // Of desk-2 the MD5 is kept, of desk-1 it is not.
    for (scene, device, secret, expected) in [
        (&mut lax, "desk-2", "two", true),
        (&mut Scene::new(true), "desk-1", "one", false),
        (&mut strict, "desk-2", "two", false),
    ] {
        let from = flow("192.0.2.6:5060");
        let mut challenge = scene.challenges(&from).unwrap().remove(0);
        challenge.algorithm = crate::digest::Algorithm::plain(Hash::Md5);
        let credentials = Credentials {
            user: device.into(),
            password: Secret::new(secret),
            realm: None,
        };
        let ask = Ask {
            method: "REGISTER",
            uri: "sip:pbx",
            body: b"",
        };
        let answer = challenge.answer(&credentials, &ask, 1, "c");
        let message = scene.message(device, "m", &format!("Authorization: {answer}\r\n"));
        let judged = scene.registrar.judge(&message, &from, scene.now);
        assert_eq!(judged == Judged::Passed(device.into()), expected, "{device}");
    }
}

#[test]
fn guessing_is_locked_out_by_address_and_by_name_and_a_name_that_does_not_exist_looks_the_same() {
    let answers = |user: &str| {
        let mut scene = Scene::new(false);
        let ends: Vec<End> = (0..FAILURES_FREE + 2)
            .map(|_| scene.register(user, "guess", "192.0.2.66:5060", ""))
            .collect();
        (ends, scene)
    };
    let (known, mut scene) = answers("desk-1");
    let (unknown, mut other) = answers("nobody");
    assert_eq!(known, unknown);
    let wrong = known.iter().filter(|end| **end == End::Wrong).count();
    assert_eq!(
        (wrong, known.last()),
        (FAILURES_FREE as usize + 1, Some(&End::Silence))
    );
    let locked = |device: Option<&str>| Alert::Locked {
        device: device.map(str::to_string),
        address: "192.0.2.66".parse().unwrap(),
        lasts: Duration::from_secs(30),
    };
    assert_eq!(scene.alerts(), [locked(Some("desk-1"))]);
    assert_eq!(
        other.alerts(),
        [locked(None)],
        "made-up names do not fill the audit"
    );
    // Even the right one is not looked at now: neither there nor, of this device, anywhere new.
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.66:5060", DESK),
        End::Silence
    );
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.7:5060", DESK),
        End::Silence
    );
    // Others go on, and when the time is over so does it.
    assert_ne!(
        scene.register("desk-2", "two", "192.0.2.8:5060", DESK),
        End::Silence
    );
    scene.wait(31);
    let back = scene.register("desk-1", "one", "192.0.2.66:5060", DESK);
    assert_eq!(back, contacts(&[("sip:desk-1@192.168.7.7:5060", 600)]));
}

#[test]
fn a_phone_at_its_desk_goes_on_registering_while_others_guess_its_secret() {
    let mut scene = Scene::new(false);
    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    for n in 0..FAILURES_FREE + 3 {
        scene.register("desk-1", "guess", &format!("192.0.2.{}:5060", 100 + n), "");
    }
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.200:5060", DESK),
        End::Silence
    );
    let home = scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    assert_eq!(home, contacts(&[("sip:desk-1@192.168.7.7:5060", 600)]));
}

#[test]
fn what_anybody_may_send_in_anybodys_name_locks_nobody() {
    let mut scene = Scene::new(false);
    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    // No answer to a question of ours: whoever writes the address of the desk into his datagrams can send it.
    for made_up in [
        "Digest username=\"desk-1\", realm=\"ringward-phones\", nonce=\"x\", uri=\"sip:pbx\", response=\"y\"",
        "Basic ZGVzay0xOm9uZQ==",
    ] {
        for _ in 0..FAILURES_FREE + 1 {
            let message = scene.message("desk-1", "c9", &format!("Authorization: {made_up}\r\n"));
            let judged = scene
                .registrar
                .judge(&message, &flow("192.0.2.5:5060"), scene.now);
            assert!(matches!(judged, Judged::Asked { .. } | Judged::Ignored));
        }
        scene.wait(61);
    }
    assert_eq!(scene.alerts(), []);
    let home = scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    assert_eq!(home, contacts(&[("sip:desk-1@192.168.7.7:5060", 600)]));
    assert!(
        scene.challenges(&flow("192.0.2.77:5060")).is_some(),
        "a phone that comes for the first time is asked"
    );
}

#[test]
fn a_phone_with_an_old_secret_locks_out_nobody_else_at_its_address() {
    let mut scene = Scene::new(false);
    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    scene
        .registrar
        .set_devices(devices(&[("desk-1", "changed"), ("desk-2", "two")]));
    for _ in 0..FAILURES_FREE + 1 {
        scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    }
    let other = scene.register("desk-2", "two", "192.0.2.5:5062", "Contact: <sip:a@b>\r\n");
    assert_eq!(other, contacts(&[("sip:a@b", 600)]));
}

#[test]
fn the_same_credentials_at_two_places_are_told_once_while_it_lasts() {
    let mut scene = Scene::new(false);
    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    let elsewhere = "Contact: <sip:desk-1@192.0.2.9>\r\n";
    let over = |scene: &mut Scene| {
        scene.register_over(
            "desk-1",
            "one",
            flow("192.0.2.9:5060"),
            elsewhere,
            ("desk-1", "c9"),
        )
    };
    over(&mut scene);
    let expected = Alert::TwoPlaces {
        device: "desk-1".into(),
        here: "192.0.2.9".parse().unwrap(),
        there: "192.0.2.5".parse().unwrap(),
    };
    assert_eq!(scene.alerts(), [expected]);
    over(&mut scene);
    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    assert_eq!(scene.alerts(), [], "a refresh is no news");
    // The same desk with another port or a second phone beside it is one place.
    scene.register_over(
        "desk-2",
        "two",
        flow("192.0.2.5:1"),
        "Contact: <sip:a@x>\r\n",
        ("desk-2", "d1"),
    );
    scene.register_over(
        "desk-2",
        "two",
        flow("192.0.2.5:2"),
        "Contact: <sip:b@x>\r\n",
        ("desk-2", "d2"),
    );
    assert_eq!(scene.alerts(), []);
}

#[test]
fn a_connection_that_ends_takes_its_phone_with_it_and_a_new_secret_takes_all() {
    let mut scene = Scene::new(false);
    let over_tcp = Flow {
        transport: Transport::Tcp,
        connection: Some(7),
        ..flow("192.0.2.5:50000")
    };
    scene.register_over("desk-1", "one", over_tcp, DESK, ("desk-1", "c1"));
    assert!(scene.bound().has(&over_tcp));
    scene.registrar.lost(&flow("192.0.2.5:50000"));
    assert_eq!(scene.news(), [], "another way");
    scene.registrar.lost(&over_tcp);
    assert!(scene.bound().places("desk-1").is_empty());

    scene.register("desk-1", "one", "192.0.2.5:5060", DESK);
    scene.register("desk-2", "two", "192.0.2.6:5060", "Contact: <sip:a@b>\r\n");
    scene.news();
    scene
        .registrar
        .set_devices(devices(&[("desk-1", "changed"), ("desk-2", "two")]));
    let bound = scene.bound();
    assert!(bound.places("desk-1").is_empty() && !bound.places("desk-2").is_empty());
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.5:5060", DESK),
        End::Wrong
    );
    assert_ne!(
        scene.register("desk-1", "changed", "192.0.2.5:5060", DESK),
        End::Wrong
    );
}

#[test]
fn in_a_lockdown_a_phone_registers_only_where_it_is_unless_it_was_given_another_secret_since() {
    let mut scene = Scene::new(false);
    let contact = "Contact: <sip:desk-1@192.0.2.1>\r\n";
    let there = |end: End| matches!(end, End::Registered(contacts) if contacts.len() == 1);
    assert!(there(scene.register("desk-1", "one", "192.0.2.1:5060", contact)));
    scene.registrar.set_lockdown(Some(1_000));
    assert!(there(scene.register("desk-1", "one", "192.0.2.1:5060", contact)));
    assert!(
        there(scene.register("desk-1", "one", "192.0.2.1:6000", contact)),
        "its port is another"
    );
    let refused = End::Refused(Why::LockedDown);
    assert_eq!(
        scene.register("desk-1", "one", "192.0.2.2:5060", contact),
        refused
    );
    let other = "Contact: <sip:desk-2@192.0.2.3>\r\n";
    assert_eq!(
        scene.register("desk-2", "two", "192.0.2.3:5060", other),
        refused,
        "it was nowhere"
    );
    assert_eq!(
        scene.register("desk-2", "two", "192.0.2.3:5060", ""),
        refused,
        "nor is it told anything"
    );

    let another = |made_ms| Arc::from([Device::new("desk-1", "three", false, made_ms)]);
    scene.registrar.set_devices(another(999));
    assert_eq!(
        scene.register("desk-1", "three", "192.0.2.2:5060", contact),
        refused
    );
    scene.registrar.set_devices(another(1_000));
    assert!(there(scene.register(
        "desk-1",
        "three",
        "192.0.2.2:5060",
        contact
    )));
    scene.registrar.set_lockdown(None);
    assert!(there(scene.register(
        "desk-1",
        "three",
        "192.0.2.4:5060",
        "Contact: <sip:desk-1@192.0.2.1>\r\n"
    )));
}

#[test]
fn in_a_lockdown_a_device_at_two_places_goes_on_at_both() {
    let mut scene = Scene::new(false);
    let places = [("192.0.2.1:5060", "192.0.2.1"), ("192.0.2.2:5060", "192.0.2.2")];
    let register = |scene: &mut Scene, (from, host): (&str, &str)| {
        let contact = format!("Contact: <sip:desk-1@{host}>\r\n");
        scene.register("desk-1", "one", from, &contact)
    };
    for place in places {
        register(&mut scene, place);
    }
    scene.registrar.set_lockdown(Some(1_000));
    // Also the one that was not the last to come.
    for place in places {
        let end = register(&mut scene, place);
        assert!(
            matches!(end, End::Registered(contacts) if contacts.len() == 2),
            "{place:?}"
        );
    }
    let third = register(&mut scene, ("192.0.2.3:5060", "192.0.2.3"));
    assert_eq!(third, End::Refused(Why::LockedDown));
}
