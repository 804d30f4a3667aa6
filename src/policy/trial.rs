//! A written-down call put to a policy: its facts as it arrives and once it talks, and whether what is expected came.

use std::time::Duration;

use serde::Serialize;

use super::plain::{facts_with_one, plain_facts};
use super::scenario::{Late, Scenario, Signs};
use super::{Action, Policy};
use crate::redact::Redacted;
use crate::screening::{Attestation, Facts, List, Listed, Stage, Standing, Tag, VoiceState};

/// What came of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// File and line of its title.
    pub place: String,
    pub title: String,
    /// What did not come out as expected, as `line: expected ..., found ...`; empty = all of it did.
    pub failures: Vec<String>,
    /// Expectations that only a whole call can meet or miss (ringing, answer, shown, ...): not looked at here.
    pub skipped: usize,
}

/// What is waited for before the first decision, as the gateway does by default.
const BUDGET: Duration = Duration::from_millis(800);

/// An hour of a working day: 1 July 2026, 10:00 UTC.
const ARRIVES_MS: u64 = 1_782_900_000_000;

impl Policy {
    /// Plays the call with facts alone: first as it arrives, then while they talk and everything late is known.
    pub fn try_out(&self, scenario: &Scenario) -> Trial {
        let mut trial = Trial {
            place: scenario.place.clone(),
            title: scenario.title.clone(),
            failures: Vec::new(),
            skipped: 0,
        };
        let facts = [Stage::Arrive, Stage::Live].map(|stage| facts_of(scenario, stage));
        let [Ok(arriving), Ok(talking)] = facts else {
            let faults = facts.into_iter().filter_map(Result::err);
            trial.failures.extend(faults.take(1));
            return trial;
        };
        let first = self.explain(&arriving);
        let last = self.decide(&talking);
        let decider = first
            .rules
            .iter()
            .find(|line| line.decided)
            .map_or("none", |line| line.rule.as_str());
        for (line, expectation) in &scenario.expectations {
            let words: Vec<&str> = expectation.split(' ').collect();
            let has = |name: &&str| name.parse::<Tag>().is_ok_and(|tag| last.verdict.has(tag));
            let found = || last.verdict.findings.iter().map(|finding| finding.tag.name());
            let equal = |wanted: &str, found: &str| (wanted != found).then(|| found.to_string());
            let failure = match words[..] {
                ["tags", ref wanted @ ..] => {
                    (!wanted.iter().all(has)).then(|| found().collect::<Vec<_>>().join(" "))
                }
                ["no", "tags", ref unwanted @ ..] => unwanted
                    .iter()
                    .any(has)
                    .then(|| found().collect::<Vec<_>>().join(" ")),
                ["decision", wanted] => equal(wanted, word(&first.decision.action)),
                ["rule", wanted] => equal(wanted, decider),
                ["label", wanted] => equal(wanted, last.verdict.label.name()),
                ["number", wanted] => equal(wanted, last.verdict.number.name()),
                ["voice", wanted] => equal(wanted, last.verdict.voice.name()),
                ["ringing" | "answer" | "shown" | "trust" | "ending" | "phone", ..] => {
                    trial.skipped += 1;
                    None
                }
                _ => Some("that this is not understood".into()),
            };
            if let Some(found) = failure {
                trial
                    .failures
                    .push(format!("{line}: expected {expectation}, found {found}"));
            }
        }
        trial
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Deliver => "deliver",
        Action::Label => "label",
        Action::Screen => "screen",
        Action::Challenge => "challenge",
        Action::Whisper => "whisper",
        Action::End => "end",
        Action::Divert { .. } => "divert",
        Action::Refuse { .. } => "refuse",
    }
}

/// What the gateway would know at this stage.
fn facts_of(scenario: &Scenario, stage: Stage) -> Result<Facts, String> {
    let mut facts = plain_facts();
    facts.stage = stage;
    facts.trunk = scenario.trunk.clone();
    facts.arrived_ms = scenario.arrives_ms.unwrap_or(ARRIVES_MS);
    facts.caller.is_hidden = scenario.caller.is_none();
    facts.caller.number = scenario.caller.clone().map(Redacted::new);
    facts.caller.name = scenario.name.clone().map(Redacted::new);
    facts.called.number = Redacted::new("+12125550100".into());
    facts.called.queue = scenario.queue.clone().unwrap_or_else(|| "desk".into());
    let is_in = |late: Option<Late>| match late {
        None => true,
        Some(Late::Never) => false,
        Some(Late::After(time)) => stage == Stage::Live || time <= BUDGET,
    };
    sign(&mut facts, scenario.signs, is_in(scenario.certificate));
    facts.history.is_available = is_in(scenario.store);
    if facts.history.is_available {
        facts.history.reported_scam = scenario.scam_reports;
    } else if scenario.signs != Signs::Nothing && is_in(scenario.certificate) {
        facts.identity.is_reused = None;
    }
    if stage == Stage::Live {
        let total: f32 = scenario.windows.iter().sum();
        facts.voice.llr = f64::from(total);
        facts.voice.speech_seconds = scenario.windows.len() as f64;
        facts.voice.state = match scenario.windows.len() {
            _ if scenario.is_scorer_overloaded => VoiceState::Overloaded,
            0 => VoiceState::Pending,
            _ if total <= -3.0 => VoiceState::Spoof,
            _ if total >= 3.0 => VoiceState::BonaFide,
            _ => VoiceState::Unsure,
        };
    }
    facts.lists = scenario
        .listed
        .iter()
        .map(|(list, reason)| listed(scenario, *list, reason))
        .collect();
    for (path, value) in &scenario.facts {
        facts = facts_with_one(&facts, path, value.clone())?;
    }
    Ok(facts)
}

/// What is shown, as if it stood on the list.
fn listed(scenario: &Scenario, list: List, reason: &str) -> Listed {
    let is_name = list.is_of_names() && scenario.name.is_some();
    let what = match &scenario.name {
        Some(name) if is_name => name,
        _ => scenario.caller.as_deref().unwrap_or_default(),
    };
    Listed {
        list,
        entry: 1,
        what: Redacted::new(what.to_string()),
        reason: reason.to_string(),
        is_number: !is_name,
        is_name,
        call_back: None,
    }
}

fn sign(facts: &mut Facts, signs: Signs, has_certificate: bool) {
    let identity = &mut facts.identity;
    if signs == Signs::Nothing {
        return;
    }
    // What is wrong with the message itself is seen without a certificate.
    match signs {
        Signs::AnotherNumber => {
            identity.standing = Standing::Failed;
            identity.is_forged = true;
        }
        Signs::Stale => {
            identity.standing = Standing::Failed;
            identity.is_stale = true;
        }
        _ if !has_certificate => identity.standing = Standing::Unchecked,
        Signs::Attested(letter) => {
            identity.standing = Standing::Verified;
            identity.attestation = Some(match letter {
                'A' => Attestation::Full,
                'B' => Attestation::Partial,
                _ => Attestation::Gateway,
            });
        }
        Signs::Twice | Signs::Nothing => {
            identity.standing = Standing::Verified;
            identity.attestation = Some(Attestation::Full);
            identity.is_reused = Some(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(lines: &str) -> Trial {
        let text = format!("title  t\n{lines}\n");
        let scenarios = Scenario::read_all("t.call", &text).unwrap();
        Policy::embedded().try_out(&scenarios[0])
    }

    #[test]
    fn a_call_is_played_and_what_did_not_come_is_told() {
        let fine = trial(
            "signs A\nsays window 1 llr -2.1, window 2 llr -2.6\nexpect tags VOICE_SPOOF_LIKELY\nexpect decision label\nexpect label synthetic\nexpect rule everything-else\nexpect answer 200",
        );
        assert_eq!((fine.failures, fine.skipped), (vec![], 1));
        let wrong = trial(
            "store knows 3 scam reports\nexpect label unproven\nexpect no tags REPORTED_SCAM\nexpect wonders",
        );
        assert_eq!(
            wrong.failures,
            [
                "3: expected label unproven, found suspect",
                "4: expected no tags REPORTED_SCAM, found NO_IDENTITY FIRST_CALL REPORTED_SCAM VOICE_PENDING",
                "5: expected wonders, found that this is not understood",
            ]
        );
    }

    #[test]
    fn any_fact_can_be_given_and_a_wrong_name_is_told() {
        let fine = trial(
            "fact history.calls_last_minute 20\nfact identity.upstream passed\nexpect tags HIGH_VELOCITY CARRIER_VERIFIED",
        );
        assert_eq!(fine.failures, [""; 0]);
        let wrong = trial("fact history.calls 20\nexpect label unproven");
        assert!(
            wrong.failures[0].contains("no fact is called \"history.calls\""),
            "{wrong:?}"
        );
    }

    #[test]
    fn lists_are_written_down_by_their_names() {
        let fine = trial(
            "signs A\nlisted block because spam\nexpect decision refuse\nexpect rule blocked\nexpect tags BLOCKED\nexpect label suspect",
        );
        assert_eq!(fine.failures, [""; 0]);
        let text = "title t\nlisted black because x\nlisted block because\nlisted own because x\nlisted own because y\n";
        assert_eq!(Scenario::read_all("t.call", text).unwrap_err().len(), 3);
    }

    #[test]
    fn late_answers_count_once_they_are_there() {
        let trial = trial(
            "signs A\ncertificate after 1500ms\nexpect number genuine\nexpect tags IDENTITY_VERIFIED_A",
        );
        assert_eq!(trial.failures, [""; 0]);
    }
}
