"""What is read of a trained fold: the identity probe, and maps beside action units."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from mersearch.algorithm import Labels
from mersearch.data.action_units import ACTION_UNITS, regions
from mersearch.errors import TrialFailure
from mersearch.training import train_chunk
from mersearch.training.inspection import action_unit_areas, held_out_maps
from mersearch.training.probe import identity_probe
from tests.every import DEVICE_DATA, EVERY, FOLDS


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_a_feature_that_names_the_subject_is_found_in_full() -> None:
    subject = np.repeat([3, 5, 9], [4, 7, 5])
    features = torch.eye(10, dtype=torch.float64)[torch.from_numpy(subject)]
    assert identity_probe(features, subject) == (1.0, 7 / 16)


def test_noise_tells_no_more_than_chance() -> None:
    subject = rng().integers(0, 8, 400)
    probe = identity_probe(torch.from_numpy(rng(1).normal(size=(400, 16))), subject)
    assert probe is not None
    assert probe.accuracy < 1 / 8 + 3 * np.sqrt(1 / 8 * 7 / 8 / 400)


def test_no_clip_is_among_those_that_its_probe_learns() -> None:
    features = torch.from_numpy(rng().normal(size=(60, 200)))
    probe = identity_probe(features, np.repeat(np.arange(6), 10))
    assert probe is not None
    assert probe.accuracy < 0.5, "200 random features separate 60 clips that were learned, and no other"


@pytest.mark.parametrize("subject", [[1, 1, 1], [1, 2, 3], [1, 1, 2]])
def test_without_two_subjects_of_two_clips_there_is_no_probe(subject: list[int]) -> None:
    assert identity_probe(torch.ones(3, 2), np.array(subject)) is None


def test_a_feature_that_is_no_number_gives_no_probe() -> None:
    features = torch.ones(4, 2)
    features[1, 0] = torch.nan
    assert identity_probe(features, np.array([0, 0, 1, 1])) is None


def labels(units: list[tuple[int, ...]]) -> Labels:
    present = np.array([[u in clip for u in ACTION_UNITS] for clip in units])
    zeros = np.zeros(len(units), dtype=np.int64)
    return Labels(zeros, zeros, present, present.any(1))


def test_a_map_on_the_regions_overlaps_in_full_and_an_even_one_by_their_area() -> None:
    own = labels([(12,), (1, 4), ()])
    shapes = dataclasses.replace(DEVICE_DATA.shapes, action_units=ACTION_UNITS)
    areas = action_unit_areas(own, ACTION_UNITS, 14)
    expected = regions(14)[ACTION_UNITS.index(12)] > 0.5
    assert (areas[0] == expected).all()
    assert not areas[2].any()
    exact = held_out_maps((areas * 255).astype(np.uint8), own, shapes)
    assert exact["held_out.map_overlap"] == 1
    even = held_out_maps(np.full((3, 14, 14), 51, np.uint8), own, shapes)
    assert even["held_out.map_coverage"] == pytest.approx(0.2)
    assert even["held_out.map_overlap"] == pytest.approx(areas[:2].mean())
    assert even["held_out.map_overlap"] == pytest.approx(even["held_out.map_overlap_even"])


def test_without_annotated_clips_only_the_coverage_is_known() -> None:
    found = held_out_maps(np.zeros((1, 14, 14), np.uint8), labels([()]), DEVICE_DATA.shapes)
    assert found == {"held_out.map_coverage": 0}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("quintuplet", {"mask_coverage", "view_agreement", "identity_probe", "identity_chance"}),
        ("disentangle", {"overlap", "identity_probe", "identity_chance"}),
    ],
)
def test_the_algorithms_report_what_they_look_like_inside(name: str, keys: set[str]) -> None:
    (result,) = train_chunk(EVERY[name](DEVICE_DATA.shapes), DEVICE_DATA, FOLDS[:1], seed=0)
    found = {key.partition(".")[2]: value for key, value in result.diagnostics.items() if "inspect." in key}
    assert {*found} == keys
    for value in found.values():
        assert isinstance(value, float)
        assert -1 <= value <= 1


@pytest.mark.parametrize(
    ("shown", "received"),
    [
        ({"many": torch.zeros(2, 3)}, r"`many` of shape \(2, 3\)"),
        ({"mean": torch.tensor(0.5)}, r"`mean` of shape \(\)"),
        ({"mean": 0.5}, "`mean`, a float"),
        ({"feature": torch.zeros(2)}, r"`feature` of shape \(2,\)"),
    ],
    ids=str,
)
def test_an_inspection_of_another_shape_is_refused(shown: dict[str, Any], received: str) -> None:
    algorithm: Any = EVERY["toy"](DEVICE_DATA.shapes)
    algorithm.inspect = lambda *_: shown
    with pytest.raises(TrialFailure, match=f"`inspect` returns a number per clip(.|\n)*{received}"):
        train_chunk(algorithm, DEVICE_DATA, FOLDS[:1], seed=0)
