"""Scores of a leave-one-subject-out evaluation: pool the confusion over the folds, then take the metric once.

A mean of per-fold scores is another number, because most subjects lack a class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Confusion = NDArray[np.int64]


def confusion(labels: ArrayLike, predictions: ArrayLike, classes: int) -> Confusion:
    """Counts [L, L]: row = true class, column = predicted class."""
    true, predicted = np.asarray(labels, np.int64), np.asarray(predictions, np.int64)
    flat = np.bincount(true * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def class_f1(counts: ArrayLike) -> NDArray[np.float64]:
    """F1 per class [L], 2·M_ll / (row_l + col_l); 0 where the denominator is 0."""
    matrix = np.asarray(counts, np.float64)
    denominator = matrix.sum(-1) + matrix.sum(-2)
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    f1 = np.zeros_like(diagonal)
    np.divide(2 * diagonal, denominator, out=f1, where=denominator > 0)
    return f1


def uf1(counts: ArrayLike) -> float:
    """Unweighted F1: the mean of `class_f1` over all L classes of the label set, as in MEGC 2019."""
    return float(class_f1(counts).mean(-1))


def uar(counts: ArrayLike) -> float:
    """Unweighted average recall over the classes that occur among the true labels."""
    matrix = np.asarray(counts, np.float64)
    rows = matrix.sum(-1)
    present = rows > 0
    return float((np.diagonal(matrix)[present] / rows[present]).mean()) if present.any() else 0.0


def accuracy(counts: ArrayLike) -> float:
    """Share of clips on the diagonal; 0 for no clips."""
    matrix = np.asarray(counts, np.float64)
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else 0.0


METRICS: dict[str, Callable[[ArrayLike], float]] = {"uf1": uf1, "uar": uar, "accuracy": accuracy}
NAMES = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}
"""As people write them."""
