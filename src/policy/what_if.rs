//! What would have had to be different for another outcome: the smallest change, tried out on the policy itself.

use serde::Serialize;

use super::diff::action;
use super::{Action, Policy};
use crate::redact::Redacted;
use crate::screening::{Attestation, Facts, Label, List, Standing, VoiceState};

/// A change to what was known, and what it would have come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhatIf {
    /// What differs, one sentence each: one is enough for most calls, never more than two.
    pub changes: Vec<&'static str>,
    /// What would have been done.
    pub action: String,
    pub label: Label,
    /// The rule that would have decided; None = none.
    pub rule: Option<String>,
}

/// A fact made otherwise, in words. The words are true of calls on which the change changes something.
type Change = (&'static str, fn(&mut Facts));

/// From the likeliest to be asked about to the rarest; of changes that do the same the first is told.
const CHANGES: &[Change] = &[
    ("the number had been proven by the caller's carrier", |f| {
        f.identity.standing = Standing::Verified;
        f.identity.attestation = Some(Attestation::Full);
        f.identity.is_forged = false;
        f.identity.is_stale = false;
        f.identity.is_untrusted = false;
        f.identity.is_reused = Some(false);
    }),
    ("the proof of the number had been false", |f| {
        f.identity.standing = Standing::Failed;
        f.identity.attestation = None;
        f.identity.is_forged = true;
    }),
    ("the call had not been signed", |f| {
        f.identity.standing = Standing::None;
        f.identity.attestation = None;
        f.identity.is_forged = false;
        f.identity.is_stale = false;
        f.identity.is_untrusted = false;
        f.identity.is_reused = Some(false);
    }),
    ("the proof had been used by nobody else", |f| {
        f.identity.is_reused = Some(false)
    }),
    ("the proof had been used by another call", |f| {
        if f.identity.standing == Standing::Verified {
            f.identity.is_reused = Some(true);
        }
    }),
    ("the voice had shown no sign of synthesis", |f| {
        f.voice.state = VoiceState::BonaFide
    }),
    ("the voice had been likely synthetic", |f| {
        f.voice.state = VoiceState::Spoof
    }),
    ("nobody had reported the number", |f| f.history.reported_scam = 0),
    ("the number had not been blocked by somebody here", |f| {
        f.lists.retain(|listed| listed.list != List::Block);
    }),
    ("the number had been one that calls come from", |f| {
        f.lists.retain(|listed| listed.list != List::DoNotOriginate);
    }),
    (
        "nobody had reported calls of this caller or of its carrier",
        |f| {
            f.reputation.clear();
        },
    ),
    ("one more person had reported the number as a scam", |f| {
        if f.caller.number.is_some() {
            f.history.reported_scam = f.history.reported_scam.saturating_add(1);
        }
    }),
    ("the number had called before and been answered", |f| {
        if f.caller.number.is_some() {
            f.history.calls_before = f.history.calls_before.max(1);
            f.history.answered_before = f.history.answered_before.max(1);
        }
    }),
    ("the number had called as rarely as others do", |f| {
        f.history.calls_last_minute = 0;
        f.history.calls_last_hour = 0;
    }),
    ("the number had called twenty times in a minute", |f| {
        if f.caller.number.is_some() {
            f.history.calls_last_minute = f.history.calls_last_minute.max(20);
        }
    }),
    ("the caller had withheld the number", |f| {
        f.caller.is_hidden = true;
        f.caller.number = None;
        f.caller.name = None;
    }),
    ("the caller had shown no name", |f| {
        f.caller.name = None;
        f.caller.name_imitates_label = false;
    }),
    ("the number had been one that can exist", |f| {
        if f.caller.is_malformed {
            f.caller.is_malformed = false;
            f.caller.number = Some(Redacted::new("+14045550123".to_string()));
        }
    }),
    ("the call had not been forwarded", |f| {
        f.signalling.is_diverted = false
    }),
    ("the caller had shown the number that the network reports", |f| {
        f.signalling.from_differs_from_asserted = false;
    }),
    ("the call had not claimed to be an emergency", |f| {
        f.signalling.claims_emergency = false
    }),
    ("the emergency had not been proven", |f| {
        f.identity.has_priority = false;
        f.identity.is_emergency = false;
        f.signalling.is_emergency_trunk = false;
    }),
    ("earlier calls could have been looked up", |f| {
        f.history.is_available = true;
        f.identity.is_reused = f.identity.is_reused.or(Some(false));
    }),
];

impl Policy {
    /// The smallest change to the facts after which this policy would have done something else, or would have shown
    /// another label where no change of one or two facts gives another action. None = nothing of the kind.
    pub fn smallest_change(&self, facts: &Facts) -> Option<WhatIf> {
        let before = self.decide(facts);
        let is_other_action = |action: &Action| *action != before.action;
        let single = || CHANGES.iter().map(std::slice::from_ref);
        let with = |changes: &[Change]| {
            let mut changed = facts.clone();
            changes.iter().for_each(|(_, change)| change(&mut changed));
            changed
        };
        let mut label = None;
        for changes in single() {
            let changed = with(changes);
            let after = self.decide(&changed);
            if is_other_action(&after.action) {
                return Some(self.what_if(changes, &changed));
            }
            if label.is_none() && after.verdict.label != before.verdict.label {
                label = Some(self.what_if(changes, &changed));
            }
        }
        // Two at once, where one is not enough for another action.
        for (at, first) in CHANGES.iter().enumerate() {
            for second in &CHANGES[at + 1..] {
                let changes = [*first, *second];
                let changed = with(&changes);
                if is_other_action(&self.decide(&changed).action) {
                    return Some(self.what_if(&changes, &changed));
                }
            }
        }
        label
    }

    fn what_if(&self, changes: &[Change], changed: &Facts) -> WhatIf {
        let explanation = self.explain(changed);
        let rule = explanation.rules.into_iter().find(|line| line.decided);
        WhatIf {
            changes: changes.iter().map(|(words, _)| *words).collect(),
            action: action(&explanation.decision.action),
            label: explanation.decision.verdict.label,
            rule: rule.map(|line| line.rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::shipped;
    use crate::screening::sample;

    fn strict() -> Policy {
        shipped("strict").unwrap().policy()
    }

    #[test]
    fn a_refused_call_is_told_what_would_have_let_it_through() {
        let mut facts = sample::unsigned();
        facts.history.reported_scam = 3;
        let found = strict().smallest_change(&facts).unwrap();
        assert_eq!(found.changes, ["nobody had reported the number"]);
        assert_eq!(
            (found.action.as_str(), found.rule.as_deref()),
            ("label", Some("everything-else"))
        );
        facts.identity.is_forged = true;
        let found = strict().smallest_change(&facts).unwrap();
        assert_eq!(found.changes.len(), 2, "{found:?}");
        assert_eq!(found.action, "label");
    }

    #[test]
    fn a_blocked_call_is_told_that_it_is_the_list() {
        let mut facts = sample::unsigned();
        facts.lists = vec![sample::listed(List::Block)];
        let found = Policy::embedded().smallest_change(&facts).unwrap();
        assert_eq!(
            found.changes,
            ["the number had not been blocked by somebody here"]
        );
        assert_eq!(found.action, "label");
    }

    #[test]
    fn where_no_action_can_change_the_label_is_told() {
        let found = Policy::embedded().smallest_change(&sample::unsigned()).unwrap();
        assert_eq!(
            found.changes,
            ["the number had been proven by the caller's carrier"]
        );
        assert_eq!((found.action.as_str(), found.label), ("label", Label::Genuine));
    }

    proptest! {
        #[test]
        fn what_is_told_is_true(facts in sample::facts()) {
            static STRICT: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(strict);
            let policy = &*STRICT;
            if let Some(found) = policy.smallest_change(&facts) {
                let mut changed = facts.clone();
                for words in &found.changes {
                    let (_, change) = CHANGES.iter().find(|(known, _)| known == words).unwrap();
                    change(&mut changed);
                }
                let (before, after) = (policy.decide(&facts), policy.decide(&changed));
                prop_assert!(before.action != after.action || before.verdict.label != after.verdict.label);
                prop_assert_eq!(action(&after.action), found.action);
            }
        }
    }
}
