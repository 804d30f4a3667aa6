//! Hears the first seconds of every scored call for recordings that came in other calls (`recordings/`).
//!
//! Called on the scoring threads with the hops that they have just scored. One call is heard outside of every lock; a
//! look-up holds the index for some milliseconds. A thread of its own reads what was known before a start, and writes what
//! becomes known a second later: whoever scores waits for no disk.

mod kept;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::clock;
use super::limits::{
    RECORDINGS_AT_ONCE, RECORDINGS_FORGOTTEN_EVERY, RECORDINGS_READ_AGAIN, RECORDINGS_TRIES,
    RECORDINGS_WRITTEN_EVERY,
};
use super::priority::Priority;
use crate::call::record::State;
use crate::call_id::CallId;
use crate::given_file;
use crate::media::Clip;
use crate::prompts::{self, clip_of_wav};
use crate::recordings::limits::{ASKED_AT, HEARING_MAX, HITS_CLEAR, OVER_AFTER, SAMPLES_MAX, SPEEDS};
use crate::recordings::{Campaigns, Hearing, NotSaid, Plan, Recording, Repeat, Said, Standing};
use crate::sdp::Codec;
use crate::store::{Live, Store, StoreError};
use kept::{Pseudonyms, Shelves, busy};

pub use kept::{clear, erase_beside, held_beside};

pub struct Repeats {
    plan: Arc<Plan>,
    live: Arc<Live>,
    store: Arc<dyn Store>,
    pseudonyms: Pseudonyms,
    hearing: Mutex<HashMap<CallId, Box<Heard>>>,
    campaigns: Mutex<Campaigns>,
    /// Held while the store is read or written: only for threads that may wait.
    shelves: Mutex<Shelves>,
    /// What was known before this start is known again. Before that nothing is looked up, and what is to be looked up waits.
    is_read: AtomicBool,
    /// What was told on this store to erase, and is done here: by whom, and when (Unix ms). Locked before the shelves.
    told: Mutex<Vec<(u64, u64)>>,
}

struct Heard {
    /// `None`: nothing more is to be found out.
    hearing: Option<Hearing>,
    seconds: usize,
    /// It is time to look it up.
    is_due: bool,
    caller: u64,
    last_ms: u64,
}

/// How it stands with what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub known: usize,
    /// Octets of the indices.
    pub octets: usize,
    /// Not on disk as they are.
    pub unwritten: usize,
    /// What was known before this start is known again.
    pub is_read: bool,
}

/// The thread that reads and writes.
pub struct Keeping {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeping {
    /// Everything that was heard is written. Gives the thread, to be waited for.
    pub fn stop(self) -> JoinHandle<()> {
        drop(self.stop);
        self.thread
    }
}

impl Repeats {
    /// For at most this many recordings. Nothing is looked up before [`Repeats::keep`] has read what was known.
    ///
    /// # Errors
    ///
    /// Those of the store: the secret of the pseudonyms is there.
    pub fn open(recordings: usize, live: Arc<Live>, store: Arc<dyn Store>) -> Result<Repeats, StoreError> {
        Ok(Repeats {
            plan: Arc::default(),
            live,
            pseudonyms: Pseudonyms::open(&*store)?,
            store,
            hearing: Mutex::default(),
            campaigns: Mutex::new(Campaigns::new(recordings)),
            shelves: Mutex::default(),
            is_read: AtomicBool::new(false),
            told: Mutex::default(),
        })
    }

    /// Starts the thread that reads what was known before, and then writes behind the calls what becomes known.
    ///
    /// # Errors
    ///
    /// That of a machine with no thread to give.
    pub fn keep(self: Arc<Self>) -> std::io::Result<Keeping> {
        let (stop, stopped) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("recordings".into()).spawn(move || {
            // Those who hear wait for what it holds.
            Priority::Hearing.take();
            let is_over = |wait| stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
            while let Err(error) = self.read(clock::now().unix_ms()) {
                tracing::warn!(%error, "recordings of earlier calls are not known yet; it is tried again");
                if is_over(RECORDINGS_READ_AGAIN) {
                    return;
                }
            }
            let (mut turns, mut was_written) = (0_u64, true);
            loop {
                let is_last = is_over(RECORDINGS_WRITTEN_EVERY);
                let now_ms = clock::now().unix_ms();
                if turns.is_multiple_of(RECORDINGS_FORGOTTEN_EVERY) || is_last {
                    lock(&self.campaigns).forget(now_ms);
                    if let Err(error) = self.erase_as_told(now_ms) {
                        tracing::warn!(%error, "what others erased could not be looked at");
                    }
                }
                turns += 1;
                self.conclude_over(now_ms, is_last);
                let written = self.write();
                if let Err(error) = &written
                    && was_written
                {
                    tracing::warn!(%error, "recordings could not be written; they are known here, and it is tried again");
                }
                was_written = written.is_ok();
                if is_last {
                    return;
                }
            }
        })?;
        Ok(Keeping { stop, thread })
    }

    /// Reads what was known before this start, at `now_ms` since the Unix epoch. Blocks, for seconds when it is a lot.
    ///
    /// # Errors
    ///
    /// Those of the store; asked again it begins anew.
    pub fn read(&self, now_ms: u64) -> Result<(), StoreError> {
        let mut shelves = lock(&self.shelves);
        let mut reading = shelves.begin(&*self.store)?;
        let mut count = 0;
        while let Some(read) = shelves.read_on(&*self.store, &mut reading)? {
            for (recording, standing, landmarks) in read {
                lock(&self.campaigns).restore(recording, standing, &landmarks, now_ms);
                count += 1;
            }
        }
        lock(&self.campaigns).go_on_from(reading.last);
        drop(shelves);
        *lock(&self.told) = reading.done;
        self.is_read.store(true, Ordering::Release);
        self.erase_as_told(now_ms)?;
        tracing::info!(count, "recordings of earlier calls are known");
        Ok(())
    }

    /// Writes what is not on disk as it is. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: what is not written is written the next time.
    pub fn write(&self) -> Result<(), StoreError> {
        let mut shelves = lock(&self.shelves);
        let mut tries = 0;
        loop {
            let mut campaigns = lock(&self.campaigns);
            let (unwritten, last) = (campaigns.take_unwritten(RECORDINGS_AT_ONCE), campaigns.last());
            drop(campaigns);
            if unwritten.is_empty() {
                return Ok(());
            }
            match shelves.write(&*self.store, &unwritten, last) {
                Ok(true) => continue,
                Ok(false) => lock(&self.campaigns).put_back(unwritten),
                Err(error) => {
                    lock(&self.campaigns).put_back(unwritten);
                    return Err(error);
                }
            }
            tries += 1;
            if tries >= RECORDINGS_TRIES {
                return Err(busy("writing recordings"));
            }
        }
    }

    /// What others on this store erased is known here no more. Blocks.
    fn erase_as_told(&self, now_ms: u64) -> Result<(), StoreError> {
        let mut done = lock(&self.told);
        let told = kept::told_by_others(&*self.store)?;
        for (caller, _) in told.iter().filter(|one| !done.contains(one)) {
            self.forget(*caller);
        }
        // Only what is on disk is done: what fails is done again.
        self.write()?;
        *done = told;
        kept::done_for_others(&*self.store, &done, now_ms)?;
        lock(&self.shelves).write_done(&*self.store, &done)
    }

    /// Gives of how many recordings he was. A call of his that is over, and was not heard whole, does not bring him back.
    fn forget(&self, caller: u64) -> u64 {
        let goes_on = |call| {
            let record = self.live.call(call);
            record.is_some_and(|record| record.state != State::Ended)
        };
        lock(&self.hearing).retain(|call, heard| heard.caller != caller || goes_on(*call));
        lock(&self.campaigns).forget_caller(caller)
    }

    /// Takes a number out of every recording, here and on disk; gives of how many it was. A recording that came from nobody else
    /// is known no more. Calls that go on may bring it back. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: asked again it goes on. Also while what was known before this start is still being read.
    pub fn forget_number(&self, number: &str, at_ms: u64) -> Result<u64, StoreError> {
        if !self.is_read() {
            return Err(busy("erasing a number while the recordings are being read"));
        }
        let caller = self.pseudonyms.caller(Some(number));
        let count = self.forget(caller);
        self.write()?;
        if self.store.neighbours().is_some() {
            let mut done = lock(&self.told);
            kept::tell_others(&*self.store, caller, at_ms)?;
            // What was told from here is done here.
            done.retain(|(known, _)| *known != caller);
            done.push((caller, at_ms));
            done.sort_unstable();
            if let Err(error) = lock(&self.shelves).write_done(&*self.store, &done) {
                tracing::warn!(%error, "that an erasure is done here could not be written; it is tried again");
            }
        }
        Ok(count)
    }

    /// In how many recordings a number is known as a caller.
    pub fn heard_from(&self, number: &str) -> u64 {
        lock(&self.campaigns).heard_from(self.pseudonyms.caller(Some(number)))
    }

    /// What was known before this start is known again.
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    /// What is known of one.
    pub fn standing(&self, recording: Recording) -> Option<Standing> {
        lock(&self.campaigns).standing(recording).cloned()
    }

    /// What is known of those that are meant.
    pub fn all(&self, is_meant: impl Fn(&Standing) -> bool) -> Vec<(Recording, Standing)> {
        let campaigns = lock(&self.campaigns);
        let meant = campaigns.all().filter(|(_, standing)| is_meant(standing));
        meant
            .map(|(recording, standing)| (recording, standing.clone()))
            .collect()
    }

    /// Those that are meant, the one that was heard last first: at most `most` after this place (when it was heard last, Unix ms), and
    /// whether there are more. Holds the look-ups for some milliseconds.
    pub fn page(
        &self,
        after: Option<(u64, Recording)>,
        most: usize,
        is_meant: impl Fn(&Standing) -> bool,
    ) -> (Vec<(Recording, Standing)>, bool) {
        let campaigns = lock(&self.campaigns);
        let meant = campaigns.all().filter(|(_, standing)| is_meant(standing));
        let mut places: Vec<(u64, Recording)> = meant
            .map(|(recording, standing)| (standing.last_seen_ms, recording))
            .filter(|place| after.is_none_or(|after| *place < after))
            .collect();
        places.sort_unstable_by(|one, other| other.cmp(one));
        let shown = places.iter().take(most).filter_map(|(_, recording)| {
            let standing = campaigns.standing(*recording)?;
            Some((*recording, standing.clone()))
        });
        (shown.collect(), places.len() > most)
    }

    /// Somebody says something of a recording: it counts for every look-up from now on, and is on disk a moment later. `seen` as
    /// in [`Campaigns::say`]. May hold the look-ups for some tens of milliseconds.
    ///
    /// # Errors
    ///
    /// Why it does not count.
    pub fn say(&self, recording: Recording, seen: Option<u64>, said: Said) -> Result<Standing, NotSaid> {
        let standing = lock(&self.campaigns).say(recording, seen, said)?;
        if let Err(error) = self.write() {
            tracing::warn!(%error, "what was said of a recording counts here; it is written when that is possible");
        }
        Ok(standing)
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
                Ok(clip) if !self.want_clip(&clip) => {
                    problems.push(format!("{}: not all of it found room", path.display()));
                }
                Ok(_) => {}
                Err(error) => {
                    problems.push(format!("{}: {error}", path.display()));
                    continue;
                }
            }
            count += 1;
        }
        (count, problems)
    }

    /// False = there was no room for all of it.
    fn want_clip(&self, clip: &Clip) -> bool {
        let law = crate::g711::Law::Mu;
        let samples: Vec<i16> = clip
            .octets(Codec::Pcmu)
            .iter()
            .map(|octet| law.decode(*octet))
            .collect();
        // A caller may come in at any place of it.
        samples.chunks(SAMPLES_MAX).all(|piece| {
            let mut hearing = Hearing::new(&self.plan);
            hearing.push(piece);
            lock(&self.campaigns).want(&hearing.finish())
        })
    }

    /// One second of a caller's audio, in its order. Something when it becomes known, or is known better, that the same was
    /// heard in another call.
    ///
    /// Of training calls nothing is heard: the same recording comes again and again, and is nobody's campaign.
    pub fn hear(&self, call: CallId, hop: &[i16], now_ms: u64) -> Option<Repeat> {
        let mut heard = self.take(call, now_ms)?;
        heard.last_ms = now_ms;
        let repeat = self.hear_more(call, &mut heard, hop, now_ms);
        lock(&self.hearing).insert(call, heard);
        repeat
    }

    /// How it stands.
    pub fn remembered(&self) -> Remembered {
        let campaigns = lock(&self.campaigns);
        Remembered {
            known: campaigns.len(),
            octets: campaigns.octets(),
            unwritten: campaigns.unwritten(),
            is_read: self.is_read(),
        }
    }

    fn hear_more(&self, call: CallId, heard: &mut Heard, hop: &[i16], now_ms: u64) -> Option<Repeat> {
        let hearing = heard.hearing.as_mut()?;
        hearing.push(hop);
        heard.seconds += 1;
        heard.is_due |= ASKED_AT.contains(&heard.seconds);
        if !heard.is_due || !self.is_read() {
            return None;
        }
        heard.is_due = false;
        let last = lock(&self.campaigns).last();
        let mut found = self.look_up(hearing);
        if found.is_none() && !hearing.is_full() {
            return None;
        }
        let whole = heard.hearing.take()?;
        let mut campaigns = lock(&self.campaigns);
        let whole = match found {
            Some(_) => Vec::new(),
            None => whole.finish(),
        };
        if found.is_none() && campaigns.last() != last {
            // Another call may have brought it while this one was looked up.
            found = campaigns.find(&whole).map(|found| found.of);
        }
        match found {
            Some(found) => campaigns.count(found, call, heard.caller, now_ms),
            None => {
                campaigns.keep(&whole, call, heard.caller, now_ms);
                None
            }
        }
    }

    /// Looked up as it is, and where that says nothing, or little, at other speeds: five questions, between which others are
    /// answered.
    fn look_up(&self, hearing: &Hearing) -> Option<Recording> {
        let ask = |speed| lock(&self.campaigns).find(&hearing.question(speed));
        let own = ask(1.0);
        let is_clear = own.is_some_and(|own| own.hits >= HITS_CLEAR);
        let others: &[f32] = if is_clear { &[] } else { &SPEEDS };
        let found = others.iter().filter_map(|speed| ask(*speed)).chain(own);
        found.max_by_key(|found| found.hits).map(|found| found.of)
    }

    /// What has been heard of this call, taken out so that nobody waits for it.
    fn take(&self, call: CallId, now_ms: u64) -> Option<Box<Heard>> {
        let mut hearing = lock(&self.hearing);
        if let Some(heard) = hearing.remove(&call) {
            return Some(heard);
        }
        let over = over(&mut hearing, now_ms, false);
        let is_room = hearing.len() < HEARING_MAX;
        drop(hearing);
        for (call, heard) in over {
            self.conclude(call, *heard, now_ms);
        }
        is_room.then(|| {
            Box::new(Heard {
                // What a training call plays is nobody's recording.
                hearing: (!self.is_drill(call)).then(|| Hearing::new(&self.plan)),
                seconds: 0,
                is_due: false,
                caller: self.caller(call),
                last_ms: now_ms,
            })
        })
    }

    /// Calls that are over, or all of them when the gateway ends.
    fn conclude_over(&self, now_ms: u64, are_all: bool) {
        let over = over(&mut lock(&self.hearing), now_ms, are_all);
        for (call, heard) in over {
            self.conclude(call, *heard, now_ms);
        }
    }

    /// A call that ended before all of it was heard.
    fn conclude(&self, call: CallId, heard: Heard, now_ms: u64) {
        let hearing = heard
            .hearing
            .filter(|_| heard.seconds >= ASKED_AT[0] && self.is_read());
        if let Some(hearing) = hearing {
            lock(&self.campaigns).keep(&hearing.finish(), call, heard.caller, now_ms);
        }
    }

    fn is_drill(&self, call: CallId) -> bool {
        self.live.call(call).is_some_and(|record| record.drill)
    }

    /// Whoever hides the number is one caller: nothing tells them apart.
    fn caller(&self, call: CallId) -> u64 {
        let record = self.live.call(call);
        let number = record.as_ref().and_then(|record| record.caller.as_ref());
        self.pseudonyms
            .caller(number.map(|number| number.reveal().as_str()))
    }
}

/// Takes out the calls that said nothing more for [`OVER_AFTER`], or all of them.
fn over(hearing: &mut HashMap<CallId, Box<Heard>>, now_ms: u64, are_all: bool) -> Vec<(CallId, Box<Heard>)> {
    let most = OVER_AFTER.as_millis() as u64;
    let mut over: Vec<_> = hearing
        .extract_if(|_, heard| are_all || now_ms.saturating_sub(heard.last_ms) > most)
        .collect();
    // In an order that does not depend on the table.
    over.sort_by_key(|(call, _)| *call);
    over
}

/// A panic elsewhere left whole values only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
