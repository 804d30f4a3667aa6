//! How the call came.

use crate::screening::{Facts, Tag};

/// Which way did it take, and do its headers agree with each other?
pub(super) fn check_route(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.signalling.is_diverted {
        tags.push(Tag::Diverted);
    }
    if facts.signalling.from_differs_from_asserted {
        tags.push(Tag::FromDiffersFromAsserted);
    }
}

/// Is it an emergency call? A claim that nobody signed is only a claim.
pub(super) fn check_emergency(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.signalling.is_emergency_trunk {
        tags.push(Tag::EmergencyTrunk);
    }
    if facts.signalling.claims_emergency {
        tags.push(Tag::EmergencyClaimed);
    }
}
