//! What is asked and told about lists, as JSON.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::second_person::Wish;
use super::whole::whole;
use crate::lists::{Entry, Summary, Written};
use crate::screening::Listed;

/// What an entry says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryBody {
    /// Numbers and ranges: `+12125550100`, `+1212555*`, `+12125550100-+12125550199`. One; for `executives` any count up
    /// to 50, for `directory` 1 to 50. Spaces, dots, dashes and brackets do not count; without a country code they are
    /// numbers of `[identity] country`.
    #[serde(default)]
    #[schema(example = json!(["+12125550100"]))]
    pub numbers: Vec<String>,
    /// Of `executives` and `directory`: first and last name, or an organisation; at most 64 characters.
    pub name: Option<String>,
    /// Other names of the same; at most 10.
    #[serde(default)]
    pub also: Vec<String>,
    /// From then on it counts no more, Unix ms; for good when absent.
    #[serde(default, deserialize_with = "whole")]
    pub expires_ms: Option<u64>,
    /// Why it stands there; at most 200 characters. It goes into the record of every call that meets the entry.
    pub reason: String,
}

impl EntryBody {
    pub fn written(self) -> Written {
        Written {
            numbers: self.numbers,
            name: self.name.unwrap_or_default(),
            also: self.also,
            expires_ms: self.expires_ms,
            reason: self.reason,
        }
    }
}

/// One entry of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListEntry)]
pub(crate) struct EntryView {
    /// Never given twice.
    pub id: u64,
    #[schema(example = "block")]
    pub list: &'static str,
    /// Canonical.
    pub numbers: Vec<String>,
    pub name: Option<String>,
    pub also: Vec<String>,
    /// Unix ms; null = it counts for good.
    pub expires_ms: Option<u64>,
    /// It counts no more.
    pub is_expired: bool,
    pub reason: String,
    /// Who wrote it so.
    pub by: String,
    pub at_ms: u64,
    /// Revision of the lists at which it became as it is; its ETag.
    pub revision: u64,
}

impl EntryView {
    pub fn of(entry: &Entry, now_ms: u64) -> EntryView {
        let what = &entry.what;
        EntryView {
            id: entry.id,
            list: entry.list.name(),
            numbers: what.numbers.iter().map(ToString::to_string).collect(),
            name: what.name.clone(),
            also: what.also.clone(),
            expires_ms: what.expires_ms,
            is_expired: entry.is_expired(now_ms),
            reason: what.reason.clone(),
            by: entry.by.clone(),
            at_ms: entry.at_ms,
            revision: entry.revision,
        }
    }
}

/// All lists, in short.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListsView {
    /// Counts changes of any of them.
    pub revision: u64,
    pub lists: Vec<ListView>,
    /// Entries that wait for a second person, where `[api] second_person` has `lists`; at every gateway on the store. null = the store is
    /// away, and nobody knows.
    pub proposed: Option<Vec<Wish>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = List)]
pub(crate) struct ListView {
    /// `block`, `do-not-originate`, `allow`, `own`, `executives` or `directory`.
    #[schema(example = "block")]
    pub list: &'static str,
    pub entries: usize,
    /// Those of them that count no more.
    pub expired: usize,
}

/// Entries by their numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryPage {
    pub entries: Vec<EntryView>,
    /// `cursor` of the next page; null = this was the last.
    pub next: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesQuery {
    /// Entries in one page, 1 to 500; 100 when absent.
    pub limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    #[serde(default, deserialize_with = "whole")]
    pub cursor: Option<u64>,
    /// Only entries that hold this number (`+` as `%2B`).
    pub number: Option<String>,
    /// Only entries that count no more, or only those that do.
    pub expired: Option<bool>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MatchQuery {
    /// The number that a call would show (`+` as `%2B`).
    pub number: Option<String>,
    /// The name that it would show.
    pub name: Option<String>,
}

/// What a call with this number and name would meet now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Matches {
    /// As the number is compared; null without one.
    pub number: Option<String>,
    /// As in the facts of a call; the worst lists first.
    #[schema(value_type = Vec<Object>)]
    pub found: Vec<Listed>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// `add` (the default): entries that the file does not mention stay. `replace`: they go.
    pub mode: Option<String>,
    /// True = only say what it would do.
    pub dry_run: Option<bool>,
}

/// What a file did to its list, or would do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Imported {
    pub added: usize,
    /// The list had its number or name, with another text.
    pub changed: usize,
    /// The list had just that.
    pub unchanged: usize,
    pub removed: usize,
    pub is_dry_run: bool,
    /// Revision of the lists now.
    pub revision: u64,
}

impl Imported {
    pub fn of((summary, revision): (Summary, u64), is_dry_run: bool) -> Imported {
        Imported {
            added: summary.added,
            changed: summary.changed,
            unchanged: summary.unchanged,
            removed: summary.removed,
            is_dry_run,
            revision,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// `csv` (the default) or `jsonl`: one entry a line.
    pub format: Option<String>,
}
