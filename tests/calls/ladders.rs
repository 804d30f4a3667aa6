//! How calls look on the wire, message by message; TCP, and a gateway of several shards.

use std::time::Duration;

use ringward::call::record::Ending;
use ringward::call::shard_of;
use ringward::policy::Policy;
use ringward::queue::Strategy;
use ringward::sip::Transport;

use crate::hand::talk;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::wire::Message;
use crate::world::{World, one_desk, queue};

const CALLER: &str = "+14045550123";

/// The trace with short names for the parties.
fn ladder(world: &World) -> String {
    let names = [
        ("203.0.113.7:10001", "caller"),
        ("10.0.0.1:5060", "gateway"),
        ("10.0.0.5:5060", "desk"),
        ("10.0.0.6:5060", "other"),
    ];
    let mut text = world.trace.join("\n");
    for (address, name) in names {
        text = text.replace(address, name);
    }
    text
}

#[test]
fn an_answered_call() {
    let mut world = World::new(one_desk(), 1);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(3.0));
    world.call(CallerPlan::new(CALLER).act(10.0, Act::Bye));
    world.run();
    insta::assert_snapshot!(ladder(&world));
}

#[test]
fn a_hold_while_two_phones_were_rung() {
    let targets = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    let mut world = World::new(vec![queue("desk", Strategy::RingAll, &targets)], 1);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    world.phone("10.0.0.6:5060", PhonePlan::with(Answer::Never));
    world.call(CallerPlan::new(CALLER).act(3.0, Act::Hold).act(6.0, Act::Bye));
    world.run();
    insta::assert_snapshot!(ladder(&world));
}

/// What was seen on the wire of a call until its record was written, without what the transactions say by themselves.
fn seen(world: &World) -> Vec<String> {
    let text = ladder(world);
    let lines: Vec<&str> = text.lines().collect();
    let end = lines
        .iter()
        .rposition(|line| line.contains("record Ended"))
        .unwrap();
    let messages = lines[..end].iter().filter_map(|line| {
        let (from, rest) = line.trim_start().split_once(' ')?.1.split_once(" > ")?;
        let (to, rest) = rest.split_once(' ')?;
        let method = rest.rsplit_once(' ')?.1.trim_end_matches(']');
        let what = match rest.strip_prefix("SIP/2.0 ") {
            Some(response) => format!("{} {method}", &response[..3]),
            None => rest.split(' ').next()?.to_string(),
        };
        // Answered by the transactions: 100, and the answer to a CANCEL; and their ACK to a refusal.
        let is_ours = !what.starts_with("100") && what != "200 CANCEL";
        is_ours.then(|| format!("{from} > {to} {what}"))
    });
    messages.collect()
}

/// The same as the record has it.
fn kept(world: &World) -> Vec<String> {
    let ladder = &world.record().ladder;
    let signals = ladder.signals.iter().map(|signal| {
        let party = match signal.party {
            0 => "caller",
            n => match ladder.parties[usize::from(n) - 1].to_string().as_str() {
                "10.0.0.5:5060" => "desk",
                "10.0.0.6:5060" => "other",
                _ => "somebody",
            },
        };
        let what = match signal.status {
            Some(status) => format!("{status} {}", signal.method.as_str()),
            None => signal.method.as_str().to_string(),
        };
        match signal.is_sent {
            true => format!("gateway > {party} {what}"),
            false => format!("{party} > gateway {what}"),
        }
    });
    signals.collect()
}

#[test]
fn the_record_has_the_messages_of_a_call_in_their_order() {
    let both = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    let plans = [
        CallerPlan::new(CALLER).act(10.0, Act::Bye),
        CallerPlan::new(CALLER)
            .act(3.0, Act::Hold)
            .act(4.0, Act::Resume)
            .act(6.0, Act::Bye),
        CallerPlan::new(CALLER).gives_up_after(1.0),
    ];
    for (number, plan) in plans.into_iter().enumerate() {
        let mut world = World::new(vec![queue("desk", Strategy::RingAll, &both)], 1);
        world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
        world.phone("10.0.0.6:5060", PhonePlan::with(Answer::Never));
        world.call(plan);
        world.run();
        let (kept, seen) = (kept(&world), seen(&world));
        for party in ["caller", "desk", "other"] {
            let lane = |lines: &[String]| -> Vec<String> {
                let mut lane: Vec<String> = lines
                    .iter()
                    .filter(|line| line.contains(party))
                    .cloned()
                    .collect();
                // What a phone that was cancelled still says is nobody's, and the transactions acknowledge refusals.
                let after_refusal = lane
                    .windows(2)
                    .position(|two| two[0].ends_with("487 INVITE") && two[1].ends_with(" ACK"));
                after_refusal.map(|at| lane.remove(at + 1));
                lane.retain(|line| *line != format!("{party} > gateway 487 INVITE"));
                lane
            };
            assert_eq!(lane(&kept), lane(&seen), "plan {number}, {party}");
        }
        assert!(kept.len() > 5, "{kept:?}");
    }
}

/// A call that changes its descriptions without end is bounded, and its end is there all the same.
#[test]
fn the_end_of_a_call_stands_in_its_record_however_much_was_said_before() {
    let mut plan = CallerPlan::new(CALLER);
    for n in 0..30u32 {
        let act = if n % 2 == 0 { Act::Hold } else { Act::Resume };
        plan = plan.act(5.0 + f64::from(n), act);
    }
    let mut world = World::new(one_desk(), 1);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan.act(60.0, Act::Bye));
    world.run();
    let kept = kept(&world);
    assert!(kept.len() <= 64, "{}", kept.len());
    assert_eq!(kept[0], "caller > gateway INVITE");
    assert!(kept.contains(&"caller > gateway BYE".to_string()), "{kept:?}");
    assert!(kept.contains(&"gateway > desk BYE".to_string()), "{kept:?}");
}

#[test]
fn a_call_over_tcp_stays_on_its_connections() {
    let mut world = World::over_tcp(
        vec![queue(
            "desk",
            Strategy::RingAll,
            &["sip:desk@10.0.0.5:5060;transport=tcp"],
        )],
        1,
    );
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0).act(8.0, Act::Bye));
    let caller = world.call(CallerPlan::new(CALLER).act(3.0, Act::Hold).act(5.0, Act::Update));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "called"));
    assert_eq!(world.asked(phone), ["INVITE", "UPDATE"]);
    assert_eq!(world.asked(caller), ["BYE"]);
    assert!(world.rung(phone).must("Via").starts_with("SIP/2.0/TCP "));
    assert!(world.rung(phone).must("Contact").contains(";transport=tcp"));
}

#[test]
fn connections_of_a_call_are_needed_until_it_is_over() {
    let mut world = World::over_tcp(one_desk_tcp(), 1);
    let phone = world.phone(
        "10.0.0.5:5060",
        PhonePlan::answers_after(2.0).act(300.0, Act::Bye),
    );
    let caller = world.call(CallerPlan::new(CALLER));
    let flow = |remote: std::net::SocketAddr, connection: u64| ringward::sip::Flow {
        transport: Transport::Tcp,
        local: ringward_address(),
        remote,
        connection: Some(connection),
        peer: None,
    };
    // The caller's has the number it came with; the phone's was opened by us and is known by where it leads.
    let of_caller = flow(caller, u64::from(caller.port()));
    let of_phone = flow(phone, 7);
    let of_nobody = flow(caller, 9);
    for (seconds, is_needed) in [(1.0, true), (200.0, true), (150.0, false)] {
        world.run_for(seconds);
        for flow in [of_caller, of_phone] {
            assert_eq!(world.engine.needs(&flow), is_needed, "{flow:?} after {seconds}");
        }
        assert!(!world.engine.needs(&of_nobody));
    }
    world.run();
}

fn ringward_address() -> std::net::SocketAddr {
    crate::world::GATEWAY.parse().unwrap()
}

#[test]
fn requests_to_a_tcp_caller_name_the_address_it_listens_on() {
    let mut world = World::over_tcp(one_desk_tcp(), 1);
    world.ephemeral = 20_000;
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0).act(8.0, Act::Bye));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.asked(caller), ["BYE"]);
    // Over the connection of the dialog while it is open; when it is not, where somebody listens.
    let (remote, connection, _) = world
        .asked_of
        .iter()
        .find(|(remote, _, method)| method == "BYE" && remote.ip() == caller.ip())
        .unwrap();
    assert_eq!((*remote, *connection), (caller, Some(u64::from(caller.port()))));
}

fn one_desk_tcp() -> Vec<ringward::queue::Config> {
    vec![queue(
        "desk",
        Strategy::RingAll,
        &["sip:desk@10.0.0.5:5060;transport=tcp"],
    )]
}

/// A gateway that listens on TCP as well, and a phone whose INVITE is too large for UDP.
fn with_a_large_invite() -> (World, std::net::SocketAddr) {
    let target = format!("sip:desk@10.0.0.5:5060;x={}", "x".repeat(700));
    let queues = vec![queue("desk", Strategy::RingAll, &[&target])];
    let mut world = World::with_config(queues, 1, Policy::embedded(), |config| {
        let mut tcp = config.listeners[0].clone();
        tcp.transport = Transport::Tcp;
        config.listeners.push(tcp);
    });
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0).act(8.0, Act::Bye));
    world.call(CallerPlan::new(CALLER));
    (world, phone)
}

#[test]
fn an_invite_too_large_for_udp_goes_over_tcp_and_the_dialog_does_not() {
    let (mut world, phone) = with_a_large_invite();
    world.run();
    assert!(world.rung(phone).must("Via").starts_with("SIP/2.0/TCP "));
    assert!(!world.rung(phone).must("Contact").contains("transport"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "called"));
}

#[test]
fn a_phone_that_refuses_tcp_is_rung_over_udp_and_the_caller_notices_nothing() {
    let (mut world, phone) = with_a_large_invite();
    world.refuses_tcp = true;
    world.run();
    assert!(world.rung(phone).must("Via").starts_with("SIP/2.0/UDP "));
    assert_eq!(world.ending(), (Ending::Completed, 200, "called"));
    assert_eq!(
        (world.record().attempts.len(), &world.record().attempts[0].why),
        (1, &None)
    );
}

#[test]
fn a_phone_that_cannot_be_reached_says_why_in_the_record() {
    let mut world = World::over_tcp(one_desk_tcp(), 1);
    world.refuses_tcp = true;
    world.call(CallerPlan::new(CALLER));
    world.run();
    let attempt = &world.record().attempts[0];
    assert_eq!(
        (attempt.status, attempt.why.as_deref()),
        (503, Some("connection refused"))
    );
}

#[test]
fn both_legs_of_a_call_belong_to_the_shard_that_took_it() {
    for shard in 0..4 {
        let mut world = World::with_everything(one_desk(), 1, Policy::embedded(), Transport::Udp, (shard, 4));
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        world.call(CallerPlan::new(CALLER).act(1.0, Act::Bye));
        world.run();
        assert_eq!(shard_of(world.rung(phone).must("Call-ID").as_bytes(), 4), shard);
        assert_eq!(
            (world.record().id.0 >> 120) as u16,
            shard,
            "a call id names its shard"
        );
    }
}

#[test]
fn ringing_ends_after_three_minutes_whatever_the_queue_says() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.ring = Duration::from_secs(3600);
    let mut world = World::new(vec![desk], 1);
    world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 480]);
    assert!((180_000..181_000).contains(&world.record().timings.ended_ms.unwrap()));
}

#[test]
fn who_took_an_invite_back_inside_a_call_is_told_and_so_is_that_we_did_too() {
    let mut world = World::new(one_desk(), 1);
    let mut talk = talk(&mut world, &[], &[]);
    let offer = talk.phone.sdp(2);
    let octets = talk.phone.request("INVITE", &[], Some(&offer));
    talk.phone.invite = Message::read(&octets);
    world.say(&talk.phone, octets);
    world.run_for(0.05);
    let asked = world.one(&talk.caller, "INVITE");
    world.answer(&talk.caller, &asked, 180, &[], None);
    world.ask(&mut talk.phone, "CANCEL", &[], None);
    world.run_for(0.5);
    world.ask(&mut talk.caller, "BYE", &[], None);
    world.run_for(1.0);
    let kept = kept(&world);
    let cancels: Vec<&String> = kept.iter().filter(|line| line.ends_with("CANCEL")).collect();
    assert_eq!(
        cancels,
        ["desk > gateway CANCEL", "gateway > caller CANCEL"],
        "{kept:?}"
    );
}
