//! From 48 kHz to 16 kHz, and between that and 8 kHz: filters that are flat to seven eighths of what the lower rate can say, and 55 dB
//! down where what is above would fold back into that.

/// Coefficients on one side of the middle that are not zero: those at odd distances from it.
const SIDE: usize = 12;
const TAPS: usize = 4 * SIDE - 1;

/// A sinc under a Kaiser window (beta 5.65): `sin(pi d / 2) / (pi d)` for d = 1, 3, 5 ... 23. The middle is a half.
const WING: [f32; SIDE] = wing();

/// What a Kaiser window is made of: the modified Bessel function of order zero.
const fn bessel(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1);
    while k < 40 {
        term *= (x / 2.0 / k as f64) * (x / 2.0 / k as f64);
        sum += term;
        k += 1;
    }
    sum
}

const fn square_root(x: f64) -> f64 {
    let (mut root, mut step) = (1.0, 0);
    while step < 60 {
        root = (root + x / root) / 2.0;
        step += 1;
    }
    root
}

const fn wing() -> [f32; SIDE] {
    const BETA: f64 = 5.65;
    let mut taps = [0.0; SIDE];
    let (mut place, mut sum) = (0, 0.0);
    let mut exact = [0.0; SIDE];
    while place < SIDE {
        let distance = (2 * place + 1) as f64;
        let across = distance / (2 * SIDE) as f64;
        let window = bessel(BETA * square_root(1.0 - across * across)) / bessel(BETA);
        let sign = if place % 2 == 0 { 1.0 } else { -1.0 };
        exact[place] = sign * window / (std::f64::consts::PI * distance);
        sum += exact[place];
        place += 1;
    }
    // What is constant comes out as it went in: both wings together are the other half.
    place = 0;
    while place < SIDE {
        taps[place] = (exact[place] * 0.25 / sum) as f32;
        place += 1;
    }
    taps
}

/// Coefficients on one side of the middle of the filter for a third.
const THIRD_SIDE: usize = 45;
const THIRD_TAPS: usize = 2 * THIRD_SIDE + 1;

/// As [`WING`], of `sin(pi d / 3) / (pi d)` for d = 1, 2, 3 ... 45. The middle is a third, and every third one nothing.
const THIRD_WING: [f32; THIRD_SIDE] = third_wing();

const fn third_wing() -> [f32; THIRD_SIDE] {
    const BETA: f64 = 5.65;
    let mut exact = [0.0; THIRD_SIDE];
    let (mut place, mut sum) = (0, 0.0);
    while place < THIRD_SIDE {
        let distance = (place + 1) as f64;
        let across = distance / (THIRD_SIDE + 1) as f64;
        let window = bessel(BETA * square_root(1.0 - across * across)) / bessel(BETA);
        let sine = match (place + 1) % 6 {
            1 | 2 => square_root(0.75),
            4 | 5 => -square_root(0.75),
            _ => 0.0,
        };
        exact[place] = sine * window / (std::f64::consts::PI * distance);
        sum += exact[place];
        place += 1;
    }
    let mut taps = [0.0; THIRD_SIDE];
    place = 0;
    while place < THIRD_SIDE {
        taps[place] = (exact[place] / (3.0 * sum)) as f32;
        place += 1;
    }
    taps
}

/// 48 kHz to 16 kHz; 15 samples of 16 kHz late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Third {
    line: [f32; THIRD_TAPS],
}

impl Default for Third {
    fn default() -> Third {
        Third {
            line: [0.0; THIRD_TAPS],
        }
    }
}

impl Third {
    /// Three samples to one.
    pub(super) fn third(&mut self, three: [i16; 3]) -> i16 {
        self.line.copy_within(3.., 0);
        self.line[THIRD_TAPS - 3..].copy_from_slice(&three.map(f32::from));
        let (before, after) = self.line.split_at(THIRD_SIDE);
        let (middle, after) = (after[0], &after[1..]);
        let pairs = before.iter().rev().zip(after).zip(&THIRD_WING);
        let wings: f32 = pairs.map(|((one, other), tap)| tap * (one + other)).sum();
        rounded(middle / 3.0 + wings)
    }
}

/// 16 kHz to 8 kHz; 1.4 ms late.
#[derive(Clone, Copy, Debug)]
pub(in crate::media) struct Halver {
    line: [f32; TAPS],
}

impl Default for Halver {
    fn default() -> Halver {
        Halver { line: [0.0; TAPS] }
    }
}

impl Halver {
    /// Two samples to one.
    pub(in crate::media) fn halve(&mut self, pair: [i16; 2]) -> i16 {
        self.line.copy_within(2.., 0);
        self.line[TAPS - 2..].copy_from_slice(&pair.map(f32::from));
        let middle = TAPS / 2;
        let wings: f32 = (WING.iter().zip(0..))
            .map(|(tap, place)| tap * (self.line[middle - 1 - 2 * place] + self.line[middle + 1 + 2 * place]))
            .sum();
        rounded(0.5 * self.line[middle] + wings)
    }
}

/// 8 kHz to 16 kHz; 1.5 ms late.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubler {
    line: [f32; 2 * SIDE],
}

impl Default for Doubler {
    fn default() -> Doubler {
        Doubler {
            line: [0.0; 2 * SIDE],
        }
    }
}

impl Doubler {
    /// One sample to two.
    pub(super) fn double(&mut self, sample: i16) -> [i16; 2] {
        self.line.copy_within(1.., 0);
        self.line[2 * SIDE - 1] = f32::from(sample);
        let between: f32 = (WING.iter().zip(0..))
            .map(|(tap, place)| tap * (self.line[SIDE - 1 - place] + self.line[SIDE + place]))
            .sum();
        [rounded(self.line[SIDE - 1]), rounded(2.0 * between)]
    }
}

fn rounded(sample: f32) -> i16 {
    // A cast saturates.
    sample.round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: f64, n: usize) -> i16 {
        (f64::sin(n as f64 * hertz * std::f64::consts::TAU / rate) * 10_000.0) as i16
    }

    fn level(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        20.0 * (sum / samples.len() as f64).sqrt().max(0.1).log10()
    }

    fn halved(hertz: f64) -> Vec<i16> {
        let mut halver = Halver::default();
        (0..4000)
            .map(|n| halver.halve([2 * n, 2 * n + 1].map(|n| tone(hertz, 16_000.0, n))))
            .skip(100)
            .collect()
    }

    #[test]
    fn what_a_telephone_carries_stays_and_what_would_fold_back_goes() {
        let whole = level(&(0..4000).map(|n| tone(1000.0, 8000.0, n)).collect::<Vec<_>>());
        for hertz in [50.0, 300.0, 1000.0, 2500.0, 3400.0] {
            let off = level(&halved(hertz)) - whole;
            assert!(off.abs() < 0.1, "{hertz} Hz: {off:.2} dB");
        }
        for hertz in [4600.0, 5000.0, 6500.0, 7900.0] {
            let off = level(&halved(hertz)) - whole;
            assert!(off < -55.0, "{hertz} Hz: {off:.2} dB");
        }
    }

    #[test]
    fn what_16_khz_can_say_stays_and_what_would_fold_back_goes() {
        let heard = |hertz: f64| -> f64 {
            let mut third = Third::default();
            let samples: Vec<i16> = (0..4000)
                .map(|n| third.third([3 * n, 3 * n + 1, 3 * n + 2].map(|n| tone(hertz, 48_000.0, n))))
                .skip(100)
                .collect();
            level(&samples)
        };
        let whole = level(&(0..4000).map(|n| tone(1000.0, 16_000.0, n)).collect::<Vec<_>>());
        for hertz in [50.0, 1000.0, 4000.0, 7000.0] {
            let off = heard(hertz) - whole;
            assert!(off.abs() < 0.15, "{hertz} Hz: {off:.2} dB");
        }
        for hertz in [9000.0, 10_500.0, 13_000.0, 15_000.0, 20_000.0] {
            let off = heard(hertz) - whole;
            assert!(off < -55.0, "{hertz} Hz: {off:.2} dB");
        }
    }

    #[test]
    fn doubled_and_halved_again_it_is_what_it_was() {
        let (mut halver, mut doubler) = (Halver::default(), Doubler::default());
        let said: Vec<i16> = (0..4000)
            .map(|n| tone(440.0, 8000.0, n) / 2 + tone(3100.0, 8000.0, n) / 3)
            .collect();
        let heard: Vec<i16> = said
            .iter()
            .map(|sample| halver.halve(doubler.double(*sample)))
            .collect();
        let lag = (0..40)
            .min_by_key(|lag| {
                let pairs = said[200..3000].iter().zip(&heard[200 + lag..]);
                pairs.map(|(a, b)| i64::from(a - b).pow(2)).sum::<i64>()
            })
            .unwrap();
        let off = said[200..3000].iter().zip(&heard[200 + lag..]);
        let worst = off.map(|(a, b)| (a - b).abs()).max();
        assert!(worst < Some(30), "{worst:?} at a lag of {lag}");
    }
}
