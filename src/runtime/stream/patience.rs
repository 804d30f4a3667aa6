//! How long one connection may keep us waiting, and when we make ourselves heard on it.
//!
//! Every limit against a peer that opens connections and then says little, slowly or nothing (slow loris) is here,
//! without clock or socket. What it decides, `connection` carries out.

use std::time::{Duration, Instant};

use crate::runtime::limits::{
    STREAM_ASKED, STREAM_FIRST_FRAME, STREAM_MESSAGE, STREAM_PING_AFTER, STREAM_PONG,
};

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Patience {
    /// We opened it: we keep the ways of translators (NAT) open with pings (RFC 5626 §3.5.1, §4.4.1).
    is_ours: bool,
    has_spoken: bool,
    /// How long it may be quiet, and when it has been.
    idle: Duration,
    idle_at: Instant,
    /// The shards have been asked whether a call goes on over it.
    is_asked: bool,
    last_frame: Instant,
    /// The first octet of a message that is not whole yet.
    message_since: Option<Instant>,
    last_ping: Instant,
    /// A ping without its answer.
    pinged: Option<Instant>,
    /// It has answered a ping before: one that does not must be dead. Many peers never answer.
    answers_pings: bool,
}

/// What a deadline says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    /// Opened and never said anything.
    Silent,
    /// A message that has begun does not end.
    Slow,
    /// Quiet for long: has anybody use for it?
    Quiet,
    /// Nobody has.
    Idle,
    /// Our ping was not answered, and others were.
    Dead,
}

impl Patience {
    pub(super) fn new(is_ours: bool, idle: Duration, now: Instant) -> Patience {
        Patience {
            is_ours,
            has_spoken: false,
            idle,
            idle_at: now + idle,
            is_asked: false,
            last_frame: now,
            message_since: None,
            last_ping: now,
            pinged: None,
            answers_pings: false,
        }
    }

    /// After everything that was read has been cut: how many whole frames it gave, and whether the rest is the
    /// beginning of a message.
    pub(super) fn on_read(&mut self, frames: usize, is_inside_message: bool, now: Instant) {
        if frames > 0 {
            self.has_spoken = true;
            self.last_frame = now;
            self.message_since = None;
            self.needed(now);
        }
        if is_inside_message {
            self.message_since.get_or_insert(now);
        } else {
            self.message_since = None;
        }
    }

    /// It is not idle, whatever was not said: a call goes on over it.
    pub(super) fn needed(&mut self, now: Instant) {
        self.idle_at = now + self.idle;
        self.is_asked = false;
    }

    pub(super) fn on_pong(&mut self) {
        self.answers_pings = true;
        self.pinged = None;
    }

    /// When [`Patience::due`] has something to say.
    pub(super) fn next(&self) -> Instant {
        self.deadlines()
            .map(|(at, _)| at)
            .min()
            .unwrap_or(self.last_frame)
    }

    /// What has come to its time; None = nothing.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let (_, due) = self
            .deadlines()
            .filter(|(at, _)| *at <= now)
            .min_by_key(|(at, due)| (*at, *due == Due::Ping))?;
        if due == Due::Ping {
            self.last_ping = now;
            self.pinged.get_or_insert(now);
        }
        if due == Due::Quiet {
            self.is_asked = true;
            self.idle_at = now + STREAM_ASKED.min(self.idle);
        }
        Some(due)
    }

    fn deadlines(&self) -> impl Iterator<Item = (Instant, Due)> {
        let silent = !self.is_ours && !self.has_spoken;
        [
            silent.then_some((self.last_frame + STREAM_FIRST_FRAME, Due::Silent)),
            self.message_since
                .map(|since| (since + STREAM_MESSAGE, Due::Slow)),
            Some((self.idle_at, if self.is_asked { Due::Idle } else { Due::Quiet })),
            self.is_ours
                .then_some((self.last_ping.max(self.last_frame) + STREAM_PING_AFTER, Due::Ping)),
            self.pinged
                .filter(|_| self.answers_pings)
                .map(|at| (at + STREAM_PONG, Due::Dead)),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::clock;
    use crate::runtime::limits::STREAM_IDLE;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_message_that_does_not_end_is_not_waited_for_however_it_trickles() {
        let start = clock::now().instant;
        let mut patience = Patience::new(false, STREAM_IDLE, start);
        for second in 0..STREAM_MESSAGE.as_secs() {
            patience.on_read(0, true, after(start, second));
            assert_eq!(patience.due(after(start, second)), None);
        }
        assert_eq!(patience.due(start + STREAM_MESSAGE), Some(Due::Slow));
        // Whole messages in between start the count anew.
        let mut patience = Patience::new(false, STREAM_IDLE, start);
        for second in 0..30 {
            patience.on_read(1, true, after(start, second));
            assert_eq!(patience.due(after(start, second)), None);
        }
    }

    #[test]
    fn who_connects_and_says_nothing_is_not_waited_for_as_long_as_who_has_spoken() {
        let start = clock::now().instant;
        let mut silent = Patience::new(false, STREAM_IDLE, start);
        assert_eq!(silent.next(), start + STREAM_FIRST_FRAME);
        assert_eq!(silent.due(start + STREAM_FIRST_FRAME), Some(Due::Silent));
        let mut known = Patience::new(false, STREAM_IDLE, start);
        known.on_read(1, false, start);
        assert_eq!(known.due(start + STREAM_FIRST_FRAME), None);
        assert_eq!(known.due(start + STREAM_IDLE), Some(Due::Quiet));
        assert_eq!(known.due(start + STREAM_IDLE), None, "once");
        assert_eq!(known.due(start + STREAM_IDLE + STREAM_ASKED), Some(Due::Idle));
    }

    #[test]
    fn a_connection_that_a_call_goes_on_over_is_asked_after_again_and_again() {
        let start = clock::now().instant;
        let mut patience = Patience::new(false, STREAM_IDLE, start);
        patience.on_read(1, false, start);
        let mut now = start;
        for _ in 0..3 {
            now += STREAM_IDLE;
            assert_eq!(patience.due(now), Some(Due::Quiet));
            patience.needed(now);
            assert_eq!(patience.due(now + STREAM_ASKED), None);
        }
        now += STREAM_IDLE;
        assert_eq!(patience.due(now), Some(Due::Quiet));
        // A message in between is an answer too.
        patience.on_read(1, false, now);
        assert_eq!(patience.due(now + STREAM_ASKED), None);
    }

    #[test]
    fn only_connections_of_ours_are_pinged_and_an_answer_is_a_sign_of_life() {
        let start = clock::now().instant;
        let mut theirs = Patience::new(false, STREAM_IDLE, start);
        theirs.on_read(1, false, start);
        assert_eq!(theirs.due(start + STREAM_PING_AFTER), None);

        let mut ours = Patience::new(true, STREAM_IDLE, start);
        assert_eq!(ours.due(start + STREAM_PING_AFTER), Some(Due::Ping));
        assert_eq!(ours.due(start + STREAM_PING_AFTER), None, "once");
        let answered = start + STREAM_PING_AFTER + Duration::from_secs(1);
        ours.on_pong();
        ours.on_read(1, false, answered);
        assert_eq!(ours.due(start + STREAM_IDLE), None);
        let again = answered + STREAM_PING_AFTER;
        assert_eq!(ours.due(again), Some(Due::Ping));
        assert_eq!(ours.due(again + STREAM_PONG), Some(Due::Dead));
    }

    #[test]
    fn a_peer_that_never_answers_pings_is_only_idle() {
        let start = clock::now().instant;
        let mut ours = Patience::new(true, STREAM_IDLE, start);
        assert_eq!(ours.due(start + STREAM_PING_AFTER), Some(Due::Ping));
        assert_eq!(ours.due(start + STREAM_PING_AFTER + STREAM_PONG), None);
        assert_eq!(ours.due(start + STREAM_IDLE), Some(Due::Quiet));
        assert_eq!(ours.due(start + STREAM_IDLE + STREAM_ASKED), Some(Due::Idle));
    }
}
