//! Who can do what, and what a call needs of whoever takes it. Pure.
//!
//! People, or phones, have skills with a level (`[skills]`); a queue whose strategy is [`super::Strategy::Skill`] says which its calls
//! need (`[[queue.needs]]`). Until a call has waited for `relax_after` only those are rung for it who have all that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hunt::Seen;
use super::limits::TARGETS_MAX;
use super::{Config, PERSON, Service, fits};

/// The best level of a skill.
pub const LEVEL_MAX: u8 = 10;

/// `[skills]`: by `person:NAME`, `device:NAME` or a SIP URI, as targets of queues are written; levels from 1 to [`LEVEL_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skills(BTreeMap<String, BTreeMap<String, u8>>);

/// How a caller stands, for needs that only some calls have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// His number is proven, or he is known.
    Proven,
    Unproven,
    /// The banner warns of him.
    Suspect,
}

/// `[[queue.needs]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub skill: Arc<str>,
    /// At this level or better.
    pub least: u8,
    /// Only calls to these dialled numbers, written as the queue's; empty = to any.
    pub numbers: Vec<String>,
    /// Only callers who stand so; empty = whoever calls.
    pub callers: Vec<Trust>,
}

/// A queue's part of it: what its calls need, and until when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BySkill {
    pub needs: Vec<Need>,
    /// After so long in this queue a call is for whoever is free.
    pub relax_after: Duration,
    /// Of everybody, whatever the queue.
    pub skills: Arc<Skills>,
}

/// What decides which of a queue's needs a call has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The number that was dialled.
    pub dialled: String,
    /// None = nobody may be kept waiting for a skill: an emergency.
    pub caller: Option<Trust>,
}

/// A need of a call that waits, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    pub skill: Arc<str>,
    pub least: u8,
}

impl Skills {
    /// Of whom, which skill, at which level.
    pub fn new(all: impl IntoIterator<Item = (String, BTreeMap<String, u8>)>) -> Skills {
        Skills(all.into_iter().collect())
    }

    /// Whether anybody has it at this level or better.
    pub fn has_anybody(&self, skill: &str, least: u8) -> bool {
        let mut all = self.0.values();
        all.any(|skills| skills.get(skill).is_some_and(|level| *level >= least))
    }

    /// Every skill that somebody has, once each.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0
            .values()
            .flat_map(BTreeMap::keys)
            .map(String::as_str)
            .collect()
    }

    /// At which level this target has a skill, or whoever sits there (the better one counts); 0 = not at all.
    pub fn level(&self, skill: &str, target: &str, person: Option<&str>) -> u8 {
        let of = |who: &str| self.0.get(who).and_then(|skills| skills.get(skill)).copied();
        let his = person.and_then(|name| of(&format!("{PERSON}{name}")));
        of(target).max(his).unwrap_or(0)
    }

    /// Everything that this target, or whoever sits there, is able to do, in the order of the names.
    pub fn of(&self, target: &str, person: Option<&str>) -> BTreeMap<String, u8> {
        let person = person.map(|name| format!("{PERSON}{name}"));
        let mut all: BTreeMap<String, u8> = BTreeMap::new();
        for who in std::iter::once(target).chain(person.as_deref()) {
            for (skill, level) in self.0.get(who).into_iter().flatten() {
                let known = all.entry(skill.clone()).or_default();
                *known = (*known).max(*level);
            }
        }
        all
    }
}

impl Need {
    /// Whether this call has the need.
    fn is_of(&self, wants: &Wants) -> bool {
        let Some(caller) = wants.caller else { return false };
        let is_number =
            self.numbers.is_empty() || self.numbers.iter().any(|number| fits(number, &wants.dialled));
        is_number && (self.callers.is_empty() || self.callers.contains(&caller))
    }
}

/// What one call needs in the queue it waits in.
#[derive(Debug)]
pub(super) struct Needs {
    needs: Vec<Needed>,
    /// From then on it is for whoever is free.
    relaxes: Instant,
    is_relaxed: bool,
    /// Phones that it may not ring yet.
    unable: BTreeSet<String>,
}

impl Needs {
    pub(super) fn new(service: &Service, wants: &Wants, now: Instant) -> Needs {
        let mut least: BTreeMap<&Arc<str>, u8> = BTreeMap::new();
        for need in service.by_skill.needs.iter().filter(|need| need.is_of(wants)) {
            let known = least.entry(&need.skill).or_default();
            *known = (*known).max(need.least);
        }
        let needs = least.into_iter().map(|(skill, least)| Needed {
            skill: skill.clone(),
            least,
        });
        Needs {
            needs: needs.collect(),
            relaxes: now + service.by_skill.relax_after,
            is_relaxed: false,
            unable: BTreeSet::new(),
        }
    }

    /// What is insisted on at this moment.
    pub(super) fn insisted(&self) -> &[Needed] {
        match self.is_relaxed {
            true => &[],
            false => &self.needs,
        }
    }

    /// Time may have passed; gives when it wants to be looked at, if ever.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Instant> {
        self.is_relaxed |= now >= self.relaxes;
        (!self.insisted().is_empty()).then_some(self.relaxes)
    }

    /// How well whoever is at this target suits: all levels of what is needed, added up. None = not, for now.
    pub(super) fn level(&self, service: &Service, target: &str, seen: &Seen) -> Option<u32> {
        let mut sum = 0;
        for need in &self.needs {
            let skills = &service.by_skill.skills;
            let level = skills.level(&need.skill, target, seen.person.as_deref());
            if level < need.least && !self.is_relaxed {
                return None;
            }
            sum += u32::from(level);
        }
        Some(sum)
    }

    /// Finds out which phones of the queue it may not ring at this moment.
    pub(super) fn sort_out(&mut self, config: &Config, seen: &dyn Fn(&str) -> Seen) {
        self.unable.clear();
        if self.insisted().is_empty() {
            return;
        }
        let (mut able, mut unable) = (BTreeSet::new(), BTreeSet::new());
        for target in config.targets.iter().take(TARGETS_MAX) {
            let known = seen(target);
            let is_able = self.level(&config.service, target, &known).is_some();
            let phones = known.devices.unwrap_or_else(|| vec![target.clone()]);
            match is_able {
                true => able.extend(phones),
                false => unable.extend(phones),
            }
        }
        // Of one who is named twice, as a person and by his phone, the better word counts.
        self.unable = unable.difference(&able).cloned().collect();
    }

    /// The phones that it may not ring yet.
    pub(super) fn unable(&self) -> impl Iterator<Item = &str> {
        self.unable.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skills() -> Skills {
        let levels = |all: &[(&str, u8)]| all.iter().map(|(name, level)| ((*name).into(), *level)).collect();
        Skills::new([
            ("person:ann".into(), levels(&[("german", 5), ("fraud", 2)])),
            ("device:desk-1".into(), levels(&[("german", 7)])),
            ("person:bob".into(), levels(&[("german", 1)])),
        ])
    }

    #[test]
    fn a_phone_is_able_to_do_what_whoever_sits_there_is_and_the_better_level_counts() {
        let skills = skills();
        assert_eq!(skills.level("german", "person:ann", None), 5);
        assert_eq!(skills.level("german", "device:desk-1", Some("bob")), 7);
        assert_eq!(skills.level("fraud", "device:desk-2", Some("ann")), 2);
        assert_eq!(skills.level("fraud", "device:desk-2", None), 0);
        let all = skills.of("device:desk-1", Some("ann"));
        assert_eq!(
            all.into_iter().collect::<Vec<_>>(),
            [("fraud".into(), 2), ("german".into(), 7)]
        );
        assert!(skills.has_anybody("german", 7) && !skills.has_anybody("german", 8));
        assert_eq!(
            skills.names().into_iter().collect::<Vec<_>>(),
            ["fraud", "german"]
        );
    }

    fn needs(dialled: &str, caller: Option<Trust>) -> Vec<(String, u8)> {
        let need = |skill: &str, least, numbers: &[&str], callers: &[Trust]| Need {
            skill: skill.into(),
            least,
            numbers: numbers.iter().map(ToString::to_string).collect(),
            callers: callers.to_vec(),
        };
        let service = Service {
            by_skill: BySkill {
                needs: vec![
                    need("german", 1, &["+4930*"], &[]),
                    need("german", 4, &["+49301"], &[]),
                    need("fraud", 2, &[], &[Trust::Suspect]),
                ],
                ..BySkill::default()
            },
            ..Service::default()
        };
        let wants = Wants {
            dialled: dialled.into(),
            caller,
        };
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
        let needs = Needs::new(&service, &wants, Instant::now());
        let insisted = needs.insisted().iter();
        insisted
            .map(|need| (need.skill.to_string(), need.least))
            .collect()
    }

    #[test]
    fn the_dialled_number_and_the_callers_standing_say_what_a_call_needs_and_an_emergency_needs_nothing() {
        assert_eq!(needs("+4989", Some(Trust::Proven)), []);
        assert_eq!(needs("+49309", Some(Trust::Proven)), [("german".into(), 1)]);
        assert_eq!(
            needs("+49301", Some(Trust::Suspect)),
            [("fraud".into(), 2), ("german".into(), 4)]
        );
        assert_eq!(needs("+49301", None), []);
    }
}
