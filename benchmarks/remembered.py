"""Tables that the searches of a benchmark share: what one of them drew or trained is not made again for the next."""

from __future__ import annotations

import dataclasses
from typing import Generic, Protocol, TypeVar

from mersearch.space import Space
from mersearch.store import FoldPlan, FoldRecord, Parameters, configuration


class Known(Protocol):
    """A table whose truth is known: an invented world, or models that are trained when they are read."""

    plan: FoldPlan
    space: Space

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """One fold, as of `mersearch.simulation.Table`."""
        ...

    def truth(self, parameters: Parameters, metric: str) -> float:
        """What a configuration scores on new people."""
        ...


T = TypeVar("T", bound=Known)


class Remembered(Generic[T]):
    """Keeps the folds and truths that were read of a table; who pays for them is the business of a `Bill`.

    Attributes:
        table: where they are from.
    """

    def __init__(self, table: T) -> None:
        self.table, self.plan, self.space = table, table.plan, table.space
        self._folds: dict[tuple[str, str], FoldRecord] = {}
        self._truths: dict[tuple[str, str], float] = {}

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """The fold of the table, under the number of the asking trial."""
        key = configuration(parameters), subject
        if key not in self._folds:
            self._folds[key] = self.table.fold(trial, parameters, subject)
        known = self._folds[key]
        return known if known.trial == trial else dataclasses.replace(known, trial=trial)

    def truth(self, parameters: Parameters, metric: str) -> float:
        """The truth of the table."""
        key = configuration(parameters), metric
        if key not in self._truths:
            self._truths[key] = self.table.truth(parameters, metric)
        return self._truths[key]
