//! Files of entries: CSV, JSON and JSON Lines in, CSV out (JSON is written where the API writes it).

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::csv;
use super::entry::{Draft, Entry, Written};
use super::limits::{FAULTS_MAX, IMPORT_MAX};
use super::range::Plan;
use crate::document::{Fault, closest, shown};
use crate::screening::List;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// RFC 4180, with the names of its columns in the first row.
    Csv,
    /// An array of entries.
    Json,
    /// An entry a line.
    JsonLines,
}

/// The columns of a CSV file, in the order they are written in. Only `reason` and `number` or `name` are needed; what
/// stands in the others of the second half is not read.
const COLUMNS: &[&str] = &["number", "name", "also", "expires", "reason"];
const UNREAD: &[&str] = &["id", "list", "by", "at"];

/// Stands between several numbers or names in one cell.
const BETWEEN: char = ';';

/// Everything wrong with one file.
struct Faults {
    found: Vec<Fault>,
    more: usize,
}

impl Faults {
    fn add(&mut self, line: usize, message: String, suggestion: Option<String>) {
        if self.found.len() >= FAULTS_MAX {
            self.more += 1;
            return;
        }
        self.found.push(Fault {
            file: "import".into(),
            line,
            column: 1,
            message,
            suggestion,
        });
    }
}

/// The entries of a file, for this list; all faults at once, by their lines.
///
/// # Errors
///
/// What is wrong with it. Nothing of a file with faults is used.
pub fn from_file(kind: FileKind, list: List, text: &str, plan: Plan) -> Result<Vec<Draft>, Vec<Fault>> {
    let mut faults = Faults {
        found: Vec::new(),
        more: 0,
    };
    let written = match kind {
        FileKind::Csv => of_csv(text, &mut faults),
        FileKind::Json => of_json(text, &mut faults),
        FileKind::JsonLines => of_lines(text, &mut faults),
    };
    let mut drafts = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    if written.len() > IMPORT_MAX {
        faults.add(
            written[IMPORT_MAX].0,
            format!("more than {IMPORT_MAX} entries"),
            None,
        );
    }
    for (line, written) in written.into_iter().take(IMPORT_MAX) {
        match Draft::of(list, &written, plan) {
            Err(wrong) => wrong
                .into_iter()
                .for_each(|message| faults.add(line, message, None)),
            Ok(draft) => match seen.insert(draft.key(), line) {
                Some(first) => faults.add(line, format!("the same as in line {first}"), None),
                None => drafts.push(draft),
            },
        }
    }
    if faults.more > 0 {
        let message = format!("and {} more", faults.more);
        let line = faults.found.last().map_or(1, |last| last.line);
        faults.found.push(Fault {
            file: "import".into(),
            line,
            column: 1,
            message,
            suggestion: None,
        });
    }
    if faults.found.is_empty() {
        Ok(drafts)
    } else {
        Err(faults.found)
    }
}

/// The first row of a CSV file.
pub fn csv_header() -> String {
    let columns = UNREAD[..2].iter().chain(COLUMNS).chain(&UNREAD[2..]);
    csv::line(&columns.map(|column| (*column).to_string()).collect::<Vec<_>>())
}

/// One entry as a row of it.
pub fn to_csv(entry: &Entry) -> String {
    let what = &entry.what;
    let joined = |parts: Vec<String>| parts.join(&BETWEEN.to_string());
    csv::line(&[
        entry.id.to_string(),
        entry.list.name().to_string(),
        joined(what.numbers.iter().map(ToString::to_string).collect()),
        csv::inert(what.name.as_deref().unwrap_or_default()),
        csv::inert(&joined(what.also.clone())),
        what.expires_ms.map_or_else(String::new, moment),
        csv::inert(&what.reason),
        csv::inert(&entry.by),
        moment(entry.at_ms),
    ])
}

fn of_csv(text: &str, faults: &mut Faults) -> Vec<(usize, Written)> {
    let rows = match csv::rows(text) {
        Ok(rows) => rows,
        Err((line, message)) => {
            faults.add(line, message.to_string(), None);
            return Vec::new();
        }
    };
    let mut rows = rows.into_iter();
    let Some((at, header)) = rows.next() else {
        faults.add(1, "the first row names the columns: number,reason".into(), None);
        return Vec::new();
    };
    let header: Vec<String> = header
        .iter()
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for (place, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) && !UNREAD.contains(&name.as_str()) {
            let meant = closest(name, COLUMNS.iter().copied());
            faults.add(at, format!("no column is called {:?}", shown(name)), meant);
        } else if header[..place].contains(name) {
            faults.add(at, format!("two columns are called {:?}", shown(name)), None);
        }
    }
    let mut all = Vec::new();
    for (line, cells) in rows {
        if cells.len() != header.len() {
            let message = format!("{} cells under {} columns", cells.len(), header.len());
            faults.add(line, message, None);
            continue;
        }
        let cell = |column: &str| {
            let place = header.iter().position(|name| name == column);
            place
                .and_then(|place| cells.get(place))
                .map_or("", |cell| csv::alive(cell.trim()))
        };
        let several = |cell: &str| cell.split(BETWEEN).map(|part| part.trim().to_string()).collect();
        let expires = cell("expires");
        let expires_ms = expiry(expires);
        if expires_ms.is_none() && !expires.is_empty() {
            let message = format!(
                "{:?} is no time; expected 2026-12-31, 2026-12-31T18:00:00Z or Unix milliseconds",
                shown(expires)
            );
            faults.add(line, message, None);
        }
        all.push((
            line,
            Written {
                numbers: several(cell("number")),
                name: cell("name").to_string(),
                also: several(cell("also")),
                expires_ms,
                reason: cell("reason").to_string(),
            },
        ));
    }
    all
}

/// As the API writes entries; what only it knows is not read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    numbers: Vec<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    expires_ms: Option<u64>,
    reason: String,
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "list")]
    _list: IgnoredAny,
    #[serde(default, rename = "by")]
    _by: IgnoredAny,
    #[serde(default, rename = "at_ms")]
    _at_ms: IgnoredAny,
    #[serde(default, rename = "revision")]
    _revision: IgnoredAny,
    #[serde(default, rename = "is_expired")]
    _is_expired: IgnoredAny,
}

impl From<Line> for Written {
    fn from(line: Line) -> Written {
        Written {
            numbers: line.numbers,
            name: line.name.unwrap_or_default(),
            also: line.also,
            expires_ms: line.expires_ms,
            reason: line.reason,
        }
    }
}

fn of_lines(text: &str, faults: &mut Faults) -> Vec<(usize, Written)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut all = Vec::new();
    for (at, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        match serde_json::from_str::<Line>(line) {
            Ok(line) => all.push((at + 1, line.into())),
            Err(error) => faults.add(at + 1, plain(&error), None),
        }
    }
    all
}

fn of_json(text: &str, faults: &mut Faults) -> Vec<(usize, Written)> {
    let values: Vec<Value> = match serde_json::from_str(text) {
        Ok(values) => values,
        Err(error) => {
            faults.add(error.line().max(1), plain(&error), None);
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    for (value, line) in values.into_iter().zip(lines_of_elements(text)) {
        match serde_json::from_value::<Line>(value) {
            Ok(written) => all.push((line, written.into())),
            Err(error) => faults.add(line, plain(&error), None),
        }
    }
    all
}

/// On which line each element of the outer array begins, in a text that is known to be JSON.
fn lines_of_elements(text: &str) -> Vec<usize> {
    let (mut line, mut depth) = (1, 0usize);
    let (mut is_text, mut is_escaped, mut is_due) = (false, false, false);
    let mut lines = Vec::new();
    for octet in text.bytes() {
        line += usize::from(octet == b'\n');
        if is_text {
            is_text = is_escaped || octet != b'"';
            is_escaped = !is_escaped && octet == b'\\';
            continue;
        }
        if is_due && !octet.is_ascii_whitespace() && octet != b']' {
            lines.push(line);
            is_due = false;
        }
        match octet {
            b'"' => is_text = true,
            b'[' | b'{' => {
                is_due = depth == 0;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => is_due = true,
            _ => {}
        }
    }
    lines
}

/// What serde says, without the place it counts from.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Unix ms, a time with its zone, or a day: the end of it in UTC.
fn expiry(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        return text.parse().ok();
    }
    let moment: jiff::Timestamp = match text.parse() {
        Ok(moment) => moment,
        Err(_) => {
            let day: jiff::civil::Date = text.parse().ok()?;
            day.tomorrow()
                .ok()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()?
                .timestamp()
        }
    };
    u64::try_from(moment.as_millisecond()).ok()
}

/// A time as people and spreadsheets read it; one past the year 9999 as the number it is.
fn moment(ms: u64) -> String {
    let known = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    known.map_or_else(|| ms.to_string(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(kind: FileKind, list: List, text: &str) -> Result<Vec<Draft>, Vec<(usize, String)>> {
        from_file(kind, list, text, Plan::of("US")).map_err(|faults| {
            faults
                .into_iter()
                .map(|fault| (fault.line, fault.message))
                .collect()
        })
    }

    #[test]
    fn the_same_entries_from_every_kind_of_file() {
        let csv = "Number, Reason, Expires\n404 555 0123,\"threats, twice\",2026-12-31\n+1404556*,spam,\n";
        let json = r#"[
            {"numbers": ["+14045550123"], "reason": "threats, twice", "expires_ms": 1798761600000},
            {"numbers": ["+1404556*"], "reason": "spam", "id": 7, "by": "ann", "is_expired": false}
        ]"#;
        let lines = "{\"numbers\":[\"+14045550123\"],\"reason\":\"threats, twice\",\"expires_ms\":1798761600000}\n\n{\"numbers\":[\"+1404556*\"],\"reason\":\"spam\"}\n";
        let expected = read(FileKind::Csv, List::Block, csv).unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!(read(FileKind::Json, List::Block, json).unwrap(), expected);
        assert_eq!(read(FileKind::JsonLines, List::Block, lines).unwrap(), expected);
    }

    #[test]
    fn all_faults_come_at_once_with_their_lines() {
        let csv = "number,reasn\n+14045550123,x\n";
        let found = read(FileKind::Csv, List::Block, csv).unwrap_err();
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
        let csv =
            "number,reason,expires\n12,x,\n+14045550123,\"x\ny\",soon\n+14045550123,x,\n+14045550199,x\n";
        let found = read(FileKind::Csv, List::Block, csv).unwrap_err();
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 6, 2, 5], "{found:?}");
        let json =
            "[\n{\"numbers\":[\"12\"],\"reason\":\"a ] \\\" [\"},\n 3,\n{\"numbers\":[\"+14045550123\"]}\n]";
        let found = read(FileKind::Json, List::Block, json).unwrap_err();
        assert_eq!(
            found.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [3, 4, 2],
            "{found:?}"
        );
        assert_eq!(read(FileKind::Json, List::Block, "{}").unwrap_err().len(), 1);
        assert_eq!(read(FileKind::Csv, List::Block, "").unwrap_err()[0].0, 1);
        let many = "+1\n".repeat(500);
        let found = read(FileKind::JsonLines, List::Block, &many).unwrap_err();
        assert_eq!(
            (found.len(), found.last().unwrap().1.as_str()),
            (FAULTS_MAX + 1, "and 400 more")
        );
    }

    #[test]
    fn more_entries_than_may_be_are_refused() {
        let mut csv = String::from("number,reason\n");
        for number in 0..=IMPORT_MAX {
            csv += &format!("+1404{number:07},x\n");
        }
        let found = read(FileKind::Csv, List::Block, &csv).unwrap_err();
        assert_eq!(
            found,
            [(IMPORT_MAX + 2, format!("more than {IMPORT_MAX} entries"))]
        );
    }

    #[test]
    fn an_expiry_is_a_day_a_time_or_a_number() {
        assert_eq!(expiry("1798761600000"), Some(1_798_761_600_000));
        assert_eq!(expiry("2026-12-31"), Some(1_798_761_600_000));
        assert_eq!(expiry("2027-01-01T01:00:00+01:00"), Some(1_798_761_600_000));
        for wrong in [
            "",
            "soon",
            "31.12.2026",
            "2026-13-01",
            "-5",
            "99999999999999999999999",
        ] {
            assert_eq!(expiry(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_out_reads_back(
            name in "[A-Z][a-z=+]{2,7} [A-Z][a-z,\"]{2,7}", reason in "[=+'a-z,\"é][a-z =+'\",]{0,18}[a-z]",
            numbers in prop::collection::btree_set(1_000_000u64..9_999_999, 1..4), expires in prop::option::of(0u64..4_000_000_000_000),
        ) {
            let written = Written {
                numbers: numbers.iter().map(|number| format!("+1404{number}")).collect(),
                name: name.clone(),
                also: vec![format!("{name} Office")],
                expires_ms: expires,
                reason,
            };
            let Ok(what) = Draft::of(List::Directory, &written, Plan::default()) else { return Ok(()) };
            let entry = Entry { id: 3, list: List::Directory, what, by: "=ann".into(), at_ms: 1_790_000_000_000, revision: 1 };
            let text = csv_header() + &to_csv(&entry);
            let cells = csv::rows(&text).unwrap().into_iter().flat_map(|(_, cells)| cells);
            prop_assert!(cells.into_iter().all(|cell| !cell.starts_with(['=', '-', '@'])), "{}", text);
            let read = from_file(FileKind::Csv, List::Directory, &text, Plan::default());
            prop_assert_eq!(read.unwrap(), [entry.what]);
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), kind in 0usize..3) {
            let kind = [FileKind::Csv, FileKind::Json, FileKind::JsonLines][kind];
            let _ = from_file(kind, List::Block, &text, Plan::of("US"));
        }
    }
}
