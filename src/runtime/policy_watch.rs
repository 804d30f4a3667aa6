//! What calls say of the policy that judges and of the one that watches: refusals against a budget, and counts.

use std::collections::HashSet;

use serde::Serialize;

use super::limits::COUNTED_CALLS_MAX;
use crate::call::record::{OrderOutcome, Ordered};
use crate::call::{CallRecord, Order};
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
        let is_counted = self.counted.remove(&record.id);
        // One that the held policy ended while it lasted counts (once more) as sent away at that moment, by whichever
        // policy it was let through.
        if let Some(at_ms) = self.ended_at(record) {
            return self.note(true, record.started_ms.saturating_add(at_ms));
        }
        if is_counted { None } else { self.count(record) }
    }

    fn count(&mut self, record: &CallRecord) -> Option<(String, Exceeded)> {
        let decision = &record.decisions.first()?.decision;
        let (revision, _) = self.held.as_ref()?;
        if *revision != decision.policy {
            return None;
        }
        self.note(is_refused(&decision.action), record.started_ms)
    }

    fn note(&mut self, is_refused: bool, at_ms: u64) -> Option<(String, Exceeded)> {
        let (_, watch) = self.held.as_mut()?;
        let exceeded = watch.note(is_refused, at_ms)?;
        let (revision, _) = self.held.take()?;
        Some((revision, exceeded))
    }

    /// When the held policy ended this call, in ms since its arrival. A wish that the caller forestalled by hanging up
    /// ended nothing.
    fn ended_at(&self, record: &CallRecord) -> Option<u64> {
        let (revision, _) = self.held.as_ref()?;
        let by = Order::name_of_policy(revision);
        let is_end =
            |order: &&Ordered| order.what == "end" && order.outcome == OrderOutcome::Done && order.by == by;
        record.orders.iter().find(is_end).map(|order| order.at_ms)
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

    fn ends(policy: &Policy, outcome: OrderOutcome) -> Ordered {
        Ordered {
            at_ms: 60_000,
            by: Order::name_of_policy(policy.revision()),
            what: "end".into(),
            to: None,
            why: None,
            outcome,
        }
    }

    #[test]
    fn calls_that_a_policy_ends_count_for_it_whoever_let_them_through() {
        let text = POLICY.replace("then = 'refuse'", "then = 'end'\nstage = 'live'");
        let [before, policy] = [POLICY, &text].map(|text| Policy::load("b", text, &[]).unwrap());
        let mut watching = Watching::default();
        watching.look_at(&before, None);
        let mut calls: Vec<CallRecord> = (0..40).map(|number| call(&before, number, false)).collect();
        for lasting in &calls {
            assert_eq!(watching.decided(lasting), None);
        }
        watching.look_at(&policy, None);
        let (forestalled, ended) = calls.split_at_mut(20);
        // It wished them ended, and the callers hung up first: nothing was ended.
        for record in forestalled {
            let mut decided = record.decisions[0].clone();
            decided.decision.action = Action::End;
            record.decisions.push(decided);
            assert_eq!(watching.ended(record), None);
        }
        let mut exceeded = None;
        for (number, record) in ended.iter_mut().enumerate() {
            record.orders.push(ends(&policy, OrderOutcome::Done));
            exceeded = watching.ended(record);
            assert_eq!(exceeded.is_some(), number == 19, "{number}");
        }
        let (revision, exceeded) = exceeded.unwrap();
        assert_eq!(revision, policy.revision());
        assert_eq!((exceeded.calls, exceeded.refused), (20, 20));
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
