//! Session timers (RFC 4028): who refreshes a session, when, and when it is over because nobody did.
//!
//! ```text
//!            half of the interval: Refresh            2xx to it: refreshed()
//!   ours   ─────────────────────────────▶ waiting ──────────────────────────▶ again from the start
//!                                            │ the whole interval: Expired
//!   theirs ── their request: a new timer ──▶ again from the start
//!             │ the interval less a third of it, or 32 s: Expired
//! ```

use std::time::{Duration, Instant};

use super::builder::{Request, Response};
use super::message::Message;
use super::method::is_token;
use super::reliable::names_option;

/// The option tag (RFC 4028 §3).
pub const TIMER: &str = "timer";

/// The shortest interval we agree to: the RFC's own lower bound and default of Min-SE (§5).
pub const INTERVAL_MIN: Duration = Duration::from_secs(90);

/// The longest interval that is believed; a longer one counts as this. A day: no call lasts longer.
pub const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// The side without the task says goodbye this much before the end at the latest (§10).
const GRACE_MAX: Duration = Duration::from_secs(32);

/// Session-Expires: whole seconds, and which side of *this* request refreshes (§4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    pub interval: Duration,
    pub refresher: Option<Refresher>,
}

/// The sides are those of the request that carries the word, not of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    Uac,
    Uas,
}

/// 422, with our Min-SE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall(pub Duration);

impl SessionExpires {
    /// None when the header is missing or cannot be read: then nobody asked for a timer.
    pub fn of(message: &Message) -> Option<SessionExpires> {
        let value = message.header("Session-Expires")?;
        let mut parts = value.split(';').map(str::trim);
        let interval = seconds(parts.next()?)?;
        let refresher = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("refresher") {
                return None;
            }
            match value.trim() {
                value if value.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
                value if value.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
                _ => None,
            }
        });
        Some(SessionExpires { interval, refresher })
    }
}

impl std::fmt::Display for SessionExpires {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.interval.as_secs())?;
        match self.refresher {
            Some(Refresher::Uac) => out.write_str(";refresher=uac"),
            Some(Refresher::Uas) => out.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// Min-SE of a request or of a 422; the default of 90 s when it is missing or smaller (§5).
pub fn min_se(message: &Message) -> Duration {
    message
        .header("Min-SE")
        .and_then(|value| seconds(value.split(';').next()?.trim()))
        .unwrap_or(INTERVAL_MIN)
        .max(INTERVAL_MIN)
}

/// Delta-seconds, at most [`INTERVAL_MAX`].
fn seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() && is_token(b)) {
        return None;
    }
    // More digits than a number holds are more seconds than anybody waits.
    let whole: u64 = text.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(whole.min(INTERVAL_MAX.as_secs())))
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// We refresh now.
    Refresh,
    /// Nobody refreshed: BYE.
    Expired,
}

/// The timer of one session in one dialog. Sans-IO: it is told the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    interval: Duration,
    is_ours: bool,
    /// When we refresh; None while a refresh is under way, or when it is theirs.
    refresh_at: Option<Instant>,
    ends_at: Instant,
}

impl SessionTimer {
    /// What a request of the peer (INVITE, UPDATE) asks for, as its UAS (§9): the timer to start with the 2xx, and the
    /// Session-Expires of that 2xx. None: no timer in this dialog from then on.
    ///
    /// `wanted` is our own interval, and `before` the timer that runs. A peer that knows no timers but whose way does
    /// (Session-Expires without Supported) makes us the refresher.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] for an interval below 90 s from a peer that understands 422.
    pub fn asked(
        request: &Message,
        wanted: Duration,
        before: Option<&SessionTimer>,
        now: Instant,
    ) -> Result<Option<(SessionTimer, SessionExpires)>, TooSmall> {
        let knows_timers = knows_timers(request);
        let Some(asked) = SessionExpires::of(request) else {
            if !knows_timers {
                return Ok(None);
            }
            // It could, and did not ask: our interval, and our work; or as it was.
            let interval = before.map_or(wanted, |timer| timer.interval).max(min_se(request));
            let is_ours = before.is_none_or(|timer| timer.is_ours);
            let refresher = if is_ours { Refresher::Uas } else { Refresher::Uac };
            return Ok(Some(started(interval, refresher, is_ours, now)));
        };
        if asked.interval < INTERVAL_MIN {
            // Without Supported it would not understand 422; and nothing below the bound is agreed to.
            return if knows_timers {
                Err(TooSmall(INTERVAL_MIN))
            } else {
                Ok(None)
            };
        }
        // May be lowered, never below what somebody on the way insists on, and never raised (§9).
        let interval = wanted.max(min_se(request)).min(asked.interval);
        let refresher = match (knows_timers, asked.refresher) {
            (false, _) => Refresher::Uas,
            (true, Some(refresher)) => refresher,
            (true, None) => Refresher::Uac,
        };
        Ok(Some(started(
            interval,
            refresher,
            refresher == Refresher::Uas,
            now,
        )))
    }

    /// What a 2xx to our request says, as its UAC (§7.2). None: no timer.
    pub fn agreed(response: &Message, now: Instant) -> Option<SessionTimer> {
        let said = SessionExpires::of(response)?;
        // A 2xx without the word breaks §9; that we do it ourselves harms nobody.
        let is_ours = said.refresher != Some(Refresher::Uas);
        let interval = said.interval.max(INTERVAL_MIN);
        Some(SessionTimer::start(interval, is_ours, now))
    }

    fn start(interval: Duration, is_ours: bool, now: Instant) -> SessionTimer {
        let grace = if is_ours {
            Duration::ZERO
        } else {
            GRACE_MAX.min(interval / 3)
        };
        SessionTimer {
            interval,
            is_ours,
            refresh_at: is_ours.then(|| now + interval / 2),
            ends_at: now + interval - grace,
        }
    }

    pub fn deadline(&self) -> Instant {
        self.refresh_at.map_or(self.ends_at, |at| at.min(self.ends_at))
    }

    /// What is due at `now`; a refresh is told once.
    pub fn poll(&mut self, now: Instant) -> Option<Due> {
        if now >= self.ends_at {
            return Some(Due::Expired);
        }
        self.refresh_at.take_if(|at| now >= *at).map(|_| Due::Refresh)
    }

    /// The refresh did not work for a reason that passes: it is tried again at `at`. The end stays where it was.
    pub fn retry(&mut self, at: Instant) {
        if self.is_ours {
            self.refresh_at = Some(at);
        }
    }

    /// Session-Expires of our next request in this dialog: who refreshes stays who it is (§7.4).
    pub fn next(&self) -> SessionExpires {
        SessionExpires {
            interval: self.interval,
            refresher: Some(if self.is_ours {
                Refresher::Uac
            } else {
                Refresher::Uas
            }),
        }
    }

    /// After a 422: no shorter than this.
    pub fn lengthen(&mut self, interval: Duration) {
        self.interval = self.interval.max(interval);
    }

    pub fn interval(&self) -> Duration {
        self.interval
    }

    pub fn is_ours(&self) -> bool {
        self.is_ours
    }
}

/// Session-Expires and its company in a request of ours.
pub fn ask(request: Request, expires: SessionExpires, min: Duration) -> Request {
    let request = request.header("Session-Expires", expires.to_string());
    match min > INTERVAL_MIN {
        true => request.header("Min-SE", min.as_secs().to_string()),
        false => request,
    }
}

/// The same in a 2xx of ours: when the peer refreshes it must know that it does (§9).
pub fn tell(response: Response, expires: SessionExpires) -> Response {
    let response = response.header("Session-Expires", expires.to_string());
    match expires.refresher {
        Some(Refresher::Uac) => response.header("Require", TIMER),
        _ => response,
    }
}

fn started(
    interval: Duration,
    refresher: Refresher,
    is_ours: bool,
    now: Instant,
) -> (SessionTimer, SessionExpires) {
    let expires = SessionExpires {
        interval,
        refresher: Some(refresher),
    };
    (SessionTimer::start(interval, is_ours, now), expires)
}

fn knows_timers(message: &Message) -> bool {
    names_option(message, "Supported", TIMER) || names_option(message, "Require", TIMER)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    const WANTED: Duration = Duration::from_secs(1800);

    fn request(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
             Call-ID: x\r\nCSeq: 7 INVITE\r\n{headers}\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    fn response(headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n\
             Call-ID: x\r\nCSeq: 7 INVITE\r\n{headers}\r\n"
        );
        Message::parse(text.as_bytes()).unwrap()
    }

    /// What our 2xx says to a request: `interval;refresher` / who refreshes.
    fn answer(headers: &str) -> String {
        match SessionTimer::asked(&request(headers), WANTED, None, Instant::now()) {
            Ok(Some((timer, expires))) => {
                format!("{expires} {}", if timer.is_ours() { "ours" } else { "theirs" })
            }
            Ok(None) => "none".into(),
            Err(TooSmall(min)) => format!("422 {}", min.as_secs()),
        }
    }

    #[test]
    fn a_uas_answers_by_table_2() {
        for (headers, expected) in [
            // The UAC knows no timers: only we can refresh, and only if somebody asked.
            ("", "none"),
            ("Session-Expires: 600\r\n", "600;refresher=uas ours"),
            ("Session-Expires: 600;refresher=uac\r\n", "600;refresher=uas ours"),
            // The UAC knows them.
            ("Supported: timer\r\n", "1800;refresher=uas ours"),
            (
                "Supported: timer\r\nSession-Expires: 600\r\n",
                "600;refresher=uac theirs",
            ),
            (
                "k: 100rel, Timer\r\nx: 600;refresher=uac\r\n",
                "600;refresher=uac theirs",
            ),
            (
                "Require: timer\r\nSession-Expires: 600;refresher=uas\r\n",
                "600;refresher=uas ours",
            ),
        ] {
            assert_eq!(answer(headers), expected, "{headers}");
        }
    }

    #[test]
    fn the_interval_is_lowered_never_raised_and_not_below_min_se() {
        for (headers, expected) in [
            ("Session-Expires: 7200", "1800;refresher=uac theirs"),
            (
                "Min-SE: 3600\r\nSession-Expires: 7200",
                "3600;refresher=uac theirs",
            ),
            ("Min-SE: 10\r\nSession-Expires: 90", "90;refresher=uac theirs"),
            (
                "Session-Expires: 99999999999999999999999",
                "1800;refresher=uac theirs",
            ),
        ] {
            assert_eq!(
                answer(&format!("Supported: timer\r\n{headers}\r\n")),
                expected,
                "{headers}"
            );
        }
    }

    #[test]
    fn an_interval_below_90_s_is_422_for_those_who_understand_it() {
        assert_eq!(answer("Supported: timer\r\nSession-Expires: 89\r\n"), "422 90");
        assert_eq!(answer("Session-Expires: 89\r\n"), "none");
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        for value in ["", "soon", "-5", "1.5", ";refresher=uac", "+90"] {
            assert_eq!(
                answer(&format!("Session-Expires: {value}\r\n")),
                "none",
                "{value}"
            );
        }
        assert_eq!(min_se(&request("Min-SE: x\r\n")), INTERVAL_MIN);
        assert_eq!(min_se(&request("Min-SE: 30\r\n")), INTERVAL_MIN);
        assert_eq!(min_se(&request("Min-SE: 120;x=y\r\n")), Duration::from_secs(120));
    }

    #[test]
    fn a_request_without_the_header_keeps_the_roles_of_a_peer_that_knows_timers_and_ends_them_else() {
        let now = Instant::now();
        let theirs = SessionTimer::start(Duration::from_secs(600), false, now);
        let kept = SessionTimer::asked(&request("Supported: timer\r\n"), WANTED, Some(&theirs), now).unwrap();
        let (timer, expires) = kept.unwrap();
        assert_eq!(
            (timer.is_ours(), expires.to_string()),
            (false, "600;refresher=uac".into())
        );
        assert_eq!(
            SessionTimer::asked(&request(""), WANTED, Some(&theirs), now),
            Ok(None)
        );
    }

    #[test]
    fn the_refresher_refreshes_at_half_and_gives_up_at_the_end() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut timer =
            SessionTimer::agreed(&response("Session-Expires: 600;refresher=uac\r\n"), now).unwrap();
        assert_eq!(timer.deadline(), at(300));
        assert_eq!(timer.poll(at(299)), None);
        assert_eq!(timer.poll(at(300)), Some(Due::Refresh));
        assert_eq!(timer.poll(at(300)), None, "told once");
        assert_eq!(timer.deadline(), at(600));
        timer.retry(at(303));
        assert_eq!(timer.deadline(), at(303));
        assert_eq!(timer.poll(at(303)), Some(Due::Refresh));
        assert_eq!(timer.poll(at(600)), Some(Due::Expired));
        assert_eq!(timer.next().to_string(), "600;refresher=uac");
    }

    #[test]
    fn the_other_side_ends_32_s_or_a_third_before_the_end() {
        let now = Instant::now();
        for (interval, ends) in [(600, 568), (90, 60), (96, 64), (99, 67)] {
            let said = response(&format!("Session-Expires: {interval};refresher=uas\r\n"));
            let mut timer = SessionTimer::agreed(&said, now).unwrap();
            let end = now + Duration::from_secs(ends);
            assert_eq!(timer.deadline(), end, "{interval}");
            assert_eq!(timer.poll(end - Duration::from_millis(1)), None);
            assert_eq!(timer.poll(end), Some(Due::Expired));
            timer.retry(now);
            assert_eq!(timer.deadline(), end, "theirs is never ours to try");
        }
    }

    #[test]
    fn a_2xx_without_the_header_starts_nothing() {
        assert_eq!(SessionTimer::agreed(&response(""), Instant::now()), None);
        let unsaid = SessionTimer::agreed(&response("Session-Expires: 600\r\n"), Instant::now()).unwrap();
        assert!(unsaid.is_ours(), "nobody named: we do it");
    }

    #[test]
    fn the_2xx_requires_timer_of_a_peer_that_refreshes() {
        let message = request("Supported: timer\r\nSession-Expires: 600\r\n");
        let (_, expires) = SessionTimer::asked(&message, WANTED, None, Instant::now())
            .unwrap()
            .unwrap();
        let told = tell(Response::new(&message, 200, "OK"), expires);
        assert_eq!(told.header_value("Require"), Some("timer"));
        assert_eq!(told.header_value("Session-Expires"), Some("600;refresher=uac"));
    }
}
