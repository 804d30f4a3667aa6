//! Randomness for the simulated peers: keys, tags, stream identifiers, the order of calls.

use crate::runtime::entropy;

/// Fresh bits from the system's generator.
pub fn seed() -> [u8; 32] {
    entropy::seed().expect("the gateway in this process needed the same generator to start")
}

/// 128 fresh bits.
pub fn bits() -> u128 {
    seed()[..16]
        .iter()
        .fold(0, |bits, octet| bits << 8 | u128::from(*octet))
}

/// An index below `length` (0 when `length` is 0).
pub fn below(length: usize) -> usize {
    (bits() % (length.max(1) as u128)) as usize
}

/// `items` in a random order.
pub fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    for end in (1..items.len()).rev() {
        items.swap(end, below(end + 1));
    }
    items
}
