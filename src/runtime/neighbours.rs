//! Keeps this gateway and the others on the same store in each other's sight: live calls, what was changed, what is to end.
//!
//! Two threads that may wait: one says what happens here, one hears what happens elsewhere. While the store is away both try again;
//! nothing here is waited for by a call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::clock;
use super::counted::{self, Counted};
use super::floor::{Floor, Word};
use super::limits::{ANCHOR_EVERY, NEIGHBOURS_LOOKED_AT, NEIGHBOURS_RETRY, NEWS_AT_ONCE, NEWS_REST, ORDERS};
use super::vital::join_within;
use crate::accounts::Tries;
use crate::call::Order;
use crate::call_id::CallId;
use crate::queue::Rest;
use crate::store::limits::NODE_LEASE;
use crate::store::{Audit, Change, Changes, Ear, Live, Mouth, Neighbours, News, Store};

/// Looks at what another gateway changed.
pub type Changed = dyn Fn(Option<&str>) + Send + Sync;

/// What this gateway has to show, and what it does when others ask.
pub struct Here {
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    pub audit: Arc<Audit>,
    /// Wrong passwords here, which the others are told of, and theirs.
    pub tries: Arc<Tries>,
    /// Whoever is left alone no longer, here and there.
    pub floor: Floor,
    /// What is counted here, and what the others count.
    pub counted: Counted,
    /// A journal, a shelf or a setting of this name was changed elsewhere; None = any may have been. May block.
    pub changed: Box<Changed>,
    /// Somebody at another gateway orders something about this call of ours.
    pub order: Box<dyn Fn(CallId, Order) + Send + Sync>,
}

/// The two threads.
pub struct Neighbourhood {
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Orders about calls of other gateways.
#[derive(Clone)]
pub struct Orders(Sender<(CallId, Order)>);

impl Orders {
    /// Never waits; false = too many wait already. The others are told, and whoever has the call carries it out.
    pub fn give(&self, call: CallId, order: Order) -> bool {
        self.0.try_send((call, order)).is_ok()
    }
}

impl Neighbourhood {
    /// Starts looking after others, if the store is one that others may use.
    ///
    /// # Errors
    ///
    /// The system's when a thread cannot be started.
    pub fn start(here: Here) -> std::io::Result<Option<(Neighbourhood, Orders)>> {
        let Some(ways) = here.store.neighbours() else {
            return Ok(None);
        };
        let (orders, asked) = bounded(ORDERS);
        let (here, is_stopping) = (Arc::new(here), Arc::new(AtomicBool::new(false)));
        let mut threads = Vec::new();
        let told = Teller {
            here: here.clone(),
            ways: ways.clone(),
            asked,
            is_stopping: is_stopping.clone(),
        };
        threads.push(
            Builder::new()
                .name("neighbours-told".into())
                .spawn(move || told.run())?,
        );
        let heard = Hearer {
            here,
            ways,
            is_stopping: is_stopping.clone(),
        };
        threads.push(
            Builder::new()
                .name("neighbours-heard".into())
                .spawn(move || heard.run())?,
        );
        let neighbourhood = Neighbourhood { is_stopping, threads };
        Ok(Some((neighbourhood, Orders(orders))))
    }

    /// Says good-bye. False = a thread did not end in time and is left behind.
    pub fn stop(self, patience: Duration) -> bool {
        self.is_stopping.store(true, Ordering::Relaxed);
        let ends = |thread| join_within(thread, patience);
        // Each is waited for, also when another did not end.
        let left = self
            .threads
            .into_iter()
            .filter_map(|thread| (!ends(thread)).then_some(()));
        left.count() == 0
    }
}

struct Teller {
    here: Arc<Here>,
    ways: Neighbours,
    asked: Receiver<(CallId, Order)>,
    is_stopping: Arc<AtomicBool>,
}

impl Teller {
    fn run(&self) {
        let instance = format!("{}-{}", std::process::id(), clock::now().unix_ms());
        let mut is_told = false;
        while !is_so(&self.is_stopping) {
            // First this, so that what changes while the others are told of what is there is not missed.
            let (calls, changes) = self.here.live.subscribe_here();
            // What was tried while nobody could be told counts here alone.
            if is_told {
                drop(self.here.tries.to_tell());
            }
            let spoken = self.ways.mouth(&instance, &calls).and_then(|mouth| {
                is_told = false;
                self.speak(mouth, changes)
            });
            if let Err(problem) = spoken {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        problem,
                        "other gateways cannot be told of calls here; it is tried again"
                    );
                }
                rest(NEIGHBOURS_RETRY, &self.is_stopping);
            }
        }
    }

    /// Until the gateway stops, or more has changed than was kept: then it begins anew.
    fn speak(&self, mut mouth: Mouth, mut changes: Changes) -> Result<(), String> {
        let start = clock::now().instant;
        let (mut beat, mut anchored) = (Duration::ZERO, None);
        let mut is_alone = true;
        let mut counts = counted::Teller::default();
        loop {
            // Of several changes of one call the last says it all.
            let mut told = BTreeMap::new();
            while told.len() < NEWS_AT_ONCE
                && let Some(change) = changes.try_next_here()
            {
                match change {
                    Change::Call(record) => drop(told.insert(record.id, record)),
                    Change::Resync => return Ok(()),
                }
            }
            let is_quiet = told.is_empty();
            let told: Vec<_> = told.into_values().collect();
            // What was tried before a call began is told before it.
            for tried in self.here.tries.to_tell() {
                mouth.tried(&tried)?;
            }
            mouth.tell(&told)?;
            for word in self.here.floor.to_tell() {
                let left = |until: Instant| until.saturating_duration_since(clock::now().instant);
                match word {
                    Word::Rested(device) => mouth.rested(&device)?,
                    Word::Rests(target, Rest::WrapUp(until)) => {
                        mouth.rests(&target, "wrap_up", left(until))?
                    }
                    Word::Rests(target, Rest::Skipped(until)) => {
                        mouth.rests(&target, "skipped", left(until))?
                    }
                    // Pauses are in the store.
                    Word::Rests(_, Rest::Paused) => {}
                }
            }
            if let Some(text) = counts.next(&self.here.counted, clock::now().instant) {
                mouth.counted(&text)?;
            }
            for (call, order) in self.asked.try_iter() {
                mouth.order(call, &order)?;
            }
            if is_so(&self.is_stopping) {
                return mouth.part();
            }
            let age = clock::now().instant.duration_since(start);
            if age >= beat {
                beat = age + NODE_LEASE / 3;
                if !mouth.beat()? && std::mem::take(&mut is_alone) {
                    tracing::error!(
                        node = self.ways.node(),
                        "another gateway has the same name: give each one its own [store] url ...?node=NAME"
                    );
                }
            }
            if anchored.is_none_or(|at| age >= at + ANCHOR_EVERY) {
                anchored = Some(age);
                if let Err(error) = self.here.audit.anchor(clock::now().unix_ms()) {
                    tracing::warn!(%error, "the chains of other gateways were not written down");
                }
            }
            if is_quiet {
                std::thread::sleep(NEWS_REST);
            }
        }
    }
}

struct Hearer {
    here: Arc<Here>,
    ways: Neighbours,
    is_stopping: Arc<AtomicBool>,
}

impl Hearer {
    fn run(&self) {
        let mut is_told = false;
        while !is_so(&self.is_stopping) {
            let mut known = BTreeSet::new();
            let heard = self.ways.ear().and_then(|ear| {
                is_told = false;
                self.listen(ear, &mut known)
            });
            // Whoever is not heard is not shown.
            known.iter().for_each(|node| self.lost(node));
            // Also whom nobody had met yet.
            let now = clock::now().instant;
            let counted = &self.here.counted;
            counted
                .flood
                .heard(now)
                .iter()
                .for_each(|node| counted.forget(node, now));
            if let Err(problem) = heard {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(problem, "other gateways cannot be heard; it is tried again");
                }
                rest(NEIGHBOURS_RETRY, &self.is_stopping);
            }
        }
    }

    /// `known`: the gateways whose calls are shown here.
    fn listen(&self, mut ear: Ear, known: &mut BTreeSet<String>) -> Result<(), String> {
        self.meet(&mut ear, known)?;
        self.here.store.heard(&News::Missed);
        (self.here.changed)(None);
        let start = clock::now().instant;
        let mut looked = Duration::ZERO;
        while !is_so(&self.is_stopping) {
            if let Some(news) = ear.next(NEIGHBOURS_LOOKED_AT / 4)? {
                self.take(news, known);
            }
            let age = clock::now().instant.duration_since(start);
            if age >= looked {
                looked = age + NEIGHBOURS_LOOKED_AT;
                let there = ear.there()?;
                known.retain(|node| {
                    let is_there = there.contains(node);
                    if !is_there {
                        tracing::warn!(
                            node,
                            "a gateway is not heard of any more; its calls are not shown"
                        );
                        self.lost(node);
                    }
                    is_there
                });
                // One that was slow to say that it is there, or begins anew.
                if there.iter().any(|node| !known.contains(node)) {
                    self.meet(&mut ear, known)?;
                }
            }
        }
        Ok(())
    }

    /// Its calls are not shown, and what is counted there counts for nothing.
    fn lost(&self, node: &str) {
        self.here.live.forget(node);
        self.here.counted.forget(node, clock::now().instant);
    }

    /// Shows the calls of those who are there.
    fn meet(&self, ear: &mut Ear, known: &mut BTreeSet<String>) -> Result<(), String> {
        for other in ear.others()? {
            let node = other.node.as_str().into();
            for record in other.calls {
                self.here.live.publish_elsewhere(&node, record);
            }
            known.insert(other.node);
        }
        Ok(())
    }

    fn take(&self, news: News, known: &mut BTreeSet<String>) {
        let Here {
            store,
            live,
            changed,
            tries,
            floor,
            ..
        } = &*self.here;
        // First what is counted, then what is shown: a call that ends is rather counted twice than never.
        store.heard(&news);
        match news {
            News::Call(node, record) => {
                live.publish_elsewhere(&node.as_str().into(), record);
                known.insert(node);
            }
            News::Gone(node) => {
                self.lost(&node);
                known.remove(&node);
            }
            News::Order(call, order) => {
                if live.is_here(call) {
                    (self.here.order)(call, order);
                }
            }
            News::Changed(what) => changed(Some(&what)),
            News::Counted(node, text) => {
                // One of another version, or with another key, counts apart: `/api/v1/status` does not name it.
                self.here.counted.hear(&node, &text, clock::now().instant);
            }
            News::Tried(text) => tries.hear(&text, clock::now().unix_ms()),
            News::Rested(device) => floor.rested(&device),
            News::Rests(target, why, left) => floor.rests(&target, &why, left),
            News::Missed => changed(None),
        }
    }
}

fn is_so(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

fn rest(span: Duration, is_stopping: &AtomicBool) {
    let step = Duration::from_millis(50);
    let mut rested = Duration::ZERO;
    while rested < span && !is_so(is_stopping) {
        std::thread::sleep(step);
        rested += step;
    }
}
