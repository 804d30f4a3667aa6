"""Numbers that the Rust engine (src/voice/limits.rs, front.rs, activity.rs) repeats. The golden file proves that they agree."""

RATE = 8000          # Hz
FRAME = 256          # samples in one Hann frame (32 ms)
HOP = 128            # samples between frames (16 ms)
LOW_BIN = 8          # 250 Hz: every codec keeps the band from here ...
HIGH_BIN = 103       # ... to 3,219 Hz, inclusive
BINS = HIGH_BIN - LOW_BIN + 1
FLOOR = 1e-5         # added to the power before the logarithm
K0 = 32              # speech frames that the mean of training weighs in the causal normalisation
FORGET_FRAMES = 1000  # speech frames beyond which the running mean forgets
WINDOW_FRAMES = 250  # 4 s
WINDOW_HOPS = 4      # the same in hops
SCORE_HOP = 8000     # samples between scores (a hop)
MIN_WINDOW_SPEECH = 47  # speech frames (0.75 s) below which a window is not scored
SCORE_CLIP = 4.0     # a window's raw score is clipped to +- this before it counts
MEMORY_WINDOWS = 60  # the running mean of window scores forgets after this many
MEL_FRAME = 200      # the second opinion: samples in a frame (25 ms) ...
MEL_HOP = 80         # ... and between frames (10 ms)
MEL_BANDS = 80
MEL_FRAMES = 400     # 4 s
MEL_POSITIONS = 200  # its encoder halves the frame rate once
SECOND_EVERY = 2     # hops between second opinions, at least
SECOND_MEMORY = 30   # its running mean forgets after this many
