//! Every bound of the room: unit, reason, and what is dropped past it.

/// Samples per second of everything this room hears.
pub const SAMPLE_RATE: usize = 8000;

/// Samples in one hop: one second at 8 kHz mono. A longer hop is heard whole, but scored once.
pub const HOP_SAMPLES: usize = 8000;

/// Samples in one Hann frame (32 ms).
pub const FRAME_SAMPLES: usize = 256;

/// Samples from one frame to the next (16 ms).
pub const FRAME_STEP: usize = 128;

/// First and last spectral bin heard (250 to 3,219 Hz): the band that every telephone codec keeps.
pub const LOW_BIN: usize = 8;
pub const HIGH_BIN: usize = 103;

/// Bins of one frame.
pub const BINS: usize = HIGH_BIN - LOW_BIN + 1;

/// Frames in one window (4 s). Older frames are forgotten.
pub const WINDOW_FRAMES: usize = 250;

/// Frames that are pooled: the network halves the frame rate once.
pub const POOL_FRAMES: usize = WINDOW_FRAMES / 2;

/// Speech frames (0.75 s) below which a window is not scored.
pub const MIN_WINDOW_SPEECH: usize = 47;

/// A window's raw score is clipped to this before it counts: no window decides a call alone.
pub const SCORE_CLIP: f32 = 4.0;

/// After this many scored windows (one a second) the running mean forgets the oldest: a voice that changes is heard.
pub const MEMORY_WINDOWS: u32 = 60;

/// Octets of memory that one call's [`super::Listener`] may hold, checked by a test: 48,000 for four seconds of
/// features as 16-bit steps, the rest for one frame, its transform and counters.
pub const LISTENER_BYTES_MAX: usize = 56 * 1024;

/// Octets of a model file. A larger one is refused unread.
pub const MODEL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Octets of a manifest. A larger one is refused unread.
pub const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// Characters of somebody else's error text that we repeat. The rest is cut.
pub const PROBLEM_CHARS_MAX: usize = 300;
