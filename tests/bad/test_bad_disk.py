"""Bad inputs 14 and 15, and rights: what cannot be written or read.

Each gives one clear error and the documented exit code; no traceback, nothing lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bad.inputs import SEARCH, Mersearch, beside, end_of, lines, until, write
from tests.bad.workbook import WORKBOOK


def test_14_write_that_fails(refuses: Callable[..., str], place: Path) -> None:
    blocked = place / "notes.txt"
    blocked.write_text("mine")
    fresh = "preprocess.cache=cache"
    told = ("the run must be writable", "notes.txt/runs/new: Not a directory", "rights")
    refuses("launch", "tiny.yaml", "run.root=notes.txt/runs", fresh, says=told)
    told = ("cache can be written", f"{blocked}/", "Not a directory", "preprocess.cache")
    refuses("launch", "tiny.yaml", "preprocess.cache=notes.txt/cache", says=told)
    told = ("notes.txt must be writable", "notes.txt: File exists", "name another")
    refuses("export", "done", "-o", "notes.txt", says=told)
    told = ("notes.txt must be writable", "notes.txt: File exists", "name another")
    refuses("train", "one.yaml", "-o", "notes.txt/model", fresh, says=told)
    told = ("synthetic database can be written", "notes.txt/out", "Not a directory", "another folder")
    refuses("data", "synthesize", "notes.txt/out", "--layout", "ckplus", says=told)
    assert not (place / "cache").exists(), "it is said before anything is computed"


RAYS_OWN = r"^\[\*\*\* LOG ERROR .*\n"
"""The log of Ray's library meets the limit of the driver's files too, and says so beside us."""


class Full:
    """A disk that can be filled while a process writes to it, and emptied again.

    A small file system of its own where this user may mount one; else the largest size of a file is set to the
    present size of the log, for the process alone.
    """

    def __init__(self, mount: Path) -> None:
        self.mount, self.filler = mount, mount / "filler"
        mount.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
        self.mounted = not subprocess.run(command, check=False, capture_output=True).returncode

    def fill(self, pid: int, log: Path) -> None:
        if not self.mounted:
            size = log.stat().st_size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
            return
        with contextlib.suppress(OSError), self.filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))

    def empty(self) -> None:
        self.filler.unlink(missing_ok=True)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.mount)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Full]:
    full = Full(tmp_path / "disk")
    yield full
    full.close()


@pytest.mark.ray
def test_15_disk_full_at_a_write(mersearch: Mersearch, place: Path, disk: Full) -> None:
    file = write("slow.yaml", {"algorithm": {"train": {"steps": 40}}, **SEARCH})
    log = "disk/runs/new/folds.jsonl"
    with beside("launch", file, "run.root=disk/runs", "preprocess.cache=runs/.cache") as driver:
        until(lambda: bool(lines(log)), driver)
        disk.fill(driver.pid, Path(log))
        told = end_of(driver)
    told = told._replace(err=re.sub(RAYS_OWN, "", told.err, flags=re.MULTILINE))
    told.says(3, "disk full or failing", "everything finished is kept", "mersearch resume disk/runs/new")
    kept = lines(log)
    assert 1 <= len(kept) < 6
    assert all(json.loads(line)["trial"] in (0, 1) for line in kept)

    disk.empty()
    told = mersearch("resume", "disk/runs/new")
    assert told.code == 0, told
    assert lines(log)[: len(kept)] == kept, "what was finished is not trained again"
    folds = [(fold["trial"], fold["subject"]) for fold in map(json.loads, lines(log))]
    assert len(folds) == len({*folds}) == 6


class Capabilities(ctypes.Structure):
    """What `capget` and `capset` of Linux take, version 3."""

    _fields_ = (("header", ctypes.c_uint32 * 2), ("data", ctypes.c_uint32 * 6))


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Rights of files count for this thread, also where it is root's."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = Capabilities((0x20080522, 0))
    after = Capabilities((0x20080522, 0))
    for each in (before, after):
        assert libc.capget(ctypes.byref(each, 0), ctypes.byref(each, 8)) == 0
    after.data[0] &= ~0b110  # effective: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(after, 0), ctypes.byref(after, 8)) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(before, 0), ctypes.byref(before, 8)) == 0


@pytest.mark.parametrize(
    ("locked", "command", "said"),
    [
        (
            "casme2/Cropped",
            "launch tiny.yaml",
            ("can be read", "casme2/Cropped: Permission denied", "rights"),
        ),
        ("casme2", "data check casme2 casme2/Cropped", ("can be read", "Permission denied", "rights")),
        (WORKBOOK, "launch tiny.yaml", ("can be read", f"{WORKBOOK}: Permission denied", "rights")),
        (
            "ckplus/Emotion",
            "launch tiny.yaml",
            ("can be read", "ckplus/Emotion: Permission denied", "rights"),
        ),
        ("runs/done", "status done", ("is not a run: Permission denied", "rights")),
        (
            "runs",
            "launch tiny.yaml preprocess.cache=cache",
            ("must be writable", "Permission denied", "rights"),
        ),
        ("runs/done/folds.jsonl", "resume done", ("logs of the run", "folds.jsonl: Permission denied")),
        ("tiny.yaml", "launch tiny.yaml", ("tiny.yaml cannot be read", "Permission denied")),
    ],
)
def test_what_may_not_be_read_or_written_is_named(
    mersearch: Mersearch, locked: str, command: str, said: tuple[str, ...]
) -> None:
    mode = Path(locked).stat().st_mode
    Path(locked).chmod(0)
    try:
        with without_privileges():
            told = mersearch(*command.split())
    finally:
        Path(locked).chmod(mode)
    told.says(2, *said)
