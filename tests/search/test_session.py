from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mersearch.search.policy import NoStopping
from mersearch.space import Choice, Space
from mersearch.store import RunDirectory, maps_path, progress
from mersearch.store.lines import Log
from tests.runs import Killed, a_plan, a_run, a_session, an_asha, execute, facts, train

TRIALS = 8
LOGS = ("trials.jsonl", "folds.jsonl", "verdicts.jsonl")
KILLED = """
import os, signal, sys
from pathlib import Path
from mersearch.store import RunDirectory
from tests.runs import execute
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
execute(RunDirectory.open(Path(sys.argv[1])), 8, chunks=int(sys.argv[2]), death=kill)
"""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """No fsync: it matters when a machine loses power, and hundreds of restarts would wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield


@pytest.fixture(scope="module", params=[1, 2, 4], ids="chunk {}".format)
def chunk(request: pytest.FixtureRequest) -> int:
    value: int = request.param
    return value


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    """A finished search, and every write to its logs in order."""

    run: RunDirectory
    facts: dict[str, Any]
    logs: dict[str, bytes]
    writes: list[tuple[str, bytes]]
    folder: Path

    def copy(self, logs: dict[str, bytes]) -> RunDirectory:
        """A new run of the same plan with these logs."""
        number = len(list(self.folder.iterdir()))
        run = a_run(self.folder / str(number), self.run.plan)
        for name, data in logs.items():
            (run.path / name).write_bytes(data)
        return run


@pytest.fixture(scope="module")
def undisturbed(chunk: int, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("session")
    run = a_run(folder / "0", a_plan(7, chunk))
    writes: list[tuple[str, bytes]] = []
    real = Log.append

    def record(self: Log, lines: Any) -> None:
        writes.append((self.path.name, b"".join(lines)))
        real(self, lines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "append", record)
        execute(run, TRIALS)
    return Undisturbed(run, facts(run.read()), logs_of(run), writes, folder)


def logs_of(run: RunDirectory) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in LOGS}


def test_a_search_ends_with_complete_and_stopped_trials_and_nothing_running(undisturbed: Undisturbed) -> None:
    state = undisturbed.run.read()
    assert list(state.trials) == list(range(TRIALS))
    assert state.in_state("complete")
    assert state.in_state("stopped")
    assert not state.in_state("running", "failed")
    for trial in state.trials.values():
        assert (trial.state == "complete") == (trial.done == 7)
        kept = [verdict.keep for _, verdict in sorted(trial.verdicts.items())]
        assert kept == [True] * len(kept) if trial.state == "complete" else [True] * (len(kept) - 1) + [False]
    assert (state.duplicates, state.orphans) == (0, [])


def test_a_search_repeats_exactly(undisturbed: Undisturbed) -> None:
    again = undisturbed.copy({})
    execute(again, TRIALS)
    assert logs_of(again) == undisturbed.logs


def test_a_restart_at_any_fold_changes_nothing(undisturbed: Undisturbed) -> None:
    size = undisturbed.run.plan.chunk
    total = sum(-(-trial.done // size) for trial in undisturbed.run.read().trials.values())
    for chunks in range(total):
        run = undisturbed.copy({})
        with pytest.raises(Killed):
            execute(run, TRIALS, chunks=chunks)
        execute(run, TRIALS)
        assert logs_of(run) == undisturbed.logs, f"after {chunks} chunks"


def test_a_restart_before_every_fold_changes_nothing(undisturbed: Undisturbed) -> None:
    run = undisturbed.copy({})
    while True:
        try:
            execute(run, TRIALS, chunks=1)
        except Killed:
            continue
        break
    assert logs_of(run) == undisturbed.logs


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_crash_in_the_middle_of_any_write_changes_nothing(
    undisturbed: Undisturbed, data: st.DataObject
) -> None:
    whole = data.draw(st.integers(0, len(undisturbed.writes) - 1), label="whole writes")
    name, torn = undisturbed.writes[whole]
    cut = data.draw(st.integers(0, len(torn)), label="bytes of the next")
    logs = dict.fromkeys(LOGS, b"")
    for file, written in [*undisturbed.writes[:whole], (name, torn[:cut])]:
        logs[file] += written
    run = undisturbed.copy(logs)
    execute(run, TRIALS)
    assert logs_of(run) == undisturbed.logs
    assert facts(run.read()) == undisturbed.facts


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_logs_that_lost_their_ends_give_the_same_trials_and_folds(
    undisturbed: Undisturbed, data: st.DataObject
) -> None:
    logs = {}
    for name in LOGS:
        content = (undisturbed.run.path / name).read_bytes()
        start = sum(len(line) for line in content.splitlines(keepends=True)[:-4])
        logs[name] = content[: data.draw(st.integers(start, len(content)), label=name)]
    run = undisturbed.copy(logs)
    execute(run, TRIALS)
    assert without_verdicts(facts(run.read())) == without_verdicts(undisturbed.facts)


def without_verdicts(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "trials": [row[:-1] for row in found["trials"]]}


def test_a_killed_driver_is_replaced_at_once_and_the_search_ends_the_same(undisturbed: Undisturbed) -> None:
    run = undisturbed.copy({})
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(run.path), "5"], cwd=root)
    assert killed.returncode == -signal.SIGKILL
    assert run.read().trials
    execute(run, TRIALS)
    assert facts(run.read()) == undisturbed.facts


def test_a_longer_search_goes_on_where_a_shorter_one_ended(undisturbed: Undisturbed) -> None:
    run = undisturbed.copy({})
    execute(run, 3)
    execute(run, TRIALS)
    assert facts(run.read()) == undisturbed.facts


@pytest.mark.parametrize("workers", [2, 3])
def test_with_several_workers_every_configuration_has_its_own_predictions(
    tmp_path: Path, workers: int
) -> None:
    run = a_run(tmp_path / "r", a_plan(7, 2))
    for chunks in (4, 9):
        with pytest.raises(Killed):
            execute(run, TRIALS, chunks=chunks, workers=workers)
    execute(run, TRIALS, workers=workers)
    state = run.read()
    assert (len(state.trials), state.duplicates, state.in_state("running")) == (TRIALS, 0, [])
    for trial in state.trials.values():
        for fold in state.folds(trial.number):
            expected = train(run.plan, trial.number, trial.parameters, fold.subject)
            assert fold.logits.tobytes() == expected.logits.tobytes()


def test_running_trials_are_adopted_lowest_first_with_their_finished_folds(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run) as session:
        first, second = session.next_trial(), session.next_trial()
        assert first is not None
        assert second is not None
        assert session.report(second.trial, [train(run.plan, 1, second.parameters, "db/00")])
    with a_session(run) as session:
        adopted = [session.next_trial() for _ in range(3)]
    assert [(p.trial, p.done) for p in adopted if p] == [(0, 0), (1, 1), (2, 0)]
    assert adopted[0] == first
    assert adopted[1] == dataclasses.replace(second, done=1)


def test_no_more_trials_are_handed_out_than_planned(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run, 2) as session:
        assert [p.trial for p in (session.next_trial(), session.next_trial()) if p] == [0, 1]
        assert session.next_trial() is None
    with a_session(run, 1) as session:
        assert [p.trial for p in (session.next_trial(), session.next_trial()) if p] == [0, 1]
        assert session.next_trial() is None


def test_predictions_that_are_not_finite_fail_the_trial(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run) as session:
        proposal = session.next_trial()
        assert proposal is not None
        record = train(run.plan, 0, proposal.parameters, "db/00")
        bad = dataclasses.replace(record, logits=np.where(record.logits > 0, np.nan, record.logits))
        assert not session.report(0, [bad])
        assert not session.report(0, [record])
    trial = run.read().trials[0]
    assert (trial.state, trial.why, trial.folds) == ("failed", "predictions of fold db/00 are not finite", {})


def test_a_search_goes_on_without_failed_trials_and_has_no_best_when_all_fail(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run, 3) as session:
        while proposal := session.next_trial():
            session.fail(proposal.trial, "an exception")
            session.fail(proposal.trial, "told twice")
        assert session.best() is None
        assert session.progress().count("failed") == 3
        assert session.progress().finished
    assert [trial.why for trial in run.read().trials.values()] == ["an exception"] * 3


def test_folds_that_are_stored_already_are_not_stored_again(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run) as session:
        proposal = session.next_trial()
        assert proposal is not None
        fold = partial(train, run.plan, 0, proposal.parameters)
        assert session.report(0, [fold("db/00")])
        assert session.report(0, [fold("db/00", attempt=1)])
        assert session.report(0, [fold("db/00", attempt=1), fold("db/01")])
    state = run.read()
    assert (state.trials[0].done, state.duplicates) == (2, 0)
    assert [record.attempt for record in state.folds(0)] == [0, 0]


def test_a_report_on_a_trial_that_is_over_changes_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, TRIALS)
    before = facts(run.read())
    with a_session(run, TRIALS) as session:
        for trial in run.read().in_state("stopped"):
            late = train(run.plan, trial.number, trial.parameters, run.plan.subjects[-1])
            assert not session.report(trial.number, [late])
    assert facts(run.read()) == before


def test_a_chunk_over_several_rungs_is_judged_at_each_in_order(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", a_plan(8, 6))
    policy = an_asha(rungs=(0.25, 0.5, 0.75), min_peers=1)
    execute(run, TRIALS, policy=policy)
    seen = set()
    for trial in run.read().trials.values():
        rungs = tuple(trial.verdicts)
        if trial.state == "complete":
            assert rungs == (2, 4, 6)
        else:
            assert rungs == (2, 4, 6)[: len(rungs)]
            assert not trial.verdicts[rungs[-1]].keep
        for folds, verdict in trial.verdicts.items():
            assert verdict.value == trial.score("uf1", folds)
        seen.add((trial.state, rungs))
    assert ("stopped", (2,)) in seen


def test_without_stopping_every_trial_is_complete_and_the_best_is_the_highest(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run, 4, policy=NoStopping()) as session:
        while proposal := session.next_trial():
            for subject in run.plan.subjects:
                going = session.report(
                    proposal.trial, [train(run.plan, proposal.trial, proposal.parameters, subject)]
                )
            assert not going
        best = session.best()
        scores = {t.trial: t.score for t in session.progress().trials}
    assert best is not None
    assert best.number == max(scores, key=lambda number: (scores[number], -number))
    assert not (run.path / "verdicts.jsonl").read_bytes()


def test_maps_are_kept_for_complete_trials_only(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with a_session(run, 10) as session:
        proposal = session.next_trial()
        while proposal:
            for subject in run.plan.subjects:
                record = train(run.plan, proposal.trial, proposal.parameters, subject)
                maps = np.full((len(record.labels), 14, 14), proposal.trial, np.uint8)
                if not session.report(proposal.trial, [dataclasses.replace(record, maps=maps)]):
                    break
            proposal = session.next_trial()
    state = run.read()
    assert {trial.state for trial in state.trials.values()} == {"complete", "stopped"}
    for trial in state.trials.values():
        paths = [maps_path(run.path, state, trial.number, subject) for subject in run.plan.subjects]
        assert [path.exists() for path in paths] == [trial.state == "complete"] * len(paths)


THREE = Space((Choice("algorithm.head", ("linear", "mlp", None)),))


def tried(run: RunDirectory, **more: Any) -> list[Any]:
    """The heads that a search of ten trials over `THREE` has tried when it has ended."""
    with a_session(run, 10, space=THREE, **more) as session:
        while proposal := session.next_trial():
            parameters = {"algorithm.lr": 0.01, **proposal.parameters}
            for subject in session.plan.subjects[proposal.done :]:
                record = train(run.plan, proposal.trial, parameters, subject)
                if not session.report(proposal.trial, [record]):
                    break
        assert session.exhausted
        assert session.next_trial() is None
        now = session.progress()
        assert (now.finished, now.coming, now.remaining) == (True, 0, 0.0)
        assert now.shortfall == "the space has no further configuration: 3 of 10 trials"
    return [trial.parameters["algorithm.head"] for trial in run.read().trials.values()]


@pytest.mark.parametrize("options", [{"sampler": "random"}, {"startup": 1}], ids=str)
def test_a_space_of_three_configurations_is_exhausted_after_three_trials(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    run = a_run(tmp_path / "r")
    found = tried(run, policy=NoStopping(), **options)
    assert sorted(found, key=str) == [None, "linear", "mlp"]
    before = logs_of(run)
    assert tried(run, policy=NoStopping(), **options) == found, "opening it again finds the same"
    assert logs_of(run) == before
    assert progress(run.read(), metric="uf1", planned=10).finished, (
        "the run itself says that no more will come"
    )


def test_redraws_are_the_same_after_every_restart(tmp_path: Path) -> None:
    whole, halting = a_run(tmp_path / "whole"), a_run(tmp_path / "halting")
    tried(whole)
    for _ in range(3):
        with a_session(halting, 10, space=THREE) as session:
            proposal = session.next_trial()
            assert proposal is not None
            parameters = {"algorithm.lr": 0.01, **proposal.parameters}
            for subject in halting.plan.subjects:
                if not session.report(
                    proposal.trial, [train(halting.plan, proposal.trial, parameters, subject)]
                ):
                    break
    tried(halting)
    assert logs_of(halting) == logs_of(whole)


def test_an_empty_space_holds_one_configuration(tmp_path: Path) -> None:
    with a_session(a_run(tmp_path / "r"), space=Space(())) as session:
        proposal = session.next_trial()
        assert proposal is not None
        session.fail(proposal.trial, "enough")
        assert not session.exhausted
        assert session.next_trial() is None
        assert session.exhausted
