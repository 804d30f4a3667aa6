//! Every bound of the API: unit, reason, and what is dropped.

use std::time::Duration;

pub use crate::accounts::limits::{FAILURE_WINDOW, FAILURES_MAX, SESSION_LASTS};

/// Connections at once. Past it the kernel's backlog holds newcomers; none is accepted and forgotten.
pub const CONNECTIONS_MAX: usize = 512;

/// Event streams at once: one per desk. Past it a new one is answered 503.
pub const STREAMS_MAX: usize = 128;

/// Questions to the store at once, each on a thread that may wait. More wait their turn until they time out.
pub const QUESTIONS_MAX: usize = 16;

/// Octets of a request body. Reports and tokens are small; more is answered 413.
pub const BODY_MAX: usize = 16 * 1024;

/// Octets of a request's head, cookies included. More is answered 431.
pub const HEAD_MAX: usize = 32 * 1024;

/// How long calls are looked for that have several properties, before the page says how far it has come: with the others that wait for
/// a reader of the store (16 questions, 4 readers) less than [`REQUEST_TIMEOUT`].
pub const SEARCH_LASTS: Duration = Duration::from_secs(2);

/// From the first octet of a connection, or of its next request, to the end of the head. Then it is closed.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// From the end of the head to the start of the answer. Then 503.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long open requests may take after the order to stop. Then their connections are closed.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Between two signs of life (`here`) on an event stream; also how soon a signed-out reader's stream ends.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events waiting for one slow reader. Then its stream waits, and catches up by a new snapshot.
pub const EVENTS_WAITING: usize = 32;

/// A reader that takes nothing for this long is gone.
pub const READER_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls in one snapshot, the newest. `left_out` counts the rest.
pub const SNAPSHOT_CALLS: usize = 500;

/// Seconds of evidence in a call's short form, the latest. `calls/{id}/why` has all of it.
pub const EVIDENCE_WINDOWS: usize = 120;

/// Passwords that wait to be looked at, one at a time: of those whose account is known where they ask from, and of strangers, of
/// whom so many may wait from one network. Together about a second's worth. More are answered 503.
pub const KNOWN_WAITING: usize = 12;
pub const STRANGERS_WAITING: usize = 12;
pub const STRANGERS_EACH: usize = 2;

/// How often it is looked whether accounts were changed from elsewhere, and sessions are written that are not kept as they are.
pub const ACCOUNTS_LOOKED_AT: Duration = Duration::from_secs(5);

/// Requests of one token or account at once, and each second after that: an open console makes a few a minute, a script
/// that walks through all calls some hundred. More are answered 429.
pub const PACE_BURST: u64 = 1_000;
pub const PACE_PER_SECOND: u64 = 50;

/// Tokens and accounts whose pace is remembered; there are no more of them than 1,151.
pub const PACE_KEPT: usize = 2_000;

/// Answers that are kept for requests with an `Idempotency-Key`, at most 32 MiB of them, and for how long. Past it the oldest
/// is forgotten; a longer answer is not kept.
pub const REPEATS_KEPT: usize = 512;
pub const REPEATS_LAST: Duration = Duration::from_secs(3600);
pub const REPEAT_BODY_MAX: usize = 64 * 1024;

/// How long an answer is kept that holds a secret (a token, an invitation). Then it is only known that it was given.
pub const SECRET_REPEATS_LAST: Duration = Duration::from_secs(60);

/// Requests with an `Idempotency-Key` and a body that may be long, held in memory at once. More wait their turn.
pub const LARGE_REPEATS_MAX: usize = 4;

/// Characters of an `Idempotency-Key`. More is answered 400.
pub const KEY_MAX: usize = 100;

/// Refusals of one kind (wrong credential, missing role) that are written into the audit in [`FAILURE_WINDOW`]. The rest
/// is counted in the next one that is written.
pub const REFUSALS_WRITTEN_MAX: u32 = 10;

/// Octets of a body that carries a policy or calls to test it with: a policy of 1,000 rules is about 200 kB.
pub const POLICY_BODY_MAX: usize = 512 * 1024;

/// Octets of a file of list entries: 20,000 of them at 200 octets, and as much again. More is answered 413.
pub const IMPORT_BODY_MAX: usize = 8 * 1024 * 1024;

/// Calls that a report looks at which is told by a webhook. Past it the rest of its days is not counted, and it says so.
pub const TOLD_CALLS_MAX: usize = 1_000_000;

/// Campaigns in one page: what is given when nothing is asked for, and the most that may be.
pub const CAMPAIGNS_PAGE: usize = 50;
pub const CAMPAIGNS_LIMIT: usize = 200;

/// Entries of a list in one page: what is asked for, and the most that may be.
pub const ENTRIES_PAGE: usize = 100;
pub const ENTRIES_LIMIT: usize = 500;

/// Reputations in one answer.
pub const REPUTATIONS_LIMIT: usize = 500;

/// Entries in one piece of an export: about 100 KiB in memory at once.
pub const EXPORT_ENTRIES: usize = 500;

/// Exports at once: each keeps asking the store for pages. More are answered 503.
pub const EXPORTS_MAX: usize = 4;

/// Pieces of an export that wait for a slow reader, each 200 calls or 500 entries of the audit: about 2 MiB.
pub const EXPORT_PIECES: usize = 1;

/// Characters of a reason for something that is done. More is answered 400.
pub const REASON_MAX: usize = 500;

/// Longest life of a token that expires.
pub const TOKEN_DAYS_MAX: u32 = 3_650;

/// Characters of the note a person adds to a report. More is answered 400.
pub const NOTE_MAX: usize = 2_000;

/// Calls that one page of a report looks at: about a second's work. The next page goes on behind them.
pub const REPORT_CALLS: usize = 20_000;

/// What one report may count along at once. More is answered 400.
pub const REPORT_TABLES_MAX: usize = 8;

/// Erasures that go on at once; more are answered 409. Each is one thread that waits for the store.
pub const ERASURES_MAX: usize = 4;

/// Erasures that came to no end and are shown with why. Past it the oldest is forgotten; the audit has them all.
pub const ERASURES_FAILED_KEPT: usize = 16;

/// How long an answer waits for the end of an erasure: with what comes before it less than [`REQUEST_TIMEOUT`]. Then 202, and it goes on.
pub const ERASURE_AWAITED: Duration = Duration::from_secs(4);

/// Calls shown at once of what is held about one number: about 2 MiB.
pub const HELD_CALLS_MAX: usize = 200;

/// Calls that one page of somebody's own calls looks at: a fraction of a second's work. The next page goes on behind them.
pub const PERSON_CALLS: usize = 5_000;

/// Minutes for which somebody may say that there is a flood, or none: a day. More is answered 400.
pub const FLOOD_MINUTES_MAX: u64 = 24 * 60;

/// Minutes for which somebody may have an address not heard: a week. More is answered 400.
pub const BLOCK_MINUTES_MAX: u64 = 7 * 24 * 60;

/// Characters of why. More are answered 400.
pub const WHY_MAX: usize = 200;

/// Octets of an order of a training call: its recording as a WAV file of two minutes, a third longer as base64. More is answered 413.
pub const DRILL_BODY_MAX: usize = 3 * 1024 * 1024;

/// Characters of the name that a training call claims.
pub const DRILL_NAME_MAX: usize = 60;

/// Seconds that a training call may last once answered, and ring before.
pub const DRILL_TALK_MAX: u64 = 300;
pub const DRILL_RING_MAX: u64 = 170;

/// Training calls in the list, the newest; each costs a look at its record.
pub const DRILLS_SHOWN: usize = 100;

/// Phones, and queues, whose spending is shown. Past it those that spent least are not.
pub(crate) const SPENDERS_SHOWN: usize = 200;
