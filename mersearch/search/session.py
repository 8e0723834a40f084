"""One search: hands out trials, takes in folds, decides. Knows nothing of Ray; everything it knows is in the run."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mersearch import seeds
from mersearch.search.budget import Budget, expected_seconds
from mersearch.search.history import Scored
from mersearch.search.journal import Journal, Silent
from mersearch.search.policy import Policy, Snapshot
from mersearch.search.study import STARTUP, propose, sampler_seed
from mersearch.space import Space, Value
from mersearch.store import (
    FoldPlan,
    FoldRecord,
    Parameters,
    Progress,
    Recorder,
    RunState,
    SpaceExhausted,
    Trial,
    TrialEnded,
    TrialProposed,
    TrialRestarted,
    configuration,
    progress,
)
from mersearch.store.records import State
from mersearch.store.writer import JOURNAL

REDRAWS: Final = 20
"""Draws after one that was there before, until the search space is taken to be exhausted."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial to be run, from fold `done` of the frozen order on."""

    trial: int
    parameters: Parameters
    done: int


class Session:
    """The search over one run directory, from opening its writer to closing it.

    Trials that were running when the last driver ended are adopted under their own numbers. Where folds of theirs
    are stored without the verdict that should have followed, the verdict is made first. With one worker, the
    search is the same however often it is interrupted.

    The first trials are the given points; what a point leaves open is drawn as for any other trial.

    No configuration is run twice: where the sampler proposes one that was there before, others are drawn at random.
    Where none of them is new either, the space is exhausted, the run notes that, and the search ends with fewer
    trials than asked for.

    Args:
        writer: the writing end of the run; without a folder there is no journal either.
        space: what is searched.
        trials: trials of the whole search.
        metric: `uf1`, `uar` or `accuracy`.
        policy: which trials are stopped between folds.
        seed: seed of the run.
        sampler: `tpe`, `gp`, `nsga2`, `qmc` or `random`.
        startup: scored trials before the sampler stops drawing at random.
        slots: trials that run side by side, for the expected time.
        points: values of the first trials, one mapping each.
        second: `seconds` to trade the metric for compute time per fold too.
        history: points of the space that an earlier run has scored, which the sampler knows too.
        budget: what ends the search before its trials are through.
        deadline: on the clock, when no fold is waited for any more; None = whenever.
        clock: seconds since 1970, for display and for the deadline.

    Every method that writes raises what `RunWriter` raises.
    """

    def __init__(
        self,
        writer: Recorder,
        *,
        space: Space,
        trials: int,
        metric: str,
        policy: Policy,
        seed: int,
        sampler: str = "tpe",
        startup: int = STARTUP,
        slots: int = 1,
        points: Sequence[Mapping[str, Value]] = (),
        second: str = "none",
        history: Sequence[Scored] = (),
        budget: Budget | None = None,
        deadline: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._writer, self._state = writer, writer.state
        self._space, self._trials, self._metric, self._policy = space, trials, metric, policy
        self._seed, self._sampler, self._startup = seed, sampler, startup
        self._slots, self._points, self._clock = slots, points, clock
        self._history, self._second = history, second
        self._budget, self._deadline = budget or Budget(), deadline
        self._adopt = [trial.number for trial in self._state.in_state("running")]
        self._journal: Journal | Silent = Silent()
        if writer.path is not None:
            self._journal = Journal(
                writer.path / JOURNAL, writer.path.name, self._state, space, metric, second
            )

    @property
    def plan(self) -> FoldPlan:
        """The folds of every trial."""
        return self._state.plan

    @property
    def state(self) -> RunState:
        """What the run knows."""
        return self._state

    def horizon(self, trial: int) -> int:
        """Folds of a trial that are to be trained before its next verdict; all folds where none is due."""
        known = self._state.trials[trial]
        looks = self._policy.looks(len(self.plan))
        return min((look for look in looks if look > known.done), default=len(self.plan))

    @property
    def exhausted(self) -> bool:
        """Whether the space has no further configuration; stored once `next_trial` has looked for one in vain."""
        return self._state.exhausted

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self._deadline is not None and self._clock() >= self._deadline

    @property
    def waits(self) -> bool:
        """Whether a running trial decides if there will be another one, so that None of `next_trial` is not final."""
        return bool(self._reached()) and bool(self._state.in_state("running"))

    def _reached(self) -> str:
        return self._budget.reached(self._state, self._trials)

    def _short(self) -> bool:
        """Whether a trial as ended ones were would not be over before the deadline."""
        needed = expected_seconds(self._state)
        return self._deadline is not None and self._clock() + (needed or 0.0) > self._deadline

    def next_trial(self) -> Proposal | None:
        """The lowest unfinished trial of the last driver, else a new one; None when there is none.

        None also where a budget does not let a new one begin.
        """
        while self._adopt:
            trial = self._state.trials[self._adopt.pop(0)]
            if trial.state == "running" and self._judge(trial):
                return Proposal(trial.number, trial.parameters, trial.done)
        number = len(self._state.trials)
        if number >= self._trials or self._state.exhausted or self._short() or self._reached():
            return None
        drawn = self._draw(number)
        if drawn is None:
            self._writer.append(SpaceExhausted(number, self._clock()))
            return None
        parameters, seed = drawn
        self._writer.append(TrialProposed(number, parameters, seed, self._clock()))
        trial = self._state.trials[number]
        self._journal.proposed(trial)
        return Proposal(number, trial.parameters, trial.done) if self._judge(trial) else self.next_trial()

    def _draw(self, number: int) -> tuple[Parameters, int] | None:
        """A configuration that no trial has, and the sampler's seed; None where none was found.

        Where every completion of a point was there before, the trial is drawn freely.
        """
        if number < len(self._points):
            return self._draw_from(number, dict(self._points[number])) or self._draw_from(number, {})
        return self._draw_from(number, {})

    def _draw_from(self, number: int, point: Parameters) -> tuple[Parameters, int] | None:
        known = {configuration(trial.parameters) for trial in self._state.trials.values()}
        for attempt in range(REDRAWS + 1):
            seed = seeds.seed(self._seed, "sampler", number, attempt) if attempt else self._seed
            parameters = propose(
                self._state,
                self._space,
                number,
                seed=seed,
                metric=self._metric,
                sampler="random" if attempt else self._sampler,
                startup=self._startup,
                point=point,
                history=self._history,
                second=self._second,
            )
            if configuration(parameters) not in known:
                return parameters, sampler_seed(seed, number)
        return None

    def report(self, trial: int, folds: Sequence[FoldRecord]) -> bool:
        """Store the folds of one chunk and decide: True = go on, False = the trial is over.

        Folds that are stored already are left as they are. Predictions that are not finite fail the trial.
        """
        known = self._state.trials[trial]
        if known.state != "running":
            return False
        for fold in folds:
            if not np.isfinite(fold.logits).all():
                self.fail(trial, f"predictions of fold {fold.subject} are not finite")
                return False
        before = known.done
        new = [fold for fold in folds if fold.subject not in known.folds]
        self._writer.append(*(dataclasses.replace(f, configuration=known.configuration) for f in new))
        self._journal.advanced(known, before)
        return self._judge(known)

    def fail(self, trial: int, why: str) -> None:
        """The trial cannot be trained; the search goes on without it."""
        known = self._state.trials[trial]
        if known.state == "running":
            self._end(known, "failed", why)

    def restart(self, trial: int, backend: str, why: str) -> None:
        """The trial is trained from its first fold again, with another back-end than the run's."""
        known = self._state.trials[trial]
        if known.state == "running":
            self._writer.append(TrialRestarted(trial, backend, why, self._clock()))
            self._writer.drop_maps(trial)
            self._journal.restarted(known)

    def best(self) -> Trial | None:
        """The complete trial with the highest metric, the lower number on a tie; None without one."""
        return self._state.best(self._metric)

    def progress(self) -> Progress:
        """Where the search stands."""
        return progress(
            self._state,
            metric=self._metric,
            planned=self._trials,
            slots=self._slots,
            ended=self._reached(),
            left=None if self._deadline is None else max(0.0, self._deadline - self._clock()),
        )

    def _judge(self, trial: Trial) -> bool:
        """Make the verdicts that are due, in order; whether the trial goes on."""
        folds, done = len(self.plan), trial.done
        if done == folds:
            return self._end(trial, "complete", "")
        for look in itertools.takewhile(lambda look: look <= done, self._policy.looks(folds)):
            if look not in trial.verdicts:
                snapshot = Snapshot.of(self._state, self._metric)
                verdict = self._policy.decide(snapshot, trial.number, trial.confusions[: look + 1])
                self._writer.append(dataclasses.replace(verdict, configuration=trial.configuration))
            if not trial.verdicts[look].keep:
                return self._end(trial, "stopped", trial.verdicts[look].why)
        return trial.state == "running" or self._end(trial, trial.state, "")

    def _end(self, trial: Trial, state: State, why: str) -> bool:
        """Log the end, unless the log has it from before folds were lost; always False.

        The journal comes first: where the log of a killed driver holds every end, so does its journal.
        """
        self._journal.ended(trial, state, why or trial.why)
        if trial.ended is None or trial.state == "running":
            self._writer.append(TrialEnded(trial.number, state, why, trial.done, self._clock()))
        if state != "complete":
            self._writer.drop_maps(trial.number)
        return False
