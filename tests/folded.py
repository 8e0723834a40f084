"""Training of the toy on its folds, for the tests of training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mersearch.algorithm import Plan
from mersearch.data.clips import DataSet
from mersearch.data.folds import Fold, folds
from mersearch.testing.clips import small_dataset
from mersearch.training import DeviceData, Fitted, FoldResult, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import fit
from tests.toy import Settings, Toy

DATASET = small_dataset(macro=True)
DATA = DeviceData.from_dataset(DATASET)
FOLDS = folds(DATASET)
SETTINGS = Settings(steps=20, macro=True, clip_norm=0.5)


def toy(**changes: Any) -> Toy:
    return Toy(dataclasses.replace(SETTINGS, **changes), DATASET.shapes)


def train(algorithm: Toy, chosen: list[Fold], dataset: DataSet = DATASET, **options: Any) -> list[FoldResult]:
    data = DATA if dataset is DATASET else DeviceData.from_dataset(dataset)
    return train_chunk(algorithm, data, chosen, seed=3, **options)


def fit_fold(algorithm: Toy, fold: Fold, dtype: torch.dtype = torch.float64) -> Fitted:
    return fit(algorithm, DATA, Split(fold.subject, fold.train, fold.macro), 3, dtype)


def eager_batch(plan: Plan, fold: Fold, row: int) -> dict[str, Tensor]:
    """What the protocol says a loss receives, written out with NumPy in float64."""
    batch: dict[str, Tensor] = {}
    kinds = {"micro": (DATASET.micro, fold.train), "macro": (DATASET.macro, fold.macro)}
    for name, array in plan.items():
        if name not in kinds:
            batch[name] = torch.tensor(array[row])
            continue
        clips, positions = kinds[name]
        assert clips is not None
        assert clips.rgb is not None
        assert clips.flow is not None
        chosen = positions[array[row]]
        taken = clips.labels.take(chosen)
        batch[f"{name}.rgb"] = torch.tensor(clips.rgb[chosen].astype(np.float64) / 255)
        batch[f"{name}.flow"] = torch.tensor(clips.flow[chosen].astype(np.float64) / 127)
        batch[f"{name}.emotion"] = torch.tensor(taken.emotion)
        batch[f"{name}.subject"] = torch.tensor(taken.subject)
        batch[f"{name}.action_units"] = torch.tensor(taken.action_units.astype(np.float64))
        batch[f"{name}.annotated"] = torch.tensor(taken.annotated.astype(np.float64))
    return batch
