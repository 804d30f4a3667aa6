"""How well speech activity (train/frontend.py, the same frame for frame as src/voice/activity.rs) holds on what is no speech, and in noise.

    models/eval/run does not need this; it is run by itself: python3 models/eval/activity.py --data DIR [--most 200]

Prints a table: the share of frames called speech of sounds that hold none (made here, through mu-law), and, on the real clips of dev,
how much of what is called speech in the clean clip still is in noise, and how much of the rest is then taken for speech.
"""

import argparse
import csv
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "train"))

import frontend  # noqa: E402
import g711  # noqa: E402
from limits import RATE  # noqa: E402

SECONDS = 30


def time(seconds=SECONDS):
    return np.arange(int(seconds * RATE)) / RATE


def tones(*hertz):
    return sum(np.sin(2 * np.pi * h * time()) for h in hertz) / len(hertz)


def cadence(sound, *on_off):
    """`sound`, on and off for so many seconds in turn."""
    edges = np.cumsum(on_off)
    place = np.searchsorted(edges, time() % edges[-1], side="right")
    return sound * (place % 2 == 0)


def coloured(rng, exponent):
    spectrum = np.fft.rfft(rng.standard_normal(SECONDS * RATE))
    hertz = np.maximum(np.fft.rfftfreq(SECONDS * RATE, 1 / RATE), 20.0)
    x = np.fft.irfft(spectrum / hertz ** (exponent / 2), SECONDS * RATE)
    return x / np.sqrt(np.mean(x ** 2))


def plucked(rng, beats_per_minute, chord):
    """Music: plucked strings (Karplus and Strong), a melody of one voice or chords of three."""
    out = np.zeros(SECONDS * RATE)
    step = int(RATE * 60 / beats_per_minute / 2)
    scale = 220.0 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    for at in range(0, len(out) - RATE, step):
        for hertz in rng.choice(scale, 3 if chord else 1, replace=False):
            line = rng.uniform(-1, 1, max(2, int(RATE / hertz)))
            note = np.empty(RATE)
            for k in range(0, RATE, len(line)):
                part = note[k:k + len(line)]
                part[:] = line[:len(part)]
                line = 0.498 * (line + np.roll(line, 1))
            out[at:at + RATE] += note
    return out


def sounds(rng):
    """(name, samples in -1..1 before the level is set)."""
    pads = sum(np.sin(2 * np.pi * h * time() + rng.uniform(0, 6)) for h in (262, 330, 392, 523, 659)) * (1 + 0.3 * np.sin(2 * np.pi * 0.4 * time()))
    hum = sum(np.sin(2 * np.pi * 50 * k * time()) / k for k in range(1, 40))
    return [
        ("white noise", rng.standard_normal(SECONDS * RATE)), ("pink noise", coloured(rng, 1)), ("brown noise (traffic)", coloured(rng, 2)),
        ("white noise that swells by 12 dB in 4 s", rng.standard_normal(SECONDS * RATE) * 10 ** (0.3 * np.sin(np.pi / 2 * time()))),
        ("mains hum with harmonics", hum),
        ("dial tone 425 Hz", tones(425)), ("dial tone 350 + 440 Hz", tones(350, 440)),
        ("ringback 440 + 480 Hz, 2 s / 4 s", cadence(tones(440, 480), 2, 4)), ("ringback 425 Hz, 1 s / 4 s", cadence(tones(425), 1, 4)),
        ("ringback 400 + 450 Hz, UK cadence", cadence(tones(400, 450), 0.4, 0.2, 0.4, 2)),
        ("busy 480 + 620 Hz, 0.5 s / 0.5 s", cadence(tones(480, 620), 0.5, 0.5)),
        ("key tones, 100 ms each", cadence(tones(770, 1336), 0.1, 0.1)), ("fax calling tone 1,100 Hz", cadence(tones(1100), 0.5, 3)),
        ("hold beep 1,400 Hz every 10 s", cadence(tones(1400), 0.2, 9.8)),
        ("hold music: slow chords", pads), ("hold music: plucked melody", plucked(rng, 96, False)), ("hold music: plucked chords", plucked(rng, 120, True)),
    ]


def heard(samples):
    return frontend.speech(frontend.power(g711.through(np.clip(np.round(samples), -32768, 32767).astype(np.int16)) / 32768.0))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", required=True)
    options.add_argument("--most", type=int, default=200, help="real dev clips, evenly over all")
    chosen = options.parse_args()
    rng = np.random.default_rng(1)
    print("| sound, -16 / -26 / -40 dBov | called speech |\n| --- | --- |")
    for name, x in sounds(rng):
        x = x / np.sqrt(np.mean(x[np.abs(x) > 1e-9] ** 2))
        shares = [heard(x * 32768 * 10 ** (level / 20)).mean() for level in (-16, -26, -40)]
        print(f"| {name} | {' / '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    import soundfile
    with open(os.path.join(chosen.data, "manifest.csv"), encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "dev" and row["label"] == "real"]
    rows = rows[::max(1, len(rows) // chosen.most)]
    counts = {}
    for row in rows:
        x = soundfile.read(os.path.join(chosen.data, row["path"]), dtype="int16")[0].astype(np.float64)
        clean = heard(x)
        if not clean.any():
            continue
        # The active level: of the frames that are speech.
        frames = np.lib.stride_tricks.sliding_window_view(x, 256)[::128][:len(clean)]
        active = np.sqrt((frames[clean] ** 2).mean())
        for snr in (30, 20, 10, 5, 0):
            noisy = heard(x + rng.standard_normal(len(x)) * active * 10 ** (-snr / 20))
            kept, spoken, false, rest = counts.get(snr, (0, 0, 0, 0))
            counts[snr] = (kept + (noisy & clean).sum(), spoken + clean.sum(), false + (noisy & ~clean).sum(), rest + (~clean).sum())
    print(f"\n{len(rows)} real dev clips, white noise under the voice\n\n| noise | speech still heard | pauses taken for speech |\n| --- | --- | --- |")
    for snr, (kept, spoken, false, rest) in counts.items():
        print(f"| {snr} dB | {kept / spoken:.1%} | {false / rest:.1%} |")


if __name__ == "__main__":
    main()
