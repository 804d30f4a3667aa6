//! A policy file into a [`Policy`]: every key checked, all faults at once.

use aws_lc_rs::digest;
use toml::Spanned;
use toml::de::DeValue;

use super::limits::{NAME_CHARS_MAX, REASON_CHARS_MAX, RULES_MAX, VARIANTS_MAX, WEIGHT_TENTHS_MAX};
use super::load_action::read_action;
use super::scope::Scope;
use super::{Action, Mode, Policy, Profile, Rule, Variant, budget, check, hours, own, reach, scope, wording};
use crate::document::{Document, Fault, Section, Value, closest, one_of, shown};
use crate::screening::{Stage, Tag, Weights};

/// What each refusal profile lacks in the configuration, in words; `None` = nothing.
pub type Refusals<'r> = Option<&'r dyn Fn(Profile) -> Option<String>>;

/// What stands beside a policy in the configuration. `None`: not known here, and everything is taken.
#[derive(Clone, Copy, Default)]
pub struct Beside<'r> {
    /// Names of the queues: for `divert`, and for what holds for some queues only.
    pub queues: Option<&'r [String]>,
    /// Names of the trunks.
    pub trunks: Option<&'r [String]>,
    /// What each refusal profile lacks in `[refusal]`, in words; `None` = nothing.
    pub refusals: Refusals<'r>,
    /// A voice model is configured.
    pub is_voice_on: Option<bool>,
    /// Names of the recordings, for `announce`.
    pub prompts: Option<&'r [String]>,
}

/// From which sum a call is suspect when the policy does not say.
const SUSPECT_TENTHS: i32 = 30;

pub(super) fn load(file: &str, text: &str, beside: &Beside<'_>) -> Result<Policy, Vec<Fault>> {
    let document = Document::new(file, text);
    let table = document.table();
    let mut policy = read(&Section::root(&document, &table), text, beside);
    drop(table);
    if document.has_faults() {
        return Err(document.into_faults());
    }
    policy.warnings = document.take_warnings();
    Ok(policy)
}

const SECTIONS: &[&str] = &[
    "policy",
    "weights",
    "thresholds",
    "where",
    "hours",
    "own",
    "budget",
    "rule",
    "banner",
    "second_opinion",
];

fn read(root: &Section<'_, '_>, text: &str, beside: &Beside<'_>) -> Policy {
    root.only(SECTIONS);
    let mut description = String::new();
    let name = match root.section("policy") {
        Some(section) => {
            section.only(&["name", "description"]);
            if let Some(given) = section.string("description") {
                description = given.get.chars().take(REASON_CHARS_MAX).collect();
            }
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
    let weights = read_weights(root);
    let suspect_at = read_thresholds(root);
    let hours = hours::read(root);
    // A zone that is not known is a fault already: what asks for the time is none.
    let sources = check::Sources {
        has_hours: root.value("hours").is_some(),
        is_voice_on: beside.is_voice_on,
    };
    let budget = budget::read(root);
    let rules = read_rules(root, beside, sources);
    let refuses = |rule: &Rule| rule.mode == Mode::Enforce && rule.then.sends_away();
    if budget.is_none() && root.value("budget").is_none() && rules.iter().any(refuses) {
        let message =
            "this policy refuses calls and states no [budget]: it is not taken back when it refuses too many";
        root.document.warn(root.place("rule"), message);
    }
    Policy {
        revision: format!("{name}@{hash}"),
        variants: read_variants(root, beside, sources, &weights, suspect_at),
        weights,
        suspect_at,
        hours,
        own: own::read(root),
        budget,
        rules,
        wording: wording::read(root, beside.queues),
        second_opinion: read_second_opinion(root),
        name,
        description,
        warnings: Vec::new(),
    }
}

/// `[[where]]`: other weights and another threshold for some calls. What one does not name is as everywhere.
fn read_variants(
    root: &Section<'_, '_>,
    beside: &Beside<'_>,
    sources: check::Sources,
    weights: &Weights,
    suspect_at: i32,
) -> Vec<Variant> {
    let sections = root.sections("where");
    if let Some(first) = sections.get(VARIANTS_MAX) {
        first.fault(
            first.at.clone(),
            format!("more than {VARIANTS_MAX} [[where]]"),
            None,
        );
    }
    let mut variants: Vec<Variant> = Vec::new();
    for section in sections.iter().take(VARIANTS_MAX) {
        section.only(&["queue", "trunk", "hours", "suspect", "weights"]);
        let scope = scope::read(section, beside, sources.has_hours);
        if scope == Scope::default() {
            let message = "[[where]] needs a queue, a trunk or hours; what holds everywhere stands in [weights] and [thresholds]";
            section.fault(section.at.clone(), message, None);
        }
        if variants.iter().any(|above| above.scope.contains(&scope)) {
            let message = "this [[where]] is never used: one above it covers the same calls";
            section.fault(section.at.clone(), message, None);
        }
        let mut own_weights = weights.clone();
        own_weights.extend(read_weights(section));
        variants.push(Variant {
            scope,
            weights: own_weights,
            suspect_at: read_suspect(section).unwrap_or(suspect_at),
        });
    }
    variants
}

/// The tag that is named here; a name that none has is a fault.
pub(super) fn read_tag(section: &Section<'_, '_>, name: &Value<'_, str>) -> Option<Tag> {
    let tag = name.get.parse::<Tag>().ok();
    if tag.is_none() {
        let suggestion = closest(name.get, Tag::ALL.iter().map(|tag| tag.name()));
        let message = format!("no tag is called {:?}", shown(name.get));
        section.fault(name.at.clone(), message, suggestion);
    }
    tag
}

fn read_weights(root: &Section<'_, '_>) -> Weights {
    let mut weights = Weights::new();
    let Some(section) = root.section("weights") else {
        return weights;
    };
    for (key, value) in section.entries() {
        let Some(tag) = read_tag(&section, &key) else {
            continue;
        };
        if let Some(tenths) = read_tenths(&section, key.get, value) {
            weights.insert(tag, tenths);
        }
    }
    weights
}

/// Without the section every call is worth it but those whose number is proven and known and whose voice shows no sign of
/// synthesis: as in `policies/default.toml`.
const SECOND_OPINION: &[Tag] = &[
    Tag::ReportedScam,
    Tag::VoiceSpoofLikely,
    Tag::IdentityForged,
    Tag::TokenReused,
    Tag::CarrierFailed,
    Tag::OwnNumberClaimed,
    Tag::OwnNameClaimed,
    Tag::NameImitatesLabel,
    Tag::FirstCall,
    Tag::CallerHidden,
    Tag::NumberMalformed,
    Tag::VoiceUnsure,
    Tag::IdentityStale,
    Tag::IdentityUntrusted,
    Tag::IdentityFailed,
    Tag::DivertedUnverified,
    Tag::NoIdentity,
    Tag::CertificateUnavailable,
    Tag::IdentityVerifiedC,
    Tag::IdentityVerifiedPlain,
    Tag::IdentityVerifiedB,
    Tag::HistoryUnavailable,
];

fn read_second_opinion(root: &Section<'_, '_>) -> Vec<Tag> {
    let Some(section) = root.section("second_opinion") else {
        return SECOND_OPINION.to_vec();
    };
    section.only(&["order"]);
    let mut order: Vec<Tag> = Vec::new();
    for name in section.strings("order").unwrap_or_default() {
        match read_tag(&section, &name) {
            Some(tag) if order.contains(&tag) => {
                section.fault(name.at, format!("{tag} stands here twice"), None);
            }
            Some(tag) => order.push(tag),
            None => {}
        }
    }
    order
}

fn read_thresholds(root: &Section<'_, '_>) -> i32 {
    let Some(section) = root.section("thresholds") else {
        return SUSPECT_TENTHS;
    };
    section.only(&["suspect"]);
    read_suspect(&section).unwrap_or(SUSPECT_TENTHS)
}

fn read_suspect(section: &Section<'_, '_>) -> Option<i32> {
    let value = section.value("suspect")?;
    let tenths = read_tenths(section, "suspect", value)?;
    if tenths <= 0 {
        section.fault(
            value.span(),
            "suspect must be above 0: a call nothing is known of is not suspect",
            None,
        );
        return None;
    }
    Some(tenths)
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

fn read_rules(root: &Section<'_, '_>, beside: &Beside<'_>, sources: check::Sources) -> Vec<Rule> {
    let sections = root.sections("rule");
    if let Some(first) = sections.get(RULES_MAX) {
        first.fault(first.at.clone(), format!("more than {RULES_MAX} rules"), None);
    }
    let mut rules: Vec<Rule> = Vec::new();
    for section in sections.iter().take(RULES_MAX) {
        let Some(rule) = read_rule(section, beside, sources) else {
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
        if let Some(obstacle) = reach::obstacle(&rules, rules.len() - 1) {
            section.fault(section.place("when"), obstacle, None);
        }
    }
    rules
}

fn read_rule(section: &Section<'_, '_>, beside: &Beside<'_>, sources: check::Sources) -> Option<Rule> {
    section.only(&[
        "id", "when", "then", "reason", "mode", "stage", "queue", "trunk", "hours",
    ]);
    let id = read_name(section, "id");
    let when = section.required_string("when");
    let when = when.and_then(|written| {
        Some((
            written.get.to_string(),
            check::condition(section.document, &written, sources)?,
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
    let scope = scope::read(section, beside, sources.has_hours);
    let (source, condition) = when?;
    Some(Rule {
        id: id?,
        source,
        condition,
        then: then?,
        reason: reason?,
        mode: mode?,
        stages: stages?,
        scope,
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
    let Some(value) = section.value("stage") else {
        // What a rule does in the middle of a call is asked for in so many words.
        let is_gate = matches!(
            then,
            Some(Action::Challenge | Action::Divert { .. } | Action::Screen | Action::Refuse { .. })
        );
        let possible = then.map_or(Stage::ALL, Action::stages).iter().copied();
        return Some(
            possible
                .filter(|stage| !is_gate || *stage != Stage::Live)
                .collect(),
        );
    };
    let written = match value.get_ref() {
        DeValue::String(_) => section.string("stage").into_iter().collect(),
        _ => section.strings("stage")?,
    };
    let mut stages = Vec::new();
    for word in written {
        match Stage::ALL.iter().find(|stage| stage.name() == word.get) {
            Some(stage) if then.is_some_and(|then| !then.stages().contains(stage)) => {
                let message = match stage {
                    Stage::Live => {
                        "a call that is already talking cannot be screened or refused; it can be challenged, diverted, whispered about, or ended (then = \"end\")"
                    }
                    _ => {
                        "only a call that is already talking can be whispered about or ended: stage = \"live\""
                    }
                };
                section.fault(word.at, message, None);
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
