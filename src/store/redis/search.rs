//! Calls with certain properties, looked for inside Redis.

use std::time::Instant;

use crossbeam_channel::Receiver;

use super::client::{Client, Script};
use super::reply::{Commands, Reply};
use super::rows::{PREFIX, Read, fetch, key, place, place_of};
use crate::call_id::CallId;
use crate::store::limits::LOOKED_ROWS;
use crate::store::seal::Index;
use crate::store::{CallPlace, Filter, ending_name};

/// Calls, newest first, and where it stopped.
type Looked = (Vec<Read>, Option<CallPlace>);

/// Newest first, at most `filter.rows()`; and where it stopped, if those are so many or `is_over` had something to say before that.
pub(super) fn calls(
    on: &mut Client,
    numbers: &Index,
    filter: &Filter,
    is_over: &Receiver<Instant>,
) -> Result<Looked, String> {
    let number = filter.number.as_ref().map(|number| numbers.of(number));
    let wanted = [
        ("number", number.as_deref()),
        ("label", filter.label.as_deref()),
        ("queue", filter.queue.as_deref()),
        ("ending", filter.ending.map(ending_name)),
    ];
    let index = narrowest(on, &wanted)?;
    let mut before = match (filter.before_ms, filter.before_id) {
        (None, _) => "+".to_string(),
        (Some(ms), None) => format!("({ms:020}"),
        (Some(ms), Some(id)) => format!("({}", place(ms, id)),
    };
    let looked_at = LOOKED_ROWS.to_string();
    let mut calls = Vec::new();
    loop {
        // No more than there is room for: what was looked at last is then the last of them.
        let most = (filter.rows() - calls.len()).to_string();
        let mut words = vec![PREFIX, &index, &before, &looked_at, &most];
        words.extend(wanted.map(|(_, value)| value.unwrap_or_default()));
        let mut found = on.run(Script::Find, &words)?.texts().into_iter();
        let Some(last) = found.next().filter(|last| !last.is_empty()) else {
            return Ok((calls, None));
        };
        before = format!("({last}");
        let ids: Vec<CallId> = found.filter_map(|id| id.parse().ok()).collect();
        for found in fetch(on, &ids)? {
            let record = found.read();
            if record.as_ref().map_or(true, |record| filter.admits(record)) {
                calls.push(record);
            }
        }
        if calls.len() >= filter.rows() {
            return Ok((calls, place_of(&last)));
        }
        // Looked at, not taken: it stays over.
        if !is_over.is_empty()
            && let Some(place) = place_of(&last)
        {
            return Ok((calls, Some(place)));
        }
    }
}

/// The shortest index that holds all that is asked for.
fn narrowest(on: &mut Client, wanted: &[(&str, Option<&str>)]) -> Result<String, String> {
    let named = wanted
        .iter()
        .filter_map(|(kind, value)| Some(key(&format!("calls:{kind}:{}", (*value)?))));
    let mut indexes: Vec<String> = named.collect();
    if indexes.len() < 2 {
        return Ok(indexes.pop().unwrap_or_else(|| key("calls")));
    }
    let mut commands = Commands::default();
    indexes.iter().for_each(|index| commands.add(&["ZCARD", index]));
    let sizes = on.all(&commands)?;
    let sized = sizes.iter().map(Reply::number).zip(indexes);
    Ok(sized
        .min_by_key(|(size, _)| *size)
        .map_or_else(|| key("calls"), |(_, index)| index))
}
