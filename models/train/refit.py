"""Logistic regression over all train clips at once, the groups weighing as they should: what stands on top of both stages."""

import collections

import numpy as np
from scipy.optimize import minimize

from sampling import LJ_WEIGHT, is_lj


def weigh(clips, owner):
    """As sampling draws: classes alike, groups by the root of their size, LJSpeech's voice less."""
    groups = [(clips[i].real, clips[i].group) for i in owner]
    count = collections.Counter(groups)
    weight = np.array([count[group] ** -0.5 * (LJ_WEIGHT if is_lj(clips[i]) else 1.0) for group, i in zip(groups, owner)])
    real = np.array([group[0] for group in groups])
    for which in (real, ~real):
        weight[which] *= 0.5 / weight[which].sum()
    return weight


def logistic(x, label, weight, held, start):
    """Coefficients and, last, the offset. The matrix products are in float32: it is large, and the rest is not."""
    sign = np.where(label, 1.0, -1.0)
    x = np.ascontiguousarray(x, dtype=np.float32)

    def cost(c):
        margin = sign * ((x @ c[:-1].astype(np.float32)).astype(np.float64) + c[-1])
        pull = -sign * weight / (1.0 + np.exp(np.clip(margin, -60, 60)))
        gradient = np.append((pull.astype(np.float32) @ x).astype(np.float64) + held * c[:-1], pull.sum())
        return (np.logaddexp(0.0, -margin) * weight).sum() + 0.5 * held * (c[:-1] ** 2).sum(), gradient

    return minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
