//! Every bound of passkeys: unit, reason, and what is dropped.

use std::time::Duration;

/// Passkeys of one account: a telephone, a laptop, a key on the key ring, and as many again. More are refused.
pub const PASSKEYS_MAX: usize = 6;

/// Octets of what a device calls a passkey (WebAuthn §4: at most 1,023). Longer ones are refused.
pub const ID_MAX: usize = 1_023;

/// Octets of a SubjectPublicKeyInfo: one of RSA with 4,096 bits has 550. Longer ones are refused.
pub const KEY_MAX: usize = 1_024;

/// Octets of clientDataJSON: some 200 and the origin. Longer ones are refused.
pub const CLIENT_DATA_MAX: usize = 2_048;

/// Characters of anything that a browser hands over in base64url, before it is decoded. Longer texts are refused.
pub const TEXT_MAX: usize = 8_192;

/// How long a challenge is good for: for as long as somebody looks for his key. Then the browser asks for another.
pub const CHALLENGE_LASTS: Duration = Duration::from_secs(300);

/// Challenges that were answered, 24 octets each, remembered for as long as they would be good. Only what was signed rightly gets here, so
/// so many are 33 people a second who sign in. Past it nobody does until some are too old.
pub const CHALLENGES_REMEMBERED: usize = 10_000;
