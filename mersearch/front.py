"""Which trials are worth their time: no other one scores as high in less."""

from __future__ import annotations

from typing import Any

from mersearch.metrics import NAMES
from mersearch.store import RunState, Trial


def fold_cost(trial: Trial) -> float:
    """Mean compute seconds of the trial's finished folds; 0 without any."""
    seconds = [fold.seconds for fold in trial.folds.values()]
    return sum(seconds) / len(seconds) if seconds else 0.0


def front(state: RunState, metric: str) -> list[Trial]:
    """The complete trials that no other one dominates, the highest metric first.

    One dominates another where it scores at least as high in at most as many seconds per fold, and is better in one
    of the two; of equals in both, the lower number stays.
    """
    found: list[Trial] = []
    fastest = float("inf")
    for trial in sorted(
        state.in_state("complete"), key=lambda t: (-(t.score(metric) or 0.0), fold_cost(t), t.number)
    ):
        if fold_cost(trial) < fastest:
            found.append(trial)
            fastest = fold_cost(trial)
    return found


def facts(state: RunState, metric: str) -> list[dict[str, Any]]:
    """The front for `status --json`."""
    return [
        {"trial": trial.number, metric: trial.score(metric), "seconds_per_fold": fold_cost(trial)}
        for trial in front(state, metric)
    ]


def lines(state: RunState, metric: str) -> list[str]:
    """The front for people; empty without a complete trial."""
    rows = [
        f"  {trial.number:5d}  {trial.score(metric) or 0.0:8.3f}  {fold_cost(trial):6.2f}"
        for trial in front(state, metric)
    ]
    head = f"  trial  {NAMES[metric]:>8s}  s/fold"
    return (
        ["no trial scores as high in less time (the scores are not corrected):", head, *rows] if rows else []
    )
