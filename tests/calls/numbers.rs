//! Numbers as trunks in different countries write them: the queue, the record and the verification know one form.

use ringward::call::{NumberPlan, Rules};
use ringward::identity::Standing;
use ringward::policy::Policy;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::world::{EPOCH_S, World, one_desk};

fn plan(country: &str) -> NumberPlan {
    NumberPlan {
        country: Some(country.into()),
        ..NumberPlan::default()
    }
}

/// What a phone is shown of a call that the trunk writes like this; signed for these two numbers.
fn check(numbers: NumberPlan, caller: &str, called: &str, orig: &str, dest: &str) {
    let mut queues = one_desk();
    queues[0].numbers = vec![format!("+{dest}")];
    let mut world = World::with_trunk(queues, 1, Policy::embedded(), |trunk| trunk.numbers = numbers);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut call = CallerPlan::new(caller).act(1.0, Act::Bye);
    call.from = format!("<sip:{caller}@203.0.113.7;user=phone>");
    call.called = called.into();
    world.call(call.header("Identity", &signed_token('A', orig, dest, EPOCH_S)));
    world.run();
    let record = world.record();
    assert_eq!(record.identity.standing, Standing::Verified, "{caller} {called}");
    assert_eq!(record.called.reveal(), &format!("+{dest}"));
    let asserted = world.rung(phone).must("P-Asserted-Identity");
    assert!(asserted.contains(&format!("sip:+{orig}")), "{asserted}");
    assert!(asserted.contains("verstat=TN-Validation-Passed"), "{asserted}");
}

#[test]
fn british_american_and_german_trunks_ring_the_same_desk_verified() {
    check(
        plan("GB"),
        "02079460001",
        "02079460000",
        "442079460001",
        "442079460000",
    );
    check(
        plan("GB"),
        "0014045550123",
        "442079460000",
        "14045550123",
        "442079460000",
    );
    check(
        plan("US"),
        "4045550123",
        "12125550100",
        "14045550123",
        "12125550100",
    );
    check(
        plan("US"),
        "011442079460001",
        "2125550100",
        "442079460001",
        "12125550100",
    );
    check(
        plan("DE"),
        "+4930123456",
        "004930765432",
        "4930123456",
        "4930765432",
    );
    check(plan("DE"), "030123456", "030765432", "4930123456", "4930765432");
}

#[test]
fn what_a_carrier_puts_before_its_numbers_is_taken_off() {
    let numbers = NumberPlan {
        called: Rules {
            strip: vec!["77".into()],
            add: String::new(),
        },
        calling: Rules {
            strip: vec!["00".into()],
            add: "+".into(),
        },
        ..plan("US")
    };
    check(
        numbers,
        "0014045550123",
        "7712125550100",
        "14045550123",
        "12125550100",
    );
}

#[test]
fn a_number_that_only_the_rules_make_equal_is_forged_without_them() {
    let mut world = World::with_trunk(one_desk(), 1, Policy::embedded(), |trunk| {
        trunk.numbers = plan("US")
    });
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut call = CallerPlan::new("02079460001").act(1.0, Act::Bye);
    call.from = "<sip:+442079460001@203.0.113.7;user=phone>".into();
    world.call(call.header(
        "Identity",
        &signed_token('A', "442079460002", "12125550100", EPOCH_S),
    ));
    world.run();
    assert_eq!(world.record().identity.standing, Standing::Failed);
}
