"""Interruptions of preparing: what is finished is kept, and the result is that of an undisturbed run."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from frame_files import toy

from mersearch.data import cache_fill, cache_workers
from mersearch.data.arrays import ClipArrays, clip_arrays
from mersearch.data.cache import prepare
from mersearch.data.cache_index import Index, read_index, write_index
from mersearch.data.preprocess import Method, Preprocess
from mersearch.data.table import Clip
from mersearch.errors import DataError, Interrupted

SETTINGS = Preprocess(frames=3, size=8, flow_size=24)
NAMES = ("rgb.npy", "flow.npy", "index.json")
DRIVER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from frame_files import toy
from mersearch.data.cache import prepare
from mersearch.data.preprocess import Preprocess

def die(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

root = Path(sys.argv[2])
prepare(toy(root), None, Preprocess(frames=3, size=8, flow_size=24), root / "cache", workers=1, progress=die)
"""


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ids: list[str] = []

    def counted(clip: Clip, settings: Preprocess, method: Method) -> ClipArrays:
        ids.append(clip.clip_id.rsplit("/", 1)[1])
        return clip_arrays(clip, settings, method)

    monkeypatch.setattr(cache_workers, "clip_arrays", counted)
    return ids


def stop_at(count: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def undisturbed(tmp_path: Path) -> list[bytes]:
    folder = prepare(toy(tmp_path), None, SETTINGS, tmp_path / "undisturbed", workers=1).micro
    return [(folder / name).read_bytes() for name in NAMES]


def finished(tmp_path: Path) -> list[bytes]:
    folder = prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1).micro
    return [(folder / name).read_bytes() for name in NAMES]


def test_an_interrupt_keeps_finished_clips_and_the_next_call_computes_the_rest(
    tmp_path: Path, computed: list[str]
) -> None:
    with pytest.raises(Interrupted, match=r"2 of 4 clips of toy are preprocessed, and kept"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1, progress=stop_at(2))
    assert computed == ["s1-1", "s1-2"]
    arrays = finished(tmp_path)
    assert computed == ["s1-1", "s1-2", "s2-1", "s2-2"]
    assert arrays == undisturbed(tmp_path)


def test_an_interrupt_of_two_workers_keeps_finished_clips(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Interrupted, match=r"1 of 4 clips"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=2, progress=stop_at(1))
    computed: list[str] = request.getfixturevalue("computed")
    arrays = finished(tmp_path)
    assert computed == ["s1-2", "s2-1", "s2-2"]
    assert arrays == undisturbed(tmp_path)


def test_a_kill_keeps_finished_clips(tmp_path: Path, computed: list[str]) -> None:
    command = [sys.executable, "-c", DRIVER, str(Path(__file__).parent), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    arrays = finished(tmp_path)
    assert computed == ["s2-1", "s2-2"]
    assert arrays == undisturbed(tmp_path)


@pytest.mark.parametrize("cut", [1, 40])
def test_a_torn_last_line_of_the_log_is_computed_again(tmp_path: Path, computed: list[str], cut: int) -> None:
    with pytest.raises(Interrupted):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1, progress=stop_at(3))
    (log,) = (tmp_path / "cache").glob("*/done.jsonl")
    os.truncate(log, log.stat().st_size - 1 - cut)
    computed.clear()
    arrays = finished(tmp_path)
    assert computed == ["s2-1", "s2-2"]
    assert arrays == undisturbed(tmp_path)


def test_rows_that_never_reached_the_disk_are_computed_again(tmp_path: Path, computed: list[str]) -> None:
    with pytest.raises(Interrupted):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1, progress=stop_at(2))
    (array,) = (tmp_path / "cache").glob("*/rgb.npy")
    size = array.stat().st_size
    os.truncate(array, size - 3 * (3 * 3 * 8 * 8))
    os.truncate(array, size)
    computed.clear()
    arrays = finished(tmp_path)
    assert computed == ["s1-2", "s2-1", "s2-2"]
    assert arrays == undisturbed(tmp_path)


def test_a_cache_whose_array_was_deleted_is_filled_again(tmp_path: Path, computed: list[str]) -> None:
    arrays = finished(tmp_path)
    (flow,) = (tmp_path / "cache").glob("*/flow.npy")
    flow.unlink()
    assert finished(tmp_path) == arrays
    assert len(computed) == 8


def test_a_full_disk_keeps_finished_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[str]
) -> None:
    real, room = os.pwrite, iter(range(5))

    def pwrite(descriptor: int, data: memoryview, position: int) -> int:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(Interrupted, match=r"No space left on device; 2 of 4 clips"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1)
    monkeypatch.setattr(os, "pwrite", real)
    arrays = finished(tmp_path)
    assert computed == ["s1-1", "s1-2", "s2-1", "s2-1", "s2-2"]
    assert arrays == undisturbed(tmp_path)


def test_writes_that_the_system_takes_in_parts_are_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda file, data, position: real(file, data[:100], position))
        arrays = finished(tmp_path)
    assert arrays == undisturbed(tmp_path)


def test_a_folder_that_refuses_writing_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "the/folder")

    monkeypatch.setattr(cache_fill, "Rows", refuse)
    with pytest.raises(DataError, match=r"can be written(.|\n)*the/folder: Permission denied"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=1)


def test_a_worker_that_is_killed_is_a_resumable_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_workers, "clip_arrays", _dies)
    with pytest.raises(Interrupted, match=r"a worker process died; 0 of 4 clips"):
        prepare(toy(tmp_path), None, SETTINGS, tmp_path / "cache", workers=2)


def _dies(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_index_of_a_finished_cache_changes_only_under_the_lock_and_after_another_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    micro = toy(tmp_path)
    folder = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1).micro
    held, looks = [], []

    def free() -> bool:
        with (folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def write(place: Path, index: Index) -> None:
        held.append(not free())
        write_index(place, index)

    def look(place: Path) -> Index:
        looks.append(free())
        return read_index(place)

    monkeypatch.setattr(cache_fill, "write_index", write)
    monkeypatch.setattr(cache_fill, "read_index", look)
    changed = dataclasses.replace(micro, label_hash="1" * 64)
    for _ in range(2):
        prepare(changed, None, SETTINGS, tmp_path / "cache", workers=1)
    assert held == [True]
    assert False in looks
    assert read_index(folder).label_hash == "1" * 64


def test_a_second_process_waits_for_the_first_and_then_computes_nothing(
    tmp_path: Path, computed: list[str]
) -> None:
    micro = toy(tmp_path)
    folder = prepare(micro, None, SETTINGS, tmp_path / "cache", workers=1).micro
    (folder / "index.json").rename(folder / "hidden")
    computed.clear()
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threading.Thread(target=finished, args=(tmp_path,))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        (folder / "hidden").rename(folder / "index.json")
    waiting.join()
    assert computed == []
