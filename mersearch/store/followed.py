"""A recorder behind which somebody hears of what is recorded: the ledger, a mirror."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mersearch.store.memory import Recorder
from mersearch.store.records import Record
from mersearch.store.state import RunState


class Followed:
    """Hands everything on to a recorder, and then tells `follow` of the records that it has taken in.

    Args:
        writer: what is written to.
        follow: takes records of one kind; what it raises, `append` raises.
    """

    def __init__(self, writer: Recorder, follow: Callable[[Sequence[Record]], None]) -> None:
        self._writer, self._follow = writer, follow

    @property
    def path(self) -> Path | None:
        """The run directory; None where there is none."""
        return self._writer.path

    @property
    def state(self) -> RunState:
        """Everything recorded so far."""
        return self._writer.state

    def append(self, *records: Record) -> None:
        """As the recorder; its errors come first, and nobody is told then."""
        self._writer.append(*records)
        self._follow(records)

    def drop_maps(self, trial: int) -> None:
        """As the recorder; nobody is told."""
        self._writer.drop_maps(trial)
