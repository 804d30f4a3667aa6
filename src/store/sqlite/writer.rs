//! The one thread that writes: group commit, retry, answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{room, rows, schema};
use crate::store::Write;
use crate::store::inbox::{Answer, Batch, Command, Inbox};
use crate::store::limits::{ANEW_OCTETS_MAX, RETRY_FIRST, RETRY_LONGEST};
use crate::store::seal::Index;

/// Runs until the inbox is closed and empty (or closed and the disk refuses).
pub(super) fn run(url: &str, inbox: &Inbox, index: &Index, connection: &Arc<Mutex<Connection>>) {
    let mut pause = Duration::ZERO;
    loop {
        let batch = inbox.gather(pause);
        let is_last = batch.is_last;
        pause = match commit(connection, index, &batch) {
            Ok(answers) => {
                if !inbox.health().is_writing {
                    tracing::info!(
                        store = url,
                        records = batch.records.len(),
                        "the store can be written again"
                    );
                }
                inbox.written(&batch.records, &batch.tokens);
                answer(batch, answers);
                Duration::ZERO
            }
            Err(error) => {
                let problem = error.to_string();
                if inbox.failed(&problem) {
                    tracing::error!(
                        store = url,
                        problem,
                        "the store cannot be written; records are held"
                    );
                }
                answer_all(batch, &problem);
                (pause * 2).clamp(RETRY_FIRST, RETRY_LONGEST)
            }
        };
        if is_last && !pause.is_zero() {
            let lost = inbox.abandon();
            tracing::error!(
                store = url,
                lost,
                "the store was closed with records it could not write"
            );
            return;
        }
        if inbox.is_done() {
            return;
        }
    }
}

/// All of the batch or nothing.
fn commit(connection: &Mutex<Connection>, index: &Index, batch: &Batch) -> rusqlite::Result<Vec<bool>> {
    let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
    let mut change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for record in &batch.records {
        rows::put_call(&change, index, record)?;
    }
    if !batch.tokens.is_empty() {
        rows::forget_tokens(&change, batch.now_ms)?;
        for (digest, token) in &batch.tokens {
            rows::put_token(&change, digest, token)?;
        }
    }
    let mut answers = Vec::with_capacity(batch.commands.len());
    for (command, _) in &batch.commands {
        answers.push(match command {
            Command::Flush | Command::Scrub | Command::Anew => true,
            Command::Report { id, report } => rows::put_report(&change, *id, report)?,
            Command::Write(writes) => write_all(&mut change, writes)?,
            Command::Erase(erasing) => rows::erase(&change, index, erasing)?,
        });
    }
    change.commit()?;
    let asked = batch.commands.iter().map(|(command, _)| command);
    for (answer, command) in answers.iter_mut().zip(asked) {
        // What was asked is on disk, whatever comes of this.
        match command {
            Command::Scrub => *answer = rows::scrub(&connection).unwrap_or(false),
            Command::Anew => {
                let done = schema::leave_nothing_in_clear(&connection, room::disk, ANEW_OCTETS_MAX);
                *answer = done.unwrap_or(false);
            }
            _ => {}
        }
    }
    Ok(answers)
}

/// False = one of them was not the next one; none of them is made then.
fn write_all(change: &mut Transaction<'_>, writes: &[Write]) -> rusqlite::Result<bool> {
    let point = change.savepoint()?;
    for write in writes {
        let is_made = match write {
            Write::Setting { name, value } => rows::put_setting(&point, name, value).map(|()| true)?,
            Write::Append {
                journal,
                number,
                entry,
            } => rows::append(&point, journal, *number, entry)?,
            Write::Seal {
                journal,
                number,
                text,
            } => rows::put_beside(&point, journal, *number, text.clone()).map(|()| true)?,
            Write::Destroy { journal, first, last } => {
                rows::destroy(&point, journal, *first, *last).map(|()| true)?
            }
            Write::Reshelve {
                shelf,
                revision,
                changes,
            } => rows::reshelve(&point, shelf, *revision, changes)?,
        };
        if !is_made {
            // Dropped uncommitted, the savepoint takes back what was made before.
            return Ok(false);
        }
    }
    point.commit()?;
    Ok(true)
}

/// An asker that gave up waiting has closed its channel: nothing to tell.
fn answer(batch: Batch, answers: Vec<bool>) {
    for ((_, asker), answer) in batch.commands.into_iter().zip(answers) {
        asker.tell(Answer::Ok(answer));
    }
}

fn answer_all(batch: Batch, problem: &str) {
    for (_, asker) in batch.commands {
        asker.tell(Answer::Err(problem.to_string()));
    }
}
