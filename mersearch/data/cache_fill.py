"""Filling one cache: the lock, the log of finished clips, and what a full disk or an interrupt becomes."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from mersearch.data.cache_index import INDEX, read_index, write_index
from mersearch.data.cache_plan import CachePlan
from mersearch.data.cache_rows import Rows, complete
from mersearch.data.cache_workers import computed
from mersearch.data.table import Note
from mersearch.disk import is_full
from mersearch.errors import DataError, Interrupted, Stopped


def fill(plan: CachePlan, workers: int, progress: Callable[[int], None]) -> None:
    """Compute the clips that are missing and write the index; nothing where the cache is complete.

    Raises:
        DataError: a frame cannot be read, or the folder cannot be written.
        Interrupted: disk full, worker killed, or an interrupt; what is finished is kept.
    """
    kept = 0

    def report(done: int) -> None:
        nonlocal kept
        kept = done
        progress(done)

    try:
        _fill(plan, workers, report)
    except KeyboardInterrupt as error:
        raise Stopped(
            f"{kept} of {len(plan.clips)} clips of {plan.index.database} are preprocessed, and kept",
            fix="the same command goes on",
        ) from error
    except BrokenProcessPool as error:
        fix = "run the command again to go on, with fewer workers if memory was short"
        raise _stopped(plan, kept, "a worker process died", fix) from error
    except OSError as error:
        if is_full(error):
            fix = f"free some space for {plan.folder.parent} and run the command again to go on"
            raise _stopped(plan, kept, f"{error.strerror}", fix) from error
        raise DataError(
            "The folder of the cache can be written",
            received=f"{error.filename or plan.folder}: {error.strerror or error}",
            fix="change its permissions, or set preprocess.cache to another folder",
        ) from error


def _fill(plan: CachePlan, workers: int, report: Callable[[int], None]) -> None:
    index, total = plan.index, len(plan.clips)
    if complete(plan.folder, index):
        _keep_current(plan)
        return report(total)
    plan.folder.mkdir(parents=True, exist_ok=True)
    with _locked(plan.folder / "lock"):
        if complete(plan.folder, index):
            return report(total)
        (plan.folder / INDEX).unlink(missing_ok=True)
        rows = Rows(plan.folder, index)
        with contextlib.closing(rows):
            _compute(plan, rows, workers, report)
            rows.flush()
        notes = [(plan.clips[row].clip_id, note) for row, note in sorted(rows.finished.items())]
        found = tuple(Note(clip_id, note) for clip_id, note in notes if note is not None)
        write_index(plan.folder, dataclasses.replace(index, notes=(*index.notes, *found)))
        return None


def _keep_current(plan: CachePlan) -> None:
    """Store what the label file says now, of clips that are the same as before; every run stores it too."""
    if _is_current(plan):
        return
    with contextlib.suppress(OSError), _locked(plan.folder / "lock"):
        if complete(plan.folder, plan.index) and not _is_current(plan):
            notes = read_index(plan.folder).notes
            write_index(plan.folder, dataclasses.replace(plan.index, notes=notes))


def _is_current(plan: CachePlan) -> bool:
    stored = read_index(plan.folder)
    return stored == dataclasses.replace(plan.index, notes=stored.notes)


def _compute(plan: CachePlan, rows: Rows, workers: int, report: Callable[[int], None]) -> None:
    report(len(rows.finished))
    missing = [row for row in range(len(plan.clips)) if row not in rows.finished]
    with contextlib.closing(computed(plan, missing, workers)) as results:
        for row, arrays in results:
            rows.add(row, arrays)
            report(len(rows.finished))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a cache, after whoever holds it now; a process that dies lets go of it."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{os.getpid()}@{socket.gethostname()}\n")
        file.flush()
        yield


def _stopped(plan: CachePlan, kept: int, why: str, fix: str) -> Interrupted:
    return Interrupted(
        f"Preprocessing of {plan.index.database} stopped, with everything finished kept",
        received=f"{why}; {kept} of {len(plan.clips)} clips are in {plan.folder}",
        fix=fix,
    )
