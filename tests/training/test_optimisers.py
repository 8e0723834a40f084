"""Schedules and clipping follow their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mersearch.algorithm import Schedule
from mersearch.training import optimisers


def test_constant_without_warmup_is_the_rate() -> None:
    assert optimisers.rates(Schedule(0.0, "constant"), 0.3, 4) == [0.3] * 4


def test_warmup_rises_linearly_to_the_rate_and_a_cosine_falls_towards_zero() -> None:
    rates = optimisers.rates(Schedule(0.35, "cosine"), 2.0, 10)
    # ⌈0.35 · 10⌉ = 4 warm-up steps, then ½ (1 + cos(π · (0 … 5) / 6)).
    falling = [1 + np.cos(np.pi * i / 6) for i in range(6)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, *falling])


@pytest.mark.parametrize("decay", ["constant", "cosine"])
def test_a_stage_of_nothing_but_warmup_ends_at_the_rate(decay: Any) -> None:
    assert optimisers.rates(Schedule(1.0, decay), 1.0, 4) == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(("norm", "factor"), [(1.0, 0.2), (5.0, 1.0), (50.0, 1.0)])
def test_clipping_shortens_long_gradients_only(norm: float, factor: float) -> None:
    gradient = torch.tensor([3.0, 4.0], dtype=torch.float64)
    optimisers.clip(gradient, norm)
    assert gradient.tolist() == pytest.approx([3 * factor, 4 * factor], rel=1e-6)
