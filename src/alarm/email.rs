//! What an alarm says by e-mail, and to whom. Pure: the letter is text; who sends it is not known here.

use std::path::PathBuf;

use super::raised::Alarm;
use super::rules::Severity;
use crate::redact::Redacted;

/// How a mail server is spoken with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Plain at first, TLS before anything is said (RFC 3207); a server that does not offer it gets nothing.
    #[default]
    StartTls,
    /// TLS from the first octet (RFC 8314).
    Tls,
    /// Never: whoever is on the way reads what is unusual here.
    Off,
}

impl Security {
    /// The port that is usual for it.
    pub fn port(self) -> u16 {
        match self {
            Security::StartTls => 587,
            Security::Tls => 465,
            Security::Off => 25,
        }
    }
}

/// `[alarms.email]`
#[derive(Clone, Debug)]
pub struct Email {
    /// Its name, which its certificate has to bear.
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Files of certificates that are believed beside those of the system.
    pub anchors: Vec<PathBuf>,
    /// None = the server asks for nothing.
    pub login: Option<(String, Redacted<String>)>,
    /// Addresses as they were written, each with an `@` and no line break.
    pub from: String,
    pub to: Vec<String>,
    /// Milder ones are not sent.
    pub least: Severity,
    /// Where the console is; None = the letter does not say.
    pub console: Option<String>,
}

/// The subject and the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
}

impl Email {
    /// What is written of an alarm. As everywhere else, calls are named by their ids and no number is in it.
    pub fn letter(&self, alarm: &Alarm) -> Letter {
        let at = jiff::Timestamp::from_millisecond(i64::try_from(alarm.raised_ms).unwrap_or(0));
        let at = at.map_or_else(|_| "an unknown time".to_string(), |at| format!("{at:.0}"));
        let mut text = format!(
            "{}.\n\nSeverity: {}\nRule: {}\nOwner: {}\nSince: {at} (UTC)\n",
            alarm.words,
            alarm.severity.name(),
            alarm.rule,
            alarm.owner.as_deref().unwrap_or("nobody in particular"),
        );
        if !alarm.calls.is_empty() {
            text += "\nThe first calls that it is about:\n";
            for call in &alarm.calls {
                text += &match &self.console {
                    Some(console) => format!("{console}/#call={call}\n"),
                    None => format!("{call}\n"),
                };
            }
        }
        if let Some(console) = &self.console {
            text += &format!("\nTake it, so that the others know: {console}/administration#watch\n");
        }
        Letter {
            subject: format!("Ringward, {}: {}", alarm.severity.name(), alarm.words),
            text,
        }
    }

    /// The same for every try to send it, so that a receiver who got it twice sees that.
    pub fn message_id(&self, alarm: &Alarm) -> String {
        format!(
            "<ringward-{}-{}@{}>",
            alarm.number,
            alarm.raised_ms,
            self.domain()
        )
    }

    /// Of the sender.
    pub fn domain(&self) -> &str {
        let (_, domain) = self.from.rsplit_once('@').unwrap_or_default();
        domain.trim_end_matches('>')
    }
}

#[cfg(test)]
mod tests {
    use super::super::raised::State;
    use super::super::rules::Watch;
    use super::*;
    use crate::call_id::CallId;

    #[test]
    fn a_letter_says_what_is_unusual_and_leads_to_the_calls() {
        let alarm = Alarm {
            number: 7,
            rule: "more-calls".into(),
            watch: Watch::Volume,
            about: String::new(),
            severity: Severity::High,
            owner: Some("front-desk".into()),
            words: "180 calls came in this hour".into(),
            raised_ms: 1_790_000_000_123,
            last_ms: 1_790_000_000_123,
            count: 180,
            calls: vec![CallId(0xabc)],
            told_ms: None,
            state: State::Open,
        };
        let mut email = Email {
            host: "mail.example.com".into(),
            port: 587,
            security: Security::StartTls,
            anchors: Vec::new(),
            login: None,
            from: "Ringward <ringward@example.com>".into(),
            to: vec!["security@example.com".into()],
            least: Severity::Low,
            console: Some("https://ringward.example.com".into()),
        };
        let letter = email.letter(&alarm);
        assert_eq!(letter.subject, "Ringward, high: 180 calls came in this hour");
        assert_eq!(
            letter.text,
            "180 calls came in this hour.\n\nSeverity: high\nRule: more-calls\nOwner: front-desk\n\
             Since: 2026-09-21T14:13:20Z (UTC)\n\nThe first calls that it is about:\n\
             https://ringward.example.com/#call=00000000000000000000000000000abc\n\n\
             Take it, so that the others know: https://ringward.example.com/administration#watch\n"
        );
        assert_eq!(email.message_id(&alarm), "<ringward-7-1790000000123@example.com>");
        email.console = None;
        assert!(!email.letter(&alarm).text.contains("http"));
    }
}
