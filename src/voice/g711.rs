//! G.711 octets, so that audio may wait for a second opinion in half the room. Telephone audio comes back as it was; what
//! was made up where packets were lost comes back to the nearest step.

/// Which law a hop of audio was written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    Mu,
    A,
}

impl Law {
    /// The law that keeps these samples best: a line's own law keeps them all.
    pub(crate) fn of(samples: &[i16]) -> Law {
        let lost = |law: Law| {
            let changed = samples.iter().step_by(LOOK_AT_EVERY);
            changed
                .filter(|sample| law.decode(law.encode(**sample)) != **sample)
                .count()
        };
        let by_mu = lost(Law::Mu);
        if by_mu > 0 && lost(Law::A) < by_mu {
            Law::A
        } else {
            Law::Mu
        }
    }

    pub(crate) fn encode(self, sample: i16) -> u8 {
        let sample = i32::from(sample);
        match self {
            Law::Mu => {
                let size = sample.abs().min(32_635) + MU_BIAS;
                let exponent = 24 - size.leading_zeros();
                let code = exponent << 4 | (size >> (exponent + 3)) as u32 & 15;
                !((code | if sample < 0 { 0x80 } else { 0 }) as u8)
            }
            Law::A => {
                let size = if sample < 0 { -sample - 1 } else { sample };
                let code = if size < 256 {
                    size as u32 >> 4
                } else {
                    let exponent = 24 - size.leading_zeros();
                    exponent << 4 | (size >> (exponent + 3)) as u32 & 15
                };
                (code | if sample < 0 { 0 } else { 0x80 }) as u8 ^ 0x55
            }
        }
    }

    pub(crate) fn decode(self, octet: u8) -> i16 {
        let size_and_sign = match self {
            Law::Mu => {
                let code = i32::from(!octet);
                let size = ((((code & 15) << 3) + MU_BIAS) << (code >> 4 & 7)) - MU_BIAS;
                (size, code & 0x80 == 0)
            }
            Law::A => {
                let code = i32::from(octet ^ 0x55);
                let step = (code & 15) << 4;
                let size = match code >> 4 & 7 {
                    0 => step + 8,
                    exponent => (step + 0x108) << (exponent - 1),
                };
                (size, code & 0x80 != 0)
            }
        };
        match size_and_sign {
            (size, true) => size as i16,
            (size, false) => -size as i16,
        }
    }
}

const MU_BIAS: i32 = 0x84;

/// A law shows in any thousand samples.
const LOOK_AT_EVERY: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_a_line_comes_back_as_it_was() {
        for law in [Law::Mu, Law::A] {
            for octet in 0..=255 {
                let sample = law.decode(octet);
                assert_eq!(law.decode(law.encode(sample)), sample, "{law:?} {octet}");
            }
        }
    }

    #[test]
    fn the_law_of_a_line_is_recognised() {
        for law in [Law::Mu, Law::A] {
            let line: Vec<i16> = (0..8000).map(|n| law.decode((n * 37 % 251) as u8)).collect();
            assert_eq!(Law::of(&line), law);
        }
        assert_eq!(Law::of(&[0; 8000]), Law::Mu);
    }

    #[test]
    fn any_sample_comes_back_near() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let back = law.decode(law.encode(sample));
                let off = (i32::from(back) - i32::from(sample)).abs();
                assert!(
                    off <= i32::from(sample).abs() / 16 + 16,
                    "{law:?} {sample} {back}"
                );
            }
        }
    }
}
