//! What of an ended call alarms look at.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::limits::{NAME_MAX, ONE_RING, POOR_MOS, SILENT_HEARD, SILENT_LASTS, SILENT_SPEECH};
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
    /// It rang for a moment, and whoever showed a number hung up.
    pub is_one_ring: bool,
    /// It was held for long after it was answered, and hardly a word came.
    pub is_silent: bool,
    /// Its caller sounded poor.
    pub is_poor: bool,
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
            is_one_ring: number.is_some() && is_one_ring(record),
            is_silent: is_silent(record),
            is_poor: record
                .media
                .is_some_and(|media| media.from_caller.mos.is_some_and(|mos| mos < POOR_MOS)),
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

fn is_one_ring(record: &CallRecord) -> bool {
    let gave_up = record
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.ending == Ending::Cancelled);
    let rang = record.timings.ringing_ms.zip(record.timings.ended_ms);
    gave_up && rang.is_some_and(|(from, to)| to.saturating_sub(from) <= ONE_RING.as_millis() as u64)
}

/// Only of what was heard: without a model, and of a fax, nobody knows.
fn is_silent(record: &CallRecord) -> bool {
    let held = record.timings.answered_ms.zip(record.timings.ended_ms);
    let is_long = held.is_some_and(|(from, to)| to.saturating_sub(from) >= SILENT_LASTS.as_millis() as u64);
    let heard = record.opinion.as_ref();
    let is_quiet =
        heard.is_some_and(|heard| heard.seconds >= SILENT_HEARD && heard.speech_seconds < SILENT_SPEECH);
    is_long && is_quiet && record.timings.fax_ms.is_none()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::record::Outcome;
    use crate::redact::Redacted;

    fn record(ending: Ending) -> CallRecord {
        let facts = crate::screening::sample::unsigned();
        let mut record = CallRecord::arriving(CallId(1), &facts, Some("desk"), None);
        record.caller = Some(Redacted::new("+14045550123".into()));
        record.outcome = Some(Outcome {
            ending,
            status: 200,
            by: "caller".into(),
            note: None,
        });
        record.timings.ringing_ms = Some(100);
        record
    }

    /// So many seconds of audio, and of speech in it.
    fn heard(call: &mut CallRecord, seconds: f32, speech_seconds: f32) {
        let opinion = serde_json::json!({
            "llr": 0.0, "label": "unsure", "seconds": seconds, "speech_seconds": speech_seconds, "window": null,
        });
        call.opinion = Some(serde_json::from_value(opinion).unwrap());
    }

    #[test]
    fn who_hangs_up_at_once_wants_to_be_called_back_and_shows_where() {
        let one_ring = |record: &CallRecord| Seen::of(record).unwrap().is_one_ring;
        let mut call = record(Ending::Cancelled);
        call.timings.ended_ms = Some(6_100);
        assert!(one_ring(&call));
        call.timings.ended_ms = Some(6_101);
        assert!(!one_ring(&call), "it rang for longer");
        call.timings.ended_ms = Some(1_000);
        call.caller = None;
        assert!(!one_ring(&call), "nobody can call back");
        let mut call = record(Ending::NoAnswer);
        call.timings.ended_ms = Some(1_000);
        assert!(!one_ring(&call), "we gave up");
    }

    #[test]
    fn a_call_is_silent_when_it_is_held_and_heard_and_nobody_speaks() {
        let silent = |record: &CallRecord| Seen::of(record).unwrap().is_silent;
        let mut call = record(Ending::Completed);
        (call.timings.answered_ms, call.timings.ended_ms) = (Some(1_000), Some(61_000));
        assert!(!silent(&call), "nothing was heard");
        heard(&mut call, 59.0, 2.9);
        assert!(silent(&call));
        heard(&mut call, 59.0, 3.0);
        assert!(!silent(&call), "somebody spoke");
        heard(&mut call, 29.0, 0.0);
        assert!(!silent(&call), "it was hardly heard");
        heard(&mut call, 59.0, 0.0);
        call.timings.ended_ms = Some(60_999);
        assert!(!silent(&call), "it was short");
        (call.timings.ended_ms, call.timings.fax_ms) = (Some(61_000), Some(2_000));
        assert!(!silent(&call), "a fax");
    }

    #[test]
    fn a_caller_sounds_poor_below_the_score_and_a_training_call_is_not_seen() {
        let mut call = record(Ending::Completed);
        call.media = Some(Default::default());
        let mut poor = |mos| {
            if let Some(media) = &mut call.media {
                media.from_caller.mos = mos;
            }
            Seen::of(&call).unwrap().is_poor
        };
        assert!(poor(Some(3.59)) && !poor(Some(3.6)) && !poor(None));
        call.drill = true;
        assert_eq!(Seen::of(&call), None);
    }
}
