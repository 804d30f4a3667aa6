//! `[outbound]`: which calls may go out, and over which trunk.

use std::path::Path;

use super::Config;
use super::limits::{FILES_MAX, NUMBER_RANGES_MAX, NUMBERS_MAX, RANGES_OCTETS_MAX};
use super::queues::is_dialled_number;
use crate::call::{
    Allowance, OutboundConfig, Ranges, Reach, TollConfig, TransferRules, TrunkConfig, may_go_out,
};
use crate::document::{Section, closest, shown};
use crate::given_file;
use crate::queue::{self, Overflow};

pub(super) fn read(root: &Section<'_, '_>, folder: &Path, trunks: &[TrunkConfig]) -> OutboundConfig {
    let mut config = OutboundConfig::default();
    let Some(section) = root.section("outbound") else {
        return config;
    };
    section.only(&[
        "from_phones",
        "call_back",
        "overflow",
        "trunk",
        "allow",
        "refuse",
        "ranges",
        "emergency",
        "srtp",
        "srtp_keys",
        "hours",
        "zone",
        "all",
        "person",
        "queue",
    ]);
    if let Some(from_phones) = section.boolean("from_phones") {
        config.from_phones = from_phones;
    }
    if let Some(call_back) = section.boolean("call_back") {
        config.call_back = call_back;
    }
    if let Some(overflow) = section.boolean("overflow") {
        config.overflow = overflow;
    }
    let ways_out = || {
        trunks
            .iter()
            .filter(|trunk| trunk.to.is_some())
            .map(|trunk| trunk.name.as_str())
    };
    if let Some(value) = section.string("trunk") {
        if ways_out().any(|name| name == value.get) {
            config.trunk = Some(value.get.to_string());
        } else {
            let message = format!("no trunk with \"to\" is called {:?}", shown(value.get));
            section.fault(value.at, message, closest(value.get, ways_out()));
        }
    }
    if config.call_back && ways_out().next().is_none() {
        let message = "call_back = true calls numbers outside, and no trunk has \"to\"".to_string();
        section.fault(section.place("call_back"), message, None);
    }
    config.srtp = super::srtp::read(&section);
    config.srtp_keys = super::srtp::read_keys(&section);
    config.allow = numbers(&section, "allow");
    config.refuse = numbers(&section, "refuse");
    if section.value("emergency").is_some() {
        config.emergency = numbers(&section, "emergency");
    }
    config.ranges = read_ranges(&section, folder);
    config.tolls = read_tolls(&section);
    config
}

/// Files of ranges, one beginning of numbers a line.
fn read_ranges(section: &Section<'_, '_>, folder: &Path) -> Ranges {
    let mut ranges = Ranges::default();
    for file in section.few_strings("ranges", FILES_MAX) {
        let path = folder.join(file.get);
        let text = match given_file::read_text(&path, RANGES_OCTETS_MAX) {
            Ok(text) => text,
            Err(problem) => {
                section.fault(file.at, format!("{:?}: {problem}", shown(file.get)), None);
                continue;
            }
        };
        match Ranges::read(&text, NUMBER_RANGES_MAX) {
            Ok(read) => ranges.add(read),
            Err((line, problem)) => {
                section.fault(file.at, format!("{}:{line}: {problem}", shown(file.get)), None)
            }
        }
    }
    ranges
}

fn read_tolls(section: &Section<'_, '_>) -> TollConfig {
    let mut tolls = TollConfig {
        all: read_allowance(section, "all"),
        person: read_allowance(section, "person"),
        queue: read_allowance(section, "queue"),
        ..TollConfig::default()
    };
    if let Some(zone) = section
        .string("zone")
        .and_then(|written| section.zone_of(&written))
    {
        tolls.zone = zone;
    }
    for span in section.few_strings("hours", FILES_MAX) {
        match read_span(span.get) {
            Some(span) => tolls.hours.push(span),
            None => {
                let message = format!(
                    "hours has {:?}; expected \"mon-fri 08:00-18:00\"",
                    shown(span.get)
                );
                section.fault(span.at, message, None);
            }
        }
    }
    tolls
}

fn read_allowance(outbound: &Section<'_, '_>, key: &str) -> Allowance {
    let Some(section) = outbound.section(key) else {
        return Allowance::default();
    };
    section.only(&["at_once", "per_hour", "minutes_per_hour"]);
    let number = |key| section.integer(key, 0..=1_000_000).map(|number| number as u32);
    Allowance {
        at_once: number("at_once"),
        per_hour: number("per_hour"),
        minutes_per_hour: number("minutes_per_hour"),
    }
}

/// Days, and minutes of the day.
fn read_span(text: &str) -> Option<(u8, u16, u16)> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = |name: &str| DAYS.iter().position(|known| *known == name);
    let (days, times) = text.split_once(' ')?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (first, last) = (day(first)?, day(last)?);
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
    };
    let (from, to) = times.trim().split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    let days = (first..=last).fold(0u8, |days, day| days | 1 << day);
    (first <= last && from < to).then_some((days, from, to))
}

/// A queue that overflows to a number outside needs the switch for it, a way there, and a number that may be called. Once everything is
/// read.
pub(super) fn check_overflow(root: &Section<'_, '_>, config: &Config) {
    for (section, queue) in root.sections("queue").iter().zip(&config.queues) {
        let Overflow::Outside(number) = &queue.overflow else {
            continue;
        };
        let fault = |message: String| section.fault(section.place("overflow"), message, None);
        let home = &config.identity.country;
        let own = queue::find_named(&config.queues, number, number);
        if let Some(own) = own {
            fault(format!(
                "{number} is a number of queue {:?} here: the call would come back. Write that queue's name",
                own.name
            ));
        } else if !config.outbound.overflow {
            fault(format!(
                "calls that nobody takes would go out to {number}, and calls out are off: that takes [outbound] overflow = true"
            ));
        } else if !config.trunks.iter().any(|trunk| trunk.to.is_some()) {
            fault(format!(
                "calls that nobody takes would go out to {number}, and no trunk has \"to\""
            ));
        } else if let Err(why) = may_go_out(number, home, &config.outbound) {
            fault(format!("{number}: {why}, unless [outbound] allow names it"));
        }
    }
}

/// A queue whose people may send calls outside needs a way there.
pub(super) fn check<'r>(
    root: &Section<'_, '_>,
    rules: impl Iterator<Item = (&'r String, &'r TransferRules)>,
    trunks: &[TrunkConfig],
) {
    if trunks.iter().any(|trunk| trunk.to.is_some()) {
        return;
    }
    for (queue, _) in rules.filter(|(_, rules)| rules.reach == Reach::Trunk) {
        let message = format!("queue {queue:?} has transfer = \"trunk\", and no trunk has \"to\"");
        root.fault(root.place("queue"), message, None);
    }
}

fn numbers(section: &Section<'_, '_>, key: &str) -> Vec<String> {
    let written = section.strings(key).unwrap_or_default();
    if written.len() > NUMBERS_MAX {
        let message = format!("{key} has more than {NUMBERS_MAX} numbers");
        section.fault(section.place(key), message, None);
    }
    let mut numbers = Vec::new();
    for value in written.into_iter().take(NUMBERS_MAX) {
        if is_dialled_number(value.get) {
            numbers.push(value.get.to_string());
        } else {
            let message = format!(
                "{:?} in {key} is no number; expected +442071234567 or a beginning such as +44*",
                shown(value.get)
            );
            section.fault(value.at, message, None);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_overflows_to_a_number_outside_that_may_be_called_and_to_no_other() {
        let fault = |outbound: &str, overflow: &str, trunk: &str| {
            let text = format!(
                "[identity]\ncountry = \"GB\"\n[outbound]\n{outbound}\n[[trunk]]\nname = \"carrier\"\nfrom = [\"192.0.2.0/24\"]\n{trunk}\n\
                 [[queue]]\nname = \"desk\"\nnumbers = [\"+442079460100\"]\ntargets = [\"sip:desk@10.0.0.5\"]\noverflow = \"{overflow}\"\n\
                 [[queue]]\nname = \"rest\"\ntargets = [\"sip:rest@10.0.0.6\"]\n"
            );
            Config::parse("x.toml", &text)
                .map(|config| config.queues[0].overflow.clone())
                .map_err(|faults| faults[0].to_string())
        };
        let (on, to) = ("overflow = true", "to = \"sip:192.0.2.1\"");
        let mobile = Overflow::Outside("+447700900123".into());
        assert_eq!(fault(on, "+447700900123", to), Ok(mobile.clone()));
        assert_eq!(fault(on, "tel:+447700900123", to), Ok(mobile));
        for (outbound, overflow, trunk, words) in [
            ("", "+447700900123", to, "[outbound] overflow = true"),
            (on, "+447700900123", "", "no trunk has \"to\""),
            (on, "+14045550123", to, "other countries may not be called"),
            (on, "+442079460100", to, "is a number of queue \"desk\" here"),
            (on, "tel:07700900123", to, "is no number that can be called"),
            (on, "+44x", to, "is no number that can be called"),
        ] {
            let found = fault(outbound, overflow, trunk).unwrap_err();
            assert!(found.contains(words), "{overflow}: {found}");
        }
        let abroad = "overflow = true\nallow = [\"+14045550123\"]";
        assert!(fault(abroad, "+14045550123", to).is_ok());
    }

    #[test]
    fn what_calls_may_come_to_is_read_and_what_is_wrong_with_it_is_told() {
        let folder = std::env::temp_dir().join(format!("ringward-ranges-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("good.csv"), "range\n88213\n2346,x\n").unwrap();
        std::fs::write(folder.join("bad.csv"), "88213\nxyz\n").unwrap();
        let file = folder.join("x.toml").display().to_string();
        let text = "[outbound]\nranges = [\"good.csv\"]\nzone = \"Europe/London\"\nhours = [\"mon-fri 08:00-18:00\", \"sat 09:00-24:00\"]\n\
            [outbound.person]\nat_once = 2\nper_hour = 20\n[outbound.queue]\nminutes_per_hour = 90\n";
        let outbound = Config::parse(&file, text).unwrap().outbound;
        assert_eq!(outbound.ranges.len(), 2);
        assert_eq!(
            outbound.tolls.hours,
            [(0b1_1111, 480, 1080), (0b10_0000, 540, 1440)]
        );
        assert_eq!(outbound.tolls.person.at_once, Some(2));
        assert_eq!(
            (outbound.tolls.queue.minutes_per_hour, outbound.tolls.all),
            (Some(90), Allowance::default())
        );
        for (wrong, words) in [
            ("ranges = [\"bad.csv\"]", "bad.csv:2: \"xyz\" is no beginning"),
            ("ranges = [\"none.csv\"]", "there is no such file"),
            ("zone = \"Nowhere\"", "no time zone is called"),
            ("hours = [\"fri-mon 08:00-18:00\"]", "expected \"mon-fri"),
            ("hours = [\"mon 18:00-08:00\"]", "expected \"mon-fri"),
            ("person = { at_once = -1 }", "at_once must be from 0"),
            ("call_back = true", "no trunk has \"to\""),
            ("person = { atonce = 1 }", "unknown key \"atonce\""),
        ] {
            let faults = Config::parse(&file, &format!("[outbound]\n{wrong}\n")).unwrap_err();
            assert!(faults[0].message.contains(words), "{wrong}: {}", faults[0]);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
