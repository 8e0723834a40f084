"""Held-out clips and labels reach no training gradient, and a fold cannot profit from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import Fold, folds
from mersearch.training import DeviceData, FoldResult, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import Fitted, fit
from tests.toy import Settings, Toy, toy_clips, toy_dataset, toy_labels

SETTINGS = Settings(steps=20, macro=True)


def fitted(dataset: DataSet, fold: Fold) -> Fitted:
    algorithm = Toy(SETTINGS, dataset.shapes)
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


def assert_same_bits(a: Fitted, b: Fitted) -> None:
    for tensors, others in ((a.parameters, b.parameters), (a.state, b.state)):
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert a.diagnostics == b.diagnostics


@pytest.mark.parametrize("what", ["noise", "labels"])
def test_replacing_what_is_held_out_changes_no_bit_of_the_training(what: str) -> None:
    dataset = toy_dataset(macro=True)
    for fold in folds(dataset)[:3]:
        other = dataclasses.replace(dataset, micro=replaced(dataset.micro, fold.test, what))
        assert_same_bits(fitted(dataset, fold), fitted(other, fold))


@pytest.mark.parametrize("what", ["noise", "labels"])
def test_replacing_a_training_clip_changes_the_training(what: str) -> None:
    dataset = toy_dataset(macro=True)
    fold = folds(dataset)[0]
    other = dataclasses.replace(dataset, micro=replaced(dataset.micro, fold.train[:4], what))
    with pytest.raises(AssertionError):
        assert_same_bits(fitted(dataset, fold), fitted(other, fold))


def test_held_out_labels_do_not_reach_the_logits() -> None:
    dataset = toy_dataset(macro=True)
    fold = folds(dataset)[0]
    other = dataclasses.replace(dataset, micro=replaced(dataset.micro, fold.test, "labels"))
    first, second = (
        train_chunk(Toy(SETTINGS, data.shapes), DeviceData.from_dataset(data), [fold], seed=3)[0]
        for data in (dataset, other)
    )
    assert np.array_equal(first.logits, second.logits)
    assert not np.array_equal(first.labels, second.labels)


def accuracy(results: list[FoldResult]) -> float:
    hits = [result.logits.argmax(1) == result.labels for result in results]
    return float(np.concatenate(hits).mean())


def test_a_feature_that_equals_the_label_on_held_out_clips_only_gives_chance() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    labels = toy_labels((6,) * 16, 3, rng)
    noise, signal = (toy_clips(labels, "micro", 2, 6, strength, rng) for strength in (0.0, 1.0))
    assert noise.flow is not None
    assert signal.flow is not None
    dataset = dataclasses.replace(toy_dataset((6,) * 16), micro=signal)
    settings = Settings(steps=40, batch=16, dropout=0.0, lr=0.02)
    algorithm = Toy(settings, dataset.shapes)
    results = []
    for fold in folds(dataset):
        flow = noise.flow.copy()
        flow[fold.test] = signal.flow[fold.test]
        planted = dataclasses.replace(dataset, micro=dataclasses.replace(noise, flow=flow))
        results += train_chunk(algorithm, DeviceData.from_dataset(planted), [fold], seed=1)
    # A fold sends three patterns to three classes at random: its accuracy has a standard deviation below 1/2.
    assert abs(accuracy(results) - 1 / 3) < 3 * 0.5 / np.sqrt(len(results))
    learnt = train_chunk(algorithm, DeviceData.from_dataset(dataset), folds(dataset)[:4], seed=1)
    assert accuracy(learnt) > 0.9
