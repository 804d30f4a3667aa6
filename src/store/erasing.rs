//! Erasing what kept calls say of people: of one number, or of all calls before a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::StoreError;
use super::inbox::{Command, Inbox};
use super::limits::{ERASE_TRIES, SCRUB_TRIES};
use crate::call_id::CallId;

/// Which calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Those of this canonical number: it called, or a phone of this business called it.
    Number(String),
    /// Those that began before this, Unix ms.
    Before(u64),
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Calls that say nothing of people any more.
    pub calls: u64,
    /// Calls that are not over, and were left as they are.
    pub live: u64,
    /// The destroyed keys have left the store's files as well. False = somebody was reading all the while, or Redis did not write them
    /// anew: the next erasure does it.
    pub is_scrubbed: bool,
}

/// An erasure under way, a page of calls after the other.
pub(super) struct Erasing {
    pub whom: Erase,
    pub at_ms: u64,
    calls: AtomicU64,
    live: AtomicU64,
    /// The next page holds what began before this.
    cursor: Mutex<Option<(u64, CallId)>>,
}

impl Erasing {
    fn new(whom: &Erase, at_ms: u64) -> Erasing {
        let cursor = match whom {
            Erase::Number(_) => None,
            Erase::Before(ms) => Some((*ms, CallId(0))),
        };
        Erasing {
            whom: whom.clone(),
            at_ms,
            calls: AtomicU64::new(0),
            live: AtomicU64::new(0),
            cursor: Mutex::new(cursor),
        }
    }

    pub fn cursor(&self) -> Option<(u64, CallId)> {
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page is done.
    pub fn add(&self, calls: u64, live: u64, last: Option<(u64, CallId)>) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.live.fetch_add(live, Ordering::Relaxed);
        if last.is_some() {
            *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = last;
        }
    }
}

/// Has the writer do it, page after page, so that records come in between.
pub(super) fn erase(
    inbox: &Inbox,
    url: &str,
    whom: &Erase,
    at_ms: u64,
    scrub: impl FnOnce() -> Result<bool, StoreError>,
) -> Result<Erased, StoreError> {
    let erasing = std::sync::Arc::new(Erasing::new(whom, at_ms));
    let mut tries = ERASE_TRIES;
    loop {
        match inbox.answer(url, "erasing calls", Command::Erase(erasing.clone())) {
            Ok(true) => tries = ERASE_TRIES,
            Ok(false) => break,
            // A writer that is behind: a page that was done all the same is not found again.
            Err(StoreError::Busy { .. }) if tries > 0 => tries -= 1,
            Err(error) => return Err(error),
        }
    }
    let calls = erasing.calls.load(Ordering::Relaxed);
    // Where nothing went by its term the files need nothing, unless they were not cleared the last time; whoever asks for a
    // number again wants them cleared.
    let is_idle = calls == 0 && matches!(whom, Erase::Before(_));
    let is_scrubbed = (is_idle && !inbox.owes_scrub.load(Ordering::SeqCst)) || scrub()?;
    Ok(Erased {
        calls,
        live: erasing.live.load(Ordering::Relaxed),
        is_scrubbed,
    })
}

/// What was destroyed leaves the files as well; false = not yet, and the next time does it.
pub(super) fn scrub(inbox: &Inbox, url: &str) -> Result<bool, StoreError> {
    inbox.owes_scrub.store(true, Ordering::SeqCst);
    let mut is_scrubbed = false;
    for _ in 0..SCRUB_TRIES {
        if is_scrubbed {
            break;
        }
        is_scrubbed = inbox.answer(url, "clearing what is erased from the files", Command::Scrub)?;
    }
    inbox.owes_scrub.store(!is_scrubbed, Ordering::SeqCst);
    Ok(is_scrubbed)
}
