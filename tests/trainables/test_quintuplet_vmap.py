"""Folds fused: the losses and their gradients under vmap are those of a loop over folds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from tests.trainables.clips import batch_of, doubles, quintuplet, training
from tests.trainables.test_quintuplet import VARIANTS, updates

FOLDS = 3


def stack(maps: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in maps]) for name in maps[0]}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_losses_and_gradients_of_three_folds_are_those_of_a_loop(changes: dict[str, Any]) -> None:
    algorithm = quintuplet(classifier={"dropout": 0.3}, **changes)
    keys = torch.tensor([4, 9, 2**61 + 5])
    for stage, update in updates(algorithm):
        parameters = [doubles(algorithm, key) for key in range(FOLDS)]
        batches = [batch_of(algorithm, stage, update, training(), seed=k, step=k) for k in range(FOLDS)]

        def loss(
            p: dict[str, Tensor], batch: dict[str, Tensor], key: Tensor, name: str = update.loss
        ) -> Tensor:
            return algorithm.loss(name, p, {}, batch, key, torch.tensor(2))[0]

        gradients, losses = vmap(grad_and_value(loss))(stack(parameters), stack(batches), keys)
        for fold in range(FOLDS):
            gradient, value = grad_and_value(loss)(parameters[fold], batches[fold], keys[fold])
            assert torch.allclose(losses[fold], value, rtol=0, atol=1e-9)
            for name in gradient:
                assert torch.allclose(gradients[name][fold], gradient[name], rtol=0, atol=1e-9), name
