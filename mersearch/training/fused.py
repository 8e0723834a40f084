"""The stages of one algorithm on many folds as one program.

Parameters, optimiser state and the algorithm's state of F folds are stacked along a first axis, and `torch.func.vmap`
runs the loss, which is written for one fold, over that axis. The sum of the losses is differentiated, never their
mean, so every fold gets the gradient that it would get alone. Batches are gathered by index from the one copy of the
clips. Index streams and random numbers are those of `mersearch.training.fit`; results agree with it up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Stage, State, Update
from mersearch.training.batches import Split, shapes_of
from mersearch.training.captured import owned
from mersearch.training.device import DeviceData
from mersearch.training.fit import CHECK, Fitted, placed, require_names
from mersearch.training.optimisers import rows
from mersearch.training.pretrained import Pretrained, begun
from mersearch.training.record import Diagnostics, OnFailure, diverged
from mersearch.training.stacked import CapturedTrainer, Folds, Trainer
from mersearch.training.stages import own_stages
from mersearch.training.vector import Vector


def fit_together(
    algorithm: Algorithm,
    data: DeviceData,
    splits: Sequence[Split],
    seed: int,
    dtype: torch.dtype,
    on_failure: OnFailure | None = None,
    captured: bool = False,
    starts: Mapping[str, Pretrained] | None = None,
) -> dict[str, Fitted]:
    """Train on the clips of every split, from the run seed, the subject and its start only.

    Folds whose batches differ in shape (one trains on fewer clips than a batch holds) are trained one group after
    another.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        splits: what the folds are trained on.
        seed: seed of the run.
        dtype: floating-point type of parameters and batches.
        on_failure: told of every fold that diverges while the others go on; without it the first one is raised.
        captured: whether a step is recorded and replayed, on a card; elsewhere the same step is run as it is.
        starts: held-out subject → what the algorithm's shared stages have left, where it has some.

    Returns:
        Held-out subject → what its training leaves, of the folds that have not failed.

    Raises:
        DataError: a start has seen the subject of its fold.
        TrialFailure: a loss or a parameter is not finite, or the algorithm breaks its protocol.
    """
    found: dict[str, Fitted] = {}
    for group in alike(algorithm, data, splits):
        found |= _fit_group(algorithm, data, group, seed, dtype, on_failure, captured, starts or {})
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
    pairs = [(stage, update) for stage in own_stages(algorithm) for update in stage.updates]
    return [(stage, update) for stage, update in pairs if stage.steps and update.repeats]


def _fit_group(
    algorithm: Algorithm,
    data: DeviceData,
    splits: tuple[Split, ...],
    seed: int,
    dtype: torch.dtype,
    on_failure: OnFailure | None,
    captured: bool,
    starts: Mapping[str, Pretrained],
) -> dict[str, Fitted]:
    initials = [begun(algorithm, split.subject, seed, starts.get(split.subject)) for split in splits]
    vector = Vector(_stacked([parameters for parameters, _ in initials]), data.device, dtype)
    initial = _stacked([state for _, state in initials])
    state = {name: placed(value, data.device, dtype) for name, value in initial.items()}
    training = tuple(split.training(data) for split in splits)
    folds = Folds(algorithm, data, splits, training, seed, dtype, vector, on_failure)
    state = owned(state) if captured else state
    trainer = CapturedTrainer if captured else Trainer
    diagnostics: list[Diagnostics] = [
        dict(starts[split.subject].diagnostics) if split.subject in starts else {} for split in splits
    ]
    for stage in own_stages(algorithm):
        if stage.steps and len(folds.failed) < len(splits):
            state = _run(folds, stage, state, diagnostics, trainer)
    parameters = vector.all_frozen()
    keys = [starts[split.subject].key if split.subject in starts else "" for split in splits]
    return {
        split.subject: Fitted(_of(parameters, fold), _of(state, fold), diagnostics[fold], keys[fold])
        for fold, split in enumerate(splits)
        if fold not in folds.failed
    }


def _run(
    folds: Folds, stage: Stage, state: State, diagnostics: list[Diagnostics], trainer: type[Trainer]
) -> State:
    trainers = [trainer(folds, stage, update) for update in stage.updates if update.repeats]
    names = set(state)
    for t in range(stage.steps):
        for each in trainers:
            state = each.step(state, t)
        if (t + 1) % CHECK == 0 or t + 1 == stage.steps:
            for each in trainers:
                for fold, failure in each.failures(t + 1).items():
                    folds.fail(fold, failure)
            if len(folds.failed) == len(folds.splits):
                return state
    require_names(state, names, f"fold {folds.splits[0].subject}, stage {stage.name}")
    _require_finite(folds, stage)
    for each in trainers:
        for fold, own in enumerate(diagnostics):
            own |= each.record.diagnostics(fold)
    return state


def _require_finite(folds: Folds, stage: Stage) -> None:
    values = folds.vector.all_frozen().values()
    finite = torch.stack([rows(value).isfinite().all(1) for value in values]).all(0)
    for fold in finite.logical_not().nonzero().flatten().tolist():
        where = f"fold {folds.splits[fold].subject}, stage {stage.name}"
        what = f"values that are not after step {stage.steps - 1}, {where}"
        folds.fail(fold, diverged("parameters stay finite", what))


def _stacked(tensors: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in tensors]) for name in tensors[0]}


def _of(tensors: Mapping[str, Tensor], fold: int) -> dict[str, Tensor]:
    return {name: value[fold] for name, value in tensors.items()}
