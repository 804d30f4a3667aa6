//! Sends alarms by e-mail (SMTP, RFC 5321), one letter each, on a thread of its own that may wait for as long as a mail server does.
//!
//! Nothing waits for it: what finds the inbox full, is refused for good, or could not be sent within a day is dropped, counted
//! and told in the status; the alarm itself is in the list all the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport as _};
use serde_json::json;

use super::clock;
use super::limits::{
    ANCHORS_OCTETS_MAX, MAIL_LASTS, MAIL_PATIENCE, MAIL_PROBLEM_CHARS, MAIL_REST, MAIL_REST_MAX, MAIL_WAITING,
};
use crate::alarm::{Alarm, Email, Security, Severity};
use crate::given_file;

/// It cannot be sent as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("{0:?} is no address")]
    Address(String),
    #[error("anchors: {0}")]
    Anchors(String),
    #[error("TLS: {0}")]
    Tls(lettre::transport::smtp::Error),
    #[error("a thread for it: {0}")]
    Thread(#[from] std::io::Error),
}

/// Tells alarms by e-mail. The thread ends when this is gone and nothing waits any more.
pub struct Mail {
    inbox: Sender<Alarm>,
    least: Severity,
    standing: Arc<Mutex<Standing>>,
}

/// How it goes, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    sent: u64,
    /// Alarms that nobody was told by e-mail.
    lost: u64,
    /// Of the last try; None = it went well, or there was none.
    problem: Option<String>,
}

/// On the thread.
struct Postman {
    email: Email,
    letterhead: MessageBuilder,
    transport: SmtpTransport,
    inbox: Receiver<Alarm>,
    standing: Arc<Mutex<Standing>>,
    /// Before the next try, while none succeeds.
    rest: Duration,
}

impl Mail {
    /// Reads the anchors, and starts the thread.
    ///
    /// # Errors
    ///
    /// [`MailError`] says what cannot be used.
    pub fn start(email: Email) -> Result<Mail, MailError> {
        Mail::start_resting(email, MAIL_REST)
    }

    fn start_resting(email: Email, rest: Duration) -> Result<Mail, MailError> {
        let (inbox, waiting) = bounded(MAIL_WAITING);
        let standing: Arc<Mutex<Standing>> = Arc::default();
        let mail = Mail {
            inbox,
            least: email.least,
            standing: standing.clone(),
        };
        let postman = Postman {
            letterhead: letterhead(&email)?,
            transport: transport(&email)?,
            email,
            inbox: waiting,
            standing,
            rest,
        };
        std::thread::Builder::new()
            .name("mail".into())
            .spawn(move || postman.run(rest))?;
        Ok(mail)
    }

    /// Tells of an alarm, if it is grave enough. Never waits.
    pub fn tell(&self, alarm: &Alarm) {
        if alarm.severity >= self.least && self.inbox.try_send(alarm.clone()).is_err() {
            lost(&self.standing);
        }
    }

    /// For `/api/v1/status`.
    pub fn status(&self) -> serde_json::Value {
        let standing = lock(&self.standing).clone();
        json!({
            "waiting": self.inbox.len(),
            "sent": standing.sent,
            "lost": standing.lost,
            "problem": standing.problem,
        })
    }
}

impl Postman {
    fn run(mut self, first_rest: Duration) {
        while let Ok(alarm) = self.inbox.recv() {
            self.deliver(&alarm, first_rest);
        }
    }

    /// Until it is sent, refused for good, or too old to be of use.
    fn deliver(&mut self, alarm: &Alarm, first_rest: Duration) {
        let begun = clock::now().instant;
        loop {
            let problem = match self.send(alarm) {
                Ok(()) => {
                    self.rest = first_rest;
                    let mut standing = lock(&self.standing);
                    standing.sent += 1;
                    standing.problem = None;
                    metrics::counter!("ringward_alarm_emails_total", "outcome" => "sent").increment(1);
                    return;
                }
                Err(problem) => problem,
            };
            let is_over = problem.is_final || begun.elapsed() >= MAIL_LASTS;
            tracing::warn!(
                alarm = alarm.number,
                is_over,
                "an alarm was not sent by e-mail: {}",
                problem.words
            );
            lock(&self.standing).problem = Some(problem.words);
            if is_over {
                return lost(&self.standing);
            }
            std::thread::sleep(self.rest);
            self.rest = (self.rest * 2).min(MAIL_REST_MAX);
        }
    }

    fn send(&self, alarm: &Alarm) -> Result<(), Problem> {
        let letter = self.email.letter(alarm);
        let message = self
            .letterhead
            .clone()
            .subject(letter.subject)
            .message_id(Some(self.email.message_id(alarm)))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text);
        let message: Message = message.map_err(|why| Problem::of(why.to_string(), true))?;
        let sent = self.transport.send(&message);
        sent.map(|_| ()).map_err(|why| {
            let mut words = why.to_string();
            let mut source = std::error::Error::source(&why);
            while let Some(cause) = source {
                words += &format!(": {cause}");
                source = cause.source();
            }
            Problem::of(words, why.is_permanent())
        })
    }
}

/// Why a letter was not taken.
struct Problem {
    /// What the server, or the way to it, said; cut short.
    words: String,
    /// It would be refused again.
    is_final: bool,
}

impl Problem {
    fn of(words: String, is_final: bool) -> Problem {
        let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
        Problem {
            words: plain.take(MAIL_PROBLEM_CHARS).collect(),
            is_final,
        }
    }
}

fn letterhead(email: &Email) -> Result<MessageBuilder, MailError> {
    let mailbox = |text: &String| {
        text.parse::<Mailbox>()
            .map_err(|_| MailError::Address(text.clone()))
    };
    let mut letterhead = Message::builder().from(mailbox(&email.from)?);
    for to in &email.to {
        letterhead = letterhead.to(mailbox(to)?);
    }
    Ok(letterhead)
}

fn transport(email: &Email) -> Result<SmtpTransport, MailError> {
    let tls = match email.security {
        Security::Off => Tls::None,
        Security::StartTls => Tls::Required(tls(email)?),
        Security::Tls => Tls::Wrapper(tls(email)?),
    };
    let mut builder = SmtpTransport::builder_dangerous(email.host.as_str())
        .port(email.port)
        .tls(tls)
        .timeout(Some(MAIL_PATIENCE))
        .hello_name(ClientId::Domain(email.domain().to_string()));
    if let Some((user, password)) = &email.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.reveal().clone()));
    }
    Ok(builder.build())
}

/// With the certificate of the name that is configured, and from whom the system or the configuration believes.
fn tls(email: &Email) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(email.host.clone());
    for file in &email.anchors {
        let anchors = |why: String| MailError::Anchors(format!("{}: {why}", file.display()));
        let pem = given_file::read(file, ANCHORS_OCTETS_MAX).map_err(|why| anchors(why.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|why| anchors(why.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(MailError::Tls)
}

fn lost(standing: &Mutex<Standing>) {
    lock(standing).lost += 1;
    metrics::counter!("ringward_alarm_emails_total", "outcome" => "lost").increment(1);
}

fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::alarm::{State, Watch};

    fn email(port: u16) -> Email {
        Email {
            host: "127.0.0.1".into(),
            port,
            security: Security::Off,
            anchors: Vec::new(),
            login: None,
            from: "ringward@example.com".into(),
            to: vec!["Security <security@example.com>".into()],
            least: Severity::Medium,
            console: None,
        }
    }

    fn alarm(number: u64, severity: Severity) -> Alarm {
        Alarm {
            number,
            rule: "more-calls".into(),
            watch: Watch::Volume,
            about: String::new(),
            severity,
            owner: None,
            words: "180 calls came in this hour".into(),
            raised_ms: 1,
            last_ms: 1,
            count: 180,
            calls: Vec::new(),
            told_ms: None,
            state: State::Open,
        }
    }

    #[test]
    fn who_cannot_be_written_to_and_what_cannot_be_believed_is_told_at_the_start() {
        let start = |email: Email| Mail::start(email).err().map(|why| why.to_string());
        let mut wrong = email(25);
        wrong.to.push("nobody".into());
        assert!(start(wrong).unwrap().contains("\"nobody\" is no address"));
        let mut wrong = email(25);
        wrong.security = Security::Tls;
        wrong.anchors.push("no-such-file.pem".into());
        assert!(start(wrong).unwrap().contains("no-such-file.pem"));
    }

    #[test]
    fn a_server_that_is_away_holds_nobody_up_and_what_has_no_room_is_counted() {
        // A port on which nobody listens.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mail = Mail::start_resting(email(port), Duration::from_millis(5)).unwrap();
        mail.tell(&alarm(0, Severity::Low));
        // One is in the postman's hands, or will be.
        for number in 1..=MAIL_WAITING as u64 + 9 {
            mail.tell(&alarm(number, Severity::High));
        }
        let standing = || lock(&mail.standing).clone();
        let end = clock::now().instant + Duration::from_secs(60);
        while standing().problem.is_none() {
            assert!(clock::now().instant < end, "no try in a minute");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let standing = standing();
        assert_eq!(standing.sent, 0);
        assert!((8..=9).contains(&standing.lost), "{standing:?}");
        let status = mail.status();
        assert!(
            status["waiting"].as_u64() >= Some(MAIL_WAITING as u64 - 1),
            "{status}"
        );
        assert!(
            status["problem"]
                .as_str()
                .is_some_and(|words| !words.contains("example.com")),
            "{status}"
        );
    }
}
