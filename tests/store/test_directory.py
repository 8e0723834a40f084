from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mersearch.errors import Interrupted, RunError
from mersearch.store import PROTOCOL, RunDirectory, TrialProposed, runs
from tests.runs import a_plan, a_run, facts


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


def test_reading_a_run_imports_nothing_heavy() -> None:
    code = "import sys, mersearch.store; print(' '.join(sys.modules))"
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    assert not loaded & {"torch", "ray", "optuna", "pandas", "scipy", "yaml", "pydantic"}
