//! A device that may register: its name, and what is kept of its secret.

use serde::{Deserialize, Serialize};

use super::REALM;
use super::limits::NAME_MAX;
use crate::digest::{Hash, Kept, Secret};

/// One device. What is kept of its secret is enough to check an answer, and not enough to know the secret, which is random:
/// SHA-256 over `name:realm:secret`, and the MD5 of the same only where `[registrar] digest` had it when it was made.
///
/// Whoever reads these hashes can register as the device (digest has no better to offer); they are kept as secrets are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub name: String,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    /// When this secret was made, Unix ms.
    pub made_ms: u64,
}

impl Device {
    pub fn new(name: &str, secret: &str, with_md5: bool, made_ms: u64) -> Device {
        let secret = Secret::new(secret);
        Device {
            name: name.into(),
            sha256: Kept::hash(Hash::Sha256, name, REALM, &secret),
            md5: with_md5.then(|| Kept::hash(Hash::Md5, name, REALM, &secret)),
            made_ms,
        }
    }

    pub fn has_md5(&self) -> bool {
        self.md5.is_some()
    }

    pub(super) fn kept(&self) -> Kept {
        let kept = Kept::new(&self.name).with(Hash::Sha256, &self.sha256);
        match &self.md5 {
            Some(md5) => kept.with(Hash::Md5, md5),
            None => kept,
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Device({})", self.name)
    }
}

/// Whether this may name a device: it is the user of its URI and needs no escaping anywhere.
pub fn is_device_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_hash_of_name_realm_and_secret_and_md5_only_where_wanted() {
        let device = Device::new("desk-1", "secret", false, 5);
        let text = serde_json::to_string(&device).unwrap();
        // printf desk-1:ringward-phones:secret | sha256sum
        let expected =
            crate::digest::Kept::hash(Hash::Sha256, "desk-1", "ringward-phones", &Secret::new("secret"));
        assert_eq!(expected.len(), 64);
        assert!(text.contains(&expected) && !text.contains("md5"), "{text}");
        assert!(!text.contains("secret\""), "{text}");
        assert_eq!(serde_json::from_str::<Device>(&text).unwrap(), device);
        assert!(Device::new("desk-1", "secret", true, 5).has_md5());
        assert_eq!(format!("{device:?}"), "Device(desk-1)");
    }

    #[test]
    fn a_name_is_one_that_means_nothing_elsewhere() {
        for name in ["desk-1", "a", "front.desk_2"] {
            assert!(is_device_name(name), "{name}");
        }
        for name in [
            "",
            "Desk",
            "1000",
            "-a",
            "a b",
            "a@b",
            "a:b",
            "é",
            &"a".repeat(49),
        ] {
            assert!(!is_device_name(name), "{name}");
        }
    }
}
