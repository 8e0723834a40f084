from __future__ import annotations

from pathlib import Path

import numpy as np

from mersearch.metrics import METRICS
from mersearch.search.policy import NoStopping
from mersearch.spread import lines
from mersearch.student import quantile
from tests.runs import a_run, execute


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
        assert f"({min(found):.4f} to {max(found):.4f}; mean ± {half:.4f})" in text[5 + place]
