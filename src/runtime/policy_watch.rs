//! What calls say of the policy that judges and of the one that watches: refusals against a budget, and counts.

use std::collections::HashSet;

use serde::Serialize;

use super::limits::COUNTED_CALLS_MAX;
use crate::call::CallRecord;
use crate::call_id::CallId;
use crate::policy::{Action, Exceeded, Policy, Watch};

/// What the watching policy would have done, since it watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShadowCounts {
    pub calls: u64,
    /// It would have done something else.
    pub otherwise: u64,
    /// It would have refused, and the call was not.
    pub newly_refused: u64,
    /// It would have let through what was refused.
    pub newly_allowed: u64,
    /// It would have shown another label at last.
    pub relabelled: u64,
}

#[derive(Default)]
pub(super) struct Watching {
    /// Revision that is held to its budget.
    held: Option<(String, Watch)>,
    /// Calls that last and that the budget has counted: those let through count when they are decided, as refused ones
    /// do, and not minutes later.
    counted: HashSet<CallId>,
    /// Revision that watches.
    shadow: Option<String>,
    pub counts: ShadowCounts,
}

impl Watching {
    /// `judge`: the newest that judges. One that is held already goes on being held.
    pub fn look_at(&mut self, judge: &Policy, shadow: Option<&Policy>) {
        let is_held = |(revision, _): &(String, Watch)| revision == judge.revision();
        if !self.held.as_ref().is_some_and(is_held) {
            self.hold(judge);
        }
        self.shadow = shadow.map(|policy| policy.revision().to_string());
    }

    /// Counts anew.
    pub fn hold(&mut self, judge: &Policy) {
        let watch = judge.budget().map(Watch::new);
        self.held = watch.map(|watch| (judge.revision().to_string(), watch));
    }

    /// A call was decided, and lasts. Some = the policy is past its budget, and not held any more.
    pub fn decided(&mut self, record: &CallRecord) -> Option<(String, Exceeded)> {
        let is_held = self.held.is_some() && !record.decisions.is_empty();
        let is_first = is_held && self.counted.len() < COUNTED_CALLS_MAX && self.counted.insert(record.id);
        if is_first { self.count(record) } else { None }
    }

    /// A call has ended. The same.
    pub fn ended(&mut self, record: &CallRecord) -> Option<(String, Exceeded)> {
        self.compare(record);
        // One that was let through and then ended by policy counts once more, as sent away.
        if self.counted.remove(&record.id) && !is_ended(record) {
            return None;
        }
        self.count(record)
    }

    fn count(&mut self, record: &CallRecord) -> Option<(String, Exceeded)> {
        let decision = &record.decisions.first()?.decision;
        let (revision, watch) = self.held.as_mut()?;
        if *revision != decision.policy {
            return None;
        }
        let exceeded = watch.note(
            is_refused(&decision.action) || is_ended(record),
            record.started_ms,
        )?;
        let (revision, _) = self.held.take()?;
        Some((revision, exceeded))
    }

    fn compare(&mut self, record: &CallRecord) {
        let (Some(first), Some(last)) = (record.decisions.first(), record.decisions.last()) else {
            return;
        };
        let shadow = record.shadow.as_ref();
        let Some(shadow) = shadow.filter(|shadow| self.shadow.as_ref() == Some(&shadow.policy)) else {
            return;
        };
        let action = &first.decision.action;
        let (was_refused, would_refuse) = (is_refused(action), is_refused(&shadow.action));
        let counts = &mut self.counts;
        counts.calls += 1;
        counts.otherwise += u64::from(shadow.action != *action);
        counts.newly_refused += u64::from(would_refuse && !was_refused);
        counts.newly_allowed += u64::from(!would_refuse && was_refused);
        counts.relabelled += u64::from(last.decision.verdict.label != shadow.label);
    }
}

/// By policy, while they talked.
fn is_ended(record: &CallRecord) -> bool {
    let last = record.decisions.last();
    last.is_some_and(|last| last.decision.action == Action::End)
}

fn is_refused(action: &Action) -> bool {
    matches!(action, Action::Refuse { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::record::Decided;
    use crate::screening::sample;

    const POLICY: &str = "[policy]\nname = 'b'\n[budget]\nrefusals_percent = 10\nwindow = '10m'\ncalls_min = 20\n\
        [[rule]]\nid = 'f'\nwhen = 'identity.forged'\nthen = 'refuse'\nreason = 'x'\n";

    fn call(policy: &Policy, number: u64, is_forged: bool) -> CallRecord {
        let mut facts = sample::unsigned();
        facts.identity.is_forged = is_forged;
        facts.arrived_ms = 1_790_000_000_000 + number * 1_000;
        let mut record = CallRecord::arriving(CallId(u128::from(number)), &facts, Some("desk"), None);
        record.decisions.push(Decided {
            at_ms: 1,
            stage: facts.stage,
            decision: policy.decide(&facts),
            facts: None,
        });
        record
    }

    #[test]
    fn a_call_that_lasts_counts_when_it_is_let_through_and_only_once() {
        let policy = Policy::load("b", POLICY, &[]).unwrap();
        let mut watching = Watching::default();
        watching.look_at(&policy, None);
        for number in 0..300 {
            let lasting = call(&policy, number, false);
            assert_eq!(watching.decided(&lasting), None);
            assert_eq!(watching.decided(&lasting), None);
        }
        // Refused calls end at once; nobody else's call has ended yet.
        for number in 300..333 {
            assert_eq!(watching.ended(&call(&policy, number, true)), None, "{number}");
        }
        for number in 0..300 {
            assert_eq!(watching.ended(&call(&policy, number, false)), None);
        }
        let exceeded = watching.ended(&call(&policy, 333, true)).unwrap();
        assert_eq!(exceeded.0, policy.revision());
        let (calls, refused) = (exceeded.1.calls, exceeded.1.refused);
        assert_eq!((calls, refused), (334, 34));
        assert_eq!(watching.ended(&call(&policy, 334, true)), None, "told once");
    }
}
