//! `[[webhook]]`: who is told what was done here and which calls ended.

use std::path::Path;

use super::identity::read_ranges;
use super::read::{check_count, read_files};
use super::secret;
use crate::accounts::is_name;
use crate::document::{Section, Value, closest, shown};
use crate::redact::Redacted;
use crate::webhook::limits::{ANCHORS_MAX, HOOKS_MAX, SECRET_MIN};
use crate::webhook::{Config, Kind, key_octets};

pub(super) fn read(root: &Section<'_, '_>, folder: &Path) -> Vec<Config> {
    let sections = root.sections("webhook");
    check_count(root, "webhook", &sections, HOOKS_MAX);
    let mut hooks: Vec<Config> = Vec::new();
    for section in sections.iter().take(HOOKS_MAX) {
        section.only(&["name", "url", "secret", "events", "allow", "anchors"]);
        let name = section.required_string("name");
        if let Some(name) = &name {
            let is_taken = hooks.iter().any(|hook| hook.name == name.get);
            if is_taken || !is_name(name.get) {
                let message = "name is 1 to 60 letters, digits, -, _, . or @, and each webhook has its own";
                section.fault(name.at.clone(), message, None);
            }
        }
        let (url, secret) = (section.required_string("url"), section.required_string("secret"));
        let url = url.and_then(|url| sound_url(section, &url));
        let secret = secret.and_then(|secret| sound_secret(section, &secret));
        let kinds = read_kinds(section);
        let (allow, anchors) = (
            read_ranges(section, "allow"),
            read_files(section, folder, "anchors"),
        );
        if anchors.len() > ANCHORS_MAX {
            section.fault(
                section.place("anchors"),
                format!("more than {ANCHORS_MAX} anchors"),
                None,
            );
        }
        if let (Some(name), Some(url), Some(secret)) = (name, url, secret) {
            hooks.push(Config {
                name: name.get.into(),
                url,
                secret,
                kinds,
                allow,
                anchors,
            });
        }
    }
    hooks
}

fn sound_url(section: &Section<'_, '_>, value: &Value<'_, str>) -> Option<String> {
    // It may hold a secret of its own, so it is not repeated.
    let text = secret::expand(section, value)?;
    let url = url::Url::parse(&text).ok();
    let is_sound =
        url.is_some_and(|url| url.scheme() == "https" && url.has_host() && url.fragment().is_none());
    if !is_sound {
        section.fault(value.at.clone(), "expected https://HOST/PATH", None);
        return None;
    }
    Some(text)
}

fn sound_secret(section: &Section<'_, '_>, value: &Value<'_, str>) -> Option<Redacted<String>> {
    let secret = secret::expand(section, value)?;
    if key_octets(&secret).len() < SECRET_MIN {
        let message = format!("secret has fewer than {SECRET_MIN} octets: it could be guessed");
        section.fault(value.at.clone(), message, None);
        return None;
    }
    Some(Redacted::new(secret))
}

fn read_kinds(section: &Section<'_, '_>) -> Vec<Kind> {
    let Some(words) = section.strings("events") else {
        let message =
            "events is missing: say what is told, such as [\"call.alert\", \"audit.policy\"], or [\"*\"]";
        section.fault(section.place("events"), message, None);
        return Vec::new();
    };
    let mut kinds = Vec::new();
    for word in &words {
        let meant = Kind::meant_by(word.get);
        if meant.is_empty() {
            let names = Kind::ALL.iter().map(|kind| kind.name());
            let message = format!("{:?} is nothing that is told", shown(word.get));
            section.fault(word.at.clone(), message, closest(word.get, names));
        }
        kinds.extend(meant);
    }
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::webhook::Kind;

    const SECRET: &str = "twenty-four octets, at least";

    fn parse(url: &str, secret: &str, more: &str) -> Result<Config, String> {
        let text = format!("[[webhook]]\nname = \"siem\"\nurl = {url:?}\nsecret = {secret:?}\n{more}\n");
        Config::parse("x.toml", &text).map_err(|faults| faults[0].to_string())
    }

    #[test]
    fn a_webhook_has_a_name_an_address_and_a_secret_that_is_not_printed() {
        let events = "events = [\"call.alert\", \"audit.policy\", \"call.*\"]\nallow = [\"10.0.0.0/8\"]";
        let config = parse("https://siem.example/in?key=abc", SECRET, events).unwrap();
        let hook = &config.webhooks[0];
        assert_eq!(
            hook.kinds,
            [Kind::CallAlert, Kind::CallEnded, Kind::CallReport, Kind::Policy]
        );
        assert_eq!(
            (hook.name.as_str(), &hook.allow[..]),
            ("siem", &["10.0.0.0/8".to_string()][..])
        );
        assert!(!format!("{hook:?}").contains("octets"));
    }

    #[test]
    fn what_is_wrong_with_a_webhook_is_said_without_its_secrets() {
        let events = "events = [\"*\"]";
        for url in [
            "http://siem.example/in?key=abc",
            "ftp://siem.example",
            "siem.example",
            "https://",
        ] {
            let problem = parse(url, SECRET, events).unwrap_err();
            assert!(
                problem.contains("https://HOST/PATH") && !problem.contains("abc"),
                "{url}: {problem}"
            );
        }
        let wrong = |secret: &str, more: &str| parse("https://siem.example/in", secret, more).unwrap_err();
        assert!(wrong("short", events).contains("guessed"));
        assert!(wrong("whsec_MTIzNDU2Nzg5MA==", events).contains("guessed"));
        assert!(wrong(SECRET, "").contains("events is missing"));
        let typo = wrong(SECRET, "events = [\"call.allert\"]");
        assert!(
            typo.contains("nothing that is told") && typo.contains("call.alert"),
            "{typo}"
        );
        assert!(wrong(SECRET, "events = [\"*\"]\nallow = [\"10.0.0.0/40\"]").contains("10.0.0.0/40"));
        assert!(wrong(SECRET, "events = [\"*\"]\nanchors = [\"nowhere.pem\"]").contains("nowhere.pem"));
        assert!(wrong(SECRET, "events = [\"*\"]\nretries = 3").contains("retries"));
    }
}
