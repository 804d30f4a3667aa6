//! What came of our own words with the caller.

use crate::screening::{Challenge, Facts, Tag};

/// Was he asked for name and reason, and did he answer?
pub(super) fn check_screening(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.talk.is_screened {
        tags.push(Tag::CallerScreened);
        if facts.talk.speech_seconds == 0.0 {
            tags.push(Tag::CallerSilent);
        }
    }
}

/// Did he press the digits he was told? At most one tag.
pub(super) fn check_challenge(facts: &Facts, tags: &mut Vec<Tag>) {
    match facts.talk.challenge {
        Challenge::None => {}
        Challenge::Passed => tags.push(Tag::ChallengePassed),
        Challenge::Failed => tags.push(Tag::ChallengeFailed),
        Challenge::Unable => tags.push(Tag::ChallengeUnable),
    }
}

/// Did the same recording come from several callers?
pub(super) fn check_recording(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.recording.is_campaign() {
        tags.push(Tag::RepeatedRecording);
    }
}

/// Was everything said that was to be?
pub(super) fn check_prompts(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.talk.is_prompt_missing {
        tags.push(Tag::PromptMissing);
    }
}
