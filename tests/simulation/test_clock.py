from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from mersearch.errors import TrialFailure
from mersearch.search.session import Proposal, Session
from mersearch.simulation import Bill, Recorded, simulate
from mersearch.store import FoldPlan, FoldRecord, Memory, Parameters
from tests.runs import SPACE, a_plan, a_race, a_run, an_asha, execute, facts, train


class Fake:
    """Folds of the fake trainer; trial n takes n + 1 seconds per fold."""

    def __init__(self, plan: FoldPlan, failing: Sequence[int] = ()) -> None:
        self.plan, self.failing = plan, failing

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        if trial in self.failing:
            raise TrialFailure("a loss is finite", received="nan")
        record = train(self.plan, trial, parameters, subject)
        return dataclasses.replace(record, seconds=float(trial + 1))


class Log:
    """A search that hands out trials and writes down what happens to it."""

    def __init__(self, trials: int, chunk: int = 1) -> None:
        self.plan, self.trials, self.log = a_plan(4, chunk), trials, []  # type: ignore[var-annotated]

    def next_trial(self) -> Proposal | None:
        number = sum(kind == "next" for kind, *_ in self.log)
        if number >= self.trials:
            return None
        self.log.append(("next", number))
        return Proposal(number, {"algorithm.lr": 0.01 + number, "algorithm.head": "mlp"}, 0)

    def report(self, trial: int, folds: Sequence[FoldRecord]) -> bool:
        self.log.append(("report", trial, *(fold.subject for fold in folds)))
        return folds[-1].subject != self.plan.subjects[-1]

    def fail(self, trial: int, why: str) -> None:
        self.log.append(("fail", trial, why))


def test_reports_arrive_when_their_seconds_have_passed() -> None:
    search = Log(3)
    moments = list(simulate(search, Fake(search.plan), workers=2))
    # trial 0 reports at 1, 2, 3, 4; trial 1 at 2, 4, 6, 8; trial 2 starts at 4 and reports at 7, 10, 13, 16
    expected = [
        (1, 0),
        (2, 0),
        (2, 1),
        (3, 0),
        (4, 0),
        (4, 1),
        (6, 1),
        (7, 2),
        (8, 1),
        (10, 2),
        (13, 2),
        (16, 2),
    ]
    assert [(moment.seconds, moment.trial) for moment in moments] == expected
    assert search.log[:2] == [("next", 0), ("next", 1)]
    assert search.log.index(("next", 2)) == search.log.index(("report", 0, "db/03")) + 1


def test_a_chunk_is_reported_whole_and_takes_the_time_of_its_folds() -> None:
    search = Log(1, chunk=3)
    moments = list(simulate(search, Fake(search.plan)))
    assert [moment.seconds for moment in moments] == [3, 4]
    assert search.log[1:] == [("report", 0, "db/00", "db/01", "db/02"), ("report", 0, "db/03")]


def test_a_fold_is_billed_when_it_is_read() -> None:
    search = Log(2)
    bill = Bill(Fake(search.plan))
    billed = [(bill.folds, bill.seconds) for _ in simulate(search, bill, workers=2)]
    assert billed[0] == (3, 1 + 2 + 1)
    assert billed[-1] == (8, 4 * 1 + 4 * 2)


def test_a_trial_that_cannot_be_trained_fails_and_the_search_goes_on() -> None:
    search = Log(2)
    moments = list(simulate(search, Fake(search.plan, failing=(0,))))
    assert search.log[:3] == [("next", 0), ("fail", 0, "a loss is finite: nan"), ("next", 1)]
    assert [moment.trial for moment in moments] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("policy", [an_asha(), a_race(alpha=0.3)], ids=["asha", "race"])
def test_with_one_worker_a_simulation_is_the_search_itself(policy: object, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", a_plan(7, 2))
    execute(run, 9, policy=policy)
    memory = Memory(run.plan)
    options = {"space": SPACE, "trials": 9, "metric": "uf1", "seed": 7, "startup": 4}
    session = Session(memory, policy=policy, clock=lambda: 1000.0, **options)  # type: ignore[arg-type]
    for _ in simulate(session, Fake(run.plan)):
        pass
    assert facts(memory.state) == facts(run.read())


def test_a_recorded_run_gives_its_complete_trials_and_no_other(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 9)
    state = run.read()
    table = Recorded(state)
    complete, stopped = state.in_state("complete"), state.in_state("stopped")
    assert list(table.points) == [trial.parameters for trial in complete]
    found = table.fold(5, complete[1].parameters, "db/02")
    assert found.logits.tobytes() == complete[1].folds["db/02"].logits.tobytes()
    assert (found.trial, found.subject) == (5, "db/02")
    with pytest.raises(TrialFailure, match="a recorded table holds the complete trials of its run"):
        table.fold(5, stopped[0].parameters, "db/02")
