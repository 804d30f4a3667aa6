//! Tags, branches and Call-IDs from the seed that was handed in.

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 over the seed and a counter: tokens seen on the wire do not betray the next one, which a
/// stranger could use to forge a response or an in-dialog request (RFC 3261 §19.3).
pub(crate) struct Random {
    seed: [u8; 32],
    count: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Random {
        Random { seed, count: 0 }
    }

    /// 16 hexadecimal digits, 64 bits.
    pub(crate) fn token(&mut self) -> String {
        self.count += 1;
        self.derive(b"token", &self.count.to_be_bytes())
    }

    /// 32 bits, for sequence numbers that should not be guessed.
    pub(crate) fn number(&mut self) -> u32 {
        self.count += 1;
        let digits = self.derive(b"token", &self.count.to_be_bytes());
        u32::from_str_radix(&digits[..8], 16).unwrap_or(1)
    }

    /// The same 16 digits for the same input, unguessable without the seed: for stateless
    /// answers, whose To tag must not change when the request comes again (RFC 3261 §8.2.7).
    pub(crate) fn derived(&self, input: &[u8]) -> String {
        self.derive(b"input", input)
    }

    fn derive(&self, purpose: &[u8; 5], input: &[u8]) -> String {
        let mut hash = Context::new(&SHA256);
        for part in [&self.seed[..], purpose, input] {
            hash.update(part);
        }
        let mut token = String::with_capacity(16);
        for octet in &hash.finish().as_ref()[..8] {
            for digit in [octet >> 4, octet & 15] {
                token.push(char::from(HEXADECIMAL[usize::from(digit)]));
            }
        }
        token
    }
}

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_depend_on_the_seed_alone_and_never_repeat() {
        let draw = |seed| {
            let mut random = Random::new([seed; 32]);
            [random.token(), random.token(), random.token()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let [a, b, c] = draw(1);
        assert!(a != b && b != c && a.len() == 16);
        assert!(a.bytes().all(|b| HEXADECIMAL.contains(&b)), "{a}");
        let random = Random::new([1; 32]);
        assert_eq!(random.derived(b"x"), random.derived(b"x"));
    }
}
