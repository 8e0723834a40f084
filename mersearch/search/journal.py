"""`study.journal` for Optuna's dashboards: the plain facts of a run, with stopped trials PRUNED."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial, TrialState

from mersearch.front import fold_cost
from mersearch.metrics import NAMES
from mersearch.search.study import directions, frozen, objectives
from mersearch.space import Space
from mersearch.store import RunState, Trial
from mersearch.store.files import failure, replace
from mersearch.store.records import State

STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

METRIC_NAMES = "study:metric_names"
"""Where Optuna keeps what `Study.set_metric_names` is given."""
SECONDS = "seconds per fold"
BACKEND = "folds.backend"
"""Attribute of a trial that was started again with another back-end than the run's."""


class Journal:
    """Rewritten from the run at every opening, then appended to; our lease excludes a second writer.

    Every method raises Interrupted where the disk is full and RunError where the file is not writable.
    """

    def __init__(
        self, path: Path, name: str, state: RunState, space: Space, metric: str, second: str = "none"
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path, self._space, self._metric, self._second = path, space, metric, second
        lines = _Lines()
        storage = JournalStorage(lines)
        study = storage.create_new_study(directions(second), name)
        storage.set_study_system_attr(
            study, METRIC_NAMES, [NAMES[metric], SECONDS][: len(directions(second))]
        )
        for trial in state.trials.values():
            storage.create_new_trial(study, self._template(trial))
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in lines.logs)
        replace(path, text.encode(), path.parent)
        self._storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock()))
        self._study = self._storage.get_study_id_from_name(name)

    def proposed(self, trial: Trial) -> None:
        """A new trial, RUNNING."""
        try:
            self._storage.create_new_trial(self._study, self._template(trial))
        except OSError as error:
            raise failure(error, self._path, self._path.parent) from error

    def advanced(self, trial: Trial, before: int) -> None:
        """The pooled score after each fold that was finished since `before`."""
        try:
            for folds, value in self._partial(trial, before).items():
                self._storage.set_trial_intermediate_value(self._id(trial), folds, value)
        except OSError as error:
            raise failure(error, self._path, self._path.parent) from error

    def restarted(self, trial: Trial) -> None:
        """It goes on with another back-end; its scores from before are replaced one by one."""
        try:
            self._storage.set_trial_user_attr(self._id(trial), BACKEND, trial.backend)
        except OSError as error:
            raise failure(error, self._path, self._path.parent) from error

    def ended(self, trial: Trial, state: State, why: str) -> None:
        """The trial is COMPLETE, PRUNED or FAIL from now on; nothing is read from `trial` but its folds."""
        values = self._values(trial, state)
        try:
            if why:
                self._storage.set_trial_user_attr(self._id(trial), "why", why)
            self._storage.set_trial_state_values(self._id(trial), STATES[state], values)
        except OSError as error:
            raise failure(error, self._path, self._path.parent) from error

    def _id(self, trial: Trial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study, trial.number)

    def _template(self, trial: Trial) -> FrozenTrial:
        """Settings that a point sets beside the space are shown as attributes."""
        searched = set(self._space.paths)
        beside = {path: value for path, value in trial.parameters.items() if path not in searched}
        return frozen(
            trial,
            self._space,
            STATES[trial.state],
            self._values(trial, trial.state),
            intermediate_values=self._partial(trial, 0),
            user_attrs={
                **beside,
                **({BACKEND: trial.backend} if trial.backend else {}),
                **({"why": trial.why} if trial.why else {}),
            },
        )

    def _partial(self, trial: Trial, before: int) -> dict[int, float]:
        """Number of folds → pooled score on them, for the folds after `before`; none for two objectives."""
        if self._second != "none":
            return {}
        scores = {folds: trial.score(self._metric, folds) for folds in range(before + 1, trial.done + 1)}
        return {folds: score for folds, score in scores.items() if score is not None}

    def _values(self, trial: Trial, state: State) -> list[float] | None:
        """Full score of a complete trial, last partial score of a stopped one; and the seconds per fold."""
        score = trial.score(self._metric) if state in ("complete", "stopped") else None
        return None if score is None else objectives(score, fold_cost(trial), self._second)


class Silent:
    """A journal that nobody reads, for a run without a folder."""

    def proposed(self, trial: Trial) -> None:
        """Nothing."""

    def advanced(self, trial: Trial, before: int) -> None:
        """Nothing."""

    def restarted(self, trial: Trial) -> None:
        """Nothing."""

    def ended(self, trial: Trial, state: State, why: str) -> None:
        """Nothing."""


class _Lines(BaseJournalBackend):
    """A journal in memory, to be written to disk in one step."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs.extend(logs)


class _NoLock(BaseJournalFileLock):
    """Never waits, also not for a lock file that a killed process left behind."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return
