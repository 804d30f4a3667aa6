//! Every bound of the store: unit, reason, and what is dropped.

use std::time::Duration;

/// Records waiting for the writer. At about 10 KiB each this is 100 MiB at worst, and at 100 calls a
/// second it rides out a disk that is away for 100 s. Past it `save` says false: the new record is lost and counted.
pub const INBOX_RECORDS_MAX: usize = 10_000;

/// Records in one transaction: keeps a commit under about 50 ms. The rest waits for the next commit.
pub const BATCH_RECORDS: usize = 512;

/// Questions (reports, settings, flushes) waiting for the writer. Past it the asker gets `Busy`.
pub const COMMANDS_MAX: usize = 256;

/// The writer waits this long for company before it commits, so that there are about 5 fsyncs a
/// second at any call rate, and pages that many records share are written once for all of them; a record is on disk well inside the second the product promises.
pub const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// First and longest pause after a failed write; it doubles in between. Nothing is dropped by waiting.
pub const RETRY_FIRST: Duration = Duration::from_millis(100);
pub const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// How long an asker waits for the writer's answer before it is told `Busy`.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long SQLite itself waits for a lock another program holds on the file.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections for reading. Each holds about 2 MiB of page cache; a fifth reader waits its turn. SQLite has one more, for what a call
/// waits for alone.
pub const READERS: usize = 4;

/// How long Redis may take to be connected to, and to answer. On the local network both are milliseconds; past it Redis is away.
pub const REDIS_CONNECT: Duration = Duration::from_secs(2);
pub const REDIS_ANSWER: Duration = Duration::from_secs(3);

/// How long one exchange with Redis may take in all, give or take [`REDIS_ANSWER`], however its octets trickle in. A shelf of 100,000
/// documents takes seconds. Past it the connection is given up.
pub const REDIS_EXCHANGE: Duration = Duration::from_secs(20);

/// Silence after which whoever listens asks Redis whether it is there still, and how long it may then take to say so.
pub const REDIS_PING_EVERY: Duration = Duration::from_secs(2);
pub const REDIS_PING_ANSWER: Duration = Duration::from_secs(6);

/// How often it is tried to reach a Redis that is away when the gateway starts, a second after each try.
pub const REDIS_AWAITED_TRIES: u32 = 20;
pub const REDIS_AWAITED_REST: Duration = Duration::from_secs(1);

/// How often it is looked whether another gateway renews its claim to the name that this one has, every 200 ms: longer than
/// [`NODE_LEASE`].
pub const NAME_LOOKS: u32 = 35;

/// Octets of a file of anchors. More is refused.
pub const ANCHORS_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// The highest number of a database in Redis that a URL may name.
pub const DATABASE_MAX: u32 = 9_999;

/// Characters of a gateway's name.
pub const NODE_CHARS_MAX: usize = 64;

/// Octets of a line, of a text, values in an answer, and answers inside answers: more than Redis has reason to send. Past it the
/// connection is given up.
pub const REPLY_LINE_MAX: u64 = 64 * 1024;
pub const REPLY_TEXT_MAX: usize = 64 * 1024 * 1024;
pub const REPLY_VALUES_MAX: usize = 4_000_000;
pub const REPLY_DEPTH_MAX: usize = 8;

/// Octets of one answer with everything in it. Past it the connection is given up.
pub const REPLY_OCTETS_MAX: usize = 256 * 1024 * 1024;

/// Calls that Redis looks up in one go, about 2 MiB: it does nothing else meanwhile.
pub const FETCH_ROWS: usize = 200;

/// Calls of which it is looked in one go, and without opening them, whether they are what is asked for: a few milliseconds, in which Redis
/// does nothing else. A list goes on from there until its page is full or its time is up.
pub const LOOKED_ROWS: usize = 500;

/// Calls with one property that SQLite counts to find the rarest of several: a few milliseconds in an index each. More are many.
pub const SIZED_ROWS: i64 = 50_000;

/// Octets of the spool: 100,000 records or more, which is a night at 3 calls a second. Past it records stay in the inbox, and past that they are lost and counted.
pub const SPOOL_OCTETS_MAX: u64 = 1024 * 1024 * 1024;

/// Octets of a line in the spool; a longer one is no record of ours.
pub const SPOOL_LINE_MAX: u64 = 16 * 1024 * 1024;

/// Spooled records that readers are shown while Redis is away (10 KiB each).
pub const SPOOL_SHOWN_MAX: usize = 2_000;

/// Batches of the spool that go before what waits: about a second, so that askers get their answers.
pub const SPOOL_PIECES: usize = 8;

/// A gateway that has not been heard of for so long is gone, and so are its live calls.
pub const NODE_LEASE: Duration = Duration::from_secs(6);

/// Page cache of the connection that writes, KiB: what a batch changes in the indexes is at hand, and is not read from the file
/// again for every record.
pub const WRITER_CACHE_KIB: i64 = 16_384;

/// Calls in one answer of `calls`. The rest is asked for with the cursor.
pub const CALLS_LIMIT: usize = 200;

/// Newest calls of one number that `history` counts: keeps a look-up under a millisecond for a number
/// that calls all day. Counts stop at this value; older calls change nothing.
pub const HISTORY_ROWS_MAX: usize = 10_000;

/// Numbers whose history is kept in memory (a few hundred octets each). Past it the one that called longest ago is read
/// from the file again when it calls next.
pub const HISTORIES_KEPT: usize = 20_000;

/// Calls over all of these, 32 octets each. Past it the same happens.
pub const HISTORY_ROWS_KEPT: usize = 100_000;

/// Milliseconds after which a history in memory is read again: another program may have changed the file. Ten of its
/// calls a second by one number make the reading one in six hundred look-ups.
pub const HISTORY_TRUSTED_MS: u64 = 60_000;

/// PASSporT digests remembered at once (about 200 octets each, 40 MiB). With the 60 s window plus as
/// much again that is over 1,600 signed calls a second; past it the one that would expire first is
/// forgotten early and counted, so a reuse of it could pass unseen.
pub const TOKENS_MAX: usize = 200_000;

/// Octets of a digest; longer ones are cut (they are hashes).
pub const TOKEN_TEXT_MAX: usize = 256;

/// Calls that may bring one PASSporT before anybody has answered: a carrier tries a handful of routes (new call, same
/// token). Every further call with it counts as a reuse, so that a stolen token cannot make a desk ring all minute long.
pub const TOKEN_CALLS_MAX: usize = 6;

/// Calls in the live registry: a ceiling above what the shards admit. Past it a new call is not shown
/// live (counted); its record is kept all the same.
pub const LIVE_CALLS_MAX: usize = 50_000;

/// Changes a subscriber may lag behind before it is told to take a new snapshot.
pub const CHANGES_BEHIND_MAX: usize = 1_024;

/// Ids of calls that ended last, kept so that a late change cannot bring one back to life.
pub const ENDED_REMEMBERED: usize = 1_024;

/// Octets of one setting's value. Longer ones are refused.
pub const SETTING_MAX: usize = 64 * 1024;

/// Characters of somebody else's words in an error text.
pub const PROBLEM_CHARS: usize = 200;

/// Octets of one entry of a journal. A policy of 1,000 rules is about 200 kB; longer ones are refused.
pub const ENTRY_MAX: usize = 512 * 1024;

/// Pages of the audit that are looked through for where the store has gone back. Past it whoever reads on misses what was written in the
/// place of what he had read.
pub const GONE_BACK_PAGES: usize = 20;

/// Entries of a journal in one answer.
pub const JOURNAL_ROWS: usize = 500;

/// Octets of one document of a shelf, its key included. Longer ones are refused.
pub const DOCUMENT_MAX: usize = 16 * 1024;

/// Documents put or taken away at once: one transaction of about a second. More are refused.
pub const RESHELVE_MAX: usize = 100_000;

/// Calls in one page for those who look at all of them: about 10 MiB of JSON.
pub const PAGE_ROWS: usize = 1_000;

/// Calls that are erased in one transaction: about 50 ms of the writer, records come in between.
pub const ERASE_ROWS: usize = 200;

/// How often a page of an erasure is tried again while the writer is behind, each after [`ANSWER_TIMEOUT`]: a minute.
pub const ERASE_TRIES: u32 = 12;

/// How often it is looked whether Redis has written a file anew, and the rest between two looks: ten minutes. Past it
/// the files count as not cleared.
pub const FILE_LOOKS: u32 = 6_000;
pub const FILE_LOOKED_AT: Duration = Duration::from_millis(100);

/// How often the log of the file is tried to be emptied after an erasure while others read; each waits [`LOCK_TIMEOUT`] at most.
pub const SCRUB_TRIES: usize = 3;

/// Octets in use of a file that is written anew while calls are kept: ten seconds or so, in which records wait and askers hear that the store is
/// busy. A larger one waits for the next start.
pub const ANEW_OCTETS_MAX: u64 = 1024 * 1024 * 1024;

/// Calls that are sealed at once when an older store is carried over, about 5 MiB.
pub const SEAL_ROWS: usize = 500;

/// Entries of a journal whose keys are destroyed in one transaction, one audit entry with them: the writer does nothing else meanwhile. More go in
/// several.
pub const ERASED_AT_ONCE: u64 = 5_000;

/// Characters of each text of an audit entry; longer ones are cut.
pub const AUDIT_TEXT_MAX: usize = 600;

/// How often an audit entry is tried again when another process was first.
pub const AUDIT_RETRIES: usize = 20;
