from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch.errors import RunError
from mersearch.metrics import uf1
from mersearch.store import (
    FoldPlan,
    FoldRecord,
    RunDirectory,
    TrialEnded,
    TrialProposed,
    TrialRestarted,
    Verdict,
    configuration,
    maps_path,
    progress,
)
from tests.runs import a_plan, a_run, execute, facts, train

PARAMETERS: dict[str, Any] = {"algorithm.lr": 0.01, "algorithm.head": "mlp"}


def fold(plan: FoldPlan, trial: int, subject: str, **changes: Any) -> FoldRecord:
    changes = {"configuration": configuration(PARAMETERS), **changes}
    return dataclasses.replace(train(plan, trial, PARAMETERS, subject), **changes)


def proposed(run: RunDirectory, trials: int = 1) -> None:
    with run.writer() as writer:
        for number in range(trials):
            writer.append(TrialProposed(number, PARAMETERS, number))


def test_a_score_is_the_metric_of_the_counts_pooled_over_the_folds(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    with run.writer() as writer:
        for subject in run.plan.subjects:
            writer.append(fold(run.plan, 0, subject))
    trial = run.read().trials[0]
    counts = np.zeros((3, 3), int)
    assert trial.score("uf1", 0) is None
    for done, subject in enumerate(run.plan.subjects, 1):
        record = fold(run.plan, 0, subject)
        for row, label in enumerate(record.labels):
            counts[label, max(range(3), key=lambda c: record.logits[row, c])] += 1
        assert trial.score("uf1", done) == uf1(counts)
    assert trial.score("uf1") == uf1(counts)


def test_predictions_come_back_bit_for_bit(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    bits = np.random.default_rng(0).integers(0, 2**32, (5, 3), dtype=np.uint32).view(np.float32)
    logits = np.where(np.isfinite(bits), bits, np.float32(1e-45))
    record = fold(run.plan, 0, "db/01", clips=tuple("abcde"), labels=(0, 0, 2, 0, 0), logits=logits)
    with run.writer() as writer:
        writer.append(record)
    found = run.read().trials[0].folds["db/01"]
    assert found.logits.dtype == np.float32
    assert found.logits.tobytes() == logits.tobytes()
    assert (found.clips, found.labels, found.seconds, found.node) == (
        tuple("abcde"),
        (0, 0, 2, 0, 0),
        1.5,
        "here",
    )


def test_diagnostics_that_are_not_finite_are_stored_as_null(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    diagnostics = {"loss": [1.0, math.inf], "grad": np.float32(math.nan), "rate": np.float64(0.5)}
    with run.writer() as writer:
        writer.append(fold(run.plan, 0, "db/00", diagnostics=diagnostics))
        written = writer.state.trials[0].folds["db/00"].diagnostics
    assert written == run.read().trials[0].folds["db/00"].diagnostics
    assert written == {"loss": [1.0, None], "grad": None, "rate": 0.5}


def test_a_verdict_without_a_number_comes_back(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    verdict = Verdict(0, 2, False, "not a number", math.nan, (1, 2), configuration(PARAMETERS))
    with run.writer() as writer:
        writer.append(verdict)
    found = run.read().trials[0].verdicts[2]
    assert math.isnan(found.value)
    assert dataclasses.replace(found, value=0.0) == dataclasses.replace(verdict, value=0.0)


def test_the_first_of_two_attempts_at_a_fold_counts(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    first = fold(run.plan, 0, "db/00")
    second = dataclasses.replace(first, attempt=1, logits=-first.logits)
    with run.writer() as writer:
        writer.append(first)
        writer.append(second)
    state = run.read()
    assert state.duplicates == 1
    assert state.trials[0].folds["db/00"].logits.tobytes() == first.logits.tobytes()
    assert state.trials[0].done == 1


def test_only_whole_chunks_in_the_frozen_order_count_as_done(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", a_plan(subjects=7, chunk=3))
    proposed(run)
    subjects = run.plan.subjects
    expected, left = [], list(subjects)
    with run.writer() as writer:
        for index in (0, 1, 3, 4, 2, 5, 6):
            writer.append(fold(run.plan, 0, subjects[index]))
            expected.append(writer.state.trials[0].done)
            left.remove(subjects[index])
            assert writer.state.missing() == {0: tuple(left)}, "also what waits behind a gap is finished"
    assert expected == [0, 0, 0, 0, 3, 6, 7]
    assert [record.subject for record in run.read().folds(0)] == list(subjects)


def test_a_trial_whose_folds_were_lost_runs_again(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run, 2)
    with run.writer() as writer:
        for subject in run.plan.subjects:
            writer.append(fold(run.plan, 0, subject))
        writer.append(TrialEnded(0, "complete", "", 6))
        writer.append(fold(run.plan, 1, "db/00"))
        writer.append(TrialEnded(1, "failed", "NaN", 1))
    assert [(t.state, t.why) for t in run.read().trials.values()] == [("complete", ""), ("failed", "NaN")]
    log = run.path / "folds.jsonl"
    log.write_bytes(log.read_bytes()[:-1])
    assert [(t.state, t.why) for t in run.read().trials.values()] == [("complete", ""), ("running", "")]
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
    assert run.read().missing() == {0: run.plan.subjects[3:], 1: run.plan.subjects}


def test_folds_of_another_configuration_are_not_taken_for_this_trials(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    with run.writer() as writer:
        writer.append(fold(run.plan, 0, "db/00", configuration="another"))
        writer.append(Verdict(0, 1, False, "", 0.1, (), "another"))
    state = run.read()
    assert (state.trials[0].done, state.trials[0].verdicts, len(state.orphans)) == (0, {}, 2)


def test_what_a_trial_left_before_it_started_again_does_not_count_but_is_known(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    smaller = configuration(PARAMETERS, "loop")
    with run.writer() as writer:
        writer.append(fold(run.plan, 0, "db/00"), fold(run.plan, 0, "db/01"))
        writer.append(Verdict(0, 1, True, "", 0.1, (), configuration(PARAMETERS)))
        writer.append(TrialRestarted(0, "loop", "OutOfMemoryError"))
        writer.append(fold(run.plan, 0, "db/02"))
        writer.append(fold(run.plan, 0, "db/00", configuration=smaller, seconds=9.0))
        written = writer.state
    for state in (written, run.read()):
        trial = state.trials[0]
        assert (trial.backend, trial.configuration, trial.state) == ("loop", smaller, "running")
        assert [(name, found.seconds) for name, found in trial.folds.items()] == [("db/00", 9.0)]
        assert (trial.done, trial.verdicts) == (1, {})
        assert [found.subject for found in trial.discarded] == ["db/00", "db/01", "db/02"]
        assert (state.duplicates, state.orphans) == (0, [])
    with (
        run.writer() as writer,
        pytest.raises(ValueError, match="trial 1 starts again before it is proposed"),
    ):
        writer.append(TrialRestarted(1, "loop", ""))


def test_folds_whose_proposal_was_lost_wait_for_it(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    with run.writer() as writer:
        writer.append(fold(run.plan, 0, "db/00"))
        writer.append(Verdict(0, 1, True, "", 0.1, (), configuration(PARAMETERS)))
    (run.path / "trials.jsonl").write_bytes(b"")
    with run.writer() as writer:
        assert len(writer.state.orphans) == 2
        writer.append(TrialProposed(0, PARAMETERS, 0))
        assert writer.state.orphans == []
        assert (writer.state.trials[0].done, list(writer.state.trials[0].verdicts)) == (1, [1])


@pytest.mark.parametrize("changes", [{"subject": "db/99"}, {"labels": (0, 0, 0, 0, 0, 3)}], ids=str)
def test_a_fold_that_does_not_belong_to_the_plan_is_an_error(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    with run.writer() as writer:
        writer.append(fold(run.plan, 0, "db/00"))
    log = run.path / "folds.jsonl"
    line = json.loads(log.read_bytes())
    log.write_text(json.dumps({**line, **changes}) + "\n")
    with pytest.raises(RunError, match=r"folds\.jsonl, line 1: .*(subject db/99|clips per class)"):
        run.read()


def test_the_best_trial_is_the_first_of_the_highest_complete_ones(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run, 4)
    with run.writer() as writer:
        assert writer.state.best("uf1") is None
        for number, right in ((0, False), (1, True), (2, True), (3, True)):
            for subject in run.plan.subjects[: 3 if number == 1 else 6]:
                record = fold(run.plan, number, subject)
                logits = np.eye(3, dtype=np.float32)[list(record.labels)] if right else record.logits * 0
                writer.append(dataclasses.replace(record, logits=logits))
            writer.append(
                TrialEnded(number, "stopped" if number == 1 else "complete", "", 3 if number == 1 else 6)
            )
        best = writer.state.best("uf1")
    assert best is not None
    assert (best.number, best.score("uf1")) == (2, 1.0)


def test_what_a_writer_knows_is_what_a_reader_finds(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", a_plan(chunk=2))
    execute(run, 8, workers=2)
    state = run.read()
    with run.writer() as writer:
        assert facts(writer.state) == facts(state)
    assert state.duplicates == 0


def test_maps_are_kept_beside_the_log(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    maps = np.random.default_rng(0).integers(0, 256, (6, 14, 14), np.uint8)
    with run.writer() as writer:
        writer.append(fold(run.plan, 0, "db/02", maps=maps))
        path = maps_path(run.path, writer.state, 0, "db/02")
        assert path == run.path / "maps" / "00000" / "002.npy"
        assert np.array_equal(np.load(path), maps)
        writer.drop_maps(0)
        assert not path.exists()
    assert "maps" not in json.loads((run.path / "folds.jsonl").read_text())


def test_opening_a_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run, 3)
    maps = np.zeros((6, 14, 14), np.uint8)
    with run.writer() as writer:
        for number in range(3):
            writer.append(fold(run.plan, number, "db/00", maps=maps[: sum(run.plan.counts[0])]))
        writer.append(TrialEnded(1, "stopped", "place 2 of 2", 1), TrialEnded(2, "failed", "NaN", 1))
    torn = [run.path / ".config.yaml.0a.tmp", run.path / "maps" / "00000" / ".001.npy.0a.tmp"]
    for file in torn:
        file.touch()
    with run.writer():
        assert [folder.name for folder in (run.path / "maps").iterdir()] == ["00000"]
        assert not any(file.exists() for file in torn)


def test_progress_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    state = a_run(tmp_path / "r").read()
    now = progress(state, metric="uf1", planned=5)
    assert (now.trials, now.best, now.seconds_per_fold, now.remaining, now.finished) == (
        (),
        None,
        None,
        None,
        False,
    )


def test_the_remaining_time_counts_running_and_waiting_trials(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run, 3)
    with run.writer() as writer:
        for number, folds in ((0, 6), (1, 2), (2, 1)):
            for subject in run.plan.subjects[:folds]:
                writer.append(fold(run.plan, number, subject, seconds=float(number + 1)))
        writer.append(TrialEnded(0, "complete", "", 6))
        writer.append(TrialEnded(1, "stopped", "place 2 of 2", 2))
    state = run.read()
    mean = (6 * 1 + 2 * 2 + 1 * 3) / 9
    left = (6 - 1) + 2 * (6 + 2) / 2
    now = progress(state, metric="uf1", planned=5)
    assert now.seconds_per_fold == pytest.approx(mean)
    assert now.remaining == pytest.approx(mean * left)
    assert progress(state, metric="uf1", planned=5, slots=2).remaining == pytest.approx(mean * left / 2)
    assert progress(state, metric="uf1", planned=5, slots=9).remaining == pytest.approx(
        mean * left / min(9, left)
    )
    assert [(t.state, t.folds, t.why) for t in now.trials] == [
        ("complete", 6, ""),
        ("stopped", 2, "place 2 of 2"),
        ("running", 1, ""),
    ]
    assert (now.folds_done, now.count("stopped"), now.best) == (9, 1, (0, state.trials[0].score("uf1")))


def test_folds_that_are_finished_behind_a_gap_are_not_expected_once_more(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    proposed(run)
    with run.writer() as writer:
        for subject in (run.plan.subjects[place] for place in (0, 3, 4)):
            writer.append(fold(run.plan, 0, subject, seconds=2.0))
    now = progress(run.read(), metric="uf1", planned=1)
    assert (now.folds_done, now.trials[0].folds, now.open_folds) == (3, 1, 3)
    assert now.remaining == pytest.approx(3 * 2.0)
