"""How a pooled score moves when one clip is predicted otherwise: the gradient in the confusion counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Gradient = NDArray[np.float64]


def uf1_gradient(counts: ArrayLike) -> Gradient:
    """∂UF1/∂M [L, L].

    With d_l = row_l + col_l, and nothing from a class with d_l = 0:
    g[y, j] = (1/L) Σ_l (2·1(y = j = l) d_l − 2 M_ll (1(y = l) + 1(j = l))) / d_l².
    """
    matrix = np.asarray(counts, np.float64)
    size, d = matrix.sum(1) + matrix.sum(0), np.zeros(len(matrix))
    np.divide(1, size, out=d, where=size > 0)
    slope = 2 * np.diagonal(matrix) * d**2
    return np.asarray((np.diag(2 * d) - slope[:, None] - slope[None, :]) / len(matrix), np.float64)


def uar_gradient(counts: ArrayLike) -> Gradient:
    """∂UAR/∂M [L, L]: (1(y = j) − M_yy/row_y) / row_y over the number of classes present, 0 for an absent class."""
    matrix = np.asarray(counts, np.float64)
    rows, inverse = matrix.sum(1), np.zeros(len(matrix))
    np.divide(1, rows, out=inverse, where=rows > 0)
    recall = np.diagonal(matrix) * inverse
    gradient = (np.eye(len(matrix)) - recall[:, None]) * inverse[:, None]
    return np.asarray(gradient / max(1, (rows > 0).sum()), np.float64)


def accuracy_gradient(counts: ArrayLike) -> Gradient:
    """∂accuracy/∂M [L, L]: (1(y = j) − accuracy) / clips; 0 for no clips."""
    matrix = np.asarray(counts, np.float64)
    total = matrix.sum()
    if not total:
        return np.zeros_like(matrix)
    return np.asarray((np.eye(len(matrix)) - np.trace(matrix) / total) / total, np.float64)


GRADIENTS: dict[str, Callable[[ArrayLike], Gradient]] = {
    "uf1": uf1_gradient,
    "uar": uar_gradient,
    "accuracy": accuracy_gradient,
}
"""Metric → its gradient."""
