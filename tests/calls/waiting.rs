//! Queues in which callers wait: whose turn it is, who is left alone, what the caller hears meanwhile, and where he goes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringward::call::Input;
use ringward::call::record::{CallRecord, Ending, State};
use ringward::flood::{CallLimits, Shared, SurgeConfig};
use ringward::policy::Policy;
use ringward::queue::{AtWork, Config, Overflow, Patience, Roster, Strategy};
use ringward::registrar::{Bound, Place};
use ringward::sip::Flow;

use crate::gateway::{EPOCH_S, GATEWAY, queue};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::routes::in_order as calls;
use crate::signing::signed_token;
use crate::world::World;

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(n: usize) -> String {
    format!("10.0.{}.{}:5060", 1 + n / 200, 10 + n % 200)
}

/// A queue that rings these phones by device, in which one waits for five minutes.
pub fn waits(name: &str, strategy: Strategy, phones: std::ops::Range<usize>) -> Config {
    let targets: Vec<String> = phones.map(|n| format!("device:d{n}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let mut config = queue(name, strategy, &targets);
    config.service.wait = Some(secs(300));
    config
}

/// All of these phones have registered.
fn bound(phones: std::ops::Range<usize>) -> Input<'static> {
    let devices = phones.map(|n| {
        let place = Place {
            uri: format!("sip:d{n}@{}", address(n)),
            flow: Flow::udp(GATEWAY.parse().unwrap(), address(n).parse().unwrap()),
        };
        (format!("d{n}"), vec![place])
    });
    Input::SetBound(Arc::new(Bound::new(devices.collect::<BTreeMap<_, _>>())))
}

/// `[("ann", 0, None)]`: who sits at which phone, and why she takes no calls.
pub fn roster(people: &[(&str, usize, Option<&str>)]) -> Input<'static> {
    let people = people.iter().map(|(name, n, pause)| {
        let at_work = AtWork {
            devices: vec![format!("d{n}")],
            pause: pause.map(Into::into),
        };
        (name.to_string(), at_work)
    });
    Input::SetRoster(Arc::new(Roster::new(people)))
}

pub fn world(queues: Vec<Config>, seed: u64, plans: &[PhonePlan]) -> World {
    let mut world = World::with_config(queues, seed, Policy::embedded(), |_| ());
    for (n, plan) in plans.iter().enumerate() {
        world.phone(&address(n), plan.clone());
    }
    world.tell(bound(0..plans.len()));
    world
}

pub fn answers() -> PhonePlan {
    PhonePlan::answers_after(1.0)
}

fn never() -> PhonePlan {
    PhonePlan::with(Answer::Never)
}

pub fn talks(seconds: f64) -> CallerPlan {
    CallerPlan::new("+14045550123").act(seconds, Act::Bye)
}

/// When a call was answered, in whole seconds since the world began.
pub fn answered_at(call: &CallRecord) -> Option<u64> {
    let start = call.started_ms - EPOCH_S * 1_000;
    Some((start + call.timings.answered_ms?) / 1_000)
}

pub fn rung(call: &CallRecord) -> Vec<String> {
    let attempts = call.attempts.iter();
    attempts
        .map(|attempt| format!("{} {}", attempt.target, attempt.status))
        .collect()
}

#[test]
fn who_came_first_is_rung_first_as_soon_as_the_phone_is_free() {
    let mut world = world(vec![waits("desk", Strategy::RingAll, 0..1)], 1, &[answers()]);
    for n in 0..3u32 {
        world.call_after(f64::from(n), talks(20.0));
    }
    world.run();
    let calls = calls(&world);
    assert!(
        calls.iter().all(|call| rung(call) == ["device:d0 200"]),
        "{calls:?}"
    );
    let at: Vec<_> = calls.iter().filter_map(|call| answered_at(call)).collect();
    assert_eq!(at.len(), 3);
    // Each rings the moment the one before has put down.
    for pair in at.windows(2) {
        assert!((20..=23).contains(&(pair[1] - pair[0])), "{at:?}");
    }
}

#[test]
fn nobody_who_pauses_rings_on_and_whoever_waits_goes_to_who_takes_calls() {
    let mut desk = waits("desk", Strategy::RingAll, 0..2);
    desk.service.wrap_up = secs(5);
    let mut world = world(vec![desk], 2, &[never(), answers()]);
    world.tell(roster(&[("ann", 0, None), ("bob", 1, Some("lunch"))]));
    world.call(talks(5.0));
    world.run_for(6.0);
    assert_eq!(rung(calls(&world)[0]), ["device:d0 0"], "bob is at lunch");
    world.tell(roster(&[("ann", 0, Some("meeting")), ("bob", 1, Some("lunch"))]));
    world.run_for(4.0);
    let ann: SocketAddr = address(0).parse().unwrap();
    let is_stopped = |(to, _, method): &(SocketAddr, Option<u64>, String)| *to == ann && method == "CANCEL";
    assert!(world.asked_of.iter().any(is_stopped), "ann rings no more");
    assert_eq!(calls(&world)[0].state, State::Ringing);
    world.tell(roster(&[("ann", 0, Some("meeting")), ("bob", 1, None)]));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().person.as_deref(), Some("bob"));
    assert_eq!(answered_at(world.record()).unwrap(), 11);
}

/// The first caller waits for the phone that talks; the one that declined him is the next caller's, and at once.
#[test]
fn a_phone_that_declines_one_caller_is_not_kept_from_the_next_by_him() {
    for strategy in [Strategy::RingAll, Strategy::InOrder] {
        let declines = PhonePlan::with(Answer::Refuse(486, Duration::from_millis(200)));
        let mut desk = waits("desk", strategy, 0..2);
        desk.ring = secs(60);
        let mut world = world(vec![desk], 21, &[declines, answers()]);
        world.call(talks(100.0));
        world.call_after(10.0, talks(130.0));
        world.call_after(12.0, talks(130.0));
        let phone: SocketAddr = address(0).parse().unwrap();
        let rang = |world: &World| world.agents[&phone].lines.len();
        world.run_for(11.0);
        assert_eq!(
            rang(&world),
            2,
            "{strategy:?}: the one who talks, and who waits for him"
        );
        world.run_for(2.0);
        assert_eq!(rang(&world), 3, "{strategy:?}: the next one");
    }
}

#[test]
fn a_pause_counts_in_queues_without_a_line_as_well() {
    let desk = queue("desk", Strategy::InOrder, &["device:d0", "device:d1"]);
    let mut world = world(vec![desk], 3, &[never(), answers()]);
    world.tell(roster(&[("ann", 0, None), ("bob", 1, None)]));
    world.call(talks(5.0));
    world.run_for(4.0);
    world.tell(roster(&[("ann", 0, Some("lunch")), ("bob", 1, None)]));
    world.run();
    assert_eq!(rung(world.record()), ["device:d0 408", "device:d1 200"]);
    world.call(talks(5.0));
    world.run();
    assert_eq!(rung(calls(&world)[1]), ["device:d1 200"]);
}

#[test]
fn after_a_call_one_is_left_alone_for_the_wrap_up() {
    let mut desk = waits("desk", Strategy::RingAll, 0..1);
    desk.service.wrap_up = secs(30);
    let mut world = world(vec![desk], 4, &[answers()]);
    world.tell(roster(&[("ann", 0, None)]));
    world.call(talks(10.0));
    world.call_after(2.0, talks(10.0));
    world.run();
    let at: Vec<_> = calls(&world)
        .iter()
        .filter_map(|call| answered_at(call))
        .collect();
    assert!((40..=43).contains(&(at[1] - at[0])), "{at:?}");
}

#[test]
fn who_lets_it_ring_in_vain_is_passed_over_for_a_time() {
    let mut desk = waits("desk", Strategy::InOrder, 0..2);
    desk.service.patience = Patience {
        times: 2,
        pause: secs(600),
    };
    let mut world = world(vec![desk], 5, &[never(), answers()]);
    for n in 0..3 {
        world.call_after(f64::from(n) * 60.0, talks(5.0));
    }
    world.run();
    let calls = calls(&world);
    assert_eq!(rung(calls[0]), ["device:d0 408", "device:d1 200"]);
    assert_eq!(rung(calls[1]), ["device:d0 408", "device:d1 200"]);
    assert_eq!(rung(calls[2]), ["device:d1 200"], "passed over by now");
}

#[test]
fn whoever_waited_long_enough_goes_on_to_the_next_queue_and_then_to_nobody() {
    let mut desk = waits("desk", Strategy::RingAll, 0..1);
    desk.service.wait = Some(secs(30));
    desk.overflow = Overflow::Queue("night".into());
    let mut night = waits("night", Strategy::RingAll, 1..2);
    night.numbers.clear();
    night.service.wait = Some(secs(20));
    let mut world = world(vec![desk, night], 6, &[answers(), never()]);
    world.call(talks(170.0));
    let caller = world.call_after(1.0, talks(1.0));
    world.run();
    let call = calls(&world)[1];
    assert_eq!(call.queue.as_deref(), Some("night"));
    let outcome = call.outcome.as_ref().unwrap();
    assert_eq!((outcome.ending, outcome.status), (Ending::NoAnswer, 480));
    assert_eq!(rung(call), ["device:d1 408"]);
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 480]);
    let ended = call.timings.ended_ms.unwrap() / 1_000;
    assert!((50..=52).contains(&ended), "{ended}");
}

/// A queue with music, in which the caller is told where he stands.
fn with_music() -> Config {
    let mut desk = waits("desk", Strategy::RingAll, 0..1);
    desk.service.has_music = true;
    desk.service.announce = Some(secs(20));
    desk
}

fn spoken(call: &CallRecord) -> Vec<&str> {
    call.spoken.iter().map(|spoken| spoken.prompt.as_str()).collect()
}

#[test]
fn with_music_the_caller_is_answered_told_where_he_stands_and_connected() {
    let mut world = world(vec![with_music()], 7, &[answers()]);
    world.call(talks(60.0));
    let second = world.call_after(5.0, talks(120.0));
    world.run();
    let calls = calls(&world);
    let first = calls[0];
    assert_eq!(first.outcome.as_ref().unwrap().ending, Ending::Completed);
    assert_eq!(world.heard(second, "INVITE"), [100, 200], "answered at once");
    let said = spoken(calls[1]);
    assert_eq!(
        said[..4],
        [
            "wait",
            "hold",
            "queue-position queue-line queue-estimate minute",
            "hold"
        ]
    );
    let told = said.iter().filter(|said| said.starts_with("queue-position"));
    assert!((2..=3).contains(&told.count()), "{said:?}");
    assert_eq!(calls[1].outcome.as_ref().unwrap().ending, Ending::Completed);
    assert_eq!(rung(calls[1]), ["device:d0 200"]);
}

#[test]
fn who_waits_with_music_does_not_ring() {
    let mut world = world(vec![with_music()], 7, &[answers()]);
    let mut limits = CallLimits::default();
    limits.queue.ringing = 1;
    world.engine = world.engine.with_flood(Shared::new(limits, SurgeConfig::off()));
    world.call(talks(60.0));
    let waiting = [5.0, 10.0].map(|at| world.call_after(at, talks(120.0)));
    world.run();
    for caller in waiting {
        assert_eq!(world.heard(caller, "INVITE"), [100, 200]);
    }
    assert!(!world.counts.contains_key("overloaded"));
}

#[test]
fn a_short_wait_is_over_when_it_says() {
    let mut desk = waits("desk", Strategy::RingAll, 0..1);
    desk.service.wait = Some(secs(3));
    let mut world = world(vec![desk], 9, &[answers()]);
    world.call(talks(60.0));
    world.call_after(10.0, talks(60.0));
    world.run();
    let calls = calls(&world);
    assert_eq!(rung(calls[1]), [""; 0]);
    let ended = calls[1].timings.ended_ms.unwrap();
    assert!((3_000..3_200).contains(&ended), "{ended}");
}

#[test]
fn who_waited_in_vain_hears_the_words_of_his_queue() {
    let mut desk = with_music();
    desk.service.wait = Some(secs(30));
    desk.overflow = Overflow::Say("refused".into());
    let mut world = world(vec![desk], 8, &[]);
    world.call(CallerPlan::new("+14045550123"));
    world.run();
    assert_eq!(world.ending().0, Ending::NoAnswer);
    assert_eq!(spoken(world.record()).last(), Some(&"refused"));
}

#[test]
fn a_better_class_waits_before_who_came_first_where_the_line_is_by_trust() {
    let mut desk = waits("desk", Strategy::RingAll, 0..1);
    desk.service.is_by_trust = true;
    let mut world = world(vec![desk], 9, &[answers()]);
    world.call(talks(30.0));
    world.call_after(2.0, talks(10.0));
    let token = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    world.call_after(4.0, talks(10.0).header("Identity", &token));
    world.run();
    let at: Vec<_> = calls(&world)
        .iter()
        .filter_map(|call| answered_at(call))
        .collect();
    assert!(
        at[2] < at[1],
        "who proves nothing waits behind who came later: {at:?}"
    );
}

/// Hours in which nobody works: a day that is long over.
fn shut(to: Overflow) -> Option<ringward::queue::Closed> {
    let text = "[hours]\nzone = \"UTC\"\nopen = [\"mon-fri 08:00-18:00\"]\n";
    let hours = ringward::policy::Hours::parse(text).expect("hours");
    // The world begins on a Sunday.
    Some(ringward::queue::Closed { hours, to })
}

#[test]
fn outside_of_its_hours_a_queue_says_so_or_sends_on_and_an_emergency_is_taken() {
    let mut desk = queue("desk", Strategy::RingAll, &["device:d0"]);
    desk.service.closed = shut(Overflow::Say("out-of-hours".into()));
    let shut_desk = desk.clone();
    let mut first = world(vec![desk], 10, &[answers()]);
    let caller = first.call(CallerPlan::new("+14045550123"));
    first.run();
    assert_eq!(first.ending().0, Ending::NoAnswer);
    assert_eq!(spoken(first.record()), ["out-of-hours"]);
    assert_eq!(first.heard(caller, "INVITE"), [100, 200]);
    assert!(first.record().attempts.is_empty());

    let mut desk = shut_desk.clone();
    desk.service.closed = shut(Overflow::Queue("night".into()));
    let mut night = queue("night", Strategy::RingAll, &["device:d1"]);
    night.numbers.clear();
    let mut second = world(vec![desk, night], 11, &[answers(), answers()]);
    second.call(talks(5.0));
    second.run();
    assert_eq!(rung(second.record()), ["device:d1 200"]);
    assert_eq!(second.record().queue.as_deref(), Some("night"));

    let mut third = world(vec![shut_desk], 12, &[answers()]);
    let rescue: SocketAddr = "203.0.114.9:5060".parse().unwrap();
    third.call_from(rescue, 0.0, talks(5.0).header("Resource-Priority", "esnet.1"));
    third.run();
    assert_eq!(third.ending().0, Ending::Completed);
}

#[test]
fn five_hundred_phones_take_two_hundred_callers_who_wait_in_their_order() {
    // Twenty queues of twenty-five phones each, all at lunch; ten callers wait in every queue.
    let queues: Vec<Config> = (0..20)
        .map(|q| {
            let strategy = [Strategy::RingAll, Strategy::LongestIdle][q % 2];
            let mut config = waits(&format!("q{q}"), strategy, q * 25..q * 25 + 25);
            config.numbers = vec![format!("+1212555{q:04}")];
            config.service.wrap_up = secs(5);
            config
        })
        .collect();
    let plans = vec![answers(); 500];
    let mut world = world(queues, 13, &plans);
    let name = |n: usize| format!("person-{n:03}");
    let people = |is_back: &dyn Fn(usize) -> bool| {
        let at = |n: usize| {
            let pause = (!is_back(n)).then(|| "lunch".to_string());
            let devices = vec![format!("d{n}")];
            (name(n), AtWork { devices, pause })
        };
        Input::SetRoster(Arc::new(Roster::new((0..500).map(at))))
    };
    world.tell(people(&|_| false));
    for n in 0..200 {
        let mut plan = talks(10.0);
        plan.called = format!("+1212555{:04}", n % 20);
        world.call_after(0.1 * n as f64, plan);
    }
    world.run_for(60.0);
    let waiting = calls(&world);
    assert_eq!(waiting.len(), 200);
    assert!(
        waiting
            .iter()
            .all(|call| call.attempts.is_empty() && call.state == State::Ringing)
    );
    // Two of every queue come back from lunch.
    world.tell(people(&|n| n % 25 < 2));
    world.run();
    let mut by_queue: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for call in calls(&world) {
        assert_eq!(
            call.outcome.as_ref().unwrap().ending,
            Ending::Completed,
            "{:?}",
            rung(call)
        );
        let person: usize = call.person.as_deref().unwrap()[7..].parse().unwrap();
        assert!(person % 25 < 2, "who is at lunch takes no call: {person}");
        let all = call.attempts.iter().all(|attempt| {
            let n: usize = attempt.target["device:d".len()..].parse().unwrap();
            n % 25 < 2
        });
        assert!(all, "and is not rung: {:?}", rung(call));
        let queue = call.queue.clone().unwrap();
        let at = call.started_ms + call.timings.answered_ms.unwrap();
        by_queue.entry(queue).or_default().push((call.started_ms, at));
    }
    for (queue, mut taken) in by_queue {
        taken.sort_unstable();
        // Two at a time, in the order they came.
        let pairs: Vec<u64> = taken.iter().map(|(_, at)| *at).collect();
        assert!(
            pairs.windows(3).all(|three| three[0] < three[2]),
            "{queue}: {taken:?}"
        );
    }
}
