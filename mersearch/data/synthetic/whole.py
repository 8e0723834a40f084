"""A folder that holds everything or nothing, and what an end before that is called."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from mersearch.disk import is_full
from mersearch.errors import DataError, Interrupted, MersearchError, Stopped


def require_empty(out: Path) -> None:
    """Raise DataError unless `out` is a new or empty folder."""
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    except OSError as error:
        raise _unfinished(error, out) from error
    if taken:
        received = f"{out} {'holds files' if out.is_dir() else 'is a file'}"
        fix = "name another folder, or remove this one"
        raise DataError("the database root is a new or empty folder", received=received, fix=fix)


@contextmanager
def whole(out: Path) -> Iterator[None]:
    """Make the new or empty folder `out`; what was written into it is removed where the context is left early.

    Raises:
        DataError: the folder cannot be written.
        Interrupted: the disk is full, a worker was killed, or an interrupt came.
    """
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unfinished(error, out) from error
    try:
        yield
    except BaseException as error:
        for entry in out.iterdir() if existed else (out,):
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
        if isinstance(error, OSError | BrokenProcessPool | KeyboardInterrupt):
            raise _unfinished(error, out) from error
        raise


def _unfinished(error: OSError | BrokenProcessPool | KeyboardInterrupt, out: Path) -> MersearchError:
    rule = "a synthetic database is written whole or not at all"
    if isinstance(error, KeyboardInterrupt):
        return Stopped(f"{out} is not there, as {rule}", fix="the same command writes it")
    if isinstance(error, BrokenProcessPool):
        fix = "run the command again, with fewer clips if memory was short"
        return Interrupted(rule, received=f"{out}: a process that wrote it was killed", fix=fix)
    received = f"{error.filename or out}: {error.strerror or error}"
    if is_full(error):
        fix = "make room and run the command again, or name a folder on another disk"
        return Interrupted(f"disk full: {rule}", received=received, fix=fix)
    rule = "the folder of a synthetic database can be written"
    return DataError(rule, received=received, fix="name another folder")
