//! `[own]` of a policy: the business's own numbers and the names of those in it whom callers pretend to be.
//!
//! A call from outside that shows one of our own numbers, or the name of one of our people, without a proof of it, is
//! the commonest way into a business by telephone. So it has tags of its own and not only a condition.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{OWN_NUMBERS_MAX, OWN_PEOPLE_MAX, PERSON_NAME_CHARS_MAX};
use crate::document::{Section, Value, shown};
use crate::screening::confusables::{is_combining, is_invisible, read_as};
use crate::screening::{Facts, Tag};

/// Which of ours a call shows, proven or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The number shown is one of ours.
    pub(super) is_own_number: bool,
    /// The name shown is that of one of our people.
    pub(super) is_own_name: bool,
    /// A proven number of that very person.
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
    people: Vec<Person>,
    /// From a word of a name to those who have it; every person stands under one word, the longest.
    by_word: BTreeMap<String, Vec<usize>>,
    /// Names written as one word, in any order of their words.
    in_one: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Range {
    One(String),
    /// All that begin so.
    From(String),
    /// Of the same length, both ends inside.
    Between(String, String),
}

#[derive(Clone, Debug)]
struct Person {
    /// Each name he goes by, as plain words.
    names: Vec<BTreeSet<String>>,
    numbers: Vec<Range>,
}

impl Range {
    fn has(&self, number: &str) -> bool {
        match self {
            Range::One(one) => one == number,
            Range::From(start) => number.starts_with(start.as_str()),
            Range::Between(first, last) => {
                number.len() == first.len() && (first.as_str()..=last.as_str()).contains(&number)
            }
        }
    }
}

impl Own {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.people.is_empty()
    }

    /// What the call shows of us.
    pub(super) fn claims(&self, facts: &Facts) -> Claims {
        if self.is_empty() {
            return Claims::default();
        }
        let is_number_proven = facts.is_number_proven() && !facts.caller.is_hidden;
        let number = facts
            .caller
            .number
            .as_ref()
            .map(|number| number.reveal().as_str());
        let is_own_number = number.is_some_and(|number| self.has(number));
        let person = facts
            .caller
            .name
            .as_ref()
            .and_then(|name| self.person(name.reveal()));
        let is_name_proven = person.is_some_and(|person| {
            // A proven number of ours speaks for our people; any other only for its own person.
            is_number_proven
                && number.is_some_and(|number| {
                    is_own_number || person.numbers.iter().any(|range| range.has(number))
                })
        });
        Claims {
            is_own_number,
            is_own_name: person.is_some(),
            is_name_proven,
            is_number_proven,
        }
    }

    fn has(&self, number: &str) -> bool {
        self.numbers.iter().any(|range| range.has(number))
    }

    /// Whose name stands in what is shown: all its words, in any order, whatever else stands beside them.
    fn person(&self, name: &str) -> Option<&Person> {
        let words = words(name);
        let found = words.iter().find_map(|word| {
            let people = self.by_word.get(word)?;
            people.iter().find(|person| {
                let names = &self.people[**person].names;
                names.iter().any(|name| name.is_subset(&words))
            })
        });
        let found = found.or_else(|| words.iter().find_map(|word| self.in_one.get(word)));
        found.map(|person| &self.people[*person])
    }

    fn add(&mut self, person: Person) {
        let place = self.people.len();
        for name in &person.names {
            if let Some(longest) = name.iter().max_by_key(|word| word.len()) {
                self.by_word.entry(longest.clone()).or_default().push(place);
            }
            for glued in glued(name) {
                self.in_one.entry(glued).or_insert(place);
            }
        }
        self.people.push(person);
    }
}

/// The words of a name as they are read, however they are spelt: look-alikes count as the letter they look like, marks
/// and unseen characters do not count.
fn words(name: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    for c in name.chars() {
        if is_invisible(c) || is_combining(c) || c == '\'' || c == '’' {
            continue;
        }
        match read_as(c) {
            Some(plain) => word.push(plain),
            None if c.is_alphanumeric() => word.extend(c.to_uppercase()),
            None => {
                if !word.is_empty() {
                    words.insert(std::mem::take(&mut word));
                }
            }
        }
    }
    if !word.is_empty() {
        words.insert(word);
    }
    words
}

/// A name of two or three words written together, in every order.
fn glued(words: &BTreeSet<String>) -> Vec<String> {
    let words: Vec<&String> = words.iter().collect();
    match words[..] {
        [a, b] => vec![format!("{a}{b}"), format!("{b}{a}")],
        [a, b, c] => [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
            .iter()
            .map(|order| order.iter().map(|word| word.as_str()).collect())
            .collect(),
        _ => Vec::new(),
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
            own.add(Person { names, numbers });
        }
    }
    own
}

/// One word alone is the name of too many: "Ann" would put every Ann under suspicion.
fn read_name(section: &Section<'_, '_>, written: &Value<'_, str>) -> Option<BTreeSet<String>> {
    let words = words(written.get);
    let letters: usize = words.iter().map(|word| word.chars().count()).sum();
    let fault = if written.get.chars().count() > PERSON_NAME_CHARS_MAX {
        format!("a name has at most {PERSON_NAME_CHARS_MAX} characters")
    } else if words.len() < 2 && letters < 6 {
        format!(
            "{:?} is too common to stand for one person; write first and last name",
            shown(written.get)
        )
    } else {
        return Some(words);
    };
    section.fault(written.at.clone(), fault, None);
    None
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
        let range = range(written.get);
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

fn range(text: &str) -> Option<Range> {
    let is_number = |text: &str, least: usize| {
        text.strip_prefix('+').is_some_and(|digits| {
            (least..=15).contains(&digits.len())
                && digits.bytes().all(|b| b.is_ascii_digit())
                && !digits.starts_with('0')
        })
    };
    let text = text.trim();
    if let Some(start) = text.strip_suffix('*') {
        // A country alone would be half the world.
        return is_number(start, 4).then(|| Range::From(start.to_string()));
    }
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (first.trim(), last.trim());
        let fits = is_number(first, 4) && is_number(last, 4) && first.len() == last.len() && first <= last;
        return fits.then(|| Range::Between(first.to_string(), last.to_string()));
    }
    is_number(text, 4).then(|| Range::One(text.to_string()))
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
