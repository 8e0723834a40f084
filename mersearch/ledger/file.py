"""The file of a ledger: a JSON line per configuration and depth, appended to by several drivers at once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mersearch.errors import RunError
from mersearch.store.files import failure, new_folder, write_all

Clips = Mapping[str, tuple[int, ...]]
"""Subject → clips per class."""


class Unreadable(RunError):
    """The file of a ledger is there and cannot be read; its runs can."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One configuration, as far as it was scored.

    Attributes:
        run: the name of its run.
        trial: its number there.
        configuration: digest of all that is trained, seed included.
        state: running, complete, stopped or failed.
        counts: subject → confusion counts, L rows of L.
    """

    run: str
    trial: int
    configuration: str
    state: str
    counts: Mapping[str, list[list[int]]]

    def about(self, clips: Clips) -> bool:
        """Whether the counts are of these clips; those of a line that a hand or an accident made are not."""
        return all(
            subject in clips and _are_counts(rows, clips[subject]) for subject, rows in self.counts.items()
        )

    def tells_more_than(self, known: Entry | None) -> bool:
        """Whether there are more folds than in what is known, or the same folds were the end."""
        if known is None or len(self.counts) != len(known.counts):
            return known is None or len(self.counts) > len(known.counts)
        return known.state == "running" != self.state


def read(path: Path) -> list[Entry]:
    """The deepest line of every configuration, in the order of the file; none where there is no file.

    Raises:
        Unreadable: the file cannot be read.
    """
    return deepest(read_all(path))


def read_all(path: Path) -> list[Entry]:
    """Every line that is one; raises as `read`."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(
            "the ledger must be readable",
            received=f"{path}: {error.strerror or error}",
            fix="check its owner and rights, or name another folder: run.ledger=…",
        ) from error
    return [entry for line in lines if (entry := _decode(line)) is not None]


def deepest(found: Iterable[Entry]) -> list[Entry]:
    """The entry that tells most of every configuration, in the order in which these are first met."""
    merged: dict[str, Entry] = {}
    for entry in found:
        if entry.tells_more_than(merged.get(entry.configuration)):
            merged[entry.configuration] = entry
    return list(merged.values())


def append(path: Path, entries: Iterable[Entry]) -> None:
    """Add lines with one write under the lock of the file, after the end of a torn one; they are on disk on return.

    Raises:
        Interrupted: the disk is full.
        RunError: the file is not writable.
    """
    text = "".join(json.dumps(_plain(entry), separators=(",", ":")) + "\n" for entry in entries)
    if not text:
        return
    new_folder(path.parent, None)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _lock(file)
            end = os.fstat(file).st_size
            torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"
            write_all(file, b"\n" * torn + text.encode())
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise failure(error, path, None) from error


def _lock(file: int) -> None:
    """Hold the lock until the file is closed; on file systems without locks, one write has to be enough."""
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def _are_counts(rows: list[list[int]], clips: tuple[int, ...]) -> bool:
    """Whether these are L rows of L counts, each of which adds up to the clips of its class."""
    return len(rows) == len(clips) and all(
        len(row) == len(clips) and min(row, default=0) >= 0 and sum(row) == n
        for row, n in zip(rows, clips, strict=True)
    )


def _plain(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def _decode(line: bytes) -> Entry | None:
    """The entry of a line; None for an empty or torn one."""
    try:
        values = json.loads(line)
        counts = {str(name): [_integers(row) for row in rows] for name, rows in values["counts"].items()}
        return Entry(
            str(values["run"]),
            int(values["trial"]),
            str(values["configuration"]),
            str(values["state"]),
            counts,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _integers(row: Iterable[Any]) -> list[int]:
    found = list(row)
    if any(type(n) is not int for n in found):
        raise ValueError
    return found
