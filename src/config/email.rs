//! `[alarms.email]`: which mail server alarms go through, how it is spoken with, and to whom they go.

use std::path::Path;

use super::limits::{EMAIL_CHARS_MAX, EMAILS_MAX};
use super::read::read_files;
use super::secret;
use crate::alarm::{Email, Security, Severity};
use crate::document::{Section, Value, shown};
use crate::redact::Redacted;

/// `root`: for where the console is.
pub(super) fn read(alarms: &Section<'_, '_>, root: &Section<'_, '_>, folder: &Path) -> Option<Email> {
    let section = alarms.section("email")?;
    section.only(&[
        "host", "port", "tls", "anchors", "user", "password", "from", "to", "severity",
    ]);
    let modes = [
        ("starttls", Security::StartTls),
        ("tls", Security::Tls),
        ("off", Security::Off),
    ];
    let security = section.choice("tls", &modes).unwrap_or_default();
    let port = section.integer("port", 1..=65_535);
    let host = section.required_string("host").filter(|host| {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        let is_sound = (1..=253).contains(&host.get.len()) && host.get.chars().all(is_host);
        if !is_sound {
            section.fault(
                host.at.clone(),
                "host is the name or the address of a mail server",
                None,
            );
        }
        is_sound
    });
    let from = section
        .required_string("from")
        .filter(|from| is_address(&section, from));
    let to = section.strings("to").unwrap_or_default();
    if !(1..=EMAILS_MAX).contains(&to.len()) {
        let message = format!("to needs one to {EMAILS_MAX} addresses, such as \"security@example.com\"");
        section.fault(section.place("to"), message, None);
    }
    let to: Vec<String> = to
        .iter()
        .filter(|to| is_address(&section, to))
        .map(|to| to.get.to_string())
        .collect();
    let severities = Severity::ALL;
    let api = root.section("api");
    let console = api.and_then(|api| Some(api.value("public_url")?.get_ref().as_str()?.to_string()));
    let email = Email {
        host: host.map(|host| host.get.to_string()).unwrap_or_default(),
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(security.port()),
        security,
        anchors: read_files(&section, folder, "anchors"),
        login: read_login(&section, security),
        from: from.map(|from| from.get.to_string()).unwrap_or_default(),
        to,
        least: section.choice("severity", &severities).unwrap_or(Severity::Low),
        console: console.map(|url| url.trim_end_matches('/').to_string()),
    };
    (!email.host.is_empty() && !email.from.is_empty() && !email.to.is_empty()).then_some(email)
}

/// Someone at some place, with or without a name before: `security@example.com`, `Security <security@example.com>`.
fn is_address(section: &Section<'_, '_>, value: &Value<'_, str>) -> bool {
    let text = value.get;
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let is_word = |word: &str| {
        !word.is_empty()
            && !word
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>,;@\"".contains(c))
    };
    let is_sound = text.len() <= EMAIL_CHARS_MAX
        && !text.chars().any(char::is_control)
        && address
            .split_once('@')
            .is_some_and(|(user, domain)| is_word(user) && is_word(domain));
    if !is_sound {
        section.fault(
            value.at.clone(),
            format!("{:?} is no address, such as security@example.com", shown(text)),
            None,
        );
    }
    is_sound
}

fn read_login(section: &Section<'_, '_>, security: Security) -> Option<(String, Redacted<String>)> {
    let user = section.required_string_if_present("user");
    let password = section.required_string_if_present("password");
    let (user, password) = match (user, password) {
        (Some(user), Some(password)) => (user, password),
        (None, None) => return None,
        (user, password) => {
            let written = user.or(password)?;
            section.fault(written.at, "user and password go together", None);
            return None;
        }
    };
    if security == Security::Off {
        let message = "with tls = \"off\" everybody on the way could read the password: leave user and password out, or speak TLS";
        section.fault(password.at, message, None);
        return None;
    }
    Some((
        secret::expand(section, &user)?,
        Redacted::new(secret::expand(section, &password)?),
    ))
}

#[cfg(test)]
mod tests {
    use crate::alarm::{Email, Security, Severity};
    use crate::config::Config;

    fn parse(more: &str) -> Result<Email, String> {
        let text = format!(
            "[alarms.email]\nhost = \"mail.example.com\"\n{more}\n[api]\npublic_url = \"https://r.example/\"\n"
        );
        let config = Config::parse("x.toml", &text).map_err(|faults| faults[0].to_string())?;
        Ok(config.alarms.email.expect("it is configured"))
    }

    const WHO: &str =
        "from = \"ringward@example.com\"\nto = [\"Security <security@example.com>\", \"b@example.com\"]\n";

    #[test]
    fn a_mail_server_is_spoken_with_over_tls_unless_said_otherwise() {
        let email = parse(WHO).unwrap();
        assert_eq!((email.security, email.port), (Security::StartTls, 587));
        assert_eq!((email.to.len(), email.least), (2, Severity::Low));
        assert_eq!(email.console.as_deref(), Some("https://r.example"));
        assert!(email.login.is_none());
        let email = parse(&format!(
            "{WHO}tls = \"tls\"\nseverity = \"high\"\nuser = \"ringward\"\npassword = \"hunter22\""
        ))
        .unwrap();
        assert_eq!(
            (email.security, email.port, email.least),
            (Security::Tls, 465, Severity::High)
        );
        assert!(!format!("{email:?}").contains("hunter"));
        let email = parse(&format!("{WHO}tls = \"off\"\nport = 2525")).unwrap();
        assert_eq!((email.security, email.port), (Security::Off, 2525));
        assert!(Config::parse("x.toml", "").unwrap().alarms.email.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_and_a_password_never_goes_in_clear() {
        let wrong = |more: &str, expected: &str| {
            let problem = parse(more).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains("hunter"),
                "{problem}"
            );
        };
        wrong("from = \"a@b.example\"", "to needs one to");
        wrong("to = [\"a@b.example\"]", "from");
        wrong("from = \"nobody\"\nto = [\"a@b.example\"]", "no address");
        wrong(
            "from = \"a@b.example\"\nto = [\"a@b.example\\r\\nBcc: c@d.example\"]",
            "no address",
        );
        wrong(&format!("{WHO}user = \"ringward\""), "go together");
        wrong(
            &format!("{WHO}tls = \"off\"\nuser = \"ringward\"\npassword = \"hunter22\""),
            "on the way",
        );
        wrong(&format!("{WHO}tls = \"perhaps\""), "tls");
        wrong(&format!("{WHO}port = 0"), "port");
        wrong(&format!("{WHO}colour = 1"), "unknown key");
    }
}
