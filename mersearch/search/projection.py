"""What a stopped trial would have scored on all folds, seen from the best complete trial."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mersearch.metrics import METRICS
from mersearch.store import Trial

Rates = NDArray[np.float64]


def project(prefix: ArrayLike, reference_prefix: ArrayLike, reference_rest: ArrayLike) -> Rates:
    """Projected confusion counts [L, L] of a trial over all folds.

    With n_y clips of class y in the prefix, r_c and r_i the row-normalised confusions of the trial and of the
    reference on the prefix, and q_i that of the reference on the rest:

        s_y = n_y / (n_y + 2)
        p[y, :] = normalise(clip(q_i[y, :] + s_y (r_c[y, :] − r_i[y, :]), 0, 1))
        M̂ = M_c(prefix) + diag(n_rest) p

    A class absent from the prefix has no shift, one absent from the rest adds nothing. The reference projected
    from its own prefix is the reference.

    Args:
        prefix: counts [L, L] of the trial over its finished folds, rows = true classes.
        reference_prefix: counts of the reference over the same folds.
        reference_rest: counts of the reference over the other folds.
    """
    own, reference, rest = (np.asarray(m, np.float64) for m in (prefix, reference_prefix, reference_rest))
    clips = own.sum(1, keepdims=True)
    weight = clips / (clips + 2)
    shifted = np.clip(_rows(rest) + weight * (_rows(own) - _rows(reference)), 0, 1)
    return np.asarray(own + rest.sum(1, keepdims=True) * _rows(shifted), np.float64)


def _rows(counts: Rates) -> Rates:
    """Rows divided by their sums; a row of zeros stays one."""
    total = counts.sum(1, keepdims=True)
    rates = np.zeros_like(counts)
    np.divide(counts, total, out=rates, where=total > 0)
    return rates


def comparable_score(trial: Trial, reference: Trial | None, metric: str) -> float | None:
    """A score of all folds: of a complete trial as it is, of a stopped one projected; None of any other."""
    if trial.state == "complete":
        return trial.score(metric)
    return projected_score(trial, reference, metric) if trial.state == "stopped" else None


def projected_score(trial: Trial, reference: Trial | None, metric: str) -> float | None:
    """The metric of a trial projected to all folds, relative to the best complete trial.

    None before the first complete trial, and for a trial without a finished fold.
    """
    if reference is None or trial.done == 0:
        return None
    prefix = reference.confusions[trial.done]
    return METRICS[metric](project(trial.confusions[-1], prefix, reference.confusions[-1] - prefix))
