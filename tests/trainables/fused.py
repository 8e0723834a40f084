"""Folds fused against folds in a loop, for any algorithm."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from tests.trainables.clips import Either, batch_of, doubles, first_state, training, updates

FOLDS = 3
KEYS = (4, 9, 2**61 + 5)


def stack(maps: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """One fold axis in front of every tensor."""
    return {name: torch.stack([each[name] for each in maps]) for name in maps[0]}


def assert_fused_losses_are_those_of_a_loop(algorithm: Either) -> None:
    """Losses, their gradients and the next states of three folds, in every update of every stage."""
    keys = torch.tensor(KEYS)
    for stage, update in updates(algorithm):
        parameters = [doubles(algorithm, key) for key in range(FOLDS)]
        batches = [batch_of(algorithm, stage, update, training(), seed=k, step=k) for k in range(FOLDS)]
        states = [
            {name: value + fold for name, value in first_state(algorithm).items()} for fold in range(FOLDS)
        ]

        def loss(
            p: dict[str, Tensor],
            state: dict[str, Tensor],
            batch: dict[str, Tensor],
            key: Tensor,
            name: str = update.loss,
        ) -> tuple[Tensor, dict[str, Tensor]]:
            value, moved, _ = algorithm.loss(name, p, state, batch, key, torch.tensor(2))
            return value, moved

        run = grad_and_value(loss, has_aux=True)
        fused = (stack(parameters), stack(states) if states[0] else {}, stack(batches), keys)
        gradients, (losses, moved) = vmap(run, in_dims=(0, 0 if states[0] else None, 0, 0))(*fused)
        for fold in range(FOLDS):
            gradient, (value, own) = run(parameters[fold], states[fold], batches[fold], keys[fold])
            assert torch.allclose(losses[fold], value, rtol=0, atol=1e-9)
            for name in gradient:
                assert torch.allclose(gradients[name][fold], gradient[name], rtol=0, atol=1e-9), name
            for name in own:
                assert torch.allclose(moved[name][fold], own[name], rtol=0, atol=1e-9), name


def assert_fused_predictions_are_those_of_a_loop(algorithm: Either) -> None:
    """Logits and maps of three folds."""
    stage, update = updates(algorithm)[-1]
    parameters = [doubles(algorithm, key) for key in range(FOLDS)]
    batches = [batch_of(algorithm, stage, update, training(), seed=k) for k in range(FOLDS)]
    views = [{k: v for k, v in batch.items() if k in ("micro.rgb", "micro.flow")} for batch in batches]
    logits, maps = vmap(lambda p, b: algorithm.predict(p, {}, b))(stack(parameters), stack(views))
    for fold in range(FOLDS):
        expected = algorithm.predict(parameters[fold], {}, views[fold])
        assert torch.allclose(logits[fold], expected[0], rtol=0, atol=1e-9)
        assert torch.allclose(maps[fold], expected[1], rtol=0, atol=1e-9)
