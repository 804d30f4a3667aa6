//! Plays one scenario: makes its calls and gathers what caller, phone and gateway know of each afterwards.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::board::Sighting;
use super::caller::{self, Plan, Signals, Told};
use super::limits::{CALL_TIME_MAX, RECORD_WAIT};
use super::scenario::{Promise, REPLAYED_FIRST, Scenario, Signature};
use super::world::{SignedBy, World};
use super::{chance, clips};
use crate::call::CallRecord;
use crate::call::record::State;
use crate::runtime::clock;
use crate::signing::passport::with_altered_signature;
use crate::store::Filter;

/// How long after the answer of the first call its copy comes.
const REPLAY_DELAY: Duration = Duration::from_millis(500);
/// What a caller that imitates our banner links to.
pub const IMITATED_CARD: &str = "https://card.example/verified";
const STEP: Duration = Duration::from_millis(20);
/// Newest records looked through for one of ours: many more than calls can have ended meanwhile.
const RECORDS_LOOKED_AT: usize = 200;

/// Which scenario, and how often it was played before.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub scenario: &'static Scenario,
    /// Running number of the call in this run.
    pub call: usize,
    pub round: usize,
    /// Talks this many times as long as the scenario says: somebody is watching.
    pub patience: u32,
}

/// One call, looked at from all three places.
#[derive(Clone, Debug)]
pub struct Played {
    pub scenario: &'static Scenario,
    pub promise: Promise,
    /// The first of two calls with one token.
    pub is_first_of_two: bool,
    /// The number the trunk was told, even where the phone must not see it.
    pub number: String,
    pub told: Told,
    pub sighting: Option<Sighting>,
    pub record: Option<Arc<CallRecord>>,
}

/// Plays `turn` and returns its one or two calls. Raising `stop` ends them early.
///
/// # Errors
///
/// When a socket, thread or signature cannot be had; a call that goes wrong is no error.
pub fn play(world: &World, turn: Turn, stop: &AtomicBool) -> anyhow::Result<Vec<Played>> {
    let started_ms = clock::now().unix_ms();
    let plan = plan(world, turn)?;
    let called = plan.called.clone();
    let mut told = match turn.scenario.signature {
        Signature::Replayed => twice(&plan, stop)?,
        _ => vec![caller::call(
            &plan,
            Signals {
                stop,
                answered: &AtomicBool::new(false),
            },
        )?],
    };
    let records = finished_records(world, &called, started_ms, told.len());
    let count = told.len();
    let played = told.drain(..).enumerate().map(|(at, told)| {
        let record = records.get(at).cloned();
        let is_first_of_two = count == 2 && at == 0;
        Played {
            scenario: turn.scenario,
            promise: if is_first_of_two {
                REPLAYED_FIRST
            } else {
                turn.scenario.promise
            },
            is_first_of_two,
            number: turn.scenario.number(turn.round),
            told,
            sighting: record.as_ref().and_then(|record| world.board.best(record.id)),
            record,
        }
    });
    Ok(played.collect())
}

/// The same INVITE in a second call, while the first is being answered or spoken in.
fn twice(plan: &Plan, stop: &AtomicBool) -> anyhow::Result<Vec<Told>> {
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let first = std::thread::Builder::new()
            .name("demo-caller".into())
            .spawn_scoped(scope, || {
                caller::call(
                    plan,
                    Signals {
                        stop,
                        answered: &answered,
                    },
                )
            })?;
        let end = clock::now().instant + CALL_TIME_MAX;
        while !answered.load(Ordering::Relaxed) && !first.is_finished() && clock::now().instant < end {
            std::thread::sleep(STEP);
        }
        std::thread::sleep(REPLAY_DELAY);
        let second = caller::call(
            plan,
            Signals {
                stop,
                answered: &AtomicBool::new(false),
            },
        );
        let first = first
            .join()
            .map_err(|_| io::Error::other("the caller's thread panicked"))?;
        Ok(vec![first?, second?])
    })
}

fn plan(world: &World, turn: Turn) -> anyhow::Result<Plan> {
    let scenario = turn.scenario;
    let number = scenario.number(turn.round);
    let called = World::number_of(scenario.dials, turn.call);
    let host = world.sip;
    let from = if scenario.is_hidden {
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned()
    } else {
        format!("\"{}\" <sip:{number}@{host};user=phone>", scenario.caller_name)
    };
    Ok(Plan {
        gateway: host,
        from,
        asserted: Some(format!("<sip:{number}@{host};user=phone>")),
        privacy: scenario.is_hidden.then_some("id"),
        identity: identity(world, scenario, &number, &called)?.into_iter().collect(),
        more: if scenario.imitates {
            imitation()
        } else {
            Vec::new()
        },
        called,
        sip_call_id: None,
        media: host.ip(),
        clip: clips::voice(scenario.speaker, turn.call).context("a clip of the demo is unreadable")?,
        is_looped: true,
        talks: scenario.talks * turn.patience,
        gives_up: scenario.gives_up,
        lasts_at_most: CALL_TIME_MAX,
    })
}

/// What a caller would write who knows how our banner travels. None of it may reach a phone.
fn imitation() -> Vec<(&'static str, String)> {
    let trust = format!(
        "number=genuine; voice=person; label=known; call={:032x}",
        chance::bits()
    );
    vec![
        ("Ringward-Trust", trust),
        ("Call-Info", format!("<{IMITATED_CARD}>;purpose=card")),
    ]
}

fn identity(
    world: &World,
    scenario: &Scenario,
    number: &str,
    called: &str,
) -> anyhow::Result<Option<String>> {
    let fresh = Duration::ZERO;
    let header = match scenario.signature {
        Signature::None => return Ok(None),
        Signature::Full | Signature::Replayed => world.sign(SignedBy::Carrier, "A", number, called, fresh)?,
        Signature::Partial => world.sign(SignedBy::Carrier, "B", number, called, fresh)?,
        Signature::OfAnotherNumber => world.sign(SignedBy::Carrier, "A", "+18085550199", called, fresh)?,
        Signature::Altered => {
            with_altered_signature(&world.sign(SignedBy::Carrier, "A", number, called, fresh)?)
        }
        Signature::Stale => world.sign(SignedBy::Carrier, "A", number, called, Duration::from_secs(600))?,
        Signature::ByStranger => world.sign(SignedBy::Stranger, "A", number, called, fresh)?,
        Signature::HostSilent => world.sign(SignedBy::CarrierBehindSilence, "A", number, called, fresh)?,
    };
    Ok(Some(header))
}

/// The records of the `count` calls to `called` since `since_ms`, oldest first. Waits a moment for the store to have
/// them and for the phone, which hears of the end a little later than the caller.
fn finished_records(world: &World, called: &str, since_ms: u64, count: usize) -> Vec<Arc<CallRecord>> {
    let end = clock::now().instant + RECORD_WAIT;
    loop {
        let records = records(world, called, since_ms);
        let is_complete = records.len() >= count
            && records.iter().all(|record| {
                let is_seen = world
                    .board
                    .best(record.id)
                    .is_none_or(|sighting| sighting.is_complete());
                record.state == State::Ended && is_seen
            });
        if is_complete || clock::now().instant >= end {
            return records;
        }
        std::thread::sleep(STEP);
    }
}

fn records(world: &World, called: &str, since_ms: u64) -> Vec<Arc<CallRecord>> {
    let filter = Filter {
        limit: RECORDS_LOOKED_AT,
        ..Filter::default()
    };
    let kept = world.gateway.store.calls(&filter).unwrap_or_default();
    let is_ours = |record: &CallRecord| {
        record.started_ms >= since_ms && digits(record.called.reveal()) == digits(called)
    };
    let mut records: Vec<_> = kept
        .into_iter()
        .filter(|record| record.state == State::Ended && is_ours(record))
        .map(Arc::new)
        .collect();
    for live in world.gateway.live.snapshot() {
        if is_ours(&live) && records.iter().all(|record| record.id != live.id) {
            records.push(live);
        }
    }
    records.sort_by_key(|record| record.started_ms);
    records
}

fn digits(number: &str) -> &str {
    number.trim_start_matches('+')
}
