from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from frame_files import SMALL, grid, texture, write, write_clip

from mersearch.data.arrays import clip_arrays
from mersearch.data.preprocess import Preprocess
from mersearch.errors import DataError

SETTINGS = Preprocess(frames=4, size=8, flow_size=40)


def test_arrays_have_the_layout_that_training_reads(tmp_path: Path) -> None:
    arrays = clip_arrays(write_clip(tmp_path, "s1-1"), SETTINGS, "none")
    assert arrays.rgb.shape == arrays.flow.shape == (3, 4, 8, 8)
    assert [arrays.rgb.dtype.name, arrays.flow.dtype.name] == ["uint8", "int8"]
    assert np.array_equal(arrays.rgb[0], arrays.rgb[2])
    assert arrays.note is None


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    clip = write_clip(tmp_path, "s1-1")
    for path in clip.frames:
        write(path, np.full((*SMALL, 3), (10, 20, 30), dtype=np.uint8))
    rgb = clip_arrays(clip, SETTINGS, "none").rgb
    assert [set(channel.ravel()) for channel in rgb] == [{30}, {20}, {10}]


def test_flow_starts_at_zero_and_grows_with_the_motion_from_the_onset(tmp_path: Path) -> None:
    clip = write_clip(tmp_path, "s1-1", frames=7, speed=0.1)
    flow = clip_arrays(clip, SETTINGS, "none").flow
    assert not flow[:, 0].any()
    u = flow[0, :, 2:-2, 2:-2].mean(axis=(1, 2)) * SETTINGS.flow_scale / 127
    exact = 0.1 * np.array([0, 2, 4, 6]) * 128 / 40
    assert u == pytest.approx(exact, abs=0.15 * exact[-1])
    assert np.abs(flow[1, :, 2:-2, 2:-2]).mean() < 0.1 * np.abs(flow[0, 3]).mean()


def test_a_still_clip_has_no_flow(tmp_path: Path) -> None:
    assert not clip_arrays(write_clip(tmp_path, "s1-1", speed=0.0), SETTINGS, "none").flow.any()


def test_one_frame_holds_the_apex_and_the_motion_from_onset_to_apex(tmp_path: Path) -> None:
    clip = write_clip(tmp_path, "s1-1", frames=7)
    single = clip_arrays(clip, dataclasses.replace(SETTINGS, frames=1), "none")
    several = clip_arrays(clip, dataclasses.replace(SETTINGS, frames=3), "none")
    assert clip.apex == 3
    assert np.array_equal(single.rgb[:, 0], several.rgb[:, 1])
    assert np.array_equal(single.flow[:, 0], several.flow[:, 1])


def test_a_frame_of_another_size_is_an_error_that_names_clip_and_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path, "s1-1")
    write(clip.frames[-1], texture(grid(20, 30)))
    with pytest.raises(DataError, match=r"toy/s1/s1-1 have one size(.|\n)*5\.png: 30×20, onset frame 40×48"):
        clip_arrays(clip, SETTINGS, "none")
