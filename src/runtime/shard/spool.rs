//! Records on their way to the recorder: the last one of a call is kept, within a bound, while the recorder is full.

use std::sync::Arc;
use std::time::Duration;

use super::Shard;
use crate::call::CallRecord;
use crate::runtime::limits::{RECORDS_SPOOLED, SPOOL_PATIENCE};

impl Shard {
    pub(super) fn record(&mut self, record: Arc<CallRecord>) {
        if !self.spool.is_empty() && record.timings.ended_ms.is_some() {
            self.keep(record);
        } else if let Err(record) = self.parts.doors.recorder.send(record)
            && record.timings.ended_ms.is_some()
        {
            self.keep(record);
        }
    }

    fn keep(&mut self, record: Arc<CallRecord>) {
        if self.spool.len() == RECORDS_SPOOLED
            && let Some(lost) = self.spool.pop_front()
        {
            tracing::error!(call = %lost.id, "the recorder is behind: a record was lost");
        }
        self.spool.push_back(record);
    }

    /// At the end there is no next turn: what is left waits for the recorder.
    pub(super) fn empty_spool(&mut self) {
        let step = Duration::from_millis(5);
        for _ in 0..SPOOL_PATIENCE.as_millis() / step.as_millis() {
            self.flush_spool();
            if self.spool.is_empty() {
                return;
            }
            std::thread::sleep(step);
        }
        tracing::error!(
            records = self.spool.len(),
            "the recorder is stuck: records were lost at the end"
        );
    }

    pub(super) fn flush_spool(&mut self) {
        while let Some(record) = self.spool.pop_front() {
            if let Err(record) = self.parts.doors.recorder.send(record) {
                self.spool.push_front(record);
                return;
            }
        }
    }
}
