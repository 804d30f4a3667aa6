//! One registration: what it asks for, what it was granted, and when it asks next.
//!
//! ```text
//!              2xx: granted          half of it is over
//!   Asking ─────────────────▶ Waiting ─────────────────▶ Asking
//!     │ ▲ 423: longer at once    ▲
//!     │ └─ the next server at once, while there is one
//!     └── 403, 401 ...: a long pause; 5xx, no answer: a pause that grows ──┘
//!   Stop ──▶ Leaving (Expires: 0) ── whatever the answer ──▶ Over
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sip::{Message, Method, NameAddr, Request, Transport, Uri};
use crate::time::Now;

use super::limits::{
    GRANTED_MAX, GRANTED_MIN, PAUSE_FIRST, PAUSE_MAX, REFUSED_PAUSE, SERVERS_MAX, SERVICE_ROUTE_OCTETS_MAX,
    SERVICE_ROUTES_MAX,
};
use super::{Config, State, Ticket};

pub(super) struct Line {
    pub(super) config: Config,
    phase: Phase,
    call_id: String,
    tag: String,
    cseq: u32,
    /// Where its registrar is, in the order to be tried.
    servers: Vec<(Transport, SocketAddr)>,
    /// Which of its servers is asked.
    way: usize,
    /// Servers that failed since the last pause.
    failed_ways: usize,
    /// Pauses since the last success.
    pauses: u32,
    asks_for: Duration,
    /// The registrar has said 423 once since the last success.
    was_too_brief: bool,
    granted: Option<Granted>,
    problem: Option<String>,
    service_route: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until then; `None` = since ever.
    Waiting(Option<Instant>),
    Asking(Ticket),
    Leaving(Ticket),
    Over,
}

#[derive(Clone, Copy)]
struct Granted {
    until: Instant,
    until_utc: SystemTime,
}

impl Line {
    pub(super) fn new(config: Config, call_id: String, tag: String) -> Line {
        Line {
            asks_for: config.expires.clamp(GRANTED_MIN, GRANTED_MAX),
            servers: config
                .addresses
                .iter()
                .map(|address| (config.transport, *address))
                .collect(),
            config,
            phase: Phase::Waiting(None),
            call_id,
            tag,
            cseq: 0,
            way: 0,
            failed_ways: 0,
            pauses: 0,
            was_too_brief: false,
            granted: None,
            problem: None,
            service_route: Vec::new(),
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.servers.is_empty() && matches!(self.phase, Phase::Waiting(at) if at.is_none_or(|at| at <= now))
    }

    /// When it wants to be looked at: to ask, or because what it was granted ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let ask = match self.phase {
            Phase::Waiting(at) if !self.servers.is_empty() => at,
            _ => None,
        };
        let end = self.granted.map(|granted| granted.until);
        [ask, end].into_iter().flatten().min()
    }

    pub(super) fn owns(&self, ticket: Ticket) -> bool {
        matches!(self.phase, Phase::Asking(mine) | Phase::Leaving(mine) if mine == ticket)
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(super) fn server(&self) -> Option<(Transport, SocketAddr)> {
        self.servers.get(self.way).copied()
    }

    /// News of where the registrar is. The server in use stays in use as long as it is one of them. True when that is
    /// news for people too.
    pub(super) fn on_located(&mut self, servers: &[(Transport, SocketAddr)]) -> bool {
        if servers.is_empty() {
            let is_news = self.servers.is_empty() && self.problem.is_none();
            if is_news {
                self.problem = Some("the name of the carrier's registrar is not known".to_string());
            }
            return is_news;
        }
        let used = self.server();
        let was_unknown = self.servers.is_empty();
        self.servers = servers.iter().take(SERVERS_MAX).copied().collect();
        let still = used.and_then(|used| self.servers.iter().position(|server| *server == used));
        self.way = still.unwrap_or(0);
        if was_unknown {
            self.problem = None;
        }
        was_unknown || still.is_none()
    }

    /// What was granted is over. True when that is news.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let is_over = self.granted.is_some_and(|granted| granted.until <= now);
        if is_over {
            self.granted = None;
            self.service_route.clear();
        }
        is_over
    }

    pub(super) fn ask(&mut self, ticket: Ticket) -> Request {
        self.phase = Phase::Asking(ticket);
        self.request(self.asks_for.as_secs())
    }

    /// Takes the registration back. `None` = there is none.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Request> {
        // One that was asked for and not answered may have been granted all the same.
        let may_be_there = self.granted.is_some() || matches!(self.phase, Phase::Asking(_));
        if !may_be_there || matches!(self.phase, Phase::Leaving(_) | Phase::Over) {
            if !matches!(self.phase, Phase::Leaving(_)) {
                self.phase = Phase::Over;
            }
            return None;
        }
        self.phase = Phase::Leaving(ticket);
        Some(self.request(0))
    }

    fn request(&mut self, expires: u64) -> Request {
        self.cseq += 1;
        let registrar = uri("", &self.config);
        let us = uri(&self.config.user, &self.config);
        Request::new(Method::Register, registrar)
            .header("From", format!("<{us}>;tag={}", self.tag))
            .header("To", format!("<{us}>"))
            .header("Call-ID", &self.call_id)
            .header("CSeq", format!("{} REGISTER", self.cseq))
            .header("Expires", expires.to_string())
    }

    pub(super) fn on_answer(&mut self, response: &Message, contact: &str, jitter: u64, now: Now) {
        // With credentials it went out under a higher number than we counted.
        self.cseq = self.cseq.max(response.cseq().0);
        let status = response.status().unwrap_or_default();
        if matches!(self.phase, Phase::Leaving(_)) {
            self.granted = None;
            self.phase = Phase::Over;
            return;
        }
        match status {
            200..=299 => self.on_success(response, contact, jitter, now),
            423 => self.on_too_brief(response, jitter, now),
            401 | 407 => self.refused("the carrier does not take our user and password", jitter, now),
            403 => self.refused("the carrier refuses us (403)", jitter, now),
            404 | 410 | 604 => self.refused("the carrier does not know our account", jitter, now),
            status => {
                let after = response
                    .header("Retry-After")
                    .and_then(|value| value.split([';', '(']).next()?.trim().parse().ok())
                    .map(Duration::from_secs);
                self.failed(&format!("the carrier answered {status}"), after, jitter, now);
            }
        }
    }

    pub(super) fn on_failure(&mut self, status: u16, jitter: u64, now: Now) {
        if matches!(self.phase, Phase::Leaving(_)) {
            self.phase = Phase::Over;
            return;
        }
        let problem = match status {
            408 => "no answer from the carrier",
            _ => "the carrier cannot be reached",
        };
        self.failed(problem, None, jitter, now);
    }

    fn on_success(&mut self, response: &Message, contact: &str, jitter: u64, now: Now) {
        let granted = granted(response, contact).unwrap_or(self.asks_for);
        if granted.is_zero() {
            // It answered 200 and does not list us: somebody took the registration away, or our Contact was changed.
            return self.failed("the carrier does not list us", None, jitter, now);
        }
        let granted = granted.min(GRANTED_MAX);
        self.granted = Some(Granted {
            until: now.instant + granted,
            until_utc: now.utc + granted,
        });
        self.service_route = service_route(response);
        self.problem = None;
        (self.failed_ways, self.pauses, self.was_too_brief) = (0, 0, false);
        // Between half and two thirds: room for a server that does not answer and for the next one.
        let next = spread(granted.max(GRANTED_MIN), 50, 65, jitter);
        self.phase = Phase::Waiting(Some(now.instant + next));
    }

    /// RFC 3261 §10.2.8.
    fn on_too_brief(&mut self, response: &Message, jitter: u64, now: Now) {
        let least = response
            .header("Min-Expires")
            .and_then(|value| value.trim().parse().ok())
            .map(Duration::from_secs);
        match least {
            Some(least) if least > self.asks_for && least <= GRANTED_MAX && !self.was_too_brief => {
                self.asks_for = least;
                self.was_too_brief = true;
                self.phase = Phase::Waiting(Some(now.instant));
            }
            _ => self.failed(
                "the carrier and we do not agree how long to register",
                None,
                jitter,
                now,
            ),
        }
    }

    fn refused(&mut self, problem: &str, jitter: u64, now: Now) {
        self.problem = Some(problem.to_string());
        // What was granted before lasts as long as it was granted for.
        let pause = REFUSED_PAUSE * 2u32.pow(self.pauses.min(2));
        self.pause(pause, jitter, now);
    }

    /// The next server at once; a pause when all have failed.
    fn failed(&mut self, problem: &str, after: Option<Duration>, jitter: u64, now: Now) {
        self.problem = Some(problem.to_string());
        self.way = (self.way + 1) % self.servers.len().max(1);
        self.failed_ways += 1;
        if self.failed_ways < self.servers.len() {
            self.phase = Phase::Waiting(Some(now.instant));
            return;
        }
        let grown = PAUSE_FIRST * 2u32.pow(self.pauses.min(10));
        let pause = grown.max(after.unwrap_or_default()).min(PAUSE_MAX);
        self.pause(pause, jitter, now);
    }

    fn pause(&mut self, pause: Duration, jitter: u64, now: Now) {
        self.failed_ways = 0;
        self.pauses = self.pauses.saturating_add(1);
        // Longer, never shorter: who asks for a pause gets it.
        self.phase = Phase::Waiting(Some(now.instant + spread(pause, 100, 125, jitter)));
    }

    pub(super) fn state(&self) -> State {
        State {
            trunk: self.config.trunk.clone(),
            is_registered: self.granted.is_some(),
            expires_ms: self.granted.map(|granted| {
                let since = granted.until_utc.duration_since(UNIX_EPOCH);
                since.map_or(0, |since| since.as_millis() as u64)
            }),
            server: self.server().map(|(_, address)| address),
            problem: self.problem.clone(),
            is_over: self.is_over(),
            service_route: self.service_route.clone(),
        }
    }
}

/// Somewhere between `least` and `most` percent of it.
fn spread(duration: Duration, least: u32, most: u32, jitter: u64) -> Duration {
    let percent = least + (jitter % u64::from(most - least + 1)) as u32;
    duration * percent / 100
}

fn uri(user: &str, config: &Config) -> String {
    let at = if user.is_empty() { "" } else { "@" };
    format!("sip:{}{at}{}", escaped(user), config.host)
}

/// A user name as a URI has it (RFC 3261 §25.1).
pub(super) fn escaped(user: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,".contains(&octet);
    user.bytes()
        .map(|octet| match is_plain(octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}

/// How long our own contact lasts by this 2xx (RFC 3261 §10.2.4); zero when others are listed and ours is not.
fn granted(response: &Message, contact: &str) -> Option<Duration> {
    let ours = Uri::parse(contact).ok()?;
    let header = response
        .header("Expires")
        .and_then(|value| value.trim().parse::<u64>().ok());
    let mut has_others = false;
    for value in response.header_values("Contact") {
        let Ok(listed) = NameAddr::parse(&value) else {
            continue;
        };
        let is_ours = listed.uri.user() == ours.user()
            && listed.uri.port().unwrap_or(5060) == ours.port().unwrap_or(5060)
            && matches!((listed.uri.host(), ours.host()), (Some(a), Some(b)) if a.eq_ignore_ascii_case(b));
        if is_ours {
            let own = listed
                .param("expires")
                .and_then(|value| value.trim().parse().ok());
            return own.or(header).map(Duration::from_secs);
        }
        has_others = true;
    }
    match has_others {
        // Behind a NAT some carriers write the address they saw: that is us all the same when it is the only one.
        true if response.header_values("Contact").len() > 1 => Some(Duration::ZERO),
        true => {
            let only = response.header_values("Contact");
            let listed = NameAddr::parse(&only[0]).ok()?;
            let own = listed
                .param("expires")
                .and_then(|value| value.trim().parse().ok());
            own.or(header).map(Duration::from_secs)
        }
        false => header.map(Duration::from_secs),
    }
}

fn service_route(response: &Message) -> Vec<String> {
    let routes: Vec<String> = response
        .header_values("Service-Route")
        .into_iter()
        .map(|value| value.into_owned())
        .collect();
    let is_sound = |route: &String| route.len() <= SERVICE_ROUTE_OCTETS_MAX && NameAddr::parse(route).is_ok();
    match routes.len() <= SERVICE_ROUTES_MAX && routes.iter().all(is_sound) {
        true => routes,
        false => Vec::new(),
    }
}
