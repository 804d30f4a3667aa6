//! `[[report]]`: counts of calls that a webhook is told each day or week.

use jiff::civil::{Time, Weekday};

use super::read::check_count;
use crate::accounts::is_name;
use crate::document::{Section, Value, closest, shown};
use crate::tally::By;
use crate::webhook::limits::{REPORT_LINES_MAX, REPORTS_MAX};
use crate::webhook::{Config, Every, Report};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Beside those of the reports API: whoever was signed in where it rang.
pub(crate) const PERSON: &str = "person";

pub(super) fn read(root: &Section<'_, '_>, hooks: &[Config], queues: &[String]) -> Vec<Report> {
    let sections = root.sections("report");
    check_count(root, "report", &sections, REPORTS_MAX);
    let mut reports: Vec<Report> = Vec::new();
    for section in sections.iter().take(REPORTS_MAX) {
        section.only(&["name", "webhook", "every", "on", "at", "zone", "by", "queue"]);
        let name = section.required_string("name");
        if let Some(name) = &name {
            let is_taken = reports.iter().any(|report| report.name == name.get);
            if is_taken || !is_name(name.get) {
                let message = "name is 1 to 60 letters, digits, -, _, . or @, and each report has its own";
                section.fault(name.at.clone(), message, None);
            }
        }
        let webhook = section.required_string("webhook");
        if let Some(webhook) = &webhook {
            one_of(
                section,
                webhook,
                "no [[webhook]] is called",
                hooks.iter().map(|hook| hook.name.as_str()),
            );
        }
        let queue = section.string("queue");
        if let Some(queue) = &queue {
            one_of(
                section,
                queue,
                "no [[queue]] is called",
                queues.iter().map(String::as_str),
            );
        }
        let every = read_every(section);
        let at = section
            .required_string("at")
            .and_then(|at| read_time(section, &at));
        let zone = section
            .required_string("zone")
            .and_then(|zone| section.zone_of(&zone));
        let by = read_by(section);
        if let (Some(name), Some(webhook), Some(every), Some(at), Some(zone)) =
            (name, webhook, every, at, zone)
        {
            reports.push(Report {
                name: name.get.into(),
                webhook: webhook.get.into(),
                every,
                at,
                zone,
                by,
                queue: queue.map(|queue| queue.get.into()),
            });
        }
    }
    reports
}

fn one_of<'n>(
    section: &Section<'_, '_>,
    value: &Value<'_, str>,
    message: &str,
    names: impl Iterator<Item = &'n str> + Clone,
) {
    if !names.clone().any(|name| name == value.get) {
        let message = format!("{message} {:?}", shown(value.get));
        section.fault(value.at.clone(), message, closest(value.get, names));
    }
}

fn read_every(section: &Section<'_, '_>) -> Option<Every> {
    section.required_string("every")?;
    let is_weekly = section.choice("every", &[("day", false), ("week", true)])?;
    let on = section.choice("on", &DAYS);
    match (is_weekly, on) {
        (false, None) => Some(Every::Day),
        (true, Some(day)) => Some(Every::Week(day)),
        (true, None) => {
            if section.string("on").is_none() {
                section.fault(
                    section.place("every"),
                    "a weekly report says on which day, such as on = \"mon\"",
                    None,
                );
            }
            None
        }
        (false, Some(_)) => {
            section.fault(section.place("on"), "on is for weekly reports", None);
            None
        }
    }
}

fn read_time(section: &Section<'_, '_>, at: &Value<'_, str>) -> Option<Time> {
    let time = at.get.split_once(':').and_then(|(hour, minute)| {
        let is_two = hour.len() == 2 && minute.len() == 2;
        let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
        is_two.then_some(time)
    });
    if time.is_none() {
        let message = format!("at is {:?}; expected a time such as \"07:30\"", shown(at.get));
        section.fault(at.at.clone(), message, None);
    }
    time
}

fn read_by(section: &Section<'_, '_>) -> Vec<String> {
    let words = section.few_strings("by", REPORT_LINES_MAX);
    if words.is_empty() {
        let message = "by is missing: say what the lines are, such as [\"person\", \"queue\", \"label\"]";
        section.fault(section.place("by"), message, None);
    }
    let known = || By::ALL.iter().map(|by| by.word()).chain([PERSON]);
    let mut by: Vec<String> = Vec::new();
    for word in words {
        one_of(section, &word, "calls are not counted along", known());
        if !by.iter().any(|known| known == word.get) {
            by.push(word.get.into());
        }
    }
    by
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;
    use crate::config::Config;

    const HOOK: &str = "[[webhook]]\nname = \"siem\"\nurl = \"https://siem.example/in\"\nevents = []\nsecret = \"twenty-four octets, at least\"\n\
                        [[report]]\nname = \"morning\"\n";

    fn parse(report: &str) -> Result<Config, String> {
        let text = format!("{HOOK}{report}\n");
        Config::parse("x.toml", &text).map_err(|faults| faults[0].to_string())
    }

    #[test]
    fn a_report_says_to_whom_when_by_which_clock_and_what() {
        let rest = "webhook = \"siem\"\nat = \"07:30\"\nzone = \"Europe/Berlin\"\nby = [\"person\", \"queue\", \"queue\"]";
        let config = parse(&format!("every = \"day\"\n{rest}")).unwrap();
        let report = &config.reports[0];
        assert_eq!((report.every, report.at), (Every::Day, time(7, 30, 0, 0)));
        assert_eq!(report.by, ["person", "queue"]);
        let config = parse(&format!("every = \"week\"\non = \"fri\"\n{rest}")).unwrap();
        assert_eq!(config.reports[0].every, Every::Week(Weekday::Friday));
        assert_eq!(config.webhooks[0].kinds, []);
    }

    #[test]
    fn what_is_wrong_with_a_report_is_said_with_what_was_meant() {
        let whole = "webhook = \"siem\"\nevery = \"day\"\nat = \"07:30\"\nzone = \"Europe/Berlin\"\nby = [\"queue\"]\n";
        for (from, to, told) in [
            ("\"siem\"", "\"siems\"", "no [[webhook]] is called \"siems\""),
            ("\"day\"", "\"daily\"", "every is \"daily\""),
            ("\"day\"", "\"week\"", "on = \"mon\""),
            ("\"day\"", "\"day\"\non = \"mon\"", "weekly"),
            ("07:30", "7:30", "such as \"07:30\""),
            ("07:30", "24:00", "such as \"07:30\""),
            ("Europe/Berlin", "Europe/Berlim", "Europe/Berlin"),
            (
                "[\"queue\"]",
                "[\"queues\"]",
                "calls are not counted along \"queues\"",
            ),
            ("by = [\"queue\"]", "", "by is missing"),
            (
                "[\"queue\"]",
                "[\"queue\"]\nqueue = \"nowhere\"",
                "no [[queue]] is called",
            ),
            ("[\"queue\"]", "[\"queue\"]\ncolour = \"red\"", "colour"),
        ] {
            let problem = parse(&whole.replace(from, to)).unwrap_err();
            assert!(problem.contains(told), "{to}: {problem}");
        }
    }
}
