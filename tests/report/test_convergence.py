from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mersearch.report.convergence import Curve, mean_curve
from mersearch.store import FoldRecord
from mersearch.training.record import POINTS


def fold(**diagnostics: Any) -> FoldRecord:
    names = {name.replace("__", "."): value for name, value in diagnostics.items()}
    return FoldRecord(0, "db/00", 0, 0, 1.0, "", (), (), np.zeros((0, 2), np.float32), names)


def straight(steps: int, start: float, end: float) -> list[float]:
    """What a fold keeps of a loss that falls in a straight line: its mean over each bin of steps."""
    losses = np.linspace(start, end, steps)
    return [float(part.mean()) for part in np.array_split(losses, min(POINTS, steps))]


@pytest.mark.parametrize("steps", [5, 40, 333])
def test_a_straight_line_is_crossed_where_the_line_is(steps: int) -> None:
    curve = mean_curve([fold(a__x__task__curve=straight(steps, 2.0, 1.0), a__x__steps=steps)], "task")
    assert curve is not None
    slope = 1 / (steps - 1)
    for level in (1.9, 1.5, 1.1):
        # step s (from 0) has the loss 2 − s·slope and fills the place from s to s + 1
        crossed = (2 - level) / slope + 0.5
        if curve.values[-1] <= level <= curve.values[0]:
            assert curve.reaches(level) == pytest.approx(crossed)
    assert curve.total == steps


def test_stages_follow_each_other_and_other_losses_do_not_count() -> None:
    first = {
        "a__x__task__curve": [4.0, 3.0],
        "a__x__steps": 20,
        "a__other__steps": 7,
        "a__other__curve": [0.0],
    }
    second = {"b__x__task__curve": [2.0, 1.0], "b__x__steps": 10, "b__x__curve": [9.0, 9.0]}
    curve = mean_curve([fold(**first, **second)], "task")
    assert curve is not None
    assert curve.steps.tolist() == [5, 15, 22.5, 27.5]
    assert curve.values.tolist() == [4, 3, 2, 1]
    assert curve.total == 30


def test_the_curve_is_the_mean_over_folds_of_what_is_finite() -> None:
    folds = [
        fold(a__x__task__curve=[4.0, None, 1.0, None], a__x__steps=4),
        fold(a__x__task__curve=[2.0, 3.0, 2.0, None], a__x__steps=4),
    ]
    curve = mean_curve(folds, "task")
    assert curve is not None
    assert curve.values.tolist() == [3.0, 3.0, 1.5]
    assert curve.steps.tolist() == [0.5, 1.5, 2.5]


def test_a_log_that_not_every_fold_has_has_no_curve() -> None:
    whole = fold(a__x__task__curve=[1.0], a__x__steps=1)
    assert mean_curve([whole, fold()], "task") is None
    assert mean_curve([whole], "other") is None
    assert mean_curve([], "task") is None
    assert mean_curve([fold(a__x__task__curve=[None], a__x__steps=1)], "task") is None


def curve_of(*values: float) -> Curve:
    return Curve(np.arange(len(values)) * 10.0, np.array(values), 10 * len(values))


def test_the_level_is_a_share_of_the_whole_drop() -> None:
    assert curve_of(3.0, 2.5, 1.0).level(0.9) == pytest.approx(1.2)
    assert curve_of(3.0, 0.5, 3.0).level() is None
    assert curve_of(3.0, 0.5, 4.0).level() is None


def test_the_first_crossing_counts_and_a_level_that_is_not_reached_has_none() -> None:
    curve = curve_of(3.0, 1.0, 2.0, 0.5)
    assert curve.reaches(1.5) == pytest.approx(7.5)
    assert curve.reaches(5.0) == 0.0
    assert curve.reaches(0.4) is None
