//! One entry of a list, and what has to be so before it becomes one.

use serde::{Deserialize, Serialize};

use super::limits::{ALSO_MAX, ENTRY_NUMBERS_MAX, NUMBER_CHARS_MAX, REASON_CHARS_MAX};
use super::people::Words;
use super::range::{Plan, Range};
use crate::document::shown;
use crate::screening::List;

/// As it stands in the book and in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1; never given twice.
    pub id: u64,
    pub list: List,
    #[serde(flatten)]
    pub what: Draft,
    /// Who wrote it so.
    pub by: String,
    /// When, Unix ms.
    pub at_ms: u64,
    /// The book's revision at which it became as it is.
    pub revision: u64,
}

/// What an entry says, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// One, or of somebody with a name any count.
    pub numbers: Vec<Range>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other names of the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// From then on it counts no more, Unix ms; None = for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    pub reason: String,
}

/// What somebody wrote, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub numbers: Vec<String>,
    pub name: String,
    pub also: Vec<String>,
    pub expires_ms: Option<u64>,
    pub reason: String,
}

impl Entry {
    pub fn is_expired(&self, at_ms: u64) -> bool {
        self.what.expires_ms.is_some_and(|expires_ms| expires_ms <= at_ms)
    }
}

impl Draft {
    /// Checks what was written for this list; all faults at once.
    ///
    /// # Errors
    ///
    /// What is wrong, a sentence each.
    pub fn of(list: List, written: &Written, plan: Plan) -> Result<Draft, Vec<String>> {
        let mut faults = Vec::new();
        let numbers = numbers(list, &written.numbers, plan, &mut faults);
        let name = Some(tidy(&written.name)).filter(|name| !name.is_empty());
        let also: Vec<String> = written
            .also
            .iter()
            // What stands between names in a file stands in none.
            .map(|name| tidy(&name.replace(';', ",")))
            .filter(|name| !name.is_empty())
            .collect();
        match (&name, list.is_of_names()) {
            (None, true) => faults.push(format!("an entry of `{list}` needs a name")),
            (Some(_), false) => faults.push(format!("an entry of `{list}` has a number and no name")),
            _ => {}
        }
        if !also.is_empty() && !list.is_of_names() {
            faults.push(format!("an entry of `{list}` has a number and no other names"));
        } else if also.len() > ALSO_MAX {
            faults.push(format!("more than {ALSO_MAX} other names"));
        }
        if list.is_of_names() {
            let names = name.iter().chain(&also).take(ALSO_MAX + 1);
            faults.extend(names.filter_map(|name| Words::of_somebody(name).err()));
        }
        let reason = tidy(&written.reason);
        if reason.is_empty() {
            faults.push("an entry needs a reason".into());
        } else if reason.chars().count() > REASON_CHARS_MAX {
            faults.push(format!("a reason has at most {REASON_CHARS_MAX} characters"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Draft {
            numbers,
            name,
            also,
            expires_ms: written.expires_ms,
            reason,
        })
    }

    /// What one list has only once: a number or range, or a name.
    pub(super) fn key(&self) -> String {
        match (&self.name, self.numbers.first()) {
            (Some(name), _) => format!("{:?}", Words::of(name)),
            (None, Some(number)) => number.to_string(),
            (None, None) => String::new(),
        }
    }

    /// The number, range or name, as lists show it.
    pub fn title(&self) -> String {
        match (&self.name, self.numbers.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(number)) => number.to_string(),
            (None, None) => String::new(),
        }
    }
}

fn numbers(list: List, written: &[String], plan: Plan, faults: &mut Vec<String>) -> Vec<Range> {
    let (least, most) = match list {
        List::Executives => (0, ENTRY_NUMBERS_MAX),
        List::Directory => (1, ENTRY_NUMBERS_MAX),
        List::Block | List::DoNotOriginate | List::Allow | List::Own => (1, 1),
    };
    let written: Vec<&str> = written
        .iter()
        .map(|number| number.trim())
        .filter(|number| !number.is_empty())
        .collect();
    match (written.len(), most) {
        (0, _) if least > 0 => faults.push(format!("an entry of `{list}` needs a number")),
        (2.., 1) => faults.push(format!("an entry of `{list}` has one number or range")),
        (count, _) if count > most => faults.push(format!("more than {most} numbers")),
        _ => {}
    }
    let mut numbers = Vec::new();
    for number in written.iter().take(most) {
        match Range::written(number, plan) {
            Some(range) if numbers.contains(&range) => {}
            Some(range) => numbers.push(range),
            None => faults.push(format!(
                "{:?} is no number; expected \"+12125550100\", \"+1212555*\" or \"+12125550100-+12125550199\"",
                shown(&number.chars().take(NUMBER_CHARS_MAX).collect::<String>())
            )),
        }
    }
    numbers
}

/// One line, without what nobody sees.
fn tidy(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let plain: String = plain.filter(|c| !c.is_control()).collect();
    plain.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(numbers: &[&str], name: &str, reason: &str) -> Written {
        Written {
            numbers: numbers.iter().map(|number| (*number).to_string()).collect(),
            name: name.into(),
            reason: reason.into(),
            ..Written::default()
        }
    }

    fn faults(list: List, written: &Written) -> Vec<String> {
        Draft::of(list, written, Plan::of("US")).unwrap_err()
    }

    #[test]
    fn an_entry_is_what_its_list_needs() {
        let plan = Plan::of("US");
        let blocked = Draft::of(List::Block, &written(&["404 555 0123"], "", " threats\n"), plan).unwrap();
        assert_eq!(
            (blocked.title(), blocked.reason.as_str()),
            ("+14045550123".into(), "threats")
        );
        let jane = Draft::of(List::Executives, &written(&[], "Jane Doe", "director"), plan).unwrap();
        assert_eq!(jane.title(), "Jane Doe");
        assert_eq!(
            jane.key(),
            Draft::of(List::Executives, &written(&[], "DOE, JANE", "x"), plan)
                .unwrap()
                .key()
        );
        let bank = written(
            &["+18005550100", "+1 800 555 0100", "+1212555*"],
            "First Bank",
            "web page",
        );
        assert_eq!(Draft::of(List::Directory, &bank, plan).unwrap().numbers.len(), 2);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let found = faults(List::Block, &written(&["12", "+14045550123"], "Jane Doe", " "));
        assert_eq!(found.len(), 4, "{found:?}");
        let found = faults(List::Directory, &written(&[], "Ann", ""));
        assert_eq!(found.len(), 3, "{found:?}");
        let long = written(&["+14045550123"], "", &"x".repeat(REASON_CHARS_MAX + 1));
        assert_eq!(faults(List::Allow, &long).len(), 1);
    }

    #[test]
    fn an_entry_reads_back_as_it_was_kept() {
        let entry = Entry {
            id: 7,
            list: List::DoNotOriginate,
            what: Draft::of(
                List::DoNotOriginate,
                &written(&["+1800555*"], "", "inbound only"),
                Plan::default(),
            )
            .unwrap(),
            by: "ann".into(),
            at_ms: 5,
            revision: 3,
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert!(text.contains("\"numbers\":[\"+1800555*\"]"), "{text}");
    }
}
