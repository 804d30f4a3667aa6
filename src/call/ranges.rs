//! Numbers that are not called, by their beginnings, out of files that operators bring.

use std::collections::BTreeSet;

/// Ranges of numbers that an operator brought: beginnings, looked up by the number's own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Digits without `+`.
    beginnings: BTreeSet<String>,
}

impl std::fmt::Debug for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ranges").field(&self.len()).finish()
    }
}

impl Ranges {
    /// Lines of a file: a beginning of digits with or without `+` (spaces and `*` at its end are left out), then, after a comma or semicolon,
    /// whatever stands there. Empty lines and those that begin with `#` say nothing; neither does a first line of words.
    ///
    /// # Errors
    ///
    /// The first line that is none, and what is wrong with it.
    pub fn read(text: &str, most: usize) -> Result<Ranges, (usize, String)> {
        let mut ranges = Ranges::default();
        for (at, line) in text.lines().enumerate() {
            let cell = line.split([',', ';', '\t']).next().unwrap_or_default();
            let cell = cell.trim().trim_matches('"').trim();
            if cell.is_empty() || cell.starts_with('#') {
                continue;
            }
            let digits: String = cell
                .trim_start_matches('+')
                .trim_end_matches('*')
                .chars()
                .filter(|c| *c != ' ')
                .collect();
            let is_heading =
                at == 0 && !digits.is_empty() && digits.chars().all(|c| c.is_alphabetic() || c == '_');
            if is_heading {
                continue;
            }
            if digits.len() < 2 || digits.len() > 15 || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
                let shown: String = cell.chars().take(40).collect();
                return Err((
                    at + 1,
                    format!("{shown:?} is no beginning of a number: 2 to 15 digits"),
                ));
            }
            if digits.starts_with('0') {
                return Err((
                    at + 1,
                    "numbers are written with their country code, and none begins with 0".into(),
                ));
            }
            ranges.beginnings.insert(digits);
            if ranges.beginnings.len() > most {
                return Err((at + 1, format!("more than {most} ranges")));
            }
        }
        Ok(ranges)
    }

    pub fn add(&mut self, other: Ranges) {
        self.beginnings.extend(other.beginnings);
    }

    pub fn len(&self) -> usize {
        self.beginnings.len()
    }

    pub fn is_empty(&self) -> bool {
        self.beginnings.is_empty()
    }

    /// Whether a canonical number is in one of them.
    pub(crate) fn has(&self, number: &str) -> bool {
        let digits = number.trim_start_matches('+');
        (2..=digits.len().min(15)).any(|end| {
            digits
                .get(..end)
                .is_some_and(|beginning| self.beginnings.contains(beginning))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ranges_is_read_line_by_line_and_its_first_fault_is_told() {
        let text = "range,country\n+44 70*,UK personal\n\"88213\";satellite\n# a remark\n\n2346\t\n";
        let ranges = Ranges::read(text, 10).unwrap();
        assert_eq!(ranges.len(), 3);
        for (number, is_in) in [
            ("+447012345678", true),
            ("+88213000", true),
            ("+23461", true),
            ("+442071234567", false),
            ("+4", false),
        ] {
            assert_eq!(ranges.has(number), is_in, "{number}");
        }
        for (text, line, words) in [
            ("44\nx12", 2, "is no beginning"),
            ("0044", 1, "none begins with 0"),
            ("1", 1, "2 to 15 digits"),
            ("44\n45\n46", 3, "more than 2"),
        ] {
            let (at, why) = Ranges::read(text, 2).unwrap_err();
            assert!(at == line && why.contains(words), "{text:?}: {at}: {why}");
        }
    }
}
