"""Given points are run before the sampler proposes, and only what they leave open is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from mersearch.search.policy import NoStopping
from mersearch.search.study import propose, seen
from mersearch.space import Choice, Space
from mersearch.store import RunState
from tests.runs import SPACE, Killed, a_plan, a_run, a_session, execute, facts
from tests.search.test_journal import dashboard

WHOLE = {"algorithm.lr": 0.03, "algorithm.head": "mlp", "algorithm.width": 7, "algorithm.mask": False}
PART = {"algorithm.head": "linear", "algorithm.mask": True}
BESIDE = {**WHOLE, "algorithm.width": 8, "algorithm.optimiser": "sgd"}
POINTS = (WHOLE, PART, BESIDE)


def test_points_are_the_first_trials_and_the_sampler_completes_them(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 6, points=POINTS, policy=NoStopping())
    trials = [trial.parameters for trial in run.read().trials.values()]
    assert (trials[0], trials[2]) == (WHOLE, BESIDE)
    assert PART.items() <= trials[1].items()
    assert trials[1].keys() == {*PART, "algorithm.lr"}, "a width exists with an mlp only"
    for parameters in (trials[0], trials[1], *trials[3:]):
        SPACE.validate(parameters)
    assert len(trials) == 6


def test_a_search_with_points_repeats_and_goes_on_the_same(tmp_path: Path) -> None:
    whole, halting = a_run(tmp_path / "whole"), a_run(tmp_path / "halting")
    execute(whole, 6, points=POINTS)
    for chunks in (0, 1, 7):
        with pytest.raises(Killed):
            execute(halting, 6, points=POINTS, chunks=chunks)
    execute(halting, 6, points=POINTS)
    assert facts(halting.read()) == facts(whole.read())


def test_points_alone_are_a_whole_search_in_their_order(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    points: list[dict[str, Any]] = [{"algorithm.a": number} for number in (3, 1, 2)]
    with a_session(run, 3, space=Space(()), points=points, policy=NoStopping()) as session:
        handed = [session.next_trial() for _ in range(4)]
        assert not session.exhausted
    assert [proposal and proposal.parameters for proposal in handed] == [*points, None]


def test_a_point_whose_completions_were_all_there_leaves_its_number_to_the_sampler(tmp_path: Path) -> None:
    space = Space((Choice("a", (1, 2)), Choice("b", (1, 2))))
    points = ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1})
    with a_session(a_run(tmp_path / "r"), 9, space=space, points=points) as session:
        handed = [proposal.parameters for proposal in iter(session.next_trial, None) if proposal]
        assert session.exhausted
    assert handed[:2] == [*points[:2]]
    assert sorted(p["b"] for p in handed[2:]) == [1, 2]
    assert [p["a"] for p in handed[2:]] == [2, 2]


def test_the_sampler_learns_from_points_of_the_space_and_from_no_other(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 3, points=POINTS, policy=NoStopping())
    found = seen(run.read(), SPACE, "uf1")
    assert [trial.state for trial in found] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert found[0].params == WHOLE


def test_what_a_point_sets_beside_the_space_is_an_attribute_in_the_dashboard(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 3, points=POINTS, policy=NoStopping())
    for again in range(2):
        shown = dashboard(run)
        assert shown[0].params == WHOLE
        assert shown[2].params == {path: value for path, value in BESIDE.items() if path in WHOLE}
        assert shown[2].user_attrs == {"algorithm.optimiser": "sgd"}
        assert all(trial.state == TrialState.COMPLETE for trial in shown), again
        execute(run, 3, points=POINTS)


def test_a_proposal_keeps_every_given_value() -> None:
    for sampler in ("tpe", "random"):
        found = propose(
            RunState(a_plan()),
            SPACE,
            0,
            seed=1,
            metric="uf1",
            sampler=sampler,
            point={"algorithm.width": 5, **PART},
        )
        assert found["algorithm.head"] == "linear"
        assert found["algorithm.mask"] is True
