"""What `status` says of a run that is worked on, was left, or is over."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mersearch import summary
from mersearch.ledger import ledger_path
from mersearch.store import (
    FoldRecord,
    RunDirectory,
    SpaceExhausted,
    TrialEnded,
    TrialProposed,
    TrialRestarted,
    configuration,
)
from mersearch.store.lease import Holder, Lease, holder
from tests.runs import a_plan, train

PARAMETERS = {"algorithm.lr": 0.01, "algorithm.head": "mlp"}
HOLD = """
import sys
from pathlib import Path
from mersearch.store.lease import Lease
lease = Lease(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A search of four trials whose first one has three of six folds."""
    config = {"run": {"seed": 0}, "search": {"metric": "uf1", "trials": 4}}
    database = {"name": "db", "label_file": "abc"}
    provenance = {"data": {"synthetic": True, "labels": "three", "databases": [database]}}
    run = RunDirectory.create(tmp_path / "first", config=config, provenance=provenance, plan=a_plan())
    with run.writer() as writer:
        writer.append(TrialProposed(0, PARAMETERS, 0))
        writer.append(*trained(run, run.plan.subjects[:3]))
    return run


def trained(run: RunDirectory, subjects: Sequence[str]) -> list[FoldRecord]:
    folds = [train(run.plan, 0, PARAMETERS, subject) for subject in subjects]
    return [dataclasses.replace(fold, configuration=configuration(PARAMETERS)) for fold in folds]


def said(run: RunDirectory) -> list[str]:
    lines = summary.text(run, run.read())
    assert max(len(line) for line in lines if str(run.path) not in line) <= 80
    return lines


def test_status_names_the_database_and_the_label_set(run: RunDirectory) -> None:
    assert said(run)[1] == "  data     db, label set three, synthetic"
    assert summary.facts(run, run.read())["data"] == {"database": "db", "labels": "three"}
    (first,) = run.provenance["data"]["databases"]
    first["parts"] = [{"name": "casme2"}, {"name": "samm"}]
    assert said(run)[1] == "  data     db (casme2, samm), label set three, synthetic"


def test_a_line_that_a_crash_has_cut_is_told_until_the_run_goes_on(run: RunDirectory) -> None:
    assert not any(line.startswith("  cut ") for line in said(run))
    for name in ("folds.jsonl", "verdicts.jsonl"):
        with (run.path / name).open("ab") as file:
            file.write(b'{"trial": 0, "sub')
    assert [line for line in said(run) if line.startswith("  cut ")] == [
        "  cut      last line of folds.jsonl is incomplete: ignored, resume redoes it",
        "  cut      last line of verdicts.jsonl is incomplete: ignored, resume redoes it",
    ]
    assert summary.facts(run, run.read())["torn"] == ["folds.jsonl", "verdicts.jsonl"]
    with run.writer():
        assert not any(line.startswith("  cut ") for line in said(run))
    assert summary.facts(run, run.read())["torn"] == []


def test_while_a_process_works_on_a_run_status_names_it_and_does_not_suggest_resume(
    run: RunDirectory,
) -> None:
    before = datetime.now().replace(second=0, microsecond=0)
    lease = Lease(run.path)
    lines = said(run)
    assert lines[0].startswith("first: running since ")
    assert lines[0].endswith(f", process {os.getpid()} on {socket.gethostname()}")
    since = datetime.fromisoformat(lines[0].removeprefix("first: running since ").partition(",")[0])
    assert before <= since <= datetime.now(), "in the time of the clock on the wall"
    assert lines[-1] == "  next: wait; Ctrl-C where it runs stops it, and loses nothing finished"
    driver = summary.facts(run, run.read())["driver"]
    assert (driver["pid"], driver["host"]) == (str(os.getpid()), socket.gethostname())
    lease.release()
    lines = said(run)
    assert lines[0] == "first: not finished, and nobody works on it"
    assert lines[-1] == f"  next: mersearch resume {run.path}"
    assert summary.facts(run, run.read())["driver"] is None


def test_after_a_crash_status_suggests_resume_at_once(run: RunDirectory) -> None:
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", HOLD, str(run.path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert f"process {process.pid} on" in said(run)[0]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert said(run)[-1] == f"  next: mersearch resume {run.path}"


def test_a_long_host_name_does_not_widen_the_text(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Holder("123456", "node-" * 8, "2026-01-02T03:04:05+00:00")
    monkeypatch.setattr(summary, "holder", lambda _: elsewhere)
    since = datetime(2026, 1, 2, 3, 4, tzinfo=UTC).astimezone()
    assert f"first: running since {since:%Y-%m-%d %H:%M}, process 123456 on" in " ".join(said(run))


def test_a_run_that_nobody_ever_worked_on_or_that_may_not_be_looked_into_has_no_holder(
    tmp_path: Path,
) -> None:
    assert holder(tmp_path) is None
    (tmp_path / ".lease").write_text("a file where a folder is expected")
    assert holder(tmp_path) is None


def test_an_exhausted_space_ends_the_search_where_every_trial_is_over(run: RunDirectory) -> None:
    with run.writer() as writer:
        writer.append(SpaceExhausted(1))
        assert said(run)[0].startswith("first: running since"), "its only trial is not over"
        writer.append(*trained(run, run.plan.subjects[3:]))
        writer.append(TrialEnded(0, "complete", "", 6))
    lines = said(run)
    assert lines[0] == "first: finished"
    assert "  the space has no further configuration: 1 of 4 trials" in lines
    assert lines[-1] == f"  next: mersearch export {run.path}"


def test_status_forecasts_the_rest_from_the_measured_folds(run: RunDirectory) -> None:
    lines = said(run)
    assert "  left     about a minute with 1 at a time" in lines
    forecast = summary.facts(run, run.read())["forecast"]
    folds = (6 - 3) + 3 * 6
    assert forecast == {"seconds": 1.5 * folds, "at_once": 1}


def test_status_says_what_of_a_budget_is_spent_and_that_it_ended_the_search(tmp_path: Path) -> None:
    search = {"metric": "uf1", "trials": 4, "gpu_hours": 0.003, "concurrency": 2}
    config = {"run": {"seed": 0}, "search": search, "trial": {"gpus": 1}}
    data = {"synthetic": False, "labels": "three", "databases": [{"name": "db", "label_file": "abc"}]}
    provenance = {"data": data, "mode": {"device": "cuda"}}
    run = RunDirectory.create(tmp_path / "first", config=config, provenance=provenance, plan=a_plan())
    with run.writer() as writer:
        writer.append(TrialProposed(0, PARAMETERS, 0))
        writer.append(*trained(run, run.plan.subjects))
        writer.append(TrialEnded(0, "complete", "", 6))
    hours = 6 * 1.5 / 3600
    lines = said(run)
    assert lines[0] == "first: finished"
    assert f"  cards    {hours:.3g} of 0.003 GPU-hours" in lines
    assert any(line.startswith(f"  {hours:.3g} of 0.003 GPU-hours are spent") for line in lines)
    budget = summary.facts(run, run.read())["budget"]
    assert budget["gpu_hours"] == {"spent": pytest.approx(hours), "of": 0.003}


def test_status_names_the_trials_that_a_card_was_too_small_for(run: RunDirectory) -> None:
    assert not any("memory" in line for line in said(run))
    with run.writer() as writer:
        writer.append(TrialRestarted(0, "loop", "CUDA out of memory"))
    lines = said(run)
    assert "  memory   of a card not enough, started again with folds.backend=loop: trial 0" in lines
    assert summary.facts(run, run.read())["restarted"] == [
        {"trial": 0, "backend": "loop", "why": "CUDA out of memory"}
    ]


def test_where_the_ledger_cannot_be_read_the_best_trial_comes_with_a_caution(run: RunDirectory) -> None:
    with run.writer() as writer:
        writer.append(*trained(run, run.plan.subjects[3:]))
        writer.append(TrialEnded(0, "complete", "", 6))
    before = said(run)
    assert any("expected on new subjects" in line for line in before)
    ledger_path(run).mkdir(parents=True)
    lines = said(run)
    (place,) = [place for place, line in enumerate(lines) if line.startswith("  best: trial 0")]
    assert lines[place + 1] == f"  {summary.CAUTION}"
    assert summary.facts(run, run.read())["corrected"] is None
