//! How the call came.

use crate::screening::{Facts, Tag};

/// Which way did it take, and do its headers agree with each other?
pub(super) fn check_route(facts: &Facts, tags: &mut Vec<Tag>) {
    // Said by a header, or proven by signatures: the call was dialled somewhere else first either way.
    if facts.signalling.is_diverted || facts.identity.hops > 0 {
        tags.push(Tag::Diverted);
    }
    if facts.signalling.from_differs_from_asserted {
        tags.push(Tag::FromDiffersFromAsserted);
    }
}

/// Do more calls show its number, unproven, than one number may bring?
pub(super) fn check_limits(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.flood.is_over_limit {
        tags.push(Tag::OverLimit);
    }
}

/// Is it an emergency call? A claim that nobody signed, or that is signed with a token of another call, is only a claim.
pub(super) fn check_emergency(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.signalling.is_emergency_trunk {
        tags.push(Tag::EmergencyTrunk);
    }
    let has_proof = facts.identity.has_priority && facts.identity.is_reused != Some(true);
    if has_proof && facts.identity.is_emergency {
        tags.push(Tag::EmergencyVerified);
    } else if has_proof {
        tags.push(Tag::PriorityVerified);
    } else if facts.signalling.claims_emergency {
        tags.push(Tag::EmergencyClaimed);
    }
}
