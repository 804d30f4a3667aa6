//! A flood of calls (telephony denial of service, TDoS): when it begins, and when it is over.
//!
//! ```text
//!               10 s of arrivals, or the calls that ring, reach the threshold
//!   ordinary ───────────────────────────────────────────────────────────────► flood
//!      ▲                                                                        │
//!      └────────────── both below half of it for a whole minute ◄───────────────┘
//!
//!   threshold = the greater of a floor and FACTOR × the normal
//!   normal    = mean of the minutes without a flood, the last hour for about two thirds of it
//! ```
//!
//! What happens during a flood is no part of the normal: an attack cannot teach us that it is ordinary. Only one that has
//! lasted an hour is learned from, by [`SURGE_GROWTH`] a minute: a business that has more calls than it used to have must
//! not be under attack for ever. Until ten minutes are learned nothing is a flood: whoever starts in a busy hour, or always
//! has many calls, is not under attack.

use std::time::{Duration, Instant};

use super::limits::{
    SURGE_CALM, SURGE_GROWTH, SURGE_LEARNED_MINUTES, SURGE_LONG_MINUTES, SURGE_MEMORY_MINUTES,
    SURGE_WINDOW_SECONDS,
};

/// `[tdos]`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurgeConfig {
    /// Whether there is a flood: by the rule, or as somebody says.
    pub hand: Hand,
    /// What happens to callers for whom nothing speaks.
    pub rest: Rest,
    /// New calls in ten seconds that are no flood, however quiet it usually is.
    pub calls: u32,
    /// Calls ringing at once that are none.
    pub ringing: u32,
    /// How many times the normal is a flood.
    pub factor: f64,
}

impl Default for SurgeConfig {
    fn default() -> SurgeConfig {
        SurgeConfig {
            hand: Hand::Auto,
            rest: Rest::Challenge,
            calls: 100,
            ringing: 100,
            factor: 4.0,
        }
    }
}

impl SurgeConfig {
    /// Nothing is ever a flood.
    pub fn off() -> SurgeConfig {
        SurgeConfig {
            hand: Hand::Off,
            ..SurgeConfig::default()
        }
    }
}

/// Who says whether there is a flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hand {
    #[default]
    Auto,
    On,
    Off,
}

/// What happens during a flood to callers for whom nothing speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// What policy says, as ever.
    #[default]
    Label,
    /// They press two digits, or say who they are, before anything rings.
    Challenge,
    /// They hear 480.
    Refuse,
}

/// What is known of it, for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurgeStanding {
    pub is_on: bool,
    pub hand: Hand,
    pub rest: Rest,
    /// How long it has been on.
    pub lasts: Duration,
    /// How often one has begun by the rule, since the start.
    pub begun: u64,
    /// New calls in the last ten seconds, and from how many on they are a flood.
    pub arrivals: u32,
    pub arrivals_at: u32,
    /// Calls that ring, and from how many on they are a flood.
    pub ringing: u32,
    pub ringing_at: u32,
    /// New calls in ten seconds as it usually is.
    pub normal: f64,
    /// Minutes that the normal is made of; up to [`SURGE_MEMORY_MINUTES`].
    pub learned_minutes: u32,
    /// How much longer somebody's word counts instead of the configuration's; None = nobody has said anything.
    pub hand_ends: Option<Duration>,
}

/// See the [module](self). One for the process.
pub struct Surge {
    config: SurgeConfig,
    start: Option<Instant>,
    /// When it was last looked at.
    last: Option<Instant>,
    /// Arrivals by the second, and the second (from `start`) that is being filled.
    seconds: [u32; SURGE_WINDOW_SECONDS as usize],
    second: u64,
    minute: Minute,
    /// Arrivals in a minute, and most calls that rang in it, as it usually is.
    normal: (f64, f64),
    learned: u32,
    /// Minutes in a row that had a flood.
    flood_minutes: u32,
    state: State,
    begun: u64,
    /// What the configuration says, and since and until when somebody says something else.
    configured: Hand,
    hand_counts: Option<(Instant, Instant)>,
}

/// What is added up of the minute that is under way.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    arrivals: u32,
    ringing: u32,
    had_flood: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Ordinary,
    Flood {
        since: Instant,
        calm_since: Option<Instant>,
    },
}

impl Surge {
    pub fn new(config: SurgeConfig) -> Surge {
        Surge {
            config,
            start: None,
            last: None,
            seconds: [0; SURGE_WINDOW_SECONDS as usize],
            second: 0,
            minute: Minute::default(),
            normal: (0.0, 0.0),
            learned: 0,
            flood_minutes: 0,
            state: State::Ordinary,
            begun: 0,
            configured: config.hand,
            hand_counts: None,
        }
    }

    /// One more call came, taken or not. `ringing`: calls that nobody has answered yet.
    pub fn arrived(&mut self, ringing: u32, now: Instant) {
        self.advance(now);
        let place = (self.second % SURGE_WINDOW_SECONDS) as usize;
        self.seconds[place] = self.seconds[place].saturating_add(1);
        self.minute.arrivals = self.minute.arrivals.saturating_add(1);
        self.judge(ringing, now);
    }

    /// Time may have passed.
    pub fn look(&mut self, ringing: u32, now: Instant) {
        self.advance(now);
        self.judge(ringing, now);
    }

    /// Somebody says so for that long; then what the configuration says counts again.
    pub fn set_hand(&mut self, hand: Hand, lasts: Duration, now: Instant) {
        self.advance(now);
        self.turn(hand);
        self.hand_counts = Some((now, now + lasts));
    }

    /// What the configuration says counts again. False: it did already.
    pub fn leave_hand(&mut self, now: Instant) -> bool {
        self.advance(now);
        let was_by_hand = self.hand_counts.take().is_some();
        if was_by_hand {
            self.turn(self.configured);
        }
        was_by_hand
    }

    /// One that is counted in the same seconds, and knows nothing yet.
    pub(super) fn beside(&self, config: SurgeConfig) -> Surge {
        Surge {
            start: self.start,
            last: self.last,
            second: self.second,
            ..Surge::new(config)
        }
    }

    /// Time may have passed; nothing is judged yet.
    pub(super) fn settle(&mut self, now: Instant) {
        self.advance(now);
    }

    /// What came there in these seconds, but for so many of the newest, was not ours.
    pub(super) fn without(&mut self, other: &Surge, newest: u32) {
        let here = (self.second % SURGE_WINDOW_SECONDS) as usize;
        for (place, (ours, theirs)) in self.seconds.iter_mut().zip(&other.seconds).enumerate() {
            let counted = if place == here {
                theirs.saturating_sub(newest)
            } else {
                *theirs
            };
            *ours = ours.saturating_sub(counted);
        }
    }

    /// By the rule, at this very moment.
    pub(super) fn has_just_begun(&self, now: Instant) -> bool {
        self.config.hand == Hand::Auto && matches!(self.state, State::Flood { since, .. } if since == now)
    }

    /// For what came, and not only for what rings.
    pub(super) fn is_by_arrivals(&self) -> bool {
        self.arrivals() >= self.thresholds().0
    }

    /// There is one, whatever the rule says of it alone.
    pub(super) fn begin(&mut self, now: Instant) {
        self.advance(now);
        self.begun += 1;
        self.state = State::Flood {
            since: now,
            calm_since: None,
        };
        self.minute.had_flood = true;
    }

    /// There is none; one that has just begun was somebody else's.
    pub(super) fn take_back(&mut self) {
        if let State::Flood { since, .. } = self.state
            && self.last == Some(since)
        {
            self.begun = self.begun.saturating_sub(1);
        }
        self.state = State::Ordinary;
    }

    /// Nothing is learned from this minute.
    pub(super) fn had_flood(&mut self) {
        self.minute.had_flood = true;
    }

    pub(super) fn hand(&self) -> Hand {
        self.config.hand
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Left to us, it begins as ordinary: a flood that still lasts is told within the next call.
    fn turn(&mut self, hand: Hand) {
        (self.config.hand, self.state) = (hand, State::Ordinary);
    }

    pub fn is_on(&self) -> bool {
        match self.config.hand {
            Hand::On => true,
            Hand::Off => false,
            Hand::Auto => matches!(self.state, State::Flood { .. }),
        }
    }

    /// During a flood: what is to be done with callers for whom nothing speaks.
    pub fn rest(&self) -> Option<Rest> {
        self.is_on().then_some(self.config.rest)
    }

    pub fn standing(&self, ringing: u32) -> SurgeStanding {
        let (arrivals_at, ringing_at) = self.thresholds();
        let since = match (self.config.hand, self.state) {
            (Hand::On, _) => self.hand_counts.map(|(since, _)| since).or(self.start),
            (Hand::Auto, State::Flood { since, .. }) => Some(since),
            _ => None,
        };
        SurgeStanding {
            is_on: self.is_on(),
            hand: self.config.hand,
            rest: self.config.rest,
            lasts: match (since, self.last) {
                (Some(since), Some(last)) => last.saturating_duration_since(since),
                _ => Duration::ZERO,
            },
            begun: self.begun,
            arrivals: self.arrivals(),
            arrivals_at,
            ringing,
            ringing_at,
            normal: self.normal.0 * SURGE_WINDOW_SECONDS as f64 / 60.0,
            learned_minutes: self.learned,
            hand_ends: match (self.hand_counts, self.last) {
                (Some((_, until)), Some(last)) => Some(until.saturating_duration_since(last)),
                _ => None,
            },
        }
    }

    pub(super) fn arrivals(&self) -> u32 {
        self.seconds
            .iter()
            .fold(0, |sum, second| sum.saturating_add(*second))
    }

    /// From how many arrivals in the window, and from how many ringing calls, it is a flood.
    fn thresholds(&self) -> (u32, u32) {
        let of = |floor: u32, normal: f64| {
            let usual = (normal * self.config.factor).ceil().min(f64::from(u32::MAX)) as u32;
            floor.max(usual).max(2)
        };
        let in_window = self.normal.0 * SURGE_WINDOW_SECONDS as f64 / 60.0;
        (
            of(self.config.calls, in_window),
            of(self.config.ringing, self.normal.1),
        )
    }

    /// Empties the seconds, and closes the minutes, that are over.
    fn advance(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        let last = self.last.replace(now).unwrap_or(now);
        // Nobody looked meanwhile: it has been calm since the last call left the window.
        let empty_at = last + Duration::from_secs(SURGE_WINDOW_SECONDS);
        if let State::Flood { calm_since, .. } = &mut self.state
            && empty_at < now
        {
            calm_since.get_or_insert(empty_at);
        }
        let second = now.saturating_duration_since(start).as_secs().max(self.second);
        let passed = second - self.second;
        for step in 1..=passed.min(SURGE_WINDOW_SECONDS) {
            let place = ((self.second + step) % SURGE_WINDOW_SECONDS) as usize;
            self.seconds[place] = 0;
        }
        let minutes = second / 60 - self.second / 60;
        // Quiet minutes beyond what is remembered make no difference any more.
        for _ in 0..minutes.min(u64::from(SURGE_MEMORY_MINUTES) * 2) {
            self.learn();
        }
        self.second = second;
        if self.hand_counts.is_some_and(|(_, until)| now >= until) {
            self.hand_counts = None;
            self.turn(self.configured);
        }
    }

    fn learn(&mut self) {
        let minute = std::mem::take(&mut self.minute);
        if minute.had_flood || self.is_on() {
            self.flood_minutes = self.flood_minutes.saturating_add(1);
            if self.flood_minutes > SURGE_LONG_MINUTES {
                let grown =
                    |normal: f64, now: u32| (normal.max(1.0) * SURGE_GROWTH).min(f64::from(now).max(normal));
                self.normal.0 = grown(self.normal.0, minute.arrivals);
                self.normal.1 = grown(self.normal.1, minute.ringing);
            }
            return;
        }
        self.flood_minutes = 0;
        self.learned = (self.learned + 1).min(SURGE_MEMORY_MINUTES);
        let weight = 1.0 / f64::from(self.learned);
        self.normal.0 += (f64::from(minute.arrivals) - self.normal.0) * weight;
        self.normal.1 += (f64::from(minute.ringing) - self.normal.1) * weight;
    }

    fn judge(&mut self, ringing: u32, now: Instant) {
        self.minute.ringing = self.minute.ringing.max(ringing);
        let (arrivals, (arrivals_at, ringing_at)) = (self.arrivals(), self.thresholds());
        if self.config.hand == Hand::Auto {
            match &mut self.state {
                State::Ordinary => {
                    let is_known = self.learned >= SURGE_LEARNED_MINUTES;
                    if is_known && (arrivals >= arrivals_at || ringing >= ringing_at) {
                        self.begun += 1;
                        self.state = State::Flood {
                            since: now,
                            calm_since: None,
                        };
                    }
                }
                State::Flood { calm_since, .. } => {
                    let is_calm = arrivals < arrivals_at.div_ceil(2) && ringing < ringing_at.div_ceil(2);
                    if !is_calm {
                        *calm_since = None;
                    } else if now.saturating_duration_since(*calm_since.get_or_insert(now)) >= SURGE_CALM {
                        self.state = State::Ordinary;
                    }
                }
            }
        }
        self.minute.had_flood |= self.is_on();
    }
}

#[cfg(test)]
#[path = "surge_tests.rs"]
mod tests;
