//! Bounds of signing in elsewhere: unit, reason, and what happens past them.

use std::time::Duration;

/// Octets of a token: with many groups it is some KiB. A longer one is not believed.
pub const TOKEN_MAX: usize = 32 * 1024;

/// Keys of a provider; it has two or three. More are left out.
pub const KEYS_MAX: usize = 64;

/// How far the provider's clock may be off.
pub const SKEW: Duration = Duration::from_secs(60);

/// How old a token may be that a provider has made for this very sign-in.
pub const TOKEN_AGE_MAX: Duration = Duration::from_secs(600);

/// How long somebody may take at the provider. Then he begins again.
pub const ATTEMPT_LASTS: Duration = Duration::from_secs(600);

/// Attempts that came back, remembered for as long as they could come back again. Past it the oldest is forgotten, and only the
/// provider keeps its code from being used twice.
pub const ATTEMPTS_REMEMBERED: usize = 10_000;

/// Octets of a subject (OpenID Connect Core §2).
pub const SUBJECT_MAX: usize = 255;

/// Values of a claim that are looked at for roles. More are passed over.
pub const GROUPS_MAX: usize = 1_000;

/// Lines in the map from groups to roles. More are a fault of the configuration.
pub const ROLES_MAX: usize = 100;

/// Answers of a provider, and how long it may take for each: whoever signs in waits.
pub const ANSWER_OCTETS_MAX: usize = 256 * 1024;
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);

/// How long everything may take that is asked of a provider for one sign-in: less than a request may, so that whoever signs in is told.
pub const ASKED_IN: Duration = Duration::from_secs(8);

/// How long what the provider says of itself is good, and how soon it is asked again after a failure or for an unknown key.
pub const KNOWN_FOR: Duration = Duration::from_secs(3600);
pub const ASKED_AGAIN: Duration = Duration::from_secs(10);

/// Sign-ins that wait for the provider at once. More are told to try again.
pub const ASKING_MAX: usize = 16;
