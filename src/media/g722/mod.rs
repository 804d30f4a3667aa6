//! G.722 at 64 kbit/s (ITU-T G.722, 11/1988, mode 1): two sub-bands at 8 kHz, coded by ADPCM, one octet for both.
//!
//! An octet is 125 us, as in G.711, and RTP counts it so (RFC 3551 §4.5.2). The lower sub-band is the telephone band: whoever
//! has to do with 8 kHz only reads and writes that one, without the quadrature mirror filters that join the two into 16 kHz.
//! What a lower sub-band says is half of a linear sample.

mod band;
mod tables;

use band::{Band, HIGHER, LOWER, saturated};
use tables::{ILN, ILP, Q6, QM2, QM4, QM6, QMF, WH, WL};

/// Octets to the telephone band of what they say, at 8 kHz.
///
/// Octets in their order; after a loss it finds its way back within some milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct NarrowDecoder {
    lower: Band,
}

impl Default for NarrowDecoder {
    fn default() -> NarrowDecoder {
        NarrowDecoder {
            lower: Band::new(LOWER),
        }
    }
}

impl NarrowDecoder {
    pub fn decode(&mut self, octet: u8) -> i16 {
        (lower_of(&mut self.lower, octet) << 1) as i16
    }
}

/// The telephone band at 8 kHz to octets; nothing is said in the higher band.
#[derive(Clone, Copy, Debug)]
pub struct NarrowEncoder {
    lower: Band,
    higher: Band,
}

impl Default for NarrowEncoder {
    fn default() -> NarrowEncoder {
        NarrowEncoder {
            lower: Band::new(LOWER),
            higher: Band::new(HIGHER),
        }
    }
}

impl NarrowEncoder {
    pub fn encode(&mut self, sample: i16) -> u8 {
        code(&mut self.lower, &mut self.higher, i32::from(sample) >> 1, 0)
    }
}

/// Octets to 16 kHz: two samples each.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    lower: Band,
    higher: Band,
    line: [i32; 24],
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder {
            lower: Band::new(LOWER),
            higher: Band::new(HIGHER),
            line: [0; 24],
        }
    }
}

impl Decoder {
    pub fn decode(&mut self, octet: u8) -> [i16; 2] {
        let low = lower_of(&mut self.lower, octet);
        let ih = usize::from(octet >> 6);
        let difference = (self.higher.step * QM2[ih]) >> 15;
        let high = (self.higher.expected + difference).clamp(-16_384, 16_383);
        self.higher.advance(difference, WH[ih]);
        self.line.copy_within(2.., 0);
        self.line[22..].copy_from_slice(&[low + high, low - high]);
        let (even, odd) = filtered(&self.line);
        [saturated(odd >> 11) as i16, saturated(even >> 11) as i16]
    }
}

/// 16 kHz to octets, two samples each.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    lower: Band,
    higher: Band,
    line: [i32; 24],
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder {
            lower: Band::new(LOWER),
            higher: Band::new(HIGHER),
            line: [0; 24],
        }
    }
}

impl Encoder {
    pub fn encode(&mut self, samples: [i16; 2]) -> u8 {
        self.line.copy_within(2.., 0);
        self.line[22..].copy_from_slice(&samples.map(i32::from));
        let (even, odd) = filtered(&self.line);
        let (low, high) = ((odd + even) >> 14, (odd - even) >> 14);
        code(&mut self.lower, &mut self.higher, low, high)
    }
}

/// The two halves of a quadrature mirror filter: over the samples at even places, and at odd ones.
fn filtered(line: &[i32; 24]) -> (i32, i32) {
    let mut sums = (0, 0);
    for (pair, place) in line.chunks_exact(2).zip(0..12) {
        sums.0 += pair[0] * QMF[place];
        sums.1 += pair[1] * QMF[11 - place];
    }
    sums
}

/// What an octet says of the lower band.
fn lower_of(band: &mut Band, octet: u8) -> i32 {
    let il = usize::from(octet & 0x3f);
    let value = (band.expected + ((band.step * QM6[il]) >> 15)).clamp(-16_384, 16_383);
    // Only the upper four bits steer the predictor: the lower two may be robbed on the way (modes 2 and 3).
    band.advance((band.step * QM4[il >> 2]) >> 15, WL[il >> 2]);
    value
}

/// The octet for one value of each band.
fn code(lower: &mut Band, higher: &mut Band, low: i32, high: i32) -> u8 {
    let magnitude = |difference: i32| {
        if difference < 0 {
            -(difference + 1)
        } else {
            difference
        }
    };

    let difference = saturated(low - lower.expected);
    let size = magnitude(difference);
    let interval = (1..30)
        .find(|place| size < (Q6[*place] * lower.step) >> 12)
        .unwrap_or(30);
    let il = if difference < 0 {
        ILN[interval]
    } else {
        ILP[interval]
    };
    let place = usize::from(il >> 2);
    lower.advance((lower.step * QM4[place]) >> 15, WL[place]);

    let difference = saturated(high - higher.expected);
    let is_large = magnitude(difference) >= (564 * higher.step) >> 12;
    let ih: u8 = match (difference < 0, is_large) {
        (true, false) => 1,
        (true, true) => 0,
        (false, false) => 3,
        (false, true) => 2,
    };
    let place = usize::from(ih);
    higher.advance((higher.step * QM2[place]) >> 15, WH[place]);
    ih << 6 | il
}

#[cfg(test)]
mod tests;
