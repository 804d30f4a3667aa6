//! Which recordings came from several callers.

use std::collections::BTreeMap;

use super::index::Index;
use super::landmarks::Landmark;
use super::limits::{CALLERS_MAX, RETENTION, WANTED_MAX};

/// A recording that calls have in common; also one that was heard once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recording(u32);

/// One that is wanted, by the business's own word: music while one waits, the announcement of a partner's exchange.
pub const WANTED: Recording = Recording(0);

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

struct Known {
    callers: Vec<u64>,
    calls: u32,
    first_seen_ms: u64,
    last_seen_ms: u64,
}

/// The recordings of earlier calls. In memory only: a restart forgets them.
pub struct Campaigns {
    wanted: Index<()>,
    index: Index<Recording>,
    known: BTreeMap<Recording, Known>,
    capacity: usize,
    last: u32,
}

impl Campaigns {
    /// For at most this many recordings.
    pub fn new(recordings: usize) -> Campaigns {
        Campaigns {
            wanted: Index::new(WANTED_MAX),
            index: Index::new(recordings),
            known: BTreeMap::new(),
            capacity: recordings.max(4),
            last: 0,
        }
    }

    /// A recording that is wanted, whoever it comes from: at most [`WANTED_MAX`], and never forgotten.
    pub fn want(&mut self, landmarks: &[Landmark]) {
        self.wanted.keep(landmarks, (), 0);
    }

    /// Whether the recording that these landmarks are of was heard before, in another call.
    pub fn find(&mut self, landmarks: &[Landmark]) -> Option<Recording> {
        if self.wanted.find(landmarks).is_some() {
            return Some(WANTED);
        }
        let found = self.index.find(landmarks)?.of;
        self.known.contains_key(&found).then_some(found)
    }

    /// Another call has brought it. `None` for one that is wanted, or has been forgotten meanwhile.
    pub fn count(&mut self, recording: Recording, caller: u64, now_ms: u64) -> Option<Repeat> {
        let known = self.known.get_mut(&recording)?;
        known.calls = known.calls.saturating_add(1);
        known.last_seen_ms = now_ms;
        if !known.callers.contains(&caller) && known.callers.len() < CALLERS_MAX {
            known.callers.push(caller);
        }
        Some(Repeat {
            name: format!("recording-{}", recording.0),
            callers: known.callers.len() as u32,
            calls: known.calls,
            first_seen_ms: known.first_seen_ms,
            last_seen_ms: known.last_seen_ms,
        })
    }

    /// Keeps one that was not heard before, with the caller it came from.
    pub fn keep(&mut self, landmarks: &[Landmark], caller: u64, now_ms: u64) {
        if landmarks.is_empty() {
            return;
        }
        self.last = self.last.checked_add(1).unwrap_or(1);
        let recording = Recording(self.last);
        self.index.keep(landmarks, recording, now_ms);
        let known = Known {
            callers: vec![caller],
            calls: 1,
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
        };
        self.known.insert(recording, known);
        while self.known.len() > self.capacity {
            self.known.pop_first();
        }
    }

    /// Forgets what the retention does not allow to be known any more.
    pub fn forget(&mut self, now_ms: u64) {
        self.index.forget(now_ms);
        let most = RETENTION.as_millis() as u64;
        self.known
            .retain(|_, known| now_ms.saturating_sub(known.last_seen_ms) <= most);
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
        self.wanted.octets() + self.index.octets()
    }
}

#[cfg(test)]
mod tests {
    use super::super::landmarks::tests::{babble, landmarks};
    use super::*;

    #[test]
    fn a_recording_from_several_callers_is_told_with_how_many_and_since_when() {
        let mut campaigns = Campaigns::new(100);
        let (robot, person) = (babble(1, 15), babble(2, 15));
        assert_eq!(campaigns.find(&landmarks(&robot)), None);
        campaigns.keep(&landmarks(&robot), 11, 1_000);
        campaigns.keep(&landmarks(&person), 12, 2_000);
        let start = landmarks(&robot[4_000..48_000]);
        let found = campaigns.find(&start).unwrap();
        for (caller, callers, calls) in [(13, 2, 2), (13, 2, 3), (14, 3, 4)] {
            let repeat = campaigns.count(found, caller, 5_000).unwrap();
            assert_eq!((repeat.callers, repeat.calls), (callers, calls));
            assert_eq!((repeat.first_seen_ms, repeat.last_seen_ms), (1_000, 5_000));
            assert_eq!(repeat.name, "recording-1");
        }
        campaigns.forget(1_000 + RETENTION.as_millis() as u64 * 2);
        assert!(campaigns.is_empty() && campaigns.find(&start).is_none());
    }

    #[test]
    fn what_is_wanted_is_nobodys_campaign() {
        let mut campaigns = Campaigns::new(100);
        let music = babble(3, 15);
        campaigns.want(&landmarks(&music));
        let found = campaigns.find(&landmarks(&music[30_000..75_000]));
        assert_eq!(found, Some(WANTED));
        assert_eq!(campaigns.count(WANTED, 5, 2), None);
    }
}
