"""The loop that both stages share: one cycle of AdamW over numbered batches, averaged weights, checkpoints, time left."""

import copy
import os
import time

import torch
from torch.nn import functional as F

SMOOTHING = 0.1


def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_half():
    """Does this machine multiply bfloat16 faster than float32?"""
    if torch.cuda.is_available():
        return True
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return "amx_bf16" in file.read()
    except OSError:
        return False


class Run:
    """One stretch of training. `groups`: [(parameters, rate of learning)]; `batch(k)` gives (inputs, labels) as tensors;
    `judge(model)` gives (figure to keep the least of, line to print); `loss(model, inputs, labels)`."""

    def __init__(self, name, steps, groups, batch, judge, average=0.99, check_every=100, half=False, clip=1.0, loss=None):
        self.name, self.steps, self.groups, self.batch, self.judge = name, steps, groups, batch, judge
        self.average, self.check_every, self.half, self.clip = average, check_every, half, clip
        self.loss = loss or labelled

    def fit(self, model):
        """Trains `model` from where it stands, or goes on from the last checkpoint; gives back the averaged model that was best."""
        place, best_file, last_file = device(), self.name + ".best", self.name + ".last"
        average = copy.deepcopy(model).eval()
        if os.path.exists(self.name + ".end"):
            average.load_state_dict(torch.load(best_file, map_location="cpu"))
            return average
        model.to(place)
        average.to(place)
        rates = [rate for _, rate in self.groups]
        optimiser = torch.optim.AdamW([{"params": list(p), "lr": rate} for p, rate in self.groups], weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=self.steps + 1, pct_start=0.1)
        done, best = 0, float("inf")
        if os.path.exists(last_file):
            kept = torch.load(last_file, map_location=place)
            for mine, key in ((model, "model"), (average, "average"), (optimiser, "optimiser"), (schedule, "schedule")):
                mine.load_state_dict(kept[key])
            done, best = kept["done"], kept["best"]
            print(f"{os.path.basename(self.name)}: going on after step {done}", flush=True)
        begun, first, total = time.time(), done, 0.0
        while done < self.steps:
            model.train()
            torch.manual_seed(done)
            inputs, target = self.batch(done)
            with torch.autocast(place.type, torch.bfloat16, enabled=self.half):
                loss = self.loss(model, [part.to(place) for part in inputs], target.to(place))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), self.clip)
            optimiser.step()
            schedule.step()
            done += 1
            follow(average, model, min(self.average, (1 + done) / (10 + done)))
            total += loss.item()
            if done % 25 == 0:
                left = (time.time() - begun) / (done - first) * (self.steps - done) / 60
                print(f"{os.path.basename(self.name)} step {done}/{self.steps} loss {total / 25:.4f} left {left:.1f} min", flush=True)
                total = 0.0
            if done % self.check_every == 0 or done == self.steps:
                figure, line = self.judge(average)
                print(f"{os.path.basename(self.name)} step {done} dev {line}", flush=True)
                if figure < best:
                    best = figure
                    torch.save(average.state_dict(), best_file)
                torch.save({"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(),
                            "schedule": schedule.state_dict(), "done": done, "best": best}, last_file)
        torch.save({}, self.name + ".end")
        average.load_state_dict(torch.load(best_file, map_location="cpu"))
        return average.to("cpu")


def labelled(model, inputs, labels):
    return F.binary_cross_entropy_with_logits(model(*inputs).float(), labels)


def smooth(labels):
    return labels * (1 - SMOOTHING) + 0.5 * SMOOTHING


def follow(average, model, keep):
    """Moves the averaged weights (and the norms' statistics) a little towards the model."""
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), model.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.mul_(keep).add_(theirs, alpha=1 - keep)
            else:
                mine.copy_(theirs)
