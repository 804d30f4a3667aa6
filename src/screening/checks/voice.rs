//! What the countermeasure says of the voice.

use crate::screening::{Facts, SecondOpinion, Tag, VoiceState};
use crate::voice::Cue;

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

/// Did a second, larger model hear it too? At most one tag.
pub(super) fn check_second_opinion(facts: &Facts, tags: &mut Vec<Tag>) {
    match facts.voice.second {
        SecondOpinion::None => {}
        SecondOpinion::Given => tags.push(Tag::VoiceHeardTwice),
        SecondOpinion::Overloaded => tags.push(Tag::SecondOpinionOverloaded),
    }
}

/// Does the caller's side do what machines do? A tag for each habit; none of them says that it is one.
pub(super) fn check_cues(facts: &Facts, tags: &mut Vec<Tag>) {
    for cue in Cue::ALL {
        if facts.voice.cues.sign(cue).is_some() {
            tags.push(match cue {
                Cue::SpeechAtOnce => Tag::SpeechAtOnce,
                Cue::Monologue => Tag::LongMonologue,
                Cue::Beep => Tag::CallerBeep,
                Cue::KeyTones => Tag::CallerKeyTones,
                Cue::Loop => Tag::CallerLoops,
                Cue::OverGreeting => Tag::TalksOverGreeting,
                Cue::NoReaction => Tag::NoReaction,
            });
        }
    }
}
