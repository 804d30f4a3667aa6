//! `srtp` of a trunk, a queue and `[outbound]`: whether the legs to them are encrypted.

use std::collections::BTreeMap;

use crate::call::Encryption;
use crate::document::Section;
use crate::queue;

/// What one section says; nothing = off.
pub(super) fn read(section: &Section<'_, '_>) -> Encryption {
    let choices = [
        ("required", Encryption::Required),
        ("preferred", Encryption::Preferred),
        ("off", Encryption::Off),
    ];
    section.choice("srtp", &choices).unwrap_or_default()
}

/// By queue name; a queue that says nothing of it is left out.
pub(super) fn read_queues(root: &Section<'_, '_>, queues: &[queue::Config]) -> BTreeMap<String, Encryption> {
    let sections = root.sections("queue");
    let own = sections.iter().zip(queues).filter_map(|(section, queue)| {
        let is_said = section.value("srtp").is_some();
        is_said.then(|| (queue.name.clone(), read(section)))
    });
    own.collect()
}
