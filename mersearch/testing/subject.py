"""The algorithm under test, and the ways in which the tests run it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Stage, Update, settings_from
from mersearch.config import algorithm_class
from mersearch.config.schema import Schema
from mersearch.data.clips import DataSet
from mersearch.data.folds import Fold, folds
from mersearch.errors import raise_all
from mersearch.testing.clips import small_dataset
from mersearch.training import DeviceData, Fitted, FoldResult, Pretraining, train_chunk
from mersearch.training.batches import LazyBatch, Split, gathering, planned
from mersearch.training.fit import fit
from mersearch.training.fused import fit_together
from mersearch.training.pretraining import NOBODY

Nested = Mapping[str, Any]
SEED = 3


class Subject:
    """Attributes: see `mersearch.testing.AlgorithmContract`."""

    algorithm: ClassVar[str]
    settings: ClassVar[Nested] = {}
    overfit: ClassVar[Nested] = {}
    flow_only: ClassVar[Nested] = {}
    size: ClassVar[int] = 16

    def data(self, **changes: Any) -> DataSet:
        """`small_dataset` with macro clips, of the size under test."""
        return small_dataset(**{"size": self.size, "macro": True, **changes})

    def configured(self, *changes: Nested) -> Any:
        """`settings` with `changes`, checked as those of a YAML file are.

        Raises:
            ConfigError: a setting is unknown or out of bounds.
        """
        values: Nested = self.settings
        for change in changes:
            values = merged(values, change)
        return settings_of(self.algorithm, values, f"settings of {type(self).__name__}")

    def build(self, data: DataSet, *changes: Nested) -> Algorithm:
        """The algorithm with these settings, for the shapes of `data`."""
        algorithm: Algorithm = algorithm_class(self.algorithm)(self.configured(*changes), data.shapes)
        return algorithm


def settings_of(algorithm: str, values: Nested, place: str) -> Any:
    """The settings record of an algorithm; `place` names `values` in errors."""
    cls = algorithm_class(algorithm)
    checked, problems = Schema(cls.Settings, "algorithm").check(values)
    raise_all([problem.error(place) for problem in problems])
    return settings_from(cls.Settings, checked)


def merged(values: Nested, changes: Nested) -> dict[str, Any]:
    """Nested `values` with those of `changes` instead."""
    found = dict(values)
    for key, value in changes.items():
        inner = found.get(key)
        found[key] = (
            merged(inner, value) if isinstance(value, Mapping) and isinstance(inner, Mapping) else value
        )
    return found


def split_of(fold: Fold) -> Split:
    """What `fold` trains on."""
    return Split.of(fold)


def fitted(
    algorithm: Algorithm, data: DataSet, fold: Fold, seed: int = SEED, dtype: torch.dtype = torch.float32
) -> Fitted:
    """Parameters, state and diagnostics after the training of one fold."""
    device, split = DeviceData.from_dataset(data), split_of(fold)
    starts = Pretraining().starts(algorithm, device, [split], seed, dtype)
    return fit(algorithm, device, split, seed, dtype, start=starts.found.get(fold.subject))


def fitted_together(
    algorithm: Algorithm, data: DataSet, chosen: Sequence[Fold], dtype: torch.dtype = torch.float32
) -> dict[str, Fitted]:
    """`fitted` of several folds that are trained as one program: held-out subject → what it leaves."""
    device, splits = DeviceData.from_dataset(data), [split_of(fold) for fold in chosen]
    starts = Pretraining().starts(algorithm, device, splits, SEED, dtype)
    return fit_together(algorithm, device, splits, SEED, dtype, starts=starts.found)


def trained(algorithm: Algorithm, data: DataSet, *chosen: Fold, seed: int = SEED) -> list[FoldResult]:
    """Held-out predictions of these folds, or of the first one."""
    return train_chunk(algorithm, DeviceData.from_dataset(data), chosen or folds(data)[:1], seed=seed)


def updates(algorithm: Algorithm) -> Iterator[tuple[Stage, Update]]:
    """Every update that is run."""
    for stage in algorithm.stages():
        yield from ((stage, update) for update in stage.updates if stage.steps and update.repeats)


def batch_of(
    algorithm: Algorithm,
    data: DataSet,
    fold: Fold,
    stage: Stage,
    update: Update,
    row: int,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """The batch that a loss receives at `row` of the plan; the last row where the plan is shorter.

    A shared stage sees the macro clips of the fold alone.
    """
    device, split, rows = DeviceData.from_dataset(data), split_of(fold), stage.steps * update.repeats
    if stage.shared is not None:
        split = Split(NOBODY, np.empty(0, np.int64), split.macro)
    rng = seeds.generator(SEED, "plan", split.subject, stage.name, update.loss)
    plan = algorithm.plan(stage, update, split.training(device), rng)
    sources = planned(plan, rows, split, device, dtype, f"stage {stage.name}, loss {update.loss}")
    return dict(LazyBatch(sources, min(row, rows - 1)))


def views_of(data: DataSet, clips: NDArray[np.int64], dtype: torch.dtype) -> dict[str, Tensor]:
    """The batch that `predict` receives for these micro clips."""
    micro = DeviceData.from_dataset(data).micro
    return dict(LazyBatch(gathering("micro", micro, [torch.tensor(clips)], micro.views, dtype), 0))


def start(algorithm: Algorithm, key: int, dtype: torch.dtype) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Fresh parameters and state, floating-point values as `dtype`."""
    parameters, state = algorithm.init(key)
    return _as(parameters, dtype), _as(state, dtype)


def _as(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        name: value.detach().clone().to(dtype if value.is_floating_point() else value.dtype)
        for name, value in tensors.items()
    }
