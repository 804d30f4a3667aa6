//! Holds refusals against the budget of the newest policy, and goes back to what was live before when it is exceeded.

use std::sync::Arc;

use super::limits::{TAKE_BACK_PAUSE, TAKE_BACK_TRIES};
use super::policies::{Policies, Problem};
use crate::call::CallRecord;
use crate::policy::Exceeded;
use crate::policy::book::BY_GATEWAY;

impl Policies {
    /// A call was decided and goes on: it counts for the budget of the newest policy.
    pub fn decided(self: &Arc<Self>, record: &CallRecord) {
        let exceeded = self.shown().watching.decided(record);
        if let Some((revision, exceeded)) = exceeded {
            self.take_back(revision, exceeded);
        }
    }

    /// A call has ended: counts what the watching policy would have done, and holds refusals against the budget of the
    /// newest policy. Past it the gateway goes back to what was live before, by itself.
    pub fn note(self: &Arc<Self>, record: &CallRecord) {
        let exceeded = self.shown().watching.ended(record);
        if let Some((revision, exceeded)) = exceeded {
            self.take_back(revision, exceeded);
        }
    }

    /// On a thread of its own: the recorder must not wait for the disk.
    fn take_back(self: &Arc<Self>, revision: String, exceeded: Exceeded) {
        let Exceeded { calls, refused } = exceeded;
        let reason = format!("{revision} refused {refused} of {calls} calls: more than its budget");
        tracing::error!(reason, "the policy is taken back");
        let policies = Arc::clone(self);
        let thread = std::thread::Builder::new().name("policy-back".into());
        let started = thread.spawn(move || {
            for _ in 0..TAKE_BACK_TRIES {
                match policies.take_back_now(&revision, &reason) {
                    Ok(()) => return,
                    Err(error @ Problem::Refused(_)) => {
                        tracing::error!(%error, "the policy could not be taken back");
                        return;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the policy could not be taken back; it is tried again")
                    }
                }
                std::thread::sleep(TAKE_BACK_PAUSE);
            }
            // Held again: it is taken back when it goes on so.
            if let Some(policy) = policies.called(&revision) {
                policies.shown().watching.hold(&policy);
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread: the policy could not be taken back");
        }
    }

    /// Only while it is still the newest that judges: somebody may have been faster.
    pub(super) fn take_back_now(&self, revision: &str, reason: &str) -> Result<(), Problem> {
        let mut desk = self.desk();
        let newest = desk.book.rollout().map(|(number, _)| number).or(desk.book.live());
        let newest = newest.and_then(|number| desk.book.revision(number).ok());
        if newest.is_some_and(|newest| newest.revision == revision) {
            self.back(&mut desk, BY_GATEWAY, reason)?;
            metrics::counter!("ringward_policy_rollbacks_total").increment(1);
        }
        Ok(())
    }
}
