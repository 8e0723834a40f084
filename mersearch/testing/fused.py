"""Many folds as one program: `torch.func.vmap` over stacked folds gives the numbers of a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.utils._pytree import tree_flatten_with_path, tree_map

from mersearch.algorithm import Algorithm, Batch, Logs, Parameters, State
from mersearch.data.folds import folds
from mersearch.testing.comparing import require_close
from mersearch.testing.subject import Subject, batch_of, start, updates, views_of

FOLDS = 3
PRECISIONS = (torch.float32, torch.float64)
KEYS = (4, 9, 2**61 + 5)
Tree = Any


class FusedContract(Subject):
    """Masks instead of branches, no `.item()`, no generators, no statistics over a batch that vmap cannot see."""

    @pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
    def test_every_loss_of_stacked_folds_is_that_of_a_loop(self, dtype: torch.dtype) -> None:
        """Loss, gradients, state and logs of three folds, for every (stage, update)."""
        data = self.data()
        algorithm = self.build(data)
        for stage, update in updates(algorithm):
            stacked = [
                (
                    *start(algorithm, key, dtype),
                    batch_of(algorithm, data, fold, stage, update, row, dtype),
                    torch.tensor(key),
                    torch.tensor(row),
                )
                for row, (fold, key) in enumerate(zip(folds(data)[:FOLDS], KEYS, strict=True))
            ]
            require_fused(
                _differentiated(algorithm, update.loss), stacked, f"stage {stage.name}, loss {update.loss}"
            )

    @pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
    def test_predictions_of_stacked_folds_are_those_of_a_loop(self, dtype: torch.dtype) -> None:
        """Logits and maps."""
        data = self.data()
        algorithm = self.build(data)
        stacked = [
            (*start(algorithm, key, dtype), views_of(data, fold.train[:4], dtype))
            for fold, key in zip(folds(data)[:FOLDS], KEYS, strict=True)
        ]
        require_fused(algorithm.predict, stacked, "predict")


def _differentiated(algorithm: Algorithm, name: str) -> Callable[..., Tree]:
    """The loss with its gradient, as the trainer uses it."""

    def loss(
        parameters: Parameters, state: State, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, tuple[Tensor, State, Logs]]:
        value, moved, logs = algorithm.loss(name, parameters, state, batch, key, step)
        return value, (value, moved, logs)

    differentiated: Callable[..., Tree] = grad(loss, has_aux=True)
    return differentiated


def require_fused(function: Callable[..., Tree], stacked: list[tuple[Tree, ...]], where: str) -> None:
    """Fail the test unless `function` under vmap over the stacked arguments gives what a loop over them gives."""
    shapes = [tree_map(lambda leaf: tuple(leaf.shape), arguments) for arguments in stacked]
    assert all(each == shapes[0] for each in shapes), (
        f"{where}: batches of two folds differ in names or shapes"
    )
    fused = vmap(function)(*tree_map(lambda *leaves: torch.stack(leaves), *stacked))
    for fold, arguments in enumerate(stacked):
        alone, _ = tree_flatten_with_path(function(*arguments))
        together, _ = tree_flatten_with_path(tree_map(lambda leaf, fold=fold: leaf[fold], fused))
        for (path, expected), (_, found) in zip(alone, together, strict=True):
            name = "".join(str(part) for part in path)
            require_close(found, expected, f"{where}: output {name} of fold {fold} of {len(stacked)}")
