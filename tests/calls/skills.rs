//! Queues whose calls need somebody who can do something: whole calls, with people at their phones.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringward::queue::{BySkill, Config, Need, Skills, Strategy, Trust};

use crate::gateway::EPOCH_S;
use crate::routes::in_order as calls;
use crate::signing::signed_token;
use crate::waiting::{answered_at, answers, roster, rung, secs, talks, waits, world};

/// Ann is trained (level 4), Bea is not as good (2), Cay is not at all; everybody sits at a phone of his own.
fn desk(relax_after: u64, needs: Vec<Need>) -> Config {
    let mut desk = waits("desk", Strategy::Skill, 0..3);
    let skilled = |name: &str, level: u8| {
        (
            format!("person:{name}"),
            BTreeMap::from([("fraud".into(), level)]),
        )
    };
    desk.service.by_skill = BySkill {
        needs,
        relax_after: secs(relax_after),
        skills: Arc::new(Skills::new([skilled("ann", 4), skilled("bea", 2)])),
    };
    desk
}

fn need(least: u8, numbers: &[&str], callers: &[Trust]) -> Need {
    Need {
        skill: "fraud".into(),
        least,
        numbers: numbers.iter().map(ToString::to_string).collect(),
        callers: callers.to_vec(),
    }
}

fn people() -> ringward::call::Input<'static> {
    // The one who is best sits at the last phone: the order of the file is not what decides.
    roster(&[("cay", 0, None), ("bea", 1, None), ("ann", 2, None)])
}

#[test]
fn the_best_takes_the_first_call_the_next_best_the_second_and_who_cannot_only_after_the_wait() {
    let mut world = world(
        vec![desk(20, vec![need(1, &[], &[])])],
        21,
        &[answers(), answers(), answers()],
    );
    world.tell(people());
    for n in 0..3 {
        world.call_after(f64::from(n), talks(60.0));
    }
    world.run();
    let calls = calls(&world);
    let rung: Vec<_> = calls.iter().map(|call| rung(call)).collect();
    assert_eq!(rung, [["device:d2 200"], ["device:d1 200"], ["device:d0 200"]]);
    let people: Vec<_> = calls.iter().map(|call| call.person.as_deref()).collect();
    assert_eq!(people, [Some("ann"), Some("bea"), Some("cay")]);
    let at: Vec<_> = calls.iter().filter_map(|call| answered_at(call)).collect();
    assert!(
        at[1] < 5 && (22..=24).contains(&at[2]),
        "it came after 2 s, and waited 20: {at:?}"
    );
}

#[test]
fn who_can_is_taken_as_soon_as_he_is_free_and_a_call_that_needs_nothing_waits_for_nobody() {
    // Only calls to the second number need it, at a level that only Ann has.
    let mut world = world(
        vec![desk(120, vec![need(3, &["+12125550199"], &[])])],
        22,
        &[answers(), answers(), answers()],
    );
    world.tell(people());
    let to = |called: &str, seconds: f64| {
        let mut plan = talks(seconds);
        plan.called = called.into();
        plan
    };
    world.call_after(0.0, to("+12125550199", 30.0));
    world.call_after(2.0, to("+12125550199", 5.0));
    world.call_after(4.0, to("+12125550100", 5.0));
    world.run();
    let calls = calls(&world);
    let rung: Vec<_> = calls.iter().map(|call| rung(call)).collect();
    assert_eq!(rung[..2], [["device:d2 200"], ["device:d2 200"]], "{rung:?}");
    assert_ne!(rung[2], ["device:d2 200"]);
    let at: Vec<_> = calls.iter().filter_map(|call| answered_at(call)).collect();
    assert!((30..36).contains(&at[1]) && at[2] < 7, "{at:?}");
}

#[test]
fn whom_the_policy_warns_of_goes_to_the_trained_and_the_others_to_anybody() {
    let suspects = vec![need(3, &[], &[Trust::Suspect])];
    let mut world = world(vec![desk(60, suspects)], 23, &[answers(), answers(), answers()]);
    world.tell(people());
    // Signed for another number than the one that is shown.
    let forged = signed_token('A', "12125550777", "12125550100", EPOCH_S);
    for n in 0..3 {
        world.call_after(f64::from(n) * 40.0, talks(5.0).header("Identity", &forged));
        world.call_after(f64::from(n) * 40.0 + 20.0, talks(5.0));
    }
    world.run();
    let people: Vec<_> = calls(&world)
        .iter()
        .map(|call| call.person.as_deref().unwrap_or("-").to_string())
        .collect();
    assert_eq!([&people[0], &people[2], &people[4]], ["ann"; 3], "{people:?}");
    // The others are shared out among all.
    assert!(
        [&people[1], &people[3], &people[5]]
            .iter()
            .any(|person| *person != "ann"),
        "{people:?}"
    );
}
