"""TensorBoard curves of a search: the partial score of every trial over its finished folds."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from mersearch.store import TrialProgress
from mersearch.store.files import failure

EVENTS = "events"


class Events:
    """Writes `events/trial-00003/…`, one curve per trial; a hint for the eye that nothing is read back from.

    Every point is on disk on return, without tensorboardX's own thread, which a full disk would end behind our back.
    """

    def __init__(self, run: Path, metric: str) -> None:
        self._run, self._metric = run, metric
        self._writers: dict[int, Any] = {}
        self._folds: dict[int, int] = {}

    def write(self, trial: TrialProgress) -> None:
        """Add a point where folds have come in; close the curve of a trial that is over.

        Raises:
            Interrupted: the disk is full.
            RunError: the folder is not writable.
        """
        try:
            if trial.score is not None and trial.folds > self._folds.get(trial.trial, 0):
                self._folds[trial.trial] = trial.folds
                self._point(trial.trial, trial.folds, trial.score)
            if trial.state != "running" and trial.trial in self._writers:
                self._writers.pop(trial.trial).close()
        except OSError as error:
            raise failure(error, self._run / EVENTS, self._run) from error

    def close(self) -> None:
        """Close every curve; what they show is on disk already."""
        for writer in self._writers.values():
            with contextlib.suppress(OSError):
                writer.close()
        self._writers.clear()

    def _point(self, trial: int, folds: int, score: float) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        if trial not in self._writers:
            folder = self._folder(trial)
            folder.mkdir(parents=True, exist_ok=True)
            self._writers[trial] = EventsWriter(str(folder / "events"))
        summary = scalar(f"{self._metric}_over_folds", score)
        self._writers[trial].write_event(Event(step=folds, wall_time=time.time(), summary=summary))
        self._writers[trial].flush()

    def _folder(self, trial: int) -> Path:
        return self._run / EVENTS / f"trial-{trial:05d}"
