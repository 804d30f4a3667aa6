//! Bad calls that are alike: the same recording, the same signer, the same script. Whatever they share, they are one campaign.

use std::collections::{BTreeSet, VecDeque};

use super::limits::{CALLERS_MAX, CALLS_MAX, GROUP_LASTS, GROUPS_MAX, LIKENESSES_MAX};
use super::seen::Seen;
use crate::call_id::CallId;

/// Calls that share something, each with one of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Under which name it was an alarm; None = it was none yet.
    pub raised_as: Option<String>,
    /// The one that was seen last at the end.
    likenesses: VecDeque<String>,
    callers: BTreeSet<u64>,
    pub calls: Vec<CallId>,
    pub count: u64,
    pub first_ms: u64,
    last_ms: u64,
}

impl Group {
    /// Numbers that were told apart.
    pub(super) fn callers(&self) -> u64 {
        self.callers.len() as u64
    }

    /// A recording before a script before a signer.
    pub(super) fn name(&self) -> &str {
        self.likenesses.iter().min().map_or("", String::as_str)
    }

    /// Nothing else is known of them that they have in common.
    pub(super) fn is_by_signer_alone(&self) -> bool {
        self.likenesses
            .iter()
            .all(|likeness| likeness.starts_with("signer "))
    }

    /// In the order of [`Group::name`].
    pub(super) fn shared(&self) -> impl Iterator<Item = &str> {
        let mut shared: Vec<&str> = self.likenesses.iter().map(String::as_str).collect();
        shared.sort_unstable();
        shared.into_iter()
    }

    fn take(&mut self, other: Group) {
        self.raised_as = self.raised_as.take().or(other.raised_as);
        for likeness in other.likenesses {
            self.add_likeness(likeness);
        }
        other
            .callers
            .into_iter()
            .for_each(|caller| self.add_caller(caller));
        self.calls.extend(other.calls);
        self.calls.truncate(CALLS_MAX);
        self.count += other.count;
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }

    fn add_likeness(&mut self, likeness: String) {
        self.likenesses.retain(|known| *known != likeness);
        if self.likenesses.len() >= LIKENESSES_MAX {
            self.likenesses.pop_front();
        }
        self.likenesses.push_back(likeness);
    }

    fn add_caller(&mut self, caller: u64) {
        if self.callers.len() < CALLERS_MAX {
            self.callers.insert(caller);
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Campaigns {
    groups: Vec<Group>,
}

impl Campaigns {
    /// The group this call is in now; None = it is like no other can be.
    pub(super) fn take(&mut self, seen: &Seen) -> Option<&mut Group> {
        let likenesses = seen.likenesses();
        likenesses.first()?;
        let lasts_ms = GROUP_LASTS.as_millis() as u64;
        self.groups
            .retain(|group| seen.at_ms.saturating_sub(group.last_ms) < lasts_ms);
        let is_like = |group: &Group| {
            likenesses
                .iter()
                .any(|likeness| group.likenesses.contains(likeness))
        };
        let (alike, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.groups).into_iter().partition(is_like);
        self.groups = others;
        // Groups that this call joins are one from now on: the one that began first.
        let mut alike = alike.into_iter();
        let mut group = alike.next().unwrap_or_else(|| Group {
            first_ms: seen.at_ms,
            ..Group::default()
        });
        alike.for_each(|other| group.take(other));
        for likeness in likenesses {
            group.add_likeness(likeness);
        }
        if seen.caller != 0 {
            group.add_caller(seen.caller);
        }
        if group.calls.len() < CALLS_MAX {
            group.calls.push(seen.call);
        }
        group.count += 1;
        group.last_ms = group.last_ms.max(seen.at_ms);
        if self.groups.len() >= GROUPS_MAX {
            let quiet = self
                .groups
                .iter()
                .enumerate()
                .min_by_key(|(_, group)| group.last_ms);
            if let Some((at, _)) = quiet {
                self.groups.remove(at);
            }
        }
        // Kept in the order in which they began, so that the first of several is the one with the oldest name.
        let at = self
            .groups
            .partition_point(|other| other.first_ms <= group.first_ms);
        self.groups.insert(at, group);
        self.groups.get_mut(at)
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bad call of that caller, with that recording and that signer.
    fn seen(caller: u64, recording: &str, signer: &str) -> Seen {
        Seen {
            call: CallId(u128::from(caller)),
            at_ms: caller,
            caller,
            country: None,
            is_signed: false,
            is_refused: false,
            is_synthetic: false,
            is_bad: true,
            recording: Some(recording.into()),
            signer: Some(signer.into()),
            script: None,
            failed_rules: Vec::new(),
        }
    }

    #[test]
    fn a_campaign_that_changes_its_signer_with_every_call_is_followed() {
        let mut campaigns = Campaigns::default();
        for caller in 1..=40 {
            campaigns.take(&seen(caller, "r", &format!("s{caller}")));
        }
        let group = campaigns.take(&seen(99, "another", "s40")).unwrap();
        assert_eq!((group.count, group.likenesses.len()), (41, LIKENESSES_MAX));
        assert_eq!(campaigns.take(&seen(100, "r", "s")).unwrap().count, 42);
        assert_eq!(campaigns.len(), 1);
    }

    #[test]
    fn groups_that_a_call_joins_are_one_and_no_group_outgrows_its_bounds_by_that() {
        let mut campaigns = Campaigns::default();
        // 40 groups of 20 callers and 16 likenesses each, every one joined to the first as soon as it is whole.
        for group in 0..40u64 {
            for call in 0..20 {
                let caller = 1 + group * 20 + call;
                campaigns.take(&seen(
                    caller,
                    &format!("r{group}-{}", call % 15),
                    &format!("s{group}"),
                ));
            }
            campaigns.take(&seen(1, "r0-0", &format!("s{group}")));
        }
        let first = campaigns.take(&seen(1, "r0-0", "s0")).unwrap();
        assert!(first.count >= 40, "{}", first.count);
        for group in &campaigns.groups {
            assert!(group.likenesses.len() <= LIKENESSES_MAX);
            assert!(group.callers.len() <= CALLERS_MAX);
            assert!(group.calls.len() <= CALLS_MAX);
        }
        // Each with something of its own: the one that was quiet longest is forgotten.
        for caller in 1_000..1_000 + 2 * GROUPS_MAX as u64 {
            campaigns.take(&seen(caller, &format!("own {caller}"), &format!("own {caller}")));
        }
        assert_eq!(campaigns.len(), GROUPS_MAX);
    }
}
