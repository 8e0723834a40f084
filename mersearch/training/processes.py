"""Several single-threaded processes over the folds of a chunk.

Every fold is trained by one process, with one thread, as the loop trains it: the same bits, whatever the number of
processes. Networks of this size gain little from several threads inside an operation, so a trial that owns several
cores is trained faster this way. The clips lie in memory once, for all processes.

What goes to and fro is pickled, over a pair of sockets without a name that only this process and the one it started
hold: the descriptor is inherited. No file, port or path is read, so no other user can put a pickle there.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, cast

import torch

from mersearch.algorithm import Algorithm
from mersearch.cores import local_cores
from mersearch.data.folds import Fold
from mersearch.errors import ConfigError, ProcessDied
from mersearch.interrupts import interrupt_deferred
from mersearch.training.child import Reply
from mersearch.training.device import DeviceData
from mersearch.training.pretraining import NOTHING, Starts
from mersearch.training.results import FoldResult, Reports
from mersearch.training.sharing import SharedData

THREADS = 1
_CHILD = "import sys; from mersearch.training.child import main; main(sys.argv[1:])"
_GRACE = 5.0
"""Seconds that a process has to end once it is told to."""


class _Process:
    """One process, and the fold that it trains now."""

    def __init__(self, shared: SharedData) -> None:
        ours, theirs = Pipe()
        read, self._alive = os.pipe()
        descriptors = theirs.fileno(), read, shared.descriptor
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *map(str, descriptors)],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(THREADS)},
            pass_fds=descriptors,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        os.close(read)
        self.line: Connection = ours
        self.fold: Fold | None = None
        self.send((THREADS, shared.layout))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Hand over a message; one to a process that is dead is noticed at `receive`."""
        try:
            self.line.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return

    def receive(self) -> Reply:
        """What came of its fold.

        Raises:
            ProcessDied: it has died.
        """
        try:
            reply: Reply = self.line.recv()
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        return reply

    def _death(self) -> ProcessDied:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ProcessDied(
            "a process that trains folds must live until they are trained",
            received=f"process {self.pid} ended by {how}"
            + (f" in fold {self.fold.subject}" if self.fold is not None else " before it had a fold"),
            fix="SIGKILL mostly means that memory ran out: fewer processes (trial.cpus), or fewer trials at once",
        )

    def end(self) -> None:
        """End it, whatever it does."""
        self.line.close()
        os.close(self._alive)
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Pool:
    """Processes that stay between chunks; they are started when folds are there, and end with this object.

    They hear no Ctrl-C of the terminal, and end by themselves when this process dies.
    """

    def __init__(self, data: DeviceData, processes: int) -> None:
        """Share `data` with up to `processes` processes.

        Raises:
            ConfigError: the data are on a card.
        """
        if data.device.type != "cpu":
            raise ConfigError(
                "folds.backend=processes trains on processors",
                received=f"the device {data.device}",
                fix="folds.backend=fused or loop on a card, or trial.gpus=0",
            )
        self._shared = SharedData(data)
        self.data = self._shared.open()
        """The data again, from the memory that is shared: the original may go."""
        self.processes = processes
        self._running: list[_Process] = []
        self._finalizer = weakref.finalize(self, _end, self._running, self._shared)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; the pool cannot be used again."""
        self._finalizer()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of what runs now."""
        return tuple(process.pid for process in self._running)

    def train(
        self,
        algorithm: Algorithm,
        folds: Sequence[Fold],
        seed: int,
        dtype: torch.dtype,
        reports: Reports,
        starts: Starts = NOTHING,
    ) -> list[FoldResult]:
        """Train and predict every fold, as `train_chunk`; `reports` hears of folds in the order in which they end.

        The seconds of a result are its share of the time of the chunk. What shared stages have left is sent along in
        `starts`: they were run in this process.

        Raises:
            TrialFailure: of the first fold that fails, unless somebody takes failures.
            ProcessDied: a process was killed, or ran out of memory; the next chunk gets new ones.
            ConfigError: the algorithm cannot be sent to another process.
        """
        packed = _packed((algorithm, seed, dtype, Starts(starts.found)))
        start = time.perf_counter()
        try:
            while len(self._running) < min(self.processes, len(folds)):
                with interrupt_deferred():
                    self._running.append(_Process(self._shared))
            found, failures = self._work(packed, folds, reports)
        except BaseException:
            _stop(self._running)
            raise
        for fold in folds:
            if fold.subject in failures:
                raise failures[fold.subject]
        results = [found[fold.subject] for fold in folds if fold.subject in found]
        busy = sum(result.seconds for result in results) or 1.0
        scale = (time.perf_counter() - start) / busy
        return [
            dataclasses.replace(result, seconds=result.seconds * scale + starts.seconds) for result in results
        ]

    def _work(
        self, packed: bytes, folds: Sequence[Fold], reports: Reports
    ) -> tuple[dict[str, FoldResult], dict[str, Exception]]:
        """Hand out folds; what came of them. After a failure that nobody takes, no further fold is begun."""
        left, found = deque(folds), dict[str, FoldResult]()
        failures: dict[str, Exception] = {}
        busy: dict[Connection, _Process] = {}
        for process in self._running[: len(folds)]:
            process.send(("algorithm", packed))
            _hand(process, left, busy)
        while busy:
            for line in wait(list(busy)):
                process = busy.pop(cast("Connection", line))
                kind, content, text = process.receive()
                subject = process.fold.subject if process.fold is not None else ""
                if kind == "done":
                    found[subject] = content
                    reports.done(content)
                elif kind == "failed" and reports.on_failure is not None:
                    reports.on_failure(subject, content)
                else:
                    failures[subject] = content
                    if kind == "raised":
                        content.add_note(f"in process {process.pid}, fold {subject}:\n{text}")
                if not failures:
                    _hand(process, left, busy)
        return found, failures


def train_in_processes(
    algorithm: Algorithm,
    data: DeviceData,
    folds: Sequence[Fold],
    seed: int,
    dtype: torch.dtype,
    reports: Reports,
    pool: Pool | None,
    starts: Starts,
) -> list[FoldResult]:
    """`Pool.train` with `pool`; without it, with one process per core that lives as long as the chunk."""
    if pool is not None:
        return pool.train(algorithm, folds, seed, dtype, reports, starts)
    with Pool(data, local_cores()) as own:
        return own.train(algorithm, folds, seed, dtype, reports, starts)


def _hand(process: _Process, left: deque[Fold], busy: dict[Connection, _Process]) -> None:
    """Give the next fold to a process that has none, if there is one."""
    process.fold = left.popleft() if left else None
    if process.fold is not None:
        process.send(("fold", process.fold))
        busy[process.line] = process


def _packed(work: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(
            "folds.backend=processes sends the algorithm to other processes",
            received=f"{type(work[0]).__name__} cannot be sent: {error}",
            fix="define its class in a module, not inside a function; or folds.backend=loop",
        ) from error


def _stop(running: list[_Process]) -> None:
    while running:
        running.pop().end()


def _end(running: list[_Process], shared: SharedData) -> None:
    _stop(running)
    shared.close()
