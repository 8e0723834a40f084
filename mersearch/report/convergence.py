"""How fast a training loss falls, from the curves that folds keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mersearch.store import FoldRecord

SHARE: Final = 0.9
"""Part of the reference's drop that a loss has to make."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The mean over folds of a logged training loss.

    Attributes:
        steps: places of the values [n], in steps of the updates that log it, through all stages.
        values: means over the folds [n].
        total: steps in all.
    """

    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    total: int

    def level(self, share: float = SHARE) -> float | None:
        """The value after `share` of the way from the first value to the last; None where it did not fall."""
        first, last = float(self.values[0]), float(self.values[-1])
        return first - share * (first - last) if last < first else None

    def reaches(self, level: float) -> float | None:
        """The step at which the curve is at or below `level` for the first time, straight between values."""
        below = np.flatnonzero(self.values <= level)
        if not len(below):
            return None
        at = int(below[0])
        if at == 0:
            return float(self.steps[0])
        (x0, x1), (y0, y1) = self.steps[at - 1 : at + 1], self.values[at - 1 : at + 1]
        return float(x0 + (x1 - x0) * (y0 - level) / (y0 - y1))


def mean_curve(folds: Sequence[FoldRecord], log: str) -> Curve | None:
    """The curve of `log` over all stages that train on it, one after another; None where no fold has it.

    A fold keeps the mean of each of n bins of steps; a value stands at the middle of its bin.
    """
    end = f".{log}.curve"
    names = [name for name in (folds[0].diagnostics if folds else {}) if name.endswith(end)]
    if not names or any(name not in fold.diagnostics for fold in folds for name in names):
        return None
    places: list[NDArray[np.float64]] = []
    values: list[NDArray[np.float64]] = []
    total = 0
    for name in names:
        rows = np.array([fold.diagnostics[name] for fold in folds], np.float64)
        steps = int(folds[0].diagnostics[f"{name.removesuffix(end)}.steps"])
        places.append(total + _middles(steps, rows.shape[1]))
        values.append(_mean(rows))
        total += steps
    x, y = np.concatenate(places), np.concatenate(values)
    finite = np.isfinite(y)
    return Curve(x[finite], y[finite], total) if finite.any() else None


def _middles(steps: int, bins: int) -> NDArray[np.float64]:
    """Middles of the bins that `numpy.array_split` makes of the steps."""
    sizes = np.array([len(part) for part in np.array_split(np.arange(steps), bins)], np.float64)
    return np.asarray(sizes.cumsum() - sizes / 2)


def _mean(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Mean over the folds, of the finite values; NaN where there are none."""
    finite = np.isfinite(rows)
    total = np.where(finite, rows, 0).sum(0)
    mean = np.full(rows.shape[1], np.nan)
    np.divide(total, finite.sum(0), out=mean, where=finite.any(0))
    return mean
