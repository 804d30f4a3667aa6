//! Counts over calls that have ended: by day, label, queue, who answered, who signed. Pure.
//!
//! [`Tally::add`] takes one record after the other, in any order; what came out is read as tables. Counts of two
//! tallies over different calls add up line by line. Reads no clock, asks no store.

mod counts;
pub mod limits;
mod names;
mod people;

use std::collections::BTreeMap;

pub use counts::Counts;
pub use names::By;
pub use people::{COLUMNS as PEOPLE_COLUMNS, People, Work};

use crate::call::CallRecord;
use limits::{LINES_MAX, OTHERS, ZONE_MINUTES_MAX};

/// Lines by their names.
pub type Table = BTreeMap<String, Counts>;

/// Calls counted along several lines at once.
#[derive(Clone, Debug)]
pub struct Tally {
    zone_minutes: i32,
    all: Counts,
    tables: Vec<(By, Table)>,
}

impl Tally {
    /// Counts by each of these; of one that is named twice there is one table. Hours and days are those of a clock that
    /// is so many minutes ahead of UTC (at most [`ZONE_MINUTES_MAX`] either way; more is cut).
    pub fn new(by: &[By], zone_minutes: i32) -> Tally {
        let mut tables: Vec<(By, Table)> = Vec::new();
        for by in by {
            if !tables.iter().any(|(known, _)| known == by) {
                tables.push((*by, Table::new()));
            }
        }
        Tally {
            zone_minutes: zone_minutes.clamp(-ZONE_MINUTES_MAX, ZONE_MINUTES_MAX),
            all: Counts::default(),
            tables,
        }
    }

    /// A training call is none.
    pub fn add(&mut self, record: &CallRecord) {
        if record.drill {
            return;
        }
        let counts = Counts::of(record);
        self.all.add(&counts);
        for (by, table) in &mut self.tables {
            let name = by.name(record, self.zone_minutes);
            let is_room = table.len() < LINES_MAX || table.contains_key(&name);
            let name = if is_room { name } else { OTHERS.to_string() };
            table.entry(name).or_default().add(&counts);
        }
    }

    /// Everything that was added, in one line.
    pub fn all(&self) -> &Counts {
        &self.all
    }

    /// In the order they were asked for.
    pub fn into_tables(self) -> Vec<(By, Table)> {
        self.tables
    }
}

#[cfg(test)]
mod tests {
    use super::counts::tests::ended_call;
    use super::*;

    #[test]
    fn every_table_adds_up_to_all_of_it() {
        let mut tally = Tally::new(By::ALL, 0);
        for number in 0..50u64 {
            let mut record = ended_call(number);
            record.queue = Some(format!("queue{}", number % 3));
            tally.add(&record);
        }
        let mut drill = ended_call(50);
        drill.drill = true;
        tally.add(&drill);
        let all = tally.all().clone();
        assert_eq!(all.calls, 50, "a training call is none");
        for (by, table) in tally.into_tables() {
            let mut sum = Counts::default();
            table.values().for_each(|line| sum.add(line));
            assert_eq!(sum, all, "{by:?}");
        }
    }

    #[test]
    fn past_the_last_line_everything_is_counted_together() {
        let mut tally = Tally::new(&[By::Queue, By::Queue], 0);
        for number in 0..LINES_MAX as u64 + 7 {
            let mut record = ended_call(number);
            record.queue = Some(format!("queue{number:05}"));
            tally.add(&record);
        }
        let mut tables = tally.into_tables();
        assert_eq!(tables.len(), 1, "named twice, counted once");
        let (_, table) = tables.remove(0);
        assert_eq!((table.len(), table[OTHERS].calls), (LINES_MAX + 1, 7));
    }
}
