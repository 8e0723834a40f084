"""Which chunks of which trial are being trained, and which one a free slot takes next. Knows nothing of Ray.

A slot walks through the chunks of a trial one after another. While there are more trials than slots, every trial has
one slot. When fewer trials than slots are left, the chunks of one trial are trained on several slots at once: a chunk
depends on configuration, folds and seed only, so its predictions are the same to the bit wherever it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mersearch.search.session import Proposal
from mersearch.store import FoldPlan, Parameters, RunState, Trial


@dataclass(frozen=True, slots=True)
class Piece:
    """A slot is to train a trial from one of its chunks on, until it is told to stop.

    Attributes:
        number: place among the pieces of this driver, from 0.
        trial: number of the trial.
        parameters: of the trial.
        chunk: the first chunk.
        attempt: 0 for the first computation of that chunk, as far as is known.
    """

    number: int
    trial: int
    parameters: Parameters
    chunk: int
    attempt: int


class Source(Protocol):
    """What pieces are cut from: a `Session`."""

    @property
    def state(self) -> RunState:
        """What the run knows."""
        ...

    def next_trial(self) -> Proposal | None:
        """The next trial that nobody works on, if there is one."""
        ...

    def horizon(self, trial: int) -> int:
        """Folds of a trial that are to be trained before its next verdict."""
        ...


class Pieces:
    """The chunks in work, from the opening of a session to its end.

    Args:
        session: hands out trials.
        begun: whether another driver may have been training the first missing chunk of a trial that was running
            before; not where a trial is only handed over.
    """

    def __init__(self, session: Source, *, begun: bool = True) -> None:
        self._session, self._count, self._begun_before = session, 0, begun
        self._taken: set[tuple[int, int]] = set()
        self._attempts: dict[tuple[int, int], int] = {}
        self._begun: set[int] = set()

    def next(self) -> Piece | None:
        """What a free slot takes: a trial that nobody works on, else a new one, else a part of another slot's.

        Of a trial that several slots share, the largest gap between chunks in work is halved. No chunk behind the
        next verdict is taken: it would be in vain where the trial is stopped.
        """
        working = {trial for trial, _ in self._taken}
        for trial in self._running():
            if trial.number not in working and (free := self._free(trial)):
                return self._take(trial, free[0])
        before = len(self._session.state.trials)
        proposal = self._session.next_trial()
        if proposal is None:
            return self._shared()
        trial = self._session.state.trials[proposal.trial]
        chunk = self._free(trial)[0]
        self._begun.add(trial.number)
        if self._begun_before and trial.number < before:
            self._attempts[trial.number, chunk] = 1
        return self._take(trial, chunk)

    @property
    def open(self) -> bool:
        """Whether a trial is running, so that there may be another piece later although there is none now."""
        return bool(self._running())

    def attempt(self, trial: int, chunk: int) -> int:
        """How often a chunk has been computed before, as far as is known."""
        return self._attempts.get((trial, chunk), 0)

    def advance(self, trial: int, chunk: int) -> bool:
        """A slot has finished a chunk; whether it goes on with the following one, which is then its own."""
        self._taken.discard((trial, chunk))
        known = self._session.state.trials[trial]
        if known.state != "running" or chunk + 1 not in self._free(known):
            return False
        self._taken.add((trial, chunk + 1))
        return True

    def again(self, trial: int, chunk: int) -> int:
        """A slot was lost with a chunk and will compute it once more; how often that has been necessary."""
        self._attempts[trial, chunk] = self.attempt(trial, chunk) + 1
        return self._attempts[trial, chunk]

    def release(self, trial: int, chunk: int) -> None:
        """A slot gives a chunk up."""
        self._taken.discard((trial, chunk))

    def _running(self) -> list[Trial]:
        """The running trials that this driver has begun."""
        return [trial for trial in self._session.state.in_state("running") if trial.number in self._begun]

    def _free(self, trial: Trial) -> list[int]:
        """Chunks before the next verdict that are neither finished nor in work."""
        plan = self._session.state.plan
        chunks = chunk_count(plan, self._session.horizon(trial.number))
        return [
            chunk
            for chunk in range(trial.done // plan.chunk, chunks)
            if (trial.number, chunk) not in self._taken
            and not all(subject in trial.folds for subject in plan.next_chunk(chunk * plan.chunk))
        ]

    def _shared(self) -> Piece | None:
        """The second half of the largest gap of all trials, the whole of it where nobody works right before it."""
        best: tuple[int, Trial, int] | None = None
        for trial in self._running():
            for gap in _gaps(self._free(trial)):
                followed = (trial.number, gap[0] - 1) in self._taken
                start = gap[len(gap) // 2] if followed else gap[0]
                if best is None or len(gap) > best[0]:
                    best = len(gap), trial, start
        return None if best is None else self._take(best[1], best[2])

    def _take(self, trial: Trial, chunk: int) -> Piece:
        self._taken.add((trial.number, chunk))
        self._count += 1
        attempt = self.attempt(trial.number, chunk)
        return Piece(self._count - 1, trial.number, trial.parameters, chunk, attempt)


def chunk_count(plan: FoldPlan, folds: int) -> int:
    """Chunks that cover the first `folds` folds."""
    return -(-folds // plan.chunk)


def _gaps(free: list[int]) -> list[list[int]]:
    """Runs of consecutive numbers."""
    gaps: list[list[int]] = []
    for chunk in free:
        if gaps and gaps[-1][-1] + 1 == chunk:
            gaps[-1].append(chunk)
        else:
            gaps.append([chunk])
    return gaps
