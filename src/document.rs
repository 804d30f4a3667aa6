//! A TOML document whose every value knows where it stands, read key by key so that all faults come out at once.
//!
//! Knows nothing of what the keys mean: policies and the configuration are both read through it.

mod section;
mod shown;
mod zone;

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde::Serialize;
use toml::Spanned;
use toml::de::DeTable;

pub(crate) use self::section::{Section, Value};
pub(crate) use self::shown::{closest, one_of, shown, shown_path};

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
    /// What can be used and will surprise; at most [`FAULTS_MAX`], further ones are dropped.
    warnings: RefCell<Vec<(usize, Fault)>>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Document<'t> {
        Document {
            file: file.into(),
            text,
            faults: RefCell::default(),
            untold: RefCell::default(),
            warnings: RefCell::default(),
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
        let fault = self.at(at.start, message.into(), suggestion);
        if !faults.iter().any(|(_, known)| *known == fault) {
            faults.push((at.start, fault));
        }
    }

    /// Something that loads and will not do what people expect.
    pub(crate) fn warn(&self, at: Range<usize>, message: impl Into<String>) {
        let mut warnings = self.warnings.borrow_mut();
        let warning = self.at(at.start, message.into(), None);
        if warnings.len() < FAULTS_MAX && !warnings.iter().any(|(_, known)| *known == warning) {
            warnings.push((at.start, warning));
        }
    }

    /// All warnings, in the order of the file; none is left.
    pub(crate) fn take_warnings(&self) -> Vec<Fault> {
        let mut warnings = self.warnings.take();
        warnings.sort_by_key(|(at, _)| *at);
        warnings.into_iter().map(|(_, warning)| warning).collect()
    }

    fn at(&self, offset: usize, message: String, suggestion: Option<String>) -> Fault {
        let (line, column) = place(self.text, offset);
        Fault {
            file: self.file.clone(),
            line,
            column,
            message,
            suggestion,
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
mod tests;
