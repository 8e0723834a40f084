"""Held-out clips and labels reach no training gradient, and a fold cannot profit from them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import Fold, folds
from mersearch.testing.clips import clips_of, labels_of, small_dataset
from mersearch.training import DeviceData, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import Fitted, fit
from tests.every import EVERY, FOLDS, LIFELIKE
from tests.toy import Settings, Toy


def fitted(name: str, dataset: DataSet, fold: Fold) -> Fitted:
    algorithm = EVERY[name].build(dataset.shapes)
    split = Split(fold.subject, fold.train, fold.macro)
    return fit(algorithm, DeviceData.from_dataset(dataset), split, 3, torch.float32)


def replaced(clips: Clips, index: np.ndarray, what: str) -> Clips:
    """`clips` with the views (`noise`) or all labels (`labels`) of some clips replaced."""
    rng = np.random.Generator(np.random.PCG64(99))
    if what == "noise":
        assert clips.rgb is not None
        assert clips.flow is not None
        rgb, flow = clips.rgb.copy(), clips.flow.copy()
        rgb[index] = rng.integers(0, 256, rgb[index].shape)
        flow[index] = rng.integers(-127, 128, flow[index].shape)
        return dataclasses.replace(clips, rgb=rgb, flow=flow)
    labels = clips.labels.take(np.arange(len(clips)))
    labels.emotion[index] = (labels.emotion[index] + 1) % 3
    labels.action_units[index] ^= True
    labels.annotated[index] ^= True
    return dataclasses.replace(clips, labels=labels)


def changed(a: Fitted, b: Fitted) -> set[str]:
    """Names of the parameters and states that differ in any bit."""
    pairs = [
        (x[name], y[name], name) for x, y in ((a.parameters, b.parameters), (a.state, b.state)) for name in x
    ]
    assert [*a.parameters, *a.state] == [*b.parameters, *b.state]
    return {name for one, other, name in pairs if not torch.equal(one, other)}


@pytest.mark.parametrize("what", ["noise", "labels"])
def test_replacing_what_is_held_out_changes_no_bit_of_the_training(algorithm_name: str, what: str) -> None:
    for fold in FOLDS[:2]:
        other = dataclasses.replace(LIFELIKE, micro=replaced(LIFELIKE.micro, fold.test, what))
        first, second = fitted(algorithm_name, LIFELIKE, fold), fitted(algorithm_name, other, fold)
        assert not changed(first, second)
        assert first.diagnostics == second.diagnostics


@pytest.mark.parametrize("what", ["noise", "labels"])
def test_replacing_a_training_clip_changes_the_training(algorithm_name: str, what: str) -> None:
    fold = FOLDS[0]
    other = dataclasses.replace(LIFELIKE, micro=replaced(LIFELIKE.micro, fold.train[:4], what))
    found = changed(fitted(algorithm_name, LIFELIKE, fold), fitted(algorithm_name, other, fold))
    assert EVERY[algorithm_name].weight in found


def test_held_out_labels_do_not_reach_the_logits(algorithm_name: str) -> None:
    fold = FOLDS[0]
    other = dataclasses.replace(LIFELIKE, micro=replaced(LIFELIKE.micro, fold.test, "labels"))
    first, second = (
        train_chunk(EVERY[algorithm_name].build(data.shapes), DeviceData.from_dataset(data), [fold], seed=3)[
            0
        ]
        for data in (LIFELIKE, other)
    )
    assert np.array_equal(first.logits, second.logits)
    assert not np.array_equal(first.labels, second.labels)


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


def accuracy(dataset: DataSet, fold: Fold) -> float:
    algorithm = Toy(Settings(steps=20, batch=16, dropout=0.0, lr=0.02), dataset.shapes)
    (result,) = train_chunk(algorithm, DeviceData.from_dataset(dataset), [fold], seed=1)
    return float((result.logits.argmax(1) == result.labels).mean())


def chance_limit(draws: int, risk: float = 1e-3) -> float:
    """The smallest share that `draws` guesses among three exceed with a probability below `risk`: binomial tail."""
    tail, right = 0.0, draws
    while (tail := tail + math.comb(draws, right) * 2.0 ** (draws - right) / 3.0**draws) < risk:
        right -= 1
    return right / draws


def test_a_feature_that_equals_the_label_on_held_out_clips_only_gives_chance() -> None:
    hidden, shown = [], []
    for seed in range(DATASETS):
        only_held_out, everywhere, fold = planted(seed)
        hidden.append(accuracy(only_held_out, fold))
        if seed < 5:
            shown.append(accuracy(everywhere, fold))
    limit = chance_limit(3 * DATASETS)  # every data set sends three patterns to classes by chance
    assert limit < 0.45
    assert np.mean(hidden) <= limit
    assert np.mean(shown) > 0.9, "the feature can be learnt where it is shown"
