//! `ringward selftest`: proves on this very binary that each check of the verifier catches what it is for.
//!
//! An authority is made in memory, signs calls, diverts, revokes and expires them, forges them in every way we know, and
//! is thrown away. Each call goes the way of a real one: a SIP message is parsed, the identity engine asks for the
//! certificate, and its report is held against what must come out. No network and no file;
//! only [`online`] fetches for real, over HTTPS on loopback.
//!
//! A self-test that fails says that this build or this machine cannot be trusted to verify. It ends no call.

mod arrangement;
mod beside;
mod chains;
mod describe;
mod diversions;
mod messages;
pub mod online;
mod scene;
pub mod watch;

use std::time::Duration;

use serde::Serialize;

use crate::runtime::clock;
use crate::signing::pki::PkiError;
use crate::time::Now;

/// One check and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    pub name: &'static str,
    pub expected: String,
    pub got: String,
    pub passed: bool,
}

impl Proof {
    /// Passed when both texts are the same.
    pub fn new(name: &'static str, expected: impl Into<String>, got: impl Into<String>) -> Proof {
        let (expected, got) = (expected.into(), got.into());
        let passed = expected == got;
        Proof {
            name,
            expected,
            got,
            passed,
        }
    }
}

/// A whole self-test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    pub proofs: Vec<Proof>,
    /// From the first key made to the last answer.
    pub took: Duration,
}

impl SelfTest {
    pub fn passed(&self) -> bool {
        self.failed().next().is_none() && !self.proofs.is_empty()
    }

    pub fn failed(&self) -> impl Iterator<Item = &Proof> {
        self.proofs.iter().filter(|proof| !proof.passed)
    }
}

/// Everything that needs no network, dated `now`. Takes about a tenth of a second.
///
/// # Errors
///
/// When the keys and certificates cannot be made: then nothing is proved.
pub fn offline(now: Now) -> Result<Vec<Proof>, PkiError> {
    let scene = scene::Scene::new(now)?;
    let mut trials = messages::trials(&scene)?;
    trials.extend(chains::trials(&scene)?);
    trials.extend(diversions::trials(&scene)?);
    trials.extend(beside::trials(&scene)?);
    trials.into_iter().map(|trial| trial.prove(&scene)).collect()
}

/// [`offline`] on this machine's clock, timed.
///
/// # Errors
///
/// As [`offline`], in words.
pub fn run_offline() -> Result<SelfTest, String> {
    let started = clock::now();
    let proofs = offline(started).map_err(|error| error.to_string())?;
    Ok(SelfTest {
        proofs,
        took: clock::now().instant - started.instant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_of_this_build_comes_out_as_it_must() {
        let proofs = offline(clock::now()).unwrap();
        let failed: Vec<_> = proofs.iter().filter(|proof| !proof.passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert!(proofs.len() >= 50, "{} proofs", proofs.len());
    }

    #[test]
    fn names_are_different_and_a_self_test_without_proofs_has_not_passed() {
        let proofs = offline(clock::now()).unwrap();
        let names: std::collections::BTreeSet<_> = proofs.iter().map(|proof| proof.name).collect();
        assert_eq!(names.len(), proofs.len());
        let nothing = SelfTest {
            proofs: Vec::new(),
            took: Duration::ZERO,
        };
        assert!(!nothing.passed());
    }
}
