"""Is the corrected score honest? Bias and coverage of the naive and the corrected score of a search's winner.

    python benchmarks/honest_score.py run [--repeats 300] [--settings …]
    python benchmarks/honest_score.py report

`run` is resumable: one line per search in benchmarks/results/honest_score.jsonl; `report` writes honest_score.md.

Worlds: searches by the very same sessions and policies on invented worlds (`mersearch.simulation.world`), whose truth
is known; `null` = all configurations are equally good. Retraining: a ridge classifier with random features is really
trained leave one subject out on invented people, for every configuration; its truth is its score on many further
people. `survivors only` corrects on the complete trials alone, which is not honest where trials were stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from remembered import Remembered
from ridge_world import RidgeWorld

from mersearch.config.records import Racing, Search
from mersearch.metrics import NAMES
from mersearch.search.asha import Asha
from mersearch.search.policies import ALPHA
from mersearch.search.policy import NoStopping, Policy
from mersearch.search.race import Race
from mersearch.search.session import Session
from mersearch.selection import Competition, Corrected, correct
from mersearch.simulation import LAYOUTS, World, simulate
from mersearch.store import Memory, RunState

RESULTS = Path(__file__).parent / "results"
LINES = RESULTS / "honest_score.jsonl"
METRIC, FIRST_SEED, TRIALS = "uf1", 2000, 100
LIMITS = {"world": 0.02, "null": 0.025, "ridge": 0.03}
"""Largest bias of the corrected score, by the first word of a setting."""
NAIVE = 0.05
"""Smallest bias of the naive score for which a setting proves anything."""


def race(seed: int) -> Policy:
    """`race` with its defaults."""
    keys = Racing()
    return Race(ALPHA["default"], keys.rungs, audit=keys.audit, first=keys.first, seed=seed)


def asha(_seed: int) -> Policy:
    """`asha` with its defaults."""
    keys = Search()
    return Asha(eta=keys.eta, rungs=keys.rungs, min_peers=keys.min_peers)


POLICIES: dict[str, Callable[[int], Policy]] = {
    "no stopping": lambda _: NoStopping(),
    "asha": asha,
    "race": race,
}


def world(seed: int) -> World:
    """Configurations that differ in worth."""
    return World(seed, LAYOUTS["casme2-5"])


def null(seed: int) -> World:
    """Configurations that are all worth the same."""
    return World(seed, LAYOUTS["casme2-5"], reach=0.0)


TABLES: dict[str, Callable[[int], Any]] = {"world": world, "null": null, "ridge": RidgeWorld}
SETTINGS = tuple(f"{table}, {policy}" for table in TABLES for policy in POLICIES)


def cell(setting: str, seed: int) -> dict[str, Any]:
    """One search: what is said of its winner, and what is true of it."""
    kind, _, rule = setting.partition(", ")
    table = _table(kind, seed)
    state = _searched(table, POLICIES[rule](seed), seed)
    best = state.best(METRIC)
    if best is None:
        raise RuntimeError(f"{setting}, seed {seed}: nothing is complete")
    everything = _competition(state)
    place = list(state.trials).index(best.number)
    found = correct(everything, place, METRIC)
    kept = np.flatnonzero(everything.panel)
    alone = found
    if len(kept) < len(everything.panel):
        alone = correct(_only(everything, kept), int(np.searchsorted(kept, place)), METRIC)
    truth = table.truth(best.parameters, METRIC)
    return {
        "setting": setting,
        "seed": seed,
        "truth": truth,
        "naive": found.naive,
        "corrected": found.corrected,
        "conservative": found.conservative,
        "survivors": alone.corrected,
        "covered": _covers(found, truth),
        "width": found.high - found.low,
        "complete": len(kept),
    }


@lru_cache(maxsize=1)
def _table(kind: str, seed: int) -> Remembered[Any]:
    """What the searches of all policies meet."""
    return Remembered(TABLES[kind](seed))


def _covers(found: Corrected, truth: float) -> bool:
    """Whether the interval holds the true score."""
    return found.low <= truth <= found.high


def _searched(table: Remembered[Any], policy: Policy, seed: int) -> RunState:
    """What a search on a table knows at its end."""
    memory = Memory(table.plan)
    session = Session(
        memory, space=table.space, trials=TRIALS, metric=METRIC, policy=policy, seed=seed, sampler="random"
    )
    for _ in simulate(session, table):
        pass
    return memory.state


def _competition(state: RunState) -> Competition:
    """The trials of a search as arrays."""
    folds, classes = len(state.plan), len(state.plan.classes)
    counts = np.zeros((len(state.trials), folds, classes, classes), np.int64)
    done = np.zeros((len(state.trials), folds), bool)
    for c, trial in enumerate(state.trials.values()):
        counts[c, : trial.done] = np.diff(trial.confusions, axis=0)
        done[c, : trial.done] = True
    return Competition(counts, done, done.all(1), np.array(state.plan.counts), np.zeros(folds, np.int64))


def _only(competition: Competition, kept: NDArray[np.int64]) -> Competition:
    """The configurations `kept` of a competition."""
    return Competition(
        competition.counts[kept],
        competition.done[kept],
        competition.panel[kept],
        competition.clips,
        competition.strata,
    )


def run(settings: list[str], repeats: int) -> None:
    """Every search that is not there yet."""
    RESULTS.mkdir(exist_ok=True)
    lines = LINES.read_text().splitlines() if LINES.exists() else []
    known = {(row["setting"], row["seed"]) for row in map(json.loads, lines)}
    for seed in range(FIRST_SEED, FIRST_SEED + repeats):
        for setting in settings:
            if (setting, seed) not in known:
                line = json.dumps(cell(setting, seed))
                with LINES.open("a") as file:
                    file.write(line + "\n")
        if seed % 10 == 9:
            print(f"seed {seed} done", flush=True)


def report() -> None:
    """Bias with twice its standard error, and coverage, against the limits."""
    rows = [json.loads(line) for line in LINES.read_text().splitlines()]
    text = [
        "# Honesty of the corrected score",
        "",
        f"{NAMES[METRIC]}, {TRIALS} configurations; bias ± 2 standard errors; covered, width: of the 95 % interval.",
        "",
        "| setting | searches | complete | naive | corrected | conservative | survivors only | covered | "
        "width | corrected passes | survivors only pass |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for setting in dict.fromkeys(row["setting"] for row in rows):
        mine = [row for row in rows if row["setting"] == setting]
        limit = LIMITS[setting.partition(",")[0]]
        bias = {name: _bias(mine, name) for name in ("naive", "corrected", "conservative", "survivors")}
        covered = float(np.mean([row["covered"] for row in mine]))
        passes = abs(bias["corrected"][0]) <= limit and 0.90 <= covered <= 0.99
        said = [f"{mean:+.3f} ± {2 * error:.3f}" for mean, error in bias.values()]
        verdict = "yes" if passes else "**no**"
        if bias["naive"][0] < NAIVE:
            verdict += " (naive bias too small to prove it)"
        text.append(
            f"| {setting} | {len(mine)} | {np.mean([row['complete'] for row in mine]):.0f} | {' | '.join(said)} | "
            f"{covered:.2f} | {np.mean([row['width'] for row in mine]):.2f} | {verdict} | "
            f"{'yes' if abs(bias['survivors'][0]) <= limit else 'no'} |"
        )
    (RESULTS / "honest_score.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


def _bias(rows: list[dict[str, Any]], name: str) -> tuple[float, float]:
    """Mean error of a score against the truth, and its standard error."""
    errors = np.array([row[name] - row["truth"] for row in rows])
    return float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(len(errors)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--repeats", type=int, default=300)
    chosen = parser.parse_args()
    if chosen.what == "run":
        run(chosen.settings, chosen.repeats)
    else:
        report()


if __name__ == "__main__":
    main()
