"""All parameters of a fold in one flat vector, so that an optimiser step is a few operations, not a few per layer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mersearch.algorithm import Parameters
from mersearch.errors import TrialFailure

_ALIGN = 16
"""Elements between starts of tensors: 64 bytes or more, the alignment that math kernels choose their path by."""


class Vector:
    """Parameters that share one storage, and their gradients that share another.

    Tensors lie in the order of their dotted names, so a group of names is a few slices; gaps stay 0.
    """

    def __init__(self, parameters: Parameters, device: torch.device, dtype: torch.dtype) -> None:
        """Copy `parameters` to `device` as `dtype`."""
        self._names = tuple(parameters)
        self._spans = _spans(parameters)
        length = max((stop for _, stop in self._spans.values()), default=0)
        self.values = torch.zeros(length, dtype=dtype, device=device)
        self.gradient = torch.zeros_like(self.values)
        self._leaves = {name: self._leaf(name, parameters[name]) for name in parameters}

    def select(self, group: Iterable[str]) -> tuple[Parameters, list[Tensor]]:
        """All parameters, of which only those of `group` receive a gradient; and the slices an optimiser moves.

        Args:
            group: prefixes, whole components of dotted names: `head` is `head.weight`, not `header.weight`.

        Raises:
            TrialFailure: a prefix of no parameter, or no prefix at all.
        """
        chosen = {name for prefix in group for name in self._matching(prefix)}
        if not chosen:
            raise TrialFailure("an update trains at least one parameter", received="an empty group")
        parameters = {
            name: self._leaves[name] if name in chosen else self.frozen(name) for name in self._names
        }
        return parameters, [self._slice(start, stop) for start, stop in self._merged(chosen)]

    def frozen(self, name: str) -> Tensor:
        """One parameter without gradient; it shares storage, so it follows the training."""
        return self._leaves[name].detach()

    def all_frozen(self) -> Parameters:
        """All parameters without gradient, sharing storage."""
        return {name: self.frozen(name) for name in self._names}

    def _leaf(self, name: str, values: Tensor) -> Tensor:
        start, _ = self._spans[name]
        here = slice(start, start + values.numel())
        with torch.no_grad():
            leaf = self.values[here].view(values.shape).copy_(values).detach().requires_grad_()
        leaf.grad = self.gradient[here].view(values.shape)
        return leaf

    def _matching(self, prefix: str) -> list[str]:
        stem = prefix.rstrip(".")
        found = [name for name in self._names if name == stem or name.startswith(f"{stem}.")]
        if not found:
            known = sorted({name.partition(".")[0] for name in self._names})
            raise TrialFailure(
                "a group holds prefixes of parameter names",
                received=repr(prefix),
                fix=f"prefixes start with one of {', '.join(known)}",
            )
        return found

    def _merged(self, chosen: set[str]) -> list[tuple[int, int]]:
        merged: list[tuple[int, int]] = []
        for start, stop in sorted(self._spans[name] for name in chosen):
            if merged and merged[-1][1] == start:
                merged[-1] = merged[-1][0], stop
            else:
                merged.append((start, stop))
        return merged

    def _slice(self, start: int, stop: int) -> Tensor:
        part = self.values[start:stop]
        part.grad = self.gradient[start:stop]
        return part


def _spans(parameters: Parameters) -> dict[str, tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    start = 0
    for name in sorted(parameters, key=lambda name: name.split(".")):
        if not parameters[name].is_floating_point():
            raise TrialFailure("parameters are floating-point", received=f"{name}: {parameters[name].dtype}")
        stop = start + -(-parameters[name].numel() // _ALIGN) * _ALIGN
        spans[name] = start, stop
        start = stop
    return spans
