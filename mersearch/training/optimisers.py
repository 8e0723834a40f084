"""Optimisers, learning-rate schedules and gradient clipping, on slices of one flat parameter vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from mersearch.algorithm import Optimiser, Schedule
from mersearch.errors import ConfigError

MOMENTUM = 0.9
BETAS = 0.9, 0.999
_ADAM_EPSILON = 1e-8
_EPSILON = 1e-6


class Stepper(Protocol):
    """Moves tensors by their gradients.

    torch's own objects are not used: the first one in a process imports torch's compiler, a second that every worker
    would spend. Its functional forms of the same optimisers do not.
    """

    lr: float | Tensor
    """The learning rate of the next step."""

    def step(self) -> None:
        """One step, in place."""
        ...

    def rewind(self) -> None:
        """Bring the state to its beginning, in place: all of it starts at 0."""
        ...


class _AdamW:
    """AdamW with decoupled weight decay.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019; computed by torch.
    """

    def __init__(self, slices: Sequence[Tensor], lr: float | Tensor, decay: float) -> None:
        self.lr, self._decay = lr, decay
        self._captured = isinstance(lr, Tensor) and lr.is_cuda
        self._values, self._gradients = _pairs(slices)
        self._means = [torch.zeros_like(value) for value in slices]
        self._squares = [torch.zeros_like(value) for value in slices]
        self._steps = [torch.zeros((), dtype=torch.float32, device=value.device) for value in slices]

    def step(self) -> None:
        """One step, in place."""
        with torch.no_grad():
            adamw(
                self._values,
                self._gradients,
                self._means,
                self._squares,
                [],
                self._steps,
                foreach=self._captured,
                capturable=self._captured,
                fused=not self._captured,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=self.lr,
                weight_decay=self._decay,
                eps=_ADAM_EPSILON,
                maximize=False,
            )

    def rewind(self) -> None:
        """Bring the state to its beginning, in place."""
        for value in (*self._means, *self._squares, *self._steps):
            value.zero_()


class _Sgd:
    """SGD with Nesterov momentum, weight decay in the gradient; computed by torch."""

    def __init__(self, slices: Sequence[Tensor], lr: float | Tensor, decay: float) -> None:
        self.lr, self._decay = lr, decay
        self._values, self._gradients = _pairs(slices)
        self._momenta = [torch.zeros_like(value) for value in slices]

    def step(self) -> None:
        """One step, in place."""
        with torch.no_grad():
            sgd(
                self._values,
                self._gradients,
                list(self._momenta),
                fused=True,
                weight_decay=self._decay,
                momentum=MOMENTUM,
                lr=self.lr,  # type: ignore[arg-type]
                dampening=0.0,
                nesterov=True,
                maximize=False,
            )

    def rewind(self) -> None:
        """Bring the state to its beginning, in place."""
        for value in self._momenta:
            value.zero_()


def _pairs(slices: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors that are moved, and their gradients, which every one has."""
    gradients = [value.grad for value in slices]
    return list(slices), cast("list[Tensor]", gradients)


def build(optimiser: Optimiser, slices: Sequence[Tensor], lr: Tensor | None = None) -> Stepper:
    """A fresh optimiser of `slices`, whose `.grad` is set.

    With `lr`, a scalar on the device, the rate is read from there in every step, and a step can be captured.

    AdamW: betas 0.9 and 0.999, decoupled weight decay. SGD: Nesterov momentum 0.9, weight decay in the gradient.

    Raises:
        ConfigError: an unknown name.
    """
    rate = optimiser.lr if lr is None else lr
    if optimiser.name == "adamw":
        return _AdamW(slices, rate, optimiser.weight_decay)
    if optimiser.name == "sgd":
        return _Sgd(slices, rate, optimiser.weight_decay)
    raise ConfigError(
        "an optimiser is adamw or sgd", received=repr(optimiser.name), fix="set the optimiser to one of these"
    )


def rate_type(optimiser: Optimiser, device: torch.device) -> torch.dtype:
    """The type of a rate on the device that `build` can take; the fused SGD of torch reads it in single precision."""
    return torch.float32 if optimiser.name == "sgd" and device.type == "cuda" else torch.float64


def rates(schedule: Schedule, lr: float, steps: int) -> list[float]:
    """The learning rate at each of `steps` steps.

    With W = ⌈warmup · steps⌉: lr · (t + 1) / W for t < W; after that lr (`constant`), or
    lr · ½ (1 + cos(π (t − W) / (steps − W))) (`cosine`, which would reach 0 at t = steps).
    """
    warm = math.ceil(schedule.warmup * steps)
    return [lr * _factor(schedule, t, warm, steps) for t in range(steps)]


def clip(gradient: Tensor, norm: float) -> None:
    """Scale `gradient` in place so that its Euclidean norm is at most `norm`; without a copy to the host."""
    gradient.mul_((norm / (gradient.norm() + _EPSILON)).clamp(max=1.0))


def clip_each(gradients: Sequence[Tensor], norm: float) -> None:
    """`clip` of every fold by itself: the first axis of every tensor is the fold, the norm goes over the others.

    A norm over all folds would let one fold's gradient shrink the steps of the others.
    """
    parts = [torch.linalg.vector_norm(rows(gradient), dim=1) for gradient in gradients]
    lengths = torch.linalg.vector_norm(torch.stack(parts), dim=0)
    scale = (norm / (lengths + _EPSILON)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))


def rows(value: Tensor) -> Tensor:
    """[F, …] as [F, n]: n = 1 for a stacked scalar."""
    return value.unsqueeze(1).flatten(1)


def _factor(schedule: Schedule, t: int, warm: int, steps: int) -> float:
    if t < warm:
        return (t + 1) / warm
    if schedule.decay == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (t - warm) / (steps - warm)))
