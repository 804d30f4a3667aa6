//! `[[trunk]]`: who may call in, and on which terms.

use std::path::Path;

use super::carrier;
use super::limits::{RANGES_MAX, TRUNKS_MAX};
use super::read::{check_count, read_name};
use crate::call::{ReasonStyle, TrunkConfig};
use crate::cidr::Cidr;
use crate::digest::Credentials;
use crate::document::{Section, shown};

pub(super) fn read(root: &Section<'_, '_>, folder: &Path) -> Vec<TrunkConfig> {
    let sections = root.sections("trunk");
    check_count(root, "trunk", &sections, TRUNKS_MAX);
    let mut trunks: Vec<TrunkConfig> = Vec::new();
    let mut ranges: Vec<(Cidr, String)> = Vec::new();
    for section in sections.iter().take(TRUNKS_MAX) {
        section.only(&[
            "name",
            "from",
            "tls_name",
            "emergency",
            "identity_reasons",
            "refusal",
            "verifier",
            "private_network",
            "to",
            "number",
            "user",
            "password",
            "password_file",
            "realm",
            "register",
            "expires",
            "country",
            "national_prefix",
            "international_prefix",
            "called",
            "calling",
            "srtp",
            "srtp_keys",
        ]);
        let name = read_name(section, |name| trunks.iter().any(|trunk| trunk.name == name));
        let tls_name = read_tls_name(section, &trunks);
        let from = section.strings("from").unwrap_or_default();
        let to = carrier::read_peer(section, "to");
        let credentials = carrier::read_credentials(section, folder);
        // Credentials towards a carrier prove us; without one they are what a caller has to prove.
        let is_ours = section.value("to").is_some() || section.value("register").is_some();
        let is_challenged = section.value("user").is_some() && !is_ours;
        let needs_ranges =
            section.value("from").is_some() || !is_challenged && !is_ours && tls_name.is_none();
        if needs_ranges && from.is_empty() || from.len() > RANGES_MAX {
            let message =
                format!("from needs one to {RANGES_MAX} address ranges: who may call in on this trunk");
            section.fault(section.place("from"), message, None);
        }
        if is_challenged && tls_name.is_some() {
            let message = "a trunk is known by its certificate (tls_name) or by a password (user without to), not by both";
            section.fault(section.place("tls_name"), message, None);
        }
        let is_taken = |credentials: &Credentials| {
            let mut others = trunks.iter().filter(|other| other.is_challenged);
            others.any(|other| {
                other
                    .credentials
                    .as_ref()
                    .is_some_and(|known| known.user == credentials.user)
            })
        };
        if is_challenged && credentials.as_ref().is_some_and(is_taken) {
            section.fault(section.place("user"), "another trunk has this user already", None);
        }
        let is_emergency_trusted = section.value("emergency").is_some()
            && section
                .choice("emergency", &[("trusted", true), ("untrusted", false)])
                .unwrap_or(false);
        let mut kept = Vec::new();
        for value in from {
            match value.get.parse::<Cidr>() {
                Ok(range) => {
                    if let Some((_, other)) = ranges.iter().find(|(known, _)| *known == range) {
                        let message = format!("{range} already belongs to trunk {other:?}");
                        section.fault(value.at.clone(), message, None);
                    }
                    if is_emergency_trusted && range.prefix() == 0 {
                        let message = "everybody cannot be a trusted emergency trunk: it bypasses every gate";
                        section.fault(value.at.clone(), message, None);
                    }
                    ranges.push((range, name.clone().unwrap_or_default()));
                    kept.push(range.to_string());
                }
                Err(problem) => section.fault(value.at, format!("{:?}: {problem}", shown(value.get)), None),
            }
        }
        let is_verifier_trusted = read_verifier(section, &kept, tls_name.is_some());
        trunks.push(TrunkConfig {
            name: name.clone().unwrap_or_default(),
            from: kept,
            tls_name,
            is_emergency_trusted,
            identity_reasons: section
                .choice(
                    "identity_reasons",
                    &[
                        ("stir", ReasonStyle::Stir),
                        ("sip", ReasonStyle::Sip),
                        ("off", ReasonStyle::Off),
                    ],
                )
                .unwrap_or_default(),
            refusal: section.choice("refusal", super::refusal::PROFILES),
            is_verifier_trusted,
            to,
            register: carrier::read_registration(
                section,
                name.as_deref().unwrap_or_default(),
                credentials.as_ref(),
            ),
            numbers: carrier::read_numbers(section),
            credentials,
            number: carrier::read_number(section),
            srtp: super::srtp::read(section),
            srtp_keys: super::srtp::read_keys(section),
            is_challenged,
        });
    }
    trunks
}

/// The host that the trunk's certificate has to name.
fn read_tls_name(section: &Section<'_, '_>, others: &[TrunkConfig]) -> Option<String> {
    let value = section.required_string_if_present("tls_name")?;
    let name = value.get.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if name.len() > 253 || !name.split('.').all(is_label) || name.parse::<std::net::IpAddr>().is_ok() {
        let message = format!(
            "tls_name is {:?}; expected the host that the trunk's certificate names, such as \"sbc.carrier.example\"",
            shown(value.get)
        );
        section.fault(value.at, message, None);
        return None;
    }
    let other = others
        .iter()
        .find(|other| other.tls_name.as_deref() == Some(name.as_str()));
    if let Some(other) = other {
        let message = format!("{name:?} already names trunk {:?}", other.name);
        section.fault(value.at, message, None);
        return None;
    }
    Some(name)
}

/// `verifier` and `private_network`.
///
/// A carrier's verstat is worth what the way to it is worth: authenticated TLS (`tls_name`), or a network nobody else
/// can send on. Without either it would be the caller's own word.
fn read_verifier(section: &Section<'_, '_>, ranges: &[String], is_named: bool) -> bool {
    let is_trusted = section
        .choice("verifier", &[("trusted", true), ("none", false)])
        .unwrap_or(false);
    let is_private = section.boolean("private_network");
    if !is_trusted {
        return false;
    }
    if is_private.is_none() && section.value("private_network").is_some() {
        // Told already.
        return false;
    }
    if is_named && is_private != Some(true) {
        return true;
    }
    if is_private != Some(true) {
        let message = "a carrier's own verification may be believed over TLS only, with tls_name; where the trunk comes over a leased line or a VPN of yours, say so with private_network = true";
        section.fault(section.place("verifier"), message, None);
        return false;
    }
    if ranges.is_empty() {
        section.fault(
            section.place("verifier"),
            "a carrier that is believed is known by its addresses: from",
            None,
        );
        return false;
    }
    let public = ranges
        .iter()
        .find(|range| !range.parse::<Cidr>().is_ok_and(|range| range.is_private()));
    if let Some(range) = public {
        let message = format!(
            "{range} is no private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 127.0.0.0/8, fc00::/7, fe80::/10, ::1)"
        );
        section.fault(section.place("private_network"), message, None);
    }
    public.is_none()
}
