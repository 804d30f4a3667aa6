//! The one thread that writes: everything that waits in one go, the spool before it, and answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::address::Address;
use super::client::Client;
use super::spool::Spool;
use super::{erasing, rows};
use crate::call::CallRecord;
use crate::call_id::CallId;
use crate::store::inbox::{Asker, Batch, Command, Inbox};
use crate::store::limits::{BATCH_RECORDS, RETRY_FIRST, RETRY_LONGEST, SPOOL_PIECES, SPOOL_SHOWN_MAX};
use crate::store::seal::Index;

/// Records that were spooled last, for readers to lay over what they find.
pub(super) type Shown = Arc<Mutex<BTreeMap<CallId, Arc<CallRecord>>>>;

pub(super) struct Writer {
    pub address: Arc<Address>,
    /// Where changes are told, and as whom: a process beside a gateway has a name that the gateway listens to.
    pub channel: String,
    pub voice: String,
    pub inbox: Arc<Inbox>,
    /// By what numbers are known in Redis.
    pub index: Index,
    /// None = this process only helps beside a gateway, which has the file.
    pub spool: Option<Spool>,
    pub shown: Shown,
    pub client: Option<Client>,
}

impl Writer {
    /// Runs until the inbox is closed and empty; what Redis does not take then lies in the spool.
    pub fn run(mut self) {
        let mut pause = Duration::ZERO;
        loop {
            let mut batch = self.inbox.gather(pause);
            let is_last = batch.is_last;
            let commands = std::mem::take(&mut batch.commands);
            pause = match self.commit(&batch) {
                Ok(()) => {
                    let was_away = !self.inbox.is_writing();
                    self.inbox.written(&batch.records, &batch.tokens);
                    let problem = self.answer(commands);
                    if let Some(problem) = problem {
                        self.failed(&problem);
                        RETRY_FIRST
                    } else {
                        if was_away {
                            tracing::info!(store = self.address.shown, "the store can be written again");
                        }
                        Duration::ZERO
                    }
                }
                Err(problem) => {
                    self.failed(&problem);
                    let is_kept = self.keep(&batch);
                    for (command, asker) in commands {
                        // What was saved before the flush is on a disk.
                        let is_done = is_kept && matches!(command, Command::Flush);
                        asker.tell(if is_done { Ok(true) } else { Err(problem.clone()) });
                    }
                    (pause * 2).clamp(RETRY_FIRST, RETRY_LONGEST)
                }
            };
            if is_last && !pause.is_zero() {
                self.abandon();
                return;
            }
            if self.inbox.is_done() {
                return;
            }
        }
    }

    /// What was spooled, some of it, and then the records of the batch.
    fn commit(&mut self, batch: &Batch) -> Result<(), String> {
        // A connection that broke while nobody used it shows that now, before anything depends on it.
        if self
            .client
            .as_mut()
            .is_none_or(|client| client.ask(&["PING"]).is_err())
        {
            self.client = None;
            self.client = Some(Client::connect(&self.address)?);
        }
        let node = self.address.node.clone();
        let Some(client) = &mut self.client else {
            return Err("no connection".into());
        };
        if let Some(spool) = &mut self.spool {
            for _ in 0..SPOOL_PIECES {
                if spool.records() == 0 {
                    break;
                }
                // A fault of our own disk says nothing of Redis: what comes now goes there all the same.
                let piece = match spool.first(BATCH_RECORDS) {
                    Ok(piece) => piece,
                    Err(error) => {
                        spool_failed(&self.inbox, "read", &error);
                        break;
                    }
                };
                rows::put_calls(client, &node, &self.index, piece.records.iter())?;
                for _ in 0..piece.unreadable {
                    self.inbox.count_unreadable();
                }
                // They are in Redis: what is not forgotten is put there once more, and changes nothing.
                match spool.forget(&piece) {
                    Ok(()) => drop(self.inbox.spool_went(None)),
                    Err(error) => spool_failed(&self.inbox, "written", &error),
                }
                self.inbox.spooled(spool.records());
                let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
                piece
                    .records
                    .iter()
                    .for_each(|record| drop(shown.remove(&record.id)));
            }
        }
        for some in batch.records.chunks(BATCH_RECORDS) {
            rows::put_calls(client, &node, &self.index, some.iter().map(|record| &**record))?;
        }
        Ok(())
    }

    /// Answers every question; gives what went wrong with the connection, if anything did.
    fn answer(&mut self, commands: Vec<(Command, Asker)>) -> Option<String> {
        let told = (self.channel.as_str(), self.voice.as_str());
        let node = self.address.node.as_str();
        let spooled = self.spool.as_ref().map_or(0, Spool::records);
        let mut broken: Option<String> = None;
        for (command, asker) in commands {
            // The spool goes first, and may take longer than he waits.
            if asker.has_given_up() {
                continue;
            }
            let answer = match (&broken, &mut self.client) {
                (Some(problem), _) => Err(problem.clone()),
                (None, None) => Err("no connection".into()),
                (None, Some(client)) => match &command {
                    Command::Flush => Ok(true),
                    Command::Report { id, report } => rows::put_report(client, told, *id, report),
                    Command::Write(writes) => rows::write_all(client, told, node, writes),
                    // What lies there may be a call of whom is to be erased.
                    Command::Erase(_) if spooled > 0 => {
                        asker.tell(Err(
                            "records still wait in the spool; try again when it is empty".into()
                        ));
                        continue;
                    }
                    Command::Erase(erasing) => erasing::erase(client, told, &self.index, erasing),
                    // The store has Redis write its files anew by itself.
                    Command::Scrub | Command::Anew => Ok(false),
                },
            };
            if let Err(problem) = &answer {
                broken.get_or_insert_with(|| problem.clone());
            }
            asker.tell(answer);
        }
        broken
    }

    fn failed(&mut self, problem: &str) {
        self.client = None;
        if self.inbox.failed(problem) {
            tracing::error!(
                store = self.address.shown,
                problem,
                "the store is away: calls go on with what this gateway knows, records go to its own disk"
            );
        }
    }

    /// Puts the batch's records into the spool. False = not all of them are on a disk; those stay in the inbox.
    fn keep(&mut self, batch: &Batch) -> bool {
        let Some(spool) = &mut self.spool else {
            return batch.records.is_empty();
        };
        let taken = match spool.put(&batch.records) {
            Ok(taken) => {
                self.inbox.spool_went(None);
                taken
            }
            Err(error) => {
                spool_failed(&self.inbox, "written", &error);
                0
            }
        };
        self.inbox.spooled(spool.records());
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for record in &batch.records[..taken] {
            shown.insert(record.id, record.clone());
        }
        while shown.len() > SPOOL_SHOWN_MAX {
            shown.pop_first();
        }
        drop(shown);
        self.inbox.put_away(&batch.records[..taken], &batch.tokens);
        taken == batch.records.len()
    }

    fn abandon(&self) {
        let lost = self.inbox.abandon();
        if lost > 0 {
            tracing::error!(
                store = self.address.shown,
                lost,
                "the store was closed with records that found no place on any disk"
            );
        }
    }
}

fn spool_failed(inbox: &Inbox, what: &str, error: &std::io::Error) {
    let problem = format!("the spool on this machine's disk cannot be {what}: {error}");
    if inbox.spool_went(Some(&problem)) {
        tracing::error!(
            problem,
            "records that find no room there are held in memory, and lost by a crash"
        );
    }
}
