//! One scoring thread: the ears of its calls, their hops in order, and what is noted of them in between.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, select, tick};

use super::models::{Models, News};
use super::scoring::{Counters, Heard, IDLE_EXPIRES, KEEPING_PER_WORKER, LISTENERS_PER_WORKER, Said};
use super::second_opinion::SecondOpinions;
use crate::call_id::CallId;
use crate::media::Hop;
use crate::voice::{Bench, Excerpt, Listener, Model, Opinion, SecondScore};

/// How often idle listeners are looked for.
pub(super) const TICK: Duration = Duration::from_secs(15);

/// What a worker is told beside hops.
#[derive(Debug)]
pub(super) enum Note {
    End(CallId),
    /// Second opinions are wanted, in this order among the calls; `None`: no longer.
    Attend(CallId, Option<u8>),
    /// A second opinion; `None` when the excerpt held nothing to judge.
    Second(CallId, Option<SecondScore>),
    /// There was no room for one.
    Shed(CallId),
}

/// How a worker hears: the real one holds listeners of a model, tests bring their own.
pub(super) trait Ears: Send {
    type Ear: Send;

    /// An ear for a new call; `None` when none can be made.
    fn open(&mut self, call: CallId) -> Option<Self::Ear>;
    /// `None` when it cannot be heard.
    fn hear(&mut self, ear: &mut Self::Ear, hop: &[i16]) -> Option<Opinion>;
    fn keep(&mut self, ear: &mut Self::Ear, is_kept: bool);
    fn is_keeping(&self, ear: &Self::Ear) -> bool;
    fn excerpt(&mut self, ear: &mut Self::Ear) -> Option<Excerpt>;
    fn take_second(&mut self, ear: &mut Self::Ear, score: SecondScore) -> Opinion;

    /// Asks for a second opinion. False: there is no room, and nobody will answer.
    fn ask(&mut self, call: CallId, rank: u8, ear: &Self::Ear, excerpt: Excerpt) -> bool;

    /// Of the model that hears with this ear.
    fn revision(&self, ear: &Self::Ear) -> Option<String>;
}

/// Ears of the models in force: the current one, one on trial, and those whose last calls are under way.
pub(super) struct ModelEars {
    models: Arc<Models>,
    benches: Vec<(Arc<Model>, Bench)>,
    second: Option<Arc<SecondOpinions>>,
}

impl ModelEars {
    pub(super) fn new(models: Arc<Models>, second: Option<Arc<SecondOpinions>>) -> ModelEars {
        ModelEars {
            models,
            benches: Vec::new(),
            second,
        }
    }

    /// The bench of a model, made when it is first needed. Those of models that nobody else holds go.
    fn bench(&mut self, model: &Arc<Model>) -> Option<&mut Bench> {
        if !self.benches.iter().any(|(of, _)| Arc::ptr_eq(of, model)) {
            self.benches.retain(|(of, _)| Arc::strong_count(of) > 1);
            self.benches.push((Arc::clone(model), model.bench().ok()?));
        }
        let own = self.benches.iter_mut().find(|(of, _)| Arc::ptr_eq(of, model));
        own.map(|(_, bench)| bench)
    }
}

impl Ears for ModelEars {
    type Ear = Listener;

    fn open(&mut self, call: CallId) -> Option<Listener> {
        let model = self.models.pick(call);
        self.bench(&model)?;
        Listener::new(&model).ok()
    }

    fn hear(&mut self, ear: &mut Listener, hop: &[i16]) -> Option<Opinion> {
        let model = Arc::clone(ear.model());
        let opinion = ear.hear(self.bench(&model)?, hop);
        if let Some(news) = opinion
            .window
            .and_then(|window| self.models.note(&model, window.llr))
        {
            tell(&news);
        }
        Some(opinion)
    }

    fn keep(&mut self, ear: &mut Listener, is_kept: bool) {
        ear.keep(is_kept && self.second.is_some());
    }

    fn is_keeping(&self, ear: &Listener) -> bool {
        ear.is_keeping()
    }

    fn excerpt(&mut self, ear: &mut Listener) -> Option<Excerpt> {
        ear.excerpt()
    }

    fn take_second(&mut self, ear: &mut Listener, score: SecondScore) -> Opinion {
        ear.take_second(score)
    }

    fn ask(&mut self, call: CallId, rank: u8, ear: &Listener, excerpt: Excerpt) -> bool {
        self.second
            .as_ref()
            .is_some_and(|second| second.ask(call, rank, ear.model(), excerpt))
    }

    fn revision(&self, ear: &Listener) -> Option<String> {
        Some(ear.model().revision().to_owned())
    }
}

fn tell(news: &News) {
    match news {
        News::HearsAll { model } => {
            tracing::info!(model, "the model on trial scores alike: it hears every new call")
        }
        News::Kept { model } => tracing::info!(model, "the trial is over: the model is kept"),
        News::Returned { model, distance } => {
            tracing::error!(
                model,
                distance,
                "the scores of the model on trial drift: back to the one before"
            );
        }
    }
}

pub(super) struct Worker<E: Ears> {
    ears: E,
    heard: Arc<Heard>,
    counters: Arc<Counters>,
    pub(super) listening: BTreeMap<CallId, Listening<E::Ear>>,
    /// Ears that keep audio.
    keeping: usize,
    ticks: u64,
}

pub(super) struct Listening<T> {
    /// Opened by the first hop.
    ear: Option<T>,
    /// Place among the calls that want second opinions.
    rank: Option<u8>,
    last_tick: u64,
}

impl<E: Ears> Worker<E> {
    pub(super) fn new(ears: E, heard: Arc<Heard>, counters: Arc<Counters>) -> Worker<E> {
        Worker {
            ears,
            heard,
            counters,
            listening: BTreeMap::new(),
            keeping: 0,
            ticks: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn work(mut self, hops: &Receiver<(CallId, Hop)>, notes: &Receiver<Note>) {
        let ticks = tick(TICK);
        loop {
            // Hops before notes: an end must not overtake the last hop of its call, which would open it again.
            if let Ok((call, hop)) = hops.try_recv() {
                self.hear(call, hop);
            } else if let Ok(note) = notes.try_recv() {
                self.note(note);
            } else {
                select! {
                    recv(hops) -> job => match job {
                        Ok((call, hop)) => self.hear(call, hop),
                        Err(_) => break,
                    },
                    recv(notes) -> note => if let Ok(note) = note {
                        while let Ok((call, hop)) = hops.try_recv() {
                            self.hear(call, hop);
                        }
                        self.note(note);
                    },
                    recv(ticks) -> _ => self.expire(),
                }
            }
            while ticks.try_recv().is_ok() {
                self.expire();
            }
        }
        self.counters
            .listening
            .fetch_sub(self.listening.len() as u64, Ordering::Relaxed);
    }

    pub(super) fn hear(&mut self, call: CallId, hop: Hop) {
        if !self.open(call) {
            self.counters.crowded.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(listening) = self.listening.get_mut(&call) else {
            return;
        };
        listening.last_tick = self.ticks;
        let ears = &mut self.ears;
        let heard = catch_unwind(AssertUnwindSafe(|| {
            if listening.ear.is_none() {
                let ear = ears.open(call)?;
                if let Some(model) = ears.revision(&ear) {
                    (self.heard)(call, Said::Model(model));
                }
                listening.ear = Some(ear);
            }
            let ear = listening.ear.as_mut()?;
            if listening.rank.is_some() && !ears.is_keeping(ear) && self.keeping < KEEPING_PER_WORKER {
                ears.keep(ear, true);
                self.keeping += usize::from(ears.is_keeping(ear));
            }
            let opinion = ears.hear(ear, &hop)?;
            let excerpt = listening.rank.and_then(|_| ears.excerpt(ear));
            Some((opinion, excerpt))
        }));
        match heard {
            Ok(Some((opinion, excerpt))) => {
                self.counters.scored.fetch_add(1, Ordering::Relaxed);
                (self.heard)(call, Said::Hop { opinion, hop });
                if let (Some(excerpt), Some(rank), Some(ear)) = (excerpt, listening.rank, &listening.ear)
                    && !self.ears.ask(call, rank, ear, excerpt)
                {
                    (self.heard)(call, Said::SecondShed);
                }
            }
            Ok(None) | Err(_) => {
                self.counters.panicked.fetch_add(1, Ordering::Relaxed);
                // The call starts afresh with its next hop.
                let was_keeping = listening.ear.take().is_some_and(|ear| self.ears.is_keeping(&ear));
                self.keeping -= usize::from(was_keeping);
            }
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        match note {
            Note::End(call) => self.forget(call),
            Note::Attend(call, rank) => self.attend(call, rank),
            Note::Second(call, Some(score)) => {
                let Some(ear) = self.listening.get_mut(&call).and_then(|l| l.ear.as_mut()) else {
                    return;
                };
                let opinion = self.ears.take_second(ear, score);
                (self.heard)(call, Said::Second(opinion));
            }
            Note::Second(_, None) => {}
            Note::Shed(call) => {
                if self.listening.contains_key(&call) {
                    (self.heard)(call, Said::SecondShed);
                }
            }
        }
    }

    fn attend(&mut self, call: CallId, rank: Option<u8>) {
        // A call may be named before its first hop; an order to let go never opens one.
        if rank.is_some() && !self.open(call) {
            return;
        }
        let Some(listening) = self.listening.get_mut(&call) else {
            return;
        };
        listening.rank = rank;
        if let Some(ear) = listening.ear.as_mut().filter(|_| rank.is_none())
            && self.ears.is_keeping(ear)
        {
            self.ears.keep(ear, false);
            self.keeping -= 1;
        }
    }

    /// False when there is no room for another call.
    fn open(&mut self, call: CallId) -> bool {
        if self.listening.contains_key(&call) {
            return true;
        }
        if self.listening.len() >= LISTENERS_PER_WORKER {
            return false;
        }
        self.counters.listening.fetch_add(1, Ordering::Relaxed);
        self.listening.insert(
            call,
            Listening {
                ear: None,
                rank: None,
                last_tick: self.ticks,
            },
        );
        true
    }

    fn forget(&mut self, call: CallId) {
        if let Some(listening) = self.listening.remove(&call) {
            self.counters.listening.fetch_sub(1, Ordering::Relaxed);
            let was_keeping = listening.ear.is_some_and(|ear| self.ears.is_keeping(&ear));
            self.keeping -= usize::from(was_keeping);
        }
    }

    pub(super) fn expire(&mut self) {
        self.ticks += 1;
        let patience = IDLE_EXPIRES.as_secs() / TICK.as_secs();
        let idle: Vec<CallId> = self
            .listening
            .iter()
            .filter(|(_, listening)| self.ticks - listening.last_tick > patience)
            .map(|(call, _)| *call)
            .collect();
        self.counters
            .expired
            .fetch_add(idle.len() as u64, Ordering::Relaxed);
        for call in idle {
            self.forget(call);
        }
    }
}
