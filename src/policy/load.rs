//! A policy file into a [`Policy`]: every key checked, all faults at once.

use aws_lc_rs::digest;
use toml::Spanned;
use toml::de::DeValue;

use super::limits::{NAME_CHARS_MAX, REASON_CHARS_MAX, RULES_MAX, WEIGHT_TENTHS_MAX};
use super::{Action, Mode, Policy, Profile, Rule, check, wording};
use crate::document::{Document, Fault, Section, closest, one_of, shown};
use crate::screening::{Stage, Tag, Weights};

/// What each refusal profile lacks in the configuration, in words; `None` = nothing.
type Refusals<'r> = Option<&'r dyn Fn(Profile) -> Option<String>>;

/// The names a policy may use that stand in the configuration. `None`: not known here, and every one is taken.
#[derive(Clone, Copy)]
struct Beside<'r> {
    queues: Option<&'r [String]>,
    refusals: Refusals<'r>,
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
    root.only(&["policy", "weights", "thresholds", "rule", "banner"]);
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

const ACTIONS: &[&str] = &["deliver", "label", "divert", "refuse"];

/// Actions that speak to the caller; they are known by name so that a policy written for a later build says why it
/// does not load.
const NEEDS_PROMPTS: &[&str] = &["screen", "challenge", "whisper"];

fn read_action(section: &Section<'_, '_>, beside: Beside<'_>) -> Option<Action> {
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
mod tests {
    use super::*;

    /// All faults of a policy file, as printed.
    fn faults(text: &str) -> Vec<String> {
        let queues = ["front-desk".to_string(), "security".to_string()];
        let lacks = |profile| (profile == Profile::Rejected).then(|| "[refusal] key".to_string());
        match load("p.toml", text, Some(&queues), Some(&lacks)) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    fn check(rule: &str, expected: &str) {
        let text = format!("[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nreason = 'x'\n{rule}\n");
        let found = faults(&text).join("\n");
        if expected.is_empty() {
            assert_eq!(found, "", "{rule}");
        } else {
            assert!(
                found.contains(expected),
                "{rule}\nexpected {expected}\nfound    {found}"
            );
        }
    }

    fn condition(when: &str, expected: &str) {
        check(&format!("then = 'label'\nwhen = \"\"\"{when}\"\"\""), expected);
    }

    #[test]
    fn conditions_that_fit_the_schema_load() {
        for when in [
            "true",
            "identity.standing == 'verified' && identity.attestation == 'A'",
            "'TOKEN_REUSED' in tags || !('KNOWN_CALLER' in tags)",
            "score >= 3.0 && voice.llr < 0 && history.calls_before == 0",
            "caller.number.startsWith('+1900') || caller.name.contains('bank') || called.queue.endsWith('desk')",
            "identity.attestation in ['B', 'C'] && size(caller.name) > 20 && tags.size() > 3",
            "(caller.hidden ? 2 : 1) * history.calls_last_hour - 1 > -5",
            "stage != 'live' && label == 'unproven' && number_light != 'forged' && voice_light == 'person'",
            "history.calls_last_hour in [1, 2, 3] && 1.5 in [voice.llr]",
        ] {
            condition(when, "");
        }
    }

    #[test]
    fn a_wrong_name_says_where_and_what_was_meant() {
        condition(
            "identity.standng == 'verified'",
            "p.toml:7:11: no fact is called \"identity.standng\" (did you mean identity.standing?)",
        );
        condition(
            "true && caller.hiden",
            "p.toml:7:19: no fact is called \"caller.hiden\" (did you mean caller.hidden?)",
        );
        condition(
            "call.number == ''",
            "no fact is called \"call.number\" (did you mean called.number?)",
        );
        condition(
            "'TOKEN_REUSD' in tags",
            "no tag is called \"TOKEN_REUSD\" (did you mean TOKEN_REUSED?)",
        );
        condition("identity.standing == 'verifed'", "(did you mean verified?)");
        condition(
            "'verified' == identity.standin",
            "(did you mean identity.standing?)",
        );
        condition(
            "identity.attestation in ['A', 'D']",
            "\"D\" never happens here; expected \"A\", \"B\", \"C\" or \"\"",
        );
        condition("caller.number.startWith('+1')", "(did you mean startsWith?)");
    }

    #[test]
    fn a_wrong_type_is_a_fault_at_load() {
        condition("score", "a condition must be true or false; this is a double");
        condition("score == '3'", "\"==\" does not compare a double with a string");
        condition("caller.hidden == 'yes'", "does not compare a bool with a string");
        condition(
            "caller.hidden && score",
            "\"&&\" needs true or false here, not a double",
        );
        condition("!caller.number", "\"!\" needs true or false here");
        condition("score + 1 > 2.0", "write whole numbers as 2.0");
        condition("stage < 'live'", "does not compare");
        condition("stage == label", "does not compare");
        condition("tags == 'TOKEN_REUSED'", "ask for a tag with 'TAG' in tags");
        condition(
            "tags.contains('TOKEN_REUSED')",
            "ask for a tag with 'TAG' in tags",
        );
        condition("caller.number in tags", "the name of a tag in quotes");
        condition("score in []", "empty list");
        condition("1 in ['a']", "this list is searched for a int");
        condition("score.startsWith('3')", "startsWith() works on strings");
        condition("true ? 1 : 'a'", "both answers");
    }

    #[test]
    fn what_is_outside_our_part_of_cel_says_so() {
        condition("tags.exists(t, t == 'X')", "not part of policy conditions");
        condition("has(caller.number)", "has() is not needed");
        condition(
            "caller.number.matches('^.*$')",
            "regular expressions are not part",
        );
        condition("{'a': 1} == {'a': 1}", "maps and messages");
        condition("tags[0] == 'X'", "not with brackets");
        condition("caller.number == null", "no fact is ever null");
        condition("[1] == [1]", "a list may only stand right of");
        condition("1u == 1u", "without \"u\"");
        condition("nothing(1)", "no function is called \"nothing\"");
    }

    #[test]
    fn broken_and_oversized_conditions_give_one_bounded_fault() {
        condition("score >", "not a CEL condition");
        condition("", "when is empty");
        condition(&"(".repeat(1500), "not a CEL condition");
        condition(&format!("{}true{}", "!(".repeat(40), ")".repeat(40)), "too large");
        condition(&format!("true{}", " && true".repeat(240)), "too large");
        condition(&"x".repeat(3000), "3000 octets; at most 2000");
    }

    #[test]
    fn actions_are_checked_with_their_arguments() {
        let then = |then: &str, expected: &str| check(&format!("when = 'true'\nthen = {then}"), expected);
        then("'deliver'", "");
        then("'refuse'", "");
        then("{ refuse = 603 }", "");
        then("{ divert = 'security' }", "");
        then(
            "{ divert = 'securty' }",
            "no queue is called \"securty\" (did you mean security?)",
        );
        then("'divert'", "divert needs its queue");
        then("{ refuse = 200 }", "from 400 to 699");
        then("{ refuse = 407 }", "from 400 to 699");
        then("{ refuse = 607 }", "a policy is no person");
        then("{ refuse = 'network-blocked' }", "");
        then("{ refuse = 'unwanted' }", "");
        then(
            "{ refuse = 'rejected' }",
            "refuse = \"rejected\" needs [refusal] key",
        );
        then("{ refuse = 'networkblocked' }", "(did you mean network-blocked?)");
        then("{ refuse = 'configured' }", "no refusal profile is called");
        then("'lable'", "(did you mean label?)");
        then("3", "then must be an action");
        then("{ divert = 'security', refuse = 608 }", "exactly one action");
        for action in ["screen", "challenge", "whisper"] {
            let expected = format!("{action} needs the prompts component, which this build does not have");
            then(&format!("'{action}'"), &expected);
            then(&format!("{{ {action} = 'x' }}"), &expected);
        }
    }

    #[test]
    fn a_talking_call_cannot_be_sent_away() {
        check(
            "when = 'true'\nthen = 'refuse'\nstage = ['live']",
            "already talking",
        );
        check("when = 'true'\nthen = 'label'\nstage = 'live'", "");
        check(
            "when = 'true'\nthen = 'label'\nstage = ['arive']",
            "(did you mean arrive?)",
        );
        check("when = 'true'\nthen = 'label'\nstage = []", "at least one stage");
    }

    #[test]
    fn weights_are_exact_tenths() {
        for (written, expected) in [
            ("1.2", Some(12)),
            ("-0.5", Some(-5)),
            ("3", Some(30)),
            ("0.30", Some(3)),
            ("+7.0", Some(70)),
            ("-0", Some(0)),
        ] {
            assert_eq!(tenths(written), expected, "{written}");
        }
        for written in ["1.25", "1e1", "inf", "nan", ".5", "1.", "", "-", "12345678"] {
            assert_eq!(tenths(written), None, "{written}");
        }
        let found = faults(
            "[policy]\nname = 'p'\n[weights]\nNO_IDENTITY = 0.25\nNO_IDENTTY = 1\nDIVERTED = 100.1\nFIRST_CALL = '1'\n",
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[1].contains("(did you mean NO_IDENTITY?)"));
    }

    #[test]
    fn all_faults_come_at_once_in_the_order_of_the_file() {
        let text = "
[policy]
nme = 'x'
[thresholds]
suspect = 0
[[rule]]
id = 'a b'
when = 'scor > 1 && caller.hidden == 3'
then = 'screen'
mode = 'shadw'
[[rule]]
id = 'b'
[rules]
[banner]
forged = 'FORGED NUMBER!'
genuine = 'SAFE'
[banner.say]
known = 'hm'
knwn = 'x'
";
        let found = faults(text);
        let expected = [
            "2:1: [policy] needs \"name\"",
            "3:1: unknown key \"nme\" in [policy] (did you mean name?)",
            "5:11: suspect must be above 0",
            "6:1: [[rule]] needs \"reason\"",
            "7:6: id is \"a b\"",
            "8:9: no fact is called \"scor\" (did you mean score?)",
            "8:21: \"==\" does not compare a bool with a int",
            "9:8: screen needs the prompts component",
            "10:8: mode is \"shadw\"",
            "11:1: [[rule]] needs \"when\"",
            "11:1: [[rule]] needs \"reason\"",
            "11:1: [[rule]] needs \"then\"",
            "13:2: unknown key \"rules\" in the file (did you mean rule?)",
            "15:10: forged has 14 characters; at most 12",
            "16:11: a banner never says \"safe\"",
            "19:1: unknown key \"knwn\" in [say] (did you mean known?)",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                found.starts_with(&format!("p.toml:{expected}")),
                "expected {expected}\nfound {found}"
            );
        }
    }

    #[test]
    fn a_second_rule_of_the_same_name_is_a_fault() {
        let rule = "[[rule]]\nid = 'r'\nwhen = 'true'\nthen = 'label'\nreason = 'x'\n";
        let found = faults(&format!("[policy]\nname = 'p'\n{rule}{rule}"));
        assert_eq!(found, ["p.toml:9:6: a second rule is called \"r\""]);
    }

    #[test]
    fn too_many_rules_are_refused_with_their_bound() {
        let mut text = "[policy]\nname = 'p'\n".to_string();
        for n in 0..=RULES_MAX {
            text += &format!("[[rule]]\nid = 'r{n}'\nwhen = 'true'\nthen = 'label'\nreason = 'x'\n");
        }
        assert!(faults(&text).join("").contains("more than 1000 rules"));
    }

    #[test]
    fn rubbish_is_refused_and_never_panics() {
        for text in [
            "",
            "\0",
            "[",
            "[[rule]]",
            "rule = 3",
            "policy = 'x'",
            "[policy]\nname = 3",
            "\u{feff}[policy]\nname='p'\n=",
        ] {
            assert!(!faults(text).is_empty(), "{text:?}");
        }
    }
}
