//! What the store remembers of the calling number. A number that is not shown has no history.

use crate::screening::{Facts, Tag};

/// As many calls from one number in a minute are unusual. A person redialling a busy line makes three or four.
pub const VELOCITY_MINUTE: u64 = 6;

/// As many calls from one number in an hour are unusual. A busy branch office behind one number stays below.
pub const VELOCITY_HOUR: u64 = 40;

/// Has this number called before, and did somebody take the call?
pub(super) fn check_acquaintance(facts: &Facts, tags: &mut Vec<Tag>) {
    let history = &facts.history;
    if facts.caller.number.is_none() || !history.is_available {
        return;
    }
    // A scam that was answered once is not an acquaintance.
    if history.answered_before > 0 && history.reported_scam == 0 {
        tags.push(Tag::KnownCaller);
    }
    if history.calls_before == 0 {
        tags.push(Tag::FirstCall);
    }
}

/// What did people here say about earlier calls?
pub(super) fn check_reports(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.history.reported_scam > 0 {
        tags.push(Tag::ReportedScam);
    }
    if facts.history.reported_good > 0 {
        tags.push(Tag::ReportedGood);
    }
}

/// Does this number call too often to be a person?
pub(super) fn check_velocity(facts: &Facts, tags: &mut Vec<Tag>) {
    let history = &facts.history;
    if history.calls_last_minute >= VELOCITY_MINUTE || history.calls_last_hour >= VELOCITY_HOUR {
        tags.push(Tag::HighVelocity);
    }
}

/// Could the store be asked at all?
pub(super) fn check_availability(facts: &Facts, tags: &mut Vec<Tag>) {
    let is_number_unknown = facts.caller.number.is_some() && !facts.history.is_available;
    if is_number_unknown || facts.identity.is_reused.is_none() {
        tags.push(Tag::HistoryUnavailable);
    }
}
