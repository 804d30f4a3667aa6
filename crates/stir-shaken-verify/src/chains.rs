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
    /// By the hash of the body.
    known: BTreeMap<[u8; 32], Remembered>,
    /// The same by where the body lies in memory.
    places: BTreeMap<usize, [u8; 32]>,
    uses: u64,
    /// Of all paths together, by [`Path::octets`], with their bodies.
    octets: usize,
}

#[derive(Debug)]
struct Remembered {
    path: Result<Arc<Path>, ChainFault>,
    /// Where there is a path: the body as it came last. Whoever keeps certificates brings the same octets every time, and
    /// while they are held here nothing else can come to lie in their place; so they need not be hashed again.
    body: Option<Arc<[u8]>>,
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

    /// What the certificates of a path refer to and may be fetched: lists of numbers (RFC 8226 §10.1). Nothing is
    /// ever asked on the word of a certificate without a path, nor outside the rules of x5u.
    pub(crate) fn references(&self, path: &Path) -> Vec<String> {
        let urls = path.tn_list_urls().map(|(_, url)| url);
        let allowed = urls.filter(|url| X5u::parse(url, &self.addresses).is_ok());
        allowed.map(str::to_string).collect()
    }

    /// The validated path of an x5u body; failures are remembered as well.
    pub(crate) fn path(&self, body: &Arc<[u8]>) -> Result<Arc<Path>, ChainFault> {
        // Nothing is left half done under this lock, so a poisoned one is as good as new.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = &mut *memory;
        memory.uses += 1;
        if let Some(known) = memory.held(body) {
            return known.path.clone();
        }
        let key = sha256(body);
        if memory.known.contains_key(&key) {
            return memory.hold(key, body);
        }
        let path = read_body(body).map_err(ChainFault::Body).and_then(|chain| {
            find_path(&chain, &self.anchors)
                .map(Arc::new)
                .map_err(ChainFault::Path)
        });
        let octets = path.as_ref().map_or(0, |path| path.octets() + body.len());
        memory.octets += octets;
        while memory.known.len() >= CHAINS_MAX || memory.octets > CHAINS_OCTETS {
            let oldest = memory.known.iter().min_by_key(|(_, known)| known.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            memory.forget(&oldest);
        }
        let remembered = Remembered {
            path,
            body: None,
            used: memory.uses,
            octets,
        };
        memory.known.insert(key, remembered);
        memory.hold(key, body)
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

impl Memory {
    /// What is known of exactly these octets in exactly this place.
    fn held(&mut self, body: &Arc<[u8]>) -> Option<&Remembered> {
        let key = self.places.get(&place(body))?;
        let known = self.known.get_mut(key)?;
        let is_same = known.body.as_ref().is_some_and(|held| Arc::ptr_eq(held, body));
        known.used = self.uses;
        is_same.then_some(known)
    }

    /// Answers from what is known under `key`, the hash of `body`, and holds that body from now on.
    fn hold(&mut self, key: [u8; 32], body: &Arc<[u8]>) -> Result<Arc<Path>, ChainFault> {
        let known = self
            .known
            .get_mut(&key)
            .ok_or(ChainFault::Body(BodyFault::NotPem))?;
        known.used = self.uses;
        if known.path.is_ok() {
            if let Some(before) = known.body.replace(body.clone()) {
                self.places.remove(&place(&before));
            }
            self.places.insert(place(body), key);
        }
        known.path.clone()
    }

    fn forget(&mut self, key: &[u8; 32]) {
        let Some(forgotten) = self.known.remove(key) else {
            return;
        };
        self.octets -= forgotten.octets;
        if let Some(body) = forgotten.body {
            self.places.remove(&place(&body));
        }
    }
}

/// Two bodies that both exist are never in the same.
fn place(body: &Arc<[u8]>) -> usize {
    body.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_11_the_memory_of_chains_is_bounded_and_forgets_what_was_used_longest_ago() {
        let chains = Chains::default();
        let body = |text: &str| Arc::from(text.as_bytes());
        for number in 0..CHAINS_MAX + 10 {
            assert!(chains.path(&body(&number.to_string())).is_err());
            // Asked for again and again: never forgotten.
            assert!(chains.path(&body("0")).is_err());
        }
        assert_eq!(chains.len(), CHAINS_MAX);
        let memory = chains.memory.lock().unwrap();
        assert!(memory.known.contains_key(&sha256(b"0")));
        assert!(!memory.known.contains_key(&sha256(b"1")));
    }
}
