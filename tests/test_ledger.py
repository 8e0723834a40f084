from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch import ledger, selection
from mersearch.errors import Interrupted
from mersearch.honest import FILE, honest, keep, keep_if_free
from mersearch.ledger import Unreadable, competition, entries, ledger_path, read, record, recording
from mersearch.metrics import METRICS, confusion
from mersearch.nesting import put
from mersearch.search.policy import NoStopping, Policy
from mersearch.search.session import Session
from mersearch.seeds import digest
from mersearch.selection import correct
from mersearch.store import (
    FoldPlan,
    Recorder,
    RunDirectory,
    RunState,
    Trial,
    TrialEnded,
    TrialProposed,
    configuration,
    predictions,
)
from tests.runs import SPACE, a_plan, a_race, a_session, execute, train

CONFIG: dict[str, Any] = {
    "run": {"name": "r", "seed": 0},
    "search": {"metric": "uf1", "trials": 10},
    "algorithm": {"name": "x:Y", "lr": 0.5, "head": "linear", "width": 8, "mask": True},
    "macro": {"database": "none"},
    "preprocess": {"size": 16, "cache": "here"},
}


def a_run(
    path: Path,
    *,
    plan: FoldPlan | None = None,
    labels: str = "three",
    earlier: RunDirectory | None = None,
    **sections: Any,
) -> RunDirectory:
    provenance: dict[str, Any] = {
        "data": {"labels": labels, "databases": [{"name": "db", "label_file": "abc"}]}
    }
    if earlier is not None:
        provenance["warm_start"] = {"path": str(earlier.path)}
    return RunDirectory.create(
        path, config={**CONFIG, **sections}, provenance=provenance, plan=plan or a_plan(7)
    )


def searched(
    path: Path, trials: int = 10, seed: int = 7, policy: Policy | None = None, **more: Any
) -> RunDirectory:
    run = a_run(path, **more)
    execute(run, trials, seed=seed, **({"policy": policy} if policy else {}))
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


def test_what_an_earlier_run_of_another_root_was_chosen_from_counts_also_when_the_ledger_is_made_again(
    tmp_path: Path,
) -> None:
    there = [searched(tmp_path / "there" / name, 4, seed) for name, seed in (("r", 1), ("s", 2))]
    here = a_run(tmp_path / "here" / "r", earlier=there[0])
    execute(here, 4, seed=3)
    names = {entry.configuration for run in (*there, here) for entry in entries(run, run.read())}
    assert len(names) == 12
    for _ in range(2):
        record(here, here.read())
        assert {entry.configuration for entry in read(ledger_path(here))} == names
        assert len(read(ledger_path(there[0]))) == 8
        lines = ledger_path(here).read_bytes()
        record(here, here.read())
        assert ledger_path(here).read_bytes() == lines
        ledger_path(here).unlink()
    record(here, here.read())
    shutil.rmtree(tmp_path / "there")
    record(here, here.read())
    assert {entry.configuration for entry in read(ledger_path(here))} == names


def test_a_namesake_in_another_root_is_another_run(tmp_path: Path) -> None:
    runs = [searched(tmp_path / root / "r", 6, seed) for seed, root in enumerate(("one", "two"))]
    low, high = sorted(runs, key=best_score)
    assert best_score(low) < best_score(high)
    again = a_run(tmp_path / "three" / "r", earlier=high)
    execute(again, 6, seed=runs.index(low))
    record(again, again.read())
    best = again.read().best("uf1")
    assert best is not None
    assert best.score("uf1") == best_score(low)
    found, _ = competition(again, again.read(), best.number, "uf1")
    assert len(found.done) == 6, "what another run found better is not what this one was chosen from"


def best_score(run: RunDirectory) -> float:
    best = run.read().best("uf1")
    assert best is not None
    return best.score("uf1")


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


def test_the_ledger_of_several_databases_is_of_all_of_them_and_not_of_the_macro_database(
    tmp_path: Path,
) -> None:
    def path(name: str, *databases: str, macro: str = "none") -> Path:
        listed = [{"name": base, "label_file": f"hash of {base}"} for base in databases]
        run = RunDirectory.create(
            tmp_path / name,
            config={**CONFIG, "macro": {"database": macro}},
            provenance={"data": {"labels": "three", "databases": listed}},
            plan=a_plan(7),
        )
        return ledger_path(run)

    alone = path("alone", "db")
    assert path("macro", "db", "ckplus", macro="ckplus") == alone
    both = path("both", "db+samm")
    assert path("both-macro", "db+samm", "ckplus", macro="ckplus") == both
    assert len({alone, both, path("other", "db+smic")}) == 3
    same = ["db", "hash of db", sorted(map(list, zip(a_plan(7).subjects, a_plan(7).counts, strict=True)))]
    assert alone.name == f"{digest(same)[:16]}-three.jsonl", "ledgers of one database stay where they are"


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


def test_an_evaluation_of_the_best_of_a_search_is_corrected_for_the_same_competition_in_the_same_order(
    tmp_path: Path,
) -> None:
    run = searched(tmp_path / "search", 10, plan=a_plan(4))
    state = run.read()
    best = state.best("uf1")
    names = {entry.trial: entry.configuration for entry in ledger.entries(run, state)}
    assert best is not None
    assert names[best.number] != min(names.values()), "else the evaluation's own would be first in any order"
    evaluated = evaluation_of(run, best, tmp_path / "evaluation")
    answers = [
        competition(one, one.read(), number, "uf1") for one, number in ((run, best.number), (evaluated, 0))
    ]
    (found, place), (again, same_place) = answers
    assert place == same_place == sorted(names.values()).index(names[best.number])
    for field in dataclasses.fields(found):
        assert np.array_equal(getattr(found, field.name), getattr(again, field.name)), field.name


@pytest.mark.parametrize("alone", [False, True])
def test_what_would_not_have_won_is_never_credited_with_the_score_of_what_would(
    tmp_path: Path, alone: bool
) -> None:
    run = searched(tmp_path / "search", 10)
    complete = sorted(run.read().in_state("complete"), key=lambda trial: float(trial.score("uf1") or 0))
    third = complete[-3]
    assert third.score("uf1") < complete[-2].score("uf1")
    evaluated = evaluation_of(run, third, tmp_path / "evaluation")
    found, place = competition(evaluated, evaluated.read(), 0, "uf1", alone=alone)
    rivals = [METRICS["uf1"](counts.sum(0)) for counts in found.counts[found.panel]]
    assert max(rivals) == third.score("uf1") == METRICS["uf1"](found.counts[place].sum(0))
    assert len(found.done) == 8, "all but the two that are better"


def evaluation_of(run: RunDirectory, trial: Trial, path: Path) -> RunDirectory:
    """A run of one trial: that configuration, with the same predictions."""
    values = copy.deepcopy(CONFIG)
    for key, value in trial.parameters.items():
        put(values, key, value)
    other = a_run(path, plan=run.plan, algorithm=values["algorithm"])
    own = {"trial": 0, "configuration": configuration({})}
    with other.writer() as writer, recording(other, writer) as recorder:
        recorder.append(TrialProposed(0, {}, 0))
        recorder.append(*(dataclasses.replace(trial.folds[name], **own) for name in run.plan.subjects))
        recorder.append(TrialEnded(0, "complete", "", len(run.plan)))
    return other


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
    by_name = sorted(ledger.entries(run, state), key=lambda entry: entry.configuration)
    place = {entry.trial: place for place, entry in enumerate(by_name)}
    for trial in state.trials.values():
        assert found.done[place[trial.number]].sum() == (7 if trial.state == "failed" else trial.done)
        assert found.panel[place[trial.number]] == (trial.state == "complete")
    failed = found.counts[place[9]]
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


def search_on(run: RunDirectory, writer: Recorder, trials: int) -> Iterator[int]:
    """The search as a driver makes it; yields the number of every trial whose end is told."""
    session = Session(
        writer, space=SPACE, trials=trials, metric="uf1", policy=NoStopping(), seed=7, clock=lambda: 1000.0
    )
    while proposal := session.next_trial():
        for subject in run.plan.subjects[proposal.done :]:
            session.report(proposal.trial, [train(run.plan, proposal.trial, proposal.parameters, subject)])
        yield proposal.trial


def test_an_interrupted_search_is_recorded_and_the_interruption_counts(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with pytest.raises(Interrupted, match="enough"):
        interrupt(run, trials=3)
    assert [entry.state for entry in read(ledger_path(run))] == ["complete"] * 3


def interrupt(run: RunDirectory, trials: int) -> None:
    with run.writer() as writer, recording(run, writer) as recorder:
        for number in search_on(run, recorder, trials + 1):
            if number == trials - 1:
                raise Interrupted("enough")


def test_every_trial_is_in_the_ledger_when_it_ends_so_that_a_kill_loses_none(tmp_path: Path) -> None:
    run = a_run(tmp_path / "killed")
    child = os.fork()
    if not child:
        with run.writer() as writer, recording(run, writer) as recorder:
            for number in search_on(run, recorder, 5):
                if number == 3:
                    session_of_one_fold(run, recorder)
                    os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [entry.trial for entry in read(ledger_path(run))] == [0, 1, 2, 3]
    other = searched(tmp_path / "other", 3, seed=8, policy=NoStopping())
    competing = [run.read().best("uf1"), other.read().best("uf1")]
    for one, best in zip((run, other), competing, strict=True):
        assert best is not None
        found, _ = competition(one, one.read(), best.number, "uf1")
        top = best.score("uf1") == max(each.score("uf1") or 0.0 for each in competing if each)
        assert len(found.done) == (8 if top else len(one.read().trials)), (
            "the trial that was running counts too"
        )
    with run.writer() as writer, recording(run, writer):
        pass
    assert [
        (entry.trial, len(entry.counts)) for entry in read(ledger_path(run)) if entry.run == "killed"
    ] == [
        (0, 7),
        (1, 7),
        (2, 7),
        (3, 7),
        (4, 1),
    ]


def session_of_one_fold(run: RunDirectory, writer: Recorder) -> None:
    """The next trial begins."""
    number, parameters = len(writer.state.trials), {"algorithm.lr": 0.01, "algorithm.head": "mlp"}
    writer.append(TrialProposed(number, parameters, 0))
    fold = train(run.plan, number, parameters, run.plan.subjects[0])
    writer.append(dataclasses.replace(fold, configuration=configuration(parameters)))


def test_a_run_that_is_not_recorded_competes_although_there_is_a_ledger(tmp_path: Path) -> None:
    runs = [searched(tmp_path / "one", 8), a_run(tmp_path / "two")]
    execute(runs[1], 8, seed=8)
    assert {entry.run for entry in read(ledger_path(runs[0]))} == {"one"}
    bests = [(best.score("uf1") or 0.0, run) for run in runs if (best := run.read().best("uf1"))]
    _, winner = max(bests, key=lambda each: each[0])
    best = winner.read().best("uf1")
    assert best is not None
    found, _ = competition(winner, winner.read(), best.number, "uf1")
    assert len(found.done) == 16


def test_the_folds_of_a_run_that_is_all_in_the_ledger_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = searched(tmp_path / "one", 8), searched(tmp_path / "two", 8, seed=8)
    states = {run.name: run.read() for run in (one, two)}
    monkeypatch.setattr(RunDirectory, "read", None)
    for run in (one, two):
        best = states[run.name].best("uf1")
        assert best is not None
        competition(run, states[run.name], best.number, "uf1")


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


@pytest.mark.parametrize("constant", ["VERSION", "REPEATS", "DRAWS", "SHRINKAGE", "CONCENTRATION", "FLOOR"])
def test_a_kept_score_counts_only_for_the_rule_that_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    run = searched(tmp_path / "r", 4)
    state = run.read()
    assert keep(run, state) == honest(run, state, patient=False)
    monkeypatch.setattr(selection, constant, getattr(selection, constant) * 2)
    monkeypatch.setattr("mersearch.honest.QUICK", 0)
    found = honest(run, state, patient=False)
    assert found is not None
    assert not found.current


def test_a_score_is_kept_in_passing_only_where_nobody_works_on_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched(tmp_path / "r", 4)
    with run.writer() as writer:
        busy = keep_if_free(run, writer.state)
        assert not (run.path / FILE).exists()
    found = keep_if_free(run, run.read())
    assert found == busy
    monkeypatch.setattr("mersearch.honest.correct", None)
    assert honest(run, run.read()) == keep_if_free(run, run.read()) == found


def test_a_ledger_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    run = searched(tmp_path / "r", 4)
    ledger_path(run).unlink()
    ledger_path(run).mkdir()
    with pytest.raises(Unreadable, match=r"(?s)ledger must be readable.*-three.jsonl: .*run.ledger"):
        honest(run, run.read())


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
