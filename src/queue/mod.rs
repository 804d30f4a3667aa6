//! Waiting for a person: which phones ring, for how long, and where the call goes when nobody answers. Pure.
//!
//! [`find`] picks the queue of a dialled number; [`Hunt`] walks through its phones. Knows no SIP
//! message, no media and no clock: it says *ring this target* and *stop ringing it*, and is told how
//! each attempt ended.

mod hunt;
pub mod limits;

use std::time::Duration;

pub use hunt::{Attempt, Hunt, Input, Step};

/// How the phones of a queue are rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Every phone at once; the first answer wins.
    RingAll,
    /// One after the other, each for `ring`.
    InOrder,
}

/// Where a call goes that nobody of a queue answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// 480 to the caller (486 when every phone was busy).
    Reject,
    /// To the queue of this name. Each queue is visited once per call.
    Queue(String),
}

/// `[[queue]]`
#[derive(Clone, Debug)]
pub struct Config {
    pub name: String,
    /// Dialled numbers (E.164 after normalisation), patterns with a trailing `*`, or `*`.
    pub numbers: Vec<String>,
    pub strategy: Strategy,
    /// SIP URIs with an IP literal (names are resolved when the configuration is loaded).
    pub targets: Vec<String>,
    pub ring: Duration,
    pub overflow: Overflow,
}

/// The queue a dialled number belongs to: an exact number before a pattern, a longer pattern before
/// a shorter one, and the order of the file between equals.
///
/// `dialled` is the canonical number where there is one; `as_written` is what stood in the Request-URI
/// (an extension such as `100` has no canonical form). `None` when nothing matches (404).
pub fn find<'a>(queues: &'a [Config], dialled: &str, as_written: &str) -> Option<&'a Config> {
    let mut best: Option<(&Config, usize)> = None;
    for queue in queues {
        for pattern in &queue.numbers {
            let Some(closeness) = closeness(pattern, dialled).max(closeness(pattern, as_written)) else {
                continue;
            };
            if best.is_none_or(|(_, other)| closeness > other) {
                best = Some((queue, closeness));
            }
        }
    }
    best.map(|(queue, _)| queue)
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
