//! `[outbound]`: which calls may go out, and over which trunk.

use super::limits::NUMBERS_MAX;
use super::queues::is_dialled_number;
use crate::call::{OutboundConfig, Reach, TransferRules, TrunkConfig};
use crate::document::{Section, closest, shown};

pub(super) fn read(root: &Section<'_, '_>, trunks: &[TrunkConfig]) -> OutboundConfig {
    let mut config = OutboundConfig::default();
    let Some(section) = root.section("outbound") else {
        return config;
    };
    section.only(&["from_phones", "trunk", "allow", "refuse", "emergency", "srtp"]);
    if let Some(from_phones) = section.boolean("from_phones") {
        config.from_phones = from_phones;
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
    config.srtp = super::srtp::read(&section);
    config.allow = numbers(&section, "allow");
    config.refuse = numbers(&section, "refuse");
    if section.value("emergency").is_some() {
        config.emergency = numbers(&section, "emergency");
    }
    config
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
