from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frame_files import toy

from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.arrays import clip_arrays
from mersearch.data.cache import prepare
from mersearch.data.cache_load import load
from mersearch.data.preprocess import Preprocess
from mersearch.errors import DataError

SETTINGS = Preprocess(frames=3, size=8, flow_size=24)


def test_rows_are_the_arrays_of_the_clips(tmp_path: Path) -> None:
    micro = toy(tmp_path)
    data = load(prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1).micro)
    assert data.micro.ids == tuple(clip.clip_id for clip in micro.clips)
    assert data.micro.rgb is not None
    assert data.micro.flow is not None
    for row, clip in enumerate(micro.clips):
        expected = clip_arrays(clip, SETTINGS, "none")
        assert np.array_equal(data.micro.rgb[row], expected.rgb)
        assert np.array_equal(data.micro.flow[row], expected.flow)


def test_labels_are_numbered_by_class_subject_and_column(tmp_path: Path) -> None:
    prepared = prepare(toy(tmp_path), toy(tmp_path, "macro"), SETTINGS, tmp_path / "cache", workers=1)
    data = load(prepared.micro, prepared.macro)
    labels = data.micro.labels
    assert data.micro.subjects == ("toy/s1", "toy/s2")
    assert labels.emotion.tolist() == [0, 1, 0, 1]
    assert labels.subject.tolist() == [0, 0, 1, 1]
    assert labels.annotated.tolist() == [False, True, False, True]
    for annotated, row in zip(labels.annotated, labels.action_units, strict=True):
        found = {unit for unit, shown in zip(ACTION_UNITS, row, strict=True) if shown}
        assert found == ({4, 12} if annotated else set())
    arrays = (labels.emotion, labels.subject, labels.action_units, labels.annotated)
    assert [array.dtype.name for array in arrays] == ["int64", "int64", "bool", "bool"]


def test_shapes_and_digest_describe_both_kinds(tmp_path: Path) -> None:
    prepared = prepare(toy(tmp_path), toy(tmp_path, "macro"), SETTINGS, tmp_path / "cache", workers=1)
    data = load(prepared.micro, prepared.macro)
    assert data.digest == prepared.digest
    shapes = data.shapes
    assert (shapes.frames, shapes.size, shapes.views, shapes.subjects) == (3, 8, ("rgb", "flow"), 2)
    assert shapes.emotions == shapes.macro_emotions == ("up", "down")
    assert shapes.action_units == ACTION_UNITS
    assert load(prepared.micro).shapes.macro_emotions == ()
    assert load(prepared.micro).macro is None


def test_arrays_are_read_only_memory_maps(tmp_path: Path) -> None:
    data = load(prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1).micro)
    assert isinstance(data.micro.rgb, np.memmap)
    assert isinstance(data.micro.flow, np.memmap)
    assert not data.micro.flow.flags.writeable


def test_opening_a_cache_imports_neither_opencv_nor_pandas() -> None:
    code = "import sys, mersearch.data.cache_load; print(sorted({'cv2', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_caches_of_different_shapes_do_not_go_together(tmp_path: Path) -> None:
    one = prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1)
    two = prepare(
        toy(tmp_path), None, Preprocess(frames=2, size=8, flow_size=24), tmp_path / "cache", workers=1
    )
    with pytest.raises(DataError, match=r"one shape(.|\n)*\[3, 3, 8, 8\] and toy \[3, 2, 8, 8\]"):
        load(one.micro, two.micro)


def test_an_incomplete_or_damaged_cache_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    folder = prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1).micro
    index = folder / "index.json"
    whole = index.read_text()
    damaged = {
        whole[:100]: "readable index",
        json.dumps(json.loads(whole) | {"layout": 99}): "layout 1",
        json.dumps({"layout": 1}): "has its keys",
    }
    for text, message in damaged.items():
        index.write_text(text)
        with pytest.raises(DataError, match=rf"{message}(.|\n)*index\.json"):
            load(folder)
    index.unlink()
    with pytest.raises(DataError, match=r"readable index(.|\n)*No such file"):
        load(folder)


def test_arrays_that_do_not_match_the_index_are_an_error(tmp_path: Path) -> None:
    folder = prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1).micro
    np.save(folder / "flow.npy", np.zeros((2, 2), dtype=np.int8))
    with pytest.raises(DataError, match=r"shape of its index(.|\n)*flow\.npy: int8 \[2, 2\]"):
        load(folder)
    (folder / "flow.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"can be read(.|\n)*flow\.npy"):
        load(folder)
