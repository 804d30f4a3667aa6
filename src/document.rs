//! A TOML document whose every value knows where it stands, read key by key so that all faults come out at once.
//!
//! Knows nothing of what the keys mean: policies and the configuration are both read through it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most faults reported for one document; the rest are counted in a last line. A file of another kind altogether
/// would otherwise print one per key.
pub const FAULTS_MAX: usize = 100;

/// Largest document read, in octets: a policy of 1,000 rules is about 200 kB.
pub const DOCUMENT_OCTETS_MAX: usize = 1024 * 1024;

/// A fault in a policy or configuration file: where, what, and what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{file}:{line}:{column}: {message}{}", .suggestion.as_ref().map(|s| format!(" (did you mean {s}?)")).unwrap_or_default())]
pub struct Fault {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    pub suggestion: Option<String>,
}

/// The text of one file and the faults found in it so far.
pub(crate) struct Document<'t> {
    file: String,
    text: &'t str,
    faults: RefCell<Vec<(usize, Fault)>>,
    /// Found past [`FAULTS_MAX`].
    untold: RefCell<usize>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Document<'t> {
        Document {
            file: file.into(),
            text,
            faults: RefCell::default(),
            untold: RefCell::default(),
        }
    }

    /// Parses as far as it can be understood; syntax faults are noted.
    pub(crate) fn table(&self) -> Spanned<DeTable<'t>> {
        if self.text.len() > DOCUMENT_OCTETS_MAX {
            self.fault(0..0, format!("larger than {DOCUMENT_OCTETS_MAX} octets"), None);
            return Spanned::new(0..0, DeTable::new());
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.fault(
                error.span().unwrap_or(0..0),
                error.message().trim().to_string(),
                None,
            );
        }
        table
    }

    pub(crate) fn fault(&self, at: Range<usize>, message: impl Into<String>, suggestion: Option<String>) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() >= FAULTS_MAX {
            *self.untold.borrow_mut() += 1;
            return;
        }
        let (line, column) = place(self.text, at.start);
        let fault = Fault {
            file: self.file.clone(),
            line,
            column,
            message: message.into(),
            suggestion,
        };
        if !faults.iter().any(|(_, known)| *known == fault) {
            faults.push((at.start, fault));
        }
    }

    /// Whether anything was found so far.
    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.borrow().is_empty()
    }

    /// All faults, in the order of the file.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|(at, _)| *at);
        let untold = self.untold.into_inner();
        let mut faults: Vec<Fault> = faults.into_iter().map(|(_, fault)| fault).collect();
        if let (Some(last), true) = (faults.last().cloned(), untold > 0) {
            let message = format!("and {untold} more faults");
            faults.push(Fault {
                message,
                suggestion: None,
                ..last
            });
        }
        faults
    }

    /// Where in the file the character `offset` (from 0) of a string value stands, when the value is written without
    /// escapes; otherwise where the string begins.
    pub(crate) fn inside_string(&self, value: &Value<'_, str>, offset: usize) -> Range<usize> {
        let raw = self.text.get(value.at.clone()).unwrap_or_default();
        let opening = ["'''", "\"\"\"", "'", "\""]
            .into_iter()
            .find(|quote| raw.starts_with(quote));
        let Some(opening) = opening else {
            return value.at.clone();
        };
        let mut start = opening.len();
        if opening.len() == 3 {
            // A line end right after the opening quotes is not part of the string (TOML).
            let rest = &raw[start..];
            start += if rest.starts_with("\r\n") {
                2
            } else {
                usize::from(rest.starts_with('\n'))
            };
        }
        if !raw[start..].starts_with(value.get) {
            return value.at.clone();
        }
        let octets: usize = value.get.chars().take(offset).map(char::len_utf8).sum();
        let at = value.at.start + start + octets;
        at..at
    }
}

/// A value and the octets it was written in.
pub(crate) struct Value<'a, T: ?Sized> {
    pub(crate) get: &'a T,
    pub(crate) at: Range<usize>,
}

/// One table of a document. Reading a key of the wrong type notes a fault and gives None.
#[derive(Clone)]
pub(crate) struct Section<'d, 't> {
    pub(crate) document: &'d Document<'t>,
    /// As written in the file: `[sip]`, `[[queue]]`.
    pub(crate) name: String,
    pub(crate) at: Range<usize>,
    table: &'d DeTable<'t>,
}

impl<'d, 't> Section<'d, 't> {
    pub(crate) fn root(document: &'d Document<'t>, table: &'d Spanned<DeTable<'t>>) -> Section<'d, 't> {
        Section {
            document,
            name: "the file".into(),
            at: 0..0,
            table: table.get_ref(),
        }
    }

    /// Every key that is not in `known` is a fault.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.table.keys() {
            let name = key.get_ref();
            // What the parser made of a broken line has been told already.
            if name.is_empty() && self.document.has_faults() {
                continue;
            }
            if !known.contains(&name.as_ref()) {
                let message = format!("unknown key {:?} in {}", shown(name), self.name);
                self.fault(key.span(), message, closest(name, known.iter().copied()));
            }
        }
    }

    pub(crate) fn fault(&self, at: Range<usize>, message: impl Into<String>, suggestion: Option<String>) {
        self.document.fault(at, message, suggestion);
    }

    /// Keys and values in the order of the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Value<'d, str>, &'d Spanned<DeValue<'t>>)> {
        self.table.iter().map(|(key, value)| {
            (
                Value {
                    get: key.get_ref().as_ref(),
                    at: key.span(),
                },
                value,
            )
        })
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// Where the key's value stands; the section itself when there is none.
    pub(crate) fn place(&self, key: &str) -> Range<usize> {
        self.value(key).map_or_else(|| self.at.clone(), Spanned::span)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'t>>, expected: &str) {
        let message = format!("{key} must be {expected}, not {}", a_type(value.get_ref()));
        self.fault(value.span(), message, None);
    }

    /// Whether the key is this very text: for a word beside values of another kind.
    pub(crate) fn says(&self, key: &str, word: &str) -> bool {
        let value = self.value(key).map(Spanned::get_ref);
        matches!(value, Some(DeValue::String(text)) if text == word)
    }

    pub(crate) fn string(&self, key: &str) -> Option<Value<'d, str>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Value {
                get: text,
                at: value.span(),
            }),
            _ => {
                self.wrong(key, value, "a string");
                None
            }
        }
    }

    /// A string that must be there and not be empty.
    pub(crate) fn required_string(&self, key: &str) -> Option<Value<'d, str>> {
        if self.value(key).is_none() {
            self.fault(self.at.clone(), format!("{} needs {key:?}", self.name), None);
            return None;
        }
        let value = self.string(key)?;
        if value.get.trim().is_empty() {
            self.fault(value.at, format!("{key} is empty"), None);
            return None;
        }
        Some(value)
    }

    /// A string that may be left out but not be empty.
    pub(crate) fn required_string_if_present(&self, key: &str) -> Option<Value<'d, str>> {
        self.value(key).and_then(|_| self.required_string(key))
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(is_so) => Some(*is_so),
            _ => {
                self.wrong(key, value, "true or false");
                None
            }
        }
    }

    /// A string that is one of `choices`; anything else is a fault with a suggestion.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.string(key)?;
        let found = choices
            .iter()
            .find(|(name, _)| *name == value.get)
            .map(|(_, choice)| *choice);
        if found.is_none() {
            let message = format!(
                "{key} is {:?}; expected {}",
                shown(value.get),
                one_of(choices.iter().map(|c| c.0))
            );
            self.fault(value.at, message, closest(value.get, choices.iter().map(|c| c.0)));
        }
        found
    }

    pub(crate) fn strings(&self, key: &str) -> Option<Vec<Value<'d, str>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, "a list of strings");
            return None;
        };
        let mut found = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => found.push(Value {
                    get: text.as_ref(),
                    at: item.span(),
                }),
                other => {
                    let message = format!("{key} must be a list of strings; this is {}", a_type(other));
                    self.fault(item.span(), message, None);
                }
            }
        }
        Some(found)
    }

    /// A whole number inside `range`.
    pub(crate) fn integer(&self, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong(key, value, "a whole number");
            return None;
        };
        let number = i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|n| range.contains(n));
        if number.is_none() {
            let message = format!("{key} must be from {} to {}", range.start(), range.end());
            self.fault(value.span(), message, None);
        }
        number
    }

    /// `"800ms"`, `"20s"`, `"2m"`, `"1h"`, inside `range`.
    pub(crate) fn duration(&self, key: &str, range: std::ops::RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.value(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, "a duration such as \"800ms\" or \"20s\"");
            return None;
        };
        let Some(duration) = duration(text) else {
            let message = format!(
                "{key} is {:?}; expected a duration such as \"800ms\", \"20s\" or \"2m\"",
                shown(text)
            );
            self.fault(value.span(), message, None);
            return None;
        };
        if !range.contains(&duration) {
            let message = format!("{key} must be from {:?} to {:?}", range.start(), range.end());
            self.fault(value.span(), message, None);
            return None;
        }
        Some(duration)
    }

    pub(crate) fn section(&self, key: &str) -> Option<Section<'d, 't>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section {
                document: self.document,
                name: format!("[{key}]"),
                at: value.span(),
                table,
            }),
            _ => {
                self.wrong(key, value, &format!("a table, [{key}]"));
                None
            }
        }
    }

    /// `[[key]]`, in the order of the file.
    pub(crate) fn sections(&self, key: &str) -> Vec<Section<'d, 't>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, &format!("a list of tables, each under [[{key}]]"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => found.push(Section {
                    document: self.document,
                    name: format!("[[{key}]]"),
                    at: item.span(),
                    table,
                }),
                other => {
                    self.fault(
                        item.span(),
                        format!("[[{key}]] must be a table, not {}", a_type(other)),
                        None,
                    );
                }
            }
        }
        found
    }
}

/// Something that came from the file, short enough to repeat in a message.
pub(crate) fn shown(text: &str) -> String {
    cut(text, 60)
}

/// A path that came from the file, whole unless no file could have it: two paths mostly differ at their ends, so a
/// short form would not say which file is meant.
pub(crate) fn shown_path(text: &str) -> String {
    cut(text, 1_024)
}

fn cut(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if text.chars().count() > chars_max {
        short.push('…');
    }
    short
}

/// `"a", "b" or "c"`.
pub(crate) fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The name nearest to `wrong`, if it is near enough to be what was meant: a third of its letters may differ.
pub(crate) fn closest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 64;
    let wrong: Vec<char> = wrong
        .chars()
        .take(LONGEST)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    names
        .map(|name| {
            let letters: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
            (distance(&wrong, &letters), name)
        })
        .filter(|(distance, name)| *distance <= (name.chars().count().max(wrong.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name.to_string())
}

/// Edits (insert, delete, replace, swap neighbours) from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let mut best = (above[column] + usize::from(a != b))
                .min(above[column + 1] + 1)
                .min(line[column] + 1);
            let is_swap = row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b;
            if is_swap {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let milliseconds = match &text[digits..] {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.map(Duration::from_millis)
}

fn a_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Line and column, both from 1; the column counts characters.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Document({})", self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str, read: impl Fn(&Section<'_, '_>)) -> Vec<String> {
        let document = Document::new("f.toml", text);
        let table = document.table();
        read(&Section::root(&document, &table));
        drop(table);
        document.into_faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
        let found = faults("\n  lisen = 1\nother = 2\n", |root| root.only(&["listen"]));
        assert_eq!(
            found,
            [
                "f.toml:2:3: unknown key \"lisen\" in the file (did you mean listen?)",
                "f.toml:3:1: unknown key \"other\" in the file",
            ]
        );
    }

    #[test]
    fn broken_toml_still_reports_the_rest() {
        let found = faults("a = \nb = 'x'\nc = 1\n", |root| {
            root.only(&["a", "b"]);
            root.integer("b", 0..=9);
        });
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[1].contains("b must be a whole number, not a string"),
            "{found:?}"
        );
    }

    #[test]
    fn durations_carry_their_unit() {
        for (text, expected) in [
            ("800ms", 800),
            ("20s", 20_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(expected)), "{text}");
        }
        for text in [
            "",
            "20",
            "s",
            "-1s",
            "1.5s",
            "20 s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_inside_a_string_counts_from_its_own_start() {
        let text = "a = 'x == y'\nb = \"\"\"\nx ==\n  y\"\"\"\nc = \"\\u0041bc\"\n";
        let document = Document::new("f", text);
        let table = document.table();
        let root = Section::root(&document, &table);
        let at = |key: &str, offset: usize| {
            let value = root.string(key).unwrap();
            place(text, document.inside_string(&value, offset).start)
        };
        assert_eq!(at("a", 5), (1, 11));
        assert_eq!(at("b", 7), (4, 3));
        assert_eq!(at("c", 2), (5, 5), "an escaped string is named by its start");
    }

    #[test]
    fn a_file_of_another_kind_gives_a_bounded_list() {
        let text: String = (0..1000).map(|n| format!("key{n} = 1\n")).collect();
        let found = faults(&text, |root| root.only(&[]));
        assert_eq!(found.len(), FAULTS_MAX + 1);
        assert!(found[FAULTS_MAX].contains("and 900 more faults"));
    }

    #[test]
    fn a_suggestion_is_only_made_when_it_is_near() {
        let names = ["verified", "failed", "none"];
        assert_eq!(closest("verifed", names.into_iter()), Some("verified".into()));
        assert_eq!(closest("VERIFIED", names.into_iter()), Some("verified".into()));
        assert_eq!(closest("nnoe", names.into_iter()), Some("none".into()));
        assert_eq!(closest("banana", names.into_iter()), None);
    }
}
