"""Flow that was computed elsewhere, in the form of the cache; and frames of a video as those of a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clip_tables import pictures, write_pictures, write_video
from frame_files import database, write_clip
from numpy.typing import NDArray

from mersearch.data.arrays import clip_arrays
from mersearch.data.cache import prepare
from mersearch.data.cache_load import load
from mersearch.data.flow_maps import flow_facts, flow_view
from mersearch.data.frames import flow_positions
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip, FlowMaps, Video
from mersearch.errors import DataError

SETTINGS = Preprocess(frames=1, size=8, flow_size=24)


def maps(path: Path, length: int = 1, scale: float | None = 2.0, strain: float | None = None) -> FlowMaps:
    return FlowMaps((path,), length, (length + 1) // 2, 8, scale, strain, "line 2 of m.csv")


def saved(folder: Path, values: Any) -> Path:
    np.save(folder / "a.npy", values)
    return folder / "a.npy"


def seen(
    given: FlowMaps, chosen: tuple[int, ...] = (1,), settings: Preprocess = SETTINGS
) -> NDArray[np.int8]:
    return flow_view(given, chosen, settings, "m/1/a")


@pytest.fixture
def values() -> NDArray[np.float32]:
    """u and v within ±2, strain within 0…0.5, on 8×8 cells: nothing is resized."""
    rng = np.random.Generator(np.random.PCG64(0))
    low, high = np.array([-2, -2, 0])[:, None, None], np.array([2, 2, 0.5])[:, None, None]
    return rng.uniform(low, high, (3, 8, 8)).astype(np.float32)


def test_u_v_and_strain_are_stored_as_shares_of_their_scales(
    tmp_path: Path, values: NDArray[np.float32]
) -> None:
    stored = seen(maps(saved(tmp_path, values), scale=2.0, strain=0.5))
    shares = np.stack([values[0] / 2, values[1] / 2, values[2] / 0.5])
    assert np.array_equal(stored[:, 0], np.rint(127 * shares).astype(np.int8))


def test_strain_without_a_scale_of_its_own_has_that_of_u_and_v(
    tmp_path: Path, values: NDArray[np.float32]
) -> None:
    stored = seen(maps(saved(tmp_path, values), scale=4.0))
    assert np.array_equal(stored[2, 0], np.rint(127 * values[2] / 4).astype(np.int8))


def test_larger_motion_is_clipped(tmp_path: Path, values: NDArray[np.float32]) -> None:
    stored = seen(maps(saved(tmp_path, 100 * np.sign(values)), scale=2.0))
    assert set(np.unique(stored)) <= {-127, 0, 127}


@pytest.mark.parametrize("form", ["last", "stacked", "stacked last", "float64", "float16"])
def test_every_order_of_the_axes_and_every_type_of_numbers_says_the_same(
    form: str, tmp_path: Path, values: NDArray[np.float32]
) -> None:
    exact = np.rint(values * 8) / 8
    plain = seen(maps(saved(tmp_path, exact)))
    last = np.moveaxis(exact, 0, -1)
    other = {"last": last, "stacked": exact[None], "stacked last": last[None]}
    assert np.array_equal(
        seen(maps(saved(tmp_path, other[form] if form in other else exact.astype(form)))), plain
    )


def test_int8_is_stored_as_it_is(tmp_path: Path) -> None:
    steps = np.arange(-96, 96).reshape(3, 8, 8).astype(np.int8)
    assert flow_facts(saved(tmp_path, steps)).bytes
    assert np.array_equal(seen(maps(saved(tmp_path, steps), scale=None))[:, 0], steps)


def test_of_a_picture_red_is_u_green_is_v_and_blue_is_strain(tmp_path: Path) -> None:
    image = np.full((8, 8, 3), 128, np.uint8)
    image[..., 0], image[0, 0], image[1, 1] = 0, (255, 1, 255), (0, 128, 1)  # blue, green, red
    cv2.imwrite(str(tmp_path / "a.png"), image)
    stored = seen(maps(tmp_path / "a.png", scale=None))[:, 0]
    assert stored[:, 0, 0].tolist() == [127, -127, 127]
    assert stored[:, 1, 1].tolist() == [-127, 0, 0]
    assert not stored[:, 2:, 2:].any()


@pytest.mark.parametrize("width", [16, 32])
def test_a_shear_that_is_given_without_strain_has_the_strain_of_the_cache(width: int, tmp_path: Path) -> None:
    """u = 0.1 · y on a face 128 wide: ε = √(½ · 0.1²), of which 0.25 is the largest; whatever the map's width."""
    y = (np.arange(width) + 0.5) * 128 / width
    shear = np.zeros((2, width, width), np.float32)
    shear[0] = 0.1 * (y - 64)[:, None]
    stored = seen(maps(saved(tmp_path, shear), scale=3.0))
    inner = stored[2, 0, 2:-2, 2:-2]
    assert np.abs(inner - 127 * np.sqrt(0.5) * 0.1 / 0.25).max() <= 1


def test_larger_maps_are_averaged_and_smaller_ones_interpolated(tmp_path: Path) -> None:
    halves = np.zeros((3, 16, 16), np.float32)
    halves[0, :, ::2], halves[1, :8] = 2.0, 2.0
    stored = seen(maps(saved(tmp_path, halves)))[:, 0]
    assert set(np.unique(stored[0])) == {64}
    assert stored[1, :4].min() == 127
    assert not stored[1, 4:].any()
    constant = np.full((3, 4, 4), 1.0, np.float32)
    assert set(np.unique(seen(maps(saved(tmp_path, constant))))) == {64}


def test_the_first_of_several_frames_is_the_onset_and_the_others_are_the_maps_in_order(
    tmp_path: Path,
) -> None:
    stacked = np.stack([np.full((3, 8, 8), k / 2, np.float32) for k in range(1, 5)])
    given = maps(saved(tmp_path, stacked), length=4)
    settings = dataclasses.replace(SETTINGS, frames=5)
    clip = Clip("m/1/a", "m", "m/1", "up", 0, 2, 4, None, 0.0, (), "micro", flow=given)
    chosen = flow_positions(clip, given, settings)
    assert chosen == (0, 1, 2, 3, 4)
    stored = clip_arrays(clip, settings, "none")
    assert stored.rgb is None
    assert stored.flow[0, :, 0, 0].tolist() == [0, 32, 64, 95, 127]


def test_a_file_that_is_broken_since_it_was_listed_names_clip_row_and_file(tmp_path: Path) -> None:
    path = saved(tmp_path, np.full((3, 8, 8), np.nan, np.float32))
    with pytest.raises(DataError, match=r"m/1/a \(line 2 of m\.csv\)(.|\n)*a\.npy with 192 that are none"):
        seen(maps(path))
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"m/1/a \(line 2 of m\.csv\)(.|\n)*an array"):
        seen(maps(path))


def test_given_flow_is_taken_in_place_of_computed_flow(tmp_path: Path, values: NDArray[np.float32]) -> None:
    clip = write_clip(tmp_path, "s1-1")
    given = dataclasses.replace(clip, flow=maps(saved(tmp_path, values)))
    computed, both = clip_arrays(clip, SETTINGS, "none"), clip_arrays(given, SETTINGS, "none")
    assert computed.rgb is not None
    assert both.rgb is not None
    assert np.array_equal(both.rgb, computed.rgb)
    assert np.array_equal(both.flow, seen(maps(tmp_path / "a.npy")))
    assert not np.array_equal(both.flow, computed.flow)


def flows(folder: Path, scale: float) -> tuple[Clip, ...]:
    clips = []
    for n in range(4):
        path = folder / f"{n}.npy"
        np.save(path, np.full((3, 8, 8), n / 2, np.float32))
        emotion = ("up", "down")[n % 2]
        clips.append(
            Clip(
                f"m/{n}/a",
                "m",
                f"m/{n}",
                emotion,
                0,
                1,
                1,
                None,
                0.0,
                (),
                "micro",
                flow=maps(path, scale=scale),
            )
        )
    return tuple(clips)


def test_a_cache_of_flow_alone_has_no_frames_and_another_digest_for_another_scale(tmp_path: Path) -> None:
    prepared = [
        prepare(database(flows(tmp_path, scale)), None, SETTINGS, tmp_path / "cache", workers=1)
        for scale in (2.0, 4.0, 2.0)
    ]
    assert prepared[0] == prepared[2]
    assert prepared[0].digest != prepared[1].digest
    assert not (prepared[0].micro / "rgb.npy").exists()
    data = load(prepared[0].micro)
    assert (data.shapes.views, data.shapes.frames, data.micro.rgb) == (("flow",), 1, None)
    assert data.micro.flow is not None
    assert data.micro.flow[:, 0, 0, 0, 0].tolist() == [0, 32, 64, 95]


def test_a_view_that_only_the_macro_clips_have_is_left_out(tmp_path: Path) -> None:
    macro = database(tuple(write_clip(tmp_path, f"s{n}-{n}", kind="macro") for n in (1, 2)))
    prepared = prepare(database(flows(tmp_path, 2.0)), macro, SETTINGS, tmp_path / "cache", workers=1)
    data = load(prepared.micro, prepared.macro)
    assert data.macro is not None
    assert (data.shapes.views, data.macro.rgb) == (("flow",), None)


def test_a_video_gives_the_arrays_of_its_decoded_frames(tmp_path: Path) -> None:
    textured = [
        cv2.GaussianBlur(
            np.random.Generator(np.random.PCG64(n)).integers(0, 255, (32, 40, 3), np.uint8), (0, 0), 2
        )
        for n in range(9)
    ]
    path = write_video(tmp_path / "a.avi", textured)
    capture = cv2.VideoCapture(str(path))
    decoded = [np.asarray(capture.read()[1], np.uint8) for _ in textured]
    capture.release()
    write_pictures(tmp_path / "frames", decoded[2:8])
    frames = tuple(tmp_path / "frames" / f"img{n}.png" for n in range(1, 7))
    settings = Preprocess(frames=4, size=8, flow_size=24)
    folder = Clip("m/1/a", "m", "m/1", "up", 0, 2, 5, None, 0.0, frames, "micro")
    video = dataclasses.replace(folder, frames=(), video=Video(path, 2, 6))
    one, other = clip_arrays(folder, settings, "none"), clip_arrays(video, settings, "none")
    assert np.array_equal(one.flow, other.flow)
    assert one.rgb is not None
    assert other.rgb is not None
    assert np.array_equal(one.rgb, other.rgb)


def test_a_video_that_ends_early_names_the_clip_and_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", pictures(4))
    clip = Clip("m/1/a", "m", "m/1", "up", 0, 2, 5, None, 0.0, (), "micro", video=Video(path, 0, 6))
    with pytest.raises(DataError, match=r"clip m/1/a can be read(.|\n)*a\.avi: only 4 frames"):
        clip_arrays(clip, SETTINGS.__class__(frames=3, size=8, flow_size=24), "none")
