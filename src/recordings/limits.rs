//! Bounds of this room: each with its unit, its reason, and what happens past it.

use std::time::Duration;

/// Samples of one recording that leave landmarks: the first 15 s at 8 kHz. What follows is not looked at.
pub const SAMPLES_MAX: usize = 15 * 8000;

/// Peaks kept of one second, the strongest ones: a telephone line carries no more that survive a codec.
pub const PEAKS_PER_SECOND: usize = 25;

/// Later peaks that one peak is joined with.
pub const FAN_OUT: usize = 3;

/// Landmarks of one recording: 15 s of peaks, each joined with three. Later ones are not made.
pub const LANDMARKS_MAX: usize = 15 * PEAKS_PER_SECOND * FAN_OUT;

/// Places of one hash in one part of the index that are looked at. A hash that stands in more of them tells nothing.
pub const POPULAR: usize = 400;

/// Recordings in one index at most, in four parts: a full part makes room by taking the oldest part's place.
pub const RECORDINGS_MAX: usize = 131_072;

/// The same where nothing is configured: about 150 MB when it is full.
pub const RECORDINGS: usize = 20_000;

/// How long a recording is remembered at most, a restart in between or not; at least three quarters of it. Hashes of speech are
/// close to personal data. One that people allow is remembered as long as that holds.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Landmarks in line that make one recording the same as another, and how far apart the first and the last have to be.
pub const HITS_MIN: usize = 7;
pub const SPAN_MIN: Duration = Duration::from_secs(2);

/// Places that one question looks at in one part of the index, 8 octets each: the rarest landmarks first. What is past it is
/// not looked up. With 87,500 recordings half of the questions would look at more than 9,700; nothing is missed without those
/// (docs/configuration.md).
pub const PLACES_MAX: usize = 12_288;

/// Callers of one recording that are told apart, 8 octets each. It takes three to be worth a word; more say no more.
pub const CALLERS_MAX: usize = 64;

/// Calls that are listened to at the same time, 30 kB each. A further one is not looked up.
pub const HEARING_MAX: usize = 4096;

/// Seconds of audio after which a call is looked up, and after the last of which it is kept.
pub const ASKED_AT: [usize; 3] = [5, 10, 15];

/// Speeds at which a call is looked up where it is not found as it is, as if it had been played so much faster. A hash holds
/// for a quarter of a percent either way; what is further off than that above or below these is not found.
pub const SPEEDS: [f32; 4] = [0.99, 0.995, 1.005, 1.01];

/// Landmarks in line from which on nobody asks whether there are more at another speed: a few are what a voice has in common
/// with itself.
pub const HITS_CLEAR: usize = 20;

/// A call that said nothing more for so long is over: it is kept as far as it was heard, if that is at least the first of
/// [`ASKED_AT`].
pub const OVER_AFTER: Duration = Duration::from_secs(30);

/// Pieces of 15 s of recordings that the configuration names as wanted. Further ones are not kept.
pub const WANTED_MAX: usize = 4000;

/// Recordings that people allow. A further one is refused.
pub const ALLOWED_MAX: usize = 200;

/// The newest calls of one recording that are remembered, 16 octets each. Older ones are not shown with it.
pub const CALLS_MAX: usize = 50;

/// Characters of what people call a recording, and of their note. Longer ones are refused.
pub const TITLE_CHARS_MAX: usize = 80;
pub const NOTE_CHARS_MAX: usize = 200;

/// New recordings that wait to be written, 9 kB each: minutes of a busy gateway whose store is away. Further ones are known
/// until a restart only.
pub const UNWRITTEN_MAX: usize = 2000;
