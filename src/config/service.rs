//! How callers wait in a queue, how its people rest, and when it is open.

use std::time::Duration;

use super::Config;
use crate::document::{Section, closest, shown};
use crate::queue::{self, Closed, Overflow, Patience, Service};

/// What stands before the name of a recording where a call would go.
const SAY: &str = "say:";

/// Keys of `[[queue]]` that are read here.
pub(super) const KEYS: &[&str] = &[
    "wrap_up",
    "no_answer",
    "no_answer_pause",
    "wait",
    "music",
    "announce",
    "order",
    "hours",
    "closed",
    "drills",
];

const WRAP_UPS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);
const PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(12 * 3_600);
const PAUSE: Duration = Duration::from_secs(120);
const WAITS: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(3_600);
const ANNOUNCES: std::ops::RangeInclusive<Duration> = Duration::from_secs(15)..=Duration::from_secs(600);
/// A caller who is not answered is given up by carriers after three minutes.
const UNANSWERED: Duration = Duration::from_secs(170);

pub(super) fn read(section: &Section<'_, '_>) -> Service {
    let times = section.integer("no_answer", 1..=100).unwrap_or(0);
    let pause = section.duration("no_answer_pause", PAUSES);
    if pause.is_some() && times == 0 {
        let message = "no_answer_pause goes with no_answer: how often a phone may ring in vain";
        section.fault(section.place("no_answer_pause"), message, None);
    }
    let wait = section.duration("wait", WAITS);
    let has_music = section.boolean("music").unwrap_or(false);
    let announce = section.duration("announce", ANNOUNCES);
    if has_music && wait.is_none() {
        let message = "music is for callers who wait: say how long, such as wait = \"5m\"";
        section.fault(section.place("music"), message, None);
    }
    if announce.is_some() && !has_music {
        let message = "only callers who are answered hear where they stand: announce needs music = true";
        section.fault(section.place("announce"), message, None);
    }
    if !has_music && wait.is_some_and(|wait| wait > UNANSWERED) {
        let message = "whoever is not answered waits for 170s at most: carriers give up after three minutes. \
                       With music = true the caller is answered";
        section.fault(section.place("wait"), message, None);
    }
    let hours = crate::policy::read_hours(section);
    if hours.is_none() && section.value("closed").is_some() && section.value("hours").is_none() {
        let message = "closed says where calls go outside of [queue.hours], and there are none";
        section.fault(section.place("closed"), message, None);
    }
    Service {
        wrap_up: section.duration("wrap_up", WRAP_UPS).unwrap_or_default(),
        patience: Patience {
            times: times as u32,
            pause: pause.unwrap_or(PAUSE),
        },
        wait,
        has_music,
        announce,
        drills: section.boolean("drills").unwrap_or(false),
        by_skill: queue::BySkill::default(),
        is_by_trust: section
            .choice("order", &[("arrival", false), ("trust", true)])
            .unwrap_or(false),
        closed: hours.map(|hours| Closed {
            hours,
            to: goes(section, "closed").unwrap_or(Overflow::Say("out-of-hours".into())),
        }),
    }
}

/// `reject`, `say:RECORDING`, the name of a queue, or a number outside.
pub(super) fn goes(section: &Section<'_, '_>, key: &str) -> Option<Overflow> {
    let value = section.string(key)?;
    if let Some(number) = number(value.get) {
        let is_number = (7..=15).contains(&number.len()) && !number.starts_with('0');
        if !is_number || !number.bytes().all(|octet| octet.is_ascii_digit()) {
            let message = format!(
                "{:?} is no number that can be called; expected \"+442071234567\" or \"tel:+442071234567\"",
                shown(value.get)
            );
            section.fault(value.at, message, None);
            return None;
        }
        if key != "overflow" {
            let message = format!("{key} takes no number; name a queue here that overflows to it");
            section.fault(value.at, message, None);
            return None;
        }
        return Some(Overflow::Outside(format!("+{number}")));
    }
    Some(match value.get.strip_prefix(SAY) {
        Some(prompt) => Overflow::Say(prompt.to_string()),
        None if value.get == "reject" => Overflow::Reject,
        None => Overflow::Queue(value.get.to_string()),
    })
}

/// What stands behind the `+` of a number outside; None = this is none.
fn number(text: &str) -> Option<&str> {
    let written = text.strip_prefix("tel:").unwrap_or(text);
    match written.strip_prefix('+') {
        None if written != text => Some(""),
        number => number,
    }
}

/// Queues are there that calls would go to, and so are recordings. `root`: once everything is read.
pub(super) fn check(root: &Section<'_, '_>, config: &Config) {
    let prompts = crate::prompts::names(&config.prompts);
    for (section, queue) in root.sections("queue").iter().zip(&config.queues) {
        check_one(section, "overflow", &queue.overflow, queue, (config, &prompts));
        if let Some(closed) = &queue.service.closed {
            check_one(section, "closed", &closed.to, queue, (config, &prompts));
        }
    }
}

fn check_one(
    section: &Section<'_, '_>,
    key: &str,
    goes: &Overflow,
    own: &queue::Config,
    (config, prompts): (&Config, &[String]),
) {
    let place = section.place(key);
    match goes {
        // Which number may be called is looked at where all is read (`outbound::check_overflow`).
        Overflow::Reject | Overflow::Outside(_) => {}
        Overflow::Say(prompt) if prompts.contains(prompt) => {}
        Overflow::Say(prompt) => {
            let message = format!("no recording is called {:?}", shown(prompt));
            section.fault(
                place,
                message,
                closest(prompt, prompts.iter().map(String::as_str)),
            );
        }
        Overflow::Queue(name) if *name == own.name => {
            section.fault(place, "a queue cannot overflow into itself", None);
        }
        Overflow::Queue(name) if config.queues.iter().any(|queue| queue.name == *name) => {}
        Overflow::Queue(name) => {
            let names = config.queues.iter().map(|queue| queue.name.as_str());
            section.fault(
                place,
                format!("no queue is called {:?}", shown(name)),
                closest(name, names.chain(["reject"])),
            );
        }
    }
}
