"""The stages of one algorithm on one fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Parameters, Stage, State, Training, Update, curves
from mersearch.errors import TrialFailure
from mersearch.training import optimisers
from mersearch.training.batches import LazyBatch, Split, planned
from mersearch.training.device import DeviceData
from mersearch.training.pretrained import Pretrained, begun
from mersearch.training.record import Diagnostics, Record, diverged
from mersearch.training.stages import own_stages
from mersearch.training.vector import Vector

OnSteps = Callable[[int, int], None]
"""Takes the steps done and the steps in all, of all stages."""
CHECK = 50
"""Steps of a stage between two looks at the losses."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What training leaves: parameters and state on the device, without gradient, and diagnostics.

    `pretrained` is the key of the training on macro clips that it began with; empty where there was none.
    """

    parameters: Parameters
    state: State
    diagnostics: Diagnostics
    pretrained: str = ""


@dataclass(frozen=True, slots=True)
class _Fold:
    algorithm: Algorithm
    data: DeviceData
    split: Split
    training: Training
    seed: int
    dtype: torch.dtype
    vector: Vector


class _Trainer:
    """One update of a stage: its batches, its optimiser, its record."""

    def __init__(self, fold: _Fold, stage: Stage, update: Update) -> None:
        subject, rows = fold.split.subject, stage.steps * update.repeats
        axes = (subject, stage.name, update.loss)
        where = f"fold {subject}, stage {stage.name}, loss {update.loss}"
        self._loss, self._name, self._vector = fold.algorithm.loss, update.loss, fold.vector
        rng = seeds.generator(fold.seed, "plan", *axes)
        plan = fold.algorithm.plan(stage, update, fold.training, rng)
        self._sources = planned(plan, rows, fold.split, fold.data, fold.dtype, where)
        self._key = torch.tensor(seeds.seed(fold.seed, "train", *axes), device=fold.data.device)
        self._steps = torch.arange(rows, device=fold.data.device)
        self._parameters, slices = fold.vector.select(update.group)
        self._optimiser = optimisers.build(update.optimiser, slices)
        self._rates = optimisers.rates(stage.schedule, update.optimiser.lr, stage.steps)
        self._clip, self._repeats = update.optimiser.clip_norm, update.repeats
        self.record = Record(rows, f"{stage.name}.{update.loss}", (where,), curves(fold.algorithm))

    def step(self, state: State, t: int) -> State:
        """All repeats of the update at step `t` of the stage."""
        self._optimiser.lr = self._rates[t]
        for row in range(t * self._repeats, (t + 1) * self._repeats):
            batch = LazyBatch(self._sources, row)
            loss, moved, logs = self._loss(
                self._name, self._parameters, state, batch, self._key, self._steps[row]
            )
            self.record.add(row, loss, logs)
            self._vector.gradient.zero_()
            torch.autograd.backward(loss)
            if self._clip:
                optimisers.clip(self._vector.gradient, self._clip)
            self._optimiser.step()
            state = {name: value.detach() for name, value in moved.items()}
        return state

    def check(self, steps: int) -> None:
        """Raise `TrialFailure` where a loss of the first `steps` steps is not finite."""
        for failure in self.record.failures(steps * self._repeats).values():
            raise failure


def fit(
    algorithm: Algorithm,
    data: DeviceData,
    split: Split,
    seed: int,
    dtype: torch.dtype,
    on_steps: OnSteps | None = None,
    start: Pretrained | None = None,
) -> Fitted:
    """Train on the clips of `split`, from the run seed, the subject and `start` only.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        split: what is trained on.
        seed: seed of the run.
        dtype: floating-point type of parameters and batches.
        on_steps: told now and then how far it is.
        start: what the algorithm's shared stages have left, where it has some.

    Raises:
        DataError: `start` has seen the subject of `split`.
        TrialFailure: a loss or a parameter is not finite, or the algorithm breaks its protocol.
    """
    stages = own_stages(algorithm)
    parameters, initial = begun(algorithm, split.subject, seed, start)
    vector = Vector(parameters, data.device, dtype)
    state = {name: placed(value, data.device, dtype) for name, value in initial.items()}
    fold = _Fold(algorithm, data, split, split.training(data), seed, dtype, vector)
    diagnostics: Diagnostics = {} if start is None else dict(start.diagnostics)
    before, total = 0, sum(stage.steps for stage in stages)
    for stage in stages:
        state = _run(fold, stage, state, diagnostics, _shifted(on_steps, before, total))
        before += stage.steps
    return Fitted(vector.all_frozen(), state, diagnostics, "" if start is None else start.key)


def _shifted(on_steps: OnSteps | None, before: int, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if on_steps is not None:
            on_steps(before + done, total)

    return tell


def _run(
    fold: _Fold, stage: Stage, state: State, diagnostics: Diagnostics, tell: Callable[[int], None]
) -> State:
    if not stage.steps:
        return state
    trainers = [_Trainer(fold, stage, update) for update in stage.updates if update.repeats]
    names = set(state)
    for t in range(stage.steps):
        for trainer in trainers:
            state = trainer.step(state, t)
        if (t + 1) % CHECK == 0 or t + 1 == stage.steps:
            for trainer in trainers:
                trainer.check(t + 1)
            tell(t + 1)
    where = f"fold {fold.split.subject}, stage {stage.name}"
    require_names(state, names, where)
    if not fold.vector.values.isfinite().all():
        raise diverged("parameters stay finite", f"values that are not after step {stage.steps - 1}, {where}")
    for trainer in trainers:
        diagnostics |= trainer.record.diagnostics()
    return state


def require_names(state: State, names: set[str], where: str) -> None:
    """Raise TrialFailure unless `state` has these names."""
    if set(state) != names:
        raise TrialFailure(
            "a state keeps its names", received=f"{sorted(state)} from {sorted(names)}, {where}"
        )


def placed(value: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """`value` on `device`, without gradient, as `dtype` if it is floating-point."""
    return value.detach().to(device, dtype if value.is_floating_point() else value.dtype)
