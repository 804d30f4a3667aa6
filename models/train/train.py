"""One command from a folder of speech to models/default. Called by `run`; what came out is in models/README.md."""

import argparse
import copy
import os
import sys
import time

import numpy as np
import torch

import augment
import data
import evaluate
from model import Countermeasure
from sampling import COUPLES, Couples, Stage

RATE_OF_LEARNING = 2e-3
SMOOTHING = 0.05
EMA = 0.997
CHECK_EVERY = 250    # steps


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", required=True, help="folder with manifest.csv and the FLAC files")
    options.add_argument("--out", default=os.path.join(os.path.dirname(data.HERE), "default"))
    options.add_argument("--work", default=os.path.join(os.path.dirname(os.path.dirname(data.HERE)), ".cache", "train"))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--steps", type=int, default=2500)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--workers", type=int, default=1, help="processes that prepare batches")
    options.add_argument("--stop-before-export", action="store_true")
    chosen = options.parse_args()
    os.makedirs(chosen.work, exist_ok=True)
    clips, samples, key = data.load(chosen.data, chosen.work)
    bank = data.codec_bank(clips, samples, chosen.work, key, chosen.seed)
    # First everything at its hardest, half of it couples from one page (no reward for knowing the page), so that no
    # easy cue is learnt first; then what calls are mostly like, from everywhere.
    first = chosen.steps * 3 // 5
    weights = None
    for stage in (Stage(1, first, 0.5, 0.5, 1.0, 0.1), Stage(2, chosen.steps - first, 0.1, 0.25, 0.7, 0.0)):
        weights = fit(clips, samples, bank, stage, weights, chosen)
    if not chosen.stop_before_export:
        import export
        export.write(weights, clips, samples, chosen)


def fit(clips, samples, bank, stage, start, chosen):
    """One stage from the weights in the file `start` (None: from nothing), or on from its checkpoint.

    Gives back the file of the averaged weights that were best on dev in the last two thirds.
    """
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    name = os.path.join(chosen.work, f"seed{chosen.seed}-stage{stage.number}-steps{stage.steps}")
    if os.path.exists(name + ".end"):
        return name + ".best"
    couples = Couples(clips, samples, bank, augment.noises(clips, samples, chosen.seed), chosen.seed, stage)
    dev = [clip for clip in clips if clip.dev]
    ready = evaluate.prepare(dev, samples)
    model = Countermeasure(dropout=stage.dropout)
    if start:
        model.load_state_dict(torch.load(start))
    average = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE_OF_LEARNING, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE_OF_LEARNING, total_steps=stage.steps + 1, pct_start=0.08)
    done, best = 0, 9.0
    if os.path.exists(name + ".last"):
        kept = torch.load(name + ".last")
        model.load_state_dict(kept["model"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        done, best = kept["done"], kept["best"]
        print(f"going on after step {done}", flush=True)
    rest = torch.utils.data.Subset(couples, range(done * COUPLES, stage.steps * COUPLES))
    loader = torch.utils.data.DataLoader(rest, batch_size=COUPLES, num_workers=chosen.workers,
                                         prefetch_factor=4 if chosen.workers else 2)
    begun, sum_loss, first = time.time(), 0.0, done
    model.train()
    for x, weights, label in loader:
        x, weights, label = x.flatten(0, 1), weights.flatten(0, 1), label.flatten()
        raw = model(x, weights)
        target = label * (1 - SMOOTHING) + 0.5 * SMOOTHING
        loss = torch.nn.functional.binary_cross_entropy_with_logits(raw, target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        done += 1
        follow(average, model, min(EMA, (1 + done) / (10 + done)))
        sum_loss += loss.item()
        if done % 50 == 0:
            left = (time.time() - begun) / (done - first) * (stage.steps - done)
            print(f"stage {stage.number} step {done}/{stage.steps} loss {sum_loss / 50:.4f} left {left / 60:.1f} min", flush=True)
            sum_loss = 0.0
        if done % CHECK_EVERY == 0 or done == stage.steps:
            figure, error = on_dev(average, dev, ready)
            print(f"step {done} dev macro minCllr {figure:.4f} EER {error:.4f}", flush=True)
            if figure < best and done >= stage.steps // 3:
                best = figure
                torch.save(average.state_dict(), name + ".best")
            torch.save({"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(),
                        "schedule": schedule.state_dict(), "done": done, "best": best}, name + ".last")
    torch.save(average.state_dict(), name + ".end")
    return name + ".best"


def follow(average, model, keep):
    """Moves the averaged weights (and the norms' statistics) a little towards the model."""
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), model.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.mul_(keep).add_(theirs, alpha=1 - keep)
            else:
                mine.copy_(theirs)


def runner(model):
    """A function from arrays to raw scores."""
    def run(x, weights):
        with torch.no_grad():
            return model(torch.from_numpy(x), torch.from_numpy(weights)).numpy()
    return run


def on_dev(model, dev, ready):
    """Macro minCllr (what picks the checkpoint: it is steadier) and EER."""
    scored = evaluate.score(runner(model), ready)
    heard = [i for i, windows in enumerate(scored) if windows]
    final = np.array([evaluate.mean_course(scored[i])[-1][1] for i in heard])
    part = [dev[i] for i in heard]
    judged = final, np.array([clip.real for clip in part]), evaluate.macro_weights(part)
    return evaluate.min_cllr(*judged), evaluate.eer(*judged)


if __name__ == "__main__":
    sys.exit(main())
