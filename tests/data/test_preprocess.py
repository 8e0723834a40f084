from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from mersearch.data.preprocess import Preprocess
from mersearch.errors import ConfigError, Several


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", 0),
        ("frames", 1_000_000_000),
        ("flow_size", 1_000_000_000),
        ("size", 7),
        ("size", 225),
        ("flow_size", 15),
        ("flow_scale", 0.0),
        ("strain_scale", -1.0),
        ("face_size", 0),
        ("align", "dlib"),
        ("macro_fraction", 0.0),
        ("macro_fraction", 1.5),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_key(name: str, value: Any) -> None:
    settings = dataclasses.replace(Preprocess(size=8, flow_size=16), flow_size=224)
    with pytest.raises((ConfigError, Several), match=f"preprocess.{name} is"):
        dataclasses.replace(settings, **{name: value})


def test_all_bounds_are_reported_together() -> None:
    with pytest.raises(Several) as caught:
        Preprocess(frames=0, flow_scale=-1.0)
    assert len(caught.value.errors) == 2


def test_auto_searches_a_face_only_where_frames_are_not_crops() -> None:
    assert Preprocess().method(aligned=True) == "none"
    assert Preprocess().method(aligned=False) == "haar"
    assert Preprocess(align="haar").method(aligned=True) == "haar"
    assert Preprocess(align="none").method(aligned=False) == "none"


def test_the_part_of_a_macro_sequence_says_nothing_about_micro_clips() -> None:
    early, whole = Preprocess(macro_fraction=0.4), Preprocess()
    assert early.applied("micro", True) == whole.applied("micro", True)
    assert early.applied("macro", True) != whole.applied("macro", True)
    assert Preprocess(align="none").applied("micro", True) == whole.applied("micro", True)
