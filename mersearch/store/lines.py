"""Append-only logs of JSON lines: a torn last line is dropped, a bad one before it is an error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mersearch.errors import MersearchError, RunError
from mersearch.store.files import failure, write_all

R = TypeVar("R")
SHOWN = 80


def read_lines(path: Path, decode: Callable[[dict[str, Any]], R]) -> list[R]:
    """The records of a log; a last line without its newline (a torn write) is dropped. No file, no records.

    Raises:
        RunError: a line that is not a record of this log, with file and line number.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        rule = "the logs of the run must be readable"
        fix = "check owner and rights of the folder"
        raise RunError(rule, received=f"{path}: {error.strerror}", fix=fix) from error
    lines = data.split(b"\n")
    return [_decode(path, number, line, decode) for number, line in enumerate(lines[:-1], 1)]


def is_torn(path: Path) -> bool:
    """Whether a log ends in the middle of a line; not where there is no log, or none that can be read."""
    try:
        with path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


def _decode(path: Path, number: int, line: bytes, decode: Callable[[dict[str, Any]], R]) -> R:
    try:
        return decode(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise corrupt(path, number, line, str(error)) from error


def corrupt(path: Path, number: int, line: bytes, why: str) -> RunError:
    """The error for line `number` of `path`."""
    text = line.decode(errors="replace")
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return RunError(
        f"{path}, line {number}: every line must be one record of this log ({why})",
        received=repr(shown),
        fix="restore the file from a copy, or delete this line (in trials.jsonl with all below it): what is lost is "
        "computed again",
    )


class Log:
    """The writing end of one log. Opening it truncates a torn last line.

    Raises:
        Interrupted: the disk is full or failing; the log ends with the last whole line, and stays closed to
            further writing.
        RunError: the log is not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failure: MersearchError | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise failure(error, path, path.parent) from error
        try:
            self._end = _end_of_last_line(self._file)
            os.ftruncate(self._file, self._end)
        except OSError as error:
            os.close(self._file)
            raise failure(error, path, path.parent) from error

    def append(self, lines: Sequence[bytes]) -> None:
        """Write whole lines with one `write`, and have them on disk on return."""
        if self._failure is not None:
            raise self._failure
        data = b"".join(lines)
        try:
            write_all(self._file, data)
            os.fsync(self._file)
        except OSError as error:
            self._failure = failure(error, self.path, self.path.parent)
            self._take_back()
            raise self._failure from error
        self._end += len(data)

    def _take_back(self) -> None:
        """Remove a half-written line; where even that fails, the next writer does it."""
        try:
            os.ftruncate(self._file, self._end)
        except OSError:
            return

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _end_of_last_line(descriptor: int) -> int:
    """Position after the last newline, 0 without one."""
    position = os.fstat(descriptor).st_size
    while position > 0:
        start = max(0, position - 65536)
        block = os.pread(descriptor, position - start, start)
        if (newline := block.rfind(b"\n")) >= 0:
            return start + newline + 1
        position = start
    return 0
