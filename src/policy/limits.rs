//! Bounds of a policy. A policy past one of them does not load, and the fault says which.

/// Rules in one policy. 200 is a large one; every enforced or shadowed rule is asked for every call.
pub const RULES_MAX: usize = 1_000;

/// Octets of one condition.
pub const CONDITION_OCTETS_MAX: usize = 2_000;

/// Operators, names and literals in one condition.
pub const CONDITION_NODES_MAX: usize = 300;

/// Brackets and operators inside each other. Evaluation recurses as deep.
pub const CONDITION_DEPTH_MAX: usize = 32;

/// Characters of a rule's id and of a policy's name; they are printed in every record.
pub const NAME_CHARS_MAX: usize = 48;

/// Characters of a rule's reason.
pub const REASON_CHARS_MAX: usize = 200;

/// Characters of a display-name prefix: many phones cut the name at 15.
pub const PREFIX_CHARS_MAX: usize = 12;

/// Characters of a suggested line to say: two lines in the console.
pub const SAY_CHARS_MAX: usize = 160;

/// Largest weight and threshold, in tenths (100.0). All tags together stay far from overflow.
pub const WEIGHT_TENTHS_MAX: i32 = 1_000;

/// `[[where]]` sections in one policy; looked through for every decision.
pub const VARIANTS_MAX: usize = 50;

/// Queues or trunks that one rule or `[[where]]` may name.
pub const SCOPE_NAMES_MAX: usize = 100;

/// Spans of open hours: three a day are twenty-one.
pub const OPEN_SPANS_MAX: usize = 30;

/// Holidays: some years of them.
pub const HOLIDAYS_MAX: usize = 200;

/// Numbers and ranges of the business, or of one person.
pub const OWN_NUMBERS_MAX: usize = 1_000;

/// People whose names callers may not borrow unnoticed.
pub const OWN_PEOPLE_MAX: usize = 1_000;

/// Other languages of the banner's words.
pub const LANGUAGES_MAX: usize = 20;

/// Calls in one `.call` file.
pub const SCENARIOS_MAX: usize = 1_000;

/// Expectations of one call.
pub const EXPECTATIONS_MAX: usize = 100;

/// Queues told apart when a policy is tried on calls of the past; more are only in the total.
pub const COMPARED_QUEUES_MAX: usize = 1_000;

/// Revisions in a gateway's book of policies, and octets of their texts together; all are in memory. Past either nothing
/// more is saved over the API.
pub const REVISIONS_MAX: usize = 2_000;
pub const REVISION_TEXTS_MAX: usize = 64 * 1024 * 1024;
