//! Tells receivers what was done and which calls ended: each message until it is taken or given up, and kept in the store
//! meanwhile.
//!
//! One task looks what is new (the audit beyond the last entry it looked at, calls from the recorder) and writes down what has
//! changed, all of it in one transaction; one task for each receiver tells it, one message at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use metrics::{counter, gauge};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::{Notify, watch};

use super::clock;
use super::outgoing::{Ask, Outgoing, OutgoingError};
use crate::call::CallRecord;
use crate::store::{Store, StoreError, audit_page, audit_place};
use crate::webhook::limits::{
    ANSWER_OCTETS_MAX, CALLS_WAITING, LOOK_EVERY, REPORTED_KEPT, UNWRITTEN_MAX, UNWRITTEN_OCTETS_MAX,
};
use crate::webhook::{Change, Config, Event, Kind, Letter, Line, Next, Patience, Standing, signature};

const SHELF: &str = "webhooks";
/// The last entry of the audit that was looked at.
const POSITION: &str = "position";
/// The same with its hash: a store that has gone back has another entry there, or none.
const POSITION_HASH: &str = "position_hash";
/// How often what changed is written again when another process was first.
const WRITES_MAX: usize = 5;

/// They cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    #[error("[[webhook]] {name}: {source}")]
    Unusable { name: String, source: OutgoingError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All receivers; shared with the API and the recorder.
pub struct Webhooks {
    store: Arc<dyn Store>,
    /// Which of several gateways on one store this is; empty = the only one.
    node: String,
    hooks: Vec<Hook>,
    book: Mutex<Book>,
    ended: (Sender<Event>, Receiver<Event>),
    /// Calls that were not told because too many waited.
    untold: AtomicU64,
    /// The revision of the shelf, as far as is known. Held while it is written.
    writing: Mutex<u64>,
}

struct Hook {
    config: Config,
    outgoing: Outgoing,
    /// Something waits.
    wake: Notify,
}

/// What all tasks share. Held for moments.
struct Book {
    lines: Vec<Line>,
    position: u64,
    /// Of that entry; empty = not known.
    position_hash: String,
    tests: u64,
    /// Reports that were handed over since the start, the last one last.
    reported: Vec<String>,
    /// Changes that are not on the shelf yet.
    unwritten: BTreeMap<String, Option<String>>,
}

impl Book {
    fn note(&mut self, changes: Vec<Change>) {
        self.unwritten.extend(changes);
    }

    fn stand_at(&mut self, position: u64, hash: &str) {
        (self.position, self.position_hash) = (position, hash.into());
        self.note(vec![
            (POSITION.into(), Some(position.to_string())),
            (POSITION_HASH.into(), Some(format!("{position} {hash}"))),
        ]);
    }

    /// The store has been away for so long that no more is held.
    fn is_full(&self) -> bool {
        let octets = self.unwritten.values().flatten().map(String::len).sum::<usize>();
        self.unwritten.len() > UNWRITTEN_MAX || octets > UNWRITTEN_OCTETS_MAX
    }
}

impl Webhooks {
    /// Reads what waits. Who was never told anything is told from now on. Blocks.
    ///
    /// # Errors
    ///
    /// A receiver that cannot be asked by its configuration, and those of the store.
    pub fn open(
        configs: Vec<Config>,
        patience: Patience,
        store: Arc<dyn Store>,
    ) -> Result<Arc<Webhooks>, WebhooksError> {
        let shelf = store.shelf(SHELF)?;
        let known = |wanted: &str| {
            let mut documents = shelf.documents.iter();
            documents
                .find(|(key, _)| key == wanted)
                .map(|(_, text)| text.as_str())
        };
        let kept = known(POSITION).and_then(|text| text.parse().ok());
        let position = match kept {
            // Nobody is told anything, and whoever is told something later is told what is done from then on.
            _ if configs.is_empty() => 0,
            Some(position) => position,
            // Nobody is told what was before he was there.
            None => end_of_audit(&*store)?,
        };
        if configs.is_empty() && known(POSITION).is_some() {
            let gone = [POSITION, POSITION_HASH].map(|key| (key.to_string(), None));
            store.reshelve(SHELF, shelf.revision + 1, gone.into())?;
        }
        let hash = known(POSITION_HASH).and_then(|text| text.split_once(' '));
        let hash = hash.filter(|(number, _)| *number == position.to_string());
        let mut hooks = Vec::new();
        let mut lines = Vec::new();
        for config in configs {
            let outgoing = Outgoing::new(&config.allow, &config.anchors, patience.answer, ANSWER_OCTETS_MAX);
            let outgoing = outgoing.map_err(|source| WebhooksError::Unusable {
                name: config.name.clone(),
                source,
            })?;
            lines.push(Line::new(&config.name, patience, &shelf.documents));
            hooks.push(Hook {
                config,
                outgoing,
                wake: Notify::new(),
            });
        }
        let mut book = Book {
            lines,
            position,
            position_hash: String::new(),
            tests: 0,
            reported: Vec::new(),
            unwritten: BTreeMap::new(),
        };
        if !hooks.is_empty() {
            book.stand_at(position, hash.map_or("", |(_, hash)| hash));
        }
        let neighbours = store.neighbours();
        let node = neighbours
            .as_ref()
            .map_or_else(String::new, |ours| ours.node().to_string());
        Ok(Arc::new(Webhooks {
            store,
            node,
            hooks,
            book: Mutex::new(book),
            ended: bounded(CALLS_WAITING),
            untold: AtomicU64::new(0),
            writing: Mutex::new(shelf.revision),
        }))
    }

    /// Begins to tell, on the runtime that this is called in, until `stopping` says true.
    pub fn start(self: &Arc<Self>, stopping: &watch::Receiver<bool>) {
        if self.hooks.is_empty() {
            return;
        }
        tokio::spawn(Arc::clone(self).look(stopping.clone()));
        for place in 0..self.hooks.len() {
            tokio::spawn(Arc::clone(self).tell(place, stopping.clone()));
        }
    }

    /// A call has ended. Never waits.
    pub fn ended(&self, record: &CallRecord) {
        let mut hooks = self.hooks.iter();
        if !hooks.any(|hook| hook.config.wants(Kind::CallAlert) || hook.config.wants(Kind::CallEnded)) {
            return;
        }
        if self.ended.0.try_send(Event::of_call(record)).is_err() {
            self.untold.fetch_add(1, Ordering::Relaxed);
            counter!("ringward_webhook_calls_untold_total").increment(1);
        }
    }

    /// Something is unusual. Never waits; an alarm that has no room is not told, and is in the list all the same.
    pub fn alarm(&self, number: u64, at_ms: u64, data: serde_json::Value) {
        let mut hooks = self.hooks.iter();
        if !hooks.any(|hook| hook.config.wants(Kind::Alarm)) {
            return;
        }
        let event = Event::of_alarm(number, at_ms, &self.node, data);
        if self.ended.0.try_send(event).is_err() {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Configuration and standing of each, in the order of the configuration.
    pub fn standings(&self) -> Vec<(&Config, Standing)> {
        let book = self.book();
        let lines = book.lines.iter().map(Line::standing);
        self.hooks.iter().map(|hook| &hook.config).zip(lines).collect()
    }

    /// Calls that were not told because too many waited.
    pub fn untold(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }

    /// Dead messages of a receiver, oldest first; None = there is no such receiver.
    pub fn dead(&self, name: &str) -> Option<Vec<Letter>> {
        let place = self.place(name)?;
        Some(self.book().lines[place].dead().cloned().collect())
    }

    /// Has dead messages tried again: this one, or all (None). How many; None = no such receiver, or no such dead message.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: they are tried again all the same, and a restart forgets that they were to be.
    pub fn again(&self, name: &str, id: Option<&str>) -> Result<Option<usize>, StoreError> {
        self.change(name, |line, now_ms| line.again(id, now_ms))
    }

    /// Forgets dead messages: this one, or all (None). As [`Webhooks::again`].
    ///
    /// # Errors
    ///
    /// As [`Webhooks::again`].
    pub fn forget(&self, name: &str, id: Option<&str>) -> Result<Option<usize>, StoreError> {
        self.change(name, |line, _| line.forget(id))
    }

    /// Sends a receiver a message that says who wanted it. Its id; None = there is no such receiver. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Webhooks::again`].
    pub fn test(&self, name: &str, by: &str) -> Result<Option<String>, StoreError> {
        let Some(place) = self.place(name) else {
            return Ok(None);
        };
        let id = {
            let mut book = self.book();
            book.tests += 1;
            let now_ms = clock::now().unix_ms();
            let event = Event::test(book.tests, by, now_ms);
            let changes = book.lines[place].put(&event, now_ms);
            book.note(changes);
            event.id
        };
        self.hooks[place].wake.notify_one();
        self.write()?;
        Ok(Some(id))
    }

    /// Hands a report to a receiver, once however often it is asked for. False = there is no such receiver, or it has it already.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: it is told all the same, and whether a restart knows that is not certain. Asked again it is only
    /// written.
    pub fn report(&self, name: &str, event: &Event) -> Result<bool, StoreError> {
        let Some(place) = self.place(name) else {
            return Ok(false);
        };
        let is_new = {
            let mut book = self.book();
            let is_known = book.reported.contains(&event.id) || book.lines[place].has(&event.id);
            if !is_known {
                let changes = book.lines[place].put(event, clock::now().unix_ms());
                book.note(changes);
                if book.reported.len() >= REPORTED_KEPT {
                    book.reported.remove(0);
                }
                book.reported.push(event.id.clone());
            }
            !is_known
        };
        let written = self.write();
        self.hooks[place].wake.notify_one();
        written.map(|()| is_new)
    }

    fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Line, u64) -> Option<(usize, Vec<Change>)>,
    ) -> Result<Option<usize>, StoreError> {
        let Some(place) = self.place(name) else {
            return Ok(None);
        };
        let count = {
            let mut book = self.book();
            let Some((count, changes)) = change(&mut book.lines[place], clock::now().unix_ms()) else {
                return Ok(None);
            };
            book.note(changes);
            count
        };
        self.hooks[place].wake.notify_one();
        self.write()?;
        Ok(Some(count))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.hooks.iter().position(|hook| hook.config.name == name)
    }

    async fn look(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        loop {
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || this.look_once()).await;
            match looked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what webhooks are to tell could not be read or written")
                }
                Err(error) => tracing::error!(%error, "looking for what webhooks are to tell"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stopping.wait_for(|stopping| *stopping) => break,
            }
        }
        let last = tokio::task::spawn_blocking(move || self.write()).await;
        if let Ok(Err(error)) = last {
            tracing::warn!(%error, "what webhooks were told last could not be written: some are told twice");
        }
    }

    /// Everything that is new becomes messages, and what has changed is written.
    fn look_once(&self) -> Result<(), StoreError> {
        self.look_back()?;
        loop {
            if self.book().is_full() {
                break;
            }
            let position = self.book().position;
            let (entries, next) = audit_page(&*self.store, position)?;
            let last = entries.last().map(|entry| (entry.number, entry.hash.clone()));
            let told = entries.iter().map(|entry| Event::of_entry(entry, &self.node));
            let mut events: Vec<Event> = told.collect();
            events.extend(self.ended.1.try_iter().take(CALLS_WAITING));
            // The last of a page may be one that cannot be read.
            let unread = next.filter(|next| last.as_ref().is_none_or(|(number, _)| number < next));
            if let Some((number, hash)) = unread.map(|next| (next, String::new())).or(last) {
                self.book().stand_at(number, &hash);
            }
            self.put(&events);
            if next.is_none() {
                break;
            }
        }
        self.measure();
        self.write()
    }

    /// A store that lost what it had taken last ends before what was told: what is written in its place since is told too.
    fn look_back(&self) -> Result<(), StoreError> {
        let (position, hash) = {
            let book = self.book();
            (book.position, book.position_hash.clone())
        };
        let place = audit_place(&*self.store, position, &hash)?;
        if place != position {
            tracing::warn!(
                told = position,
                from = place,
                "the store has lost audit entries that webhooks had told; what came in their place is told"
            );
            self.book().stand_at(place, "");
        }
        Ok(())
    }

    fn put(&self, events: &[Event]) {
        let now_ms = clock::now().unix_ms();
        for (place, hook) in self.hooks.iter().enumerate() {
            let wanted: Vec<&Event> = events
                .iter()
                .filter(|event| hook.config.wants(event.kind))
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let mut book = self.book();
            for event in wanted {
                let changes = book.lines[place].put(event, now_ms);
                book.note(changes);
            }
            drop(book);
            hook.wake.notify_one();
        }
    }

    /// Puts on the shelf what is not there yet. What cannot be written stays to be written.
    fn write(&self) -> Result<(), StoreError> {
        let mut revision = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = std::mem::take(&mut self.book().unwritten);
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.reshelve(&mut revision, changes.clone().into_iter().collect());
        if written.is_err() {
            let mut book = self.book();
            for (key, text) in changes {
                // What has changed again meanwhile is newer.
                book.unwritten.entry(key).or_insert(text);
            }
        }
        written
    }

    fn reshelve(&self, revision: &mut u64, changes: Vec<Change>) -> Result<(), StoreError> {
        for _ in 0..WRITES_MAX {
            if self.store.reshelve(SHELF, *revision + 1, changes.clone())? {
                *revision += 1;
                return Ok(());
            }
            // Another process has looked after them, one that is ending: receivers know what is told twice by its id.
            *revision = self.store.shelf(SHELF)?.revision;
        }
        Err(StoreError::Busy {
            url: "webhooks".into(),
            action: "writing messages",
        })
    }

    async fn tell(self: Arc<Self>, place: usize, mut stopping: watch::Receiver<bool>) {
        let hook = &self.hooks[place];
        loop {
            let next = self.book().lines[place].next(clock::now().unix_ms());
            let wait_ms = match next {
                Next::Try(number, letter) => {
                    let told = tokio::select! {
                        told = post(hook, &letter) => told,
                        _ = stopping.wait_for(|stopping| *stopping) => return,
                    };
                    self.told(place, number, told);
                    continue;
                }
                Next::Wait(wait_ms) => Some(wait_ms),
                Next::Idle => None,
            };
            let waited = async {
                match wait_ms {
                    Some(wait_ms) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = waited => {}
                () = hook.wake.notified() => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    fn told(&self, place: usize, number: u64, told: Result<(), String>) {
        let now_ms = clock::now().unix_ms();
        let mut book = self.book();
        let line = &mut book.lines[place];
        let changes = match &told {
            Ok(()) => line.taken(number, now_ms),
            Err(problem) => line.failed(number, problem, now_ms),
        };
        book.note(changes);
        drop(book);
        let result = if told.is_ok() { "taken" } else { "failed" };
        counter!("ringward_webhook_tries_total", "result" => result).increment(1);
        if let Err(problem) = told {
            let webhook = &self.hooks[place].config.name;
            tracing::warn!(webhook, problem, "a webhook did not take a message");
        }
    }

    fn measure(&self) {
        let book = self.book();
        let (mut waiting, mut dead) = (0, 0);
        for standing in book.lines.iter().map(Line::standing) {
            waiting += standing.waiting;
            dead += standing.dead;
        }
        gauge!("ringward_webhook_waiting").set(waiting as f64);
        gauge!("ringward_webhook_dead").set(dead as f64);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn post(hook: &Hook, letter: &Letter) -> Result<(), String> {
    let seconds = clock::now().unix_ms() / 1_000;
    let body = letter.body();
    let signed = signature(&hook.config.secret, &letter.id, seconds, &body);
    let header =
        |text: String| HeaderValue::try_from(text).map_err(|_| "a header that cannot be sent".to_string());
    let headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("webhook-id"), header(letter.id.clone())?),
        (
            HeaderName::from_static("webhook-timestamp"),
            header(seconds.to_string())?,
        ),
        (HeaderName::from_static("webhook-signature"), header(signed)?),
    ];
    let ask = Ask {
        method: reqwest::Method::POST,
        url: &hook.config.url,
        headers,
        body: body.into_bytes(),
    };
    match hook.outgoing.ask(ask).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) if (300..400).contains(&answer.status) => Err(format!(
            "answered {}: redirections are not followed",
            answer.status
        )),
        Ok(answer) => Err(format!("answered {}", answer.status)),
        Err(failure) => Err(failure.to_string()),
    }
}

fn end_of_audit(store: &dyn Store) -> Result<u64, StoreError> {
    let mut last = 0;
    loop {
        let (entries, next) = audit_page(store, last)?;
        last = entries
            .last()
            .map_or(last, |entry| entry.number)
            .max(next.unwrap_or(0));
        if next.is_none() {
            return Ok(last);
        }
    }
}
