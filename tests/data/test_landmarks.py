"""Landmarks of any other tool: their files, and faces that they bring to their places."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from frame_files import database, toy, write, write_clip
from numpy.typing import NDArray

from mersearch.data.align import LEFT_EYE, RIGHT_EYE, align, crop, from_eyes, whole_frame
from mersearch.data.arrays import clip_arrays
from mersearch.data.cache import prepare
from mersearch.data.cache_index import Prepared, read_index
from mersearch.data.cache_load import load
from mersearch.data.casme2 import read
from mersearch.data.images import read_image
from mersearch.data.labels import label_set
from mersearch.data.landmarks import Eyes, landmark_file, read_eyes
from mersearch.data.preprocess import Preprocess
from mersearch.data.synthetic import synthesize
from mersearch.data.table import Database
from mersearch.errors import DataError

SETTINGS = Preprocess(frames=2, size=8, flow_size=16)
TILT, SCALE, SHIFT = np.radians(14), 0.8, np.array([150.0, 60.0])
FACE_68 = np.column_stack([np.arange(68), np.arange(68) ** 2 / 10 + 40])


def placed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points [n, 2] of a face lie in a frame in which it is smaller, tilted and off the middle."""
    turn = SCALE * np.array([[np.cos(TILT), -np.sin(TILT)], [np.sin(TILT), np.cos(TILT)]])
    return points @ turn.T + SHIFT


def written(path: Path, points: NDArray[np.float64], separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{x:.6f}{separator}{y:.6f}\n" for x, y in points))
    return path


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.uint8]]:
    """Onset frames of invented people, whose eyes lie where the canonical crop has them."""
    root = synthesize(
        tmp_path_factory.mktemp("faces") / "db", "casme2", subjects=3, clips=3, seed=0, size=1.6
    )
    clips = read(root, label_set("casme2-7")).clips
    return [read_image(clip.frames[clip.onset], clip.clip_id) for clip in clips]


def in_a_room(face: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A frame of 480×400 with the face in it, and where its eyes are in pixels of the frame (centres at 0, 1, …)."""
    width = face.shape[1]
    portrait = cv2.resize(face, (width, round(width * 17 / 14)), interpolation=cv2.INTER_AREA)
    matrix = np.array([placed(np.eye(2)[i : i + 1])[0] - SHIFT for i in (0, 1)]).T
    shift = SHIFT + matrix @ [0.5, 0.5] - 0.5
    frame = cv2.warpAffine(
        portrait,
        np.column_stack([matrix, shift]),
        (480, 400),
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(90,) * 3,
    )
    eyes = np.array([LEFT_EYE, RIGHT_EYE]) * [width, round(width * 17 / 14)]
    return np.asarray(frame, np.uint8), placed(eyes) - 0.5


def test_landmarks_bring_a_face_to_its_place_wherever_it_is_in_the_frame(
    faces: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    for number, face in enumerate(faces):
        frame, eyes = in_a_room(face)
        found = align(frame, read_eyes(written(tmp_path / f"{number}.csv", eyes)))
        assert found.note is None
        expected = crop(face, whole_frame(*face.shape[:2]), 64).astype(int)
        recovered = crop(frame, found.transform, 64).astype(int)
        inner = np.s_[8:-8, 8:-8]
        assert np.abs(recovered - expected)[inner].mean() < 3
        assert np.abs(np.roll(recovered, 2, axis=1) - expected)[inner].mean() > 4


def test_the_search_finds_the_same_place_but_for_a_few_percent_of_the_face(
    faces: list[NDArray[np.uint8]],
) -> None:
    for face in faces:
        frame, eyes = in_a_room(face)
        found = align(frame, "haar")
        assert found.note is None
        for eye, expected in zip(eyes + 0.5, (LEFT_EYE, RIGHT_EYE), strict=True):
            assert found.transform @ [*eye, 1] == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("ending", [".csv", ".txt", ".pts"])
@pytest.mark.parametrize(
    ("points", "left", "right"),
    [
        (np.array([[30.0, 20.0], [70.0, 24.0]]), (30.5, 20.5), (70.5, 24.5)),
        (np.array([[70.0, 24.0], [30.0, 20.0]]), (30.5, 20.5), (70.5, 24.5)),
        (np.array([[30.0, 20], [70, 24], [50, 40], [35, 60], [65, 60]]), (30.5, 20.5), (70.5, 24.5)),
        (
            FACE_68,
            tuple(np.mean(FACE_68[[36, 37, 38, 39, 40, 41]], 0) + 0.5),
            tuple(np.mean(FACE_68[[42, 43, 44, 45, 46, 47]], 0) + 0.5),
        ),
    ],
    ids=["eyes", "eyes in the other order", "five points", "68 points"],
)
def test_eyes_are_the_means_of_their_points(
    tmp_path: Path,
    points: NDArray[np.float64],
    left: tuple[float, float],
    right: tuple[float, float],
    ending: str,
) -> None:
    file = written(tmp_path / f"clip{ending}", points, " " if ending == ".pts" else ",")
    if ending == ".pts":
        file.write_text(f"version: 1\nn_points:  {len(points)}\n{{\n{file.read_text()}}}\n")
    if ending == ".csv":
        file.write_text(f"# by some tool\n\nx,y\n{file.read_text()}")
    assert landmark_file(tmp_path, "clip") == file
    eyes = read_eyes(file)
    assert eyes.left == pytest.approx(left)
    assert eyes.right == pytest.approx(right)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n", r"has 2, 5 or 68 points(?s:.*): 1 points"),
        ("", r"has 2, 5 or 68 points(?s:.*): 0 points"),
        ("1,2\n3\n", r"a line of a landmark file is a point(?s:.*)clip\.csv:2: '3'"),
        ("1,2\nnan,4\n", r"clip\.csv:2: 'nan,4'"),
        ("a,b\n", r"clip\.csv:1: 'a,b'"),
        ("5,2\n5,9\n", r"lie beside each other(?s:.*)\(5.5, 2.5\) and \(5.5, 9.5\)"),
        ("\x00\xff", "a landmark file is text"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "clip.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        read_eyes(tmp_path / "clip.csv")


def test_two_files_of_one_clip_are_an_error(tmp_path: Path) -> None:
    for ending in (".csv", ".pts"):
        written(tmp_path / f"clip{ending}", np.array([[1.0, 1], [9, 1]]))
    with pytest.raises(DataError, match="a clip has one landmark file"):
        landmark_file(tmp_path, "clip")


def test_eyes_outside_the_frame_are_an_error_that_names_the_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path, "s1-1")
    with pytest.raises(DataError, match=r"landmarks of clip toy/s1/s1-1 lie inside(?s:.*)of 40×48 pixels"):
        clip_arrays(clip, SETTINGS, Eyes((10.0, 10.0), (60.0, 10.0)))


@pytest.fixture
def micro(tmp_path: Path) -> Database:
    return toy(tmp_path)


def prepared(micro: Database, tmp_path: Path, **changes: object) -> Prepared:
    settings = dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return prepare(micro, None, settings, tmp_path / "cache", workers=1)


def test_landmarks_of_a_folder_are_used_and_clips_without_are_treated_as_ever_and_noted(
    micro: Database, tmp_path: Path
) -> None:
    with_file = micro.clips[1]
    eyes = np.array([[12.0, 20.0], [27.0, 17.0]])
    written(tmp_path / "marks" / f"{with_file.clip_id}.csv", eyes)
    found = prepared(micro, tmp_path, landmarks=str(tmp_path / "marks"))
    rgb = load(found.micro).micro.rgb
    assert rgb is not None
    for row, clip in enumerate(micro.clips):
        face = Eyes((12.5, 20.5), (27.5, 17.5)) if clip is with_file else "none"
        assert np.array_equal(rgb[row], clip_arrays(clip, SETTINGS, face).rgb)
    notes = {note.clip_id: note.reason for note in found.notes}
    assert notes == {
        clip.clip_id: "no landmark file, the whole frame is used"
        for clip in micro.clips
        if clip is not with_file
    }
    assert read_index(found.micro).notes == found.notes


def test_what_the_files_say_decides_the_cache_and_not_where_or_how_it_is_written(
    micro: Database, tmp_path: Path
) -> None:
    eyes = np.array([[12.0, 20.0], [27.0, 17.0]])
    for folder, moved, separator in (("a", 0, ","), ("b", 0, " "), ("c", 1, ",")):
        for clip in micro.clips:
            written(tmp_path / folder / f"{clip.clip_id}.txt", eyes + moved, separator)
    a, b, c = (prepared(micro, tmp_path, landmarks=str(tmp_path / name), align="landmarks") for name in "abc")
    assert (a.micro, a.digest) == (b.micro, b.digest)
    assert len({a.digest, c.digest, prepared(micro, tmp_path).digest}) == 3
    assert a.notes == ()


def test_where_landmarks_are_asked_for_every_clip_needs_its_file(micro: Database, tmp_path: Path) -> None:
    written(tmp_path / "marks" / f"{micro.clips[0].clip_id}.csv", np.array([[12.0, 20.0], [27.0, 17.0]]))
    with pytest.raises(
        DataError, match=r"3 cannot(?s:.*)toy/s1/s1-2: a clip has a landmark file — no .*s1-2\.csv"
    ):
        prepared(micro, tmp_path, landmarks=str(tmp_path / "marks"), align="landmarks")


def test_a_folder_without_a_file_of_any_clip_is_an_error(micro: Database, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a landmark file per clip(?s:.*)not even toy/s1/s1-1\.csv"):
        prepared(micro, tmp_path, landmarks=str(tmp_path))


def test_a_face_that_is_not_found_is_noted_with_its_clip(tmp_path: Path) -> None:
    clip = write_clip(tmp_path, "s1-1")
    blank = np.full((48, 40, 3), 90, np.uint8)
    for path in clip.frames:
        write(path, blank)
    (note,) = prepared(database((clip,), aligned=False), tmp_path).notes
    assert (note.clip_id, note.reason) == (
        clip.clip_id,
        "no face found on the onset frame, the whole frame is used",
    )


def test_one_transform_holds_for_the_whole_clip(tmp_path: Path) -> None:
    clip, settings = write_clip(tmp_path, "s1-1", speed=1.0), dataclasses.replace(SETTINGS, frames=3)
    eyes = Eyes((13.0, 20.0), (28.0, 17.0))
    rgb = clip_arrays(clip, settings, eyes).rgb
    for index, position in enumerate((0, 3, 5)):
        face = crop(read_image(clip.frames[position], ""), from_eyes(*eyes), 16)
        means = face[..., ::-1].reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
        assert np.abs(np.moveaxis(rgb[:, index], 0, -1) - means).max() <= 0.5
