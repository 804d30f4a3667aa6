//! What a rule does: `then`, with the queue, the status or the profile it names.

use toml::Spanned;
use toml::de::DeValue;

use super::load::{Beside, Refusals};
use super::{Action, Profile};
use crate::document::{Section, closest, one_of, shown};

pub(super) fn read_action(section: &Section<'_, '_>, beside: &Beside<'_>) -> Option<Action> {
    let Some(value) = section.value("then") else {
        section.fault(section.at.clone(), "[[rule]] needs \"then\"", None);
        return None;
    };
    match value.get_ref() {
        DeValue::String(word) => match word.as_ref() {
            "deliver" => Some(Action::Deliver),
            "label" => Some(Action::Label),
            "refuse" => Some(as_profile(Profile::Configured)),
            "divert" => {
                section.fault(
                    value.span(),
                    "divert needs its queue: then = { divert = \"NAME\" }",
                    None,
                );
                None
            }
            word => {
                unknown_action(section, value.span(), word);
                None
            }
        },
        DeValue::Table(table) => {
            let mut entries = table.iter();
            let (Some((key, argument)), None) = (entries.next(), entries.next()) else {
                section.fault(value.span(), "then names exactly one action", None);
                return None;
            };
            match key.get_ref().as_ref() {
                "divert" => read_divert(section, argument, beside.queues),
                "refuse" => read_refuse(section, argument, beside.refusals),
                word @ ("deliver" | "label") => {
                    section.fault(
                        key.span(),
                        format!("{word} takes no argument: then = {word:?}"),
                        None,
                    );
                    None
                }
                word => {
                    unknown_action(section, key.span(), word);
                    None
                }
            }
        }
        _ => {
            section.fault(
                value.span(),
                "then must be an action: \"label\" or { divert = \"NAME\" }",
                None,
            );
            None
        }
    }
}

fn unknown_action(section: &Section<'_, '_>, at: std::ops::Range<usize>, word: &str) {
    if NEEDS_PROMPTS.contains(&word) {
        let message = format!("{word} needs the prompts component, which this build does not have");
        section.fault(at, message, None);
    } else {
        let message = format!(
            "no action is called {:?}; expected {}",
            shown(word),
            one_of(ACTIONS.iter().copied())
        );
        section.fault(at, message, closest(word, ACTIONS.iter().copied()));
    }
}

fn read_divert(
    section: &Section<'_, '_>,
    argument: &Spanned<DeValue<'_>>,
    queues: Option<&[String]>,
) -> Option<Action> {
    let DeValue::String(queue) = argument.get_ref() else {
        section.fault(argument.span(), "divert needs the name of a queue", None);
        return None;
    };
    if let Some(queues) = queues.filter(|queues| !queues.iter().any(|known| known == queue.as_ref())) {
        let suggestion = closest(queue, queues.iter().map(String::as_str));
        section.fault(
            argument.span(),
            format!("no queue is called {:?}", shown(queue)),
            suggestion,
        );
        return None;
    }
    Some(Action::Divert {
        queue: queue.to_string(),
    })
}

fn as_profile(profile: Profile) -> Action {
    Action::Refuse {
        status: profile.status(),
        profile: Some(profile),
    }
}

/// A status, or the name of a profile.
fn read_refuse(
    section: &Section<'_, '_>,
    argument: &Spanned<DeValue<'_>>,
    refusals: Refusals<'_>,
) -> Option<Action> {
    let status = match argument.get_ref() {
        DeValue::String(name) => return read_profile(section, argument.span(), name, refusals),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<u16>().ok(),
        _ => None,
    };
    if status == Some(607) {
        let message = "607 says that a person did not want the call (RFC 8197); a policy is no person. Write { refuse = \"unwanted\" }: it answers 607 to callers whom a person here has reported";
        section.fault(argument.span(), message, None);
        return None;
    }
    // 401 and 407 would ask the caller for a password, 408 and 487 say something else happened.
    let status =
        status.filter(|status| (400..700).contains(status) && ![401, 407, 408, 487].contains(status));
    if status.is_none() {
        let names = Profile::NAMED.iter().map(|profile| profile.name());
        let message = format!(
            "refuse needs a profile ({}) or a final SIP status from 400 to 699 (603, 608, 480, 403, ...), not 401, 407, 408 or 487",
            one_of(names)
        );
        section.fault(argument.span(), message, None);
    }
    status.map(|status| Action::Refuse {
        status,
        profile: None,
    })
}

fn read_profile(
    section: &Section<'_, '_>,
    at: std::ops::Range<usize>,
    name: &str,
    refusals: Refusals<'_>,
) -> Option<Action> {
    let Some(profile) = Profile::NAMED
        .iter()
        .copied()
        .find(|profile| profile.name() == name)
    else {
        let names = Profile::NAMED.iter().map(|profile| profile.name());
        let message = format!(
            "no refusal profile is called {:?}; expected {}",
            shown(name),
            one_of(names.clone())
        );
        section.fault(at, message, closest(name, names));
        return None;
    };
    if let Some(lacks) = refusals.and_then(|refusals| refusals(profile)) {
        section.fault(at, format!("refuse = {name:?} needs {lacks}"), None);
        return None;
    }
    Some(as_profile(profile))
}

const ACTIONS: &[&str] = &["deliver", "label", "divert", "refuse"];

/// Actions that speak to the caller; they are known by name so that a policy written for a later build says why it
/// does not load.
const NEEDS_PROMPTS: &[&str] = &["screen", "challenge", "whisper"];
