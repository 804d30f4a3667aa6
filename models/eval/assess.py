"""Every figure of the model card, for any model folder and any data folder of the same layout. Called by `run`."""

import argparse
import csv
import json
import os
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "train"))

import calibrate  # noqa: E402
import card  # noqa: E402
import conditions  # noqa: E402
import data  # noqa: E402
import evaluate  # noqa: E402
import export  # noqa: E402
import g711  # noqa: E402
import plots  # noqa: E402
import trivial  # noqa: E402
from limits import RATE  # noqa: E402
from stream import Stream  # noqa: E402

MODELS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TELEPHONE = ("callytics-calls", "pyannote-sample", "watson-stt-demo")  # dev sources recorded from telephone calls
NET_SECONDS = (1, 2, 4, 8, 16)
CALL_SECONDS = 30
UNDECIDED_SECONDS = (2, 3, 4, 6, 8, 12, 16)
PROBITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)


class Model:
    """A model folder: graphs, head, calibrations and thresholds as the gateway reads them."""

    def __init__(self, folder):
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            self.manifest = json.load(file)
        self.stages = 2 if "second" in self.manifest else 1
        self.sessions = [export.Session(os.path.join(folder, self.manifest[key]["file"])) if key in self.manifest else None
                         for key in ("trunk", "second")]
        self.head = np.array(self.manifest["head"]["weight"], dtype=np.float32), self.manifest["head"]["bias"]
        self.prior = np.array(self.manifest["input"]["prior"], dtype=np.float32)
        self.fits = {}
        for name, stages in (("first", 1), ("both", 2))[:self.stages]:
            fit = calibrate.Fitted.__new__(calibrate.Fitted)
            fit.stages, fit.first = stages, self._calibration("first")
            fit.calibration = self._calibration(name)
            fit.spoof, fit.bona_fide = (self.manifest["decision"][name][key] for key in ("spoof_at_most", "bona_fide_at_least"))
            self.fits[name] = fit

    def _calibration(self, name):
        c = self.manifest["calibration"][name]
        keys = [("slope", "slope_per_ln"), ("second_slope", "second_slope_per_ln")][:2 if "second_slope" in c else 1]
        return calibrate.Calibration([c[k] for k, _ in keys], [c[k] for _, k in keys], c["offset"])

    def courses(self, streams):
        return export.courses(self.sessions, self.head, self.prior, streams)


def figures(llr, clips, fit, courses):
    """The figures of one condition or one cell."""
    real, weights = np.array([c.real for c in clips]), evaluate.macro_weights(clips)
    low, high = fit.extremes(courses)
    return {"clips": len(clips), "eer": round(evaluate.eer(llr, real, weights), 4), "cllr": round(evaluate.cllr(llr, real, weights), 4),
            "min_cllr": round(evaluate.min_cllr(llr, real, weights), 4),
            "caught_at_1_percent": round(evaluate.caught_at(llr, real, weights), 4),
            "real": calibrate.label_shares(low, high, fit.spoof, fit.bona_fide, real, weights),
            "synthetic": calibrate.label_shares(low, high, fit.spoof, fit.bona_fide, ~real, weights)}


def thin(clips, most):
    """Which clips are taken: at most `most` of each source and engine (0: all), evenly over its clips."""
    groups = {}
    for i, clip in enumerate(clips):
        groups.setdefault((clip.real, clip.group), []).append(i)
    return sorted(i for members in groups.values()
                  for i in (members if not most or len(members) <= most else [members[k] for k in np.linspace(0, len(members) - 1, most).astype(int)]))


def by_net_speech(courses, clips, fit):
    """The llr at the first moment with so much net speech, of the clips that have it."""
    out = {}
    for seconds in NET_SECONDS:
        picked, llr = [], []
        for i, course in enumerate(courses):
            means, net = course.rows(fit.stages)
            enough = np.flatnonzero(net >= seconds)
            if len(enough):
                picked.append(clips[i])
                llr.append(float(fit.calibration.llr(means[enough[0]], net[enough[0]])))
        real = np.array([c.real for c in picked])
        if len(picked) and 10 <= real.sum() <= len(real) - 10:
            llr, weights = np.array(llr), evaluate.macro_weights(picked)
            out[f"{seconds} s"] = {"real": int(real.sum()), "synthetic": int((~real).sum()), "eer": round(evaluate.eer(llr, real, weights), 4),
                                   "cllr": round(evaluate.cllr(llr, real, weights), 4), "min_cllr": round(evaluate.min_cllr(llr, real, weights), 4)}
    return out


def by_language(llr, clips):
    """The share of real clips under, and of synthetic clips over, llr 0: no EER, most languages have one class only."""
    out = {}
    for language in sorted({c.language for c in clips}):
        mine = np.array([c.language == language for c in clips])
        real = np.array([c.real for c in clips])
        out[language] = {name: {"clips": int(which.sum()), "mean_llr": round(float(llr[which].mean()), 2), "wrong_side": round(float(wrong[which].mean()), 3)}
                         for name, which, wrong in (("real", mine & real, llr < 0), ("synthetic", mine & ~real, llr > 0)) if which.any()}
    return out


def long_calls(clips, recordings):
    """Calls of up to 30 s, joined from the clips of one speaker (or voice) on one page: [(clip, samples)]."""
    groups = {}
    for clip, x in zip(clips, recordings):
        groups.setdefault((clip.real, clip.group, clip.speaker), []).append((clip, x))
    out = []
    for members in groups.values():
        at = 0
        while at < len(members):
            parts, length, first = [], 0, members[at][0]
            while at < len(members) and length < CALL_SECONDS * RATE:
                parts.append(members[at][1])
                length += len(members[at][1])
                at += 1
            if length >= CALL_SECONDS * RATE // 2:
                out.append((first, np.concatenate(parts)[:CALL_SECONDS * RATE]))
    return out


def decisions(courses, fit):
    """Net speech at which the first label was given (nan: never), and the label."""
    out = []
    for course in courses:
        when, label = np.nan, ""
        for row in range(len(course.hops)):
            part = calibrate.Course(course.first[:row + 1], [w for w in course.second if w[0] <= course.hops[row]])
            low, high = part.extremes(fit.first, fit.calibration if fit.stages == 2 else None)
            label = "spoof" if low <= fit.spoof else "bona_fide" if high >= fit.bona_fide else ""
            if label:
                when = course.net[row]
                break
        out.append((when, label))
    return out


def undecided(decided, courses, is_real):
    """Of the calls that came to so much net speech, the share that had no label by then: how long one is left without an answer."""
    when = np.array([w for w, _ in decided])
    had = np.array([course.net[-1] if len(course.net) else 0.0 for course in courses])
    out = {}
    for seconds in UNDECIDED_SECONDS:
        by_then = ~(when <= seconds)
        out[f"{seconds} s"] = {name: {"calls": int(mine.sum()), "undecided": round(float(by_then[mine].mean()), 4)}
                               for name, mine in (("real", is_real & (had >= seconds)), ("synthetic", ~is_real & (had >= seconds))) if mine.any()}
    return out


def draw(folder, llr, real, weights, decided):
    """DET, calibration and time to decision."""
    from scipy.stats import norm
    span = norm.ppf(PROBITS[0]), norm.ppf(PROBITS[-1])

    def place(p):
        return (norm.ppf(np.clip(p, 1e-4, 1 - 1e-4)) - span[0]) / (span[1] - span[0])

    def curve(scores):
        edges = np.sort(scores)
        miss = np.array([(weights * (real & (scores <= e))).sum() for e in edges]) / (weights * real).sum()
        false = np.array([(weights * (~real & (scores > e))).sum() for e in edges]) / (weights * ~real).sum()
        return place(miss), place(false)

    ticks = [(float(place(p)), f"{p:.0%}") for p in PROBITS]
    plots.lines(os.path.join(folder, "det.svg"), "DET, dev split, mu-law", "real clips accused", "synthetic clips that pass",
                [(name, *curve(scores)) for name, scores in llr.items()], ticks, ticks)
    scores = llr.get("both", llr["first"])
    order = np.argsort(scores)
    xs, ys = [], []
    for part in np.array_split(order, 12):
        share = (weights * real)[part].sum() / weights[part].sum()
        xs.append(scores[part].mean())
        ys.append(np.log(np.clip(share, 0.02, 0.98) / np.clip(1 - share, 0.02, 0.98)))
    unit = [((v + 5) / 10, f"{v:+d}") for v in range(-4, 5, 2)]
    plots.lines(os.path.join(folder, "calibration.svg"), "Calibration: said and seen log-likelihood ratio (twelfths of dev)", "llr said", "llr seen",
                [("model", (np.array(xs) + 5) / 10, (np.array(ys) + 5) / 10), ("perfect", [0, 1], [0, 1])], unit, unit)
    seconds = np.arange(0, 30.5, 0.5)
    series = []
    for name, which in (("synthetic called spoof", ("spoof", False)), ("real called bona fide", ("bona_fide", True))):
        mine = [(when, label) for (when, label), is_real in decided if is_real == which[1]]
        series.append((name, seconds / 30, [sum(label == which[0] and when <= s for when, label in mine) / max(1, len(mine)) for s in seconds]))
    plots.lines(os.path.join(folder, "time-to-decision.svg"), "Time to decision, calls of 15 to 30 s", "net speech, s", "share of calls",
                series, [(s / 30, str(s)) for s in range(0, 31, 5)], [(v / 5, f"{v / 5:.0%}") for v in range(6)])


def beside_scores(path, clips, recordings):
    """Another system's scores by clip (higher = real): from a CSV (path, score), or by running its network.

    A network (ONNX) is fed as AASIST is: one recording at 16 kHz, through mu-law, repeated or cut to its input's length (64,600
    samples), batch 1; the last number of its output counts.
    """
    if not path.endswith(".onnx"):
        with open(path, encoding="utf-8", newline="") as file:
            return {row[0]: float(row[1]) for row in list(csv.reader(file))[1:]}
    from scipy.signal import resample_poly
    session = export.Session(path)
    length = session.session.get_inputs()[0].shape[-1]
    length = length if isinstance(length, int) else 64600
    theirs = {}
    for clip, x in zip(clips, recordings):
        wide = resample_poly(g711.through(x) / 32768.0, 2, 1).astype(np.float32)
        theirs[clip.path] = float(np.ravel(session(np.resize(wide, (1, length))))[-1])
    return theirs


def beside(theirs, llr, clips):
    """The paired comparison with another system's scores."""
    picked = [i for i, c in enumerate(clips) if c.path in theirs]
    part = [clips[i] for i in picked]
    real, weights = np.array([c.real for c in part]), evaluate.macro_weights(part)
    other, ours = np.array([theirs[c.path] for c in part]), llr[picked]
    both = np.stack([other, ours], axis=1)
    return {"clips": len(part), "their_eer": round(evaluate.eer(other, real, weights), 4), "our_eer": round(evaluate.eer(ours, real, weights), 4),
            "eer_gain_95": evaluate.bootstrap(lambda s, r, w: evaluate.eer(s[:, 0], r, w) - evaluate.eer(s[:, 1], r, w), both, part, rounds=500)}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", required=True, action="append")
    options.add_argument("--model", default=os.path.join(MODELS, "default"))
    options.add_argument("--out", help="folder of evaluation.json and the drawings; default: the model's")
    options.add_argument("--work", default=os.path.join(os.path.dirname(MODELS), ".cache", "train"))
    options.add_argument("--beside", help="another system: a CSV of its scores (path, score), or its ONNX network (AASIST)")
    options.add_argument("--conditions", help="only these, by comma (mu-law is always measured)")
    options.add_argument("--most", type=int, default=0, help="at most so many clips of each source and engine in conditions other than mu-law")
    chosen = options.parse_args()
    out = chosen.out or chosen.model
    os.makedirs(chosen.work, exist_ok=True)
    everything, samples, _ = data.load(chosen.data, chosen.work)
    clips = [clip for clip in everything if clip.dev]
    recordings = [np.asarray(samples[clip.start:clip.start + clip.length]) for clip in clips]
    real, weights = np.array([c.real for c in clips]), evaluate.macro_weights(clips)
    model = Model(chosen.model)
    best = model.fits["both" if model.stages == 2 else "first"]
    report = {"model": {key: model.manifest[key]["sha256"] for key in ("trunk", "second") if key in model.manifest}, "what": "dev split; sources and engines weigh the same; labels by the manifest's thresholds, given at any moment", "conditions": {}}
    with tempfile.TemporaryDirectory() as work:
        plain = model.courses([Stream(x) for x in conditions.carry("mu-law", recordings, work)])
        few = thin(clips, chosen.most)
        named = chosen.conditions.split(",") if chosen.conditions else conditions.names()
        for name in ["mu-law"] + [name for name in named if name != "mu-law"]:
            courses = [plain[i] for i in few] if name == "mu-law" else model.courses(
                [Stream(x) for x in conditions.carry(name, [recordings[i] for i in few], work)])
            part = [clips[i] for i in few]
            report["conditions"][name] = {key: figures(fit.llrs(courses), part, fit, courses) for key, fit in model.fits.items()}
            print(name, {key: value["eer"] for key, value in report["conditions"][name].items()}, flush=True)
    llr = {key: fit.llrs(plain) for key, fit in model.fits.items()}
    mine = llr["both" if model.stages == 2 else "first"]
    report["net_speech"] = {key: by_net_speech(plain, clips, fit) for key, fit in model.fits.items()}
    report["language"] = by_language(mine, clips)
    low, high = best.extremes(plain)
    telephone = np.array([c.real and c.group in TELEPHONE for c in clips])
    report["real_telephone_calls"] = {"clips": int(telephone.sum()), **calibrate.label_shares(low, high, best.spoof, best.bona_fide, telephone, np.ones(len(clips)))}
    calls = long_calls(clips, recordings)
    heard = model.courses([Stream(conditions.carry("mu-law", [x], None)[0]) for _, x in calls])
    decided = decisions(heard, best)
    when = np.array([w for w, _ in decided])
    is_real = np.array([clip.real for clip, _ in calls])
    said = np.array([label for _, label in decided])
    report["long_calls"] = {
        "what": "15 to 30 s joined from the clips of one speaker; the first label given", "calls": len(calls),
        "undecided": undecided(decided, heard, is_real),
        "net_speech": {key: by_net_speech(heard, [clip for clip, _ in calls], fit) for key, fit in model.fits.items()},
        "median_net_seconds_to_decision": round(float(np.nanmedian(when)), 2) if np.isfinite(when).any() else None,
        **{name: {"calls": int(which.sum()), **{label or "unsure": round(float((said[which] == label).mean()), 4) for label in ("spoof", "bona_fide", "")}}
           for name, which in (("real", is_real), ("synthetic", ~is_real))}}
    # Nothing to learn from where a folder has no train clips.
    if {clip.real for clip in everything if not clip.dev} == {True, False}:
        scores = trivial.measure(everything, samples)
        report["trivial_features"] = {"eer": round(evaluate.eer(scores, real, weights), 4), "min_cllr": round(evaluate.min_cllr(scores, real, weights), 4),
                                      "caught_at_1_percent": round(evaluate.caught_at(scores, real, weights), 4)}
        if report["trivial_features"]["eer"] < trivial.ALARM_EER:
            print("LEAK ALARM: level, pauses and spectrum alone tell the classes apart; no other figure here means much", file=sys.stderr)
    if chosen.beside:
        report["beside"] = beside(beside_scores(chosen.beside, clips, recordings), mine, clips)
    draw(out, llr, real, weights, list(zip(decided, is_real)))
    export.save(os.path.join(out, "evaluation.json"), report)
    if os.path.exists(os.path.join(out, "figures.json")):
        card.write(out)
    print(json.dumps({key: report[key] for key in report if key not in ("language",)}, indent=1))


if __name__ == "__main__":
    main()
