"""Fits the network's last layer again, as a logistic regression over all train clips, the groups weighing as they should.

Batches see each clip a few times, through a different telephone each time; this sees all of them at once, through mu-law alone.
(Through a random telephone each, or both ways together, was tried: worse on dev, through a random telephone too.) How strongly
to hold it back is chosen by the mean of minCllr and EER over dev as it is and dev through random telephones.
"""

import collections

import numpy as np
import torch
from scipy.optimize import minimize

import augment
import evaluate
import g711
from sampling import LJ_WEIGHT, is_lj

HOLD_BACK = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
HARSHNESS = 0.7
WINDOWS_PER_CLIP = 2


def refit(model, clips, samples, noises, seed):
    """Replaces `model.head` by one linear layer; prints what was tried."""
    train, dev = ([clip for clip in clips if clip.dev == is_dev] for is_dev in (False, True))
    plain = _gather(model, train, lambda clip: g711.through(np.asarray(samples[clip.start:clip.start + clip.length])))
    dev_plain = _gather(model, dev, lambda clip: g711.through(np.asarray(samples[clip.start:clip.start + clip.length])), most=99)
    dev_harsh = _gather(model, dev, _telephone(samples, samples, noises, seed + 1, len(dev)), most=99)
    with torch.no_grad():
        before = [_judge(model.head(torch.from_numpy(x)).squeeze(1).numpy(), owner, dev) for x, owner in (dev_plain, dev_harsh)]
    print(f"head as trained: dev {_show(before[0])}, through a telephone {_show(before[1])}", flush=True)
    best = None
    x, owner = plain
    label = np.array([train[i].real for i in owner])
    weight = weigh(train, owner)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    coefficients = np.zeros(x.shape[1] + 1)
    for held in reversed(HOLD_BACK):
        coefficients = logistic((x - mean) / spread, label, weight, held, coefficients)
        slope = (coefficients[:-1] / spread).astype(np.float32)
        offset = float(coefficients[-1] - (coefficients[:-1] * mean / spread).sum())
        judged = [_judge(y @ slope + offset, dev_owner, dev) for y, dev_owner in (dev_plain, dev_harsh)]
        figure = np.mean(judged)
        print(f"refit held back {held}: dev {_show(judged[0])}, through a telephone {_show(judged[1])}", flush=True)
        if best is None or figure < best[0]:
            best = figure, slope, offset, held, judged
    head = torch.nn.Linear(len(best[1]), 1)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(best[1])[None])
        head.bias.fill_(best[2])
    model.head = torch.nn.Sequential(head)
    return {"head_held_back": best[3], "dev_telephone_min_cllr": round(best[4][1][0], 4), "dev_telephone_eer": round(best[4][1][1], 4)}


def _telephone(samples, bank, noises, seed, count):
    numbers = iter(range(count))

    def hear(clip):
        rng = np.random.default_rng([seed, 7, next(numbers)])
        return augment.Telephone(rng, noises, HARSHNESS).carry(samples, bank, clip.start, clip.length)
    return hear


def _gather(model, clips, hear, most=WINDOWS_PER_CLIP, batch=64):
    """Pooled statistics of up to `most` windows of every clip, and which clip each is of."""
    out, owner, waiting = [], [], []

    def flush():
        if waiting:
            with torch.no_grad():
                x, weights = (torch.from_numpy(np.stack(part)) for part in zip(*waiting))
                out.append(model.pooled(x, weights).numpy())
            waiting.clear()

    for i, clip in enumerate(clips):
        windows = evaluate.windows(hear(clip))
        if len(windows) > most:
            windows = [windows[at] for at in np.linspace(len(windows) / 3, len(windows) - 1, most).astype(int)]
        for _, _, x, weights, _ in windows:
            waiting.append((x, weights))
            owner.append(i)
            if len(waiting) == batch:
                flush()
    flush()
    return np.concatenate(out), np.array(owner)


def weigh(clips, owner):
    """As sampling draws: classes alike, groups by the root of their size, LJSpeech's voice less."""
    groups = [(clips[i].real, clips[i].group) for i in owner]
    count = collections.Counter(groups)
    weight = np.array([count[group] ** -0.5 * (LJ_WEIGHT if is_lj(clips[i]) else 1.0) for group, i in zip(groups, owner)])
    real = np.array([group[0] for group in groups])
    for which in (real, ~real):
        weight[which] *= 0.5 / weight[which].sum()
    return weight


def logistic(x, label, weight, held, start):
    sign = np.where(label, 1.0, -1.0)

    def cost(c):
        margin = sign * (x @ c[:-1] + c[-1])
        pull = -sign * weight / (1.0 + np.exp(np.clip(margin, -60, 60)))
        gradient = np.append(x.T @ pull + held * c[:-1], pull.sum())
        return (np.logaddexp(0.0, -margin) * weight).sum() + 0.5 * held * (c[:-1] ** 2).sum(), gradient

    return minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x


def _judge(scores, owner, clips):
    """(minCllr, EER) of clips by the mean of their windows."""
    count = np.bincount(owner, minlength=len(clips))
    total = np.bincount(owner, scores, minlength=len(clips))
    heard = [clip for clip, n in zip(clips, count) if n]
    judged = total[count > 0] / count[count > 0], np.array([clip.real for clip in heard]), evaluate.macro_weights(heard)
    return evaluate.min_cllr(*judged), evaluate.eer(*judged)


def _show(judged):
    return f"minCllr {judged[0]:.3f} EER {judged[1]:.3f}"
