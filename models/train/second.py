"""Stage 2, the second opinion: the first layers of Whisper's encoder, statistics over speech of every layer, one linear layer."""

import os

import numpy as np
import torch
from torch import nn

import evaluate
import fitting
import refit
import sampling
import whisper
from limits import MEL_FRAMES, MEL_HOP

LAYERS = 2
HEAD_HELD = 0.3               # how strongly the last layer is held back
LEARN, LEARN_HEAD = 3e-5, 1e-4  # rates of learning, when the layers are tuned too


class SecondOpinion(nn.Module):
    """mel (N, 80, 400), weights (N, 200) summing to 1 over speech -> raw (N,): the log odds of bona fide, uncalibrated."""

    def __init__(self, layers=LAYERS, dropout=0.0, head_dropout=0.0):
        super().__init__()
        self.encoder = whisper.Encoder(layers, dropout)
        wide = 2 * whisper.WIDTH * (layers + 1)
        self.register_buffer("mean", torch.zeros(wide))
        self.register_buffer("spread", torch.ones(wide))
        self.dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(wide, 1)

    def pooled(self, mel, weights):
        """Mean and spread over speech of the channels of the convolutions and of every layer, standardised: (N, 768 * (layers + 1))."""
        return self.summed_up(self.encoder(mel), weights)

    def summed_up(self, outputs, weights):
        """The same of what the encoder's depths put out."""
        w = weights.unsqueeze(2)
        out = []
        for h in outputs:
            h = h.float()
            mean = (h * w).sum(dim=1)
            out += [mean, torch.sqrt(torch.relu((h * h * w).sum(dim=1) - mean * mean) + 1e-4)]
        return (torch.cat(out, dim=1) - self.mean) / self.spread

    def forward(self, mel, weights):
        return self.head(self.dropout(self.pooled(mel, weights))).squeeze(1)


def gather(model, heard, picked, most, batch=32):
    """What `pooled` says of up to `most` windows of each picked clip, and which clip each is of."""
    out, owner, waiting = [], [], []

    def flush():
        if waiting:
            x, w = (torch.from_numpy(np.stack(part)) for part in zip(*waiting))
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=fitting.fast_half()):
                out.append(model.pooled(x, w).float().numpy())
            waiting.clear()

    for i in picked:
        mine = heard[i]
        frames = len(mine.mel)
        middle = (frames + MEL_FRAMES) // 2 if frames > MEL_FRAMES else frames
        for end in [middle] if most == 1 or frames < MEL_FRAMES + 100 else [MEL_FRAMES, frames]:
            x, w = whisper.frame(np.asarray(mine.mel[max(0, end - MEL_FRAMES):end], dtype=np.float32), mine.flags,
                                 (end - MEL_FRAMES) * MEL_HOP)
            if w.any():
                waiting.append((x, w))
                owner.append(i)
            if len(waiting) == batch:
                flush()
    flush()
    return np.concatenate(out), np.array(owner)


def statistics(model, clips, copies, kept):
    """`gather` over all train clips through every telephone, kept in the file `kept`: (x, clip, telephone)."""
    if not os.path.exists(kept):
        parts = []
        for number, heard in enumerate(copies):
            parts.append((*gather(model, heard, [i for i, clip in enumerate(clips) if not clip.dev and heard[i] is not None], 1), number))
            print(f"second opinion: telephone {number + 1}/{len(copies)} heard", flush=True)
        np.savez(kept + ".part.npz", x=np.concatenate([x for x, _, _ in parts]).astype(np.float16), clip=np.concatenate([o for _, o, _ in parts]),
                 telephone=np.concatenate([np.full(len(o), n) for _, o, n in parts]))
        os.replace(kept + ".part.npz", kept)
    found = np.load(kept)
    return found["x"].astype(np.float32), found["clip"], found["telephone"]


def fit_head(model, clips, x, owner):
    """Standardises, and puts a logistic regression over all train clips in place of the last layer."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    found = _logistic((x - mean) / spread, clips, owner)
    with torch.no_grad():
        model.mean.copy_(torch.from_numpy(mean))
        model.spread.copy_(torch.from_numpy(spread))
        model.head.weight.copy_(torch.from_numpy(found[:-1].astype(np.float32))[None])
        model.head.bias.fill_(float(found[-1]))


def crossed_scores(clips, x, owner, halves):
    """The score of every row by a head that was fitted on the other half of sources and engines: how hard a clip really is."""
    out = np.zeros(len(owner), dtype=np.float32)
    half = halves[owner]
    for other in (0, 1):
        fit, mine = half != other, half == other
        mean, spread = x[fit].mean(axis=0), x[fit].std(axis=0) + 1e-3
        found = _logistic((x[fit] - mean) / spread, clips, owner[fit])
        out[mine] = (x[mine] - mean) / spread @ found[:-1] + found[-1]
    return out


def _logistic(x, clips, owner):
    label = np.array([clips[i].real for i in owner])
    return refit.logistic(x, label, refit.weigh(clips, owner), HEAD_HELD, np.zeros(x.shape[1] + 1))


def ready(streams):
    """What stage 2 hears of each stream: (hop, net speech so far, mel, weights, the window's own speech)."""
    heard = [[(k, stream.net(k), *stream.second_window(k), stream.own(k)) for k in stream.second_hops()] for stream in streams]
    return [[row for row in rows if row[3].any()] for rows in heard]


def run(model, x, weights):
    """Raw scores of arrays, in bfloat16 where the processor is quick at it."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=fitting.fast_half()):
        return model.eval()(torch.from_numpy(x), torch.from_numpy(weights)).float().numpy()


def tune(model, clips, copies, dev_ready, steps, name, seed):
    """Trains the layers too, from the frozen start. Off by default: at our budgets it lost more on unheard engines than it won."""
    couples = sampling.Couples(clips, copies, seed, 3, 0.1)
    dev = [clip for clip in clips if clip.dev]

    def batch(k):
        drawn = couples.batch(k)
        x, w = zip(*(sampling.opinion(heard, first, seconds, rng, 0.3, 0.3) for heard, _, first, seconds, rng in drawn))
        labels = torch.tensor([label for _, label, *_ in drawn])
        return (torch.from_numpy(np.stack(x)), torch.from_numpy(np.stack(w))), fitting.smooth(labels)

    def judge(average):
        scored = evaluate.score(lambda x, w: run(average.cpu(), x, w), [rows[-1:] for rows in dev_ready])
        return evaluate.judge(scored, dev)

    groups = [(model.encoder.parameters(), LEARN), (model.head.parameters(), LEARN_HEAD)]
    return fitting.Run(name, steps, groups, batch, judge, half=fitting.fast_half()).fit(model)
