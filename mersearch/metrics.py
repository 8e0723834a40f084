"""Scores of a leave-one-subject-out evaluation: pool the confusion over the folds, then take the metric once.

A mean of per-fold scores is another number, because most subjects lack a class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Confusion = NDArray[np.int64]
Sums = NDArray[np.float64]


def confusion(labels: ArrayLike, predictions: ArrayLike, classes: int) -> Confusion:
    """Counts [L, L]: row = true class, column = predicted class."""
    true, predicted = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    flat = np.bincount(true * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def class_f1(counts: ArrayLike) -> NDArray[np.float64]:
    """F1 per class, 2·M_ll / (row_l + col_l), [..., L, L] → [..., L]; 0 where the denominator is 0."""
    matrix = np.asarray(counts, np.float64)
    return _f1(_diagonal(matrix), matrix.sum(-1), matrix.sum(-2))


def scores(metric: str, counts: ArrayLike) -> NDArray[np.float64]:
    """The metric of every matrix of counts: [..., L, L] → [...].

    `uf1`: the mean of `class_f1` over all L classes of the label set, as in MEGC 2019. `uar`: the mean recall over
    the classes that occur among the true labels; 0 for no clips. `accuracy`: the share of clips on the diagonal; 0
    for no clips.
    """
    matrix = np.asarray(counts, np.float64)
    return scores_of_sums(metric, _diagonal(matrix), matrix.sum(-1), matrix.sum(-2))


def scores_of_sums(metric: str, diagonal: Sums, rows: Sums, columns: Sums) -> NDArray[np.float64]:
    """`scores` from the diagonals, row sums and column sums alone, broadcast: [..., L] each → [...]."""
    return np.asarray(_SCORES[metric](diagonal, rows, columns))


def uf1(counts: ArrayLike) -> float:
    """Unweighted F1 of one matrix, see `scores`."""
    return float(scores("uf1", counts))


def uar(counts: ArrayLike) -> float:
    """Unweighted average recall of one matrix, see `scores`."""
    return float(scores("uar", counts))


def accuracy(counts: ArrayLike) -> float:
    """Accuracy of one matrix, see `scores`."""
    return float(scores("accuracy", counts))


def _f1(diagonal: Sums, rows: Sums, columns: Sums) -> Sums:
    return _ratio(2 * diagonal, rows + columns)


def _uar(diagonal: Sums, rows: Sums, _: Sums) -> Sums:
    return np.asarray(_ratio(diagonal, rows).sum(-1) / np.maximum(1, (rows > 0).sum(-1)))


def _accuracy(diagonal: Sums, rows: Sums, _: Sums) -> Sums:
    return _ratio(diagonal.sum(-1), rows.sum(-1))


def _ratio(numerator: Sums, denominator: Sums) -> Sums:
    """0 where the denominator is 0; the denominator is broadcast."""
    return np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=denominator > 0)


def _diagonal(counts: NDArray[np.float64]) -> Sums:
    return np.diagonal(counts, axis1=-2, axis2=-1)


_SCORES: dict[str, Callable[[Sums, Sums, Sums], Sums]] = {
    "uf1": lambda *sums: np.asarray(_f1(*sums).mean(-1)),
    "uar": _uar,
    "accuracy": _accuracy,
}
METRICS: dict[str, Callable[[ArrayLike], float]] = {"uf1": uf1, "uar": uar, "accuracy": accuracy}
NAMES = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}
"""As people write them."""
