//! G.711, both laws, by table in one direction and by the recommendation's arithmetic in the other.
//!
//! Linear samples are 16 bits wide, with the 14 (mu-law) or 13 (A-law) significant bits at the top.

/// How a linear sample becomes one octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// America and Japan.
    Mu,
    /// Everywhere else.
    A,
}

impl Law {
    /// The linear value of one octet.
    pub fn decode(self, octet: u8) -> i16 {
        self.table()[usize::from(octet)]
    }

    /// The octet for one linear sample: the nearest level, as ITU-T G.711 quantises.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => encode_mu(sample),
            Law::A => encode_a(sample),
        }
    }

    /// All 256 levels, for loops that decode whole packets.
    pub fn table(self) -> &'static [i16; 256] {
        match self {
            Law::Mu => &MU_LAW,
            Law::A => &A_LAW,
        }
    }
}

static MU_LAW: [i16; 256] = make(true);
static A_LAW: [i16; 256] = make(false);

/// Added before the logarithm of mu-law is taken, so that every segment starts at a power of two.
const MU_BIAS: i32 = 0x84;

const fn make(is_mu: bool) -> [i16; 256] {
    let mut levels = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        levels[octet] = if is_mu {
            decode_mu(octet as u8)
        } else {
            decode_a(octet as u8)
        };
        octet += 1;
    }
    levels
}

const fn decode_mu(octet: u8) -> i16 {
    let bits = !octet;
    let segment = (bits >> 4) & 7;
    let magnitude = (((((bits & 0x0f) as i32) << 3) + MU_BIAS) << segment) - MU_BIAS;
    (if bits & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn decode_a(octet: u8) -> i16 {
    // Even bits are inverted on the wire.
    let bits = octet ^ 0x55;
    let segment = (bits >> 4) & 7;
    let step = ((bits & 0x0f) as i32) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    // In A-law a set sign bit means positive.
    (if bits & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

fn encode_mu(sample: i16) -> u8 {
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let biased = i32::from(sample).abs().min(CLIP) + MU_BIAS;
    // Bit 7 of the biased value is the lowest a segment can start with.
    let segment = (24 - (biased as u32).leading_zeros()) as u8;
    let mantissa = ((biased >> (segment + 3)) & 0x0f) as u8;
    !(sign | (segment << 4) | mantissa)
}

fn encode_a(sample: i16) -> u8 {
    // One's complement keeps -32768 in range and puts -1 in the first negative step.
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let magnitude = magnitude as u32;
    let bits = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let segment = 24 - magnitude.leading_zeros();
        ((segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)) as u8
    };
    (sign | bits) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Law; 2] = [Law::Mu, Law::A];

    #[test]
    fn known_levels_of_the_recommendation() {
        for (octet, level) in [
            (0xff, 0),
            (0x7f, 0),
            (0x80, 32_124),
            (0x00, -32_124),
            (0xfe, 8),
            (0x7e, -8),
        ] {
            assert_eq!(Law::Mu.decode(octet), level, "{octet:02x}");
        }
        for (octet, level) in [
            (0xd5, 8),
            (0x55, -8),
            (0xaa, 32_256),
            (0x2a, -32_256),
            (0xd4, 24),
            (0x80, 5504),
        ] {
            assert_eq!(Law::A.decode(octet), level, "{octet:02x}");
        }
    }

    #[test]
    fn a_decoded_level_encodes_to_itself() {
        for law in BOTH {
            for octet in 0..=255 {
                let level = law.decode(octet);
                // mu-law has two zeros; the positive one is written.
                let expected = if law == Law::Mu && octet == 0x7f {
                    0xff
                } else {
                    octet
                };
                assert_eq!(law.encode(level), expected, "{law:?} {octet:02x}");
            }
        }
    }

    #[test]
    fn every_sample_comes_back_within_its_step() {
        for law in BOTH {
            for sample in i16::MIN..=i16::MAX {
                let back = i32::from(law.decode(law.encode(sample)));
                let error = (back - i32::from(sample)).abs();
                // Half a step, which is 1/32 of the segment's top, or the clipped rest at full scale.
                let allowed = (i32::from(sample).abs() / 30).max(8) + 4;
                assert!(error <= allowed, "{law:?} {sample} -> {back}");
            }
        }
    }

    #[test]
    fn louder_never_decodes_softer() {
        for law in BOTH {
            let mut last = i16::MIN;
            for sample in (i16::MIN..=i16::MAX).step_by(3) {
                let level = law.decode(law.encode(sample));
                assert!(level >= last, "{law:?} at {sample}");
                last = level;
            }
        }
    }
}
