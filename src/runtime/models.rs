//! Which model hears a call, and how another one takes its place without anybody hanging up.
//!
//! ```text
//! current ──offer──► trial on a share of the calls ──as many scores, alike──► trial on every call ──alike──► current
//!    ▲                        │ scores drift                                      │ scores drift
//!    └────────────────────────┴───────────────────────────────────────────────────┘
//! ```
//!
//! A call keeps the model that it began with. The two are compared by the evidence of their windows: the calls are of the
//! same kind, so a model that leans to one side is the model's doing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use crate::call_id::CallId;
use crate::voice::{Model, Signers};

/// Windows of the trial before it is judged at all, and before it hears every call (each about a second of speech).
pub const WINDOWS_BEFORE_JUDGED: u32 = 600;
pub const WINDOWS_BEFORE_ALL: u32 = 6_000;

/// Windows on every call before the old model is let go.
pub const WINDOWS_BEFORE_KEPT: u32 = 30_000;

/// The largest distance between the two distributions of evidence (Kolmogorov and Smirnov) that chance does not explain and
/// that is still no drift.
pub const DRIFT_MAX: f64 = 0.2;

/// Windows of one call are alike: so many of them count as one observation.
const WINDOWS_PER_OBSERVATION: f64 = 8.0;

/// The trial is judged every so many of its windows.
const JUDGED_EVERY: u32 = 64;

/// The models of this process.
pub struct Models {
    /// Calls in a hundred that a model on trial hears at first.
    trial_percent: u32,
    state: Mutex<State>,
}

struct State {
    current: Arc<Model>,
    trial: Option<Trial>,
    /// How the last trial ended, in words for people.
    last: Option<Ended>,
}

struct Trial {
    model: Arc<Model>,
    hears_all: bool,
    /// Since it hears every call: windows of its own.
    windows_of_all: u32,
    old: Tally,
    new: Tally,
}

/// What stands in `/api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    pub current: String,
    pub trial: Option<TrialStanding>,
    pub last_trial: Option<Ended>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialStanding {
    pub model: String,
    /// Of the calls.
    pub percent: u32,
    /// Scored so far by the model before and by this one.
    pub windows_before: u32,
    pub windows: u32,
    /// 0 to 1; `None` before both have scored enough.
    pub distance: Option<f64>,
}

/// A trial that is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ended {
    pub model: String,
    pub was_kept: bool,
    pub distance: f64,
}

/// Something to tell whoever runs the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    HearsAll { model: String },
    Kept { model: String },
    Returned { model: String, distance: f64 },
}

impl Models {
    /// `trial_percent`: calls in a hundred that a model on trial hears at first.
    pub fn new(model: Arc<Model>, trial_percent: u32) -> Models {
        Models {
            trial_percent,
            state: Mutex::new(State {
                current: model,
                trial: None,
                last: None,
            }),
        }
    }

    /// The model for a call that begins.
    pub fn pick(&self, call: CallId) -> Arc<Model> {
        let state = self.lock();
        match &state.trial {
            Some(trial) if trial.hears_all || self.is_of_trial(call) => Arc::clone(&trial.model),
            _ => Arc::clone(&state.current),
        }
    }

    /// Puts a model on trial; one that is on trial already goes. False when it is the current one.
    pub fn offer(&self, model: Arc<Model>) -> bool {
        let mut state = self.lock();
        if model.revision() == state.current.revision() {
            state.trial = None;
            return false;
        }
        state.trial = Some(Trial {
            model,
            hears_all: false,
            windows_of_all: 0,
            old: Tally::new(),
            new: Tally::new(),
        });
        true
    }

    /// Counts the evidence of a window that a model scored.
    pub fn note(&self, model: &Arc<Model>, llr: f32) -> Option<News> {
        let mut state = self.lock();
        let is_current = Arc::ptr_eq(model, &state.current);
        let trial = state.trial.as_mut()?;
        if is_current {
            if !trial.hears_all {
                trial.old.add(llr);
            }
            return None;
        }
        if !Arc::ptr_eq(model, &trial.model) {
            return None;
        }
        trial.new.add(llr);
        trial.windows_of_all += u32::from(trial.hears_all);
        if trial.new.count % JUDGED_EVERY != 0 || !trial.is_comparable() {
            return None;
        }
        let (distance, chance) = trial.old.distance(&trial.new);
        let name = trial.model.revision().to_owned();
        if distance - chance > DRIFT_MAX {
            state.end_trial(false, distance);
            return Some(News::Returned {
                model: name,
                distance,
            });
        }
        if !trial.hears_all && trial.new.count.min(trial.old.count) >= WINDOWS_BEFORE_ALL {
            trial.hears_all = true;
            return Some(News::HearsAll { model: name });
        }
        if trial.windows_of_all >= WINDOWS_BEFORE_KEPT {
            state.end_trial(true, distance);
            return Some(News::Kept { model: name });
        }
        None
    }

    /// Puts the configured model on trial whenever somebody says (SIGHUP) that its folder has changed.
    pub async fn keep(self: Arc<Self>, name: String, signers: Signers, asked: Arc<Notify>) {
        loop {
            asked.notified().await;
            let (name, signers) = (name.clone(), signers.clone());
            match tokio::task::spawn_blocking(move || Model::find(&name, &signers)).await {
                Ok(Ok(model)) => {
                    let revision = model.revision().to_owned();
                    if self.offer(Arc::new(model)) {
                        let percent = self.trial_percent;
                        tracing::info!(
                            model = revision,
                            percent,
                            "a new model is on trial on a share of the calls"
                        );
                    }
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "the model was not read again: the one in force stays");
                }
                Err(error) => tracing::error!(%error, "the model was not read again"),
            }
        }
    }

    /// The one that hears every call that is on no trial.
    pub fn current(&self) -> Arc<Model> {
        Arc::clone(&self.lock().current)
    }

    pub fn standing(&self) -> Standing {
        let state = self.lock();
        Standing {
            current: state.current.revision().to_owned(),
            trial: state.trial.as_ref().map(|trial| TrialStanding {
                model: trial.model.revision().to_owned(),
                percent: if trial.hears_all { 100 } else { self.trial_percent },
                windows_before: trial.old.count,
                windows: trial.new.count,
                distance: trial.is_comparable().then(|| trial.old.distance(&trial.new).0),
            }),
            last_trial: state.last.clone(),
        }
    }

    /// Ids are random bits. Not the lowest ones alone: those choose the worker.
    fn is_of_trial(&self, call: CallId) -> bool {
        (call.0 >> 20) % 100 < u128::from(self.trial_percent)
    }

    /// Nobody panics while holding it; if somebody did, the state is still one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end_trial(&mut self, was_kept: bool, distance: f64) {
        let Some(trial) = self.trial.take() else { return };
        self.last = Some(Ended {
            model: trial.model.revision().to_owned(),
            was_kept,
            distance,
        });
        if was_kept {
            self.current = trial.model;
        }
    }
}

impl Trial {
    fn is_comparable(&self) -> bool {
        self.old.count.min(self.new.count) >= WINDOWS_BEFORE_JUDGED
    }
}

/// How the evidence of many windows is spread.
struct Tally {
    bins: [u32; BINS],
    count: u32,
}

const BINS: usize = 64;
const REACH: f32 = 6.4;

impl Tally {
    fn new() -> Tally {
        Tally {
            bins: [0; BINS],
            count: 0,
        }
    }

    fn add(&mut self, llr: f32) {
        let place = (llr.clamp(-REACH, REACH) + REACH) / (2.0 * REACH) * BINS as f32;
        self.bins[(place as usize).min(BINS - 1)] += 1;
        self.count = self.count.saturating_add(1);
    }

    /// The largest distance between the two cumulative distributions, and how much of it chance explains (one in a
    /// hundred times).
    fn distance(&self, other: &Tally) -> (f64, f64) {
        let (mut mine, mut theirs, mut largest) = (0.0, 0.0, 0.0_f64);
        let (all, all_theirs) = (f64::from(self.count.max(1)), f64::from(other.count.max(1)));
        for (one, another) in self.bins.iter().zip(&other.bins) {
            mine += f64::from(*one) / all;
            theirs += f64::from(*another) / all_theirs;
            largest = largest.max((mine - theirs).abs());
        }
        let observations = |count: f64| count / WINDOWS_PER_OBSERVATION;
        let (n, m) = (observations(all), observations(all_theirs));
        (largest, 1.63 * ((n + m) / (n * m)).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::test_model;

    fn two() -> (Models, Arc<Model>, Arc<Model>) {
        let old = Arc::new(Model::find("default", &Signers::default()).expect("embedded"));
        let new = Arc::new(test_model());
        (Models::new(Arc::clone(&old), 10), old, new)
    }

    /// Evidence around `middle`, from -2 to 2 of it.
    fn spread(n: u32, middle: f32) -> f32 {
        middle + (n * 37 % 41) as f32 / 10.0 - 2.0
    }

    #[test]
    fn a_share_of_the_calls_goes_to_the_trial_and_a_call_always_to_the_same() {
        let (models, old, new) = two();
        assert!(!models.offer(Arc::clone(&old)));
        assert!(models.offer(Arc::clone(&new)));
        let ids = (0..4000_u128).map(|n| CallId(n * 0x9e37_79b9_7f4a_7c15_f39c_c060));
        let of_trial = ids.filter(|id| Arc::ptr_eq(&models.pick(*id), &new)).count();
        assert!((200..800).contains(&of_trial), "{of_trial} of 4000");
    }

    #[test]
    fn a_model_that_scores_alike_takes_over_step_by_step() {
        let (models, old, new) = two();
        models.offer(Arc::clone(&new));
        let mut news = Vec::new();
        for n in 0..WINDOWS_BEFORE_ALL + WINDOWS_BEFORE_KEPT + 2 * JUDGED_EVERY {
            models.note(&old, spread(n, 0.5));
            news.extend(models.note(&new, spread(n + 3, 0.6)));
        }
        assert!(
            matches!(news[..], [News::HearsAll { .. }, News::Kept { .. }]),
            "{news:?}"
        );
        let standing = models.standing();
        assert_eq!(standing.current, new.revision());
        assert!(standing.last_trial.expect("over").was_kept);
    }

    #[test]
    fn a_model_whose_scores_drift_goes_by_itself() {
        let (models, old, new) = two();
        models.offer(Arc::clone(&new));
        let mut news = Vec::new();
        for n in 0..WINDOWS_BEFORE_ALL {
            models.note(&old, spread(n, 0.5));
            news.extend(models.note(&new, spread(n, -1.5)));
        }
        assert!(matches!(news[..], [News::Returned { .. }]), "{news:?}");
        assert_eq!(models.standing().current, old.revision());
        assert!(Arc::ptr_eq(&models.pick(CallId(0)), &old));
    }

    #[test]
    fn a_few_odd_calls_are_no_drift() {
        let (models, old, new) = two();
        models.offer(Arc::clone(&new));
        for n in 0..WINDOWS_BEFORE_JUDGED {
            models.note(&old, spread(n, 0.5));
            // One call in five leans the other way.
            let middle = if n / 60 % 5 == 0 { -1.5 } else { 0.5 };
            assert_eq!(models.note(&new, spread(n, middle)), None);
        }
        assert!(models.standing().trial.is_some());
    }
}
