"""How many folds a search spends, and how good its pick is: our schedulers against those of others.

    python benchmarks/search_efficiency.py run [--seeds 50] [--layouts casme2-5 megc2019] [--workers 1 4 16]
                                             [--sampler random | tpe] [--contenders …]
    python benchmarks/search_efficiency.py report

`run` is resumable: one line per cell (layout, workers, contender, seed) in
benchmarks/results/search_efficiency-<workers>.jsonl. `report` writes search_efficiency.md and search_efficiency.png
beside it.

Searches are simulated: the very same session, sampler and policies as in a real search, on invented worlds with the
subject and class counts of real databases (`mersearch.simulation.world`), with a virtual clock that bills a fold when
it is read. All contenders of a cell meet the same world, and draw from it with the same sampler. With the random one
(the main table), ours and all pruners see the same proposals; with TPE, which learns, every search has its own.
Constants were chosen on worlds of seeds 0 to 69; the benchmark uses seeds from 1000 on. What this proves is the
rules, in worlds of this kind; it says nothing about a particular database.

A cell takes about half a second of a core, but several for Optuna's Wilcoxon pruner (a test after every fold), which
is therefore run with one worker only.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from contenders import METRIC, Bergman, Pruner, StockRay
from efficiency_report import MOST, write_report
from remembered import Remembered

from mersearch import seeds
from mersearch.config import records
from mersearch.metrics import METRICS
from mersearch.search.asha import Asha
from mersearch.search.policies import ALPHA
from mersearch.search.policy import NoStopping, Policy
from mersearch.search.race import Race
from mersearch.search.session import Session
from mersearch.simulation import LAYOUTS, Bill, Search, World, simulate
from mersearch.simulation.world import SPACE
from mersearch.store import Memory, RunState

RESULTS = Path(__file__).parent / "results"
STEM = "search_efficiency"
DIGITS = 6
"""Of the stored numbers."""
FIRST_SEED = 1000
TRIALS = 100
"""Trials of a search, for the folds spent and the pick."""
BUDGETS = (3, 5, 7.5, 10, 15, 20, 25, 30)
"""Full LOSO evaluations at which the true score of the pick is taken."""


@dataclass(frozen=True)
class Contender:
    """A rule and the order of its folds; `policy` is None for the stock classes of Ray, which bring their own."""

    policy: Callable[[int], Policy] | None
    frozen: bool
    slow: bool = False
    """Run with one worker only."""


def race(level: str) -> Callable[[int], Policy]:
    """`race` at a named level."""
    keys = records.Racing()
    return lambda seed: Race(ALPHA[level], keys.rungs, audit=keys.audit, first=keys.first, seed=seed)


def asha(_seed: int) -> Policy:
    """`asha` with its defaults."""
    keys = records.Search()
    return Asha(eta=keys.eta, rungs=keys.rungs, min_peers=keys.min_peers)


def median(_seed: int) -> Policy:
    """Optuna's median pruner on the pooled score."""
    return Pruner(optuna.pruners.MedianPruner(), pooled=True)


def wilcoxon(_seed: int) -> Policy:
    """Optuna's Wilcoxon pruner on the scores of single folds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return Pruner(optuna.pruners.WilcoxonPruner(), pooled=False)


CONTENDERS = {
    "full LOSO": Contender(lambda *_: NoStopping(), frozen=False),
    "full LOSO, our order": Contender(lambda *_: NoStopping(), frozen=True),
    "Optuna median": Contender(median, frozen=False),
    "Optuna median, our order": Contender(median, frozen=True),
    "Optuna Wilcoxon": Contender(wilcoxon, frozen=False, slow=True),
    "Optuna Wilcoxon, our order": Contender(wilcoxon, frozen=True, slow=True),
    "Ray OptunaSearch + ASHA": Contender(None, frozen=False),
    "Bergman aggressive": Contender(lambda *_: Bergman(forgiving=False), frozen=False),
    "Bergman forgiving": Contender(lambda *_: Bergman(forgiving=True), frozen=False),
    "ours: asha": Contender(asha, frozen=True),
    "ours: race strict": Contender(race("strict"), frozen=True),
    "ours: race default": Contender(race("default"), frozen=True),
    "ours: race explore": Contender(race("explore"), frozen=True),
}


def cell(sampler: str, layout: str, workers: int, name: str, seed: int) -> dict[str, Any]:
    """One search: the folds of its first trials, whether it picks their best, and its picks at the budgets."""
    contender, start = CONTENDERS[name], time.perf_counter()
    world = _world(seed, layout, shuffled=not contender.frozen)
    bill, memory = Bill(world), Memory(world.plan)
    search, full, curve = (
        _search(contender, memory, sampler, seed),
        len(world.plan),
        dict[str, float | None](),
    )
    left = list(BUDGETS)
    for moment in simulate(search, bill, workers=workers):
        while left and bill.folds >= left[0] * full:
            curve[str(left.pop(0))] = _pick(world, memory.state)
        if not left and not moment.going and _first_over(memory.state):
            break
    curve.update({str(budget): _pick(world, memory.state) for budget in left})
    return {
        "sampler": sampler,
        "layout": layout,
        "workers": workers,
        "contender": name,
        "seed": seed,
        **_first(world, memory.state),
        "curve": {budget: None if true is None else round(true, DIGITS) for budget, true in curve.items()},
        "seconds": round(time.perf_counter() - start, 2),
    }


@lru_cache(maxsize=2)
def _world(seed: int, layout: str, *, shuffled: bool) -> Remembered[World]:
    """What the contenders of a seed and a layout meet, in either order of the folds."""
    return Remembered(World(seed, LAYOUTS[layout], shuffled=shuffled))


def _search(contender: Contender, memory: Memory, sampler: str, seed: int) -> Search:
    """The search of a contender, ours or Ray's own."""
    if contender.policy is None:
        cls = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}[sampler]
        return StockRay(memory, cls(seed=seeds.seed("stock", seed) % 2**32), MOST)
    return Session(
        memory,
        space=SPACE,
        trials=MOST,
        metric=METRIC,
        policy=contender.policy(seed),
        seed=seed,
        sampler=sampler,
    )


def _first_over(state: RunState) -> bool:
    """Whether the first trials have all ended."""
    return len(state.trials) >= TRIALS and all(
        state.trials[number].state != "running" for number in range(TRIALS)
    )


def _first(world: Remembered[World], state: RunState) -> dict[str, Any]:
    """Share of the folds that the first trials took, and whether their best complete one is the best of all."""
    first = [state.trials[number] for number in range(TRIALS)]
    whole = [METRICS[METRIC](world.table.outcome(t.parameters).sum(0)) for t in first]
    complete = [t for t in first if t.state == "complete"]
    pick = max(complete, key=lambda t: (whole[t.number], -t.number), default=None)
    truths = [world.truth(t.parameters, METRIC) for t in first]
    return {
        "used": round(sum(t.done for t in first) / (TRIALS * len(world.plan)), DIGITS),
        "win": pick is not None and pick.number == int(np.argmax(whole)),
        "pick": None if pick is None else round(truths[pick.number], DIGITS),
        "naive": None if pick is None else round(whole[pick.number], DIGITS),
        "winner": round(truths[int(np.argmax(whole))], DIGITS),
        "best": round(max(truths), DIGITS),
    }


def _pick(world: Remembered[World], state: RunState) -> float | None:
    """True score of the best complete trial; None before the first."""
    best = state.best(METRIC)
    return None if best is None else world.truth(best.parameters, METRIC)


def done(workers: int) -> set[tuple[Any, ...]]:
    """Keys of the cells that are there with this number of workers."""
    path = lines_of(workers)
    if not path.exists():
        return set()
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return {(row["sampler"], row["layout"], row["contender"], row["seed"]) for row in rows}


def lines_of(workers: int) -> Path:
    """Where the cells of this number of workers are."""
    return RESULTS / f"{STEM}-{workers}.jsonl"


def run(sampler: str, layouts: list[str], workers: list[int], names: list[str], number: int) -> None:
    """Every cell that is not there yet, seed by seed, so that an early end leaves whole seeds."""
    RESULTS.mkdir(exist_ok=True)
    known = {count: done(count) for count in workers}
    for seed in range(FIRST_SEED, FIRST_SEED + number):
        for layout in layouts:
            for count in workers:
                for name in names:
                    wanted = count == 1 or not CONTENDERS[name].slow
                    if wanted and (sampler, layout, name, seed) not in known[count]:
                        line = json.dumps(cell(sampler, layout, count, name, seed))
                        with lines_of(count).open("a") as file:
                            file.write(line + "\n")
        print(f"seed {seed} done", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--layouts", nargs="+", choices=tuple(LAYOUTS), default=list(LAYOUTS))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--sampler", choices=("random", "tpe"), default="random")
    parser.add_argument("--contenders", nargs="+", choices=tuple(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--seeds", type=int, default=50)
    chosen = parser.parse_args()
    if chosen.what == "run":
        run(chosen.sampler, chosen.layouts, chosen.workers, chosen.contenders, chosen.seeds)
    else:
        write_report(sorted(RESULTS.glob(f"{STEM}-*.jsonl")), RESULTS)


if __name__ == "__main__":
    main()
