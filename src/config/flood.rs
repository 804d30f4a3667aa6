//! `[limits]`, `[tdos]` and `[scans]`: how many calls are taken, when there are so many that it is an attack, and who is not heard.

use std::path::Path;
use std::time::Duration;

use super::ScanConfig;
use super::identity::read_ranges;
use super::read::read_files;
use super::secret;
use crate::cidr::Cidr;
use crate::document::{Section, shown};
use crate::flood::{Allowance, CallLimits, FeedConfig, FeedPlace, Hand, Rest, SurgeConfig};
use crate::redact::Redacted;

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
    section.only(&["block", "never", "nftables", "feed"]);
    scans.feed = read_feed(&section, folder);
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

/// `[scans.feed]`: a file, or an address on the web.
fn read_feed(scans: &Section<'_, '_>, folder: &Path) -> Option<FeedConfig> {
    let section = scans.section("feed")?;
    section.only(&["url", "file", "every", "allow", "anchors"]);
    let url = section.required_string_if_present("url");
    let file = section.required_string_if_present("file");
    let place = match (url, file) {
        (Some(url), None) => {
            // It may hold a key, so it is not repeated.
            let text = secret::expand(&section, &url)?;
            let parsed = url::Url::parse(&text).ok();
            if !parsed.is_some_and(|url| url.scheme() == "https" && url.has_host()) {
                section.fault(url.at, "expected https://HOST/PATH", None);
                return None;
            }
            FeedPlace::Https(Redacted::new(text))
        }
        (None, Some(file)) => FeedPlace::File(folder.join(file.get)),
        _ => {
            section.fault(
                section.at.clone(),
                "[scans.feed] needs url or file, and not both",
                None,
            );
            return None;
        }
    };
    Some(FeedConfig {
        place,
        every: section
            .duration("every", FEED_EVERY)
            .unwrap_or(Duration::from_secs(3600)),
        allow: read_ranges(&section, "allow"),
        anchors: read_files(&section, folder, "anchors"),
    })
}

/// A minute, so that nobody is asked like that all day; a day, because addresses change hands.
const FEED_EVERY: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::Config;
    use crate::flood::FeedPlace;

    #[test]
    fn a_list_of_others_is_a_file_or_an_address_whose_key_is_not_printed() {
        let parse = |text: &str| {
            let config = Config::parse("x.toml", &format!("[scans.feed]\n{text}\n"));
            config
                .map_err(|faults| faults[0].to_string())
                .map(|config| config.scans.feed.unwrap())
        };
        let feed = parse("url = \"https://feed.example/api/abcdef/banned\"\nevery = \"10m\"").unwrap();
        assert_eq!(feed.every, Duration::from_secs(600));
        assert!(matches!(feed.place, FeedPlace::Https(_)) && !format!("{feed:?}").contains("abcdef"));
        let feed = parse("file = \"blocked.txt\"").unwrap();
        assert!(matches!(feed.place, FeedPlace::File(_)));
        for (wrong, expected) in [
            ("url = \"http://feed.example/api/abcdef\"", "https://HOST/PATH"),
            ("every = \"1h\"", "url or file"),
            ("file = \"a\"\nurl = \"https://b.example/\"", "not both"),
            ("file = \"a\"\nevery = \"1s\"", "every"),
            ("file = \"a\"\nnoise = 1", "unknown key"),
        ] {
            let problem = parse(wrong).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains("abcdef"),
                "{problem}"
            );
        }
    }
}
