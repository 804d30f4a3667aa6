//! Threads that ask the store about a caller, so that no shard waits for a disk.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::clock;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{LOOKUP_THREADS, LOOKUPS, TOKEN_WINDOW_MS};
use crate::call_id::CallId;
use crate::screening::HistoryFacts;
use crate::store::{Live, Store, history_with_live};

/// One question: who is this caller, and was this PASSporT used in another call?
pub struct Question {
    pub call: CallId,
    pub number: Option<String>,
    pub passport_digest: Option<String>,
    pub sip_call_id: String,
}

/// Handle for the shards. Dropping every clone ends the threads.
#[derive(Clone)]
pub struct Lookups {
    questions: Sender<Question>,
}

impl Lookups {
    /// # Errors
    ///
    /// The system's error when a thread cannot be started.
    pub fn start(store: Arc<dyn Store>, live: Arc<Live>, mailboxes: Mailboxes) -> std::io::Result<Lookups> {
        let (questions, inbox) = bounded::<Question>(LOOKUPS);
        for index in 0..LOOKUP_THREADS {
            let (inbox, store, live, mailboxes) =
                (inbox.clone(), store.clone(), live.clone(), mailboxes.clone());
            thread::Builder::new()
                .name(format!("lookup-{index}"))
                .spawn(move || {
                    for question in inbox {
                        answer(&*store, &live, &mailboxes, question);
                    }
                })?;
        }
        Ok(Lookups { questions })
    }

    /// Never waits; false = no room, and the question is answered "unavailable" by the call's own budget.
    pub fn ask(&self, question: Question) -> bool {
        self.questions.try_send(question).is_ok()
    }
}

fn answer(store: &dyn Store, live: &Live, mailboxes: &Mailboxes, question: Question) {
    let now_ms = clock::now().unix_ms();
    let history = match &question.number {
        None => HistoryFacts {
            is_available: true,
            ..HistoryFacts::default()
        },
        Some(number) => {
            history_with_live(store, live, question.call, number, now_ms).unwrap_or_else(|error| {
                tracing::warn!(call = %question.call, %error, "history is unavailable");
                HistoryFacts::default()
            })
        }
    };
    let is_reused = match &question.passport_digest {
        None => Some(false),
        Some(digest) => store
            .token_seen(digest, &question.sip_call_id, now_ms, TOKEN_WINDOW_MS)
            .inspect_err(|error| tracing::warn!(call = %question.call, %error, "token reuse is unknown"))
            .ok(),
    };
    if let Some(mailbox) = mailboxes.owner_of(question.call) {
        mailbox.send(ToShard::Known {
            call: question.call,
            history,
            is_reused,
        });
    }
}
