from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mersearch.errors import Interrupted, RunError
from mersearch.store.files import replace
from mersearch.store.lines import Log, read_lines


def read(path: Path) -> list[Any]:
    return read_lines(path, lambda line: line["n"])


def line(n: Any) -> bytes:
    return json.dumps({"n": n}).encode() + b"\n"


def test_a_missing_log_has_no_records(tmp_path: Path) -> None:
    assert read(tmp_path / "log.jsonl") == []


@given(cut=st.integers(0, 200))
def test_a_cut_anywhere_keeps_exactly_the_whole_lines_before_it(cut: int, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    data = b"".join(line(n) for n in range(20))[:cut]
    path.write_bytes(data)
    whole = data.count(b"\n")
    assert read(path) == list(range(whole))
    log = Log(path)
    log.append([line(whole)])
    log.close()
    assert read(path) == list(range(whole + 1))
    assert path.read_bytes() == b"".join(line(n) for n in range(whole + 1))


def test_a_torn_line_longer_than_a_block_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(0) + b"x" * 200_000)
    Log(path).close()
    assert path.read_bytes() == line(0)


@pytest.mark.parametrize("bad", [b"{", b'{"m": 1}', b"[1]", b"\xff\x00"])
def test_a_bad_line_in_the_middle_names_file_and_line(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "folds.jsonl"
    path.write_bytes(line(0) + bad + b"\n" + line(2))
    with pytest.raises(RunError, match=r"folds\.jsonl, line 2: every line must be one record"):
        read(path)


def test_a_long_bad_line_is_shown_shortened(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"y" * 5000 + b"\n")
    with pytest.raises(RunError, match="delete this line") as raised:
        read(path)
    assert len(raised.value.received) < 100


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must be readable"):
        read(tmp_path)


def half_then(code: int) -> Any:
    """A disk that takes half of the first write and then fails."""
    real, state = os.write, {"calls": 0}

    def write(descriptor: int, data: Any) -> int:
        state["calls"] += 1
        if state["calls"] == 1:
            return real(descriptor, bytes(data)[: len(data) // 2])
        raise OSError(code, os.strerror(code))

    return write


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
def test_a_full_disk_takes_the_half_written_line_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path)
    log.append([line(0)])
    monkeypatch.setattr("mersearch.store.files.os.write", half_then(code))
    with pytest.raises(Interrupted, match=r"disk full or failing .* everything finished is kept") as raised:
        log.append([line("a longer one")])
    assert f"mersearch resume {tmp_path}" in raised.value.fix
    assert path.read_bytes() == line(0)
    monkeypatch.undo()
    with pytest.raises(Interrupted, match="disk full"):
        log.append([line(1)])
    log.close()
    assert read(path) == [0]


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("mersearch.store.files.os.write", lambda fd, data: real(fd, bytes(data)[:3]))
    log = Log(tmp_path / "log.jsonl")
    log.append([line(5), line(6)])
    log.close()
    assert read(log.path) == [5, 6]


def test_a_log_that_is_not_writable_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(RunError, match=r"log\.jsonl of the run must be writable"):
        Log(tmp_path / "log.jsonl")


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    replace(path, b"old", tmp_path)
    monkeypatch.setattr("mersearch.store.files.os.write", half_then(errno.ENOSPC))
    with pytest.raises(Interrupted, match="disk full"):
        replace(path, b"a new one", tmp_path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_place_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("mersearch.store.files.os.open", refuse)
    with pytest.raises(RunError, match="must be writable"):
        replace(tmp_path / "config.yaml", b"new", tmp_path)
