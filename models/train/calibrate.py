"""From raw scores to evidence: Platt calibration by amount of net speech, and the thresholds of the labels, on dev."""

import collections
import zlib

import numpy as np
from scipy.optimize import minimize

import evaluate
from limits import HOP, MIN_WINDOW_SPEECH, RATE

NET_LOW, NET_HIGH = 1.0, 8.0    # seconds of net speech between which the slope may change
NET_MIN = 2.0                   # below it the label is unsure
AGREEING = 2                    # windows that must speak for a label
FALSE_ALARMS = 0.01             # of real dev clips that may be called spoof at any moment
FALSE_COMFORT = 0.05            # of synthetic dev clips that may be called bona fide at any moment
LLR_MAX = 5.0
MIN_NET = MIN_WINDOW_SPEECH * HOP / RATE


class Calibration:
    """llr = raw * (slope + slope_per_ln * ln(net / 4 s)) + offset."""

    def __init__(self, slope, slope_per_ln, offset):
        self.slope, self.slope_per_ln, self.offset = (float(np.float32(v)) for v in (slope, slope_per_ln, offset))

    def llr(self, raw, net):
        more = np.log(np.clip(net, NET_LOW, NET_HIGH) / 4.0)
        return np.clip(raw * (self.slope + self.slope_per_ln * more) + self.offset, -LLR_MAX, LLR_MAX)


def fit(courses, real, weights):
    """Logistic regression over every moment of every clip; a clip's moments share its weight, each class weighs a half."""
    rows, labels, shares = [], [], []
    for course, is_real, weight in zip(courses, real, weights):
        for net, mean in course:
            rows.append((mean, mean * np.log(np.clip(net, NET_LOW, NET_HIGH) / 4.0), 1.0))
            labels.append(1.0 if is_real else -1.0)
            shares.append(weight / len(course))
    rows, labels, shares = np.array(rows), np.array(labels), np.array(shares)
    for sign in (1.0, -1.0):
        shares[labels == sign] *= 0.5 / shares[labels == sign].sum()

    def cost(parameters):
        slope, per_ln, offset = parameters
        return float((np.logaddexp(0.0, -labels * (rows @ np.array([slope, per_ln, offset]))) * shares).sum()
                     + 1e-3 * (slope - 0.7) ** 2 + 1e-2 * per_ln ** 2)

    found = minimize(cost, (0.7, 0.1, 0.0), method="L-BFGS-B", bounds=[(0.05, 3), (0.0, 0.5), (-2, 2)]).x
    # The slope must not turn at little speech.
    per_ln = min(found[1], 0.9 * found[0] / -np.log(NET_LOW / 4.0))
    return Calibration(found[0], per_ln, found[2])


def extremes(calibration, scored, courses):
    """For each clip the lowest llr at which `spoof`, and the highest at which `bona_fide`, could be said (nan: never)."""
    lowest, highest = [], []
    for windows, course in zip(scored, courses):
        low, high, against, in_favour = np.nan, np.nan, 0, 0
        for (_, net, raw, window_net), (_, mean) in zip(windows, course):
            alone = calibration.llr(raw, window_net)
            against, in_favour = against + (alone < 0), in_favour + (alone > 0)
            llr = calibration.llr(mean, net)
            if net >= NET_MIN and against >= AGREEING:
                low = llr if np.isnan(low) else min(low, llr)
            if net >= NET_MIN and in_favour >= AGREEING:
                high = llr if np.isnan(high) else max(high, llr)
        lowest.append(low)
        highest.append(high)
    return np.array(lowest), np.array(highest)


def threshold(values, weights, share, below):
    """The least strict value that at most `share` of the clips pass, by clips and by equally weighing groups alike."""
    strictest = None
    for w in (np.full(len(values), 1.0), weights):
        w = w / w.sum()
        known = np.flatnonzero(~np.isnan(values))
        order = known[np.argsort(values[known] if below else -values[known], kind="stable")]
        passed = np.cumsum(w[order])
        first_too_many = int(np.argmax(passed > share)) if (passed > share).any() else len(order) - 1
        edge = values[order[first_too_many]] + (-1e-3 if below else 1e-3)
        strictest = edge if strictest is None else (min if below else max)(strictest, edge)
    return float(strictest)


def thresholds(calibration, scored, courses, real, weights):
    lowest, highest = extremes(calibration, scored, courses)
    spoof = min(-0.05, threshold(lowest[real], weights[real], FALSE_ALARMS, True))
    bona_fide = max(0.05, threshold(highest[~real], weights[~real], FALSE_COMFORT, False))
    return spoof, bona_fide


def halves(clips):
    """0 or 1 for each clip; whole sources and engines stay together, and each class is split evenly."""
    groups = sorted({(clip.real, clip.group) for clip in clips}, key=lambda g: (g[0], zlib.crc32(g[1].encode())))
    count, half = collections.Counter(), {}
    for group in groups:
        half[group] = count[group[0]] % 2
        count[group[0]] += 1
    return np.array([half[(clip.real, clip.group)] for clip in clips])


def label_shares(lowest, highest, spoof, bona_fide, which, weights):
    w = weights[which] / weights[which].sum()
    said_spoof = np.nan_to_num(lowest[which], nan=np.inf) <= spoof
    said_bona_fide = np.nan_to_num(highest[which], nan=-np.inf) >= bona_fide
    return {"spoof": round(float(w[said_spoof].sum()), 4), "bona_fide": round(float(w[said_bona_fide & ~said_spoof].sum()), 4),
            "never_either": round(float(w[~said_spoof & ~said_bona_fide].sum()), 4)}


def measure(scored, clips):
    """Calibration and thresholds from all of dev, and every figure; those called cross-fitted never saw their own half."""
    real = np.array([clip.real for clip in clips])
    heard = np.array([bool(windows) for windows in scored])
    courses = [evaluate.mean_course(windows) for windows in scored]
    weights = evaluate.macro_weights(clips)
    raw = np.array([course[-1][1] if course else 0.0 for course in courses])
    net = np.array([course[-1][0] if course else NET_LOW for course in courses])

    def part(which):
        picked = np.flatnonzero(which & heard)
        return [scored[i] for i in picked], [courses[i] for i in picked], real[picked], weights[picked], picked

    crossed, crossed_lowest, crossed_highest = np.zeros(len(clips)), np.full(len(clips), np.nan), np.full(len(clips), np.nan)
    half = halves(clips)
    alarms, comforts = [], []
    for other in (0, 1):
        s, c, r, w, _ = part(half != other)
        calibration = fit(c, r, w)
        spoof, bona_fide = thresholds(calibration, s, c, r, w)
        _, _, _, _, mine = part(half == other)
        crossed[mine] = calibration.llr(raw[mine], net[mine])
        lowest, highest = extremes(calibration, [scored[i] for i in mine], [courses[i] for i in mine])
        # Relative to this fold's thresholds, so that the folds can be counted together.
        crossed_lowest[mine], crossed_highest[mine] = lowest - spoof, highest - bona_fide
        alarms.append(spoof)
        comforts.append(bona_fide)

    s, c, r, w, all_heard = part(np.ones(len(clips), dtype=bool))
    calibration = fit(c, r, w)
    spoof, bona_fide = thresholds(calibration, s, c, r, w)
    # One in a hundred of a few hundred clips is a matter of luck: the strictest of all of dev and its halves is taken.
    spoof, bona_fide = min(spoof, *alarms), max(bona_fide, *comforts)
    lowest, highest = np.full(len(clips), np.nan), np.full(len(clips), np.nan)
    lowest[all_heard], highest[all_heard] = extremes(calibration, s, c)
    llr = np.where(heard, calibration.llr(raw, net), 0.0)
    one = np.ones(len(clips))

    def shares(low, high, at_low, at_high):
        return {name: {"by_group": label_shares(low, high, at_low, at_high, which, weights),
                       "by_clip": label_shares(low, high, at_low, at_high, which, one)}
                for name, which in (("real", real), ("synthetic", ~real))}

    by_group = {}
    for group in sorted({(clip.real, clip.group) for clip in clips}, key=lambda g: (not g[0], g[1])):
        which = np.array([(clip.real, clip.group) == group for clip in clips])
        by_group[("real " if group[0] else "synthetic ") + group[1]] = {
            "clips": int(which.sum()), "mean_llr": round(float(llr[which].mean()), 2),
            **label_shares(lowest, highest, spoof, bona_fide, which, one)}
    figures = {
        "what": "dev split, every clip through mu-law at 8 kHz; sources and engines weigh the same unless said; a label counts if it is given at any moment",
        "clips": {"real": int(real.sum()), "synthetic": int((~real).sum()), "with_a_scored_window": int(heard.sum())},
        "eer": round(evaluate.eer(llr, real, weights), 4),
        "eer_95": evaluate.bootstrap(evaluate.eer, llr, clips),
        "eer_by_clip": round(evaluate.eer(llr, real, one), 4),
        "cllr_cross_fitted": round(evaluate.cllr(crossed, real, weights), 4),
        "cllr": round(evaluate.cllr(llr, real, weights), 4),
        "min_cllr": round(evaluate.min_cllr(llr, real, weights), 4),
        "caught_at_1_percent_false_alarms": round(evaluate.caught_at(llr, real, weights), 4),
        "caught_at_1_percent_95": evaluate.bootstrap(evaluate.caught_at, llr, clips),
        "labels": shares(lowest, highest, spoof, bona_fide),
        "labels_cross_fitted": shares(crossed_lowest, crossed_highest, 0.0, 0.0),
        "by_group": by_group,
    }
    return calibration, spoof, bona_fide, figures
