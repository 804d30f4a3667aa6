//! Where something of a policy holds: for some queues, some trunks, some hours. Rules and `[[where]]` have one.

use super::hours::Local;
use super::limits::{NAME_CHARS_MAX, SCOPE_NAMES_MAX};
use super::load::Beside;
use crate::document::{Section, Value, closest, shown};
use crate::screening::Facts;
use toml::de::DeValue;

/// Empty lists and no hours hold everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) queues: Vec<String>,
    pub(super) trunks: Vec<String>,
    pub(super) hours: Option<When>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Open,
    /// Outside the hours, or on a holiday.
    Closed,
    Holiday,
}

impl When {
    const ALL: &'static [(&'static str, When)] = &[
        ("open", When::Open),
        ("closed", When::Closed),
        ("holiday", When::Holiday),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            When::Open => "open",
            When::Closed => "closed",
            When::Holiday => "holiday",
        }
    }
}

impl Scope {
    /// Does it hold for this call?
    pub(super) fn covers(&self, facts: &Facts, local: &Local) -> bool {
        let is_one = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        is_one(&self.queues, &facts.called.queue)
            && is_one(&self.trunks, &facts.trunk)
            && match self.hours {
                None => true,
                Some(When::Open) => local.is_open,
                Some(When::Closed) => !local.is_open,
                Some(When::Holiday) => local.is_holiday,
            }
    }

    /// Does it hold wherever the other one does?
    pub(super) fn contains(&self, other: &Scope) -> bool {
        let holds = |mine: &[String], theirs: &[String]| {
            mine.is_empty() || (!theirs.is_empty() && theirs.iter().all(|name| mine.contains(name)))
        };
        let in_time = match (self.hours, other.hours) {
            (None, _) | (Some(When::Closed), Some(When::Holiday)) => true,
            (mine, theirs) => mine == theirs,
        };
        holds(&self.queues, &other.queues) && holds(&self.trunks, &other.trunks) && in_time
    }
}

/// `queue`, `trunk` (a name or a list) and `hours` of a section. `has_hours`: the policy has `[hours]`.
pub(super) fn read(section: &Section<'_, '_>, beside: &Beside<'_>, has_hours: bool) -> Scope {
    let hours = section.value("hours").and_then(|value| {
        let when = section.choice("hours", When::ALL);
        if when.is_some() && !has_hours {
            let message = "hours needs [hours] with the zone and the times of the business";
            section.fault(value.span(), message, None);
        }
        when
    });
    Scope {
        queues: read_names(section, "queue", beside.queues),
        trunks: read_names(section, "trunk", beside.trunks),
        hours,
    }
}

fn read_names(section: &Section<'_, '_>, key: &str, known: Option<&[String]>) -> Vec<String> {
    let Some(value) = section.value(key) else {
        return Vec::new();
    };
    let written: Vec<Value<'_, str>> = match value.get_ref() {
        DeValue::Array(_) => section.strings(key).unwrap_or_default(),
        _ => section.string(key).into_iter().collect(),
    };
    if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
        let message = format!("{key} names none; leave it out for every {key}");
        section.fault(value.span(), message, None);
    }
    if written.len() > SCOPE_NAMES_MAX {
        section.fault(value.span(), format!("more than {SCOPE_NAMES_MAX} names"), None);
    }
    let mut names = Vec::new();
    for name in written.iter().take(SCOPE_NAMES_MAX) {
        if let Some(known) = known.filter(|known| !known.iter().any(|known| known == name.get)) {
            let suggestion = closest(name.get, known.iter().map(String::as_str));
            let message = format!("no {key} is called {:?}", shown(name.get));
            section.fault(name.at.clone(), message, suggestion);
        } else if name.get.is_empty() || name.get.chars().count() > NAME_CHARS_MAX {
            let message = format!("{key} is a name of 1 to {NAME_CHARS_MAX} characters");
            section.fault(name.at.clone(), message, None);
        } else {
            names.push(name.get.to_string());
        }
    }
    names
}
