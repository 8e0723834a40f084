"""What another scheduler would have done with the trials of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mersearch.config.load import read_back
from mersearch.config.records import Search
from mersearch.counted import counted
from mersearch.errors import RunError
from mersearch.metrics import NAMES
from mersearch.search.policies import policy_of
from mersearch.search.session import Session
from mersearch.simulation.clock import simulate
from mersearch.simulation.table import Bill, Recorded
from mersearch.space import Space
from mersearch.store import Memory, RunDirectory, RunState, Trial

NAMED: tuple[Literal["strict", "default", "explore"], ...] = ("strict", "default", "explore")
FEWEST = 4
"""Complete trials from which a comparison says anything."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scheduler made of the table.

    Attributes:
        folds: folds it read.
        seconds: virtual time until the last one.
        complete: trials that it let finish.
        best: number of its pick in the table, and the score on all folds; None where nothing finished.
        same: whether the pick is the best trial of the whole table.
    """

    folds: int
    seconds: float
    complete: int
    best: tuple[int, float] | None
    same: bool


def schedulers(search: Search) -> dict[str, Search]:
    """Name → section of the configuration, for every scheduler; each keeps the run's own keys.

    The levels of `race` that have a name, and the run's own where it is a number.
    """
    own = [search.race.alpha] if not isinstance(search.race.alpha, str) else []
    races = {
        f"race {level}" if isinstance(level, str) else f"race {level:.3g}": dataclasses.replace(
            search, scheduler="race", race=dataclasses.replace(search.race, alpha=level)
        )
        for level in (*NAMED, *own)
    }
    plain = {name: dataclasses.replace(search, scheduler=name) for name in ("none", "asha")}
    return {**plain, **races}


def outcomes(run: RunDirectory, *, workers: int = 1) -> dict[str, Outcome]:
    """Every scheduler on the complete trials of a run, proposed in the same order.

    Trials that were stopped or failed have no folds to look at, so they are left out.

    Raises:
        RunError: fewer than `FEWEST` trials are complete.
    """
    state = run.read()
    _require_complete(run, state)
    config = read_back(run.config, run.path / "config.yaml")
    return {
        name: replay_with(state, search, seed=config.run.seed, workers=workers)
        for name, search in schedulers(config.search).items()
    }


def replay_with(state: RunState, search: Search, *, seed: int, workers: int) -> Outcome:
    """One scheduler on the complete trials of a run."""
    table = Recorded(state)
    bill, memory = Bill(table), Memory(state.plan)
    session = Session(
        memory,
        space=Space(),
        trials=len(table.points),
        metric=search.metric,
        policy=policy_of(search, seed=seed),
        seed=seed,
        sampler="random",
        points=table.points,
    )
    seconds = 0.0
    for moment in simulate(session, bill, workers=workers):
        seconds = moment.seconds
    complete = len(memory.state.in_state("complete"))
    number, score = _pick(state, memory.state.best(search.metric), search.metric)
    whole = state.best(search.metric)
    same = whole is not None and number == whole.number
    return Outcome(bill.folds, seconds, complete, None if number is None else (number, score), same)


def _pick(state: RunState, pick: Trial | None, metric: str) -> tuple[int | None, float]:
    """The number that a trial of the simulation has in the run, and its score."""
    if pick is None:
        return None, 0.0
    number = next(t.number for t in state.trials.values() if t.parameters == pick.parameters)
    return number, pick.score(metric) or 0.0


def lines(run: RunDirectory, found: Mapping[str, Outcome], *, workers: int) -> list[str]:
    """What `simulate` prints, at most 80 columns."""
    state, metric = run.read(), run.setting("search", "metric")
    complete, total = len(state.in_state("complete")), len(state.trials)
    most = complete * len(state.plan)
    rows = [
        f"{run.name}: what other schedulers would have done, with {counted(workers, 'trial')} at once",
        f"  on the {complete} of {total} trials that have all folds, in the order of the run",
        *(
            ["  (the others were stopped or failed: what they would have scored is not known)"]
            * (complete < total)
        ),
        "",
        f"  scheduler      folds  share  complete  pick  {NAMES[metric]:>8s}",
    ]
    for name, out in found.items():
        pick = "   –         –" if out.best is None else f"{out.best[0]:4d}  {out.best[1]:8.3f}"
        mark = "  the best of all" if out.same else ""
        rows.append(f"  {name:13s} {out.folds:6d}  {out.folds / most:5.2f}  {out.complete:8d}  {pick}{mark}")
    return rows


def _require_complete(run: RunDirectory, state: RunState) -> None:
    complete = len(state.in_state("complete"))
    if complete < FEWEST:
        raise RunError(
            f"a simulation needs at least {FEWEST} trials with all folds",
            received=f"{run.path}: {complete}",
            fix="search with search.scheduler=none, which finishes every trial, or go on with more trials: "
            f"mersearch resume {run.path} search.trials=N",
        )
