//! What the caller shows of himself.

use crate::screening::{Facts, Tag};

/// Is there a number, and can it be one?
pub(super) fn check_number(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.caller.is_hidden {
        tags.push(Tag::CallerHidden);
    }
    if facts.caller.is_malformed {
        tags.push(Tag::NumberMalformed);
    }
}

/// Does the name pretend to be one of our marks?
pub(super) fn check_name(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.caller.name_imitates_label {
        tags.push(Tag::NameImitatesLabel);
    }
}
