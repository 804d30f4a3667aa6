//! Waiting for a person: which phones ring, for how long, and where the call goes when nobody answers. Pure.
//!
//! [`find`] picks the queue of a dialled number; [`Hunt`] walks through its phones. Knows no SIP
//! message, no media and no clock: it says *ring this target* and *stop ringing it*, and is told how
//! each attempt ended.

#[cfg(test)]
mod floor_tests;
mod hunt;
#[cfg(test)]
mod hunt_tests;
mod line;
pub mod limits;
mod roster;
mod skills;
#[cfg(test)]
mod skills_tests;
mod usage;
mod verdict;
mod waiting;

use std::time::Duration;

use crate::policy::Hours;

pub use hunt::{Attempt, Hunt, Input, Seen, Step};
pub use line::{Ahead, Line, Place, Stand, Standing};
pub use roster::{AtWork, DEVICE, PERSON, Roster};
pub use skills::{BySkill, LEVEL_MAX, Need, Needed, Skills, Trust, Wants};
pub use usage::{Phone, Rest, Usage, Used, What};
pub use verdict::best;

/// How the phones of a queue are rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Every phone at once; the first answer wins.
    RingAll,
    /// One after the other, each for `ring`.
    InOrder,
    /// One after the other, beginning with whom it rang longest ago.
    RoundRobin,
    /// One after the other, beginning with who has been free for longest.
    LongestIdle,
    /// One after the other, beginning with who has answered the fewest calls since the gateway started.
    FewestCalls,
    /// One after the other, beginning with who is best at what the call needs, and of equals who has been free for longest. Only those who
    /// have all of it, until the call has waited for [`BySkill::relax_after`].
    Skill,
}

impl Strategy {
    /// Whether what the phones did before decides who is rung.
    pub fn is_shared_out(self) -> bool {
        matches!(
            self,
            Strategy::RoundRobin | Strategy::LongestIdle | Strategy::FewestCalls | Strategy::Skill
        )
    }
}

/// Where a call goes that nobody of a queue answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// 480 to the caller (486 when every phone was busy).
    Reject,
    /// To the queue of this name. Each queue is visited once per call.
    Queue(String),
    /// As [`Overflow::Reject`], with this recording for a caller whom we have answered.
    Say(String),
    /// To this number outside (E.164 with `+`), over a trunk: the last that is rung for a call.
    Outside(String),
}

/// What stands before the number in the target of a [`Step::Ring`] that is for a number outside.
pub const OUTSIDE: &str = "tel:";

/// Whether a phone may send a call elsewhere by answering 3xx (`follow_redirects`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// Only to what the queue rings anyhow, or to a name (no number) at the host of one of its targets. The default: a
    /// phone, or who has got hold of one, must not be able to send calls to premium numbers at the owner's cost.
    #[default]
    Targets,
    /// Wherever it says.
    Any,
    /// Nowhere: a redirection counts as a refusal.
    Off,
}

/// For whom a phone speaks that declines with 6xx (`decline`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decline {
    /// For itself: the others ring on. The default: the phones of a queue belong to different people.
    #[default]
    Phone,
    /// For the queue: everybody stops ringing (RFC 3261 §16.7 step 5), and the call overflows.
    Queue,
}

/// How the phones of a queue are reached, and what their answers are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Every address of every target is sent OPTIONS this often; `None` = never.
    pub probe: Option<Duration>,
    pub redirects: Redirects,
    pub decline: Decline,
}

/// How often in a row a phone may ring in vain before it is passed over for a time (`no_answer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// 0 = as often as one likes.
    pub times: u32,
    pub pause: Duration,
}

/// When a queue is open, and where calls go when it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub hours: Hours,
    pub to: Overflow,
}

/// How callers wait in a queue, and how its people rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// How long whoever had a call of this queue is left alone after it.
    pub wrap_up: Duration,
    pub patience: Patience,
    /// How long a call waits for somebody at most; None = every phone is rung once, and nobody waits.
    pub wait: Option<Duration>,
    /// Callers are answered by us and hear music while they wait.
    pub has_music: bool,
    /// How often a caller who hears music is told where he stands; None = never.
    pub announce: Option<Duration>,
    /// When nobody works here, and where calls go then; None = somebody always does.
    pub closed: Option<Closed>,
    /// Its people may be sent training calls.
    pub drills: bool,
    /// Who is proven waits before who is not, and whom the banner warns of comes last; else who came first.
    pub is_by_trust: bool,
    /// What its calls need of whoever takes them, where the strategy asks for it.
    pub by_skill: BySkill,
}

impl Service {
    /// Whether phones are left alone, or calls wait for them.
    pub fn has_rests(&self) -> bool {
        !self.wrap_up.is_zero() || self.patience.times > 0 || self.wait.is_some()
    }
}

/// `[[queue]]`
#[derive(Clone, Debug)]
pub struct Config {
    pub name: String,
    /// Dialled numbers (E.164 after normalisation), patterns with a trailing `*`, or `*`.
    pub numbers: Vec<String>,
    pub strategy: Strategy,
    /// SIP URIs, `device:NAME` and `person:NAME`. A host name is looked up while the gateway runs (RFC 3263).
    pub targets: Vec<String>,
    pub ring: Duration,
    pub overflow: Overflow,
    pub reach: Reach,
    pub service: Service,
}

/// The queue a dialled number belongs to: an exact number before a pattern, a longer pattern before
/// a shorter one, and the order of the file between equals.
///
/// `dialled` is the canonical number where there is one; `as_written` is what stood in the Request-URI
/// (an extension such as `100` has no canonical form). `None` when nothing matches (404).
pub fn find<'a>(queues: &'a [Config], dialled: &str, as_written: &str) -> Option<&'a Config> {
    find_from(0, queues, dialled, as_written)
}

/// Like [`find`], but a queue that takes everything (`*`) does not count: it has this number only for want of another.
pub fn find_named<'a>(queues: &'a [Config], dialled: &str, as_written: &str) -> Option<&'a Config> {
    find_from(1, queues, dialled, as_written)
}

/// Whether this can be dialled as it stands: digits, with a `+` before them or not.
pub fn is_dialled(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    (1..=32).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Whether a number, a beginning (`+1212*`) or `*` fits `number`.
pub fn fits(pattern: &str, number: &str) -> bool {
    closeness(pattern, number).is_some()
}

fn find_from<'a>(least: usize, queues: &'a [Config], dialled: &str, as_written: &str) -> Option<&'a Config> {
    let mut best: Option<(&Config, usize)> = None;
    for queue in queues {
        for pattern in &queue.numbers {
            let Some(closeness) = closeness(pattern, dialled).max(closeness(pattern, as_written)) else {
                continue;
            };
            if closeness >= least && best.is_none_or(|(_, other)| closeness > other) {
                best = Some((queue, closeness));
            }
        }
    }
    best.map(|(queue, _)| queue)
}

/// Which queue a call for `name` goes to at this moment (Unix ms): past those that are closed, each visited once. Err: where it ends,
/// and which recording is said; `name` itself where there is no such queue.
pub fn open_at<'a>(queues: &'a [Config], name: &'a str, unix_ms: u64) -> Result<&'a str, Option<&'a str>> {
    let mut name = name;
    for _ in 0..limits::QUEUES_VISITED_MAX {
        let queue = queues.iter().find(|queue| queue.name == name);
        let closed = queue.and_then(|queue| queue.service.closed.as_ref());
        match closed.filter(|closed| !closed.hours.is_open(unix_ms)) {
            None => return Ok(name),
            Some(Closed {
                to: Overflow::Queue(other),
                ..
            }) => name = other,
            Some(Closed {
                to: Overflow::Say(prompt),
                ..
            }) => return Err(Some(prompt)),
            Some(_) => return Err(None),
        }
    }
    Err(None)
}

/// How closely a pattern fits: `None` = not at all, higher = closer.
fn closeness(pattern: &str, number: &str) -> Option<usize> {
    match pattern.strip_suffix('*') {
        Some(prefix) if number.starts_with(prefix) => Some(prefix.len()),
        Some(_) => None,
        None if pattern == number => Some(usize::MAX),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, numbers: &[&str]) -> Config {
        Config {
            name: name.into(),
            numbers: numbers.iter().map(|n| n.to_string()).collect(),
            strategy: Strategy::RingAll,
            targets: Vec::new(),
            ring: Duration::from_secs(20),
            overflow: Overflow::Reject,
            reach: Reach::default(),
            service: Service::default(),
        }
    }

    fn check(dialled: &str, expected: Option<&str>) {
        let queues = [
            queue("anything", &["*"]),
            queue("york", &["+1212555*", "100"]),
            queue("desk", &["+12125550100"]),
        ];
        assert_eq!(
            find(&queues, dialled, dialled).map(|q| q.name.as_str()),
            expected,
            "{dialled}"
        );
    }

    #[test]
    fn an_exact_number_wins_over_a_pattern_and_a_long_pattern_over_a_short_one() {
        check("+12125550100", Some("desk"));
        check("+12125550199", Some("york"));
        check("+14045550123", Some("anything"));
        check("100", Some("york"));
    }

    #[test]
    fn a_number_nobody_claims_has_no_queue() {
        let queues = [queue("desk", &["+12125550100"])];
        assert!(find(&queues, "+12125550101", "2125550101").is_none());
    }

    #[test]
    fn what_was_written_counts_when_it_has_no_canonical_form() {
        let queues = [queue("desk", &["2125550100"])];
        assert_eq!(
            find(&queues, "+12125550100", "2125550100").map(|q| q.name.as_str()),
            Some("desk")
        );
    }
}
