from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mersearch.errors import Interrupted, RunError
from mersearch.store import (
    PROTOCOL,
    FoldPlan,
    RunDirectory,
    SpaceExhausted,
    TrialEnded,
    TrialProposed,
    configuration,
    runs,
)
from mersearch.store.records import Record
from tests.runs import a_plan, a_run, facts, train


def test_a_new_run_reads_back_what_it_was_given(tmp_path: Path) -> None:
    config = {"run": {"seed": 3}, "b": [1, 2.5, None], "a": "ü"}
    RunDirectory.create(tmp_path / "r", config=config, provenance={"code": "abc"}, plan=a_plan(chunk=2))
    run = RunDirectory.open(tmp_path / "r")
    assert (run.name, run.config, run.plan) == ("r", config, a_plan(chunk=2))
    assert list(run.config) == list(config)
    assert run.provenance["code"] == "abc"
    assert run.provenance["protocol"] == PROTOCOL
    assert (run.read().plan, run.read().trials) == (run.plan, {})


@pytest.mark.parametrize("file", ["precious.txt", None])
def test_a_place_in_use_is_not_touched(tmp_path: Path, file: str | None) -> None:
    if file:
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / file).write_text("mine")
    else:
        a_run(tmp_path / "r")
    before = sorted((tmp_path / "r").iterdir())
    with pytest.raises(RunError, match="a new run needs a place of its own"):
        a_run(tmp_path / "r")
    assert sorted((tmp_path / "r").iterdir()) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_that_cannot_be_created_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("mersearch.store.files.os.write", full)
    with pytest.raises(Interrupted, match="disk full"):
        a_run(tmp_path / "runs" / "r")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match="must be writable"):
        a_run(tmp_path / "runs" / "r")


def test_another_protocol_version_names_both(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    (run.path / "provenance.json").write_text(json.dumps({**run.provenance, "protocol": 99}))
    with pytest.raises(RunError, match=rf"protocol version {PROTOCOL}\n.*protocol version 99"):
        RunDirectory.open(run.path)


@pytest.mark.parametrize("text", ["{", "[]", '{"protocol": 1}', '{"protocol": 1, "folds": {"chunk": 0}}'])
def test_a_broken_provenance_is_said(tmp_path: Path, text: str) -> None:
    run = a_run(tmp_path / "r")
    (run.path / "provenance.json").write_text(text)
    with pytest.raises(RunError, match=r"provenance\.json of a run must be readable"):
        RunDirectory.open(run.path)


@pytest.mark.parametrize("text", ["{", "- 1", ""])
def test_a_broken_configuration_is_said(tmp_path: Path, text: str) -> None:
    run = a_run(tmp_path / "r")
    (run.path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=r"config\.yaml of a run must be readable"):
        _ = run.config


def test_a_wrong_name_is_answered_with_near_ones(tmp_path: Path) -> None:
    a_run(tmp_path / "baseline")
    a_run(tmp_path / "other")
    with pytest.raises(RunError, match=r"did you mean baseline\?"):
        RunDirectory.find("basline", tmp_path)
    with pytest.raises(RunError, match="runs there: baseline, other"):
        RunDirectory.find("zzzz", tmp_path)
    with pytest.raises(RunError, match="there are no runs in"):
        RunDirectory.find("zzzz", tmp_path / "baseline")


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    run = a_run(tmp_path / "baseline")
    assert RunDirectory.find("baseline", tmp_path).path == run.path
    assert RunDirectory.find(str(run.path), tmp_path / "nowhere").path == run.path


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with pytest.raises(RunError, match="not a run: it lacks"):
        RunDirectory.open(tmp_path / "r")


def test_runs_are_listed_by_name_without_what_is_being_made(tmp_path: Path) -> None:
    for name in ("b", "a"):
        a_run(tmp_path / name)
    (tmp_path / "a").joinpath("config.yaml")
    a_run(tmp_path / ".c.new")
    (tmp_path / "file").write_text("")
    assert [run.name for run in runs(tmp_path)] == ["a", "b"]
    assert runs(tmp_path / "nowhere") == []


def test_the_configuration_of_a_run_can_be_extended(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with run.writer() as writer:
        writer.write_config({"seed": 0, "trials": 150})
    assert RunDirectory.open(run.path).config == {"seed": 0, "trials": 150}


def test_only_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with run.writer() as writer:
        with pytest.raises(RunError, match="run r is in use by pid"), run.writer():
            pass
        writer.append(TrialProposed(0, {"x": 1}, 5))
        assert facts(run.read()) == facts(writer.state)
    with run.writer() as writer:
        assert writer.state.trials[0].parameters == {"x": 1}


def test_a_writer_that_lost_its_lease_writes_no_more(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with run.writer() as writer:
        writer.append(TrialProposed(0, {}, 0))
        for file in (run.path / ".lease").iterdir():
            file.unlink()
        with pytest.raises(RunError, match="another one has taken over"):
            writer.append(TrialProposed(1, {}, 0))
        with pytest.raises(RunError, match="another one has taken over"):
            writer.write_config({})
    assert list(run.read().trials) == [0]


@pytest.mark.parametrize(
    ("log", "line", "why"),
    [
        (
            "trials.jsonl",
            {"kind": "proposed", "trial": 1, "parameters": {}, "seed": 0, "time": 0},
            "trial 0 is next",
        ),
        (
            "trials.jsonl",
            {"kind": "ended", "trial": 0, "state": "odd", "why": "", "folds": 0, "time": 0},
            "odd",
        ),
        (
            "trials.jsonl",
            {"kind": "ended", "trial": 0, "state": "failed", "why": "", "folds": 0, "time": 0},
            "ends before it is proposed",
        ),
        ("folds.jsonl", {"trial": 0}, "logits"),
        ("verdicts.jsonl", {"trial": 0}, "value"),
    ],
)
def test_a_line_that_contradicts_the_log_is_named(tmp_path: Path, log: str, line: Any, why: str) -> None:
    run = a_run(tmp_path / "r")
    (run.path / log).write_text(json.dumps(line) + "\n")
    with pytest.raises(RunError, match=rf"{log}, line 1: .*{why}"):
        run.read()


def refused(plan: FoldPlan) -> list[tuple[Record, ...]]:
    """Records that contradict a log in which trial 0 was proposed."""
    good = train(plan, 0, LEARNT, plan.subjects[0])
    return [
        (TrialProposed(0, {}, 0),),
        (TrialProposed(1, {}, 0), TrialProposed(3, {}, 0)),
        (TrialEnded(1, "failed", "", 0),),
        (TrialEnded(0, "running", "", 0),),
        (SpaceExhausted(3),),
        (dataclasses.replace(good, subject="nobody"),),
        (good, dataclasses.replace(good, labels=(0,) * len(good.labels))),
        (dataclasses.replace(good, clips=good.clips[1:]),),
    ]


LEARNT: dict[str, Any] = {"algorithm.lr": 0.01, "algorithm.head": "mlp"}
FILES = ("trials.jsonl", "folds.jsonl", "verdicts.jsonl")


@pytest.mark.parametrize("case", range(8))
def test_a_record_that_contradicts_the_log_reaches_neither_log_nor_state(tmp_path: Path, case: int) -> None:
    run = a_run(tmp_path / "r")
    with run.writer() as writer:
        writer.append(TrialProposed(0, LEARNT, 5))
        before = [(run.path / name).read_bytes() for name in FILES], facts(writer.state)
        with pytest.raises(ValueError, match=r"trial|subject|kind|differ|space"):
            writer.append(*refused(run.plan)[case])
        assert ([(run.path / name).read_bytes() for name in FILES], facts(writer.state)) == before
        assert not (run.path / "maps").exists()
    assert facts(run.read()) == before[1]


def test_several_trials_may_be_proposed_and_ended_in_one_write(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r")
    with run.writer() as writer:
        writer.append(TrialProposed(0, {}, 0), TrialEnded(0, "failed", "", 0), TrialProposed(1, {"x": 1}, 0))
        assert facts(run.read()) == facts(writer.state)


def test_what_a_full_disk_refuses_is_not_in_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path / "r")
    with run.writer() as writer:
        writer.append(TrialProposed(0, LEARNT, 5))
        fold = dataclasses.replace(
            train(run.plan, 0, LEARNT, run.plan.subjects[0]), configuration=configuration(LEARNT)
        )
        before, real, left = facts(writer.state), os.write, [20]

        def nearly_full(descriptor: int, data: Any) -> int:
            if not left[0]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = real(descriptor, bytes(data)[: left[0]])
            left[0] -= written
            return written

        with monkeypatch.context() as patch:
            patch.setattr("mersearch.store.files.os.write", nearly_full)
            with pytest.raises(Interrupted, match="disk full"):
                writer.append(fold)
        assert left == [0], "a part of the line was written"
        assert facts(writer.state) == before
        assert facts(run.read()) == before
    assert (run.path / "folds.jsonl").read_bytes() == b""


def test_reading_a_run_imports_nothing_heavy() -> None:
    code = "import sys, mersearch.store; print(' '.join(sys.modules))"
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    assert not loaded & {"torch", "ray", "optuna", "pandas", "scipy", "yaml", "pydantic"}
