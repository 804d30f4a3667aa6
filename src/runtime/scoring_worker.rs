//! One scoring thread: the ears of its calls, their hops in order, and what is noted of them in between.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, select, tick};

use super::models::{Models, News};
use super::scoring::{
    Counters, Heard, IDLE_EXPIRES, INBOX_HOPS, KEEPING_PER_WORKER, LISTENERS_PER_WORKER, PROMPTS_PER_CALL,
    Said,
};
use super::second_opinion::SecondOpinions;
use crate::call_id::CallId;
use crate::media::Hop;
use crate::voice::{Bench, Excerpt, Listener, Model, Opinion, Prompt, SecondScore};

/// How often idle listeners are looked for.
pub(super) const TICK: Duration = Duration::from_secs(15);

/// What a worker is told beside hops.
#[derive(Debug)]
pub(super) enum Note {
    End(CallId),
    /// Second opinions are wanted, in this order among the calls; `None`: no longer.
    Attend(CallId, Option<u8>),
    /// A prompt of ours began or ended with this sample of the caller's audio.
    Prompt(CallId, Prompt, u64),
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
    fn prompt(&mut self, ear: &mut Self::Ear, prompt: Prompt, at_sample: u64);
    fn keep(&mut self, ear: &mut Self::Ear, is_kept: bool);
    fn is_keeping(&self, ear: &Self::Ear) -> bool;
    fn excerpt(&mut self, ear: &mut Self::Ear) -> Option<Excerpt>;
    fn take_second(&mut self, ear: &mut Self::Ear, score: SecondScore) -> Opinion;

    /// Asks for a second opinion. False: there is no room, and nobody will answer.
    fn ask(&mut self, call: CallId, rank: u8, ear: &Self::Ear, excerpt: Excerpt) -> bool;

    /// Nobody waits for a second opinion on this call any more: what was asked and not heard yet goes.
    fn let_go(&mut self, call: CallId);

    /// Of the model that hears with this ear.
    fn revision(&self, ear: &Self::Ear) -> Option<String>;
}

/// Ears of the models in force: the current one, one on trial, and those whose last calls are under way.
pub(super) struct ModelEars {
    models: Arc<Models>,
    /// Weak: a model that nobody hears with any more must not stay because every worker has a bench for it.
    benches: Vec<(Weak<Model>, Bench)>,
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
        let is_of = |of: &Weak<Model>| std::ptr::eq(of.as_ptr(), Arc::as_ptr(model));
        if !self.benches.iter().any(|(of, _)| is_of(of)) {
            self.benches.retain(|(of, _)| of.strong_count() > 0);
            self.benches.push((Arc::downgrade(model), model.bench().ok()?));
        }
        let own = self.benches.iter_mut().find(|(of, _)| is_of(of));
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

    fn prompt(&mut self, ear: &mut Listener, prompt: Prompt, at_sample: u64) {
        ear.prompt(prompt, at_sample);
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

    fn let_go(&mut self, call: CallId) {
        if let Some(second) = &self.second {
            second.forget(call);
        }
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
    /// It was told that there is no room to keep its audio.
    is_shed: bool,
    /// Beginnings and ends of prompts that the ear is told of with the next hop.
    prompts: Vec<(Prompt, u64)>,
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

    #[cfg(test)]
    pub(super) fn ear(&self, call: CallId) -> Option<&E::Ear> {
        self.listening.get(&call)?.ear.as_ref()
    }

    #[cfg(test)]
    pub(super) fn keeping(&self) -> usize {
        self.keeping
    }

    pub(super) fn work(mut self, hops: &Receiver<(CallId, Hop)>, notes: &Receiver<Note>) {
        let ticks = tick(TICK);
        loop {
            // An end must not overtake the last hop of its call, which would open it again, and hops without end must
            // not hold it up: what is noted by now waits for as many hops as can have come before it, and no more.
            let noted = notes.len();
            for (call, hop) in hops.try_iter().take(INBOX_HOPS) {
                self.hear(call, hop);
            }
            for note in notes.try_iter().take(noted) {
                self.note(note);
            }
            while ticks.try_recv().is_ok() {
                self.expire();
            }
            if !hops.is_empty() || !notes.is_empty() {
                continue;
            }
            select! {
                recv(hops) -> job => match job {
                    Ok((call, hop)) => self.hear(call, hop),
                    Err(_) => break,
                },
                recv(notes) -> note => if let Ok(note) = note {
                    for (call, hop) in hops.try_iter().take(INBOX_HOPS) {
                        self.hear(call, hop);
                    }
                    self.note(note);
                },
                recv(ticks) -> _ => self.expire(),
            }
        }
        self.counters
            .listening
            .fetch_sub(self.listening.len() as u64, Ordering::Relaxed);
    }

    pub(super) fn hear(&mut self, call: CallId, hop: Hop) {
        if !self.open(call) {
            self.counters.crowded.fetch_add(1, Ordering::Relaxed);
            (self.heard)(call, Said::NotHeard(hop));
            return;
        }
        self.make_room(call);
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
            for (prompt, at_sample) in listening.prompts.drain(..) {
                ears.prompt(ear, prompt, at_sample);
            }
            if listening.rank.is_some() && !ears.is_keeping(ear) && self.keeping < KEEPING_PER_WORKER {
                ears.keep(ear, true);
                self.keeping += usize::from(ears.is_keeping(ear));
                listening.is_shed = false;
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
                let is_kept = listening
                    .ear
                    .as_ref()
                    .is_some_and(|ear| self.ears.is_keeping(ear));
                let is_wanted = listening.rank.is_some() && !is_kept;
                if is_wanted && self.keeping >= KEEPING_PER_WORKER && !listening.is_shed {
                    listening.is_shed = true;
                    self.counters.second_shed.fetch_add(1, Ordering::Relaxed);
                    (self.heard)(call, Said::SecondShed);
                }
            }
            Ok(None) | Err(_) => {
                self.counters.panicked.fetch_add(1, Ordering::Relaxed);
                // The call starts afresh with its next hop.
                let was_keeping = listening.ear.take().is_some_and(|ear| self.ears.is_keeping(&ear));
                self.keeping -= usize::from(was_keeping);
                self.ears.let_go(call);
                (self.heard)(call, Said::NotHeard(hop));
            }
        }
    }

    /// When as many calls keep audio as may, the last of them in the policy's order gives its place to one before it.
    fn make_room(&mut self, call: CallId) {
        if self.keeping < KEEPING_PER_WORKER {
            return;
        }
        let ears = &self.ears;
        let is_keeping = |l: &Listening<E::Ear>| l.ear.as_ref().is_some_and(|ear| ears.is_keeping(ear));
        let Some(wanting) = self.listening.get(&call).filter(|one| !is_keeping(one)) else {
            return;
        };
        let keeping = self.listening.iter().filter(|(_, one)| is_keeping(one));
        let last = keeping.max_by_key(|(_, one)| one.rank);
        if let Some((last, _)) = last.filter(|(_, one)| wanting.rank.is_some() && one.rank > wanting.rank) {
            let last = *last;
            self.stop_keeping(last);
            if let Some(listening) = self.listening.get_mut(&last) {
                listening.is_shed = true;
            }
            self.counters.second_shed.fetch_add(1, Ordering::Relaxed);
            (self.heard)(last, Said::SecondShed);
        }
    }

    /// Frees the audio of a call, and what was asked of it.
    fn stop_keeping(&mut self, call: CallId) {
        self.ears.let_go(call);
        let ear = self.listening.get_mut(&call).and_then(|one| one.ear.as_mut());
        if let Some(ear) = ear
            && self.ears.is_keeping(ear)
        {
            self.ears.keep(ear, false);
            self.keeping -= 1;
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        match note {
            Note::End(call) => self.forget(call),
            Note::Attend(call, rank) => self.attend(call, rank),
            Note::Prompt(call, prompt, at_sample) => self.prompt(call, prompt, at_sample),
            Note::Second(call, Some(score)) => {
                let Some(ear) = self.listening.get_mut(&call).and_then(|l| l.ear.as_mut()) else {
                    return;
                };
                let opinion = self.ears.take_second(ear, score);
                self.counters.second_given.fetch_add(1, Ordering::Relaxed);
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
        if rank.is_none() {
            self.stop_keeping(call);
        }
    }

    fn prompt(&mut self, call: CallId, prompt: Prompt, at_sample: u64) {
        // A greeting may begin before the first hop is full.
        if !self.open(call) {
            return;
        }
        if let Some(listening) = self.listening.get_mut(&call)
            && listening.prompts.len() < PROMPTS_PER_CALL
        {
            listening.prompts.push((prompt, at_sample));
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
                is_shed: false,
                prompts: Vec::new(),
                last_tick: self.ticks,
            },
        );
        true
    }

    fn forget(&mut self, call: CallId) {
        self.stop_keeping(call);
        if self.listening.remove(&call).is_some() {
            self.counters.listening.fetch_sub(1, Ordering::Relaxed);
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
        for call in idle {
            self.forget(call);
        }
    }
}
