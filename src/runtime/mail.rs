//! Sends alarms by e-mail (SMTP, RFC 5321), to each address a letter of its own, on a thread of its own that may wait for as long as a
//! mail server does.
//!
//! Nothing waits for it: what finds no room, is refused for good, or could not be sent within a day is dropped, counted and told in the
//! status; the alarm itself is in the list all the same. An address that is not written to holds up no other one.

mod office;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message, SmtpTransport, Transport as _};
use serde_json::json;

use super::clock;
use super::limits::{ANCHORS_OCTETS_MAX, MAIL_PATIENCE, MAIL_PROBLEM_CHARS, MAIL_REST};
use crate::alarm::{Alarm, Email, Security, Severity};
use crate::given_file;
use office::{Kind, Letter, Next, Office, Problem};

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
    post: Arc<Post>,
    least: Severity,
}

/// What the thread and those who tell it share.
struct Post {
    office: Mutex<Office>,
    changed: Condvar,
}

/// On the thread.
struct Postman {
    email: Email,
    letterhead: MessageBuilder,
    from: Address,
    to: Vec<Address>,
    transport: SmtpTransport,
    post: Arc<Post>,
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
        let least = email.least;
        let post = Arc::new(Post {
            office: Mutex::new(Office::new(email.to.len(), rest)),
            changed: Condvar::new(),
        });
        let to = email
            .to
            .iter()
            .map(|to| mailbox(to))
            .collect::<Result<Vec<Mailbox>, _>>()?;
        let from = mailbox(&email.from)?;
        let mut letterhead = Message::builder().from(from.clone());
        for to in &to {
            letterhead = letterhead.to(to.clone());
        }
        let postman = Postman {
            letterhead,
            from: from.email,
            to: to.into_iter().map(|to| to.email).collect(),
            transport: transport(&email)?,
            email,
            post: post.clone(),
        };
        std::thread::Builder::new()
            .name("mail".into())
            .spawn(move || postman.run())?;
        Ok(Mail { post, least })
    }

    /// Tells of an alarm, if it is grave enough. Never waits.
    pub fn tell(&self, alarm: &Alarm) {
        if alarm.severity < self.least {
            return;
        }
        let letter = Letter {
            alarm: Arc::new(alarm.clone()),
            told: clock::now().instant,
        };
        let mut office = self.post.office();
        office.tell(&letter);
        self.post.changed.notify_one();
    }

    /// For `/api/v1/status`. Counts are of letters, one for each alarm and address.
    pub fn status(&self) -> serde_json::Value {
        let office = self.post.office();
        json!({
            "waiting": office.waiting(),
            "sent": office.sent,
            "lost": office.lost,
            "problem": office.problem(),
        })
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.post.office().is_closed = true;
        self.post.changed.notify_one();
    }
}

impl Post {
    fn office(&self) -> MutexGuard<'_, Office> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Postman {
    fn run(self) {
        let mut office = self.post.office();
        loop {
            match office.next(clock::now().instant) {
                Next::Send(place, letter) => {
                    drop(office);
                    let sent = self.send(place, &letter.alarm);
                    office = self.post.office();
                    office.settle(place, letter, sent, clock::now().instant);
                }
                Next::Wait(None) => {
                    let changed = self.post.changed.wait(office);
                    office = changed.unwrap_or_else(PoisonError::into_inner);
                }
                Next::Wait(Some(left)) => {
                    let changed = self.post.changed.wait_timeout(office, left);
                    office = changed.unwrap_or_else(PoisonError::into_inner).0;
                }
                Next::End => return,
            }
        }
    }

    /// Every address reads who else is written to; the envelope names one.
    fn send(&self, place: usize, alarm: &Alarm) -> Result<(), Problem> {
        let letter = self.email.letter(alarm);
        let envelope = Envelope::new(Some(self.from.clone()), vec![self.to[place].clone()]);
        let envelope = envelope.map_err(|why| Problem::of(&why, Kind::Final))?;
        let message = self
            .letterhead
            .clone()
            .envelope(envelope)
            .subject(letter.subject)
            .message_id(Some(self.email.message_id(alarm)))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text);
        let message: Message = message.map_err(|why| Problem::of(&why, Kind::Final))?;
        let sent = self.transport.send(&message);
        sent.map(drop).map_err(|why| {
            let kind = match (why.is_permanent(), why.is_transient()) {
                (true, _) => Kind::Final,
                (_, true) => Kind::PutOff,
                _ => Kind::Away,
            };
            Problem::of(&why, kind)
        })
    }
}

impl Problem {
    fn of(why: &dyn std::error::Error, kind: Kind) -> Problem {
        let mut words = why.to_string();
        let mut source = why.source();
        while let Some(cause) = source {
            words += &format!(": {cause}");
            source = cause.source();
        }
        let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
        Problem {
            words: plain.take(MAIL_PROBLEM_CHARS).collect(),
            kind,
        }
    }
}

fn mailbox(text: &str) -> Result<Mailbox, MailError> {
    text.parse().map_err(|_| MailError::Address(text.into()))
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::super::limits::MAIL_WAITING;
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

    pub(super) fn alarm(number: u64, severity: Severity) -> Alarm {
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
        let end = clock::now().instant + Duration::from_secs(60);
        while mail.status()["problem"].is_null() {
            assert!(clock::now().instant < end, "no try in a minute");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let status = mail.status();
        assert_eq!(status["sent"], 0, "{status}");
        assert!((8..=9).contains(&status["lost"].as_u64().unwrap()), "{status}");
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
