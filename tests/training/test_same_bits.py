"""A fold of any algorithm gives the same bits however it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from mersearch.data.folds import Fold
from mersearch.training import FoldResult, train_chunk
from tests.every import DEVICE_DATA, EVERY, FOLDS, LIFELIKE

ROOT = Path(__file__).parents[2]
Train = Callable[[Sequence[Fold]], list[FoldResult]]
FRESH = """
import sys, torch
torch.set_num_threads(int(sys.argv[2]))
from mersearch.training import train_chunk
from tests.every import DEVICE_DATA, EVERY, FOLDS, LIFELIKE
for result in train_chunk(EVERY[sys.argv[1]](LIFELIKE.shapes), DEVICE_DATA, [FOLDS[1], FOLDS[4]], seed=3):
    print(result.subject, result.logits.tobytes().hex())
"""


@pytest.fixture(scope="module")
def train(algorithm_name: str) -> Train:
    algorithm = EVERY[algorithm_name](LIFELIKE.shapes)
    return lambda folds: train_chunk(algorithm, DEVICE_DATA, folds, seed=3)


@pytest.fixture(scope="module")
def together(train: Train) -> list[FoldResult]:
    return train(FOLDS)


def bits(results: list[FoldResult]) -> dict[str, tuple[bytes, bytes, str]]:
    return {r.subject: (r.logits.tobytes(), r.maps.tobytes(), str(r.diagnostics)) for r in results}


def test_a_fold_alone_equals_the_fold_in_a_chunk(train: Train, together: list[FoldResult]) -> None:
    alone = [result for fold in FOLDS for result in train([fold])]
    assert bits(alone) == bits(together)


def test_neither_the_order_of_folds_nor_the_partition_into_chunks_matters(
    train: Train, together: list[FoldResult]
) -> None:
    parts = [*train(FOLDS[:1:-1]), *train(FOLDS[1::-1])]
    assert [result.subject for result in parts] == [FOLDS[i].subject for i in (4, 3, 2, 1, 0)]
    assert bits(parts) == bits(together)


def test_a_fresh_process_with_the_same_threads_gives_the_same_bits(
    algorithm_name: str, together: list[FoldResult]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FRESH, algorithm_name, str(torch.get_num_threads())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [f"{together[i].subject} {together[i].logits.tobytes().hex()}" for i in (1, 4)]
    assert done.stdout.splitlines() == expected
