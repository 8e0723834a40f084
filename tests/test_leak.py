"""A fold cannot profit from what its held-out clips show; that they reach no training is in the contract suite."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mersearch.data.clips import DataSet
from mersearch.data.folds import Fold, folds
from mersearch.testing.clips import clips_of, labels_of, small_dataset
from mersearch.training import DeviceData, train_chunk
from tests.toy import Settings, Toy

DATASETS = 60
"""Planted data sets of the canary, with noise of their own each."""


def planted(seed: int) -> tuple[DataSet, DataSet, Fold]:
    """A data set whose flow shows the class on the clips of one fold's subject only, and one that shows it on all."""
    rng = np.random.Generator(np.random.PCG64(seed))
    labels = labels_of((6,) * 8, 3, rng)
    noise, signal = (clips_of(labels, "micro", 1, 6, strength, rng) for strength in (0.0, 1.0))
    assert noise.flow is not None
    assert signal.flow is not None
    everywhere = dataclasses.replace(small_dataset((6,) * 8, frames=1), micro=signal)
    fold = folds(everywhere)[0]
    flow = noise.flow.copy()
    flow[fold.test] = signal.flow[fold.test]
    return dataclasses.replace(everywhere, micro=dataclasses.replace(noise, flow=flow)), everywhere, fold


def accuracy(dataset: DataSet, fold: Fold, backend: str) -> float:
    """Of the held-out clips of `fold`; as one program, with a fold that trains on them."""
    algorithm = Toy(Settings(steps=20, batch=16, dropout=0.0, lr=0.02), dataset.shapes)
    chunk = [fold] if backend == "loop" else [fold, folds(dataset)[1]]
    data = DeviceData.from_dataset(dataset)
    result = train_chunk(algorithm, data, chunk, seed=1, backend=backend)[0]
    return float((result.logits.argmax(1) == result.labels).mean())


def chance_limit(draws: int, risk: float = 1e-3) -> float:
    """The smallest share that `draws` guesses among three exceed with a probability below `risk`: binomial tail."""
    tail, right = 0.0, draws
    while (tail := tail + math.comb(draws, right) * 2.0 ** (draws - right) / 3.0**draws) < risk:
        right -= 1
    return right / draws


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_a_feature_that_equals_the_label_on_held_out_clips_only_gives_chance(backend: str) -> None:
    hidden, shown = [], []
    for seed in range(DATASETS):
        only_held_out, everywhere, fold = planted(seed)
        hidden.append(accuracy(only_held_out, fold, backend))
        if seed < 5:
            shown.append(accuracy(everywhere, fold, backend))
    limit = chance_limit(3 * DATASETS)  # every data set sends three patterns to classes by chance
    assert limit < 0.45
    assert np.mean(hidden) <= limit
    assert np.mean(shown) > 0.9, "the feature can be learnt where it is shown"
