//! What differs between two policies in what they mean. Comments, spaces and the order of keys mean nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Action, Policy, Profile, Rule};
use crate::screening::{Tag, Weights};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub kind: Kind,
    /// `rule forged-number`, `weight NO_IDENTITY`, `threshold suspect`, ...
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Added,
    Removed,
    Changed,
    /// A rule is asked before others that it came after, or the other way about.
    Moved,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            Kind::Added => '+',
            Kind::Removed => '-',
            Kind::Changed => '~',
            Kind::Moved => '>',
        };
        write!(out, "{sign} {}", self.what)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(out, ": {before} -> {after}"),
            (None, Some(only)) | (Some(only), None) => write!(out, ": {only}"),
            (None, None) => Ok(()),
        }
    }
}

impl Policy {
    /// Everything in which `other` differs from this one, rules first. Empty = both decide every call the same, in the
    /// same words.
    pub fn differences(&self, other: &Policy) -> Vec<Difference> {
        let mut found = Vec::new();
        rules(&self.rules, &other.rules, &mut found);
        weights("weight", &self.weights, &other.weights, &mut found);
        changed(
            "threshold suspect",
            tenths(self.suspect_at),
            tenths(other.suspect_at),
            &mut found,
        );
        for (what, before, after) in [
            (
                "second opinion",
                format!("{:?}", self.second_opinion),
                format!("{:?}", other.second_opinion),
            ),
            (
                "where",
                format!("{:?}", self.variants),
                format!("{:?}", other.variants),
            ),
            ("hours", format!("{:?}", self.hours), format!("{:?}", other.hours)),
            ("own", format!("{:?}", self.own), format!("{:?}", other.own)),
            (
                "banner",
                format!("{:?}", self.wording),
                format!("{:?}", other.wording),
            ),
        ] {
            if before != after {
                found.push(plain(Kind::Changed, what));
            }
        }
        let budget = |policy: &Policy| match policy.budget {
            None => "none".to_string(),
            Some(budget) => format!(
                "{} % in {} s from {} calls on",
                budget.refusals_percent,
                budget.window.as_secs(),
                budget.calls_min
            ),
        };
        changed("budget", budget(self), budget(other), &mut found);
        changed("name", self.name.clone(), other.name.clone(), &mut found);
        found
    }

    /// Ids of the rules by which `other` may refuse a call that this one lets through: what needs a second pair of
    /// eyes. A rule is among them when it is new or asks something else, when a rule that let calls through before it no
    /// longer does, and when what it asks about is weighed otherwise.
    pub fn new_refusals(&self, other: &Policy) -> Vec<String> {
        let basis = |policy: &Policy| {
            let (hours, own) = (&policy.hours, &policy.own);
            format!(
                "{:?}",
                (&policy.weights, policy.suspect_at, &policy.variants, hours, own)
            )
        };
        let is_weighed_alike = basis(self) == basis(other);
        let is_fresh = |(place, rule): &(usize, &Rule)| {
            let known = self
                .rules
                .iter()
                .position(|known| is_enforced(known) && is_same(known, rule));
            let Some(known) = known else { return true };
            let before = self.rules[..known].iter();
            let mut let_through = before.filter(|rule| is_enforced(rule) && !refuses(rule));
            let still_stands = |earlier: &Rule| {
                (is_weighed_alike || !asks_what_is_weighed(earlier))
                    && other.rules[..*place]
                        .iter()
                        .any(|rule| is_enforced(rule) && is_same(rule, earlier))
            };
            !let_through.all(still_stands) || (!is_weighed_alike && asks_what_is_weighed(rule))
        };
        let refusing = other.rules.iter().enumerate();
        let refusing = refusing.filter(|(_, rule)| is_enforced(rule) && refuses(rule));
        refusing
            .filter(is_fresh)
            .map(|(_, rule)| rule.id.clone())
            .collect()
    }
}

fn is_enforced(rule: &Rule) -> bool {
    rule.mode == super::Mode::Enforce
}

fn refuses(rule: &Rule) -> bool {
    rule.then.sends_away()
}

fn is_same(one: &Rule, other: &Rule) -> bool {
    one.id == other.id && told(one) == told(other)
}

/// Whether a rule hangs on more than its own words and the call: on weights, hours or our own numbers. A word too many
/// costs a second look at most.
fn asks_what_is_weighed(rule: &Rule) -> bool {
    let words = ["score", "label", "light", "tags", "own", "time"];
    rule.scope.hours.is_some() || words.iter().any(|word| rule.source.contains(word))
}

fn rules(before: &[Rule], after: &[Rule], found: &mut Vec<Difference>) {
    let find = |rules: &[Rule], id: &str| rules.iter().position(|rule| rule.id == id);
    for rule in before.iter().filter(|rule| find(after, &rule.id).is_none()) {
        found.push(Difference {
            kind: Kind::Removed,
            what: format!("rule {}", rule.id),
            before: Some(line(rule)),
            after: None,
        });
    }
    let mut reached = 0;
    for rule in after {
        let what = format!("rule {}", rule.id);
        let Some(place) = find(before, &rule.id) else {
            found.push(Difference {
                kind: Kind::Added,
                what,
                before: None,
                after: Some(line(rule)),
            });
            continue;
        };
        let known = &before[place];
        for ((part, before), (_, after)) in parts(known).into_iter().zip(parts(rule)) {
            changed(&format!("{what} {part}"), before, after, found);
        }
        if format!("{:?}", known.condition) != format!("{:?}", rule.condition) {
            changed(
                &format!("{what} when"),
                one_line(&known.source),
                one_line(&rule.source),
                found,
            );
        }
        if place < reached {
            found.push(plain(Kind::Moved, &what));
        }
        reached = reached.max(place);
    }
}

/// A rule whole, for comparison.
fn told(rule: &Rule) -> String {
    format!(
        "{:?} {:?} {:?} {:?}",
        rule.condition, rule.then, rule.stages, rule.scope
    )
}

fn line(rule: &Rule) -> String {
    format!("{} when {}", action(&rule.then), one_line(&rule.source))
}

/// Everything but the condition.
fn parts(rule: &Rule) -> [(&'static str, String); 7] {
    let stages: Vec<&str> = rule.stages.iter().map(|stage| stage.name()).collect();
    let names = |names: &[String]| {
        if names.is_empty() {
            "every".to_string()
        } else {
            names.join(", ")
        }
    };
    [
        ("then", action(&rule.then)),
        ("mode", format!("{:?}", rule.mode).to_lowercase()),
        ("reason", rule.reason.clone()),
        ("stage", stages.join(", ")),
        ("queue", names(&rule.scope.queues)),
        ("trunk", names(&rule.scope.trunks)),
        (
            "hours",
            rule.scope
                .hours
                .map_or("every", super::scope::When::name)
                .to_string(),
        ),
    ]
}

/// An action as a policy writes it.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Deliver => "deliver".into(),
        Action::Label => "label".into(),
        Action::Screen => "screen".into(),
        Action::Challenge => "challenge".into(),
        Action::Whisper => "whisper".into(),
        Action::End => "end".into(),
        Action::Divert { queue } => format!("divert to {queue}"),
        Action::Refuse {
            profile: Some(Profile::Configured),
            ..
        } => "refuse".into(),
        Action::Refuse {
            profile: Some(profile),
            ..
        } => format!("refuse as {}", profile.name()),
        Action::Refuse { status, .. } => format!("refuse with {status}"),
    }
}

fn weights(what: &str, before: &Weights, after: &Weights, found: &mut Vec<Difference>) {
    let all: BTreeMap<Tag, ()> = before.keys().chain(after.keys()).map(|tag| (*tag, ())).collect();
    for tag in all.keys() {
        let of = |weights: &Weights| tenths(weights.get(tag).copied().unwrap_or(0));
        changed(&format!("{what} {tag}"), of(before), of(after), found);
    }
}

fn changed(what: &str, before: String, after: String, found: &mut Vec<Difference>) {
    if before != after {
        found.push(Difference {
            kind: Kind::Changed,
            what: what.into(),
            before: Some(before),
            after: Some(after),
        });
    }
}

fn plain(kind: Kind, what: &str) -> Difference {
    Difference {
        kind,
        what: what.into(),
        before: None,
        after: None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tenths(value: i32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{}",
        value.unsigned_abs() / 10,
        value.unsigned_abs() % 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "[policy]\nname = 'p'\n[weights]\nNO_IDENTITY = 0.5\n[[rule]]\nid = 'a'\nwhen = 'caller.hidden && score > 1.0'\nthen = 'label'\nreason = 'x'\n[[rule]]\nid = 'b'\nwhen = 'identity.forged'\nthen = 'label'\nreason = 'x'\n[[rule]]\nid = 'c'\nwhen = 'identity.stale'\nthen = 'label'\nreason = 'x'\n";

    fn differences(after: &str) -> Vec<String> {
        let load = |text: &str| {
            Policy::load_without_queues("p", text).unwrap_or_else(|faults| panic!("{faults:#?}"))
        };
        load(BEFORE)
            .differences(&load(after))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn spelling_means_nothing() {
        let after = BEFORE
            .replace("caller.hidden && score > 1.0", "caller.hidden&&score>1.0")
            .replace(
                "then = 'label'\nreason = 'x'",
                "reason = \"x\"   # why\nthen = 'label'",
            );
        assert_eq!(differences(&after), [""; 0]);
    }

    #[test]
    fn what_means_something_else_is_told_rule_by_rule() {
        let after = BEFORE
            .replace("NO_IDENTITY = 0.5", "NO_IDENTITY = 1.0\nDIVERTED = -0.2\n[thresholds]\nsuspect = 2.0\n[budget]\nrefusals_percent = 5")
            .replace("id = 'a'\nwhen = 'caller.hidden && score > 1.0'\nthen = 'label'", "id = 'a'\nwhen = 'caller.hidden'\nthen = 'refuse'\nmode = 'shadow'")
            .replace("id = 'b'", "id = 'd'");
        assert_eq!(
            differences(&after),
            [
                "- rule b: label when identity.forged",
                "~ rule a then: label -> refuse",
                "~ rule a mode: enforce -> shadow",
                "~ rule a stage: arrive, heard, live -> arrive, heard",
                "~ rule a when: caller.hidden && score > 1.0 -> caller.hidden",
                "+ rule d: label when identity.forged",
                "~ weight NO_IDENTITY: 0.5 -> 1.0",
                "~ weight DIVERTED: 0.0 -> -0.2",
                "~ threshold suspect: 3.0 -> 2.0",
                "~ budget: none -> 5 % in 600 s from 50 calls on",
            ]
        );
    }

    #[test]
    fn the_order_of_rules_means_something() {
        let rules: Vec<&str> = BEFORE.split("[[rule]]").collect();
        let after = format!(
            "{}[[rule]]{}[[rule]]{}[[rule]]{}",
            rules[0], rules[2], rules[1], rules[3]
        );
        assert_eq!(differences(&after), ["> rule a"]);
    }

    #[test]
    fn a_refusal_that_is_new_or_wider_needs_other_eyes() {
        let load = |text: &str| Policy::load_without_queues("p", text).unwrap();
        let refusing = BEFORE.replacen("then = 'label'", "then = 'refuse'", 1);
        let wider = refusing.replace("score > 1.0", "score > 0.5");
        assert_eq!(load(BEFORE).new_refusals(&load(&refusing)), ["a"]);
        assert_eq!(load(&refusing).new_refusals(&load(&wider)), ["a"]);
        assert_eq!(load(&refusing).new_refusals(&load(&refusing)), [""; 0]);
        assert_eq!(load(&refusing).new_refusals(&load(BEFORE)), [""; 0]);
    }

    #[test]
    fn a_refusal_that_reaches_further_without_a_word_of_it_changed_needs_other_eyes() {
        let load = |text: &str| Policy::load_without_queues("p", text).unwrap();
        // The last rule refuses; those before it let through.
        let at = BEFORE.rfind("then = 'label'").unwrap();
        let last = format!("{}then = 'refuse'{}", &BEFORE[..at], &BEFORE[at + 14..]);
        let check = |after: &str, expected: &[&str]| {
            assert_eq!(load(&last).new_refusals(&load(after)), expected, "{after}");
        };
        check(&last, &[]);
        check(&last.replace("NO_IDENTITY = 0.5", "NO_IDENTITY = 0.1"), &["c"]);
        check(&last.replacen("score > 1.0", "score > 9.0", 1), &["c"]);
        check(&last.replacen("id = 'b'", "id = 'b'\nmode = 'shadow'", 1), &["c"]);
        let rules: Vec<&str> = last.split("[[rule]]").collect();
        let without = format!("{}[[rule]]{}[[rule]]{}", rules[0], rules[2], rules[3]);
        check(&without, &["c"]);
        let moved = format!(
            "{}[[rule]]{}[[rule]]{}[[rule]]{}",
            rules[0], rules[1], rules[3], rules[2]
        );
        check(&moved, &["c"]);
        // One more that lets through takes nothing from anybody, and neither do weights that no rule hangs on.
        let more = last.replacen(
            "[[rule]]",
            "[[rule]]\nid = 'n'\nwhen = 'identity.untrusted'\nthen = 'label'\nreason = 'x'\n[[rule]]",
            1,
        );
        check(&more, &[]);
        let plain = last.replace("caller.hidden && score > 1.0", "caller.hidden");
        let weighed = plain.replace("NO_IDENTITY = 0.5", "NO_IDENTITY = 0.1");
        assert_eq!(load(&plain).new_refusals(&load(&weighed)), [""; 0]);
    }
}
