//! Where targets are and which of their addresses are up, as this shard knows it.
//!
//! The name service is asked by somebody else ([`Output::Resolve`]); what it said comes to every shard
//! ([`Input::Resolved`]), asked for or not. A call waits only for a target nobody has heard of yet.
//!
//! [`Output::Resolve`]: super::Output::Resolve
//! [`Input::Resolved`]: super::Input::Resolved

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::call_id::CallId;
use crate::queue;
use crate::route::{Candidate, Health, Known, Located, Target, Ways};
use crate::sip::Uri;

use super::limits::{ASK_AGAIN, TARGETS_KNOWN_MAX};
use super::{Listener, TrunkConfig, carriers};

/// Where a target is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// The addresses to try, in order; never empty.
    Here(Vec<Candidate>),
    /// Not known yet. True: ask.
    Wait(bool),
    /// It has no address that we can send to.
    Nowhere,
}

/// What this shard knows of targets.
pub(crate) struct Routes {
    ways: Ways,
    /// Targets of the queues: what is known of these stays though its time is over.
    configured: BTreeSet<Target>,
    known: BTreeMap<Target, Known>,
    /// Questions under way: when it was asked, and which calls wait.
    waiting: BTreeMap<Target, (Option<Instant>, Vec<CallId>)>,
    pub(crate) health: Health,
}

impl Routes {
    pub(crate) fn new(listeners: &[Listener], queues: &[queue::Config], trunks: &[TrunkConfig]) -> Routes {
        let targets = queues.iter().flat_map(|queue| &queue.targets);
        Routes {
            ways: Ways::new(
                listeners
                    .iter()
                    .map(|listener| (listener.transport, listener.bound)),
            ),
            configured: targets
                .filter_map(|target| Target::of(&Uri::parse(target).ok()?))
                .chain(carriers(trunks).into_iter().map(|(target, ..)| target))
                .collect(),
            known: BTreeMap::new(),
            waiting: BTreeMap::new(),
            health: Health::default(),
        }
    }

    /// Where `target` is, for this call. `draw` gives a number below its argument.
    pub(crate) fn find(
        &mut self,
        target: &Target,
        call: CallId,
        now: Instant,
        draw: impl FnMut(u64) -> u64,
    ) -> Whereabouts {
        let is_configured = self.configured.contains(target);
        // An address that is not in the configuration is "looked up" as well: every shard and the connections of all
        // have to know that its answers are welcome.
        if let Some(literal) = target.literal().filter(|_| is_configured) {
            return self.here(vec![literal], now);
        }
        if let Some(known) = self.known.get(target)
            && (known.until > now || (is_configured && known.located.is_some()))
        {
            let located = known.located.clone();
            let candidates = located.map(|located| located.candidates(&self.ways, draw));
            return self.here(candidates.unwrap_or_default(), now);
        }
        let (asked_at, calls) = self.waiting.entry(target.clone()).or_default();
        if !calls.contains(&call) {
            calls.push(call);
        }
        let is_under_way = asked_at.is_some_and(|at| now.saturating_duration_since(at) < ASK_AGAIN);
        let is_to_be_asked = !is_under_way;
        if is_to_be_asked {
            *asked_at = Some(now);
        }
        Whereabouts::Wait(is_to_be_asked)
    }

    /// The addresses to try for a target whose place is known, in order. Nobody waits.
    pub(crate) fn known(&self, target: &Target, draw: impl FnMut(u64) -> u64) -> Vec<Candidate> {
        let located = self.located(target);
        located.map_or_else(Vec::new, |located| located.candidates(&self.ways, draw))
    }

    /// The call does not wait any more.
    pub(crate) fn leave(&mut self, target: &Target, call: CallId) {
        if let Some((_, calls)) = self.waiting.get_mut(target) {
            calls.retain(|other| *other != call);
            if calls.is_empty() {
                self.waiting.remove(target);
            }
        }
    }

    /// News of the name service. The calls that waited for it.
    pub(crate) fn learn(&mut self, known: Known, now: Instant) -> Vec<CallId> {
        let waiting = self.waiting.remove(&known.target);
        let is_new = !self.known.contains_key(&known.target);
        if is_new && self.known.len() >= TARGETS_KNOWN_MAX {
            let configured = &self.configured;
            self.known
                .retain(|target, known| known.until > now || configured.contains(target));
        }
        if !is_new || self.known.len() < TARGETS_KNOWN_MAX {
            self.known.insert(known.target.clone(), known);
        }
        waiting.map(|(_, calls)| calls).unwrap_or_default()
    }

    /// Every address a target has, in an order that is always the same.
    pub(crate) fn all(&self, target: &Target) -> Vec<Candidate> {
        let mut all = match (target.literal(), self.located(target)) {
            (Some(literal), _) => vec![literal],
            (None, Some(located)) => located.candidates(&self.ways, |_| 0),
            (None, None) => Vec::new(),
        };
        all.retain(|candidate| self.ways.can(candidate));
        all.sort();
        all
    }

    /// Whether every address of this target (a URI) is known to be down.
    pub(crate) fn is_down(&self, target: &str, now: Instant) -> bool {
        let target = Uri::parse(target).ok().and_then(|uri| Target::of(&uri));
        let Some(target) = target else { return false };
        let all = self.all(&target);
        !all.is_empty() && all.iter().all(|candidate| !self.health.is_up(candidate, now))
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn located(&self, target: &Target) -> Option<&Located> {
        self.known.get(target)?.located.as_deref()
    }

    fn here(&self, mut candidates: Vec<Candidate>, now: Instant) -> Whereabouts {
        candidates.retain(|candidate| self.ways.can(candidate));
        if candidates.is_empty() {
            return Whereabouts::Nowhere;
        }
        self.health.arrange(&mut candidates, now);
        Whereabouts::Here(candidates)
    }
}
