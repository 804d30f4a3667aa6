//! The sections of `ringward.toml`, one function each. What a section does not give stays as in
//! [`Config::loopback`].

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::limits::{FILE_OCTETS_MAX, KEPT_DAYS_MAX, NAME_CHARS_MAX, PORTS_PER_CALL};
use super::{Config, identity, queues};
use crate::cidr::Cidr;
use crate::document::{Section, Value, closest, shown, shown_path};

/// `folder`: where files named in the configuration are looked for (unless their path is absolute).
pub(super) fn read(root: &Section<'_, '_>, folder: &Path) -> Config {
    root.only(&[
        "sip",
        "trunk",
        "queue",
        "skills",
        "registrar",
        "outbound",
        "credentials",
        "limits",
        "tdos",
        "scans",
        "refusal",
        "marks",
        "identity",
        "media",
        "voice",
        "policy",
        "store",
        "capture",
        "prompts",
        "api",
        "alarms",
        "webhook",
        "report",
        "oidc",
    ]);
    let mut config = Config::loopback();
    super::sip::read(root, folder, &mut config.sip);
    if root.value("trunk").is_some() {
        config.trunks = super::trunk::read(root, folder);
    }
    if root.value("queue").is_some() {
        config.queues = queues::read(root);
    }
    config.registrar = super::registrar::read(root, &config.trunks);
    queues::check_devices(root, &config);
    super::flood::read_limits(root, &mut config.limits);
    super::flood::read_tdos(root, &mut config.tdos);
    super::flood::read_scans(root, folder, &mut config.scans);
    config.credentials = super::carrier::read_hosts(root, folder);
    if let Some(section) = root.section("marks") {
        config.marks = super::marks::read(&section, &config.marks);
    }
    config.queue_marks = queues::marks(root, &config);
    config.transfer_rules = super::transfer::read(root, &config.queues);
    config.queue_srtp = super::srtp::read_queues(root, &config.queues);
    config.queue_srtp_keys = super::srtp::read_queue_keys(root, &config.queues);
    config.whispers = super::prompts::read_queues(root, &config.queues);
    config.silent_holds = super::prompts::read_silent_holds(root, &config.queues);
    super::prompts::read(root, folder, &mut config.prompts);
    if root.value("queue").is_some() {
        super::service::check(root, &config);
    }
    config.outbound = super::outbound::read(root, folder, &config.trunks);
    super::outbound::check(root, config.transfer_rules.iter(), &config.trunks);
    identity::read(root, folder, &mut config.identity);
    super::outbound::check_overflow(root, &config);
    read_media(root, &mut config);
    read_voice(root, folder, &mut config.voice);
    read_policy(root, folder, &mut config.policy);
    read_store(root, &mut config);
    read_api(root, folder, &mut config);
    config.capture = super::capture::read(root);
    config.alarms = super::alarms::read(root, folder);
    config.webhooks = super::webhook::read(root, folder);
    config.reports = super::report::read(root, &config.webhooks, &config.queue_names());
    config.oidc = super::oidc::read(root, folder, config.api.public_url.as_deref());
    config.refusal = super::refusal::read(root, folder, config.api.public_url.as_deref());
    super::refusal::check(root, &config);
    super::sip::check_ports(root, &config);
    super::sip::check_tls(root, &config);
    config
}

pub(super) fn read_files(section: &Section<'_, '_>, folder: &Path, key: &str) -> Vec<PathBuf> {
    let written = section.strings(key).unwrap_or_default();
    written
        .into_iter()
        .filter_map(|value| read_file(section, folder, value, FILE_OCTETS_MAX))
        .collect()
}

/// The path of a file that is there and can be read.
pub(super) fn read_file(
    section: &Section<'_, '_>,
    folder: &Path,
    value: Value<'_, str>,
    octets_max: u64,
) -> Option<PathBuf> {
    let path = folder.join(value.get);
    let problem = match std::fs::metadata(&path) {
        Ok(found) if !found.is_file() => "it is not a file".to_string(),
        Ok(found) if found.len() > octets_max => format!("it is larger than {octets_max} octets"),
        Ok(_) => match std::fs::File::open(&path) {
            Ok(_) => return Some(path),
            Err(error) => crate::given_file::in_words(&error),
        },
        Err(error) => crate::given_file::in_words(&error),
    };
    section.fault(
        value.at,
        format!("{:?} cannot be read: {problem}", shown_path(value.get)),
        None,
    );
    None
}

fn read_media(root: &Section<'_, '_>, config: &mut Config) {
    let Some(section) = root.section("media") else {
        return;
    };
    section.only(&[
        "address",
        "advertise",
        "ports",
        "silence",
        "transcode",
        "rtcp_mux",
        "srtp_suites",
        "behind_nat",
        "opus",
    ]);
    if let Some(word) = section.string("transcode") {
        match word.get {
            "needed" => config.media.transcodes = true,
            "never" => config.media.transcodes = false,
            _ => {
                let message = format!(
                    "transcode is {:?}; expected \"needed\" or \"never\"",
                    shown(word.get)
                );
                section.fault(word.at, message, None);
            }
        }
    }
    config.srtp_suites = super::srtp::read_suites(&section);
    for written in section.strings("behind_nat").unwrap_or_default() {
        match written.get.parse::<Cidr>() {
            Ok(range) => config.behind_nat.push(range),
            Err(problem) => {
                let message = format!("{:?} is {problem}", shown(written.get));
                section.fault(written.at, message, None);
            }
        }
    }
    config.opus = section.boolean("opus").unwrap_or(config.opus);
    let media = &mut config.media;
    media.rtcp_mux = section.boolean("rtcp_mux").unwrap_or(media.rtcp_mux);
    if let Some(address) = read_address(&section, "address") {
        media.address = address;
    }
    media.advertise = read_address(&section, "advertise");
    if media.advertise.is_some_and(|address| address.is_unspecified()) {
        section.fault(
            section.place("advertise"),
            "nobody can send audio to this address",
            None,
        );
    }
    if media.address.is_unspecified() && section.value("advertise").is_none() {
        let message =
            "media on every address needs \"advertise\": the address phones and trunks send audio to";
        section.fault(section.place("address"), message, None);
    }
    if let Some(value) = section.string("ports") {
        match ports(value.get) {
            Some(ports) => media.ports = ports,
            None => {
                let message = format!(
                    "ports is {:?}; expected FIRST-LAST such as \"20000-29999\", from 1024 on, with at least {PORTS_PER_CALL} ports",
                    shown(value.get)
                );
                section.fault(value.at, message, None);
            }
        }
    }
    if let Some(silence) = section.duration("silence", Duration::from_secs(5)..=Duration::from_secs(3600)) {
        media.silence = silence;
    }
}

/// RTP takes even ports (RFC 3550 §11): an odd first port is left out, and so is an even last one.
fn ports(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let first: u16 = first.trim().parse().ok()?;
    let last: u16 = last.trim().parse().ok()?;
    let first = first.checked_add(first % 2)?;
    let last = last.checked_sub(1 - last % 2)?;
    let is_enough = first >= 1024 && last > first && last - first >= PORTS_PER_CALL - 1;
    is_enough.then_some(first..=last)
}

fn read_address(section: &Section<'_, '_>, key: &str) -> Option<IpAddr> {
    let value = section.string(key)?;
    let address = value.get.parse().ok();
    if address.is_none() {
        section.fault(
            value.at,
            format!("{key} is {:?}; expected an IP address", shown(value.get)),
            None,
        );
    }
    address
}

fn read_voice(root: &Section<'_, '_>, folder: &Path, voice: &mut crate::voice::Config) {
    let Some(section) = root.section("voice") else {
        return;
    };
    section.only(&[
        "model",
        "workers",
        "second_opinion_percent",
        "trial_percent",
        "recordings",
        "known_recordings",
        "key",
        "require_signature",
    ]);
    if let Some(value) = section.required_string_if_present("model") {
        let name = value.get;
        if matches!(name, "default" | "off") {
            voice.model = name.into();
        } else {
            // A path is taken from the file's folder; a bare name is a folder in models/.
            let found = if name.contains('/') {
                folder.join(name)
            } else {
                Path::new("models").join(name)
            };
            if !found.join("manifest.json").is_file() {
                let suggestion = closest(name, ["default", "off"].into_iter());
                let message = format!(
                    "no model in {}: a model is a folder with manifest.json and the networks it names",
                    found.display()
                );
                section.fault(value.at, message, suggestion);
            }
            voice.model = if name.contains('/') {
                found.display().to_string()
            } else {
                name.into()
            };
        }
    }
    if let Some(workers) = section.integer("workers", 0..=256) {
        voice.workers = workers as usize;
    }
    if let Some(percent) = section.integer("second_opinion_percent", 0..=6400) {
        voice.second_opinion_percent = percent as u32;
    }
    // Half at most: what the others hear is what a new model is compared with.
    if let Some(percent) = section.integer("trial_percent", 1..=50) {
        voice.trial_percent = percent as u32;
    }
    if let Some(recordings) =
        section.integer("recordings", 0..=crate::recordings::limits::RECORDINGS_MAX as i64)
    {
        voice.recordings = recordings as usize;
    }
    if let Some(known) = section.required_string_if_present("known_recordings") {
        let found = folder.join(known.get);
        if !found.is_dir() {
            let message = format!("there is no folder {}", found.display());
            section.fault(known.at, message, None);
        }
        voice.known_recordings = Some(found);
    }
    if let Some(key) = section.string("key") {
        match key.get.parse() {
            Ok(found) => voice.signers.key = Some(found),
            Err(error) => section.fault(key.at, format!("key is {error}"), None),
        }
    }
    if section.boolean("require_signature") == Some(true) {
        voice.signers.is_required = true;
        if section.value("key").is_none() {
            section.fault(
                section.place("require_signature"),
                "require_signature needs key: whose signature?",
                None,
            );
        }
    }
}

fn read_policy(root: &Section<'_, '_>, folder: &Path, policy: &mut crate::policy::Config) {
    let Some(section) = root.section("policy") else {
        return;
    };
    section.only(&["file"]);
    if let Some(value) = section.string("file") {
        policy.file = read_file(&section, folder, value, FILE_OCTETS_MAX);
    }
}

fn read_store(root: &Section<'_, '_>, config: &mut Config) {
    let Some(section) = root.section("store") else {
        return;
    };
    section.only(&["url", "calls_days", "audit_days"]);
    let term = |name| {
        let days = section.integer(name, 1..=KEPT_DAYS_MAX)?;
        Some(Duration::from_secs(days.unsigned_abs() * 24 * 3600))
    };
    config.calls_kept = term("calls_days").or(config.calls_kept);
    config.audit_kept = term("audit_days").or(config.audit_kept);
    let Some(value) = section.required_string_if_present("url") else {
        return;
    };
    let Some(url) = super::secret::expand(&section, &value) else {
        return;
    };
    match crate::store::check_url(&url) {
        Ok(()) => config.store.url = url,
        Err(problem) => section.fault(value.at, format!("url: {problem}"), None),
    }
}

fn read_api(root: &Section<'_, '_>, folder: &Path, config: &mut Config) {
    let Some(section) = root.section("api") else {
        return;
    };
    section.only(&["listen", "public_url", "second_person", "tls"]);
    let tls = section.section("tls");
    config.api_tls = tls.and_then(|tls| super::sip::read_api_tls(&tls, folder));
    let api = &mut config.api;
    for value in section.strings("second_person").unwrap_or_default() {
        match value.get {
            "erasures" => api.second_person.erasures = true,
            "lists" => api.second_person.lists = true,
            other => {
                let message = format!(
                    "second_person has {:?}; there are erasures and lists",
                    shown(other)
                );
                section.fault(value.at, message, None);
            }
        }
    }
    if let Some(value) = section.string("listen") {
        match value.get.parse() {
            Ok(address) => api.listen = address,
            Err(_) => {
                let message = format!(
                    "listen is {:?}; expected ADDRESS:PORT such as 127.0.0.1:8080",
                    shown(value.get)
                );
                section.fault(value.at, message, None);
            }
        }
    }
    if let Some(value) = section.string("public_url") {
        let is_sound = url::Url::parse(value.get).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if is_sound
            && value
                .get
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b))
        {
            let has_path = url::Url::parse(value.get).is_ok_and(|url| url.path() != "/");
            if has_path {
                let message = format!(
                    "public_url is {:?}: it has a path, and the console, its cookies and signing in are at the root of a host; give Ringward a host name of its own",
                    shown(value.get)
                );
                section.fault(value.at, message, None);
                return;
            }
            api.public_url = Some(value.get.trim_end_matches('/').to_string());
        } else {
            let message = format!("public_url is {:?}; expected https://HOST", shown(value.get));
            section.fault(value.at, message, None);
        }
    }
}

pub(super) fn check_count(root: &Section<'_, '_>, key: &str, sections: &[Section<'_, '_>], most: usize) {
    if let Some(first) = sections.get(most) {
        root.fault(first.at.clone(), format!("more than {most} [[{key}]]"), None);
    }
}

/// A name that is its own; it is printed in logs, records and URLs.
pub(super) fn read_name(section: &Section<'_, '_>, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    let value = section.required_string("name")?;
    let name = value.get;
    let is_plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !is_plain || name.len() > NAME_CHARS_MAX || name == "reject" {
        let message = format!(
            "name is {:?}; expected at most {NAME_CHARS_MAX} letters, digits, \"-\", \"_\" and \".\" (and not \"reject\")",
            shown(name)
        );
        section.fault(value.at, message, None);
        return None;
    }
    if is_taken(name) {
        section.fault(
            value.at,
            format!("a second {} is called {name:?}", section.name),
            None,
        );
    }
    Some(name.to_string())
}
