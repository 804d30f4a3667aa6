//! Bounds of this room: unit, reason, what happens past them.

use std::time::Duration;

/// How long another shard's word that a phone talks is believed. Its word that the call is over may have found an inbox full,
/// and a phone that everybody takes for busy would ring no more.
pub const HEARSAY_BELIEVED: Duration = Duration::from_secs(1_800);

/// How long another shard's word that a call waits is believed; it is said again in half of that.
pub const STAND_BELIEVED: Duration = Duration::from_secs(20);

/// People whose rests are kept count of. Past it those who are not at work are forgotten.
pub const PEOPLE_WATCHED_MAX: usize = 4_096;

/// Calls that wait, as one shard knows them. Past it those of other shards are not taken down: they are in nobody's way.
pub const STANDS_MAX: usize = 20_000;

/// Calls of one queue that wait for a skill and are looked at when a phone may be free. Past it the others look by themselves, after
/// [`LOOK_AGAIN`].
pub const PICKY_WOKEN_MAX: usize = 256;

/// Phones that one call that waits would not take, as the others know it: all that a queue can ring, people at eight phones each.
/// Past it those behind it are held up by it until they look again.
pub const LEFT_ALONE_MAX: usize = 256;

/// How often a call that waits looks for a phone when nobody tells it that one is free: what it was not told costs it no more.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long a phone that did not take a call that waits is left alone by it.
pub const RING_AGAIN: Duration = Duration::from_secs(10);

/// How long a number outside may ring: the carrier's own answer for "nobody" comes well before it.
pub const OUTSIDE_RING: Duration = Duration::from_secs(120);

/// Queues one call may pass through (overflow to overflow). Past it the caller hears 480:
/// somebody who waited through eight queues is better told than moved again.
pub const QUEUES_VISITED_MAX: usize = 8;

/// Phones of one queue that are rung for one call. Further targets of the list are not rung:
/// each costs a transaction and a dialog, and a queue that long wants a proxy in front of it.
pub const TARGETS_MAX: usize = 32;
