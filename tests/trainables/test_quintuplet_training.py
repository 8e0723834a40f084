"""Whole training runs on a few clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mersearch.algorithm import settings_from
from mersearch.data.folds import folds
from mersearch.training import DeviceData, FoldResult, train_all, train_chunk
from tests.trainables.clips import dataset
from trainables.quintuplet import Quintuplet

SETTINGS = {
    "encoder": {"width": 4, "dim": 16},
    "attention": {"heads": 9, "width": 0.1},
    "mask": {"width": 4, "steps": 15, "batch": 6, "macro": False},
    "batch": {"quintuplets": 4},
    "quintuplet": {"macro": False},
    "train": {"steps": 40},
}


def algorithm(place: DeviceData) -> Quintuplet:
    return Quintuplet(settings_from(Quintuplet.Settings, SETTINGS), place.shapes)


def train(device: str) -> FoldResult:
    data = dataset()
    place = DeviceData.from_dataset(data, device)
    return train_chunk(algorithm(place), place, folds(data)[:1], seed=0)[0]


def test_training_fits_its_clips_and_finds_the_action_unit() -> None:
    data = dataset()
    place = DeviceData.from_dataset(data)
    net = algorithm(place)
    parameters, state = train_all(net, place, seed=0)
    batch = {f"micro.{view}": place.micro.tensors[view] for view in ("rgb", "flow")}
    batch = {"micro.rgb": batch["micro.rgb"].float() / 255, "micro.flow": batch["micro.flow"].float() / 127}
    logits, _ = net.predict(parameters, state, batch)
    assert np.array_equal(logits.argmax(1).numpy(), data.micro.labels.emotion)


def test_a_fold_is_the_same_twice_and_predicts_its_held_out_clips() -> None:
    first, again = train("cpu"), train("cpu")
    assert np.array_equal(first.logits, again.logits)
    assert np.array_equal(first.maps, again.maps)
    assert (first.logits.argmax(1) == first.labels).mean() > 0.7
    assert {"joint.joint.classification", "joint.joint.masked_micro", "mask.mask.micro_action_units"} <= set(
        first.diagnostics
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible to torch")
def test_a_fold_trains_on_a_gpu_as_on_a_cpu() -> None:
    here, there = train("cpu"), train("cuda")
    assert np.array_equal(here.logits.argmax(1), there.logits.argmax(1))
    assert np.abs(here.logits - there.logits).max() < 0.2
