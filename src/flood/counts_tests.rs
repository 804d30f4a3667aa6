//! Every limit at its edge, and what must hold whatever comes.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::limits::COUNTED_MAX;
use super::{Allowance, CallLimits, Kind, Limit, NewCall, Scope, Shared, SurgeConfig, Ticket};

fn allowance(per_second: u32, calls: u32, ringing: u32) -> Allowance {
    Allowance {
        per_second,
        calls,
        ringing,
    }
}

const MANY: Allowance = Allowance {
    per_second: 1_000_000,
    calls: 1_000_000,
    ringing: 1_000_000,
};

/// The part of the limits that is for one scope.
type Of = fn(&mut CallLimits) -> &mut Allowance;

/// Nothing is limited but what a test says.
fn limits() -> CallLimits {
    CallLimits {
        all: MANY,
        trunk: MANY,
        source: MANY,
        queue: MANY,
        number: MANY,
        signer: MANY,
        refuse_with: 480,
    }
}

fn shared(limits: CallLimits) -> Shared {
    Shared::new(limits, SurgeConfig::default())
}

fn source(number: u32) -> IpAddr {
    IpAddr::V4(number.into())
}

fn call<'a>(trunk: &'a str, from: u32, queue: &'a str) -> NewCall<'a> {
    NewCall {
        trunk,
        source: source(from),
        queue,
        is_emergency: false,
    }
}

fn limit(scope: Scope, kind: Kind) -> Limit {
    Limit { scope, kind }
}

/// As many as are taken of 200 that come at once, and what the next one hears.
fn fill(shared: &Shared, new: NewCall<'_>, now: Instant) -> (Vec<Ticket>, Option<Limit>) {
    let mut taken = Vec::new();
    for _ in 0..200 {
        match shared.admit(&new, now) {
            Ok(ticket) => taken.push(ticket),
            Err(limit) => return (taken, Some(limit)),
        }
    }
    (taken, None)
}

#[test]
fn each_limit_holds_at_its_number_says_its_name_and_touches_nobody_else() {
    let now = Instant::now();
    let edges: [(Scope, Of, NewCall<'_>, NewCall<'_>); 3] = [
        (
            Scope::Trunk,
            |l| &mut l.trunk,
            call("a", 1, "desk"),
            call("b", 1, "desk"),
        ),
        (
            Scope::Source,
            |l| &mut l.source,
            call("a", 1, "desk"),
            call("a", 2, "desk"),
        ),
        (
            Scope::Queue,
            |l| &mut l.queue,
            call("a", 1, "desk"),
            call("a", 1, "shop"),
        ),
    ];
    for (scope, of, mine, others) in edges {
        for (kind, allowed) in [
            (Kind::Rate, allowance(7, 1_000, 1_000)),
            (Kind::Calls, allowance(1_000, 7, 1_000)),
            (Kind::Ringing, allowance(1_000, 1_000, 7)),
        ] {
            let mut limits = limits();
            *of(&mut limits) = allowed;
            let shared = shared(limits);
            let (taken, refused) = fill(&shared, mine, now);
            assert_eq!((taken.len(), refused), (7, Some(limit(scope, kind))));
            assert!(!limit(scope, kind).is_of_all());
            assert_eq!(fill(&shared, others, now).0.len(), 7, "{scope:?} {kind:?}");
        }
    }
}

#[test]
fn the_limits_of_all_come_first_and_are_known_as_such() {
    let now = Instant::now();
    for (kind, all) in [
        (Kind::Rate, allowance(5, 100, 100)),
        (Kind::Calls, allowance(100, 5, 100)),
        (Kind::Ringing, allowance(100, 100, 5)),
    ] {
        let shared = shared(CallLimits {
            all,
            trunk: allowance(5, 5, 5),
            ..limits()
        });
        let (taken, refused) = fill(&shared, call("a", 1, ""), now);
        assert_eq!((taken.len(), refused), (5, Some(limit(Scope::All, kind))));
        assert!(limit(Scope::All, kind).is_of_all());
    }
}

#[test]
fn who_is_refused_has_cost_nobody_a_token() {
    let now = Instant::now();
    let shared = shared(CallLimits {
        queue: allowance(1, 100, 100),
        source: allowance(3, 100, 100),
        ..limits()
    });
    let _first = shared.admit(&call("a", 1, "desk"), now).unwrap();
    for _ in 0..50 {
        assert_eq!(
            shared.admit(&call("a", 1, "desk"), now).err(),
            Some(limit(Scope::Queue, Kind::Rate))
        );
    }
    let (taken, refused) = fill(&shared, call("a", 1, ""), now);
    assert_eq!(
        (taken.len(), refused),
        (2, Some(limit(Scope::Source, Kind::Rate)))
    );
}

#[test]
fn an_answered_call_rings_no_more_and_one_that_is_over_is_counted_nowhere() {
    let now = Instant::now();
    let shared = shared(CallLimits {
        queue: allowance(1_000, 3, 2),
        ..limits()
    });
    let new = call("a", 1, "desk");
    let mut first = shared.admit(&new, now).unwrap();
    let second = shared.admit(&new, now).unwrap();
    assert_eq!(
        shared.admit(&new, now).err(),
        Some(limit(Scope::Queue, Kind::Ringing))
    );
    first.rings_no_more();
    first.rings_no_more();
    let third = shared.admit(&new, now).unwrap();
    assert_eq!(
        shared.admit(&new, now).err(),
        Some(limit(Scope::Queue, Kind::Calls))
    );
    drop((first, second, third));
    let standing = shared.standing(now);
    assert_eq!((standing.calls, standing.ringing), (0, 0));
    assert_eq!(fill(&shared, new, now).0.len(), 2);
}

#[test]
fn a_proven_number_and_a_signer_are_limited_and_what_is_only_shown_spends_nothing_of_theirs() {
    let now = Instant::now();
    let shared = shared(CallLimits {
        number: allowance(3, 100, 100),
        signer: allowance(4, 100, 100),
        ..limits()
    });
    let (mut tickets, _) = fill(&shared, call("a", 1, ""), now);
    let mut taken = |scope, who: &str| {
        let each = tickets.iter_mut();
        each.filter_map(|ticket| ticket.also(scope, who, now).ok())
            .count()
    };
    let victim = "+14045550123";
    assert_eq!(taken(Scope::ShownNumber, victim), 3, "past it: a tag");
    assert_eq!(taken(Scope::Number, victim), 3, "its own are all still there");
    assert_eq!(taken(Scope::Number, "+14045550124"), 3);
    assert_eq!(taken(Scope::Signer, "1234"), 4);
}

#[test]
fn emergency_calls_have_a_share_of_their_own_of_calls_and_rate() {
    let now = Instant::now();
    let shared = shared(CallLimits {
        all: allowance(50, 100, 1_000),
        source: allowance(10, 1_000, 1_000),
        ..limits()
    });
    let (plain, refused) = fill(&shared, call("a", 1, "desk"), now);
    assert_eq!(
        (plain.len(), refused),
        (10, Some(limit(Scope::Source, Kind::Rate)))
    );
    let emergency = NewCall {
        is_emergency: true,
        ..call("a", 1, "desk")
    };
    let (more, refused) = fill(&shared, emergency, now);
    assert_eq!(more.len(), 5, "a tenth of 50 a second, for whoever says so");
    assert_eq!(refused, Some(limit(Scope::All, Kind::Rate)));
    let mut kept = vec![plain, more];
    let mut later = now;
    while kept.iter().map(Vec::len).sum::<usize>() < 100 {
        later += Duration::from_secs(2);
        kept.push(fill(&shared, call("a", 1, "desk"), later).0);
    }
    later += Duration::from_secs(2);
    assert_eq!(
        shared.admit(&call("a", 1, "desk"), later).err(),
        Some(limit(Scope::All, Kind::Calls))
    );
    let mut urgent = Vec::new();
    for step in 0..40 {
        let at = later + Duration::from_secs(2 * step);
        urgent.extend(shared.admit(&emergency, at).ok());
    }
    assert_eq!(urgent.len(), 10, "a tenth more calls");
}

#[test]
fn busy_sources_cost_a_bounded_table_and_the_rest_share_one_count() {
    let now = Instant::now();
    let shared = shared(CallLimits {
        source: allowance(2, 100, 100),
        ..limits()
    });
    for number in 0..COUNTED_MAX as u32 + 50 {
        drop(shared.admit(&call("a", number, ""), now));
    }
    // One trunk beside them.
    assert_eq!(shared.standing(now).counted, COUNTED_MAX + 1);
    let stranger = call("a", u32::MAX, "");
    assert_eq!(
        shared.admit(&stranger, now).err(),
        Some(limit(Scope::Source, Kind::Rate))
    );
    assert!(
        shared.admit(&call("a", 0, ""), now).is_ok(),
        "who is known keeps his own"
    );
    let later = now + Duration::from_secs(2);
    assert!(shared.admit(&stranger, later).is_ok());
    assert!(
        shared.standing(later).counted <= 3,
        "the quiet ones are forgotten"
    );
}

#[test]
fn an_ipv6_house_is_one_source() {
    let now = Instant::now();
    let shared = shared(CallLimits {
        source: allowance(1_000, 2, 1_000),
        ..limits()
    });
    let from = |host: u16| NewCall {
        source: format!("2001:db8::{host:x}").parse().unwrap(),
        ..call("a", 0, "")
    };
    let _kept = [
        shared.admit(&from(1), now).unwrap(),
        shared.admit(&from(2), now).unwrap(),
    ];
    assert!(shared.admit(&from(3), now).is_err());
}

#[derive(Clone, Debug)]
enum Step {
    Call { from: u32, queue: usize },
    Answer(usize),
    End(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u32, 0..2usize).prop_map(|(from, queue)| Step::Call { from, queue }),
        1 => (0..50usize).prop_map(Step::Answer),
        1 => (0..50usize).prop_map(Step::End),
        1 => (0..1_500u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    /// No order of calls, answers and ends passes a limit, or leaves a call counted that is over.
    #[test]
    fn counts_are_what_is_there(steps in steps()) {
        let (mut now, queues) = (Instant::now(), ["desk", "shop"]);
        let shared = shared(CallLimits {
            all: allowance(40, 12, 9),
            source: allowance(20, 6, 5),
            queue: allowance(20, 8, 4),
            ..limits()
        });
        let mut live: Vec<(Ticket, u32, usize, bool)> = Vec::new();
        for step in steps {
            match step {
                Step::Call { from, queue } => {
                    if let Ok(ticket) = shared.admit(&call("a", from, queues[queue]), now) {
                        live.push((ticket, from, queue, true));
                    }
                }
                Step::Answer(n) if !live.is_empty() => {
                    let n = n % live.len();
                    live[n].0.rings_no_more();
                    live[n].3 = false;
                }
                Step::End(n) if !live.is_empty() => drop(live.swap_remove(n % live.len())),
                Step::Wait(millis) => now += Duration::from_millis(millis),
                _ => {}
            }
            let ringing = live.iter().filter(|call| call.3).count();
            let standing = shared.standing(now);
            prop_assert_eq!((standing.calls as usize, standing.ringing as usize), (live.len(), ringing));
            prop_assert!(live.len() <= 12 && ringing <= 9);
            for from in 0..3 {
                prop_assert!(live.iter().filter(|call| call.1 == from).count() <= 6);
            }
            for queue in 0..2 {
                prop_assert!(live.iter().filter(|call| call.2 == queue && call.3).count() <= 4);
            }
        }
        live.clear();
        let standing = shared.standing(now);
        prop_assert_eq!((standing.calls, standing.ringing), (0, 0));
    }
}
