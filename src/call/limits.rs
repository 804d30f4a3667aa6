//! Bounds of this room: unit, reason, what is dropped or answered past them.

use std::time::Duration;

/// Calls alive on one shard, until their last transaction is over. Past it a new INVITE hears 503:
/// at 100 KiB a call this is two gigabytes, and a shard is one core.
pub const LIVE_CALLS_MAX: usize = 20_000;

/// How much later than the ring time an INVITE of ours expires by itself (Expires, RFC 3261 §13.2.1), for a phone that never
/// hears our CANCEL. A CANCEL has been said four times by then; the phone rings no shorter than it was meant to.
pub const EXPIRES_MARGIN: Duration = Duration::from_secs(5);

/// Addresses of one host of `[[credentials]]` that are kept; what the name service says beyond is ignored.
pub const LOGIN_ADDRESSES_MAX: usize = 16;

/// The whole time phones may ring for one call, over all queues (RFC 3261's timer C is three minutes).
pub const RINGING_MAX: Duration = Duration::from_secs(180);

/// The whole time a caller whom we have answered may wait for somebody, over all queues. Past it he hears that nobody comes.
pub const WAITING_MAX: Duration = Duration::from_secs(2 * 3_600);

/// A call that lasts longer is ended with BYE on both legs: a forgotten handset, or a peer that died
/// without a word while its media source kept sending.
pub const DURATION_MAX: Duration = Duration::from_secs(12 * 3600);

/// How long a call on hold may be silent before silence ends it as it would any other: held calls often
/// carry no audio at all, and a forgotten one must end some day.
pub const HOLD_MAX: Duration = Duration::from_secs(2 * 3600);

/// Requests of one call in relay at a time (re-INVITE, UPDATE, INFO). Past it: 500 with Retry-After.
pub const EXCHANGES_MAX: usize = 8;

/// How often an INVITE is sent again with a longer session interval because a phone answered 422. One is the rule; a
/// second covers a proxy before it. Past it the phone counts as refusing.
pub const INTERVAL_RETRIES_MAX: u8 = 3;

/// How long the other side may take to answer an UPDATE or INFO that crosses. Past it whoever asked hears 504: his own
/// transaction ends 64*T1 (32 s) after he asked (RFC 3261 §17.1.2.2), and a later answer would be none (RFC 4320 §4.2).
pub const EXCHANGE_PATIENCE: Duration = Duration::from_secs(24);

/// A session refresh that met something else under way, or a fault that may pass, is tried again after this. The shortest
/// interval is 90 s and leaves time for four.
pub const REFRESH_RETRY: Duration = Duration::from_secs(10);

/// Octets of an INFO body that cross. A key press is 30; past it: 413.
pub const INFO_BODY_OCTETS_MAX: usize = 4096;

/// Octets of a header value that crosses. A longer one is left behind.
pub const CROSSING_VALUE_OCTETS_MAX: usize = 512;

/// Lines of one header name that cross. Further ones are left behind.
pub const CROSSING_LINES_MAX: usize = 8;

/// Characters kept of a display name or a written number. The rest is cut.
pub const NAME_CHARS_MAX: usize = 64;

/// Entries of Diversion, and of History-Info, that are read. Further ones are not.
pub const DIVERSIONS_MAX: usize = 32;

/// Decisions kept in a record; the first always stays, then the oldest goes.
pub const DECISIONS_KEPT: usize = 32;

/// Banner changes kept in a record; the first always stays, then the oldest goes.
pub const BANNERS_KEPT: usize = 32;

/// Windows kept in a record (ten minutes at one a second); later ones only count in the opinion.
pub const WINDOWS_KEPT: usize = 600;

/// Second opinions kept in a record (ten minutes at one in two seconds); later ones only count in the opinion.
pub const SECOND_WINDOWS_KEPT: usize = 300;

/// Attempts kept in a record; later ones are rung but not listed.
pub const ATTEMPTS_KEPT: usize = 64;

/// Digits that a beginning in `[[queue]] numbers` may leave for it to stand for a block of the business's own numbers: 10,000 of them.
pub const OWN_BLOCK_DIGITS: usize = 4;

/// SIP messages kept in a record, 16 octets each, and dialogs whose messages they may be; the last eight places are for how it ended. Later ones
/// are not listed.
pub const SIGNALS_KEPT: usize = 64;

/// SIP messages noted while one event is handled. Later ones are not listed.
pub const SIGNALS_NOTED: usize = 128;

/// Transfers kept in a record; later ones happen but are not listed.
pub const TRANSFERS_KEPT: usize = 16;

/// Transfers of one call. Past it a REFER hears 403: a call that goes round in circles has to end somewhere, and each
/// one leaves a name behind until the call is over.
pub const TRANSFERS_MAX: usize = 16;

/// How long a transfer may take from REFER to answer, over all phones it rings. Past it whoever asked is told 408.
pub const TRANSFER_MAX: Duration = Duration::from_secs(180);

/// How long one phone rings for a transfer when the queue the call came from is no longer there to say.
pub const TRANSFER_RING: Duration = Duration::from_secs(20);

/// How long one phone rings for another that calls it; a queue has its own time.
pub const PHONE_RING: Duration = Duration::from_secs(60);

/// How long a phone that has handed its call on may take to answer the last NOTIFY. Past it it gets its BYE.
pub const NOTIFY_PATIENCE: Duration = Duration::from_secs(2);

/// Dialogs of one shard's Call-IDs that live on other shards. Past it a call is taken over, or joined with another, only
/// where both are on one shard.
pub const MOVED_MAX: usize = 4096;

/// Octets of a Call-ID that may be one of these; whoever writes a longer one is treated as when there is no room.
pub const MOVED_OCTETS_MAX: usize = 256;

/// How long an INVITE that takes over a call of another shard is sent on there until that shard says that it has it:
/// longer than its transaction lives.
pub const MOVING_MAX: Duration = Duration::from_secs(70);

/// How often one message, or one question for a leg, is sent on from shard to shard. Past it whoever has it answers.
pub const PASSED_ON_MAX: u8 = 3;

/// How long a call waits for the leg that it asked another shard for. Past it whoever wanted the transfer is told 408.
pub const FETCH_MAX: Duration = Duration::from_secs(5);

/// How often a re-INVITE of our own is sent that meets one of the peer's (491). Past it what flows stays as it is.
pub const REINVITE_TRIES_MAX: u32 = 3;

/// How long a record waits for the media's last figures. Past it the record closes without them.
pub const MEDIA_CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How long an ended call may wait for its last answers: timer F (32 s) for a BYE that itself had to
/// wait 64*T1 for an ACK. Past it the call is forgotten whatever is still owed.
pub const ENDING_MAX: Duration = Duration::from_secs(70);

/// 64*T1 (RFC 3261 §13.2.2.4): how long a further 2xx to an INVITE of ours may still come.
pub const FURTHER_ANSWERS: Duration = Duration::from_secs(32);

/// INVITEs we gave up on and still answer for (ACK and BYE). Past it the oldest is let go.
pub const STRAYS_MAX: usize = 4096;

/// Seconds in Retry-After when we are full or closing.
pub const RETRY_AFTER_SECONDS: u32 = 10;

/// A scored call tells its watchers at least this often, though nothing but the figures moved.
pub const CHANGED_EVERY: Duration = Duration::from_secs(5);

/// Requests of ours that are kept until their final response, because their peer may challenge them. Past it a challenge
/// counts as a refusal.
pub const CHALLENGEABLE_MAX: usize = 16_384;

/// How long a call waits for the name service to say where a target is that nobody has heard of yet. Past it that
/// target counts as not reachable. Longer than a look-up may take (`LOOKUP_BUDGET` of the runtime).
pub const LOCATE_MAX: Duration = Duration::from_secs(4);

/// A question to the name service that has had no answer for so long is put again when the next call asks.
pub const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Targets whose place a shard knows. Past it new ones are not remembered: calls to them wait each time.
pub const TARGETS_KNOWN_MAX: usize = 2048;

/// How long calls from an address that a registrar's name led to are still that trunk's when the name leads elsewhere.
/// Carriers answer with some of their servers at a time; a day has all of them.
pub const CARRIER_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Addresses of phones that were looked up or redirected to. Past it the one heard of longest ago is a stranger again.
pub const PHONES_LEARNED_MAX: usize = 4096;

/// Contacts of one redirection that are read; further ones are left out.
pub const CONTACTS_MAX: usize = 8;

/// Places that one attempt may be redirected to, over all its redirections. Past it further ones are not tried.
pub const REDIRECTS_MAX: usize = 8;

/// Octets of a URI that we ring because a target said so. A longer one is not followed.
pub const TARGET_OCTETS_MAX: usize = 256;

/// Addresses and places tried for one target that are kept in its record; later ones are tried but not listed.
pub const TRIES_KEPT: usize = 16;

/// Addresses that are probed from one gateway. Past it further ones are not.
pub const PROBED_MAX: usize = 2048;

/// How long a probe may be without an answer until it counts as failed. An answer that comes later does not count.
pub const PROBE_PATIENCE: Duration = Duration::from_secs(4);

/// How long we listen to a caller who says nothing before we ask again, and then go on: no silence of ours is longer.
pub const LISTEN_PATIENCE: Duration = Duration::from_secs(2);

/// How long a caller who has spoken must be quiet until we take it that he has done.
pub const LISTEN_PAUSE: Duration = Duration::from_millis(1200);

/// The longest that a caller is listened to before phones ring, however much he says.
pub const LISTEN_MAX: Duration = Duration::from_secs(12);

/// How long after our words, or after a key, the next key may take. Past it the digits are said again.
pub const KEY_PATIENCE: Duration = Duration::from_secs(2);

/// How often a caller may be told digits to press.
pub const CHALLENGE_TRIES: u8 = 3;

/// The longest that all questions of ours before a call (screening and challenge together), or one challenge in the middle of
/// it, may take, whatever is said meanwhile. Past it the call goes on with what is known.
pub const QUESTIONS_MAX: Duration = Duration::from_secs(90);

/// The longest that our last words may take. Past it the call ends without them.
pub const PARTING_MAX: Duration = Duration::from_secs(30);

/// The longest that a person who has answered is told something before he hears the caller.
pub const WHISPER_MAX: Duration = Duration::from_secs(5);

/// What we said, in a record; later words are said but not listed.
pub const SPOKEN_KEPT: usize = 64;

/// Orders of people and of policy kept in a record; later ones are carried out, by policy not any more, and not listed.
pub const ORDERS_KEPT: usize = 32;

/// How soon it is looked again whether a refresh of ours is over that a re-INVITE of ours has to wait for. A refresh that
/// nobody answers is over with its transaction, after 32 s.
pub const REFRESH_WAIT: Duration = Duration::from_millis(500);

/// When a phone whose REGISTER was refused in a lockdown may ask again.
pub(crate) const LOCKDOWN_RETRY: Duration = Duration::from_secs(60);

/// How often a call may have been forwarded before it came here, to go out again by the overflow of a queue. Past it nobody outside is
/// rung: it goes round between others, and costs each time.
pub const FORWARDINGS_MAX: u8 = 5;

/// How long the phones of a person ring who calls back. Past it nothing goes out.
pub const CALL_BACK_RING: Duration = Duration::from_secs(30);

/// What calls to the outside in an hour are counted over.
pub(crate) const TOLL_HOUR: Duration = Duration::from_secs(3600);

/// How often those that were over an hour ago are looked for, at most.
pub(crate) const TOLL_FORGET: Duration = Duration::from_secs(1);

/// What money limits by the day are counted over.
pub(crate) const TOLL_DAY: Duration = Duration::from_secs(24 * 3600);

/// How often the price of a call that goes on is looked at: so much sooner it is cut than the limit would be passed.
pub(crate) const TOLL_LOOK: Duration = Duration::from_secs(1);

/// What ended within so long of each other is one sum, which counts until all of it is an hour or a day old.
pub(crate) const SPENT_STEP: Duration = Duration::from_secs(60);

/// Phones and queues whose spending of a day is known, about 80 KiB each at most. Past it no further one's call that costs goes out.
pub(crate) const SPENDERS_MAX: usize = 10_000;

/// How long what another gateway says of its calls to the outside counts: it is said again every second. As
/// [`crate::flood::limits::TOLD_LASTS`] for calls at the door.
pub(crate) const SHARED_LASTS: Duration = Duration::from_secs(5);

/// Gateways on one store whose calls to the outside count together. What further ones say of theirs is not counted here.
pub(crate) const GATEWAYS_MAX: usize = 64;

/// What is kept of spending over a restart: what ended within so long of each other is one sum, at most 97 of a day.
pub(crate) const SPENT_KEPT_STEP: Duration = Duration::from_secs(15 * 60);

/// Phones, and queues, that other gateways are told of, and that are kept over a restart. Past it those that come to least are not.
pub(crate) const SHARED_PAYERS_MAX: usize = 1_000;

/// Prices of a tariff, about 60 octets each. A longer file is a fault of the configuration.
pub const TARIFF_ROWS_MAX: usize = 200_000;

/// Lines that are named one by one of a tariff that cannot be used; the others are counted.
pub const TARIFF_FAULTS_MAX: usize = 20;

/// Digits of a number that may tell its price: all that E.164 allows.
pub(crate) const PREFIX_DIGITS_MAX: usize = 15;

/// Calls to the outside in an hour that are remembered, about 200 octets each. Past it none more goes out.
pub(crate) const TOLL_ENTRIES_MAX: usize = 100_000;

/// How often the line of those who wait is gone through for one input; what is left is looked at again soon.
pub const WAKES_MAX: usize = 3;
