"""From samples to features: the same arithmetic, frame for frame, as src/voice/front.rs and src/voice/activity.rs."""

import numpy as np

from limits import BINS, FLOOR, FRAME, HIGH_BIN, HOP, LOW_BIN

HANN = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(FRAME) / FRAME)  # periodic
HANN_POWER = float(np.sum(HANN * HANN))                            # 96

# Speech activity. Levels are dB against full scale, in the band of the features.
QUIETEST_DB = -52.0      # nothing below this is speech
MARGIN_DB = 9.0          # speech stands this far above the noise floor
RANGE_DB = 6.0           # and moves by this much within RANGE_FRAMES
RANGE_FRAMES = 32        # half a second
FLATTEST = -0.7          # log ratio of geometric to arithmetic mean; white noise is near -0.58
TONE_REST = 0.01         # share of power outside the two strongest peaks, below which it is a tone
HANG_FRAMES = 8          # frames that stay speech after the last certain one
START_LOWEST_DB, START_HIGHEST_DB = -70.0, -35.0
DOWN, UP_DB, UP_STEADY = 0.1, 0.03, 0.05


def power(samples):
    """|X|^2 of the band, (frames, BINS), float64. `samples` are in [-1, 1); a tail shorter than a frame is left out."""
    count = (len(samples) - FRAME) // HOP + 1
    if count <= 0:
        return np.zeros((0, BINS))
    x = np.ascontiguousarray(samples, dtype=np.float64)
    frames = np.lib.stride_tricks.as_strided(x, (count, FRAME), (x.strides[0] * HOP, x.strides[0]))
    spectrum = np.fft.rfft(frames * HANN, axis=1)[:, LOW_BIN:HIGH_BIN + 1]
    return spectrum.real ** 2 + spectrum.imag ** 2


def log_power(p):
    """ln(p + FLOOR), float32."""
    return np.log(p + FLOOR).astype(np.float32)


def speech(p):
    """One boolean for each frame: does it hold speech? Causal; starts from nothing.

    Energy above an adaptive noise floor, that has moved in the last half second, that is neither a tone (or two) nor
    as flat as noise. So digital silence, steady noise and tones are not speech; music and babble are.
    """
    count = len(p)
    if count == 0:
        return np.zeros(0, dtype=bool)
    mean = p.mean(axis=1)
    level = 10.0 * np.log10(mean / HANN_POWER + 1e-12)
    flat = np.log(p + 1e-12).mean(axis=1) - np.log(mean + 1e-12)
    rest = _rest_without_peaks(p)
    candidate = (level > QUIETEST_DB) & (flat < FLATTEST) & (rest > TONE_REST)
    flags = np.zeros(count, dtype=bool)
    floor = min(max(level[0], START_LOWEST_DB), START_HIGHEST_DB)
    hang = 0
    levels = level.tolist()
    for k in range(count):
        now = levels[k]
        recent = levels[max(0, k - RANGE_FRAMES + 1):k + 1]
        span = max(recent) - min(recent)
        if now < floor:
            floor += DOWN * (now - floor)
        elif span < RANGE_DB and k + 1 >= RANGE_FRAMES:
            floor += UP_STEADY * (now - floor)
        else:
            floor += UP_DB
        if candidate[k] and now > floor + MARGIN_DB and span >= RANGE_DB:
            hang = HANG_FRAMES
            flags[k] = True
        elif hang > 0 and now > QUIETEST_DB:
            hang -= 1
            flags[k] = True
        else:
            hang = 0
    return flags


def _rest_without_peaks(p):
    """Share of each frame's power outside its two strongest peaks (each +-2 bins)."""
    count = len(p)
    total = p.sum(axis=1) + 1e-12
    left = p.copy()
    rows = np.arange(count)[:, None]
    for _ in range(2):
        peak = left.argmax(axis=1)[:, None]
        around = np.clip(peak + np.arange(-2, 3), 0, BINS - 1)
        left[rows, around] = 0.0
    return left.sum(axis=1) / total
