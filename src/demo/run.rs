//! Plays many scenarios at once and passes each finished call on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use super::chance;
use super::limits::{PARALLEL_HEADLESS, PARALLEL_WATCHED};
use super::play::{Played, Turn, play};
use super::scenario::{SCENARIOS, Scenario};
use super::world::World;
use crate::runtime::clock;

/// Pause between two calls of one caller while somebody watches, in milliseconds: at least, and at most this much more.
const PAUSE_MS_MIN: usize = 1_500;
const PAUSE_MS_MORE: usize = 4_000;
const STEP: Duration = Duration::from_millis(50);

/// How a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Calls in flight at once.
    pub parallel: usize,
    /// Waits between calls and talks longer, so that a person can follow.
    pub is_watched: bool,
}

impl Pace {
    pub const HEADLESS: Pace = Pace {
        parallel: PARALLEL_HEADLESS,
        is_watched: false,
    };
    pub const WATCHED: Pace = Pace {
        parallel: PARALLEL_WATCHED,
        is_watched: true,
    };
}

/// Which scenario comes next. Endless when `calls` is None.
pub struct Programme {
    calls: Option<usize>,
    is_shuffled: bool,
    bag: Vec<&'static Scenario>,
    /// Scenarios handed out, each in turn.
    rounds: Vec<(&'static str, usize)>,
    handed_out: usize,
}

impl Programme {
    /// `calls` in the order of the table, again and again; a scenario of two calls is left out where one is wanted.
    pub fn in_order(calls: usize) -> Programme {
        Programme::new(Some(calls), false)
    }

    /// Every scenario once in a random order, then in another one.
    pub fn shuffled(calls: Option<usize>) -> Programme {
        Programme::new(calls, true)
    }

    /// One of each: what `--headless` plays when no number is given.
    pub fn calls_of_one_round() -> usize {
        SCENARIOS.iter().map(Scenario::calls).sum()
    }

    fn new(calls: Option<usize>, is_shuffled: bool) -> Programme {
        Programme {
            calls,
            is_shuffled,
            bag: Vec::new(),
            rounds: Vec::new(),
            handed_out: 0,
        }
    }

    /// None when enough calls were handed out.
    pub fn next(&mut self, patience: u32) -> Option<Turn> {
        let left = self.calls.map_or(usize::MAX, |calls| calls - self.handed_out);
        if left == 0 {
            return None;
        }
        loop {
            let Some(scenario) = self.bag.pop() else {
                let all: Vec<&'static Scenario> = SCENARIOS.iter().rev().collect();
                self.bag = if self.is_shuffled {
                    chance::shuffled(all)
                } else {
                    all
                };
                continue;
            };
            if scenario.calls() > left {
                continue;
            }
            let call = self.handed_out;
            self.handed_out += scenario.calls();
            return Some(Turn {
                scenario,
                call,
                round: self.round(scenario),
                patience,
            });
        }
    }

    fn round(&mut self, scenario: &'static Scenario) -> usize {
        match self.rounds.iter_mut().find(|(name, _)| *name == scenario.name) {
            Some((_, round)) => {
                *round += 1;
                *round
            }
            None => {
                self.rounds.push((scenario.name, 0));
                0
            }
        }
    }
}

/// Plays the whole programme; `on_played` gets each call as it ends. Raising `stop` ends the run early.
///
/// # Errors
///
/// The first failure of our own (no socket, no thread); the rest of the programme is dropped then.
pub fn run(
    world: &World,
    programme: Programme,
    pace: Pace,
    stop: &AtomicBool,
    mut on_played: impl FnMut(Played),
) -> anyhow::Result<()> {
    let programme = Mutex::new(programme);
    let busy = AtomicUsize::new(0);
    let (tell, told) = mpsc::sync_channel(pace.parallel);
    std::thread::scope(|scope| {
        for number in 0..pace.parallel {
            let tell = tell.clone();
            let (programme, busy) = (&programme, &busy);
            std::thread::Builder::new()
                .name(format!("demo-trunk-{number}"))
                .spawn_scoped(scope, move || {
                    busy.fetch_add(1, Ordering::Relaxed);
                    work(world, programme, pace, number, stop, &tell);
                    busy.fetch_sub(1, Ordering::Relaxed);
                })?;
        }
        drop(tell);
        let mut failure = None;
        for played in told {
            match played {
                Ok(calls) => calls.into_iter().for_each(&mut on_played),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    })
}

/// One trunk line: call after call until the programme is over.
fn work(
    world: &World,
    programme: &Mutex<Programme>,
    pace: Pace,
    number: usize,
    stop: &AtomicBool,
    tell: &mpsc::SyncSender<anyhow::Result<Vec<Played>>>,
) {
    let patience = if pace.is_watched { 2 } else { 1 };
    if pace.is_watched {
        // The lines start one after the other, so that the first call can be followed alone.
        pause(Duration::from_secs(5 * number as u64), stop);
    }
    while !stop.load(Ordering::Relaxed) {
        let turn = programme
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next(patience);
        let Some(turn) = turn else { return };
        let played = play(world, turn, stop);
        let has_failed = played.is_err();
        if tell.send(played).is_err() || has_failed {
            return;
        }
        if pace.is_watched {
            pause(
                Duration::from_millis((PAUSE_MS_MIN + chance::below(PAUSE_MS_MORE)) as u64),
                stop,
            );
        }
    }
}

fn pause(length: Duration, stop: &AtomicBool) {
    let end = clock::now().instant + length;
    while clock::now().instant < end && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::Signature;

    fn names(mut programme: Programme) -> Vec<&'static str> {
        std::iter::from_fn(|| programme.next(1))
            .map(|turn| turn.scenario.name)
            .collect()
    }

    #[test]
    fn one_round_plays_every_scenario_once_in_the_order_of_the_table() {
        let expected: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(
            names(Programme::in_order(Programme::calls_of_one_round())),
            expected
        );
        assert_eq!(Programme::calls_of_one_round(), SCENARIOS.len() + 1);
    }

    #[test]
    fn exactly_as_many_calls_are_made_as_were_asked_for() {
        for asked in 1..40 {
            let mut programme = Programme::in_order(asked);
            let calls: usize = std::iter::from_fn(|| programme.next(1))
                .map(|turn| turn.scenario.calls())
                .sum();
            assert_eq!(calls, asked);
        }
    }

    #[test]
    fn a_scenario_of_two_calls_is_not_played_where_one_is_left() {
        let five = names(Programme::in_order(5));
        let replayed = SCENARIOS
            .iter()
            .find(|scenario| scenario.signature == Signature::Replayed)
            .unwrap();
        assert_eq!(five.len(), 5);
        assert!(!five.contains(&replayed.name));
    }

    #[test]
    fn a_shuffled_round_still_has_every_scenario() {
        let mut shuffled = names(Programme::shuffled(Some(Programme::calls_of_one_round())));
        // A pair may not fit at the end of a shuffled round: then something else takes its place.
        shuffled.sort_unstable();
        shuffled.dedup();
        assert!(shuffled.len() + 1 >= SCENARIOS.len());
    }

    #[test]
    fn the_same_scenario_comes_from_another_number_next_time() {
        let mut programme = Programme::in_order(100);
        let turns: Vec<_> = std::iter::from_fn(|| programme.next(1)).collect();
        let of_first: Vec<_> = turns
            .iter()
            .filter(|turn| turn.scenario.name == SCENARIOS[0].name)
            .map(|turn| turn.round)
            .collect();
        assert_eq!(of_first, (0..of_first.len()).collect::<Vec<_>>());
    }
}
