//! The rules of alarms: a TOML file, checked as policies are, every fault with its line and column.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::limits::{AGAIN, AT_LEAST, NAME_MAX, QUIET_MAX, RULES_MAX, TIMES};
use crate::document::{Document, Fault, Section, Value, shown};

/// The rules in the binary.
pub const SHIPPED: &str = include_str!("default.toml");

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    /// Told at any hour, as is everything above.
    High,
    Critical,
}

impl Severity {
    pub(crate) const ALL: [(&'static str, Severity); 4] = [
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];

    pub fn name(self) -> &'static str {
        let found = Severity::ALL.iter().find(|(_, severity)| *severity == self);
        found.map_or("", |(name, _)| name)
    }
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// Calls in an hour.
    Volume,
    /// Calls in an hour with one foreign calling code.
    Country,
    /// Calls in an hour whose number nobody signed for so that it verified, as a share of all.
    Unsigned,
    /// Calls that policy or a limit refused, as a share of all.
    Refused,
    /// Calls whose voice was last shown as synthetic, as a share of all.
    Synthetic,
    /// Wrong passwords, codes and tokens in an hour.
    SignIns,
    /// Calls to numbers outside in an hour: of phones, and those that were sent on.
    Outside,
    /// Messages of strangers that got no answer in an hour.
    Scans,
    /// Wrong digest passwords of trunks and phones in an hour.
    Guesses,
    /// Calls that rang for a moment and hung up (wangiri).
    OneRing,
    /// Calls that were held for minutes without a word (call pumping).
    Silent,
    /// Calls whose caller sounded poor, as a share of all.
    Quality,
    /// Calls that have a recording, a signer or a script in common, and come from several callers.
    Campaign,
    /// Calls in an hour at which one rule of the policy could not be evaluated.
    RuleErrors,
}

impl Watch {
    const ALL: [(&'static str, Watch); 14] = [
        ("volume", Watch::Volume),
        ("country", Watch::Country),
        ("unsigned", Watch::Unsigned),
        ("refused", Watch::Refused),
        ("synthetic", Watch::Synthetic),
        ("sign-ins", Watch::SignIns),
        ("outside", Watch::Outside),
        ("scans", Watch::Scans),
        ("guesses", Watch::Guesses),
        ("one-ring", Watch::OneRing),
        ("silent", Watch::Silent),
        ("quality", Watch::Quality),
        ("campaign", Watch::Campaign),
        ("rule-errors", Watch::RuleErrors),
    ];

    pub fn name(self) -> &'static str {
        let found = Watch::ALL.iter().find(|(_, watch)| *watch == self);
        found.map_or("", |(name, _)| name)
    }

    /// Part of all calls, and judged as one.
    pub(super) fn is_share(self) -> bool {
        matches!(
            self,
            Watch::Unsigned | Watch::Refused | Watch::Synthetic | Watch::Quality
        )
    }

    /// No call makes one of these: whoever is a stranger, or guesses, has none.
    pub(super) fn is_of_calls(self) -> bool {
        !matches!(self, Watch::SignIns | Watch::Scans | Watch::Guesses)
    }

    /// Nobody should do this, however new the gateway is: nothing has to be usual first.
    pub(super) fn is_never_usual(self) -> bool {
        matches!(self, Watch::SignIns | Watch::Guesses)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub id: String,
    pub watch: Watch,
    pub severity: Severity,
    pub owner: Option<String>,
    /// Fewer than so many are never an alarm.
    pub at_least: u64,
    /// So many times what is usual, in tenths.
    pub tenths: u64,
    /// How long it is the same alarm after it was seen last.
    pub again: Duration,
}

/// All of it.
#[derive(Clone)]
pub struct Rules {
    pub(super) zone: TimeZone,
    /// Minutes of the day, from (inside) and to (outside); over midnight where to is before from.
    pub(super) quiet: Vec<(u16, u16)>,
    pub(super) rules: Vec<Rule>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rules").field(&self.rules.len()).finish()
    }
}

impl Rules {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Every fault in it.
    pub fn load(file: &str, text: &str) -> Result<Rules, Vec<Fault>> {
        let document = Document::new(file, text);
        let table = document.table();
        let root = Section::root(&document, &table);
        root.only(&["alarms", "rule"]);
        let general = root.section("alarms");
        let (zone, quiet) = general.as_ref().map_or((TimeZone::UTC, Vec::new()), read_general);
        let sections = root.sections("rule");
        if sections.len() > RULES_MAX {
            root.fault(root.place("rule"), format!("more than {RULES_MAX} rules"), None);
        }
        let mut rules: Vec<Rule> = Vec::new();
        for section in sections.iter().take(RULES_MAX) {
            if let Some(rule) = read_rule(section, &rules) {
                rules.push(rule);
            }
        }
        let faults = document.into_faults();
        match faults.is_empty() {
            true => Ok(Rules { zone, quiet, rules }),
            false => Err(faults),
        }
    }

    /// Those in the binary.
    pub fn shipped() -> Rules {
        // Held by a test; without rules there would be no alarm, and no harm.
        Rules::load("default", SHIPPED).unwrap_or(Rules {
            zone: TimeZone::UTC,
            quiet: Vec::new(),
            rules: Vec::new(),
        })
    }

    /// The hour of the week (0 = Monday midnight) and the minute of the day, in the business's own time.
    pub(super) fn local(&self, at_ms: u64) -> (usize, u16) {
        let at = i64::try_from(at_ms).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = at.to_zoned(self.zone.clone());
        let day = local.weekday().to_monday_zero_offset().unsigned_abs();
        let (hour, minute) = (local.hour().unsigned_abs(), local.minute().unsigned_abs());
        (
            usize::from(day) * 24 + usize::from(hour),
            u16::from(hour) * 60 + u16::from(minute),
        )
    }

    pub(super) fn is_quiet(&self, at_ms: u64) -> bool {
        if self.quiet.is_empty() {
            return false;
        }
        let (_, minute) = self.local(at_ms);
        self.quiet.iter().any(|(from, to)| match from <= to {
            true => (*from..*to).contains(&minute),
            false => minute >= *from || minute < *to,
        })
    }
}

fn read_general(section: &Section<'_, '_>) -> (TimeZone, Vec<(u16, u16)>) {
    section.only(&["zone", "quiet"]);
    let zone = section
        .string("zone")
        .and_then(|written| section.zone_of(&written));
    let zone = zone.unwrap_or(TimeZone::UTC);
    let spans = section.strings("quiet").unwrap_or_default();
    if spans.len() > QUIET_MAX {
        section.fault(
            section.place("quiet"),
            format!("more than {QUIET_MAX} spans"),
            None,
        );
    }
    let mut quiet = Vec::new();
    for span in spans.into_iter().take(QUIET_MAX) {
        match read_span(span.get) {
            Some(span) => quiet.push(span),
            None => section.fault(
                span.at,
                format!("quiet has {:?}; expected \"22:00-07:00\"", shown(span.get)),
                None,
            ),
        }
    }
    (zone, quiet)
}

fn read_span(text: &str) -> Option<(u16, u16)> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let is_plain = [hour, minute]
            .iter()
            .all(|part| part.len() == 2 && part.bytes().all(|octet| octet.is_ascii_digit()));
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (is_plain && hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = text.split_once('-')?;
    Some((minute(from)?, minute(to)?)).filter(|(from, to)| from != to)
}

fn read_rule(section: &Section<'_, '_>, others: &[Rule]) -> Option<Rule> {
    section.only(&["id", "watch", "severity", "owner", "at_least", "times", "again"]);
    let id = section.required_string("id");
    if let Some(id) = &id {
        check_name(section, id);
        if others.iter().any(|other| other.id == id.get) {
            section.fault(
                id.at.clone(),
                format!("there is a rule {:?} already", shown(id.get)),
                None,
            );
        }
    }
    let owner = section.required_string_if_present("owner");
    if let Some(owner) = &owner {
        check_name(section, owner);
    }
    if section.value("watch").is_none() {
        section.fault(
            section.at.clone(),
            format!("{} needs \"watch\"", section.name),
            None,
        );
    }
    let watch = section.choice("watch", &Watch::ALL);
    let severity = section
        .choice("severity", &Severity::ALL)
        .unwrap_or(Severity::Medium);
    let at_least = section.integer("at_least", AT_LEAST).unwrap_or(10);
    let times = section.integer("times", TIMES.start() / 10..=TIMES.end() / 10);
    let alone = match watch {
        Some(Watch::Campaign) => Some("a campaign is counted by its callers: times means nothing here"),
        Some(Watch::RuleErrors) => Some("no rule fails usually: times means nothing here"),
        _ => None,
    };
    if let Some(message) = alone.filter(|_| times.is_some()) {
        section.fault(section.place("times"), message, None);
    }
    let again = section
        .duration("again", AGAIN)
        .unwrap_or(Duration::from_secs(4 * 3600));
    Some(Rule {
        id: id?.get.to_string(),
        watch: watch?,
        severity,
        owner: owner.map(|owner| owner.get.to_string()),
        at_least: at_least.unsigned_abs(),
        tenths: times.unwrap_or(3).unsigned_abs() * 10,
        again,
    })
}

fn check_name(section: &Section<'_, '_>, name: &Value<'_, str>) {
    let is_name = name.get.len() <= NAME_MAX
        && name
            .get
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_.@".contains(&octet));
    if !is_name {
        let message = format!(
            "{:?} is no name: 1 to {NAME_MAX} letters, digits, -, _, . or @",
            shown(name.get)
        );
        section.fault(name.at.clone(), message, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_in_the_binary_load_and_watch_everything_there_is() {
        let rules = Rules::load("default", SHIPPED).unwrap();
        for (name, watch) in Watch::ALL {
            assert!(rules.rules.iter().any(|rule| rule.watch == watch), "{name}");
        }
    }

    fn check(text: &str, expected: &[&str]) {
        let faults = Rules::load("alarms.toml", text).unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault} has no {expected:?}");
        }
    }

    #[test]
    fn every_fault_of_a_file_is_told_with_its_place() {
        check(
            "[[rule]]\nid = \"a\"\nwatch = \"volum\"\n",
            &["alarms.toml:3:9: watch is \"volum\""],
        );
        check(
            "[alarms]\nzone = \"Europe/Londn\"\nquiet = [\"22-7\"]\nnoise = 1\n",
            &[
                "2:8: no time zone is called",
                "3:10: quiet has",
                "4:1: unknown key \"noise\"",
            ],
        );
        check(
            "[[rule]]\nwatch = \"volume\"\n[[rule]]\nid = \"a b\"\nwatch = \"campaign\"\ntimes = 0\n",
            &[
                "needs \"id\"",
                "4:6: \"a b\" is no name",
                "6:9: times must be from 1 to 100",
            ],
        );
        check(
            "[[rule]]\nid = \"a\"\nwatch = \"rule-errors\"\ntimes = 3\n",
            &["4:9: no rule fails usually"],
        );
        check(
            "[[rule]]\nid = \"a\"\nwatch = \"campaign\"\ntimes = 3\n[[rule]]\nid = \"a\"\nwatch = \"volume\"\nagain = \"1s\"\n",
            &[
                "4:9: a campaign is counted by its callers",
                "6:6: there is a rule \"a\" already",
                "8:9: again must be",
            ],
        );
    }

    #[test]
    fn hours_are_those_of_the_business_and_quiet_goes_over_midnight() {
        let text = "[alarms]\nzone = \"Europe/London\"\nquiet = [\"22:00-07:00\"]\n";
        let rules = Rules::load("x", text).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond().unsigned_abs();
        // A Monday in summer: London is an hour ahead.
        assert_eq!(rules.local(at("2026-07-06T08:30:00Z")), (9, 570));
        for (text, is_quiet) in [
            ("05:59:00", true),
            ("06:00:00", false),
            ("20:59:00", false),
            ("21:00:00", true),
        ] {
            assert_eq!(
                rules.is_quiet(at(&format!("2026-07-06T{text}Z"))),
                is_quiet,
                "{text}"
            );
        }
    }
}
