"""Optimisers, learning-rate schedules and gradient clipping, on slices of one flat parameter vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mersearch.algorithm import Optimiser, Schedule
from mersearch.errors import ConfigError

MOMENTUM = 0.9
_EPSILON = 1e-6


def build(optimiser: Optimiser, slices: Sequence[Tensor], lr: Tensor | None = None) -> torch.optim.Optimizer:
    """A fresh torch optimiser of `slices`, whose `.grad` is set.

    With `lr`, a scalar on the device, the rate is read from there in every step, and a step can be captured.

    AdamW: betas 0.9 and 0.999, decoupled weight decay. SGD: Nesterov momentum 0.9, weight decay in the gradient.

    Raises:
        ConfigError: an unknown name.
    """
    rate, decay = optimiser.lr if lr is None else lr, optimiser.weight_decay
    if optimiser.name == "adamw":
        if lr is not None and lr.is_cuda:
            return torch.optim.AdamW(slices, rate, weight_decay=decay, foreach=True, capturable=True)
        return torch.optim.AdamW(slices, rate, weight_decay=decay, fused=True)
    if optimiser.name == "sgd":
        return torch.optim.SGD(slices, rate, MOMENTUM, weight_decay=decay, nesterov=True, fused=True)
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
