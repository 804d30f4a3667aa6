"""The training speech twice over one line: with noise under the voice, and the same line without it. No labels: what the
encoder makes of the quiet copy is what it shall make of the noisy one (distil.py)."""

import os
import time

import numpy as np

import augment
import bank
import data
import whisper

SNR_DB = (3.0, 25.0)
STEADY = 3          # of augment.noises, the first so many are white, pink and brown ...
STEADY_SHARE = 0.5  # ... and this share of clips hears one of them, the rest any noise
STREETS = 4
HARSHNESS = 0.7     # of half of the lines; the others only have a codec


class Pair:
    """One clip: log mel powers (frames, 80) with the noise and without, and the speech flags of what the gateway hears: the noisy one."""
    __slots__ = ("clip", "flags", "mel", "quiet")

    def __init__(self, clip, flags, mel, quiet):
        self.clip, self.flags, self.mel, self.quiet = clip, flags, mel, quiet


def copy(number, clips, samples, work, key, seed):
    """One `Pair` for each train clip (None for dev, and where no speech was found in the noise). Kept in float16."""
    name = os.path.join(work, f"pairs-{key}-{seed}-{number}")
    if not os.path.exists(name + ".place.npy"):
        _make(name, number, clips, samples, work, key, seed)
    flags, mel, quiet = (np.load(f"{name}.{kind}.npy", mmap_mode="r") for kind in ("flags", "mel", "quiet"))
    out, at, mel_at = [], 0, 0
    for clip, (frames, mel_frames) in enumerate(np.load(name + ".place.npy")):
        mine = np.asarray(flags[at:at + frames])
        out.append(Pair(clip, mine, mel[mel_at:mel_at + mel_frames], quiet[mel_at:mel_at + mel_frames]) if mine.any() else None)
        at, mel_at = at + frames, mel_at + mel_frames
    return out


def street(rng):
    """A minute of traffic, roughly: brown to pink noise whose level swells and falls by some 10 dB over seconds, and rumbles."""
    count = augment.NOISE_SECONDS * augment.RATE
    spectrum = np.fft.rfft(rng.standard_normal(count)) / np.maximum(np.fft.rfftfreq(count, 1 / augment.RATE), 40.0) ** rng.uniform(0.3, 1.0)
    knots = int(augment.NOISE_SECONDS / rng.uniform(0.3, 3.0))
    swell = np.interp(np.linspace(0, knots, count), np.arange(knots + 1), rng.normal(0.0, rng.uniform(2.0, 7.0), knots + 1))
    noise = np.fft.irfft(spectrum, count) * 10 ** (swell / 20)
    return (noise / np.sqrt(np.mean(noise ** 2))).astype(np.float32)


def _make(name, number, clips, samples, work, key, seed):
    once = data.codec_bank(clips, samples, work, key, seed)
    copies = (samples, once, data.codec_bank(clips, samples, work, key, seed, before=once))
    noises = augment.noises(clips, samples, seed)
    noises += [street(np.random.default_rng([seed, 77, k])) for k in range(STREETS)]
    parts, place, begun = ([], [], []), [], time.time()
    for i, clip in enumerate(clips):
        if clip.dev:
            place.append((0, 0))
            continue
        rng = np.random.default_rng([seed, 1000 + number, i])
        line = augment.Telephone(rng, noises, HARSHNESS if rng.random() < 0.5 else 0.0)
        # Both copies must have the same frames, and the noise is the only thing between them.
        line.speed, line.loss, line.clip = 1.0, 0.0, False
        line.noise = int(rng.integers(STEADY if rng.random() < STEADY_SHARE else len(noises)))
        line.snr_db = rng.uniform(*SNR_DB)
        _, flags, mel = bank.hear(line.carry(copies, clip.start, clip.length))
        line.noise = None
        quiet = whisper.mel_power(line.carry(copies, clip.start, clip.length) / 32768.0)
        for part, value in zip(parts, (flags, mel.astype(np.float16), quiet.astype(np.float16))):
            part.append(value)
        place.append((len(flags), len(mel)))
        if (i + 1) % 1000 == 0:
            left = (time.time() - begun) / (i + 1) * (len(clips) - i - 1)
            print(f"pairs {number}: clip {i + 1}/{len(clips)} left {left / 60:.1f} min", flush=True)
    for kind, part in zip(("flags", "mel", "quiet"), parts):
        np.save(f"{name}.{kind}.npy", np.concatenate(part))
    np.save(name + ".place.npy", np.array(place))  # last: a stopped run has none
