//! One table of a document, asked key by key: whatever is not as expected is a fault with its place.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Document;
use super::shown::{closest, one_of, shown};

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

    /// As [`Section::strings`], of at most so many; more are a fault, and left out.
    pub(crate) fn few_strings(&self, key: &str, most: usize) -> Vec<Value<'d, str>> {
        let mut values = self.strings(key).unwrap_or_default();
        if values.len() > most {
            let message = format!("{key} has more than {most} entries");
            self.fault(self.place(key), message, None);
            values.truncate(most);
        }
        values
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

pub(super) fn duration(text: &str) -> Option<Duration> {
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
