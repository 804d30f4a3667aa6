//! The arithmetic: a beta distribution over the share of bad calls, with reports that fade.
//!
//! What is expected of the next call is the mean of Beta(b + s, g + r): (s + b) / (s + b + r + g), where s and r are what
//! the scam and the good reports weigh, and b and g are the prior, reports that nobody made (A. Jøsang and R. Ismail, The Beta
//! Reputation System, 15th Bled Electronic Commerce Conference, 2002, equations 4 and 5; there the prior is 1 and 1, and
//! a factor makes older reports weigh less, equation 9). A report of age t weighs 2^(-t/h) with the half-life h. "Unsure"
//! weighs nothing: who cannot say has said nothing.

use super::limits::HALF_LIFE;
use crate::screening::Reputable;

/// What is believed before anybody has reported anything, in reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    pub good: f64,
    pub scam: f64,
}

impl Prior {
    /// For a number three fresh reports more of scams than of good calls are needed for a share of one half: one may be a
    /// mistake, two may be malice. Who signs for many callers is condemned for none of them alone: 8 for an `origid`, 18
    /// for a provider or a certificate.
    pub fn of(of: Reputable) -> Prior {
        let good = match of {
            Reputable::Number => 4.0,
            Reputable::Origid => 9.0,
            Reputable::Spc | Reputable::Certificate => 19.0,
        };
        Prior { good, scam: 1.0 }
    }

    /// The share of bad calls that is to be expected, 0 to 1.
    pub fn bad(self, good: f64, scam: f64) -> f64 {
        let scam = self.scam + scam;
        scam / (scam + self.good + good)
    }
}

/// What a report of this age weighs, 1 to 0.
pub fn weight(age_ms: u64) -> f64 {
    (-(age_ms as f64) / HALF_LIFE.as_millis() as f64).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::screening::BAD_FROM;

    #[test]
    fn the_figures_of_the_documentation() {
        let number = Prior::of(Reputable::Number);
        let bad = |good: f64, scam: f64| (number.bad(good, scam) * 1000.0).round() / 1000.0;
        assert_eq!(
            [bad(0.0, 0.0), bad(0.0, 1.0), bad(0.0, 2.0), bad(0.0, 3.0)],
            [0.2, 0.333, 0.429, 0.5]
        );
        assert_eq!([bad(1.0, 3.0), bad(10.0, 3.0)], [0.444, 0.222]);
        let month = HALF_LIFE.as_millis() as u64;
        assert_eq!([weight(0), weight(month), weight(2 * month)], [1.0, 0.5, 0.25]);
        let needed =
            |of: Reputable| (0u32..).find(|scam| Prior::of(of).bad(0.0, f64::from(*scam)) >= BAD_FROM);
        assert_eq!(
            Reputable::ALL
                .iter()
                .map(|of| needed(*of).unwrap())
                .collect::<Vec<_>>(),
            [3, 18, 18, 8]
        );
    }

    proptest! {
        #[test]
        fn more_scams_are_worse_more_good_calls_better_and_all_of_it_fades(
            of in prop::sample::select(Reputable::ALL.to_vec()), good in 0.0..1_000.0f64, scam in 0.0..1_000.0f64,
            more in 0.001..100.0f64, age in 0u64..100_000_000_000,
        ) {
            let prior = Prior::of(of);
            let bad = prior.bad(good, scam);
            prop_assert!((0.0..=1.0).contains(&bad));
            prop_assert!(prior.bad(good, scam + more) > bad);
            prop_assert!(prior.bad(good + more, scam) < bad);
            // Towards the prior, from whichever side.
            let faded = prior.bad(good * weight(age), scam * weight(age));
            let start = prior.bad(0.0, 0.0);
            prop_assert!((faded - start).abs() <= (bad - start).abs() + 1e-12);
            prop_assert!(weight(age + 1) <= weight(age) && weight(age) <= 1.0);
            let gone = weight(u64::MAX / 2);
            prop_assert!((prior.bad(good * gone, scam * gone) - start).abs() < 1e-9);
        }

        #[test]
        fn one_report_condemns_nobody(of in prop::sample::select(Reputable::ALL.to_vec()), good in 0.0..100.0f64, age in 0u64..1_000_000_000) {
            prop_assert!(Prior::of(of).bad(good, weight(age)) < BAD_FROM);
        }
    }
}
