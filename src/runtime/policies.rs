//! Keeps the book of policies in the store, has the shards judge by what it says, and watches how that goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::clock;
use crate::call::CallRecord;
use crate::policy::book::{Act, Book, Entry, Refused};
use crate::policy::{Action, Exceeded, Fault, Lineup, Policy, Watch};
use crate::store::{Audit, Store, StoreError};

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
    desk: Mutex<Desk>,
}

struct Desk {
    book: Book,
    /// By number of the revision; only those that judge or watch.
    loaded: BTreeMap<u64, Arc<Policy>>,
    lineup: Arc<Lineup>,
    /// Revision that is watched, and its budget.
    watch: Option<(String, Watch)>,
    shadow: ShadowCounts,
}

/// What the watching policy would have done, since it watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShadowCounts {
    pub calls: u64,
    /// It would have done something else.
    pub otherwise: u64,
    /// It would have refused, and the call was not.
    pub newly_refused: u64,
    /// It would have let through what was refused.
    pub newly_allowed: u64,
    /// It would have shown another label at last.
    pub relabelled: u64,
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
    /// Reads the book. The configuration's own policy is saved in it and made live when the book does not know it yet;
    /// else what was live when the gateway last ran is live again.
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
                book,
                loaded: BTreeMap::new(),
                lineup: Arc::new(Lineup::of(file.clone())),
                watch: None,
                shadow: ShadowCounts::default(),
            }),
        };
        let mut desk = policies.desk();
        if desk.book.called(file.revision()).is_none() {
            let reason = "the configuration names it";
            let save = Act::Save {
                revision: file.revision().into(),
                text: text.into(),
            };
            let number = policies.write(&mut desk, "file", reason, save);
            let activate = number.and_then(|number| {
                let act = Act::Activate { number, percent: 100 };
                policies.write(&mut desk, "file", reason, act)
            });
            match activate {
                Ok(_) => {}
                Err(Problem::Store(error)) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "the configuration's policy could not be written into the book")
                }
            }
        }
        if let Err(error) = policies.line_up(&mut desk) {
            tracing::error!(%error, policy = file.revision(), "the live policy of the book cannot be used; the configuration's is");
        }
        drop(desk);
        Ok(policies)
    }

    /// What the shards judge by now.
    pub fn lineup(&self) -> Arc<Lineup> {
        self.desk().lineup.clone()
    }

    pub fn book(&self) -> Book {
        self.desk().book.clone()
    }

    pub fn shadow_counts(&self) -> ShadowCounts {
        self.desk().shadow.clone()
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
        let (number, text) = {
            let desk = self.desk();
            let lineup = &desk.lineup;
            let at_hand = [Some(lineup.live()), lineup.shadow()];
            if let Some(policy) = at_hand
                .into_iter()
                .flatten()
                .find(|policy| policy.revision() == revision)
            {
                return Some(policy.clone());
            }
            let known = desk.book.called(revision)?;
            (known.number, known.text.clone())
        };
        self.loaded(number, &text).ok()
    }

    /// The policy of this number.
    ///
    /// # Errors
    ///
    /// No such revision, or it does not fit the configuration any more.
    pub fn numbered(&self, number: u64) -> Result<Arc<Policy>, Problem> {
        let text = self.desk().book.revision(number)?.text.clone();
        self.loaded(number, &text)
    }

    /// Keeps a text as a new revision that judges nobody yet.
    ///
    /// # Errors
    ///
    /// Its faults; nothing is kept then.
    pub fn save(&self, text: &str, by: &str, reason: &str) -> Result<u64, Problem> {
        let policy = self.check(text).map_err(Problem::Faults)?;
        let mut desk = self.desk();
        let act = Act::Save {
            revision: policy.revision().into(),
            text: text.into(),
        };
        self.write(&mut desk, by, reason, act)
    }

    /// Makes a revision live for a share of the callers, or proposes it when it refuses calls that the live one does
    /// not: then somebody else has to want the same.
    ///
    /// # Errors
    ///
    /// [`Problem`]; what was live stays live.
    pub fn activate(&self, number: u64, percent: u8, by: &str, reason: &str) -> Result<Done, Problem> {
        let policy = self.numbered(number)?;
        let mut desk = self.desk();
        let needs_two = !desk.lineup.live().new_refusals(&policy).is_empty();
        let act = desk.book.activate(number, percent, by, needs_two)?;
        self.carry_out(&mut desk, by, reason, act)
    }

    /// Agrees with what somebody else proposed.
    ///
    /// # Errors
    ///
    /// As [`Policies::activate`].
    pub fn approve(&self, number: u64, by: &str, reason: &str) -> Result<Done, Problem> {
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
        let mut desk = self.desk();
        let act = desk.book.roll_back()?;
        self.carry_out(&mut desk, by, reason, act)
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
        desk.shadow = ShadowCounts::default();
        self.carry_out(&mut desk, by, reason, Act::Shadow { number })
            .map(|_| ())
    }

    /// A call has ended: counts what the watching policy would have done, and holds refusals against the budget of the
    /// newest policy. Past it the gateway goes back to what was live before, by itself.
    pub fn note(self: &Arc<Self>, record: &CallRecord) {
        let Some(first) = record.decisions.first() else {
            return;
        };
        let decision = &first.decision;
        let is_refused = matches!(decision.action, Action::Refuse { .. });
        let mut desk = self.desk();
        if let Some(shadow) = &record.shadow
            && desk
                .lineup
                .shadow()
                .is_some_and(|policy| policy.revision() == shadow.policy)
        {
            let would_refuse = matches!(shadow.action, Action::Refuse { .. });
            let label = record.decisions.last().map(|last| last.decision.verdict.label);
            let counts = &mut desk.shadow;
            counts.calls += 1;
            counts.otherwise += u64::from(shadow.action != decision.action);
            counts.newly_refused += u64::from(would_refuse && !is_refused);
            counts.newly_allowed += u64::from(!would_refuse && is_refused);
            counts.relabelled += u64::from(label != Some(shadow.label));
        }
        let Some((revision, watch)) = desk
            .watch
            .as_mut()
            .filter(|(revision, _)| *revision == decision.policy)
        else {
            return;
        };
        let Some(Exceeded { calls, refused }) = watch.note(is_refused, record.started_ms) else {
            return;
        };
        let reason = format!("{revision} refused {refused} of {calls} calls: more than its budget");
        tracing::error!(reason, "the policy is taken back");
        metrics::counter!("ringward_policy_rollbacks_total").increment(1);
        desk.watch = None;
        drop(desk);
        // The recorder must not wait for the disk.
        let policies = Arc::clone(self);
        let thread = std::thread::Builder::new().name("policy-back".into());
        let started = thread.spawn(move || {
            if let Err(error) = policies.roll_back("gateway", &reason) {
                tracing::error!(%error, "the policy could not be taken back");
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread: the policy could not be taken back");
        }
    }

    fn carry_out(&self, desk: &mut Desk, by: &str, reason: &str, act: Act) -> Result<Done, Problem> {
        let done = if matches!(act, Act::Propose { .. }) {
            Done::Proposed
        } else {
            Done::Live
        };
        self.write(desk, by, reason, act)?;
        if done == Done::Live {
            self.line_up(desk)?;
            (self.tell)(desk.lineup.clone());
        }
        Ok(done)
    }

    /// Writes an entry, first on disk and then into the book. A number that somebody else took is read, and the asker
    /// asks again: what he saw has changed.
    fn write(&self, desk: &mut Desk, by: &str, reason: &str, act: Act) -> Result<u64, Problem> {
        let entry = Entry {
            at_ms: clock::now().unix_ms(),
            by: by.into(),
            reason: reason.into(),
            act,
        };
        let number = desk.book.last() + 1;
        let text = serde_json::to_string(&entry).unwrap_or_default();
        if !self.store.append(JOURNAL, number, &text)? {
            read_further(&*self.store, &mut desk.book)?;
            return Err(Problem::Raced);
        }
        desk.book.apply(number, &entry);
        let (what, about) = told(&desk.book, number, &entry.act);
        self.audit.write(entry.at_ms, by, what, &about, reason)?;
        Ok(number)
    }

    /// Loads what the book says and makes it the lineup.
    fn line_up(&self, desk: &mut Desk) -> Result<(), Problem> {
        let Some(live) = desk.book.live() else {
            return Ok(());
        };
        let load = |number: u64| -> Result<Arc<Policy>, Problem> {
            match desk.loaded.get(&number) {
                Some(policy) => Ok(policy.clone()),
                None => self.loaded(number, &desk.book.revision(number)?.text),
            }
        };
        let mut loaded = BTreeMap::from([(live, load(live)?)]);
        let mut lineup = Lineup::of(loaded[&live].clone());
        let mut watched = loaded[&live].clone();
        if let Some((number, percent)) = desk.book.rollout() {
            let policy = load(number)?;
            lineup = lineup.with_rollout(policy.clone(), percent);
            watched = policy.clone();
            loaded.insert(number, policy);
        }
        if let Some(number) = desk.book.shadow() {
            let policy = load(number)?;
            lineup = lineup.with_shadow(policy.clone());
            loaded.insert(number, policy);
        }
        let is_watched = desk
            .watch
            .as_ref()
            .is_some_and(|(revision, _)| revision == watched.revision());
        if !is_watched {
            let watch = watched.budget().map(Watch::new);
            desk.watch = watch.map(|watch| (watched.revision().to_string(), watch));
        }
        desk.loaded = loaded;
        desk.lineup = Arc::new(lineup);
        Ok(())
    }

    fn loaded(&self, number: u64, text: &str) -> Result<Arc<Policy>, Problem> {
        let policy = (self.check)(&format!("revision {number}"), text);
        policy.map(Arc::new).map_err(Problem::Faults)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // A panic elsewhere left a whole book: entries are applied at once.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
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
