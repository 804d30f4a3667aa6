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

/// Is a name signed with the number, and does the caller show another one beside it?
pub(super) fn check_signed_name(facts: &Facts, tags: &mut Vec<Tag>) {
    let Some(signed) = facts.proven_name() else {
        return;
    };
    tags.push(Tag::NameSigned);
    if let Some(shown) = &facts.caller.name
        && !is_same_name(shown.reveal(), signed)
    {
        tags.push(Tag::NameDiffersFromSigned);
    }
}

/// Letters and digits alone are compared, without case. A name that is cut off is the same one from eight characters
/// on: networks that carry 15 characters of a name are common.
fn is_same_name(shown: &str, signed: &str) -> bool {
    let bare = |name: &str| -> String {
        name.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let (shown, signed) = (bare(shown), bare(signed));
    // Nothing but signs says nothing else.
    shown.is_empty() || shown == signed || (shown.chars().count() >= 8 && signed.starts_with(&shown))
}

/// Does the name pretend to be one of our marks?
pub(super) fn check_name(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.caller.name_imitates_label {
        tags.push(Tag::NameImitatesLabel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redacted;
    use crate::screening::sample;

    fn tags(shown: Option<&str>, signed: &str, change: impl FnOnce(&mut Facts)) -> Vec<Tag> {
        let mut facts = sample::signed();
        facts.caller.name = shown.map(|name| Redacted::new(name.into()));
        facts.identity.name = Some(Redacted::new(signed.into()));
        change(&mut facts);
        let mut tags = Vec::new();
        check_signed_name(&facts, &mut tags);
        tags
    }

    #[test]
    fn r_07_another_name_than_the_signed_one_is_flagged() {
        use Tag::{NameDiffersFromSigned, NameSigned};
        for same in [
            "Acme Dental Group",
            "ACME-DENTAL GROUP",
            "Acme Dental Gr",
            "ACME DENT",
            "--",
        ] {
            assert_eq!(
                tags(Some(same), "Acme Dental Group", |_| {}),
                [NameSigned],
                "{same}"
            );
        }
        for other in [
            "Your Bank",
            "Acme",
            "Acme De",
            "Acme Dental Groups",
            "Dental Group",
        ] {
            let found = tags(Some(other), "Acme Dental Group", |_| {});
            assert_eq!(found, [NameSigned, NameDiffersFromSigned], "{other}");
        }
        assert_eq!(tags(None, "Acme Dental Group", |_| {}), [NameSigned]);
    }

    #[test]
    fn r_07_a_name_beside_a_number_that_is_not_proven_is_no_signed_name() {
        let none: [Tag; 0] = [];
        let changes: [fn(&mut Facts); 5] = [
            |f| f.identity.is_reused = Some(true),
            |f| f.identity.is_reused = None,
            |f| f.identity.attestation = Some(crate::identity::Attestation::Gateway),
            |f| f.identity.is_forged = true,
            |f| f.caller.is_hidden = true,
        ];
        for change in changes {
            assert_eq!(tags(Some("Your Bank"), "Acme", change), none);
        }
    }
}
