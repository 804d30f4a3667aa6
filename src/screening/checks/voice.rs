//! What the countermeasure says of the voice.

use crate::screening::{Facts, Tag, VoiceState};

/// What may be said of the voice? Exactly one tag, always.
pub(super) fn check_opinion(facts: &Facts, tags: &mut Vec<Tag>) {
    tags.push(match facts.voice.state {
        VoiceState::Off => Tag::VoiceOff,
        VoiceState::Pending => Tag::VoicePending,
        VoiceState::BonaFide => Tag::VoiceBonaFide,
        VoiceState::Spoof => Tag::VoiceSpoofLikely,
        VoiceState::Unsure => Tag::VoiceUnsure,
        VoiceState::Overloaded => Tag::ScoringOverloaded,
    });
}
