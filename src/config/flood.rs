//! `[limits]`, `[tdos]` and `[scans]`: how many calls are taken, when there are so many that it is an attack, and who is not heard.

use std::path::Path;

use super::ScanConfig;
use crate::cidr::Cidr;
use crate::document::{Section, shown};
use crate::flood::{Allowance, CallLimits, Hand, Rest, SurgeConfig};

/// More than any machine carries: as good as no limit.
const MOST: i64 = 1_000_000;

pub(super) fn read_limits(root: &Section<'_, '_>, limits: &mut CallLimits) {
    let Some(section) = root.section("limits") else {
        return;
    };
    let scopes: [(&str, &mut Allowance); 6] = [
        ("", &mut limits.all),
        ("trunk_", &mut limits.trunk),
        ("source_", &mut limits.source),
        ("queue_", &mut limits.queue),
        ("number_", &mut limits.number),
        ("signer_", &mut limits.signer),
    ];
    let mut known = vec!["refuse_with".to_string()];
    for (scope, allowance) in scopes {
        for (what, limit) in [
            ("calls_per_second", &mut allowance.per_second),
            ("calls", &mut allowance.calls),
            ("ringing", &mut allowance.ringing),
        ] {
            let key = format!("{scope}{what}");
            if let Some(written) = section.integer(&key, 1..=MOST) {
                *limit = written as u32;
            }
            known.push(key);
        }
    }
    section.only(&known.iter().map(String::as_str).collect::<Vec<_>>());
    if let Some(status) = section.integer("refuse_with", 400..=699) {
        match status {
            480 | 603 | 608 => limits.refuse_with = status as u16,
            _ => {
                let at = section.value("refuse_with").map(|value| value.span());
                let message = format!("refuse_with is {status}; expected 480, 603 or 608");
                section.fault(at.unwrap_or_default(), message, None);
            }
        }
    }
}

pub(super) fn read_tdos(root: &Section<'_, '_>, tdos: &mut SurgeConfig) {
    let Some(section) = root.section("tdos") else {
        return;
    };
    section.only(&["mode", "rest", "calls", "ringing", "factor"]);
    let hands = [("auto", Hand::Auto), ("on", Hand::On), ("off", Hand::Off)];
    if let Some(hand) = section.choice("mode", &hands) {
        tdos.hand = hand;
    }
    let rests = [
        ("label", Rest::Label),
        ("challenge", Rest::Challenge),
        ("refuse", Rest::Refuse),
    ];
    if let Some(rest) = section.choice("rest", &rests) {
        tdos.rest = rest;
    }
    for (key, floor) in [("calls", &mut tdos.calls), ("ringing", &mut tdos.ringing)] {
        if let Some(written) = section.integer(key, 2..=MOST) {
            *floor = written as u32;
        }
    }
    if let Some(factor) = section.integer("factor", 2..=1_000) {
        tdos.factor = factor as f64;
    }
}

/// Whether addresses are blocked for guessing and scanning, and which never are.
pub(super) fn read_scans(root: &Section<'_, '_>, folder: &Path, scans: &mut ScanConfig) {
    let Some(section) = root.section("scans") else {
        return;
    };
    section.only(&["block", "never", "nftables"]);
    if let Some(file) = section.string("nftables") {
        scans.nftables = Some(folder.join(file.get));
    }
    if let Some(is_on) = section.boolean("block") {
        scans.blocks = is_on;
    }
    for written in section.strings("never").unwrap_or_default() {
        match written.get.parse::<Cidr>() {
            Ok(range) => scans.never.push(range),
            Err(problem) => {
                let message = format!("{:?} is {problem}", shown(written.get));
                section.fault(written.at, message, None);
            }
        }
    }
}
