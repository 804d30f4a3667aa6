//! Asks the rules in order. The first enforced rule that is true and may act decides.

use super::hours::Local;
use super::schema::View;
use super::{Action, Decision, Fired, Mode, Policy, Rule, RuleResult};
use crate::screening::{Challenge, Facts, Tag, Weights, conclude};

impl Policy {
    /// `on_rule` is told of every rule: how it came out, and whether it decided.
    pub(super) fn run(&self, facts: &Facts, mut on_rule: impl FnMut(&Rule, RuleResult, bool)) -> Decision {
        let local = self
            .hours
            .as_ref()
            .map_or_else(Local::default, |hours| hours.at(facts.arrived_ms));
        let claims = self.own.claims(facts);
        let (weights, suspect_at) = self.weighing(facts, &local);
        let mut extra: Vec<Tag> = claims.tags().collect();
        let mut verdict = conclude(facts, weights, suspect_at, &extra);
        let mut decided: Option<Action> = None;
        let mut fired = Vec::new();
        let mut errors = Vec::new();

        let view = View::new(facts, &verdict, local, claims);
        for rule in &self.rules {
            if rule.mode == Mode::Off {
                on_rule(rule, RuleResult::Off, false);
                continue;
            }
            if !rule.stages.contains(&facts.stage) {
                on_rule(rule, RuleResult::OtherStage, false);
                continue;
            }
            if !rule.scope.covers(facts, &local) {
                on_rule(rule, RuleResult::Elsewhere, false);
                continue;
            }
            let is_shadow = rule.mode == Mode::Shadow;
            match rule.condition.holds(&view) {
                Ok(false) => on_rule(rule, RuleResult::False, false),
                Ok(true) => {
                    let decides = decided.is_none() && !is_shadow && may_act(facts, &rule.then);
                    if decides {
                        decided = Some(rule.then.clone());
                    }
                    fired.push(Fired {
                        rule: rule.id.clone(),
                        reason: rule.reason.clone(),
                        is_shadow,
                    });
                    on_rule(rule, RuleResult::True, decides);
                }
                Err(error) => {
                    errors.push(Fired {
                        rule: rule.id.clone(),
                        reason: error.to_string(),
                        is_shadow,
                    });
                    on_rule(rule, RuleResult::Error, false);
                }
            }
        }
        if !errors.is_empty() {
            extra.push(Tag::RuleError);
            verdict = conclude(facts, weights, suspect_at, &extra);
        }
        let action = decided.unwrap_or(match facts.signalling.claims_emergency {
            // A claim nobody proved reaches a phone, and the phone shows what it is worth.
            true => Action::Label,
            false => Action::Deliver,
        });
        Decision {
            verdict,
            action,
            fired,
            errors,
            policy: self.revision.clone(),
        }
    }

    /// The weights and the threshold in tenths that hold for this call.
    fn weighing(&self, facts: &Facts, local: &Local) -> (&Weights, i32) {
        let variant = self
            .variants
            .iter()
            .find(|variant| variant.scope.covers(facts, local));
        match variant {
            Some(variant) => (&variant.weights, variant.suspect_at),
            None => (&self.weights, self.suspect_at),
        }
    }

    /// The sum in tenths from which this very call is suspect.
    pub(super) fn suspect_at(&self, facts: &Facts) -> i32 {
        let local = self
            .hours
            .as_ref()
            .map_or_else(Local::default, |hours| hours.at(facts.arrived_ms));
        self.weighing(facts, &local).1
    }
}

/// A proven priority and a trusted emergency line bypass every gate. A claimed emergency may go to another desk, but is
/// never refused: the claim may be true.
fn may_act(facts: &Facts, action: &Action) -> bool {
    match action {
        Action::Deliver | Action::Label => true,
        Action::Divert { .. } => !facts.bypasses_every_gate(),
        // Each once: what came of it is a fact by then, and the rules below decide.
        Action::Screen => may_wait(facts) && !facts.talk.is_screened,
        Action::Challenge => may_wait(facts) && facts.talk.challenge == Challenge::None,
        Action::Whisper => true,
        Action::Refuse { .. } | Action::End => {
            !facts.bypasses_every_gate() && !facts.signalling.claims_emergency
        }
    }
}

/// Nobody who may be calling for help is asked for anything first.
fn may_wait(facts: &Facts) -> bool {
    !facts.bypasses_every_gate() && !facts.signalling.claims_emergency
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cel::{Context, Env, Program, Value};
    use proptest::prelude::*;

    use super::*;
    use crate::policy::load::{self, Beside};
    use crate::policy::own::Claims;
    use crate::policy::schema::{Datum, FACTS, Type};
    use crate::policy::{SHIPPED, monotone};
    use crate::screening::{Label, List, Stage, VoiceState, sample};

    /// The shipped policies, loaded once for all cases of a property.
    static LOADED: std::sync::LazyLock<Vec<Policy>> =
        std::sync::LazyLock::new(|| SHIPPED.iter().map(|shipped| shipped.policy()).collect());

    fn policy(rules: &str) -> Policy {
        let queues = ["security".to_string()];
        let text =
            format!("[policy]\nname = 'test'\n[weights]\nNO_IDENTITY = 0.5\nRULE_ERROR = 0.1\n{rules}");
        Policy::load("test.toml", &text, &queues).unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    fn rule(id: &str, when: &str, rest: &str) -> String {
        format!("[[rule]]\nid = '{id}'\nwhen = \"{when}\"\nreason = 'because {id}'\n{rest}\n")
    }

    fn names(fired: &[Fired]) -> Vec<&str> {
        fired.iter().map(|fired| fired.rule.as_str()).collect()
    }

    #[test]
    fn the_first_enforced_rule_that_is_true_decides_and_the_others_are_written_down() {
        let policy = policy(
            &[
                rule("never", "caller.malformed", "then = 'refuse'"),
                rule("tried", "true", "then = 'refuse'\nmode = 'shadow'"),
                rule("off", "true", "then = 'refuse'\nmode = 'off'"),
                rule("later", "true", "then = 'refuse'\nstage = 'heard'"),
                rule(
                    "first",
                    "caller.number.startsWith('+1')",
                    "then = { divert = 'security' }",
                ),
                rule("second", "true", "then = 'label'"),
            ]
            .concat(),
        );
        let decision = policy.decide(&sample::signed());
        assert_eq!(
            decision.action,
            Action::Divert {
                queue: "security".into()
            }
        );
        assert_eq!(names(&decision.fired), ["tried", "first", "second"]);
        assert_eq!(
            decision.fired.iter().map(|f| f.is_shadow).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert!(
            decision.policy.starts_with("test@") && decision.policy.len() == 13,
            "{}",
            decision.policy
        );
    }

    #[test]
    fn without_a_rule_that_matches_the_call_is_delivered_as_it_is() {
        assert_eq!(policy("").decide(&sample::unsigned()).action, Action::Deliver);
    }

    #[test]
    fn a_rule_that_fails_counts_as_not_matched_and_leaves_a_tag() {
        let policy = policy(
            &[
                rule("broken", "1 / history.calls_before == 1", "then = 'refuse'"),
                rule(
                    "rescued",
                    "1 / history.calls_before == 1 || true",
                    "then = 'label'",
                ),
            ]
            .concat(),
        );
        let decision = policy.decide(&sample::unsigned());
        assert_eq!(decision.action, Action::Label);
        assert_eq!(names(&decision.errors), ["broken"]);
        assert_eq!(decision.errors[0].reason, "division by zero");
        assert!(decision.verdict.has(Tag::RuleError));
        assert_eq!(decision.verdict.tenths, 6);
    }

    #[test]
    fn an_emergency_is_never_refused() {
        let refuse = policy(&rule("all", "true", "then = 'refuse'"));
        let divert = policy(&rule("all", "true", "then = { divert = 'security' }"));
        let mut claimed = sample::unsigned();
        claimed.signalling.claims_emergency = true;
        let mut trusted = sample::unsigned();
        trusted.signalling.is_emergency_trunk = true;
        let mut proven = claimed.clone();
        proven.identity.has_priority = true;
        let mut copied = proven.clone();
        copied.identity.is_reused = Some(true);

        assert_eq!(refuse.decide(&claimed).action, Action::Label);
        assert_eq!(
            divert.decide(&claimed).action,
            Action::Divert {
                queue: "security".into()
            }
        );
        assert_eq!(refuse.decide(&trusted).action, Action::Deliver);
        assert_eq!(divert.decide(&trusted).action, Action::Deliver);
        // Proven by a signature: as from a trusted trunk. With a signature of another call: claimed.
        for policy in [&refuse, &divert] {
            let action = policy.decide(&proven).action;
            assert!(matches!(action, Action::Deliver | Action::Label), "{action:?}");
            assert_eq!(policy.decide(&copied).action, policy.decide(&claimed).action);
        }
        assert_eq!(
            names(&refuse.decide(&trusted).fired),
            ["all"],
            "it is written down all the same"
        );
    }

    #[test]
    fn the_default_policy_labels_and_refuses_only_what_was_put_on_a_list() {
        let policy = Policy::embedded();
        assert!(policy.revision().starts_with("default@"));
        let refusing: Vec<&str> = policy
            .rules
            .iter()
            .filter(|rule| !matches!(rule.then, Action::Deliver | Action::Label))
            .map(|rule| rule.id.as_str())
            .collect();
        assert_eq!(refusing, ["blocked", "do-not-originate"]);
        for list in List::ALL {
            let mut facts = sample::unsigned();
            facts.lists = vec![sample::listed(*list)];
            let is_refused = matches!(policy.decide(&facts).action, Action::Refuse { .. });
            assert_eq!(
                is_refused,
                matches!(list, List::Block | List::DoNotOriginate),
                "{list}"
            );
        }
        let mut facts = sample::unsigned();
        facts.identity.is_forged = true;
        facts.voice.state = VoiceState::Spoof;
        let decision = policy.decide(&facts);
        assert_eq!(
            (decision.action, decision.verdict.label),
            (Action::Label, Label::Forged)
        );
    }

    #[test]
    fn the_default_policy_says_what_the_code_says() {
        let policy = Policy::embedded();
        assert_eq!(*policy.wording(""), crate::policy::Wording::default());
    }

    #[test]
    fn a_single_weak_sign_is_not_suspect_under_the_default_policy() {
        let policy = Policy::embedded();
        for change in [
            |f: &mut Facts| f.caller.is_hidden = true,
            |f: &mut Facts| f.signalling.is_diverted = true,
            |f: &mut Facts| f.history.calls_before = 0,
            |f: &mut Facts| f.voice.state = VoiceState::Unsure,
        ] {
            let mut facts = sample::unsigned();
            change(&mut facts);
            assert_eq!(policy.decide(&facts).verdict.label, Label::Unproven);
        }
    }

    #[test]
    fn the_observing_policy_changes_no_call() {
        let policy = crate::policy::shipped("observe").unwrap().policy();
        let mut facts = sample::unsigned();
        facts.identity.is_forged = true;
        let decision = policy.decide(&facts);
        assert_eq!(decision.action, Action::Deliver);
        assert!(!decision.fired.is_empty() && decision.fired.iter().all(|fired| fired.is_shadow));
    }

    /// What the `cel` interpreter itself says, given the facts as maps.
    fn oracle(when: &str, facts: &Facts, env: &Arc<Env>) -> Result<bool, String> {
        let verdict = conclude(facts, &sample::weights(), 30, &[]);
        let view = View::new(facts, &verdict, Local::default(), Claims::default());
        let mut context = Context::with_env(env.clone());
        let mut maps: std::collections::BTreeMap<&str, std::collections::HashMap<String, Value>> =
            Default::default();
        for fact in FACTS {
            let value = match (fact.kind, (fact.read)(&view)) {
                (Type::Tags, _) => Value::from(
                    verdict
                        .findings
                        .iter()
                        .map(|f| f.tag.name())
                        .map(Value::from)
                        .collect::<Vec<_>>(),
                ),
                (_, Datum::Bool(value)) => Value::from(value),
                (_, Datum::Int(value)) => Value::from(value),
                (_, Datum::Double(value)) => Value::from(value),
                (_, Datum::Text(value)) => Value::from(value),
            };
            match fact.name.split_once('.') {
                Some((map, key)) => drop(maps.entry(map).or_default().insert(key.into(), value)),
                None => context.add_variable_from_value(fact.name, value),
            }
        }
        for (name, map) in maps {
            context.add_variable_from_value(name, map);
        }
        match Program::compile(when)
            .map_err(|e| e.to_string())?
            .execute(&context)
        {
            Ok(Value::Bool(value)) => Ok(value),
            other => Err(format!("{other:?}")),
        }
    }

    fn ours(when: &str, facts: &Facts) -> Result<bool, String> {
        let text = format!(
            "[policy]\nname = 't'\n[[rule]]\nid = 'r'\nwhen = '''{when}'''\nthen = 'label'\nmode = 'shadow'\nreason = 'x'\n"
        );
        let policy =
            load::load("t", &text, &Beside::default()).unwrap_or_else(|faults| panic!("{when}: {faults:#?}"));
        let verdict = conclude(facts, &sample::weights(), 30, &[]);
        policy.rules[0]
            .condition
            .holds(&View::new(facts, &verdict, Local::default(), Claims::default()))
            .map_err(|e| e.to_string())
    }

    fn numbers() -> impl Strategy<Value = String> {
        let ints = prop_oneof![
            (-3..60i64).prop_map(|n| n.to_string()),
            prop::sample::select(vec![
                "history.calls_before",
                "history.calls_last_minute",
                "history.reported_scam",
                "tags.size()",
                "size(caller.name)",
                "9223372036854775807",
            ])
            .prop_map(String::from),
        ];
        ints.prop_recursive(2, 8, 2, |inner| {
            (
                inner.clone(),
                prop::sample::select(vec!["+", "-", "*", "/", "%"]),
                inner,
            )
                .prop_map(|(a, sign, b)| format!("({a} {sign} {b})"))
        })
    }

    /// No not-a-number: `cel` 0.15 makes `NaN < 0.0` neither true nor false; here it is false, as CEL's definition says.
    fn conditions() -> impl Strategy<Value = String> {
        let order = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
        let doubles = || {
            prop_oneof![
                (-40..80i32).prop_map(|n| format!("{:?}", f64::from(n) / 10.0)),
                prop::sample::select(vec![
                    "score",
                    "voice.llr",
                    "voice.speech_seconds",
                    "(score * 2.0)",
                    "(voice.llr / 2.0)"
                ])
                .prop_map(String::from),
            ]
        };
        let leaves = prop_oneof![
            (numbers(), order(), numbers()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (doubles(), order(), doubles()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (doubles(), order(), numbers()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            prop::sample::select(Tag::ALL.to_vec()).prop_map(|tag| format!("'{tag}' in tags")),
            prop::sample::select(vec![
                "caller.hidden",
                "identity.forged",
                "identity.reused",
                "true",
                "false",
                "identity.standing == 'verified'",
                "identity.attestation in ['A', 'B']",
                "stage != 'live'",
                "caller.number.startsWith('+1')",
                "caller.name.contains('a')",
                "called.queue.endsWith('z')",
                "label in ['suspect', 'forged']",
                "number_light == 'unproven'",
                "trunk < caller.name",
                "history.calls_before in [0, 1, 2]",
                "caller.hidden == signalling.diverted",
                "(caller.hidden ? identity.spc : trunk) == ''",
            ])
            .prop_map(String::from),
        ];
        leaves.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn a_condition_means_what_cel_says_it_means(when in conditions(), facts in sample::facts()) {
            let env = Arc::new(Env::stdlib());
            let (ours, theirs) = (ours(&when, &facts), oracle(&when, &facts, &env));
            prop_assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok(), "{}: {:?} against {:?}", when, ours, theirs);
        }
    }

    proptest! {
        #[test]
        fn the_same_facts_give_the_same_decision(facts in sample::facts()) {
            let policy = Policy::embedded();
            prop_assert_eq!(policy.decide(&facts), policy.decide(&facts));
        }

        #[test]
        fn a_shipped_policy_never_treats_a_worse_call_milder(facts in sample::facts(), worse in 0..sample::WORSE.len()) {
            for (shipped, policy) in SHIPPED.iter().zip(LOADED.iter()) {
                let mut changed = facts.clone();
                sample::WORSE[worse].1(&mut changed);
                let (before, after) = (policy.decide(&facts), policy.decide(&changed));
                let is_milder = monotone::is_milder(&before, &after);
                prop_assert!(!is_milder, "{} {}: {:?} became {:?}", shipped.name, sample::WORSE[worse].0, before, after);
            }
        }

        #[test]
        fn a_rule_that_fails_never_matches_and_the_decision_completes(
            rules in prop::collection::vec((conditions(), 0..4usize, 0..3usize), 1..12), facts in sample::facts(),
        ) {
            let mut text = String::from("[policy]\nname = 'g'\n");
            for (n, (when, then, mode)) in rules.iter().enumerate() {
                let then = ["'deliver'", "'label'", "{ divert = 'security' }", "{ refuse = 603 }"][*then];
                let mode = ["enforce", "shadow", "off"][*mode];
                text += &format!("[[rule]]\nid = 'r{n}'\nwhen = '''{when}'''\nthen = {then}\nmode = '{mode}'\nreason = 'x'\n");
            }
            // A generated rule may be one that never decides: that is a fault of its own.
            let Ok(policy) = Policy::load_without_queues("g", &text) else { return Ok(()) };
            let explanation = policy.explain(&facts);
            let decision = policy.decide(&facts);
            prop_assert_eq!(&explanation.decision, &decision);
            let failed = explanation.rules.iter().filter(|line| line.result == RuleResult::Error);
            let failed: Vec<&str> = failed.map(|line| line.rule.as_str()).collect();
            prop_assert_eq!(&failed, &names(&decision.errors));
            prop_assert_eq!(decision.verdict.has(Tag::RuleError), !failed.is_empty());
            prop_assert!(decision.fired.iter().all(|fired| !failed.contains(&fired.rule.as_str())));
            let deciders = explanation.rules.iter().filter(|line| line.decided);
            let deciders: Vec<_> = deciders.collect();
            prop_assert!(deciders.len() <= 1 && deciders.iter().all(|line| line.result == RuleResult::True && line.mode == Mode::Enforce));
        }

        #[test]
        fn no_emergency_is_ever_refused(mut facts in sample::facts(), is_trusted in any::<bool>()) {
            let policy = policy(&rule("all", "score > -100.0", "then = { refuse = 603 }"));
            facts.signalling.claims_emergency = !is_trusted;
            facts.signalling.is_emergency_trunk = is_trusted;
            facts.identity.has_priority |= !is_trusted;
            for stage in Stage::ALL {
                facts.stage = *stage;
                let action = policy.decide(&facts).action;
                let is_refused = matches!(action, Action::Refuse { .. });
                prop_assert!(!is_refused, "{:?}", action);
            }
        }

        #[test]
        fn any_text_as_a_condition_is_refused_or_asked_without_panic(text in "[ -~]{0,60}", facts in sample::facts()) {
            let file = format!("[policy]\nname = 't'\n[[rule]]\nid = 'r'\nwhen = {}\nthen = 'label'\nreason = 'x'\n", toml::Value::String(text));
            if let Ok(policy) = Policy::load("t", &file, &[]) {
                policy.decide(&facts);
            }
        }
    }
}
