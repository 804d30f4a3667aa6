//! Phones that may register, as the store keeps them: a name, and what is kept of a secret that is shown once. Whatever is
//! changed is on disk together with its entry in the audit.

use std::sync::Arc;

use super::By;
use super::limits::RETRIES;
use super::secret::secret;
use crate::redact::Redacted;
use crate::registrar::limits::DEVICES_MAX;
use crate::registrar::{Device, is_device_name};
use crate::store::{Act, Audit, Store, StoreError, Write};

const SHELF: &str = "devices";

/// Why something was not done to a device.
#[derive(Debug, thiserror::Error)]
pub enum NoDevice {
    #[error("a device's name begins with a small letter and has up to 48 of a-z, 0-9, -, _ and .")]
    NotAName,
    #[error("there is a device of this name; `rotate` gives it another secret")]
    NameTaken,
    #[error("no such device")]
    NoSuchDevice,
    #[error("there are {DEVICES_MAX} devices; remove one first")]
    Full,
    #[error("the system gave no random octets")]
    NoRandomness,
    #[error("the devices were changed from elsewhere; try again")]
    Raced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes devices. Blocks, always.
pub struct Devices {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
}

impl Devices {
    pub fn new(store: Arc<dyn Store>, audit: Arc<Audit>) -> Devices {
        Devices { store, audit }
    }

    /// All devices in the order of their names, and the revision; None = it is still the revision `known`. What cannot be read is left out,
    /// and the log says so.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn read(store: &dyn Store, known: Option<u64>) -> Result<Option<(u64, Vec<Device>)>, StoreError> {
        let shelf = store.shelf(SHELF)?;
        if known == Some(shelf.revision) {
            return Ok(None);
        }
        let mut devices = Vec::new();
        for (name, text) in &shelf.documents {
            match serde_json::from_str::<Device>(text) {
                Ok(device) if device.name == *name && is_device_name(name) => devices.push(device),
                _ => tracing::error!(%name, "a device in the store cannot be read: it may not register"),
            }
        }
        devices.truncate(DEVICES_MAX);
        Ok(Some((shelf.revision, devices)))
    }

    /// # Errors
    ///
    /// Those of the store.
    pub fn all(&self) -> Result<Vec<Device>, StoreError> {
        Ok(Devices::read(&*self.store, None)?.map_or_else(Vec::new, |(_, devices)| devices))
    }

    /// Makes a device. Gives its secret, which is not kept.
    ///
    /// # Errors
    ///
    /// [`NoDevice`]; nothing is changed then.
    pub fn add(&self, name: &str, with_md5: bool, by: By<'_>) -> Result<Redacted<String>, NoDevice> {
        if !is_device_name(name) {
            return Err(NoDevice::NotAName);
        }
        self.give_secret("device add", name, with_md5, by, |devices| {
            if devices.iter().any(|device| device.name == name) {
                return Err(NoDevice::NameTaken);
            }
            match devices.len() < DEVICES_MAX {
                true => Ok(()),
                false => Err(NoDevice::Full),
            }
        })
    }

    /// Gives it another secret; the old one opens nothing any more, and who had registered with it is not registered.
    ///
    /// # Errors
    ///
    /// [`NoDevice`]; nothing is changed then.
    pub fn rotate(&self, name: &str, with_md5: bool, by: By<'_>) -> Result<Redacted<String>, NoDevice> {
        self.give_secret("device rotate", name, with_md5, by, |devices| {
            must_be(devices, name)
        })
    }

    /// Gives every device another secret, one after the other as they are asked for: each with its secret, or with why it has its old one
    /// still.
    ///
    /// # Errors
    ///
    /// Those of the store: nothing is changed then.
    pub fn rotate_all(
        &self,
        by: By<'_>,
    ) -> Result<impl Iterator<Item = (String, Result<Redacted<String>, NoDevice>)>, StoreError> {
        let rotated = self.all()?.into_iter().map(move |device| {
            let rotated = self.rotate(&device.name, device.has_md5(), by);
            (device.name, rotated)
        });
        Ok(rotated)
    }

    /// # Errors
    ///
    /// [`NoDevice`]; nothing is changed then.
    pub fn remove(&self, name: &str, by: By<'_>) -> Result<(), NoDevice> {
        self.carry_out("device remove", name, by, "", None, |devices| {
            must_be(devices, name)
        })
    }

    fn give_secret(
        &self,
        what: &str,
        name: &str,
        with_md5: bool,
        by: By<'_>,
        check: impl Fn(&[Device]) -> Result<(), NoDevice>,
    ) -> Result<Redacted<String>, NoDevice> {
        let secret = secret("").ok_or(NoDevice::NoRandomness)?;
        let device = Device::new(name, &secret, with_md5, by.at_ms);
        let note = if with_md5 { "SHA-256 and MD5" } else { "SHA-256" };
        self.carry_out(what, name, by, note, Some(&device), check)?;
        Ok(Redacted::from(secret))
    }

    fn carry_out(
        &self,
        what: &str,
        name: &str,
        by: By<'_>,
        note: &str,
        device: Option<&Device>,
        check: impl Fn(&[Device]) -> Result<(), NoDevice>,
    ) -> Result<(), NoDevice> {
        // Our own plain data always has a JSON form.
        let text = device.map(|device| serde_json::to_string(device).unwrap_or_default());
        for _ in 0..RETRIES {
            let (revision, devices) = Devices::read(&*self.store, None)?.unwrap_or_default();
            check(&devices)?;
            let act = Act {
                at_ms: by.at_ms,
                by: by.who,
                what,
                about: name,
                note,
            };
            let write = Write::Reshelve {
                shelf: SHELF,
                revision: revision + 1,
                changes: vec![(name.to_string(), text.clone())],
            };
            if self.audit.write_with(&act, &[write])?.is_some() {
                return Ok(());
            }
        }
        Err(NoDevice::Raced)
    }
}

fn must_be(devices: &[Device], name: &str) -> Result<(), NoDevice> {
    let is_there = devices.iter().any(|device| device.name == name);
    is_there.then_some(()).ok_or(NoDevice::NoSuchDevice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn a_device_is_made_rotated_and_removed_each_with_its_entry_and_its_secret_is_not_kept() {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let devices = Devices::new(store.clone(), audit);
        let by = By {
            who: "test",
            at_ms: 1,
        };
        let secret = devices.add("desk-1", false, by).unwrap();
        assert!(secret.reveal().len() >= 40);
        assert!(matches!(
            devices.add("desk-1", false, by),
            Err(NoDevice::NameTaken)
        ));
        assert!(matches!(
            devices.add("Desk 1", false, by),
            Err(NoDevice::NotAName)
        ));
        assert!(matches!(
            devices.rotate("desk-2", false, by),
            Err(NoDevice::NoSuchDevice)
        ));
        let (revision, first) = Devices::read(&*store, None).unwrap().unwrap();
        assert_eq!(first, [Device::new("desk-1", secret.reveal(), false, 1)]);
        assert_eq!(Devices::read(&*store, Some(revision)).unwrap(), None);
        let kept = format!("{:?}", store.shelf(SHELF).unwrap());
        assert!(!kept.contains(secret.reveal().as_str()), "{kept}");

        let other = devices.rotate("desk-1", true, by).unwrap();
        assert_ne!(other.reveal(), secret.reveal());
        assert!(devices.all().unwrap()[0].has_md5());
        let last: Vec<_> = devices.rotate_all(by).unwrap().collect();
        assert_eq!(last[0].0, "desk-1");
        assert_ne!(last[0].1.as_ref().unwrap().reveal(), other.reveal());
        assert!(last.len() == 1 && devices.all().unwrap()[0].has_md5());
        devices.remove("desk-1", by).unwrap();
        assert!(matches!(
            devices.remove("desk-1", by),
            Err(NoDevice::NoSuchDevice)
        ));
        assert_eq!(devices.all().unwrap(), []);
        let (entries, _) = store::audit_page(&*store, 0).unwrap();
        let done: Vec<_> = entries.iter().map(|entry| entry.what.as_str()).collect();
        assert_eq!(
            done,
            ["device add", "device rotate", "device rotate", "device remove"]
        );
    }
}
