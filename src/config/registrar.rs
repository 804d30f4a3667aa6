//! `[registrar]`: phones that register here.

use std::time::Duration;

use super::limits::REGISTRAR_RANGES_MAX;
use crate::call::TrunkConfig;
use crate::cidr::Cidr;
use crate::digest::Hash;
use crate::document::{Section, shown};
use crate::registrar::Config;
use crate::registrar::limits::{EXPIRES_LEAST, EXPIRES_MOST};

const EXPIRES_MIN: Duration = Duration::from_secs(60);
/// A working day and the way there.
const SHIFT: Duration = Duration::from_secs(12 * 3600);
const SHIFTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(600)..=Duration::from_secs(7 * 24 * 3600);
const EXPIRES_MAX: Duration = Duration::from_secs(600);

/// None = no section: nobody can register.
pub(super) fn read(root: &Section<'_, '_>, trunks: &[TrunkConfig]) -> Option<Config> {
    let section = root.section("registrar")?;
    section.only(&["from", "expires_min", "expires_max", "digest", "shift"]);
    let written = section.strings("from").unwrap_or_default();
    if written.is_empty() || written.len() > REGISTRAR_RANGES_MAX {
        let message = format!(
            "from needs one to {REGISTRAR_RANGES_MAX} networks that phones register from, such as \"10.0.0.0/24\""
        );
        section.fault(section.place("from"), message, None);
    }
    let mut from: Vec<Cidr> = Vec::new();
    for value in written.into_iter().take(REGISTRAR_RANGES_MAX) {
        match value.get.parse::<Cidr>() {
            Ok(range) => {
                if let Some(trunk) = trunk_within(&range, trunks) {
                    let message = format!(
                        "trunk {trunk:?} calls from all of {:?}: nobody can register from a trunk's addresses",
                        shown(value.get)
                    );
                    section.fault(value.at, message, None);
                } else {
                    from.push(range);
                }
            }
            Err(problem) => {
                section.fault(value.at, format!("{:?}: {problem}", shown(value.get)), None);
            }
        }
    }
    let range = EXPIRES_LEAST..=EXPIRES_MOST;
    let least = section
        .duration("expires_min", range.clone())
        .unwrap_or(EXPIRES_MIN);
    let most = section
        .duration("expires_max", range)
        .unwrap_or(EXPIRES_MAX.max(least));
    if least > most {
        let message = "expires_min is longer than expires_max";
        section.fault(section.place("expires_min"), message, None);
    }
    Some(Config {
        from,
        expires: least..=most.max(least),
        hashes: read_hashes(&section),
        shift: section.duration("shift", SHIFTS).unwrap_or(SHIFT),
    })
}

fn read_hashes(section: &Section<'_, '_>) -> Vec<Hash> {
    let hashes = super::carrier::read_hashes(section).unwrap_or(vec![Hash::Sha256]);
    if hashes.contains(&Hash::Sha512_256) {
        let message =
            "phones prove themselves with \"SHA-256\", or with \"MD5\" where they know nothing else";
        section.fault(section.place("digest"), message, None);
    }
    hashes
}

/// A trunk whose range leaves nothing of this one.
fn trunk_within<'a>(range: &Cidr, trunks: &'a [TrunkConfig]) -> Option<&'a str> {
    let covers = |own: &Cidr| own.prefix() <= range.prefix() && own.contains(range.network());
    let covering = trunks.iter().find(|trunk| {
        let mut ranges = trunk.from.iter().filter_map(|text| text.parse::<Cidr>().ok());
        trunk.tls_name.is_none() && ranges.any(|own| covers(&own))
    });
    covering.map(|trunk| trunk.name.as_str())
}
