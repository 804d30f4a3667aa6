//! Randomness that was handed in: one seed, then HMAC-SHA-256 over a counter.
//!
//! Call ids must be unguessable (a card's URL rests on them), so this is a keyed generator and not a
//! statistical one. The same seed gives the same calls: simulations replay.

use aws_lc_rs::hmac;

pub(crate) struct Randomness {
    key: hmac::Key,
    counter: u64,
}

impl Randomness {
    pub(crate) fn new(seed: &[u8; 32]) -> Randomness {
        Randomness {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            counter: 0,
        }
    }

    pub(crate) fn octets(&mut self) -> [u8; 32] {
        self.counter += 1;
        let mut octets = [0; 32];
        octets.copy_from_slice(hmac::sign(&self.key, &self.counter.to_be_bytes()).as_ref());
        octets
    }

    pub(crate) fn u128(&mut self) -> u128 {
        let mut low = [0; 16];
        low.copy_from_slice(&self.octets()[..16]);
        u128::from_be_bytes(low)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.u128() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let mut one = Randomness::new(&[1; 32]);
        let mut same = Randomness::new(&[1; 32]);
        let mut other = Randomness::new(&[2; 32]);
        let first = one.u128();
        assert_eq!(first, same.u128());
        assert_ne!(first, other.u128());
        assert_ne!(first, one.u128());
    }
}
