"""The stages of one algorithm on many folds as one program.

Parameters, optimiser state and the algorithm's state of F folds are stacked along a first axis, and `torch.func.vmap`
runs the loss, which is written for one fold, over that axis. The sum of the losses is differentiated, never their
mean, so every fold gets the gradient that it would get alone. Batches are gathered by index from the one copy of the
clips. Index streams and random numbers are those of `mersearch.training.fit`; results agree with it up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Stage, State, Training, Update, curves
from mersearch.errors import TrialFailure
from mersearch.training import optimisers
from mersearch.training.batches import LazyBatch, Split, planned_together, shapes_of
from mersearch.training.device import DeviceData
from mersearch.training.fit import CHECK, Fitted, distinct, placed, require_names
from mersearch.training.record import Diagnostics, OnFailure, Record, diverged
from mersearch.training.together import Together
from mersearch.training.vector import Vector


@dataclass(frozen=True, slots=True)
class _Folds:
    """F folds that are trained together, and which of them have failed."""

    algorithm: Algorithm
    data: DeviceData
    splits: tuple[Split, ...]
    training: tuple[Training, ...]
    seed: int
    dtype: torch.dtype
    vector: Vector
    on_failure: OnFailure | None
    failed: set[int] = field(default_factory=set)

    def fail(self, fold: int, failure: TrialFailure) -> None:
        """Count a fold as failed; raise where nobody wants the others."""
        if self.on_failure is None:
            raise failure
        if fold not in self.failed:
            self.failed.add(fold)
            self.on_failure(self.splits[fold].subject, failure)


class _Trainer:
    """One update of a stage: batches, optimiser and record of all folds."""

    def __init__(self, folds: _Folds, stage: Stage, update: Update) -> None:
        rows, device = stage.steps * update.repeats, folds.data.device
        axes = [(split.subject, stage.name, update.loss) for split in folds.splits]
        where = [f"fold {subject}, stage {stage.name}, loss {update.loss}" for subject, _, _ in axes]
        plans = [
            folds.algorithm.plan(stage, update, training, seeds.generator(folds.seed, "plan", *own))
            for training, own in zip(folds.training, axes, strict=True)
        ]
        self._sources = planned_together(plans, rows, folds.splits, folds.data, folds.dtype, where)
        self._loss = Together(folds.algorithm, update.loss)
        keys = [seeds.seed(folds.seed, "train", *own) for own in axes]
        self._keys = torch.tensor(keys, device=device)
        self._steps = torch.arange(rows, device=device)
        self._parameters, slices = folds.vector.select(update.group)
        self._gradient = folds.vector.gradient
        self._gradients = [value.grad for value in self._parameters.values() if value.grad is not None]
        self._optimiser = optimisers.build(update.optimiser, slices)
        self._rates = optimisers.rates(stage.schedule, update.optimiser.lr, stage.steps)
        self._clip, self._repeats = update.optimiser.clip_norm, update.repeats
        name = f"{stage.name}.{update.loss}"
        self.record = Record(rows, name, where, curves(folds.algorithm), (len(axes),))

    def step(self, state: State, t: int) -> State:
        """All repeats of the update at step `t` of the stage."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rates[t]
        for row in range(t * self._repeats, (t + 1) * self._repeats):
            batch = LazyBatch(self._sources, row)
            losses, moved, logs = self._loss(self._parameters, state, batch, self._keys, self._steps[row])
            self.record.add(row, losses, logs)
            self._gradient.zero_()
            torch.autograd.backward(losses, torch.ones_like(losses))
            if self._clip:
                optimisers.clip_each(self._gradients, self._clip)
            self._optimiser.step()
            state = {name: value.detach() for name, value in moved.items()}
        return state

    def failures(self, steps: int) -> Mapping[int, TrialFailure]:
        """Folds whose loss is not finite in the steps up to `steps` that were not looked at yet."""
        return self.record.failures(steps * self._repeats)


def fit_together(
    algorithm: Algorithm,
    data: DeviceData,
    splits: Sequence[Split],
    seed: int,
    dtype: torch.dtype,
    on_failure: OnFailure | None = None,
) -> dict[str, Fitted]:
    """Train on the clips of every split, from the run seed and the subject only.

    Folds whose batches differ in shape (one trains on fewer clips than a batch holds) are trained one group after
    another.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        splits: what the folds are trained on.
        seed: seed of the run.
        dtype: floating-point type of parameters and batches.
        on_failure: told of every fold that diverges while the others go on; without it the first one is raised.

    Returns:
        Held-out subject → what its training leaves, of the folds that have not failed.

    Raises:
        TrialFailure: a loss or a parameter is not finite, or the algorithm breaks its protocol.
    """
    found: dict[str, Fitted] = {}
    for group in alike(algorithm, data, splits):
        found |= _fit_group(algorithm, data, group, seed, dtype, on_failure)
    return {split.subject: found[split.subject] for split in splits if split.subject in found}


def alike(algorithm: Algorithm, data: DeviceData, splits: Sequence[Split]) -> list[tuple[Split, ...]]:
    """The splits in groups whose batches have the same shapes in every update, by plans of one step."""
    groups: dict[Any, list[Split]] = {}
    for split in splits:
        training, shapes = split.training(data), []
        for stage, update in _running(algorithm):
            rng = seeds.generator("shapes", split.subject, stage.name, update.loss)
            shapes.append(shapes_of(algorithm.plan(replace(stage, steps=1), update, training, rng)))
        groups.setdefault(tuple(shapes), []).append(split)
    return [tuple(group) for group in groups.values()]


def _running(algorithm: Algorithm) -> list[tuple[Stage, Update]]:
    pairs = [(stage, update) for stage in algorithm.stages() for update in stage.updates]
    return [(stage, update) for stage, update in pairs if stage.steps and update.repeats]


def _fit_group(
    algorithm: Algorithm,
    data: DeviceData,
    splits: tuple[Split, ...],
    seed: int,
    dtype: torch.dtype,
    on_failure: OnFailure | None,
) -> dict[str, Fitted]:
    begun = [algorithm.init(seeds.seed(seed, "init", split.subject)) for split in splits]
    vector = Vector(_stacked([parameters for parameters, _ in begun]), data.device, dtype)
    initial = _stacked([state for _, state in begun])
    state = {name: placed(value, data.device, dtype) for name, value in initial.items()}
    training = tuple(split.training(data) for split in splits)
    folds = _Folds(algorithm, data, splits, training, seed, dtype, vector, on_failure)
    diagnostics: list[Diagnostics] = [{} for _ in splits]
    for stage in distinct(algorithm.stages()):
        if stage.steps and len(folds.failed) < len(splits):
            state = _run(folds, stage, state, diagnostics)
    parameters = vector.all_frozen()
    return {
        split.subject: Fitted(_of(parameters, fold), _of(state, fold), diagnostics[fold])
        for fold, split in enumerate(splits)
        if fold not in folds.failed
    }


def _run(folds: _Folds, stage: Stage, state: State, diagnostics: list[Diagnostics]) -> State:
    trainers = [_Trainer(folds, stage, update) for update in stage.updates if update.repeats]
    names = set(state)
    for t in range(stage.steps):
        for trainer in trainers:
            state = trainer.step(state, t)
        if (t + 1) % CHECK == 0 or t + 1 == stage.steps:
            for trainer in trainers:
                for fold, failure in trainer.failures(t + 1).items():
                    folds.fail(fold, failure)
            if len(folds.failed) == len(folds.splits):
                return state
    require_names(state, names, f"fold {folds.splits[0].subject}, stage {stage.name}")
    _require_finite(folds, stage)
    for trainer in trainers:
        for fold, own in enumerate(diagnostics):
            own |= trainer.record.diagnostics(fold)
    return state


def _require_finite(folds: _Folds, stage: Stage) -> None:
    values = folds.vector.all_frozen().values()
    finite = torch.stack([value.flatten(1).isfinite().all(1) for value in values]).all(0)
    for fold in finite.logical_not().nonzero().flatten().tolist():
        where = f"fold {folds.splits[fold].subject}, stage {stage.name}"
        what = f"values that are not after step {stage.steps - 1}, {where}"
        folds.fail(fold, diverged("parameters stay finite", what))


def _stacked(tensors: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in tensors]) for name in tensors[0]}


def _of(tensors: Mapping[str, Tensor], fold: int) -> dict[str, Tensor]:
    return {name: value[fold] for name, value in tensors.items()}
