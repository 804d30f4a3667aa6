//! A random day: thousands of short calls with all sorts of callers, phones and weather, from one seed.
//!
//! `SEED=17 CALLS=5000 cargo test --test calls random_day` replays or widens one.

use std::time::Duration;

use ringward::queue::{Overflow, Strategy};

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::signing::{CERTIFICATE_URL, signed_token, unsigned_token};
use crate::world::{EPOCH_S, World, queue};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

fn day(seed: u64, calls: u64) -> World {
    let mut desk = queue(
        "desk",
        Strategy::RingAll,
        &[
            "sip:a@10.0.0.5:5060",
            "sip:b@10.0.0.6:5060",
            "sip:c@10.0.0.7:5060",
        ],
    );
    desk.numbers = vec!["+12125550100".into()];
    desk.ring = Duration::from_secs(6);
    desk.overflow = Overflow::Queue("night".into());
    let mut night = queue(
        "night",
        Strategy::InOrder,
        &["sip:d@10.0.0.8:5060", "sip:e@10.0.0.9:5060"],
    );
    night.numbers = vec!["+12125550101".into()];
    night.ring = Duration::from_secs(4);
    let mut lost = queue("lost", Strategy::InOrder, &["sip:f@10.0.0.10:5060"]);
    lost.numbers = vec!["+1212555*".into()];
    lost.ring = Duration::from_secs(3);

    let mut world = World::new(vec![desk, night, lost], seed);
    world.network.lost = world.dice(60);
    world.network.repeated = world.dice(60);
    world.network.delay_ms = (1, 1 + world.dice(120));
    if world.dice(4) == 0 {
        world.helpers.store = None;
    }
    if world.dice(2) == 0 {
        world.helpers.fetch = None;
    }
    world.helpers.windows = (0..8).map(|_| world.dice(60) as f32 / 10.0 - 3.0).collect();
    world.helpers.is_scorer_overloaded = world.dice(8) == 0;

    for address in [
        "10.0.0.5",
        "10.0.0.6",
        "10.0.0.7",
        "10.0.0.8",
        "10.0.0.9",
        "10.0.0.10",
    ] {
        let seconds = world.dice(50) as f64 / 10.0;
        let answer = match world.dice(10) {
            0 => Answer::Dead,
            1 => Answer::Never,
            2 => Answer::Refuse(486, Duration::from_millis(40)),
            3 => Answer::Refuse(603, Duration::from_millis(40)),
            _ => Answer::After(Duration::from_secs_f64(seconds)),
        };
        let mut plan = PhonePlan::with(answer);
        plan.rings_after = Duration::from_millis(world.dice(300));
        plan.has_early_media = world.dice(3) == 0;
        plan.ignores_cancel = world.dice(4) == 0;
        if world.dice(2) == 0 {
            plan = plan.act(1.0 + seconds, Act::Hold).act(2.0 + seconds, Act::Resume);
        }
        // Sooner or later somebody hangs up.
        plan = plan.act(6.0 + world.dice(60) as f64 / 10.0, Act::Bye);
        world.phone(&format!("{address}:5060"), plan);
    }
    for n in 0..calls {
        let start = world.dice(calls * 200) as f64 / 1000.0;
        let mut plan = CallerPlan::new(&format!("+1404555{:04}", n % 10_000));
        plan.called =
            ["+12125550100", "+12125550101", "+12125550155", "+13035550100"][world.dice(4) as usize].into();
        plan.has_offer = world.dice(8) != 0;
        plan.never_acknowledges = world.dice(40) == 0;
        if world.dice(5) == 0 {
            plan = plan.gives_up_after(world.dice(80) as f64 / 10.0);
        }
        if world.dice(3) == 0 {
            let iat = EPOCH_S + start as u64;
            let token = match world.dice(3) {
                0 => unsigned_token("14045550123", "12125550100", iat, CERTIFICATE_URL),
                1 => signed_token('A', "14045550123", "12125550100", iat),
                _ => signed_token('B', &format!("1404555{:04}", n % 10_000), "12125550100", iat),
            };
            plan = plan.header("Identity", &token);
        }
        for _ in 0..world.dice(4) {
            let act = match world.dice(6) {
                0 => Act::Hold,
                1 => Act::Resume,
                2 => Act::Update,
                3 => Act::AskForOffer,
                4 => Act::Info("Signal=1".into()),
                _ => Act::Send("REFER"),
            };
            plan = plan.act(world.dice(60) as f64 / 10.0, act);
        }
        plan = plan.act(1.0 + world.dice(80) as f64 / 10.0, Act::Bye);
        world.call_after(start, plan);
    }
    world
}

#[test]
fn a_random_day_ends_with_every_call_accounted_for() {
    let seeds = match std::env::var("SEED") {
        Ok(_) => vec![number("SEED", 1)],
        Err(_) => (1..=8).collect(),
    };
    let calls = number("CALLS", 250);
    for seed in seeds {
        println!("SEED={seed} CALLS={calls}");
        let mut world = day(seed, calls);
        world.run_for(calls as f64 / 5.0 + 400.0);
        world.check();
        println!("{:?}", world.outcomes());
        assert_eq!(world.count("invite"), calls);
        assert_eq!(world.count("ended"), world.records.len() as u64);
        assert_eq!(
            world.records.len() as u64,
            calls,
            "every INVITE that came has its record"
        );
    }
}

#[test]
fn the_same_seed_is_the_same_day() {
    let run = || {
        let mut world = day(77, 40);
        world.run_for(500.0);
        world.trace
    };
    let (one, other) = (run(), run());
    assert!(
        one == other,
        "first difference: {:?}",
        one.iter().zip(&other).find(|(a, b)| a != b)
    );
}

#[test]
fn garbled_datagrams_leave_nothing_behind() {
    for seed in 0..6 {
        let mut world = day(500 + seed, 60);
        world.network.garbled = 150;
        // A call whose every BYE was lost lives until the longest a call may last.
        world.run_for(14.0 * 3600.0);
        assert_eq!(world.engine.live_calls(), 0, "seed {seed}");
        assert_eq!(world.engine.live_parts(), Default::default(), "seed {seed}");
        for records in world.records.values() {
            let finals = records
                .iter()
                .filter(|record| record.timings.ended_ms.is_some())
                .count();
            assert_eq!(finals, 1, "seed {seed}");
        }
    }
}
