//! What is usual in each hour of the week: a mean and a spread that forget slowly.

use serde::{Deserialize, Serialize};

use super::limits::{DAYS_MIN, HOURS, NEWEST, WEEKS_MIN};

/// One hour of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u32, f32, f32)", into = "(u32, f32, f32)")]
struct Cell {
    weeks: u32,
    mean: f64,
    variance: f64,
}

/// As it is kept: short.
impl From<Cell> for (u32, f32, f32) {
    fn from(cell: Cell) -> (u32, f32, f32) {
        (cell.weeks, cell.mean as f32, cell.variance as f32)
    }
}

impl From<(u32, f32, f32)> for Cell {
    fn from((weeks, mean, variance): (u32, f32, f32)) -> Cell {
        let sound = |value: f32| {
            if value.is_finite() {
                f64::from(value).max(0.0)
            } else {
                0.0
            }
        };
        Cell {
            weeks,
            mean: sound(mean),
            variance: sound(variance),
        }
    }
}

impl Cell {
    fn learn(&mut self, count: f64) {
        self.weeks = self.weeks.saturating_add(1);
        // The first weeks weigh the same; later ones as much as the newest may.
        let share = NEWEST.max(1.0 / f64::from(self.weeks));
        let off = count - self.mean;
        self.mean += share * off;
        self.variance = (1.0 - share) * (self.variance + share * off * off);
    }
}

/// What is usual of one thing that is counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Baseline {
    /// None was ever learned, or [`HOURS`] of them, from Monday midnight on, in the business's own time.
    cells: Vec<Cell>,
}

/// What is usual in one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub mean: f64,
    spread: f64,
}

impl Usual {
    /// Never seen, where others were.
    pub(super) const NEVER: Usual = Usual {
        mean: 0.0,
        spread: 0.0,
    };

    /// The least count that is unusual: so many times the mean, and also four spreads above it. A count varies by its root at the least.
    pub(super) fn limit(&self, times: f64) -> f64 {
        let spread = self.spread.max(self.mean.max(1.0).sqrt());
        (times * self.mean).max(self.mean + 4.0 * spread)
    }

    /// The same of a part of something whose own count is known. The mean of a part grows as its whole does, its spread as the root of that.
    pub(super) fn of_share(part: Usual, whole: Usual, count: f64) -> Usual {
        if whole.mean <= 0.0 {
            return part;
        }
        let scale = count / whole.mean;
        Usual {
            mean: part.mean * scale,
            spread: part.spread * scale.sqrt(),
        }
    }
}

impl Baseline {
    pub(super) fn learn(&mut self, hour: usize, count: f64) {
        if self.cells.len() != HOURS {
            self.cells = vec![Cell::default(); HOURS];
        }
        if let Some(cell) = self.cells.get_mut(hour % HOURS) {
            cell.learn(count);
        }
    }

    /// How many there are in a week, about.
    pub(super) fn sum(&self) -> f64 {
        self.cells.iter().map(|cell| cell.mean).sum()
    }

    /// None = not known yet.
    pub(super) fn usual(&self, hour: usize) -> Option<Usual> {
        let cell = self.cells.get(hour % HOURS)?;
        if cell.weeks >= WEEKS_MIN {
            return Some(Usual {
                mean: cell.mean,
                spread: cell.variance.sqrt(),
            });
        }
        // The same hour of the other days, as different as they are.
        let days = || {
            self.cells
                .iter()
                .skip(hour % 24)
                .step_by(24)
                .filter(|cell| cell.weeks > 0)
        };
        let known: u32 = days().map(|cell| cell.weeks).sum();
        if known < DAYS_MIN {
            return None;
        }
        let count = days().count() as f64;
        let mean = days().map(|cell| cell.mean).sum::<f64>() / count;
        let variance = days().map(|cell| (cell.mean - mean).powi(2)).sum::<f64>() / count;
        Some(Usual {
            mean,
            spread: variance.sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_usual_after_two_weeks_or_by_the_same_hour_of_five_days() {
        let mut baseline = Baseline::default();
        assert_eq!(baseline.usual(9), None);
        for day in 0..4 {
            baseline.learn(day * 24 + 9, 10.0);
        }
        assert_eq!(baseline.usual(6 * 24 + 9), None);
        baseline.learn(4 * 24 + 9, 20.0);
        let usual = baseline.usual(6 * 24 + 9).unwrap();
        assert_eq!((usual.mean, usual.spread), (12.0, 4.0));
        assert_eq!(baseline.usual(10), None, "another hour is another");
        baseline.learn(9, 30.0);
        assert_eq!(baseline.usual(9).unwrap().mean, 20.0, "two weeks of its own");
    }

    #[test]
    fn what_is_new_becomes_usual_and_a_count_varies_by_its_root_at_least() {
        let mut baseline = Baseline::default();
        for _ in 0..10 {
            baseline.learn(0, 100.0);
        }
        let usual = baseline.usual(0).unwrap();
        assert_eq!((usual.mean, usual.spread), (100.0, 0.0));
        assert_eq!((usual.limit(1.2), usual.limit(3.0)), (140.0, 300.0));
        for _ in 0..8 {
            baseline.learn(0, 300.0);
        }
        assert!((270.0..300.0).contains(&baseline.usual(0).unwrap().mean));
    }

    #[test]
    fn a_share_grows_with_its_whole() {
        let usual = |mean| Usual { mean, spread: 3.0 };
        let share = Usual::of_share(usual(10.0), usual(100.0), 400.0);
        assert_eq!((share.mean, share.spread), (40.0, 6.0));
        assert_eq!(Usual::of_share(usual(10.0), usual(0.0), 400.0), usual(10.0));
    }
}
