"""Folds that are stacked along a first axis, and one update of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Stage, State, Training, Update, curves
from mersearch.errors import TrialFailure
from mersearch.training import optimisers
from mersearch.training.batches import LazyBatch, Row, Split, planned_together
from mersearch.training.captured import Replayed, Snapshot, owned
from mersearch.training.device import DeviceData
from mersearch.training.record import OnFailure, Record
from mersearch.training.together import Together
from mersearch.training.vector import Vector


@dataclass(frozen=True, slots=True)
class Folds:
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


class Trainer:
    """One update of a stage: batches, optimiser and record of all folds."""

    def __init__(self, folds: Folds, stage: Stage, update: Update) -> None:
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
        self._parameters, self._slices = folds.vector.select(update.group)
        self._gradient = folds.vector.gradient
        self._gradients = [value.grad for value in self._parameters.values() if value.grad is not None]
        self._optimiser = optimisers.build(update.optimiser, self._slices)
        self._rates = optimisers.rates(stage.schedule, update.optimiser.lr, stage.steps)
        self._clip, self._repeats = update.optimiser.clip_norm, update.repeats
        name = f"{stage.name}.{update.loss}"
        self.record = Record(rows, name, where, curves(folds.algorithm), (len(axes),))

    def step(self, state: State, t: int) -> State:
        """All repeats of the update at step `t` of the stage."""
        self._optimiser.lr = self._rates[t]
        for row in range(t * self._repeats, (t + 1) * self._repeats):
            state = self._once(row, self._steps[row], state)
        return state

    def _once(self, row: Row, step: Tensor, state: State) -> State:
        batch = LazyBatch(self._sources, row)
        losses, moved, logs = self._loss(self._parameters, state, batch, self._keys, step)
        self.record.add(row, losses, logs)
        self._gradient.zero_()
        torch.autograd.backward(losses, torch.ones_like(losses))
        if self._clip:
            optimisers.clip_each(self._gradients, self._clip)
        self._optimiser.step()
        return {name: value.detach() for name, value in moved.items()}

    def failures(self, steps: int) -> Mapping[int, TrialFailure]:
        """Folds whose loss is not finite in the steps up to `steps` that were not looked at yet."""
        return self.record.failures(steps * self._repeats)


class CapturedTrainer(Trainer):
    """The same, with everything that changes from step to step on the device, so that a step can be replayed.

    The state's tensors are changed in place: the trainers of a stage share them.
    """

    def __init__(self, folds: Folds, stage: Stage, update: Update) -> None:
        super().__init__(folds, stage, update)
        device = folds.data.device
        self._values = folds.vector.values
        self._row = torch.zeros(1, dtype=torch.int64, device=device)
        kind = optimisers.rate_type(update.optimiser, device)
        self._lr = torch.zeros((), dtype=kind, device=device)
        self._lrs = torch.tensor(self._rates, dtype=kind, device=device)
        self._optimiser = optimisers.build(update.optimiser, self._slices, self._lr)
        self._replayed: Replayed | None = None

    def step(self, state: State, t: int) -> State:
        """All repeats of the update; `t` is counted on the device."""
        del t
        if self._replayed is None:
            before = Snapshot(self._values, self._row, *state.values())

            def restore() -> None:
                before.restore()
                self._optimiser.rewind()

            self._replayed = Replayed(partial(self._body, state), self._row.device, restore)
        for _ in range(self._repeats):
            self._replayed()
        return state

    def _body(self, state: State) -> None:
        self._lr.copy_(self._lrs.index_select(0, self._row // self._repeats)[0])
        moved = owned(self._once(self._row, self._row[0], state))
        for name, value in moved.items():
            state[name].copy_(value)
        self._row.add_(1)
