//! Who sits where: the people signed in to devices, as all shards see them. Replaced as a whole, never changed.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands before the name of a device in the targets of a queue.
pub const DEVICE: &str = "device:";

/// What stands before the name of a person's account there.
pub const PERSON: &str = "person:";

/// One person at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtWork {
    /// The devices he is signed in to, in the order of their names.
    pub devices: Vec<String>,
    /// Why he takes no calls for now; None = he does.
    pub pause: Option<String>,
}

/// A device has one person at most; a person may have several devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    people: BTreeMap<Arc<str>, AtWork>,
    by_device: BTreeMap<String, Arc<str>>,
    /// Devices that are not rung for now, whoever sits there, and why.
    paused: BTreeMap<String, String>,
}

impl Roster {
    /// Of two people who claim one device the first by name has it.
    pub fn new(people: impl IntoIterator<Item = (String, AtWork)>) -> Roster {
        let mut roster = Roster::default();
        for (name, mut at_work) in people {
            let name: Arc<str> = name.into();
            let by_device = &mut roster.by_device;
            at_work.devices.sort();
            at_work.devices.dedup();
            at_work
                .devices
                .retain(|device| by_device.get(device).is_none_or(|other| *other == name));
            for device in &at_work.devices {
                by_device.insert(device.clone(), name.clone());
            }
            if !at_work.devices.is_empty() {
                roster.people.insert(name, at_work);
            }
        }
        roster
    }

    /// With these devices not rung for now, each with its reason.
    #[must_use]
    pub fn with_paused(mut self, devices: impl IntoIterator<Item = (String, String)>) -> Roster {
        self.paused = devices.into_iter().collect();
        self
    }

    /// Who sits at this target of a queue (`device:NAME`, or `person:NAME` himself while he is signed in).
    pub fn person_at(&self, target: &str) -> Option<&Arc<str>> {
        if let Some(device) = target.strip_prefix(DEVICE) {
            return self.by_device.get(device);
        }
        let (name, _) = self.people.get_key_value(target.strip_prefix(PERSON)?)?;
        Some(name)
    }

    /// Where this person is rung, as targets of their own; empty = he is signed in nowhere, or only where nobody is rung for now. None =
    /// this target is no person.
    pub fn devices_of(&self, target: &str) -> Option<Vec<String>> {
        let at_work = self.people.get(target.strip_prefix(PERSON)?);
        let devices = at_work.into_iter().flat_map(|at_work| &at_work.devices);
        let devices = devices.filter(|device| !self.paused.contains_key(*device));
        Some(devices.map(|device| format!("{DEVICE}{device}")).collect())
    }

    /// Why the person at this target takes no calls, or the device is not rung; None = they do.
    pub fn pause_at(&self, target: &str) -> Option<&str> {
        let device = target.strip_prefix(DEVICE);
        if let Some(reason) = device.and_then(|device| self.paused.get(device)) {
            return Some(reason);
        }
        let person = self.person_at(target)?;
        self.people.get(person)?.pause.as_deref()
    }

    /// Everybody at work, in the order of the names.
    pub fn people(&self) -> impl Iterator<Item = (&Arc<str>, &AtWork)> {
        self.people.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(devices: &[&str], pause: Option<&str>) -> AtWork {
        AtWork {
            devices: devices.iter().map(ToString::to_string).collect(),
            pause: pause.map(Into::into),
        }
    }

    #[test]
    fn a_device_has_one_person_and_a_person_all_his_devices() {
        let roster = Roster::new([
            ("ann".to_string(), at(&["desk-2", "desk-1", "desk-1"], None)),
            ("bob".to_string(), at(&["desk-1"], None)),
            ("cay".to_string(), at(&["desk-3"], Some("lunch"))),
        ]);
        assert_eq!(roster.person_at("device:desk-1").map(|name| &**name), Some("ann"));
        assert_eq!(roster.person_at("person:ann").map(|name| &**name), Some("ann"));
        assert_eq!(roster.person_at("person:bob"), None, "his only desk is taken");
        assert_eq!(roster.person_at("sip:desk-1@10.0.0.5"), None);
        assert_eq!(
            roster.devices_of("person:ann").unwrap(),
            ["device:desk-1", "device:desk-2"]
        );
        assert_eq!(roster.devices_of("person:bob"), Some(Vec::new()));
        assert_eq!(roster.devices_of("device:desk-1"), None);
        assert_eq!(roster.pause_at("device:desk-3"), Some("lunch"));
        assert_eq!(roster.pause_at("person:cay"), Some("lunch"));
        assert_eq!(roster.pause_at("person:ann"), None);
        assert_eq!(roster.people().count(), 2);
        // A device that is not rung, whoever sits there.
        let roster = roster.with_paused([("desk-1".to_string(), "broken handset".to_string())]);
        assert_eq!(roster.pause_at("device:desk-1"), Some("broken handset"));
        assert_eq!(roster.pause_at("person:ann"), None, "she has another");
        assert_eq!(roster.devices_of("person:ann").unwrap(), ["device:desk-2"]);
        assert_eq!(roster.person_at("device:desk-1").map(|name| &**name), Some("ann"));
    }
}
