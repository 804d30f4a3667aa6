//! Nonces that need no memory until somebody proves himself with one, and then cannot be used twice.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use aws_lc_rs::hmac;

use super::algorithm::hex;
use super::limits::{COUNT_WINDOW, NONCE_AGE_MAX, NONCES_MAX};

/// A nonce of ours that is young enough: when it was given out (Unix ms), and which one of that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket {
    issued_ms: u64,
    serial: u64,
}

/// Gives nonces out and knows them again.
///
/// A nonce is when it was given out, a number, and an HMAC over both and the address it was given to: nothing is kept for
/// those who never come back, nobody else can use it, and another instance (another key) does not know it.
pub(super) struct Nonces {
    key: hmac::Key,
    given_out: u64,
    /// Those that somebody proved himself with.
    used: HashMap<Ticket, Counts>,
    /// The same, oldest first.
    by_age: BTreeMap<Ticket, ()>,
    /// Nonces up to this one are stale: what is known of their use has been forgotten.
    forgotten: Option<Ticket>,
}

impl Nonces {
    pub(super) fn new(key: &[u8; 32]) -> Nonces {
        Nonces {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            given_out: 0,
            used: HashMap::new(),
            by_age: BTreeMap::new(),
            forgotten: None,
        }
    }

    pub(super) fn give_out(&mut self, to: IpAddr, now_ms: u64) -> String {
        self.given_out += 1;
        let ticket = Ticket {
            issued_ms: now_ms,
            serial: self.given_out,
        };
        format!(
            "{:016x}{:016x}{}",
            ticket.issued_ms,
            ticket.serial,
            hex(&self.mac(ticket, to))
        )
    }

    /// `None` = stale: not ours, not for this address, too old, from the future, or forgotten.
    pub(super) fn known(&self, nonce: &str, of: IpAddr, now_ms: u64) -> Option<Ticket> {
        let number = |range: std::ops::Range<usize>| u64::from_str_radix(nonce.get(range)?, 16).ok();
        let ticket = Ticket {
            issued_ms: number(0..16)?,
            serial: number(16..32)?,
        };
        // Compared as text: two ways of writing one nonce would be two nonces to the count.
        let expected = format!(
            "{:016x}{:016x}{}",
            ticket.issued_ms,
            ticket.serial,
            hex(&self.mac(ticket, of))
        );
        let is_ours =
            aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), nonce.as_bytes()).is_ok();
        let age = now_ms.checked_sub(ticket.issued_ms)?;
        let is_young = u128::from(age) <= NONCE_AGE_MAX.as_millis();
        let is_forgotten = self.forgotten.is_some_and(|last| ticket <= last);
        (is_ours && is_young && !is_forgotten).then_some(ticket)
    }

    /// Takes a use of the nonce down. False = this count has been used, or is too far behind.
    pub(super) fn use_up(&mut self, ticket: Ticket, count: u32) -> bool {
        if let Some(counts) = self.used.get_mut(&ticket) {
            return counts.take(count);
        }
        if self.used.len() >= NONCES_MAX
            && let Some((oldest, ())) = self.by_age.pop_first()
        {
            self.used.remove(&oldest);
            self.forgotten = self.forgotten.max(Some(oldest));
            if ticket <= oldest {
                return false;
            }
        }
        self.used.insert(ticket, Counts::first(count));
        self.by_age.insert(ticket, ());
        true
    }

    /// Forgets what is too old to be used again.
    pub(super) fn tidy(&mut self, now_ms: u64) {
        while let Some((oldest, ())) = self.by_age.first_key_value() {
            let age = now_ms.saturating_sub(oldest.issued_ms);
            if u128::from(age) <= NONCE_AGE_MAX.as_millis() {
                return;
            }
            let oldest = *oldest;
            // A clock that is set back must not make it young again.
            self.forgotten = self.forgotten.max(Some(oldest));
            self.by_age.remove(&oldest);
            self.used.remove(&oldest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.used.len()
    }

    fn mac(&self, ticket: Ticket, of: IpAddr) -> [u8; 16] {
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&ticket.issued_ms.to_be_bytes());
        octets[8..16].copy_from_slice(&ticket.serial.to_be_bytes());
        let address = match of {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        octets[16..].copy_from_slice(&address.octets());
        let mut mac = [0; 16];
        mac.copy_from_slice(&hmac::sign(&self.key, &octets).as_ref()[..16]);
        mac
    }
}

/// Counts of one nonce that were used: the highest, and which of the ones just below.
struct Counts {
    highest: u32,
    /// Bit n: `highest - n` was used.
    below: u64,
}

impl Counts {
    fn first(count: u32) -> Counts {
        Counts {
            highest: count,
            below: 1,
        }
    }

    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            self.below = self.below.checked_shl(step).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = 1u64.checked_shl(behind).unwrap_or(0);
        let is_new = behind < COUNT_WINDOW && self.below & bit == 0;
        self.below |= bit;
        is_new
    }
}

const _: () = assert!(COUNT_WINDOW == u64::BITS);

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const NOW: u64 = 1_795_320_000_000;

    #[test]
    fn a_nonce_is_known_for_five_minutes_to_the_address_and_the_instance_that_it_is_of() {
        let mut nonces = Nonces::new(&[1; 32]);
        let nonce = nonces.give_out(HERE, NOW);
        assert!(nonces.known(&nonce, HERE, NOW).is_some());
        assert!(nonces.known(&nonce, HERE, NOW + 300_000).is_some());
        assert!(nonces.known(&nonce, HERE, NOW + 300_001).is_none());
        assert!(nonces.known(&nonce, HERE, NOW - 1).is_none(), "from the future");
        assert!(nonces.known(&nonce, THERE, NOW).is_none());
        assert!(Nonces::new(&[2; 32]).known(&nonce, HERE, NOW).is_none());
        assert_ne!(nonce, nonces.give_out(HERE, NOW));
    }

    #[test]
    fn any_other_writing_of_a_nonce_is_another_nonce() {
        let mut nonces = Nonces::new(&[1; 32]);
        let nonce = nonces.give_out(HERE, NOW);
        for other in [
            nonce.to_uppercase(),
            format!("{nonce} "),
            format!("+{}", &nonce[1..]),
            nonce[..nonce.len() - 1].to_string(),
            String::new(),
            "é".repeat(40),
        ] {
            assert!(
                other == nonce || nonces.known(&other, HERE, NOW).is_none(),
                "{other}"
            );
        }
        for at in 0..nonce.len() {
            let mut octets = nonce.clone().into_bytes();
            octets[at] = if octets[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(octets).unwrap();
            assert!(nonces.known(&changed, HERE, NOW).is_none(), "{changed}");
        }
    }

    #[test]
    fn a_count_is_taken_once_and_may_overtake_within_the_window() {
        let mut counts = Counts::first(1);
        let takes = [
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (100, true),
            (37, true),
            (36, false),
            (37, false),
            (u32::MAX, true),
            (100, false),
            (u32::MAX - 63, true),
            (u32::MAX - 64, false),
        ];
        for (count, expected) in takes {
            assert_eq!(counts.take(count), expected, "{count}");
        }
    }

    #[test]
    fn what_is_forgotten_for_want_of_room_is_never_good_again() {
        let mut nonces = Nonces::new(&[1; 32]);
        let first = nonces.give_out(HERE, NOW);
        let ticket = nonces.known(&first, HERE, NOW).unwrap();
        assert!(nonces.use_up(ticket, 1));
        for n in 0..NONCES_MAX as u64 {
            let nonce = nonces.give_out(HERE, NOW + n);
            let ticket = nonces.known(&nonce, HERE, NOW + n).unwrap();
            assert!(nonces.use_up(ticket, 1));
        }
        assert_eq!(nonces.len(), NONCES_MAX);
        assert!(nonces.known(&first, HERE, NOW + 10_000).is_none());
        nonces.tidy(NOW + 400_000);
        assert_eq!(nonces.len(), 0);
        // Not even when the clock goes back.
        assert!(nonces.known(&first, HERE, NOW).is_none());
    }
}
