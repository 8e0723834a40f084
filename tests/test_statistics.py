"""Metrics of many matrices at once, and paired comparisons over subjects."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.errors import DataError
from mersearch.metrics import METRICS, scores
from mersearch.statistics import Difference, paired_difference, per_subject

Counts = NDArray[np.int64]


def subjects(rng: np.random.Generator, k: int, classes: int = 3, skill: float = 0.5) -> tuple[Counts, Counts]:
    """Two configurations on the same clips; subjects lack classes, as in the databases."""
    pair = np.zeros((2, k, classes, classes), np.int64)
    for subject in range(k):
        for true in rng.integers(classes, size=rng.integers(1, 8)):
            for configuration, chance in enumerate((skill, 0.5)):
                right = rng.random() < chance
                pair[configuration, subject, true, true if right else rng.integers(classes)] += 1
    return pair[0], pair[1]


def by_hand(metric: str, matrix: Counts) -> float:
    """The metric of one matrix, with loops over classes."""
    classes = range(len(matrix))
    rows, columns = [int(matrix[i].sum()) for i in classes], [int(matrix[:, i].sum()) for i in classes]
    right = [int(matrix[i, i]) for i in classes]
    if metric == "uf1":
        return sum(2 * right[i] / (rows[i] + columns[i]) for i in classes if rows[i] + columns[i]) / len(
            matrix
        )
    if metric == "uar":
        recalls = [right[i] / rows[i] for i in classes if rows[i]]
        return sum(recalls) / len(recalls) if recalls else 0.0
    return sum(right) / sum(rows) if sum(rows) else 0.0


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_of_many_matrices_is_the_metric_of_each(metric: str) -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    counts = rng.integers(0, 4, (3, 5, 4, 4)) * (rng.random((3, 5, 4, 1)) < 0.7)
    counts[0, 0] = 0
    found = scores(metric, counts)
    assert found.shape == (3, 5)
    for place in np.ndindex(3, 5):
        assert found[place] == pytest.approx(by_hand(metric, counts[place]), rel=1e-14)
        assert METRICS[metric](counts[place]) == found[place]


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_is_that_of_a_loop_over_resamples(metric: str) -> None:
    first, second = subjects(np.random.Generator(np.random.PCG64(1)), 9, skill=0.8)
    rng = seeds.generator("paired bootstrap", 5, 9)
    differences = []
    for draw in rng.integers(9, size=(300, 9)):
        a, b = (sum(counts[k] for k in draw) for counts in (first, second))
        differences.append(by_hand(metric, a) - by_hand(metric, b))
    found = paired_difference(first, second, metric, seed=5, resamples=300, level=0.9)
    assert found.value == pytest.approx(by_hand(metric, first.sum(0)) - by_hand(metric, second.sum(0)))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(differences, [0.05, 0.95])))


def test_of_several_databases_each_gives_as_many_subjects_as_it_has() -> None:
    right, wrong = np.array([[1, 0], [0, 0]]), np.array([[0, 1], [0, 0]])
    first, second = np.stack([right] * 4), np.stack([right, right, wrong, wrong])
    # The configurations differ on database b alone, which gives two of the four in every draw: always 1/2.
    names = ("a/1", "a/2", "b/1", "b/2")
    assert paired_difference(first, second, "accuracy", subjects=names) == Difference(0.5, 0.5, 0.5)
    assert paired_difference(first, second, "accuracy").high == 1.0
    one = paired_difference(first, second, "accuracy", subjects=("a/1", "a/2", "a/3", "a/4"))
    assert one == paired_difference(first, second, "accuracy")


def test_two_subjects_have_three_differences_with_known_chances() -> None:
    right, wrong = np.array([[1, 0], [0, 0]]), np.array([[0, 1], [0, 0]])
    first, second = np.stack([right, right]), np.stack([right, wrong])
    # 0 with chance 1/4, 1/2 with chance 1/2, 1 with chance 1/4
    assert paired_difference(first, second, "accuracy") == Difference(0.5, 0.0, 1.0)
    assert paired_difference(first, second, "accuracy", level=0.4) == Difference(0.5, 0.5, 0.5)


def test_equal_clips_per_subject_give_the_interval_of_a_mean() -> None:
    rng = np.random.Generator(np.random.PCG64(2))
    k = 400
    hits = (rng.random((2, k)) < np.array([[0.7], [0.5]])).astype(np.int64)
    pair = np.zeros((2, k, 2, 2), np.int64)
    pair[:, :, 0, 0], pair[:, :, 0, 1] = hits, 1 - hits
    found = paired_difference(pair[0], pair[1], "accuracy")
    steps = hits[0] - hits[1]
    half = 1.96 * steps.std() / np.sqrt(k)
    assert found.value == pytest.approx(steps.mean())
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.006)


def test_pairing_narrows_the_interval_where_subjects_differ_and_configurations_do_not() -> None:
    easy, hard = np.array([[9, 1], [0, 0]]), np.array([[1, 9], [0, 0]])
    one = np.stack([easy, hard] * 10)
    better = one.copy()
    better[:, 0, 0] += 1
    better[:, 0, 1] -= 1
    difference = paired_difference(better, one, "accuracy")
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.1, 0.1, 0.1))
    assert difference.verdict == "better"


@pytest.mark.parametrize("metric", METRICS)
def test_a_configuration_does_not_differ_from_itself_and_signs_turn_with_the_pair(metric: str) -> None:
    first, second = subjects(np.random.Generator(np.random.PCG64(3)), 12, skill=0.9)
    assert paired_difference(first, first, metric) == Difference(0.0, 0.0, 0.0)
    there, back = paired_difference(first, second, metric), paired_difference(second, first, metric)
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))
    assert paired_difference(first, second, metric) == there


def test_an_interval_with_0_in_it_decides_nothing() -> None:
    assert Difference(-0.1, -0.2, -0.01).verdict == "worse"
    assert Difference(0.1, 0.01, 0.2).verdict == "better"
    assert {Difference(0.1, 0.0, 0.2).verdict, Difference(0.0, -0.1, 0.1).verdict} == {"undecided"}


def test_pooled_counts_are_taken_apart_by_fold() -> None:
    counts, _ = subjects(np.random.Generator(np.random.PCG64(4)), 5)
    pooled = np.concatenate([np.zeros((1, 3, 3), np.int64), counts.cumsum(0)])
    assert np.array_equal(per_subject(pooled), counts)


def test_other_clips_cannot_be_paired() -> None:
    first, second = subjects(np.random.Generator(np.random.PCG64(5)), 6)
    with pytest.raises(DataError, match=r"same clips of the same subjects\n.*shapes"):
        paired_difference(first, second[:5], "uf1")
    second[2, 0, 0] += 1
    with pytest.raises(DataError, match="1 of 6 subjects with other clips"):
        paired_difference(first, second, "uf1")


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    rng = np.random.Generator(np.random.PCG64(7))
    covered = []
    for seed in range(300):
        pair = np.zeros((2, 68, 2, 2), np.int64)
        clips = rng.geometric(0.1, 68)
        ease = rng.uniform(-0.2, 0.2, 68)  # shared by both configurations, 0 in the mean
        hits = rng.binomial(clips, np.array([[0.7], [0.6]]) + ease)
        pair[:, :, 0, 0], pair[:, :, 0, 1] = hits, clips - hits
        found = paired_difference(pair[0], pair[1], "accuracy", seed=seed, resamples=500)
        covered.append(found.low <= 0.7 - 0.6 <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_a_comparison_on_the_largest_label_set_takes_less_than_a_second() -> None:
    first, second = subjects(np.random.Generator(np.random.PCG64(6)), 68, classes=7)
    start = time.process_time()
    paired_difference(first, second, "uf1")
    assert time.process_time() - start < 1
