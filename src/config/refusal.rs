//! `[refusal]`: how refused callers are answered, and whom they may ask.

use std::path::Path;

use super::Config;
use super::limits::{FILE_OCTETS_MAX, NAME_CHARS_MAX};
use crate::call::{CardSigner, Contact, RefusalConfig, SigningKey};
use crate::document::{Section, shown, shown_path};
use crate::given_file;
use crate::policy::Profile;

/// What `refusal` of a trunk and `profile` of `[refusal]` may be: `unwanted` is for rules, which know who reported whom.
pub(super) const PROFILES: &[(&str, Profile)] = &[
    ("network-blocked", Profile::NetworkBlocked),
    ("rejected", Profile::Rejected),
    ("stir", Profile::Stir),
    ("decline", Profile::Decline),
    ("unavailable", Profile::Unavailable),
];

/// RFC 8606 §4; its spare code points name no place.
const LOCATIONS: &[(&str, &str)] = &[
    ("U", "U"),
    ("LPN", "LPN"),
    ("LN", "LN"),
    ("TN", "TN"),
    ("RLN", "RLN"),
    ("RPN", "RPN"),
    ("INTL", "INTL"),
    ("BI", "BI"),
];

/// Octets of a URL or an address that is put into a SIP header.
const CONTACT_OCTETS_MAX: usize = 256;

pub(super) fn read(root: &Section<'_, '_>, folder: &Path, public_url: Option<&str>) -> RefusalConfig {
    let mut refusal = RefusalConfig::default();
    let Some(section) = root.section("refusal") else {
        return refusal;
    };
    section.only(&[
        "profile",
        "without_608",
        "name",
        "url",
        "tel",
        "email",
        "location",
        "protocol",
        "key",
        "certificate_url",
    ]);
    refusal.profile = section.choice("profile", PROFILES);
    let without = [
        ("rejected", Profile::Rejected),
        ("network-blocked", Profile::NetworkBlocked),
        ("decline", Profile::Decline),
    ];
    if let Some(profile) = section.choice("without_608", &without) {
        refusal.without_608 = profile;
    }
    if let Some(location) = section.choice("location", LOCATIONS) {
        refusal.location = location;
    }
    refusal.is_q850 = section
        .choice("protocol", &[("SIP", false), ("Q.850", true)])
        .unwrap_or(false);
    refusal.contact = Contact {
        name: text(&section, "name", "one line without quotes", is_name),
        url: text(&section, "url", "https://HOST/PATH without \";\"", is_https),
        tel: text(&section, "tel", "a number such as +12125550199", is_tel),
        email: text(
            &section,
            "email",
            "an address such as calls@example.com",
            is_email,
        ),
    };
    let key = read_key(&section, folder);
    let certificate_url = text(&section, "certificate_url", "https://HOST/PATH", is_https);
    let public_url = public_url.filter(|url| url.starts_with("https://"));
    if let (Some(key), Some(certificate_url), Some(public_url)) = (key, certificate_url, public_url) {
        refusal.card = Some(CardSigner::new(key, certificate_url, public_url));
    }
    refusal
}

/// A profile that lacks something would answer with less than it promises: that is a fault of the file.
pub(super) fn check(root: &Section<'_, '_>, config: &Config) {
    let refusal = &config.refusal;
    if let Some(section) = root.section("refusal") {
        check_profile(&section, "profile", refusal.profile, refusal);
        check_profile(
            &section,
            "without_608",
            Some(refusal.without_608).filter(|p| *p != Profile::Rejected),
            refusal,
        );
    }
    for (section, trunk) in root.sections("trunk").iter().zip(&config.trunks) {
        check_profile(section, "refusal", trunk.refusal, refusal);
    }
}

fn check_profile(section: &Section<'_, '_>, key: &str, profile: Option<Profile>, refusal: &RefusalConfig) {
    if let Some(lacks) = profile.and_then(|profile| refusal.lacks(profile)) {
        let name = profile.map_or("", Profile::name);
        section.fault(
            section.place(key),
            format!("{key} = {name:?} needs {lacks}"),
            None,
        );
    }
}

fn read_key(section: &Section<'_, '_>, folder: &Path) -> Option<SigningKey> {
    let value = section.string("key")?;
    let problem = match given_file::read(&folder.join(value.get), FILE_OCTETS_MAX) {
        Ok(pem) => match SigningKey::from_pem(&pem) {
            Ok(key) => return Some(key),
            Err(problem) => problem.to_string(),
        },
        Err(problem) => format!("it cannot be read: {problem}"),
    };
    section.fault(value.at, format!("{:?}: {problem}", shown_path(value.get)), None);
    None
}

fn text(section: &Section<'_, '_>, key: &str, expected: &str, is_sound: fn(&str) -> bool) -> Option<String> {
    let value = section.string(key)?;
    if is_sound(value.get) {
        return Some(value.get.to_string());
    }
    let message = format!("{key} is {:?}; expected {expected}", shown(value.get));
    section.fault(value.at, message, None);
    None
}

fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=NAME_CHARS_MAX).contains(&length) && !name.chars().any(|c| c.is_control() || "\"\\".contains(c))
}

/// It stands inside a quoted list whose parts end at semicolons.
fn is_header_text(text: &str) -> bool {
    (1..=CONTACT_OCTETS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"\\;<>,".contains(&b))
}

fn is_https(url: &str) -> bool {
    is_header_text(url)
        && url::Url::parse(url).is_ok_and(|url| {
            url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none()
        })
}

fn is_tel(tel: &str) -> bool {
    tel.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn is_email(email: &str) -> bool {
    is_header_text(email)
        && email
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'))
}
