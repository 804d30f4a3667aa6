//! What a rule does: `then`, with the queue, the status or the profile it names.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::{Beside, Refusals};
use super::{Action, Announcement, Profile};
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
            "screen" => Some(Action::Screen),
            "challenge" => Some(Action::Challenge),
            "whisper" => Some(Action::Whisper),
            "end" => Some(Action::End),
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
            let beside_refuse = ["announce", "answer"];
            let is_beside = |key: &str| table.contains_key("refuse") && beside_refuse.contains(&key);
            let mut entries = table.iter().filter(|(key, _)| !is_beside(key.get_ref()));
            let (Some((key, argument)), None) = (entries.next(), entries.next()) else {
                section.fault(value.span(), "then names exactly one action", None);
                return None;
            };
            match key.get_ref().as_ref() {
                "divert" => read_divert(section, argument, beside.queues),
                "refuse" => {
                    let announce = read_announcement(section, table, beside)?;
                    let action = read_refuse(section, argument, beside.refusals)?;
                    Some(action.announcing(announce))
                }
                word @ ("deliver" | "label" | "screen" | "challenge" | "whisper" | "end") => {
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
    let message = format!(
        "no action is called {:?}; expected {}",
        shown(word),
        one_of(ACTIONS.iter().copied())
    );
    section.fault(at, message, closest(word, ACTIONS.iter().copied()));
}

/// `announce` and `answer` beside `refuse`. `None`: something is wrong with them, and was said.
fn read_announcement(
    section: &Section<'_, '_>,
    table: &DeTable<'_>,
    beside: &Beside<'_>,
) -> Option<Option<Announcement>> {
    let is_answered = match table.get("answer").map(|value| (value.get_ref(), value.span())) {
        None => false,
        Some((DeValue::Boolean(is_answered), at)) => {
            if !table.contains_key("announce") {
                section.fault(
                    at,
                    "answer says how something is announced: it needs announce = \"PROMPT\"",
                    None,
                );
                return None;
            }
            *is_answered
        }
        Some((_, at)) => {
            section.fault(at, "answer is true or false", None);
            return None;
        }
    };
    let Some(named) = table.get("announce") else {
        return Some(None);
    };
    let DeValue::String(prompt) = named.get_ref() else {
        section.fault(
            named.span(),
            "announce needs the name of a recording, such as \"refused\"",
            None,
        );
        return None;
    };
    if let Some(prompts) = beside
        .prompts
        .filter(|prompts| !prompts.iter().any(|known| known == prompt.as_ref()))
    {
        let message = format!("no recording is called {:?}", shown(prompt));
        section.fault(
            named.span(),
            message,
            closest(prompt, prompts.iter().map(String::as_str)),
        );
        return None;
    }
    Some(Some(Announcement {
        prompt: prompt.to_string(),
        is_answered,
    }))
}

impl Action {
    fn announcing(self, announcement: Option<Announcement>) -> Action {
        match self {
            Action::Refuse { status, profile, .. } => Action::Refuse {
                status,
                profile,
                announce: announcement,
            },
            other => other,
        }
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
        announce: None,
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
        announce: None,
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

const ACTIONS: &[&str] = &[
    "deliver",
    "label",
    "screen",
    "challenge",
    "divert",
    "refuse",
    "whisper",
    "end",
];
