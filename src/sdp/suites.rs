//! Which SRTP suites a gateway offers and takes.

use super::crypto::Suite;

/// Suites in the order in which they are offered; none stands there twice.
///
/// ```
/// use ringward::sdp::{Suite, Suites};
///
/// let suites = Suites::of([Suite::AeadAes128Gcm, Suite::AeadAes128Gcm]);
/// assert!(suites.iter().eq([Suite::AeadAes128Gcm]));
/// assert!(!suites.has(Suite::AesCm128HmacSha1_80));
/// assert!(Suites::default().iter().eq(Suite::ALL));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Suites([Option<Suite>; Suite::ALL.len()]);

impl Suites {
    /// These, each where it comes first.
    pub fn of(named: impl IntoIterator<Item = Suite>) -> Suites {
        let mut suites = Suites([None; Suite::ALL.len()]);
        for suite in named {
            if suites.has(suite) {
                continue;
            }
            // There is a place for each that exists.
            if let Some(place) = suites.0.iter_mut().find(|place| place.is_none()) {
                *place = Some(suite);
            }
        }
        suites
    }

    pub fn has(self, suite: Suite) -> bool {
        self.0.contains(&Some(suite))
    }

    pub fn iter(self) -> impl Iterator<Item = Suite> {
        self.0.into_iter().flatten()
    }
}

/// Every one, the strongest first.
impl Default for Suites {
    fn default() -> Suites {
        Suites(Suite::ALL.map(Some))
    }
}

impl std::fmt::Debug for Suites {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}
