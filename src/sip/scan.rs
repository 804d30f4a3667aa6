//! Where control octets stand in a message, 64 octets at a time.

/// Walks over octets from left to right and is never asked for a place it has passed: each block of 64 is looked at
/// once, whatever stands in it.
pub(crate) struct Scanner<'a> {
    octets: &'a [u8],
    /// First octet of the block that the mask speaks of; bit 0 is this octet.
    block: usize,
    /// Control octets other than tab.
    controls: u64,
}

const BLOCK: usize = 64;

impl<'a> Scanner<'a> {
    #[inline]
    pub(crate) fn new(octets: &'a [u8]) -> Scanner<'a> {
        let mut scanner = Scanner {
            octets,
            block: 0,
            controls: 0,
        };
        scanner.load(0);
        scanner
    }

    /// The first control octet other than tab at `from` or later; the number of octets when there is none.
    #[inline]
    pub(crate) fn control(&mut self, from: usize) -> usize {
        debug_assert!(from >= self.block, "a scanner does not go back");
        if from >= self.block + BLOCK {
            self.load(from & !(BLOCK - 1));
        }
        let mut found = self.controls & (u64::MAX << (from - self.block));
        while found == 0 {
            let next = self.block + BLOCK;
            if next >= self.octets.len() {
                return self.octets.len();
            }
            self.load(next);
            found = self.controls;
        }
        self.block + found.trailing_zeros() as usize
    }

    #[inline]
    fn load(&mut self, block: usize) {
        super::work::spend(BLOCK);
        self.block = block;
        self.controls = match self.octets.get(block..).and_then(|rest| rest.first_chunk()) {
            Some(whole) => controls(whole),
            None => {
                let mut padded = [b' '; BLOCK];
                let rest = self.octets.get(block..).unwrap_or_default();
                padded[..rest.len()].copy_from_slice(rest);
                controls(&padded)
            }
        };
    }
}

/// Bit n: octet n is a control octet other than tab.
#[inline]
fn controls(octets: &[u8; BLOCK]) -> u64 {
    // A plain loop with no branch and no way out in the middle: the compiler does it for 16 octets at a time. (With
    // `array::map` it did so in some builds only, and `zip` is a call in those.)
    let mut is_control = [0u8; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        let octet = octets[at];
        is_control[at] = u8::from((octet < 0x20) & (octet != b'\t')) | u8::from(octet == 0x7f);
        at += 1;
    }
    let mut mask = 0;
    for (place, eight) in is_control.as_chunks::<8>().0.iter().enumerate() {
        // The product brings the lowest bit of each of eight octets into the highest octet, in their order.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= bits << (place * 8);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_octets_are_found_at_every_place_and_no_others() {
        for octet in 0..=255u8 {
            for place in 0..130 {
                let mut octets = [b'\t', 0xff, b' ', 0x80, b'~'].repeat(26);
                octets[place] = octet;
                let is_control = octet != b'\t' && octet.is_ascii_control();
                let found = Scanner::new(&octets).control(0);
                assert_eq!(
                    found,
                    if is_control { place } else { octets.len() },
                    "{octet} at {place}"
                );
            }
        }
    }

    #[test]
    fn what_was_passed_is_not_found_again() {
        let octets = [&[b'x'; 70][..], b"\r\n", &[b'y'; 200], b"\r"].concat();
        let mut scanner = Scanner::new(&octets);
        assert_eq!(scanner.control(0), 70);
        assert_eq!(scanner.control(71), 71);
        assert_eq!(scanner.control(72), 272);
        assert_eq!(scanner.control(273), 273);
        assert_eq!(Scanner::new(b"").control(0), 0);
    }
}
