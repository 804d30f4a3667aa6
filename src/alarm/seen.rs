//! What of an ended call alarms look at.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::limits::NAME_MAX;
use crate::call::CallRecord;
use crate::call::record::{Direction, Ending, Transfer, TransferOutcome};
use crate::call_id::CallId;
use crate::e164::zone_of;
use crate::identity::Standing;
use crate::screening::{Challenge, Label, VoiceLight};

/// Whoever signed so that it did not verify.
const UNBELIEVED: &str = "that is not believed";

/// One ended call from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub call: CallId,
    /// When it arrived, Unix ms.
    pub at_ms: u64,
    /// Tells callers apart and is no number; 0 = hidden.
    pub caller: u64,
    /// Calling code of the number shown; None = hidden.
    pub country: Option<String>,
    /// Signed, and the signature verified.
    pub is_signed: bool,
    pub is_refused: bool,
    /// The voice was last shown as synthetic.
    pub is_synthetic: bool,
    /// Shown as forged, synthetic, suspect or part of a campaign. What people say of it later comes too late.
    pub is_bad: bool,
    /// The same sounds as in other calls.
    pub recording: Option<String>,
    /// The provider code in the certificate of whoever signed. Those that are not believed are one: a forger names whom he likes.
    pub signer: Option<String>,
    /// How the caller's side behaved, where it behaved in a way of its own: a word for each habit.
    pub script: Option<String>,
    /// Rules of the policy that could not be evaluated for it, each once.
    pub failed_rules: Vec<String>,
}

impl Seen {
    /// None = it is no call from outside that has ended, or one for training, or says nothing any more.
    pub fn of(record: &CallRecord) -> Option<Seen> {
        let outcome = record.outcome.as_ref()?;
        if record.direction != Direction::Inbound || record.erased_ms.is_some() || record.drill {
            return None;
        }
        let facts = &record.facts;
        let is_signed = facts.identity.standing == Standing::Verified;
        let number = record.caller.as_ref().map(|number| number.reveal().as_str());
        let label = record.banner.as_ref().map(|banner| banner.label);
        let voice = record.banner.as_ref().map(|banner| banner.voice);
        let is_bad = matches!(
            label,
            Some(Label::Forged | Label::Synthetic | Label::Suspect | Label::Campaign)
        );
        Some(Seen {
            call: record.id,
            at_ms: record.started_ms,
            caller: number.map_or(0, digest),
            country: number.and_then(zone_of).map(|(code, _)| code.to_string()),
            is_signed,
            is_refused: outcome.ending == Ending::Refused,
            is_synthetic: voice == Some(VoiceLight::Synthetic),
            is_bad,
            recording: Some(short(&facts.recording.name)).filter(|name| !name.is_empty()),
            signer: facts.identity.spc.as_deref().map(|spc| match is_signed {
                true => short(spc),
                false => UNBELIEVED.to_string(),
            }),
            script: script(record),
            failed_rules: failed_rules(record),
        })
    }

    /// How often this call led to a number outside, so far: of a phone's call that is once, else as often as it was sent on to one, whether
    /// anybody answers there or not.
    pub fn outside(record: &CallRecord) -> usize {
        let is_number = |text: &str| text.starts_with('+');
        match record.direction {
            Direction::Outbound => usize::from(is_number(record.called.reveal())),
            Direction::Inbound => {
                let went = |transfer: &&Transfer| {
                    transfer.outcome != TransferOutcome::Refused && is_number(transfer.to.reveal())
                };
                record.transfers.iter().filter(went).count()
            }
        }
    }

    /// By what this call is like others. A signer and a way to behave count of bad calls only: many callers share them.
    pub(super) fn likenesses(&self) -> Vec<String> {
        let mut likenesses = Vec::new();
        likenesses.extend(self.recording.iter().map(|name| format!("recording {name}")));
        if self.is_bad {
            likenesses.extend(self.signer.iter().map(|name| format!("signer {name}")));
            likenesses.extend(self.script.iter().map(|name| format!("script {name}")));
        }
        likenesses
    }
}

/// The habits that were heard, with the second in which they began, and what came of our own words: of callers who follow one script
/// they are the same. Fewer than two habits are nobody's script.
fn script(record: &CallRecord) -> Option<String> {
    let facts = &record.facts;
    let mut words = Vec::new();
    // As they are kept: a habit and when it was heard first.
    if let Ok(serde_json::Value::Object(cues)) = serde_json::to_value(facts.voice.cues) {
        for (name, at) in cues.iter().filter(|(_, at)| !at.is_null()) {
            let second = at["at"].as_f64().map(f64::floor);
            words.push(second.map_or_else(|| name.clone(), |second| format!("{name}@{second}")));
        }
    }
    if facts.talk.challenge == Challenge::Failed {
        words.push("challenge-failed".into());
    }
    if facts.talk.is_screened && facts.talk.over_seconds >= 1.0 {
        words.push("talks-over-us".into());
    }
    words.sort();
    (words.len() >= 2).then(|| words.join("+"))
}

fn failed_rules(record: &CallRecord) -> Vec<String> {
    let errors = record.decisions.iter().flat_map(|one| &one.decision.errors);
    let mut rules: Vec<String> = errors.map(|failed| short(&failed.rule)).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// A certificate may name a signer as it likes.
fn short(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

fn digest(number: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    number.hash(&mut hasher);
    hasher.finish().max(1)
}
