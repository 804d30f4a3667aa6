//! `[identity]`: who may sign calls, where their certificates and lists come from, and how strictly they are judged.

use std::path::Path;
use std::time::Duration;

use stir_shaken_verify::Untold;
use stir_shaken_verify::limits::{CRL_OCTETS_MAX, CRLS_MAX};

use super::limits::{FILE_OCTETS_MAX, RANGES_MAX};
use super::read::{read_file, read_files};
use crate::cidr::Cidr;
use crate::document::{Section, Value, shown};
use crate::identity::{Config, Source};

pub(super) fn read(root: &Section<'_, '_>, folder: &Path, identity: &mut Config) {
    let Some(section) = root.section("identity") else {
        return;
    };
    section.only(&[
        "anchors",
        "private_anchors",
        "trust_list",
        "trust_list_authority",
        "crls",
        "crl_signers",
        "crl_stale",
        "crl_uncovered",
        "refresh",
        "country",
        "x5u_allow",
        "x5u_deny",
        "x5u_hosts",
        "x5u_hosts_denied",
        "x5u_tls_anchors",
        "freshness",
        "freshness_diverted",
        "fetch_timeout",
        "shelf_entries",
    ]);
    read_trust(&section, folder, identity);
    if let Some(value) = section.string("country") {
        if value.get.len() == 2 && value.get.bytes().all(|b| b.is_ascii_uppercase()) {
            identity.country = value.get.to_string();
        } else {
            let message = format!(
                "country is {:?}; expected two capital letters such as \"US\"",
                shown(value.get)
            );
            section.fault(value.at, message, None);
        }
    }
    identity.x5u_allow = read_ranges(&section, "x5u_allow");
    identity.x5u_deny = read_ranges(&section, "x5u_deny");
    identity.x5u_hosts = read_hosts(&section, "x5u_hosts");
    identity.x5u_hosts_denied = read_hosts(&section, "x5u_hosts_denied");
    identity.x5u_tls_anchors = read_files(&section, folder, "x5u_tls_anchors");
    let hour = Duration::from_secs(1)..=Duration::from_secs(3600);
    if let Some(freshness) = section.duration("freshness", hour) {
        identity.freshness = freshness;
    }
    let day = Duration::from_secs(1)..=Duration::from_secs(86_400);
    if let Some(freshness) = section.duration("freshness_diverted", day) {
        identity.freshness_diverted = freshness;
    }
    let timeout = Duration::from_millis(100)..=Duration::from_secs(30);
    if let Some(fetch_timeout) = section.duration("fetch_timeout", timeout) {
        identity.fetch_timeout = fetch_timeout;
    }
    if let Some(entries) = section.integer("shelf_entries", 1..=1_000_000) {
        identity.shelf_entries = entries as usize;
    }
}

/// The lists: what is believed, and what is not any more.
fn read_trust(section: &Section<'_, '_>, folder: &Path, identity: &mut Config) {
    identity.anchors = read_files(section, folder, "anchors");
    identity.private_anchors = read_files(section, folder, "private_anchors");
    identity.trust_list_authority = read_files(section, folder, "trust_list_authority");
    identity.trust_list = section
        .string("trust_list")
        .and_then(|value| read_source(section, folder, value, FILE_OCTETS_MAX));
    match (section.value("trust_list"), section.value("trust_list_authority")) {
        (Some(_), None) => {
            let message = "trust_list needs \"trust_list_authority\": the certificate it must be signed with";
            section.fault(section.place("trust_list"), message, None);
        }
        (None, Some(_)) => {
            let message = "trust_list_authority is for \"trust_list\", which is not given";
            section.fault(section.place("trust_list_authority"), message, None);
        }
        _ => {}
    }
    let crls = section.strings("crls").unwrap_or_default();
    if crls.len() > CRLS_MAX {
        let message = format!("crls has more than {CRLS_MAX} entries");
        section.fault(section.place("crls"), message, None);
    }
    identity.crls = crls
        .into_iter()
        .take(CRLS_MAX)
        .filter_map(|value| read_source(section, folder, value, CRL_OCTETS_MAX as u64))
        .collect();
    identity.crl_signers = read_files(section, folder, "crl_signers");
    let untold = [("unchecked", Untold::Unchecked), ("accept", Untold::Accept)];
    for (key, place) in [
        ("crl_stale", &mut identity.revocation.stale),
        ("crl_uncovered", &mut identity.revocation.uncovered),
    ] {
        if let Some(choice) = section.choice(key, &untold) {
            *place = choice;
        }
        if identity.crls.is_empty() && section.value(key).is_some() && section.value("crls").is_none() {
            let message = format!("{key} is for \"crls\", which is not given");
            section.fault(section.place(key), message, None);
        }
    }
    let refresh = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
    if let Some(refresh) = section.duration("refresh", refresh) {
        identity.refresh = refresh;
    }
}

/// A file, or an `https` address.
fn read_source(
    section: &Section<'_, '_>,
    folder: &Path,
    value: Value<'_, str>,
    octets_max: u64,
) -> Option<Source> {
    if !value.get.contains("://") {
        return read_file(section, folder, value, octets_max).map(Source::File);
    }
    let url = url::Url::parse(value.get).ok();
    let is_good = url.is_some_and(|url| {
        url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none()
    });
    if is_good {
        return Some(Source::Url(value.get.to_string()));
    }
    let message = format!(
        "{:?} cannot be fetched; expected a file or an address such as \"https://authority.example.org/crl\"",
        shown(value.get)
    );
    section.fault(value.at, message, None);
    None
}

pub(super) fn read_ranges(section: &Section<'_, '_>, key: &str) -> Vec<String> {
    let mut ranges = Vec::new();
    for value in section.few_strings(key, RANGES_MAX) {
        match value.get.parse::<Cidr>() {
            Ok(range) => ranges.push(range.to_string()),
            Err(problem) => section.fault(value.at, format!("{:?}: {problem}", shown(value.get)), None),
        }
    }
    ranges
}

/// `cert.example.org`, `*.example.org`, or an address.
fn read_hosts(section: &Section<'_, '_>, key: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for value in section.few_strings(key, RANGES_MAX) {
        let name = value.get.strip_prefix("*.").unwrap_or(value.get);
        let is_host = !name.contains('*')
            && url::Host::parse(name).is_ok_and(|host| host.to_string() == name.to_ascii_lowercase());
        if is_host {
            hosts.push(value.get.to_ascii_lowercase());
        } else {
            let message = format!(
                "{:?} is no host; expected a name such as \"cert.example.org\" or \"*.example.org\"",
                shown(value.get)
            );
            section.fault(value.at, message, None);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use stir_shaken_verify::RevocationPolicy;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        match crate::config::Config::parse("ringward.toml", &format!("[identity]\n{text}\n")) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    fn read(text: &str) -> Config {
        crate::config::Config::parse("ringward.toml", &format!("[identity]\n{text}\n"))
            .unwrap_or_else(|faults| panic!("{faults:#?}"))
            .identity
    }

    #[test]
    fn lists_come_from_files_and_addresses() {
        let identity = read(
            "anchors = ['Cargo.toml']\nprivate_anchors = ['Cargo.toml']\n\
             trust_list = 'https://authority.example.org:8443/list?key=1'\ntrust_list_authority = ['Cargo.toml']\n\
             crls = ['Cargo.lock', 'https://authority.example.org/crl']\ncrl_signers = ['Cargo.toml']\n\
             crl_stale = 'accept'\ncrl_uncovered = 'unchecked'\nrefresh = '10m'\n\
             x5u_deny = ['203.0.113.0/24']\nx5u_hosts = ['Cert.example.org', '*.example.net']\n\
             x5u_hosts_denied = ['192.0.2.1']\nfreshness_diverted = '5m'",
        );
        assert_eq!(identity.private_anchors, [PathBuf::from("Cargo.toml")]);
        assert_eq!(
            identity.crls,
            [
                Source::File("Cargo.lock".into()),
                Source::Url("https://authority.example.org/crl".into())
            ]
        );
        let list = identity.trust_list.expect("given").to_string();
        assert_eq!(
            list, "https://authority.example.org:8443/list",
            "no key in any log"
        );
        let policy = RevocationPolicy {
            stale: Untold::Accept,
            uncovered: Untold::Unchecked,
        };
        assert_eq!(identity.revocation, policy);
        assert_eq!(identity.refresh, Duration::from_secs(600));
        assert_eq!(identity.x5u_hosts, ["cert.example.org", "*.example.net"]);
        assert_eq!(identity.freshness_diverted, Duration::from_secs(300));
    }

    #[test]
    fn what_does_not_fit_is_a_fault_with_its_place() {
        for (text, expected) in [
            (
                "crls = ['http://authority.example.org/crl']",
                ":2:9: \"http://authority",
            ),
            (
                "crls = ['https://me:secret@authority.example.org/crl']",
                "cannot be fetched",
            ),
            ("crls = ['no/such/file']", "there is no such file"),
            ("crl_stale = 'accept'", "crl_stale is for \"crls\""),
            ("crls = ['Cargo.toml']\ncrl_stale = 'maybe'", "crl_stale"),
            ("trust_list = 'Cargo.toml'", "needs \"trust_list_authority\""),
            ("trust_list_authority = ['Cargo.toml']", "is for \"trust_list\""),
            ("refresh = '100ms'", "refresh"),
            ("x5u_hosts = ['https://cert.example.org']", "is no host"),
            ("x5u_hosts = ['*']", "is no host"),
            ("x5u_hosts = ['a.*.example.org']", "is no host"),
            ("x5u_deny = ['10.0.0.0/33']", "10.0.0.0/33"),
        ] {
            let found = faults(text);
            assert_eq!(found.len(), 1, "{text}\n{found:#?}");
            assert!(found[0].contains(expected), "{text}\n{found:#?}");
        }
    }
}
