//! Callers' icons: fetched by us under the rules of certificates, drawn again, kept for a while.
//!
//! The person's browser and phone never talk to a caller's host: they ask our API, and get pixels of ours. One
//! fetch per icon however many ask, and a failure is remembered for as long as it would be a nuisance to ask again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};

use super::clock;
use super::fetch::Fetcher;
use super::limits::{ICON_FETCHES, ICON_KEPT_FOR, ICON_RETRY_AFTER, ICONS_KEPT};
use crate::banner::{PictureFault, redraw};
use crate::identity::{ContentDigest, FetchFailure};

/// Why there is no icon. For the log; whoever asked is told that there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IconFault {
    #[error("{0}")]
    Fetch(#[from] FetchFailure),
    /// Another file than the one that was signed for (`rcdi`, RFC 9795 §6).
    #[error("not the file that was signed for")]
    Digest,
    #[error("{0}")]
    Picture(#[from] PictureFault),
    #[error("the drawing thread died")]
    Drawing,
}

type Drawn = Result<Arc<[u8]>, IconFault>;

/// One for the process.
pub struct Icons {
    fetcher: Arc<Fetcher>,
    kept: Mutex<BTreeMap<Key, Kept>>,
    /// Fetches and drawings under way.
    places: Semaphore,
}

/// The same file under another digest is another question.
type Key = (String, Option<String>);

struct Kept {
    icon: Arc<OnceCell<Drawn>>,
    asked: Instant,
    used: Instant,
}

impl Icons {
    pub fn new(fetcher: Arc<Fetcher>) -> Icons {
        Icons {
            fetcher,
            kept: Mutex::new(BTreeMap::new()),
            places: Semaphore::new(ICON_FETCHES),
        }
    }

    /// The picture at `url` as a PNG of ours. With `digest`, only when the file is the one that was signed for.
    pub async fn icon(&self, url: &str, digest: Option<&ContentDigest>) -> Drawn {
        let cell = self.cell((url.to_string(), digest.map(ContentDigest::to_string)));
        cell.get_or_init(|| self.fetch(url, digest)).await.clone()
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Where the answer is, or will be. Those who ask at the same time get the same place.
    fn cell(&self, key: Key) -> Arc<OnceCell<Drawn>> {
        let now = clock::now().instant;
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(&key)
            && known.is_current(now)
        {
            known.used = now;
            return known.icon.clone();
        }
        if kept.len() >= ICONS_KEPT && !kept.contains_key(&key) {
            let oldest = kept.iter().min_by_key(|(_, known)| known.used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                kept.remove(&oldest);
            }
        }
        let icon = Arc::new(OnceCell::new());
        let entry = Kept {
            icon: icon.clone(),
            asked: now,
            used: now,
        };
        kept.insert(key, entry);
        icon
    }

    async fn fetch(&self, url: &str, digest: Option<&ContentDigest>) -> Drawn {
        let place = self.places.acquire().await;
        let _place = place.map_err(|_| IconFault::Drawing)?;
        let file = self.fetcher.fetch_icon(url).await?;
        let digest = digest.cloned();
        let drawn = tokio::task::spawn_blocking(move || {
            if digest.is_some_and(|digest| !digest.matches(&file)) {
                return Err(IconFault::Digest);
            }
            Ok(redraw(&file)?)
        });
        // A decoder that panics costs its icon and nothing else.
        let drawn = drawn.await.map_err(|_| IconFault::Drawing)?;
        if let Err(fault) = &drawn {
            tracing::info!(%fault, "a caller's icon is not shown");
        }
        drawn.map(Arc::from)
    }
}

impl Kept {
    fn is_current(&self, now: Instant) -> bool {
        let age: Duration = now.saturating_duration_since(self.asked);
        match self.icon.get() {
            None => true,
            Some(Ok(_)) => age < ICON_KEPT_FOR,
            Some(Err(_)) => age < ICON_RETRY_AFTER,
        }
    }
}
