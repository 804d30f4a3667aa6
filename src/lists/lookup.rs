//! What every shard has in its hands: from a number and a name to the entries that they meet.
//!
//! Never changed, only replaced as a whole. Looking up costs two searches a list, however many entries there are and
//! however they overlap: of the entries that hold one number the one that holds longest was chosen beforehand (of those
//! the narrowest), so that no entry has to be looked for behind one that has expired.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use super::entry::Entry;
use super::limits::FOUND_MAX;
use super::people::{People, Words};
use super::range::{Span, digits};
use crate::redact::Redacted;
use crate::screening::{List, Listed};

#[derive(Debug, Default)]
pub struct Lookup {
    revision: u64,
    entries: Vec<Arc<Entry>>,
    /// By list and count of digits; apart from each other, in their order.
    segments: BTreeMap<(List, usize), Vec<Segment>>,
    /// By list.
    people: BTreeMap<List, People>,
}

/// Numbers for which one entry stands.
#[derive(Clone, Copy, Debug)]
struct Segment {
    first: u64,
    last: u64,
    entry: usize,
}

impl Lookup {
    pub fn of(revision: u64, entries: impl Iterator<Item = Arc<Entry>>) -> Lookup {
        let entries: Vec<Arc<Entry>> = entries.collect();
        let mut spans: BTreeMap<(List, usize), Vec<(Span, usize)>> = BTreeMap::new();
        let mut people: BTreeMap<List, People> = BTreeMap::new();
        for (place, entry) in entries.iter().enumerate() {
            // The numbers of our people say only who they are when they give their name.
            if entry.list != List::Executives {
                for span in entry.what.numbers.iter().flat_map(super::Range::spans) {
                    spans
                        .entry((entry.list, span.digits))
                        .or_default()
                        .push((span, place));
                }
            }
            if entry.list.is_of_names() {
                let people = people.entry(entry.list).or_default();
                for name in entry.what.name.iter().chain(&entry.what.also) {
                    people.add(place, Words::of(name));
                }
            }
        }
        let segments = spans
            .into_iter()
            .map(|(key, spans)| (key, flat(spans, &entries)))
            .collect();
        Lookup {
            revision,
            entries,
            segments,
            people,
        }
    }

    /// Of the book it was made from.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The entries that this number and this name meet at that time (Unix ms): the worst lists first, at most one of
    /// each, of the directory one by the number and one by the name.
    pub fn find(&self, number: Option<&str>, name: Option<&str>, at_ms: u64) -> Vec<Listed> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let value = number.and_then(digits);
        let name = name.filter(|_| !self.people.is_empty()).map(Words::of);
        for list in List::ALL {
            let by_number = value
                .and_then(|value| self.by_number(*list, value))
                .filter(|entry| !entry.is_expired(at_ms));
            let by_name = name
                .as_ref()
                .and_then(|name| self.by_name(*list, name, number, at_ms));
            if let Some(entry) = by_number {
                let is_name = by_name.is_some_and(|other| other.id == entry.id);
                found.push(listed(entry, number, is_name));
            }
            if let Some(entry) = by_name.filter(|entry| by_number.is_none_or(|other| other.id != entry.id)) {
                found.push(listed(entry, number, true));
            }
        }
        found.truncate(FOUND_MAX);
        found
    }

    fn by_number(&self, list: List, (digits, value): (usize, u64)) -> Option<&Entry> {
        let segments = self.segments.get(&(list, digits))?;
        let at = segments.partition_point(|segment| segment.last < value);
        let segment = segments.get(at).filter(|segment| segment.first <= value)?;
        Some(&self.entries[segment.entry])
    }

    /// Of several with one name, the one whose number is shown as well.
    fn by_name(&self, list: List, name: &Words, number: Option<&str>, at_ms: u64) -> Option<&Entry> {
        let named = self.people.get(&list)?.named(name);
        let entries = named.map(|place| &*self.entries[place]);
        entries
            .filter(|entry| !entry.is_expired(at_ms))
            .max_by_key(|entry| (has(entry, number), entry.id))
    }
}

fn has(entry: &Entry, number: Option<&str>) -> bool {
    number.is_some_and(|number| entry.what.numbers.iter().any(|range| range.has(number)))
}

fn listed(entry: &Entry, number: Option<&str>, is_name: bool) -> Listed {
    let call_back = entry.what.numbers.iter().find_map(super::Range::one);
    let call_back = call_back.filter(|_| entry.list == List::Directory);
    Listed {
        list: entry.list,
        entry: entry.id,
        what: Redacted::new(entry.what.title()),
        reason: entry.what.reason.clone(),
        is_number: has(entry, number),
        is_name,
        call_back: call_back.map(|number| Redacted::new(number.to_string())),
    }
}

/// Spans that overlap as they like into segments that do not.
fn flat(mut spans: Vec<(Span, usize)>, entries: &[Arc<Entry>]) -> Vec<Segment> {
    spans.sort_unstable_by_key(|(span, _)| span.first);
    let mut bounds: Vec<u64> = spans
        .iter()
        .flat_map(|(span, _)| [span.first, span.last + 1])
        .collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut segments: Vec<Segment> = Vec::new();
    let mut open = BinaryHeap::new();
    let mut next = 0;
    for pair in bounds.windows(2) {
        while let Some((span, place)) = spans.get(next).filter(|(span, _)| span.first <= pair[0]) {
            let entry = &entries[*place];
            let rank = (
                entry.what.expires_ms.unwrap_or(u64::MAX),
                Reverse(span.last - span.first),
                entry.id,
            );
            open.push((rank, span.last, *place));
            next += 1;
        }
        while open.peek().is_some_and(|(_, last, _)| *last < pair[0]) {
            open.pop();
        }
        let Some((_, _, entry)) = open.peek() else {
            continue;
        };
        match segments.last_mut() {
            Some(before) if before.entry == *entry && before.last + 1 == pair[0] => before.last = pair[1] - 1,
            _ => segments.push(Segment {
                first: pair[0],
                last: pair[1] - 1,
                entry: *entry,
            }),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lists::{Draft, Range};

    fn entry(
        id: u64,
        list: List,
        numbers: &[&str],
        name: Option<&str>,
        expires_ms: Option<u64>,
    ) -> Arc<Entry> {
        Arc::new(Entry {
            id,
            list,
            what: Draft {
                numbers: numbers.iter().map(|text| Range::strict(text).unwrap()).collect(),
                name: name.map(str::to_string),
                also: Vec::new(),
                expires_ms,
                reason: format!("reason {id}"),
            },
            by: "ann".into(),
            at_ms: 0,
            revision: 1,
        })
    }

    fn found(lookup: &Lookup, number: &str, name: Option<&str>, at_ms: u64) -> Vec<(List, u64)> {
        let found = lookup.find(Some(number), name, at_ms);
        found.iter().map(|listed| (listed.list, listed.entry)).collect()
    }

    #[test]
    fn the_narrowest_entry_is_told_and_one_that_expires_hides_none_that_does_not() {
        let lookup = Lookup::of(
            3,
            [
                entry(1, List::Block, &["+1404*"], None, None),
                entry(2, List::Block, &["+14045550100-+14045550199"], None, None),
                entry(3, List::Block, &["+14045550123"], None, Some(1_000)),
                entry(4, List::Allow, &["+14045550123"], None, Some(1_000)),
                entry(5, List::DoNotOriginate, &["+14045550123"], None, None),
            ]
            .into_iter(),
        );
        use List::{Allow, Block, DoNotOriginate};
        let both = [(Block, 2), (DoNotOriginate, 5), (Allow, 4)];
        assert_eq!(found(&lookup, "+14045550123", None, 999), both);
        assert_eq!(found(&lookup, "+14045550123", None, 1_000), both[..2]);
        assert_eq!(found(&lookup, "+14041", None, 0), [(Block, 1)]);
        assert_eq!(found(&lookup, "+140455501000", None, 0), [(Block, 1)]);
        assert_eq!(found(&lookup, "+1405", None, 0), []);
        assert_eq!(lookup.find(None, None, 0), []);
        assert_eq!(lookup.revision(), 3);
    }

    #[test]
    fn people_are_found_by_name_and_organisations_by_both() {
        let lookup = Lookup::of(
            1,
            [
                entry(1, List::Executives, &["+14045550123"], Some("Jane Doe"), None),
                entry(
                    2,
                    List::Directory,
                    &["+1800555*", "+18005550100"],
                    Some("First National Bank"),
                    None,
                ),
                entry(
                    3,
                    List::Directory,
                    &["+18885550100"],
                    Some("Second National Bank"),
                    Some(50),
                ),
            ]
            .into_iter(),
        );
        let jane = lookup.find(Some("+14045550123"), Some("DOE, Jane"), 0);
        assert!(jane[0].is_name && jane[0].is_number && jane[0].call_back.is_none());
        assert_eq!(
            lookup.find(Some("+14045550123"), None, 0),
            [],
            "her telephone alone says nothing"
        );
        let stranger = lookup.find(Some("+14045550199"), Some("Jane Doe"), 0);
        assert!(stranger[0].is_name && !stranger[0].is_number);
        let bank = lookup.find(Some("+18885550100"), Some("FIRST NATIONAL BANK"), 0);
        let told: Vec<_> = bank
            .iter()
            .map(|listed| (listed.entry, listed.is_number, listed.is_name))
            .collect();
        assert_eq!(told, [(3, true, false), (2, false, true)]);
        assert_eq!(bank[1].call_back.as_ref().unwrap().reveal(), "+18005550100");
        assert_eq!(lookup.find(Some("+18885550100"), None, 50), []);
    }

    proptest! {
        #[test]
        fn it_finds_what_a_walk_over_all_entries_finds(
            ranges in prop::collection::vec((1_000u64..1_400, 0u64..300, 0..3, prop::option::of(0u64..10)), 0..12),
            number in 1_000u64..20_000, at_ms in 0u64..10,
        ) {
            let entries: Vec<Arc<Entry>> = ranges
                .iter()
                .enumerate()
                .filter_map(|(id, (first, width, form, expires))| {
                    let text = match form {
                        0 => format!("+{first}"),
                        1 => format!("+{first}*"),
                        _ => format!("+{first}-+{}", first + width),
                    };
                    Range::strict(&text)?;
                    Some(entry(id as u64 + 1, List::Block, &[&text], None, *expires))
                })
                .collect();
            let lookup = Lookup::of(1, entries.iter().cloned());
            let number = format!("+{number}");
            let holds = |entry: &&Arc<Entry>| !entry.is_expired(at_ms) && has(entry, Some(&number));
            let found = lookup.find(Some(&number), None, at_ms);
            prop_assert_eq!(found.is_empty(), !entries.iter().any(|entry| holds(&entry)));
            for listed in found {
                let entry = entries.iter().find(|entry| entry.id == listed.entry).unwrap();
                prop_assert!(holds(&entry));
            }
        }
    }
}
