"""What a fold costs is the cost of its steps: neither what only a first run costs, nor nothing."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from mersearch.algorithm import Logs, State
from mersearch.data.folds import folds
from mersearch.testing.clips import small_dataset
from mersearch.training import DeviceData
from mersearch.training.measure import TIMED, WARM, seconds_of, seconds_once, steps_of
from tests.pretrained import Shared, shared
from tests.toy import Settings, Toy

DATASET = small_dataset((3, 3), size=16, macro=True)
DATA = DeviceData.from_dataset(DATASET)
FOLDS = folds(DATASET)
STEPS = 30
LOSSES = 3
"""Losses of a step of the stage `main`: one `emotion`, two `probe`."""


class Ticking(Toy):
    """Every loss takes 1 s of a clock of its own; those whose number is in `late` take longer."""

    def __init__(self, settings: Settings, late: dict[int, float]) -> None:
        super().__init__(settings, DATASET.shapes)
        self.late, self.calls, self.time = late, 0, 0.0

    def loss(self, *arguments: Any) -> tuple[torch.Tensor, State, Logs]:
        self.time += 1 + self.late.get(self.calls, 0)
        self.calls += 1
        return super().loss(*arguments)


def cost(algorithm: Ticking) -> float:
    return seconds_of(algorithm, DATA, FOLDS[:1], backend="loop", seed=1, clock=lambda: algorithm.time)


def test_what_only_the_first_steps_of_a_process_cost_is_not_counted() -> None:
    assert cost(Ticking(Settings(STEPS), {0: 100})) == pytest.approx(STEPS * LOSSES)
    macro = Settings(STEPS, macro=True)
    first_of_main = 2 * WARM + WARM + TIMED
    late = {0: 100.0, first_of_main: 100.0}
    assert cost(Ticking(macro, late)) == pytest.approx(STEPS + STEPS * LOSSES), "one loss a step in `macro`"


def test_a_shared_stage_is_no_part_of_a_fold_and_measured_by_itself() -> None:
    macro = np.arange(14)
    algorithm = shared(DATASET, steps=STEPS)
    times: list[float] = []

    def loss(self: Shared, *arguments: Any) -> tuple[torch.Tensor, State, Logs]:
        times.append(1.0)
        return Toy.loss(self, *arguments)

    with patch.object(Shared, "loss", loss):
        now = partial(sum, times)
        own = seconds_of(algorithm, DATA, FOLDS[:1], backend="loop", seed=1, clock=now)
        once = seconds_once(algorithm, DATA, macro, seed=1, clock=now)
    assert (own, once) == (pytest.approx(STEPS * LOSSES), pytest.approx(STEPS))
    assert seconds_once(Ticking(Settings(STEPS, macro=True), {}), DATA, macro, seed=1) == 0
    assert steps_of(algorithm) == STEPS * LOSSES


def test_a_disturbed_measurement_is_repeated_with_more_steps() -> None:
    algorithm = Ticking(Settings(STEPS), {WARM * LOSSES: 1000})
    assert cost(algorithm) == pytest.approx(STEPS * LOSSES)
    steps = (WARM, WARM, WARM + TIMED, WARM, WARM + 2 * TIMED)
    assert algorithm.calls == sum(steps) * LOSSES


def test_a_stage_never_costs_nothing_however_often_it_is_disturbed() -> None:
    class Slower(Ticking):
        """The shorter of two runs takes longer, always."""

        def plan(self, stage: Any, *arguments: Any) -> Any:
            self.time += 1000 if stage.steps == WARM else 0
            return super().plan(stage, *arguments)

    algorithm = Slower(Settings(STEPS), {})
    assert cost(algorithm) == pytest.approx(STEPS * LOSSES), "the share of a step in the last run"
