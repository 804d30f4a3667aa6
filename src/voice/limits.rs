//! Every bound of the room: unit, reason, and what is dropped past it.

/// Samples per second of everything this room hears.
pub const SAMPLE_RATE: usize = 8000;

/// Samples in one hop: one second at 8 kHz mono. A shorter one ends the audio.
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

/// Hops in one window (4 s). Older ones are forgotten, but for what the network remembers of them.
pub const WINDOW_HOPS: usize = 4;

/// Speech frames (0.75 s) below which a window is not scored.
pub const MIN_WINDOW_SPEECH: usize = 47;

/// The mean of each bin starts at training's, as if so many speech frames (half a second) had been heard.
pub const PRIOR_FRAMES: u32 = 32;

/// Speech frames (16 s) after which that mean forgets the oldest.
pub const FORGET_FRAMES: u32 = 1000;

/// A window's raw score is clipped to this before it counts: no window decides a call alone.
pub const SCORE_CLIP: f32 = 4.0;

/// After this many scored windows (one a second) the running mean forgets the oldest: a voice that changes is heard.
pub const MEMORY_WINDOWS: u32 = 60;

/// The same for windows of the second opinion (one in two seconds).
pub const MEMORY_SECOND_WINDOWS: u32 = 30;

/// Hops from one window of the second opinion to the next.
pub const SECOND_EVERY_HOPS: u64 = 2;

/// Samples of a window of the second opinion: four seconds.
pub const SECOND_SAMPLES: usize = WINDOW_HOPS * HOP_SAMPLES;

/// Octets of memory that one call's [`super::Listener`] may hold, checked by a test that counts: 52 KiB of what the
/// network remembers, the rest for the sums of a window, one frame and counters. The audio kept for a second opinion
/// comes on top: [`KEPT_BYTES_MAX`].
pub const LISTENER_BYTES_MAX: usize = 64 * 1024;

/// Octets of G.711 that a call keeps while it is due for a second opinion: its last four seconds. Older ones go.
pub const KEPT_BYTES_MAX: usize = SECOND_SAMPLES;

/// Octets that a network may remember of a call. One that wants more is refused.
pub const STREAM_BYTES_MAX: usize = 52 * 1024;

/// Channels of a trunk. More would not fit the memory of a call.
pub const HIDDEN_MAX: usize = 512;

/// Octets of a model file. A larger one is refused unread.
pub const MODEL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Octets of each file of figures beside a model. A larger one is not read, and the model has none.
pub const CARD_BYTES_MAX: u64 = 512 * 1024;

/// Kinds of lines that a model's figures tell apart. Figures with more count for nothing.
pub const CARD_LINES_MAX: usize = 64;

/// Characters of the name of such a line; the rest is cut off.
pub const CARD_NAME_CHARS_MAX: usize = 60;

/// Octets of a manifest. A larger one is refused unread.
pub const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// Characters of somebody else's error text that we repeat. The rest is cut.
pub const PROBLEM_CHARS_MAX: usize = 300;

/// Nodes and tensors of a network. One with more is refused before it is built.
pub const MODEL_NODES_MAX: usize = 4096;
pub const MODEL_TENSORS_MAX: usize = 4096;
