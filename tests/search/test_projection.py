from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mersearch.metrics import uf1
from mersearch.search.projection import project, projected_score
from mersearch.store import Trial
from tests.runs import a_run, a_session, execute

COUNTS = arrays(np.int64, (3, 3), elements=st.integers(0, 6))


def by_loops(own: np.ndarray, reference: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The formula of `projection.project`, one entry at a time."""
    classes = len(own)
    result = own.astype(float)
    for y in range(classes):
        clips, more = own[y].sum(), rest[y].sum()
        row = []
        for j in range(classes):
            q = rest[y, j] / more if more else 0.0
            shift = (own[y, j] - reference[y, j]) / clips if clips else 0.0
            row.append(min(1.0, max(0.0, q + clips / (clips + 2) * shift)))
        for j in range(classes):
            if more:
                result[y, j] += more * row[j] / sum(row)
    return result


@given(own=COUNTS, rest=COUNTS, seed=st.integers(0, 100))
def test_the_projection_follows_the_formula(own: np.ndarray, rest: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = np.array([rng.multinomial(row.sum(), [1 / 3] * 3) for row in own])
    projected = project(own, reference, rest)
    assert projected == pytest.approx(by_loops(own, reference, rest))
    assert projected.sum(1) == pytest.approx(own.sum(1) + rest.sum(1))
    assert (projected >= own).all()


@given(prefix=COUNTS, rest=COUNTS)
def test_the_reference_projects_to_itself(prefix: np.ndarray, rest: np.ndarray) -> None:
    assert project(prefix, prefix, rest) == pytest.approx(prefix + rest)


def test_a_class_absent_from_the_prefix_is_taken_from_the_reference() -> None:
    own, reference = np.array([[2, 2], [0, 0]]), np.array([[4, 0], [0, 0]])
    rest = np.array([[3, 1], [1, 3]])
    assert project(own, reference, rest)[1] == pytest.approx([1, 3])


def test_a_class_absent_from_the_rest_adds_nothing() -> None:
    own, reference = np.array([[2, 2], [1, 1]]), np.array([[4, 0], [2, 0]])
    assert project(own, reference, np.array([[3, 1], [0, 0]]))[1] == pytest.approx([1, 1])


def test_a_trial_as_good_as_the_reference_on_the_prefix_gets_its_score_and_a_worse_one_less() -> None:
    reference = np.array([[6, 2], [2, 6]])
    rest = np.array([[7, 3], [3, 7]])
    worse = np.array([[4, 4], [4, 4]])
    assert uf1(project(reference, reference, rest)) == pytest.approx(uf1(reference + rest))
    assert uf1(project(worse, reference, rest)) < uf1(reference + rest)


def test_nothing_is_projected_before_the_first_complete_trial(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 12)
    state = run.read()
    stopped = state.in_state("stopped")[0]
    best = state.best("uf1")
    assert best is not None
    prefix = best.confusions[stopped.done]
    expected = uf1(by_loops(stopped.confusions[-1], prefix, best.confusions[-1] - prefix))
    assert projected_score(stopped, best, "uf1") == pytest.approx(expected)
    assert projected_score(stopped, None, "uf1") is None
    (empty,) = a_state_with_one_trial(tmp_path / "empty")
    assert projected_score(empty, best, "uf1") is None


def a_state_with_one_trial(path: Path) -> list[Trial]:
    run = a_run(path)
    with a_session(run) as session:
        session.next_trial()
    return run.read().in_state("running")
