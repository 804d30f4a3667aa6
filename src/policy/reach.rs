//! Rules that can never decide anything: the file promises something that no call will ever get.

use super::condition::Node;
use super::{Action, Mode, Rule};

/// Why rule `place` of `rules` can never decide; `None` = it can, or is not meant to.
///
/// Looks at what is certain only: conditions that are always true or never, and the same condition asked twice.
pub(super) fn obstacle(rules: &[Rule], place: usize) -> Option<String> {
    let rule = rules.get(place).filter(|rule| rule.mode == Mode::Enforce)?;
    if rule.condition.constant() == Some(false) {
        return Some("this is never true; write mode = \"off\" to keep a rule without using it".into());
    }
    let above = rules[..place]
        .iter()
        .filter(|above| above.mode == Mode::Enforce && always_acts(&above.then))
        .filter(|above| above.scope.contains(&rule.scope))
        .filter(|above| rule.stages.iter().all(|stage| above.stages.contains(stage)));
    for above in above {
        if above.condition.constant() == Some(true) {
            return Some(format!(
                "this rule never decides: {:?} above it is always true",
                above.id
            ));
        }
        if same_words(&above.source, &rule.source) {
            return Some(format!(
                "this rule never decides: {:?} above it asks the same",
                above.id
            ));
        }
    }
    None
}

/// Emergencies pass by the others, so rules below those are reached all the same.
fn always_acts(action: &Action) -> bool {
    matches!(action, Action::Deliver | Action::Label)
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

impl Node {
    /// What the condition comes to for every call; `None` = it depends on the call.
    pub(super) fn constant(&self) -> Option<bool> {
        match self {
            Node::Bool(value) => Some(*value),
            Node::Not(inner) => inner.constant().map(|value| !value),
            Node::And(both) => match (both.0.constant(), both.1.constant()) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Node::Or(both) => match (both.0.constant(), both.1.constant()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Node::Choose(three) => match three.0.constant() {
                Some(true) => three.1.constant(),
                Some(false) => three.2.constant(),
                None => None,
            },
            _ => None,
        }
    }
}
