//! Bugs that other SIP stacks met under load, one sentence each: ours must not meet them again.
//!
//! About half of them came of several workers in one call, half of requests without a server transaction.

use ringward::call::record::Ending;
use ringward::queue::Strategy;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::wire;
use crate::world::{GATEWAY, World, one_desk, queue};

const CALLER: &str = "+14045550123";
const PHONE: &str = "10.0.0.5:5060";
const OTHER: &str = "10.0.0.6:5060";

fn two_desks() -> Vec<ringward::queue::Config> {
    let targets = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    vec![queue("desk", Strategy::RingAll, &targets)]
}

/// Start lines that went from one address to another, in order.
fn said<'w>(world: &'w World, from: &str, to: &str) -> Vec<&'w str> {
    let way = format!("{from} > {to} ");
    world
        .trace
        .iter()
        .filter_map(|line| line.split_once(&way).map(|(_, rest)| rest))
        .collect()
}

fn trunk(world: &World) -> String {
    let mut callers = world
        .agents
        .keys()
        .filter(|address| address.ip().to_string().starts_with("203."));
    callers.next().expect("a caller").to_string()
}

#[test]
fn a_repeated_cancel_is_200_again_though_its_invite_has_ended() {
    let mut world = World::new(one_desk(), 5);
    world.phone(PHONE, PhonePlan::with(Answer::Never));
    let caller = world.call(CallerPlan::new(CALLER).gives_up_after(1.0));
    world.lose("SIP/2.0 200 OK", 2); // ours to the CANCEL
    world.run();
    assert_eq!(world.heard(caller, "CANCEL"), [200]);
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 487]);
    let cancels = said(&world, &caller.to_string(), GATEWAY);
    let cancels = cancels.iter().filter(|line| line.starts_with("CANCEL")).count();
    assert_eq!(cancels, 3);
    assert!(!world.trace.iter().any(|line| line.contains("SIP/2.0 481")));
}

#[test]
fn two_answers_that_race_give_the_caller_one() {
    for apart_ms in 0..25 {
        let mut world = World::new(two_desks(), 5);
        world.network.delay_ms = (5, 5);
        world.phone(PHONE, PhonePlan::answers_after(1.0));
        let later = 1.0 + f64::from(apart_ms) / 1000.0;
        world.phone(OTHER, PhonePlan::answers_after(later).act(2.0, Act::Bye));
        let caller = world.call(CallerPlan::new(CALLER).act(5.0, Act::Bye));
        world.run();
        assert_eq!(
            world.heard(caller, "INVITE"),
            [100, 180, 200],
            "{apart_ms} ms apart"
        );
        let answers = world.line(caller).responses.iter();
        let mut tags: Vec<_> = answers
            .filter(|answer| answer.status() == Some(200) && answer.method() == "INVITE")
            .map(|answer| answer.tag("To"))
            .collect();
        tags.dedup();
        assert_eq!(tags.len(), 1, "{apart_ms} ms apart");
        // The slower one was told to stop, or was acknowledged and hung up.
        let loser = world.line(OTHER.parse().unwrap());
        let asked: Vec<&str> = loser.received.iter().map(|request| request.method()).collect();
        assert!(
            asked == ["CANCEL"] || asked.ends_with(&["BYE"]) && !loser.acks.is_empty(),
            "{apart_ms} ms apart: {asked:?}"
        );
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    }
}

/// What the caller was sent after its 200, re-INVITEs and hanging up left out.
fn provisional_after_200(world: &World) -> Vec<&str> {
    let told = said(world, GATEWAY, &trunk(world));
    told.into_iter()
        .skip_while(|line| !line.starts_with("SIP/2.0 200"))
        .filter(|line| line.starts_with("SIP/2.0 1"))
        .collect()
}

#[test]
fn a_180_that_comes_after_the_200_stays_with_us() {
    // Of another phone, that rang while the first one answered.
    let mut world = World::new(two_desks(), 5);
    world.network.delay_ms = (10, 10);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let mut late = PhonePlan::with(Answer::Never);
    late.rings_after = std::time::Duration::from_millis(1005);
    world.phone(OTHER, late);
    world.call(CallerPlan::new(CALLER).act(5.0, Act::Bye));
    world.run();
    assert!(said(&world, OTHER, GATEWAY)[0].starts_with("SIP/2.0 180"));
    assert_eq!(provisional_after_200(&world), Vec::<&str>::new());

    // Of the same phone, overtaken on its way.
    for seed in 0..40 {
        let mut world = World::new(one_desk(), seed);
        world.network.delay_ms = (1, 300);
        let mut phone = PhonePlan::answers_after(1.0);
        phone.rings_after = std::time::Duration::from_secs(1);
        world.phone(PHONE, phone);
        world.call(CallerPlan::new(CALLER).act(5.0, Act::Bye));
        world.run();
        assert_eq!(provisional_after_200(&world), Vec::<&str>::new(), "seed {seed}");
    }
}

#[test]
fn every_phone_that_answers_gets_its_ack_in_a_crowd_too() {
    let mut world = World::new(one_desk(), 5);
    let phone = world.phone(PHONE, PhonePlan::answers_after(0.2));
    for n in 0..300 {
        world.call_after(
            f64::from(n % 7) / 1000.0,
            CallerPlan::new(CALLER).act(3.0, Act::Bye),
        );
    }
    world.run();
    let lines = &world.agents[&phone].lines;
    assert_eq!(lines.len(), 300);
    for (id, line) in lines {
        assert_eq!(line.acks.len(), 1, "{id}: once, and for its own INVITE");
        assert_eq!(
            (line.acks[0].cseq(), line.acks[0].must("Call-ID")),
            (1, id.as_str())
        );
    }
}

#[test]
fn the_ack_for_a_refusal_that_came_from_the_phone_is_no_new_request() {
    let mut world = World::new(one_desk(), 5);
    let refuses = Answer::Refuse(407, std::time::Duration::from_millis(50));
    world.phone(PHONE, PhonePlan::with(refuses));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    let refused = *world.heard(caller, "INVITE").last().unwrap();
    assert!(
        refused >= 400 && refused != 407,
        "{refused}: nobody can log in to us"
    );
    let acks = said(&world, &caller.to_string(), GATEWAY);
    assert!(acks.last().unwrap().starts_with("ACK"), "{acks:?}");
    let told: Vec<&str> = said(&world, GATEWAY, PHONE);
    assert_eq!(told.len(), 2, "its INVITE and its ACK: {told:?}");
    assert_eq!(world.count("invite"), 1);

    // The same of a re-INVITE, where the refusal does cross.
    let mut world = World::new(one_desk(), 5);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let caller = world.call(
        CallerPlan::new(CALLER)
            .act(2.0, Act::Send("INVITE"))
            .act(4.0, Act::Bye),
    );
    world.after(2.5, |world| {
        world
            .agents
            .get_mut(&PHONE.parse().unwrap())
            .unwrap()
            .phone
            .answer = Answer::Dead;
    });
    world.run();
    assert_eq!(world.count("invite"), 1);
    assert_eq!(world.heard(caller, "BYE"), [200]);
}

#[test]
fn our_200_to_the_caller_comes_again_until_it_is_acknowledged() {
    let mut world = World::new(one_desk(), 5);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(CALLER).act(3.0, Act::Bye));
    world.lose("SIP/2.0 200 OK", 4);
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    let sent = said(&world, GATEWAY, &caller.to_string());
    let times = sent
        .iter()
        .filter(|line| line.starts_with("SIP/2.0 200 OK [1 INVITE]"))
        .count();
    assert_eq!(times, 5);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn ack_and_bye_keep_their_order_towards_the_phone() {
    for seed in 0..40 {
        let mut world = World::new(one_desk(), seed);
        // On the way to us they may come in any order: a BYE at once after the ACK.
        world.network.delay_ms = (1, 300);
        world.phone(PHONE, PhonePlan::answers_after(1.0));
        world.call(CallerPlan::new(CALLER).act(0.0, Act::Bye));
        world.run();
        let told = said(&world, GATEWAY, PHONE);
        let place = |start: &str| told.iter().position(|line| line.starts_with(start));
        assert!(place("ACK") < place("BYE"), "seed {seed}: {told:?}");
        assert!(place("ACK").is_some(), "seed {seed}");
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"), "seed {seed}");
    }
}

#[test]
fn a_refusal_is_not_repeated_on_a_reliable_transport() {
    let targets = ["sip:desk@10.0.0.5:5060;transport=tcp"];
    let mut world = World::over_tcp(vec![queue("desk", Strategy::RingAll, &targets)], 5);
    let refuses = Answer::Refuse(486, std::time::Duration::from_millis(50));
    world.phone(PHONE, PhonePlan::with(refuses));
    let caller = world.call(CallerPlan::new(CALLER));
    world.lose("ACK sip:+1", 99);
    world.run();
    let told = said(&world, GATEWAY, &caller.to_string());
    let refusals = told.iter().filter(|line| line.starts_with("SIP/2.0 486")).count();
    assert_eq!(refusals, 1, "{told:?}");
}

#[test]
fn what_comes_again_after_the_ack_of_a_refusal_is_absorbed_for_timer_i() {
    for seed in 0..40 {
        let mut world = World::new(one_desk(), seed);
        // Everything comes twice, up to two seconds later: INVITE and ACK again after the ACK.
        world.network.repeated = 1000;
        world.network.delay_ms = (1, 2000);
        world.phone(
            PHONE,
            PhonePlan::with(Answer::Refuse(486, std::time::Duration::ZERO)),
        );
        world.call(CallerPlan::new(CALLER));
        world.run();
        assert_eq!(
            (world.count("invite"), world.records.len()),
            (1, 1),
            "seed {seed}"
        );
    }
}

#[test]
fn two_invites_with_one_branch_are_one_transaction_and_no_panic() {
    let mut world = World::new(one_desk(), 5);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let trunk = "203.0.113.7:5060".parse().unwrap();
    for call_id in ["one", "other", "third"] {
        let headers = [
            ("Via", format!("SIP/2.0/UDP {trunk};branch=z9hG4bKsame")),
            ("Max-Forwards", "70".into()),
            ("From", format!("<sip:{CALLER}@203.0.113.7>;tag={call_id}")),
            ("To", format!("<sip:+12125550100@{GATEWAY}>")),
            ("Call-ID", call_id.into()),
            ("CSeq", "1 INVITE".into()),
            ("Contact", format!("<sip:trunk@{trunk}>")),
        ];
        let invite = wire::write(
            &format!("INVITE sip:+12125550100@{GATEWAY} SIP/2.0"),
            &headers,
            None,
        );
        world.send(trunk, GATEWAY.parse().unwrap(), invite);
    }
    // Nobody acknowledges: 64*T1, then a BYE that nobody answers.
    world.run_for(200.0);
    assert_eq!((world.count("invite"), world.records.len()), (1, 1));
    assert_eq!(world.engine.live_parts(), Default::default());
}

#[test]
fn transactions_that_ended_well_leave_the_table() {
    let mut world = World::new(one_desk(), 5);
    world.phone(PHONE, PhonePlan::answers_after(0.2));
    for n in 0..200 {
        let plan = CallerPlan::new(CALLER)
            .act(0.5, Act::Hold)
            .act(1.0, Act::Info("Signal=1".into()))
            .act(2.0, Act::Bye);
        world.call_after(f64::from(n) / 20.0, plan);
    }
    world.run_for(60.0);
    // Ten seconds of calls, three to talk, 64*T1 for what may still be repeated: nothing waits any more.
    assert_eq!(world.engine.live_parts(), Default::default());
    assert_eq!(world.records.len(), 200);
}
