from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from mersearch.by_database import scores_by_database
from mersearch.metrics import METRICS
from mersearch.search.policy import NoStopping
from mersearch.spread import lines
from mersearch.student import quantile
from tests.runs import a_plan, a_run, execute


def test_the_spread_is_mean_standard_deviation_and_range_of_every_metric(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 3, policy=NoStopping())
    trials = run.read().trials
    text = lines(trials)
    assert max(map(len, text)) <= 80
    for place, metric in enumerate(METRICS):
        found = [METRICS[metric](trial.confusions[-1]) for trial in trials.values()]
        for row, value in zip(text[1:4], found, strict=True):
            assert row.split()[place + 1] == f"{value:.4f}"
        mean, deviation = float(np.mean(found)), float(np.std(found, ddof=1))
        half = quantile(0.975, 2) * deviation / 3**0.5
        assert f"{mean:.4f} ± {deviation:.4f} over 3 seeds" in text[5 + place]
        assert f"({min(found):.4f} to {max(found):.4f}; mean ± {half:.4f}, 95%)" in text[5 + place]


def test_of_a_composite_the_mean_over_seeds_is_told_for_each_database(tmp_path: Path) -> None:
    plan = a_plan()
    subjects = ("a/0", "b/0", "a/1", "b/1", "a/2", "b/2")
    run = a_run(tmp_path / "r", dataclasses.replace(plan, subjects=subjects))
    execute(run, 2, policy=NoStopping())
    trials = run.read().trials
    found = [scores_by_database(trial) for trial in trials.values()]
    text = lines(trials)
    for name in ("a", "b"):
        means = [sum(scores[name][metric] for scores in found) / 2 for metric in METRICS]
        assert f"  {name}  UF1 {means[0]:.3f}, UAR {means[1]:.3f}, accuracy {means[2]:.3f}" in text
