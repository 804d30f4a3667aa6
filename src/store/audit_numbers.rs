//! Numbers of entries of the audit, as the chain writes them down.

use std::collections::BTreeMap;

/// Numbers of entries, as [`super::audit_entry::ERASED`] entries write them: `3 to 17, 20`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Numbers come in their order.
    pub fn add(&mut self, number: u64) {
        self.add_span(number, number);
    }

    pub fn add_span(&mut self, first: u64, last: u64) {
        if let Some(mut before) = self.0.last_entry()
            && before.get().checked_add(1) == Some(first)
        {
            before.insert(last);
            return;
        }
        let end = self.0.entry(first).or_insert(last);
        *end = last.max(*end);
    }

    pub fn spans(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    /// Reads what [`text`] wrote; what is none is passed over.
    pub fn read(text: &str) -> impl Iterator<Item = (u64, u64)> {
        text.split(", ").filter_map(|span| {
            let (first, last) = span.split_once(" to ").unwrap_or((span, span));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
    }
}

/// A span of numbers in words.
pub(super) fn text((first, last): (u64, u64)) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_spans_and_read_again() {
        let mut numbers = Numbers::default();
        [3, 4, 5, 9, 11, 12]
            .into_iter()
            .for_each(|number| numbers.add(number));
        let written: Vec<String> = numbers.spans().map(text).collect();
        assert_eq!(written.join(", "), "3 to 5, 9, 11 to 12");
        let mut again = Numbers::default();
        Numbers::read("3 to 5, 9, x, 11 to 12").for_each(|(first, last)| again.add_span(first, last));
        assert_eq!(again, numbers);
    }
}
