//! Names, compared as they are read and not as they are spelt.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::NAME_CHARS_MAX;
use crate::document::shown;
use crate::screening::confusables::{is_combining, is_invisible, read_as};

/// The words of a name as they are read, however they are spelt: look-alikes count as the letter they look like, marks
/// and unseen characters do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Words(BTreeSet<String>);

impl Words {
    pub fn of(name: &str) -> Words {
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
        Words(words)
    }

    /// Of a name that is to be looked for. One word alone is the name of too many: "Ann" would put every Ann under
    /// suspicion.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn of_somebody(name: &str) -> Result<Words, String> {
        let words = Words::of(name);
        let letters: usize = words.0.iter().map(|word| word.chars().count()).sum();
        if name.chars().count() > NAME_CHARS_MAX {
            Err(format!("a name has at most {NAME_CHARS_MAX} characters"))
        } else if words.0.len() < 2 && letters < 6 {
            Err(format!(
                "{:?} is too common to stand for one person; write first and last name",
                shown(name)
            ))
        } else {
            Ok(words)
        }
    }

    /// A name of two or three words written together, in every order.
    fn glued(&self) -> Vec<String> {
        let words: Vec<&String> = self.0.iter().collect();
        match words[..] {
            [a, b] => vec![format!("{a}{b}"), format!("{b}{a}")],
            [a, b, c] => [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
                .iter()
                .map(|order| order.iter().map(|word| word.as_str()).collect())
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Whose name stands in what is shown: all its words, in any order, whatever else stands beside them.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Each name, and whose it is.
    names: Vec<(usize, Words)>,
    /// From a word of a name to those names that have it; every name stands under one word, the longest.
    by_word: BTreeMap<String, Vec<usize>>,
    /// Names written as one word, in any order of their words.
    in_one: BTreeMap<String, Vec<usize>>,
}

impl People {
    /// `person` goes by this name, too.
    pub fn add(&mut self, person: usize, name: Words) {
        let place = self.names.len();
        if let Some(longest) = name.0.iter().max_by_key(|word| word.len()) {
            self.by_word.entry(longest.clone()).or_default().push(place);
        }
        for glued in name.glued() {
            self.in_one.entry(glued).or_default().push(place);
        }
        self.names.push((person, name));
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Everybody of that name, those whose words stand apart first; one who is meant twice may come twice.
    pub fn named<'a>(&'a self, shown: &'a Words) -> impl Iterator<Item = usize> + 'a {
        let all = |map: &'a BTreeMap<String, Vec<usize>>| {
            shown.0.iter().filter_map(move |word| map.get(word)).flatten()
        };
        let apart = all(&self.by_word).filter(|place| self.names[**place].1.0.is_subset(&shown.0));
        apart.chain(all(&self.in_one)).map(|place| self.names[*place].0)
    }
}
