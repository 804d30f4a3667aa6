"""From raw scores to evidence: logistic calibration by amount of net speech, of stage 1 alone and of both, and the labels' thresholds."""

import collections
import zlib

import numpy as np
from scipy.optimize import minimize

import evaluate
from limits import HOP, MIN_WINDOW_SPEECH, RATE, SECOND_MEMORY

NET_LOW, NET_HIGH = 1.0, 8.0    # seconds of net speech between which the slopes may change
NET_MIN = 2.0                   # below it the label is unsure
AGREEING = 2                    # windows that must speak for a label
FALSE_ALARMS = 0.01             # of real dev clips that may be called spoof at any moment
SOURCE_ALARMS = 0.03            # the same in any one source ...
SOURCE_CLIPS = 30               # ... of at least this many clips
FALSE_COMFORT = 0.05            # of synthetic dev clips that may be called bona fide at any moment
LLR_MAX = 5.0
MIN_NET = MIN_WINDOW_SPEECH * HOP / RATE


class Calibration:
    """llr = sum of mean_i * (slope_i + per_ln_i * ln(net / 4 s)) + offset, for one stage or two."""

    def __init__(self, slopes, per_lns, offset):
        self.slopes, self.per_lns = (np.array(v, dtype=np.float32).astype(float) for v in (slopes, per_lns))
        self.offset = float(np.float32(offset))

    def llr(self, means, net):
        """`means`: (..., stages)."""
        more = np.log(np.clip(net, NET_LOW, NET_HIGH) / 4.0)
        slopes = self.slopes + self.per_lns * np.expand_dims(more, -1)
        return np.clip((np.asarray(means) * slopes).sum(axis=-1) + self.offset, -LLR_MAX, LLR_MAX)

    def written(self):
        """As the manifest has it."""
        out = {"slope": self.slopes[0], "slope_per_ln": self.per_lns[0], "offset": self.offset,
               "net_seconds_low": NET_LOW, "net_seconds_high": NET_HIGH, "llr_max": LLR_MAX}
        if len(self.slopes) == 2:
            out |= {"second_slope": self.slopes[1], "second_slope_per_ln": self.per_lns[1]}
        return out


class Course:
    """What was known of one clip after each window of stage 1: net speech, the mean of each stage, and each window by itself."""

    def __init__(self, first, second=None):
        self.first, self.second = first, second or []
        means = {hop: (net, mean) for hop, net, mean in evaluate.mean_course(first)}
        seconds = {hop: mean for hop, _, mean in evaluate.mean_course(self.second, SECOND_MEMORY)}
        self.hops = sorted(means)
        self.net = np.array([means[k][0] for k in self.hops])
        self.means = np.full((len(self.hops), 2), np.nan)
        known = np.nan
        for row, k in enumerate(self.hops):
            known = seconds.get(k, known)
            self.means[row] = means[k][1], known

    def rows(self, stages):
        """(means, net) of the moments at which so many stages had spoken."""
        which = ~np.isnan(self.means[:, stages - 1])
        return self.means[which, :stages], self.net[which]

    def last(self, stages):
        """The same at the end; None where a stage never spoke."""
        means, net = self.rows(stages)
        return (means[-1], net[-1]) if len(net) else None

    def extremes(self, first, both=None):
        """The lowest llr at which `spoof` and the highest at which `bona_fide` could be said, by as many stages as have spoken (nan: never)."""
        raws = {hop: (raw, own) for hop, _, raw, own in self.second}
        low, high, against, in_favour = np.nan, np.nan, 0, 0
        for row, (_, net, raw, own) in enumerate(self.first):
            alone = [float(first.llr([raw], own))]
            if both is not None and self.hops[row] in raws:
                raw2, own2 = raws[self.hops[row]]
                alone.append(float(both.llr([self.means[row, 0], raw2], own2)))
            against, in_favour = against + sum(v < 0 for v in alone), in_favour + sum(v > 0 for v in alone)
            if both is not None and np.isnan(self.means[row, 1]):
                continue
            llr = float(first.llr(self.means[row, :1], net) if both is None else both.llr(self.means[row], net))
            if net >= NET_MIN and against >= AGREEING:
                low = np.fmin(low, llr)
            if net >= NET_MIN and in_favour >= AGREEING:
                high = np.fmax(high, llr)
        return low, high


def fit(courses, real, weights, stages):
    """Logistic regression over every moment of every clip; a clip's moments share its weight, each class weighs a half."""
    rows, labels, shares = [], [], []
    for course, is_real, weight in zip(courses, real, weights):
        means, net = course.rows(stages)
        more = np.log(np.clip(net, NET_LOW, NET_HIGH) / 4.0)[:, None]
        rows.append(np.concatenate([means, means * more, np.ones_like(more)], axis=1))
        labels += [1.0 if is_real else -1.0] * len(net)
        shares += [weight / max(1, len(net))] * len(net)
    rows, labels, shares = np.concatenate(rows), np.array(labels), np.array(shares)
    for sign in (1.0, -1.0):
        shares[labels == sign] *= 0.5 / shares[labels == sign].sum()

    def cost(parameters):
        slopes, per_lns = parameters[:stages], parameters[stages:-1]
        return float((np.logaddexp(0.0, -labels * (rows @ parameters)) * shares).sum()
                     + 1e-3 * ((slopes - 0.5) ** 2).sum() + 1e-2 * (per_lns ** 2).sum())

    found = minimize(cost, [0.5] * stages + [0.1] * stages + [0.0], method="L-BFGS-B",
                     bounds=[(0.02, 3)] * stages + [(0.0, 0.5)] * stages + [(-2, 2)]).x
    # A slope must not turn at little speech.
    per_lns = np.minimum(found[stages:-1], 0.9 * found[:stages] / -np.log(NET_LOW / 4.0))
    return Calibration(found[:stages], per_lns, found[-1])


def threshold(values, weights, share, below):
    """The least strict value that at most `share` of the clips pass, by the weights given."""
    w = weights / weights.sum()
    known = np.flatnonzero(~np.isnan(values))
    if len(known) == 0:
        return np.inf if below else -np.inf
    order = known[np.argsort(values[known] if below else -values[known], kind="stable")]
    passed = np.cumsum(w[order])
    if not (passed > share + 1e-9).any():
        return np.inf if below else -np.inf
    edge = values[order[int(np.argmax(passed > share + 1e-9))]]
    return float(edge + (-1e-3 if below else 1e-3))


def thresholds(lowest, highest, clips, weights):
    """`spoof` at most FALSE_ALARMS of real clips, by clips and with sources weighing the same, and SOURCE_ALARMS of any larger
    source; `bona_fide` at most FALSE_COMFORT of synthetic ones, by clips and with engines weighing the same."""
    real = np.array([clip.real for clip in clips])
    one = np.ones(len(clips))
    spoof = min(threshold(lowest[real], w[real], FALSE_ALARMS, True) for w in (one, weights))
    for source, count in collections.Counter(clip.group for clip in clips if clip.real).items():
        if count >= SOURCE_CLIPS:
            mine = np.array([clip.real and clip.group == source for clip in clips])
            spoof = min(spoof, threshold(lowest[mine], one[mine], SOURCE_ALARMS, True))
    bona_fide = max(threshold(highest[~real], w[~real], FALSE_COMFORT, False) for w in (one, weights))
    return min(-0.05, spoof), max(0.05, bona_fide)


def halves(clips):
    """0 or 1 for each clip; whole sources and engines stay together, and each class is split evenly."""
    groups = sorted({(clip.real, clip.group) for clip in clips}, key=lambda g: (g[0], zlib.crc32(g[1].encode())))
    count, half = collections.Counter(), {}
    for group in groups:
        half[group] = count[group[0]] % 2
        count[group[0]] += 1
    return np.array([half[(clip.real, clip.group)] for clip in clips])


class Fitted:
    """Calibrations and thresholds of stage 1 alone (`stages` 1) or of both, from the clips picked."""

    def __init__(self, courses, clips, picked, stages):
        mine, part = [courses[i] for i in picked], [clips[i] for i in picked]
        real, weights = np.array([clip.real for clip in part]), evaluate.macro_weights(part)
        self.stages = stages
        self.first = fit(mine, real, weights, 1)
        self.calibration = self.first if stages == 1 else fit(mine, real, weights, 2)
        self.spoof, self.bona_fide = thresholds(*self.extremes(mine), part, weights)

    def extremes(self, courses):
        pairs = [course.extremes(self.first, self.calibration if self.stages == 2 else None) for course in courses]
        return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])

    def llrs(self, courses):
        """At each clip's end, of as many stages as have spoken; 0 where nothing was heard."""
        out = []
        for course in courses:
            end, calibration = course.last(self.stages), self.calibration
            if end is None and self.stages == 2:
                end, calibration = course.last(1), self.first
            out.append(float(calibration.llr(*end)) if end else 0.0)
        return np.array(out)


def label_shares(lowest, highest, spoof, bona_fide, which, weights):
    w = weights[which] / weights[which].sum()
    said_spoof = np.nan_to_num(lowest[which], nan=np.inf) <= spoof
    said_bona_fide = np.nan_to_num(highest[which], nan=-np.inf) >= bona_fide
    return {"spoof": round(float(w[said_spoof].sum()), 4), "bona_fide": round(float(w[said_bona_fide & ~said_spoof].sum()), 4),
            "never_either": round(float(w[~said_spoof & ~said_bona_fide].sum()), 4)}


def measure(courses, clips, stages):
    """(Fitted, figures): from all of dev; figures called cross-fitted never saw their own half of sources and engines."""
    real = np.array([clip.real for clip in clips])
    weights, one = evaluate.macro_weights(clips), np.ones(len(clips))
    heard = np.array([course.last(stages) is not None for course in courses])
    half = halves(clips)
    crossed, low, high = np.zeros(len(clips)), np.full(len(clips), np.nan), np.full(len(clips), np.nan)
    folds = []
    for other in (0, 1):
        fold = Fitted(courses, clips, np.flatnonzero(heard & (half != other)), stages)
        mine = np.flatnonzero(half == other)
        part = [courses[i] for i in mine]
        crossed[mine] = fold.llrs(part)
        lowest, highest = fold.extremes(part)
        # Relative to this fold's thresholds, so that the folds can be counted together.
        low[mine], high[mine] = lowest - fold.spoof, highest - fold.bona_fide
        folds.append(fold)
    fitted = Fitted(courses, clips, np.flatnonzero(heard), stages)
    # One in a hundred of a few hundred clips is a matter of luck: the strictest of all of dev and its halves is taken.
    fitted.spoof = min(fitted.spoof, *(fold.spoof for fold in folds))
    fitted.bona_fide = max(fitted.bona_fide, *(fold.bona_fide for fold in folds))
    llr = fitted.llrs(courses)
    lowest, highest = fitted.extremes(courses)

    def shares(at_low, at_high, spoof, bona_fide):
        return {name: {"by_group": label_shares(at_low, at_high, spoof, bona_fide, which, weights),
                       "by_clip": label_shares(at_low, at_high, spoof, bona_fide, which, one)}
                for name, which in (("real", real), ("synthetic", ~real))}

    by_group = {}
    for group in sorted({(clip.real, clip.group) for clip in clips}, key=lambda g: (not g[0], g[1])):
        which = np.array([(clip.real, clip.group) == group for clip in clips])
        against = which | (real != group[0])
        by_group[("real " if group[0] else "synthetic ") + group[1]] = {
            "clips": int(which.sum()), "mean_llr": round(float(llr[which].mean()), 2),
            "eer_against_the_other_class": round(evaluate.eer(llr[against], real[against], weights[against]), 4),
            **label_shares(lowest, highest, fitted.spoof, fitted.bona_fide, which, one)}
    figures = {
        "clips": {"real": int(real.sum()), "synthetic": int((~real).sum()), "heard_by_every_stage": int(heard.sum())},
        "eer": round(evaluate.eer(llr, real, weights), 4),
        "eer_95": evaluate.bootstrap(evaluate.eer, llr, clips),
        "eer_by_clip": round(evaluate.eer(llr, real, one), 4),
        "cllr_cross_fitted": round(evaluate.cllr(crossed, real, weights), 4),
        "cllr": round(evaluate.cllr(llr, real, weights), 4),
        "min_cllr": round(evaluate.min_cllr(llr, real, weights), 4),
        "min_cllr_95": evaluate.bootstrap(evaluate.min_cllr, llr, clips),
        "caught_at_1_percent_false_alarms": round(evaluate.caught_at(llr, real, weights), 4),
        "caught_at_1_percent_95": evaluate.bootstrap(evaluate.caught_at, llr, clips),
        "labels": shares(lowest, highest, fitted.spoof, fitted.bona_fide),
        "labels_cross_fitted": shares(low, high, 0.0, 0.0),
        "by_group": by_group,
    }
    return fitted, figures, llr
