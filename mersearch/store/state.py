"""What a run knows: its logs, read back. Needs numpy only, so that `status` answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mersearch.metrics import METRICS, confusion
from mersearch.seeds import digest
from mersearch.store.plan import FoldPlan
from mersearch.store.records import (
    FoldRecord,
    Parameters,
    Record,
    SpaceExhausted,
    State,
    TrialEnded,
    TrialProposed,
    TrialRestarted,
    Verdict,
)


def configuration(parameters: Parameters, backend: str = "") -> str:
    """Short digest of a configuration: ties folds and verdicts to what was trained.

    Args:
        parameters: path → value.
        backend: that of a trial which was started again, empty for the run's own.
    """
    return digest({**parameters, "folds.backend": backend} if backend else parameters)[:16]


@dataclass(slots=True, eq=False)
class Trial:
    """One configuration and everything recorded about it.

    Attributes:
        confusions: int64 [m + 1, L, L], counts pooled over the first 0…m finished folds, whole chunks only.
        restarts: how often it was started again in a smaller mode, the last one at the end.
        discarded: folds from before the last restart.
    """

    proposed: TrialProposed
    configuration: str
    confusions: NDArray[np.int64]
    folds: dict[str, FoldRecord] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    ended: TrialEnded | None = None
    restarts: list[TrialRestarted] = field(default_factory=list)
    discarded: list[FoldRecord] = field(default_factory=list)

    @property
    def backend(self) -> str:
        """Back-end that it is trained with where that is not the run's; else empty."""
        return self.restarts[-1].backend if self.restarts else ""

    @property
    def former(self) -> set[str]:
        """Digests of the configuration from before the last restart."""
        backends = ("", *(restart.backend for restart in self.restarts[:-1])) if self.restarts else ()
        return {configuration(self.parameters, backend) for backend in backends}

    @property
    def number(self) -> int:
        """Place in the run, from 0."""
        return self.proposed.trial

    @property
    def parameters(self) -> Parameters:
        """Parameter path → value."""
        return self.proposed.parameters

    @property
    def done(self) -> int:
        """Finished folds, a prefix of the frozen order in whole chunks."""
        return len(self.confusions) - 1

    @property
    def state(self) -> State:
        """running, complete, stopped or failed; running also where folds of an ended trial were lost."""
        if self.ended is None or self.done < self.ended.folds:
            return "running"
        return self.ended.state

    @property
    def why(self) -> str:
        """Why it stopped or failed; empty otherwise."""
        return self.ended.why if self.ended is not None and self.state != "running" else ""

    def score(self, metric: str, folds: int | None = None) -> float | None:
        """The pooled metric over the first `folds` finished folds (all of them by default); None without any."""
        counts = self.confusions[: None if folds is None else folds + 1]
        return METRICS[metric](counts[-1]) if len(counts) > 1 else None


@dataclass(slots=True, eq=False)
class RunState:
    """The whole run; records are added in the order of their logs, whether they are read or just written.

    Attributes:
        duplicates: fold lines beyond the first of a trial and subject; the first one counts.
        orphans: fold and verdict lines of a configuration that was not proposed under that number: the log of the
            trials lost its end, so they wait until the same configuration is proposed again.
        holds: configurations of the whole search space, once a search has met its end; None before.
    """

    plan: FoldPlan
    trials: dict[int, Trial] = field(default_factory=dict)
    duplicates: int = 0
    orphans: list[FoldRecord | Verdict] = field(default_factory=list)
    holds: int | None = None

    @property
    def exhausted(self) -> bool:
        """Whether every configuration of the search space was proposed."""
        return self.holds == len(self.trials)

    def add(self, record: Record) -> None:
        """Take in one record; ValueError, and nothing taken in, where it contradicts the log so far."""
        self.check([record])
        if isinstance(record, TrialProposed):
            empty = np.zeros((1, len(self.plan.classes), len(self.plan.classes)), np.int64)
            self.trials[record.trial] = Trial(record, configuration(record.parameters), empty)
            waiting, self.orphans = self.orphans, []
            for orphan in waiting:
                self.add(orphan)
        elif isinstance(record, TrialEnded):
            self.trials[record.trial].ended = record
        elif isinstance(record, TrialRestarted):
            self._restart(self.trials[record.trial], record)
        elif isinstance(record, SpaceExhausted):
            self.holds = record.trials
        elif isinstance(record, FoldRecord):
            self._add_fold(record)
        else:
            self._add_verdict(record)

    def check(self, records: Sequence[Record]) -> None:
        """Raise ValueError where records, added in this order, would contradict the log; changes nothing."""
        trials = len(self.trials)
        for record in records:
            if isinstance(record, TrialProposed):
                if record.trial != trials:
                    raise ValueError(f"trial {record.trial} is proposed where trial {trials} is next")
                trials += 1
            elif isinstance(record, TrialEnded):
                if not 0 <= record.trial < trials:
                    raise ValueError(f"trial {record.trial} ends before it is proposed")
            elif isinstance(record, TrialRestarted):
                if not 0 <= record.trial < trials:
                    raise ValueError(f"trial {record.trial} starts again before it is proposed")
            elif isinstance(record, SpaceExhausted):
                if record.trials != trials:
                    raise ValueError(
                        f"the space ends after {record.trials} trials where {trials} are proposed"
                    )
            elif isinstance(record, FoldRecord):
                self._check_fold(record)

    def _check_fold(self, record: FoldRecord) -> None:
        if record.subject not in self.plan.subjects:
            raise ValueError(f"subject {record.subject} is not among the folds of the run")
        expected = self.plan.counts[self.plan.subjects.index(record.subject)]
        found = tuple(record.labels.count(label) for label in range(len(expected)))
        if found != expected or record.logits.shape != (sum(expected), len(expected)):
            raise ValueError(f"subject {record.subject} has {expected} clips per class, the fold has {found}")

    def _restart(self, trial: Trial, record: TrialRestarted) -> None:
        trial.restarts.append(record)
        trial.configuration = configuration(trial.parameters, record.backend)
        trial.discarded += trial.folds.values()
        trial.folds.clear()
        trial.verdicts.clear()
        trial.confusions, trial.ended = trial.confusions[:1], None

    def _owner(self, record: FoldRecord | Verdict) -> Trial | None:
        trial = self.trials.get(record.trial)
        if trial is not None and record.configuration in trial.former:
            if isinstance(record, FoldRecord):
                trial.discarded.append(record)
            return None
        if trial is None or trial.configuration != record.configuration:
            self.orphans.append(record)
            return None
        return trial

    def _add_fold(self, record: FoldRecord) -> None:
        if (trial := self._owner(record)) is None:
            return
        if record.subject in trial.folds:
            self.duplicates += 1
            return
        trial.folds[record.subject] = record
        self._pool(trial)

    def _pool(self, trial: Trial) -> None:
        """Extend the pooled counts by the chunks that are now whole."""
        waiting = self.plan.next_chunk(trial.done)
        while waiting and all(subject in trial.folds for subject in waiting):
            counts = np.stack([_counts(trial.folds[subject]) for subject in waiting])
            pooled = trial.confusions[-1] + counts.cumsum(0)
            trial.confusions = np.concatenate([trial.confusions, pooled])
            waiting = self.plan.next_chunk(trial.done)

    def _add_verdict(self, record: Verdict) -> None:
        if (trial := self._owner(record)) is not None:
            trial.verdicts.setdefault(record.folds, record)

    def in_state(self, *states: State) -> list[Trial]:
        """Trials in these states, by number."""
        return [trial for trial in self.trials.values() if trial.state in states]

    def folds(self, trial: int) -> tuple[FoldRecord, ...]:
        """The finished folds of a trial in the frozen order, whole chunks only."""
        known = self.trials[trial]
        return tuple(known.folds[subject] for subject in self.plan.subjects[: known.done])

    def missing(self) -> dict[int, tuple[str, ...]]:
        """Subjects that running trials have not finished, in the frozen order."""
        return {
            trial.number: tuple(subject for subject in self.plan.subjects if subject not in trial.folds)
            for trial in self.in_state("running")
        }

    def ranking(self, metric: str) -> list[Trial]:
        """The complete trials, the highest metric first, the lower number on a tie."""
        return sorted(self.in_state("complete"), key=lambda t: (-METRICS[metric](t.confusions[-1]), t.number))

    def best(self, metric: str) -> Trial | None:
        """The first of `ranking`; None without a complete trial."""
        return next(iter(self.ranking(metric)), None)


def _counts(fold: FoldRecord) -> NDArray[np.int64]:
    return confusion(fold.labels, predictions(fold), fold.logits.shape[1])


def predictions(fold: FoldRecord) -> Sequence[int]:
    """The predicted class per clip [m]: the highest logit, the first one on a tie."""
    return [int(index) for index in fold.logits.argmax(1)]
