//! Phones that register here (REGISTER, RFC 3261 §10), as the devices that people here made credentials for. Sans-IO.
//!
//! [`Registrar`] judges a REGISTER (digest, RFC 8760), keeps where each device can be reached, and says what of it has
//! changed; [`Bound`] is what everybody else looks at. One shard has the registrar, all shards have the table. Knows no
//! call, no queue and no store, and is not `registration`, which is us registering with carriers.

mod bindings;
mod bound;
mod contacts;
mod device;
mod engine;
pub mod limits;
mod locks;

#[cfg(test)]
mod engine_tests;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use bound::{Bound, Place};
pub use device::{Device, is_device_name};
pub use engine::{Alert, Judged, News, Registered, Registrar, Why};

use crate::cidr::Cidr;
use crate::digest::Hash;

/// The protection space of devices (RFC 7616 §3.3); it goes into what is kept of their secrets.
pub const REALM: &str = "ringward-phones";

/// `[registrar]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where phones may register from. Never a trunk's address, whatever stands here.
    pub from: Vec<Cidr>,
    /// The shortest and the longest registration. A shorter one is answered 423, a longer one is cut.
    pub expires: RangeInclusive<Duration>,
    /// What is offered, and taken: SHA-256, or MD5 for phones that know nothing else. Of a device that was made without MD5
    /// being here, nothing is kept that MD5 could prove.
    pub hashes: Vec<Hash>,
    /// Who signs in to a phone and does not sign out is signed out after so long.
    pub shift: Duration,
}

impl Config {
    pub fn has_md5(&self) -> bool {
        self.hashes.contains(&Hash::Md5)
    }

    /// Whether a phone may register from this address, as far as this room can say.
    pub fn is_from(&self, address: IpAddr) -> bool {
        self.from
            .iter()
            .any(|range| range.contains(address.to_canonical()))
    }
}
