"""A search rebuilt from its run directory is the one that was never closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch.search.policy import NoStopping, Policy
from mersearch.store import FoldPlan, RunDirectory
from tests.runs import a_plan, a_race, a_run, a_session, advance, an_asha, knowledge

TRIALS = {True: 12, False: 7}
"""With a policy that stops trials, and without; the Parzen estimator takes over after four."""
LOGS = ("trials.jsonl", "folds.jsonl", "verdicts.jsonl")
POINTS = 20


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """No fsync: it matters only when a machine loses power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@dataclass(frozen=True)
class Moment:
    """What a search knew after one of its chunks."""

    sizes: dict[str, int]
    knowledge: dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A search that was never closed, with its moments."""

    policy: Policy
    stops: bool
    plan: FoldPlan
    logs: dict[str, bytes]
    moments: tuple[Moment, ...]


@pytest.fixture(
    scope="module",
    params=[a_race(alpha=0.3, audit=0.2), an_asha(), NoStopping()],
    ids=["race", "asha", "none"],
)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    run, moments = a_run(tmp_path_factory.mktemp("recorded") / "r", a_plan(9)), []
    done: dict[int, int] = {}
    stops = not isinstance(request.param, NoStopping)
    with a_session(run, TRIALS[stops], policy=request.param) as session:
        slot = session.next_trial()
        while slot is not None:
            sizes = {name: (run.path / name).stat().st_size for name in LOGS}
            moments.append(Moment(sizes, knowledge(run.read())))
            slot = advance(session, slot, done)
    states = {trial.state for trial in run.read().trials.values()}
    assert states == ({"complete", "stopped"} if stops else {"complete"})
    return Recorded(request.param, stops, run.plan, logs_of(run), tuple(moments))


def logs_of(run: RunDirectory) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in LOGS}


@pytest.mark.parametrize("point", range(POINTS))
def test_a_search_reopened_at_a_random_point_knows_and_does_what_the_open_one_did(
    recorded: Recorded, point: int, tmp_path: Path
) -> None:
    moment = recorded.moments[int(np.random.default_rng(point).integers(len(recorded.moments)))]
    run = a_run(tmp_path / "r", recorded.plan)
    for name, size in moment.sizes.items():
        (run.path / name).write_bytes(recorded.logs[name][:size])
    assert knowledge(run.read()) == moment.knowledge
    done: dict[int, int] = {}
    with a_session(run, TRIALS[recorded.stops], policy=recorded.policy) as session:
        slot = session.next_trial()
        while slot is not None:
            slot = advance(session, slot, done)
    assert logs_of(run) == recorded.logs
    verdicts = [json.loads(line) for line in recorded.logs["verdicts.jsonl"].splitlines()]
    assert {verdict["keep"] for verdict in verdicts} == ({True, False} if recorded.stops else set())
