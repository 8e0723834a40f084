"""Batches hold what the protocol documents, gathered when read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mersearch.training import DeviceData
from mersearch.training.batches import LazyBatch, Split, planned
from tests.folded import DATA, DATASET, FOLDS, eager_batch


def test_a_batch_holds_what_the_protocol_documents() -> None:
    fold = FOLDS[1]
    rng = np.random.Generator(np.random.PCG64(0))
    plan = {
        "micro": rng.integers(len(fold.train), size=(3, 4)),
        "macro": rng.integers(len(fold.macro), size=(3, 2)),
        "sign": rng.random((3, 5)),
        "kind": rng.integers(9, size=3),
        "keep": rng.random((3, 2, 2)) < 0.5,
    }
    split = Split(fold.subject, fold.train, fold.macro)
    batch = LazyBatch(planned(plan, 3, split, DATA, torch.float64, "here"), 2)
    expected = eager_batch(plan, fold, 2)
    assert set(batch) == set(expected)
    assert len(batch) == len(expected)
    for name, value in expected.items():
        torch.testing.assert_close(batch[name], value, rtol=0, atol=1e-15)
    single = LazyBatch(planned(plan, 3, split, DATA, torch.float32, "here"), 2)
    assert single["sign"].dtype == single["micro.annotated"].dtype == torch.float32


def test_a_view_that_is_not_on_disk_has_no_key() -> None:
    clips = dataclasses.replace(DATASET.micro, rgb=None)
    data = DeviceData.from_dataset(dataclasses.replace(DATASET, micro=clips))
    plan = {"micro": np.zeros((1, 2), np.int64)}
    fold = FOLDS[0]
    batch = LazyBatch(
        planned(plan, 1, Split(fold.subject, fold.train, fold.macro), data, torch.float32, ""), 0
    )
    assert {name for name in batch if "rgb" in name or "flow" in name} == {"micro.flow"}


def test_a_tensor_is_gathered_once_and_only_if_read() -> None:
    calls: list[int] = []

    def source(row: int) -> Tensor:
        calls.append(row)
        return torch.zeros(1)

    batch: Mapping[str, Tensor] = LazyBatch({"a": source, "b": source}, 7)
    assert batch["a"] is batch["a"]
    assert calls == [7]
