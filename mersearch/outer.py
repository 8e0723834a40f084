"""The outer training of a nested search: a pick, trained on everyone but the group that it is judged on.

Here, or on a worker of a cluster with the same retries, lost workers and memory as any other fold. Such a training is
a trial of one fold that lives in memory: what it found is stored by the caller.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Final

from mersearch.errors import NothingRan, TrialFailure
from mersearch.evaluation import finish, session_of
from mersearch.opening import Opened
from mersearch.search.address import resolve
from mersearch.search.worker import TOGETHER, Study
from mersearch.store import FoldPlan, FoldRecord, Progress, Trial, TrialProposed
from mersearch.store.memory import Memory

FOLDER: Final = "held-out"
"""Of an inner run: tracebacks and curve of the outer training."""


@dataclasses.dataclass(frozen=True, slots=True)
class Telling:
    """A watcher that says what is worth a line."""

    say: Callable[[list[str]], None]

    def update(self, progress: Progress) -> None:
        """One fold has no progress to show."""

    def notice(self, text: str) -> None:
        """A line."""
        self.say([text])


def train_without(
    outer: Study,
    inner: Opened,
    subjects: tuple[str, ...],
    pick: Trial,
    address: str | None,
    say: Callable[[list[str]], None],
) -> FoldRecord:
    """The predictions of a group of subjects by a pick that is trained on all others.

    Args:
        outer: the study with all subjects.
        inner: the run of the search without the group.
        subjects: the group.
        pick: of that search.
        address: of Ray, as for `search`; on this machine the process itself trains.
        say: takes lines.

    Raises:
        TrialFailure: the pick cannot be trained.
        ClusterError: Ray cannot be reached.
        Interrupted: a signal, a full disk, or a process that trained died.
    """
    plan = _one_fold(outer.plan, subjects)
    study = dataclasses.replace(outer, together=subjects, plan=plan)
    where = dataclasses.replace(inner.run, path=inner.run.path / FOLDER)
    opened = dataclasses.replace(inner, study=study, run=where)
    recorder = Memory(plan)
    recorder.append(TrialProposed(0, dict(pick.parameters), pick.proposed.seed))
    recorder.append(*(dataclasses.replace(restart, trial=0) for restart in pick.restarts))
    session = session_of(opened, recorder)
    session.next_trial()
    with contextlib.suppress(NothingRan):
        finish(opened, session, 0, recorder, resolve(address), Telling(say), begun=False)
    trial = recorder.state.trials[0]
    if TOGETHER not in trial.folds:
        raise TrialFailure(
            "the pick of a search must be trainable with its group held out",
            received=f"trial {pick.number} of {inner.run.path}: {trial.why}",
            fix=f"a traceback, if there is one, is in {where.path}",
        )
    return dataclasses.replace(
        trial.folds[TOGETHER], trial=pick.number, configuration=pick.configuration, maps=None
    )


def _one_fold(plan: FoldPlan, subjects: tuple[str, ...]) -> FoldPlan:
    """All subjects of a group as one."""
    rows = [plan.counts[plan.subjects.index(name)] for name in subjects]
    return FoldPlan((TOGETHER,), plan.chunk, plan.classes, (tuple(map(sum, zip(*rows, strict=True))),))
