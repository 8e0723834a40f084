"""A run directory to play with, and an in-process executor that drives a session with a fake trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mersearch import seeds
from mersearch.search.asha import Asha
from mersearch.search.race import Race
from mersearch.search.session import Proposal, Session
from mersearch.search.study import seen
from mersearch.space import Choice, Float, Int, Space
from mersearch.store import FoldPlan, FoldRecord, RunDirectory, RunState

SPACE = Space(
    (
        Float("algorithm.lr", 1e-4, 1e-1, log=True),
        Choice("algorithm.head", ("linear", "mlp", None)),
        Int("algorithm.width", 4, 64, when={"algorithm.head": ("mlp",)}),
        Choice("algorithm.mask", (True, False)),
    )
)
CLASSES = ("negative", "positive", "surprise")


def a_plan(subjects: int = 6, chunk: int = 1) -> FoldPlan:
    """Subjects of skewed size; the first ones have all classes, the last ones lack some."""
    counts = tuple((3 + (k % 3), 2 if k % 2 == 0 else 0, 1 if k < 4 else 0) for k in range(subjects))
    return FoldPlan(tuple(f"db/{k:02d}" for k in range(subjects)), chunk, CLASSES, counts)


def a_run(path: Path, plan: FoldPlan | None = None) -> RunDirectory:
    provenance = {"code": "test"}
    return RunDirectory.create(path, config={"seed": 0}, provenance=provenance, plan=plan or a_plan())


def labels(plan: FoldPlan, subject: str) -> tuple[int, ...]:
    counts = plan.counts[plan.subjects.index(subject)]
    return tuple(label for label, count in enumerate(counts) for _ in range(count))


def skill(parameters: dict[str, Any]) -> float:
    """Chance that the fake trainer gets a clip right: best near lr = 0.01 with an mlp."""
    distance = abs(np.log10(parameters["algorithm.lr"]) + 2)
    return float(0.9 - 0.25 * distance + (0.1 if parameters["algorithm.head"] == "mlp" else 0.0))


def train(
    plan: FoldPlan, trial: int, parameters: dict[str, Any], subject: str, attempt: int = 0
) -> FoldRecord:
    """A fold whose predictions are a function of parameters and subject only."""
    true = labels(plan, subject)
    rng = seeds.generator("fake", subject, seeds.digest(parameters))
    logits = rng.normal(size=(len(true), len(plan.classes))).astype(np.float32)
    for row, label in enumerate(true):
        wanted = label if rng.random() < skill(parameters) else int(rng.integers(len(plan.classes)))
        logits[row, wanted] = logits[row].max() + 1
    clips = tuple(f"{subject}/{row}" for row in range(len(true)))
    chunk = plan.subjects.index(subject) // plan.chunk
    return FoldRecord(trial, subject, chunk, attempt, 1.5, "here", clips, true, logits, {"loss": [1.0, 0.5]})


def an_asha(eta: float = 2, rungs: tuple[float, ...] = (0.3, 0.5), min_peers: int = 2) -> Asha:
    """The usual settings, with some changed."""
    return Asha(eta, rungs, min_peers)


def a_race(**changes: Any) -> Race:
    """The default settings without an audit, with some changed."""
    return Race(**{"alpha": 0.1, "rungs": (0.3, 0.5, 0.7), "audit": 0.0, "first": 3, **changes})


@contextmanager
def a_session(run: RunDirectory, trials: int = 12, space: Space = SPACE, **more: Any) -> Iterator[Session]:
    options = {"policy": an_asha(), "seed": 7, "startup": 4, "clock": lambda: 1000.0, **more}
    with run.writer() as writer:
        yield Session(writer, space=space, trials=trials, metric="uf1", **options)


class Killed(Exception):
    """What the executor raises where a real driver would be killed."""


def die() -> None:
    raise Killed


def execute(
    run: RunDirectory,
    trials: int = 12,
    chunks: int | None = None,
    workers: int = 1,
    death: Callable[[], None] = die,
    **more: Any,
) -> None:
    """Run the search; after `chunks` chunks the driver dies without ending anything."""
    with a_session(run, trials, **more) as session:
        slots = [session.next_trial() for _ in range(workers)]
        done = {slot.trial: slot.done for slot in slots if slot}
        while any(slots):
            for place, slot in enumerate(slots):
                if slot is None:
                    continue
                if chunks is not None:
                    if chunks == 0:
                        death()
                    chunks -= 1
                slots[place] = advance(session, slot, done)


def advance(session: Session, slot: Proposal, done: dict[int, int]) -> Proposal | None:
    """One chunk of a trial; returns the trial to go on with."""
    subjects = session.plan.next_chunk(done.setdefault(slot.trial, slot.done))
    folds = [train(session.plan, slot.trial, slot.parameters, subject) for subject in subjects]
    done[slot.trial] += len(subjects)
    return slot if session.report(slot.trial, folds) else session.next_trial()


def knowledge(state: RunState, space: Space = SPACE) -> dict[str, Any]:
    """Proposals, sampler history, scores on the rungs and verdicts, comparable with ==."""
    return {
        "proposals": {number: trial.parameters for number, trial in state.trials.items()},
        "history": [(t.number, t.state, t.value, t.params) for t in seen(state, space, "uf1")],
        "rungs": {number: trial.confusions.tolist() for number, trial in state.trials.items()},
        "verdicts": {number: sorted(trial.verdicts.items()) for number, trial in state.trials.items()},
    }


def facts(state: RunState) -> dict[str, Any]:
    """Everything a search decided and computed, comparable with ==; not who computed it when."""
    return {
        "trials": [
            (
                trial.proposed,
                trial.state,
                trial.done,
                trial.score("uf1"),
                trial.why,
                sorted(trial.verdicts.items()),
            )
            for trial in state.trials.values()
        ],
        "folds": {
            (trial.number, subject): (fold.clips, fold.labels, fold.logits.tobytes())
            for trial in state.trials.values()
            for subject, fold in trial.folds.items()
        },
        "plan": state.plan,
    }
