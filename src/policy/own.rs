//! `[own]` of a policy: the business's own numbers and the names of those in it whom callers pretend to be.
//!
//! A call from outside that shows one of our own numbers, or the name of one of our people, without a proof of it, is
//! the commonest way into a business by telephone. So it has tags of its own and not only a condition.

use super::limits::{OWN_NUMBERS_MAX, OWN_PEOPLE_MAX};
use crate::document::{Section, Value, shown};
use crate::lists::{People, Range, Words};
use crate::screening::{Facts, List, Tag};

/// Which of ours a call shows, proven or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The number shown is one of ours.
    pub(super) is_own_number: bool,
    /// The name shown is that of one of our people.
    pub(super) is_own_name: bool,
    /// A proven number of that very person, or of ours.
    is_name_proven: bool,
    is_number_proven: bool,
}

impl Claims {
    /// What is claimed and not proven.
    pub(super) fn tags(self) -> impl Iterator<Item = Tag> {
        let number = (self.is_own_number && !self.is_number_proven).then_some(Tag::OwnNumberClaimed);
        let name = (self.is_own_name && !self.is_name_proven).then_some(Tag::OwnNameClaimed);
        number.into_iter().chain(name)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    numbers: Vec<Range>,
    /// The numbers of each person.
    people: Vec<Vec<Range>>,
    names: People,
}

impl Own {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.people.is_empty()
    }

    /// What the call shows of us: by this policy, and by the lists `own` and `executives`, which say the same of every
    /// policy.
    pub(super) fn claims(&self, facts: &Facts) -> Claims {
        if self.is_empty() && facts.lists.is_empty() {
            return Claims::default();
        }
        let is_number_proven = facts.is_number_proven() && !facts.caller.is_hidden;
        let number = facts
            .caller
            .number
            .as_ref()
            .map(|number| number.reveal().as_str());
        let is_own_number = facts.listed(List::Own).is_some()
            || number.is_some_and(|number| self.numbers.iter().any(|range| range.has(number)));
        let person = facts
            .caller
            .name
            .as_ref()
            .filter(|_| !self.names.is_empty())
            .and_then(|name| self.names.named(&Words::of(name.reveal())).next());
        let listed = facts.listed(List::Executives);
        // A proven number of ours speaks for our people; any other only for its own person.
        let is_proven_with = |is_theirs: bool| is_number_proven && (is_own_number || is_theirs);
        let is_theirs = |person: usize| {
            number.is_some_and(|number| self.people[person].iter().any(|range| range.has(number)))
        };
        Claims {
            is_own_number,
            is_own_name: person.is_some() || listed.is_some(),
            is_name_proven: person.is_none_or(|person| is_proven_with(is_theirs(person)))
                && listed.is_none_or(|listed| is_proven_with(listed.is_number)),
            is_number_proven,
        }
    }

    fn add(&mut self, names: Vec<Words>, numbers: Vec<Range>) {
        for name in names {
            self.names.add(self.people.len(), name);
        }
        self.people.push(numbers);
    }
}

/// `[own]`; empty without one.
pub(super) fn read(policy: &Section<'_, '_>) -> Own {
    let mut own = Own::default();
    let Some(section) = policy.section("own") else {
        return own;
    };
    section.only(&["numbers", "person"]);
    own.numbers = read_ranges(&section);
    let people = section.sections("person");
    if let Some(first) = people.get(OWN_PEOPLE_MAX) {
        first.fault(
            first.at.clone(),
            format!("more than {OWN_PEOPLE_MAX} people"),
            None,
        );
    }
    for person in people.iter().take(OWN_PEOPLE_MAX) {
        person.only(&["name", "also", "numbers"]);
        let mut names = Vec::new();
        names.extend(
            person
                .required_string("name")
                .and_then(|name| read_name(person, &name)),
        );
        for name in person.strings("also").unwrap_or_default() {
            names.extend(read_name(person, &name));
        }
        let numbers = read_ranges(person);
        if !names.is_empty() {
            own.add(names, numbers);
        }
    }
    own
}

fn read_name(section: &Section<'_, '_>, written: &Value<'_, str>) -> Option<Words> {
    let words = Words::of_somebody(written.get);
    words
        .map_err(|fault| section.fault(written.at.clone(), fault, None))
        .ok()
}

fn read_ranges(section: &Section<'_, '_>) -> Vec<Range> {
    let written = section.strings("numbers").unwrap_or_default();
    if written.len() > OWN_NUMBERS_MAX {
        section.fault(
            section.place("numbers"),
            format!("more than {OWN_NUMBERS_MAX} numbers and ranges"),
            None,
        );
    }
    let read = |written: &Value<'_, str>| {
        let range = Range::strict(written.get);
        if range.is_none() {
            let message = format!(
                "{:?} is no number; expected \"+12125550100\", \"+1212555*\" or \"+12125550100-+12125550199\"",
                shown(written.get)
            );
            section.fault(written.at.clone(), message, None);
        }
        range
    };
    written.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::redact::Redacted;
    use crate::screening::sample;

    fn own(text: &str) -> Result<Own, Vec<String>> {
        let document = Document::new("o.toml", text);
        let table = document.table();
        let own = read(&Section::root(&document, &table));
        drop(table);
        if document.has_faults() {
            return Err(document.into_faults().iter().map(ToString::to_string).collect());
        }
        Ok(own)
    }

    fn ours() -> Own {
        own(
            "[own]\nnumbers = ['+12125550100-+12125550199', '+493012345*', '+442079460000']\n\
             [[own.person]]\nname = 'Jane Doe'\nalso = ['Jane Q. Public']\nnumbers = ['+14045550123']\n\
             [[own.person]]\nname = 'Жанна Крылова'\n",
        )
        .unwrap()
    }

    fn tags(change: impl FnOnce(&mut Facts)) -> Vec<Tag> {
        let mut facts = sample::unsigned();
        change(&mut facts);
        ours().claims(&facts).tags().collect()
    }

    fn number(number: &str) -> Vec<Tag> {
        tags(|facts| facts.caller.number = Some(Redacted::new(number.into())))
    }

    fn name(name: &str) -> Vec<Tag> {
        tags(|facts| facts.caller.name = Some(Redacted::new(name.into())))
    }

    #[test]
    fn an_own_number_from_outside_is_a_claim_until_it_is_proven() {
        for ours in ["+12125550100", "+12125550199", "+4930123456789", "+442079460000"] {
            assert_eq!(number(ours), [Tag::OwnNumberClaimed], "{ours}");
        }
        for other in ["+12125550200", "+121255501000", "+493012344", "+4420794600001"] {
            assert_eq!(number(other), [], "{other}");
        }
        let mut facts = sample::signed();
        facts.caller.number = Some(Redacted::new("+12125550100".into()));
        assert_eq!(ours().claims(&facts).tags().count(), 0);
        assert!(ours().claims(&facts).is_own_number);
    }

    #[test]
    fn a_name_is_read_however_it_is_spelt() {
        for shown in [
            "Jane Doe",
            "DOE, JANE",
            "Jane M. Doe (mobile)",
            "JaneDoe",
            "doe jane",
            "Jаne Dое",
            "J\u{200b}ane D\u{f6}e",
            "CEO Jane Doe",
            "Jane Q Public",
            "Крылова Жанна",
        ] {
            assert_eq!(name(shown), [Tag::OwnNameClaimed], "{shown}");
        }
        for shown in ["Jane", "Doe", "John Doe", "Jane Public", "Janet Doeson", ""] {
            assert_eq!(name(shown), [], "{shown}");
        }
    }

    #[test]
    fn a_proven_number_of_the_person_proves_the_name_and_another_does_not() {
        let claims = |number: &str| {
            let mut facts = sample::signed();
            facts.caller.name = Some(Redacted::new("Jane Doe".into()));
            facts.caller.number = Some(Redacted::new(number.into()));
            ours().claims(&facts).tags().collect::<Vec<_>>()
        };
        assert_eq!(claims("+14045550123"), []);
        assert_eq!(claims("+12125550177"), []);
        assert_eq!(claims("+14045550199"), [Tag::OwnNameClaimed]);
    }

    #[test]
    fn what_stands_on_the_lists_is_claimed_like_what_stands_in_the_policy() {
        let claims = |facts: &Facts| Own::default().claims(facts).tags().collect::<Vec<_>>();
        let mut facts = sample::unsigned();
        facts.lists = vec![sample::listed(List::Own), sample::listed(List::Executives)];
        assert_eq!(claims(&facts), [Tag::OwnNumberClaimed, Tag::OwnNameClaimed]);
        let mut facts = sample::signed();
        facts.lists = vec![sample::listed(List::Executives)];
        assert_eq!(claims(&facts), [Tag::OwnNameClaimed]);
        facts.lists[0].is_number = true;
        assert_eq!(claims(&facts), []);
        // The policy knows another telephone of her: one proof is enough for neither of two.
        facts.caller.name = Some(Redacted::new("Jane Doe".into()));
        facts.caller.number = Some(Redacted::new("+14045550199".into()));
        assert_eq!(
            ours().claims(&facts).tags().collect::<Vec<_>>(),
            [Tag::OwnNameClaimed]
        );
    }

    #[test]
    fn what_names_too_many_does_not_load() {
        let faults = own(
            "[own]\nnumbers = ['+1*', '12125550100', '+12125550199-+12125550100', '+1212-+12125']\n[[own.person]]\nname = 'Ann'\n[[own.person]]\nalso = ['Ann Lee']\n",
        )
        .unwrap_err();
        assert_eq!(
            faults
                .iter()
                .filter(|fault| fault.contains("is no number"))
                .count(),
            4,
            "{faults:#?}"
        );
        assert!(faults.iter().any(|fault| fault.contains("\"Ann\" is too common")));
        assert!(faults.iter().any(|fault| fault.contains("needs \"name\"")));
    }
}
