"""One writer per run: a lease in the run directory that survives crashes and works on network file systems.

`<run>/.lease/` holds one file per generation of owners; the highest generation owns the run, an empty file
means that it was given back. Generation n + 1 is created with `link`, which is atomic and exclusive also over
NFS, so of two that take over from the same owner one wins. The winner removes the older files; an owner whose
file is gone has lost the lease. Age is the difference of two times of the file system, never of the local clock.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mersearch.errors import RunError
from mersearch.store.files import failure, write_all
from mersearch.store.owner import Owner, alive, this_process

EXPIRES: Final = 60.0
"""Seconds without renewal after which an owner on another host is taken for dead."""
RENEWED: Final = 10.0
"""Seconds between renewals."""
ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that works on a run, as far as it is known."""

    pid: str
    host: str
    since: str
    """ISO 8601, UTC."""


def holder(run: Path) -> Holder | None:
    """Who works on a run now; None where nobody does.

    Reads only, so an owner on another host is judged by the local clock: it is gone `EXPIRES` seconds after its last
    renewal, give or take what the clocks differ.
    """
    folder = run / ".lease"
    try:
        last = max(_generations(folder), default=0)
        return _holder(folder / str(last), time.time()) if last else None
    except OSError:
        return None


def require_idle(run: Path) -> None:
    """Raise RunError where another process works on a run; to be told early, the lease decides."""
    if (other := holder(run)) is not None:
        raise _in_use(other, run)


class Lease:
    """The right to write to a run, from construction to `release`.

    Raises:
        RunError: another process holds it.
        Interrupted: the disk is full.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._folder = run / ".lease"
        try:
            self._folder.mkdir(exist_ok=True)
            self._path = _acquire(self._folder, run)
        except OSError as error:
            raise failure(error, self._folder, run) from error
        self._stop = threading.Event()
        self._renewal = threading.Thread(target=self._renew, name="mersearch-lease", daemon=True)
        self._renewal.start()

    def check(self) -> None:
        """Raise RunError where another process has taken over; called before every write."""
        try:
            os.close(os.open(self._path, os.O_RDONLY))
        except OSError as error:
            raise RunError(
                "only one process may write to a run, and another one has taken over",
                received=f"{self._path} is gone",
                fix=f"this one was silent for over {EXPIRES:.0f} s; follow the other: mersearch status {self._run}",
            ) from error

    def release(self) -> None:
        """Give the run back; a lease that is lost already stays with its new owner."""
        self._stop.set()
        self._renewal.join()
        try:
            os.truncate(self._path, 0)
        except OSError:
            return

    def _renew(self) -> None:
        while not self._stop.wait(RENEWED):
            try:
                os.utime(self._path)
            except FileNotFoundError:
                return
            except OSError:
                continue


@contextmanager
def held(run: Path) -> Iterator[Lease]:
    """The lease of a run while the context lasts; raises as `Lease`."""
    lease = Lease(run)
    try:
        yield lease
    finally:
        lease.release()


def _acquire(folder: Path, run: Path) -> Path:
    """Become the owner of the next generation, or raise RunError."""
    mine = folder / f"{secrets.token_hex(8)}.new"
    try:
        for _ in range(ATTEMPTS):
            now = _announce(mine)
            last = max(_generations(folder), default=0)
            if last and (other := _holder(folder / str(last), now)) is not None:
                raise _in_use(other, run)
            path = folder / str(last + 1)
            if _link(mine, path) and max(_generations(folder)) == last + 1:
                for older in _generations(folder) - {last + 1}:
                    (folder / str(older)).unlink(missing_ok=True)
                return path
    finally:
        mine.unlink(missing_ok=True)
    rule = "only one process may write to a run, and several are starting on this one"
    raise RunError(rule, received=str(run), fix="start one of them")


def _announce(path: Path) -> float:
    """Write who we are to `path`; returns the time of the file system."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_all(descriptor, json.dumps({**this_process().to_dict(), "since": since}).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path.stat().st_mtime


def _generations(folder: Path) -> set[int]:
    return {int(file.name) for file in folder.iterdir() if file.name.isdecimal()}


def _link(source: Path, target: Path) -> bool:
    """Whether `target` is now ours; a reply lost on the network counts by the number of links."""
    try:
        os.link(source, target)
    except FileExistsError:
        return source.stat().st_nlink == 2
    return True


def _holder(path: Path, now: float) -> Holder | None:
    """Who holds the lease at `path`, or None where it is free, expired or its owner is dead."""
    try:
        with path.open("rb") as file:
            text, renewed = file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    if not text:
        return None
    age = now - renewed
    try:
        known = json.loads(text)
        runs = alive(Owner.from_dict(known), age)
    except (ValueError, KeyError, TypeError):
        known, runs = {}, None
    free = age > EXPIRES if runs is None else not runs
    return None if free else Holder(*(str(known.get(key, "?")) for key in ("pid", "host", "since")))


def _in_use(by: Holder, run: Path) -> RunError:
    who = f"pid {by.pid} on {by.host} since {by.since}"
    return RunError(
        f"run {run.name} is in use by {who}",
        received=str(run),
        fix="another run.name, or wait for that process or stop it",
    )
