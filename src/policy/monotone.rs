//! Does the policy treat a worse call no milder? Tried out on calls of every kind, each made worse in every way.

use serde::Serialize;

use super::{Action, Decision, Policy};
use crate::redact::Redacted;
use crate::screening::{
    Attestation, CalledFacts, CallerFacts, Facts, HistoryFacts, IdentityFacts, SignallingFacts, Stage,
    Standing, VoiceFacts, VoiceState, WORSE,
};

/// A call that gets away with more when it is worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Regression {
    /// What made it worse: `forged`, `reported`, `spoof`, ...
    pub worse: &'static str,
    /// The rule that decided before; empty when none did.
    pub rule: String,
    /// In words: what became what, and for which call.
    pub message: String,
}

/// How hard an action is on the caller.
pub(super) fn severity(action: &Action) -> u8 {
    match action {
        Action::Deliver => 0,
        Action::Label => 1,
        Action::Whisper => 2,
        Action::Screen => 3,
        Action::Challenge => 4,
        Action::Divert { .. } => 5,
        Action::Refuse { .. } | Action::End => 6,
    }
}

/// Whether the second decision, about a worse call, is the milder one.
pub(super) fn is_milder(before: &Decision, after: &Decision) -> bool {
    after.verdict.label.severity() < before.verdict.label.severity()
        || severity(&after.action) < severity(&before.action)
}

impl Policy {
    /// Every way found in which this policy is milder to a worse call, one line for each rule and kind of worse; at
    /// most 20. Empty for most policies. Takes some milliseconds.
    pub fn regressions(&self) -> Vec<Regression> {
        const MOST: usize = 20;
        let mut found: Vec<Regression> = Vec::new();
        for facts in self.calls_of_every_kind() {
            let before = self.decide(&facts);
            for (worse, change) in WORSE {
                let mut changed = facts.clone();
                change(&mut changed);
                if changed == facts {
                    continue;
                }
                let after = self.decide(&changed);
                if !is_milder(&before, &after) {
                    continue;
                }
                let rule = self.decider(&facts);
                if found
                    .iter()
                    .any(|known| known.rule == rule && known.worse == *worse)
                {
                    continue;
                }
                found.push(Regression {
                    worse,
                    message: self.told(worse, &rule, &facts, &before, &after),
                    rule,
                });
                if found.len() == MOST {
                    return found;
                }
            }
        }
        found
    }

    fn decider(&self, facts: &Facts) -> String {
        let rules = self.explain(facts).rules;
        let decided = rules.into_iter().find(|line| line.decided);
        decided.map(|line| line.rule).unwrap_or_default()
    }

    fn told(&self, worse: &str, rule: &str, facts: &Facts, before: &Decision, after: &Decision) -> String {
        let by = match rule {
            "" => "without any rule".to_string(),
            rule => format!("by rule {rule:?}"),
        };
        let label = |decision: &Decision| decision.verdict.label.name();
        let what = if severity(&after.action) < severity(&before.action) {
            format!(
                "{} ({by}) becomes {} once it is {worse} as well",
                word(&before.action),
                word(&after.action)
            )
        } else {
            format!(
                "labelled {} becomes {} once it is {worse} as well: look at the weights",
                label(before),
                label(after)
            )
        };
        format!(
            "a worse call is treated milder: {} call with standing {:?} and voice {} that is {what}",
            facts.stage, facts.identity.standing, facts.voice.state
        )
    }

    /// A grid over what policies mostly ask about, for every queue and trunk that a rule names, and for two moments.
    fn calls_of_every_kind(&self) -> Vec<Facts> {
        let mut queues = vec![String::new()];
        let mut trunks = vec![String::new()];
        let scopes = self.rules.iter().map(|rule| &rule.scope);
        for scope in scopes.chain(self.variants.iter().map(|variant| &variant.scope)) {
            queues.extend(scope.queues.first().cloned());
            trunks.extend(scope.trunks.first().cloned());
        }
        for names in [&mut queues, &mut trunks] {
            names.sort_unstable();
            names.dedup();
            names.truncate(4);
        }
        // A Wednesday at noon and the night before, in UTC.
        let moments: &[u64] = match self.hours {
            Some(_) => &[1_780_488_000_000, 1_780_452_000_000],
            None => &[1_780_488_000_000],
        };
        let mut calls = Vec::new();
        for identity in identities() {
            for voice in [
                VoiceState::Pending,
                VoiceState::BonaFide,
                VoiceState::Unsure,
                VoiceState::Spoof,
            ] {
                for history in histories() {
                    for stage in [Stage::Arrive, Stage::Live] {
                        for (queue, trunk, arrived_ms) in product(&queues, &trunks, moments) {
                            calls.push(Facts {
                                stage,
                                trunk: trunk.clone(),
                                arrived_ms,
                                caller: CallerFacts {
                                    number: Some(Redacted::new("+14045550123".to_string())),
                                    ..CallerFacts::default()
                                },
                                called: CalledFacts {
                                    number: Redacted::new("+12125550100".to_string()),
                                    queue: queue.clone(),
                                },
                                identity: identity.clone(),
                                voice: VoiceFacts {
                                    state: voice,
                                    ..VoiceFacts::default()
                                },
                                history: history.clone(),
                                signalling: SignallingFacts::default(),
                                lists: Vec::new(),
                                reputation: Vec::new(),
                                talk: Default::default(),
                                recording: Default::default(),
                                flood: Default::default(),
                                relabelled: None,
                            });
                        }
                    }
                }
            }
        }
        calls
    }
}

fn product<'a>(
    queues: &'a [String],
    trunks: &'a [String],
    moments: &'a [u64],
) -> impl Iterator<Item = (&'a String, &'a String, u64)> {
    queues.iter().flat_map(move |queue| {
        trunks
            .iter()
            .flat_map(move |trunk| moments.iter().map(move |moment| (queue, trunk, *moment)))
    })
}

fn identities() -> Vec<IdentityFacts> {
    let signed = |attestation| IdentityFacts {
        standing: Standing::Verified,
        attestation: Some(attestation),
        ..IdentityFacts::default()
    };
    let standing = |standing| IdentityFacts {
        standing,
        ..IdentityFacts::default()
    };
    vec![
        signed(Attestation::Full),
        signed(Attestation::Partial),
        signed(Attestation::Gateway),
        standing(Standing::None),
        standing(Standing::Unchecked),
        standing(Standing::Failed),
        IdentityFacts {
            is_stale: true,
            ..standing(Standing::Failed)
        },
        IdentityFacts {
            is_reused: Some(true),
            ..signed(Attestation::Full)
        },
    ]
}

fn histories() -> [HistoryFacts; 3] {
    let first = HistoryFacts {
        is_available: true,
        ..HistoryFacts::default()
    };
    [
        first.clone(),
        HistoryFacts {
            calls_before: 9,
            answered_before: 7,
            ..first.clone()
        },
        HistoryFacts {
            calls_before: 2,
            reported_scam: 1,
            ..first
        },
    ]
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Deliver => "delivered as it came",
        Action::Label => "labelled",
        Action::Screen => "asked for name and reason",
        Action::Challenge => "asked to press two digits",
        Action::Whisper => "whispered about",
        Action::End => "ended",
        Action::Divert { .. } => "diverted",
        Action::Refuse { .. } => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regressions(rules: &str) -> Vec<Regression> {
        let text = format!("[policy]\nname = 'm'\n[weights]\nVOICE_SPOOF_LIKELY = 4.0\n{rules}");
        Policy::load("m.toml", &text, &[])
            .unwrap_or_else(|faults| panic!("{faults:#?}"))
            .regressions()
    }

    #[test]
    fn a_rule_that_lets_a_worse_call_through_is_named() {
        let found = regressions(
            "[[rule]]\nid = 'only-suspect'\nwhen = \"label == 'suspect'\"\nthen = 'refuse'\nreason = 'x'\n",
        );
        let forged = found
            .iter()
            .find(|found| found.worse == "forged")
            .expect("a finding");
        assert_eq!(forged.rule, "only-suspect");
        assert!(
            forged
                .message
                .contains("refused (by rule \"only-suspect\") becomes"),
            "{}",
            forged.message
        );
    }

    #[test]
    fn a_weight_that_rewards_a_bad_sign_is_found() {
        let found = regressions("REPORTED_SCAM = -9.0\nNO_IDENTITY = 3.0\n");
        assert!(
            found.is_empty(),
            "a report makes a call suspect whatever it weighs: {found:#?}"
        );
        let found = regressions(
            "HIGH_VELOCITY = -9.0\nNO_IDENTITY = 3.0\n[[rule]]\nid = 'sum'\nwhen = 'score >= 3.0'\nthen = 'refuse'\nreason = 'x'\n",
        );
        assert!(found.iter().any(|found| found.worse == "fast"), "{found:#?}");
    }

    #[test]
    fn rules_that_ask_for_sums_and_bad_signs_are_monotone() {
        let found = regressions(
            "[[rule]]\nid = 'a'\nwhen = \"identity.forged\"\nthen = 'refuse'\nreason = 'x'\n[[rule]]\nid = 'b'\nwhen = 'score >= 3.0 || identity.reused'\nthen = 'label'\nreason = 'x'\n",
        );
        assert_eq!(found, []);
    }
}
