//! Feeds the alarms with ended calls and failed sign-ins, keeps them in the store, and tells whoever is to be told.
//!
//! Nothing waits for it: what comes is put into a bounded inbox, and looked at once a second on a thread that may wait.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::json;

use super::clock;
use super::limits::{ALARMS_LOOKED_AT, ALARMS_WAITING, OUTSIDE_COUNTED};
use crate::alarm::{Alarm, Engine, Input, Kept, Output, Rules, Seen, State, cef, ocsf};
use crate::call::{CallRecord, Counter};
use crate::call_id::CallId;
use crate::store::{Store, StoreError};

const SHELF: &str = "alarms";
/// Before the name of each thing of which it is known what is usual.
const USUAL: &str = "usual ";
/// How often what has changed is written again when another process was first.
const WRITES_MAX: usize = 5;

/// Where alarms are sent beside the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syslog {
    pub to: SocketAddr,
    pub is_ocsf: bool,
}

/// Is told of every alarm, once.
pub type Tell = dyn Fn(&Alarm) + Send + Sync;

/// What strangers do at the door, between the shards that see it and the alarms. Counted, never waited for: however many they
/// are, the inbox of the alarms is not theirs to fill.
#[derive(Debug, Default)]
pub struct Strangers {
    scanned: AtomicU64,
    guessed: AtomicU64,
}

impl Strangers {
    /// As far as this is something that a stranger did.
    pub fn note(&self, counter: Counter) {
        match counter {
            Counter::UnknownSource | Counter::Scanned => self.scanned.fetch_add(1, Ordering::Relaxed),
            Counter::ProofWrong => self.guessed.fetch_add(1, Ordering::Relaxed),
            _ => return,
        };
    }

    /// What came since this was asked last.
    fn take(&self) -> [Input; 2] {
        [
            Input::Scanned(self.scanned.swap(0, Ordering::Relaxed)),
            Input::Guessed(self.guessed.swap(0, Ordering::Relaxed)),
        ]
    }
}

pub struct Alarms {
    strangers: Arc<Strangers>,
    store: Arc<dyn Store>,
    inbox: (Sender<Input>, Receiver<Input>),
    /// Held for moments.
    engine: Mutex<Engine>,
    /// How often calls that go on led outside, as far as that was counted.
    outside: Mutex<BTreeMap<CallId, usize>>,
    /// Documents that are not on the shelf yet.
    unwritten: Mutex<BTreeMap<String, Option<String>>>,
    /// The shelf's revision, as far as is known. Held while it is written.
    writing: Mutex<u64>,
    syslog: Option<(UdpSocket, Syslog)>,
    tell: Box<Tell>,
}

impl Alarms {
    /// Reads what is usual and which alarms there are. What of it cannot be read is begun anew, and the log says so. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store. Without a socket nothing is sent to syslog, and the log says so.
    pub fn open(
        store: Arc<dyn Store>,
        rules: Rules,
        home: Option<&str>,
        syslog: Option<Syslog>,
        tell: Box<Tell>,
    ) -> Result<Alarms, StoreError> {
        let shelf = store.shelf(SHELF)?;
        let (mut kept, mut alarms) = (Kept::default(), Vec::new());
        for (key, text) in &shelf.documents {
            let read = match key.strip_prefix(USUAL) {
                Some(thing) => kept.read(thing, text),
                None => serde_json::from_str::<Alarm>(text).map(|alarm| alarms.push(alarm)),
            };
            if let Err(error) = read {
                tracing::warn!(%error, key, "what is kept of alarms cannot be read, and is begun anew");
            }
        }
        let syslog = syslog.and_then(|syslog| {
            let from: SocketAddr = match syslog.to {
                SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
                SocketAddr::V6(_) => ([0u16; 8], 0).into(),
            };
            let socket = UdpSocket::bind(from).and_then(|socket| {
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            let socket = socket.inspect_err(|error| tracing::error!(%error, "no alarms are sent to syslog"));
            Some((socket.ok()?, syslog))
        });
        Ok(Alarms {
            strangers: Arc::default(),
            inbox: bounded(ALARMS_WAITING),
            engine: Mutex::new(Engine::new(rules, home, kept, alarms)),
            outside: Mutex::default(),
            unwritten: Mutex::default(),
            writing: Mutex::new(shelf.revision),
            store,
            syslog,
            tell,
        })
    }

    /// A call has ended. Never waits; a call that has no room is not counted.
    pub fn ended(&self, record: &CallRecord) {
        if let Some(seen) = Seen::of(record) {
            self.put(Input::Call(Box::new(seen)));
        }
        let counted = self.outside().remove(&record.id).unwrap_or(0);
        self.count_outside(record, counted);
    }

    /// A call goes on. Calls to the outside are counted as they begin: one that lasts for hours costs as long. Never waits.
    pub fn lasts(&self, record: &CallRecord) {
        let so_far = Seen::outside(record);
        if so_far == 0 {
            return;
        }
        let counted = {
            let mut outside = self.outside();
            let is_full = outside.len() >= OUTSIDE_COUNTED;
            match outside.entry(record.id) {
                Entry::Vacant(_) if is_full => return,
                Entry::Vacant(entry) => {
                    entry.insert(so_far);
                    0
                }
                Entry::Occupied(mut entry) => {
                    let most = so_far.max(*entry.get());
                    entry.insert(most)
                }
            }
        };
        self.count_outside(record, counted);
    }

    fn count_outside(&self, record: &CallRecord, counted: usize) {
        for _ in counted..Seen::outside(record) {
            self.put(Input::Outside(record.id));
        }
    }

    fn outside(&self) -> MutexGuard<'_, BTreeMap<CallId, usize>> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the shards note what strangers do.
    pub fn strangers(&self) -> Arc<Strangers> {
        self.strangers.clone()
    }

    /// Somebody showed a wrong password, code or token. Never waits.
    pub fn sign_in_failed(&self) {
        self.put(Input::SignInFailed);
    }

    fn put(&self, input: Input) {
        if self.inbox.0.try_send(input).is_err() {
            metrics::counter!("ringward_alarms_uncounted_total").increment(1);
        }
    }

    /// The newest first.
    pub fn all(&self) -> Vec<Alarm> {
        self.engine().alarms().cloned().collect()
    }

    /// Somebody takes an alarm. None = there is none of this number, or it is over or taken already. Where the
    /// store is away it is taken all the same, and written the next time: a restart before that forgets by whom. Blocks.
    pub fn acknowledge(&self, number: u64, by: &str, note: &str) -> Option<Alarm> {
        let taken = {
            let mut engine = self.engine();
            let taken = engine.acknowledge(number, by, note, clock::now().unix_ms());
            self.carry_out(&mut engine);
            taken
        };
        if let Err(error) = self.write() {
            tracing::warn!(%error, alarm = number, "who took an alarm could not be written; it is tried again");
        }
        taken
    }

    /// For `/api/v1/status`.
    pub fn status(&self) -> serde_json::Value {
        let engine = self.engine();
        let lasting = || {
            engine
                .alarms()
                .filter(|alarm| !matches!(alarm.state, State::Over { .. }))
        };
        let open = || lasting().filter(|alarm| alarm.state == State::Open);
        json!({
            "lasting": lasting().count(),
            "open": open().count(),
            "worst": open().map(|alarm| alarm.severity).max().map(|worst| worst.name()),
        })
    }

    /// Everything that waits is looked at, and what came of it is told and written. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: it is written the next time.
    pub fn look(&self) -> Result<(), StoreError> {
        let inputs = self.inbox.1.try_iter().take(ALARMS_WAITING);
        // What is looked at together came in one moment.
        let now_ms = clock::now().unix_ms();
        for input in inputs.chain(self.strangers.take()).chain([Input::Tick]) {
            let mut engine = self.engine();
            engine.handle(input, now_ms);
            self.carry_out(&mut engine);
        }
        let is_open = |alarm: &&Alarm| alarm.state == State::Open;
        let open = self.engine().alarms().filter(is_open).count();
        metrics::gauge!("ringward_alarms_open").set(open as f64);
        self.write()
    }

    /// Looks again and again. For ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            let alarms = self.clone();
            match tokio::task::spawn_blocking(move || alarms.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "alarms could not be written; it is tried again"),
                Err(error) => tracing::error!(%error, "looking for alarms ended"),
            }
            tokio::time::sleep(ALARMS_LOOKED_AT).await;
        }
    }

    fn carry_out(&self, engine: &mut Engine) {
        // Our own plain data always has a JSON form.
        let note = |key: String, text: Option<String>| {
            let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            unwritten.insert(key, text);
        };
        loop {
            match engine.poll_output() {
                Output::Tell(alarm) => self.tell(&alarm),
                Output::Changed(alarm) => note(key(alarm.number), serde_json::to_string(&alarm).ok()),
                Output::Forgotten(number) => note(key(number), None),
                Output::Unlearned(thing) => note(format!("{USUAL}{thing}"), None),
                Output::Learned => {
                    let texts = engine.kept().texts();
                    texts.for_each(|(thing, text)| note(format!("{USUAL}{thing}"), text));
                }
                Output::Nothing => return,
            }
        }
    }

    fn tell(&self, alarm: &Alarm) {
        tracing::warn!(
            alarm = alarm.number,
            rule = alarm.rule,
            severity = alarm.severity.name(),
            "{}",
            alarm.words
        );
        metrics::counter!("ringward_alarms_total", "watch" => alarm.watch.name()).increment(1);
        (self.tell)(alarm);
        if let Some((socket, syslog)) = &self.syslog {
            let text = message(alarm, syslog.is_ocsf);
            if let Err(error) = socket.send_to(text.as_bytes(), syslog.to) {
                tracing::warn!(%error, alarm = alarm.number, "an alarm was not sent to syslog");
            }
        }
    }

    fn write(&self) -> Result<(), StoreError> {
        let mut revision = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.reshelve(&mut revision, changes.clone().into_iter().collect());
        if written.is_err() {
            let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, text) in changes {
                // What has changed again meanwhile is newer.
                unwritten.entry(key).or_insert(text);
            }
        }
        written
    }

    fn reshelve(&self, revision: &mut u64, changes: Vec<(String, Option<String>)>) -> Result<(), StoreError> {
        for _ in 0..WRITES_MAX {
            if self.store.reshelve(SHELF, *revision + 1, changes.clone())? {
                *revision += 1;
                return Ok(());
            }
            *revision = self.store.shelf(SHELF)?.revision;
        }
        Err(StoreError::Busy {
            url: SHELF.into(),
            action: "writing alarms",
        })
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(number: u64) -> String {
    format!("{number:010}")
}

/// RFC 5424: facility 13 (log audit), severity by the alarm's, no structured data.
fn message(alarm: &Alarm, is_ocsf: bool) -> String {
    let severity = match alarm.severity.name() {
        "critical" => 2,
        "high" => 3,
        "medium" => 4,
        _ => 5,
    };
    let version = env!("CARGO_PKG_VERSION");
    let line = match is_ocsf {
        true => ocsf(alarm, version).to_string(),
        false => cef(alarm, version),
    };
    let at = jiff::Timestamp::from_millisecond(i64::try_from(alarm.raised_ms).unwrap_or(0));
    let at = at.map_or_else(|_| "-".to_string(), |at| at.to_string());
    format!("<{}>1 {at} - ringward - alarm - {line}", 13 * 8 + severity)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::call::record::Direction;

    #[test]
    fn an_alarm_is_told_once_sent_to_syslog_kept_over_a_restart_and_taken_by_one() {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let syslog = Syslog {
            to: receiver.local_addr().unwrap(),
            is_ocsf: false,
        };
        let told: Arc<Mutex<Vec<u64>>> = Arc::default();
        let open = || {
            let told = told.clone();
            let tell = Box::new(move |alarm: &Alarm| told.lock().unwrap().push(alarm.number));
            Alarms::open(store.clone(), Rules::shipped(), Some("1"), Some(syslog), tell).unwrap()
        };
        let alarms = open();
        for _ in 0..50 {
            alarms.sign_in_failed();
        }
        alarms.look().unwrap();
        assert_eq!(*told.lock().unwrap(), [1]);
        let mut octets = [0; 4096];
        let length = receiver.recv(&mut octets).unwrap();
        let line = String::from_utf8_lossy(&octets[..length]).into_owned();
        assert!(
            line.starts_with("<107>1 2") && line.contains(" - ringward - alarm - CEF:0|Ringward|gateway|"),
            "{line}"
        );
        assert_eq!(alarms.status()["worst"], "high");

        let again = open();
        assert_eq!(again.all().len(), 1, "it is kept");
        let taken = again.acknowledge(1, "ann", "mine").unwrap();
        assert!(matches!(taken.state, State::Acknowledged { .. }));
        assert_eq!(again.acknowledge(1, "bob", "mine"), None);
        assert_eq!(again.acknowledge(2, "bob", "mine"), None);
        again.sign_in_failed();
        again.look().unwrap();
        assert_eq!(*told.lock().unwrap(), [1], "once");
        assert_eq!(open().all(), again.all());
    }

    #[test]
    fn a_call_to_the_outside_is_counted_as_it_begins_and_once() {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let alarms = Alarms::open(store, Rules::shipped(), Some("1"), None, Box::new(|_| ())).unwrap();
        let counted = || {
            alarms
                .inbox
                .1
                .try_iter()
                .filter(|input| matches!(input, Input::Outside(_)))
                .count()
        };
        let mut record = CallRecord::arriving(CallId(1), &crate::screening::sample::signed(), None, None);
        record.called = crate::redact::Redacted::new("+14045550123".to_string());
        record.direction = Direction::Inbound;
        alarms.lasts(&record);
        assert_eq!(counted(), 0, "a call from outside");
        record.direction = Direction::Outbound;
        alarms.lasts(&record);
        alarms.lasts(&record);
        assert_eq!(counted(), 1, "it begins");
        alarms.ended(&record);
        assert_eq!(counted(), 0, "and is over");
        assert!(alarms.outside().is_empty());
        alarms.ended(&record);
        assert_eq!(counted(), 1, "of one that nobody saw begin");
    }

    #[test]
    fn a_flood_of_guesses_at_the_door_is_one_alarm_and_takes_no_room_from_calls() {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let alarms = Alarms::open(store, Rules::shipped(), Some("1"), None, Box::new(|_| ())).unwrap();
        let strangers = alarms.strangers();
        for _ in 0..50_000 {
            strangers.note(Counter::ProofWrong);
            strangers.note(Counter::UnknownSource);
            strangers.note(Counter::CallEnded);
        }
        assert!(alarms.inbox.1.is_empty());
        alarms.look().unwrap();
        let all = alarms.all();
        // What is usual of scans is not known on the first day.
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(
            (all[0].rule.as_str(), all[0].count),
            ("guessed-passwords", 50_000)
        );
        alarms.look().unwrap();
        assert_eq!(alarms.all()[0].count, 50_000, "each is counted once");
    }

    #[test]
    fn what_is_usual_of_many_weeks_is_kept_over_a_restart() {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let open =
            || Alarms::open(store.clone(), Rules::shipped(), Some("1"), None, Box::new(|_| ())).unwrap();
        let alarms = open();
        for five_minutes in 0..5 * 168 * 12u64 {
            let mut engine = alarms.engine();
            engine.handle(Input::Tick, 1_767_571_200_000 + five_minutes * 300_000);
            for _ in 0..five_minutes % 13 % 3 {
                engine.handle(Input::SignInFailed, 1_767_571_200_000 + five_minutes * 300_000);
            }
            alarms.carry_out(&mut engine);
        }
        alarms.write().unwrap();
        let texts = |alarms: &Alarms| -> Vec<_> {
            let engine = alarms.engine();
            let texts = engine.kept().texts();
            texts.map(|(thing, text)| (thing.to_string(), text)).collect()
        };
        assert!(texts(&alarms).len() >= 5);
        assert_eq!(texts(&open()), texts(&alarms));
    }
}
