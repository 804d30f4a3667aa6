//! Hears the first seconds of every scored call for recordings that came in other calls (`recordings/`).
//!
//! Called on the scoring threads with the hops that they have just scored. One call is heard outside of every lock; a
//! look-up holds the index for some milliseconds.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::call_id::CallId;
use crate::given_file;
use crate::media::Clip;
use crate::prompts::{self, clip_of_wav};
use crate::recordings::limits::{ASKED_AT, HEARING_MAX, OVER_AFTER, SAMPLES_MAX};
use crate::recordings::{Campaigns, Hearing, Plan, Repeat};
use crate::sdp::Codec;
use crate::store::Live;

pub struct Repeats {
    plan: Arc<Plan>,
    live: Arc<Live>,
    /// Numbers are told apart by a hash that nobody else can make.
    hasher: RandomState,
    hearing: Mutex<HashMap<CallId, Box<Heard>>>,
    campaigns: Mutex<Campaigns>,
}

struct Heard {
    /// `None`: nothing more is to be found out.
    hearing: Option<Hearing>,
    seconds: usize,
    caller: u64,
    last_ms: u64,
}

impl Repeats {
    /// For at most this many recordings.
    pub fn new(recordings: usize, live: Arc<Live>) -> Repeats {
        Repeats {
            plan: Arc::default(),
            live,
            hasher: RandomState::new(),
            hearing: Mutex::default(),
            campaigns: Mutex::new(Campaigns::new(recordings)),
        }
    }

    /// Takes every recording of this folder as wanted: `.wav`, as prompts are. How many, and what is wrong with the others.
    pub fn want(&self, folder: &Path) -> (usize, Vec<String>) {
        let mut problems = Vec::new();
        let mut count = 0;
        let listed = match std::fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) => return (0, vec![format!("{}: {error}", folder.display())]),
        };
        let mut paths: Vec<_> = listed.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
        paths.sort();
        for path in paths.iter().take(prompts::limits::FILES_MAX) {
            let clip = given_file::read(path, prompts::limits::FILE_OCTETS_MAX)
                .map_err(|error| error.to_string())
                .and_then(|octets| clip_of_wav(&octets).map_err(|error| error.to_string()));
            match clip {
                Ok(clip) => self.want_clip(&clip),
                Err(error) => {
                    problems.push(format!("{}: {error}", path.display()));
                    continue;
                }
            }
            count += 1;
        }
        (count, problems)
    }

    fn want_clip(&self, clip: &Clip) {
        let law = crate::g711::Law::Mu;
        let samples: Vec<i16> = clip
            .octets(Codec::Pcmu)
            .iter()
            .map(|octet| law.decode(*octet))
            .collect();
        // A caller may come in at any place of it.
        for piece in samples.chunks(SAMPLES_MAX) {
            let mut hearing = Hearing::new(&self.plan);
            hearing.push(piece);
            lock(&self.campaigns).want(&hearing.finish());
        }
    }

    /// One second of a caller's audio, in its order. Something when it becomes known, or is known better, that the same was
    /// heard in another call.
    ///
    /// Of training calls nothing is heard: the same recording comes again and again, and is nobody's campaign.
    pub fn hear(&self, call: CallId, hop: &[i16], now_ms: u64) -> Option<Repeat> {
        if self.live.call(call).is_some_and(|record| record.drill) {
            return None;
        }
        let mut heard = self.take(call, now_ms)?;
        heard.last_ms = now_ms;
        let repeat = self.hear_more(&mut heard, hop, now_ms);
        lock(&self.hearing).insert(call, heard);
        repeat
    }

    /// Recordings known, and octets they take.
    pub fn size(&self) -> (usize, usize) {
        let campaigns = lock(&self.campaigns);
        (campaigns.len(), campaigns.octets())
    }

    fn hear_more(&self, heard: &mut Heard, hop: &[i16], now_ms: u64) -> Option<Repeat> {
        let hearing = heard.hearing.as_mut()?;
        hearing.push(hop);
        heard.seconds += 1;
        if !ASKED_AT.contains(&heard.seconds) {
            return None;
        }
        let mut campaigns = lock(&self.campaigns);
        let found = campaigns.find(hearing.landmarks());
        if found.is_none() && !hearing.is_full() {
            return None;
        }
        let whole = heard.hearing.take()?;
        match found {
            Some(found) => campaigns.count(found, heard.caller, now_ms),
            None => {
                campaigns.keep(&whole.finish(), heard.caller, now_ms);
                None
            }
        }
    }

    /// What has been heard of this call, taken out so that nobody waits for it.
    fn take(&self, call: CallId, now_ms: u64) -> Option<Box<Heard>> {
        let mut hearing = lock(&self.hearing);
        if let Some(heard) = hearing.remove(&call) {
            return Some(heard);
        }
        let over: Vec<CallId> = hearing
            .iter()
            .filter(|(_, heard)| now_ms.saturating_sub(heard.last_ms) > OVER_AFTER.as_millis() as u64)
            .map(|(call, _)| *call)
            .collect();
        let over: Vec<Box<Heard>> = over.iter().filter_map(|call| hearing.remove(call)).collect();
        let is_room = hearing.len() < HEARING_MAX;
        drop(hearing);
        for heard in over {
            self.conclude(*heard, now_ms);
        }
        is_room.then(|| {
            Box::new(Heard {
                hearing: Some(Hearing::new(&self.plan)),
                seconds: 0,
                caller: self.caller(call),
                last_ms: now_ms,
            })
        })
    }

    /// A call that ended before all of it was heard.
    fn conclude(&self, heard: Heard, now_ms: u64) {
        if let Some(hearing) = heard.hearing.filter(|_| heard.seconds >= ASKED_AT[0]) {
            lock(&self.campaigns).keep(&hearing.finish(), heard.caller, now_ms);
        }
    }

    /// Whoever hides the number is one caller: nothing tells them apart.
    fn caller(&self, call: CallId) -> u64 {
        let record = self.live.call(call);
        let number = record
            .as_ref()
            .and_then(|record| record.caller.as_ref())
            .map(|number| number.reveal().clone());
        self.hasher.hash_one(number)
    }
}

/// A panic elsewhere left whole values only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallRecord;
    use crate::redact::Redacted;
    use crate::screening::sample;

    /// Tones that change every tenth of a second, out of a seed.
    fn audio(seed: u32) -> Vec<i16> {
        let mut state = seed;
        let mut tones = [500.0f32; 2];
        let mut phase = [0.0f32; 2];
        (0..15 * 8000)
            .map(|n| {
                if n % 800 == 0 {
                    for tone in &mut tones {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        *tone = 400.0 + ((state >> 12) % 2800) as f32;
                    }
                }
                let mut level = 0.0;
                for (phase, tone) in phase.iter_mut().zip(tones) {
                    *phase += tone * std::f32::consts::TAU / 8000.0;
                    level += phase.sin();
                }
                (level * 4000.0) as i16
            })
            .collect()
    }

    fn repeats() -> Repeats {
        let live = Arc::new(Live::new());
        for number in 1..6u128 {
            let facts = sample::unsigned();
            let mut record = CallRecord::arriving(CallId(number), &facts, Some("desk"), None);
            record.caller = Some(Redacted::new(format!("+1404555010{}", number.min(4))));
            live.publish(Arc::new(record));
        }
        Repeats::new(100, live)
    }

    /// So many seconds of a call; what was told of it last.
    fn hear(repeats: &Repeats, call: u128, samples: &[i16], now_ms: u64) -> Option<Repeat> {
        let mut told = None;
        for hop in samples.chunks(8000) {
            told = repeats.hear(CallId(call), hop, now_ms).or(told);
        }
        told
    }

    #[test]
    fn the_same_recording_from_three_numbers_is_told_after_five_seconds() {
        let repeats = repeats();
        assert_eq!(hear(&repeats, 1, &audio(1), 1_000), None);
        assert_eq!(repeats.size().0, 1);
        // Another call, another voice; and a call that ends after seven seconds.
        assert_eq!(hear(&repeats, 2, &audio(2)[..56_000], 2_000), None);
        let second = hear(&repeats, 3, &audio(1)[4_000..44_000], 3_000).unwrap();
        assert_eq!(
            (second.callers, second.calls, second.first_seen_ms),
            (2, 2, 1_000)
        );
        let third = hear(&repeats, 4, &audio(1), 4_000).unwrap();
        assert_eq!((third.callers, third.calls), (3, 3));
        // The same number again is no new caller.
        assert_eq!(
            hear(&repeats, 5, &audio(1), 5_000).map(|repeat| repeat.callers),
            Some(3)
        );
        // The one that ended early is kept once it is over.
        let later = hear(&repeats, 1_000, &audio(2), 90_000).unwrap();
        assert_eq!((later.callers, later.calls), (2, 2));
    }

    #[test]
    fn what_the_business_knows_and_wants_is_no_campaign() {
        let repeats = repeats();
        let samples = audio(7);
        repeats.want_clip(&Clip::of_samples(&samples));
        for call in 1..5 {
            assert_eq!(hear(&repeats, call, &samples[16_000..], 1_000), None);
        }
        assert_eq!(repeats.size().0, 0);
        let nowhere = repeats.want(Path::new("/nowhere/at/all"));
        assert!(nowhere.0 == 0 && nowhere.1.len() == 1, "{nowhere:?}");
        let ours = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en"));
        let (count, problems) = repeats.want(ours);
        assert!(count > 20 && problems.is_empty(), "{problems:?}");
    }
}
