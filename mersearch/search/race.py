"""Linearised predictive futility: a trial races the best complete one over the same finite set of subjects.

The folds of a trial are a finite and known population, so the question after m of K folds is whether the trial,
with the folds that are left, can still end above the incumbent. This is the conditional power of a group-sequential
test, for a pooled score that is linearised about the incumbent's confusion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.metrics import METRICS
from mersearch.search.gradient import GRADIENTS
from mersearch.search.policy import Counts, Snapshot, looks_at
from mersearch.search.projection import project
from mersearch.store import Verdict
from mersearch.student import quantile

PRIOR = 4
"""Folds that the spread seen in earlier complete trials is worth."""
LEAST = 3
"""Folds of the first look at least."""


@dataclass(frozen=True, slots=True)
class Race:
    """Stop a trial whose projected score falls short of the incumbent's by more than chance explains.

    With the incumbent i = the best complete trial, D̂ = metric(M̂) − metric(M_i) for the projection M̂ of the trial
    (`projection.project`), and sd its predicted deviation (`deviation`), a trial stops iff

        D̂ + delta < −t_ν(1 − alpha) · sd.

    Until `first` trials are complete, every trial goes on. A share `audit` of the trials, drawn from seed and number,
    is never stopped: what becomes of those that the rule would have stopped estimates its error. A verdict holds D̂,
    sd and the limit, and the complete trials it rests on, so that it can be made again.

    Attributes:
        alpha: chance per look to stop a trial that would have drawn level.
        rungs: shares of the folds of a full trial.
        audit: share of the trials that are never stopped.
        first: fewest complete trials for a stop.
        delta: a shortfall of the score that is no reason to stop.
        seed: of the run, for the audit.
    """

    alpha: float
    rungs: tuple[float, ...]
    audit: float = 0.05
    first: int = 3
    delta: float = 0.0
    seed: int = 0

    def looks(self, folds: int) -> tuple[int, ...]:
        """`looks_at` the rungs, after `LEAST` folds at the earliest.

        >>> Race(alpha=0.1, rungs=(0.125, 0.25, 0.375, 0.5, 0.75)).looks(26)
        (4, 7, 10, 13, 20)
        """
        return looks_at(self.rungs, folds, least=LEAST)

    def decide(self, snapshot: Snapshot, trial: int, prefix: Counts) -> Verdict:
        """The rule above after m folds, with `prefix` [m + 1, L, L]."""
        folds, value = len(prefix) - 1, snapshot.value(prefix)
        complete = snapshot.complete(trial)
        peers = tuple(complete)
        if math.isnan(value):
            return Verdict(trial, folds, False, "the value is not a number", value, peers)
        if len(complete) < max(1, self.first):
            why = f"{len(complete)} of {max(1, self.first)} other trials are complete"
            return Verdict(trial, folds, True, why, value, peers)
        basis = self._basis(snapshot, complete, prefix)
        stop = basis["gap"] + self.delta < basis.get("limit", -math.inf)
        audited = stop and self.audited(trial)
        why = f"projected {basis['gap']:+.3f} to trial {basis['incumbent']} after {folds} folds, "
        if "limit" in basis:
            why += f"{'stopped' if stop else 'goes on'}: the limit is {basis['limit'] - self.delta:+.3f}"
        else:
            why += "goes on: too few folds for a limit"
        if audited:
            basis["audited"] = 1
            why += ", goes on as an audit"
        return Verdict(trial, folds, not stop or audited, why, value, peers, basis=basis)

    def audited(self, trial: int) -> bool:
        """Whether a trial is never stopped; a function of seed and number."""
        return seeds.seed("audit", self.seed, trial) < self.audit * 2**62

    def _basis(self, snapshot: Snapshot, complete: dict[int, Counts], prefix: Counts) -> dict[str, float]:
        """Incumbent and gap D̂; where it is known, the deviation sd and with it the limit −t·sd."""
        m, metric = len(prefix) - 1, METRICS[snapshot.metric]
        best, earlier = _history(snapshot, complete)
        reference = complete[best]
        rest = reference[-1] - reference[m]
        gap = metric(project(prefix[-1], reference[m], rest)) - metric(reference[-1])
        basis = {"incumbent": best, "gap": gap}
        own, before, after = deviation(snapshot.metric, prefix, reference), prefix[-1].sum(), rest.sum()
        if (pooled := _pooled(own, earlier, m, _present(prefix))) is None:
            return basis
        spread, freedom = pooled
        sd = math.sqrt(spread * after * (1 + after / max(1, before)))
        return {**basis, "sd": sd, "limit": -quantile(1 - self.alpha, freedom) * sd}


def _pooled(own: float | None, earlier: Sequence[float], m: int, present: int) -> tuple[float, int] | None:
    """Variance per clip pooled with its mean in earlier trials, worth `PRIOR` folds, and its degrees of freedom.

    One of the two alone where the other is not known: the trial has as few folds as classes, or is the first but one.
    """
    prior = sum(earlier) / len(earlier) if earlier else None
    if own is None:
        return None if prior is None else (prior, PRIOR)
    if prior is None:
        return own, m - present
    return (PRIOR * prior + (m - 1) * own) / (PRIOR + m - 1), PRIOR + m - 1


def deviation(metric: str, prefix: Counts, reference: Counts) -> float | None:
    """s², the variance per clip of a trial's linearised difference to a reference, around its mean per class.

    With g the gradient at the reference's full counts, D_ky = Σ_j g[y, j] (M_ck − M_ik)[y, j] over the m folds k
    of the prefix, d̄_y = Σ_k D_ky / n_y and e_k = Σ_y (D_ky − n_ky d̄_y):

        s² = m / (m − L') · Σ_k e_k² / Σ_k n_k, with L' the classes present in the prefix.

    Args:
        metric: `uf1`, `uar` or `accuracy`.
        prefix: counts [m + 1, L, L] of the trial, pooled over 0…m folds.
        reference: counts [K + 1, L, L] of a complete trial, K ≥ m.

    Returns:
        None where m ≤ L', or without a clip.
    """
    m, present = len(prefix) - 1, _present(prefix)
    if m <= present or not present:
        return None
    gradient = GRADIENTS[metric](reference[-1])
    difference = np.diff(prefix - reference[: m + 1], axis=0) * gradient
    per_class: NDArray[np.float64] = difference.sum(2)
    clips = np.diff(prefix, axis=0).sum(2)
    mean = per_class.sum(0) / np.maximum(1, clips.sum(0))
    e = (per_class - clips * mean).sum(1)
    return float(m / (m - present) * (e**2).sum() / clips.sum())


def _history(snapshot: Snapshot, complete: dict[int, Counts]) -> tuple[int, list[float]]:
    """The incumbent (the lower number on a tie), and `deviation` of every complete trial from the incumbent of then.

    Then = among the complete trials of lower numbers, over all folds.
    """
    scores = {number: METRICS[snapshot.metric](complete[number][-1]) for number in sorted(complete)}
    best, found = min(scores), []
    for number in list(scores)[1:]:
        spread = deviation(snapshot.metric, complete[number], complete[best])
        found += [] if spread is None else [spread]
        best = number if scores[number] > scores[best] else best
    return best, found


def _present(prefix: Counts) -> int:
    """L': classes that the prefix has clips of."""
    return int((prefix[-1].sum(1) > 0).sum())
