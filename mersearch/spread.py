"""One configuration trained with several seeds: how much of its score is luck of the training."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mersearch.by_database import score_lines, scores_by_database
from mersearch.metrics import METRICS, NAMES
from mersearch.student import quantile

if TYPE_CHECKING:
    from mersearch.config.records import Config
    from mersearch.store import Trial


def seeded(config: Config, seeds: int) -> list[Config]:
    """The configuration with its own seed, and with the `seeds` − 1 next ones, each in a run of its own.

    The first keeps the name of its run, so that an evaluation that exists counts as one of them.
    """
    first = config.run.seed
    return [
        config
        if seed == first
        else dataclasses.replace(
            config, run=dataclasses.replace(config.run, seed=seed, name=f"{config.run.name}-seed{seed}")
        )
        for seed in range(first, first + seeds)
    ]


def lines(trials: Mapping[int, Trial]) -> list[str]:
    """Every seed's scores, and their mean, standard deviation and range; of a composite, the mean of each database.

    Args:
        trials: seed → the trial with all folds; at least two.
    """
    scores = {
        seed: [METRICS[name](trial.confusions[-1]) for name in METRICS] for seed, trial in trials.items()
    }
    rows = [f"  {seed:6d}  " + "  ".join(f"{value:8.4f}" for value in row) for seed, row in scores.items()]
    head = "  ".join(f"{NAMES[name]:>8s}" for name in METRICS)
    found = [
        _spread(NAMES[name], [row[place] for row in scores.values()]) for place, name in enumerate(METRICS)
    ]
    return [f"  {'seed':>6s}  {head}", *rows, "", *found, *_databases(trials)]


def _databases(trials: Mapping[int, Trial]) -> list[str]:
    """The mean over seeds of every database's scores."""
    found = [scores_by_database(trial) for trial in trials.values()]
    means = {
        name: {metric: statistics.fmean(scores[name][metric] for scores in found) for metric in METRICS}
        for name in found[0]
    }
    return ["", "  means by database", *score_lines(means)] if means else []


def _spread(name: str, values: Sequence[float]) -> str:
    """Mean, standard deviation, range, and the 95 % interval of the mean over seeds."""
    mean, deviation, n = statistics.fmean(values), statistics.stdev(values), len(values)
    half = quantile(0.975, n - 1) * deviation / n**0.5
    return (
        f"  {name:9s} {mean:.4f} ± {deviation:.4f} over {n} seeds ({min(values):.4f} to {max(values):.4f}; "
        f"mean ± {half:.4f}, 95%)"
    )
