"""Is one configuration better than another? Compared in pairs, subject by subject, on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.errors import DataError
from mersearch.metrics import scores
from mersearch.selection import resample, strata_of

RESAMPLES: Final = 4000
LEVEL: Final = 0.95
Counts = NDArray[np.integer[Any]] | NDArray[np.float64]
Verdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A pooled metric of one configuration less that of another, and how sure it is over subjects."""

    value: float
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""

    @property
    def verdict(self) -> Verdict:
        """`undecided` where the interval includes 0: no proof of a difference, and none that there is none."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "undecided"


def paired_difference(
    first: Counts,
    second: Counts,
    metric: str,
    *,
    subjects: Sequence[str] = (),
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Difference:
    """The metric of `first` less that of `second`, with its percentile interval over subjects.

    Δ = s(Σ_k A_k) − s(Σ_k B_k). A resample draws K subjects with replacement, pools the counts of both
    configurations over the same draw, and takes Δ again; the interval lies between the (1 − level)/2 and the
    (1 + level)/2 quantiles of these. Of several databases, each gives as many of the K as it has: the shares of a
    composite are its rule, not chance. What is drawn depends on `seed` and the folds only, so all comparisons on the
    same folds use the same resamples.

    The interval says how the difference may vary with the people that were recorded. It does not know how it varies
    with the seed of the training, and with few subjects (below about 20) it is too narrow.

    Args:
        first: confusion counts per subject [K, L, L], rows = true classes; expected counts need not be whole.
        second: of the other configuration, on the same clips in the same order of subjects.
        metric: `uf1`, `uar` or `accuracy`.
        subjects: names [K], which tell the databases; without them, one.
        seed: of the resampling.
        resamples: how many.
        level: of the interval.

    Raises:
        DataError: the two do not hold the same clips.
    """
    pair = _paired(first, second)
    rng = seeds.generator("paired bootstrap", seed, pair.shape[1])
    drawn = _multiplicities(rng, pair.shape[1], resamples, subjects)
    pooled = np.einsum("rk,ckij->crij", drawn, pair, optimize=True)
    resampled = scores(metric, pooled)
    low, high = np.quantile(resampled[0] - resampled[1], [(1 - level) / 2, (1 + level) / 2])
    whole = scores(metric, pair.sum(1))
    return Difference(float(whole[0] - whole[1]), float(low), float(high))


def per_subject(pooled: Counts) -> Counts:
    """Counts of each fold [K, L, L], from counts pooled over the first 0…K folds [K + 1, L, L]."""
    return np.diff(pooled, axis=0)


def _paired(first: Counts, second: Counts) -> NDArray[np.float64]:
    """Both [2, K, L, L]."""
    shapes = first.shape, second.shape
    if shapes[0] != shapes[1] or first.ndim != 3 or not len(first) or first.shape[1] != first.shape[2]:
        received = f"counts of shapes {shapes[0]} and {shapes[1]}"
    else:
        differing = ~np.isclose(first.sum(-1), second.sum(-1)).all(-1)
        if not differing.any():
            return np.stack([first, second]).astype(np.float64)
        received = f"{int(differing.sum())} of {len(first)} subjects with other clips per class"
    raise DataError(
        "a paired comparison is over the same clips of the same subjects",
        received=received,
        fix="compare configurations with all folds, on the same data and label set",
    )


def _multiplicities(
    rng: np.random.Generator, k: int, resamples: int, subjects: Sequence[str]
) -> NDArray[np.float64]:
    """How often each subject is in each resample [R, K]."""
    strata = strata_of(subjects) if subjects else np.zeros(k, np.int64)
    if len(np.unique(strata)) > 1:
        return resample(strata, resamples, rng)
    drawn = rng.integers(k, size=(resamples, k))
    drawn += np.arange(resamples)[:, None] * k
    counts = np.bincount(drawn.ravel(), minlength=resamples * k)
    return counts.reshape(resamples, k).astype(np.float64)
