"""The door to Optuna: a study in memory, rebuilt from the run, proposes the next configuration.

Every proposal is a pure function of the run so far and of the number of the trial: the study and the sampler are
built afresh each time, and the sampler is seeded by the run's seed and that number. So closing and opening a run
changes no proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mersearch import seeds
from mersearch.front import fold_cost
from mersearch.search.history import Scored
from mersearch.search.projection import comparable_score
from mersearch.search.quasi import quasi_point
from mersearch.search.samplers import BLIND, generations, sampler_of
from mersearch.space import Choice, Dimension, Float, Space, is_active
from mersearch.store import Parameters, RunState, Trial

STARTUP: Final = 10
"""Trials that are drawn at random before the Parzen estimator has enough to go on."""


def sampler_seed(seed: int, number: int) -> int:
    """The seed in [0, 2**32) with which trial `number` is drawn."""
    return seeds.seed(seed, "sampler", number) % 2**32


def propose(
    state: RunState,
    space: Space,
    number: int,
    *,
    seed: int,
    metric: str,
    sampler: str = "tpe",
    startup: int = STARTUP,
    point: Parameters | None = None,
    history: Sequence[Scored] = (),
    second: str = "none",
) -> Parameters:
    """Parameter path → value for trial `number`, active parameters only.

    The sampler sees complete trials with their score, stopped ones with the score projected to all folds
    (left out before the first complete trial), running ones as pending, and no failed ones. It sees none that set
    something besides the parameters of the space: their score is not that of a point of the space.

    Args:
        seed: the seed of the run.
        sampler: `tpe`, `gp`, `nsga2`, `qmc` or `random`.
        startup: trials with a score before a sampler stops drawing at random.
        point: values that are given, of parameters of the space or of other settings; the rest is drawn.
        second: `seconds` to trade the metric for compute time per fold too.
        history: points of the space that an earlier run has scored; they count like trials of this one.

    Raises:
        ConfigError: unknown sampler, or one that needs what is not installed.
    """
    given = point or {}
    if sampler == "qmc":
        return quasi_point(space, number, seed=seed, given=given) | given
    study = optuna.create_study(
        storage=_storage(),
        sampler=sampler_of(sampler, sampler_seed(seed, number), startup),
        directions=directions(second),
    )
    if sampler not in BLIND:
        earlier = [_earlier(scored, space, second) for scored in history]
        study.add_trials(generations([*earlier, *seen(state, space, metric, second)], startup))
    asked = study.ask()
    values: Parameters = {}
    for dimension in space.parameters:
        if is_active(dimension, values):
            path = dimension.path
            values[path] = given[path] if path in given else _suggest(asked, dimension)
    return values | given


def _storage() -> optuna.storages.InMemoryStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.storages.InMemoryStorage()


def _suggest(trial: optuna.Trial, dimension: Dimension) -> bool | int | float | str | None:
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(dimension.path, dimension.choices)
    if isinstance(dimension, Float):
        return trial.suggest_float(
            dimension.path, dimension.low, dimension.high, step=dimension.step, log=dimension.log
        )
    return trial.suggest_int(
        dimension.path, dimension.low, dimension.high, step=dimension.step, log=dimension.log
    )


def distribution(dimension: Dimension) -> BaseDistribution:
    """The Optuna distribution of one parameter."""
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension, Float):
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
    return IntDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def directions(second: str) -> list[StudyDirection]:
    """Of the objectives of a study: the metric, and where it is asked for, seconds per fold."""
    return [StudyDirection.MAXIMIZE, *([StudyDirection.MINIMIZE] if second == "seconds" else [])]


def objectives(score: float, seconds: float, second: str) -> list[float]:
    """The values of a trial, as many as `directions`."""
    return [score, *([seconds] if second == "seconds" else [])]


def frozen(
    trial: Trial, space: Space, state: TrialState, values: Sequence[float] | None, **more: Any
) -> FrozenTrial:
    """An Optuna trial with those parameters of ours that are searched; `more` as for `optuna.trial.create_trial`."""
    distributions = {d.path: distribution(d) for d in space.parameters if d.path in trial.parameters}
    params = {path: trial.parameters[path] for path in distributions}
    record = optuna.trial.create_trial(
        state=state, values=values, params=params, distributions=distributions, **more
    )
    record.datetime_start = datetime.fromtimestamp(trial.proposed.time)
    if state.is_finished() and trial.ended is not None:
        record.datetime_complete = datetime.fromtimestamp(trial.ended.time)
    return record


def _earlier(scored: Scored, space: Space, second: str) -> FrozenTrial:
    distributions = {d.path: distribution(d) for d in space.parameters if d.path in scored.parameters}
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        values=objectives(scored.score, scored.seconds, second),
        params=dict(scored.parameters),
        distributions=distributions,
    )


def seen(state: RunState, space: Space, metric: str, second: str = "none") -> list[FrozenTrial]:
    """All trials as the sampler sees them, by number."""
    reference = state.best(metric)
    return [_seen(trial, reference, space, metric, second) for trial in state.trials.values()]


def _seen(trial: Trial, reference: Trial | None, space: Space, metric: str, second: str) -> FrozenTrial:
    """FAIL is left out but keeps its number."""
    if trial.parameters.keys() - set(space.paths):
        return frozen(trial, space, TrialState.FAIL, None)
    if trial.state == "running":
        return frozen(trial, space, TrialState.RUNNING, None)
    value = comparable_score(trial, reference, metric)
    if value is None:
        return frozen(trial, space, TrialState.FAIL, None)
    return frozen(trial, space, TrialState.COMPLETE, objectives(value, fold_cost(trial), second))
