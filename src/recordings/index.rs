//! Which recordings were heard before: from the landmarks of a call to the calls that had the same.
//!
//! Four parts, each with a list of places for every hash, in chunks of one arena. Recordings go into the newest part; when
//! it is full, or a quarter of the retention old, the oldest one is emptied and becomes the newest. So nothing is searched
//! for what is to be forgotten, and the memory is bounded.

use std::time::Duration;

use super::landmarks::{HASH_BITS, Landmark};
use super::limits::{HITS_MIN, PLACES_MAX, POPULAR, RETENTION, SPAN_MIN};

const PARTS: usize = 4;
/// Places in a chunk; the last word says where the next chunk is.
const CHUNK: usize = 8;
/// Frames that two landmarks of one recording may be off against each other: a pair of bins of 32 ms.
const OFF_MAX: u64 = 3;
/// Counters of places that may be in line; 256 kB, which stay near the processor.
const COUNTERS: usize = 1 << 18;
/// A place is the recording's number in its part above the frame.
const FRAME_BITS: u32 = 10;
const FRAMES: u32 = 1 << FRAME_BITS;
/// What was written over: a recording past the last that a part may have.
const NOWHERE: u32 = u32::MAX;

/// What is known of a recording that was heard before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<T> {
    /// What was kept with it.
    pub of: T,
    /// Landmarks in line.
    pub hits: usize,
}

/// The index. `T` is what is kept with each recording.
pub struct Index<T> {
    parts: Vec<Part<T>>,
    /// Recordings of one part.
    capacity: usize,
    /// The part that takes new ones.
    newest: usize,
    /// Room for what a question looks at.
    room: Room,
}

#[derive(Default)]
struct Room {
    chains: Vec<Chain>,
    /// Recording, offset and the question's own frame in one number each.
    places: Vec<u64>,
    counters: Vec<u8>,
}

/// The places of one landmark's hash that are still to be looked at, last ones first.
struct Chain {
    chunk: u32,
    left: u16,
    at: u16,
}

struct Part<T> {
    /// When its first recording was kept, in ms since the Unix epoch; `None` = it has none.
    since_ms: Option<u64>,
    /// `None`: taken out.
    kept: Vec<Option<T>>,
    /// By hash: the first chunk, and how many places there are. Chunk 0 is none.
    heads: Vec<u32>,
    counts: Vec<u16>,
    chunks: Vec<[u32; CHUNK]>,
}

impl<T: Copy + PartialEq> Index<T> {
    /// For at most this many recordings, at least four; half a kilobyte and 5 kB more for each once they are there, and 48 MB
    /// of heads from the first one on.
    pub fn new(recordings: usize) -> Index<T> {
        Index {
            parts: (0..PARTS).map(|_| Part::new()).collect(),
            capacity: (recordings / PARTS).clamp(1, 1 << (32 - FRAME_BITS)),
            newest: 0,
            room: Room::default(),
        }
    }

    /// Recordings in it.
    pub fn len(&self) -> usize {
        let of = |part: &Part<T>| part.kept.iter().flatten().count();
        self.parts.iter().map(of).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of its lists, as they are now.
    pub fn octets(&self) -> usize {
        let of = |part: &Part<T>| {
            part.heads.capacity() * 4
                + part.counts.capacity() * 2
                + part.chunks.capacity() * CHUNK * 4
                + part.kept.capacity() * size_of::<Option<T>>()
        };
        self.parts.iter().map(of).sum::<usize>()
            + self.room.places.capacity() * 8
            + self.room.chains.capacity() * size_of::<Chain>()
            + self.room.counters.capacity()
    }

    /// Forgets parts that are older than the retention allows; `now_ms` is the time since the Unix epoch. Gives what was in
    /// them.
    pub fn forget(&mut self, now_ms: u64) -> Vec<T> {
        let most = RETENTION.as_millis() as u64;
        let mut gone = Vec::new();
        for part in &mut self.parts {
            if part
                .since_ms
                .is_some_and(|since| now_ms.saturating_sub(since) > most)
            {
                gone.extend(part.clear());
            }
        }
        gone
    }

    /// Keeps a recording. One without landmarks is not kept. Gives what had to be forgotten for it.
    pub fn keep(&mut self, landmarks: &[Landmark], of: T, now_ms: u64) -> Vec<T> {
        if landmarks.is_empty() {
            return Vec::new();
        }
        let mut gone = self.forget(now_ms);
        let quarter = RETENTION.as_millis() as u64 / PARTS as u64;
        let newest = &self.parts[self.newest];
        let is_old = newest
            .since_ms
            .is_some_and(|since| now_ms.saturating_sub(since) > quarter);
        if newest.kept.len() >= self.capacity || is_old {
            self.newest = (self.newest + 1) % PARTS;
            gone.extend(self.parts[self.newest].clear());
        }
        self.parts[self.newest].keep(landmarks, of, now_ms);
        gone
    }

    /// Forgets these recordings: their landmarks are written over. Looks through every part that has one of them, for some
    /// tens of milliseconds.
    pub fn remove(&mut self, is_meant: impl Fn(T) -> bool) {
        for part in &mut self.parts {
            part.write_over(&is_meant);
        }
    }

    /// The landmarks of one recording, in the order of time; none of one that is not there. Takes as long as
    /// [`Index::remove`].
    pub fn landmarks_of(&self, of: T) -> Vec<Landmark> {
        let mut found = Vec::new();
        self.each(|kept, landmark| {
            if kept == of {
                found.push(landmark);
            }
        });
        found.sort_by_key(|landmark| (landmark.at, landmark.hash));
        found
    }

    /// Every landmark of every recording, in no order.
    pub fn each(&self, mut told: impl FnMut(T, Landmark)) {
        for part in &self.parts {
            part.each_place(|hash, place| {
                if let Some(of) = part.kept.get((place >> FRAME_BITS) as usize).copied().flatten() {
                    let at = (place & (FRAMES - 1)) as u16;
                    told(of, Landmark { hash, at });
                }
            });
        }
    }

    /// The recording that has most in common with these landmarks, if it is the same: at least [`HITS_MIN`] of them in
    /// line, over at least [`SPAN_MIN`].
    pub fn find(&mut self, landmarks: &[Landmark]) -> Option<Match<T>> {
        let mut best: Option<Match<T>> = None;
        for part in &self.parts {
            part.look_up(landmarks, &mut self.room);
            self.room.thin();
            // By recording, then by how far it is off, then by when in the question.
            self.room.places.sort_unstable();
            if let Some((recording, hits)) = in_line(&self.room.places)
                && best.is_none_or(|best| hits > best.hits)
                && let Some(of) = part.kept.get(recording as usize).copied().flatten()
            {
                best = Some(Match { of, hits });
            }
        }
        best
    }
}

impl Room {
    /// Leaves out the places that cannot have [`HITS_MIN`] in line with them: nearly all, so that few have to be sorted.
    ///
    /// Counted are places of a recording whose offsets lie in the same four frames; those in line with a place lie in its own
    /// four and in the ones before or behind. Recordings may share a counter: then some more are left in, never out.
    fn thin(&mut self) {
        const _: () = assert!(OFF_MAX < 4);
        self.counters.clear();
        self.counters.resize(COUNTERS, 0);
        for place in &self.places {
            let counter = &mut self.counters[counter_of(*place)];
            *counter = counter.saturating_add(1);
        }
        let counters = &self.counters;
        self.places.retain(|place| {
            let here = counter_of(*place);
            let of = |counter: usize| usize::from(counters[counter % COUNTERS]);
            of(here) + of(here + COUNTERS - 1).max(of(here + 1)) >= HITS_MIN
        });
    }
}

/// Neighbouring offsets of a recording have neighbouring counters.
fn counter_of(place: u64) -> usize {
    let (recording, off) = ((place >> 32) as usize, (place >> 16 & 0xffff) as usize);
    (recording.wrapping_mul(0x9e5) + (off >> 2)) % COUNTERS
}

impl<T: Copy + PartialEq> Part<T> {
    fn new() -> Part<T> {
        Part {
            since_ms: None,
            kept: Vec::new(),
            heads: Vec::new(),
            counts: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Forgets everything, and gives its memory back. Gives what was in it.
    fn clear(&mut self) -> Vec<T> {
        let before = std::mem::replace(self, Part::new());
        before.kept.into_iter().flatten().collect()
    }

    /// Nothing of these recordings can be found any more.
    fn write_over(&mut self, is_meant: impl Fn(T) -> bool) {
        let are_meant: Vec<bool> = self.kept.iter().map(|kept| kept.is_some_and(&is_meant)).collect();
        if !are_meant.contains(&true) {
            return;
        }
        for (kept, _) in self
            .kept
            .iter_mut()
            .zip(&are_meant)
            .filter(|(_, is_meant)| **is_meant)
        {
            *kept = None;
        }
        // Chunk 0 is none. The last word of a chunk says where the next one is.
        for chunk in self.chunks.iter_mut().skip(1) {
            for place in &mut chunk[..CHUNK - 1] {
                if are_meant.get((*place >> FRAME_BITS) as usize) == Some(&true) {
                    *place = NOWHERE;
                }
            }
        }
    }

    /// Every place with the hash that it belongs to.
    fn each_place(&self, mut told: impl FnMut(u32, u32)) {
        for (hash, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (mut chunk, mut left) = (self.heads[hash] as usize, usize::from(*count));
            while left > 0 {
                let places = &self.chunks[chunk];
                let here = (left - 1) % (CHUNK - 1) + 1;
                for place in &places[..here] {
                    told(hash as u32, *place);
                }
                chunk = places[CHUNK - 1] as usize;
                left -= here;
            }
        }
    }

    fn keep(&mut self, landmarks: &[Landmark], of: T, now_ms: u64) {
        if self.since_ms.is_none() {
            self.since_ms = Some(now_ms);
            self.heads = vec![0; 1 << HASH_BITS];
            self.counts = vec![0; 1 << HASH_BITS];
            self.chunks = vec![[0; CHUNK]];
        }
        let recording = (self.kept.len() as u32) << FRAME_BITS;
        self.kept.push(Some(of));
        for landmark in landmarks {
            let hash = (landmark.hash & ((1 << HASH_BITS) - 1)) as usize;
            let count = usize::from(self.counts[hash]);
            if count >= usize::from(u16::MAX) {
                continue;
            }
            let within = count % (CHUNK - 1);
            if within == 0 {
                let mut chunk = [0; CHUNK];
                chunk[CHUNK - 1] = self.heads[hash];
                self.heads[hash] = self.chunks.len() as u32;
                self.chunks.push(chunk);
            }
            let head = self.heads[hash] as usize;
            self.chunks[head][within] = recording | (u32::from(landmark.at) & (FRAMES - 1));
            self.counts[hash] += 1;
        }
    }

    /// Where each landmark of a question stands. The rarest hashes first, as long as there is room: they tell most.
    fn look_up(&self, landmarks: &[Landmark], room: &mut Room) {
        room.places.clear();
        room.chains.clear();
        if self.since_ms.is_none() {
            return;
        }
        room.chains.extend(landmarks.iter().filter_map(|landmark| {
            let hash = (landmark.hash & ((1 << HASH_BITS) - 1)) as usize;
            let left = self.counts[hash];
            (1..=POPULAR).contains(&usize::from(left)).then(|| Chain {
                chunk: self.heads[hash],
                left,
                at: landmark.at,
            })
        }));
        room.chains.sort_unstable_by_key(|chain| chain.left);
        let mut whole = 0;
        room.chains.retain(|chain| {
            whole += usize::from(chain.left);
            whole <= PLACES_MAX
        });
        // A chunk of each chain in turn: the next ones are fetched from memory while this one is read.
        while !room.chains.is_empty() {
            let places = &mut room.places;
            room.chains.retain_mut(|chain| {
                let chunk = &self.chunks[chain.chunk as usize];
                let here = (usize::from(chain.left) - 1) % (CHUNK - 1) + 1;
                for place in chunk[..here].iter().filter(|place| **place != NOWHERE) {
                    let (recording, at) = (place >> FRAME_BITS, place & (FRAMES - 1));
                    // Never below zero: both frames are less than this.
                    let off = at + FRAMES - (u32::from(chain.at) & (FRAMES - 1));
                    places.push(u64::from(recording) << 32 | u64::from(off) << 16 | u64::from(chain.at));
                }
                chain.chunk = chunk[CHUNK - 1];
                chain.left -= here as u16;
                chain.left > 0
            });
        }
    }
}

/// The recording with the most places in line, and how many.
fn in_line(places: &[u64]) -> Option<(u32, usize)> {
    let span_min = (SPAN_MIN.as_millis() / Duration::from_micros(16_000).as_millis()) as u64;
    let mut best: Option<(u32, usize)> = None;
    let mut first = 0;
    for last in 0..places.len() {
        // Recording and offset together grow: what is too far from the last is behind it.
        while (places[last] >> 16) - (places[first] >> 16) > OFF_MAX {
            first += 1;
        }
        let hits = last - first + 1;
        let least = best.map_or(HITS_MIN, |(_, hits)| hits + 1);
        if hits < least {
            continue;
        }
        let frames = places[first..=last].iter().map(|place| place & 0xffff);
        let (mut from, mut to) = (u64::MAX, 0);
        for frame in frames {
            (from, to) = (from.min(frame), to.max(frame));
        }
        if to - from >= span_min {
            best = Some(((places[last] >> 32) as u32, hits));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::landmarks::tests::{babble, landmarks};
    use super::*;

    const DAY_MS: u64 = 24 * 3600 * 1000;

    /// Landmarks of this many recordings with nothing in common, and the first few seconds of each again.
    fn filled(recordings: u64) -> Index<u64> {
        let mut index = Index::new(1000);
        for seed in 0..recordings {
            index.keep(&landmarks(&babble(seed, 15)), seed, 1);
        }
        index
    }

    /// Landmarks of a recording that never was.
    fn made(seed: u64) -> Vec<Landmark> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let hashes = (0..200u16).map(|at| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Landmark {
                hash: (state >> 40) as u32 & ((1 << HASH_BITS) - 1),
                at: at * 4,
            }
        });
        hashes.collect()
    }

    #[test]
    fn five_seconds_from_anywhere_in_a_recording_find_it_and_no_other() {
        let mut index = filled(5);
        for seed in 0..5 {
            let whole = babble(seed, 15);
            for start in [0, 30_123] {
                let found = index.find(&landmarks(&whole[start..start + 40_000]));
                assert_eq!(found.map(|found| found.of), Some(seed), "{seed} from {start}");
            }
        }
        for seed in 100..104 {
            assert_eq!(index.find(&landmarks(&babble(seed, 15))), None, "{seed}");
        }
    }

    #[test]
    fn noise_level_and_a_slow_clock_do_not_hide_it() {
        let mut index = filled(5);
        let whole = babble(4, 15);
        let mut state = 7u32;
        let noisy: Vec<i16> = whole[16_000..56_000]
            .iter()
            .map(|sample| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 23) as i16 - 256;
                sample / 3 + noise
            })
            .collect();
        assert_eq!(index.find(&landmarks(&noisy)).map(|found| found.of), Some(4));
        // 200 ppm fast: every five thousandth sample is missing.
        let fast: Vec<i16> = whole[..40_000]
            .iter()
            .enumerate()
            .filter(|(n, _)| n % 5000 != 4999)
            .map(|(_, sample)| *sample)
            .collect();
        assert_eq!(index.find(&landmarks(&fast)).map(|found| found.of), Some(4));
    }

    #[test]
    fn a_moment_in_common_is_not_enough() {
        let mut index = filled(3);
        let mut other = babble(50, 10);
        other[20_000..32_000].copy_from_slice(&babble(1, 5)[20_000..32_000]);
        assert_eq!(index.find(&landmarks(&other)), None);
    }

    #[test]
    fn the_oldest_are_forgotten_when_it_is_full_and_when_their_time_is_over() {
        let mut index = Index::new(8);
        for seed in 0..20u64 {
            index.keep(&made(seed), seed, seed);
            assert!(index.len() <= 8, "{}", index.len());
        }
        assert_eq!(index.find(&made(3)), None);
        let last = index.find(&made(19));
        assert_eq!(last.map(|last| last.of), Some(19));
        index.forget(29 * DAY_MS);
        assert!(!index.is_empty());
        index.forget(31 * DAY_MS);
        assert!(index.is_empty());
        assert_eq!(index.find(&made(19)), None);
        let mut young = Index::new(1000);
        for day in 0..60u64 {
            young.keep(&made(day), day, day * DAY_MS);
        }
        assert!((22..=31).contains(&young.len()), "{}", young.len());
    }

    #[test]
    fn the_rarest_landmarks_are_looked_up_as_long_as_there_is_room() {
        // As often as a hash may stand in a part and still be looked up, and twice as many of them as there is room for.
        let common = (2 * PLACES_MAX / POPULAR) as u32;
        let mut state = 1u32;
        let mut frame = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 22) as u16
        };
        let mut index = Index::new(4000);
        for recording in 0..POPULAR as u32 {
            let marks: Vec<Landmark> = (0..common).map(|hash| Landmark { hash, at: frame() }).collect();
            index.keep(&marks, recording, 1);
        }
        let rare: Vec<Landmark> = (0..30)
            .map(|n| Landmark {
                hash: common + u32::from(n),
                at: n * 8,
            })
            .collect();
        index.keep(&rare, 7777, 1);
        let mut asked: Vec<Landmark> = (0..common).map(|hash| Landmark { hash, at: frame() }).collect();
        asked.extend(&rare);
        assert_eq!(index.find(&asked), Some(Match { of: 7777, hits: 30 }));
        let mut room = Room::default();
        index.parts[0].look_up(&asked, &mut room);
        assert!(
            (PLACES_MAX - POPULAR..=PLACES_MAX).contains(&room.places.len()),
            "{}",
            room.places.len()
        );
    }

    #[test]
    fn what_is_taken_out_is_found_no_more_and_hides_nothing() {
        let mut index = filled(5);
        let heard = landmarks(&babble(3, 15));
        let mut kept = heard.clone();
        kept.sort_by_key(|landmark| (landmark.at, landmark.hash));
        kept.dedup();
        assert_eq!(index.landmarks_of(3), kept);
        index.remove(|of| of == 3);
        assert_eq!((index.find(&heard), index.landmarks_of(3)), (None, Vec::new()));
        for seed in [0, 2, 4] {
            let found = index.find(&landmarks(&babble(seed, 15)));
            assert_eq!(found.map(|found| found.of), Some(seed));
        }
        index.keep(&kept, 3, 2);
        assert_eq!(index.find(&heard).map(|found| found.of), Some(3));
        assert_eq!(index.landmarks_of(3), kept, "and once only");
    }

    #[test]
    fn what_everybody_has_tells_nothing_and_any_landmark_is_taken() {
        let mut index = Index::new(4000);
        let same: Vec<Landmark> = (0..40)
            .map(|at| Landmark {
                hash: at,
                at: at as u16 * 8,
            })
            .collect();
        for number in 0..500u32 {
            index.keep(&same, number, 1);
        }
        assert_eq!(index.find(&same), None);
        let odd = [
            Landmark {
                hash: u32::MAX,
                at: u16::MAX,
            },
            Landmark { hash: 0, at: 0 },
        ];
        index.keep(&odd, 1, 1);
        assert_eq!(index.find(&odd), None);
        index.keep(&[], 2, 1);
        assert_eq!(index.find(&[]), None);
    }
}
