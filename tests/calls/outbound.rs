//! Phones call: each other, and numbers outside.

use std::net::SocketAddr;
use std::time::Duration;

use ringward::call::record::{Direction, Ending};
use ringward::call::{Config, Input, Peer, Reach, TransferRules};
use ringward::flood::{Allowance, CallLimits, Shared, SurgeConfig};
use ringward::policy::Policy;
use ringward::sip::Transport;

use crate::attended::join;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::transfers::{Scene, three_queues};
use crate::world::World;

const FRIEND: &str = "+14045550123";

/// The trunk "carrier" has a way out, to 203.0.113.9, and a number that it shows.
pub fn leads_outside(config: &mut Config) {
    config.trunks[0].number = Some("+12125550100".into());
    config.trunks[0].to = Some(Peer {
        host: "carrier.example".into(),
        transport: Transport::Udp,
        addresses: vec!["203.0.113.9:5060".parse().unwrap()],
    });
}

/// A world with a way out to a carrier at 203.0.113.9 that behaves like that.
fn world(
    carrier: PhonePlan,
    change: impl FnOnce(&mut Config),
) -> (World, SocketAddr, SocketAddr, SocketAddr) {
    let mut world = World::with_config(three_queues(), 3, Policy::embedded(), |config| {
        config.outbound.from_phones = true;
        leads_outside(config);
        change(config);
    });
    let desk = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let sales = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    let carrier = world.phone("203.0.113.9:5060", carrier);
    (world, desk, sales, carrier)
}

fn dials(number: &str) -> CallerPlan {
    let mut plan = CallerPlan::new("desk").act(5.0, Act::Bye);
    plan.called = number.into();
    plan
}

#[test]
fn a_phone_calls_a_number_outside_as_the_business() {
    let (mut world, desk, _, carrier) = world(PhonePlan::answers_after(2.0), |_| {});
    world.calls_after(0.0, desk, dials(FRIEND));
    world.run();
    assert_eq!(world.heard(desk, "INVITE"), [100, 180, 200]);
    let invite = world.rung(carrier);
    assert_eq!(
        invite.request_uri(),
        "sip:+14045550123@carrier.example;user=phone"
    );
    assert!(invite.must("From").contains("+12125550100"));
    for name in [
        "Ringward-Trust",
        "P-Asserted-Identity",
        "Call-Info",
        "Alert-Info",
        "Referred-By",
    ] {
        assert!(invite.header(name).is_none(), "{name}");
    }
    assert!(!invite.must("Allow").contains("REFER"));
    let record = world.record();
    assert_eq!(
        (record.direction, record.trunk.as_str()),
        (Direction::Outbound, "phones")
    );
    assert_eq!(record.called.reveal(), FRIEND);
    assert_eq!(record.answered_by.as_deref(), Some("carrier"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert!(
        world.media.values().all(|media| !media.is_tapped),
        "our own people are not listened to"
    );
}

#[test]
fn a_phone_calls_another_one() {
    let (mut world, desk, sales, carrier) = world(PhonePlan::answers_after(2.0), |_| {});
    world.calls_after(0.0, desk, dials("101"));
    world.run();
    assert_eq!(world.heard(desk, "INVITE"), [100, 180, 200]);
    assert_eq!(world.rung(sales).request_uri(), "sip:sales@10.0.0.6:5060");
    assert!(world.rung(sales).header("Ringward-Trust").is_none());
    assert!(world.agents[&carrier].lines.is_empty());
}

#[test]
fn phones_may_not_call_unless_the_configuration_says_so() {
    let (mut world, desk, _, carrier) = world(PhonePlan::answers_after(2.0), |config| {
        config.outbound.from_phones = false
    });
    world.calls_after(0.0, desk, dials(FRIEND));
    world.run();
    assert_eq!(world.heard(desk, "INVITE"), [100, 403]);
    assert!(world.agents[&carrier].lines.is_empty());
}

/// What a phone that dials this hears.
fn check(number: &str, status: u16, change: impl FnOnce(&mut Config)) {
    let (mut world, desk, _, carrier) = world(PhonePlan::answers_after(1.0), change);
    world.calls_after(0.0, desk, dials(number));
    world.run();
    assert_eq!(world.heard(desk, "INVITE").last(), Some(&status), "{number}");
    assert_eq!(world.agents[&carrier].lines.is_empty(), status != 200, "{number}");
}

#[test]
fn numbers_that_cost_are_refused_and_help_never_is() {
    for number in ["+14045550123", "4045550123", "14045550123", "911", "112"] {
        check(number, 200, |_| {});
    }
    for number in [
        "+19005550123",
        "+442071234567",
        "+8816123456789",
        "+18765550123",
        "011442071234567",
        "300",
        "#31#",
        "nobody",
    ] {
        check(number, 403, |_| {});
    }
    check("+442071234567", 200, |config| {
        config.outbound.allow = vec!["+4420*".into()]
    });
    check("+442071234567", 403, |config| {
        config.outbound.allow = vec!["+44*".into()];
        config.outbound.refuse = vec!["+4420*".into()];
    });
    check("911", 200, |config| config.outbound.refuse = vec!["*".into()]);
    check(FRIEND, 403, |config| config.trunks[0].to = None);
}

#[test]
fn a_number_outside_that_is_busy_is_busy_for_the_phone() {
    let busy = PhonePlan::with(Answer::Refuse(486, std::time::Duration::from_millis(50)));
    let (mut world, desk, _, _) = world(busy, |_| {});
    world.calls_after(0.0, desk, dials(FRIEND));
    world.run();
    assert_eq!(world.heard(desk, "INVITE"), [100, 486]);
    assert!(
        !format!("{:?}", world.record().attempts).contains("404555"),
        "no number in a record's targets"
    );
}

#[test]
fn whoever_was_called_outside_cannot_refer() {
    let carrier = PhonePlan::answers_after(1.0).act(1.0, Act::refer("sip:101@10.0.0.1"));
    let (mut world, desk, _, carrier) = world(carrier, |_| {});
    world.calls_after(0.0, desk, dials(FRIEND));
    world.run();
    assert_eq!(world.heard(carrier, "REFER"), [405]);
    assert_eq!(world.count("transfer refused"), 1);
}

fn transfer_outside(to: &str, rules: TransferRules) -> (World, SocketAddr, SocketAddr) {
    let (mut world, _, _, carrier) = world(PhonePlan::answers_after(2.0), |config| {
        config.transfer_rules.insert("desk".into(), rules);
    });
    let desk = world.phone(
        "10.0.0.5:5060",
        PhonePlan::answers_after(1.0).act(2.0, Act::refer(to)),
    );
    world.call(CallerPlan::new("+13125550177").act(20.0, Act::Bye));
    world.run();
    (world, desk, carrier)
}

fn to_trunk(patterns: &[&str]) -> TransferRules {
    TransferRules {
        reach: Reach::Trunk,
        to: patterns.iter().map(|pattern| pattern.to_string()).collect(),
    }
}

#[test]
fn a_call_may_be_transferred_outside_where_the_queue_says_so() {
    let (world, desk, carrier) = transfer_outside("sip:+14045550123@10.0.0.1", to_trunk(&[]));
    assert_eq!(world.heard(desk, "REFER"), [202]);
    assert_eq!(
        world.rung(carrier).request_uri(),
        "sip:+14045550123@carrier.example;user=phone"
    );
    assert!(world.rung(carrier).header("Ringward-Trust").is_none());
    let record = world.record();
    assert_eq!(record.answered_by.as_deref(), Some("carrier"));
    assert_eq!(record.transfers[0].to.reveal(), FRIEND);
    assert_eq!(world.asked(carrier), ["BYE"]);
}

#[test]
fn transfers_outside_keep_to_the_rules() {
    for (to, rules) in [
        ("sip:+14045550123@10.0.0.1", TransferRules::default()),
        ("sip:+14045550123@10.0.0.1", to_trunk(&["+1212*"])),
        ("sip:+19005550123@10.0.0.1", to_trunk(&[])),
        ("sip:+442071234567@10.0.0.1", to_trunk(&["+44*"])),
        ("sip:911@10.0.0.1", to_trunk(&[])),
    ] {
        let (world, desk, carrier) = transfer_outside(to, rules);
        assert_eq!(world.heard(desk, "REFER"), [403], "{to}");
        assert!(world.agents[&carrier].lines.is_empty());
    }
}

/// What a phone hears that sends its call outside twice, with this limit on what the queue may send there at once and in an hour.
fn refers_twice(carrier: PhonePlan, at_once: u32, per_hour: u32) -> Vec<u16> {
    let (mut world, _, _, carrier) = world(carrier, |config| {
        config.transfer_rules.insert("desk".into(), to_trunk(&[]));
        config.outbound.tolls.queue.at_once = Some(at_once);
        config.outbound.tolls.queue.per_hour = Some(per_hour);
    });
    let outside = "sip:+14045550123@10.0.0.1";
    let plan = PhonePlan::answers_after(1.0)
        .act(2.0, Act::refer(outside))
        .act(10.0, Act::refer(outside));
    let desk = world.phone("10.0.0.5:5060", plan);
    world.call(CallerPlan::new("+13125550177").act(20.0, Act::Bye));
    world.run();
    let went_out = world.agents[&carrier].lines.len();
    let heard = world.heard(desk, "REFER");
    assert_eq!(heard.iter().filter(|status| **status == 202).count(), went_out);
    heard
}

#[test]
fn a_transfer_outside_is_paid_for_by_its_queue_and_given_back_when_nobody_comes() {
    let busy = || PhonePlan::with(Answer::Refuse(486, Duration::ZERO));
    assert_eq!(refers_twice(busy(), 1, 10), [202, 202], "the first is over");
    assert_eq!(refers_twice(busy(), 1, 1), [202, 403], "and was one of this hour");
    assert_eq!(refers_twice(busy(), 0, 10), [403, 403]);
}

/// RFC 5589 §7: the leg outside goes on in the caller's call, and is paid for there.
#[test]
fn a_number_outside_that_a_phone_joins_with_its_caller_is_paid_for_until_they_hang_up() {
    let (mut world, _, sales, _) = world(PhonePlan::answers_after(1.0), |config| {
        config.outbound.tolls.all.at_once = Some(1);
    });
    let desk = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new("+13125550177").act(40.0, Act::Bye));
    let mut consultation = CallerPlan::new("desk");
    consultation.called = FRIEND.into();
    world.calls_after(4.0, desk, consultation);
    world.run_for(7.0);
    let mut scene = Scene {
        world,
        caller,
        desk,
        sales,
    };
    join(&mut scene, "");
    let mut world = scene.world;
    // One while the two talk, one when they have hung up.
    world.calls_after(5.0, sales, dials("+14045550188"));
    world.run_for(10.0);
    assert_eq!(world.asked_on(desk, true), ["BYE"], "they are joined");
    assert_eq!(world.heard(sales, "INVITE").last(), Some(&403));
    world.calls_after(60.0, sales, dials("+14045550188"));
    world.run();
    assert_eq!(world.heard(sales, "INVITE").last(), Some(&200));
}

#[test]
fn in_a_lockdown_phones_call_each_other_and_for_help_and_nobody_else_outside() {
    for (number, expected) in [(FRIEND, 403), ("112", 200), ("101", 200)] {
        let (mut world, desk, _, _) = world(PhonePlan::answers_after(1.0), |_| {});
        world.tell(Input::SetLockdown(Some(1)));
        world.calls_after(0.0, desk, dials(number));
        world.run();
        assert_eq!(world.heard(desk, "INVITE").last(), Some(&expected), "{number}");
    }
}

#[test]
fn a_phone_calls_outside_as_often_and_when_it_may() {
    use ringward::call::{Allowance, Ranges};
    check(FRIEND, 403, |config| config.outbound.tolls.all.at_once = Some(0));
    check(FRIEND, 403, |config| {
        config.outbound.tolls.person.per_hour = Some(0)
    });
    check("112", 200, |config| config.outbound.tolls.all.at_once = Some(0));
    check(FRIEND, 403, |config| {
        config.outbound.ranges = Ranges::read("1404555", 10).unwrap()
    });
    check(FRIEND, 200, |config| {
        config.outbound.ranges = Ranges::read("1404555", 10).unwrap();
        config.outbound.allow = vec!["+14045550*".into()];
    });
    // No hour is open, but for what is allowed by name.
    let never = vec![(0, 0, 1)];
    check(FRIEND, 403, |config| config.outbound.tolls.hours = never.clone());
    check(FRIEND, 200, |config| {
        config.outbound.tolls.hours = never.clone();
        config.outbound.allow = vec!["+14045550*".into()];
    });
    for satellite in ["+870773123456", "+881612345678", "+88213000000", "+97912345678"] {
        check(satellite, 403, |_| {});
    }
    // Of two calls one after the other one may go out in an hour; the first is over when the second wants to.
    let (mut world, desk, sales, _) = world(PhonePlan::answers_after(1.0), |config| {
        config.outbound.tolls.all = Allowance {
            per_hour: Some(1),
            ..Allowance::default()
        };
    });
    world.calls_after(0.0, desk, dials(FRIEND));
    world.calls_after(30.0, sales, dials(FRIEND));
    world.run();
    assert_eq!(world.heard(desk, "INVITE").last(), Some(&200));
    assert_eq!(world.heard(sales, "INVITE").last(), Some(&403));
}

#[test]
fn a_call_for_help_from_a_phone_goes_out_of_a_full_house() {
    for (number, expected) in [(FRIEND, 503), ("112", 200)] {
        let (mut world, desk, _, _) = world(PhonePlan::answers_after(2.0), |_| {});
        let limits = CallLimits {
            all: Allowance {
                calls: 1,
                ..CallLimits::default().all
            },
            ..CallLimits::default()
        };
        world.engine = world
            .engine
            .with_flood(Shared::new(limits, SurgeConfig::default()));
        // Somebody talks at another phone, and nobody else fits in.
        let mut caller = CallerPlan::new(FRIEND).act(30.0, Act::Bye);
        caller.called = "+12125550101".into();
        world.call_after(0.0, caller);
        world.calls_after(3.0, desk, dials(number));
        world.run();
        assert_eq!(world.heard(desk, "INVITE").last(), Some(&expected), "{number}");
    }
}

/// A call to the friend that costs 0.60 a whole minute, where the phone may spend so much in an hour: what it heard, and how long it talked.
fn priced(limit: &str, tariff: &str, number: &str) -> (Vec<u16>, Option<u64>, World) {
    use ringward::call::{Allowance, Money, Tariff};
    let (mut world, desk, _, _) = world(PhonePlan::answers_after(2.0), |config| {
        config.outbound.tolls.tariff = Some(Tariff::read(tariff, None).unwrap().into());
        config.outbound.tolls.person = Allowance {
            spend_per_hour: Money::parse(limit),
            ..Allowance::default()
        };
    });
    let mut plan = CallerPlan::new("desk").act(200.0, Act::Bye);
    plan.called = number.into();
    world.calls_after(0.0, desk, plan);
    world.run();
    let heard = world.heard(desk, "INVITE");
    let record = world.records.values().next().and_then(|versions| versions.last());
    let talked = record.and_then(|record| Some(record.timings.ended_ms? - record.timings.answered_ms?));
    (heard, talked, world)
}

#[test]
fn a_call_that_would_cost_more_than_it_may_is_refused_and_one_that_begins_to_is_cut() {
    const TARIFF: &str = "1404,0.60,0,USD\n";
    let (heard, talked, world) = priced("1.20", TARIFF, FRIEND);
    assert_eq!(heard.last(), Some(&200));
    let talked = talked.unwrap();
    assert!(
        (118_000..=120_000).contains(&talked),
        "two minutes are paid for: {talked}"
    );
    assert_eq!(world.ending(), (Ending::Completed, 200, "us"));
    let note = world
        .record()
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.note.clone());
    assert!(note.is_some_and(|note| note.contains("cost as much as they may in an hour")));
    // It fits, with all of its minutes.
    let (heard, talked, _) = priced("2.40", TARIFF, FRIEND);
    assert_eq!(heard.last(), Some(&200));
    assert!(talked.is_some_and(|talked| talked >= 200_000), "he hung up");
    // Not even its first minute does.
    let (heard, _, _) = priced("0.59", TARIFF, FRIEND);
    assert_eq!(heard.last(), Some(&403));
    // Nobody knows what it costs; help costs nothing.
    let (heard, _, _) = priced("10", "1212,0.01,0,USD\n", FRIEND);
    assert_eq!(heard.last(), Some(&403));
    let (heard, _, _) = priced("0", "1212,0.01,0,USD\n", "112");
    assert_eq!(heard.last(), Some(&200));
}

/// What calls to the outside cost in the hour until now, and how many go on.
fn spent(world: &World) -> (u64, u32) {
    let totals = world.ledger.totals(world.now().instant);
    (totals.all.hour, totals.all.at_once)
}

/// Every number outside costs 0.60 a whole minute, and nobody limits it.
fn priced_at_all(config: &mut Config) {
    use ringward::call::Tariff;
    let tariff = Tariff::read("1,0.60,0,USD\n", None).unwrap();
    config.outbound.tolls.tariff = Some(tariff.into());
    config.outbound.overflow = true;
    config.transfer_rules.insert("desk".into(), to_trunk(&[]));
}

#[test]
fn a_number_outside_that_answers_costs_whatever_becomes_of_the_answer() {
    // With a codec that nobody offered: hung up at once.
    let plan = PhonePlan {
        formats: "77",
        ..PhonePlan::answers_after(2.0)
    };
    let (mut world, desk, _, carrier) = world(plan, priced_at_all);
    world.calls_after(0.0, desk, dials(FRIEND));
    world.run();
    assert_eq!(world.asked(carrier), ["BYE"]);
    assert_eq!(world.heard(desk, "INVITE").last(), Some(&488));
    assert_eq!(spent(&world), (600_000, 0));
    // The answer crosses the CANCEL.
    let plan = PhonePlan {
        ignores_cancel: true,
        ..PhonePlan::answers_after(2.0)
    };
    let (mut world, desk, _, carrier) = self::world(plan, priced_at_all);
    world.calls_after(0.0, desk, dials(FRIEND).gives_up_after(1.0));
    world.run();
    assert_eq!(world.asked(carrier), ["CANCEL", "BYE"]);
    assert_eq!(spent(&world), (600_000, 0));
    // It stops ringing in time.
    let (mut world, desk, _, _) = self::world(PhonePlan::with(Answer::Never), priced_at_all);
    world.calls_after(0.0, desk, dials(FRIEND).gives_up_after(1.0));
    world.run();
    assert_eq!(spent(&world), (0, 0));
}

#[test]
fn a_number_outside_that_the_call_was_taken_away_from_is_paid_for_no_more() {
    use ringward::call::{Order, What};
    let (mut world, _, _, carrier) = world(PhonePlan::answers_after(1.0), priced_at_all);
    world.phone(
        "10.0.0.5:5060",
        PhonePlan::answers_after(1.0).act(2.0, Act::refer("sip:+14045550123@10.0.0.1")),
    );
    world.call(CallerPlan::new("+13125550177").act(200.0, Act::Bye));
    world.run_for(10.0);
    assert_eq!(spent(&world), (600_000, 1), "they talk outside");
    let call = *world.records.keys().next().unwrap();
    let order = Order {
        by: "ann".into(),
        what: What::Move("sales".into()),
        why: None,
    };
    world.tell(Input::Order { call, order });
    world.run_for(10.0);
    assert_eq!(world.asked(carrier), ["BYE"], "in the house again");
    assert_eq!(spent(&world), (600_000, 0));
    world.run();
    assert_eq!(spent(&world).0, 600_000);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn an_overflow_is_charged_when_it_answers_and_only_then() {
    use ringward::queue::Overflow;
    let busy = || PhonePlan::with(Answer::Refuse(486, Duration::ZERO));
    for (carrier, ended, cost) in [(busy(), 486, 0), (PhonePlan::answers_after(4.0), 200, 600_000)] {
        let mut queues = three_queues();
        queues[1].overflow = Overflow::Outside("+14045550188".into());
        let mut world = World::with_config(queues, 3, Policy::embedded(), |config| {
            leads_outside(config);
            priced_at_all(config);
        });
        world.phone("10.0.0.6:5060", busy());
        let carrier = world.phone("203.0.113.9:5060", carrier);
        let mut caller = CallerPlan::new("+13125550177").act(10.0, Act::Bye);
        caller.called = "+12125550101".into();
        world.call(caller);
        world.run_for(4.0);
        assert_eq!(world.agents[&carrier].lines.len(), 1, "it was rung");
        assert_eq!(spent(&world), (cost, u32::from(cost > 0)), "held while it rings");
        world.run();
        assert_eq!(world.ending().1, ended);
        assert_eq!(spent(&world), (cost, 0));
    }
}
