//! Which phone talks with the caller: the queues share calls out by it.

use crate::queue::{Attempt, What};

use super::case::Case;
use super::desk::Desk;

impl Case {
    /// The phone of this attempt has answered; whoever talked before is free.
    pub(crate) fn talks_with(&mut self, attempt: Attempt, desk: &mut Desk) {
        self.talks_no_more(desk);
        if let Some(attempt) = self.record.attempts.get(attempt.0) {
            desk.used(&attempt.target, What::Answered);
            self.phone = Some(attempt.target.clone());
        }
    }

    /// The phone that answered has put down, or the call goes on without it.
    pub(crate) fn talks_no_more(&mut self, desk: &mut Desk) {
        if let Some(target) = self.phone.take() {
            desk.used(&target, What::Freed);
        }
    }
}
