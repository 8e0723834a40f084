"""How far a run is, for the live table and `status`."""

from __future__ import annotations

from dataclasses import dataclass

from mersearch.store.records import State
from mersearch.store.state import RunState, Trial


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """One row of the table."""

    trial: int
    state: State
    folds: int
    score: float | None
    """The pooled metric over the finished folds; None before the first."""
    why: str
    """Why it stopped or failed; else empty."""
    ahead: int = 0
    """Finished folds behind a gap, which are not among `folds` yet."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole search at one moment.

    Attributes:
        trials: every proposed trial, by number.
        planned: trials of the whole search.
        folds: folds of a full trial, K.
        folds_done: finished folds of all trials.
        best: number and score of the best complete trial.
        seconds_per_fold: mean compute time.
        remaining: expected seconds to the end with the slots in use; None before the first fold.
        exhausted: whether the space has no configuration beyond these trials, so that no more will come.
        ended: why a budget lets no more trials come; empty where it does.
        capped: whether `remaining` is what a time budget leaves, less than what the trials would take.
    """

    trials: tuple[TrialProgress, ...]
    planned: int
    folds: int
    folds_done: int
    best: tuple[int, float] | None
    seconds_per_fold: float | None
    remaining: float | None
    exhausted: bool = False
    ended: str = ""
    capped: bool = False

    def count(self, state: State) -> int:
        """Number of trials in a state."""
        return sum(trial.state == state for trial in self.trials)

    @property
    def open_folds(self) -> int:
        """Folds that the running trials have not finished."""
        return _open(self.trials, self.folds)

    @property
    def finished(self) -> bool:
        """Whether every trial is over that is planned, or that the space has."""
        return self.coming == 0 and self.count("running") == 0

    @property
    def coming(self) -> int:
        """Trials that are still to be proposed."""
        return _coming(self.planned, len(self.trials), over=self.exhausted or bool(self.ended))

    @property
    def shortfall(self) -> str:
        """Why the search ends with fewer trials than planned; empty where it does not."""
        if len(self.trials) >= self.planned:
            return ""
        if not self.exhausted:
            return self.ended
        return f"the space has no further configuration: {len(self.trials)} of {self.planned} trials"


def progress(
    state: RunState,
    *,
    metric: str,
    planned: int,
    slots: int = 1,
    ended: str = "",
    left: float | None = None,
) -> Progress:
    """A snapshot.

    Args:
        state: of the run.
        metric: `uf1`, `uar` or `accuracy`.
        planned: trials of the whole search.
        slots: trials side by side.
        ended: why a budget lets no more trials come.
        left: seconds that a time budget leaves.
    """
    rows = tuple(_row(trial, metric) for trial in state.trials.values())
    seconds = [fold.seconds for trial in state.trials.values() for fold in trial.folds.values()]
    mean = sum(seconds) / len(seconds) if seconds else None
    best = state.best(metric)
    score = best.score(metric) if best else None
    coming = _coming(planned, len(rows), over=state.exhausted or bool(ended))
    needed = None if mean is None else mean * _expected_folds(rows, coming, len(state.plan), slots)
    capped = needed is not None and left is not None and left < needed
    return Progress(
        rows,
        planned,
        len(state.plan),
        sum(len(trial.folds) for trial in state.trials.values()),
        (best.number, score) if best and score is not None else None,
        mean,
        left if capped else needed,
        state.exhausted,
        ended,
        capped,
    )


def _coming(planned: int, proposed: int, *, over: bool) -> int:
    """Trials still to be proposed; none once the space or a budget is used up."""
    return 0 if over else max(0, planned - proposed)


def _row(trial: Trial, metric: str) -> TrialProgress:
    ahead = len(trial.folds) - trial.done
    return TrialProgress(trial.number, trial.state, trial.done, trial.score(metric), trial.why, ahead)


def _open(rows: tuple[TrialProgress, ...], folds: int) -> int:
    return sum(folds - row.folds - row.ahead for row in rows if row.state == "running")


def _expected_folds(rows: tuple[TrialProgress, ...], coming: int, folds: int, slots: int) -> float:
    """Folds that a slot still has to compute: they spread over all slots, also those of a single trial.

    Running trials are taken to complete; a trial not started costs the mean number of folds of an ended one.
    """
    ended = [row.folds for row in rows if row.state != "running"]
    total = _open(rows, folds) + coming * (sum(ended) / len(ended) if ended else folds)
    return total / max(1.0, min(float(slots), total))
