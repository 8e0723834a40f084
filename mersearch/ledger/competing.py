"""What a winner was chosen from: its own run, the ledger, and what the runs beside it have not written there yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mersearch.ledger.file import Entry, deepest, read_all
from mersearch.ledger.recording import beside, clips_of, entries, ledger_path
from mersearch.metrics import METRICS
from mersearch.selection import Competition, strata_of
from mersearch.store import FoldPlan, RunDirectory, RunState


def competition(
    run: RunDirectory, state: RunState, trial: int, metric: str, *, alone: bool = False
) -> tuple[Competition, int]:
    """What a complete trial of a run was chosen from, and its place in it.

    Everything in the ledger, and what the runs beside it have not written there yet, where nothing there is better;
    else it was not chosen from all that, but from what is no better in the runs that have its configuration: the
    score to expect is never that of another one, which would have won. A configuration that is there twice competes
    once. The folds that a failed one lacks count as if it had said the most frequent class. With `alone`, only the
    run's own trials compete; where it has no other one, as an evaluation, those of the runs that have its
    configuration, since it may have been chosen there.

    Configurations stand in the order of their digests: whichever run asks, from whatever ledger, ties go to the same
    one and missing folds are drawn alike. The digest knows nothing of the scores, so no tie favours the winner.
    """
    own = entries(run, state)
    winner = next(entry for entry in own if entry.trial == trial)
    usable = own if alone and len(own) > 1 else [*own, *_others(run)]
    if alone:
        usable = _homes(usable, winner)
    score = METRICS[metric](state.trials[trial].confusions[-1])
    if any(_score(entry, run.plan, metric) > score for entry in usable):
        usable = [e for e in _homes(usable, winner) if _score(e, run.plan, metric) <= score]
    merged = sorted(deepest(usable), key=lambda entry: entry.configuration)
    place = [entry.configuration for entry in merged].index(winner.configuration)
    return _stacked(merged, run.plan), place


def _homes(entries: Sequence[Entry], winner: Entry) -> list[Entry]:
    """What the runs that have the winner's configuration have."""
    homes = {entry.run for entry in entries if entry.configuration == winner.configuration}
    return [entry for entry in entries if entry.run in homes]


def _others(run: RunDirectory) -> list[Entry]:
    """What the ledger has about the clips of a run, and what the runs beside it have more."""
    path, clips = ledger_path(run), clips_of(run.plan)
    lines = [entry for entry in read_all(path) if entry.about(clips)]
    known = {entry.configuration: entry for entry in deepest(lines)}
    return [*lines, *(entry for entry in beside(run, path, known) if entry.about(clips))]


def _score(entry: Entry, plan: FoldPlan, metric: str) -> float:
    """The metric of a configuration with all folds; −1 for another one."""
    if len(entry.counts) < len(plan):
        return -1.0
    return METRICS[metric](np.array(list(entry.counts.values())).sum(0))


def _stacked(merged: Sequence[Entry], plan: FoldPlan) -> Competition:
    """Entries as arrays, subjects in the order of the plan."""
    classes, table = len(plan.classes), np.array(plan.counts)
    counts = np.zeros((len(merged), len(plan), classes, classes), np.int64)
    done = np.zeros((len(merged), len(plan)), bool)
    for c, entry in enumerate(merged):
        for k, subject in enumerate(plan.subjects):
            if subject in entry.counts:
                counts[c, k], done[c, k] = entry.counts[subject], True
    failed = np.array([entry.state == "failed" for entry in merged], bool)
    _fill(counts, done, failed, table)
    return Competition(counts, done, done.all(1) & ~failed, table, strata_of(plan.subjects))


def _fill(
    counts: NDArray[np.int64], done: NDArray[np.bool_], failed: NDArray[np.bool_], clips: NDArray[np.int64]
) -> None:
    """Majority-class predictions in the missing folds of failed configurations."""
    majority = int(clips.sum(0).argmax())
    c, k = np.nonzero(~done & failed[:, None])
    counts[c, k, :, majority] = clips[k]
    done[c, k] = True
