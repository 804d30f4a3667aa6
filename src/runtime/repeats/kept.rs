//! Recordings of earlier calls between memory and the store: written behind the calls, read again at a start, erased.
//!
//! What is known of each lies on one shelf, its landmarks on one of [`LANDMARKS`]: of 8,192 recordings in a row each, so that a
//! start reads them piece by piece in the order in which they were kept. All of it is this gateway's own, also on a Redis that
//! others use; the secret of the pseudonyms is the store's, and so are the erasures that other processes ask for.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::{hmac, rand};

use crate::recordings::limits::RETENTION;
use crate::recordings::{Landmark, Recording, Standing, Unwritten, landmarks_of, landmarks_text};
use crate::store::{CLEAR_REMAINS, Store, StoreError, Write, hexadecimal};

/// A document for each recording by its number, and [`LAST`].
const STANDINGS: &str = "recordings";

/// The document that says the last number that was given.
const LAST: &str = "last";

/// The document that says which of [`ERASED`] are done here, where several gateways share a store: who calls again after an
/// erasure is a caller again, also over a restart.
const DONE: &str = "erased";

/// Shelves of landmarks, each for so many recordings in a row and then again.
const LANDMARKS: [&str; 32] = [
    "landmarks-00",
    "landmarks-01",
    "landmarks-02",
    "landmarks-03",
    "landmarks-04",
    "landmarks-05",
    "landmarks-06",
    "landmarks-07",
    "landmarks-08",
    "landmarks-09",
    "landmarks-10",
    "landmarks-11",
    "landmarks-12",
    "landmarks-13",
    "landmarks-14",
    "landmarks-15",
    "landmarks-16",
    "landmarks-17",
    "landmarks-18",
    "landmarks-19",
    "landmarks-20",
    "landmarks-21",
    "landmarks-22",
    "landmarks-23",
    "landmarks-24",
    "landmarks-25",
    "landmarks-26",
    "landmarks-27",
    "landmarks-28",
    "landmarks-29",
    "landmarks-30",
    "landmarks-31",
];
const IN_A_ROW: u32 = 8192;

/// Pseudonyms of callers that other processes on this store erased, and when (Unix ms): for gateways that know them still.
const ERASED: &str = "recordings_erased";

/// The secret of the pseudonyms, hexadecimal.
const SECRET: &str = "recordings_secret";

/// Documents that are taken away in one transaction where none are to be remembered any more.
const CLEARED_AT_ONCE: usize = 10_000;

/// How often it is tried again when another process was first.
const TRIES: usize = 5;

/// By what callers are known: nobody without the store's secret makes the same of a number.
#[derive(Clone)]
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// With the store's secret; None = it has none yet.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn known(store: &dyn Store) -> Result<Option<Pseudonyms>, StoreError> {
        let shelf = store.shelf(SECRET)?;
        Ok(shelf.documents.first().map(|(_, secret)| Pseudonyms::of(secret)))
    }

    /// The same; where it has none it gets one.
    ///
    /// # Errors
    ///
    /// Those of the store, and when the system has no randomness to give.
    pub fn open(store: &dyn Store) -> Result<Pseudonyms, StoreError> {
        for _ in 0..TRIES {
            if let Some(known) = Pseudonyms::known(store)? {
                return Ok(known);
            }
            let mut octets = [0; 32];
            rand::fill(&mut octets).map_err(|_| busy("taking a secret for pseudonyms"))?;
            let document = ("secret".to_string(), Some(hexadecimal(&octets)));
            // Somebody else may have been first: then his is the one.
            store.reshelve(SECRET, store.shelf(SECRET)?.revision + 1, vec![document])?;
        }
        Err(busy("making a secret for pseudonyms"))
    }

    fn of(secret: &str) -> Pseudonyms {
        Pseudonyms(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// Eight octets of HMAC-SHA256: enough to tell callers apart. Whoever hides the number is one caller.
    pub fn caller(&self, number: Option<&str>) -> u64 {
        let tag = hmac::sign(&self.0, number.unwrap_or_default().as_bytes());
        let first = tag.as_ref().first_chunk();
        u64::from_be_bytes(first.copied().unwrap_or_default())
    }
}

/// Which state of each shelf was written or read last.
#[derive(Default)]
pub(super) struct Shelves {
    revisions: BTreeMap<&'static str, u64>,
    last: u32,
    done: Vec<(u64, u64)>,
}

/// What lies there, as it is read: the recordings in the order in which they were kept.
pub(super) struct Reading {
    pub last: u32,
    /// Erasures that were told on this store and are done here.
    pub done: Vec<(u64, u64)>,
    standings: BTreeMap<u32, Standing>,
    places: Vec<&'static str>,
    /// Allowed and taken back: their time began later than their number says.
    late: BTreeMap<u32, Vec<Landmark>>,
}

/// A recording as it lay there. Without landmarks it is none.
pub(super) type Read = (Recording, Standing, Vec<Landmark>);

impl Shelves {
    /// Begins to read: what is known of each, without landmarks.
    ///
    /// # Errors
    ///
    /// Those of the store. A document that cannot be read is taken away, and the log says which.
    pub fn begin(&mut self, store: &dyn Store) -> Result<Reading, StoreError> {
        let shelf = store.shelf(STANDINGS)?;
        self.revisions.insert(STANDINGS, shelf.revision);
        let (mut last, mut standings, mut bad) = (0, BTreeMap::new(), Vec::new());
        let mut done = Vec::new();
        for (key, text) in shelf.documents {
            let number = key.parse().ok().filter(|number| *number > 0);
            match (number, Standing::of(&text)) {
                _ if key == LAST => last = text.parse().unwrap_or(0),
                _ if key == DONE => done = text.split(' ').filter_map(one_done).collect(),
                (Some(number), Some(standing)) => _ = standings.insert(number, standing),
                _ => bad.push(key),
            }
        }
        self.take_away(store, STANDINGS, bad)?;
        self.last = last;
        self.done.clone_from(&done);
        let mut places: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (number, standing) in &standings {
            let first = places.entry(place_of(*number)).or_insert(u64::MAX);
            *first = (*first).min(standing.kept_ms);
        }
        let mut order: Vec<&'static str> = LANDMARKS.to_vec();
        order.sort_by_key(|place| places.get(place).copied().unwrap_or(u64::MAX));
        order.reverse();
        Ok(Reading {
            last,
            done,
            standings,
            places: order,
            late: BTreeMap::new(),
        })
    }

    /// The next ones, or None at the end.
    ///
    /// # Errors
    ///
    /// As [`Shelves::begin`].
    pub fn read_on(
        &mut self,
        store: &dyn Store,
        reading: &mut Reading,
    ) -> Result<Option<Vec<Read>>, StoreError> {
        let Some(place) = reading.places.pop() else {
            let late = std::mem::take(&mut reading.late).into_iter();
            let mut last: Vec<Read> = late
                .filter_map(|(number, marks)| reading.take(number, marks))
                .collect();
            // Of these no landmarks were found: they are none.
            let rest = std::mem::take(&mut reading.standings).into_iter();
            last.extend(
                rest.filter_map(|(number, standing)| {
                    Some((Recording::numbered(number)?, standing, Vec::new()))
                }),
            );
            last.sort_by_key(|(recording, standing, _)| (standing.kept_ms, *recording));
            return Ok((!last.is_empty()).then_some(last));
        };
        let shelf = store.shelf(place)?;
        self.revisions.insert(place, shelf.revision);
        let (mut found, mut bad) = (Vec::new(), Vec::new());
        for (key, text) in shelf.documents {
            let number = key
                .parse()
                .ok()
                .filter(|number| reading.standings.contains_key(number));
            let (Some(number), Some(marks)) = (number, landmarks_of(&text)) else {
                bad.push(key);
                continue;
            };
            if reading.standings.get(&number).is_some_and(is_late) {
                reading.late.insert(number, marks);
            } else {
                found.extend(reading.take(number, marks));
            }
        }
        self.take_away(store, place, bad)?;
        found.sort_by_key(|(recording, standing, _)| (standing.kept_ms, *recording));
        Ok(Some(found))
    }

    /// Writes these, all or none. False = another process changed a shelf: where it stands now is known then, and it can be
    /// tried again.
    ///
    /// # Errors
    ///
    /// Those of the store; nothing is written then.
    pub fn write(
        &mut self,
        store: &dyn Store,
        unwritten: &[Unwritten],
        last: u32,
    ) -> Result<bool, StoreError> {
        let mut changes: BTreeMap<&'static str, Vec<(String, Option<String>)>> = BTreeMap::new();
        for one in unwritten {
            let number = one.recording.number();
            let standing = one.standing.as_ref().map(Standing::text);
            if standing.is_none() || one.landmarks.is_some() {
                let marks = one.landmarks.as_deref().filter(|_| standing.is_some());
                let change = (number.to_string(), marks.map(landmarks_text));
                changes.entry(place_of(number)).or_default().push(change);
            }
            let change = (number.to_string(), standing);
            changes.entry(STANDINGS).or_default().push(change);
        }
        if last != self.last {
            let change = (LAST.to_string(), Some(last.to_string()));
            changes.entry(STANDINGS).or_default().push(change);
        }
        let shelves: Vec<&'static str> = changes.keys().copied().collect();
        let writes = changes.into_iter().map(|(shelf, changes)| Write::Reshelve {
            shelf,
            revision: self.revisions.get(shelf).copied().unwrap_or(0) + 1,
            changes,
        });
        let is_written = store.together(writes.collect())?;
        for shelf in shelves {
            if is_written {
                *self.revisions.entry(shelf).or_default() += 1;
            } else {
                self.revisions.insert(shelf, store.shelf(shelf)?.revision);
            }
        }
        if is_written {
            self.last = last;
        }
        Ok(is_written)
    }

    /// Writes that these erasures are done here, where others on the store have them on the list still. Another process that is
    /// first is no error: asked again it goes on.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn write_done(&mut self, store: &dyn Store, done: &[(u64, u64)]) -> Result<(), StoreError> {
        if store.neighbours().is_none() || self.done == done {
            return Ok(());
        }
        let words: Vec<String> = done
            .iter()
            .map(|(caller, at_ms)| format!("{caller:016x}-{at_ms}"))
            .collect();
        let change = (DONE.to_string(), (!words.is_empty()).then(|| words.join(" ")));
        let revision = self.revisions.get(STANDINGS).copied().unwrap_or(0) + 1;
        if store.reshelve(STANDINGS, revision, vec![change])? {
            self.revisions.insert(STANDINGS, revision);
            self.done = done.to_vec();
        } else {
            let revision = store.shelf(STANDINGS)?.revision;
            self.revisions.insert(STANDINGS, revision);
        }
        Ok(())
    }

    /// What is no recording of ours, or belongs to none that is known.
    fn take_away(
        &mut self,
        store: &dyn Store,
        shelf: &'static str,
        keys: Vec<String>,
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys.iter().take(10) {
            tracing::error!(
                shelf,
                key,
                "a recording that is kept cannot be read; it is taken away"
            );
        }
        tracing::error!(
            shelf,
            count = keys.len(),
            "recordings that cannot be read are taken away"
        );
        let revision = self.revisions.get(shelf).copied().unwrap_or(0) + 1;
        let changes = keys.into_iter().map(|key| (key, None)).collect();
        if store.reshelve(shelf, revision, changes)? {
            self.revisions.insert(shelf, revision);
        }
        Ok(())
    }
}

impl Reading {
    fn take(&mut self, number: u32, marks: Vec<Landmark>) -> Option<Read> {
        let standing = self.standings.remove(&number)?;
        Some((Recording::numbered(number)?, standing, marks))
    }
}

fn one_done(word: &str) -> Option<(u64, u64)> {
    let (caller, at_ms) = word.split_once('-')?;
    Some((u64::from_str_radix(caller, 16).ok()?, at_ms.parse().ok()?))
}

fn is_late(standing: &Standing) -> bool {
    standing.kept_ms > standing.first_seen_ms && !standing.said.is_allowed
}

fn place_of(number: u32) -> &'static str {
    LANDMARKS[(number / IN_A_ROW) as usize % LANDMARKS.len()]
}

/// Takes a number out of the recordings that the store keeps, where no gateway does that in this process, and has gateways that
/// know it still take it out too. `is_gateway` = this process is the store's gateway, and remembers none: then nobody else is told
/// unless others share the store. Gives in how many it was. Blocks.
///
/// # Errors
///
/// Those of the store.
pub fn erase_beside(
    store: &dyn Store,
    number: &str,
    at_ms: u64,
    is_gateway: bool,
) -> Result<u64, StoreError> {
    let Some(pseudonyms) = Pseudonyms::known(store)? else {
        return Ok(0);
    };
    let caller = pseudonyms.caller(Some(number));
    if !is_gateway || store.neighbours().is_some() {
        tell_others(store, caller, at_ms)?;
    }
    for _ in 0..TRIES {
        let mut shelves = Shelves::default();
        let shelf = store.shelf(STANDINGS)?;
        shelves.revisions.insert(STANDINGS, shelf.revision);
        let mut changed = Vec::new();
        for (key, text) in shelf.documents {
            let number = key.parse().ok().and_then(Recording::numbered);
            let (Some(recording), Some(mut standing)) = (number, Standing::of(&text)) else {
                shelves.last = if key == LAST {
                    text.parse().unwrap_or(0)
                } else {
                    shelves.last
                };
                continue;
            };
            if let Some(is_his_alone) = standing.forget_caller(caller) {
                changed.push(Unwritten {
                    recording,
                    standing: (!is_his_alone).then_some(standing),
                    landmarks: None,
                });
            }
        }
        let gone = changed.iter().filter(|one| one.standing.is_none());
        let places: BTreeSet<_> = gone.map(|one| place_of(one.recording.number())).collect();
        for place in places {
            shelves.revisions.insert(place, store.shelf(place)?.revision);
        }
        let last = shelves.last;
        if changed.is_empty() || shelves.write(store, &changed, last)? {
            return Ok(changed.len() as u64);
        }
    }
    Err(busy("erasing a number from recordings"))
}

/// In how many kept recordings a number is a caller. Blocks.
///
/// # Errors
///
/// Those of the store.
pub fn held_beside(store: &dyn Store, number: &str) -> Result<u64, StoreError> {
    let Some(pseudonyms) = Pseudonyms::known(store)? else {
        return Ok(0);
    };
    let caller = pseudonyms.caller(Some(number));
    let standings = store.shelf(STANDINGS)?.documents.into_iter();
    let known = standings.filter_map(|(_, text)| Standing::of(&text));
    Ok(known
        .filter(|standing| standing.callers.contains(&caller))
        .count() as u64)
}

/// Takes away everything that is kept of recordings: none are to be remembered. Where no other gateway shares the store, the secret
/// of the pseudonyms and the list of what is to be erased go too; where one does, what is past its time on that list. Blocks.
///
/// # Errors
///
/// Those of the store.
pub fn clear(store: &dyn Store, now_ms: u64) -> Result<(), StoreError> {
    let is_shared = store.neighbours().is_some();
    if is_shared {
        done_for_others(store, &told_by_others(store)?, now_ms)?;
    } else if !store.shelf(SECRET)?.documents.is_empty() {
        // SQLite may have left copies of documents where it moved them.
        store.set_setting(CLEAR_REMAINS, "1")?;
    }
    let alone = [ERASED, SECRET].into_iter().filter(|_| !is_shared);
    for shelf in std::iter::once(STANDINGS).chain(LANDMARKS).chain(alone) {
        let kept = store.shelf(shelf)?;
        for (keys, revision) in kept.documents.chunks(CLEARED_AT_ONCE).zip(kept.revision + 1..) {
            let changes = keys.iter().map(|(key, _)| (key.clone(), None)).collect();
            store.reshelve(shelf, revision, changes)?;
        }
    }
    Ok(())
}

/// A caller was erased here: others on this store are to do the same. What is past the retention nobody knows any more.
pub(super) fn tell_others(store: &dyn Store, caller: u64, at_ms: u64) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let told = store.shelf(ERASED)?;
        let over = at_ms.saturating_sub(RETENTION.as_millis() as u64);
        let is_over = |text: &str| text.parse::<u64>().is_ok_and(|told_ms| told_ms < over);
        let old = told.documents.into_iter().filter(|(_, text)| is_over(text));
        let mut changes: Vec<_> = old.map(|(key, _)| (key, None)).collect();
        let key = format!("{caller:016x}");
        changes.retain(|(old, _)| *old != key);
        changes.push((key, Some(at_ms.to_string())));
        if store.reshelve(ERASED, told.revision + 1, changes)? {
            return Ok(());
        }
    }
    Err(busy("telling other gateways of an erasure"))
}

/// Callers that others erased, with when. Where this gateway has the store for itself they are taken off the shelf with
/// [`done_for_others`].
pub(super) fn told_by_others(store: &dyn Store) -> Result<Vec<(u64, u64)>, StoreError> {
    let told = store.shelf(ERASED)?.documents.into_iter();
    let read = told.filter_map(|(key, text)| Some((u64::from_str_radix(&key, 16).ok()?, text.parse().ok()?)));
    let mut told: Vec<_> = read.collect();
    told.sort_unstable();
    Ok(told)
}

/// These are done here. Takes off the list what nobody else has to hear of: all of them where no other gateway shares the store,
/// otherwise those past the retention.
pub(super) fn done_for_others(store: &dyn Store, done: &[(u64, u64)], now_ms: u64) -> Result<(), StoreError> {
    let is_alone = store.neighbours().is_none();
    let over = now_ms.saturating_sub(RETENTION.as_millis() as u64);
    let off = done.iter().filter(|(_, told_ms)| is_alone || *told_ms < over);
    let off: Vec<(String, &u64)> = off.map(|(caller, at)| (format!("{caller:016x}"), at)).collect();
    if off.is_empty() {
        return Ok(());
    }
    let told = store.shelf(ERASED)?;
    // Erased once more meanwhile: that is not done yet.
    let is_same = |(key, at): &&(String, &u64)| {
        let mut documents = told.documents.iter();
        documents.any(|(known, text)| known == key && text.parse() == Ok(**at))
    };
    let changes = off.iter().filter(is_same).map(|(key, _)| (key.clone(), None));
    // Somebody has just told of another one: the next look takes both away.
    store
        .reshelve(ERASED, told.revision + 1, changes.collect())
        .map(|_| ())
}

pub(super) fn busy(action: &'static str) -> StoreError {
    StoreError::Busy {
        url: "recordings".into(),
        action,
    }
}
