from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import yaml

from mersearch.by_database import scores_by_database
from mersearch.config import compose
from mersearch.config.records import Config
from mersearch.metrics import METRICS
from mersearch.search.policy import NoStopping
from mersearch.spread import chosen_with, lines, seeded
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


def test_the_seed_that_a_configuration_was_exported_with_is_passed_over_and_told_apart(
    tmp_path: Path,
) -> None:
    config = compose("quintuplet", ["run.name=r", "run.seed=4"])
    file = tmp_path / "best.yaml"
    file.write_text(yaml.safe_dump({"run": {"seed": 4}}))
    assert chosen_with(file) is None
    assert seeds_and_names(seeded(config, 3, chosen_with(file))) == {4: "r", 5: "r-seed5", 6: "r-seed6"}

    scores = dict.fromkeys(METRICS, 0.75)
    exported = {"run": "a-search-with-a-rather-long-name", "trial": 17, "mode": {}, **scores}
    file.write_text(yaml.safe_dump({"run": {"seed": 4}, "exported": exported}))
    chosen = chosen_with(file)
    assert chosen is not None
    assert seeds_and_names(seeded(config, 1, chosen)) == {4: "r"}, "one seed is a plain evaluation"
    assert seeds_and_names(seeded(config, 3, chosen)) == {5: "r-seed5", 6: "r-seed6", 7: "r-seed7"}
    earlier = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=3))
    assert seeds_and_names(seeded(earlier, 2, chosen)) == {3: "r", 5: "r-seed5"}

    run = a_run(tmp_path / "r")
    execute(run, 2, policy=NoStopping())
    plain, told = (lines(run.read().trials, each) for each in (None, chosen))
    added = [line for line in told if line not in plain]
    assert [line for line in told if line in plain] == plain, "no mean holds the score of the export"
    assert max(map(len, added)) <= 80
    said = " ".join(" ".join(added).split())
    assert said.startswith("Not seed 4, with which the configuration was exported from a-search-with")
    assert "trial 17 (UF1 0.7500, UAR 0.7500, accuracy 0.7500)" in said


def seeds_and_names(configs: list[Config]) -> dict[int, str]:
    return {config.run.seed: config.run.name for config in configs}
