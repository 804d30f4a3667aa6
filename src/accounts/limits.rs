//! Every bound of accounts: unit, reason, and what is dropped.

use std::time::Duration;

/// Characters of the name of an account or a token, and of a person's own name. More is refused.
pub const NAME_MAX: usize = 60;
pub const PERSON_MAX: usize = 100;

/// Accounts, about 1 KiB each: all of them are read every few seconds. More are not made.
pub const USERS_MAX: usize = 1_000;

/// Characters of a password: 12 of anything are out of reach of guessing at the speed of argon2id; more than 200 are no
/// password that somebody types. Others are refused.
pub const PASSWORD_MIN: usize = 12;
pub const PASSWORD_MAX: usize = 200;

/// Different characters in a password. Fewer are refused.
pub const PASSWORD_KINDS_MIN: usize = 5;

/// Argon2id: KiB of memory, passes and lanes, as OWASP recommends them at least (19 MiB, 2, 1).
pub const HASH_KIB: u32 = 19 * 1024;
pub const HASH_PASSES: u32 = 2;
pub const HASH_LANES: u32 = 1;

/// What a kept hash may ask for at most, so that a changed file costs no gateway its memory. Past it the password is wrong.
pub const HASH_KIB_MAX: u32 = 256 * 1024;
pub const HASH_PASSES_MAX: u32 = 16;

/// Octets of a password's salt and hash.
pub const SALT: usize = 16;
pub const HASH: usize = 32;

/// How long an invitation opens the door for its person. Then another one is made.
pub const INVITATION_LASTS: Duration = Duration::from_secs(72 * 3600);

/// How long an account that somebody is to sign in to from elsewhere waits for him by its name. Then whoever comes by that name is
/// nobody: it is taken away and made anew.
pub const OUTSIDE_WAITS: Duration = INVITATION_LASTS;

/// People who were signed in to from elsewhere and whose accounts were taken away, 44 octets each. Past it the first is forgotten, and
/// with `make_accounts` he gets an account again.
pub const LEFT_MAX: usize = 1_000;

/// How long a telephone has to show its first code. Then the enrolment is begun again.
pub const ENROLMENT_LASTS: Duration = Duration::from_secs(15 * 60);

/// How often a code that invites nobody has all accounts read again, to see whether it was made at the command line a moment
/// ago. In between it invites nobody; what is read every few seconds anyhow makes it up.
pub const INVITATIONS_READ: Duration = Duration::from_secs(1);

/// Codes for whoever has lost his second factor. Each opens once.
pub const RECOVERY_CODES: usize = 10;

/// Octets of the secret of a second factor: as long as its hash (RFC 4226 §4).
pub const SECOND_FACTOR_OCTETS: usize = 20;

/// Steps of 30 s by which a telephone's clock may be off in either direction (RFC 6238 §5.2).
pub const STEPS_OFF: u64 = 1;

/// Networks that an account is known to sign in from, and for how long. Past it the one that was used longest ago goes.
pub const NETWORKS_MAX: usize = 8;
pub const NETWORK_LASTS: Duration = Duration::from_secs(90 * 24 * 3600);

/// Readers signed in at once. Past it the one whose session ends first is signed out.
pub const SESSIONS_MAX: usize = 256;

/// Sessions of one person at once. Past it the one whose session ends first goes, so that nobody signs out the others.
pub const SESSIONS_EACH: usize = 10;

/// Sessions that one token has open at once: browsers of people who share it. With another the first of them ends.
pub const SESSIONS_OF_A_TOKEN: usize = 64;

/// One shift.
pub const SESSION_LASTS: Duration = Duration::from_secs(12 * 3600);

/// A session that nobody used for this long has ended. A page that follows events uses it.
pub const SESSION_IDLE: Duration = Duration::from_secs(3600);

/// How old the kept time of last use may get before it is written again: a restart may forget as much.
pub const USE_WRITTEN: Duration = Duration::from_secs(300);

/// Wrong credentials from one address (IPv6: one /64) in [`FAILURE_WINDOW`]; further ones get 429.
/// A right token is never refused: with 256 random bits guessing is hopeless, so the limit saves
/// processor and logs, and nobody can lock the front desk out from a shared address.
pub const FAILURES_MAX: u32 = 10;
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// Addresses with failures that are remembered. Past it the oldest is forgotten.
pub const FAILURE_ADDRESSES: usize = 4_096;

/// Wrong passwords before the next has to wait: for one account from one network, and for one network or one account
/// altogether.
pub const WRONG_PAIR: u32 = 5;
pub const WRONG_ALL: u32 = 20;

/// Wrong codes of a second factor for one account, from everywhere together, before the next has to wait: whoever shows one has got
/// past the first factor already.
pub const WRONG_CODES: u32 = 10;

/// The first wait; it doubles with every further wrong password.
pub const WAIT_FIRST: Duration = Duration::from_secs(30);

/// The longest wait where the account is known to sign in from that network, and elsewhere.
pub const WAIT_KNOWN: Duration = Duration::from_secs(15 * 60);
pub const WAIT_LONGEST: Duration = Duration::from_secs(3600);

/// Wrong passwords are forgotten when there was none for this long.
pub const WRONG_REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Tries that other gateways are still to be told of, about 200 octets each: more than all password threads can look at in a second. Past it
/// the oldest counts here alone.
pub const TRIES_TOLD: usize = 256;

/// Lines in each table of wrong passwords, about 150 octets each. Past it the line with the fewest and oldest goes.
pub const WRONG_LINES: usize = 4_096;

/// Tokens beside the first, at most 400 octets each as they are kept: together they fit one setting of the store. More
/// are not made.
pub const TOKENS_MAX: usize = 150;

/// Searches that one account keeps, and characters of what each is called: about 10 kB in all. Past it one more is refused.
pub const SEARCHES_MAX: usize = 20;
pub const SEARCH_NAME_MAX: usize = 40;

/// How often a change of an account is tried again when another process was first.
pub const RETRIES: usize = 5;

/// How long another person may confirm that a lockdown is to end. Then it is asked for again.
pub const UNDO_LASTS: Duration = Duration::from_secs(3600);

/// Gateways' clocks may differ by this much, and it is longer than they take to hear of a lockdown: what was made within it after its
/// beginning ends too.
pub const LOCKDOWN_HEARD: Duration = Duration::from_secs(15);

/// Characters of why a lockdown was ordered: they stand in the audit. More are refused.
pub const LOCKDOWN_WHY_MAX: usize = 200;

/// Devices that one person may be signed in to at once: each rings for him. More are refused.
pub const DESKS_MAX: usize = 8;

/// Characters of the reason for a pause. A longer one is refused.
pub const PAUSE_CHARS_MAX: usize = 60;

/// What waits for a second person, of one person and altogether (under 1 KiB each). Past it the oldest is forgotten, of whoever asks
/// rather than of somebody else.
pub const WISHES_EACH: usize = 8;
pub const WISHES_MAX: usize = 512;

/// How long it waits.
pub const WISH_LASTS: Duration = Duration::from_secs(24 * 3600);

/// How long what two people want is taken to be just being done. Then whoever did it is taken for dead, and it waits again.
pub const WISH_TAKEN: Duration = Duration::from_secs(120);

/// Call-backs that are remembered by who made them and for which call (under 200 octets each). Past it the oldest is forgotten.
pub const CALL_BACKS_KEPT: usize = 200;

/// How long a call-back counts as going on by being written down alone: longer than the other gateways take to hear of it, and than their
/// clocks differ. After that the live calls say so.
pub const CALL_BACK_CLAIMED: Duration = Duration::from_secs(20);
