"""Where a simulated fold comes from, and what it costs to look at it."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from mersearch.errors import TrialFailure
from mersearch.store import FoldRecord, Parameters, RunState, configuration


class Table(Protocol):
    """Folds by configuration and subject."""

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """What training this fold would leave; the same whenever it is asked.

        Raises:
            TrialFailure: the configuration cannot be trained.
        """
        ...


class Bill:
    """A table that counts what is read of it, so that no search sees a fold it has not paid for.

    Attributes:
        folds: folds read so far; the same fold counts again when it is read again.
        seconds: their training time, added up over the workers.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self.folds, self.seconds = 0, 0.0

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """The fold of the table, on the bill from now on."""
        record = self._table.fold(trial, parameters, subject)
        self.folds += 1
        self.seconds += record.seconds
        return record


class Recorded:
    """The folds of a run's complete trials, found by configuration."""

    def __init__(self, state: RunState) -> None:
        self._trials = {configuration(trial.parameters): trial for trial in state.in_state("complete")}

    @property
    def points(self) -> tuple[Parameters, ...]:
        """The configurations of the table, in the order in which the run proposed them."""
        return tuple(trial.parameters for trial in self._trials.values())

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """The recorded fold, under the number of the asking trial."""
        known = self._trials.get(configuration(parameters))
        if known is None:
            raise TrialFailure(
                "a recorded table holds the complete trials of its run",
                received=f"trial {trial} with another configuration",
                fix="propose only the points of the table",
            )
        return dataclasses.replace(known.folds[subject], trial=trial)
