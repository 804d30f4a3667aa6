"""A random telephone: what may happen to a voice between the mouth and our tap. Cheap, and the same for both members of a pair."""

import numpy as np
from scipy.signal import butter, lfilter

import g711
from limits import RATE

NOISE_SECONDS = 60


class Telephone:
    """One drawn channel; `carry` may be called for several voices."""

    def __init__(self, rng, noises, harshness=1.0):
        self.noises = noises
        self.seed = int(rng.integers(1 << 62))
        self.codec = rng.random() < 0.5
        self.speed = rng.uniform(0.94, 1.06) if rng.random() < 0.3 * harshness else 1.0
        self.filters = []
        if rng.random() < 0.35 * harshness:
            self.filters.append(butter(int(rng.integers(1, 4)), (rng.uniform(80, 380), rng.uniform(2900, 3800)), "bandpass", fs=RATE))
        if rng.random() < 0.35 * harshness:
            self.filters.append(([1.0, -rng.uniform(-0.5, 0.7)], [1.0]))
        if rng.random() < 0.25 * harshness:
            self.filters.append((_room(rng), [1.0]))
        self.noise = int(rng.integers(len(noises))) if rng.random() < 0.5 * harshness else None
        self.snr_db = rng.uniform(5, 35)
        self.floor_dbov = rng.uniform(-80, -52)
        self.loss = rng.uniform(0.005, 0.08) if rng.random() < 0.2 * harshness else 0.0
        self.level_dbov = np.clip(rng.normal(-27, 5), -42, -16)
        self.law = "mulaw" if rng.random() < 0.7 else "alaw"
        self.clip = rng.random() < 0.05

    def carry(self, clean, coded, start, length):
        """`length` int16 samples from `start` of a clip (or of its copy through a codec), as they would be heard here."""
        rng = np.random.default_rng(self.seed)
        source = coded if self.codec else clean
        if self.speed != 1.0:
            want = int(length * self.speed) + 2
            taken = source[start:start + want].astype(np.float64)
            at = np.arange(length) * self.speed
            x = np.interp(at[at <= len(taken) - 1], np.arange(len(taken)), taken)
        else:
            x = source[start:start + length].astype(np.float64)
        x /= 32768.0
        for b, a in self.filters:
            x = lfilter(b, a, x)
        x *= 10 ** (self.level_dbov / 20) / _active_level(x)
        if self.noise is not None:
            noise = self.noises[self.noise]
            at = int(rng.integers(len(noise) - len(x)))
            x += noise[at:at + len(x)] * 10 ** ((self.level_dbov - self.snr_db) / 20)
        white = self.noises[0]
        at = int(rng.integers(len(white) - len(x)))
        x += white[at:at + len(x)] * 10 ** (self.floor_dbov / 20)
        if self.clip:
            x *= 4.0
            x = np.clip(x, -1, 1) * 0.5
        if self.loss:
            _lose(x, self.loss, rng)
        whole = np.clip(np.round(x * 32768.0), -32768, 32767).astype(np.int16)
        return g711.through(whole, self.law)


def noises(clips, samples, seed):
    """One-minute noises at 0 dBov: white, pink, brown, hum, and babble of train speech of both classes."""
    rng = np.random.default_rng(seed)
    count = NOISE_SECONDS * RATE
    out = [rng.standard_normal(count)]
    for slope in (0.5, 1.0):
        spectrum = np.fft.rfft(rng.standard_normal(count))
        spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0) ** slope
        out.append(np.fft.irfft(spectrum, count))
    time = np.arange(count) / RATE
    hum = sum(rng.uniform(0.1, 1) * np.sin(2 * np.pi * 50 * k * time + k) for k in range(1, 40)) + rng.standard_normal(count)
    out.append(hum)
    train = [clip for clip in clips if not clip.dev and clip.length > 2 * RATE]
    for voices in (6, 12, 24):
        babble = np.zeros(count)
        for real in [True, False] * (voices // 2):
            at = int(rng.integers(0, RATE))
            while at < count:
                clip = train[int(rng.integers(len(train)))]
                if clip.real != real:
                    continue
                part = samples[clip.start:clip.start + clip.length][:count - at]
                babble[at:at + len(part)] += part
                at += clip.length
        out.append(babble)
    return [(noise / np.sqrt(np.mean(noise ** 2))).astype(np.float32) for noise in out]


def _active_level(x):
    """Root mean square of the louder frames: what a listener would call the level of the speech."""
    count = len(x) // 256
    if count < 2:
        return np.sqrt(np.mean(x * x)) + 1e-6
    energy = np.mean(x[:count * 256].reshape(count, 256) ** 2, axis=1)
    return np.sqrt(np.mean(energy[energy >= np.quantile(energy, 0.5)])) + 1e-6


def _room(rng):
    """A short exponentially decaying tail after a direct path."""
    count = int(rng.uniform(0.04, 0.12) * RATE)
    tail = rng.standard_normal(count) * np.exp(-np.arange(count) / (count / 5.0)) * rng.uniform(0.02, 0.15)
    tail[0] = 1.0
    return tail


def _lose(x, rate, rng):
    """Bursty loss of 20 ms packets; the last good packet is repeated and faded, as phones conceal it."""
    last = None
    burst = 0
    for at in range(0, len(x) - 160, 160):
        if burst == 0 and rng.random() < rate / 1.5:
            burst = 1 + int(rng.random() < 0.35) + int(rng.random() < 0.15)
        if burst > 0 and last is not None:
            last = last * 0.6
            x[at:at + 160] = last
            burst -= 1
        else:
            last = x[at:at + 160].copy()
