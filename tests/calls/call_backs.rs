//! A person calls an organisation back: his own phone first, then the number that the directory has, never the one that was shown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringward::call::record::{Direction, Ending};
use ringward::call::{CallBack, CallRecord, Config, Input, NoCallBack, Order, What};
use ringward::call_id::CallId;
use ringward::media::Side;
use ringward::policy::Policy;
use ringward::queue::{AtWork, Roster, Strategy};
use ringward::redact::Redacted;
use ringward::registrar::{Bound, Place};
use ringward::sip::Flow;

use crate::gateway::{GATEWAY, queue};
use crate::outbound::leads_outside;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::World;

/// What the caller shows.
const SHOWN: &str = "+14045550123";
/// What the directory has.
const PUBLISHED: &str = "+18005550100";
const BACK: CallId = CallId(7);

struct Scene {
    world: World,
    desk: SocketAddr,
    carrier: SocketAddr,
}

/// Ann at `desk-1`, which is at 10.0.0.71, and a carrier at 203.0.113.9.
fn scene(desk: PhonePlan, carrier: PhonePlan, change: impl FnOnce(&mut Config)) -> Scene {
    let mut queue = queue("front-desk", Strategy::InOrder, &["person:ann"]);
    queue.service.wrap_up = Duration::from_secs(3600);
    let mut world = World::with_config(vec![queue], 11, Policy::embedded(), |config| {
        config.outbound.call_back = true;
        leads_outside(config);
        change(config);
    });
    let place = Place {
        uri: "sip:desk-1@10.0.0.71".into(),
        flow: Flow::udp(GATEWAY.parse().unwrap(), "10.0.0.71:5060".parse().unwrap()),
    };
    let bound = BTreeMap::from([("desk-1".to_string(), vec![place])]);
    world.tell(Input::SetBound(Arc::new(Bound::new(bound))));
    let at_work = AtWork {
        devices: vec!["desk-1".into()],
        pause: None,
    };
    world.tell(Input::SetRoster(Arc::new(Roster::new([(
        "ann".to_string(),
        at_work,
    )]))));
    Scene {
        desk: world.phone("10.0.0.71:5060", desk),
        carrier: world.phone("203.0.113.9:5060", carrier),
        world,
    }
}

fn wanted() -> CallBack {
    CallBack {
        id: BACK,
        of: CallId(6),
        by: "ann".into(),
        devices: vec!["desk-9".into(), "desk-1".into()],
        organisation: "First National Bank".into(),
        entry: 3,
        number: Redacted::new(PUBLISHED.into()),
        queue: Some("front-desk".into()),
    }
}

fn answers() -> PhonePlan {
    PhonePlan::answers_after(1.0)
}

fn refuses(status: u16) -> PhonePlan {
    PhonePlan::with(Answer::Refuse(status, Duration::from_millis(200)))
}

impl Scene {
    /// Calls back; why not, if not.
    fn calls_back(&mut self) -> Option<NoCallBack> {
        self.calls(wanted())
    }

    fn calls(&mut self, wanted: CallBack) -> Option<NoCallBack> {
        let asked = self.world.call_backs.len();
        self.world.tell(Input::CallBack(Box::new(wanted)));
        assert_eq!(self.world.call_backs.len(), asked + 1, "one answer each");
        *self.world.call_backs.last().unwrap()
    }

    fn record(&self) -> &CallRecord {
        self.world.records[&BACK].last().unwrap()
    }

    /// How it ended, by whom, and the note.
    fn ended(&self) -> (Ending, &str, &str) {
        let outcome = self.record().outcome.as_ref().unwrap();
        (
            outcome.ending,
            outcome.by.as_str(),
            outcome.note.as_deref().unwrap_or_default(),
        )
    }

    fn was_rung(&self, phone: SocketAddr) -> usize {
        self.world.agents[&phone].lines.len()
    }
}

#[test]
fn the_persons_phone_rings_first_and_then_the_published_number_and_never_the_one_that_was_shown() {
    let desk = PhonePlan::answers_after(2.0).act(9.0, Act::Bye);
    let mut scene = scene(desk, PhonePlan::answers_after(3.0), |_| {});
    assert_eq!(scene.calls_back(), None);
    scene.world.run_for(1.5);
    assert_eq!(
        (scene.was_rung(scene.desk), scene.was_rung(scene.carrier)),
        (1, 0),
        "his own phone rings alone"
    );
    scene.world.run();
    let rung = scene.world.rung(scene.desk);
    let from = rung.must("From");
    assert!(
        from.starts_with("\"Calling back First National Bank\" <sip:+18005550100@"),
        "{from}"
    );
    let invite = scene.world.rung(scene.carrier);
    assert_eq!(
        invite.request_uri(),
        "sip:+18005550100@carrier.example;user=phone"
    );
    assert!(invite.must("From").contains("+12125550100"), "the business calls");
    assert_eq!(scene.world.asked(scene.carrier), ["BYE"]);
    let record = scene.record();
    assert_eq!(
        (
            record.direction,
            record.trunk.as_str(),
            record.called.reveal().as_str()
        ),
        (Direction::Outbound, "phones", PUBLISHED)
    );
    let back = record.call_back.as_ref().unwrap();
    assert_eq!((back.of, back.entry), (CallId(6), 3));
    assert_eq!(
        (record.person.as_deref(), record.answered_by.as_deref()),
        (Some("ann"), Some("carrier"))
    );
    assert_eq!(scene.ended(), (Ending::Completed, "caller", ""));
    let media = &scene.world.media[&BACK];
    assert!(!media.is_tapped, "our own people are not listened to");
    let sides: Vec<Side> = media.described.iter().map(|(side, _)| *side).collect();
    assert_eq!(sides, [Side::A, Side::B]);
    let said: Vec<_> = media.said.iter().flat_map(|said| &said.names).collect();
    assert_eq!(said, ["ringing"], "until somebody answers");
    assert!(!media.hushed.is_empty());
}

/// He called, he hung up, and ann has an hour of wrap-up: she calls back all the same. What he showed goes nowhere.
#[test]
fn a_call_is_answered_by_calling_back_though_its_person_rests_after_it() {
    let desk = answers().act(12.0, Act::Bye);
    let mut scene = scene(desk, answers(), |_| {});
    scene.world.call(CallerPlan::new(SHOWN).act(2.0, Act::Bye));
    scene.world.run_for(10.0);
    let first = scene.world.record().id;
    let sent = scene.world.sent.len();
    let of = CallBack {
        of: first,
        ..wanted()
    };
    assert_eq!(scene.calls(of), None);
    scene.world.run();
    assert_eq!(scene.ended().0, Ending::Completed);
    assert_eq!(scene.record().call_back.as_ref().unwrap().of, first);
    let shown = |octets: &[u8]| String::from_utf8_lossy(octets).contains("4045550123");
    assert!(!scene.world.sent[sent..].iter().any(|(_, octets)| shown(octets)));
}

#[test]
fn a_number_shown_that_the_directory_has_is_dialled_as_the_directory_has_it() {
    let mut scene = scene(answers().act(12.0, Act::Bye), answers(), |_| {});
    scene.world.call(CallerPlan::new(PUBLISHED).act(2.0, Act::Bye));
    scene.world.run_for(10.0);
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!(
        scene.world.rung(scene.carrier).request_uri(),
        "sip:+18005550100@carrier.example;user=phone"
    );
    assert_eq!(scene.ended().0, Ending::Completed);
}

/// Nothing went out, so it is not counted: the next one may.
#[test]
fn nothing_goes_out_for_a_person_who_does_not_pick_up() {
    let one_an_hour = |config: &mut Config| config.outbound.tolls.all.per_hour = Some(1);
    let mut scene = scene(PhonePlan::with(Answer::Never), answers(), one_an_hour);
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!(scene.was_rung(scene.carrier), 0);
    assert_eq!(scene.world.asked(scene.desk), ["CANCEL"]);
    let why = "the person who calls back did not pick up";
    assert_eq!(scene.ended(), (Ending::NoAnswer, "caller", why));
    let again = CallBack {
        id: CallId(8),
        ..wanted()
    };
    assert_eq!(scene.calls(again), None);
    scene.world.run();
}

#[test]
fn a_person_who_declines_is_called_nobodys_caller() {
    let mut scene = scene(refuses(486), answers(), |_| {});
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!(scene.was_rung(scene.carrier), 0);
    let (ending, by, why) = scene.ended();
    assert_eq!((ending, by), (Ending::NoAnswer, "caller"));
    assert!(why.contains("busy, or he declined"), "{why}");
}

#[test]
fn a_published_number_that_is_busy_or_unknown_ends_the_call_and_its_record_says_so() {
    for (carrier, expected) in [
        (refuses(486), "the published number was busy"),
        (refuses(404), "the carrier knows no such number"),
        (refuses(403), "the carrier did not take the call"),
        (
            PhonePlan::with(Answer::Never),
            "nobody answered at the published number",
        ),
    ] {
        let mut scene = scene(answers(), carrier, |_| {});
        assert_eq!(scene.calls_back(), None);
        scene.world.run();
        assert_eq!(scene.world.asked(scene.desk), ["BYE"], "{expected}");
        assert_eq!(scene.ended(), (Ending::NoAnswer, "called", expected));
    }
}

/// The console ends it while his phone rings; his answer crosses our CANCEL.
#[test]
fn an_answer_that_crosses_the_end_of_a_call_back_is_acknowledged_and_hung_up() {
    let desk = PhonePlan {
        ignores_cancel: true,
        ..PhonePlan::answers_after(2.0)
    };
    let mut scene = scene(desk, answers(), |_| {});
    assert_eq!(scene.calls_back(), None);
    scene.world.run_for(1.5);
    let end = Order {
        by: "ann".into(),
        what: What::End,
        why: None,
    };
    scene.world.tell(Input::Order {
        call: BACK,
        order: end,
    });
    scene.world.run();
    assert_eq!(scene.world.asked(scene.desk), ["CANCEL", "BYE"]);
    assert_eq!(scene.was_rung(scene.carrier), 0);
    assert_eq!(scene.ended(), (Ending::Failed, "us", "ended from the console"));
}

#[test]
fn a_person_who_hangs_up_while_the_number_rings_stops_it() {
    let mut scene = scene(
        answers().act(2.0, Act::Bye),
        PhonePlan::with(Answer::Never),
        |_| {},
    );
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!(scene.world.asked(scene.carrier), ["CANCEL"]);
    assert_eq!(scene.ended().0, Ending::Cancelled);
}

/// The answer of the number outside crosses our CANCEL: it is hung up, too.
#[test]
fn a_number_that_answers_as_the_person_hangs_up_is_hung_up() {
    let carrier = PhonePlan {
        ignores_cancel: true,
        ..PhonePlan::answers_after(3.0)
    };
    let mut scene = scene(answers().act(2.9, Act::Bye), carrier, |_| {});
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    let asked = scene.world.asked(scene.carrier);
    assert_eq!(asked.last().map(String::as_str), Some("BYE"), "{asked:?}");
}

#[test]
fn what_the_carrier_lets_hear_before_anybody_answers_is_for_the_person() {
    let carrier = PhonePlan {
        has_early_media: true,
        ..PhonePlan::answers_after(5.0)
    };
    let mut scene = scene(answers().act(9.0, Act::Bye), carrier, |_| {});
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    let media = &scene.world.media[&BACK];
    let [first, behind] = &media.said[..] else {
        panic!(
            "the ringing tone, and the same behind the carrier's: {:?}",
            media.said
        );
    };
    assert_eq!((first.names[0].as_str(), first.gives_way), ("ringing", false));
    // Where the carrier is not heard for a second he hears it again.
    assert_eq!((behind.names[0].as_str(), behind.gives_way), ("ringing", true));
    assert!(
        behind.at < Duration::from_secs(2),
        "before the answer: {behind:?}"
    );
    assert!(
        media
            .hushed
            .iter()
            .any(|(at, side)| *side == Side::A && *at > behind.at)
    );
    assert_eq!(scene.ended().0, Ending::Completed);
}

/// The first address of the carrier lets hear something and then refuses: the second one is heard, and until then our own tone.
#[test]
fn early_media_that_dies_is_followed_by_the_ringing_tone_and_by_whoever_speaks_next() {
    let speaks = |plan: PhonePlan| PhonePlan {
        has_early_media: true,
        ..plan
    };
    let two = |config: &mut Config| {
        let to = config.trunks[0].to.as_mut().unwrap();
        to.addresses.push("203.0.113.10:5060".parse().unwrap());
    };
    let gone = speaks(PhonePlan::with(Answer::Refuse(503, Duration::from_secs(2))));
    let mut scene = scene(answers().act(12.0, Act::Bye), gone, two);
    let second = scene
        .world
        .phone("203.0.113.10:5060", speaks(PhonePlan::answers_after(4.0)));
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!((scene.was_rung(scene.carrier), scene.was_rung(second)), (1, 1));
    let media = &scene.world.media[&BACK];
    let heard: Vec<_> = media
        .described
        .iter()
        .filter(|(side, _)| *side == Side::B)
        .collect();
    // The first, the second as it speaks, and the second as it answers.
    let places: Vec<bool> = heard
        .iter()
        .map(|(_, at)| at.ip().to_string() == "203.0.113.10")
        .collect();
    assert_eq!(places, [false, true, true], "{heard:?}");
    let last = media.said.last().unwrap();
    assert_eq!((last.names[0].as_str(), last.gives_way), ("ringing", true));
    let hushed = media.hushed.iter().find(|(_, side)| *side == Side::A).unwrap().0;
    assert!(
        hushed > last.at + Duration::from_secs(3),
        "not before somebody answered: {hushed:?}"
    );
    assert_eq!(scene.ended().0, Ending::Completed);
}

#[test]
fn lost_messages_are_said_again_on_either_leg() {
    for start in ["INVITE", "SIP/2.0 200", "ACK", "BYE"] {
        let mut scene = scene(answers().act(9.0, Act::Bye), answers(), |_| {});
        scene.world.lose(start, 2);
        assert_eq!(scene.calls_back(), None);
        scene.world.run();
        assert_eq!(scene.ended().0, Ending::Completed, "{start}");
    }
}

#[test]
fn the_person_holds_and_resumes_while_they_talk_as_in_any_call() {
    let desk = answers()
        .act(4.0, Act::Hold)
        .act(6.0, Act::Resume)
        .act(9.0, Act::Bye);
    let mut scene = scene(desk, answers(), |_| {});
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!(
        scene.world.asked(scene.carrier),
        ["INVITE", "INVITE", "BYE"],
        "they cross"
    );
}

#[test]
fn no_call_goes_out_unless_the_configuration_says_so_and_to_no_number_that_it_refuses() {
    let check = |wanted: CallBack, change: fn(&mut Config), expected: NoCallBack| {
        let mut scene = scene(answers(), answers(), change);
        assert_eq!(scene.calls(wanted), Some(expected));
        scene.world.run();
        assert!(scene.world.records.is_empty(), "no record: {expected}");
        assert_eq!(scene.was_rung(scene.desk) + scene.was_rung(scene.carrier), 0);
    };
    check(
        wanted(),
        |config| config.outbound.call_back = false,
        NoCallBack::Off,
    );
    let nowhere = CallBack {
        devices: vec!["desk-9".into()],
        ..wanted()
    };
    check(nowhere, |_| {}, NoCallBack::NoPhone);
    let to = |number: &str| CallBack {
        number: Redacted::new(number.into()),
        ..wanted()
    };
    let not = NoCallBack::NotThis;
    check(
        to("+442071234567"),
        |_| {},
        not("other countries may not be called"),
    );
    check(
        to("+19005550123"),
        |_| {},
        not("premium numbers may not be called"),
    );
    check(
        to(PUBLISHED),
        |config| config.outbound.refuse = vec!["+1800*".into()],
        not("this number may not be called"),
    );
    check(
        to(PUBLISHED),
        |config| config.trunks[0].to = None,
        not("no trunk takes calls of ours"),
    );
    let limits: [fn(&mut Config); 3] = [
        |config| config.outbound.tolls.all.at_once = Some(0),
        |config| config.outbound.tolls.person.at_once = Some(0),
        |config| config.outbound.tolls.queue.at_once = Some(0),
    ];
    let words = [
        "as many calls as may go out at once do",
        "this phone has as many calls to the outside as it may at once",
        "this queue has as many calls to the outside as it may at once",
    ];
    for (limit, words) in limits.into_iter().zip(words) {
        check(wanted(), limit, NoCallBack::NotNow(words));
    }
    check(
        wanted(),
        |config| config.outbound.tolls.hours = vec![(0, 0, 1)],
        NoCallBack::NotNow("calls do not go out at this hour"),
    );
}

#[test]
fn nobody_calls_back_in_a_lockdown_or_when_the_gateway_is_to_end() {
    let mut locked = scene(answers(), answers(), |_| {});
    locked.world.tell(Input::SetLockdown(Some(1)));
    assert!(matches!(locked.calls_back(), Some(NoCallBack::NotNow(_))));
    let mut ending = scene(answers(), answers(), |_| {});
    ending.world.tell(Input::Drain);
    assert_eq!(ending.calls_back(), Some(NoCallBack::Busy));
}

/// Nothing went out, so it is not counted: when the lockdown is over the next one may.
#[test]
fn a_lockdown_between_the_ringing_and_the_answer_hangs_up_the_phone_and_nothing_goes_out() {
    let one_an_hour = |config: &mut Config| config.outbound.tolls.all.per_hour = Some(1);
    let desk = PhonePlan::answers_after(3.0).act(9.0, Act::Bye);
    let mut scene = scene(desk, answers(), one_an_hour);
    assert_eq!(scene.calls_back(), None);
    scene.world.run_for(1.5);
    assert_eq!(scene.was_rung(scene.desk), 1, "it rings");
    scene.world.tell(Input::SetLockdown(Some(1)));
    scene.world.run();
    assert_eq!(scene.was_rung(scene.carrier), 0);
    assert_eq!(scene.world.asked(scene.desk), ["BYE"]);
    let why = "there is a lockdown: calls come in, and none is sent on or goes out";
    assert_eq!(scene.ended(), (Ending::Failed, "us", why));
    scene.world.tell(Input::SetLockdown(None));
    let again = CallBack {
        id: CallId(8),
        ..wanted()
    };
    assert_eq!(scene.calls(again), None);
    scene.world.run();
    assert_eq!(scene.was_rung(scene.carrier), 1);
}

#[test]
fn a_call_back_counts_for_the_person_who_calls_and_for_nobody_elses_phone() {
    let one_an_hour = |config: &mut Config| config.outbound.tolls.person.per_hour = Some(1);
    let mut scene = scene(answers().act(4.0, Act::Bye), answers(), one_an_hour);
    let calls = |id: u128, by: &str| CallBack {
        id: CallId(id),
        by: by.into(),
        ..wanted()
    };
    assert_eq!(scene.calls(calls(7, "ann")), None);
    scene.world.run();
    let why = NoCallBack::NotNow("this phone made as many calls to the outside as it may in an hour");
    assert_eq!(scene.calls(calls(8, "ann")), Some(why));
    assert_eq!(scene.calls(calls(9, "bob")), None, "at the same phone");
    scene.world.run();
}

#[test]
fn without_a_port_nobody_is_rung() {
    let mut scene = scene(answers(), answers(), |_| {});
    scene.world.helpers.has_ports = false;
    assert_eq!(scene.calls_back(), None);
    scene.world.run();
    assert_eq!(scene.was_rung(scene.desk), 0);
    assert_eq!(scene.ended(), (Ending::Failed, "us", "no media port left"));
}
