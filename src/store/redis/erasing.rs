//! What calls say of people is erased in Redis, and Redis writes its files without it.

use super::client::{Client, Script};
use super::reply::{Commands, Reply};
use super::rows::{PREFIX, fetch, key, older, place, place_of};
use crate::call_id::CallId;
use crate::store::erasing::{Erase, Erasing};
use crate::store::limits::ERASE_ROWS;
use crate::store::seal::Index;
use crate::store::text;

/// One of the two files in which Redis keeps what it was told.
#[derive(Clone, Copy)]
pub(super) enum File {
    AppendOnly,
    Snapshot,
}

/// Has Redis write its files anew, behind what it does: then what was erased is in neither. False = it would not.
pub(super) fn scrub(on: &mut Client) -> Result<bool, String> {
    let mut commands = Commands::default();
    if is_kept(on, File::AppendOnly)? {
        commands.add(&["BGREWRITEAOF"]);
    }
    if is_kept(on, File::Snapshot)? {
        commands.add(&["BGSAVE", "SCHEDULE"]);
    }
    // One that is under way already began before: Redis says so, and it is asked again.
    Ok(!on.each(&commands)?.iter().any(is_refused))
}

/// Begins to write a file anew, where it is kept at all. False = Redis would not.
pub(super) fn begin_anew(on: &mut Client, file: File) -> Result<bool, String> {
    if !is_kept(on, file)? {
        return Ok(true);
    }
    let command = match file {
        File::AppendOnly => "BGREWRITEAOF",
        File::Snapshot => "BGSAVE",
    };
    let reply = on.each(&Commands::one(&[command]))?.pop();
    Ok(reply.is_some_and(|reply| !is_refused(&reply)))
}

/// Whether Redis writes such a file. Who may not look at settings is not told, and it is taken for written.
fn is_kept(on: &mut Client, file: File) -> Result<bool, String> {
    match file {
        File::AppendOnly => {
            let told = on.ask(&["INFO", "persistence"])?.text().unwrap_or_default();
            Ok(told.lines().any(|line| line.trim() == "aof_enabled:1"))
        }
        File::Snapshot => {
            let asked = on.each(&Commands::one(&["CONFIG", "GET", "save"]))?.pop();
            let saves = asked.and_then(|reply| reply.texts().pop());
            Ok(saves.is_none_or(|saves| !saves.is_empty()))
        }
    }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(_))
}

/// Whether the file that was written last is whole; None = one is being written still.
pub(super) fn is_written(on: &mut Client, file: File) -> Result<Option<bool>, String> {
    let told = on.ask(&["INFO", "persistence"])?.text().unwrap_or_default();
    let is_so = |fact: &str| told.lines().any(|line| line.trim() == fact);
    let is_writing = [
        "aof_rewrite_in_progress:1",
        "aof_rewrite_scheduled:1",
        "rdb_bgsave_in_progress:1",
    ];
    if is_writing.into_iter().any(is_so) {
        return Ok(None);
    }
    Ok(Some(is_so(match file {
        File::AppendOnly => "aof_last_bgrewrite_status:ok",
        File::Snapshot => "rdb_last_bgsave_status:ok",
    })))
}

/// Erases the next page of calls; true = there may be more.
pub(super) fn erase(
    on: &mut Client,
    (channel, voice): (&str, &str),
    index: &Index,
    erasing: &Erasing,
) -> Result<bool, String> {
    let name = match &erasing.whom {
        Erase::Number(number) => key(&format!("calls:number:{}", index.of(number))),
        Erase::Before(_) => key("named"),
    };
    let before = erasing
        .cursor()
        .map_or_else(|| "+".into(), |(ms, id)| format!("({}", place(ms, id)));
    let places = older(on, &name, &before, ERASE_ROWS)?;
    let known: Vec<(u64, CallId)> = places.iter().filter_map(|place| place_of(place)).collect();
    let ids: Vec<CallId> = known.iter().map(|(_, id)| *id).collect();
    let found = fetch(on, &ids)?;
    let at_ms = erasing.at_ms.to_string();
    let mut words: Vec<String> = [PREFIX, channel, voice, &at_ms].map(String::from).into();
    for found in &found {
        // Of what nobody can read there is nothing to keep.
        let (revision, bare) = match found.read() {
            Ok(record) => {
                let bare = record.erased(erasing.at_ms);
                (bare.revision, text::of_record(&bare))
            }
            Err(_) => (u32::MAX, "{}".into()),
        };
        words.extend([found.id.clone(), revision.to_string(), bare]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let left = match found.is_empty() {
        true => 0,
        false => on
            .run(Script::Erase, &words)?
            .number()
            .unwrap_or(0)
            .unsigned_abs(),
    };
    erasing.add(
        (found.len() as u64).saturating_sub(left),
        left,
        known.last().copied(),
    );
    Ok(places.len() == ERASE_ROWS)
}
