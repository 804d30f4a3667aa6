//! Keeps the book of policies in the store, has the shards judge by what it says, and watches how that goes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock;
use super::limits::RECENT_POLICIES_MAX;
use super::policy_watch::Watching;
use crate::policy::book::{Act, BY_FILE, Book, Entry, Hand, Refused};
use crate::policy::{Fault, Lineup, Policy};
use crate::store::{self, Audit, Store, StoreError, Write};

pub use super::policy_watch::ShadowCounts;

/// The journal in the store.
pub const JOURNAL: &str = "policy";

/// Checks a text against the configuration that is in force.
pub type Check = dyn Fn(&str, &str) -> Result<Policy, Vec<Fault>> + Send + Sync;
/// Has every shard judge by this.
pub type Tell = dyn Fn(Arc<Lineup>) + Send + Sync;

/// Shared by the API, which asks for things to be done, and the recorder, which brings the calls.
pub struct Policies {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    check: Box<Check>,
    tell: Box<Tell>,
    /// Held while the disk is written: only for threads that may wait.
    desk: Mutex<Desk>,
    /// What everybody looks at; held for moments.
    shown: Mutex<Shown>,
    /// Of decisions that were made again lately, the latest last.
    recent: Mutex<VecDeque<Arc<Policy>>>,
}

pub(super) struct Desk {
    pub(super) book: Book,
    /// By number of the revision; only those that judge or watch.
    loaded: BTreeMap<u64, Arc<Policy>>,
}

pub(super) struct Shown {
    book: Arc<Book>,
    lineup: Arc<Lineup>,
    pub(super) watching: Watching,
    /// Why the configuration's file, as it was read last, changed nothing.
    file_problem: Option<String>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the policy has faults")]
    Faults(Vec<Fault>),
    #[error("the book of policies was changed from elsewhere; try again")]
    Raced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// In force on every shard.
    Live,
    /// Waits for a second person.
    Proposed,
}

impl Policies {
    /// Reads the book. The configuration's own policy is made live when it says something else than when it was last made
    /// live; else what was live when the gateway last ran is live again.
    ///
    /// # Errors
    ///
    /// Those of the store. A live revision that does not fit the configuration any more is none: the configuration's
    /// policy is live then, and the log says so.
    pub fn open(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        check: Box<Check>,
        file: &Arc<Policy>,
        text: &str,
        tell: Box<Tell>,
    ) -> Result<Policies, StoreError> {
        let mut book = Book::default();
        read_further(&*store, &mut book)?;
        let policies = Policies {
            store,
            audit,
            check,
            tell,
            desk: Mutex::new(Desk {
                book: book.clone(),
                loaded: BTreeMap::new(),
            }),
            shown: Mutex::new(Shown {
                book: Arc::new(book),
                lineup: Arc::new(Lineup::of(file.clone())),
                watching: Watching::default(),
                file_problem: None,
            }),
            recent: Mutex::default(),
        };
        let mut desk = policies.desk();
        match policies.take_file(&mut desk, file, text) {
            Ok(_) => {}
            Err(Problem::Store(error)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "the configuration's policy could not be written into the book")
            }
        }
        policies.line_up(&mut desk);
        drop(desk);
        Ok(policies)
    }

    /// The configuration's file was read again. One that says something new is live from the next decision on; one that
    /// cannot be used changes nothing, and the log and the status say why.
    pub fn reread(&self, file: &str, text: std::io::Result<String>) {
        let outcome = text.map_err(|error| error.to_string()).and_then(|text| {
            let policy = (self.check)(file, &text).map_err(|faults| {
                let faults: Vec<String> = faults.iter().take(20).map(Fault::to_string).collect();
                faults.join("; ")
            })?;
            let mut desk = self.desk();
            let is_new = self.take_file(&mut desk, &policy, &text);
            if is_new.as_ref().is_ok_and(|is_new| *is_new) {
                self.line_up(&mut desk);
                (self.tell)(self.lineup());
                tracing::info!(
                    policy = policy.revision(),
                    "the policy file has changed and is live"
                );
            }
            is_new.map(|_| ()).map_err(|error| error.to_string())
        });
        if let Err(problem) = &outcome {
            tracing::error!(
                problem,
                "the policy file was read again and cannot be used: what was live stays"
            );
        }
        self.shown().file_problem = outcome.err();
    }

    /// Another gateway on the same store has written into the book: every shard has been told when this returns. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; what was known stays.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let mut desk = self.desk();
        let known = desk.book.last();
        read_further(&*self.store, &mut desk.book)?;
        if desk.book.last() > known {
            self.line_up(&mut desk);
            (self.tell)(self.lineup());
        }
        Ok(())
    }

    /// Makes what the configuration's file says live, if that is new. False = it is not.
    fn take_file(&self, desk: &mut Desk, policy: &Policy, text: &str) -> Result<bool, Problem> {
        let said = desk.book.by_file();
        if said.is_some_and(|said| said.revision == policy.revision()) {
            return Ok(false);
        }
        let reason = "the configuration names it";
        let known = desk.book.called(policy.revision()).map(|known| known.number);
        let number = match known {
            Some(number) => number,
            None => {
                let save = Act::Save {
                    revision: policy.revision().into(),
                    text: text.into(),
                };
                self.write(desk, BY_FILE, reason, save)?
            }
        };
        let act = Act::Activate { number, percent: 100 };
        self.write(desk, BY_FILE, reason, act)?;
        Ok(true)
    }

    /// What the shards judge by now.
    pub fn lineup(&self) -> Arc<Lineup> {
        self.shown().lineup.clone()
    }

    pub fn book(&self) -> Arc<Book> {
        self.shown().book.clone()
    }

    pub fn shadow_counts(&self) -> ShadowCounts {
        self.shown().watching.counts.clone()
    }

    /// Why the configuration's file, as it was read last, changed nothing; None = it is in order.
    pub fn file_problem(&self) -> Option<String> {
        self.shown().file_problem.clone()
    }

    /// Checks a text; nothing is kept.
    ///
    /// # Errors
    ///
    /// All faults.
    pub fn check(&self, text: &str) -> Result<Policy, Vec<Fault>> {
        (self.check)("policy", text)
    }

    /// The policy that goes by this name and hash, if it is in the book and still loads.
    pub fn called(&self, revision: &str) -> Option<Arc<Policy>> {
        let lineup = self.lineup();
        let at_hand = [Some(lineup.live()), lineup.shadow()];
        let mut at_hand = at_hand.into_iter().flatten();
        if let Some(policy) = at_hand.find(|policy| policy.revision() == revision) {
            return Some(policy.clone());
        }
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = recent().iter().find(|policy| policy.revision() == revision) {
            return Some(policy.clone());
        }
        let book = self.book();
        let known = book.called(revision)?;
        let policy = self.loaded(known.number, &known.text).ok()?;
        let mut recent = recent();
        recent.push_back(policy.clone());
        if recent.len() > RECENT_POLICIES_MAX {
            recent.pop_front();
        }
        Some(policy)
    }

    /// The policy of this number.
    ///
    /// # Errors
    ///
    /// No such revision, or it does not fit the configuration any more.
    pub fn numbered(&self, number: u64) -> Result<Arc<Policy>, Problem> {
        let book = self.book();
        self.loaded(number, &book.revision(number)?.text)
    }

    /// Keeps a text as a new revision that judges nobody yet.
    ///
    /// # Errors
    ///
    /// Its faults; nothing is kept then.
    pub fn save(&self, text: &str, by: &str, reason: &str) -> Result<u64, Problem> {
        let policy = self.check(text).map_err(Problem::Faults)?;
        let mut desk = self.desk();
        desk.book.has_room(text.len())?;
        let act = Act::Save {
            revision: policy.revision().into(),
            text: text.into(),
        };
        self.write(&mut desk, by, reason, act)
    }

    /// Makes a revision live for a share of the callers, or proposes it when it refuses calls that the live one does
    /// not: then somebody else, who `may_agree`, has to want the same.
    ///
    /// # Errors
    ///
    /// [`Problem`]; what was live stays live.
    pub fn activate<'a>(
        &self,
        number: u64,
        percent: u8,
        by: impl Into<Hand<'a>>,
        may_agree: bool,
        reason: &str,
    ) -> Result<Done, Problem> {
        let by = by.into();
        let policy = self.numbered(number)?;
        let mut desk = self.desk();
        let needs_two = !self.lineup().live().new_refusals(&policy).is_empty();
        let act = desk.book.activate(number, percent, by, needs_two, may_agree)?;
        self.carry_out(&mut desk, by, reason, act)
    }

    /// Agrees with what somebody else proposed.
    ///
    /// # Errors
    ///
    /// As [`Policies::activate`].
    pub fn approve<'a>(&self, number: u64, by: impl Into<Hand<'a>>, reason: &str) -> Result<Done, Problem> {
        let by = by.into();
        self.numbered(number)?;
        let mut desk = self.desk();
        let act = desk.book.approve(number, by)?;
        self.carry_out(&mut desk, by, reason, act)
    }

    /// Back to what was live before.
    ///
    /// # Errors
    ///
    /// As [`Policies::activate`].
    pub fn roll_back(&self, by: &str, reason: &str) -> Result<Done, Problem> {
        self.back(&mut self.desk(), by, reason)
    }

    pub(super) fn back(&self, desk: &mut Desk, by: &str, reason: &str) -> Result<Done, Problem> {
        let act = desk.book.roll_back()?;
        if let Act::RollBack { number } | Act::Activate { number, .. } = act {
            // What does not fit the configuration any more is no way back.
            self.loaded(number, &desk.book.revision(number)?.text)?;
        }
        self.carry_out(desk, by, reason, act)
    }

    /// Has a revision watch, beside the one that judges; 0 = none watches any more. Its counts begin anew.
    ///
    /// # Errors
    ///
    /// As [`Policies::activate`].
    pub fn shadow(&self, number: u64, by: &str, reason: &str) -> Result<(), Problem> {
        if number > 0 {
            self.numbered(number)?;
        }
        let mut desk = self.desk();
        self.carry_out(&mut desk, by, reason, Act::Shadow { number })?;
        self.shown().watching.counts = ShadowCounts::default();
        Ok(())
    }

    fn carry_out<'a>(
        &self,
        desk: &mut Desk,
        by: impl Into<Hand<'a>>,
        reason: &str,
        act: Act,
    ) -> Result<Done, Problem> {
        let by = by.into();
        let done = if matches!(act, Act::Propose { .. }) {
            Done::Proposed
        } else {
            Done::Live
        };
        self.write(desk, by, reason, act)?;
        if done == Done::Live {
            self.line_up(desk);
            (self.tell)(self.lineup());
        }
        Ok(done)
    }

    /// Writes an entry, first on disk (with its line in the audit, both or neither) and then into the book. A number that somebody else took is read, and the asker
    /// asks again: what he saw has changed.
    fn write<'a>(
        &self,
        desk: &mut Desk,
        by: impl Into<Hand<'a>>,
        reason: &str,
        act: Act,
    ) -> Result<u64, Problem> {
        let Hand { by, person } = by.into();
        let entry = Entry {
            at_ms: clock::now().unix_ms(),
            by: by.into(),
            person: Some(person).filter(|person| *person != by).map(str::to_string),
            reason: reason.into(),
            act,
        };
        let number = desk.book.last() + 1;
        let text = serde_json::to_string(&entry).unwrap_or_default();
        let mut book = desk.book.clone();
        book.apply(number, &entry);
        let (what, about) = told(&book, number, &entry.act);
        let told = store::Act {
            at_ms: entry.at_ms,
            by,
            what,
            about: &about,
            note: reason,
        };
        let write = Write::Append {
            journal: JOURNAL,
            number,
            entry: text,
        };
        if self.audit.write_with(&told, &[write])?.is_none() {
            read_further(&*self.store, &mut desk.book)?;
            self.line_up(desk);
            (self.tell)(self.lineup());
            return Err(Problem::Raced);
        }
        desk.book = book;
        self.shown().book = Arc::new(desk.book.clone());
        Ok(number)
    }

    /// Loads what the book says and makes it the lineup. What does not load is left out, and said: a revision that only
    /// watches must not keep the live one from judging.
    fn line_up(&self, desk: &mut Desk) {
        let mut loaded = BTreeMap::new();
        let mut load = |number: Option<u64>| -> Option<Arc<Policy>> {
            let number = number?;
            let known = desk.loaded.get(&number).cloned();
            let policy = known.map_or_else(
                || self.loaded(number, &desk.book.revision(number)?.text),
                Ok::<_, Problem>,
            );
            match policy {
                Ok(policy) => {
                    loaded.insert(number, policy.clone());
                    Some(policy)
                }
                Err(error) => {
                    tracing::error!(%error, number, "a revision of the book cannot be used; it is left out");
                    None
                }
            }
        };
        let live = load(desk.book.live());
        let rollout = desk.book.rollout();
        let newer = load(rollout.map(|(number, _)| number));
        let shadow = load(desk.book.shadow());
        desk.loaded = loaded;

        let mut shown = self.shown();
        let live = live.unwrap_or_else(|| shown.lineup.live().clone());
        let mut lineup = Lineup::of(live.clone());
        if let (Some(policy), Some((_, percent))) = (&newer, rollout) {
            lineup = lineup.with_rollout(policy.clone(), percent);
        }
        if let Some(policy) = &shadow {
            lineup = lineup.with_shadow(policy.clone());
        }
        let judge = newer.as_ref().unwrap_or(&live);
        shown.watching.look_at(judge, shadow.as_deref());
        shown.lineup = Arc::new(lineup);
        shown.book = Arc::new(desk.book.clone());
    }

    fn loaded(&self, number: u64, text: &str) -> Result<Arc<Policy>, Problem> {
        let policy = (self.check)(&format!("revision {number}"), text);
        policy.map(Arc::new).map_err(Problem::Faults)
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        // A panic elsewhere left a whole book: entries are applied at once.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An act in words, and what it was done to.
fn told(book: &Book, number: u64, act: &Act) -> (&'static str, String) {
    let revision = |number: u64| match book.revision(number) {
        Ok(revision) => format!("revision {number}, {}", revision.revision),
        Err(_) => "none".to_string(),
    };
    let share = |number: u64, percent: u8| format!("{}, {percent} % of callers", revision(number));
    match act {
        Act::Save { .. } => ("policy save", revision(number)),
        Act::Propose { number, percent } => ("policy propose", share(*number, *percent)),
        Act::Activate { number, percent } => ("policy activate", share(*number, *percent)),
        Act::RollBack { number } => ("policy roll back", revision(*number)),
        Act::Shadow { number } => ("policy shadow", revision(*number)),
    }
}

fn read_further(store: &dyn Store, book: &mut Book) -> Result<(), StoreError> {
    loop {
        let entries = store.journal(JOURNAL, book.last())?;
        if entries.is_empty() {
            return Ok(());
        }
        for (number, text) in entries {
            match serde_json::from_str::<Entry>(&text) {
                Ok(entry) => book.apply(number, &entry),
                Err(error) => {
                    tracing::error!(number, %error, "an entry in the book of policies cannot be read; it is passed over");
                    book.pass_over(number);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
