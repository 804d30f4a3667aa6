//! Every bound of webhooks: unit, reason, and what is dropped.

use std::time::Duration;

/// Receivers. More are a fault of the configuration.
pub const HOOKS_MAX: usize = 8;

/// Octets of a secret: fewer can be guessed. Then it is a fault of the configuration.
pub const SECRET_MIN: usize = 24;

/// Files of anchors that one receiver may name. More are a fault of the configuration.
pub const ANCHORS_MAX: usize = 16;

/// How often it is looked whether something was done, and what has changed is written down: a crash forgets as much of the
/// calls, and tells as much twice.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Messages waiting for one receiver, about 1 KiB each. Past it the oldest is put aside as dead.
pub const WAITING_MAX: usize = 5_000;

/// Octets of them, as they are kept. Past it the same happens.
pub const WAITING_OCTETS_MAX: usize = 8 * 1024 * 1024;

/// Octets of dead messages of one receiver. Past it the oldest is forgotten.
pub const DEAD_OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Dead messages of one receiver that are kept. Past it the oldest is forgotten; what was done stands in the audit all the same.
pub const DEAD_MAX: usize = 1_000;

/// Calls that ended and were not looked at yet. Past it a call is not told, and counted.
pub const CALLS_WAITING: usize = 4_096;

/// Octets of what a message says, as JSON. A longer one is told without.
pub const DATA_MAX: usize = 12 * 1024;

/// Changes that could not be written yet because the store is away. Past it no new message is made: what was done waits in the
/// audit, calls wait as [`CALLS_WAITING`] says.
pub const UNWRITTEN_MAX: usize = 20_000;

/// Octets of them. Past it the same happens.
pub const UNWRITTEN_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// How long a receiver may take to answer. Then the message is tried again.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer is read: nothing in it matters.
pub const ANSWER_OCTETS_MAX: usize = 64 * 1024;

/// After the first try of a message that failed, and at most, doubling in between; and how long in all. Then the message is
/// dead.
pub const TRY_FIRST: Duration = Duration::from_secs(5);
pub const TRY_LONGEST: Duration = Duration::from_secs(3_600);
pub const GIVE_UP: Duration = Duration::from_secs(24 * 3_600);

/// The longest time for which a receiver that takes nothing is left alone: it is doubled with every message that fails after
/// another.
pub const PAUSE_LONGEST: Duration = Duration::from_secs(60);

/// Characters of what a try ran into.
pub const PROBLEM_MAX: usize = 200;

/// Reports that are told each day or week, and kinds of lines of one. More are a fault of the configuration.
pub const REPORTS_MAX: usize = 16;
pub const REPORT_LINES_MAX: usize = 8;

/// Times one report was due while nobody was there that are told afterwards, the newest ones. Older ones are not told.
pub const MISSED_MAX: usize = 7;

/// How long another gateway on the same store waits for one that has begun to make a report.
pub const CLAIM_LASTS: Duration = Duration::from_secs(3_600);

/// Reports of which it is remembered that they were handed over, so that a try after a failure does not tell them twice.
pub const REPORTED_KEPT: usize = 100;
