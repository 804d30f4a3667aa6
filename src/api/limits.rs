//! Every bound of the API: unit, reason, and what is dropped.

use std::time::Duration;

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

/// Readers signed in at the console at once. Past it the one whose session ends first is signed out.
pub const SESSIONS_MAX: usize = 256;

/// One shift.
pub const SESSION_LASTS: Duration = Duration::from_secs(12 * 3600);

/// Wrong credentials from one address (IPv6: one /64) in [`FAILURE_WINDOW`]; further ones get 429.
/// A right credential is never refused: with 256 random bits guessing is hopeless, so the limit saves
/// processor and logs, and nobody can lock the front desk out from a shared address.
pub const FAILURES_MAX: u32 = 10;
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// Addresses with failures that are remembered. Past it the oldest is forgotten.
pub const FAILURE_ADDRESSES: usize = 4_096;

/// Refusals of one kind (wrong credential, missing role) that are written into the audit in [`FAILURE_WINDOW`]. The rest
/// is counted in the next one that is written.
pub const REFUSALS_WRITTEN_MAX: u32 = 10;

/// Octets of a body that carries a policy or calls to test it with: a policy of 1,000 rules is about 200 kB.
pub const POLICY_BODY_MAX: usize = 512 * 1024;

/// Octets of a file of list entries: 20,000 of them at 200 octets, and as much again. More is answered 413.
pub const IMPORT_BODY_MAX: usize = 8 * 1024 * 1024;

/// Entries of a list in one page: what is asked for, and the most that may be.
pub const ENTRIES_PAGE: usize = 100;
pub const ENTRIES_LIMIT: usize = 500;

/// Reputations in one answer.
pub const REPUTATIONS_LIMIT: usize = 500;

/// Entries in one piece of an export: about 100 KiB in memory at once.
pub const EXPORT_ENTRIES: usize = 500;

/// Tokens beside the first, at most 400 octets each as they are kept: together they fit one setting of the store. More
/// are not made.
pub const TOKENS_MAX: usize = 150;

/// Characters of a token's name and of a reason for something that is done. More is answered 400.
pub const NAME_MAX: usize = 60;
pub const REASON_MAX: usize = 500;

/// Longest life of a token that expires.
pub const TOKEN_DAYS_MAX: u32 = 3_650;

/// Characters of the note a person adds to a report. More is answered 400.
pub const NOTE_MAX: usize = 2_000;
