//! `[[queue]]`: where calls go.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::{NUMBERS_MAX, PROBE_MAX, PROBE_MIN, QUEUES_MAX, TARGETS_MAX};
use super::read::{check_count, read_name};
use super::{Config, service, target};
use crate::accounts;
use crate::banner::Marks;
use crate::document::{Section, shown};
use crate::queue::{self, DEVICE, Decline, Overflow, PERSON, Reach, Redirects, Strategy};
use crate::registrar::is_device_name;

pub(super) fn read(root: &Section<'_, '_>) -> Vec<queue::Config> {
    let sections = root.sections("queue");
    check_count(root, "queue", &sections, QUEUES_MAX);
    let mut queues: Vec<queue::Config> = Vec::new();
    let skills = super::skills::read(root);
    for section in sections.iter().take(QUEUES_MAX) {
        let keys = [
            "name",
            "numbers",
            "strategy",
            "targets",
            "ring",
            "overflow",
            "marks",
            "probe",
            "follow_redirects",
            "decline",
            "transfer",
            "transfer_to",
            "srtp",
            "srtp_keys",
            "whisper",
            "hold_music",
        ];
        section.only(&[&keys, service::KEYS, super::skills::KEYS].concat());
        let name =
            read_name(section, |name| queues.iter().any(|queue| queue.name == name)).unwrap_or_default();
        let numbers = read_numbers(section, &queues);
        let strategy = section.choice(
            "strategy",
            &[
                ("ring-all", Strategy::RingAll),
                ("in-order", Strategy::InOrder),
                ("round-robin", Strategy::RoundRobin),
                ("longest-idle", Strategy::LongestIdle),
                ("fewest-calls", Strategy::FewestCalls),
                ("skill", Strategy::Skill),
            ],
        );
        let ring = section.duration("ring", Duration::from_secs(1)..=Duration::from_secs(600));
        let strategy = strategy.unwrap_or(Strategy::RingAll);
        let mut service = service::read(section);
        service.by_skill = super::skills::read_needs(section, (strategy, service.wait), &skills);
        queues.push(queue::Config {
            name,
            numbers,
            strategy,
            targets: read_targets(section),
            ring: ring.unwrap_or(super::RING),
            overflow: service::goes(section, "overflow").unwrap_or(Overflow::Reject),
            reach: read_reach(section),
            service,
        });
    }
    queues
}

/// How a queue's phones are reached.
fn read_reach(section: &Section<'_, '_>) -> Reach {
    let redirects = [
        ("targets", Redirects::Targets),
        ("any", Redirects::Any),
        ("off", Redirects::Off),
    ];
    let decline = [("phone", Decline::Phone), ("queue", Decline::Queue)];
    let is_off = section
        .value("probe")
        .is_some_and(|value| value.get_ref().as_str() == Some("off"));
    let probe = match is_off {
        true => None,
        false => section.duration("probe", PROBE_MIN..=PROBE_MAX),
    };
    Reach {
        probe,
        redirects: section.choice("follow_redirects", &redirects).unwrap_or_default(),
        decline: section.choice("decline", &decline).unwrap_or_default(),
    }
}

/// What a queue does not say is as in `[marks]`.
pub(super) fn marks(root: &Section<'_, '_>, config: &Config) -> BTreeMap<String, Marks> {
    let sections = root.sections("queue");
    let own = sections
        .iter()
        .zip(&config.queues)
        .filter_map(|(section, queue)| {
            let marks = super::marks::read(&section.section("marks")?, &config.marks);
            Some((queue.name.clone(), marks))
        });
    own.collect()
}

fn read_numbers(section: &Section<'_, '_>, others: &[queue::Config]) -> Vec<String> {
    let Some(written) = section.strings("numbers") else {
        return vec!["*".into()];
    };
    if written.is_empty() || written.len() > NUMBERS_MAX {
        let message = format!("numbers needs one to {NUMBERS_MAX} dialled numbers; \"*\" takes everything");
        section.fault(section.place("numbers"), message, None);
    }
    let mut numbers: Vec<String> = Vec::new();
    for value in written {
        let number = value.get;
        if !is_dialled_number(number) {
            let message = format!(
                "{:?} is no dialled number; expected +12125550100, a beginning such as +1212* or \"*\"",
                shown(number)
            );
            section.fault(value.at, message, None);
            continue;
        }
        let other = others
            .iter()
            .find(|other| other.numbers.iter().any(|known| known == number));
        if let Some(other) = other {
            section.fault(
                value.at,
                format!("{number:?} already belongs to queue {:?}", other.name),
                None,
            );
        } else if numbers.iter().any(|known| known == number) {
            section.fault(value.at, format!("{number:?} is listed twice"), None);
        } else {
            numbers.push(number.to_string());
        }
    }
    numbers
}

/// A number, its beginning with a `*` after it, or `*`.
pub(super) fn is_dialled_number(number: &str) -> bool {
    let digits = number.strip_suffix('*').unwrap_or(number);
    digits.len() <= 32
        && !number.is_empty()
        && digits
            .strip_prefix('+')
            .unwrap_or(digits)
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// A device can only be rung where it can register.
pub(super) fn check_devices(root: &Section<'_, '_>, config: &Config) {
    if config.registrar.is_some() {
        return;
    }
    let is_one = |target: &String| target.starts_with(DEVICE) || target.starts_with(PERSON);
    let of_device = |queue: &&queue::Config| queue.targets.iter().any(is_one);
    if let Some(queue) = config.queues.iter().find(of_device) {
        let message = format!(
            "queue {:?} rings a device or a person, and without [registrar] none can register",
            queue.name
        );
        root.fault(root.place("queue"), message, None);
    }
}

/// A device, a person or a SIP URI in its usual form.
pub(super) fn target_of(text: &str) -> Result<String, target::TargetFault> {
    match text.strip_prefix(DEVICE) {
        Some(name) if is_device_name(name) => Ok(text.to_string()),
        Some(_) => Err(target::TargetFault::Device),
        None => match text.strip_prefix(PERSON) {
            Some(name) if accounts::is_name(name) => Ok(text.to_string()),
            Some(_) => Err(target::TargetFault::Person),
            None => target::parse(text),
        },
    }
}

fn read_targets(section: &Section<'_, '_>) -> Vec<String> {
    let written = section.strings("targets").unwrap_or_default();
    if written.is_empty() || written.len() > TARGETS_MAX {
        let message =
            format!("targets needs one to {TARGETS_MAX} phones, such as \"sip:desk@10.0.0.5:5060\"");
        section.fault(section.place("targets"), message, None);
    }
    let mut targets: Vec<String> = Vec::new();
    for value in written.into_iter().take(TARGETS_MAX) {
        match target_of(value.get) {
            Ok(uri) if targets.contains(&uri) => {
                section.fault(value.at, format!("{:?} is listed twice", shown(value.get)), None);
            }
            Ok(uri) => targets.push(uri),
            Err(problem) => section.fault(value.at, format!("{:?}: {problem}", shown(value.get)), None),
        }
    }
    targets
}
