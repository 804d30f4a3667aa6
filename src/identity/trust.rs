//! The lists that trust is made of, as they come and go: what is in force, what was refused, what is out of date.
//!
//! Sans-IO: in comes what was read or fetched, out come anchors and revocation lists for every shard and lines for
//! the log. A list that is wrong never replaces one that was right.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use stir_shaken_verify::limits::CRLS_MAX;
use stir_shaken_verify::{Anchors, Crls, ListAuthority, TrustList};

use super::config::{Config, Source};
use super::limits::PROBLEM_CHARS_MAX;
use crate::time::Now;

/// What verifiers believe: one copy for every shard, the lists themselves shared.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    pub anchors: Anchors,
    pub crls: Crls,
}

/// What a source is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Before what it vouches for.
    TrustListAuthority,
    Anchors,
    PrivateAnchors,
    TrustList,
    CrlSigners,
    /// After the anchors it is checked against.
    Crl,
}

impl Kind {
    /// As in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::TrustListAuthority => "trust_list_authority",
            Kind::Anchors => "anchors",
            Kind::PrivateAnchors => "private_anchors",
            Kind::TrustList => "trust_list",
            Kind::CrlSigners => "crl_signers",
            Kind::Crl => "crl",
        }
    }
}

/// What one source brought.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Place in [`Keeper::sources`].
    pub place: usize,
    pub result: Result<Octets, String>,
}

#[derive(Clone, Debug, Default)]
pub struct Octets {
    pub octets: Vec<u8>,
    /// For a trust list that names its signer's certificate by URL: what that URL holds.
    pub signer: Option<Vec<u8>>,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub kind: Kind,
    pub source: String,
    /// True: something is wrong now. False: it is well again, or new.
    pub is_alarm: bool,
    pub text: String,
}

/// One source as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListStatus {
    pub kind: Kind,
    pub source: String,
    /// Something of it is in force.
    pub is_in_force: bool,
    /// Past its own date (nextUpdate, exp, every certificate's end), or missing altogether.
    pub is_stale: bool,
    /// When it was last read or fetched and found good, Unix ms.
    pub refreshed_ms: Option<u64>,
    /// Its own date, Unix seconds: the earliest when it has several.
    pub valid_until: Option<i64>,
    /// Certificates, or entries of a revocation list.
    pub entries: usize,
    /// Why the last try brought nothing new.
    pub problem: Option<String>,
}

/// Keeps the lists of one gateway.
pub struct Keeper {
    slots: Vec<Slot>,
    config: Config,
}

struct Slot {
    kind: Kind,
    source: Source,
    held: Option<Held>,
    problem: Option<String>,
    refreshed_ms: Option<u64>,
    was_stale: bool,
}

/// What is in force of one source.
struct Held {
    digest: [u8; 32],
    what: What,
    valid_until: Option<i64>,
    entries: usize,
}

enum What {
    Authority(Box<ListAuthority>),
    Anchors(Anchors),
    TrustList(Box<TrustList>),
    /// PEM, as it came.
    Signers(Vec<u8>),
    Crl(Crls),
}

impl Keeper {
    /// Nothing is in force yet.
    pub fn new(config: &Config) -> Keeper {
        let file = |kind| move |path: &std::path::PathBuf| (kind, Source::File(path.clone()));
        let mut all: Vec<(Kind, Source)> = Vec::new();
        all.extend(
            config
                .trust_list_authority
                .iter()
                .map(file(Kind::TrustListAuthority)),
        );
        all.extend(config.anchors.iter().map(file(Kind::Anchors)));
        all.extend(config.private_anchors.iter().map(file(Kind::PrivateAnchors)));
        all.extend(
            config
                .trust_list
                .iter()
                .map(|source| (Kind::TrustList, source.clone())),
        );
        all.extend(config.crl_signers.iter().map(file(Kind::CrlSigners)));
        all.extend(config.crls.iter().map(|source| (Kind::Crl, source.clone())));
        let slots = all.into_iter().map(|(kind, source)| Slot {
            kind,
            source,
            held: None,
            problem: Some("not read yet".into()),
            refreshed_ms: None,
            was_stale: false,
        });
        Keeper {
            slots: slots.collect(),
            config: config.clone(),
        }
    }

    /// Every source, in the order they depend on each other. Read or fetch them and give what came to
    /// [`Keeper::take`], all of them or some.
    pub fn sources(&self) -> impl Iterator<Item = (Kind, &Source)> {
        self.slots.iter().map(|slot| (slot.kind, &slot.source))
    }

    /// Takes what was gathered. Some: this is in force from now on; None: nothing has changed.
    pub fn take(&mut self, gathered: Vec<Gathered>, now: Now) -> (Option<Trust>, Vec<Notice>) {
        let mut by_place: BTreeMap<usize, Result<Octets, String>> = BTreeMap::new();
        for one in gathered {
            by_place.insert(one.place, one.result);
        }
        let mut notices = Vec::new();
        let mut is_changed = false;
        for (place, result) in by_place {
            let Some(slot) = self.slots.get(place) else {
                continue;
            };
            let taken = match result {
                Err(problem) => Err(problem),
                Ok(octets) => {
                    let sum = digest_of(&octets);
                    match &slot.held {
                        Some(held) if held.digest == sum => Ok(None),
                        held => self.read(slot, held.as_ref(), &octets, sum, now).map(Some),
                    }
                }
            };
            is_changed |= self.settle(place, taken, now, &mut notices);
        }
        (is_changed.then(|| self.trust()), notices)
    }

    /// What has gone out of date, or is well again, since the last call.
    pub fn tick(&mut self, now: Now) -> Vec<Notice> {
        let mut notices = Vec::new();
        for slot in &mut self.slots {
            let is_stale = slot.is_stale(seconds(now));
            if is_stale != slot.was_stale {
                slot.was_stale = is_stale;
                let text = match (is_stale, &slot.held) {
                    (true, Some(_)) => "out of date: what it should tell is not known any more",
                    (true, None) => "not at hand: what it should tell is not known",
                    (false, _) => "in date",
                };
                notices.push(slot.notice(is_stale, text));
            }
        }
        notices
    }

    /// Every source as it stands.
    pub fn status(&self, now: Now) -> Vec<ListStatus> {
        let status = |slot: &Slot| ListStatus {
            kind: slot.kind,
            source: slot.source.to_string(),
            is_in_force: slot.held.is_some(),
            is_stale: slot.is_stale(seconds(now)),
            refreshed_ms: slot.refreshed_ms,
            valid_until: slot.held.as_ref().and_then(|held| held.valid_until),
            entries: slot.held.as_ref().map_or(0, |held| held.entries),
            problem: slot.problem.clone(),
        };
        self.slots.iter().map(status).collect()
    }

    /// Everything in force, put together.
    pub fn trust(&self) -> Trust {
        let mut anchors = self.anchors();
        anchors.set_incomplete(self.is_trust_list_missing());
        let mut crls = Crls::new();
        crls.set_policy(self.config.revocation);
        if !self.config.crls.is_empty() {
            crls.require();
        }
        for slot in &self.slots {
            match slot.held.as_ref().map(|held| &held.what) {
                Some(What::Signers(pem)) => {
                    crls.add_signers_pem(pem);
                }
                Some(What::Crl(list)) => {
                    // They fit: that was asked when each was taken.
                    let _fits = crls.extend(list);
                }
                _ => {}
            }
        }
        Trust { anchors, crls }
    }

    fn is_trust_list_missing(&self) -> bool {
        let is_missing = |slot: &Slot| slot.kind == Kind::TrustList && slot.held.is_none();
        self.slots.iter().any(is_missing)
    }

    fn anchors(&self) -> Anchors {
        let mut anchors = Anchors::new();
        for slot in &self.slots {
            match slot.held.as_ref().map(|held| &held.what) {
                Some(What::Anchors(some)) => anchors.extend(some),
                Some(What::TrustList(list)) => anchors.extend(list.anchors()),
                _ => {}
            }
        }
        anchors
    }

    fn read(
        &self,
        slot: &Slot,
        held: Option<&Held>,
        octets: &Octets,
        digest: [u8; 32],
        now: Now,
    ) -> Result<Held, String> {
        let said = |fault: &dyn std::fmt::Display| fault.to_string();
        let mut anchors = Anchors::new();
        let (what, valid_until, entries) = match slot.kind {
            Kind::TrustListAuthority => {
                let authority = ListAuthority::from_pem(&octets.octets).map_err(|fault| said(&fault))?;
                let ends = authority.describe();
                let last = ends.iter().map(|(_, end)| *end).max();
                (What::Authority(Box::new(authority)), last, ends.len())
            }
            Kind::Anchors | Kind::PrivateAnchors => {
                let added = if slot.kind == Kind::Anchors {
                    anchors.add_pem(&octets.octets)
                } else {
                    anchors.add_private_pem(&octets.octets)
                };
                added.map_err(|fault| said(&fault))?;
                let last = last_end(&anchors);
                let count = anchors.len();
                (What::Anchors(anchors), last, count)
            }
            Kind::TrustList => {
                let list = self.read_trust_list(held, octets, now)?;
                // The earlier of the list's own end and that of its last certificate.
                let until = [list.expires(), last_end(list.anchors())]
                    .into_iter()
                    .flatten()
                    .min();
                let count = list.anchors().len();
                (What::TrustList(Box::new(list)), until, count)
            }
            Kind::CrlSigners => {
                let count = Crls::new().add_signers_pem(&octets.octets);
                if count == 0 {
                    return Err("no PEM certificate in it".into());
                }
                (What::Signers(octets.octets.clone()), None, count)
            }
            Kind::Crl => self.read_crl(slot, held, octets, now)?,
        };
        Ok(Held {
            digest,
            what,
            valid_until,
            entries,
        })
    }

    fn read_trust_list(&self, held: Option<&Held>, octets: &Octets, now: Now) -> Result<TrustList, String> {
        let authorities = self
            .slots
            .iter()
            .filter_map(|slot| match &slot.held.as_ref()?.what {
                What::Authority(authority) => Some(authority),
                _ => None,
            });
        let mut fault = "no authority for it is at hand (trust_list_authority)".to_string();
        for authority in authorities {
            let signer = octets.signer.as_deref();
            let list = TrustList::verify(&octets.octets, authority, signer, seconds(now));
            let list = list.and_then(|list| match held.map(|held| &held.what) {
                Some(What::TrustList(in_force)) => list.supersede(in_force),
                _ => Ok(list),
            });
            match list {
                Ok(list) => return Ok(list),
                Err(why) => fault = why.to_string(),
            }
        }
        Err(fault)
    }

    fn read_crl(
        &self,
        slot: &Slot,
        held: Option<&Held>,
        octets: &Octets,
        now: Now,
    ) -> Result<(What, Option<i64>, usize), String> {
        let mut crls = Crls::new();
        for slot in &self.slots {
            if let Some(What::Signers(pem)) = slot.held.as_ref().map(|held| &held.what) {
                crls.add_signers_pem(pem);
            }
        }
        crls.add(&octets.octets).map_err(|fault| fault.to_string())?;
        // A list that is left out would let its revocations pass: all of them fit, or this one is refused.
        let others = self.slots.iter().filter(|other| !std::ptr::eq(*other, slot));
        let others = others.filter_map(|other| match &other.held.as_ref()?.what {
            What::Crl(crls) => Some(crls.len()),
            _ => None,
        });
        if others.sum::<usize>() + crls.len() > CRLS_MAX {
            return Err(format!("more than {CRLS_MAX} lists in all"));
        }
        let anchors = self.anchors();
        let seen = crls.describe(&anchors, seconds(now));
        // Who signed a direct list, a caller's certificate will tell; an indirect one must be known by its signer.
        // Without all anchors nobody can tell: it is taken, and believed only once its signer is known.
        let is_judged = !anchors.is_empty() && !self.is_trust_list_missing();
        for list in &seen {
            if list.is_unusable {
                return Err(
                    "a list that cannot be used (delta, unknown critical extension, or not ES256)".into(),
                );
            }
            if list.is_indirect && !list.is_signed && is_judged {
                return Err("no anchor and no certificate under one has signed it".into());
            }
            if list.this_update > seconds(now) {
                return Err("its thisUpdate is in the future".into());
            }
        }
        let newest = seen.iter().map(|list| list.this_update).min();
        if let Some(What::Crl(in_force)) = held.map(|held| &held.what) {
            let before = in_force.clone().describe(&anchors, seconds(now));
            if before.iter().map(|list| list.this_update).min() > newest {
                return Err("it is older than the one in force (thisUpdate)".into());
            }
        }
        let until = seen
            .iter()
            .map(|list| list.next_update.unwrap_or(list.this_update))
            .min();
        let entries = seen.iter().map(|list| list.revoked).sum();
        let mut alone = Crls::new();
        alone.add(&octets.octets).map_err(|fault| fault.to_string())?;
        Ok((What::Crl(alone), until, entries))
    }

    /// True: something else is in force now.
    fn settle(
        &mut self,
        place: usize,
        taken: Result<Option<Held>, String>,
        now: Now,
        notices: &mut Vec<Notice>,
    ) -> bool {
        let slot = &mut self.slots[place];
        match taken {
            Ok(held) => {
                let is_new = held.is_some();
                if slot.held.is_some() && is_new {
                    notices.push(slot.notice(false, "a new one is in force"));
                } else if slot.held.is_some() && slot.problem.is_some() {
                    notices.push(slot.notice(false, "can be read again"));
                }
                slot.held = held.or(slot.held.take());
                slot.refreshed_ms = Some(now.unix_ms());
                slot.problem = None;
                is_new
            }
            Err(problem) => {
                let problem: String = problem.chars().take(PROBLEM_CHARS_MAX).collect();
                // Once for each new reason, not once for each try.
                if slot.problem.as_ref() != Some(&problem) {
                    let kept = if slot.held.is_some() {
                        "; the one in force stays"
                    } else {
                        ""
                    };
                    notices.push(slot.notice(true, &format!("{problem}{kept}")));
                }
                slot.problem = Some(problem);
                false
            }
        }
    }
}

impl Slot {
    fn is_stale(&self, second: i64) -> bool {
        let held = self.held.as_ref();
        held.is_none_or(|held| held.valid_until.is_some_and(|until| until < second))
    }

    fn notice(&self, is_alarm: bool, text: &str) -> Notice {
        Notice {
            kind: self.kind,
            source: self.source.to_string(),
            is_alarm,
            text: text.into(),
        }
    }
}

/// The end of the certificate that lasts longest: before it, something of the set still works.
fn last_end(anchors: &Anchors) -> Option<i64> {
    anchors.describe().iter().map(|anchor| anchor.not_after).max()
}

fn seconds(now: Now) -> i64 {
    i64::try_from(now.unix_ms() / 1000).unwrap_or(i64::MAX)
}

fn digest_of(octets: &Octets) -> [u8; 32] {
    let mut all = octets.octets.clone();
    all.extend(octets.signer.iter().flatten());
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, &all).as_ref());
    sum
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
