//! `[skills]`: who can do what; and `[[queue.needs]]`: what a queue's calls need of whoever takes them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::limits::{NEEDS_MAX, NUMBERS_MAX, SKILLED_MAX, SKILLS_MAX};
use super::queues::{is_dialled_number, target_of};
use crate::document::{Section, closest, shown};
use crate::queue::{BySkill, LEVEL_MAX, Need, Skills, Strategy, Trust};

/// Keys of `[[queue]]` that are read here.
pub(super) const KEYS: &[&str] = &["needs", "relax_after"];

const RELAXES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
const RELAX: Duration = Duration::from_secs(30);
const SKILL_CHARS_MAX: usize = 32;

pub(super) fn read(root: &Section<'_, '_>) -> Arc<Skills> {
    let Some(section) = root.section("skills") else {
        return Arc::default();
    };
    let mut all = BTreeMap::new();
    for (who, _) in section.entries() {
        let target = match target_of(who.get) {
            Ok(target) => target,
            Err(problem) => {
                section.fault(who.at, format!("{:?}: {problem}", shown(who.get)), None);
                continue;
            }
        };
        if all.len() >= SKILLED_MAX {
            section.fault(
                who.at,
                format!("[skills] has more than {SKILLED_MAX} entries"),
                None,
            );
            break;
        }
        let Some(levels) = section.section(who.get) else {
            continue;
        };
        let mut skills = BTreeMap::new();
        for (skill, _) in levels.entries().take(SKILLS_MAX + 1) {
            if !is_skill(skill.get) || skills.len() >= SKILLS_MAX {
                let message = format!(
                    "{:?}: a skill is a word of at most {SKILL_CHARS_MAX} small letters, digits and \"-\"; one has {SKILLS_MAX} at most",
                    shown(skill.get)
                );
                section.fault(skill.at, message, None);
                continue;
            }
            if let Some(level) = levels.integer(skill.get, 1..=i64::from(LEVEL_MAX)) {
                skills.insert(skill.get.to_string(), level as u8);
            }
        }
        if all.insert(target, skills).is_some() {
            section.fault(who.at, format!("{:?} is listed twice", shown(who.get)), None);
        }
    }
    Arc::new(Skills::new(all))
}

/// Of a queue with this strategy and `wait`.
pub(super) fn read_needs(
    section: &Section<'_, '_>,
    (strategy, wait): (Strategy, Option<Duration>),
    skills: &Arc<Skills>,
) -> BySkill {
    let is_asked = strategy == Strategy::Skill;
    for key in KEYS
        .iter()
        .filter(|key| !is_asked && section.value(key).is_some())
    {
        let message = format!("{key} goes with strategy = \"skill\"");
        section.fault(section.place(key), message, None);
    }
    if !is_asked {
        return BySkill::default();
    }
    let relax_after = section.duration("relax_after", RELAXES);
    let needs: Vec<Need> = section
        .sections("needs")
        .iter()
        .filter_map(|need| read_need(need, skills))
        .collect();
    if section.value("needs").is_none() {
        let message = "strategy \"skill\" needs [[queue.needs]]: which skill, and of which calls";
        section.fault(section.place("strategy"), message, None);
    } else if needs.len() > NEEDS_MAX {
        section.fault(
            section.place("needs"),
            format!("more than {NEEDS_MAX} needs"),
            None,
        );
    }
    match wait {
        None => {
            let message = "strategy \"skill\" is for callers who wait: say how long, such as wait = \"2m\"";
            section.fault(section.place("strategy"), message, None);
        }
        Some(wait) if relax_after.unwrap_or(RELAX.min(wait / 2)) >= wait => {
            let message =
                "relax_after is shorter than wait: whoever is free takes the call before it is sent on";
            section.fault(section.place("relax_after"), message, None);
        }
        Some(_) => {}
    }
    BySkill {
        needs,
        relax_after: relax_after.unwrap_or_else(|| wait.map_or(RELAX, |wait| RELAX.min(wait / 2))),
        skills: skills.clone(),
    }
}

fn read_need(section: &Section<'_, '_>, skills: &Skills) -> Option<Need> {
    section.only(&["skill", "least", "numbers", "callers"]);
    let skill = section.required_string("skill")?;
    let least = section.integer("least", 1..=i64::from(LEVEL_MAX)).unwrap_or(1) as u8;
    if !skills.has_anybody(skill.get, least) {
        let message = match skills.has_anybody(skill.get, 1) {
            true => format!("nobody in [skills] has {:?} at level {least}", shown(skill.get)),
            false => format!("nobody in [skills] has {:?}", shown(skill.get)),
        };
        let names = skills.names();
        section.fault(skill.at, message, closest(skill.get, names.into_iter()));
        return None;
    }
    let mut numbers = Vec::new();
    for number in section.few_strings("numbers", NUMBERS_MAX) {
        match is_dialled_number(number.get) {
            true => numbers.push(number.get.to_string()),
            false => {
                let message = format!(
                    "{:?} is no dialled number; expected +12125550100 or a beginning such as +1212*",
                    shown(number.get)
                );
                section.fault(number.at, message, None);
            }
        }
    }
    let mut callers = Vec::new();
    for caller in section.few_strings("callers", TRUSTS.len()) {
        match TRUSTS.iter().find(|(name, _)| *name == caller.get) {
            Some((_, trust)) => callers.push(*trust),
            None => {
                let message = format!(
                    "{:?} is no kind of caller; expected \"proven\", \"unproven\" or \"suspect\"",
                    shown(caller.get)
                );
                let names = TRUSTS.iter().map(|(name, _)| *name);
                section.fault(caller.at, message, closest(caller.get, names));
            }
        }
    }
    Some(Need {
        skill: skill.get.into(),
        least,
        numbers,
        callers,
    })
}

const TRUSTS: [(&str, Trust); 3] = [
    ("proven", Trust::Proven),
    ("unproven", Trust::Unproven),
    ("suspect", Trust::Suspect),
];

fn is_skill(name: &str) -> bool {
    (1..=SKILL_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
