//! A policy file into a [`Policy`]: every key checked, all faults at once.

use aws_lc_rs::digest;
use toml::Spanned;
use toml::de::DeValue;

use super::limits::{NAME_CHARS_MAX, REASON_CHARS_MAX, RULES_MAX, WEIGHT_TENTHS_MAX};
use super::load_action::read_action;
use super::{Action, Mode, Policy, Profile, Rule, check, wording};
use crate::document::{Document, Fault, Section, closest, one_of, shown};
use crate::screening::{Stage, Tag, Weights};

/// What each refusal profile lacks in the configuration, in words; `None` = nothing.
pub(super) type Refusals<'r> = Option<&'r dyn Fn(Profile) -> Option<String>>;

/// The names a policy may use that stand in the configuration. `None`: not known here, and every one is taken.
#[derive(Clone, Copy)]
pub(super) struct Beside<'r> {
    pub(super) queues: Option<&'r [String]>,
    pub(super) refusals: Refusals<'r>,
}

/// From which sum a call is suspect when the policy does not say.
const SUSPECT_TENTHS: i32 = 30;

/// `queues`, `refusals` None: the names are not known here and every one is taken.
pub(super) fn load(
    file: &str,
    text: &str,
    queues: Option<&[String]>,
    refusals: Refusals<'_>,
) -> Result<Policy, Vec<Fault>> {
    let document = Document::new(file, text);
    let table = document.table();
    let policy = read(
        &Section::root(&document, &table),
        text,
        Beside { queues, refusals },
    );
    drop(table);
    if document.has_faults() {
        Err(document.into_faults())
    } else {
        Ok(policy)
    }
}

fn read(root: &Section<'_, '_>, text: &str, beside: Beside<'_>) -> Policy {
    root.only(&[
        "policy",
        "weights",
        "thresholds",
        "rule",
        "banner",
        "second_opinion",
    ]);
    let name = match root.section("policy") {
        Some(section) => {
            section.only(&["name", "description"]);
            section.string("description");
            read_name(&section, "name").unwrap_or_default()
        }
        None => {
            root.fault(0..0, "a policy begins with [policy] and its name", None);
            String::new()
        }
    };
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .take(4)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    Policy {
        revision: format!("{name}@{hash}"),
        weights: read_weights(root),
        suspect_at: read_thresholds(root),
        rules: read_rules(root, beside),
        wording: wording::read(root),
        second_opinion: read_second_opinion(root),
        name,
    }
}

fn read_weights(root: &Section<'_, '_>) -> Weights {
    let mut weights = Weights::new();
    let Some(section) = root.section("weights") else {
        return weights;
    };
    for (key, value) in section.entries() {
        let Ok(tag) = key.get.parse::<Tag>() else {
            let suggestion = closest(key.get, Tag::ALL.iter().map(|tag| tag.name()));
            section.fault(
                key.at,
                format!("no tag is called {:?}", shown(key.get)),
                suggestion,
            );
            continue;
        };
        if let Some(tenths) = read_tenths(&section, key.get, value) {
            weights.insert(tag, tenths);
        }
    }
    weights
}

/// Without the section the calls that the voice is unsure of, and those nobody knows, are worth it.
fn read_second_opinion(root: &Section<'_, '_>) -> Vec<Tag> {
    let Some(section) = root.section("second_opinion") else {
        return vec![
            Tag::ReportedScam,
            Tag::VoiceSpoofLikely,
            Tag::FirstCall,
            Tag::VoiceUnsure,
        ];
    };
    section.only(&["order"]);
    let mut order: Vec<Tag> = Vec::new();
    for name in section.strings("order").unwrap_or_default() {
        match name.get.parse::<Tag>() {
            Ok(tag) if order.contains(&tag) => {
                section.fault(name.at, format!("{tag} stands here twice"), None);
            }
            Ok(tag) => order.push(tag),
            Err(_) => {
                let suggestion = closest(name.get, Tag::ALL.iter().map(|tag| tag.name()));
                let message = format!("no tag is called {:?}", shown(name.get));
                section.fault(name.at, message, suggestion);
            }
        }
    }
    order
}

fn read_thresholds(root: &Section<'_, '_>) -> i32 {
    let Some(section) = root.section("thresholds") else {
        return SUSPECT_TENTHS;
    };
    section.only(&["suspect"]);
    let Some(value) = section.value("suspect") else {
        return SUSPECT_TENTHS;
    };
    match read_tenths(&section, "suspect", value) {
        Some(tenths) if tenths > 0 => tenths,
        Some(_) => {
            section.fault(
                value.span(),
                "suspect must be above 0: a call nothing is known of is not suspect",
                None,
            );
            SUSPECT_TENTHS
        }
        None => SUSPECT_TENTHS,
    }
}

/// Reads the digits as written: a binary fraction would make sums inexact.
fn read_tenths(section: &Section<'_, '_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<i32> {
    let written = match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => {
            section.fault(value.span(), format!("{key} must be a number such as 1.5"), None);
            return None;
        }
    };
    let tenths = tenths(written).filter(|tenths| tenths.abs() <= WEIGHT_TENTHS_MAX);
    if tenths.is_none() {
        let most = WEIGHT_TENTHS_MAX / 10;
        let message = format!(
            "{key} is {}; expected a number from -{most} to {most} with one decimal",
            shown(written)
        );
        section.fault(value.span(), message, None);
    }
    tenths
}

fn tenths(written: &str) -> Option<i32> {
    let (sign, digits) = match written.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain =
        |part: &str| !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
    let decimal = decimals.trim_end_matches('0');
    if !is_plain(whole) || !is_plain(decimals) || decimal.len() > 1 {
        return None;
    }
    let whole: i32 = whole.parse().ok()?;
    let decimal: i32 = if decimal.is_empty() {
        0
    } else {
        decimal.parse().ok()?
    };
    Some(sign * (whole * 10 + decimal))
}

fn read_rules(root: &Section<'_, '_>, beside: Beside<'_>) -> Vec<Rule> {
    let sections = root.sections("rule");
    if let Some(first) = sections.get(RULES_MAX) {
        first.fault(first.at.clone(), format!("more than {RULES_MAX} rules"), None);
    }
    let mut rules: Vec<Rule> = Vec::new();
    for section in sections.iter().take(RULES_MAX) {
        let Some(rule) = read_rule(section, beside) else {
            continue;
        };
        if rules.iter().any(|known| known.id == rule.id) {
            section.fault(
                section.place("id"),
                format!("a second rule is called {:?}", rule.id),
                None,
            );
        }
        rules.push(rule);
    }
    rules
}

fn read_rule(section: &Section<'_, '_>, beside: Beside<'_>) -> Option<Rule> {
    section.only(&["id", "when", "then", "reason", "mode", "stage"]);
    let id = read_name(section, "id");
    let when = section.required_string("when");
    let when = when.and_then(|written| {
        Some((
            written.get.to_string(),
            check::condition(section.document, &written)?,
        ))
    });
    let reason = section.required_string("reason").and_then(|reason| {
        let is_short = reason.get.chars().count() <= REASON_CHARS_MAX && !reason.get.contains('\n');
        if !is_short {
            section.fault(
                reason.at,
                format!("reason must be one line of at most {REASON_CHARS_MAX} characters"),
                None,
            );
        }
        is_short.then(|| reason.get.to_string())
    });
    let mode = match section.value("mode") {
        None => Some(Mode::Enforce),
        Some(_) => section.choice(
            "mode",
            &[
                ("enforce", Mode::Enforce),
                ("shadow", Mode::Shadow),
                ("off", Mode::Off),
            ],
        ),
    };
    let then = read_action(section, beside);
    let stages = read_stages(section, then.as_ref());
    let (source, condition) = when?;
    Some(Rule {
        id: id?,
        source,
        condition,
        then: then?,
        reason: reason?,
        mode: mode?,
        stages: stages?,
    })
}

/// A short name of letters, digits, `-`, `_` and `.`: it is printed in records and headers.
fn read_name(section: &Section<'_, '_>, key: &str) -> Option<String> {
    let value = section.required_string(key)?;
    let name = value.get;
    let is_plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_plain || name.chars().count() > NAME_CHARS_MAX {
        let message = format!(
            "{key} is {:?}; expected at most {NAME_CHARS_MAX} letters, digits, \"-\", \"_\" and \".\"",
            shown(name)
        );
        section.fault(value.at, message, None);
        return None;
    }
    Some(name.to_string())
}

fn read_stages(section: &Section<'_, '_>, then: Option<&Action>) -> Option<Vec<Stage>> {
    // A call that people are already talking on can be labelled, not sent away.
    let is_gate = matches!(then, Some(Action::Divert { .. } | Action::Refuse { .. }));
    let Some(value) = section.value("stage") else {
        let all = Stage::ALL.iter().copied();
        return Some(all.filter(|stage| !is_gate || *stage != Stage::Live).collect());
    };
    let written = match value.get_ref() {
        DeValue::String(_) => section.string("stage").into_iter().collect(),
        _ => section.strings("stage")?,
    };
    let mut stages = Vec::new();
    for word in written {
        match Stage::ALL.iter().find(|stage| stage.name() == word.get) {
            Some(Stage::Live) if is_gate => {
                section.fault(
                    word.at,
                    "a call that is already talking cannot be diverted or refused",
                    None,
                );
            }
            Some(stage) => stages.push(*stage),
            None => {
                let names = Stage::ALL.iter().map(|stage| stage.name());
                let message = format!(
                    "no stage is called {:?}; expected {}",
                    shown(word.get),
                    one_of(names.clone())
                );
                section.fault(word.at, message, closest(word.get, names));
            }
        }
    }
    if stages.is_empty() {
        section.fault(
            value.span(),
            "a rule needs at least one stage; leave the key out for all",
            None,
        );
        return None;
    }
    Some(stages)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
