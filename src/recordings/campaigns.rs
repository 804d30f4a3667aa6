//! Which recordings came from several callers.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{Index, Match};
use super::kept::{Said, Standing};
use super::landmarks::Landmark;
use super::limits::{ALLOWED_MAX, CALLERS_MAX, CALLS_MAX, RETENTION, UNWRITTEN_MAX, WANTED_MAX};
use crate::call_id::CallId;

/// A recording that calls have in common; also one that was heard once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recording(u32);

/// One that is wanted, by the business's own word: music while one waits, the announcement of a partner's exchange.
pub const WANTED: Recording = Recording(0);

impl Recording {
    /// From 1 in the order in which they were kept; None = 0, which is none.
    pub fn numbered(number: u32) -> Option<Recording> {
        (number > 0).then_some(Recording(number))
    }

    pub fn number(self) -> u32 {
        self.0
    }

    /// For people: `recording-12`.
    pub fn name(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// By its name, written as [`Recording::name`] writes it.
    pub fn named(name: &str) -> Option<Recording> {
        let number: u32 = name.strip_prefix(PREFIX)?.parse().ok()?;
        Recording::numbered(number).filter(|recording| recording.name() == name)
    }
}

const PREFIX: &str = "recording-";

/// What is known of a recording that was heard before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// For people: `recording-12`.
    pub name: String,
    /// Different callers it came from, this one included; at most [`CALLERS_MAX`] are told apart.
    pub callers: u32,
    /// Calls it came in.
    pub calls: u32,
    /// When the first and the last of these calls brought it, in ms since the Unix epoch.
    pub first_seen_ms: u64,
    pub last_seen_ms: u64,
}

/// One that is not on disk as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Unwritten {
    pub recording: Recording,
    /// None = it is known no more: nothing of it is to stay.
    pub standing: Option<Standing>,
    /// Where they are not on disk yet.
    pub landmarks: Option<Vec<Landmark>>,
}

/// Why what somebody said of a recording does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    #[error("no such recording")]
    NoSuch,
    #[error("somebody else said something of it meanwhile")]
    Changed,
    #[error("{ALLOWED_MAX} recordings are allowed already: take one back first")]
    Full,
    #[error("its landmarks are not known any more")]
    NotThere,
}

struct Known {
    standing: Standing,
    /// Its landmarks are on disk, or wait to be written.
    is_kept: bool,
}

/// The recordings of earlier calls.
pub struct Campaigns {
    /// Those that the configuration names.
    wanted: Index<()>,
    pieces: usize,
    /// Those that people allow. They are in no other index.
    allowed: Index<Recording>,
    index: Index<Recording>,
    known: BTreeMap<Recording, Known>,
    last: u32,
    /// Not on disk as they are, and landmarks that are not there at all.
    changed: BTreeSet<Recording>,
    fresh: BTreeMap<Recording, Vec<Landmark>>,
}

impl Campaigns {
    /// For at most this many recordings.
    pub fn new(recordings: usize) -> Campaigns {
        Campaigns {
            wanted: Index::new(WANTED_MAX),
            pieces: 0,
            allowed: no_allowed(),
            index: Index::new(recordings),
            known: BTreeMap::new(),
            last: 0,
            changed: BTreeSet::new(),
            fresh: BTreeMap::new(),
        }
    }

    /// A recording that is wanted, whoever it comes from: never forgotten. False = there are [`WANTED_MAX`] already.
    pub fn want(&mut self, landmarks: &[Landmark]) -> bool {
        let is_room = self.pieces < WANTED_MAX;
        if is_room {
            self.wanted.keep(landmarks, (), 0);
            self.pieces += 1;
        }
        is_room
    }

    /// Whether the recording that these landmarks are of was heard before, in another call, and how much the two have in
    /// common.
    pub fn find(&mut self, landmarks: &[Landmark]) -> Option<Match<Recording>> {
        if let Some(Match { hits, .. }) = self.wanted.find(landmarks) {
            return Some(Match { of: WANTED, hits });
        }
        self.allowed.find(landmarks).or_else(|| {
            let found = self.index.find(landmarks);
            found.filter(|found| self.known.contains_key(&found.of))
        })
    }

    /// Another call has brought it. `None` for one that is wanted or allowed, or has been forgotten meanwhile.
    pub fn count(&mut self, recording: Recording, call: CallId, caller: u64, now_ms: u64) -> Option<Repeat> {
        let standing = &mut self.known.get_mut(&recording)?.standing;
        standing.calls = standing.calls.saturating_add(1);
        // A clock may go back.
        standing.last_seen_ms = standing.last_seen_ms.max(now_ms);
        if standing.newest.len() >= CALLS_MAX {
            standing.newest.remove(0);
        }
        standing.newest.push(call);
        self.changed.insert(recording);
        // Whoever brings what is allowed is nobody's business.
        if standing.said.is_allowed {
            return None;
        }
        if !standing.callers.contains(&caller) && (standing.callers() as usize) < CALLERS_MAX {
            if standing.callers.is_empty() {
                standing.callers_since_ms = now_ms;
            }
            standing.callers.push(caller);
        }
        Some(Repeat {
            name: recording.name(),
            callers: standing.callers(),
            calls: standing.calls,
            first_seen_ms: standing.first_seen_ms,
            last_seen_ms: standing.last_seen_ms,
        })
    }

    /// Keeps one that was not heard before, with the call it came in and its caller.
    pub fn keep(&mut self, landmarks: &[Landmark], call: CallId, caller: u64, now_ms: u64) {
        if landmarks.is_empty() {
            return;
        }
        self.last = self.last.checked_add(1).unwrap_or(1);
        let recording = Recording(self.last);
        let standing = Standing {
            callers: vec![caller],
            calls: 1,
            newest: vec![call],
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            kept_ms: now_ms,
            ..Standing::default()
        };
        self.remember(recording, standing, landmarks);
        self.write_later(recording, landmarks);
    }

    /// Keeps one that was known before a restart. Those are given in the order in which they were kept, before anything else
    /// is; one that is known already stays as it is.
    pub fn restore(&mut self, recording: Recording, standing: Standing, landmarks: &[Landmark], now_ms: u64) {
        if self.known.contains_key(&recording) {
            return;
        }
        self.last = self.last.max(recording.0);
        let is_over = now_ms.saturating_sub(standing.kept_ms) > RETENTION.as_millis() as u64;
        if landmarks.is_empty() || is_over && !standing.said.is_allowed {
            self.changed.insert(recording);
            return;
        }
        self.remember(recording, standing, landmarks);
        if let Some(known) = self.known.get_mut(&recording) {
            known.is_kept = true;
        }
    }

    /// No number up to this one is given again.
    pub fn go_on_from(&mut self, last: u32) {
        self.last = self.last.max(last);
    }

    /// The last number that was given.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Somebody says something of a recording, having seen it as it was after so many things said (`None` = whatever it is
    /// by now): what counts from the next look-up on. Gives how it is then. May look through a whole index.
    ///
    /// # Errors
    ///
    /// Why it does not count; nothing is changed then.
    pub fn say(&mut self, recording: Recording, seen: Option<u64>, said: Said) -> Result<Standing, NotSaid> {
        let known = self.known.get(&recording).ok_or(NotSaid::NoSuch)?;
        let before = &known.standing.said;
        if seen.is_some_and(|seen| seen != before.revision) {
            return Err(NotSaid::Changed);
        }
        let revision = before.revision + 1;
        if said.is_allowed != before.is_allowed {
            self.turn(recording, said.is_allowed, said.at_ms)?;
        }
        let standing = &mut self.known.get_mut(&recording).ok_or(NotSaid::NoSuch)?.standing;
        standing.said = Said { revision, ..said };
        self.changed.insert(recording);
        Ok(standing.clone())
    }

    /// One, as it is known.
    pub fn standing(&self, recording: Recording) -> Option<&Standing> {
        self.known.get(&recording).map(|known| &known.standing)
    }

    /// All of them, in the order of their numbers.
    pub fn all(&self) -> impl Iterator<Item = (Recording, &Standing)> {
        self.known
            .iter()
            .map(|(recording, known)| (*recording, &known.standing))
    }

    /// Takes a caller out. A recording that came from nobody else is known no more, unless it is allowed; of the others he
    /// still counts, and nobody knows him again. Gives of how many he was.
    pub fn forget_caller(&mut self, caller: u64) -> u64 {
        let (mut count, mut alone) = (0, BTreeSet::new());
        for (recording, known) in &mut self.known {
            let Some(is_his_alone) = known.standing.forget_caller(caller) else {
                continue;
            };
            count += 1;
            self.changed.insert(*recording);
            if is_his_alone {
                alone.insert(*recording);
            }
        }
        self.drop_all(&alone);
        count
    }

    /// Of how many recordings he is known to be a caller.
    pub fn heard_from(&self, caller: u64) -> u64 {
        let known = self.known.values();
        known
            .filter(|known| known.standing.callers.contains(&caller))
            .count() as u64
    }

    /// Forgets what the retention does not allow to be known any more.
    pub fn forget(&mut self, now_ms: u64) {
        let gone = self.index.forget(now_ms);
        self.are_gone(&gone);
        let most = RETENTION.as_millis() as u64;
        let mut over = BTreeSet::new();
        for (recording, known) in &mut self.known {
            let standing = &mut known.standing;
            if !standing.said.is_allowed && now_ms.saturating_sub(standing.kept_ms) > most {
                over.insert(*recording);
            } else if !standing.callers.is_empty()
                && now_ms.saturating_sub(standing.callers_since_ms()) > most
            {
                standing.nameless = standing.callers();
                standing.callers.clear();
                self.changed.insert(*recording);
            }
        }
        self.drop_all(&over);
    }

    /// At most so many that are not on disk as they are. Whoever takes them writes them, or brings them back.
    pub fn take_unwritten(&mut self, most: usize) -> Vec<Unwritten> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(recording) = self.changed.pop_first()
        {
            let landmarks = self.fresh.remove(&recording);
            let known = self.known.get(&recording);
            // One whose landmarks found no room is known until a restart only.
            if known.is_some_and(|known| !known.is_kept) {
                continue;
            }
            taken.push(Unwritten {
                recording,
                standing: known.map(|known| known.standing.clone()),
                landmarks,
            });
        }
        taken
    }

    /// These could not be written.
    pub fn put_back(&mut self, unwritten: Vec<Unwritten>) {
        for one in unwritten {
            self.changed.insert(one.recording);
            if let Some(landmarks) = one.landmarks.filter(|_| self.known.contains_key(&one.recording)) {
                self.fresh.entry(one.recording).or_insert(landmarks);
            }
        }
    }

    /// How many are not on disk as they are.
    pub fn unwritten(&self) -> usize {
        self.changed.len()
    }

    /// Recordings that are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Octets of the indices.
    pub fn octets(&self) -> usize {
        self.wanted.octets() + self.allowed.octets() + self.index.octets()
    }

    fn remember(&mut self, recording: Recording, standing: Standing, landmarks: &[Landmark]) {
        let gone = match standing.said.is_allowed {
            true => self.allowed.keep(landmarks, recording, 0),
            false => self.index.keep(landmarks, recording, standing.kept_ms),
        };
        self.are_gone(&gone);
        let known = Known {
            standing,
            is_kept: false,
        };
        self.known.insert(recording, known);
    }

    fn write_later(&mut self, recording: Recording, landmarks: &[Landmark]) {
        if self.fresh.len() >= UNWRITTEN_MAX {
            return;
        }
        if let Some(known) = self.known.get_mut(&recording) {
            known.is_kept = true;
            self.fresh.insert(recording, landmarks.to_vec());
            self.changed.insert(recording);
        }
    }

    /// From one index to the other.
    fn turn(&mut self, recording: Recording, is_allowed: bool, now_ms: u64) -> Result<(), NotSaid> {
        let allowed = self.known.values().filter(|known| known.standing.said.is_allowed);
        if is_allowed && allowed.count() >= ALLOWED_MAX {
            return Err(NotSaid::Full);
        }
        let landmarks = match is_allowed {
            true => self.index.landmarks_of(recording),
            false => self.allowed.landmarks_of(recording),
        };
        if landmarks.is_empty() {
            return Err(NotSaid::NotThere);
        }
        let mut gone = Vec::new();
        if is_allowed {
            self.index.remove(|of| of == recording);
            self.allowed.keep(&landmarks, recording, 0);
        } else {
            self.take_back(recording);
            gone = self.index.keep(&landmarks, recording, now_ms);
        }
        self.are_gone(&gone);
        if let Some(known) = self.known.get_mut(&recording) {
            known.standing.kept_ms = now_ms;
        }
        self.write_later(recording, &landmarks);
        Ok(())
    }

    /// Made anew without it: what is written over leaves no room for others.
    fn take_back(&mut self, recording: Recording) {
        let mut others: BTreeMap<Recording, Vec<Landmark>> = BTreeMap::new();
        self.allowed.each(|of, landmark| {
            if of != recording {
                others.entry(of).or_default().push(landmark);
            }
        });
        self.allowed = no_allowed();
        for (other, landmarks) in others {
            self.allowed.keep(&landmarks, other, 0);
        }
    }

    fn drop_all(&mut self, recordings: &BTreeSet<Recording>) {
        if recordings.is_empty() {
            return;
        }
        self.index.remove(|of| recordings.contains(&of));
        let gone: Vec<Recording> = recordings.iter().copied().collect();
        self.are_gone(&gone);
    }

    /// Their landmarks are in no index any more.
    fn are_gone(&mut self, recordings: &[Recording]) {
        for recording in recordings {
            // One that was allowed meanwhile is in the other index.
            let known = self.known.get(recording);
            if known.is_some_and(|known| !known.standing.said.is_allowed) {
                self.known.remove(recording);
                self.fresh.remove(recording);
                self.changed.insert(*recording);
            }
        }
    }
}

/// Never full: a part of it takes as many as may be allowed.
fn no_allowed() -> Index<Recording> {
    Index::new(4 * ALLOWED_MAX)
}
