//! Where a call was sent on, as its record has it.

use serde::{Deserialize, Serialize};

use super::CallRecord;
use crate::call::limits::TRANSFERS_KEPT;
use crate::redact::Redacted;

/// The person answering sent the call on, or another phone took it over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Milliseconds since INVITE arrival.
    pub at_ms: u64,
    /// The phone that had the call (as in `answered_by`); where a queue sent it on, that queue.
    pub by: String,
    /// The number or name in Refer-To; of a take-over, who took it; of a queue's, the next one, or the number.
    pub to: Redacted<String>,
    pub kind: TransferKind,
    pub outcome: TransferOutcome,
    /// Final SIP status of the new call, or of the refusal; 0 while pending, and between queues.
    pub status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// REFER to a number.
    Blind,
    /// REFER with Replaces: somebody was asked first.
    Attended,
    /// INVITE with Replaces from another phone.
    TakenOver,
    /// To another queue, by order of somebody who watches the call, or of policy.
    Ordered,
    /// To a number outside, by its queue, of which nobody took the call.
    Overflow,
    /// To another queue, by its queue, of which nobody took the call, or which was closed.
    NextQueue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferOutcome {
    Pending,
    Completed,
    /// Not allowed.
    Refused,
    /// Nobody answered there.
    Failed,
    /// The call ended first.
    Abandoned,
}

impl CallRecord {
    /// A transfer begins; its place, for [`CallRecord::end_transfer`]. One that was ordered always has a place, however
    /// many a phone tried before: there are no more of them than orders.
    pub(crate) fn add_transfer(&mut self, at_ms: u64, to: String, kind: TransferKind) -> usize {
        if self.transfers.len() >= TRANSFERS_KEPT && kind != TransferKind::Ordered {
            return usize::MAX;
        }
        self.transfers.push(Transfer {
            at_ms,
            by: self.answered_by.clone().unwrap_or_default(),
            to: Redacted::new(to),
            kind,
            outcome: TransferOutcome::Pending,
            status: 0,
        });
        self.transfers.len() - 1
    }

    /// A queue sent the call on to another one. However often one does, there is room for what people do.
    pub(crate) fn add_next_queue(&mut self, at_ms: u64, to: String, from: String) {
        let by_queues = |transfer: &&Transfer| transfer.kind == TransferKind::NextQueue;
        if self.transfers.iter().filter(by_queues).count() < TRANSFERS_KEPT / 2 {
            let place = self.add_transfer(at_ms, to, TransferKind::NextQueue);
            self.say_who_sent_on(place, from);
            self.end_transfer(place, TransferOutcome::Completed, 0);
        }
    }

    /// A queue sent the call on, and not the phone that has it.
    pub(crate) fn say_who_sent_on(&mut self, place: usize, queue: String) {
        if let Some(transfer) = self.transfers.get_mut(place) {
            transfer.by = queue;
        }
    }

    /// How that transfer ended; the first word stays.
    pub(crate) fn end_transfer(&mut self, place: usize, outcome: TransferOutcome, status: u16) {
        if let Some(transfer) = self.transfers.get_mut(place)
            && transfer.outcome == TransferOutcome::Pending
        {
            transfer.outcome = outcome;
            transfer.status = status;
        }
    }

    /// The number outside that a queue sent the call to answered, or did not: it is the last that rings.
    pub(crate) fn end_overflow(&mut self, status: u16) {
        let outcome = match status {
            200 => TransferOutcome::Completed,
            487 => TransferOutcome::Abandoned,
            _ => TransferOutcome::Failed,
        };
        let is_it = |transfer: &Transfer| {
            transfer.kind == TransferKind::Overflow && transfer.outcome == TransferOutcome::Pending
        };
        if let Some(place) = self.transfers.iter().position(is_it) {
            self.end_transfer(place, outcome, status);
        }
    }
}
