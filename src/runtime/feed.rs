//! Reads a list of addresses that others have seen scanning, again and again: `[scans.feed]`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use reqwest::header::{self, HeaderName, HeaderValue};
use serde_json::json;
use tokio::sync::Notify;

use super::clock;
use super::limits::{FEED_LASTS, FEED_MARK_OCTETS_MAX, FEED_OCTETS_MAX, FEED_PATIENCE, FEED_REST};
use super::outgoing::{Ask, Outgoing, OutgoingError};
use crate::cidr::Cidr;
use crate::flood::{Blocks, Feed, FeedConfig, FeedPlace};
use crate::given_file;

pub struct FeedKeeper {
    config: FeedConfig,
    outgoing: Outgoing,
    /// Networks that may be on it though nobody outside can send from there.
    ours: Vec<Cidr>,
    blocks: Arc<Blocks>,
    /// Held for moments.
    standing: Mutex<Standing>,
    /// By what its host knows the list again that we have. Held for moments.
    marks: Mutex<Vec<(HeaderName, HeaderValue)>>,
}

/// How the last look went.
#[derive(Clone, Debug, Default)]
struct Standing {
    entries: usize,
    ignored: usize,
    /// When it was last read, or was said to be the same still.
    read_ms: Option<u64>,
    /// Why it could not be read since.
    problem: Option<String>,
}

impl FeedKeeper {
    /// # Errors
    ///
    /// [`OutgoingError`] names what cannot be used.
    pub fn new(config: FeedConfig, blocks: Arc<Blocks>) -> Result<FeedKeeper, OutgoingError> {
        Ok(FeedKeeper {
            outgoing: Outgoing::new(&config.allow, &config.anchors, FEED_PATIENCE, FEED_OCTETS_MAX)?,
            ours: config
                .allow
                .iter()
                .filter_map(|range| range.parse().ok())
                .collect(),
            config,
            blocks,
            standing: Mutex::default(),
            marks: Mutex::default(),
        })
    }

    /// Reads it again and again, and whenever somebody says (SIGHUP) that it is another. For ever.
    pub async fn keep(self: Arc<Self>, asked: Arc<Notify>) {
        loop {
            let rest = match self.look().await {
                Ok(()) => self.config.every,
                Err(problem) => {
                    self.failed(problem);
                    self.config.every.min(FEED_REST)
                }
            };
            let _ = tokio::time::timeout(rest, asked.notified()).await;
        }
    }

    /// What was known counts on; it is said once, and shown until it can be read again.
    fn failed(&self, problem: String) {
        metrics::gauge!("ringward_feed_failing").set(1.0);
        let was_told = self.standing(|standing| standing.problem.replace(problem.clone()).is_some());
        if !was_told {
            tracing::warn!(
                "[scans.feed]: {problem}; what was read before counts for a day, or twice `every`, after it was read"
            );
        }
    }

    /// Reads it once; who has left it is heard again.
    async fn look(&self) -> Result<(), String> {
        let mut marks = Vec::new();
        let octets = match &self.config.place {
            FeedPlace::File(file) => {
                let file = file.clone();
                let read =
                    tokio::task::spawn_blocking(move || given_file::read(&file, FEED_OCTETS_MAX as u64));
                let read = read.await.map_err(|_| "reading it ended".to_string())?;
                read.map_err(|problem| problem.to_string())?
            }
            FeedPlace::Https(url) => {
                let ask = Ask {
                    method: reqwest::Method::GET,
                    url: url.reveal(),
                    headers: self.marks(|marks| marks.clone()),
                    body: Vec::new(),
                };
                let answer = self
                    .outgoing
                    .ask(ask)
                    .await
                    .map_err(|failure| failure.to_string())?;
                match answer.status {
                    200 => {}
                    304 if self.blocks.feed_lasts(self.until()) => {
                        self.is_current();
                        return Ok(());
                    }
                    status => {
                        // Whatever we have of it, it is asked for whole the next time.
                        self.marks(Vec::clear);
                        return Err(format!("its host answered {status}"));
                    }
                }
                for (told, asked) in [
                    (header::ETAG, header::IF_NONE_MATCH),
                    (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE),
                ] {
                    let mark = answer.headers.get(told).cloned();
                    marks.extend(
                        mark.filter(|mark| mark.len() <= FEED_MARK_OCTETS_MAX)
                            .map(|mark| (asked, mark)),
                    );
                }
                answer.body
            }
        };
        let feed = Feed::parse(&octets, &self.ours).map_err(|problem| problem.to_string())?;
        self.standing(|standing| (standing.entries, standing.ignored) = (feed.entries, feed.ignored));
        metrics::gauge!("ringward_feed_entries").set(feed.entries as f64);
        self.blocks.feed(feed, self.until());
        self.marks(|kept| *kept = marks);
        self.is_current();
        Ok(())
    }

    /// Until when a list counts that is read now.
    fn until(&self) -> Instant {
        clock::now().instant + FEED_LASTS.max(self.config.every * 2)
    }

    fn is_current(&self) {
        metrics::gauge!("ringward_feed_failing").set(0.0);
        let had_problem = self.standing(|standing| {
            standing.read_ms = Some(clock::now().unix_ms());
            standing.problem.take().is_some()
        });
        if had_problem {
            tracing::info!("[scans.feed] is read again");
        }
    }

    /// For `/api/v1/status`.
    pub fn status(&self) -> serde_json::Value {
        let standing = self.standing(|standing| standing.clone());
        json!({
            "entries": standing.entries,
            "ignored": standing.ignored,
            "read_ms": standing.read_ms,
            "problem": standing.problem,
        })
    }

    fn marks<T>(&self, with: impl FnOnce(&mut Vec<(HeaderName, HeaderValue)>) -> T) -> T {
        with(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn standing<T>(&self, with: impl FnOnce(&mut Standing) -> T) -> T {
        with(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_has_left_the_file_is_heard_again_and_a_broken_file_changes_nothing() {
        let file = std::env::temp_dir().join(format!("ringward-feed-{}", std::process::id()));
        let blocks = Arc::new(Blocks::new(vec!["203.0.113.0/24".parse().unwrap()], true));
        let config = FeedConfig {
            place: FeedPlace::File(file.clone()),
            every: Duration::from_secs(3600),
            allow: Vec::new(),
            anchors: Vec::new(),
        };
        let keeper = FeedKeeper::new(config, blocks.clone()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let look = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            runtime.block_on(keeper.look())
        };
        let is_blocked = |address: &str| blocks.is_blocked(address.parse().unwrap(), clock::now().instant);
        look(b"192.0.2.1\n192.0.2.2\n203.0.113.9\n").unwrap();
        assert!(is_blocked("192.0.2.1") && is_blocked("192.0.2.2"));
        assert!(!is_blocked("203.0.113.9"), "a carrier's");
        assert_eq!(keeper.status()["entries"], 3);
        assert!(look(b"<html>").is_err());
        assert!(is_blocked("192.0.2.1"), "what was read before");
        look(b"192.0.2.2\n").unwrap();
        assert!(!is_blocked("192.0.2.1") && is_blocked("192.0.2.2"));
        look(b"").unwrap();
        assert!(!is_blocked("192.0.2.2"));
        std::fs::remove_file(&file).unwrap();
        assert!(
            runtime
                .block_on(keeper.look())
                .unwrap_err()
                .contains("no such file")
        );
    }
}
