"""The rules of others, for `search_efficiency.py`: pruners of Optuna, classes of Ray Tune, published rules."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from quick_wilcoxon import wilcoxon

from mersearch.metrics import scores, uf1
from mersearch.search.policy import Counts, Snapshot
from mersearch.search.session import Proposal
from mersearch.search.study import distribution
from mersearch.simulation.world import SPACE
from mersearch.store import FoldPlan, FoldRecord, Memory, TrialEnded, TrialProposed, Verdict

METRIC = "uf1"


def every_fold(folds: int) -> tuple[int, ...]:
    """Looks after every fold but the last."""
    return tuple(range(1, folds))


def fold_scores(prefix: Counts) -> list[float]:
    """UF1 of every fold on its own."""
    return [float(score) for score in scores(METRIC, np.diff(prefix, axis=0))]


class Bergman:
    """Bergman, Purucker and Hutter, "Don't Waste Your Time: Early Stopping Cross-Validation", AutoML 2024.

    Aggressive: stop where the score so far is below the best trial's. Forgiving: stop where the mean of the folds so
    far is below the worst fold of the best trial. The score so far is pooled, as every score of a LOSO evaluation.

    Args:
        forgiving: the second rule instead of the first.
    """

    def __init__(self, *, forgiving: bool) -> None:
        self._forgiving = forgiving
        self._known: dict[int, tuple[float, float]] = {}

    def looks(self, folds: int) -> tuple[int, ...]:
        """After every fold."""
        return every_fold(folds)

    def decide(self, snapshot: Snapshot, trial: int, prefix: Counts) -> Verdict:
        """The rule above."""
        m, value = len(prefix) - 1, snapshot.value(prefix)
        complete = snapshot.complete(trial)
        if not complete:
            return Verdict(trial, m, True, "nothing to compare with", value, ())
        for number in complete.keys() - self._known.keys():
            counts = complete[number]
            self._known[number] = snapshot.value(counts), min(fold_scores(counts))
        best = max(complete, key=lambda number: (self._known[number][0], -number))
        whole, worst = self._known[best]
        keep = float(np.mean(fold_scores(prefix))) >= worst if self._forgiving else value >= whole
        return Verdict(trial, m, keep, "", value, (best,))


class Pruner:
    """A pruner of Optuna with its own study: told every fold, asked after every fold.

    Args:
        pruner: as shipped, with its defaults.
        pooled: report the score pooled so far, else that of the last fold alone (as paired tests want it).
    """

    def __init__(self, pruner: optuna.pruners.BasePruner, *, pooled: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        optuna.pruners._wilcoxon.ss = SimpleNamespace(wilcoxon=wilcoxon)
        self._study = optuna.create_study(direction="maximize", pruner=pruner)
        self._pooled, self._trials, self._told = pooled, dict[int, Any](), set[int]()

    def looks(self, folds: int) -> tuple[int, ...]:
        """After every fold."""
        return every_fold(folds)

    def decide(self, snapshot: Snapshot, trial: int, prefix: Counts) -> Verdict:
        """Report the last fold; stop where the pruner says so."""
        for number, counts in snapshot.complete(trial).items():
            if number in self._trials and number not in self._told:
                self._report(number, counts)
                self._study.tell(self._trials[number], uf1(counts[-1]))
                self._told.add(number)
        if trial not in self._trials:
            self._trials[trial] = self._study.ask()
        self._report(trial, prefix)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stop = self._trials[trial].should_prune()
        if stop:
            self._study.tell(self._trials[trial], state=optuna.trial.TrialState.PRUNED)
            self._told.add(trial)
        return Verdict(trial, len(prefix) - 1, not stop, "", snapshot.value(prefix), ())

    def _report(self, trial: int, prefix: Counts) -> None:
        """Tell the study the pooled score, or that of the last fold."""
        value = uf1(prefix[-1]) if self._pooled else fold_scores(prefix[-2:])[0]
        self._trials[trial].report(value, len(prefix) - 1)


class StockRay:
    """`OptunaSearch` and `ASHAScheduler` of Ray Tune with their defaults, one report per fold, driven as Tune does.

    Args:
        memory: takes down what happens, for the report alone.
        sampler: of Optuna; Ray hands it on.
        trials: of the whole search.
    """

    def __init__(self, memory: Memory, sampler: optuna.samplers.BaseSampler, trials: int) -> None:
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        space = {dimension.path: distribution(dimension) for dimension in SPACE.parameters}
        self._memory, self._limit = memory, trials
        self._searcher = OptunaSearch(space, metric=METRIC, mode="max", sampler=sampler)
        self._scheduler = ASHAScheduler(metric=METRIC, mode="max", max_t=len(memory.state.plan))
        self._handles: dict[int, Any] = {}

    @property
    def plan(self) -> FoldPlan:
        """The folds of every trial."""
        return self._memory.state.plan

    def next_trial(self) -> Proposal | None:
        """What `OptunaSearch` suggests."""
        number = len(self._memory.state.trials)
        if number >= self._limit:
            return None
        parameters = self._searcher.suggest(str(number))
        self._memory.append(TrialProposed(number, dict(parameters), 0))
        self._handles[number] = SimpleNamespace(trial_id=str(number))
        self._scheduler.on_trial_add(None, self._handles[number])
        return Proposal(number, dict(parameters), 0)

    def report(self, trial: int, folds: Sequence[FoldRecord]) -> bool:
        """One result per fold, the score pooled so far, as a user of Tune would report it."""
        known = self._memory.state.trials[trial]
        for fold in folds:
            self._memory.append(dataclasses.replace(fold, configuration=known.configuration))
            result = {"training_iteration": known.done, METRIC: known.score(METRIC)}
            decision = self._scheduler.on_trial_result(None, self._handles[trial], result)
            self._searcher.on_trial_result(str(trial), result)
            if decision == "STOP" or known.done == len(self.plan):
                self._searcher.on_trial_complete(str(trial), result)
                state = "complete" if known.done == len(self.plan) else "stopped"
                self._memory.append(TrialEnded(trial, state, "", known.done))
                return False
        return True

    def fail(self, trial: int, why: str) -> None:
        """Tune tells its searcher that the trial erred."""
        self._searcher.on_trial_complete(str(trial), error=True)
        self._memory.append(TrialEnded(trial, "failed", why, self._memory.state.trials[trial].done))
