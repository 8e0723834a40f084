from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch import ledger
from mersearch.errors import Interrupted
from mersearch.honest import FILE, honest, keep
from mersearch.ledger import competition, ledger_path, read, record, recording
from mersearch.metrics import confusion
from mersearch.search.policy import NoStopping
from mersearch.selection import correct
from mersearch.store import FoldPlan, RunDirectory, RunState, TrialProposed, configuration, predictions
from tests.runs import a_plan, a_race, a_session, execute, train

CONFIG: dict[str, Any] = {
    "run": {"name": "r", "seed": 0},
    "search": {"metric": "uf1", "trials": 10},
    "algorithm": {"name": "x:Y", "lr": 0.5, "head": "linear", "width": 8, "mask": True},
    "macro": {"database": "none"},
    "preprocess": {"size": 16, "cache": "here"},
}


def a_run(
    path: Path, *, plan: FoldPlan | None = None, labels: str = "three", **sections: Any
) -> RunDirectory:
    provenance = {"data": {"labels": labels, "databases": [{"name": "db", "label_file": "abc"}]}}
    return RunDirectory.create(
        path, config={**CONFIG, **sections}, provenance=provenance, plan=plan or a_plan(7)
    )


def searched(path: Path, trials: int = 10, seed: int = 7, **more: Any) -> RunDirectory:
    run = a_run(path, **more)
    execute(run, trials, seed=seed)
    record(run, run.read())
    return run


def test_a_ledger_holds_the_counts_of_every_finished_fold(tmp_path: Path) -> None:
    run = searched(tmp_path / "r")
    state = run.read()
    found = read(ledger_path(run))
    assert ledger_path(run).parent == tmp_path / "ledger"
    assert ledger_path(run).name.endswith("-three.jsonl")
    assert [entry.trial for entry in found] == list(state.trials)
    for entry in found:
        trial = state.trials[entry.trial]
        assert (entry.run, entry.state, set(entry.counts)) == ("r", trial.state, set(trial.folds))
        for subject, fold in trial.folds.items():
            expected = confusion(fold.labels, predictions(fold), 3)
            assert entry.counts[subject] == expected.tolist()


def test_recording_again_writes_nothing_and_a_deeper_trial_one_line(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 4, policy=NoStopping())
    record(run, run.read())
    before = ledger_path(run).read_bytes()
    record(run, run.read())
    assert ledger_path(run).read_bytes() == before
    execute(run, 5, policy=NoStopping())
    record(run, run.read())
    assert ledger_path(run).read_bytes().startswith(before)
    assert ledger_path(run).read_bytes().count(b"\n") == 5


def test_a_running_trial_is_replaced_when_it_went_on(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 2, policy=NoStopping())
    log = run.path / "trials.jsonl"
    whole, folds = log.read_bytes(), (run.path / "folds.jsonl").read_bytes()
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    (run.path / "folds.jsonl").write_bytes(b"".join(folds.splitlines(keepends=True)[:10]))
    record(run, run.read())
    assert [(entry.state, len(entry.counts)) for entry in read(ledger_path(run))] == [
        ("complete", 7),
        ("running", 3),
    ]
    log.write_bytes(whole)
    (run.path / "folds.jsonl").write_bytes(folds)
    record(run, run.read())
    assert [(entry.state, len(entry.counts)) for entry in read(ledger_path(run))] == [("complete", 7)] * 2


def test_a_torn_line_is_passed_over_and_written_again(tmp_path: Path) -> None:
    run = searched(tmp_path / "r", 5)
    path, state = ledger_path(run), run.read()
    whole = read(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert [entry.trial for entry in read(path)] == [0, 1, 2, 3]
    record(run, state)
    assert read(path) == whole


def test_rows_of_a_deleted_run_stay_and_a_lost_ledger_is_rebuilt_from_the_runs(tmp_path: Path) -> None:
    first, second = searched(tmp_path / "one", 5), searched(tmp_path / "two", 5, seed=8)
    everything = {entry.configuration for entry in read(ledger_path(first))}
    assert len(everything) == 10
    ledger_path(first).unlink()
    record(second, second.read())
    assert {entry.configuration for entry in read(ledger_path(first))} == everything
    shutil.rmtree(first.path)
    record(second, second.read())
    assert {entry.configuration for entry in read(ledger_path(second))} == everything


def test_run_ledger_names_a_folder_that_runs_of_several_roots_share(tmp_path: Path) -> None:
    section = {"name": "r", "seed": 0, "ledger": str(tmp_path / "shared")}
    runs = [searched(tmp_path / root / "r", 4, seed, run=section) for seed, root in enumerate(("one", "two"))]
    paths = {ledger_path(run) for run in runs}
    assert [path.parent for path in paths] == [tmp_path / "shared"]
    assert len(read(paths.pop())) == 8
    assert not (tmp_path / "one" / "ledger").exists()


def test_other_labels_and_other_clips_have_ledgers_of_their_own(tmp_path: Path) -> None:
    runs = [
        a_run(tmp_path / "a"),
        a_run(tmp_path / "b", labels="five"),
        a_run(tmp_path / "c", plan=a_plan(8)),
        a_run(tmp_path / "d", plan=a_plan(7, chunk=3)),
    ]
    paths = [ledger_path(run) for run in runs]
    assert len(set(paths)) == 3
    assert paths[3] == paths[0]


def test_a_configuration_is_the_same_searched_or_fixed_and_another_with_another_seed(tmp_path: Path) -> None:
    run = searched(tmp_path / "r", 3)
    entry, trial = read(ledger_path(run))[0], run.read().trials[0]
    fixed = {**CONFIG["algorithm"], **{path.rpartition(".")[2]: v for path, v in trial.parameters.items()}}
    for name, sections, same in (
        ("fixed", {"algorithm": fixed}, True),
        ("elsewhere", {"algorithm": fixed, "preprocess": {"size": 16, "cache": "there"}}, True),
        ("larger", {"algorithm": fixed, "preprocess": {"size": 32, "cache": "here"}}, False),
        ("reseeded", {"algorithm": fixed, "run": {"seed": 1}}, False),
    ):
        assert (pinned(tmp_path / name, sections) == entry.configuration) == same, name


def pinned(path: Path, sections: dict[str, Any]) -> str:
    """Configuration of the one trial of a run without a space."""
    run = a_run(path, **sections)
    state = searched_once(run)
    return ledger.entries(run, state)[0].configuration


def searched_once(run: RunDirectory) -> RunState:
    """One fold of a trial without parameters."""
    fold = train(run.plan, 0, {"algorithm.lr": 0.01, "algorithm.head": "mlp"}, run.plan.subjects[0])
    with run.writer() as writer:
        writer.append(TrialProposed(0, {}, 0))
        writer.append(dataclasses.replace(fold, configuration=configuration({})))
        return writer.state


def test_the_competition_is_everything_in_the_ledger_for_its_best(tmp_path: Path) -> None:
    one, two = searched(tmp_path / "one", 8), searched(tmp_path / "two", 8, seed=8)
    bests = {run.name: run.read().best("uf1") for run in (one, two)}
    scores = {name: best.score("uf1") for name, best in bests.items() if best}
    for run in (one, two):
        best = bests[run.name]
        assert best is not None
        found, place = competition(run, run.read(), best.number, "uf1")
        top = scores[run.name] == max(scores.values())
        assert len(found.done) == (16 if top else 8)
        assert np.array_equal(found.counts[place].sum(0), best.confusions[-1])
        assert place == best.number


def test_stopped_trials_compete_with_the_folds_they_have_and_failed_ones_as_majority(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 9)
    with a_session(run, 10) as session:
        proposal = session.next_trial()
        assert proposal is not None
        session.fail(proposal.trial, "NaN")
    state = run.read()
    found, _ = competition(run, state, state.ranking("uf1")[0].number, "uf1")
    clips = np.array(run.plan.counts)
    for trial in state.trials.values():
        assert found.done[trial.number].sum() == (7 if trial.state == "failed" else trial.done)
        assert found.panel[trial.number] == (trial.state == "complete")
    failed = found.counts[9]
    majority = clips.sum(0).argmax()
    assert np.array_equal(failed[:, :, majority], clips)
    assert failed.sum() == clips.sum()


def more_clips(rows: list[list[Any]]) -> None:
    rows[0][0] += 1


def a_row_of_another_length(rows: list[list[Any]]) -> None:
    rows[0] = [sum(rows[0]), 0, 0, 0]


def another_number_of_rows(rows: list[list[Any]]) -> None:
    rows.append([0, 0, 0])


def a_negative_count(rows: list[list[Any]]) -> None:
    rows[0] = [sum(rows[0]) + 1, -1, 0]


def a_fraction(rows: list[list[Any]]) -> None:
    rows[0] = [sum(rows[0]) - 0.5, 0.5, 0]


@pytest.mark.parametrize(
    "spoil", [more_clips, a_row_of_another_length, another_number_of_rows, a_negative_count, a_fraction]
)
def test_a_line_that_is_no_count_of_these_clips_does_not_compete_and_hides_no_other(
    tmp_path: Path, spoil: Callable[[list[list[Any]]], None]
) -> None:
    run = searched(tmp_path / "r", 6)
    whole = ledger_path(run).read_bytes()
    line = json.loads(whole.splitlines()[0])
    spoil(line["counts"][run.plan.subjects[0]])
    stranger = {**line, "configuration": "other"}
    ledger_path(run).write_text(f"{json.dumps(stranger)}\n{json.dumps(line)}\n")
    state = run.read()
    found, _ = competition(run, state, state.ranking("uf1")[0].number, "uf1")
    assert len(found.done) == 6
    record(run, state)
    assert ledger_path(run).read_bytes().endswith(whole)


def test_an_interrupted_search_is_recorded_and_the_interruption_counts(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    execute(run, 3)
    with pytest.raises(Interrupted, match="enough"), recording(run, run.read()):
        raise Interrupted("enough")
    assert len(read(ledger_path(run))) == 3
    with recording(run, run.read()):
        execute(run, 4)


def test_the_honest_score_is_the_corrected_one_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched(tmp_path / "r", 12)
    state = run.read()
    best = state.best("uf1")
    assert best is not None
    found = keep(run, state)
    expected = correct(*competition(run, state, best.number, "uf1"), "uf1")
    assert found is not None
    assert (found.trial, found.naive["uf1"]) == (best.number, best.score("uf1"))
    assert (found.corrected["uf1"], found.interval) == (expected.corrected, (expected.low, expected.high))
    assert (found.configurations, found.complete) == (12, len(state.in_state("complete")))
    monkeypatch.setattr("mersearch.honest.correct", None)
    assert honest(run, state) == found


def test_without_patience_a_large_ledger_gives_the_kept_score_and_says_that_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched(tmp_path / "r", 8)
    state = run.read()
    monkeypatch.setattr("mersearch.honest.QUICK", 0)
    assert honest(run, state, patient=False) is None
    found = keep(run, state)
    assert honest(run, state, patient=False) == found
    execute(run, 12, policy=a_race())
    old = honest(run, run.read(), patient=False)
    assert old is not None
    assert not old.current
    assert any("earlier" in line for line in old.lines())
    new = honest(run, run.read())
    assert new is not None
    assert (new.configurations, new.current) == (12, True)
    (run.path / FILE).write_text("{")
    assert honest(run, run.read()) == new


def test_the_words_fit_and_few_subjects_are_said(tmp_path: Path) -> None:
    run = searched(tmp_path / "r", 8)
    found = honest(run, run.read())
    assert found is not None
    text = found.lines()
    assert max(map(len, text)) <= 78
    assert any("7 subjects are too few" in line for line in text)
    assert any("8 configurations" in line for line in text)


def test_a_run_without_a_complete_trial_has_no_honest_score(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    assert honest(run, run.read()) is None
    assert keep(run, run.read()) is None
    assert not (run.path / FILE).exists()
