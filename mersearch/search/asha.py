"""Asynchronous successive halving in folds.

Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2, with the number of
finished leave-one-subject-out folds as the resource.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mersearch.search.policy import Counts, Snapshot, looks_at
from mersearch.store import Verdict


@dataclass(frozen=True, slots=True)
class Asha:
    """Keep a trial at a rung while it is in the top 1/eta of all trials that have these folds.

    The rule: n trials have the first r folds (the judged one included, stopped ones too). The trial goes on if
    fewer than ceil(n / eta) of the others have a strictly higher value on these r folds. So a tie goes on, and the
    first one at a rung always does. Before `min_peers` others have the folds, every trial goes on. A value that is
    not a number always stops, and ranks below every number.

    Attributes:
        eta: one of `eta` trials goes on at each rung, at least 2.
        rungs: shares of the folds of a full trial.
        min_peers: fewest other trials for a comparison.
    """

    eta: float
    rungs: tuple[float, ...]
    min_peers: int

    def looks(self, folds: int) -> tuple[int, ...]:
        """`looks_at` the rungs, after two folds at the earliest.

        >>> Asha(eta=2, rungs=(0.125, 0.25, 0.5), min_peers=2).looks(26)
        (4, 7, 13)
        """
        return looks_at(self.rungs, folds, least=2)

    def decide(self, snapshot: Snapshot, trial: int, prefix: Counts) -> Verdict:
        """The rule above at rung m, with `prefix` [m + 1, L, L]."""
        folds = len(prefix) - 1
        value = snapshot.value(prefix)
        peers = snapshot.peers(trial, folds)
        numbers = tuple(sorted(peers))
        if math.isnan(value):
            return Verdict(trial, folds, False, "the value is not a number", value, numbers)
        if len(peers) < self.min_peers:
            why = f"{len(peers)} of {self.min_peers} other trials have {folds} folds"
            return Verdict(trial, folds, True, why, value, numbers)
        better = sum(other > value for other in peers.values())
        top = math.ceil((len(peers) + 1) / self.eta)
        why = f"place {better + 1} of {len(peers) + 1} after {folds} folds, the first {top} go on"
        return Verdict(trial, folds, better < top, why, value, numbers)
