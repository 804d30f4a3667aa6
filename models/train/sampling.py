"""Which clips stand next to each other in a batch, and where each is cut."""

import collections
import dataclasses
import zlib

import numpy as np
import torch

import augment
import frontend
from limits import RATE, WINDOW_FRAMES

COUPLES = 24         # in a batch: 48 windows
LJ_WEIGHT = 0.3      # one voice, LJSpeech's, is most of the pages: it counts less
WHOLE = (WINDOW_FRAMES - 1) * 128 + 256


@dataclasses.dataclass
class Stage:
    """One stretch of training: how long, and how hard the material is made."""
    number: int
    steps: int
    same_page: float    # share of couples whose two members come from the same page (same studio, same codec history)
    masked: float       # chance of each of the four masks of SpecAugment
    harshness: float    # of the random telephone, 1 = every impairment as often as augment.py says
    dropout: float      # inside the network's blocks


class Couples(torch.utils.data.Dataset):
    """Item k is one real and one synthetic window of the same length that went through the same random telephone.

    Everything about item k follows from (seed, k), however many workers there are.
    """

    def __init__(self, clips, samples, bank, noises, seed, stage):
        self.samples, self.bank, self.noises, self.seed, self.stage = samples, bank, noises, seed, stage
        train = [clip for clip in clips if not clip.dev and clip.length >= RATE]
        self.real = _tree([clip for clip in train if clip.real])
        self.synthetic = _tree([clip for clip in train if not clip.real])
        pages = collections.defaultdict(lambda: ([], []))
        for clip in train:
            pages[clip.page][0 if clip.real else 1].append(clip)
        self.pages = [(real, _tree(synthetic)) for real, synthetic in pages.values() if real and synthetic]
        weight = np.array([np.sqrt(min(len(real), sum(len(g) for g in tree[0])))
                           * (LJ_WEIGHT if np.mean([is_lj(clip) for clip in real]) > 0.5 else 1.0)
                           for real, tree in self.pages])
        self.page_weight = weight / weight.sum()
        self.by_pair = collections.defaultdict(list)
        for clip in train:
            if clip.pair and not clip.real:
                self.by_pair[clip.pair].append(clip)

    def __len__(self):
        return self.stage.steps * COUPLES

    def __getitem__(self, k):
        rng = np.random.default_rng([self.seed, self.stage.number, k])
        if rng.random() < self.stage.same_page:
            page = rng.choice(len(self.pages), p=self.page_weight)
            real = self.pages[page][0][rng.integers(len(self.pages[page][0]))]
            twins = self.by_pair.get(real.pair) if real.pair else None
            synthetic = twins[rng.integers(len(twins))] if twins and rng.random() < 0.5 else _draw(self.pages[page][1], rng)
        else:
            real, synthetic = _draw(self.real, rng), _draw(self.synthetic, rng)
        length = min(real.length, synthetic.length, WHOLE)
        if rng.random() < 0.5:
            length = int(min(length, rng.uniform(1.2, 4.0) * RATE))
        telephone = augment.Telephone(rng, self.noises, self.stage.harshness)
        out = []
        for clip in (real, synthetic):
            start = clip.start + int(rng.integers(clip.length - length + 1))
            heard = telephone.carry(self.samples, self.bank, start, min(length, clip.start + clip.length - start))
            p = frontend.power(heard / 32768.0)
            x, weights = frontend.window(frontend.log_power(p), frontend.speech(p))
            _mask(x, rng, self.stage.masked)
            out.append((torch.from_numpy(x), torch.from_numpy(weights), torch.tensor(1.0 if clip.real else 0.0)))
        return tuple(torch.stack(part) for part in zip(*out))


def is_lj(clip):
    name = clip.speaker.lower()
    return name == "lj" or ":lj" in name


def _tree(clips):
    """Clips by group, and how often each group is drawn: by the root of its size, LJSpeech's voice less."""
    groups = collections.defaultdict(list)
    for clip in clips:
        groups[clip.group].append(clip)
    groups = [groups[name] for name in sorted(groups, key=lambda n: zlib.crc32(n.encode()))]
    weight = np.array([np.sqrt(sum(LJ_WEIGHT if is_lj(clip) else 1.0 for clip in group)) for group in groups])
    return groups, weight / weight.sum()


def _draw(tree, rng):
    groups, weight = tree
    group = groups[rng.choice(len(groups), p=weight)]
    return group[rng.integers(len(group))]


def _mask(x, rng, share):
    """SpecAugment: up to two bands and two stretches fall silent."""
    for axis, most in ((0, 12), (0, 12), (1, 25), (1, 25)):
        if rng.random() < share:
            width = int(rng.integers(1, most))
            at = int(rng.integers(x.shape[axis] - width))
            if axis == 0:
                x[at:at + width] = 0.0
            else:
                x[:, at:at + width] = 0.0
