"""Which clips stand next to each other in a batch, and where each is cut."""

import collections
import zlib

import numpy as np

import whisper
from limits import BINS, FORGET_FRAMES, K0, MEL_FRAMES, MEL_HOP, RATE, WINDOW_FRAMES, HOP

COUPLES = 24         # in a batch: 48 windows
LJ_WEIGHT = 0.3      # one voice, LJSpeech's, is most of the pages: it counts less
PLAIN = 0.3          # share of couples that hear G.711 alone
SHORTEST = 1.2       # seconds


class Couples:
    """Batch k: COUPLES times one real and one synthetic window of the same length, each through a telephone of the same harshness.

    `copies` are those of bank.copy, the plain one first. Everything about batch k follows from (seed, number, k).
    """

    def __init__(self, clips, copies, seed, number, same_page):
        self.clips, self.copies, self.seed, self.number, self.same_page = clips, copies, seed, number, same_page
        train = [i for i, clip in enumerate(clips) if not clip.dev and clip.length >= RATE and copies[0][i].flags.sum() >= 47]
        self.real = _tree(clips, [i for i in train if clips[i].real])
        self.synthetic = _tree(clips, [i for i in train if not clips[i].real])
        pages = collections.defaultdict(lambda: ([], []))
        for i in train:
            pages[clips[i].page][0 if clips[i].real else 1].append(i)
        self.pages = [(real, _tree(clips, synthetic)) for real, synthetic in pages.values() if real and synthetic]
        weight = np.array([np.sqrt(min(len(real), sum(len(g) for g in tree[0])))
                           * (LJ_WEIGHT if np.mean([is_lj(clips[i]) for i in real]) > 0.5 else 1.0)
                           for real, tree in self.pages])
        self.page_weight = weight / weight.sum()
        self.by_pair = collections.defaultdict(list)
        for i in train:
            if clips[i].pair and not clips[i].real:
                self.by_pair[clips[i].pair].append(i)

    def batch(self, k):
        """A list of (heard, label, first second, length in seconds, the couple's generator)."""
        out = []
        for couple in range(COUPLES):
            rng = np.random.default_rng([self.seed, self.number, k, couple])
            real, synthetic = self._couple(rng)
            number = 0 if rng.random() < PLAIN or len(self.copies) == 1 else int(rng.integers(1, len(self.copies)))
            heard = [self.copies[number][i] for i in (real, synthetic)]
            heard = [mine if mine.flags.sum() >= 47 else self.copies[0][i] for mine, i in zip(heard, (real, synthetic))]
            seconds = min(4.0, *(len(mine.flags) * HOP / RATE for mine in heard))
            if rng.random() < 0.4 and seconds > SHORTEST:
                seconds = rng.uniform(SHORTEST, seconds)
            for mine, label in zip(heard, (1.0, 0.0)):
                first = rng.uniform(0.0, max(0.0, len(mine.flags) * HOP / RATE - seconds))
                out.append((mine, label, first, seconds, rng))
        return out

    def _couple(self, rng):
        if rng.random() < self.same_page:
            page = rng.choice(len(self.pages), p=self.page_weight)
            real = self.pages[page][0][rng.integers(len(self.pages[page][0]))]
            pair = self.clips[real].pair
            twins = self.by_pair.get(pair) if pair else None
            return real, twins[rng.integers(len(twins))] if twins and rng.random() < 0.5 else _draw(self.pages[page][1], rng)
        return _draw(self.real, rng), _draw(self.synthetic, rng)


def stream(heard, first, seconds, rng, prior, masked):
    """Stage 1's input: x (96, 250), weights (125,). Half of the streams have been running before, so their mean is known already."""
    a = int(first * RATE / HOP)
    features = heard.features[a:a + min(WINDOW_FRAMES, int(seconds * RATE / HOP))].astype(np.float32)
    flags = heard.flags[a:a + len(features)]
    known = float(rng.integers(30, FORGET_FRAMES)) if rng.random() < 0.5 else 0.0
    x = np.zeros((BINS, WINDOW_FRAMES), dtype=np.float32)
    weights = np.zeros(WINDOW_FRAMES // 2, dtype=np.float32)
    heard_now = np.cumsum(features * flags[:, None], axis=0) + (K0 * prior + known * heard.mean)
    mean = heard_now / (K0 + known + np.cumsum(flags))[:, None]
    x[:, :len(features)] = ((features - mean) * flags[:, None]).T
    every_other = flags[::2][:len(weights)]
    weights[:len(every_other)] = every_other
    mask(x, rng, masked, 12, 25, 0.0)
    return x, weights / max(1.0, weights.sum())


def opinion(heard, first, seconds, rng, masked, coloured):
    """Stage 2's input: mel (80, 400), weights (200,). `coloured`: chance of a smooth random response on top."""
    last = min(len(heard.mel), int((first + seconds) * RATE / MEL_HOP))
    first = max(0, int(first * RATE / MEL_HOP), last - MEL_FRAMES)
    part = heard.mel[first:last].astype(np.float32)
    if rng.random() < coloured:
        part += np.interp(np.arange(part.shape[1]), np.linspace(0, 63, 5), rng.normal(0, 0.2, 5)).astype(np.float32)
    x, weights = whisper.frame(part, heard.flags, (last - MEL_FRAMES) * MEL_HOP)
    mask(x, rng, masked, 8, 40, whisper.SILENCE)
    return x, weights


def is_lj(clip):
    name = clip.speaker.lower()
    return name == "lj" or ":lj" in name


def _tree(clips, members):
    """Clips by group, and how often each group is drawn: by the root of its size, LJSpeech's voice less."""
    groups = collections.defaultdict(list)
    for i in members:
        groups[clips[i].group].append(i)
    groups = [groups[name] for name in sorted(groups, key=lambda n: zlib.crc32(n.encode()))]
    weight = np.array([np.sqrt(sum(LJ_WEIGHT if is_lj(clips[i]) else 1.0 for i in group)) for group in groups])
    return groups, weight / weight.sum()


def _draw(tree, rng):
    groups, weight = tree
    group = groups[rng.choice(len(groups), p=weight)]
    return group[rng.integers(len(group))]


def mask(x, rng, share, widest_band, longest, silence):
    """SpecAugment: up to two bands and two stretches of x (bands, frames) fall silent."""
    for axis, most in ((0, widest_band), (0, widest_band), (1, longest), (1, longest)):
        if rng.random() < share:
            width = int(rng.integers(1, most))
            at = int(rng.integers(x.shape[axis] - width))
            if axis == 0:
                x[at:at + width] = silence
            else:
                x[:, at:at + width] = silence
