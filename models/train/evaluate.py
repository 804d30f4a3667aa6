"""Scores whole recordings the way the gateway hears them, and measures: EER, Cllr, caught at 1 % false alarms."""

import collections

import numpy as np

import g711
from limits import MEMORY_WINDOWS, SCORE_CLIP
from stream import Stream


def streams(clips, samples, law="mulaw"):
    """Each clip as a call after one G.711 round trip."""
    return [Stream(g711.through(np.asarray(samples[clip.start:clip.start + clip.length]), law)) for clip in clips]


def score(run, ready, batch=32):
    """For each clip a list of (hop, net speech, raw score, the window's own speech). `run` maps (mel, weights) to raw scores."""
    flat = [(i, *window) for i, heard in enumerate(ready) for window in heard]
    scored = [[] for _ in ready]
    for start in range(0, len(flat), batch):
        part = flat[start:start + batch]
        raw = run(np.stack([row[3] for row in part]).astype(np.float32), np.stack([row[4] for row in part]))
        for (i, hop, net, _, _, own), value in zip(part, raw):
            scored[i].append((hop, net, float(value), own))
    return scored


def mean_course(windows_of_clip, memory=MEMORY_WINDOWS):
    """(hop, net speech, running mean of clipped raw scores) after each scored window."""
    mean, out = 0.0, []
    for count, (hop, net, raw, _) in enumerate(windows_of_clip, start=1):
        mean += (float(np.clip(raw, -SCORE_CLIP, SCORE_CLIP)) - mean) / min(count, memory)
        out.append((hop, net, mean))
    return out


def macro_weights(clips):
    """Each class weighs the same; in it each source (real) or engine (synthetic) weighs the same."""
    count = collections.Counter((clip.real, clip.group) for clip in clips)
    groups = collections.Counter(real for real, _ in count)
    return np.array([0.5 / groups[clip.real] / count[(clip.real, clip.group)] for clip in clips])


def eer(scores, real, weights):
    """Equal error rate of weighted clips, higher score = bona fide; linear between the two thresholds that straddle it."""
    order = np.argsort(scores, kind="stable")
    r, w = real[order], weights[order]
    miss = np.concatenate([[0.0], np.cumsum(w * r) / (w * r).sum()])               # real at or below the threshold
    false = 1.0 - np.concatenate([[0.0], np.cumsum(w * ~r) / (w * ~r).sum()])      # synthetic above it
    k = int(np.argmax(miss >= false))
    gap_before, gap_after = false[k - 1] - miss[k - 1], miss[k] - false[k]
    share = gap_before / (gap_before + gap_after) if gap_before + gap_after > 0 else 0.5
    return float(miss[k - 1] + share * (miss[k] - miss[k - 1]))


def cllr(llr, real, weights):
    """Cost of log-likelihood ratios in bits (0 perfect, 1 says nothing)."""
    def half(values, w):
        return float((np.logaddexp(0.0, values) * w).sum() / w.sum() / np.log(2.0))
    return 0.5 * half(-llr[real], weights[real]) + 0.5 * half(llr[~real], weights[~real])


def min_cllr(scores, real, weights):
    """Cllr after the best monotone calibration (pool adjacent violators)."""
    order = np.argsort(scores, kind="stable")
    r = real[order].astype(float)
    w = weights[order].copy()
    w[r > 0] *= 0.5 / w[r > 0].sum()
    w[r == 0] *= 0.5 / w[r == 0].sum()
    blocks = []
    for value, weight in zip(r, w):
        blocks.append([value * weight, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            for i in range(3):
                blocks[-1][i] += last[i]
    p = np.concatenate([np.full(n, s / t) for s, t, n in blocks])
    llr = np.log(np.clip(p, 1e-9, 1)) - np.log(np.clip(1 - p, 1e-9, 1))
    return cllr(llr, r > 0, w)


def caught_at(scores, real, weights, false_alarms=0.01):
    """Share of synthetic below the score that this share of real falls under."""
    r = np.flatnonzero(real)
    r = r[np.argsort(scores[r], kind="stable")]
    share = np.cumsum(weights[r]) / weights[r].sum()
    threshold = scores[r[np.searchsorted(share, false_alarms, side="right")]]
    s = ~real
    return float((weights[s] * (scores[s] < threshold)).sum() / weights[s].sum())


def judge(scored, clips):
    """(minCllr, a line with EER, minCllr and caught) of the clips' running means at their ends."""
    final = np.array([mean_course(windows)[-1][2] if windows else np.nan for windows in scored])
    heard = ~np.isnan(final)
    part = [clip for clip, ok in zip(clips, heard) if ok]
    judged = final[heard], np.array([clip.real for clip in part]), macro_weights(part)
    least = min_cllr(*judged)
    return least, f"EER {eer(*judged):.4f} minCllr {least:.4f} caught at 1 % {caught_at(*judged):.4f}"


def bootstrap(statistic, scores, clips, rounds=200, seed=1):
    """95 % interval of `statistic(scores, real, weights)` when whole sources and engines are drawn again."""
    rng = np.random.default_rng(seed)
    groups = collections.defaultdict(list)
    for i, clip in enumerate(clips):
        groups[(clip.real, clip.group)].append(i)
    by_class = {real: [members for (r, _), members in sorted(groups.items()) if r == real] for real in (True, False)}
    values = []
    for _ in range(rounds):
        chosen, weights = [], []
        for members in by_class.values():
            for g in rng.integers(len(members), size=len(members)):
                again = rng.choice(members[g], size=len(members[g]))
                chosen.extend(again)
                weights.extend([0.5 / len(members) / len(again)] * len(again))
        chosen = np.array(chosen)
        values.append(statistic(scores[chosen], np.array([clips[i].real for i in chosen]), np.array(weights)))
    return [round(float(v), 4) for v in np.quantile(values, (0.025, 0.975))]
