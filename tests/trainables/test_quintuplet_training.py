"""Whole training runs on a few clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mersearch.algorithm import settings_from
from mersearch.data.folds import folds
from mersearch.training import DeviceData, FoldResult, train_chunk
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


def test_a_fold_predicts_its_held_out_clips_and_logs_every_term() -> None:
    first = train("cpu")
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
