"""Preparing: what is computed, what is kept, and when a cache is another one."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from frame_files import database, grid, texture, toy, write

from mersearch.data import cache_plan, cache_workers
from mersearch.data.arrays import ClipArrays, clip_arrays
from mersearch.data.cache import prepare
from mersearch.data.cache_index import Prepared, read_index
from mersearch.data.preprocess import Method, Preprocess
from mersearch.data.table import Clip, Note
from mersearch.errors import ConfigError, DataError

SETTINGS = Preprocess(frames=3, size=8, flow_size=24)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the clips that are computed in this process."""
    ids: list[str] = []

    def counted(clip: Clip, settings: Preprocess, method: Method) -> ClipArrays:
        ids.append(clip.clip_id)
        return clip_arrays(clip, settings, method)

    monkeypatch.setattr(cache_workers, "clip_arrays", counted)
    return ids


def bytes_of(prepared: Prepared) -> dict[str, bytes]:
    folders = [folder for folder in (prepared.micro, prepared.macro) if folder is not None]
    names = ("rgb.npy", "flow.npy", "index.json")
    return {f"{folder.name}/{name}": (folder / name).read_bytes() for folder in folders for name in names}


def test_the_same_frames_under_two_people_are_noted_and_under_one_are_not(tmp_path: Path) -> None:
    micro = toy(tmp_path)
    first, second, *rest = micro.clips
    twin = dataclasses.replace(second, frames=first.frames)
    of_two = dataclasses.replace(micro, clips=(first, dataclasses.replace(twin, subject="toy/other"), *rest))
    of_one = dataclasses.replace(
        micro, clips=(first, dataclasses.replace(twin, subject=first.subject), *rest)
    )
    told = [
        [
            note.clip_id
            for note in prepare(data, None, SETTINGS, tmp_path / "cache", workers=1).notes
            if note.reason == cache_plan.COPY
        ]
        for data in (of_two, of_one, micro)
    ]
    assert told == [[first.clip_id, second.clip_id], [], []]


def test_every_clip_is_computed_once_and_a_second_call_computes_nothing(
    tmp_path: Path, computed: list[str]
) -> None:
    micro, macro = toy(tmp_path), toy(tmp_path, "macro")
    steps: list[tuple[int, int]] = []
    first = prepare(
        micro, macro, SETTINGS, tmp_path / "cache", workers=1, progress=lambda *step: steps.append(step)
    )
    assert computed == [clip.clip_id for clip in (*micro.clips, *macro.clips)]
    assert steps[0] == (0, 8)
    assert steps[-1] == (8, 8)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    again = prepare(
        micro, macro, SETTINGS, tmp_path / "cache", workers=1, progress=lambda *step: steps.append(step)
    )
    assert len(computed) == 8
    assert again == first
    assert steps[-2:] == [(4, 8), (8, 8)]


def test_a_second_call_does_not_read_any_frame(tmp_path: Path) -> None:
    micro = toy(tmp_path)
    first = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    for path in (frame for clip in micro.clips for frame in clip.frames):
        state = path.stat()
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1) == first


def test_one_and_two_workers_write_the_same_bytes(tmp_path: Path) -> None:
    micro, macro = toy(tmp_path), toy(tmp_path, "macro")
    alone = prepare(micro, macro, SETTINGS, tmp_path / "one", workers=1)
    pair = prepare(micro, macro, SETTINGS, tmp_path / "two", workers=2)
    assert bytes_of(alone) == bytes_of(pair)
    assert alone.digest == pair.digest


def test_micro_and_macro_are_cached_independently(tmp_path: Path, computed: list[str]) -> None:
    micro, macro = toy(tmp_path), toy(tmp_path, "macro")
    without = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    both = prepare(micro, macro, SETTINGS, tmp_path / "cache", workers=1)
    assert without.macro is None
    assert both.micro == without.micro
    assert len(computed) == 8
    early = dataclasses.replace(SETTINGS, macro_fraction=0.4)
    other = prepare(micro, macro, early, tmp_path / "cache", workers=1)
    assert other.micro == both.micro
    assert other.macro != both.macro
    assert len({without.digest, both.digest, other.digest}) == 3


def test_a_changed_frame_makes_another_cache(tmp_path: Path, computed: list[str]) -> None:
    micro = toy(tmp_path)
    before = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    write(micro.clips[1].frames[-1], texture(grid(48, 40), "another"))
    after = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    assert after.micro != before.micro
    assert after.digest != before.digest
    assert len(computed) == 8


def test_a_change_of_a_frame_that_is_not_used_changes_nothing(tmp_path: Path, computed: list[str]) -> None:
    micro = toy(tmp_path)
    before = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    write(micro.clips[0].frames[1], texture(grid(48, 40), "another"))
    assert prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1) == before
    assert len(computed) == 4


def test_parameters_labels_and_code_make_another_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    micro = toy(tmp_path)
    one = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    scaled = prepare(
        micro, None, dataclasses.replace(SETTINGS, flow_scale=2.0), tmp_path / "cache", workers=1
    )
    renamed = (dataclasses.replace(micro.clips[0], emotion="down"), *micro.clips[1:])
    labelled = prepare(database(renamed), None, SETTINGS, tmp_path / "cache", workers=1)
    assert len({one.digest, scaled.digest, labelled.digest}) == 3
    assert len({one.micro, scaled.micro, labelled.micro}) == 3
    monkeypatch.setattr(cache_plan, "CODE", cache_plan.CODE[1:])
    recoded = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    assert recoded.micro != one.micro
    assert recoded.digest == one.digest


@pytest.mark.parametrize(("name", "other"), [("CACHE", 2), ("cv2.__version__", "4.9.9")])
def test_another_version_of_preprocessing_or_opencv_makes_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, other: object
) -> None:
    micro = toy(tmp_path)
    before = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    monkeypatch.setattr(f"mersearch.data.cache_plan.{name}", other)
    after = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    assert after.micro != before.micro
    assert after.digest != before.digest


def test_a_moved_database_is_the_same_data(tmp_path: Path, computed: list[str]) -> None:
    here = prepare(toy(tmp_path / "here"), None, SETTINGS, tmp_path / "cache", workers=1)
    there = prepare(toy(tmp_path / "there"), None, SETTINGS, tmp_path / "cache", workers=1)
    assert there == here
    assert len(computed) == 4


def test_the_index_holds_the_provenance(tmp_path: Path) -> None:
    micro = dataclasses.replace(
        toy(tmp_path),
        expected={"up": 2, "down": 3},
        dropped=(Note("toy/s9/s9-1", "no label"),),
        repaired=(Note("toy/s1/s1-1", "apex moved"),),
        rows=5,
    )
    index = read_index(prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1).micro)
    assert (index.database, index.kind, index.rows, index.label_hash) == ("toy", "micro", 5, "0" * 64)
    assert (index.expected, index.dropped, index.repaired) == (micro.expected, micro.dropped, micro.repaired)
    assert [entry.clip_id for entry in index.entries] == [clip.clip_id for clip in micro.clips]
    assert index.shape == (4, 3, 3, 8, 8)


def test_fallbacks_of_the_alignment_are_reported(tmp_path: Path) -> None:
    micro = toy(tmp_path, aligned=False)
    prepared = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    assert [note.clip_id for note in prepared.notes] == [clip.clip_id for clip in micro.clips]
    assert all("whole frame" in note.reason for note in prepared.notes)
    assert prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1).notes == prepared.notes


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_frame_is_an_error_that_names_the_clip_and_keeps_the_others(
    tmp_path: Path, workers: int
) -> None:
    micro = toy(tmp_path)
    micro.clips[2].frames[-1].write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"toy/s2/s2-1 is an image(.|\n)*s2-1.5\.png"):
        prepare(micro, None, SETTINGS, tmp_path / "cache", workers=workers)
    (log,) = (tmp_path / "cache").glob("*/done.jsonl")
    assert [json.loads(line)["clip"] for line in log.read_text().splitlines()] == [
        "toy/s1/s1-1",
        "toy/s1/s1-2",
    ]


def test_a_missing_frame_is_an_error_that_names_the_clip(tmp_path: Path) -> None:
    micro = toy(tmp_path)
    micro.clips[3].frames[0].unlink()
    with pytest.raises(DataError, match=r"toy/s2/s2-2 can be read(.|\n)*0\.png: No such file"):
        prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)


def test_a_root_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match=rf"cache can be written(.|\n)*{tmp_path}/cache"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1)


def test_no_clips_and_no_workers_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="toy: no clips"):
        prepare(database(()), None, SETTINGS, tmp_path / "cache", workers=1)
    with pytest.raises(ConfigError, match="workers=0"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=0)


def test_a_finished_cache_tells_what_the_label_file_says_now(tmp_path: Path) -> None:
    micro = toy(tmp_path)
    first = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1)
    kept = (first.micro / "rgb.npy").stat().st_mtime_ns
    changed = dataclasses.replace(
        micro, label_hash="1" * 64, rows=9, repaired=(Note(micro.clips[0].clip_id, "a reason"),)
    )
    again = prepare(changed, None, SETTINGS, tmp_path / "cache", workers=1)
    assert (again.micro, again.digest) == (first.micro, first.digest)
    assert (again.micro / "rgb.npy").stat().st_mtime_ns == kept
    index = read_index(again.micro)
    assert (index.label_hash, index.rows, index.repaired) == ("1" * 64, 9, changed.repaired)
