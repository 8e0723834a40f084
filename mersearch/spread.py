"""One configuration trained with several seeds: how much of its score is luck of the training."""

from __future__ import annotations

import dataclasses
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from mersearch.by_database import score_lines, scores_by_database
from mersearch.evaluation import exported, seed_in
from mersearch.metrics import METRICS, NAMES
from mersearch.student import quantile

if TYPE_CHECKING:
    from mersearch.config.records import Config
    from mersearch.store import Trial


@dataclass(frozen=True, slots=True)
class Chosen:
    """The seed that a configuration was exported with: it may have been chosen for its score with that one.

    Attributes:
        seed: that it was trained with.
        where: its run and trial.
        scores: metric → score that it had there.
    """

    seed: int
    where: str
    scores: Mapping[str, float]

    def lines(self) -> list[str]:
        """What stands beside the scores of the other seeds, 80 columns wide."""
        had = ", ".join(f"{NAMES[name]} {value:.4f}" for name, value in self.scores.items())
        text = (
            f"Not seed {self.seed}, with which the configuration was exported from {self.where} ({had}): it may have "
            "been chosen for that score."
        )
        return textwrap.wrap(text, 80, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def chosen_with(file: Path) -> Chosen | None:
    """Where an exported file comes from; None for another one."""
    carried = exported(file)
    seed = seed_in(file) if carried else None
    if seed is None:
        return None
    return Chosen(
        seed, f"{carried['run']}, trial {carried['trial']}", {name: carried[name] for name in METRICS}
    )


def seeded(config: Config, seeds: int, chosen: Chosen | None = None) -> list[Config]:
    """The configuration with `seeds` seeds, its own and the next ones, each in a run of its own.

    Its own keeps the name of its run, so that an evaluation that exists counts as one of them. The seed that it was
    chosen with is passed over where there are several.
    """
    first = config.run.seed
    left_out = chosen.seed if chosen is not None and seeds > 1 else None
    return [
        config
        if seed == first
        else dataclasses.replace(
            config, run=dataclasses.replace(config.run, seed=seed, name=f"{config.run.name}-seed{seed}")
        )
        for seed in islice((seed for seed in count(first) if seed != left_out), seeds)
    ]


def lines(trials: Mapping[int, Trial], chosen: Chosen | None = None) -> list[str]:
    """Every seed's scores, and their mean, standard deviation and range; of a composite, the mean of each database.

    Args:
        trials: seed → the trial with all folds; at least two.
        chosen: whose seed is not among them, which is said.
    """
    scores = {
        seed: [METRICS[name](trial.confusions[-1]) for name in METRICS] for seed, trial in trials.items()
    }
    rows = [f"  {seed:6d}  " + "  ".join(f"{value:8.4f}" for value in row) for seed, row in scores.items()]
    head = "  ".join(f"{NAMES[name]:>8s}" for name in METRICS)
    found = [
        _spread(NAMES[name], [row[place] for row in scores.values()]) for place, name in enumerate(METRICS)
    ]
    aside = chosen.lines() if chosen is not None else []
    return [f"  {'seed':>6s}  {head}", *rows, *aside, "", *found, *_databases(trials)]


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
