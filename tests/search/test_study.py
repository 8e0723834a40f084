from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from mersearch.errors import ConfigError
from mersearch.search.projection import projected_score
from mersearch.search.study import propose, sampler_seed, seen
from mersearch.space import Choice, Float, Int, Space
from mersearch.store import FoldRecord, RunState, TrialEnded, TrialProposed, configuration
from tests.runs import SPACE, a_plan, a_run, a_session, execute, labels, train

PROPOSE = """
import sys
from pathlib import Path
from mersearch.search.study import propose
from mersearch.store import RunDirectory
from tests.runs import SPACE
print(propose(RunDirectory.open(Path(sys.argv[1])).read(), SPACE, 20, seed=7, metric="uf1", startup=4))
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> RunState:
    """A search with complete, stopped, failed and running trials."""
    run = a_run(tmp_path_factory.mktemp("study") / "r")
    execute(run, 12)
    with a_session(run, 14) as session:
        failing, running = session.next_trial(), session.next_trial()
        assert failing is not None
        assert running is not None
        session.fail(failing.trial, "NaN")
        session.report(running.trial, [train(run.plan, running.trial, running.parameters, "db/00")])
    return run.read()


def drawn(state: RunState, number: int, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"seed": 7, "metric": "uf1", "startup": 4, **changes}
    return propose(state, SPACE, number, **options)


def test_the_sampler_sees_full_scores_projections_and_pending_trials(state: RunState) -> None:
    found = dict(enumerate(seen(state, SPACE, "uf1")))
    expected: dict[str, Any] = {
        "complete": lambda trial: (TrialState.COMPLETE, trial.score("uf1")),
        "stopped": lambda trial: (TrialState.COMPLETE, projected_score(trial, state.best("uf1"), "uf1")),
        "failed": lambda _: (TrialState.FAIL, None),
        "running": lambda _: (TrialState.RUNNING, None),
    }
    states = set()
    for number, trial in state.trials.items():
        states.add(trial.state)
        assert (found[number].state, found[number].value) == expected[trial.state](trial)
        assert found[number].params == trial.parameters
    assert states == expected.keys()


def test_a_stopped_trial_is_left_out_before_the_first_complete_one(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 12)
    state = run.read()
    for trial in state.in_state("complete"):
        trial.ended = None
    stopped = {trial.number for trial in state.in_state("stopped")}
    assert stopped
    left_out = {number for number, t in enumerate(seen(state, SPACE, "uf1")) if t.state == TrialState.FAIL}
    assert left_out == stopped


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "qmc", "random"])
def test_every_proposal_is_a_point_of_the_space(state: RunState, sampler: str) -> None:
    space = Space(
        (
            *SPACE.parameters,
            Float("algorithm.grid", 0.0, 1.0, step=0.25, when={"algorithm.mask": (True,)}),
            Int("algorithm.steps", 1, 9, step=4),
            Int("algorithm.logged", 1, 512, log=True),
            Choice("algorithm.only", ("one",)),
        )
    )
    for number in range(20, 40):
        values = propose(RunState(state.plan), space, number, seed=1, metric="uf1", sampler=sampler)
        space.validate(values)
        SPACE.validate(drawn(state, number, sampler=sampler))


def test_a_proposal_depends_on_run_seed_and_number_only(state: RunState) -> None:
    assert drawn(state, 20) == drawn(state, 20)
    assert drawn(state, 20) != drawn(state, 21)
    assert drawn(state, 20) != drawn(state, 20, seed=8)


def test_a_proposal_is_the_same_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 8)
    environment = {**os.environ, "PYTHONHASHSEED": "1234"}
    command = [sys.executable, "-c", PROPOSE, str(run.path)]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env=environment)
    assert result.stdout.strip() == str(drawn(run.read(), 20))
    assert result.stderr == ""


def test_the_tree_sampler_learns_and_the_random_one_does_not(state: RunState) -> None:
    empty = RunState(a_plan())
    assert drawn(state, 20, sampler="random") == drawn(empty, 20, sampler="random")
    assert drawn(state, 20) != drawn(empty, 20)
    assert drawn(state, 20, startup=99) == drawn(empty, 20)


@pytest.mark.parametrize("sign", [1, -1], ids=["high", "low"])
def test_proposals_move_to_where_the_scores_are_higher(sign: int) -> None:
    plan = a_plan()
    state, space = RunState(plan), Space((Float("x", -1.0, 1.0),))
    for number, x in enumerate(np.linspace(-1, 1, 25)):
        parameters = {"x": float(x)}
        state.add(TrialProposed(number, parameters, 0))
        for subject in plan.subjects:
            true = np.array(labels(plan, subject))
            right = np.arange(len(true)) < len(true) * (1 + sign * x) / 2
            logits = np.eye(3, dtype=np.float32)[np.where(right, true, (true + 1) % 3)]
            names = tuple(f"{subject}/{row}" for row in range(len(true)))
            key = configuration(parameters)
            state.add(
                FoldRecord(number, subject, 0, 0, 1.0, "", names, labels(plan, subject), logits, {}, key)
            )
        state.add(TrialEnded(number, "complete", "", len(plan)))
    drawn = [propose(state, space, number, seed=0, metric="uf1")["x"] for number in range(25, 45)]
    assert np.mean([sign * float(str(x)) for x in drawn]) > 0.4


def test_a_running_trial_changes_what_is_proposed_next(state: RunState, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 12)
    without = run.read()
    assert [drawn(without, number) for number in range(20, 40)] != [
        drawn(state, number) for number in range(20, 40)
    ]


def test_sampler_seeds_fit_numpy_and_differ() -> None:
    found = {sampler_seed(seed, number) for seed in range(5) for number in range(50)}
    assert len(found) == 250
    assert all(0 <= value < 2**32 for value in found)


def test_an_unknown_sampler_names_the_valid_ones(state: RunState) -> None:
    with pytest.raises(ConfigError, match="must be one of tpe, gp, nsga2, qmc, random"):
        drawn(state, 20, sampler="cma")


def test_an_empty_space_proposes_nothing_to_set() -> None:
    assert propose(RunState(a_plan()), Space(()), 0, seed=0, metric="uf1") == {}
