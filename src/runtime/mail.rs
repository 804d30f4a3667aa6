//! Sends alarms by e-mail (SMTP, RFC 5321), to each address a letter of its own, on a thread of its own that may wait for as long as a
//! mail server does.
//!
//! Nothing waits for it: what finds no room, is refused for good, or could not be sent within a day is dropped, counted and told in the
//! status; the alarm itself is in the list all the same. An address that is not written to holds up no other one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message, SmtpTransport, Transport as _};
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
    post: Arc<Post>,
    least: Severity,
}

/// What the thread and those who tell it share.
struct Post {
    office: Mutex<Office>,
    changed: Condvar,
}

/// What waits, and how it goes since the start.
struct Office {
    /// One for each address of `to`, in its order.
    boxes: Vec<Letterbox>,
    /// Whose turn it is, if there is something for him.
    turn: usize,
    /// After the server could not be reached, which holds for everybody.
    rest: Rest,
    /// Why it could not be, at the last try.
    problem: Option<String>,
    is_closed: bool,
    sent: u64,
    /// Letters that did not come to the one they were for.
    lost: u64,
}

/// What waits for one address.
struct Letterbox {
    letters: VecDeque<Letter>,
    /// After the server put him off.
    rest: Rest,
    /// What it said of the last letter; None = it was taken, or there was none.
    problem: Option<String>,
}

/// An alarm for one address.
#[derive(Clone)]
struct Letter {
    alarm: Arc<Alarm>,
    told: Instant,
}

/// A pause that is twice as long after each failure.
struct Rest {
    first: Duration,
    next: Duration,
    until: Option<Instant>,
}

/// What there is to do.
enum Next {
    /// For this address.
    Send(usize, Letter),
    /// None = until somebody tells something.
    Wait(Option<Duration>),
    End,
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
        for place in 0..office.boxes.len() {
            office.put(place, letter.clone());
        }
        self.post.changed.notify_one();
    }

    /// For `/api/v1/status`. Counts are of letters, one for each alarm and address.
    pub fn status(&self) -> serde_json::Value {
        let office = self.post.office();
        json!({
            "waiting": office.boxes.iter().map(|one| one.letters.len()).sum::<usize>(),
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

impl Office {
    fn new(addresses: usize, rest: Duration) -> Office {
        let letterbox = || Letterbox {
            letters: VecDeque::new(),
            rest: Rest::new(rest),
            problem: None,
        };
        Office {
            boxes: (0..addresses).map(|_| letterbox()).collect(),
            turn: 0,
            rest: Rest::new(rest),
            problem: None,
            is_closed: false,
            sent: 0,
            lost: 0,
        }
    }

    /// Past [`MAIL_WAITING`] the mildest goes, and of those the oldest.
    fn put(&mut self, place: usize, letter: Letter) {
        let letters = &mut self.boxes[place].letters;
        letters.push_back(letter);
        if letters.len() > MAIL_WAITING {
            let all = letters.iter().enumerate();
            let mildest = all.min_by_key(|(_, letter)| (letter.alarm.severity, letter.told));
            if let Some(mildest) = mildest.map(|(at, _)| at) {
                letters.remove(mildest);
                self.lose(1);
            }
        }
    }

    fn next(&mut self, now: Instant) -> Next {
        self.forget_old(now);
        if self.boxes.iter().all(|one| one.letters.is_empty()) {
            return if self.is_closed {
                Next::End
            } else {
                Next::Wait(None)
            };
        }
        if let Some(left) = self.rest.left(now) {
            return Next::Wait(Some(left));
        }
        let mut least: Option<Duration> = None;
        for step in 0..self.boxes.len() {
            let place = (self.turn + step) % self.boxes.len();
            let one = &mut self.boxes[place];
            if one.letters.is_empty() {
                continue;
            }
            match one.rest.left(now) {
                Some(left) => least = Some(least.map_or(left, |least| least.min(left))),
                None => {
                    if let Some(letter) = one.letters.pop_front() {
                        self.turn = place + 1;
                        return Next::Send(place, letter);
                    }
                }
            }
        }
        Next::Wait(least)
    }

    fn forget_old(&mut self, now: Instant) {
        let mut old = 0;
        for one in &mut self.boxes {
            let before = one.letters.len();
            one.letters
                .retain(|letter| now.saturating_duration_since(letter.told) < MAIL_LASTS);
            old += before - one.letters.len();
        }
        self.lose(old as u64);
    }

    /// What became of a letter. One that is to be tried again goes behind the others for that address.
    fn settle(&mut self, place: usize, letter: Letter, sent: Result<(), Problem>, now: Instant) {
        let Err(problem) = sent else {
            self.reached();
            self.boxes[place].problem = None;
            self.boxes[place].rest.over();
            self.sent += 1;
            metrics::counter!("ringward_alarm_emails_total", "outcome" => "sent").increment(1);
            return;
        };
        tracing::warn!(
            alarm = letter.alarm.number,
            address = place + 1,
            is_over = problem.kind == Kind::Final,
            "an alarm was not sent by e-mail: {}",
            problem.words
        );
        match problem.kind {
            Kind::Final => {
                self.reached();
                self.boxes[place].problem = Some(problem.words);
                self.lose(1);
            }
            Kind::PutOff => {
                self.reached();
                self.boxes[place].problem = Some(problem.words);
                self.boxes[place].rest.begin(now);
                self.put(place, letter);
            }
            Kind::Away => {
                self.problem = Some(problem.words);
                self.rest.begin(now);
                self.put(place, letter);
            }
        }
    }

    /// The server said something.
    fn reached(&mut self) {
        self.problem = None;
        self.rest.over();
    }

    /// Of the way to the server, or of the first address that has one: named by its place, since it is somebody's.
    fn problem(&self) -> Option<String> {
        self.problem.clone().or_else(|| {
            let mut boxes = self.boxes.iter().enumerate();
            boxes.find_map(|(place, one)| {
                let words = one.problem.as_ref()?;
                Some(format!("address {} of `to`: {words}", place + 1))
            })
        })
    }

    fn lose(&mut self, letters: u64) {
        if letters > 0 {
            self.lost += letters;
            metrics::counter!("ringward_alarm_emails_total", "outcome" => "lost").increment(letters);
        }
    }
}

impl Rest {
    fn new(first: Duration) -> Rest {
        Rest {
            first,
            next: first,
            until: None,
        }
    }

    fn begin(&mut self, now: Instant) {
        self.until = Some(now + self.next);
        self.next = (self.next * 2).min(MAIL_REST_MAX);
    }

    fn over(&mut self) {
        *self = Rest::new(self.first);
    }

    /// None = there is none.
    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
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

/// Why a letter was not taken.
struct Problem {
    /// What the server, or the way to it, said; cut short.
    words: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It would be refused again (5xx).
    Final,
    /// The server does not take it now (4xx).
    PutOff,
    /// The server did not say anything, or nothing that is SMTP.
    Away,
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

    fn letter(number: u64, severity: Severity, told: Instant) -> Letter {
        Letter {
            alarm: Arc::new(alarm(number, severity)),
            told,
        }
    }

    fn put_off() -> Result<(), Problem> {
        Err(Problem {
            words: "451 later".into(),
            kind: Kind::PutOff,
        })
    }

    #[test]
    fn an_address_that_is_put_off_holds_up_no_other_one_and_loses_the_mildest() {
        let (mut office, now) = (Office::new(2, MAIL_REST), clock::now().instant);
        for number in 0..=MAIL_WAITING as u64 {
            let severity = match number {
                0 => Severity::Critical,
                5 => Severity::Low,
                _ => Severity::High,
            };
            for place in 0..2 {
                office.put(place, letter(number, severity, now));
            }
            // The second address takes whatever comes.
            loop {
                match office.next(now) {
                    Next::Send(0, letter) => office.settle(0, letter, put_off(), now),
                    Next::Send(place, letter) => office.settle(place, letter, Ok(()), now),
                    Next::Wait(_) => break,
                    Next::End => panic!("it is not closed"),
                }
            }
        }
        assert_eq!(office.sent, MAIL_WAITING as u64 + 1);
        assert_eq!(office.lost, 1);
        let waiting: Vec<u64> = office.boxes[0]
            .letters
            .iter()
            .map(|one| one.alarm.number)
            .collect();
        assert_eq!(waiting.len(), MAIL_WAITING);
        assert!(waiting.contains(&0) && !waiting.contains(&5), "{waiting:?}");
        assert!(waiting.contains(&(MAIL_WAITING as u64)), "{waiting:?}");
        assert_eq!(office.problem().as_deref(), Some("address 1 of `to`: 451 later"));
        // A day counts from when the alarm was told, and not from the first try.
        assert!(matches!(office.next(now + MAIL_LASTS), Next::Wait(None)));
        assert_eq!(office.lost, 1 + MAIL_WAITING as u64);
    }
}
