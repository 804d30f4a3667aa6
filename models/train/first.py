"""Stage 1 over whole calls: the trunk runs over the stream, sums over speech are kept hop by hop, a linear head weighs them."""

import numpy as np
import torch

import refit
from limits import HOP, SCORE_HOP, WINDOW_HOPS
from stream import Stream, normalise, pairs_at

SPREAD_FLOOR = 1e-4


class Kept(Stream):
    """A stream out of the bank: what a telephone made of a clip, without its samples."""

    def __init__(self, heard):
        self.samples, self.features, self.flags = None, np.asarray(heard.features, dtype=np.float32), heard.flags
        self.hops = len(heard.flags) * HOP // SCORE_HOP
        self.spoken = self.count()


def trunk_outputs(trunk, streams, prior, batch=16):
    """h (frames / 2, hidden) of every stream, float32. The trunk is causal: what is padded behind a stream says nothing."""
    order = sorted(range(len(streams)), key=lambda i: streams[i].hops)
    out = [None] * len(streams)
    for at in range(0, len(order), batch):
        part = order[at:at + batch]
        longest = max(2, *(pairs_at(streams[i].hops) for i in part))
        x = np.zeros((len(part), longest, len(prior)), dtype=np.float32)
        for row, i in enumerate(part):
            frames = pairs_at(streams[i].hops)
            x[row, :frames] = normalise(streams[i].features[:frames], streams[i].flags[:frames], prior)
        with torch.no_grad():
            h = trunk(torch.from_numpy(x.transpose(0, 2, 1).copy())).numpy()
        for row, i in enumerate(part):
            out[i] = h[row, :, :pairs_at(streams[i].hops) // 2].T
    return out


def statistics(stream, h):
    """[(hop, mean and spread of every channel)] for every window that is scored."""
    sums = []
    for k in range(stream.hops):
        spoken = h[pairs_at(k) // 2:pairs_at(k + 1) // 2][stream.flags[pairs_at(k):pairs_at(k + 1):2]]
        sums.append((len(spoken), spoken.sum(axis=0), (spoken * spoken).sum(axis=0)))
    out = []
    for k in stream.first_hops():
        count, total, squares = (sum(part[i] for part in sums[max(0, k - WINDOW_HOPS):k]) for i in range(3))
        mean = total / count
        out.append((k, np.concatenate([mean, np.sqrt(np.maximum(squares / count - mean * mean, 0.0) + SPREAD_FLOOR)])))
    return out


def score(trunk, weight, bias, streams, prior):
    """For each stream a list of (hop, net speech so far, raw, the window's own speech)."""
    out = []
    for stream, h in zip(streams, trunk_outputs(trunk, streams, prior)):
        out.append([(k, stream.net(k), float(s @ weight + bias), stream.own(k)) for k, s in statistics(stream, h)])
    return out


def fit_head(trunk, clips, owners, streams, prior, held, most=2):
    """(weight, bias) of a logistic regression over up to `most` windows of each train stream; `owners` names each stream's clip."""
    x, owner = [], []
    for i, stream, h in zip(owners, streams, trunk_outputs(trunk, streams, prior)):
        found = statistics(stream, h)
        if len(found) > most:
            found = [found[at] for at in np.linspace(len(found) / 3, len(found) - 1, most).astype(int)]
        for _, s in found:
            x.append(s)
            owner.append(i)
    x, label = np.array(x, dtype=np.float64), np.array([clips[i].real for i in owner])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    fits = []
    found = np.zeros(x.shape[1] + 1)
    for strength in sorted(held, reverse=True):
        found = refit.logistic((x - mean) / spread, label, refit.weigh(clips, owner), strength, found)
        weight = found[:-1] / spread
        fits.append((strength, weight.astype(np.float32), float(found[-1] - (weight * mean).sum())))
    return fits
