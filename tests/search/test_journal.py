from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from mersearch.errors import Interrupted, RunError
from mersearch.store import RunDirectory, RunWriter, TrialEnded
from tests.runs import Killed, a_run, a_session, execute, train


def dashboard(run: RunDirectory) -> list[optuna.trial.FrozenTrial]:
    """The trials as a dashboard reads them."""
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(run.path / "study.journal")))
    return optuna.load_study(study_name=run.name, storage=storage).trials


def shown(trials: list[optuna.trial.FrozenTrial]) -> list[Any]:
    return [(t.number, t.state, t.value, t.params, t.intermediate_values, t.user_attrs) for t in trials]


def test_the_journal_holds_the_plain_facts(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 12)
    with a_session(run, 13) as session:
        failing = session.next_trial()
        assert failing is not None
        session.report(failing.trial, [train(run.plan, failing.trial, failing.parameters, "db/00")])
        session.fail(failing.trial, "a NaN")
    states = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}
    expected = [
        (
            trial.number,
            states[trial.state],
            None if trial.state == "failed" else trial.score("uf1"),
            trial.parameters,
            {folds: trial.score("uf1", folds) for folds in range(1, trial.done + 1)},
            {"why": trial.why} if trial.why else {},
        )
        for trial in run.read().trials.values()
    ]
    assert {row[1] for row in expected} == set(states.values())
    assert shown(dashboard(run)) == expected


@pytest.mark.parametrize(
    ("second", "names"), [("none", ["UF1"]), ("seconds", ["UF1", "seconds per fold"])], ids=["one", "two"]
)
def test_a_dashboard_calls_the_objectives_by_their_names(
    tmp_path: Path, second: str, names: list[str]
) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run, second=second):
        pass
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(run.path / "study.journal")))
    assert optuna.load_study(study_name=run.name, storage=storage).metric_names == names


@pytest.mark.parametrize("damage", [b"", b"garbage\n", None])
def test_opening_a_writer_rebuilds_the_journal_from_the_run(tmp_path: Path, damage: bytes | None) -> None:
    run = a_run(tmp_path / "r")
    with pytest.raises(Killed):
        execute(run, 8, chunks=15)
    before = dashboard(run)
    assert before[-1].state == TrialState.RUNNING
    journal = run.path / "study.journal"
    if damage is None:
        journal.unlink()
    else:
        journal.write_bytes(damage)
    with a_session(run):
        pass
    assert shown(dashboard(run)) == shown(before)


def test_no_trial_stays_running_after_a_killed_and_resumed_search(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    for chunks in (3, 7, 1):
        with pytest.raises(Killed):
            execute(run, 8, chunks=chunks, workers=2)
    execute(run, 8, workers=2)
    assert len(dashboard(run)) == 8
    assert all(trial.state.is_finished() for trial in dashboard(run))


def test_where_the_log_of_a_killed_driver_holds_an_end_so_does_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(writer: RunWriter, *records: Any) -> None:
        append(writer, *records)
        if isinstance(records[0], TrialEnded):
            raise Killed

    append = RunWriter.append
    monkeypatch.setattr(RunWriter, "append", killed)
    run = a_run(tmp_path / "r")
    with pytest.raises(Killed):
        execute(run, 1)
    assert [trial.state for trial in run.read().trials.values()] == ["complete"]
    assert [trial.state for trial in dashboard(run)] == [TrialState.COMPLETE]


def test_a_stale_lock_of_a_journal_costs_no_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "r")
    (run.path / "study.journal.lock").write_text("left behind")
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits for a lock"))
    execute(run, 3)


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, Interrupted), (errno.EACCES, RunError)], ids=str)
@pytest.mark.parametrize("moment", ["proposal", "fold", "end"])
def test_a_journal_that_cannot_be_written_is_said_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], moment: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    run = a_run(tmp_path / "r")
    with a_session(run) as session:
        first = session.next_trial()
        assert first is not None
        fold = train(run.plan, first.trial, first.parameters, "db/00")
        action: dict[str, Callable[[], object]] = {
            "proposal": session.next_trial,
            "fold": lambda: session.report(first.trial, [fold]),
            "end": lambda: session.fail(first.trial, "NaN"),
        }
        monkeypatch.setattr(JournalFileBackend, "append_logs", refuse)
        with pytest.raises(error, match=r"study\.journal"):
            action[moment]()
        monkeypatch.undo()
    execute(run, 4)
    assert len(dashboard(run)) == 4
    assert all(trial.state.is_finished() for trial in dashboard(run))
