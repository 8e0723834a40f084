"""The arrays of a cache while it is filled, one row per clip, in a way that survives a kill.

Rows are written with `pwrite` and not through a memory map, in which a full disk would end the process with
SIGBUS. A clip counts as finished when the log holds a line with the hash of its rows, and the rows on disk have that
hash: what a kill or a power cut left half written is computed again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mersearch.data.cache_index import ARRAYS, INDEX, Index

if TYPE_CHECKING:
    from mersearch.data.arrays import ClipArrays

LOG = "done.jsonl"


def complete(folder: Path, index: Index) -> bool:
    """Whether a cache has its index and the arrays of its views in full."""
    files = [folder / ARRAYS[view][0] for view in index.views]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    return (folder / INDEX).is_file() and len(sizes) == len(files) and min(sizes) > math.prod(index.shape)


class Rows:
    """`rgb.npy` (where there are frames), `flow.npy` and `done.jsonl` of one cache; one writer at a time.

    Attributes:
        finished: row → note of the clip's alignment (or None), for every finished clip.
    """

    def __init__(self, folder: Path, index: Index) -> None:
        """Open, or create, the arrays [N, …] for the clips of an index."""
        self._entries = index.entries
        named = [(view, *ARRAYS[view]) for view in index.views]
        self._arrays = {view: _Array(folder / name, index.shape, dtype) for view, name, dtype in named}
        log = folder / LOG
        kept = [line for line in _lines(log) if self._holds(line)]
        self.finished: dict[int, str | None] = {line["row"]: line["note"] for line in kept}
        draft = log.with_suffix(".draft")
        draft.write_text("".join(f"{json.dumps(line)}\n" for line in kept), encoding="utf-8")
        draft.replace(log)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND)

    def add(self, row: int, arrays: ClipArrays) -> None:
        """Write the rows of a clip, then its line in the log."""
        total, entry, note = hashlib.sha256(), self._entries[row], arrays.note
        for view, array in self._arrays.items():
            data = getattr(arrays, view).tobytes()
            array.write(row, data)
            total.update(data)
        line = {"row": row, "clip": entry.clip_id, "content": entry.content, "rows": total.hexdigest()}
        line["note"] = note
        _write_all(self._log, f"{json.dumps(line, ensure_ascii=False)}\n".encode(), None)
        self.finished[row] = note

    def flush(self) -> None:
        """Return when everything written is on the disk."""
        for descriptor in self._descriptors():
            os.fsync(descriptor)

    def close(self) -> None:
        """Release the files."""
        for descriptor in self._descriptors():
            os.close(descriptor)

    def _descriptors(self) -> tuple[int, ...]:
        return (*(array.descriptor for array in self._arrays.values()), self._log)

    def _holds(self, line: Mapping[str, Any]) -> bool:
        row = line.get("row")
        if not isinstance(row, int) or not 0 <= row < len(self._entries) or "note" not in line:
            return False
        total = hashlib.sha256()
        for array in self._arrays.values():
            total.update(array.read(row))
        return line.get("content") == self._entries[row].content and line.get("rows") == total.hexdigest()


class _Array:
    """A .npy file whose rows are read and written by position."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if not path.is_file():
            draft = path.with_name(f"{path.stem}.draft.npy")
            np.lib.format.open_memmap(draft, mode="w+", dtype=dtype, shape=shape)
            draft.replace(path)
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
        self._bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        self.descriptor = os.open(path, os.O_RDWR)

    def write(self, row: int, data: bytes) -> None:
        _write_all(self.descriptor, data, self._start + row * self._bytes)

    def read(self, row: int) -> bytes:
        return os.pread(self.descriptor, self._bytes, self._start + row * self._bytes)


def _write_all(descriptor: int, data: bytes, position: int | None) -> None:
    """Write everything, also where the system takes it in parts; at the end of the file without a position."""
    rest = memoryview(data)
    while rest:
        count = os.write(descriptor, rest) if position is None else os.pwrite(descriptor, rest, position)
        rest = rest[count:]
        position = None if position is None else position + count


def _lines(log: Path) -> list[dict[str, Any]]:
    """The whole lines of the log; a torn one is left out."""
    if not log.is_file():
        return []
    lines = []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines
