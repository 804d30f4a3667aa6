"""What a call may go through before it is heard: each condition turns int16 samples at 8 kHz into int16 samples."""

import os
import subprocess

import numpy as np

import augment
import data
import g711
from limits import RATE

CODECS = {"A-law": None, "G.722": "g722", "Opus 12 kbit/s": "opus-12", "GSM": "gsm", "AMR 4.75": "amr-475", "AMR 12.2": "amr-122"}
LOSSES = (2, 5, 10)
NOISES_DB = (20, 10, 5)


def names():
    return (["mu-law"] + list(CODECS) + [f"loss {share} %" for share in LOSSES] + [f"noise {snr} dB" for snr in NOISES_DB])


def carry(name, recordings, work, seed=1):
    """Every recording through this condition, and then through G.711 as it always is."""
    if name == "mu-law":
        return [g711.through(x) for x in recordings]
    if name == "A-law":
        return [g711.through(x, "alaw") for x in recordings]
    if name in CODECS:
        gap = np.zeros(RATE // 10, dtype=np.int16)
        joined = np.concatenate([part for x in recordings for part in (x, gap)])
        coded = _g722(joined, work) if name == "G.722" else data.through_codec(CODECS[name], joined, work)
        out, at = [], 0
        for x in recordings:
            out.append(g711.through(coded[at:at + len(x)]))
            at += len(x) + len(gap)
        return out
    amount = int(name.split()[1])
    out = []
    for i, x in enumerate(recordings):
        rng = np.random.default_rng([seed, amount, i])
        if name.startswith("loss"):
            out.append(augment.lose(g711.through(x), amount / 100, rng))
            continue
        noise = np.fft.rfft(rng.standard_normal(len(x)))
        noise = np.fft.irfft(noise / np.maximum(np.fft.rfftfreq(len(x), 1 / RATE), 20.0) ** 0.5, len(x))
        level = augment.active_level(x / 32768.0) * 10 ** (-amount / 20)
        noisy = x + noise / np.sqrt(np.mean(noise ** 2)) * level * 32768.0
        out.append(g711.through(np.clip(np.round(noisy), -32768, 32767).astype(np.int16)))
    return out


def _g722(samples, work):
    """Up to 16 kHz, through G.722 at 64 kbit/s, back, aligned."""
    raw, coded, back = (os.path.join(work, name) for name in ("raw.s16", "coded.g722", "back.s16"))
    samples.astype("<i2").tofile(raw)
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-y"]
    subprocess.run([*ffmpeg, "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", raw, "-ar", "16000", "-c:a", "g722", "-f", "g722", coded], check=True)
    subprocess.run([*ffmpeg, "-f", "g722", "-i", coded, "-ar", str(RATE), "-ac", "1", "-f", "s16le", back], check=True)
    return data.align(samples, np.fromfile(back, dtype="<i2"))
