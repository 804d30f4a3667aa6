//! Strangers who guess and scan: what leads to a block, what never does, and who is never blocked.

use std::net::SocketAddr;
use std::sync::Arc;

use ringward::call::TrunkConfig;
use ringward::digest::{Credentials, Secret};
use ringward::flood::Blocks;
use ringward::policy::Policy;
use ringward::sip::{Flow, PeerName, Transport};

use crate::gateway::GATEWAY;
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{World, one_desk};

/// A trunk that calls from anywhere with its password, beside the ones known by address; addresses are blocked.
fn world(seed: u64) -> World {
    let mut world = World::with_config(one_desk(), seed, Policy::embedded(), |config| {
        config.trunks.push(TrunkConfig {
            name: "pbx".into(),
            credentials: Some(Credentials {
                user: "pbx".into(),
                password: Secret::new("correct horse"),
                realm: None,
            }),
            is_challenged: true,
            ..TrunkConfig::default()
        });
        config.trunks.push(TrunkConfig {
            name: "certified".into(),
            tls_name: Some("sbc.example".into()),
            ..TrunkConfig::default()
        });
    });
    let never = vec!["203.0.113.0/24".parse().unwrap()];
    world.engine = world.engine.with_blocks(Arc::new(Blocks::new(never, true)));
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world
}

fn stranger(port: u16) -> SocketAddr {
    SocketAddr::new("198.51.100.20".parse().unwrap(), port)
}

fn talk() -> CallerPlan {
    CallerPlan::new("+14045550123").act(1.0, Act::Bye)
}

fn is_blocked(world: &World) -> bool {
    let flow = Flow::udp(GATEWAY.parse().expect("an address"), stranger(1));
    world.engine.is_blocked(&flow, world.now().instant)
}

#[test]
fn whoever_guesses_passwords_over_nonces_of_his_own_is_blocked_at_the_eighth() {
    for (guesses, expected) in [(7, false), (8, true)] {
        let mut world = world(31);
        for n in 0..guesses {
            world.call_from(
                stranger(6000 + n),
                0.5 * f64::from(n),
                talk().login("pbx", "wrong"),
            );
        }
        world.run_for(10.0);
        assert_eq!(world.count("proof wrong"), u64::from(guesses));
        assert_eq!(
            (is_blocked(&world), world.count("blocked")),
            (expected, u64::from(expected))
        );
        assert!(world.records.is_empty());
    }
}

#[test]
fn datagrams_in_somebodys_name_never_have_him_blocked() {
    let mut world = world(32);
    let made_up = "Digest username=\"pbx\", realm=\"ringward\", nonce=\"bm90IG9uZSBvZiBvdXJz\", qop=auth, nc=00000001, \
                   uri=\"sip:+12125550100@198.51.100.1\", cnonce=\"a\", response=\"00000000000000000000000000000000\", \
                   algorithm=MD5";
    for n in 0..200 {
        let plan = match n % 3 {
            0 => talk(),
            1 => talk().header("Authorization", made_up),
            _ => talk().header("User-Agent", "friendly-scanner"),
        };
        world.call_from(stranger(6000 + n), 0.05 * f64::from(n), plan);
    }
    world.run_for(15.0);
    assert!(!is_blocked(&world));
    assert_eq!(world.count("blocked"), 0);
    assert!(world.count("scanned") > 50 && world.count("challenged") > 50);
}

#[test]
fn who_has_proven_himself_is_not_blocked_for_what_others_behind_his_address_do() {
    let mut world = world(33);
    world.call_from(stranger(5062), 0.0, talk().login("pbx", "correct horse"));
    for n in 0..8 {
        world.call_from(
            stranger(6000 + n),
            3.0 + 0.5 * f64::from(n),
            talk().login("pbx", "wrong"),
        );
    }
    world.run_for(10.0);
    assert_eq!(world.heard(stranger(5062), "INVITE"), [401, 100, 180, 200]);
    assert!(!is_blocked(&world));
}

#[test]
fn a_trunk_that_shows_its_certificate_is_heard_from_a_blocked_address() {
    let mut world = world(35);
    for n in 0..8 {
        let guess = talk().login("pbx", "wrong");
        world.call_from(stranger(6000 + n), 0.5 * f64::from(n), guess);
    }
    world.run_for(10.0);
    assert!(is_blocked(&world));
    let certified = Flow {
        transport: Transport::Tls,
        peer: Some(PeerName(0)),
        ..Flow::udp(GATEWAY.parse().expect("an address"), stranger(1))
    };
    let now = world.now().instant;
    assert!(!world.engine.is_blocked(&certified, now));
    let unnamed = Flow {
        peer: None,
        ..certified
    };
    assert!(world.engine.is_blocked(&unnamed, now));
}

#[test]
fn who_has_proven_himself_may_call_himself_what_he_likes() {
    let mut world = world(36);
    let scanner = || {
        talk()
            .login("pbx", "correct horse")
            .header("User-Agent", "sipcli")
    };
    world.call_from(stranger(5062), 0.0, talk().login("pbx", "correct horse"));
    world.call_from(stranger(5063), 5.0, scanner());
    world.run_for(10.0);
    assert_eq!(world.heard(stranger(5063), "INVITE"), [401, 100, 180, 200]);
    assert_eq!(world.count("scanned"), 0);
}

#[test]
fn a_stranger_who_calls_himself_a_scanner_hears_nothing_and_a_trunk_may_call_itself_what_it_likes() {
    let mut world = world(34);
    let scanner = || talk().header("User-Agent", "friendly-scanner");
    world.call_from(stranger(5062), 0.0, scanner());
    let trunk = world.call_after(0.0, scanner());
    world.run_for(5.0);
    assert!(world.heard(stranger(5062), "INVITE").is_empty());
    assert_eq!(*world.heard(trunk, "INVITE").last().unwrap(), 200);
}
