"""Between Tune's callbacks and the session: one place where the driver writes, fails and stops."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from mersearch.errors import ClusterError, Interrupted, Stopped, TimeUp
from mersearch.search.events import Events
from mersearch.search.packing import larger, smaller
from mersearch.search.pieces import Piece, Pieces
from mersearch.search.session import Session
from mersearch.search.worker import Report
from mersearch.store import Progress
from mersearch.store.files import new_folder, replace

FAILURES = "failures"
"""Folder of the run with the tracebacks of failed trials."""
LOOK: Final = 1.0
"""Seconds between two looks at whether Ray still runs."""


class Watcher(Protocol):
    """Whoever shows the search to the user."""

    def update(self, progress: Progress) -> None:
        """Called after every event, and several times a second between events."""
        ...

    def notice(self, text: str) -> None:
        """Something worth a line of its own."""
        ...


class Leave(BaseException):
    """Out of `Tuner.fit` at once; no `except Exception` of Tune swallows, wraps or delays it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Bridge:
    """The session, for the adapters.

    Args:
        session: the search.
        run: the run directory.
        events: TensorBoard curves.
        watcher: shows the search.
        interrupted: name of the signal that arrived, empty while none has.
        lost: name of the part of Ray that has ended, empty while none has.
        retries: how often a chunk is computed again after an exception of the algorithm.
        gpus: cards that a trial occupies, as long as they suffice.
        backend: that trains a trial, as long as the memory of a card suffices.
        begun: as for `Pieces`.
    """

    def __init__(
        self,
        session: Session,
        run: Path,
        events: Events,
        watcher: Watcher,
        interrupted: Callable[[], str],
        lost: Callable[[], str] = str,
        *,
        retries: int = 0,
        gpus: float = 0.0,
        backend: str = "loop",
        begun: bool = True,
    ) -> None:
        self._session, self._run, self._events = session, run, events
        self._watcher, self._interrupted, self._lost = watcher, interrupted, lost
        self._pieces, self._retries = Pieces(session, begun=begun), retries
        self._raised = Counter[tuple[int, int]]()
        self._gpus, self._rooms, self._backend = gpus, dict[int, float](), backend
        self._progress = session.progress()
        self._finished = self._progress.folds_done > 0
        self._remarked: set[str] = set()
        self._looked, self._missing = 0.0, ""

    def next_piece(self) -> Piece | None:
        """What a free slot does next."""
        with self._leaving():
            known = len(self._progress.trials)
            piece = self._pieces.next()
            if piece is not None or len(self._session.state.trials) > known:
                self._changed()
            return piece

    @property
    def waits(self) -> bool:
        """Whether there may be another piece later although there is none now."""
        return self._pieces.open or self._session.waits

    def report(
        self, trial: int, chunk: int, report: Report, room: float | None = None, backend: str = ""
    ) -> bool:
        """Store what a worker sent; whether its slot goes on with the following chunk.

        Args:
            trial, chunk: what it was to train.
            report: what came of it.
            room: cards that its piece occupied, where the usual share was too small for the trial.
            backend: that its piece was trained with, where it is not the run's. What the trial has left behind since
                then does not count.
        """
        with self._leaving():
            had = self._gpus if room is None else room
            if report.unusable is not None and not (report.exhausted and larger(had)):
                raise report.unusable
            if backend != self.backend(trial):
                self._pieces.release(trial, chunk)
                return False
            if report.failure:
                self._failed(trial, chunk, report, room)
                return False
            self._remark(report)
            self._session.report(trial, report.folds)
            self._finished = True
            keep = self._pieces.advance(trial, chunk)
            self._changed(trial)
            return keep

    def _failed(self, trial: int, chunk: int, report: Report, room: float | None) -> None:
        """The algorithm raised: once more where that may help, else the trial has failed.

        What a configuration itself is to blame for, as numbers that are not finite, would only happen again.
        """
        self._pieces.release(trial, chunk)
        if report.exhausted:
            self._exhausted(trial, chunk, report, self._gpus if room is None else room)
            return
        if report.traceback and self._raised[trial, chunk] < self._retries:
            if self._session.state.trials[trial].state == "running":
                self._raised[trial, chunk] += 1
                self._pieces.again(trial, chunk)
                self._keep(trial, report.traceback)
                turn = self._raised[trial, chunk]
                self._watcher.notice(
                    f"trial {trial}: {report.failure}; tried again ({turn} of {self._retries})"
                )
            return
        self.fail(trial, report.failure, report.traceback)

    def _exhausted(self, trial: int, chunk: int, report: Report, had: float) -> None:
        """A card's memory was: the trial goes on with more of it; where it had a card alone, it starts again in a
        smaller mode, or has failed where there is none.

        Other pieces of the trial, which began with as little, only go on with what it has been given meanwhile.
        """
        if had < self._rooms.get(trial, self._gpus):
            self._pieces.again(trial, chunk)
            return
        more, less = larger(had), smaller(self.backend(trial) or self._backend)
        if more is None and less is not None:
            self._restart(trial, chunk, less, report)
        elif more is None:
            fix = "a smaller batch, width or size of the clips, or trial.gpus=0"
            self.fail(
                trial, f"the memory of a whole card is not enough ({report.failure}); {fix}", report.traceback
            )
        elif self._session.state.trials[trial].state == "running":
            self._rooms[trial] = more
            self._pieces.again(trial, chunk)
            self._keep(trial, report.traceback)
            self._watcher.notice(
                f"trial {trial}: the memory of the card is not enough for {int(1 / had + 1e-9)} trials; "
                f"it goes on with trial.gpus={more:g}"
            )

    def _restart(self, trial: int, chunk: int, backend: str, report: Report) -> None:
        known = self._session.state.trials[trial]
        if known.state != "running":
            return
        for again in {chunk, *(fold.chunk for fold in known.folds.values())}:
            self._pieces.again(trial, again)
        before = self.backend(trial) or self._backend
        self._keep(trial, report.traceback)
        self._session.restart(trial, backend, report.failure)
        self._watcher.notice(
            f"trial {trial}: the memory of a whole card is not enough for folds.backend={before}; it starts again "
            f"with folds.backend={backend}"
        )
        self._changed(trial)

    def backend(self, trial: int) -> str:
        """Back-end of a trial that was started again in a smaller mode; empty for that of the run."""
        return self._session.state.trials[trial].backend

    def gpus(self, trial: int) -> float:
        """Cards that a trial occupies."""
        return self._rooms.get(trial, self._gpus)

    def room(self, trial: int) -> float | None:
        """Cards that a trial occupies because its share was too small; None where it was not."""
        return self._rooms.get(trial)

    def _keep(self, trial: int, traceback: str) -> None:
        folder = new_folder(self._run / FAILURES, self._run)
        replace(folder / f"{trial:05d}.txt", traceback.encode(), self._run)

    def _remark(self, report: Report) -> None:
        """Show what a node has to say, once per node and search."""
        for node in sorted({fold.node for fold in report.folds} - self._remarked):
            if report.remark:
                self._remarked.add(node)
                self._watcher.notice(f"{node}: {report.remark}")

    def fail(self, trial: int, why: str, traceback: str = "") -> None:
        """The trial cannot be trained."""
        with self._leaving():
            if traceback:
                self._keep(trial, traceback)
            self._session.fail(trial, why)
            self._changed(trial)

    def lost(self, trial: int, chunk: int, why: str) -> int:
        """A worker died; its chunk is computed elsewhere. How often that has been necessary."""
        self._watcher.notice(f"trial {trial}: its worker died ({why}); the chunk is computed again")
        return self._pieces.again(trial, chunk)

    def moved(self, trial: int) -> None:
        """A worker leaves a machine that will be taken back, between two chunks."""
        self._watcher.notice(f"trial {trial}: its machine will be taken back; it goes on elsewhere")

    def crashed(self, trial: int, chunk: int, why: str) -> None:
        """Worker after worker died on one chunk: the trial's fault where other chunks were finished before."""
        with self._leaving():
            self._pieces.release(trial, chunk)
            if not self._finished:
                raise ClusterError(
                    "workers must live long enough to finish a chunk",
                    received=f"trial {trial}: {why}",
                    fix="check memory, and that every machine has this version of mersearch and the algorithm",
                )
            self.fail(trial, f"worker after worker died: {why}")

    def tick(self) -> None:
        """Called about ten times a second, between events."""
        with self._leaving():
            if name := self._interrupted():
                raise Stopped(
                    "everything finished is kept", received=name, fix=f"mersearch resume {self._run} goes on"
                )
            if name := self._gone():
                raise Interrupted(
                    "Ray ended under the search; everything finished is kept",
                    received=f"its {name} is gone, killed or out of memory",
                    fix=f"go on with: mersearch resume {self._run}",
                )
            if self._session.late:
                raise TimeUp(
                    "the time budget is used up; everything finished is kept",
                    fix=f"mersearch resume {self._run} goes on",
                )
            self._watcher.update(self._progress)

    def _gone(self) -> str:
        """What of Ray has ended, at two looks in a row."""
        now = time.monotonic()
        if now < self._looked + LOOK:
            return ""
        self._looked, before, self._missing = now, self._missing, self._lost()
        return self._missing if before else ""

    def _changed(self, trial: int | None = None) -> None:
        self._progress = self._session.progress()
        if trial is not None:
            self._events.write(self._progress.trials[trial])
        self._watcher.update(self._progress)

    @contextmanager
    def _leaving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise Leave(error) from error
