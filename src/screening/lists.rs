//! Lists that people here keep, and which entries of them a call meets.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::verdict::names;
use crate::redact::Redacted;

/// One list. What a match means stands with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum List {
    /// Numbers that are not wanted here.
    Block,
    /// Numbers from which nobody calls: they only take calls, or belong to nobody.
    DoNotOriginate,
    /// Numbers that are welcome, once they are proven.
    Allow,
    /// Numbers of this business.
    Own,
    /// People of this business whom callers pretend to be.
    Executives,
    /// Organisations and the numbers that they publish.
    Directory,
}

names!(List {
    Block "block" DoNotOriginate "do-not-originate" Allow "allow" Own "own" Executives "executives" Directory "directory"
});

impl List {
    /// Its entries have a name, and any count of numbers; those of the others are one number or range each.
    pub fn is_of_names(self) -> bool {
        matches!(self, List::Executives | List::Directory)
    }
}

/// The text names no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a list")]
pub struct NotAList;

impl FromStr for List {
    type Err = NotAList;

    fn from_str(name: &str) -> Result<List, NotAList> {
        let known = List::ALL.iter().copied().find(|list| list.name() == name);
        known.ok_or(NotAList)
    }
}

/// An entry that a call meets, as it was when it was looked up: the decision can be explained after the entry is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub list: List,
    /// Number of the entry.
    pub entry: u64,
    /// The number, range or name that matched, as the list has it.
    pub what: Redacted<String>,
    /// Why it stands there, in its author's words.
    pub reason: String,
    /// The number shown is one of the entry's. Shown, not proven.
    #[serde(default)]
    pub is_number: bool,
    /// The name shown is the entry's.
    #[serde(default)]
    pub is_name: bool,
    /// Of an organisation: a number that it publishes, to call back on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_back: Option<Redacted<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_are_what_serde_prints() {
        for list in List::ALL {
            assert_eq!(list.name().parse(), Ok(*list));
            assert_eq!(serde_json::to_value(list).unwrap(), list.name());
        }
        assert_eq!("Block".parse::<List>(), Err(NotAList));
    }
}
