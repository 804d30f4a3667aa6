"""A random telephone: what may happen to a voice between the mouth and our tap."""

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter

import g711
from limits import RATE

NOISE_SECONDS = 60
PACKET = 160          # samples
CONCEALED_MAX = 480   # src/media/limits.rs, CONCEALED_SAMPLES_MAX


class Telephone:
    """One drawn channel; `carry` may be called for several voices."""

    def __init__(self, rng, noises, harshness=1.0):
        self.noises = noises
        self.seed = int(rng.integers(1 << 62))
        draw = rng.random()
        # Which copy of the voice: clean, through one speech codec, or through two one after the other.
        self.copy = 0 if draw < 0.45 else 1 if draw < 0.8 else 2
        self.speed = rng.uniform(0.93, 1.07) if rng.random() < 0.3 * harshness else 1.0
        self.room = _room(rng) if rng.random() < 0.25 * harshness else None
        self.filters = []
        if rng.random() < 0.35 * harshness:
            self.filters.append(butter(int(rng.integers(1, 4)), (rng.uniform(80, 380), rng.uniform(2900, 3800)), "bandpass", fs=RATE))
        if rng.random() < 0.35 * harshness:
            self.filters.append(([1.0, -rng.uniform(-0.5, 0.7)], [1.0]))
        if rng.random() < 0.25 * harshness:
            self.filters.append(_bump(rng))
        self.noise = int(rng.integers(len(noises))) if rng.random() < 0.5 * harshness else None
        self.snr_db = rng.uniform(5, 35)
        self.floor_dbov = rng.uniform(-80, -52)
        self.loss = rng.uniform(0.005, 0.08) if rng.random() < 0.2 * harshness else 0.0
        self.level_dbov = np.clip(rng.normal(-27, 5), -42, -16)
        self.law = "mulaw" if rng.random() < 0.7 else "alaw"
        self.clip = rng.random() < 0.05

    def carry(self, copies, start, length):
        """int16 samples of a clip as they would be heard here: `length` from `start`, fewer where packets were lost for long.

        `copies`: the clean voices, the same through one codec, the same through two.
        """
        rng = np.random.default_rng(self.seed)
        x = copies[self.copy][start:start + length].astype(np.float64)
        if self.speed != 1.0:
            at = np.arange(0, len(x) - 1, self.speed)
            x = np.interp(at, np.arange(len(x)), x)
        x /= 32768.0
        if self.room is not None:
            x = fftconvolve(x, self.room)[:len(x)]
        for b, a in self.filters:
            x = lfilter(b, a, x)
        x *= 10 ** (self.level_dbov / 20) / active_level(x)
        if self.noise is not None:
            x += _stretch(self.noises[self.noise], len(x), rng) * 10 ** ((self.level_dbov - self.snr_db) / 20)
        x += _stretch(self.noises[0], len(x), rng) * 10 ** (self.floor_dbov / 20)
        if self.clip:
            x = np.clip(x * 4.0, -1, 1) * 0.5
        heard = g711.through(np.clip(np.round(x * 32768.0), -32768, 32767).astype(np.int16), self.law)
        return lose(heard, self.loss, rng) if self.loss else heard


def noises(clips, samples, seed):
    """One-minute noises at 0 dBov: white, pink, brown, hum, music, and babble of train speech of both classes."""
    rng = np.random.default_rng(seed)
    count = NOISE_SECONDS * RATE
    out = [rng.standard_normal(count)]
    for slope in (0.5, 1.0):
        spectrum = np.fft.rfft(rng.standard_normal(count))
        spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0) ** slope
        out.append(np.fft.irfft(spectrum, count))
    time = np.arange(count) / RATE
    for mains in (50, 60):
        hum = sum(rng.uniform(0.2, 1) * np.sin(2 * np.pi * mains * k * time + rng.uniform(0, 7)) for k in range(1, 12))
        out.append(hum + 0.3 * rng.standard_normal(count))
    out.extend(_music(rng, count) for _ in range(3))
    train = [clip for clip in clips if not clip.dev]
    for talkers in (3, 6, 6):
        babble = np.zeros(count)
        for _ in range(talkers):
            at = 0
            while at < count:
                clip = train[rng.integers(len(train))]
                part = samples[clip.start:clip.start + min(clip.length, count - at)]
                babble[at:at + len(part)] += part
                at += clip.length
        out.append(babble)
    return [(noise / np.sqrt(np.mean(noise ** 2))).astype(np.float32) for noise in out]


def lose(x, rate, rng):
    """Bursty loss of 20 ms packets at a mean of `rate`, concealed as the gateway's tap does it (src/media/tap.rs).

    The last packet is repeated, faded to silence over 60 ms; what is missing beyond that is left out.
    """
    kept, out, gap = x[:PACKET], [x[:PACKET]], 0
    for at in range(PACKET, len(x), PACKET):
        if rng.random() < (rate / 1.6 / (1 - rate) if gap == 0 else 0.375):
            gap += PACKET
            continue
        if gap:
            out.append(conceal(kept, min(gap, CONCEALED_MAX)))
            gap = 0
        kept = x[at:at + PACKET]
        out.append(kept)
    return np.concatenate(out)


def conceal(tail, samples):
    index = np.arange(samples)
    return (tail[index % len(tail)].astype(np.int32) * (CONCEALED_MAX - index) // CONCEALED_MAX).astype(np.int16)


def _stretch(noise, length, rng):
    at = int(rng.integers(len(noise) - length))
    return noise[at:at + length]


def active_level(x):
    """Root mean square of the louder frames: what a listener would call the level of the speech."""
    count = len(x) // 256
    if count < 2:
        return np.sqrt(np.mean(x * x)) + 1e-6
    energy = np.mean(x[:count * 256].reshape(count, 256) ** 2, axis=1)
    return np.sqrt(np.mean(energy[energy >= np.quantile(energy, 0.5)])) + 1e-6


def _room(rng):
    """A made room response: a direct path, a few early reflections, a tail of coloured noise that dies away (RT60 0.1-0.7 s)."""
    rt60 = rng.uniform(0.1, 0.7)
    count = int(min(rt60, 0.5) * RATE)
    decay = np.exp(-6.9 * np.arange(count) / (rt60 * RATE))
    tail = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.6)], rng.standard_normal(count)) * decay
    tail[:int(rng.uniform(0.004, 0.02) * RATE)] = 0.0
    for _ in range(int(rng.integers(2, 7))):
        tail[int(rng.uniform(0.001, 0.03) * RATE)] += rng.uniform(-1, 1) * 4.0
    # Direct sound over the rest: 0 to 15 dB.
    tail *= 10 ** (-rng.uniform(0, 15) / 20) / np.sqrt((tail ** 2).sum())
    tail[0] = 1.0
    return tail


def _bump(rng):
    """A peak or dip somewhere in the band (a handset's resonance): the biquad of the audio EQ cookbook."""
    gain, centre, q = 10 ** (rng.uniform(-9, 9) / 40), 2 * np.pi * rng.uniform(400, 3000) / RATE, rng.uniform(0.7, 3)
    wide = np.sin(centre) / (2 * q)
    a0 = 1 + wide / gain
    return (np.array([1 + wide * gain, -2 * np.cos(centre), 1 - wide * gain]) / a0,
            np.array([a0, -2 * np.cos(centre), 1 - wide / gain]) / a0)


def _music(rng, count):
    """Chords of a few plucked or held notes with overtones, and a beat: hold music, roughly."""
    out = np.zeros(count)
    beat = int(rng.uniform(0.25, 0.6) * RATE)
    root = rng.uniform(110, 220)
    for at in range(0, count - beat, beat):
        length = min(beat * int(rng.integers(1, 4)), count - at)
        time = np.arange(length) / RATE
        for step in rng.choice([0, 2, 3, 4, 5, 7, 9, 10, 12, 16, 19], int(rng.integers(1, 4)), replace=False):
            pitch = root * 2 ** (step / 12) * rng.choice([1, 2])
            note = sum(np.sin(2 * np.pi * pitch * k * time) / k ** rng.uniform(0.8, 2) for k in range(1, 7) if pitch * k < 3900)
            out[at:at + length] += note * np.exp(-time * rng.uniform(0.5, 6)) * rng.uniform(0.3, 1)
        if rng.random() < 0.5:
            hit = min(800, length)
            out[at:at + hit] += rng.standard_normal(hit) * np.exp(-np.arange(hit) / rng.uniform(50, 300)) * 0.5
    return out + 1e-3 * rng.standard_normal(count)
