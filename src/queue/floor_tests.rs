//! Callers who wait and people who come and go, for a day: nobody who rests rings, no phone rings twice, who came first chooses
//! first, and nobody waits on while a phone is free.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::{any, prop, prop_assert, proptest};
use proptest::test_runner::TestCaseError;

use super::*;

const RING: Duration = Duration::from_secs(20);
/// How well somebody has to speak German for those who called the German number, and how long they wait for one who does.
const LEAST: u8 = 2;
const RELAX: Duration = Duration::from_secs(60);
/// How long a free phone may stay quiet while a caller waits who would take it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a person does with a phone that rings, and how long.
#[derive(Clone, Copy, Debug)]
enum Habit {
    Answers(u64),
    Declines,
    Never,
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Arrives(usize),
    Pauses(usize),
    ComesBack(usize),
    GivesUp(usize),
}

struct Caller {
    hunt: Hunt,
    is_german: bool,
    since: Instant,
    stand: Option<Stand>,
    rings: BTreeMap<Attempt, (usize, Instant)>,
    /// While he talks: with whom, until when.
    talks: Option<(usize, Instant)>,
    is_over: bool,
}

struct Day {
    queues: std::sync::Arc<[Config]>,
    usage: Usage,
    line: Line,
    paused: Vec<bool>,
    habits: Vec<Habit>,
    callers: Vec<Caller>,
    now: Instant,
    /// Since when each phone could be rung, while somebody waited.
    idle: Vec<Option<Instant>>,
}

impl Day {
    fn new(strategy: Strategy, habits: Vec<Habit>, levels: &[u8], now: Instant) -> Day {
        let levels = habits.iter().zip(levels).enumerate();
        let skills =
            levels.map(|(n, (_, level))| (Day::target(n), BTreeMap::from([("german".into(), *level)])));
        let config = Config {
            name: "desk".into(),
            numbers: vec!["*".into()],
            strategy,
            targets: (0..habits.len()).map(|n| format!("device:d{n}")).collect(),
            ring: RING,
            overflow: Overflow::Reject,
            reach: Reach::default(),
            service: Service {
                wrap_up: Duration::from_secs(7),
                patience: Patience {
                    times: 2,
                    pause: Duration::from_secs(90),
                },
                wait: Some(Duration::from_secs(100_000)),
                by_skill: BySkill {
                    needs: match strategy {
                        Strategy::Skill => vec![Need {
                            skill: "german".into(),
                            least: LEAST,
                            numbers: vec!["+49*".into()],
                            callers: Vec::new(),
                        }],
                        _ => Vec::new(),
                    },
                    relax_after: RELAX,
                    skills: std::sync::Arc::new(Skills::new(skills)),
                },
                ..Service::default()
            },
        };
        Day {
            usage: Usage::new(std::slice::from_ref(&config)),
            queues: [config].into(),
            line: Line::default(),
            paused: vec![false; habits.len()],
            idle: vec![None; habits.len()],
            habits,
            callers: Vec::new(),
            now,
        }
    }

    fn target(n: usize) -> String {
        format!("device:d{n}")
    }

    fn seen(&self, target: &str) -> Seen {
        let n: usize = target["device:d".len()..].parse().unwrap();
        let phone = self.usage.of(target);
        Seen {
            is_taken: phone.is_taken(self.now),
            rest: match self.paused[n] {
                true => Some(Rest::Paused),
                false => phone.rest(self.now),
            },
            phone,
            ..Seen::default()
        }
    }

    fn can_ring(&self, n: usize) -> bool {
        let seen = self.seen(&Day::target(n));
        !seen.is_taken && seen.rest.is_none()
    }

    fn tell(&mut self, call: usize, input: Input) -> Result<(), TestCaseError> {
        let mut caller = self.callers.swap_remove(call);
        if let Some(stand) = &caller.stand {
            caller
                .hunt
                .stand_behind(self.line.ahead(&stand.queue, stand.place));
        }
        caller.hunt.handle(input, self.now, &|target| self.seen(target));
        while let Some(step) = caller.hunt.poll_step() {
            match step {
                Step::Ring { attempt, target } => {
                    let n: usize = target["device:d".len()..].parse().unwrap();
                    prop_assert!(self.can_ring(n), "{} rests or is taken", n);
                    if caller.is_german && self.queues[0].strategy == Strategy::Skill {
                        let level = self.queues[0]
                            .service
                            .by_skill
                            .skills
                            .level("german", &target, None);
                        prop_assert!(
                            level >= LEAST || self.now - caller.since >= RELAX,
                            "{} speaks none, and nobody has waited",
                            n
                        );
                    }
                    if let Some(stand) = &caller.stand {
                        // Whoever stands before and would take this phone has it.
                        let before = self.callers.iter().filter(|other| {
                            let is_before = other.stand.as_ref().is_some_and(|other| {
                                let would_take = !other.left_alone.contains(&target);
                                other.place < stand.place && other.is_choosing && would_take
                            });
                            is_before && !other.is_over
                        });
                        let free = (0..self.habits.len()).filter(|n| self.can_ring(*n)).count();
                        prop_assert!(before.count() < free, "somebody came before");
                    }
                    self.usage.used(
                        &target,
                        What::Rung {
                            until: self.now + RING,
                        },
                        self.now,
                    );
                    caller.rings.insert(attempt, (n, self.now));
                }
                Step::Ignored { attempt } => {
                    let (n, _) = caller.rings[&attempt];
                    let patience = self.queues[0].service.patience;
                    self.usage
                        .used(&Day::target(n), What::Ignored(patience), self.now);
                }
                Step::Cancel { attempt, .. } => {
                    if let Some((n, _)) = caller.rings.remove(&attempt) {
                        self.usage.used(&Day::target(n), What::Unrung, self.now);
                    }
                }
                Step::Moved { .. } => {}
                Step::GiveUp { .. } => caller.is_over = true,
            }
        }
        self.stand(call, &mut caller);
        self.callers.push(caller);
        let last = self.callers.len() - 1;
        self.callers.swap(call, last);
        Ok(())
    }

    fn stand(&mut self, call: usize, caller: &mut Caller) {
        let stands = caller.hunt.stands();
        let needs = caller.hunt.needs().to_vec();
        let stand = stands.map(|(since, is_choosing, left_alone)| Stand {
            needs: needs.clone(),
            queue: "desk".into(),
            place: Place {
                class: 0,
                since,
                call: call as u128,
            },
            is_choosing,
            left_alone,
        });
        let stand = stand.filter(|_| !caller.is_over);
        match (&caller.stand, &stand) {
            (Some(known), None) => self.line.leave(known, None),
            (_, Some(stand)) => self.line.put(stand),
            (None, None) => {}
        }
        caller.stand = stand;
    }

    fn wake(&mut self) -> Result<(), TestCaseError> {
        for call in self.line.next() {
            self.tell(call as usize, Input::Tick)?;
        }
        Ok(())
    }

    fn happens(&mut self, what: Happens) -> Result<(), TestCaseError> {
        match what {
            Happens::Arrives(n) => {
                let is_german = n % 2 == 1;
                let wants = Wants {
                    dialled: ["+12125550100", "+493012345"][n % 2].into(),
                    caller: Some(Trust::Unproven),
                };
                self.callers.push(Caller {
                    hunt: Hunt::new(self.queues.clone(), "desk").unwrap().for_call(wants),
                    is_german,
                    since: self.now,
                    stand: None,
                    rings: BTreeMap::new(),
                    talks: None,
                    is_over: false,
                });
                self.tell(self.callers.len() - 1, Input::Start)?;
            }
            Happens::Pauses(n) => self.paused[n % self.habits.len()] = true,
            Happens::ComesBack(n) => self.paused[n % self.habits.len()] = false,
            Happens::GivesUp(n) => {
                let waiting: Vec<usize> = (0..self.callers.len())
                    .filter(|call| self.callers[*call].stand.is_some())
                    .collect();
                if let Some(call) = waiting.get(n % waiting.len().max(1)) {
                    let caller = &mut self.callers[*call];
                    for (n, _) in std::mem::take(&mut caller.rings).into_values() {
                        self.usage.used(&Day::target(n), What::Unrung, self.now);
                    }
                    let caller = &mut self.callers[*call];
                    caller.is_over = true;
                    if let Some(stand) = caller.stand.take() {
                        self.line.leave(&stand, None);
                    }
                }
            }
        }
        // A change of the floor is told to whoever rings, and to whoever waits.
        for call in 0..self.callers.len() {
            if !self.callers[call].rings.is_empty() {
                self.tell(call, Input::Tick)?;
            }
        }
        self.wake()
    }

    /// A second goes by.
    fn second(&mut self) -> Result<(), TestCaseError> {
        self.now += Duration::from_secs(1);
        for call in 0..self.callers.len() {
            if let Some((n, until)) = self.callers[call].talks.filter(|(_, until)| *until <= self.now) {
                let _ = until;
                self.callers[call].talks = None;
                let rest = self.queues[0].service.wrap_up;
                self.usage.used(&Day::target(n), What::Freed { rest }, self.now);
            }
            let rings: Vec<(Attempt, usize, Instant)> = self.callers[call]
                .rings
                .iter()
                .map(|(attempt, (n, since))| (*attempt, *n, *since))
                .collect();
            for (attempt, n, since) in rings {
                let rang = self.now - since;
                match self.habits[n] {
                    Habit::Answers(talks) if rang >= Duration::from_secs(3) => {
                        if self.callers[call].rings.remove(&attempt).is_none() {
                            continue;
                        }
                        self.usage.used(&Day::target(n), What::Answered, self.now);
                        self.usage.used(&Day::target(n), What::Unrung, self.now);
                        self.callers[call].talks = Some((n, self.now + Duration::from_secs(talks)));
                        self.tell(call, Input::Answered { attempt })?;
                        self.callers[call].is_over = true;
                    }
                    Habit::Declines if rang >= Duration::from_secs(2) => {
                        let rung = self.callers[call].rings.remove(&attempt);
                        if rung.is_none() {
                            continue;
                        }
                        self.usage.used(&Day::target(n), What::Unrung, self.now);
                        self.tell(call, Input::Failed { attempt, status: 486 })?;
                    }
                    _ => {}
                }
            }
            let is_due = self.callers[call]
                .hunt
                .deadline()
                .is_some_and(|at| at <= self.now);
            if is_due && !self.callers[call].is_over {
                self.tell(call, Input::Tick)?;
            }
        }
        self.wake()?;
        self.check()
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let mut ringing = vec![0; self.habits.len()];
        for (n, _) in self.callers.iter().flat_map(|caller| caller.rings.values()) {
            ringing[*n] += 1;
            prop_assert!(!self.paused[*n], "{} is paused and rings", n);
        }
        prop_assert!(ringing.iter().all(|rings| *rings <= 1), "a phone rings twice");
        for n in 0..self.habits.len() {
            let phone = Day::target(n);
            let is_wanted = self.callers.iter().any(|caller| {
                let takes = |stand: &Stand| stand.is_choosing && !stand.left_alone.contains(&phone);
                caller.stand.as_ref().is_some_and(takes) && !caller.is_over
            });
            let is_idle = is_wanted && self.can_ring(n);
            self.idle[n] = is_idle.then(|| self.idle[n].unwrap_or(self.now));
            let since = self.idle[n].unwrap_or(self.now);
            prop_assert!(self.now - since <= PATIENCE, "{} is free, and somebody waits", n);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(16))]

    #[test]
    fn a_day_on_the_floor(
        strategy in prop::sample::select(vec![Strategy::RingAll, Strategy::InOrder, Strategy::RoundRobin, Strategy::LongestIdle, Strategy::FewestCalls, Strategy::Skill]),
        levels in prop::collection::vec(1u8..4, 6),
        habits in prop::collection::vec(prop::sample::select(vec![
            Habit::Answers(5), Habit::Answers(40), Habit::Declines, Habit::Never,
        ]), 1..6),
        happens in prop::collection::vec((0u64..12, any::<u8>(), any::<usize>()), 1..30),
    ) {
        let start = start();
        let mut day = Day::new(strategy, habits, &levels, start);
        for (pause, kind, n) in happens {
            for _ in 0..pause {
                day.second()?;
            }
            day.happens(match kind % 8 {
                0..=3 => Happens::Arrives(n),
                4 => Happens::Pauses(n),
                5 | 6 => Happens::ComesBack(n),
                _ => Happens::GivesUp(n),
            })?;
        }
        // Everybody is back, and answers: whoever waits is served.
        for n in 0..day.habits.len() {
            day.habits[n] = Habit::Answers(5);
            day.happens(Happens::ComesBack(n))?;
        }
        let calls = day.callers.len() as u64;
        for _ in 0..150 + 40 * calls {
            day.second()?;
        }
        prop_assert!(day.callers.iter().all(|caller| caller.is_over), "somebody waits for ever");
        prop_assert!(day.line.is_empty());
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
fn start() -> Instant {
    Instant::now()
}
