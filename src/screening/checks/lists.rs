//! What people here wrote down about the number or the name that is shown.

use crate::screening::{Facts, List, Tag};

/// Is it on a list? The business's own numbers and people are for policy, which has more of them (`[own]`).
pub(super) fn check_lists(facts: &Facts, tags: &mut Vec<Tag>) {
    // Whoever shows a number that is welcome is welcome once it is proven to be his: anybody can show it.
    let is_proven = facts.is_number_proven() && !facts.caller.is_hidden;
    for listed in &facts.lists {
        match listed.list {
            List::Block => tags.push(Tag::Blocked),
            List::DoNotOriginate => tags.push(Tag::DoNotOriginate),
            List::Allow if is_proven => tags.push(Tag::Allowed),
            List::Directory if listed.is_number && is_proven => tags.push(Tag::OrganisationNumber),
            List::Directory => tags.push(Tag::OrganisationClaimed),
            List::Allow | List::Own | List::Executives => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::sample;

    fn tags(list: List, change: impl FnOnce(&mut Facts)) -> Vec<Tag> {
        let mut facts = sample::signed();
        facts.lists = vec![sample::listed(list)];
        change(&mut facts);
        let mut tags = Vec::new();
        check_lists(&facts, &mut tags);
        tags
    }

    #[test]
    fn a_blocked_number_is_blocked_proven_or_not_and_an_allowed_one_only_proven() {
        let unsign = |facts: &mut Facts| facts.identity = Default::default();
        for (list, tag) in [
            (List::Block, Tag::Blocked),
            (List::DoNotOriginate, Tag::DoNotOriginate),
        ] {
            assert_eq!(tags(list, |_| ()), [tag]);
            assert_eq!(tags(list, unsign), [tag]);
        }
        assert_eq!(tags(List::Allow, |_| ()), [Tag::Allowed]);
        assert_eq!(tags(List::Allow, unsign), []);
        assert_eq!(tags(List::Allow, |facts| facts.identity.is_forged = true), []);
        assert_eq!(tags(List::Allow, |facts| facts.identity.is_reused = None), []);
    }

    #[test]
    fn an_organisation_is_claimed_until_its_own_number_is_proven() {
        let with_name = |facts: &mut Facts| {
            facts.lists[0].is_name = true;
            facts.lists[0].is_number = false;
        };
        assert_eq!(tags(List::Directory, |_| ()), [Tag::OrganisationNumber]);
        assert_eq!(tags(List::Directory, with_name), [Tag::OrganisationClaimed]);
        let unsign = |facts: &mut Facts| facts.identity = Default::default();
        assert_eq!(tags(List::Directory, unsign), [Tag::OrganisationClaimed]);
    }
}
