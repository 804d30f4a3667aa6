//! Whose the database is and of what layout, and how an older one becomes a newer one.

use super::As;
use super::client::Client;
use super::erasing::scrub;
use super::rows::{fetch, is_clear, key, older, place_of, put_calls, put_report};
use crate::call::CallRecord;
use crate::call_id::CallId;
use crate::store::CLEAR_REMAINS;
use crate::store::limits::FETCH_ROWS;
use crate::store::seal::Index;
use crate::store::text;

/// The layout that `rows` describes; one that this binary does not know is left alone.
const SCHEMA: &str = "2";

/// The layout before, in which records lay in clear in the stream `records`.
const CLEAR: &str = "1";

/// Under which name the secret stands by which numbers are known.
const INDEX: &str = "number_index_key";

/// Makes sure that what is there is ours, and of a layout we know.
///
/// A gateway carries the layout before over; the others are told to start one. Gives by what numbers are known.
pub(super) fn check(on: &mut Client, as_what: As, node: &str) -> Result<Index, String> {
    let name = key("schema");
    if as_what != As::Reader {
        on.ask(&["SETNX", &name, SCHEMA])?;
        let secret = Index::secret().ok_or("the system has no randomness to give")?;
        on.ask(&["HSETNX", &key("settings"), INDEX, &secret])?;
    }
    let secret = on.ask(&["HGET", &key("settings"), INDEX])?.text();
    let index = secret.as_deref().map(Index::new);
    match on.ask(&["GET", &name])?.text() {
        Some(found) if found == SCHEMA => {
            if as_what == As::Gateway {
                clear_files(on)?;
            }
            index.ok_or_else(|| "the secret of its numbers is gone".into())
        }
        Some(found) if found == CLEAR && as_what == As::Gateway => {
            let index = index.ok_or("the secret of its numbers is gone")?;
            on.ask(&["HSET", &key("settings"), CLEAR_REMAINS, "1"])?;
            carry_over(on, node, &index)?;
            on.ask(&["SET", &name, SCHEMA])?;
            clear_files(on)?;
            Ok(index)
        }
        Some(found) if found == CLEAR => {
            Err("the database has the layout before this one: start the gateway with it once".into())
        }
        Some(found) => Err(format!(
            "the database has layout {found:?} and this ringward knows {SCHEMA}: use the one that wrote it"
        )),
        None => Err("there is no store of ringward in this database".into()),
    }
}

/// Seals what an older gateway kept in clear, a few calls at a time; where it was interrupted it goes on.
fn carry_over(on: &mut Client, node: &str, index: &Index) -> Result<(), String> {
    let mut before = "+".to_string();
    let (mut carried, mut unreadable) = (0u64, 0u64);
    loop {
        let places = older(on, &key("calls"), &before, FETCH_ROWS)?;
        let Some(last) = places.last() else { break };
        before = format!("({last}");
        let ids: Vec<CallId> = places
            .iter()
            .filter_map(|place| Some(place_of(place)?.1))
            .collect();
        let found = fetch(on, &ids)?;
        let clear = found
            .iter()
            .filter(|found| is_clear(&found.record) && found.key.is_empty());
        let records: Vec<Result<CallRecord, _>> =
            clear.map(|found| text::record(&found.record, None)).collect();
        unreadable += records.iter().filter(|record| record.is_err()).count() as u64;
        carried += records.len() as u64;
        let records: Vec<CallRecord> = records
            .into_iter()
            .flatten()
            .filter(|record| record.erased_ms.is_none())
            .collect();
        put_calls(on, node, index, records.iter())?;
        for found in found.iter().filter(|found| is_clear(&found.report)) {
            if let (Ok(id), Ok(report)) = (found.id.parse(), serde_json::from_str(&found.report)) {
                put_report(on, ("", ""), id, &report)?;
            }
        }
    }
    if unreadable == 0 {
        on.ask(&["DEL", &key("records")])?;
    }
    if carried > 0 {
        tracing::info!(calls = carried - unreadable, "kept calls are sealed now");
    }
    if unreadable > 0 {
        tracing::warn!(
            calls = unreadable,
            "kept calls could not be read: they stay in clear in {} and are found no more; DEL takes them away",
            key("records")
        );
    }
    Ok(())
}

/// Where what was kept in clear may still be in Redis' files, has it write them anew; until it does, every start asks again.
fn clear_files(on: &mut Client) -> Result<(), String> {
    let settings = key("settings");
    if on.ask(&["HGET", &settings, CLEAR_REMAINS])?.text().is_some() && scrub(on)? {
        on.ask(&["HDEL", &settings, CLEAR_REMAINS])?;
    }
    Ok(())
}
