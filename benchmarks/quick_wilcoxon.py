"""The Wilcoxon pruner's p-value without trying every sign: the same number, some hundred times sooner."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MOST = 13
"""Differences up to which SciPy tries all 2ⁿ signs where some are tied or zero."""


def wilcoxon(differences: NDArray[np.float64], *, alternative: str, zero_method: str) -> Any:
    """`scipy.stats.wilcoxon` as Optuna's pruner calls it; other arguments than its own are left to SciPy.

    With ties or zeros among few differences, SciPy lists the rank sums of all 2ⁿ signs. Here they are counted: adding
    a rank to the positive ones or not convolves their distribution, and four times a rank is an integer. The p-value
    is a count over 2ⁿ both ways, so it is equal to the bit.
    """
    size = np.abs(differences)
    tied = len(np.unique(size)) < len(size) or not size.all()
    if not tied or len(size) > MOST or (alternative, zero_method) != ("less", "zsplit"):
        return stats.wilcoxon(differences, alternative=alternative, zero_method=zero_method)
    steps = np.round(4 * stats.rankdata(size)).astype(int)
    ways = np.ones(1)
    for step in steps[size > 0]:
        ways = np.concatenate([ways, np.zeros(step)]) + np.concatenate([np.zeros(step), ways])
    found = int(steps[differences > 0].sum())
    return SimpleNamespace(pvalue=float(ways[: found + 1].sum() / ways.sum()))
