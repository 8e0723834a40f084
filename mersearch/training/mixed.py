"""Mixed precision: what an algorithm computes in bfloat16 where torch holds that safe, on parameters in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor

from mersearch.algorithm import Algorithm, Batch, Logs, Parameters, Shapes, State


class Mixed:
    """An algorithm under `torch.autocast`: convolutions and products in bfloat16, what needs more digits in float32.

    Parameters, gradients, optimiser, state and what is returned stay float32. bfloat16 has the exponents of float32,
    so no loss has to be scaled. Whoever trains it notices nothing: it may be stacked, recorded, sent to processes.
    """

    def __init__(self, inner: Algorithm) -> None:
        self.inner = inner

    def remade(self, settings: Any, shapes: Shapes) -> Mixed:
        """The same of other settings."""
        return Mixed(type(self.inner)(settings, shapes))  # type: ignore[call-arg]

    def loss(
        self, name: str, parameters: Parameters, state: State, batch: Batch, key: Tensor, step: Tensor
    ) -> tuple[Tensor, State, Logs]:
        """That of the algorithm."""
        with _autocast(parameters):
            loss, moved, logs = self.inner.loss(name, parameters, state, batch, key, step)
        kept = {key: value.to(state[key].dtype) if key in state else value for key, value in moved.items()}
        return loss.float(), kept, _floats(logs)

    def predict(self, parameters: Parameters, state: State, batch: Batch) -> tuple[Tensor, Tensor]:
        """That of the algorithm."""
        with _autocast(parameters):
            logits, maps = self.inner.predict(parameters, state, batch)
        return logits.float(), maps.float()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "inner":
            raise AttributeError(name)
        found = getattr(self.inner, name)
        return self._inspecting(found) if name == "inspect" else found

    def _inspecting(self, inspect: Callable[..., Mapping[str, Tensor]]) -> Callable[..., Logs]:
        def mixed(parameters: Parameters, state: State, batch: Batch) -> Logs:
            with _autocast(parameters):
                seen = inspect(parameters, state, batch)
            return _floats(seen)

        return mixed


def in_precision(algorithm: Algorithm, dtype: torch.dtype) -> tuple[Algorithm, torch.dtype]:
    """What is trained, and the type of its parameters, where `dtype` may be `torch.bfloat16`."""
    if dtype is not torch.bfloat16:
        return algorithm, dtype
    return cast("Algorithm", Mixed(algorithm)), torch.float32


def _autocast(parameters: Parameters) -> AbstractContextManager[Any]:
    """Without torch's cache of converted parameters: it would outlive the tensors of a program over many folds."""
    device = next(iter(parameters.values())).device.type
    return torch.autocast(device, torch.bfloat16, cache_enabled=False)


def _floats(tensors: Mapping[str, Tensor]) -> Logs:
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
