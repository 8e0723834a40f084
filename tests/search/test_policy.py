from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mersearch.metrics import METRICS
from mersearch.search.policy import NoStopping, Policy, Snapshot, replay
from tests.runs import a_plan, a_race, a_run, a_session, an_asha, execute, train


def pooled(*folds: tuple[int, int]) -> np.ndarray:
    """Pooled counts [m + 1, 2, 2] of folds given as (right, wrong) clips of each class."""
    counts = [np.zeros((2, 2), int)]
    counts += [np.array([[right, wrong], [wrong, right]]) for right, wrong in folds]
    return np.cumsum(counts, axis=0)


@pytest.mark.parametrize("policy", [NoStopping(), an_asha(), an_asha(eta=4, min_peers=0), a_race()], ids=str)
@pytest.mark.parametrize("folds", range(1, 30))
def test_every_policy_looks_in_ascending_order_before_the_last_fold(policy: Policy, folds: int) -> None:
    looks = policy.looks(folds)
    assert list(looks) == sorted(set(looks))
    assert all(2 <= look < folds for look in looks)


@pytest.mark.parametrize("policy", [NoStopping(), an_asha(min_peers=0), a_race(first=1)], ids=str)
def test_every_policy_decides_the_same_again_and_leaves_its_input_alone(policy: Policy) -> None:
    counts = {number: pooled((number, 5), (3, number)) for number in range(1, 6)}
    before = {number: value.copy() for number, value in counts.items()}
    snapshot = Snapshot("uf1", 8, counts)
    verdicts = [policy.decide(snapshot, 2, counts[2]) for _ in range(2)]
    assert verdicts[0] == verdicts[1]
    assert (verdicts[0].trial, verdicts[0].folds) == (2, 2)
    assert verdicts[0].value == METRICS["uf1"](counts[2][-1])
    assert all(np.array_equal(counts[number], before[number]) for number in counts)


def test_without_stopping_the_worst_trial_goes_on() -> None:
    snapshot = Snapshot("uf1", 8, {0: pooled((5, 0), (5, 0)), 1: pooled((0, 5), (0, 5))})
    assert NoStopping().decide(snapshot, 1, pooled((0, 5), (0, 5))).keep


def test_peers_are_compared_on_the_same_folds() -> None:
    counts = {0: pooled((1, 4), (4, 1), (5, 0)), 1: pooled((2, 3)), 2: pooled((3, 2), (1, 4))}
    snapshot = Snapshot("accuracy", 8, counts)
    assert snapshot.peers(2, 2) == {0: pytest.approx(5 / 10)}
    assert snapshot.peers(2, 1) == {0: pytest.approx(1 / 5), 1: pytest.approx(2 / 5)}
    assert snapshot.peers(9, 3) == {0: pytest.approx(10 / 15)}


def test_a_snapshot_of_a_run_holds_every_trial_but_failed_ones(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 9)
    with a_session(run, 11) as session:
        failing, running = session.next_trial(), session.next_trial()
        assert failing is not None
        assert running is not None
        session.report(running.trial, [train(run.plan, running.trial, running.parameters, "db/00")])
        session.fail(failing.trial, "NaN")
    state = run.read()
    states = {number: trial.state for number, trial in state.trials.items()}
    assert set(states.values()) == {"running", "stopped", "complete", "failed"}
    snapshot = Snapshot.of(state, "uf1")
    assert set(snapshot.confusions) == {number for number, found in states.items() if found != "failed"}
    assert len(snapshot.confusions[running.trial]) == 2


@pytest.mark.parametrize("policy", [an_asha(), a_race(alpha=0.3)], ids=str)
@pytest.mark.parametrize("workers", [1, 3])
def test_every_logged_verdict_is_made_again_from_the_trials_it_names(
    tmp_path: Path, policy: Policy, workers: int
) -> None:
    run = a_run(tmp_path / "r", a_plan(9))
    execute(run, 14, policy=policy, workers=workers)
    state = run.read()
    verdicts = [verdict for trial in state.trials.values() for verdict in trial.verdicts.values()]
    assert {verdict.keep for verdict in verdicts} == {True, False}
    for verdict in verdicts:
        assert replay(state, policy, "uf1", verdict) == verdict
