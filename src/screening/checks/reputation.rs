//! What people's reports make of the number and of those who signed for it.

use crate::screening::{Facts, Reputable, Tag};

/// Is a reputation bad? One report never makes it so.
pub(super) fn check_reputation(facts: &Facts, tags: &mut Vec<Tag>) {
    for reputed in facts.reputation.iter().filter(|reputed| reputed.is_bad()) {
        tags.push(match reputed.of {
            Reputable::Number => Tag::NumberIllReputed,
            Reputable::Spc | Reputable::Certificate | Reputable::Origid => Tag::SignerIllReputed,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::sample;

    #[test]
    fn a_bad_reputation_is_told_and_a_good_one_is_not() {
        let tags = |of, bad| {
            let mut facts = sample::signed();
            facts.reputation = vec![sample::reputed(of, bad)];
            let mut tags = Vec::new();
            check_reputation(&facts, &mut tags);
            tags
        };
        assert_eq!(tags(Reputable::Number, 0.5), [Tag::NumberIllReputed]);
        assert_eq!(tags(Reputable::Number, 0.49), []);
        for signer in [Reputable::Spc, Reputable::Certificate, Reputable::Origid] {
            assert_eq!(tags(signer, 0.9), [Tag::SignerIllReputed]);
        }
    }
}
