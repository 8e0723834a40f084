"""What the rest of a search may still add to its best score, and whether that is more than the score is sure of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mersearch import seeds
from mersearch.metrics import scores
from mersearch.search.projection import comparable_score
from mersearch.selection import resample, strata_of
from mersearch.statistics import per_subject
from mersearch.store import RunState, Trial

DRAWS: Final = 1000
GRID: Final = 400
REACH: Final = 8.0
"""Standard deviations above the mean where no score is expected any more."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What is to be had, and how sure the best score is.

    Attributes:
        expected: improvement of the best score that the trials to come promise.
        error: standard deviation of the best score over resamples of the subjects.
    """

    expected: float
    error: float

    @property
    def over(self) -> bool:
        """Whether what is to be had is less than what the score is sure of."""
        return self.expected < self.error


def gain(state: RunState, metric: str, *, coming: int, fewest: int) -> Gain | None:
    """What `coming` further trials promise, from the scores so far; None with fewer than `fewest` scores.

    The trials to come are taken to score as the later half of those so far (at least `fewest`): complete ones with
    their score, stopped ones with the score projected to all folds. Improved is the best score of a complete one.
    """
    best = state.best(metric)
    if best is None:
        return None
    scored = (comparable_score(trial, best, metric) for trial in state.trials.values())
    found = [score for score in scored if score is not None]
    if len(found) < fewest:
        return None
    later = found[-max(fewest, len(found) // 2) :]
    score = best.score(metric) or 0.0
    return Gain(expected_improvement(later, score, coming), _error(state, best, metric))


def expected_improvement(sample: Sequence[float], best: float, draws: int) -> float:
    """E[max(0, max(X_1, …, X_n) − best)] for n = `draws` from the normal law of `sample`.

    = ∫_best^∞ (1 − Φ((x − μ) / σ)^n) dx, by the trapezoidal rule. 0 for n = 0; for σ = 0, max(0, μ − best).
    """
    mean, deviation = float(np.mean(sample)), float(np.std(sample))
    if not draws:
        return 0.0
    if not deviation:
        return max(0.0, mean - best)
    below = max(0.0, mean - REACH * deviation - best)
    start, end = max(best, mean - REACH * deviation), mean + REACH * deviation
    if end <= start:
        return 0.0
    grid = np.linspace(start, end, GRID)
    below_all = np.array([_normal((x - mean) / deviation) for x in grid]) ** draws
    return below + float(np.trapezoid(1 - below_all, grid))


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _error(state: RunState, best: Trial, metric: str) -> float:
    """Standard deviation of the pooled score over resamples of the subjects."""
    counts = per_subject(best.confusions)
    strata = strata_of(state.plan.subjects)
    weights = resample(strata, DRAWS, seeds.generator("gain", len(strata)))
    return float(scores(metric, np.einsum("bk,kij->bij", weights, counts)).std())
