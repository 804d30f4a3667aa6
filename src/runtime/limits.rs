//! Bounds of the impure room: unit, reason, and what is dropped when full.

use std::time::Duration;

/// How often calls past their term are looked for: an hour more or less is nothing to a term of days.
pub const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// At how many of these looks it is tried to write the store's files anew where that is owed: once a day.
pub const ANEW_EVERY: u32 = 24;

/// Octets of a kernel receive buffer for RTP: about half a second of packets, should the shard be busy that long. What
/// does not fit is lost there. The kernel may grant less, and takes memory only for what waits.
pub const MEDIA_RECEIVE_BUFFER: usize = 128 * 1024;

/// Port pairs tried for one side before a call is refused: other programs may sit in our range.
pub const BIND_ATTEMPTS: usize = 64;

/// Port pairs of one shard whose sockets stay open while no call has them (two each, 2 kB of kernel memory each): what
/// 500 calls a second give back while their ports rest. Past it they are closed, and bound again when their turn comes.
pub const RESTING_PAIRS: usize = 2_048;

/// How long sockets rest before they are closed. The oldest port at rest is the first to be lent again, so a gateway with
/// calls keeps few for so long: what is closed is what a busy hour has left behind.
pub const RESTING_AGE_MAX: Duration = Duration::from_secs(300);

/// How often sockets at rest are looked through for those that have rested long enough.
pub const RESTING_SWEEP: Duration = Duration::from_secs(30);

/// Datagrams thrown away from one socket before a new call gets it. When there are still more the socket is closed, and
/// the port bound anew.
pub const LEFTOVERS: usize = 64;

/// How long nothing may have come to a port at rest before another call gets it: a telephone that has not stopped sends
/// every 20 ms, the last packets of one that has are here well within the rest.
pub const QUIET_BEFORE_LENT: Duration = Duration::from_secs(1);

/// Times the shard is woken for datagrams to a pair that no call has; past it the pair is closed.
pub const RESTING_WAKEUPS: usize = 256;

/// How long the recorder lets records gather once it has taken some: it wakes a hundred times a second at most, however
/// many calls there are, and nobody has to wake it.
pub const RECORDER_REST: Duration = Duration::from_millis(10);

/// Messages waiting for one shard (answers and handed-over datagrams). Past it, handed-over SIP is dropped
/// (UDP peers retransmit) and answers are dropped (each has a time-out of its own); both are counted.
pub const INBOX_MESSAGES: usize = 16_384;

/// SIP messages may fill the inbox only this far: the rest is kept for answers, which cost more to lose.
pub const INBOX_SIP_MESSAGES: usize = 12_288;

/// Notes to other shards of where their dialogs are that found no room and wait for it. Past it a note is lost, and the
/// messages of its dialog are answered 481.
pub const UNTOLD: usize = 1024;

/// How long until they are tried again.
pub const UNTOLD_AGAIN: Duration = Duration::from_millis(20);

/// Datagrams taken from one SIP socket before the others get their turn.
pub const SIP_BATCH: usize = 64;

/// Inbox messages handled before sockets get their turn.
pub const INBOX_BATCH: usize = 256;

/// How long an order (drain, stop, new policy) waits for room in a shard's inbox: a shard that takes nothing for so
/// long is stuck.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(5);

/// Rests, and ends of rests, that the other gateways are still to be told. Past it the oldest is not: that phone rings there, or rests to
/// its end.
pub const RESTS_TOLD: usize = 1_024;

/// How long a rest that another gateway tells of may last: as long as a configuration allows.
pub const REST_MAX: Duration = Duration::from_secs(12 * 3_600);

/// How long a stop waits for carriers to take their registrations back. Past it they lapse by themselves.
pub const UNREGISTER_PATIENCE: Duration = Duration::from_secs(2);

/// How long a stop waits for a shard and for the recorder, each. Past it the thread is left behind and the log says so.
pub const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How long a stopping shard waits for room at the recorder for the records it still holds.
pub const SPOOL_PATIENCE: Duration = Duration::from_secs(5);

/// Largest SIP datagram read, octets: the largest a UDP datagram can be.
pub const SIP_DATAGRAM: usize = 65_535;

/// One look-up of a target, all its rounds of questions: shorter than a call waits for it (`LOCATE_MAX` in `call`).
/// Past it the look-up has failed.
pub const LOOKUP_BUDGET: Duration = Duration::from_millis(3_500);

/// How long one question waits for one name server: a lost datagram costs a second.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// How often one question is put to one name server before it counts as not answered.
pub const LOOKUP_ATTEMPTS: usize = 2;

/// Addresses of targets that may open connections to us, over all look-ups. Past it further ones may only be connected to.
pub const TARGET_ADDRESSES: usize = 8_192;

/// Targets that are looked up at the same time; more wait within their budget.
pub const LOOKUPS_AT_ONCE: usize = 32;

/// Questions to the store waiting for a look-up thread. Past it the question is dropped: history is then "unavailable".
pub const LOOKUPS: usize = 4_096;

/// Threads that ask the store.
pub const LOOKUP_THREADS: usize = 2;

/// How long a PASSporT is remembered for reuse beyond the time it can be fresh at all (twice `[identity] freshness`: it
/// may come early and be used again late). For clocks that are set back and questions that waited.
pub const TOKEN_MARGIN_MS: u64 = 60_000;

/// Records on their way from the shards to the recorder. Past it a live snapshot is dropped (the next one replaces
/// it), a final record waits in its shard.
pub const RECORDS: usize = 8_192;

/// Final records a shard keeps while the recorder is behind; past it the oldest is lost, counted and logged.
pub const RECORDS_SPOOLED: usize = 65_536;

/// SIP connections (TCP, TLS) open at once, both ways. Past it new ones are closed at once.
pub const STREAMS: usize = 2_048;

/// Of these, kept for the connections we open to phones: a trunk that takes all others must not keep phones from ringing.
pub const STREAMS_RESERVED: usize = 512;

/// Connections that one address may have opened to us. A trunk needs a handful. Past it new ones are closed at once.
pub const STREAMS_PER_SOURCE: usize = 256;

/// The same for an address that is no trunk's and no phone's, and may still show a certificate that is: until then it is
/// nobody. Past it new ones are closed at once.
pub const STREAMS_PER_STRANGER: usize = 8;

/// Messages waiting to be written to one connection. Past it the connection is closed: its peer does not read.
pub const STREAM_OUTBOX: usize = 1_024;

/// Octets read at once from one connection; a message of usual size comes whole.
pub const STREAM_READ: usize = 16 * 1024;

/// Octets of waiting messages written together (and in one TLS record); what is more waits for the next turn.
pub const STREAM_BATCH: usize = 16 * 1024;

/// A connection without a whole message or keep-alive for this long is closed, unless a call goes on over it: a phone
/// behind a translator that sends no keep-alives could not be reached any more.
pub const STREAM_IDLE: Duration = Duration::from_secs(180);

/// How long the shards have to say that a call goes on over an idle connection. Past it none does: a shard that is so
/// far behind has other troubles.
pub const STREAM_ASKED: Duration = Duration::from_secs(5);

/// A connection that was opened to us and has not brought one whole message or keep-alive by then is closed.
pub const STREAM_FIRST_FRAME: Duration = Duration::from_secs(30);

/// From the first octet of a message to its last. Past it the connection is closed: whoever sends so slowly wants to keep
/// our places taken.
pub const STREAM_MESSAGE: Duration = Duration::from_secs(10);

/// We make ourselves heard on connections of ours that were quiet for this long (RFC 5626 §4.4.1: 95 to 120 s), so that
/// translators on the way do not forget them.
pub const STREAM_PING_AFTER: Duration = Duration::from_secs(100);

/// A peer that has answered pings before and does not answer one for this long is gone (RFC 5626 §4.4.1).
pub const STREAM_PONG: Duration = Duration::from_secs(10);

/// The system's own probe (TCP keep-alive) on a quiet connection, and between two of them.
pub const STREAM_PROBE: Duration = Duration::from_secs(60);

/// The name of the collector of mirrored signalling is asked for again after its time to live, but not more often than
/// this: also when nobody knew it.
pub const NAMED_AGAIN_MIN: Duration = Duration::from_secs(30);

/// Nor less often than this: whoever moves it has it back within the hour.
pub const NAMED_AGAIN_MAX: Duration = Duration::from_secs(3600);

/// Time to open a connection. Past it the next way is tried, if there is one.
pub const STREAM_CONNECT: Duration = Duration::from_secs(4);

/// Time to write what was read in one turn, or one batch. Past it the connection is closed: its peer does not read.
pub const STREAM_WRITE: Duration = Duration::from_secs(4);

/// Pause after the system refused to accept a connection, doubled up to the longest with each that follows.
pub const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);

/// The longest of these pauses: others wait in the system's own queue meanwhile.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A whole TLS handshake. Past it the connection is closed.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(4);

/// TLS handshakes under way with trunks and phones; each costs a signature (50 us to 1 ms). Past it new connections are
/// closed at once.
pub const TLS_HANDSHAKES: usize = 256;

/// The same with addresses that may still turn out to be a trunk's: theirs are few, so that a flood of them leaves the
/// others alone.
pub const TLS_STRANGERS: usize = 64;

/// How often it is looked whether the files of `[sip.tls]` have changed.
pub const TLS_RELOAD_TICK: Duration = Duration::from_secs(5);

/// Changed files are read once they have stayed the same for this long: certificate and key are two files.
pub const TLS_RELOAD_SETTLE: Duration = Duration::from_millis(500);

/// A certificate that ends sooner is told in the log.
pub const TLS_EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 3600);

/// And told again so often.
pub const TLS_EXPIRY_TOLD: Duration = Duration::from_secs(24 * 3600);

/// Octets of our certificate chain or key as PEM; a chain of five large RSA certificates has 12 kB. A larger file is refused.
pub const CERTIFICATE_OCTETS_MAX: u64 = 256 * 1024;

/// Names looked at in one peer's certificate; those after them do not count.
pub const CERTIFICATE_NAMES: usize = 256;

/// Certificate fetches under way from one process. Past it a fetch fails at once as unreachable.
pub const FETCHES: usize = 256;

/// Whole fetch of a list that the configuration names; past it the list in force stays and the next try comes later.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a start waits for lists by address. Past it the gateway takes calls without them (`unchecked`) and goes on
/// trying: a dead list host must not keep the telephone from ringing.
pub const LISTS_AT_START: Duration = Duration::from_secs(3);

/// Until a list that could not be had is tried again, when that is sooner than the usual refresh.
pub const LIST_RETRY: Duration = Duration::from_secs(60);

/// How often it is looked whether a list in force has gone out of date.
pub const LIST_TICK: Duration = Duration::from_secs(5);

/// Names of certificate hosts being looked up at once. A look-up blocks a thread of the pool that also answers the API
/// (512 of them), for up to half a minute when a name server is silent: whoever signs calls must not be able to take
/// them all. Past it a fetch fails at once as unreachable.
pub const NAME_LOOKUPS: usize = 64;

/// Octets of one file of extra web anchors, of trust anchors, or of a signed trust list; the whole set of a browser is about 250 kB. A larger file is refused.
pub const ANCHORS_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// Octets of a caller's icon as it is fetched; past it there is none. A logo of 256 pixels a side has 10 to 50 KiB.
pub const ICON_OCTETS_MAX: usize = 64 * 1024;

/// Icons fetched and drawn at the same time, on helper threads; more wait in line.
pub const ICON_FETCHES: usize = 4;

/// Icons kept, as drawn (at most 256 by 256 pixels, 264 KiB each); past it the one asked for longest ago goes.
pub const ICONS_KEPT: usize = 64;

/// An icon is fetched again after this: calls are shorter, and a business changes its logo rarely.
pub const ICON_KEPT_FOR: Duration = Duration::from_secs(600);

/// An icon that could not be had is not asked for again before.
pub const ICON_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Legs of ours whose caller's Call-ID the mirror of signalling remembers after their call, 100 octets each: the last BYE
/// and its answer come within half a minute. Past it the oldest is shown under its own Call-ID.
pub const MIRRORED_LEGS_MAX: usize = 8192;

/// Threads that decide kept calls again. The calls that go on have the other cores.
pub const REPLAY_THREADS: usize = 2;

/// Pages of kept calls between their reader and those threads, each about 10 MiB.
pub const REPLAY_PAGES: usize = 2;

/// Live calls that the budget of a policy has counted. Past it a call counts when it ends.
pub const COUNTED_CALLS_MAX: usize = 100_000;

/// Policies kept in memory to make old decisions again; past it the one loaded longest ago is loaded anew.
pub const RECENT_POLICIES_MAX: usize = 16;

/// Rest of the thread that tells other gateways of calls, while there is nothing to tell: what changes here is shown there well within a second.
pub const NEWS_REST: Duration = Duration::from_millis(20);

/// Calls whose changes are told at once, 10 KiB each.
pub const NEWS_AT_ONCE: usize = 256;

/// Between two tries to tell other gateways something, or to hear them.
pub const NEIGHBOURS_RETRY: Duration = Duration::from_secs(1);

/// How often it is looked whether the other gateways are there.
pub const NEIGHBOURS_LOOKED_AT: Duration = Duration::from_secs(2);

/// Orders about calls of other gateways that wait to be told. Past it the order is not taken.
pub const ORDERS: usize = 64;

/// How often the audit says where the chains of other gateways are.
pub const ANCHOR_EVERY: Duration = Duration::from_secs(3600);

/// How often a policy past its budget is taken back while the store does not take it. Then its refusals are counted anew.
pub const TAKE_BACK_TRIES: usize = 30;

/// Between two of those tries: one minute in all, which a restart of the store's disk or server takes.
pub const TAKE_BACK_PAUSE: Duration = Duration::from_secs(2);

/// Addresses of one name that are looked at before a host is asked. One among them that is not allowed refuses the host; the
/// rest is not tried.
pub const ADDRESSES_ASKED_MAX: usize = 16;

/// Alerts of devices shown in the status. Past it the oldest is not shown; it stands in the audit.
pub const PHONE_ALERTS_KEPT: usize = 50;

/// Ended calls and failed sign-ins that wait to be looked at by the alarms. Past it they are not counted there.
pub const ALARMS_WAITING: usize = 8_192;

/// Calls that go on and lead outside, about 50 octets each, of which it is known that they were counted. Past it they are counted when they end.
pub const OUTSIDE_COUNTED: usize = 65_536;

/// How often they are looked at.
pub const ALARMS_LOOKED_AT: Duration = Duration::from_secs(1);

/// How often it is looked whether the file of blocked addresses has to be written again: a block lasts minutes.
pub const BLOCKED_FILE_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether what calls to the outside cost has to be kept: a gateway that is killed forgets what was spent since.
pub const SPENT_KEPT_EVERY: Duration = Duration::from_secs(5);

/// How often recordings that became known are written: a gateway that is killed forgets what it heard in the last second.
pub const RECORDINGS_WRITTEN_EVERY: Duration = Duration::from_secs(1);

/// Every how many turns of that old ones are forgotten and others' erasures are looked at: half a minute.
pub const RECORDINGS_FORGOTTEN_EVERY: u64 = 30;

/// Recordings in one transaction: about 500 kB, tens of milliseconds of the store's writer.
pub const RECORDINGS_AT_ONCE: usize = 64;

/// How often it is tried to write them when another process was first.
pub const RECORDINGS_TRIES: u32 = 5;

/// How long after a try that failed it is tried again to read the recordings of earlier calls.
pub const RECORDINGS_READ_AGAIN: Duration = Duration::from_secs(5);

/// Training calls at once: each has a thread, two sockets and phones that ring. Past it one more is refused.
pub const DRILLS_AT_ONCE: usize = 4;

/// Training calls that are kept, about 400 octets each. Past it the oldest is forgotten; its call is kept as calls are.
pub const DRILLS_KEPT: usize = 500;

/// How long a training call may take to be over once its caller has given up or hung up: as long as a transaction.
pub const DRILL_ENDS_WITHIN: Duration = Duration::from_secs(40);

/// Alarms that wait to be sent by e-mail to one address: more than that at once are a failure of the rules, or of a server that is
/// away. Past it the mildest are not sent.
pub const MAIL_WAITING: usize = 64;

/// How long a mail server may say nothing.
pub const MAIL_PATIENCE: Duration = Duration::from_secs(30);

/// How long is waited after a letter that was not taken, at first; twice as long each time.
pub const MAIL_REST: Duration = Duration::from_secs(5);
/// The most of it.
pub const MAIL_REST_MAX: Duration = Duration::from_secs(15 * 60);

/// A letter that could not be sent for so long after its alarm was told is not sent: what it says is in the list of alarms, and old.
pub const MAIL_LASTS: Duration = Duration::from_secs(24 * 3600);

/// Characters of what a mail server says that are shown. The rest is cut.
pub const MAIL_PROBLEM_CHARS: usize = 300;

/// How often it is looked whether a report is due.
pub const REPORTS_LOOKED_AT: Duration = Duration::from_secs(10);

/// How often within one look it is tried again when another gateway was first.
pub const REPORT_TRIES: usize = 10;

/// How often it is looked whether other gateways are to be told what is counted here.
pub const COUNTED_EVERY: Duration = Duration::from_millis(250);

/// How often they are told it anyhow: whoever just began to listen, or missed it, knows it then.
pub const COUNTED_ANYHOW: Duration = Duration::from_secs(1);

/// Octets of a list of addresses that others keep: 100,000 of them at 43. A longer one is not read.
pub const FEED_OCTETS_MAX: usize = 4 * 1024 * 1024 + 512 * 1024;

/// How long its host may take to send it.
pub const FEED_PATIENCE: Duration = Duration::from_secs(30);

/// Octets of the mark by which its host knows a list again. A longer one is not kept: the list is sent whole.
pub const FEED_MARK_OCTETS_MAX: usize = 1024;

/// How soon it is read again after it could not be, unless it is read more often anyhow.
pub const FEED_REST: Duration = Duration::from_secs(5 * 60);

/// How long a list counts at least that could not be read again (twice `every` where that is longer): addresses change hands.
pub const FEED_LASTS: Duration = Duration::from_secs(24 * 3600);
