"""The policy of stopping trials between folds: pure, without Ray, so that a simulator or a replay can ask it too."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mersearch.metrics import METRICS
from mersearch.store import RunState, Verdict

Counts = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known at the moment of a decision.

    Attributes:
        metric: `uf1`, `uar` or `accuracy`.
        folds: K, folds of a full trial.
        confusions: trial → [m + 1, L, L], counts pooled over its first 0…m folds of the frozen order. Running,
            stopped and complete trials; not failed ones.
    """

    metric: str
    folds: int
    confusions: Mapping[int, Counts]

    @classmethod
    def of(cls, state: RunState, metric: str) -> Snapshot:
        """The snapshot of a run as it is now."""
        trials = state.in_state("running", "stopped", "complete")
        return cls(metric, len(state.plan), {trial.number: trial.confusions for trial in trials})

    def value(self, prefix: Counts) -> float:
        """The metric after a prefix of folds; `prefix` is [m + 1, L, L], pooled."""
        return METRICS[self.metric](prefix[-1])

    def peers(self, trial: int, folds: int) -> dict[int, float]:
        """Value after the first `folds` folds of every other trial that has them."""
        return {
            number: self.value(counts[: folds + 1])
            for number, counts in self.confusions.items()
            if number != trial and len(counts) > folds
        }

    def complete(self, trial: int) -> dict[int, Counts]:
        """Counts [K + 1, L, L] of every other trial with all folds, by number."""
        return {
            number: self.confusions[number]
            for number in sorted(self.confusions)
            if number != trial and len(self.confusions[number]) > self.folds
        }


def looks_at(shares: Sequence[float], folds: int, *, least: int) -> tuple[int, ...]:
    """⌈share · K⌉ of K folds, at least `least`, ascending; shares that round to all folds are left out.

    >>> looks_at((0.125, 0.25, 0.5), 26, least=2)
    (4, 7, 13)
    """
    rungs = {max(least, math.ceil(round(share * folds, 9))) for share in shares}
    return tuple(sorted(rung for rung in rungs if rung < folds))


class Policy(Protocol):
    """Decides between folds which trials go on."""

    def looks(self, folds: int) -> tuple[int, ...]:
        """Numbers of finished folds, ascending and below `folds`, after which a trial is judged."""
        ...

    def decide(self, snapshot: Snapshot, trial: int, prefix: Counts) -> Verdict:
        """Keep or stop `trial` on its first m folds; `prefix` is [m + 1, L, L], pooled over 0…m folds."""
        ...


def replay(state: RunState, policy: Policy, metric: str, verdict: Verdict) -> Verdict:
    """The verdict made again from the folds of the trials that it names, for comparison with the logged one."""
    peers = {number: state.trials[number].confusions for number in verdict.peers}
    trial = state.trials[verdict.trial]
    again = policy.decide(
        Snapshot(metric, len(state.plan), peers), trial.number, trial.confusions[: verdict.folds + 1]
    )
    return dataclasses.replace(again, configuration=trial.configuration)


@dataclass(frozen=True)
class NoStopping:
    """Every trial runs all folds."""

    def looks(self, folds: int) -> tuple[int, ...]:  # noqa: ARG002
        """Never."""
        return ()

    def decide(self, snapshot: Snapshot, trial: int, prefix: Counts) -> Verdict:
        """Keep."""
        return Verdict(trial, len(prefix) - 1, True, "no trial is stopped", snapshot.value(prefix), ())
