//! Values that print shortened by default: numbers, names, tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Wraps a private value so that `{}` and `{:?}` show only its last two characters.
///
/// Serialising (records, API) keeps the whole value: the store and an authorised reader
/// need it. Logs go through `Display`/`Debug`, so a log line cannot leak by accident;
/// showing the value is the exception and is asked for with [`Redacted::reveal`].
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    pub fn new(value: T) -> Self {
        Redacted(value)
    }

    /// The value itself, for the wire, the record or an authorised reader. Never for a log.
    pub fn reveal(&self) -> &T {
        &self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Redacted(value)
    }
}

impl<T: AsRef<str>> fmt::Display for Redacted<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        let count = text.chars().count();
        if count < 5 {
            return out.write_str("…");
        }
        out.write_str("…")?;
        text.chars()
            .skip(count - 2)
            .try_for_each(|c| fmt::Write::write_char(out, c))
    }
}

impl<T: AsRef<str>> fmt::Debug for Redacted<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_prints_only_its_last_two_digits() {
        let number = Redacted::new("+14045550123".to_string());
        assert_eq!(format!("{number} {number:?}"), "…23 …23");
    }

    #[test]
    fn a_short_value_prints_nothing_of_itself() {
        assert_eq!(Redacted::new("1234").to_string(), "…");
    }
}
