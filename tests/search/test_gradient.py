from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mersearch.metrics import METRICS
from mersearch.search.gradient import GRADIENTS

COUNTS = arrays(np.int64, (3, 3), elements=st.integers(0, 9))


@pytest.mark.parametrize("metric", GRADIENTS)
@given(counts=COUNTS)
def test_a_gradient_is_the_slope_of_its_metric(metric: str, counts: np.ndarray) -> None:
    matrix = counts.astype(float)
    matrix[matrix.sum(1) > 0] += 0.5
    step, slope = 1e-5, GRADIENTS[metric](matrix)
    for y, j in np.argwhere(matrix > 0):
        moved = np.zeros((3, 3))
        moved[y, j] = step
        difference = METRICS[metric](matrix + moved) - METRICS[metric](matrix - moved)
        assert slope[y, j] == pytest.approx(difference / (2 * step), abs=1e-6)


@pytest.mark.parametrize("metric", ["uf1", "uar"])
def test_a_class_that_is_nowhere_has_no_slope(metric: str) -> None:
    counts = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    slope = GRADIENTS[metric](counts)
    assert np.isfinite(slope).all()
    assert slope[2, 2] == 0


def test_no_clip_at_all_has_no_slope() -> None:
    for gradient in GRADIENTS.values():
        assert not gradient(np.zeros((3, 3))).any()


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_gradient(metric: str) -> None:
    assert metric in GRADIENTS
