//! One word for all that went wrong: what the caller is told when nobody took the call (RFC 3261 §16.7, steps 5 and 6).
//!
//! We are no proxy: the phones of a queue belong to different people, and a phone's own answer is about us and not about
//! the caller. So the best answer is chosen as the RFC says, and then told in the few words that a caller can use.

use super::Decline;

/// The final status to the caller: 480, 486, 488, 603 or 607.
pub(super) fn verdict(failures: &[u16], decline: Decline) -> u16 {
    let all =
        |statuses: &[u16]| !failures.is_empty() && failures.iter().all(|status| statuses.contains(status));
    if decline == Decline::Queue
        && let Some(word) = failures.iter().find(|status| **status >= 600)
    {
        return told(*word);
    }
    if all(&[607]) {
        // A person said that the call was not wanted (RFC 8197); nobody else may say so for him.
        return 607;
    }
    if all(&[603, 607]) {
        return 603;
    }
    let folded: Vec<u16> = failures.iter().map(|status| of_one_phone(*status)).collect();
    best(&folded).map_or(480, told)
}

/// RFC 3261 §16.7 step 6: a 6xx before all, else of the lowest class; in 4xx first what says how to try again, then that
/// somebody may answer later. `None` = there is none.
pub fn best(statuses: &[u16]) -> Option<u16> {
    let rank = |status: u16| match status {
        600.. => (0, 0),
        401 | 407 | 415 | 420 | 484 => (4, 0),
        408 | 480 => (4, 1),
        486 | 488 => (4, 2),
        status => (status / 100, 3),
    };
    // The first of equals.
    statuses.iter().copied().min_by_key(|status| rank(*status))
}

/// What a 6xx means when it is the word of one phone among several: its 4xx sister.
fn of_one_phone(status: u16) -> u16 {
    match status {
        600 => 486,
        606 => 488,
        601.. => 480,
        status => status,
    }
}

/// In words for a caller. Nothing he could do about a challenge (401, 407), an option (420) or an incomplete address
/// (484) of a phone; a redirection has no Contact he may see; and a 5xx is our affair: a 503 passed on would take this
/// gateway out of the carrier's routes (RFC 3261 §16.7 step 6).
fn told(status: u16) -> u16 {
    match status {
        486 | 600 => 486,
        415 | 488 | 606 => 488,
        603 | 607 => status,
        _ => 480,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failures: &[u16], expected: u16) {
        assert_eq!(verdict(failures, Decline::Phone), expected, "{failures:?}");
    }

    #[test]
    fn step_6_prefers_6xx_then_the_lowest_class_then_what_says_how_to_try_again() {
        for (statuses, expected) in [
            (&[486, 603, 302][..], 603),
            (&[503, 486, 500][..], 486),
            (&[500, 302, 486][..], 302),
            (&[486, 404, 407][..], 407),
            (&[480, 401][..], 401),
            (&[404, 415][..], 415),
            (&[486, 420][..], 420),
            (&[408, 484][..], 484),
            (&[486, 408][..], 408),
            (&[404, 486][..], 486),
            (&[503, 500][..], 503),
        ] {
            assert_eq!(best(statuses), Some(expected), "{statuses:?}");
        }
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn a_caller_hears_only_words_he_can_use() {
        check(&[], 480);
        check(&[486, 600], 486);
        check(&[486, 503], 486);
        check(&[488, 606], 488);
        check(&[415], 488);
        for ours in [401, 403, 404, 407, 420, 484, 500, 503, 302, 305, 380] {
            check(&[ours], 480);
        }
        // One rang in vain, the other was busy: somebody may answer later.
        check(&[486, 408], 480);
    }

    #[test]
    fn a_decline_counts_for_the_caller_only_when_everybody_said_it() {
        check(&[603, 603], 603);
        check(&[607, 603], 603);
        check(&[607], 607);
        check(&[607, 486], 480);
        check(&[603, 408], 480);
        assert_eq!(verdict(&[408, 603], Decline::Queue), 603);
        assert_eq!(verdict(&[486, 607, 603], Decline::Queue), 607);
    }
}
