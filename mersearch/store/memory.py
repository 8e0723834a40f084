"""A run that lives in memory: what a session needs of a writer, without a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mersearch.store.plan import FoldPlan
from mersearch.store.records import Record
from mersearch.store.state import RunState


class Recorder(Protocol):
    """The writing end of a run, on disk or not."""

    @property
    def path(self) -> Path | None:
        """The run directory; None where there is none."""
        ...

    @property
    def state(self) -> RunState:
        """Everything recorded so far."""
        ...

    def append(self, *records: Record) -> None:
        """Take in records of one kind; ValueError, and nothing taken in, where one contradicts the log."""
        ...

    def drop_maps(self, trial: int) -> None:
        """Forget the maps of a trial that did not complete."""
        ...


class Memory:
    """Keeps records as they are and writes nothing, for simulations."""

    path = None

    def __init__(self, plan: FoldPlan) -> None:
        self.state = RunState(plan)

    def append(self, *records: Record) -> None:
        """As `RunWriter.append`, without a disk that could fail."""
        if len(records) > 1:
            self.state.check(records)
        for record in records:
            self.state.add(record)

    def drop_maps(self, trial: int) -> None:
        """There are none."""
