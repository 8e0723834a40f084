from __future__ import annotations

from pathlib import Path

from mersearch.audit import audit, audit_lines
from tests.runs import a_plan, a_race, a_run, execute


def test_spared_trials_are_counted_and_compared_with_the_best_of_their_moment(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", a_plan(9))
    race = a_race(alpha=0.45, audit=1.0)
    execute(run, 14, policy=race)
    state = run.read()
    assert len(state.in_state("complete")) == 14
    spared, above = 0, 0
    for number, trial in state.trials.items():
        before = [state.trials[k].score("uf1") for k in range(number)]
        for folds in race.looks(9):
            verdict = trial.verdicts[folds]
            basis = verdict.basis
            if basis and basis["gap"] < basis["limit"]:
                spared += 1
                above += trial.score("uf1") > max(before)
                break
    assert spared
    assert audit(state, "uf1") == {"spared": spared, "above": above}
    assert audit_lines(state, "uf1") == [
        f"({above} of {spared} trials spared as an audit ended above the best of then)"
    ]


def test_without_an_audit_nothing_is_said(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 8, policy=a_race())
    assert audit(run.read(), "uf1") == {"spared": 0, "above": 0}
    assert audit_lines(run.read(), "uf1") == []
