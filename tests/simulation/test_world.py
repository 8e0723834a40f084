from __future__ import annotations

import numpy as np
import pytest

from mersearch.data.synthetic.labels import CASME2_COUNTS
from mersearch.metrics import METRICS, confusion
from mersearch.simulation import LAYOUTS, Layout, World
from mersearch.store import predictions

POINT = {"algorithm.x0": 0.3, "algorithm.x1": 0.5, "algorithm.x2": 0.7}
SMALL = Layout(8, {"a": 20, "b": 12, "c": 7})


@pytest.mark.parametrize(("name", "clips", "subjects"), [("casme2-5", 246, 26), ("megc2019", 442, 68)])
def test_a_layout_has_the_counts_of_the_real_database(name: str, clips: int, subjects: int) -> None:
    world = World(3, LAYOUTS[name])
    counts = np.array(world.plan.counts)
    assert counts.sum() == clips
    assert len(counts) == subjects
    assert counts.sum(0).tolist() == list(LAYOUTS[name].classes.values())
    assert counts.sum(1).min() >= 1
    assert (counts == 0).any()


def test_casme2_has_the_published_counts() -> None:
    assert all(
        LAYOUTS["casme2-5"].classes[name] == CASME2_COUNTS[name] for name in LAYOUTS["casme2-5"].classes
    )


def test_the_frozen_order_covers_the_classes_greedily() -> None:
    plan = World(1, LAYOUTS["casme2-5"]).plan
    counts = np.array(plan.counts)
    covered = np.zeros(5)
    for place in range(len(counts)):
        gains = [np.sqrt((covered + row) / counts.sum(0)).sum() for row in counts[place:]]
        assert gains[0] == pytest.approx(max(gains))
        covered += counts[place]


def test_a_fold_holds_the_outcome_of_its_subject_whatever_the_order_or_what_was_asked_before() -> None:
    frozen, shuffled = World(2, SMALL), World(2, SMALL, shuffled=True)
    assert frozen.plan.subjects != shuffled.plan.subjects
    assert sorted(frozen.plan.subjects) == sorted(shuffled.plan.subjects)
    shuffled.fold(4, {**POINT, "algorithm.x0": 0.9}, "s003")
    for place, subject in enumerate(sorted(frozen.plan.subjects)):
        one, other = frozen.fold(0, POINT, subject), shuffled.fold(0, POINT, subject)
        assert one.logits.tobytes() == other.logits.tobytes()
        counts = confusion(one.labels, predictions(one), 3)
        assert np.array_equal(counts, frozen.outcome(POINT)[place])
        assert tuple(counts.sum(1)) == frozen.plan.counts[frozen.plan.subjects.index(subject)]


def test_another_seed_is_another_world() -> None:
    outcomes = {World(seed, SMALL).outcome(POINT).tobytes() for seed in range(4)}
    assert len(outcomes) == 4


def test_the_score_over_many_databases_of_one_world_is_its_truth() -> None:
    world = World(5, Layout(400, {"a": 4000, "b": 2500, "c": 1500}))
    counts = world.outcome(POINT).sum(0)
    assert METRICS["uf1"](counts) == pytest.approx(world.truth(POINT, "uf1"), abs=0.06)


def test_configurations_nearer_the_optimum_are_better() -> None:
    rng = np.random.default_rng(0)
    points = [dict(zip(POINT, rng.random(3).tolist(), strict=True)) for _ in range(200)]
    world = World(1, SMALL)
    truths = np.array([world.truth(point, "uf1") for point in points])
    best = np.array([list(points[place].values()) for place in np.argsort(-truths)[:20]]).mean(0)
    far = np.array([((np.array(list(point.values())) - best) ** 2).sum() for point in points])
    assert np.corrcoef(far, truths)[0, 1] < -0.5
