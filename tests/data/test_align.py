from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_files import grid, texture, write_clip
from numpy.typing import NDArray

from mersearch.data import align as module
from mersearch.data.align import (
    BOX_EYES,
    LEFT_EYE,
    PORTRAIT,
    RIGHT_EYE,
    align,
    crop,
    from_box,
    from_eyes,
    whole_frame,
)
from mersearch.data.arrays import clip_arrays
from mersearch.data.frames import positions
from mersearch.data.haar import find_eyes, find_face
from mersearch.data.images import read_image
from mersearch.data.preprocess import Preprocess

PICTURE = np.repeat(texture(grid(120, 160))[..., None], 3, axis=2)


def at(transform: NDArray[np.float64], x: float, y: float) -> list[float]:
    return list(transform @ [x, y, 1])


def test_eyes_come_to_their_places_by_a_similarity_to_a_portrait_that_is_stretched() -> None:
    transform = from_eyes((52, 61), (97, 48))
    assert at(transform, 52, 61) == pytest.approx(LEFT_EYE)
    assert at(transform, 97, 48) == pytest.approx(RIGHT_EYE)
    linear = np.diag([1, PORTRAIT]) @ transform[:, :2]
    scale = 0.4 / np.hypot(97 - 52, 48 - 61)
    np.testing.assert_allclose(linear @ linear.T, scale**2 * np.eye(2), atol=1e-12)
    assert np.linalg.det(linear) > 0


def test_eyes_where_they_usually_are_in_a_box_come_to_their_places() -> None:
    x, y = BOX_EYES[0]
    assert at(from_box((10, 20, 50, 50)), 10 + 50 * x, 20 + 50 * y) == pytest.approx(LEFT_EYE)


def test_corners_of_the_frame_come_to_the_corners_of_the_crop() -> None:
    assert at(whole_frame(340, 280), 0, 0) == [0, 0]
    assert at(whole_frame(340, 280), 280, 340) == pytest.approx([1, 1])


def test_a_face_crop_of_the_usual_shape_and_a_searched_face_give_the_same_crop() -> None:
    eyes = [(280 * x, 340 * y) for x, y in (LEFT_EYE, RIGHT_EYE)]
    np.testing.assert_allclose(from_eyes(*eyes), whole_frame(340, 280), atol=1e-12)


def test_a_face_that_is_rotated_scaled_and_shifted_gives_the_same_crop() -> None:
    angle, scale, shift = np.radians(12), 1.3, np.array([20.0, 15.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = grid(200, 260)
    source = np.einsum("ij,jyx->iyx", np.linalg.inv(turn), points - shift.reshape(2, 1, 1))
    turned = np.repeat(texture(source)[..., None], 3, axis=2)
    there = [tuple(turn @ eye + shift) for eye in ([60, 55], [96, 55])]
    straight = crop(PICTURE, from_eyes((60.0, 55.0), (96.0, 55.0)), 64).astype(int)
    recovered = crop(turned, from_eyes(*there), 64).astype(int)
    # Waves of 12 px and more, read between pixels: at most (π / 12)² / 2 = 3 % of 16 levels each, and rounding.
    assert np.abs(straight - recovered).mean() < 1.5
    assert np.abs(straight - np.roll(recovered, 1, axis=1)).mean() > 5


def test_a_crop_of_the_whole_frame_at_its_own_size_is_the_frame() -> None:
    square = PICTURE[:120, :120]
    assert np.array_equal(crop(square, whole_frame(120, 120), 120), square)


def test_a_smaller_crop_of_the_whole_frame_is_its_averages_over_areas() -> None:
    blocks = PICTURE.reshape(40, 3, 40, 4, 3).mean(axis=(1, 3))
    assert np.abs(crop(PICTURE, whole_frame(120, 160), 40) - blocks).max() <= 0.5 + 1e-9


def test_frames_that_are_crops_already_are_not_searched() -> None:
    found = align(PICTURE, "none")
    assert np.array_equal(found.transform, whole_frame(120, 160))
    assert found.note is None


def test_without_a_face_the_whole_frame_is_used_and_said() -> None:
    found = align(np.full((120, 160, 3), 90, dtype=np.uint8), "haar")
    assert np.array_equal(found.transform, whole_frame(120, 160))
    assert found.note is not None
    assert "no face found" in found.note


def test_without_eyes_the_face_box_is_used_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_face", lambda grey: (40.0, 30.0, 50.0, 50.0))
    found = align(np.full((120, 160, 3), 90, dtype=np.uint8), "haar")
    assert np.array_equal(found.transform, from_box((40.0, 30.0, 50.0, 50.0)))
    assert found.note is not None
    assert "face box" in found.note


def test_eyes_outside_the_frame_are_not_found() -> None:
    grey = PICTURE[..., 0]
    assert find_eyes(grey, (150.0, 110.0, 60.0, 60.0)) is None
    assert find_face(np.full((1200, 1600), 90, dtype=np.uint8)) is None


def test_the_transform_of_the_onset_holds_for_all_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path, "s1-1", speed=1.0)
    settings = Preprocess(frames=3, size=16, flow_size=32, align="haar")
    searched: list[NDArray[np.uint8]] = []

    def face(grey: NDArray[np.uint8]) -> tuple[float, float, float, float]:
        searched.append(grey)
        return (4.0, 6.0, 32.0, 32.0)

    monkeypatch.setattr(module, "find_face", face)
    monkeypatch.setattr(module, "find_eyes", lambda grey, box: ((13.0, 20.0), (28.0, 17.0)))
    arrays = clip_arrays(clip, settings, "haar")
    assert len(searched) == 1
    assert np.array_equal(searched[0], read_image(clip.frames[0], "")[..., 0])
    transform = from_eyes((13.0, 20.0), (28.0, 17.0))
    for index, position in enumerate(positions(clip, settings)):
        face_crop = crop(read_image(clip.frames[position], ""), transform, 32)
        means = face_crop[..., ::-1].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
        assert np.abs(np.moveaxis(arrays.rgb[:, index], 0, -1) - means).max() <= 0.5
    # One pixel to the right per frame, in a face that is √(15² + 3²) / 0.4 px wide and turned by its eyes.
    eyes = complex(15, -3)
    exact = 5 * 128 * 0.4 / eyes
    stored = arrays.flow[:2, 2].astype(float) * settings.flow_scale / 127
    assert np.sign(stored[:, 4:-4, 4:-4].mean(axis=(1, 2))) == pytest.approx(
        np.sign([exact.real, exact.imag])
    )
