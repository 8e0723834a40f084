"""`kill -9` of the driver, four times in one search: while it preprocesses, while Ray starts, twice between folds."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mersearch.config.load import read_back
from mersearch.store import RunDirectory
from tests.commands import Command
from tests.runs import knowledge
from tests.tiny import LOGS, TRIALS, Tiny, maps, optuna_trials, predictions, story

pytestmark = pytest.mark.ray
RNG = random.Random(7)
CLIPS = RNG.randint(2, 15)
PART = RNG.choice(("guardian.py", "gcs_server", "raylet", "TrialActor"))
POINTS = sorted(RNG.sample(range(4, 25), 2))
"""Folds on disk at which a driver is killed."""


class Killed(NamedTuple):
    """A search that was killed four times and resumed to its end."""

    run: RunDirectory
    before: int
    """Folds on disk after the last kill."""
    owner: int
    """Process that the lease named after the last kill."""
    pid: int
    """Process that was killed last."""
    said: str
    """What the command printed that went on to the end."""


@pytest.fixture(scope="module")
def killed(tiny: Tiny) -> Killed:
    launch = ("launch", "tiny.yaml", "run.name=killed", "preprocess.cache=killed")
    kill(tiny, launch, lambda _: tiny.prepared("killed") >= CLIPS)
    assert not (tiny.folder / "runs" / "killed").exists()
    kill(tiny, launch, lambda command: command.has(PART))
    run = tiny.run("killed")
    for point in POINTS:
        pid = kill(tiny, ("resume", "killed"), lambda _, n=point: tiny.lines("killed", "folds.jsonl") >= n)
        shutil.copytree(run.path, tiny.folder / f"killed-{point}")
    before = tiny.lines("killed", "folds.jsonl")
    lock(run).symlink_to(run.path / "study.journal")  # as Optuna's own lock leaves it behind
    return Killed(run, before, owner(run), pid, tiny.do("resume", "killed"))


def kill(tiny: Tiny, arguments: tuple[str, ...], moment: Callable[[Command], bool]) -> int:
    """Start a command and kill it at a moment of its life; everything it started must end too."""
    with tiny.start(*arguments) as command:
        command.at(lambda: moment(command))
        command.kill()
        command.leaves_nothing()
        return command.pid


def owner(run: RunDirectory) -> int:
    """The process that the lease of a run names, 0 where it was given back."""
    (lease,) = (run.path / ".lease").iterdir()
    return int(json.loads(lease.read_text() or '{"pid": 0}')["pid"])


def lock(run: RunDirectory) -> Path:
    return run.path / "study.journal.lock"


def test_a_search_killed_four_times_is_the_undisturbed_search_line_by_line(
    tiny: Tiny, killed: Killed
) -> None:
    undisturbed = tiny.run("tiny")
    assert POINTS[-1] <= killed.before < len(predictions(undisturbed))
    assert predictions(killed.run) == predictions(undisturbed)
    assert story(killed.run) == story(undisturbed)
    assert maps(killed.run) == maps(undisturbed)
    assert {file.name for file in killed.run.path.iterdir()} - {lock(killed.run).name} == {
        file.name for file in undisturbed.path.iterdir()
    }


@pytest.mark.parametrize("point", POINTS)
def test_what_a_killed_search_knows_when_it_is_reopened_the_undisturbed_one_knew_then(
    tiny: Tiny, killed: Killed, point: int, tmp_path: Path
) -> None:
    stored, then = RunDirectory.open(tiny.folder / f"killed-{point}"), tmp_path / "then"
    shutil.copytree(tiny.run("tiny").path, then)
    for name in LOGS:
        lines = (stored.path / name).read_bytes().count(b"\n")
        (then / name).write_bytes(b"".join((then / name).read_bytes().splitlines(keepends=True)[:lines]))
    space = read_back(stored.config).space
    known = knowledge(stored.read(), space)
    assert known == knowledge(RunDirectory.open(then).read(), space)
    assert len(known["proposals"]) < TRIALS
    assert any(known["verdicts"].values())


def test_no_finished_fold_is_computed_again(killed: Killed) -> None:
    assert f"Going on: {killed.before} folds are done already." in killed.said
    assert killed.run.read().duplicates == 0


def test_no_optuna_trial_stays_running_and_the_values_are_those_of_the_run(killed: Killed) -> None:
    trials = optuna_trials(killed.run)
    assert len(trials) == TRIALS
    for shown, trial in zip(trials, killed.run.read().trials.values(), strict=True):
        assert shown.state.name == {"complete": "COMPLETE", "stopped": "PRUNED"}[trial.state]
        assert shown.value == trial.score("uf1")
        assert shown.params == trial.parameters


def test_the_locks_of_a_killed_driver_are_not_waited_for(killed: Killed) -> None:
    assert killed.owner == killed.pid, "the lease named the killed driver when the next one began"
    assert owner(killed.run) == 0
    assert lock(killed.run).is_symlink(), "nobody waited until the stale lock of the journal could be broken"


def test_kill_9_while_a_synthetic_database_is_written_leaves_no_process(tmp_path: Path) -> None:
    with Command(tmp_path, "data", "synthesize", "out", "--layout", "casme2", "--subjects", "4") as command:
        command.at(lambda: any((tmp_path / "out").rglob("*.jpg")))
        command.kill()
        command.leaves_nothing()
