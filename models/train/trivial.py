"""The leak alarm: what recording conditions alone give away. A detector worth its name must beat this on dev by far.

Level, noise floor, dynamic range, share of pauses, crest and a coarse mean spectrum, through mu-law, into a logistic regression.
`models/eval/run` measures it beside the model; by itself: `.cache/venv/bin/python models/train/trivial.py --data DIR`.
"""

import argparse
import os

import numpy as np

import data
import evaluate
import frontend
import g711
import refit


def features(heard):
    """Twelve numbers that know nothing of voices."""
    x = heard / 32768.0
    p = frontend.power(x)
    flags = frontend.speech(p)
    if not flags.any():
        flags[:] = True
    level = 10 * np.log10(p.mean(axis=1) / frontend.HANN_POWER + 1e-9)
    low, high = np.quantile(level, (0.1, 0.9))
    spectrum = 10 * np.log10(p[flags].mean(axis=0) + 1e-9)
    bands = [band.mean() for band in np.array_split(spectrum - spectrum.mean(), 7)]
    crest = 20 * np.log10((np.abs(x).max() + 1e-6) / (np.sqrt((x * x).mean()) + 1e-6))
    return [level[flags].mean(), low, high - low, 1 - flags.mean(), crest, *bands]


ALARM_EER = 0.3  # below this, recording conditions give the class away: the split leaks, or the corpus does


def measure(clips, samples):
    """Scores (higher = real) of the dev clips, in their order, by what the train clips' recording conditions tell."""
    train, dev = ([clip for clip in clips if clip.dev == is_dev] for is_dev in (False, True))
    x, y = (np.array([features(g711.through(np.asarray(samples[clip.start:clip.start + clip.length]))) for clip in part])
            for part in (train, dev))
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    label = np.array([clip.real for clip in train])
    fitted = refit.logistic((x - mean) / spread, label, refit.weigh(train, np.arange(len(train))), 1e-3, np.zeros(x.shape[1] + 1))
    return (y - mean) / spread @ fitted[:-1]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", required=True)
    options.add_argument("--work", default=os.path.join(os.path.dirname(os.path.dirname(data.HERE)), ".cache", "train"))
    chosen = options.parse_args()
    os.makedirs(chosen.work, exist_ok=True)
    clips, samples, _ = data.load([chosen.data], chosen.work)
    scores = measure(clips, samples)
    dev = [clip for clip in clips if clip.dev]
    real, weights = np.array([clip.real for clip in dev]), evaluate.macro_weights(dev)
    print(f"trivial features on dev: EER {evaluate.eer(scores, real, weights):.4f} minCllr {evaluate.min_cllr(scores, real, weights):.4f} "
          f"caught at 1 % false alarms {evaluate.caught_at(scores, real, weights):.4f}")


if __name__ == "__main__":
    main()
