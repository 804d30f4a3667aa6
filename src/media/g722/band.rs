//! One sub-band: the adaptive predictor and the step of its quantiser (ITU-T G.722 §3.5, §3.6, blocks 3 and 4).

use super::tables::ILB;

/// Values are those of the recommendation: 16 bits, kept in wider ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band {
    /// What the predictor expects next.
    pub(super) expected: i32,
    /// The zeros' part of it.
    zeros: i32,
    /// Reconstructed signal, and with the poles' part left out, newest first.
    r: [i32; 2],
    p: [i32; 2],
    /// Coefficients of the poles and of the zeros.
    a: [i32; 2],
    b: [i32; 6],
    /// Differences, newest first.
    d: [i32; 6],
    /// The logarithm of the step.
    log_step: i32,
    pub(super) step: i32,
    shape: Shape,
}

/// In what the two bands differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    log_step_max: i32,
    shift: i32,
    step_at_first: i32,
}

pub(super) const LOWER: Shape = Shape {
    log_step_max: 18_432,
    shift: 8,
    step_at_first: 32,
};

pub(super) const HIGHER: Shape = Shape {
    log_step_max: 22_528,
    shift: 10,
    step_at_first: 8,
};

impl Band {
    pub(super) fn new(shape: Shape) -> Band {
        Band {
            expected: 0,
            zeros: 0,
            r: [0; 2],
            p: [0; 2],
            a: [0; 2],
            b: [0; 6],
            d: [0; 6],
            log_step: 0,
            step: shape.step_at_first,
            shape,
        }
    }

    /// Goes on by one difference. `change`: of the step's logarithm, as the code says.
    pub(super) fn advance(&mut self, difference: i32, change: i32) {
        self.log_step = (((self.log_step * 127) >> 7) + change).clamp(0, self.shape.log_step_max);
        let mantissa = ILB[(self.log_step >> 6) as usize & 31];
        let exponent = self.shape.shift - (self.log_step >> 11);
        self.step = match exponent {
            ..0 => mantissa << -exponent,
            _ => mantissa >> exponent,
        } << 2;
        self.adapt(difference);
    }

    /// Blocks RECONS to PREDIC.
    fn adapt(&mut self, difference: i32) {
        let whole = saturated(self.expected + difference);
        let partial = saturated(self.zeros + difference);
        let is_same = |one: i32, other: i32| (one >> 15) == (other >> 15);

        // UPPOL2
        let first = saturated(self.a[0] << 2);
        let first = match is_same(partial, self.p[0]) {
            true => (-first).min(32_767),
            false => first,
        };
        let sign = if is_same(partial, self.p[1]) { 128 } else { -128 };
        let second = ((first >> 7) + sign + ((self.a[1] * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1
        let sign = if is_same(partial, self.p[0]) { 192 } else { -192 };
        let most = saturated(15_360 - second);
        let first = saturated(sign + ((self.a[0] * 32_640) >> 15)).clamp(-most, most);
        // UPZERO
        let gain = if difference == 0 { 0 } else { 128 };
        for (b, d) in self.b.iter_mut().zip(self.d) {
            let sign = if is_same(difference, d) { gain } else { -gain };
            *b = saturated(sign + ((*b * 32_640) >> 15));
        }
        // DELAYA
        self.d.rotate_right(1);
        self.d[0] = difference;
        self.r = [whole, self.r[0]];
        self.p = [partial, self.p[0]];
        self.a = [first, second];
        // FILTEP, FILTEZ, PREDIC
        let twice = |value: i32| saturated(value + value);
        let poles: i32 = self.a.iter().zip(self.r).map(|(a, r)| (a * twice(r)) >> 15).sum();
        let zeros: i32 = self.b.iter().zip(self.d).map(|(b, d)| (b * twice(d)) >> 15).sum();
        self.zeros = saturated(zeros);
        self.expected = saturated(saturated(poles) + self.zeros);
    }
}

pub(super) fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}
