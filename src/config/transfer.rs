//! `transfer` and `transfer_to` of a queue: where its people may send their calls.

use std::collections::BTreeMap;

use super::limits::NUMBERS_MAX;
use super::queues::is_dialled_number;
use crate::call::{Reach, TransferRules};
use crate::document::{Section, shown};
use crate::queue;

/// By queue name; a queue that says nothing of it is left out.
pub(super) fn read(root: &Section<'_, '_>, queues: &[queue::Config]) -> BTreeMap<String, TransferRules> {
    let sections = root.sections("queue");
    let own = sections.iter().zip(queues).filter_map(|(section, queue)| {
        let is_said = section.value("transfer").is_some() || section.value("transfer_to").is_some();
        is_said.then(|| (queue.name.clone(), rules(section)))
    });
    own.collect()
}

fn rules(section: &Section<'_, '_>) -> TransferRules {
    let reach = section.choice(
        "transfer",
        &[
            ("inside", Reach::Inside),
            ("trunk", Reach::Trunk),
            ("off", Reach::Off),
        ],
    );
    let reach = reach.unwrap_or_default();
    let mut to = Vec::new();
    let written = section.strings("transfer_to").unwrap_or_default();
    if written.len() > NUMBERS_MAX {
        let message = format!("transfer_to has more than {NUMBERS_MAX} numbers");
        section.fault(section.place("transfer_to"), message, None);
    }
    if reach == Reach::Off && !written.is_empty() {
        let message = "transfer_to has no effect with transfer = \"off\"";
        section.fault(section.place("transfer_to"), message, None);
    }
    for value in written.into_iter().take(NUMBERS_MAX) {
        if value.get == "*" || !is_dialled_number(value.get) {
            let message = format!(
                "{:?} is no number to transfer to; expected 204, +12125550100 or a beginning such as 2*",
                shown(value.get)
            );
            section.fault(value.at, message, None);
        } else {
            to.push(value.get.to_string());
        }
    }
    TransferRules { reach, to }
}
