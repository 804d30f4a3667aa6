//! Why a decision came out as it did: every finding with its weight, every rule with its answer.

use std::fmt;

use serde::Serialize;

use super::{Action, Decision, Mode, Policy};
use crate::screening::{Facts, Tag};

/// How one rule came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleResult {
    True,
    False,
    /// Failed at run time; counts as not matched.
    Error,
    /// The rule is for another stage of the call.
    OtherStage,
    /// The rule is for other queues, trunks or hours.
    Elsewhere,
    Off,
}

/// One rule of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleLine {
    pub rule: String,
    pub when: String,
    pub mode: Mode,
    pub result: RuleResult,
    /// This is the rule that decided.
    pub decided: bool,
    pub reason: String,
}

/// A finding with its weight and its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingLine {
    pub tag: Tag,
    pub tenths: i32,
    pub meaning: &'static str,
}

/// A decision and the whole way to it. Prints as text for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub decision: Decision,
    pub findings: Vec<FindingLine>,
    pub suspect_at_tenths: i32,
    /// In the order of the file.
    pub rules: Vec<RuleLine>,
}

impl Policy {
    /// Decides and says why. The decision is the same that [`Policy::decide`] makes.
    pub fn explain(&self, facts: &Facts) -> Explanation {
        let mut rules = Vec::new();
        let decision = self.run(facts, |rule, result, decided| {
            rules.push(RuleLine {
                rule: rule.id.clone(),
                when: rule.source.clone(),
                mode: rule.mode,
                result,
                decided,
                reason: rule.reason.clone(),
            });
        });
        let findings = decision.verdict.findings.iter();
        let findings = findings
            .map(|f| FindingLine {
                tag: f.tag,
                tenths: f.tenths,
                meaning: f.tag.meaning(),
            })
            .collect();
        Explanation {
            decision,
            findings,
            suspect_at_tenths: self.suspect_at(facts),
            rules,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = &self.decision.verdict;
        writeln!(out, "policy  {}", self.decision.policy)?;
        writeln!(out, "found")?;
        for finding in &self.findings {
            writeln!(
                out,
                "  {:>6}  {:<28}{}",
                Tenths(finding.tenths),
                finding.tag,
                finding.meaning
            )?;
        }
        writeln!(
            out,
            "  {:>6}  sum (suspect from {})",
            Tenths(verdict.tenths),
            Tenths(self.suspect_at_tenths)
        )?;
        writeln!(out, "lights  number {}, voice {}", verdict.number, verdict.voice)?;
        writeln!(out, "label   {}", verdict.label)?;
        writeln!(out, "rules")?;
        for line in &self.rules {
            let result = match (line.result, line.mode) {
                (RuleResult::True, Mode::Shadow) => "shadow",
                (RuleResult::True, _) => "true",
                (RuleResult::False, _) => "false",
                (RuleResult::Error, _) => "error",
                (RuleResult::OtherStage | RuleResult::Elsewhere, _) => "-",
                (RuleResult::Off, _) => "off",
            };
            let mark = if line.decided { "  <- decides" } else { "" };
            writeln!(
                out,
                "  {result:>6}  {}: {}{mark}",
                line.rule,
                one_line(&line.when)
            )?;
            if line.result == RuleResult::True {
                writeln!(out, "          {}", line.reason)?;
            }
        }
        for error in &self.decision.errors {
            writeln!(out, "  failed  {}: {}", error.rule, error.reason)?;
        }
        write!(out, "action  ")?;
        match &self.decision.action {
            Action::Deliver => write!(out, "deliver"),
            Action::Label => write!(out, "deliver with the label"),
            Action::Screen => write!(out, "answer, ask for name and reason, and listen"),
            Action::Challenge => write!(out, "answer, and have the caller press two digits"),
            Action::Whisper => write!(out, "tell the person who has the call what it is"),
            Action::End => write!(out, "end the call"),
            Action::Divert { queue } => write!(out, "divert to queue {queue}"),
            Action::Refuse {
                status,
                profile: None,
                ..
            } => write!(out, "refuse with {status}"),
            Action::Refuse {
                profile: Some(profile),
                ..
            } => write!(out, "refuse as {}", profile.name()),
        }
    }
}

fn one_line(condition: &str) -> String {
    condition.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// 12 prints as 1.2.
struct Tenths(i32);

impl fmt::Display for Tenths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = self.0.unsigned_abs();
        out.pad(&format!("{sign}{}.{}", digits / 10, digits % 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::sample;

    #[test]
    fn an_explanation_shows_the_whole_way_to_the_decision() {
        let text = "
[policy]
name = 'small'
[weights]
NO_IDENTITY = 0.5
FIRST_CALL = -0.3
[[rule]]
id = 'foreign'
when = '!caller.number.startsWith(\"+1\")'
then = 'refuse'
reason = 'We have no business abroad.'
[[rule]]
id = 'trial'
when = 'score > 0.0'
then = 'refuse'
mode = 'shadow'
reason = 'Tried until Monday.'
[[rule]]
id = 'divides'
when = '1 / history.calls_before > 0'
then = 'label'
reason = 'x'
[[rule]]
id = 'talking'
when = 'true'
then = 'label'
stage = 'live'
reason = 'x'
[[rule]]
id = 'unsigned'
when = '''
  identity.standing == 'none'
  || identity.standing == 'unchecked'
'''
then = 'label'
reason = 'Nothing proves the number.'
";
        let policy = Policy::load("small.toml", text, &[]).unwrap();
        let explanation = policy.explain(&sample::unsigned());
        insta::assert_snapshot!(explanation.to_string(), @r#"
        policy  small@80d362e9
        found
             0.5  NO_IDENTITY                 Nothing proves the number: the call is not signed.
            -0.3  FIRST_CALL                  This number calls for the first time.
             0.0  VOICE_PENDING               The voice was not heard yet.
             0.0  RULE_ERROR                  A rule of the policy failed and was left out.
             0.2  sum (suspect from 3.0)
        lights  number unproven, voice pending
        label   unproven
        rules
           false  foreign: !caller.number.startsWith("+1")
          shadow  trial: score > 0.0
                  Tried until Monday.
           error  divides: 1 / history.calls_before > 0
               -  talking: true
            true  unsigned: identity.standing == 'none' || identity.standing == 'unchecked'  <- decides
                  Nothing proves the number.
          failed  divides: division by zero
        action  deliver with the label
        "#);
        assert_eq!(explanation.decision, policy.decide(&sample::unsigned()));
    }
}
