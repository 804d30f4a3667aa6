"""Teaches the encoder to hear through noise without a single label: a frozen copy of it hears the quiet line, and what that
makes of every speech position and of the window's statistics is the target of the one that hears the same line with noise."""

import copy

import numpy as np
import torch

import fitting
import refit
import whisper
from limits import MEL_FRAMES, MEL_HOP, RATE

WINDOWS = 32       # in a batch
PLAIN = 0.3        # share of windows without noise added, so that the encoder stays where it was on quiet lines
SHORTER = 0.3      # share of windows that are cut to less than there is, but at least ...
SHORTEST = 150     # ... so many frames
POSITIONS = 0.3    # weight of single positions beside the statistics
LEARN = 2e-4       # rate of learning
HELD_OUT = 6       # batches that the loss is measured on


class Lessons:
    """Batch k: windows (noisy mel, quiet mel, weights) and labels. Everything about it follows from (seed, k)."""

    def __init__(self, clips, copies, pairs, seed):
        self.clips, self.copies, self.pairs, self.seed = clips, copies, pairs, seed
        owner = [i for i, clip in enumerate(clips) if not clip.dev and clip.length >= RATE]
        weight = refit.weigh(clips, owner)
        self.owner, self.weight = np.array(owner), weight / weight.sum()

    def batch(self, k):
        rows = []
        rng = np.random.default_rng([self.seed, 31, k])
        while len(rows) < WINDOWS:
            i = int(rng.choice(self.owner, p=self.weight))
            among = self.copies if rng.random() < PLAIN else self.pairs
            mine = among[int(rng.integers(len(among)))][i]
            window = None if mine is None else _window(mine, rng)
            if window is not None:
                rows.append((*window, np.float32(self.clips[i].real)))
        *inputs, labels = (torch.from_numpy(np.stack(part)) for part in zip(*rows))
        return inputs, labels


def _window(mine, rng):
    """A random window of a `bank.Heard` (which is its own quiet copy) or a `pairs.Pair`; None where it holds no speech."""
    length = min(len(mine.mel), MEL_FRAMES)
    if rng.random() < SHORTER and length > SHORTEST:
        length = int(rng.integers(SHORTEST, length + 1))
    last = int(rng.integers(length, len(mine.mel) + 1))
    noisy, quiet = (whisper.frame(np.asarray(mel[last - length:last], dtype=np.float32), mine.flags, (last - MEL_FRAMES) * MEL_HOP)
                    for mel in (mine.mel, getattr(mine, "quiet", mine.mel)))
    return (noisy[0], quiet[0], noisy[1]) if noisy[1].any() else None


class Lesson:
    """The loss: how far the model is from what a frozen copy of `model` makes of the quiet line."""

    def __init__(self, model, place):
        self.teacher = copy.deepcopy(model).eval().to(place)
        # A channel's usual spread within a window, at each depth: what makes the channels' errors comparable.
        wide, depths = whisper.WIDTH, len(model.encoder.layers) + 1
        self.usual = [self.teacher.mean[(2 * d + 1) * wide:(2 * d + 2) * wide] for d in range(depths)]

    def __call__(self, model, inputs, _labels):
        noisy, quiet, weights = inputs
        with torch.no_grad():
            said = self.teacher.encoder(quiet)
            target = self.teacher.summed_up(said, weights)
        heard = model.encoder(noisy)
        apart = ((model.summed_up(heard, weights) - target) ** 2).mean()
        w = weights.unsqueeze(2)
        for mine, theirs, usual in zip(heard, said, self.usual):
            apart = apart + POSITIONS / len(said) * (((mine.float() - theirs.float()) / usual) ** 2 * w).sum(dim=1).mean()
        return apart


def learn(model, clips, copies, pairs, steps, cycles, kept, name, seed):
    """The model with an encoder that was taught so for `cycles` times `steps` batches; its weights are then averaged with those it came
    with, which weigh `kept` (0 to 1): what was learnt about noise stays, and less of what was known before is lost (Wortsman et al. 2022,
    "Robust fine-tuning of zero-shot models"). It comes standardised as the frozen encoder's statistics are, and goes without
    standardisation: its last layer is to be fitted again."""
    place = fitting.device()
    lesson = Lesson(model, place)
    for cycle in range(cycles):
        lessons = Lessons(clips, copies, pairs, seed + cycle)
        held_out = [Lessons(clips, copies, pairs, seed + cycle + 1).batch(k) for k in range(HELD_OUT)]

        def judge(average):
            with torch.no_grad(), torch.autocast(place.type, torch.bfloat16, enabled=fitting.fast_half()):
                far = np.mean([float(lesson(average.eval(), [part.to(place) for part in inputs], labels)) for inputs, labels in held_out])
            return far, f"not asked; loss of fresh windows {far:.4f}"

        run = fitting.Run(f"{name}-{cycle}", steps, [(list(model.encoder.parameters()), LEARN)], lessons.batch, judge,
                          half=fitting.fast_half(), loss=lesson)
        model = run.fit(model)
    with torch.no_grad():
        for mine, frozen in zip(model.encoder.parameters(), lesson.teacher.encoder.parameters()):
            mine.lerp_(frozen.to(mine.device), kept)
    model.mean.zero_()
    model.spread.fill_(1.0)
    return model
