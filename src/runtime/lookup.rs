//! Threads that ask the store about a caller, so that no shard waits for a disk.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::clock;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{LOOKUP_THREADS, LOOKUPS, TOKEN_MARGIN_MS};
use super::vital::Alarm;
use crate::call_id::CallId;
use crate::screening::HistoryFacts;
use crate::store::{Live, Store, history_at_once, history_with_live};

/// What a shard asks or tells the store.
pub enum Question {
    /// Who is this caller, and was this PASSporT used by another call?
    Caller {
        call: CallId,
        number: Option<String>,
        passport_digest: Option<String>,
    },
    /// A person answered the call that brought this PASSporT. Answered only when another call was first.
    Answered {
        call: CallId,
        passport_digest: String,
        /// Whether the call wants to hear that another was first.
        is_question: bool,
    },
}

/// Handle for the shards. Dropping every clone ends the threads.
#[derive(Clone)]
pub struct Lookups {
    questions: Sender<Question>,
    store: Arc<dyn Store>,
    live: Arc<Live>,
}

impl Lookups {
    /// # Errors
    ///
    /// The system's error when a thread cannot be started.
    ///
    /// `freshness` is `[identity] freshness`: how long a PASSporT could be used again.
    pub fn start(
        store: Arc<dyn Store>,
        live: Arc<Live>,
        mailboxes: Mailboxes,
        freshness: Duration,
        alarm: &Alarm,
    ) -> std::io::Result<Lookups> {
        let (questions, inbox) = bounded::<Question>(LOOKUPS);
        for index in 0..LOOKUP_THREADS {
            let (inbox, store, live, mailboxes) =
                (inbox.clone(), store.clone(), live.clone(), mailboxes.clone());
            alarm.spawn(format!("lookup-{index}"), move || {
                for question in inbox {
                    answer(&*store, &live, &mailboxes, question, token_window_ms(freshness));
                }
            })?;
        }
        Ok(Lookups {
            questions,
            store,
            live,
        })
    }

    /// What is known of a caller, when it is known already: no disk is asked, and no lock that somebody holds.
    pub fn at_once(&self, call: CallId, number: Option<&str>) -> Option<HistoryFacts> {
        match number {
            None => Some(of_nobody()),
            Some(number) => history_at_once(&*self.store, &self.live, call, number, clock::now().unix_ms()),
        }
    }

    /// Never waits; false = no room, and the question is answered "unavailable" by the call's own budget.
    pub fn ask(&self, question: Question) -> bool {
        self.questions.try_send(question).is_ok()
    }
}

fn answer(store: &dyn Store, live: &Live, mailboxes: &Mailboxes, question: Question, token_window_ms: u64) {
    let now_ms = clock::now().unix_ms();
    let (call, number, passport_digest) = match question {
        Question::Caller {
            call,
            number,
            passport_digest,
        } => (call, number, passport_digest),
        Question::Answered {
            call,
            passport_digest,
            is_question,
        } => {
            let was_used = store
                .token_answered(&passport_digest, call, now_ms, token_window_ms)
                .inspect_err(|error| tracing::warn!(%call, %error, "token reuse is unknown"))
                .unwrap_or(false);
            if let (true, Some(mailbox)) = (was_used && is_question, mailboxes.owner_of(call)) {
                mailbox.send(ToShard::Reused { call });
            }
            return;
        }
    };
    let history = match &number {
        None => of_nobody(),
        Some(number) => history_with_live(store, live, call, number, now_ms).unwrap_or_else(|error| {
            tracing::warn!(%call, %error, "history is unavailable");
            HistoryFacts::default()
        }),
    };
    let is_reused = match &passport_digest {
        None => Some(false),
        Some(digest) => store
            .token_seen(digest, call, now_ms, token_window_ms)
            .inspect_err(|error| tracing::warn!(%call, %error, "token reuse is unknown"))
            .ok(),
    };
    if let Some(mailbox) = mailboxes.owner_of(call) {
        mailbox.send(ToShard::Known {
            call,
            history,
            is_reused,
        });
    }
}

/// A caller without a number has no history.
fn of_nobody() -> HistoryFacts {
    HistoryFacts {
        is_available: true,
        ..HistoryFacts::default()
    }
}

/// How long a PASSporT is remembered: from the earliest moment it is fresh to the last, and a margin.
fn token_window_ms(freshness: Duration) -> u64 {
    u64::try_from(freshness.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_mul(2)
        .saturating_add(TOKEN_MARGIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_for_as_long_as_it_can_be_fresh() {
        assert_eq!(token_window_ms(Duration::from_secs(60)), 180_000);
        // An hour of freshness, both ways, is two hours in which it could be used again.
        assert!(token_window_ms(Duration::from_secs(3600)) >= 2 * 3_600_000);
    }
}
