"""Searches through real Ray with workers that train nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mersearch.config import compose
from mersearch.errors import ClusterError, Interrupted, NothingRan, TimeUp
from mersearch.numerics import mode_on
from mersearch.search.budget import Budget
from mersearch.search.engine import run_search
from mersearch.search.policy import NoStopping
from mersearch.search.probe import workers_mode
from mersearch.search.ray_cluster import Cluster, cluster
from mersearch.search.session import Session
from mersearch.search.slots import Slots
from mersearch.store import RunDirectory, RunState
from tests.commands import processes
from tests.jobs import Job, Notebook
from tests.runs import SPACE, a_plan, a_run, a_session, an_asha, execute, facts

pytestmark = pytest.mark.ray
TWO, ONE = Slots(2, 0.25, 0), Slots(1, 0.25, 0)  # small: a search that ends early leaves its slots to its Ray
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    with cluster(cpus=2, gpus=1) as running:
        yield running


def search(
    run: RunDirectory, job: Job, on: Cluster, slots: Slots = TWO, trials: int = 10, **more: Any
) -> Notebook:
    notes, options = Notebook(), {name: more.pop(name) for name in ("retries", "backend") if name in more}
    with a_session(run, trials, slots=slots.count, **more) as session:
        run_search(session, job, on, slots, run=run.path, metric="uf1", watcher=notes, **options)
    return notes


def test_one_worker_finds_what_a_search_without_ray_finds_and_loads_the_data_once(
    ray: Cluster, tmp_path: Path
) -> None:
    plain, run, log = a_run(tmp_path / "plain"), a_run(tmp_path / "ray"), tmp_path / "log"
    execute(plain, trials=10)
    search(run, Job(run.plan, log=log), ray, ONE, trials=10)
    assert facts(run.read()) == facts(plain.read())
    assert log.read_text().count("open") == 1


def test_a_trial_without_memory_starts_again_on_its_workers_in_a_smaller_mode(
    ray: Cluster, tmp_path: Path
) -> None:
    plain, run = a_run(tmp_path / "plain"), a_run(tmp_path / "ray")
    execute(plain, trials=3, policy=NoStopping())
    job = Job(run.plan, faults={1: "crowd"})
    search(run, job, ray, ONE, trials=3, policy=NoStopping(), backend="fused")
    state, undisturbed = run.read(), plain.read()
    assert [trial.backend for trial in state.trials.values()] == ["", "loop", ""]
    assert [fold.chunk for fold in state.trials[1].discarded] == [0]
    assert state.folds(1)[0].attempt == 1
    for number, trial in undisturbed.trials.items():
        assert (state.trials[number].state, state.trials[number].parameters) == ("complete", trial.parameters)
        for a, b in zip(state.folds(number), undisturbed.folds(number), strict=True):
            assert a.logits.tobytes() == b.logits.tobytes()


def test_two_workers_finish_every_trial_whatever_befalls_single_ones(ray: Cluster, tmp_path: Path) -> None:
    run, log = a_run(tmp_path / "run"), tmp_path / "log"
    faults = {1: "die", 2: "bug", 3: "diverge", 4: "nan"}
    notes = search(run, Job(run.plan, faults, log=log), ray, trials=14, policy=an_asha(rungs=(0.3, 0.5)))

    state = run.read()
    states = {number: trial.state for number, trial in state.trials.items()}
    assert [number for number, found in states.items() if found == "failed"] == [2, 3, 4]
    assert set(states.values()) == {"complete", "stopped", "failed"}
    assert state.duplicates == 0
    assert all(len(trial.folds) == trial.done for trial in state.trials.values())

    lost = [fold.attempt for fold in state.folds(1)]
    assert lost == [0, 1, *[0] * (len(lost) - 2)], "the chunk that was lost is computed again, no other one"
    assert len(notes.notices) == 1
    assert "trial 1: its worker died" in notes.notices[0]
    assert [line.split()[1:] for line in log.read_text().splitlines()].count(["1", "0", "0"]) == 1

    why = {number: state.trials[number].why for number in (2, 3, 4)}
    assert why[2] == "KeyError: 'no such layer'"
    assert why[3].startswith("losses stay finite")
    assert "not finite" in why[4]
    assert "in train" in (run.path / "failures" / "00002.txt").read_text()
    assert notes.seen[-1].finished
    events = sorted(path.name for path in (run.path / "events").iterdir())
    assert events == [f"trial-{number:05d}" for number in states if states[number] != "failed"]


def test_the_chunks_of_one_trial_alone_are_trained_by_both_workers(ray: Cluster, tmp_path: Path) -> None:
    plan = a_plan(subjects=8)
    plain, run, log = a_run(tmp_path / "plain", plan), a_run(tmp_path / "ray", plan), tmp_path / "log"
    execute(plain, trials=1, policy=NoStopping())
    search(run, Job(plan, {0: "meet"}, log=log), ray, trials=1, policy=NoStopping())
    assert facts(run.read()) == facts(plain.read())
    chunks = [line.split() for line in log.read_text().splitlines() if "open" not in line]
    assert len({worker for worker, *_ in chunks}) == 2
    assert sorted(int(chunk) for _, _, chunk, _ in chunks) == list(range(8))


def test_a_chunk_whose_code_raised_is_tried_again_with_its_traceback_kept(
    ray: Cluster, tmp_path: Path
) -> None:
    run = a_run(tmp_path / "ray")
    notes = search(run, Job(run.plan, {0: "bug once"}), ray, ONE, trials=1, policy=NoStopping(), retries=1)
    assert run.read().trials[0].state == "complete"
    assert [fold.attempt for fold in run.read().folds(0)] == [0, 1, 0, 0, 0, 0]
    assert notes.notices == ["trial 0: KeyError: 'no such layer'; tried again (1 of 1)"]
    assert "in train" in (run.path / "failures" / "00000.txt").read_text()


def test_a_chunk_that_lost_one_of_its_processes_is_computed_again_by_another_worker(
    ray: Cluster, tmp_path: Path
) -> None:
    run = a_run(tmp_path / "ray")
    notes = search(run, Job(run.plan, {0: "lose a process"}), ray, ONE, trials=1, policy=NoStopping())
    assert run.read().trials[0].state == "complete"
    assert [fold.attempt for fold in run.read().folds(0)] == [0, 1, 0, 0, 0, 0]
    (notice,) = notes.notices
    assert "trial 0: its worker died" in notice
    assert "processes must live: process 7 ended by signal SIGKILL (fewer)" in notice


def test_every_trial_failing_is_an_error_that_names_the_first_and_keeps_the_rest(
    ray: Cluster, tmp_path: Path
) -> None:
    run = a_run(tmp_path / "run")
    job = Job(run.plan, {0: "nan", 1: "diverge", 2: "bug"})
    with pytest.raises(
        NothingRan, match=r"every trial failed \(3 of 3\)\n.*trial 0: .* not finite\n.*failures"
    ):
        search(run, job, ray, trials=3)
    assert [trial.state for trial in run.read().trials.values()] == ["failed"] * 3


class FullDisk(Session):
    def report(self, trial: int, folds: Any) -> bool:
        if self.progress().folds_done >= 3:
            raise Interrupted("disk full", received=os.strerror(errno.ENOSPC))
        return super().report(trial, folds)


def test_an_error_of_the_session_comes_out_as_itself(ray: Cluster, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    with run.writer() as writer:
        session = FullDisk(writer, space=SPACE, trials=4, metric="uf1", policy=NoStopping(), seed=0)
        with pytest.raises(Interrupted, match="disk full") as caught:
            run_search(session, Job(run.plan), ray, ONE, run=run.path, metric="uf1", watcher=Notebook())
    assert caught.value.__cause__ is None
    assert sum(trial.done for trial in run.read().trials.values()) == 3


def test_workers_that_never_finish_a_chunk_are_the_clusters_fault_and_fail_no_trial(
    ray: Cluster, tmp_path: Path
) -> None:
    run = a_run(tmp_path / "run")
    with pytest.raises(ClusterError, match="trial 0: killed, out of memory or crashed"):
        search(run, Job(run.plan, {0: "die always"}), ray, ONE)
    assert [trial.state for trial in run.read().trials.values()] == ["running"]


class OneAtATime(Budget):
    """Lets the second of two trials begin when the first one is over."""

    def reached(self, state: RunState, planned: int) -> str:
        return "wait" if state.in_state("running") or len(state.trials) == 2 else ""


def test_a_searcher_without_a_trial_now_is_asked_again_and_a_budget_ends_the_search(
    ray: Cluster, tmp_path: Path
) -> None:
    run = a_run(tmp_path / "run")
    notes = search(run, Job(run.plan), ray, policy=NoStopping(), budget=OneAtATime())
    assert [trial.state for trial in run.read().trials.values()] == ["complete"] * 2
    assert max(seen.count("running") for seen in notes.seen) == 1
    assert notes.seen[-1].finished


def test_at_the_deadline_the_search_ends_and_goes_on_where_it_was(ray: Cluster, tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    now = iter([0.0] * 25)
    with pytest.raises(TimeUp, match="the time budget is used up"):
        search(run, Job(run.plan), ray, ONE, trials=2, deadline=1.0, clock=lambda: next(now, 2.0))
    begun = run.read()
    assert [trial.state for trial in begun.trials.values()][-1:] in ([], ["running"])
    search(run, Job(run.plan), ray, ONE, trials=2)
    assert run.read().in_state("complete")
    assert not run.read().in_state("running")


SCRIPT = """
import sys
from pathlib import Path
from mersearch.errors import MersearchError
from mersearch.search.engine import run_search
from mersearch.search.ray_cluster import cluster
from mersearch.search.slots import Slots
from mersearch.store import RunDirectory
from tests.jobs import Job, Notebook
from tests.runs import a_session

run = RunDirectory.open(Path(sys.argv[1]))
slow = Job(run.plan, {1: "die"}, seconds=float(sys.argv[2]), log=Path(sys.argv[3]))
try:
    with a_session(run, 6) as session, cluster(cpus=2) as ray:
        print(ray.folder, file=sys.stderr, flush=True)
        run_search(session, slow, ray, Slots(2, 1, 0), run=run.path, metric="uf1", watcher=Notebook())
except MersearchError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Driver:
    """A search in a process of its own."""

    def __init__(self, run: RunDirectory, seconds: float, log: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(run.path.parent / "home")}
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(run.path), str(seconds), str(log)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stderr is not None
        self.folder = Path(self.process.stderr.readline().strip())

    def wait_for(self, line: str) -> None:
        wait(lambda: self.log.exists() and f"{line}\n" in self.log.read_text())

    def workers(self) -> set[int]:
        return {int(line.split()[0]) for line in self.log.read_text().splitlines()}


def wait(condition: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)  # another process is waited for


def gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_an_interrupt_ends_a_silent_command_at_once_with_everything_finished_kept(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    driver = Driver(run, 0.4, tmp_path / "log")
    driver.wait_for(" 1 1 1")
    driver.process.send_signal(signal.SIGINT)
    out, error = driver.process.communicate(timeout=15)
    assert (driver.process.returncode, out) == (3, "")
    assert error.splitlines()[0] == "everything finished is kept"
    assert f"SIGINT\n  fix: mersearch resume {run.path} goes on" in error
    assert all(gone(pid) for pid in driver.workers())
    assert not driver.folder.exists()
    assert not (tmp_path / "home").exists(), "no token under the user's home"
    assert sum(trial.done for trial in run.read().trials.values()) >= 2
    execute(run, trials=6)
    assert not run.read().missing()


def test_kill_9_of_the_driver_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    driver = Driver(run, 0.4, tmp_path / "log")
    driver.wait_for(" 0 1 0")
    driver.process.kill()
    driver.process.communicate()
    wait(lambda: not driver.folder.exists(), 10)
    assert all(gone(pid) for pid in driver.workers())
    execute(run, trials=6)
    assert not run.read().missing()


def test_a_ray_that_is_killed_under_the_search_ends_it_resumable(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    driver = Driver(run, 0.2, tmp_path / "log")
    driver.wait_for(" 0 1 0")
    children = {pid: line for pid, (parent, line) in processes().items() if parent == driver.process.pid}
    (victim,) = (pid for pid, line in children.items() if Path(line.split()[0]).name == "raylet")
    os.kill(victim, signal.SIGKILL)
    _, error = driver.process.communicate(timeout=30)
    assert driver.process.returncode == 3, error
    assert "Ray ended under the search; everything finished is kept\n  received: its raylet is gone" in error
    assert f"mersearch resume {run.path}" in error
    wait(lambda: not driver.folder.exists(), 10)
    assert sum(trial.done for trial in run.read().trials.values()) >= 1
    execute(run, trials=6)
    assert not run.read().missing()


@pytest.mark.usefixtures("ray")
def test_the_numeric_mode_of_a_cluster_is_that_of_its_workers() -> None:
    config = compose("quintuplet", ["trial.cpus=2", "trial.gpus=0"])
    assert workers_mode(config, TWO) == mode_on(config, "cpu"), "here, driver and worker are one machine"


@pytest.mark.skipif(torch.cuda.is_available(), reason="a card that torch cannot use")
@pytest.mark.usefixtures("ray")
def test_a_worker_whose_card_torch_cannot_use_is_noticed_before_anything_starts() -> None:
    with pytest.raises(
        ClusterError, match=r"able to train[\s\S]*1 GPU: .*[Tt]orch not compiled with CUDA|NVIDIA"
    ):
        workers_mode(compose("quintuplet"), Slots(1, 1, 1.0))


@pytest.mark.usefixtures("ray")
def test_a_cluster_that_never_has_room_is_not_waited_for_without_end() -> None:
    with pytest.raises(ClusterError, match=r"must answer[\s\S]*99 CPU and 0 GPU: none within 0.5 s"):
        workers_mode(compose("quintuplet"), Slots(1, 99, 0.0), patience=0.5)
