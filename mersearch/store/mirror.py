"""A run beside itself in an object storage: one object per finished chunk, so that a lost machine costs no more.

A live run is in a folder of a file system; here is what it takes to have that folder again elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from mersearch.errors import RunError
from mersearch.store.bucket import Bucket, below
from mersearch.store.claim import Claim, remember_fetched, require_latest, require_silent
from mersearch.store.directory import CONFIG, PROVENANCE, RunDirectory, is_run
from mersearch.store.files import failure
from mersearch.store.followed import Followed
from mersearch.store.memory import Recorder
from mersearch.store.records import FoldRecord, Record, Verdict, encode
from mersearch.store.state import RunState, Trial
from mersearch.store.writer import FOLDS, MAPS, TRIALS, VERDICTS, maps_path

CHUNKS: Final = "folds"
"""Folder of the mirror with an object per chunk."""
PATIENCE: Final = 120.0
"""Seconds that the end of a search waits for the storage."""
Notice = Callable[[str], None]
A = TypeVar("A")


@contextmanager
def mirroring(run: RunDirectory, writer: Recorder, address: str | None, notice: Notice) -> Iterator[Recorder]:
    """A recorder that puts what it records into the folder `<address>/<name of the run>` too; else `writer` itself.

    What an earlier driver has not brought there is brought first. A storage that does not answer never stops a
    search: it is told, and what is missing is brought when it answers again, if need be by the next command. Where
    another copy of the run takes over, nothing more is put there.

    Raises:
        RunError: no such kind of address, or another run of this name, or from another copy of this one, is there.
        Interrupted: the disk is full.
    """
    if address is None:
        yield writer
        return
    require_own(run, address)
    bucket = Bucket(below(address, run.name))
    uploads = _Uploads(bucket, notice, Claim(run.path, bucket, notice))
    try:
        mirror = _Mirror(run, writer.state, uploads)
        mirror.catch_up()
        yield Followed(writer, mirror.put)
    finally:
        uploads.close()


def require_own(run: RunDirectory, address: str | None) -> None:
    """Raise RunError where another run is in the mirror, or what another copy of this one has put there.

    Its chunks would be taken for those of this one.

    Where nothing can be read there, nothing is said.

    Raises:
        RunError: also where there is no such kind of address.
    """
    if address is None:
        return
    bucket = Bucket(below(address, run.name))
    try:
        other = json.loads(bucket.get(PROVENANCE)).get("id")
    except FileNotFoundError:
        other = run.provenance.get("id")
    except (OSError, ValueError, AttributeError):
        return
    if other != run.provenance.get("id"):
        raise RunError(
            "a mirror holds one run of a name",
            received=f"{bucket.address} has another {run.name}",
            fix=f"another run.name or run.mirror, or remove {bucket.address} if nobody needs it",
        )
    with contextlib.suppress(OSError):
        require_latest(run.path, bucket)


def require_unmirrored(address: str | None, name: str) -> None:
    """Raise RunError where a run of this name is in the mirror already: a new one would overwrite it.

    A storage that does not answer refuses nothing.

    Raises:
        RunError: also where there is no such kind of address.
    """
    if address is None:
        return
    bucket = Bucket(below(address, name))
    with contextlib.suppress(OSError):
        if PROVENANCE in bucket.names():
            raise RunError(
                "a new run does not take the place of another one in its mirror",
                received=f"{bucket.address} holds a run",
                fix=f"mersearch resume {bucket.address} goes on with it; or another run.name, or run.mirror",
            )


class _Uploads:
    """Brings objects to the storage in a thread of its own, in order; what it did not take is tried again later."""

    def __init__(self, bucket: Bucket, notice: Notice, claim: Claim) -> None:
        self.bucket, self._notice, self._claim, self._failed = bucket, notice, claim, False
        self._waiting: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mersearch-mirror", daemon=True)
        self._thread.start()

    def put(self, name: str, data: bytes) -> None:
        """Bring an object to the storage soon; of several under one name the last one counts."""
        self._waiting.put((name, data))

    def missing(self, error: OSError) -> None:
        """Tell that the storage does not take what it is given, once until it does again."""
        if not self._failed:
            self._failed = True
            reason = str(error).splitlines()[0][:200]
            self._notice(f"the mirror {self.bucket.address} is behind: {reason}; the run itself goes on")

    def close(self) -> None:
        """Wait for what is on its way, but not for ever, and for a storage that is away only once more."""
        self._waiting.put(None)
        try:
            self._thread.join(PATIENCE)
        finally:
            self._claim.retire()
        if self._failed or self._claim.lost or self._thread.is_alive():
            self._notice(f"the mirror {self.bucket.address} lacks a part of the run; the run itself is whole")

    def _work(self) -> None:
        behind: dict[str, bytes] = {}
        self._claim.renew()
        while self._collect(behind):
            self._bring(behind)
        self._bring(behind)
        if not self._failed:
            self._claim.release()

    def _collect(self, behind: dict[str, bytes]) -> bool:
        """Wait for an object, and take all that wait with it; whether there may be more."""
        job = self._waiting.get()
        while job is not None:
            name, data = job
            behind[name] = data
            try:
                job = self._waiting.get_nowait()
            except queue.Empty:
                return True
        return False

    def _bring(self, behind: dict[str, bytes]) -> None:
        """The oldest first, up to the first one that is not taken; what was taken is removed from `behind`.

        Nothing where another copy of the run has taken over.
        """
        if not self._claim.holds():
            behind.clear()
            return
        try:
            for name in list(behind):
                if self._claim.lost:
                    return
                self.bucket.put(name, behind[name])
                del behind[name]
        except OSError as error:
            self.missing(error)
            return
        if self._failed:
            self._failed = False
            self._notice(f"the mirror {self.bucket.address} has everything again")


class _Mirror:
    """What of a run is brought to the storage, and when. Maps of dropped trials stay there; nobody reads them."""

    def __init__(self, run: RunDirectory, state: RunState, uploads: _Uploads) -> None:
        self._run, self._state, self._uploads = run, state, uploads
        self._brought: dict[str, tuple[int, int]] = {}

    def put(self, records: Sequence[Record]) -> None:
        """Bring the chunk or the log that has these records there, behind what the run says of itself by now."""
        for name in (CONFIG, PROVENANCE):
            with contextlib.suppress(FileNotFoundError):
                if self._brought.get(name) != self._version(name):
                    self._put_file(name)
        folds = [record for record in records if isinstance(record, FoldRecord)]
        if folds:
            self._put_chunk(folds[0].trial, folds[0].chunk)
        elif records:
            self._put_file(VERDICTS if isinstance(records[0], Verdict) else TRIALS)

    def catch_up(self) -> None:
        """Bring everything to the mirror that is not there yet."""
        there: set[str] = set()
        try:
            there.update(self._uploads.bucket.names())
        except OSError as error:
            self._uploads.missing(error)
        for name in (CONFIG, PROVENANCE, TRIALS, VERDICTS):
            self._put_file(name)
        for trial in self._state.trials.values():
            for chunk in {fold.chunk for fold in trial.folds.values()}:
                if _object(trial, chunk) not in there:
                    self._put_chunk(trial.number, chunk)

    def _put_chunk(self, trial: int, chunk: int) -> None:
        """Maps first: where the chunk is, they are."""
        known = self._state.trials[trial]
        folds = [fold for fold in known.folds.values() if fold.chunk == chunk]
        for fold in folds:
            file = maps_path(self._run.path, self._state, trial, fold.subject)
            self._put_file(str(file.relative_to(self._run.path)))
        self._uploads.put(_object(known, chunk), b"".join(encode(fold) for fold in folds))

    def _put_file(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._brought[name] = self._version(name)
            self._uploads.put(name, (self._run.path / name).read_bytes())

    def _version(self, name: str) -> tuple[int, int]:
        """Of a file that is only ever replaced: another one after each time."""
        status = (self._run.path / name).stat()
        return status.st_ino, status.st_mtime_ns


def _object(trial: Trial, chunk: int) -> str:
    """Name of the object of a chunk; another one after each restart, so that none stands in for another."""
    again = f"-{len(trial.restarts)}" if trial.restarts else ""
    return f"{CHUNKS}/{trial.number:05d}-{chunk:05d}{again}.jsonl"


def _quiet(_: str) -> None:
    """Tell nobody."""


def download(
    address: str, root: Path, notice: Notice = _quiet, wait: Callable[[float], None] = time.sleep
) -> Path:
    """The folder below `root` of a run whose mirror is at `address`, as far as it was brought there.

    Args:
        address: of the mirror, with the name of the run.
        root: of the new folder.
        notice, wait: as `require_silent`.

    Raises:
        RunError: no run is there, the storage does not answer, somebody writes to it now, or a run of that name is
            here already.
        Interrupted: the disk is full.
    """
    bucket = Bucket(address)
    path = root / bucket.address.partition("?")[0].rpartition("/")[2]
    if is_run(path):
        raise RunError(
            "a mirror is for a machine that does not have the run",
            received=f"{path} is there already",
            fix=f"go on with it: mersearch resume {path}; or move it away",
        )
    new = path.with_name(f".{path.name}.download")
    try:
        marker = _asked(partial(require_silent, bucket, notice, wait), bucket)
        names = _asked(bucket.names, bucket)
        if PROVENANCE not in names or CONFIG not in names:
            raise RunError(
                "a run is mirrored at the address", received=f"{address}: none", fix="MIRROR/NAME-OF-THE-RUN"
            )
        shutil.rmtree(new, ignore_errors=True)
        for name in names:
            _fetch(bucket, name, new)
        remember_fetched(new, marker)
        new.rename(path)
    except OSError as error:
        raise failure(error, path, path) from error
    return path


def _fetch(bucket: Bucket, name: str, folder: Path) -> None:
    """One object as the file that it came from; chunks one behind the other in their log."""
    parts = Path(name).parts
    if parts[0] not in (CONFIG, PROVENANCE, TRIALS, VERDICTS, CHUNKS, MAPS) or ".." in parts:
        return
    data = _asked(partial(bucket.get, name), bucket)
    file = folder / (FOLDS if parts[0] == CHUNKS else name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as target:
        target.write(data)


def _asked(question: Callable[[], A], bucket: Bucket) -> A:
    """The answer of a storage; RunError where it gives none."""
    try:
        return question()
    except OSError as error:
        raise RunError(
            "the storage of a mirror must answer, to fetch a run from it",
            received=f"{bucket.address}: {str(error).splitlines()[0][:200]}",
            fix="check the network, and the keys and the region in the environment; then the same command again",
        ) from error
