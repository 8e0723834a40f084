"""Time that passes only when a worker finishes a chunk of folds."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mersearch.errors import TrialFailure
from mersearch.search.session import Proposal
from mersearch.simulation.table import Table
from mersearch.store import FoldPlan, FoldRecord


class Search(Protocol):
    """What the workers need of a search; `Session` is one."""

    @property
    def plan(self) -> FoldPlan:
        """The folds of every trial."""
        ...

    def next_trial(self) -> Proposal | None:
        """What a free worker does next; None = nothing, from now on."""
        ...

    def report(self, trial: int, folds: Sequence[FoldRecord]) -> bool:
        """Take in a chunk; whether the trial goes on."""
        ...

    def fail(self, trial: int, why: str) -> None:
        """The trial cannot be trained."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """A worker has reported a chunk.

    Attributes:
        seconds: virtual time since the start.
        trial: whose chunk it was.
        going: whether the trial goes on.
    """

    seconds: float
    trial: int
    going: bool


@dataclass(order=True)
class _Worker:
    """Busy until `ready`; the place breaks ties, so that a simulation repeats exactly."""

    ready: float
    place: int
    proposal: Proposal
    folds: tuple[FoldRecord, ...]
    failure: str


def simulate(search: Search, table: Table, *, workers: int = 1) -> Iterator[Moment]:
    """Run a search to its end on a table, chunk by chunk; the caller may stop listening at any moment.

    A worker that starts a chunk reads its folds from the table at once, and reports them when their seconds have
    passed: verdicts and proposals know exactly what a real search with that many workers would know then.

    Args:
        search: handed out trials are run from fold `done` on.
        table: where folds are read; a `Bill` counts them.
        workers: trials side by side.
    """
    busy: list[_Worker] = []
    for place in range(workers):
        _next(search, table, 0.0, place, busy)
    while busy:
        worker = heapq.heappop(busy)
        proposal = worker.proposal
        if worker.failure:
            search.fail(proposal.trial, worker.failure)
        going = not worker.failure and search.report(proposal.trial, worker.folds)
        if going:
            done = proposal.done + len(worker.folds)
            again = Proposal(proposal.trial, proposal.parameters, done)
            heapq.heappush(busy, _started(search.plan, table, worker.ready, worker.place, again))
        yield Moment(worker.ready, proposal.trial, going)
        if not going:
            _next(search, table, worker.ready, worker.place, busy)


def _next(search: Search, table: Table, now: float, place: int, busy: list[_Worker]) -> None:
    """Give the worker of a place the next trial, if there is one."""
    proposal = search.next_trial()
    if proposal is not None:
        heapq.heappush(busy, _started(search.plan, table, now, place, proposal))


def _started(plan: FoldPlan, table: Table, now: float, place: int, proposal: Proposal) -> _Worker:
    """Read the next chunk of a trial, to be reported when it is through."""
    folds: list[FoldRecord] = []
    failure = ""
    try:
        subjects = plan.next_chunk(proposal.done)
        folds += [table.fold(proposal.trial, proposal.parameters, subject) for subject in subjects]
    except TrialFailure as error:
        failure = error.line
    ready = now + sum(fold.seconds for fold in folds)
    return _Worker(ready, place, proposal, tuple(folds), failure)
