//! Whose the database is and of what layout, and how an older one becomes a newer one.

use super::As;
use super::client::Client;
use super::erasing::scrub;
use super::reply::{Commands, Reply};
use super::rows::{fetch, is_clear, key, name_at, older, place_of, put_calls, put_report, seal, writers};
use crate::call::CallRecord;
use crate::call_id::CallId;
use crate::store::CLEAR_REMAINS;
use crate::store::audit::{JOURNAL as AUDIT, carried_over};
use crate::store::limits::{FETCH_ROWS, JOURNAL_ROWS};
use crate::store::seal::{self, Index, Part};
use crate::store::text;

/// The layout that `rows` describes; one that this binary does not know is left alone.
const SCHEMA: &str = "3";

/// The layout before, in which the audit said in clear what it says of people; and the one before that, in which records too lay in clear, in
/// the stream `records`.
const CLEAR_AUDIT: &str = "2";
const CLEAR: &str = "1";

/// Who carries an older layout over holds this, and holds on to it as long as he goes on.
const CARRYING: &str = "carrying";
const CARRYING_MS: &str = "60000";

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
        Some(found) if [CLEAR, CLEAR_AUDIT].contains(&found.as_str()) && as_what == As::Gateway => {
            let index = index.ok_or("the secret of its numbers is gone")?;
            alone(on, |on| {
                on.ask(&["HSET", &key("settings"), CLEAR_REMAINS, "1"])?;
                if found == CLEAR {
                    carry_over(on, node, &index)?;
                }
                for node in writers(on)? {
                    carry_audit_over(on, &name_at(&node, AUDIT))?;
                }
                on.ask(&["SET", &name, SCHEMA]).map(|_| ())
            })?;
            clear_files(on)?;
            Ok(index)
        }
        Some(found) if [CLEAR, CLEAR_AUDIT].contains(&found.as_str()) => {
            Err("the database has the layout before this one: start the gateway with it once".into())
        }
        Some(found) => Err(format!(
            "the database has layout {found:?} and this ringward knows {SCHEMA}: use the one that wrote it"
        )),
        None => Err("there is no store of ringward in this database".into()),
    }
}

/// Carries something over that two gateways at once would spoil for each other: who comes second is told so.
fn alone(on: &mut Client, carry: impl FnOnce(&mut Client) -> Result<(), String>) -> Result<(), String> {
    let lock = key(CARRYING);
    if on
        .ask(&["SET", &lock, "1", "NX", "PX", CARRYING_MS])?
        .text()
        .is_none()
    {
        return Err(
            "another gateway carries this database over to a newer layout: start again in a minute".into(),
        );
    }
    let carried = carry(on);
    on.ask(&["DEL", &lock])?;
    carried
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
        on.ask(&["PEXPIRE", &key(CARRYING), CARRYING_MS])?;
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

/// Seals what the entries of an audit say of people beside it. Their stream takes no other text in the place of one: another one takes its
/// place when it has all of them, so that an interrupted one is begun anew.
fn carry_audit_over(on: &mut Client, journal: &str) -> Result<(), String> {
    let (name, anew) = (
        key(&format!("journal:{journal}")),
        key(&format!("carried:{journal}")),
    );
    let (texts, keys) = (
        key(&format!("beside:{journal}")),
        key(&format!("beside_keys:{journal}")),
    );
    on.ask(&["DEL", &anew])?;
    let (mut first, mut carried) = ("-".to_string(), 0u64);
    loop {
        let count = JOURNAL_ROWS.to_string();
        let page = on.ask(&["XRANGE", &name, &first, "+", "COUNT", &count])?.many();
        let mut commands = Commands::default();
        let rows = page.len();
        for entry in page {
            let mut entry = entry.many().into_iter();
            let id = entry
                .next()
                .and_then(Reply::text)
                .ok_or("an entry without a number")?;
            let text = entry
                .next()
                .and_then(|fields| fields.texts().pop())
                .unwrap_or_default();
            let number: u64 = id
                .split('-')
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0);
            let text = match carried_over(&text) {
                Some((text, people)) => {
                    let (sealed, its_key) = seal(Part::Beside, &seal::beside(journal, number), people)?;
                    let number = number.to_string();
                    commands.add(&["HSET", &texts, &number, &sealed]);
                    commands.add(&["HSET", &keys, &number, &its_key]);
                    carried += 1;
                    text
                }
                None => text,
            };
            commands.add(&["XADD", &anew, &id, "entry", &text]);
            first = format!("({id}");
        }
        if rows == 0 {
            break;
        }
        commands.add(&["PEXPIRE", &key(CARRYING), CARRYING_MS]);
        on.all(&commands)?;
    }
    if carried > 0 {
        on.ask(&["RENAME", &anew, &name])?;
        tracing::info!(
            journal,
            entries = carried,
            "what the audit says of people is sealed now"
        );
    }
    on.ask(&["DEL", &anew]).map(|_| ())
}

/// Where what was kept in clear may still be in Redis' files, has it write them anew; until it does, every start asks again.
pub(super) fn clear_files(on: &mut Client) -> Result<bool, String> {
    let settings = key("settings");
    if on.ask(&["HGET", &settings, CLEAR_REMAINS])?.text().is_none() {
        return Ok(true);
    }
    let is_begun = scrub(on)?;
    if is_begun {
        on.ask(&["HDEL", &settings, CLEAR_REMAINS])?;
    }
    Ok(is_begun)
}
