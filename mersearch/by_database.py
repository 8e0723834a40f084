"""Scores of each database of a composite, from the same predictions as the score over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mersearch.data.table import database_of
from mersearch.metrics import METRICS, NAMES, confusion
from mersearch.store import Trial, predictions

Scores = dict[str, dict[str, float]]
"""Database → metric → score."""


def scores_by_database(trial: Trial) -> Scores:
    """The pooled metrics over the finished folds of each database; empty where all subjects are of one."""
    return of_counts(
        list(trial.folds),
        [
            confusion(fold.labels, predictions(fold), fold.logits.shape[1]).astype(np.float64)
            for fold in trial.folds.values()
        ],
    )


def of_counts(subjects: Sequence[str], counts: ArrayLike) -> Scores:
    """The metrics of each database from counts per subject [K, L, L]; empty where all subjects are of one."""
    per_subject: NDArray[np.float64] = np.asarray(counts, np.float64)
    names = np.array([database_of(subject) for subject in subjects])
    found = np.unique(names).tolist()
    if len(found) < 2:
        return {}
    return {
        name: {metric: METRICS[metric](per_subject[names == name].sum(0)) for metric in METRICS}
        for name in found
    }


def score_lines(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One line per database, to stand below the score over all; none for a single one."""
    width = max((len(name) for name in scores), default=0)
    return [
        f"  {name:{width}}  " + ", ".join(f"{NAMES[metric]} {value:.3f}" for metric, value in values.items())
        for name, values in scores.items()
    ]
