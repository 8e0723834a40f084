"""Folds fused: the losses and their gradients under vmap are those of a loop over folds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainables.clips import disentangle
from tests.trainables.fused import (
    assert_fused_losses_are_those_of_a_loop,
    assert_fused_predictions_are_those_of_a_loop,
)
from tests.trainables.test_disentangle import VARIANTS


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_losses_gradients_and_states_of_three_folds_are_those_of_a_loop(changes: dict[str, Any]) -> None:
    assert_fused_losses_are_those_of_a_loop(disentangle(classifier={"dropout": 0.3}, **changes))


def test_predictions_of_three_folds_are_those_of_a_loop() -> None:
    assert_fused_predictions_are_those_of_a_loop(disentangle())
