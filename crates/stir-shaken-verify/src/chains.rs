//! Chains validated once and remembered under the hash of their body, for one set of anchors (C-11).
//!
//! Only what can never change is remembered: signatures and the rules of the path. Dates, revocation,
//! constraints and authority are asked on every use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::AddressRules;
use crate::certificate::{BodyFault, read_body, sha256};
use crate::chain::{Anchors, Path, PathFault, find_path};
use crate::limits::{CHAINS_MAX, CHAINS_OCTETS};
use crate::x5u::X5u;

/// The anchors in force, and what was found out under them. Verifications under way hold it too: what a
/// certificate refers to (RFC 8226 §10.1) is known as soon as the certificate is there.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    anchors: Anchors,
    addresses: AddressRules,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    known: BTreeMap<[u8; 32], Remembered>,
    uses: u64,
    /// Of all paths together, by [`Path::octets`].
    octets: usize,
}

#[derive(Debug)]
struct Remembered {
    path: Result<Arc<Path>, ChainFault>,
    used: u64,
    octets: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ChainFault {
    /// Not a chain at all.
    Body(BodyFault),
    Path(PathFault),
}

impl Chains {
    pub(crate) fn new(anchors: Anchors, addresses: AddressRules) -> Chains {
        Chains {
            anchors,
            addresses,
            memory: Mutex::default(),
        }
    }

    /// What the certificates of a body refer to and may be fetched: lists of numbers (RFC 8226 §10.1). Nothing is
    /// ever asked on the word of a certificate without a path, nor outside the rules of x5u.
    pub(crate) fn references(&self, body: &[u8]) -> Vec<String> {
        let Ok(path) = self.path(body) else {
            return Vec::new();
        };
        let urls = path.tn_list_urls().map(|(_, url)| url);
        let allowed = urls.filter(|url| X5u::parse(url, &self.addresses).is_ok());
        allowed.map(str::to_string).collect()
    }

    /// The validated path of an x5u body; failures are remembered as well.
    pub(crate) fn path(&self, body: &[u8]) -> Result<Arc<Path>, ChainFault> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = &mut *memory;
        memory.uses += 1;
        let key = sha256(body);
        if let Some(known) = memory.known.get_mut(&key) {
            known.used = memory.uses;
            return known.path.clone();
        }
        let path = read_body(body).map_err(ChainFault::Body).and_then(|chain| {
            find_path(&chain, &self.anchors)
                .map(Arc::new)
                .map_err(ChainFault::Path)
        });
        let octets = path.as_ref().map_or(0, |path| path.octets());
        memory.octets += octets;
        while memory.known.len() >= CHAINS_MAX || memory.octets > CHAINS_OCTETS {
            let oldest = memory.known.iter().min_by_key(|(_, known)| known.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            let forgotten = memory.known.remove(&oldest);
            memory.octets -= forgotten.map_or(0, |known| known.octets);
        }
        let remembered = Remembered {
            path: path.clone(),
            used: memory.uses,
            octets,
        };
        memory.known.insert(key, remembered);
        path
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .known
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_11_the_memory_of_chains_is_bounded_and_forgets_what_was_used_longest_ago() {
        let chains = Chains::default();
        for number in 0..CHAINS_MAX + 10 {
            assert!(chains.path(number.to_string().as_bytes()).is_err());
            // Asked for again and again: never forgotten.
            assert!(chains.path(b"0").is_err());
        }
        assert_eq!(chains.len(), CHAINS_MAX);
        let memory = chains.memory.lock().unwrap();
        assert!(memory.known.contains_key(&sha256(b"0")));
        assert!(!memory.known.contains_key(&sha256(b"1")));
    }
}
