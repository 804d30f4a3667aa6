//! Bounds of this room: unit, reason, what happens past them.

/// Queues one call may pass through (overflow to overflow). Past it the caller hears 480:
/// somebody who waited through eight queues is better told than moved again.
pub const QUEUES_VISITED_MAX: usize = 8;

/// Phones of one queue that are rung for one call. Further targets of the list are not rung:
/// each costs a transaction and a dialog, and a queue that long wants a proxy in front of it.
pub const TARGETS_MAX: usize = 32;
