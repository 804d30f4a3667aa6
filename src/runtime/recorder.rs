//! One thread that takes records from the shards to the live registry and the store.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, TrySendError, bounded};

use super::alarms::Alarms;
use super::clock_alarm::ClockAlarm;
use super::count;
use super::limits::{RECORDER_REST, RECORDS};
use super::policies::Policies;
use super::vital::Alarm;
use super::webhooks::Webhooks;
use crate::call::CallRecord;
use crate::store::{Live, Store};

/// Handle for the shards. The thread ends when every clone is gone, after everything was handed on.
#[derive(Clone)]
pub struct Recorder {
    sender: Sender<Arc<CallRecord>>,
}

impl Recorder {
    /// # Errors
    ///
    /// The system's error when the thread cannot be started.
    pub fn start(
        store: Arc<dyn Store>,
        live: Arc<Live>,
        clock: ClockAlarm,
        policies: Arc<Policies>,
        webhooks: Arc<Webhooks>,
        alarms: Arc<Alarms>,
        alarm: &Alarm,
    ) -> std::io::Result<(Recorder, JoinHandle<()>)> {
        let (sender, inbox) = bounded::<Arc<CallRecord>>(RECORDS);
        let thread = alarm.spawn("recorder".into(), move || {
            let take = |record: Arc<CallRecord>| {
                if record.drill {
                    // Kept, shown, and counted nowhere.
                    if record.timings.ended_ms.is_some() {
                        save(&*store, &record);
                    }
                } else if record.timings.ended_ms.is_some() {
                    keep(&*store, &record);
                    clock.note(&record.identity);
                    policies.note(&record);
                    webhooks.ended(&record);
                    alarms.ended(&record);
                } else {
                    policies.decided(&record);
                    alarms.lasts(&record);
                }
                live.publish(record);
            };
            while let Ok(first) = inbox.recv() {
                take(first);
                inbox.try_iter().for_each(take);
                // From here on nobody has to wake this thread: a shard pays for that with a call to the system.
                std::thread::sleep(RECORDER_REST);
                while !inbox.is_empty() {
                    inbox.try_iter().for_each(take);
                    std::thread::sleep(RECORDER_REST);
                }
            }
            if let Err(error) = store.flush() {
                tracing::error!(%error, "the last records may not be on disk");
            }
        })?;
        Ok((Recorder { sender }, thread))
    }

    /// Never waits; gives the record back when there is no room.
    pub fn send(&self, record: Arc<CallRecord>) -> Result<(), Arc<CallRecord>> {
        self.sender.try_send(record).map_err(|error| match error {
            TrySendError::Full(record) | TrySendError::Disconnected(record) => record,
        })
    }
}

/// A record that will not change any more: counted, logged in one line without a whole number, and kept.
fn keep(store: &dyn Store, record: &Arc<CallRecord>) {
    count::ended(record);
    let outcome = record.outcome.as_ref();
    tracing::info!(
        call = %record.id,
        trunk = record.trunk,
        caller = record.caller.as_ref().map(tracing::field::display),
        queue = record.queue,
        standing = ?record.identity.standing,
        label = record.banner.as_ref().map(|banner| banner.label.name()),
        ending = outcome.map(|outcome| tracing::field::debug(outcome.ending)),
        status = outcome.map(|outcome| outcome.status),
        ms = record.timings.ended_ms,
        "call ended"
    );
    save(store, record);
}

fn save(store: &dyn Store, record: &Arc<CallRecord>) {
    if !store.save(Arc::clone(record)) {
        count::full("store");
        tracing::error!(call = %record.id, "the store's inbox is full: a record was lost");
    }
}
