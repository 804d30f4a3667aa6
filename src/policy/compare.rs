//! A policy tried on calls of the past: what it would have done otherwise, counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::limits::COMPARED_QUEUES_MAX;
use super::{Action, Decision, Policy};
use crate::screening::{Facts, Label, List};

/// One recorded call: what was known when it arrived and what was done then, and the same at last.
pub struct Recorded<'r> {
    pub queue: &'r str,
    pub first: (&'r Facts, &'r Decision),
    pub last: (&'r Facts, &'r Decision),
}

/// What differs, over all calls that were tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub calls: u64,
    pub total: Counts,
    pub by_queue: BTreeMap<String, Counts>,
    /// Calls that met an entry of a list, under each list that they met.
    pub by_list: BTreeMap<String, Counts>,
    /// `unproven -> suspect`, and how often.
    pub labels: BTreeMap<String, u64>,
    /// The rule that would refuse, and how many calls that were not refused.
    pub refused_by: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Let through then, refused now.
    pub newly_refused: u64,
    /// Refused then, let through now.
    pub newly_allowed: u64,
    /// Sent to another queue than then, or no longer.
    pub rerouted: u64,
    /// Delivered with a prefix then and without now, or the other way about.
    pub marked_otherwise: u64,
    /// Another label at last.
    pub relabelled: u64,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.newly_refused += other.newly_refused;
        self.newly_allowed += other.newly_allowed;
        self.rerouted += other.rerouted;
        self.marked_otherwise += other.marked_otherwise;
        self.relabelled += other.relabelled;
    }
}

impl Comparison {
    /// Tries one call.
    pub fn add(&mut self, policy: &Policy, call: &Recorded<'_>) {
        let (first_facts, before) = call.first;
        let after = policy.decide(first_facts);
        let (last_facts, last_before) = call.last;
        let label = if std::ptr::eq(first_facts, last_facts) {
            after.verdict.label
        } else {
            policy.decide(last_facts).verdict.label
        };
        let counts = counts(&before.action, &after.action, last_before.verdict.label, label);
        self.calls += 1;
        if counts == Counts::default() {
            return;
        }
        self.total.add(counts);
        if self.by_queue.contains_key(call.queue) || self.by_queue.len() < COMPARED_QUEUES_MAX {
            self.by_queue
                .entry(call.queue.to_string())
                .or_default()
                .add(counts);
        }
        for list in List::ALL {
            let mut listed = first_facts.lists.iter().chain(&last_facts.lists);
            if listed.any(|listed| listed.list == *list) {
                self.by_list
                    .entry(list.name().to_string())
                    .or_default()
                    .add(counts);
            }
        }
        if counts.relabelled > 0 {
            let change = format!("{} -> {label}", last_before.verdict.label);
            *self.labels.entry(change).or_default() += 1;
        }
        if counts.newly_refused > 0 {
            // Of the rules that were true the first that is no shadow decided.
            let rule = after.fired.iter().find(|fired| !fired.is_shadow);
            let rule = rule.map_or(String::new(), |fired| fired.rule.clone());
            *self.refused_by.entry(rule).or_default() += 1;
        }
    }

    /// Adds what another thread counted.
    pub fn merge(&mut self, other: Comparison) {
        self.calls += other.calls;
        self.total.add(other.total);
        for (queue, counts) in other.by_queue {
            self.by_queue.entry(queue).or_default().add(counts);
        }
        for (list, counts) in other.by_list {
            self.by_list.entry(list).or_default().add(counts);
        }
        for (mine, theirs) in [
            (&mut self.labels, other.labels),
            (&mut self.refused_by, other.refused_by),
        ] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
    }
}

fn counts(before: &Action, after: &Action, label: Label, label_after: Label) -> Counts {
    let is_refused = |action: &Action| matches!(action, Action::Refuse { .. });
    let queue = |action: &Action| match action {
        Action::Divert { queue } => Some(queue.clone()),
        _ => None,
    };
    let is_through = !is_refused(before) && !is_refused(after);
    let is_rerouted = is_through && queue(before) != queue(after);
    Counts {
        newly_refused: u64::from(!is_refused(before) && is_refused(after)),
        newly_allowed: u64::from(is_refused(before) && !is_refused(after)),
        rerouted: u64::from(is_rerouted),
        marked_otherwise: u64::from(is_through && !is_rerouted && before != after),
        relabelled: u64::from(label != label_after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::shipped;
    use crate::redact::Redacted;
    use crate::screening::{Listed, sample};

    #[test]
    fn what_would_have_changed_is_counted_by_queue_and_rule() {
        let live = Policy::embedded();
        let strict = shipped("strict").unwrap().policy();
        let mut forged = sample::unsigned();
        forged.identity.is_forged = true;
        // Twice on one list counts once.
        forged.lists = [1, 2]
            .map(|entry| Listed {
                list: List::Own,
                entry,
                what: Redacted::new("+1404*".into()),
                reason: String::new(),
                is_number: true,
                is_name: false,
                call_back: None,
            })
            .into();
        let plain = sample::unsigned();
        let mut hidden = sample::unsigned();
        hidden.caller.is_hidden = true;
        hidden.caller.number = None;
        let mut comparison = Comparison::default();
        for (facts, queue) in [(&forged, "a"), (&plain, "a"), (&hidden, "b")] {
            let decision = live.decide(facts);
            comparison.add(
                &strict,
                &Recorded {
                    queue,
                    first: (facts, &decision),
                    last: (facts, &decision),
                },
            );
        }
        assert_eq!(
            (
                comparison.calls,
                comparison.total.newly_refused,
                comparison.total.relabelled
            ),
            (3, 1, 1)
        );
        assert_eq!(comparison.by_queue["a"].newly_refused, 1);
        assert_eq!(comparison.by_list.len(), 1);
        assert_eq!(comparison.by_list["own"].newly_refused, 1);
        assert_eq!(
            comparison.refused_by,
            BTreeMap::from([("forged-number".to_string(), 1)])
        );
        assert_eq!(
            comparison.labels,
            BTreeMap::from([("unproven -> suspect".to_string(), 1)])
        );
        let mut twice = comparison.clone();
        twice.merge(comparison.clone());
        assert_eq!((twice.calls, twice.total.newly_refused), (6, 2));
        assert_eq!(twice.by_list["own"].newly_refused, 2);
        // The other way about: what strict refused, the default lets through.
        let refused = strict.decide(&forged);
        let mut back = Comparison::default();
        back.add(
            &live,
            &Recorded {
                queue: "a",
                first: (&forged, &refused),
                last: (&forged, &refused),
            },
        );
        assert_eq!((back.total.newly_allowed, back.total.newly_refused), (1, 0));
    }
}
