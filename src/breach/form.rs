//! What the regulator asks, with what a gateway knows of it filled in, and the clock that runs.

use serde::Serialize;
use serde_json::{Value, json};

use super::gather::Order;
use super::limits::TERM;

/// The 72 hours of Article 33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// When the business became aware, Unix ms.
    pub aware_ms: u64,
    /// Until when the regulator is to be told without having to say why it took longer, Unix ms.
    pub due_ms: u64,
    /// When the pack was made, Unix ms.
    pub made_ms: u64,
    /// What was left then, ms; negative = it was over.
    pub left_ms: i64,
}

impl Clock {
    pub fn new(aware_ms: u64, made_ms: u64) -> Clock {
        let due_ms = aware_ms.saturating_add(TERM.as_millis() as u64);
        Clock {
            aware_ms,
            due_ms,
            made_ms,
            left_ms: due_ms as i64 - made_ms as i64,
        }
    }
}

/// Counts for the form.
pub(super) struct Counts {
    pub records: u64,
    pub erased: u64,
    pub people: u64,
    /// Calls of people beyond those.
    pub unlisted: u64,
    pub accounts: u64,
}

/// The fields in the order of the ICO's form for reporting a personal data breach; null = people have to fill it in.
pub(super) fn form(order: &Order, clock: Clock, counts: &Counts) -> Value {
    json!({
        "clock": clock,
        "about_the_breach": {
            "type_of_report": null,
            "what_has_happened": null,
            "how_it_occurred": null,
            "how_it_was_discovered": null,
            "preventative_measures_in_place": [
                "records of calls are sealed each under a key of its own (AES-256-GCM); audio is not kept",
                "accounts with a second factor for whoever may change who may what; passwords kept as argon2id",
                "everything that is done stands in a chain of hashes (audit files in this pack)",
            ],
            "caused_by_a_cyber_incident": null,
            "when_it_happened": { "from_ms": order.from_ms, "until_ms": order.until_ms },
            "when_it_was_discovered_ms": clock.aware_ms,
        },
        "data": {
            "categories_of_personal_data": [
                "identification data: telephone numbers, names that callers show or have signed",
                "traffic data: who called whom, when, for how long, and what it was taken for",
                "names, roles and sign-ins of the people who work here (audit, accounts)",
            ],
            "special_category_data": null,
            "records_concerned": counts.records,
            "records_erased_before": counts.erased,
            "people_who_could_be_affected": counts.people,
            "calls_of_people_beyond_those": counts.unlisted,
            "categories_of_data_subjects": ["callers", "people who were called", "employees and users"],
            "accounts_here": counts.accounts,
            "audio_recordings": 0,
        },
        "consequences": {
            "potential_consequences": null,
            "likelihood_of_significant_consequences": null,
            "confidentiality_integrity_availability": null,
            "impact_on_the_organisation": null,
            "recovery_time": null,
        },
        "people": {
            "staff_trained_in_the_last_two_years": null,
            "training_in_words": null,
        },
        "delay": {
            "reported_within_72_hours": clock.left_ms >= 0,
            "reason_for_the_delay": null,
        },
        "taking_action": {
            "actions_taken_to_fix_it": null,
            "steps_to_prevent_a_recurrence": null,
            "data_subjects_told": null,
            "other_organisations_told": null,
        },
        "about_you": {
            "organisation": null,
            "registration_number": null,
            "sector": null,
            "person_making_the_report": null,
            "email": null,
            "telephone": null,
            "data_protection_officer": null,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_for_72_hours_from_when_one_became_aware() {
        const HOUR: u64 = 3_600_000;
        let clock = Clock::new(1_000, 1_000 + 70 * HOUR);
        assert_eq!(
            (clock.due_ms, clock.left_ms),
            (1_000 + 72 * HOUR, 2 * HOUR as i64)
        );
        assert_eq!(Clock::new(0, 73 * HOUR).left_ms, -(HOUR as i64));
    }
}
