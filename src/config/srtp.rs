//! `srtp` and `srtp_keys` of a trunk, a queue and `[outbound]`: whether the legs to them are encrypted, and by which keys; `srtp_suites` of `[media]`: how.

use std::collections::BTreeMap;

use crate::call::{Encryption, Keying, Suite, Suites};
use crate::document::{Section, closest, one_of, shown};
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

/// Which kind of keys a section's legs are offered; nothing = those in descriptions.
pub(super) fn read_keys(section: &Section<'_, '_>) -> Keying {
    let choices = [("sdes", Keying::Sdes), ("dtls", Keying::Dtls)];
    section.choice("srtp_keys", &choices).unwrap_or_default()
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

/// The same for the kind of keys.
pub(super) fn read_queue_keys(root: &Section<'_, '_>, queues: &[queue::Config]) -> BTreeMap<String, Keying> {
    let sections = root.sections("queue");
    let own = sections.iter().zip(queues).filter_map(|(section, queue)| {
        let is_said = section.value("srtp_keys").is_some();
        is_said.then(|| (queue.name.clone(), read_keys(section)))
    });
    own.collect()
}

/// Which suites `[media]` lists, in its order; nothing said = every one. Names are as registered (RFC 4568, RFC 7714).
pub(super) fn read_suites(media: &Section<'_, '_>) -> Suites {
    let Some(named) = media.strings("srtp_suites") else {
        return Suites::default();
    };
    let names = Suite::ALL.map(Suite::as_str);
    let mut suites = Vec::new();
    for name in &named {
        match Suite::of(name.get.as_bytes()) {
            Some(suite) if suites.contains(&suite) => {
                media.fault(
                    name.at.clone(),
                    format!("{} stands twice in srtp_suites", suite.as_str()),
                    None,
                );
            }
            Some(suite) => suites.push(suite),
            None => {
                let expected = one_of(names.iter().copied());
                let message = format!("srtp_suites has {:?}; expected {expected}", shown(name.get));
                media.fault(name.at.clone(), message, closest(name.get, names.iter().copied()));
            }
        }
    }
    if named.is_empty() {
        let message = "srtp_suites is empty: nothing could be encrypted (srtp = \"off\" says so for a leg)";
        media.fault(media.place("srtp_suites"), message, None);
    }
    Suites::of(suites)
}
