"""TensorBoard curves of a search: the partial score of every trial over its finished folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mersearch.store import TrialProgress

EVENTS = "events"


class Events:
    """Writes `events/trial-00003/…`, one curve per trial; a hint for the eye that nothing is read back from."""

    def __init__(self, run: Path, metric: str) -> None:
        self._folder, self._metric = run / EVENTS, metric
        self._writers: dict[int, Any] = {}
        self._folds: dict[int, int] = {}

    def write(self, trial: TrialProgress) -> None:
        """Add a point where folds have come in; close the curve of a trial that is over."""
        if trial.score is not None and trial.folds > self._folds.get(trial.trial, 0):
            self._folds[trial.trial] = trial.folds
            self._writer(trial.trial).add_scalar(f"{self._metric}_over_folds", trial.score, trial.folds)
        if trial.state != "running" and trial.trial in self._writers:
            self._writers.pop(trial.trial).close()

    def close(self) -> None:
        """Close every curve."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, trial: int) -> Any:
        from tensorboardX import SummaryWriter

        if trial not in self._writers:
            self._writers[trial] = SummaryWriter(str(self._folder / f"trial-{trial:05d}"))
        return self._writers[trial]
