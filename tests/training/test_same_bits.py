"""A fold gives the same bits however it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from mersearch.training import FoldResult, train_chunk
from tests.folded import DATA, FOLDS, toy, train

ROOT = Path(__file__).parents[2]


def bits(results: list[FoldResult]) -> dict[str, tuple[bytes, bytes, str]]:
    return {r.subject: (r.logits.tobytes(), r.maps.tobytes(), str(r.diagnostics)) for r in results}


def test_a_fold_alone_equals_the_fold_in_a_chunk(together: list[FoldResult]) -> None:
    alone = [result for fold in FOLDS for result in train(toy(), [fold])]
    assert bits(alone) == bits(together)


def test_the_order_of_folds_does_not_matter(together: list[FoldResult]) -> None:
    assert bits(train(toy(), list(reversed(FOLDS)))) == bits(together)


def test_the_partition_into_chunks_does_not_matter(together: list[FoldResult]) -> None:
    parts = [*train(toy(), list(FOLDS[:2])), *train(toy(), list(FOLDS[2:]))]
    assert bits(parts) == bits(together)


def test_a_fresh_process_with_the_same_threads_gives_the_same_bits(together: list[FoldResult]) -> None:
    code = (
        "import sys, torch; torch.set_num_threads(int(sys.argv[1]))\n"
        "from tests.folded import FOLDS, train, toy\n"
        "for result in train(toy(), [FOLDS[1], FOLDS[4]]):\n"
        "    print(result.subject, result.logits.tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(torch.get_num_threads())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [f"{together[i].subject} {together[i].logits.tobytes().hex()}" for i in (1, 4)]
    assert done.stdout.splitlines() == expected


def test_the_global_generators_do_not_matter(together: list[FoldResult]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        assert bits(train(toy(), [FOLDS[0]])) == bits(together[:1])


def test_another_run_seed_gives_other_numbers(together: list[FoldResult]) -> None:
    other = train_chunk(toy(), DATA, FOLDS[:1], seed=4)
    assert not np.array_equal(other[0].logits, together[0].logits)
