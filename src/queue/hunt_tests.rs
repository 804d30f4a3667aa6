//! Which phones a call rings, one by one and all at once, and where it goes when nobody takes it.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::time::{Duration, Instant};

use super::*;
use crate::queue::{Reach, Service};

const RING: Duration = Duration::from_secs(20);

fn queue(name: &str, strategy: Strategy, targets: usize, overflow: Overflow) -> Config {
    Config {
        name: name.into(),
        numbers: vec!["*".into()],
        strategy,
        targets: (0..targets).map(|n| format!("sip:{name}{n}@10.0.0.5")).collect(),
        ring: RING,
        overflow,
        reach: Reach::default(),
        service: Service::default(),
    }
}

fn hunt(queues: Vec<Config>) -> Hunt {
    Hunt::new(queues.into(), "desk").unwrap()
}

/// Steps as one short line: `+0` ring, `-0` cancel, `x0` answered elsewhere, `>name` moved, `!480` give up.
fn steps(hunt: &mut Hunt) -> String {
    let mut line = Vec::new();
    while let Some(step) = hunt.poll_step() {
        line.push(match step {
            Step::Ring { attempt, .. } => format!("+{}", attempt.0),
            Step::Cancel {
                attempt,
                was_answered_elsewhere: true,
            } => format!("x{}", attempt.0),
            Step::Cancel { attempt, .. } => format!("-{}", attempt.0),
            // Told beside the `-` that follows it.
            Step::Ignored { .. } => continue,
            Step::Moved { queue, .. } => format!(">{queue}"),
            Step::GiveUp { status } => format!("!{status}"),
        });
    }
    line.join(" ")
}

fn failed(attempt: usize, status: u16) -> Input {
    Input::Failed {
        attempt: Attempt(attempt),
        status,
    }
}

fn check(queues: Vec<Config>, script: &[(Input, u64, &str)]) {
    let start = Instant::now();
    let mut hunt = hunt(queues);
    for (input, seconds, expected) in script {
        hunt.handle(*input, start + Duration::from_secs(*seconds), &|target| Seen {
            is_down: target.contains("down"),
            ..Seen::default()
        });
        assert_eq!(steps(&mut hunt), *expected, "{input:?} at {seconds}");
    }
}

#[test]
fn ring_all_rings_everybody_and_the_first_answer_wins() {
    check(
        vec![queue("desk", Strategy::RingAll, 3, Overflow::Reject)],
        &[
            (Input::Start, 0, "+0 +1 +2"),
            (failed(1, 486), 1, ""),
            (Input::Answered { attempt: Attempt(2) }, 2, "x0"),
            (Input::Tick, 60, ""),
        ],
    );
}

#[test]
fn in_order_gives_each_phone_its_own_time() {
    check(
        vec![queue("desk", Strategy::InOrder, 3, Overflow::Reject)],
        &[
            (Input::Start, 0, "+0"),
            (Input::Tick, 19, ""),
            (Input::Tick, 20, "-0 +1"),
            (failed(1, 486), 21, "+2"),
            (Input::Tick, 40, ""),
            (Input::Tick, 41, "-2 !480"),
        ],
    );
}

#[test]
fn a_person_rings_at_all_his_devices_at_once_and_a_device_that_is_named_as_well_rings_once() {
    let rung = |strategy| {
        let mut desk = queue("desk", strategy, 0, Overflow::Reject);
        desk.targets = ["device:d1", "person:ann", "person:bob"].map(Into::into).to_vec();
        let mut hunt = hunt(vec![desk]);
        let seen = |target: &str| Seen {
            devices: match target {
                "person:ann" => Some(vec!["device:d1".into(), "device:d2".into()]),
                "person:bob" => Some(Vec::new()),
                _ => None,
            },
            ..Seen::default()
        };
        let (mut rung, start) = (Vec::new(), Instant::now());
        hunt.handle(Input::Start, start, &seen);
        for round in 1..5 {
            let mut together = Vec::new();
            while let Some(step) = hunt.poll_step() {
                if let Step::Ring { target, attempt } = step {
                    assert_eq!(hunt.phone_of(attempt), Some(target.as_str()));
                    together.push(target);
                }
            }
            rung.push(together.join("+"));
            hunt.handle(Input::Tick, start + RING * round, &seen);
        }
        rung.join(" ").trim_end().to_string()
    };
    assert_eq!(rung(Strategy::RingAll), "device:d1+device:d2+person:bob");
    assert_eq!(
        rung(Strategy::InOrder),
        "device:d1 device:d1+device:d2 person:bob"
    );
}

#[test]
fn a_number_outside_is_the_last_that_rings_and_is_not_waited_for_by_any_phone() {
    let outside = || Overflow::Outside("+14045550188".into());
    let desk = || vec![queue("desk", Strategy::InOrder, 1, outside())];
    check(
        desk(),
        &[
            (Input::Start, 0, "+0"),
            (Input::Tick, 20, "-0 +1"),
            (Input::Tick, 139, ""),
            (Input::Tick, 140, "-1 !480"),
            (Input::Tick, 200, ""),
        ],
    );
    check(
        desk(),
        &[
            (Input::Start, 0, "+0"),
            (failed(0, 486), 1, "+1"),
            (failed(1, 486), 2, "!486"),
        ],
    );
    check(
        desk(),
        &[
            (Input::Start, 0, "+0"),
            (failed(0, 486), 1, "+1"),
            (Input::Answered { attempt: Attempt(1) }, 2, ""),
            (Input::Tick, 500, ""),
        ],
    );
    // A queue that is waited in, and one behind another.
    let mut waiting = queue("desk", Strategy::RingAll, 1, outside());
    waiting.service.wait = Some(Duration::from_secs(30));
    check(
        vec![waiting],
        &[
            (Input::Start, 0, ""),
            (Input::Tick, 1, "+0"),
            (failed(0, 486), 2, ""),
            (Input::Tick, 31, "+1"),
            (failed(1, 408), 40, "!480"),
        ],
    );
    check(
        vec![
            queue("desk", Strategy::RingAll, 1, Overflow::Queue("night".into())),
            queue("night", Strategy::RingAll, 1, outside()),
        ],
        &[
            (Input::Start, 0, "+0"),
            (failed(0, 486), 1, ">night +1"),
            (failed(1, 480), 2, "+2"),
        ],
    );
    // Whoever speaks for his queue declines for the number outside no second time.
    let mut declined = queue("desk", Strategy::RingAll, 2, outside());
    declined.reach.decline = Decline::Queue;
    check(
        vec![declined],
        &[
            (Input::Start, 0, "+0 +1"),
            (failed(0, 603), 1, "-1 +2"),
            (failed(2, 603), 2, "!603"),
        ],
    );
}

#[test]
fn when_all_are_busy_the_caller_hears_busy() {
    let desk = || vec![queue("desk", Strategy::RingAll, 2, Overflow::Reject)];
    check(
        desk(),
        &[
            (Input::Start, 0, "+0 +1"),
            (failed(0, 486), 0, ""),
            (failed(1, 600), 0, "!486"),
        ],
    );
    check(
        desk(),
        &[
            (Input::Start, 0, "+0 +1"),
            (failed(0, 486), 0, ""),
            (failed(1, 503), 0, "!486"),
        ],
    );
    check(
        desk(),
        &[
            (Input::Start, 0, "+0 +1"),
            (failed(0, 488), 0, ""),
            (failed(1, 606), 0, "!488"),
        ],
    );
    check(
        desk(),
        &[
            (Input::Start, 0, "+0 +1"),
            (failed(0, 603), 0, ""),
            (failed(1, 603), 0, "!603"),
        ],
    );
}

#[test]
fn overflow_visits_each_queue_once() {
    check(
        vec![
            queue("desk", Strategy::RingAll, 1, Overflow::Queue("night".into())),
            queue("night", Strategy::RingAll, 1, Overflow::Queue("desk".into())),
        ],
        &[
            (Input::Start, 0, "+0"),
            (Input::Tick, 20, "-0 >night +1"),
            (Input::Tick, 40, "-1 !480"),
        ],
    );
}

#[test]
fn a_chain_of_empty_queues_ends() {
    let mut queues: Vec<_> = (0..12)
        .map(|n| {
            queue(
                &format!("q{n}"),
                Strategy::InOrder,
                0,
                Overflow::Queue(format!("q{}", n + 1)),
            )
        })
        .collect();
    queues[0].name = "desk".into();
    check(queues, &[(Input::Start, 0, ">q1 >q2 >q3 >q4 >q5 >q6 >q7 !480")]);
}

#[test]
fn what_is_down_is_rung_last_and_when_all_are_down_all_are_rung() {
    let with = |targets: [&str; 3]| {
        let mut desk = queue("desk", Strategy::InOrder, 0, Overflow::Reject);
        desk.targets = targets.map(|user| format!("sip:{user}@10.0.0.5")).to_vec();
        let mut hunt = hunt(vec![desk]);
        let mut rung = Vec::new();
        let now = Instant::now();
        hunt.handle(Input::Start, now, &|target| Seen {
            is_down: target.contains("down"),
            ..Seen::default()
        });
        while let Some(step) = hunt.poll_step() {
            if let Step::Ring { attempt, target } = step {
                rung.push(target);
                hunt.handle(failed(attempt.0, 503), now, &|_| Seen {
                    is_down: true,
                    ..Seen::default()
                });
            }
        }
        rung.join(" ")
    };
    assert_eq!(
        with(["down1", "up1", "up2"]),
        "sip:up1@10.0.0.5 sip:up2@10.0.0.5 sip:down1@10.0.0.5"
    );
    assert_eq!(
        with(["down1", "down2", "down3"]),
        "sip:down1@10.0.0.5 sip:down2@10.0.0.5 sip:down3@10.0.0.5"
    );
}

#[test]
fn nobody_is_turned_away_because_all_were_passed_over() {
    let rung = |rests: [Option<Rest>; 2], overflow: Overflow| {
        let desk = queue("desk", Strategy::RingAll, 2, overflow);
        let mut hunt = hunt(vec![desk]);
        hunt.handle(Input::Start, Instant::now(), &|target| Seen {
            rest: rests[usize::from(target.contains("desk1"))],
            ..Seen::default()
        });
        let mut rung = Vec::new();
        while let Some(step) = hunt.poll_step() {
            if let Step::Ring { target, .. } = step {
                rung.push(target);
            }
        }
        rung.join(" ")
    };
    let (skipped, paused) = (Some(Rest::Skipped(Instant::now())), Some(Rest::Paused));
    let both = "sip:desk0@10.0.0.5 sip:desk1@10.0.0.5";
    assert_eq!(rung([skipped; 2], Overflow::Reject), both);
    assert_eq!(rung([skipped; 2], Overflow::Queue("night".into())), "");
    assert_eq!(rung([paused; 2], Overflow::Reject), "");
    // Whoever pauses stays alone; the one who was passed over is the last hope.
    assert_eq!(rung([paused, skipped], Overflow::Reject), "sip:desk1@10.0.0.5");
    assert_eq!(rung([None, skipped], Overflow::Reject), "sip:desk0@10.0.0.5");
}

#[test]
fn who_was_passed_over_is_rung_once_when_nobody_else_is_left() {
    for (strategy, overflow, script) in [
        (Strategy::RingAll, Overflow::Reject, "+0 | +1 +2 | !480"),
        (Strategy::InOrder, Overflow::Reject, "+0 | +1 | +2 | !480"),
        (
            Strategy::InOrder,
            Overflow::Queue("night".into()),
            "+0 | >night +1 | !480",
        ),
    ] {
        let mut desk = queue("desk", strategy, 3, overflow);
        desk.ring = RING;
        let night = queue("night", Strategy::RingAll, 1, Overflow::Reject);
        let mut hunt = hunt(vec![desk, night]);
        // Nobody is at the first, and the others let it ring in vain too often; all of them are so once they rang.
        let is_rung = std::cell::Cell::new(false);
        let now = Instant::now();
        let seen = |target: &str| Seen {
            rest: match target.contains("desk0") && !is_rung.get() || target.contains("night") {
                true => None,
                false => Some(Rest::Skipped(now)),
            },
            ..Seen::default()
        };
        let mut said = Vec::new();
        hunt.handle(Input::Start, now, &seen);
        said.push(steps(&mut hunt));
        is_rung.set(true);
        for attempt in 0..3 {
            hunt.handle(failed(attempt, 480), now, &seen);
            said.push(steps(&mut hunt));
        }
        said.retain(|steps| !steps.is_empty());
        assert_eq!(said.join(" | "), script);
    }
}

#[test]
fn a_decline_is_the_word_of_one_phone_or_of_the_queue_as_configured() {
    let script = |decline, after: &'static str| {
        let mut desk = queue("desk", Strategy::RingAll, 3, Overflow::Queue("night".into()));
        desk.reach.decline = decline;
        let night = queue("night", Strategy::RingAll, 1, Overflow::Reject);
        check(
            vec![desk, night],
            &[(Input::Start, 0, "+0 +1 +2"), (failed(1, 603), 1, after)],
        );
    };
    script(Decline::Phone, "");
    script(Decline::Queue, "-0 -2 >night +3");
}

#[test]
fn a_late_word_about_a_phone_that_no_longer_rings_changes_nothing() {
    check(
        vec![queue("desk", Strategy::InOrder, 2, Overflow::Reject)],
        &[
            (Input::Start, 0, "+0"),
            (Input::Tick, 20, "-0 +1"),
            (failed(0, 487), 20, ""),
            (Input::Answered { attempt: Attempt(0) }, 21, ""),
            (Input::Answered { attempt: Attempt(1) }, 22, ""),
        ],
    );
}
