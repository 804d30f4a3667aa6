//! One question each: looks at the facts, adds tags. No check knows a weight.

mod caller;
mod history;
mod identity;
mod lists;
mod reputation;
mod signalling;
mod talk;
mod voice;

pub use history::{VELOCITY_HOUR, VELOCITY_MINUTE};

use super::{Facts, Tag};

/// All findings of a call, in the order of [`Tag`], none twice.
pub(super) fn findings(facts: &Facts) -> Vec<Tag> {
    let mut tags = Vec::with_capacity(8);
    identity::check_standing(facts, &mut tags);
    identity::check_beside(facts, &mut tags);
    identity::check_upstream(facts, &mut tags);
    identity::check_reuse(facts, &mut tags);
    caller::check_number(facts, &mut tags);
    caller::check_name(facts, &mut tags);
    caller::check_signed_name(facts, &mut tags);
    history::check_acquaintance(facts, &mut tags);
    history::check_reports(facts, &mut tags);
    history::check_velocity(facts, &mut tags);
    history::check_availability(facts, &mut tags);
    lists::check_lists(facts, &mut tags);
    reputation::check_reputation(facts, &mut tags);
    signalling::check_route(facts, &mut tags);
    signalling::check_emergency(facts, &mut tags);
    signalling::check_limits(facts, &mut tags);
    voice::check_opinion(facts, &mut tags);
    voice::check_second_opinion(facts, &mut tags);
    voice::check_cues(facts, &mut tags);
    talk::check_screening(facts, &mut tags);
    talk::check_challenge(facts, &mut tags);
    talk::check_recording(facts, &mut tags);
    talk::check_prompts(facts, &mut tags);
    tags.sort_unstable();
    tags.dedup();
    tags
}
