"""The training speech as it is heard through telephones, made once: features of both stages for every clip, several times over.

Copy 0 is G.711 alone; each other copy draws a random telephone for every clip. Batches then only cut and normalise.
"""

import os
import time

import numpy as np

import augment
import data
import frontend
import g711
import whisper
from limits import BINS, MEL_BANDS

HARSHNESS = (0.0, 0.7, 0.7, 1.0, 1.0, 0.7, 1.0)


class Heard:
    """One clip through one telephone: log powers (frames, 96), speech flags, log mel powers (frames, 80), its speech's mean."""
    __slots__ = ("number", "clip", "features", "flags", "mel", "mean")

    def __init__(self, number, clip, features, flags, mel):
        self.number, self.clip = number, clip
        self.features, self.flags, self.mel = features, flags, mel
        self.mean = features[flags].mean(axis=0, dtype=np.float32) if flags.any() else np.zeros(BINS, dtype=np.float32)


def hear(samples):
    """int16 samples -> (log powers, flags, log mel powers), as both engines compute them."""
    x = samples / 32768.0
    p = frontend.power(x)
    return frontend.log_power(p), frontend.speech(p), whisper.mel_power(x)


def copy(number, clips, samples, work, key, seed):
    """One `Heard` for each clip: of copy 0 all clips, of the others the train clips (None for dev). Kept in float16."""
    name = os.path.join(work, f"heard-{key}-{seed}-{number}")
    if not os.path.exists(name + ".place.npy"):
        _make(name, number, clips, samples, work, key, seed)
    features, flags, mel = (np.load(f"{name}.{kind}.npy", mmap_mode="r") for kind in ("features", "flags", "mel"))
    place = np.load(name + ".place.npy")
    out, at, mel_at = [], 0, 0
    for clip, (frames, mel_frames) in enumerate(place):
        out.append(Heard(number, clip, features[at:at + frames], np.asarray(flags[at:at + frames]), mel[mel_at:mel_at + mel_frames]) if frames else None)
        at, mel_at = at + frames, mel_at + mel_frames
    return out


def _make(name, number, clips, samples, work, key, seed):
    if number > 0:
        once = data.codec_bank(clips, samples, work, key, seed)
        copies = (samples, once, data.codec_bank(clips, samples, work, key, seed, before=once))
        noises = augment.noises(clips, samples, seed)
    parts, place, begun = ([], [], []), [], time.time()
    for i, clip in enumerate(clips):
        rng = np.random.default_rng([seed, number, i])
        if number == 0:
            law = "mulaw" if clip.dev or rng.random() < 0.8 else "alaw"
            heard = g711.through(np.asarray(samples[clip.start:clip.start + clip.length]), law)
        elif clip.dev:
            place.append((0, 0))
            continue
        else:
            heard = augment.Telephone(rng, noises, HARSHNESS[number]).carry(copies, clip.start, clip.length)
        features, flags, mel = hear(heard)
        for part, value in zip(parts, (features.astype(np.float16), flags, mel.astype(np.float16))):
            part.append(value)
        place.append((len(features), len(mel)))
        if (i + 1) % 1000 == 0:
            left = (time.time() - begun) / (i + 1) * (len(clips) - i - 1)
            print(f"telephone {number}: clip {i + 1}/{len(clips)} left {left / 60:.1f} min", flush=True)
    np.save(name + ".features.npy", np.concatenate(parts[0]) if parts[0] else np.zeros((0, BINS), np.float16))
    np.save(name + ".flags.npy", np.concatenate(parts[1]))
    np.save(name + ".mel.npy", np.concatenate(parts[2]) if parts[2] else np.zeros((0, MEL_BANDS), np.float16))
    np.save(name + ".place.npy", np.array(place))  # last: a stopped run has none
